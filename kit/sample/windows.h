/* Windows of a map's size over a larger canvas (docs/models.md, "Larger canvases"). Linked into the stage that samples canvases.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_SAMPLE_WINDOWS_H
#define KIT_SAMPLE_WINDOWS_H

#include <stdint.h>

struct windows { /* grid of rows x columns windows, each h x w, `stride` apart but for the last of a row or column */
    int64_t height, width, h, w, stride, rows, columns;
};
/* Grid of windows over a canvas. h <= height, w <= width, 1 <= stride <= h, w: every position is covered. */
struct windows windows_over(int64_t height, int64_t width, int64_t h, int64_t w, int64_t stride);
int64_t windows_count(const struct windows *s);
/* Upper left position of window number i. */
void windows_place(const struct windows *s, int64_t i, int64_t *y, int64_t *x);

struct window_range { /* rows and columns of windows, both ends included */
    int64_t top, bottom, left, right;
};
/* Range of the windows that cover a position. */
struct window_range windows_covering(const struct windows *s, int64_t y, int64_t x);
/* Marks the windows that cover any position with chosen[y width + x] != 0: 1 in `wanted` (rows x columns), else 0. Gives their number. */
int64_t windows_wanted(const struct windows *s, const uint8_t *chosen, uint8_t *wanted);

#endif
