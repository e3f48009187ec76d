/* Lloyd's iterations (docs/models.md, "k-means").
 *
 * An iteration gives each vector its nearest centre, in double and with ties to the lower index, and moves each centre to the mean of its
 * vectors. A vector is spared the search when it cannot have moved: its distance u to its own centre is known exactly, and every other
 * centre is at least l away, l being what the last search found for the second nearest, less what the centre that moved farthest has
 * moved since; or, by the triangle inequality, at least half as far as the nearest other centre is from its own (Hamerly, "Making
 * k-means even faster"). u < l is asked with room for rounding, so the assignments are those of a search of everything.
 *
 * A worker takes a chunk of vectors through all of that while they are near: distances to the centres they have, which are to be searched
 * for, the search. Sums are added by columns, a worker some of them, each in the order of the pool; so they do not depend on threads.
 *
 * SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"
#include "core/ranks/ranks.h"
#include "core/search/nearest.h"
#include "core/search/kmeans_private.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 512, BATCH = 16 * CHUNK, DEFAULT_ITERATIONS = 300 };
static const double CAPACITY = 1e-6; /* relative margin on distances: more than rounding of roots and double sums takes */

struct worker_state { /* buffers of one worker */
    struct tessi_context context;
    char *scratch;
    int32_t list[CHUNK]; /* vectors of the chunk that need a search */
    int64_t searched;
};

struct lloyd {
    const struct tess_pool *pool;
    const struct tess_kmeans_options *o;
    struct tess_kmeans_report *report;
    struct tessi_workers *workers;
    struct tessi_nearest search;
    int64_t p, d, k, iteration, columns; /* columns: of the sums, added up by one task */
    int64_t first, n;                    /* the batch: first vector and number */
    struct tessi_ranks *ranks;           /* ranks that share the search; NULL: this process alone */
    int64_t chunk;                       /* first chunk of the batch that is this rank's */
    const float *rows;                   /* the batch's vectors */
    float *buffer;                       /* memory for a batch of a pool that is read from elsewhere */
    float *centres;                      /* (K, D) */
    char *ready;                         /* the centres, prepared for the search */
    struct worker_state *worker_state;   /* one for each worker */
    int32_t *code, *centre_code;         /* (P); (K), of the centres themselves */
    double *own, *other;                 /* (P): u squared; l */
    double *sum, *half, *moved;          /* (K, D); (K): half a distance no other centre is below; what a centre moved */
    int64_t *count;                      /* (K) */
};

static int read_memory(void *user, struct tess_context *ctx, int64_t first, int64_t n, float *to)
{
    const struct tess_tensor *t = user;
    (void)ctx;
    memcpy(to, (const float *)t->data + first * t->dim[1], (size_t)(n * t->dim[1]) * sizeof(float));
    return TESS_OK;
}

struct tess_pool tess_pool_of(const struct tess_tensor *vectors)
{
    return (struct tess_pool){.size = sizeof(struct tess_pool),
                              .count = vectors->dim[0],
                              .width = vectors->dim[1],
                              .user = (void *)(uintptr_t)vectors,
                              .read = read_memory};
}

/* ---- room ---------------------------------------------------------------------------------------------------------- */

static int kmeans_capacity(struct tess_context *ctx, int64_t n, size_t size, void *out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(n ? n : 1) * size, "k-means", &memory));
    memcpy(out, &memory, sizeof memory);
    return TESS_OK;
}

