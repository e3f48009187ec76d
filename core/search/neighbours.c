/* The k nearest of a pool in blocks: a product says what is surely too far, the distance in double decides about the rest (docs/models.md,
 * section 24).
 *
 * With c the mean of the queries, x = q - c and y = p - c: |q - p|^2 = |x|^2 + |y|^2 - 2 x y. The squares are made in double, x y by
 * products of f32 over WIDTH values at a time, added in double. What that may be wrong by is bounded by (24.3); vectors of the block beyond
 * it are passed over, and mostly they all are. The others are measured, in the order of the pool, so of equals the lowest stays.
 *
 * A worker takes some vectors of the block through the products with all queries; then each query looks at its row of them. Ranks share the
 * queries of a block that is worth it: what each query has found, and how many balls it lies in, then goes to all.
 *
 * SPDX-License-Identifier: MIT */
#include "core/host/runtime.h"
#include "core/kernels/kernels.h"
#include "core/ranks/ranks.h"

#include <tessera/neighbours.h>

#include <math.h>
#include <string.h>

enum { TILE_QUERIES = 64, TILE_VECTORS = 128, WIDTH = 1024 };
#define SHARED_PRODUCTS 1e6 /* multiplications of a block that take longer than messages between ranks */

struct worker_state { /* buffers of one worker */
    struct tessi_context context;
    char *scratch;
    float *query, *vector, *product; /* operands (tile, width) and (TILE_VECTORS, width); (tile, TILE_VECTORS) */
    char *packed;
};

struct tess_neighbours {
    struct tess_neighbours_options o;
    struct tessi_runtime *runtime;
    struct tess_kernel kernel;
    int planned;
    int64_t queries, d, tile, width;
    const float *query;
    float *centre;          /* (D) */
    double *x, *y, *score;  /* (Q): |x|; (block): |y|; (Q, block): |y|^2 - 2 x y */
    double longest;         /* |y| of the block */
    struct worker_state *worker_state; /* one for each worker */
    int64_t first, n;       /* the block */
    int64_t own, own_end;   /* queries that this rank searches it for */
    const float *vector;
};

/* ---- room ---------------------------------------------------------------------------------------------------------- */

static int neighbours_capacity(struct tess_context *ctx, int64_t n, size_t size, void *out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n ? n : 1) * size, "nearest neighbours", &memory));
    memcpy(out, &memory, sizeof memory);
    return TESS_OK;
}

static int plan_product(struct tess_context *ctx, struct tess_neighbours *s)
{
    const struct tess_kernel_desc d = {.size = sizeof d,
                                       .what = TESS_GEMM,
                                       .dtype_a = TESS_F32,
                                       .dtype_b = TESS_F32,
                                       .dtype_c = TESS_F32,
                                       .transpose_b = 1,
                                       .m = s->tile,
                                       .n = TILE_VECTORS,
                                       .k = s->width,
                                       .lda = s->width,
                                       .ldb = s->width,
                                       .ldc = TILE_VECTORS,
                                       .outer = 1,
                                       .inner = 1,
                                       .alpha = 1.0f};
    s->kernel = (struct tess_kernel){.size = sizeof s->kernel};
    TESS_TRY(s->runtime->backend_ops->plan(s->runtime->backend_self, ctx, &d, &s->kernel));
    s->planned = 1;
    return TESS_OK;
}

static int open_worker_state(struct tess_context *ctx, const struct tess_neighbours *s, struct worker_state *h)
{
    TESS_TRY(neighbours_capacity(ctx, s->tile * s->width, sizeof(float), &h->query));
    TESS_TRY(neighbours_capacity(ctx, TILE_VECTORS * s->width, sizeof(float), &h->vector));
    TESS_TRY(neighbours_capacity(ctx, s->tile * TILE_VECTORS, sizeof(float), &h->product));
    TESS_TRY(neighbours_capacity(ctx, 1, s->kernel.packed_bytes + 1, &h->packed));
    return neighbours_capacity(ctx, 1, s->kernel.scratch_bytes + 1, &h->scratch);
}

/* Any point would do for the result; the mean makes the operands short. */
static int find_centre(struct tess_context *ctx, struct tess_neighbours *s)
{
    for (int64_t q = 0; q < s->queries; q++)
        for (int64_t j = 0; j < s->d; j++)
            s->centre[j] += s->query[q * s->d + j] / (float)s->queries;
    for (int64_t q = 0; q < s->queries; q++) {
        s->x[q] = sqrt(tessi_kernels()->square_distance(s->d, s->query + q * s->d, s->centre));
        if (!isfinite(s->x[q]))
            return ctx->fail(ctx, TESS_E_DATA, "nearest neighbours: query %lld has a value that is not finite", (long long)q);
    }
    return TESS_OK;
}

