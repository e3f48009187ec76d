/* See packing.h. SPDX-License-Identifier: MIT */
#include "kit/format/packing.h"

#include <string.h>

int32_t packing_of(const uint8_t *front, size_t n)
{
    static const struct {
        size_t count;
        int32_t packing;
        const char *bytes;
    } kinds[] = {{2, PACKING_GZIP, "\x1f\x8b"},
                 {3, PACKING_BZIP2, "BZh"},
                 {5, PACKING_XZ,
                  "\xfd"
                  "7zXZ"},
                 {4, PACKING_ZSTD, "\x28\xb5\x2f\xfd"},
                 {4, PACKING_LZ4, "\x04\x22\x4d\x18"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n >= kinds[i].count && memcmp(front, kinds[i].bytes, kinds[i].count) == 0)
            return kinds[i].packing;
    return PACKING_NONE;
}
