/* Lloyd's iterations (docs/models.md, "k-means").
 *
 * An iteration gives each vector its nearest centre, in double and with ties to the lower index, and moves each centre to the mean of its
 * vectors. A vector is spared the search when it cannot have moved: its distance u to its own centre is known exactly, and every other
 * centre is at least l away, l being what the last search found for the second nearest, less what the centre that moved farthest has
 * moved since; or, by the triangle inequality, at least half as far as the nearest other centre is from its own (Hamerly, "Making
 * k-means even faster"). u < l is asked with room for rounding, so the assignments are those of a search of everything.
 *
 * SPDX-License-Identifier: MIT */
#include "core/tensor/kernels.h"
#include "core/tensor/node.h"
#include "core/train/kmeans_private.h"

#include <math.h>
#include <string.h>

enum { ROWS = 512, DEFAULT_ITERATIONS = 300 };
static const double ROOM = 1e-6; /* share of a distance: more than rounding in f32 bounds and double sums takes */

struct lloyd {
    const struct tess_pool *pool;
    const struct tess_kmeans_options *o;
    struct tess_kmeans_report *report;
    struct tessi_workers *workers;
    struct tess_weights *weights;
    struct tess_graph *graph;
    int64_t p, d, k, batch, n; /* n: rows of the batch in memory, which begins at `first` */
    int64_t first, searched;
    float *centres;             /* (K, D), the graph's weight */
    float *rows, *wanted;       /* the batch; those of it that are searched for */
    int32_t *code, *found;      /* (P); of the wanted */
    int64_t *place, *count;     /* which rows of the batch are wanted; (K) */
    double *own, *other;        /* (P): u squared; l */
    float *beyond;              /* l of the wanted */
    double *sum, *half, *moved; /* (K, D); (K): half the distance to the nearest other centre; what a centre moved */
};

