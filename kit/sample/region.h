/* Region of an image that a mask marks to be drawn anew (docs/models.md, (21.1)). Linked into the stage that edits.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_SAMPLE_REGION_H
#define KIT_SAMPLE_REGION_H

#include <stdint.h>

struct region_rule {
    int32_t white;    /* 1: white is drawn anew; 0: what is not white */
    double threshold; /* 0 .. 1 */
};

/* 1 where a pixel of the mask (`channels` bytes) is in the region. */
int region_has_pixel(const struct region_rule *r, const uint8_t *pixel, int64_t channels);
/* Marks the cells of a map of h x w that the region of a mask of height x width pixels touches: 1 in `cells` (h, w), else 0. Gives their
 * number. h <= height, w <= width. */
int64_t region_cells(const struct region_rule *r, const uint8_t *mask, int64_t height, int64_t width, int64_t channels, int64_t h,
                     int64_t w, uint8_t *cells);

#endif
