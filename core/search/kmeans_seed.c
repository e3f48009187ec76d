/* Seeding of k-means (docs/models.md, "k-means"; Arthur and Vassilvitskii, "k-means++"; Bachem et al., "Fast and provably good seedings for
 * k-means", algorithm 2). Draws are keyed by the centre's number, distances are in double, so the seeds are the same on any threads.
 *
 * SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"
#include "core/search/kmeans_private.h"

#include <tessera/random.h>

#include <math.h>
#include <string.h>

enum { READ_ROWS = 4096, DEFAULT_CHAIN = 200 };

struct seeding {
    const struct tess_pool *pool;
    const struct tess_kmeans_options *o;
    struct tessi_workers *workers;
    float *centres;
    float *rows;             /* a piece of the pool, or the candidates of a chain */
    double *square;          /* (P) or of the candidates: squared distance to the nearest centre so far */
    int64_t first, n, known; /* rows in memory; centres they are measured against */
};

static struct tess_stream kmeans_seed_draws(const struct seeding *s, const char *purpose, int64_t centre)
{
    return (struct tess_stream){.seed = s->o->seed, .purpose = tess_purpose(purpose), .step = (uint32_t)centre};
}

static int kmeans_seed_read_one(struct tess_context *ctx, const struct seeding *s, int64_t i, float *to)
{
    return s->pool->read(s->pool->user, ctx, i, 1, to);
}

/* 64 random bits over 2^64: fine enough for pools of any size. */
static double kmeans_seed_uniform(const struct tess_stream *random, uint64_t i)
{
    uint32_t u[2];
    tess_random_u32(random, 2 * i, 2, u);
    return ((double)u[0] + (double)u[1] * 0x1p-32) * 0x1p-32;
}

static int64_t kmeans_seed_below(const struct tess_stream *random, uint64_t i, int64_t n)
{
    int64_t at = (int64_t)(kmeans_seed_uniform(random, i) * (double)n);
    return at < n ? at : n - 1;
}

/* Lowers a row's squared distance to the nearest centre by the newest centre. */
static void kmeans_seed_nearer(void *user, int worker, int64_t i)
{
    struct seeding *s = user;
    int64_t d = s->pool->width, from = i * 256, end = from + 256 < s->n ? from + 256 : s->n;
    (void)worker;
    for (int64_t k = from; k < end; k++) {
        double square = tessi_kernels()->square_distance(d, s->rows + k * d, s->centres + (s->known - 1) * d);
        double *best = &s->square[s->first + k];
        *best = s->known == 1 || square < *best ? square : *best;
    }
}

/* Updates the whole pool's squared distances for the newest centre; gives their sum. */
static int measure_pool(struct tess_context *ctx, struct seeding *s, double *sum)
{
    *sum = 0.0;
    for (s->first = 0; s->first < s->pool->count; s->first += s->n) {
        s->n = s->pool->count - s->first < READ_ROWS ? s->pool->count - s->first : READ_ROWS;
        TESS_TRY(s->pool->read(s->pool->user, ctx, s->first, s->n, s->rows));
        tessi_base_workers_run(s->workers, (s->n + 255) / 256, kmeans_seed_nearer, s);
    }
    for (int64_t i = 0; i < s->pool->count; i++)
        *sum += s->square[i];
    if (!isfinite(*sum))
        return ctx->fail(ctx, TESS_E_DATA, "k-means: the pool has a vector that is not finite");
    return TESS_OK;
}

/* The vector at which the running sum of the squares passes u of the whole; never one with the square 0. */
static int64_t kmeans_seed_pick(const struct seeding *s, double u, double sum)
{
    double left = u * sum;
    int64_t last = 0;
    for (int64_t i = 0; i < s->pool->count; i++) {
        if (s->square[i] <= 0.0)
            continue;
        last = i;
        left -= s->square[i];
        if (left < 0.0)
            break;
    }
    return last;
}

