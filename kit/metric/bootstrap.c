/* See bootstrap.h. SPDX-License-Identifier: MIT */
#include "kit/metric/bootstrap.h"

#include <tessera/random.h>

#include <math.h>
#include <stdlib.h>

static const double tail = 0.025; /* share of the resamples below the interval, and above it */

struct bootstrap_task {
    uint64_t seed;
    int32_t set;
    int64_t rows;
    uint16_t *times;
};

static int bootstrap_one(void *user, struct tess_context *ctx, int64_t i)
{
    const struct bootstrap_task *t = user;
    uint16_t *times = t->times + i * t->rows;
    const struct tess_stream s = {.seed = t->seed, .purpose = tess_purpose("bootstrap"), .step = (uint32_t)i, .sample = (uint32_t)t->set};
    (void)ctx;
    for (int64_t k = 0; k < t->rows; k++)
        times[tess_random_below(&s, (uint64_t)k, t->rows)]++;
    return TESS_OK;
}

int bootstrap_draw(struct tess_context *ctx, const struct bootstrap *b, const int64_t rows[TESS_METRIC_SETS],
                   struct tess_metric_resamples *r)
{
    r->count = b->resamples;
    for (int32_t set = 0; set < TESS_METRIC_SETS; set++) {
        void *memory;
        r->rows[set] = rows[set];
        if (!rows[set] || set == TESS_METRIC_TRAINING)
            continue;
        TESS_TRY(tess_alloc(ctx, (size_t)(b->resamples * rows[set]) * sizeof(uint16_t), "resamples", &memory));
        struct bootstrap_task t = {.seed = b->seed, .set = set, .rows = rows[set], .times = memory};
        r->times[set] = memory;
        TESS_TRY(r->parallel(r->to, ctx, b->resamples, bootstrap_one, &t));
    }
    return TESS_OK;
}

void bootstrap_close(struct tess_metric_resamples *r)
{
    for (int set = 0; set < TESS_METRIC_SETS; set++) {
        tess_free((void *)(uintptr_t)r->times[set]);
        r->times[set] = NULL;
    }
}

int64_t bootstrap_bytes(const struct bootstrap *b, const int64_t rows[TESS_METRIC_SETS])
{
    return b->resamples * (rows[TESS_METRIC_IMAGES] + rows[TESS_METRIC_SAMPLES]) * (int64_t)sizeof(uint16_t);
}

static int bootstrap_rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

/* The value at a share of the way through n rising ones, the first at 0 and the last at 1. */
static double bootstrap_percentile(const double *rising, int64_t n, double share)
{
    double at = share * (double)(n - 1), whole = floor(at);
    int64_t i = (int64_t)whole;
    double low = rising[i], high = rising[i + 1 < n ? i + 1 : i];
    return low == high ? low : low + (at - whole) * (high - low);
}

void bootstrap_interval(double *value, int64_t n, struct tess_metric_value *v)
{
    double mean = n > 0 ? value[0] : 0.0, square = 0.0;
    int known = n > 0;
    for (int64_t i = 0; i < n; i++) {
        known = known && !isnan(value[i]);
        mean += (value[i] - value[0]) / (double)n; /* from the first value on, so that equal ones have no deviation */
    }
    for (int64_t i = 0; i < n; i++)
        square += (value[i] - mean) * (value[i] - mean);
    if (!known)
        return;
    qsort(value, (size_t)n, sizeof *value, bootstrap_rising);
    v->low = bootstrap_percentile(value, n, tail);
    v->high = bootstrap_percentile(value, n, 1.0 - tail);
    v->standard_error = n > 1 && isfinite(square) ? sqrt(square / (double)(n - 1)) : -1.0;
}