static int open_lloyd(struct tess_context *ctx, struct lloyd *l)
{
    int workers = tessi_base_workers_count(l->workers);
    int64_t batch = l->p < BATCH ? l->p : BATCH;
    TESS_TRY(tessi_search_nearest_plan(ctx, tessi_base_runtime_of(ctx), CHUNK, l->k, l->d, TESSI_NEAREST_AUTO, &l->search));
    l->columns = ((l->d + workers - 1) / workers + 15) / 16 * 16;
    TESS_TRY(kmeans_capacity(ctx, l->pool->read == read_memory ? 0 : batch * l->d, sizeof(float), &l->buffer));
    TESS_TRY(kmeans_capacity(ctx, l->k * l->d, sizeof(float), &l->centres));
    TESS_TRY(kmeans_capacity(ctx, 1, l->search.ready_bytes, &l->ready));
    TESS_TRY(kmeans_capacity(ctx, workers, sizeof(struct worker_state), &l->worker_state));
    for (int i = 0; i < workers; i++)
        TESS_TRY(kmeans_capacity(ctx, 1, l->search.scratch_bytes, &l->worker_state[i].scratch));
    TESS_TRY(kmeans_capacity(ctx, l->p, sizeof(int32_t), &l->code));
    TESS_TRY(kmeans_capacity(ctx, l->k, sizeof(int32_t), &l->centre_code));
    TESS_TRY(kmeans_capacity(ctx, l->p, sizeof(double), &l->own));
    TESS_TRY(kmeans_capacity(ctx, l->p, sizeof(double), &l->other));
    TESS_TRY(kmeans_capacity(ctx, l->k * l->d, sizeof(double), &l->sum));
    TESS_TRY(kmeans_capacity(ctx, l->k, sizeof(double), &l->half));
    TESS_TRY(kmeans_capacity(ctx, l->k, sizeof(double), &l->moved));
    return kmeans_capacity(ctx, l->k, sizeof(int64_t), &l->count);
}

static void close_lloyd(struct lloyd *l)
{
    for (int i = 0; l->worker_state && i < tessi_base_workers_count(l->workers); i++)
        tess_free(l->worker_state[i].scratch);
    void *const all[] = {l->buffer, l->centres, l->ready, l->worker_state, l->code,  l->centre_code,
                         l->own,    l->other,   l->sum,   l->half,         l->moved, l->count};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tess_free(all[i]);
    tessi_search_nearest_drop(&l->search);
}

/* Makes vectors first .. first + n - 1 the batch: where they lie in memory, or read into the buffer. */
static int kmeans_fetch(struct tess_context *ctx, struct lloyd *l, int64_t first, int64_t n)
{
    l->first = first;
    l->n = n;
    l->rows = l->buffer;
    if (l->pool->read != read_memory)
        return l->pool->read(l->pool->user, ctx, first, n, l->buffer);
    l->rows = (const float *)((const struct tess_tensor *)l->pool->user)->data + first * l->d;
    return TESS_OK;
}

static int fetch_batch(struct tess_context *ctx, struct lloyd *l, int64_t first)
{
    return kmeans_fetch(ctx, l, first, l->p - first < BATCH ? l->p - first : BATCH);
}

/* Runs a task on all workers; the first worker that failed gives the message. */
static int kmeans_work(struct tess_context *ctx, struct lloyd *l, int64_t n, void (*task)(void *user, int worker, int64_t i))
{
    int workers = tessi_base_workers_count(l->workers);
    for (int i = 0; i < workers; i++) {
        tessi_base_context_init(&l->worker_state[i].context, &tessi_base_runtime_of(ctx)->host);
        l->worker_state[i].searched = 0;
    }
    tessi_base_workers_run(l->workers, n, task, l);
    for (int i = 0; i < workers; i++)
        if (l->worker_state[i].context.code != TESS_OK)
            return tessi_base_context_pass(ctx, &l->worker_state[i].context.context);
    return TESS_OK;
}

/* ---- assignment ---------------------------------------------------------------------------------------------------- */

static void kmeans_find(struct lloyd *l, struct worker_state *h, const float *x, const int32_t *list, int64_t n,
                        const struct tessi_nearest_found *found)
{
    int status =
        n ? tessi_search_nearest_find(&l->search, &h->context.context, l->centres, l->ready, x, list, n, h->scratch, found) : TESS_OK;
    if (status != TESS_OK && h->context.code == TESS_OK)
        (void)h->context.context.fail(&h->context.context, status, "k-means: a search failed without saying why");
}

/* Half a distance that no other centre is below, of a chunk of centres: those other than the one found, which is the centre itself or one
 * that equals it. */
