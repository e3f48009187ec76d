/* See answer.h. SPDX-License-Identifier: MIT */
#include "kit/infer/answer.h"

int answer_check(struct tess_context *ctx, const struct tess_instance *component, const char *kind, const char *function, int status)
{
    if (status > 0)
        return ctx->fail(ctx, TESS_E_PLUGIN, "%s `%s`, %s: returned %d; wanted 0, or a negative TESS_E_ code with a message", kind,
                         tess_instance_name(component), function, status);
    if (status < 0 && *tess_message(ctx) == '\0')
        return ctx->fail(ctx, TESS_E_PLUGIN, "%s `%s`, %s: returned %d without a message; wanted one through the context's `fail`", kind,
                         tess_instance_name(component), function, status);
    return status;
}
