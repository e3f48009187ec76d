/* metric/1 `kernel`: the squared maximum mean discrepancy of two sets of features with the kernel (x . y / D + 1)^3, without bias, known as
 * KID when the features are Inception's (docs/metrics.md; Bińkowski et al., "Demystifying MMD GANs", 2018). Over all vectors; or the mean
 * over subsets drawn without replacement, as published.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/metric/feature_sets.h"
#include "kit/metric/results.h"
#include "plugins/metrics/kernel/kernel_table.h"
#include "plugins/metrics/kernel/kernel_tiles.h"

#include <tessera/random.h>

#include <math.h>

static int kernel_check(void *self, struct tess_context *ctx, const struct tess_metric_shape *s)
{
    const struct kernel *k = self;
    for (int set = 0; set < 2; set++)
        if (s->rows[set] < 2 || (k->subsets && s->rows[set] < k->subset))
            return ctx->fail(ctx, TESS_E_VALUE, "%lld %s do not do for %s; give more, or lower `subset`", (long long)s->rows[set],
                             set ? "samples" : "images", k->subsets ? "a subset" : "an estimate, which takes two at least");
    return TESS_OK;
}

static struct kernel_points kernel_points_of(const struct kernel *k, const struct feature_sets *s)
{
    return (struct kernel_points){.s = s,
                                  .rows = {s->rows[0], s->rows[1]},
                                  .gamma = k->gamma > 0.0 ? k->gamma : 1.0 / (double)s->features,
                                  .offset = k->offset,
                                  .degree = k->degree};
}

/* The estimate, from sums over pairs, of which there are `pairs`. */
static double kernel_estimate(const struct kernel_sums *s, const struct kernel_sums *pairs)
{
    return s->within[0] / pairs->within[0] + s->within[1] / pairs->within[1] - 2.0 * s->between / pairs->between;
}

static struct kernel_sums kernel_pairs(int64_t n, int64_t m)
{
    double x = (double)n, y = (double)m;
    return (struct kernel_sums){{x * (x - 1.0), y * (y - 1.0)}, x * y};
}

static void kernel_sums_add(struct kernel_sums *to, const struct kernel_sums *s)
{
    to->within[0] += s->within[0];
    to->within[1] += s->within[1];
    to->between += s->between;
}

/* ---- all vectors ---- */

struct kernel_all {
    struct kernel_points points;
    const struct tess_metric_resamples *r; /* NULL: none */
    int64_t width;                         /* sums of a tile: 1, or one a resample */
    struct kernel_sums *tile;              /* (tiles, width) */
};

static int kernel_all_tile(void *user, struct tess_context *ctx, int64_t i)
{
    const struct kernel_all *j = user;
    struct kernel_sums *sums = j->tile + i * j->width;
    return j->r ? kernel_tile_resampled(ctx, &j->points, i, j->r, sums) : kernel_tile_sums(ctx, &j->points, i, sums);
}

/* Sums of all tiles into the first one's, j->width of them. The caller frees j->tile. */
static int kernel_all_sums(struct tess_context *ctx, struct kernel_all *j,
                           int (*dealt)(void *to, struct tess_context *ctx, int64_t n,
                                        int (*task)(void *user, struct tess_context *ctx, int64_t i), void *user, void *items,
                                        int64_t bytes),
                           void *to)
{
    int64_t tiles = kernel_tiles(&j->points);
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(tiles * j->width) * sizeof *j->tile, "sums of a kernel", &memory));
    j->tile = memory;
    TESS_TRY(dealt(to, ctx, tiles, kernel_all_tile, j, j->tile, j->width * (int64_t)sizeof *j->tile));
    for (int64_t i = 1; i < tiles; i++)
        for (int64_t k = 0; k < j->width; k++)
            kernel_sums_add(&j->tile[k], &j->tile[i * j->width + k]);
    return TESS_OK;
}

static int kernel_finish_all(struct tess_context *ctx, const struct kernel *k, const struct feature_sets *s,
                             const struct tess_metric_sink *sink)
{
    struct kernel_all j = {.points = kernel_points_of(k, s), .width = 1};
    const struct kernel_sums pairs = kernel_pairs(s->rows[0], s->rows[1]);
    int status = kernel_all_sums(ctx, &j, sink->dealt, sink->to);
    if (status == TESS_OK)
        status = metric_put(ctx, sink, "kernel distance", kernel_estimate(&j.tile[0], &pairs), "", TESS_METRIC_LOWER);
    tess_free(j.tile);
    return status;
}

/* Pairs of a resample's vectors, those of one with itself left out: they would raise the distance. */
static struct kernel_sums kernel_pairs_resampled(const struct tess_metric_resamples *r, int64_t k)
{
    struct kernel_sums pairs = kernel_pairs(r->rows[0], r->rows[1]);
    for (int set = 0; set < 2; set++) {
        const uint16_t *times = r->times[set] + k * r->rows[set];
        for (int64_t i = 0; i < r->rows[set]; i++)
            pairs.within[set] -= (double)times[i] * ((double)times[i] - 1.0);
    }
    return pairs;
}