static void kmeans_halve(void *user, int worker, int64_t i)
{
    struct lloyd *l = user;
    int64_t first = i * CHUNK, n = l->k - first < CHUNK ? l->k - first : CHUNK;
    const struct tessi_nearest_found found = {.code = l->centre_code + first, .beyond = l->half + first};
    kmeans_find(l, &l->worker_state[worker], l->centres + first * l->d, NULL, n, &found);
    for (int64_t k = first; k < first + n; k++)
        l->half[k] *= 0.5;
}

/* 1 when vector i may have another nearest centre by now, (14.3); makes its distance to the present one exact. */
static int may_move(struct lloyd *l, int64_t i)
{
    int32_t code = l->code[i];
    if (l->iteration == 0)
        return 1;
    l->own[i] = tessi_kernels()->square_distance(l->d, l->rows + (i - l->first) * l->d, l->centres + code * l->d);
    double least = l->other[i] > l->half[code] ? l->other[i] : l->half[code];
    return !(sqrt(l->own[i]) * (1.0 + CAPACITY) < least * (1.0 - CAPACITY));
}

/* (14.1) */
static void assign_chunk(void *user, int worker, int64_t chunk)
{
    struct lloyd *l = user;
    struct worker_state *h = &l->worker_state[worker];
    int64_t from = (l->chunk + chunk) * CHUNK, to = from + CHUNK < l->n ? from + CHUNK : l->n, n = 0;
    const struct tessi_nearest_found found = {.code = l->code + l->first, .square = l->own + l->first, .beyond = l->other + l->first};
    for (int64_t row = from; row < to; row++)
        if (l->o->plain || may_move(l, l->first + row))
            h->list[n++] = (int32_t)row;
    kmeans_find(l, h, l->rows, h->list, n, &found);
    h->searched += n;
    for (int64_t row = from; row < to && h->context.code == TESS_OK; row++)
        if (l->code[l->first + row] < 0)
            (void)h->context.context.fail(&h->context.context, TESS_E_DATA, "k-means: the pool has a vector that is not finite");
}

/* Adds the batch's vectors to some columns of the centres' sums. */
static void add_columns(void *user, int worker, int64_t i)
{
    struct lloyd *l = user;
    int64_t first = i * l->columns, n = l->d - first < l->columns ? l->d - first : l->columns;
    (void)worker;
    for (int64_t row = 0; row < l->n; row++)
        tessi_kernels()->accumulate_double(n, l->rows + row * l->d + first, l->sum + l->code[l->first + row] * l->d + first);
}

/* Adds the searches of this rank to the report, and those of the others. */
static int kmeans_count(struct tess_context *ctx, struct lloyd *l)
{
    int ranks = tessi_ranks_size(l->ranks);
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)ranks * sizeof(int64_t), "k-means", &memory));
    int64_t *each = memory;
    for (int i = 0; i < tessi_base_workers_count(l->workers); i++)
        each[tessi_ranks_rank(l->ranks)] += l->worker_state[i].searched;
    int status = tessi_ranks_gather(ctx, l->ranks, each, ranks, sizeof *each);
    for (int k = 0; k < ranks; k++)
        l->report->assigned += each[k];
    tess_free(memory);
    return status;
}

/* Assigns this rank's chunks of the batch, then takes those of the other ranks: codes and squared distances. A bound is of use to the rank
 * alone that asks it. */
static int assign_share(struct tess_context *ctx, struct lloyd *l)
{
    int64_t chunks = (l->n + CHUNK - 1) / CHUNK, end;
    tessi_ranks_share(chunks, tessi_ranks_size(l->ranks), tessi_ranks_rank(l->ranks), &l->chunk, &end);
    TESS_TRY(kmeans_work(ctx, l, end - l->chunk, assign_chunk));
    TESS_TRY(kmeans_count(ctx, l));
    TESS_TRY(tessi_ranks_gather_cut(ctx, l->ranks, l->code + l->first, chunks, CHUNK * (int64_t)sizeof *l->code,
                                    l->n * (int64_t)sizeof *l->code));
    return tessi_ranks_gather_cut(ctx, l->ranks, l->own + l->first, chunks, CHUNK * (int64_t)sizeof *l->own,
                                  l->n * (int64_t)sizeof *l->own);
}

