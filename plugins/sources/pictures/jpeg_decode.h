/* Ordinary JPEGs through libjpeg itself, with the same bytes as through libvips at less cost. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_PICTURES_JPEG_DECODE_H
#define PLUGINS_SOURCES_PICTURES_JPEG_DECODE_H

#include "plugins/sources/pictures/picture.h"

/* Decodes a JPEG of one or three channels without a warning: *done is 1 then, and *orientation EXIF's. Anything else is left to another
 * decoder, which knows what to say of it: *done is 0. Fails only where the pixels cannot be allocated. [any thread] */
int jpeg_decode(struct tess_context *ctx, const void *bytes, size_t count, const struct picture_options *o, struct tess_image *out,
                int *orientation, int *done) TESS_CHECKED;

#endif