static int open_search(struct tess_context *ctx, struct tess_neighbours *s)
{
    int workers = tessi_base_workers_count(s->runtime->workers);
    TESS_TRY(tessi_host_runtime_reserve(ctx, s->runtime));
    TESS_TRY(plan_product(ctx, s));
    TESS_TRY(neighbours_capacity(ctx, s->d, sizeof(float), &s->centre));
    TESS_TRY(neighbours_capacity(ctx, s->queries, sizeof(double), &s->x));
    TESS_TRY(neighbours_capacity(ctx, s->o.block, sizeof(double), &s->y));
    TESS_TRY(neighbours_capacity(ctx, s->queries * s->o.block, sizeof(double), &s->score));
    TESS_TRY(neighbours_capacity(ctx, workers, sizeof(struct worker_state), &s->worker_state));
    for (int i = 0; i < workers; i++)
        TESS_TRY(open_worker_state(ctx, s, &s->worker_state[i]));
    return find_centre(ctx, s);
}

static int neighbours_check(struct tess_context *ctx, const struct tess_neighbours_options *o)
{
    const struct tess_tensor *q = o->queries;
    if (q->dtype != TESS_F32 || q->rank != 2 || q->dim[0] < 1 || q->dim[1] < 1 || !q->data)
        return ctx->fail(ctx, TESS_E_SHAPE, "nearest neighbours: queries f32 (Q, D) are wanted");
    if (o->neighbours < 1 || o->block < 1)
        return ctx->fail(ctx, TESS_E_VALUE, "nearest neighbours: %lld of blocks of %lld are wanted; give at least one of each",
                       (long long)o->neighbours, (long long)o->block);
    return TESS_OK;
}

int tess_neighbours_new(struct tess_context *ctx, const struct tess_neighbours_options *o, struct tess_neighbours **out)
{
    void *memory;
    struct tessi_runtime *runtime;
    TESS_TRY(neighbours_check(ctx, o));
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    TESS_TRY(tessi_host_runtime_compute(ctx, runtime));
    TESS_TRY(tess_alloc(ctx, sizeof(struct tess_neighbours), "nearest neighbours", &memory));
    struct tess_neighbours *s = memory;
    struct tess_neighbours_options own = {.size = sizeof own};
    memcpy(&own, o, o->size < sizeof own ? o->size : sizeof own);
    o = &own;
    int64_t n = o->queries->dim[0], d = o->queries->dim[1], tiles = (n + TILE_QUERIES - 1) / TILE_QUERIES;
    *s = (struct tess_neighbours){.o = *o, .runtime = runtime, .queries = n, .d = d, .query = o->queries->data};
    s->tile = (n + tiles - 1) / tiles;
    s->width = d < WIDTH ? d : WIDTH;
    int status = open_search(ctx, s);
    if (status != TESS_OK) {
        tess_neighbours_free(s);
        return status;
    }
    for (int64_t i = 0; i < n * o->neighbours && !o->goes_on; i++) {
        o->index[i] = -1;
        o->square[i] = INFINITY;
    }
    if (o->radius && !o->goes_on)
        memset(o->inside, 0, (size_t)n * sizeof *o->inside);
    *out = s;
    return TESS_OK;
}

void tess_neighbours_free(struct tess_neighbours *s)
{
    if (!s)
        return;
    for (int i = 0; s->worker_state && i < tessi_base_workers_count(s->runtime->workers); i++) {
        struct worker_state *h = &s->worker_state[i];
        void *const all[] = {h->query, h->vector, h->product, h->packed, h->scratch};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            tess_free(all[k]);
    }
    if (s->planned)
        s->runtime->backend_ops->drop(s->runtime->backend_self, &s->kernel);
    void *const all[] = {s->centre, s->x, s->y, s->score, s->worker_state, s};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tess_free(all[i]);
}

/* ---- products ------------------------------------------------------------------------------------------------------ */

/* Values at .. at + width - 1 of rows (n, D) less the centre's, as (rows, width): zero where there are none. */
static void neighbours_to_operand(const struct tess_neighbours *s, const float *from, int64_t n, int64_t rows, int64_t at, float *to)
{
    int64_t have = s->d - at < s->width ? s->d - at : s->width;
    memset(to, 0, (size_t)(rows * s->width) * sizeof *to);
    for (int64_t i = 0; i < n; i++)
        tessi_kernels()->sub(have, from + i * s->d + at, s->centre + at, to + i * s->width);
}

