/* Crops of a picture: which parts of it become rows of a data set. A crop is a box of whole pixels, scaled to the size that is wanted, so a
 * list of boxes says all that another tokenizer, of whatever size, needs to be given the very same parts. Crops that are drawn are a
 * function of the seed, the number of the picture in its source and the number of the crop.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_ARCHIVE_CROPS_H
#define KIT_ARCHIVE_CROPS_H

#include "kit/image/fit.h"

enum { CROPS_CENTRE, CROPS_TEN, CROPS_MULTI, CROPS_TILES };

struct crop_rule {
    int32_t crops;         /* CROPS_... but CROPS_CENTRE, which is the matter of kit/image/fit.h */
    int32_t resize;        /* a rule of geometry.h */
    int64_t size;          /* TEN, TILES: length to which the shorter side is scaled in mind; 0: TEN 1.1 times the shorter of height and
                            * width, TILES the length that the picture has */
    int64_t count;         /* MULTI: number of crops */
    int64_t height, width; /* size of a row */
    uint64_t seed;
};

/* A part of a picture: pixels of the picture as decoded, from its top left corner, and whether it is turned over from left to right. */
struct crop_box {
    int32_t top, left, height, width, flipped;
};

/* Number of crops of a picture of ih x iw pixels: TEN ten, MULTI `count`, TILES as many whole tiles as fit, which may be none. */
int64_t crops_count(const struct crop_rule *r, int64_t ih, int64_t iw);
/* Crop k of the picture of number `item`.
 *   TEN    four corners and the centre, then the same turned over
 *   MULTI  the largest centred one of the row's proportions, then random ones: area uniform in 0.2 to 1 of the picture's, proportions
 *          log-uniform in 3/4 to 4/3 of the row's, place uniform, turned over one time in two; after ten attempts that do not fit, the
 * first TILES  by lines, from the top left; what is left over of the picture lies half before and half behind them */
struct crop_box crops_box(const struct crop_rule *r, int64_t item, int64_t ih, int64_t iw, int64_t k);
/* Scales a box of worker_state->image to height x width x channels at `to`. The image has 1 or 3 channels, or as many as are wanted. */
int crops_apply(struct tess_context *ctx, const struct crop_rule *r, const struct crop_box *box, struct image_fit_worker *worker_state,
                int64_t channels, uint8_t *to) TESS_CHECKED;

#endif
