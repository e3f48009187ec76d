/* See code_usage.h. Codes are sorted rather than counted in a table of the codebook's size, which may be 2^31. SPDX-License-Identifier: MIT
 */
#include "kit/train/code_usage.h"

#include <math.h>
#include <stdlib.h>

const char *const code_usage_column[CODE_USAGE_COLUMNS] = {"codes used in a step", "perplexity in a step"};

void code_usage_close(struct code_usage *u)
{
    tess_free(u->sorted);
    u->sorted = NULL;
    u->capacity = 0;
}

static int code_usage_rising(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Adds the number of different codes and the perplexity of n sorted ones. */
static void code_usage_add(const int32_t *sorted, int64_t n, double value[CODE_USAGE_COLUMNS])
{
    double entropy = 0.0;
    int64_t used = 0;
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && sorted[end] == sorted[i]; end++)
            continue;
        double share = (double)(end - i) / (double)n;
        entropy -= share * log2(share);
        used++;
    }
    value[CODE_USAGE_USED] += (double)used;
    value[CODE_USAGE_PERPLEXITY] += n ? exp2(entropy) : 0.0;
}

int code_usage_measure(struct tess_context *ctx, struct code_usage *u, const struct tess_tensor *codes, int64_t depth,
                       double value[CODE_USAGE_COLUMNS])
{
    const int32_t *code = codes->data;
    int64_t n = tess_tensor_count(codes) / depth;
    TESS_TRY(tess_reserve(ctx, &u->sorted, &u->capacity, n + 1, sizeof *u->sorted, "the codes of a step"));
    value[CODE_USAGE_USED] = value[CODE_USAGE_PERPLEXITY] = 0.0;
    for (int64_t level = 0; level < depth; level++) {
        for (int64_t i = 0; i < n; i++)
            u->sorted[i] = code[i * depth + level];
        qsort(u->sorted, (size_t)n, sizeof *u->sorted, code_usage_rising);
        code_usage_add(u->sorted, n, value);
    }
    for (int i = 0; i < CODE_USAGE_COLUMNS; i++)
        value[i] /= (double)depth;
    return TESS_OK;
}