static int neighbours_multiply(const struct tess_neighbours *s, struct worker_state *h)
{
    const struct tessi_runtime *r = s->runtime;
    struct tess_kernel_run run = {
        .size = sizeof run, .a = h->query, .b = h->vector, .c = h->product, .scratch = h->scratch, .context = &h->context.context};
    if (s->kernel.packed_bytes) {
        TESS_TRY(r->backend_ops->pack(r->backend_self, &s->kernel, h->vector, h->packed));
        run.b = h->packed;
    }
    return r->backend_ops->run(r->backend_self, &s->kernel, &run);
}

/* Some vectors of the block, of which the first is `from`, with a tile of queries: WIDTH values of them. */
static int score_tile(struct tess_neighbours *s, struct worker_state *h, int64_t from, int64_t n, int64_t query, int64_t at)
{
    int64_t m = s->own_end - query < s->tile ? s->own_end - query : s->tile;
    neighbours_to_operand(s, s->query + query * s->d, m, s->tile, at, h->query);
    TESS_TRY(neighbours_multiply(s, h));
    for (int64_t q = 0; q < m; q++)
        for (int64_t p = 0; p < n; p++)
            s->score[(query + q) * s->o.block + from + p] -= 2.0 * (double)h->product[q * TILE_VECTORS + p];
    return TESS_OK;
}

static int score_vectors(struct tess_neighbours *s, struct worker_state *h, int64_t from, int64_t n)
{
    for (int64_t p = from; p < from + n; p++) {
        double square = tessi_kernels()->square_distance(s->d, s->vector + p * s->d, s->centre);
        if (!isfinite(square))
            return h->context.context.fail(&h->context.context, TESS_E_DATA,
                                           "nearest neighbours: vector %lld of the pool has a value that is not finite",
                                           (long long)(s->first + p));
        s->y[p] = sqrt(square);
        for (int64_t q = s->own; q < s->own_end; q++)
            s->score[q * s->o.block + p] = square;
    }
    for (int64_t at = 0; at < s->d; at += s->width) {
        neighbours_to_operand(s, s->vector + from * s->d, n, TILE_VECTORS, at, h->vector);
        for (int64_t query = s->own; query < s->own_end; query += s->tile)
            TESS_TRY(score_tile(s, h, from, n, query, at));
    }
    return TESS_OK;
}

static void neighbours_score(void *user, int worker, int64_t i)
{
    struct tess_neighbours *s = user;
    struct worker_state *h = &s->worker_state[worker];
    int64_t from = i * TILE_VECTORS, n = s->n - from < TILE_VECTORS ? s->n - from : TILE_VECTORS;
    int status = score_vectors(s, h, from, n);
    if (status != TESS_OK && h->context.code == TESS_OK)
        (void)h->context.context.fail(&h->context.context, status, "nearest neighbours: the backend failed without saying why");
}

/* ---- the nearest --------------------------------------------------------------------------------------------------- */

/* The part of (24.3) beside D_k: by how much a score and |x|^2 together may differ from the squared distance to query q. */
static double doubt_of(const struct tess_neighbours *s, int64_t q)
{
    double x = s->x[q], y = s->longest, sum = (x + y) * (x + y);
    if (!(sum < 0x1p120)) /* sums in f32 might overflow */
        return INFINITY;
    return (double)(WIDTH + 8) * 0x1p-22 * x * y + (double)(s->d + 8) * (0x1p-51 * sum + 0x1p-120);
}

/* (24.3), less the |x|^2 that a score lacks: beyond it a vector of the block is not among the nearest of query q. */
static double limit_of(const struct tess_neighbours *s, int64_t q)
{
    double doubt = doubt_of(s, q), farthest = s->o.square[(q + 1) * s->o.neighbours - 1];
    return isinf(doubt) ? INFINITY : farthest + doubt - s->x[q] * s->x[q];
}

/* Inserts a neighbour in order of distance; among equal distances the lower index stays in front. */
static void neighbours_insert(const struct tess_neighbours *s, int64_t q, double square, int32_t index)
{
    double *squares = s->o.square + q * s->o.neighbours;
    int32_t *indices = s->o.index + q * s->o.neighbours;
    int64_t at = s->o.neighbours - 1;
    for (; at > 0 && squares[at - 1] > square; at--) {
        squares[at] = squares[at - 1];
        indices[at] = indices[at - 1];
    }
    squares[at] = square;
    indices[at] = index;
}

