/* Two passes over the row, for the sum and the cumulative sum, and no memory beside it. SPDX-License-Identifier: MIT */
#include "kit/sample/draws.h"

#include <math.h>

/* Unnormalised probability of code k. */
static double draws_share(const struct draw_row *r, int64_t k)
{
    if (k == r->without || r->logits[k] == -INFINITY)
        return 0.0;
    return exp((double)(r->logits[k] - r->max) / r->temperature);
}

int draw_row_open(struct draw_row *r)
{
    r->max = -INFINITY;
    r->sum = 0.0;
    for (int64_t k = 0; k < r->codebook_size; k++)
        if (k != r->without && r->logits[k] > r->max)
            r->max = r->logits[k];
    for (int64_t k = 0; k < r->codebook_size; k++)
        r->sum += draws_share(r, k);
    return isfinite(r->sum);
}

int32_t draw_row_code(const struct draw_row *r, double u)
{
    double left = u * r->sum;
    int32_t last = -1;
    for (int64_t k = 0; k < r->codebook_size; k++) {
        double p = draws_share(r, k);
        if (p <= 0.0)
            continue;
        last = (int32_t)k;
        left -= p;
        if (left < 0.0)
            break;
    }
    return last;
}
