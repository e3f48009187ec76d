/* Planning of the stage `edit` from attributes alone: numbers of images and steps, graphs, cost.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_EDIT_EDIT_MODELS_H
#define PLUGINS_STAGES_EDIT_EDIT_MODELS_H

#include "kit/infer/common.h"
#include "kit/sample/sampling.h"

struct edit_params {
    int64_t variants, limit, steps, batch;
    double threshold;
    struct sampling_choice choice;
    int32_t regenerate, composite, split;
};

enum { SPLIT_HELD_OUT, SPLIT_ALL };

/* Draws are keyed by image and variant in 32 bits together. */
enum { VARIANTS_MAX = 1 << 10, IMAGES_MAX = 1 << 22 };

/* Models and counts of an edit, opened from attributes alone, for planning and for running. */
struct edit_models {
    struct sampling_prior p;
    struct stage_codec codec;
    int64_t first, images, count; /* first: of the images that are edited; count: images x variants */
    int64_t cells, tokens;        /* positions of a map, and codes: `depth` for each cell */
    int64_t steps;                /* 0: as many as tokens are drawn anew, for each image */
};

/* Checks that there is one mask for all images or one for each, of the images' height and width. */
int edit_check_mask(struct tess_context *ctx, const struct tess_attrs *images, const struct tess_attrs *mask) TESS_CHECKED;
/* `m` is zeroed; close in any case. `where`: the prior's file, for messages. */
int edit_open_models(struct tess_context *ctx, const struct edit_params *s, uint64_t seed, const struct tess_attrs *images,
                     const struct tess_attrs *model, const struct tess_attrs *prior, const char *where, struct edit_models *m) TESS_CHECKED;
void edit_close_models(struct edit_models *m);
int edit_describe(struct tess_context *ctx, const struct edit_params *s, const struct edit_models *m, const struct tess_attrs *prior,
                  uint64_t seed, struct tess_attrs *f) TESS_CHECKED;
int edit_cost(struct tess_context *ctx, const struct edit_models *m, const struct tess_attrs *images, const struct tess_attrs *mask,
              struct tess_cost *cost) TESS_CHECKED;

#endif
