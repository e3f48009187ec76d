/* Bytes of an image file to pixels, through libvips. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_VIPS_DECODE_H
#define PLUGINS_SOURCES_VIPS_DECODE_H

#include <tessera/source.h>

enum { ALPHA_WHITE, ALPHA_DROP };
enum { PIXELS_MOST = 1 << 26, REASON_ROOM = 512 };

/* Makes libvips ready, once in a process. */
int vips_decode_start(struct tess_call *c) TESS_CHECKED;
/* 8 bits, grey or sRGB, upright, the first frame; `path` is for messages. Whatever is wrong with the bytes is TESS_E_DATA. [any thread] */
int vips_decode(struct tess_call *c, const char *path, const void *bytes, size_t count, int alpha, struct tess_image *out) TESS_CHECKED;

#endif
