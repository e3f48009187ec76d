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
#include "plugins/metrics/frechet/moments.h"
#include "plugins/metrics/frechet/scatter.h"

#include <math.h>
#include <string.h>

/* State: of each set its scatter and, where there are resamples, its vectors. */
struct frechet_state {
    struct scatter set[2];
    struct feature_sets *vectors; /* NULL without resamples */
};

static int frechet_check(void *self, struct tess_context *ctx, const struct tess_metric_shape *s)
{
    (void)self;
    for (int set = 0; set < 2; set++)
        if (s->rows[set] < 2)
            return ctx->fail(ctx, TESS_E_VALUE, "%lld %s have no covariance; give two or more", (long long)s->rows[set],
                             set == TESS_METRIC_SAMPLES ? "samples" : "images");
    return TESS_OK;
}

/* Memory for a plan: two factors of at most 2 D rows and one block, a copy of one that is factorised, the product; with resamples as much
 * for each of them that is computed at a time, a few. */
static int64_t frechet_bytes(void *self, const struct tess_metric_shape *s)
{
    (void)self;
    return (s->resamples ? 4 : 1) * (9 * s->features + 2 * TESS_METRIC_BLOCK) * s->features * (int64_t)sizeof(double);
}

static void frechet_close(void *self, void *state)
{
    struct frechet_state *s = state;
    if (!s)
        return;
    scatter_close(&s->set[0]);
    scatter_close(&s->set[1]);
    feature_sets_close(self, s->vectors);
    tess_free(s);
}

static int frechet_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *shape, void **state)
{
    void *memory, *vectors = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct frechet_state), "a Fréchet distance", &memory));
    struct frechet_state *s = memory;
    int status = scatter_open(ctx, shape->features, &s->set[0]);
    if (status == TESS_OK)
        status = scatter_open(ctx, shape->features, &s->set[1]);
    if (status == TESS_OK && shape->resamples)
        status = feature_sets_open(self, ctx, shape, &vectors);
    s->vectors = vectors;
    if (status == TESS_OK)
        *state = s;
    else
        frechet_close(self, s);
    return status;
}

/* Adds a block of vectors, vector i counted times[i] times; `times` NULL: once. */
static int frechet_add(struct tess_context *ctx, struct scatter *s, const float *vector, int64_t rows, const uint16_t *times)
{
    struct scatter more;
    if (!s->rows)
        return scatter_begin(ctx, s, vector, rows, times);
    TESS_TRY(scatter_open(ctx, s->features, &more));
    int status = scatter_begin(ctx, &more, vector, rows, times);
    if (status == TESS_OK)
        status = scatter_merge(ctx, s, &more);
    scatter_close(&more);
    return status;
}

static int frechet_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    struct frechet_state *s = state;
    TESS_TRY(feature_sets_check(ctx, rows));
    if (s->vectors)
        TESS_TRY(feature_sets_accumulate(self, ctx, s->vectors, rows));
    return frechet_add(ctx, &s->set[rows->set], rows->features->data, rows->count, NULL);
}

static int frechet_merge(void *self, struct tess_context *ctx, void *state, void *next)
{
    struct frechet_state *s = state, *n = next;
    if (s->vectors)
        TESS_TRY(feature_sets_merge(self, ctx, s->vectors, n->vectors));
    for (int set = 0; set < 2; set++) {
        if (!s->set[set].rows) { /* empty: takes the other state's scatter, bit for bit */
            struct scatter none = s->set[set];
            s->set[set] = n->set[set];
            n->set[set] = none;
        } else {
            TESS_TRY(scatter_merge(ctx, &s->set[set], &n->set[set]));
        }
    }
    return TESS_OK;
}

static int frechet_distance(struct tess_context *ctx, struct scatter s[2], double *distance)
{
    double root = 0.0, apart = 0.0, degrees[2] = {(double)(s[0].rows - 1), (double)(s[1].rows - 1)};
    TESS_TRY(scatter_reduce(ctx, &s[0]));
    TESS_TRY(scatter_reduce(ctx, &s[1]));
    TESS_TRY(scatter_nuclear(ctx, &s[0], &s[1], &root));
    for (int64_t k = 0; k < s[0].features; k++)
        apart += (s[0].mean[k] - s[1].mean[k]) * (s[0].mean[k] - s[1].mean[k]);
    *distance = apart + scatter_trace(&s[0]) / degrees[0] + scatter_trace(&s[1]) / degrees[1] - 2.0 * root / sqrt(degrees[0] * degrees[1]);
    *distance = *distance > 0.0 ? *distance : 0.0;
    return TESS_OK;
}

static int frechet_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    double distance;
    (void)self;
    TESS_TRY(frechet_distance(ctx, ((struct frechet_state *)state)->set, &distance));
    return metric_put(ctx, sink, "frechet distance", distance, "", TESS_METRIC_LOWER);
}

/* ---- resamples ---- */

