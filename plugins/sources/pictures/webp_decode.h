/* Ordinary WebPs through libwebp itself, with the same bytes as through libvips at less cost. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_PICTURES_WEBP_DECODE_H
#define PLUGINS_SOURCES_PICTURES_WEBP_DECODE_H

#include "plugins/sources/pictures/picture.h"

/* Decodes a WebP of the simple format, which has neither transparency nor metadata nor frames: *done is 1 then. Anything else, and what
 * does not decode, is left to another decoder: *done is 0. Fails only where the pixels cannot be allocated. [any thread] */
int webp_decode(struct tess_context *ctx, const void *bytes, size_t count, const struct picture_options *o, struct tess_image *out,
                int *done) TESS_CHECKED;

#endif
