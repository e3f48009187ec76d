/* Reasons why libvips could not decode an image. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_PICTURES_VIPS_REASON_H
#define PLUGINS_SOURCES_PICTURES_VIPS_REASON_H

#include <stddef.h>

/* Begins to keep the warnings of decoders, for one thread at a time, until vips_reason_end. */
void vips_reason_begin(void);
void vips_reason_end(void);
/* The failures since vips_reason_begin, on one line: in plain words, and in brackets the decoder's own. */
void vips_reason_take(char *to, size_t capacity);
/* 1 where the decoder says that it had no memory or no thread. */
int vips_reason_is_want(const char *reason);

/* The name of a format that is known by its first bytes, with what reads it; NULL: none that is known. */
const char *vips_reason_kind(const void *bytes, size_t count, const char **reader);

/* 1 where so much memory can be had at this moment. Cheap. */
int vips_reason_has_memory(size_t bytes);
/* The missing resource: NULL where `bytes` of memory and one thread are available at this moment. */
const char *vips_reason_want(size_t bytes);

#endif
