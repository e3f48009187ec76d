/* The models that Bond-Taylor et al., "Unleashing Transformers", released: their names, and which models they make. Import and export are
 * as of struct tess_checkpoint_1. Compiled into the plugin of that architecture.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_CHECKPOINTS_UNLEASHING_TRANSFORMERS_UNLEASHING_H
#define PLUGINS_CHECKPOINTS_UNLEASHING_TRANSFORMERS_UNLEASHING_H

#include "kit/checkpoint/conv_layout.h"

int unleashing_import_autoencoder(struct tess_context *ctx, const struct conv_untold *u, struct tess_import_plan *p) TESS_CHECKED;
int unleashing_export_autoencoder(struct tess_context *ctx, const struct conv_untold *u, struct tess_export_plan *p) TESS_CHECKED;

/* Parameters that the shapes of a prior do not tell; steps: only where the file does not. */
struct unleashing_untold {
    int64_t heads, steps;
    int32_t complete; /* export: with extras */
};
/* causal: 1 for the autoregressive prior */
int unleashing_import_prior(struct tess_context *ctx, const struct unleashing_untold *u, struct tess_import_plan *p,
                            int causal) TESS_CHECKED;
int unleashing_export_prior(struct tess_context *ctx, const struct unleashing_untold *u, struct tess_export_plan *p) TESS_CHECKED;

#endif