static int read_memory(void *user, struct tess_call *c, int64_t first, int64_t n, float *to)
{
    const struct tess_tensor *t = user;
    (void)c;
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

static int room(struct tess_call *c, int64_t n, size_t size, void *out)
{
    void *memory;
    TESS_TRY(tess_alloc(c, (size_t)(n ? n : 1) * size, "k-means", &memory));
    memcpy(out, &memory, sizeof memory);
    return TESS_OK;
}

static int open_lloyd(struct tess_call *c, struct lloyd *l)
{
    struct tess_graph_options o = {.size = sizeof o, .rows = ROWS, .slices = 4 * tessi_workers_count(l->workers), .seed = 1};
    struct tess_tensor view;
    l->batch = o.rows * o.slices;
    TESS_TRY(tess_weights_new(c, 1, &l->weights));
    TESS_TRY(tess_graph_new(c, l->weights, &o, &l->graph));
    struct tess_node *x = tess_input(l->graph, "vectors", TESS_F32, 2, (const int64_t[]){ROWS, l->d}), *distance = NULL;
    struct tess_node *book =
        tess_weight(l->graph, "centres", 2, (const int64_t[]){l->k, l->d}, (struct tess_init){.flags = TESS_WEIGHT_BUFFER});
    if (x && book)
        tess_output(l->graph, "codes", tessi_nearest_margin(l->graph, x, book, &distance));
    tess_output(l->graph, "beyond", distance);
    TESS_TRY(tess_graph_seal(c, l->graph));
    TESS_TRY(tess_weights_seal(c, l->weights));
    TESS_TRY(tess_weights_view(c, l->weights, 0, TESS_ROLE_VALUE, &view));
    l->centres = view.data;
    TESS_TRY(room(c, l->batch * l->d, sizeof(float), &l->rows));
    TESS_TRY(room(c, l->batch * l->d, sizeof(float), &l->wanted));
    TESS_TRY(room(c, l->p, sizeof(int32_t), &l->code));
    TESS_TRY(room(c, l->batch, sizeof(int32_t), &l->found));
    TESS_TRY(room(c, l->batch, sizeof(int64_t), &l->place));
    TESS_TRY(room(c, l->k, sizeof(int64_t), &l->count));
    TESS_TRY(room(c, l->p, sizeof(double), &l->own));
    TESS_TRY(room(c, l->p, sizeof(double), &l->other));
    TESS_TRY(room(c, l->batch, sizeof(float), &l->beyond));
    TESS_TRY(room(c, l->k * l->d, sizeof(double), &l->sum));
    TESS_TRY(room(c, l->k, sizeof(double), &l->half));
    return room(c, l->k, sizeof(double), &l->moved);
}

static void close_lloyd(struct lloyd *l)
{
    void *const all[] = {l->rows, l->wanted, l->code, l->found, l->place, l->count, l->own, l->other, l->beyond, l->sum, l->half, l->moved};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tess_free(all[i]);
    tess_graph_free(l->graph);
    tess_weights_free(l->weights);
}

/* ---- assignment ---------------------------------------------------------------------------------------------------- */

static double distance(const struct lloyd *l, int64_t row, int32_t code)
{
    return tessi_kernels()->square_distance(l->d, l->rows + row * l->d, l->centres + code * l->d);
}

/* Half the distance from each centre to the nearest other one. */
static void halve(void *user, int worker, int64_t i)
{
    struct lloyd *l = user;
    double best = INFINITY;
    (void)worker;
    for (int64_t j = 0; j < l->k; j++) {
        double square = j == i ? INFINITY : tessi_kernels()->square_distance(l->d, l->centres + i * l->d, l->centres + j * l->d);
        best = square < best ? square : best;
    }
    l->half[i] = 0.5 * sqrt(best);
}

/* Exact distances of 256 rows to the centres they have. */
static void look_again(void *user, int worker, int64_t i)
{
    struct lloyd *l = user;
    int64_t end = 256 * (i + 1) < l->n ? 256 * (i + 1) : l->n;
    (void)worker;
    for (int64_t row = 256 * i; row < end; row++)
        l->own[l->first + row] = distance(l, row, l->code[l->first + row]);
}

/* Those of the batch that may have moved, close together in `wanted`. */
static void choose(struct lloyd *l, int64_t iteration)
{
    l->searched = 0;
    for (int64_t row = 0; row < l->n; row++) {
        int64_t i = l->first + row;
        if (iteration > 0 && !l->o->plain) {
            double least = l->other[i] > l->half[l->code[i]] ? l->other[i] : l->half[l->code[i]];
            if (sqrt(l->own[i]) * (1.0 + ROOM) < least * (1.0 - ROOM))
                continue;
        }
        memcpy(l->wanted + l->searched * l->d, l->rows + row * l->d, (size_t)l->d * sizeof(float));
        l->place[l->searched++] = row;
    }
}

static int search(struct tess_call *c, struct lloyd *l)
{
    struct tess_tensor in = tess_tensor_over(l->wanted, TESS_F32, 2, (const int64_t[]){l->searched, l->d});
    struct tess_tensor out[2] = {tess_tensor_over(l->found, TESS_I32, 1, &l->searched),
                                 tess_tensor_over(l->beyond, TESS_F32, 1, &l->searched)};
    struct tess_batch b = {.size = sizeof b, .samples = l->searched, .inputs = 1, .in = &in, .outputs = 2, .out = out};
    if (l->searched == 0)
        return TESS_OK;
    int status = tess_graph_run(c, l->graph, &b);
    if (status != TESS_E_FAILED)
        return status;
    tessi_call_clear(c); /* it speaks of an encoder */
    return c->fail(c, TESS_E_DATA, "k-means: the pool has a vector that is not finite");
}

/* The batch in memory: codes, distances, sums. */
static int assign_batch(struct tess_call *c, struct lloyd *l, int64_t iteration)
{
    if (iteration > 0)
        tessi_workers_run(l->workers, (l->n + 255) / 256, look_again, l);
    choose(l, iteration);
    TESS_TRY(search(c, l));
    for (int64_t i = 0; i < l->searched; i++) {
        int64_t at = l->first + l->place[i];
        l->code[at] = l->found[i];
        l->other[at] = (double)l->beyond[i];
    }
    tessi_workers_run(l->workers, (l->n + 255) / 256, look_again, l);
    for (int64_t row = 0; row < l->n; row++) {
        int32_t code = l->code[l->first + row];
        double *sum = l->sum + code * l->d;
        const float *x = l->rows + row * l->d;
        l->count[code]++;
        for (int64_t j = 0; j < l->d; j++)
            sum[j] += (double)x[j];
    }
    l->report->assigned += l->searched;
    l->report->spared += l->n - l->searched;
    return TESS_OK;
}

static int assign(struct tess_call *c, struct lloyd *l, int64_t iteration)
{
    double total = 0.0;
    memset(l->sum, 0, (size_t)(l->k * l->d) * sizeof *l->sum);
    memset(l->count, 0, (size_t)l->k * sizeof *l->count);
    tess_weights_touch(l->weights);
    if (!l->o->plain)
        tessi_workers_run(l->workers, l->k, halve, l);
    for (l->first = 0; l->first < l->p; l->first += l->n) {
        l->n = l->p - l->first < l->batch ? l->p - l->first : l->batch;
        TESS_TRY(l->pool->read(l->pool->user, c, l->first, l->n, l->rows));
        TESS_TRY(assign_batch(c, l, iteration));
    }
    for (int64_t i = 0; i < l->p; i++)
        total += l->own[i];
    l->report->objective = total / (double)l->p;
    return isfinite(total) ? TESS_OK : c->fail(c, TESS_E_DATA, "k-means: the pool has a vector that is not finite");
}

/* ---- update -------------------------------------------------------------------------------------------------------- */

/* A centre without vectors takes the one that is farthest from its own, from a centre that has more than it. */
static int give_to_empty(struct tess_call *c, struct lloyd *l)
{
    for (int64_t k = 0; k < l->k; k++) {
        int64_t farthest = -1;
        if (l->count[k] > 0)
            continue;
        for (int64_t i = 0; i < l->p; i++)
            if (l->count[l->code[i]] > 1 && (farthest < 0 || l->own[i] > l->own[farthest]))
                farthest = i;
        TESS_TRY(l->pool->read(l->pool->user, c, farthest, 1, l->rows));
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

/* Centres to the means; bounds by as much lower as the centre that moved most has moved. */
static void move_centres(struct lloyd *l)
{
    double most = 0.0;
    l->report->shift = 0.0;
    for (int64_t k = 0; k < l->k; k++) {
        double square = 0.0;
        for (int64_t j = 0; j < l->d; j++) {
            float mean = (float)(l->sum[k * l->d + j] / (double)l->count[k]);
            double step = (double)mean - (double)l->centres[k * l->d + j];
            square += step * step;
            l->centres[k * l->d + j] = mean;
        }
        l->report->shift += square;
        l->moved[k] = sqrt(square);
        most = l->moved[k] > most ? l->moved[k] : most;
    }
    for (int64_t i = 0; i < l->p; i++) {
        double left = l->other[i] - most * (1.0 + ROOM);
        l->other[i] = left > 0.0 ? left : 0.0;
    }
}

/* Mean over the components of their variance in the pool. */
static int mean_variance(struct tess_call *c, struct lloyd *l, double *out)
{
    double *mean = l->sum, total = 0.0; /* (D) of (K, D); K >= 1 */
    memset(mean, 0, (size_t)l->d * sizeof *mean);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t first = 0, n; first < l->p; first += n) {
            n = l->p - first < l->batch ? l->p - first : l->batch;
            TESS_TRY(l->pool->read(l->pool->user, c, first, n, l->rows));
            for (int64_t i = 0; i < n * l->d; i++) {
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

static int iterate(struct tess_call *c, struct lloyd *l)
{
    int64_t most = l->o->iterations ? l->o->iterations : DEFAULT_ITERATIONS;
    double variance = 0.0;
    if (l->o->tolerance > 0.0)
        TESS_TRY(mean_variance(c, l, &variance));
    for (int64_t i = 0; i < most && !l->report->converged; i++) {
        TESS_TRY(assign(c, l, i));
        TESS_TRY(give_to_empty(c, l));
        move_centres(l);
        l->report->iterations = i + 1;
        l->report->converged = l->report->shift <= l->o->tolerance * variance;
        if (l->o->stop && l->o->stop(l->o->user, i + 1, l->report->objective))
            return c->fail(c, TESS_E_STOPPED, "k-means was stopped after %lld iterations", (long long)(i + 1));
    }
    return TESS_OK;
}

static int check(struct tess_call *c, const struct tess_pool *pool, const struct tess_kmeans_options *o, const struct tess_tensor *centres)
{
    if (o->codes < 1 || pool->count < o->codes)
        return c->fail(c, TESS_E_VALUE, "k-means: %lld vectors cannot be made %lld codes; give a pool that is larger than the codebook",
                       (long long)pool->count, (long long)o->codes);
    if (o->seeding < TESS_SEED_AFKMC2 || o->seeding > TESS_SEED_GIVEN || o->chain < 0 || o->iterations < 0 || !(o->tolerance >= 0.0))
        return c->fail(c, TESS_E_VALUE, "k-means: an option is out of its range");
    if (centres->dtype != TESS_F32 || centres->rank != 2 || centres->dim[0] != o->codes || centres->dim[1] != pool->width || !centres->data)
        return c->fail(c, TESS_E_SHAPE, "k-means: centres f32 (%lld, %lld) are wanted", (long long)o->codes, (long long)pool->width);
    return TESS_OK;
}

int tess_kmeans(struct tess_call *c, const struct tess_pool *pool, const struct tess_kmeans_options *o, struct tess_tensor *centres,
                struct tess_kmeans_report *report)
{
    struct tess_kmeans_report spare;
    struct lloyd l = {.pool = pool, .o = o, .report = report ? report : &spare, .p = pool->count, .d = pool->width, .k = o->codes};
    TESS_TRY(check(c, pool, o, centres));
    TESS_TRY(tessi_runtime_compute(c, tessi_runtime_of(c)));
    l.workers = tessi_runtime_of(c)->workers;
    memset(l.report, 0, sizeof *l.report);
    int status = open_lloyd(c, &l);
    if (status == TESS_OK && o->seeding == TESS_SEED_GIVEN)
        memcpy(l.centres, centres->data, tess_tensor_bytes(centres));
    else if (status == TESS_OK)
        status = tessi_kmeans_seed(c, l.workers, pool, o, l.centres);
    if (status == TESS_OK)
        status = iterate(c, &l);
    if (status == TESS_OK)
        memcpy(centres->data, l.centres, tess_tensor_bytes(centres));
    close_lloyd(&l);
    return status;
}
