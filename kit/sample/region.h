/* Which part of an image a mask gives up (docs/models.md, (21.1)). Linked into the stage that edits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_REGION_H
#define PLUGINS_STAGES_REGION_H

#include <stdint.h>

struct region_rule {
    int32_t white;    /* 1: what is white is drawn anew; 0: what is not */
    double threshold; /* 0 .. 1 */
};

/* 1 where a pixel of the mask (channels bytes) gives up what it stands for. */
int region_has_pixel(const struct region_rule *r, const uint8_t *pixel, int64_t channels);
/* The cells of a map of h x w that a mask of height x width pixels touches: 1 in `cells` (h, w) for each of them, else 0. Gives their
 * number. h <= height, w <= width. */
int64_t region_cells(const struct region_rule *r, const uint8_t *mask, int64_t height, int64_t width, int64_t channels, int64_t h,
                     int64_t w, uint8_t *cells);

#endif