static int kernel_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    const struct kernel *k = self;
    struct kernel_all j = {.points = kernel_points_of(k, state), .r = r, .width = r->count};
    int status = k->subsets ? TESS_OK : kernel_all_sums(ctx, &j, r->dealt, r->to);
    for (int64_t i = 0; status == TESS_OK && !k->subsets && i < r->count; i++) {
        const struct kernel_sums pairs = kernel_pairs_resampled(r, i);
        status = r->value(r->to, ctx, i, "kernel distance", kernel_estimate(&j.tile[i], &pairs));
    }
    tess_free(j.tile);
    return status;
}

/* ---- subsets ---- */

struct kernel_job {
    const struct kernel *k;
    const struct feature_sets *s;
    double *estimate; /* [subset]: its estimate */
};

/* Draws the first `n` of a permutation of `rows` keyed by the draw: without replacement. */
static int kernel_draw(struct tess_context *ctx, const struct kernel *k, int64_t draw, int32_t set, int64_t rows, int64_t n, int64_t **out)
{
    struct tess_stream stream = {
        .seed = (uint64_t)k->seed, .purpose = tess_purpose("kernel subset"), .step = (uint32_t)draw, .sample = (uint32_t)set};
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)rows * sizeof(int64_t), "a subset", &memory));
    int64_t *list = *out = memory;
    for (int64_t i = 0; i < rows; i++)
        list[i] = i;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i + tess_random_below(&stream, (uint64_t)i, rows - i), moved = list[i];
        list[i] = list[at];
        list[at] = moved;
    }
    return TESS_OK;
}

static int kernel_subset(void *user, struct tess_context *ctx, int64_t draw)
{
    const struct kernel_job *j = user;
    struct kernel_points p = kernel_points_of(j->k, j->s);
    struct kernel_sums sums, all = {{0.0, 0.0}, 0.0};
    const struct kernel_sums pairs = kernel_pairs(j->k->subset, j->k->subset);
    int64_t *index[2] = {NULL, NULL};
    int status = TESS_OK;
    for (int set = 0; status == TESS_OK && set < 2; set++) {
        status = kernel_draw(ctx, j->k, draw, set, j->s->rows[set], j->k->subset, &index[set]);
        p.index[set] = index[set];
        p.rows[set] = j->k->subset;
    }
    for (int64_t i = 0; status == TESS_OK && i < kernel_tiles(&p); i++) {
        status = kernel_tile_sums(ctx, &p, i, &sums);
        if (status == TESS_OK)
            kernel_sums_add(&all, &sums);
    }
    j->estimate[draw] = kernel_estimate(&all, &pairs);
    tess_free(index[0]);
    tess_free(index[1]);
    return status;
}

static int kernel_put_subsets(struct tess_context *ctx, const struct kernel *k, const double *estimate, const struct tess_metric_sink *sink)
{
    int64_t n = k->subsets;
    double mean = 0.0, square = 0.0;
    for (int64_t i = 0; i < n; i++)
        mean += estimate[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        square += (estimate[i] - mean) * (estimate[i] - mean) / (double)n;
    TESS_TRY(metric_put(ctx, sink, "kernel distance", mean, "", TESS_METRIC_LOWER));
    if (n > 1)
        return metric_put(ctx, sink, "kernel distance, deviation", sqrt(square), "", TESS_METRIC_LOWER);
    return TESS_OK;
}

static int kernel_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct kernel *k = self;
    void *memory;
    if (!k->subsets)
        return kernel_finish_all(ctx, k, state, sink);
    TESS_TRY(tess_alloc(ctx, (size_t)k->subsets * sizeof(double), "estimates", &memory));
    struct kernel_job j = {.k = k, .s = state, .estimate = memory};
    int status = sink->dealt(sink->to, ctx, k->subsets, kernel_subset, &j, j.estimate, sizeof *j.estimate);
    if (status == TESS_OK)
        status = kernel_put_subsets(ctx, k, j.estimate, sink);
    tess_free(memory);
    return status;
}

static const struct tess_metric_1 ops = {.size = sizeof ops,
                                         .wants = TESS_METRIC_FEATURES,
                                         .protocol = KERNEL_PROTOCOL,
                                         .check = kernel_check,
                                         .bytes = feature_sets_bytes,
                                         .open = feature_sets_open,
                                         .close = feature_sets_close,
                                         .accumulate = feature_sets_accumulate,
                                         .merge = feature_sets_merge,
                                         .finish = kernel_finish,
                                         .pack = feature_sets_pack,
                                         .unpack = feature_sets_unpack,
                                         .resample = kernel_resample};

KERNEL_PLUGIN(&ops, NULL, NULL);
