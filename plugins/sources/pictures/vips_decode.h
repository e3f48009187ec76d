/* Bytes of an image file to pixels, through libvips. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_PICTURES_VIPS_DECODE_H
#define PLUGINS_SOURCES_PICTURES_VIPS_DECODE_H

#include "plugins/sources/pictures/picture.h"

/* Makes libvips ready, once in a process. */
int vips_decode_start(struct tess_context *ctx) TESS_CHECKED;
/* 8 bits, grey or sRGB, upright, the first frame; `path` is for messages. What is wrong with the bytes is TESS_E_ITEM, with out->reason;
 * want of memory or threads is TESS_E_MEMORY. [any thread] */
int vips_decode(struct tess_context *ctx, const char *path, const void *bytes, size_t count, const struct picture_options *o,
                struct tess_image *out) TESS_CHECKED;

#endif
