/* Results of the stage `edit` out of decoded variants: originals put back where the mask keeps them, and the picture (docs/models.md,
 * "Editing").
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_EDIT_RESULTS_H
#define PLUGINS_STAGES_EDIT_RESULTS_H

#include "kit/infer/common.h"
#include "kit/sample/region.h"

struct edit_results {
    const struct stage_images *images, *masks; /* masks: one for all, or one for each */
    struct region_rule rule;
    const uint8_t *cells;                      /* (h, w) for each image: 1 where it is drawn anew */
    int64_t count, variants, h, w;             /* images; variants of each; the map */
    int32_t composite;
    struct tess_tensor original, mask, shown; /* the image at hand and its mask; the picture's images, row by row */
    int64_t here, masked;                     /* which those are of; -1: none */
};

/* The members down to `composite` are the caller's. Close in any case. */
int edit_results_open(struct tess_context *ctx, struct edit_results *r) TESS_CHECKED;
void edit_results_close(struct edit_results *r);
/* Variant `v` of image `i` as decoded -> as it is to be stored; and into its place of the picture. In order. */
int edit_results_take(struct tess_context *ctx, struct edit_results *r, int64_t i, int64_t v, uint8_t *made) TESS_CHECKED;
/* A row an image: the original, what is drawn anew of it striped, variants. */
int edit_results_put_picture(struct tess_context *ctx, const struct edit_results *r, struct tess_artefact *a) TESS_CHECKED;

#endif
