/* See finite.h. SPDX-License-Identifier: MIT */
#include "core/graph/finite.h"

#include <string.h>

/* Tests the bits of the values: comparisons of integers are a loop that compilers vectorise, and no flag about floating point is
 * touched. */
int tessi_graph_all_finite(int64_t n, const float *x)
{
    uint32_t largest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffffu;
        largest = bits > largest ? bits : largest;
    }
    return largest < 0x7f800000u;
}

const char *tessi_graph_first_not_finite(const struct tess_weights *w, const float *block, int64_t from, int64_t to)
{
    if (from >= to || tessi_graph_all_finite(to - from, block + from))
        return NULL;
    for (int64_t i = 0; i < w->count; i++) {
        const struct tessi_weight *item = &w->item[i];
        if (item->offset >= from && item->offset < to && !tessi_graph_all_finite(tess_tensor_count(&item->shape), block + item->offset))
            return item->name;
    }
    return NULL; /* padding between weights belongs to none */
}
