/* The two halves of checkpoint/1 `vq-ddm`. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_CHECKPOINTS_VQ_DDM_VQ_DDM_H
#define PLUGINS_CHECKPOINTS_VQ_DDM_VQ_DDM_H

#include "kit/checkpoint/name_table.h"
#include "kit/checkpoint/taming_autoencoder.h"

struct vq_ddm {
    struct conv_untold images;
    int64_t norm_groups, heads, steps;
};

/* Names of the network within its noise, and by itself. */
#define VQ_DDM_INSIDE "_denoising._denoise_fn."
#define VQ_DDM_ALONE "_nn."

/* Ways in which a network reads a code, and the value of `input` of denoiser/1 `unet` for each. */
enum { BY_EMBEDDING, BY_SCALAR, BY_PLAIN };
extern const char *const vq_ddm_input_name[];
/* Names of a prior whose network lies within its noise. */
extern const struct name_row vq_ddm_names[];
/* `time_offset` of the denoiser: steps are counted from 0 there and from 1 here. */
double vq_ddm_time_offset(int64_t steps);

/* Plans the export of a prior; fails where the program has no such network or noise. */
int vq_ddm_export_prior(struct tess_context *ctx, const struct vq_ddm *v, struct tess_export_plan *p) TESS_CHECKED;

#endif
