/* See finite.h. SPDX-License-Identifier: MIT */
#include "core/graph/finite.h"

#include <string.h>

typedef uint32_t finite_bits __attribute__((vector_size(16)));

#define EXPONENT 0x7f800000u /* bits of the exponent, all of which infinities and NaN have */

/* Tests the bits of the values, so that no flag about floating point is touched; four values at a time, as compilers do not vectorise the
 * plain loop at -O2. */
int tessi_graph_all_finite(int64_t n, const float *x)
{
    finite_bits found = {0}, bits;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        memcpy(&bits, x + i, sizeof bits);
        found |= (finite_bits)((bits & EXPONENT) == EXPONENT);
    }
    bits = (finite_bits){0};
    if (i < n)
        memcpy(&bits, x + i, (size_t)(n - i) * sizeof *x);
    found |= (finite_bits)((bits & EXPONENT) == EXPONENT);
    return (found[0] | found[1] | found[2] | found[3]) == 0;
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