/* Draws a row with a probability in proportion to its weight, from a table of running sums. */
static int64_t pick_below(const double *running, int64_t n, double u)
{
    double at = u * running[n - 1];
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (running[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int plus_plus(struct tess_context *ctx, struct seeding *s)
{
    int64_t d = s->pool->width;
    for (s->known = 1; s->known < s->o->codebook_size; s->known++) {
        struct tess_stream random = kmeans_seed_draws(s, "kmeans.plusplus", s->known);
        double sum;
        TESS_TRY(measure_pool(ctx, s, &sum));
        TESS_TRY(kmeans_seed_read_one(ctx, s, kmeans_seed_pick(s, kmeans_seed_uniform(&random, 0), sum), s->centres + s->known * d));
    }
    return TESS_OK;
}

/* Squared distance of each candidate to the nearest centre so far. */
static void kmeans_seed_judge(void *user, int worker, int64_t i)
{
    struct seeding *s = user;
    int64_t d = s->pool->width;
    double best = INFINITY;
    (void)worker;
    for (int64_t k = 0; k < s->known; k++) {
        double square = tessi_kernels()->square_distance(d, s->rows + i * d, s->centres + k * d);
        best = square < best ? square : best;
    }
    s->square[s->pool->count + i] = best;
}

/* The proposal q(x) = d(x, c1)^2 / (2 sum) + 1 / (2 P) is found once; then each centre is the end of a Metropolis chain whose steps weigh
 * candidates by d(x, C)^2 / q(x). Half of the draws are uniform, which is q's second part (14.4). */
static int afk_mc2(struct tess_context *ctx, struct seeding *s, int64_t chain)
{
    int64_t d = s->pool->width, p = s->pool->count;
    double sum, *judged = s->square + p, *running = judged + 2 * chain;
    s->known = 1;
    TESS_TRY(measure_pool(ctx, s, &sum));
    for (int64_t i = 0; i < p; i++)
        running[i] = (i ? running[i - 1] : 0.0) + s->square[i];
    for (; s->known < s->o->codebook_size; s->known++) {
        struct tess_stream random = kmeans_seed_draws(s, "kmeans.afkmc2", s->known),
                           accept = kmeans_seed_draws(s, "kmeans.accept", s->known);
        int64_t at = 0;
        double weight = 0.0;
        for (int64_t i = 0; i < chain; i++) {
            double u = kmeans_seed_uniform(&random, (uint64_t)(2 * i));
            int64_t candidate =
                u < 0.5 || sum <= 0.0 ? kmeans_seed_below(&random, (uint64_t)(2 * i + 1), p) : pick_below(running, p, 2.0 * (u - 0.5));
            TESS_TRY(kmeans_seed_read_one(ctx, s, candidate, s->rows + i * d));
            judged[chain + i] = 0.5 * (sum > 0.0 ? s->square[candidate] / sum : 0.0) + 0.5 / (double)p;
        }
        tessi_base_workers_run(s->workers, chain, kmeans_seed_judge, s);
        for (int64_t i = 0; i < chain; i++) {
            double next = judged[i] / judged[chain + i];
            if (i == 0 || weight <= 0.0 || next >= weight || kmeans_seed_uniform(&accept, (uint64_t)i) < next / weight) {
                at = i;
                weight = next;
            }
        }
        memcpy(s->centres + s->known * d, s->rows + at * d, (size_t)d * sizeof(float));
    }
    return TESS_OK;
}

static int at_random(struct tess_context *ctx, struct seeding *s)
{
    struct tess_stream random = kmeans_seed_draws(s, "kmeans.random", 0);
    for (int64_t k = 0; k < s->o->codebook_size; k++)
        TESS_TRY(kmeans_seed_read_one(ctx, s, tess_random_permute(&random, s->pool->count, k), s->centres + k * s->pool->width));
    return TESS_OK;
}

int tessi_search_kmeans_seed(struct tess_context *ctx, struct tessi_workers *workers, const struct tess_pool *pool,
                             const struct tess_kmeans_options *o, float *centres)
{
    struct seeding s = {.pool = pool, .o = o, .workers = workers, .centres = centres};
    int64_t chain = o->chain ? o->chain : DEFAULT_CHAIN, rows = chain > READ_ROWS ? chain : READ_ROWS;
    struct tess_stream random = kmeans_seed_draws(&s, "kmeans.first", 0);
    void *memory;
    if (o->seeding == TESS_SEED_RANDOM)
        return at_random(ctx, &s);
    TESS_TRY(kmeans_seed_read_one(ctx, &s, kmeans_seed_below(&random, 0, pool->count), centres));
    TESS_TRY(tess_alloc(ctx, (size_t)(rows * pool->width) * sizeof(float), "seeding", &memory));
    s.rows = memory;
    int status = tess_alloc(ctx, (size_t)(2 * pool->count + 2 * chain) * sizeof(double), "seeding", &memory);
    s.square = status == TESS_OK ? memory : NULL;
    if (status == TESS_OK)
        status = o->seeding == TESS_SEED_PLUSPLUS ? plus_plus(ctx, &s) : afk_mc2(ctx, &s, chain);
    tess_free(s.rows);
    tess_free(s.square);
    return status;
}
