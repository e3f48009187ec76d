/* What a component's function returned, for callers that hand its status on. SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_ANSWER_H
#define KIT_INFER_ANSWER_H

#include <tessera/plugin.h>

/* `status`, where it is TESS_OK or a failure with a message. Else TESS_E_PLUGIN with one that names kind ("critic"), component and
 * function. [any thread] */
int answer_check(struct tess_context *ctx, const struct tess_instance *component, const char *kind, const char *function,
                 int status) TESS_CHECKED;

#endif
