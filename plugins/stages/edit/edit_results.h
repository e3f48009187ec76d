/* Results of the stage `edit`, made of decoded variants: originals put back where the mask keeps them, and the picture (docs/models.md,
 * "Editing").
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_EDIT_EDIT_RESULTS_H
#define PLUGINS_STAGES_EDIT_EDIT_RESULTS_H

#include "kit/infer/common.h"
#include "kit/sample/region.h"

struct edit_results {
    const struct stage_images *images, *masks; /* masks: one for all, or one for each */
    struct region_rule rule;
    const uint8_t *cells;                      /* (h, w) for each image: 1 where it is drawn anew */
    int64_t count, variants, h, w;             /* images; variants of each; the map */
    int32_t composite;
    struct tess_tensor original, mask, shown; /* the image in work and its mask; images of the picture, row by row */
    int64_t here, masked;                     /* numbers of these images; -1: none */
};

/* The members down to `composite` are the caller's. Close in any case. */
int edit_results_open(struct tess_context *ctx, struct edit_results *r) TESS_CHECKED;
void edit_results_close(struct edit_results *r);
/* Composites variant `v` of image `i`, as decoded, with the original for storing; and copies it into the picture. To be called in order. */
int edit_results_take(struct tess_context *ctx, struct edit_results *r, int64_t i, int64_t v, uint8_t *made) TESS_CHECKED;
/* Writes the picture, a row an image: the original, the original with stripes over what is drawn anew, variants. */
int edit_results_put_picture(struct tess_context *ctx, const struct edit_results *r, struct tess_artefact *a) TESS_CHECKED;

#endif
