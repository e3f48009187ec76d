/* Images cut, scaled and turned over: pure functions on bytes (H, W, C). SPDX-License-Identifier: MIT */
#ifndef KIT_IMAGE_GEOMETRY_H
#define KIT_IMAGE_GEOMETRY_H

#include <stddef.h>
#include <stdint.h>

enum { GEOMETRY_PILLOW_12, GEOMETRY_PILLOW_13 };

/* Part of a scaled image: (ih, iw, c) scaled to (h, w, c), and of that the rows x columns that begin at (top, left), all of it inside. */
struct geometry_scale {
    int64_t ih, iw, c, h, w, top, left, rows, columns;
    int32_t rule;
};
/* to (rows, columns, c) <- from (ih, iw, c): bilinear with a filter widened to the reduction (antialiased), each axis by itself, rounded to
 * bytes after each. The identity at equal size. Weights are rounded to 22 bits, as Pillow's are, so that the bytes are those of its
 * `resize((w, h), BILINEAR)`: horizontal first, as Pillow up to 12.3 has it, or by GEOMETRY_PILLOW_13 vertical first where
 * ih - h > 2 (iw - w). `room` is for geometry_room bytes, aligned for integers: the weights of what is wanted and four bytes for each of
 * its values at most, however large the image or the whole of its scaled form. Sides below 2^31. */
void geometry_resize(const struct geometry_scale *s, const uint8_t *from, void *buffer, uint8_t *to);
size_t geometry_capacity(const struct geometry_scale *s);
/* Offset of the centre crop of `cropped` values in a side, as torchvision's; cropped <= side. */
int64_t geometry_crop_start(int64_t side, int64_t cropped);
/* Crops and pads to (h, w, c): `to` is the centre of `from` where that is larger, and `from` centred on `fill` where it is smaller. What is
 * added around has its odd rest at the right and the bottom; what is cut begins at half the difference, rounded to the even number, as
 * torchvision's centre crop. */
void geometry_place(const uint8_t *from, int64_t ih, int64_t iw, int64_t c, int64_t fill, uint8_t *to, int64_t h, int64_t w);
/* Mirrors (h, w, c) left to right, in place. */
void geometry_flip(uint8_t *image, int64_t h, int64_t w, int64_t c);
/* Converts channels: grey (ITU-R BT.601 luma) from three, or three equal ones from one. */
void geometry_channels(const uint8_t *from, int64_t pixels, int64_t c, uint8_t *to, int64_t wanted);

#endif