/* Features from which on resamples of more than twice as many rows go by covariances instead of factors: fewer cost nothing either way. */
enum { FRECHET_WIDE = 128 };

struct frechet_job {
    const struct frechet_state *state;
    const struct feature_sets *s;
    const struct tess_metric_resamples *r;
};

/* The distance on resample k by covariances; *defined = 0 where one has not full rank, which takes factors. */
static int frechet_by_moments(struct tess_context *ctx, const struct frechet_job *j, int64_t k, double *distance, int *defined)
{
    struct moments m[2] = {{.features = 0}, {.features = 0}};
    double root = 0.0, apart = 0.0, spread = 0.0, degrees = 1.0;
    int status = TESS_OK;
    *defined = 1;
    for (int set = 0; set < 2 && status == TESS_OK; set++) {
        status = moments_open(ctx, j->s->features, j->s->vector[set], j->s->rows[set], j->r->times[set] + k * j->s->rows[set],
                              j->state->set[set].mean, &m[set]);
        if (status == TESS_OK)
            spread += moments_trace(&m[set]) / (double)(m[set].rows - 1);
        degrees *= status == TESS_OK ? (double)(m[set].rows - 1) : 1.0;
    }
    for (int64_t i = 0; status == TESS_OK && i < j->s->features; i++)
        apart += (m[0].mean[i] - m[1].mean[i]) * (m[0].mean[i] - m[1].mean[i]);
    if (status == TESS_OK)
        status = moments_root(ctx, &m[0], &m[1], &root, defined);
    *distance = fmax(apart + spread - 2.0 * root / sqrt(degrees), 0.0);
    moments_close(&m[0]);
    moments_close(&m[1]);
    return status;
}

/* 1 where factors would have to be reduced again and again. */
static int frechet_is_long(const struct feature_sets *s)
{
    return s->features >= FRECHET_WIDE && s->rows[0] > 2 * s->features && s->rows[1] > 2 * s->features;
}

/* Adds all vectors of a set as resample k has them. */
static int frechet_drawn(struct tess_context *ctx, const struct frechet_job *j, int32_t set, int64_t k, struct scatter *out)
{
    const struct feature_sets *s = j->s;
    const uint16_t *times = j->r->times[set] + k * s->rows[set];
    int status = scatter_open(ctx, s->features, out);
    for (int64_t i = 0; status == TESS_OK && i < s->rows[set]; i += TESS_METRIC_BLOCK) {
        int64_t n = s->rows[set] - i < TESS_METRIC_BLOCK ? s->rows[set] - i : TESS_METRIC_BLOCK;
        status = frechet_add(ctx, out, s->vector[set] + i * s->features, n, times + i);
    }
    return status;
}

/* The distance on resample k by factors. */
static int frechet_by_factors(struct tess_context *ctx, const struct frechet_job *j, int64_t k, double *distance)
{
    struct scatter drawn[2] = {{.features = 0}, {.features = 0}};
    int status = frechet_drawn(ctx, j, TESS_METRIC_IMAGES, k, &drawn[0]);
    if (status == TESS_OK)
        status = frechet_drawn(ctx, j, TESS_METRIC_SAMPLES, k, &drawn[1]);
    if (status == TESS_OK)
        status = frechet_distance(ctx, drawn, distance);
    scatter_close(&drawn[0]);
    scatter_close(&drawn[1]);
    return status;
}

static int frechet_again(void *user, struct tess_context *ctx, int64_t k)
{
    const struct frechet_job *j = user;
    double distance = 0.0;
    int defined = 0;
    if (frechet_is_long(j->s))
        TESS_TRY(frechet_by_moments(ctx, j, k, &distance, &defined));
    if (!defined)
        TESS_TRY(frechet_by_factors(ctx, j, k, &distance));
    return j->r->value(j->r->to, ctx, k, "frechet distance", distance);
}

static int frechet_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    const struct frechet_state *s = state;
    struct frechet_job j = {.state = s, .s = s->vectors, .r = r};
    (void)self;
    return r->parallel(r->to, ctx, r->count, frechet_again, &j);
}

/* ---- as bytes: of each set rows, height, mean and factor; with resamples the vectors behind ---- */

static int64_t frechet_pack(void *self, const void *state, void *bytes)
{
    const struct frechet_state *f = state;
    const struct scatter *s = f->set;
    char *to = bytes;
    int64_t at = 0;
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
    return f->vectors ? at + feature_sets_pack(self, f->vectors, to ? to + at : NULL) : at;
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
    struct frechet_state *s = state;
    const char *from = bytes;
    TESS_TRY(frechet_unpack_one(ctx, &s->set[0], &from, &count));
    TESS_TRY(frechet_unpack_one(ctx, &s->set[1], &from, &count));
    if (s->vectors)
        return feature_sets_unpack(self, ctx, s->vectors, from, count);
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
                                         .unpack = frechet_unpack,
                                         .resample = frechet_resample};

FRECHET_PLUGIN(&ops, NULL, NULL);
