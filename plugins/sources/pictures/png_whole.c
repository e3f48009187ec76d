/* See png_whole.h. A chunk is a length, a type of four letters, so many bytes, and the CRC-32 of type and bytes (PNG specification, 5.3);
 * numbers are big-endian.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/pictures/png_whole.h"

#include <stdint.h>
#include <string.h>
#include <zlib.h>

enum { SIGNATURE = 8, NUMBER = 4, TYPE = 4, LARGEST_PIECE = 1 << 30 };

static uint32_t number_at(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t checksum(const uint8_t *at, size_t count)
{
    uLong sum = crc32(0, NULL, 0);
    for (size_t n; count; at += n, count -= n) {
        n = count < LARGEST_PIECE ? count : LARGEST_PIECE;
        sum = crc32(sum, at, (uInt)n);
    }
    return (uint32_t)sum;
}

const char *png_whole_trouble(const void *bytes, size_t count)
{
    const uint8_t *at = bytes, *end = at + count;
    int last = 0;
    if (count < SIGNATURE || memcmp(at, "\x89PNG\r\n\x1a\n", SIGNATURE) != 0)
        return NULL;
    for (at += SIGNATURE; !last; at += NUMBER) {
        if (end - at < NUMBER + TYPE)
            return "breaks off";
        size_t length = number_at(at);
        at += NUMBER;
        last = memcmp(at, "IEND", TYPE) == 0;
        if ((size_t)(end - at) < TYPE + length + NUMBER)
            return "breaks off, or the length of a part of it is wrong";
        if (checksum(at, TYPE + length) != number_at(at + TYPE + length))
            return "is damaged: a checksum in it is wrong";
        at += TYPE + length;
    }
    return NULL;
}