static int assign_batch(struct tess_context *ctx, struct lloyd *l)
{
    TESS_TRY(assign_share(ctx, l));
    for (int64_t i = l->first; i < l->first + l->n; i++)
        l->count[l->code[i]]++;
    tessi_base_workers_run(l->workers, (l->d + l->columns - 1) / l->columns, add_columns, l);
    return TESS_OK;
}

static int kmeans_assign(struct tess_context *ctx, struct lloyd *l)
{
    double total = 0.0;
    if (l->ranks)
        TESS_TRY(tessi_ranks_meet_at(ctx, l->ranks, l->p));
    memset(l->sum, 0, (size_t)(l->k * l->d) * sizeof *l->sum);
    memset(l->count, 0, (size_t)l->k * sizeof *l->count);
    if (tessi_search_nearest_ready(&l->search, l->centres, l->ready) != TESS_OK)
        return ctx->fail(ctx, TESS_E_FAILED, "k-means: the backend could not lay out the centres");
    if (!l->o->plain && l->iteration > 0)
        TESS_TRY(kmeans_work(ctx, l, (l->k + CHUNK - 1) / CHUNK, kmeans_halve));
    for (int64_t first = 0; first < l->p; first += l->n) {
        TESS_TRY(fetch_batch(ctx, l, first));
        TESS_TRY(assign_batch(ctx, l));
    }
    for (int64_t i = 0; i < l->p; i++)
        total += l->own[i];
    l->report->spared = (l->iteration + 1) * l->p - l->report->assigned;
    l->report->objective = total / (double)l->p;
    return isfinite(total) ? TESS_OK : ctx->fail(ctx, TESS_E_DATA, "k-means: the pool has a vector that is not finite");
}

/* ---- update -------------------------------------------------------------------------------------------------------- */

/* Refills each empty centre with the vector that is farthest from its own centre, out of the centres that have more than one. */
static int give_to_empty(struct tess_context *ctx, struct lloyd *l)
{
    for (int64_t k = 0; k < l->k; k++) {
        int64_t farthest = -1;
        if (l->count[k] > 0)
            continue;
        for (int64_t i = 0; i < l->p; i++)
            if (l->count[l->code[i]] > 1 && (farthest < 0 || l->own[i] > l->own[farthest]))
                farthest = i;
        TESS_TRY(kmeans_fetch(ctx, l, farthest, 1));
        double *from = l->sum + l->code[farthest] * l->d, *to = l->sum + k * l->d;
        for (int64_t j = 0; j < l->d; j++) {
            from[j] -= (double)l->rows[j];
            to[j] = (double)l->rows[j];
        }
        l->count[l->code[farthest]]--;
        l->count[k] = 1;
        l->code[farthest] = (int32_t)k;
        l->own[farthest] = l->other[farthest] = 0.0; /* searched for next time */
        l->report->reseeded++;
    }
    return TESS_OK;
}

/* Moves a centre to the mean of its vectors (14.2). */
static void move_centre(void *user, int worker, int64_t k)
{
    struct lloyd *l = user;
    double square = 0.0;
    (void)worker;
    for (int64_t j = k * l->d; j < (k + 1) * l->d; j++) {
        float mean = (float)(l->sum[j] / (double)l->count[k]);
        double step = (double)mean - (double)l->centres[j];
        square += step * step;
        l->centres[j] = mean;
    }
    l->moved[k] = square;
}

/* Moves all centres, then lowers the bounds by as much as the centre that moved most has moved. */
static void move_centres(struct lloyd *l)
{
    double max = 0.0;
    l->report->shift = 0.0;
    tessi_base_workers_run(l->workers, l->k, move_centre, l);
    for (int64_t k = 0; k < l->k; k++) {
        l->report->shift += l->moved[k];
        max = l->moved[k] > max ? l->moved[k] : max;
    }
    max = sqrt(max) * (1.0 + CAPACITY);
    for (int64_t i = 0; i < l->p; i++)
        l->other[i] = l->other[i] > max ? l->other[i] - max : 0.0;
}

