/* metric/1 `frechet`: the distance of two normal distributions that have the means and covariances of the sets' features (docs/metrics.md;
 * Dowson and Landau, "The Fréchet Distance between Multivariate Normal Distributions", 1982; Heusel et al., "GANs Trained by a Two
 * Time-Scale Update Rule", 2017):
 *
 *     |m - m'|^2 + tr C + tr C' - 2 tr (C C')^(1/2)
 *
 * With factors A^T A = (n - 1) C and B^T B = (n' - 1) C' the last trace is the sum of the singular values of A B^T over
 * sqrt((n - 1)(n' - 1)), which has all its digits where a covariance has not full rank.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/metric/feature_sets.h"
#include "kit/metric/results.h"
#include "plugins/metrics/frechet/frechet_table.h"
#include "plugins/metrics/frechet/scatter.h"

#include <math.h>
#include <string.h>

static int frechet_check(void *self, struct tess_context *ctx, const struct tess_metric_shape *s)
{
    (void)self;
    for (int set = 0; set < 2; set++)
        if (s->rows[set] < 2)
            return ctx->fail(ctx, TESS_E_VALUE, "%lld %s have no covariance; give two or more", (long long)s->rows[set],
                             set == TESS_METRIC_SAMPLES ? "samples" : "images");
    return TESS_OK;
}

/* Memory for a plan: two factors of at most 2 D rows and one block, a copy of one that is factorised, the product. */
static int64_t frechet_bytes(void *self, const struct tess_metric_shape *s)
{
    (void)self;
    return (9 * s->features + 2 * TESS_METRIC_BLOCK) * s->features * (int64_t)sizeof(double);
}

static void frechet_close(void *self, void *state)
{
    struct scatter *s = state;
    (void)self;
    if (!s)
        return;
    scatter_close(&s[0]);
    scatter_close(&s[1]);
    tess_free(s);
}

static int frechet_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *shape, void **state)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, 2 * sizeof(struct scatter), "a Fréchet distance", &memory));
    struct scatter *s = memory;
    int status = scatter_open(ctx, shape->features, &s[0]);
    if (status == TESS_OK)
        status = scatter_open(ctx, shape->features, &s[1]);
    if (status == TESS_OK)
        *state = s;
    else
        frechet_close(self, s);
    return status;
}

static int frechet_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    struct scatter *s = (struct scatter *)state + rows->set, more;
    const float *vector = rows->features->data;
    (void)self;
    TESS_TRY(feature_sets_check(ctx, rows));
    if (!s->rows)
        return scatter_begin(ctx, s, vector, rows->count);
    TESS_TRY(scatter_open(ctx, s->features, &more));
    int status = scatter_begin(ctx, &more, vector, rows->count);
    if (status == TESS_OK)
        status = scatter_merge(ctx, s, &more);
    scatter_close(&more);
    return status;
}

static int frechet_merge(void *self, struct tess_context *ctx, void *state, void *next)
{
    struct scatter *s = state, *n = next;
    (void)self;
    for (int set = 0; set < 2; set++) {
        if (!s[set].rows) { /* empty: takes the other state's scatter, bit for bit */
            struct scatter none = s[set];
            s[set] = n[set];
            n[set] = none;
        } else {
            TESS_TRY(scatter_merge(ctx, &s[set], &n[set]));
        }
    }
    return TESS_OK;
}

static int frechet_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    struct scatter *s = state;
    double root = 0.0, apart = 0.0, degrees[2] = {(double)(s[0].rows - 1), (double)(s[1].rows - 1)};
    (void)self;
    TESS_TRY(scatter_reduce(ctx, &s[0]));
    TESS_TRY(scatter_reduce(ctx, &s[1]));
    TESS_TRY(scatter_nuclear(ctx, &s[0], &s[1], &root));
    for (int64_t k = 0; k < s[0].features; k++)
        apart += (s[0].mean[k] - s[1].mean[k]) * (s[0].mean[k] - s[1].mean[k]);
    double distance =
        apart + scatter_trace(&s[0]) / degrees[0] + scatter_trace(&s[1]) / degrees[1] - 2.0 * root / sqrt(degrees[0] * degrees[1]);
    return metric_put(ctx, sink, "frechet distance", distance > 0.0 ? distance : 0.0, "", TESS_METRIC_LOWER);
}

/* ---- as bytes: of each set rows, height, mean and factor ---- */

static int64_t frechet_pack(void *self, const void *state, void *bytes)
{
    const struct scatter *s = state;
    char *to = bytes;
    int64_t at = 0;
    (void)self;
    for (int set = 0; set < 2; set++) {
        int64_t head[2] = {s[set].rows, s[set].height}, mean = s[set].features * (int64_t)sizeof(double), factor = s[set].height * mean;
        if (to) {
            memcpy(to + at, head, sizeof head);
            memcpy(to + at + sizeof head, s[set].mean, (size_t)mean);
            if (factor)
                memcpy(to + at + (int64_t)sizeof head + mean, s[set].factor, (size_t)factor);
        }
        at += (int64_t)sizeof head + mean + factor;
    }
    return at;
}

static int frechet_unpack_one(struct tess_context *ctx, struct scatter *s, const char **from, int64_t *left)
{
    int64_t head[2] = {0, 0}, mean = s->features * (int64_t)sizeof(double);
    int64_t fixed = (int64_t)sizeof head + mean;
    if (*left >= fixed)
        memcpy(head, *from, sizeof head);
    if (*left < fixed || head[0] < 0 || head[1] < 0 || head[1] > (*left - fixed) / mean || (head[0] == 0) != (head[1] == 0))
        return ctx->fail(ctx, TESS_E_DATA, "%lld bytes are no factors of %lld features that were kept", (long long)*left,
                         (long long)s->features);
    memcpy(s->mean, *from + sizeof head, (size_t)mean);
    if (head[1]) {
        TESS_TRY(tess_reserve(ctx, &s->factor, &s->capacity, head[1], (size_t)mean, "factors of a covariance"));
        memcpy(s->factor, *from + fixed, (size_t)(head[1] * mean));
    }
    s->rows = head[0];
    s->height = head[1];
    *from += fixed + head[1] * mean;
    *left -= fixed + head[1] * mean;
    return TESS_OK;
}

static int frechet_unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count)
{
    struct scatter *s = state;
    const char *from = bytes;
    (void)self;
    TESS_TRY(frechet_unpack_one(ctx, &s[0], &from, &count));
    TESS_TRY(frechet_unpack_one(ctx, &s[1], &from, &count));
    return count == 0 ? TESS_OK : ctx->fail(ctx, TESS_E_DATA, "%lld bytes too many behind what was kept", (long long)count);
}

static const struct tess_metric_1 ops = {.size = sizeof ops,
                                         .wants = TESS_METRIC_FEATURES,
                                         .protocol = FRECHET_PROTOCOL,
                                         .check = frechet_check,
                                         .bytes = frechet_bytes,
                                         .open = frechet_open,
                                         .close = frechet_close,
                                         .accumulate = frechet_accumulate,
                                         .merge = frechet_merge,
                                         .finish = frechet_finish,
                                         .pack = frechet_pack,
                                         .unpack = frechet_unpack};

FRECHET_PLUGIN(&ops, NULL, NULL);
