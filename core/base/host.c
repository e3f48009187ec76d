/* The host record behind a call. Plugins link the library and call its functions; a service's pointer only says that the group is there.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/host.h"

#include <stddef.h>
#include <string.h>

const void *tessi_base_host_service(const struct tess_host *h, const char *id)
{
    static const char *const offered[] = {"graph/1", "random/1", "digest/1", "artefact/1", "train/1", "stage/1", "array/1"};
    (void)h;
    for (size_t i = 0; i < sizeof offered / sizeof *offered; i++)
        if (strcmp(offered[i], id) == 0)
            return offered[i];
    return NULL;
}

struct tessi_runtime *tessi_base_runtime_of(const struct tess_context *ctx)
{
    return ctx->host && ctx->host->service == tessi_base_host_service ? (struct tessi_runtime *)ctx->host : NULL;
}

int tessi_base_runtime_need(struct tess_context *ctx, struct tessi_runtime **out)
{
    *out = tessi_base_runtime_of(ctx);
    return *out ? TESS_OK : ctx->fail(ctx, TESS_E_INTERNAL, "something of tessera's is called without a host");
}
