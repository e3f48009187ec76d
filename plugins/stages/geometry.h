/* Images cut, scaled and turned over: pure functions on bytes (H, W, C). SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_GEOMETRY_H
#define PLUGINS_STAGES_GEOMETRY_H

#include <stddef.h>
#include <stdint.h>

/* to (h, w, c) <- from (ih, iw, c): bilinear with a filter widened to the reduction (antialiased), each axis by itself, horizontal first,
 * rounded to bytes after each. The identity at equal size. Weights are rounded to 22 bits, as Pillow's are, so that the bytes are those of
 * its `resize((w, h), BILINEAR)`. `room` is for geometry_room bytes, aligned for integers; sides up to 65536 or so. */
void geometry_resize(const uint8_t *from, int64_t ih, int64_t iw, int64_t c, void *room, uint8_t *to, int64_t h, int64_t w);
size_t geometry_room(int64_t ih, int64_t iw, int64_t c, int64_t h, int64_t w);
/* to (h, w, c) is the centre of from where from is larger, and from centred on `fill` where it is smaller. What is added around has its odd
 * rest at the right and the bottom; what is cut begins at half the difference, rounded to the even number, as torchvision's centre crop. */
void geometry_place(const uint8_t *from, int64_t ih, int64_t iw, int64_t c, int64_t fill, uint8_t *to, int64_t h, int64_t w);
/* (h, w, c) the other way round from left to right, in place. */
void geometry_flip(uint8_t *image, int64_t h, int64_t w, int64_t c);
/* Grey (ITU-R BT.601 luma) from three channels, or three equal ones from one. */
void geometry_channels(const uint8_t *from, int64_t pixels, int64_t c, uint8_t *to, int64_t wanted);

#endif
