/* Order of the dimensions of images in arrays. SPDX-License-Identifier: MIT */
#ifndef KIT_IMAGE_LAYOUT_H
#define KIT_IMAGE_LAYOUT_H

#include <tessera/base.h>

/* Names of the layouts, for a parameter of type TESS_ENUM: `auto` is told from the rank and from which dimension is 1 or 3. */
#define LAYOUT_NAMES "auto|nhwc|nchw|nhw|hwc|chw|hw"
enum { LAYOUT_AUTO, LAYOUT_NHWC, LAYOUT_NCHW, LAYOUT_NHW, LAYOUT_HWC, LAYOUT_CHW, LAYOUT_HW };

struct layout {
    int64_t count, height, width, channels;
    int planar; /* 1: all of a channel, then all of the next */
};

/* Finds the sizes of images in an array of these dimensions. TESS_E_DATA where they do not fit the layout, where `auto` is not clear,
 * and where a side is not in 1 to 65536 or there are not 1 or 3 channels. [any thread] */
int layout_of(struct tess_context *ctx, const char *path, int32_t layout, int32_t rank, const int64_t *dim,
              struct layout *out) TESS_CHECKED;
/* Puts the channels of each pixel together: to (H, W, C) <- from (C, H, W). */
void layout_interleave(const struct layout *l, const uint8_t *from, uint8_t *to);

#endif
