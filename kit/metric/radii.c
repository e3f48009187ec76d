/* Nearest neighbours within and between sets of features, exactly: a search whose results depend on neither blocks nor workers
 * (<tessera/neighbours.h>), over blocks of one set. SPDX-License-Identifier: MIT */
#include "kit/metric/radii.h"

#include <tessera/neighbours.h>

enum { RADII_BLOCK = 512 };

/* Searches the vectors of the set `pool` for those of the set `queries`. `o` has what is wanted of each query. */
static int radii_search(struct tess_context *ctx, const struct feature_sets *s, int32_t queries, int32_t pool,
                        const struct tess_neighbours_options *o)
{
    const int64_t size[2] = {s->rows[queries], s->features};
    const struct tess_tensor vectors = tess_tensor_over(s->vector[queries], TESS_F32, 2, size);
    struct tess_neighbours_options all = *o;
    struct tess_neighbours *search = NULL;
    all.size = sizeof all;
    all.queries = &vectors;
    all.block = RADII_BLOCK;
    TESS_TRY(tess_neighbours_new(ctx, &all, &search));
    int status = TESS_OK;
    for (int64_t i = 0; status == TESS_OK && i < s->rows[pool]; i += RADII_BLOCK) {
        int64_t n = s->rows[pool] - i < RADII_BLOCK ? s->rows[pool] - i : RADII_BLOCK;
        status = tess_neighbours_add(ctx, search, i, n, s->vector[pool] + i * s->features);
    }
    tess_neighbours_free(search);
    return status;
}

/* Memory for the k nearest of each of n queries. */
static int radii_open(struct tess_context *ctx, int64_t n, int64_t k, struct tess_neighbours_options *o)
{
    void *memory;
    o->neighbours = k;
    TESS_TRY(tess_alloc(ctx, (size_t)(n * k) * sizeof(double), "nearest neighbours", &memory));
    o->square = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n * k) * sizeof(int32_t), "nearest neighbours", &memory));
    o->index = memory;
    return TESS_OK;
}

static void radii_close(struct tess_neighbours_options *o)
{
    tess_free(o->square);
    tess_free(o->index);
}

int radii_nearest(struct tess_context *ctx, const struct feature_sets *s, int32_t points, int32_t others, double *square)
{
    struct tess_neighbours_options o = {.size = sizeof o};
    int status = radii_open(ctx, s->rows[points], 1, &o);
    if (status == TESS_OK)
        status = radii_search(ctx, s, points, others, &o);
    for (int64_t i = 0; status == TESS_OK && i < s->rows[points]; i++)
        square[i] = o.square[i];
    radii_close(&o);
    return status;
}

/* A vector is the nearest to itself, at distance 0: the k-th of the others is the (k + 1)-th of all. */
int radii_of(struct tess_context *ctx, const struct feature_sets *s, int32_t set, int64_t k, double *square)
{
    struct tess_neighbours_options o = {.size = sizeof o};
    int64_t n = s->rows[set];
    if (n <= k)
        return ctx->fail(ctx, TESS_E_VALUE, "%lld %s have no %lld neighbours each; give more, or a lower `neighbours`", (long long)n,
                         set == TESS_METRIC_SAMPLES ? "samples" : "images", (long long)k);
    int status = radii_open(ctx, n, k + 1, &o);
    if (status == TESS_OK)
        status = radii_search(ctx, s, set, set, &o);
    for (int64_t i = 0; status == TESS_OK && i < n; i++)
        square[i] = o.square[i * (k + 1) + k];
    radii_close(&o);
    return status;
}

int radii_count(struct tess_context *ctx, const struct feature_sets *s, int32_t points, const double *square, int32_t border,
                struct radii_count *out)
{
    struct tess_neighbours_options o = {
        .size = sizeof o, .radius = square, .inside = out->balls, .open = border == RADII_INSIDE_OPEN ? 1 : 0};
    int status = radii_open(ctx, s->rows[points], 1, &o);
    if (status == TESS_OK)
        status = radii_search(ctx, s, points, !points, &o);
    for (int64_t i = 0; status == TESS_OK && i < s->rows[points]; i++)
        out->nearest[i] = o.square[i];
    radii_close(&o);
    return status;
}