static void neighbours_pick(void *user, int worker, int64_t i)
{
    struct tess_neighbours *s = user;
    int64_t q = s->own + i;
    const double *row = s->score + q * s->o.block, *farthest = s->o.square + (q + 1) * s->o.neighbours - 1;
    double limit = limit_of(s, q);
    (void)worker;
    for (int64_t p = 0; p < s->n; p++) {
        if (row[p] > limit)
            continue;
        double square = tessi_kernels()->square_distance(s->d, s->query + q * s->d, s->vector + p * s->d);
        if (square < *farthest) {
            neighbours_insert(s, q, square, (int32_t)(s->first + p));
            limit = limit_of(s, q);
        }
    }
}

/* Counts the balls of the block that query q lies in. Where the score is too near to the radius, the distance in double decides. */
static void neighbours_count(void *user, int worker, int64_t i)
{
    struct tess_neighbours *s = user;
    int64_t q = s->own + i;
    const double *row = s->score + q * s->o.block, *radius = s->o.radius + s->first;
    double doubt = doubt_of(s, q), x = s->x[q] * s->x[q];
    int64_t inside = 0;
    (void)worker;
    for (int64_t p = 0; p < s->n; p++) {
        double gap = row[p] + x - radius[p];
        if (gap > doubt)
            continue;
        if (!(gap < -doubt)) {
            double square = tessi_kernels()->square_distance(s->d, s->query + q * s->d, s->vector + p * s->d);
            inside += s->o.open ? square < radius[p] : square <= radius[p];
            continue;
        }
        inside++;
    }
    s->o.inside[q] += inside;
}

/* ---- a block ------------------------------------------------------------------------------------------------------- */

/* Adds the block for the queries own .. own_end - 1. */
static int neighbours_search(struct tess_context *ctx, struct tess_neighbours *s)
{
    int workers = tessi_base_workers_count(s->runtime->workers);
    int64_t queries = s->own_end - s->own;
    for (int i = 0; i < workers; i++)
        tessi_base_context_init(&s->worker_state[i].context, &s->runtime->host);
    tessi_base_workers_run(s->runtime->workers, (s->n + TILE_VECTORS - 1) / TILE_VECTORS, neighbours_score, s);
    for (int i = 0; i < workers; i++)
        if (s->worker_state[i].context.code != TESS_OK)
            return tessi_base_context_pass(ctx, &s->worker_state[i].context.context);
    s->longest = 0.0;
    for (int64_t p = 0; p < s->n; p++)
        s->longest = s->y[p] > s->longest ? s->y[p] : s->longest;
    tessi_base_workers_run(s->runtime->workers, queries, neighbours_pick, s);
    if (s->o.radius)
        tessi_base_workers_run(s->runtime->workers, queries, neighbours_count, s);
    return TESS_OK;
}

/* Adds the block for all queries, which are dealt to the ranks; what each has found goes to all. */
static int neighbours_search_shared(struct tess_context *ctx, struct tess_neighbours *s, struct tessi_ranks *ranks)
{
    int64_t k = s->o.neighbours;
    TESS_TRY(tessi_ranks_meet_at(ctx, ranks, s->first + s->n));
    tessi_ranks_share(s->queries, tessi_ranks_size(ranks), tessi_ranks_rank(ranks), &s->own, &s->own_end);
    TESS_TRY(neighbours_search(ctx, s));
    TESS_TRY(tessi_ranks_gather(ctx, ranks, s->o.index, s->queries, k * (int64_t)sizeof *s->o.index));
    TESS_TRY(tessi_ranks_gather(ctx, ranks, s->o.square, s->queries, k * (int64_t)sizeof *s->o.square));
    return s->o.radius ? tessi_ranks_gather(ctx, ranks, s->o.inside, s->queries, sizeof *s->o.inside) : TESS_OK;
}

int tess_neighbours_add(struct tess_context *ctx, struct tess_neighbours *s, int64_t first, int64_t n, const float *vectors)
{
    struct tessi_ranks *ranks = s->runtime->ranks;
    if (n < 0 || n > s->o.block || first < 0 || first + n > INT32_MAX)
        return ctx->fail(ctx, TESS_E_VALUE, "nearest neighbours: vectors %lld to %lld do not fit a block of %lld", (long long)first,
                         (long long)(first + n), (long long)s->o.block);
    s->first = first;
    s->n = n;
    s->vector = vectors;
    s->own = 0;
    s->own_end = s->queries;
    if (tessi_ranks_together(ranks) && (double)s->queries * (double)n * (double)s->d >= SHARED_PRODUCTS)
        return neighbours_search_shared(ctx, s, ranks);
    return neighbours_search(ctx, s);
}
