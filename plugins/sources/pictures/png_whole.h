/* Check that a PNG is whole: libspng, which newer libvips decode with, looks neither at checksums nor at what is behind the pixels.
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_PICTURES_PNG_WHOLE_H
#define PLUGINS_SOURCES_PICTURES_PNG_WHOLE_H

#include <stddef.h>

/* Check of a PNG's chunks: NULL where every chunk up to IEND is there with its checksum, or the bytes do not begin as a PNG does; else what
 * is wrong, in words for people. What comes behind IEND is passed over. [any thread] */
const char *png_whole_trouble(const void *bytes, size_t count);

#endif