/* Mean over the components of their variance in the pool. */
static int mean_variance(struct tess_context *ctx, struct lloyd *l, double *out)
{
    double *mean = l->sum, total = 0.0; /* (D) of (K, D); K >= 1 */
    memset(mean, 0, (size_t)l->d * sizeof *mean);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t first = 0; first < l->p; first += l->n) {
            TESS_TRY(fetch_batch(ctx, l, first));
            for (int64_t i = 0; i < l->n * l->d; i++) {
                double x = (double)l->rows[i];
                if (pass == 0)
                    mean[i % l->d] += x / (double)l->p;
                else
                    total += (x - mean[i % l->d]) * (x - mean[i % l->d]);
            }
        }
    }
    *out = total / (double)(l->p * l->d);
    return TESS_OK;
}

static int kmeans_iterate(struct tess_context *ctx, struct lloyd *l)
{
    int64_t max = l->o->iterations ? l->o->iterations : DEFAULT_ITERATIONS;
    double variance = 0.0;
    if (l->o->tolerance > 0.0)
        TESS_TRY(mean_variance(ctx, l, &variance));
    for (int64_t i = 0; i < max && !l->report->converged; i++) {
        l->iteration = i;
        TESS_TRY(kmeans_assign(ctx, l));
        TESS_TRY(give_to_empty(ctx, l));
        move_centres(l);
        l->report->iterations = i + 1;
        l->report->converged = l->report->shift <= l->o->tolerance * variance;
        if (l->o->stop && l->o->stop(l->o->user, i + 1, l->report->objective))
            return ctx->fail(ctx, TESS_E_STOPPED, "k-means was stopped after %lld iterations", (long long)(i + 1));
    }
    return TESS_OK;
}

static int kmeans_check(struct tess_context *ctx, const struct tess_pool *pool, const struct tess_kmeans_options *o,
                        const struct tess_tensor *centres)
{
    if (o->codebook_size < 1 || pool->count < o->codebook_size)
        return ctx->fail(ctx, TESS_E_VALUE, "k-means: %lld vectors cannot be made %lld codes; give a pool that is larger than the codebook",
                       (long long)pool->count, (long long)o->codebook_size);
    if (o->seeding < TESS_SEED_AFKMC2 || o->seeding > TESS_SEED_GIVEN || o->chain < 0 || o->iterations < 0 || !(o->tolerance >= 0.0))
        return ctx->fail(ctx, TESS_E_VALUE, "k-means: an option is out of its range");
    if (centres->dtype != TESS_F32 || centres->rank != 2 || centres->dim[0] != o->codebook_size || centres->dim[1] != pool->width ||
        !centres->data)
        return ctx->fail(ctx, TESS_E_SHAPE, "k-means: centres f32 (%lld, %lld) are wanted", (long long)o->codebook_size,
                         (long long)pool->width);
    return TESS_OK;
}

int tess_kmeans(struct tess_context *ctx, const struct tess_pool *pool, const struct tess_kmeans_options *o, struct tess_tensor *centres,
                struct tess_kmeans_report *report)
{
    struct tess_kmeans_report spare;
    struct tessi_runtime *runtime;
    /* cppcheck-suppress uninitvar; an address is taken, and what is there cleared below */
    struct lloyd l = {.pool = pool, .o = o, .report = report ? report : &spare, .p = pool->count, .d = pool->width, .k = o->codebook_size};
    TESS_TRY(kmeans_check(ctx, pool, o, centres));
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    TESS_TRY(tessi_host_runtime_compute(ctx, runtime));
    TESS_TRY(tessi_host_runtime_reserve(ctx, runtime));
    l.workers = runtime->workers;
    l.ranks = tessi_ranks_together(runtime->ranks) ? runtime->ranks : NULL;
    memset(l.report, 0, sizeof *l.report);
    int status = open_lloyd(ctx, &l);
    if (status == TESS_OK && o->seeding == TESS_SEED_GIVEN)
        memcpy(l.centres, centres->data, tess_tensor_bytes(centres));
    else if (status == TESS_OK)
        status = tessi_search_kmeans_seed(ctx, l.workers, pool, o, l.centres);
    if (status == TESS_OK)
        status = kmeans_iterate(ctx, &l);
    if (status == TESS_OK)
        memcpy(centres->data, l.centres, tess_tensor_bytes(centres));
    close_lloyd(&l);
    return status;
}
