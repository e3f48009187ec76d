/* Compressions of files, by their first bytes. SPDX-License-Identifier: MIT */
#ifndef KIT_FORMAT_PACKING_H
#define KIT_FORMAT_PACKING_H

#include <stddef.h>
#include <stdint.h>

enum { PACKING_NONE, PACKING_GZIP, PACKING_BZIP2, PACKING_XZ, PACKING_ZSTD, PACKING_LZ4 };

/* The compression of a file that begins with these n bytes, whatever its name; PACKING_NONE: none that is known. [any thread] */
int32_t packing_of(const uint8_t *front, size_t n);

#endif
