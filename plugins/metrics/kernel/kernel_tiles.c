/* See kernel_tiles.h. A pair of tiles is converted to double in pieces of PIECE components, so memory does not grow with the vectors.
 * SPDX-License-Identifier: MIT */
#include "plugins/metrics/kernel/kernel_tiles.h"

#include <string.h>

enum { TILE = 256, PIECE = 1024, RESAMPLES = 256 /* at a time */ };

void dgemm_(const char *transpose_a, const char *transpose_b, const int *m, const int *n, const int *k, const double *alpha,
            const double *a, const int *lda, const double *b, const int *ldb, const double *beta, double *c, const int *ldc,
            size_t length_a, size_t length_b);

/* Tile of vectors: rows first .. first + n - 1 of a set. */
struct kernel_tile {
    int set;
    int64_t first, n;
};

struct kernel_work {
    double *a, *b;          /* (TILE, PIECE): vectors of two tiles */
    double *value;          /* (n of the first tile, n of the second): kernel of the pairs */
    double *times, *summed; /* (RESAMPLES, TILE) */
};

int64_t kernel_tiles(const struct kernel_points *p)
{
    return (p->rows[0] + TILE - 1) / TILE + (p->rows[1] + TILE - 1) / TILE;
}

static struct kernel_tile kernel_tile_at(const struct kernel_points *p, int64_t i)
{
    int64_t tiles = (p->rows[0] + TILE - 1) / TILE;
    struct kernel_tile t = {.set = i >= tiles, .first = (i >= tiles ? i - tiles : i) * TILE};
    int64_t left = p->rows[t.set] - t.first;
    t.n = left < TILE ? left : TILE;
    return t;
}

static int kernel_work_open(struct tess_context *ctx, int resampled, struct kernel_work *w)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(2 * TILE * PIECE + TILE * TILE + (resampled ? 2 * RESAMPLES * TILE : 0)) * sizeof(double),
                        "tiles of a kernel", &memory));
    w->a = memory;
    w->b = w->a + TILE * PIECE;
    w->value = w->b + TILE * PIECE;
    w->times = w->value + TILE * TILE;
    w->summed = w->times + RESAMPLES * TILE;
    return TESS_OK;
}

/* Components at .. at + width - 1 of a tile's vectors, as (n, width). */
static void kernel_piece(const struct kernel_points *p, const struct kernel_tile *t, int64_t at, int64_t width, double *to)
{
    int64_t d = p->s->features;
    for (int64_t i = 0; i < t->n; i++) {
        int64_t row = p->index[t->set] ? p->index[t->set][t->first + i] : t->first + i;
        const float *from = p->s->vector[t->set] + row * d + at;
        for (int64_t k = 0; k < width; k++)
            to[i * width + k] = (double)from[k];
    }
}

static void kernel_power(const struct kernel_points *p, int64_t n, double *value)
{
    for (int64_t i = 0; i < n; i++) {
        double base = value[i] * p->gamma + p->offset, power = base;
        for (int64_t k = 1; k < p->degree; k++)
            power *= base;
        value[i] = power;
    }
}

/* Kernel of all pairs of two tiles, into w->value; 0 for a vector with itself. */
static void kernel_pair(const struct kernel_points *p, struct kernel_work *w, const struct kernel_tile *a, const struct kernel_tile *b)
{
    const int rows = (int)b->n, columns = (int)a->n; /* read column-major, the value (a, b) is (b, a) */
    const double one = 1.0;
    int same = a->set == b->set && a->first == b->first;
    for (int64_t at = 0; at < p->s->features; at += PIECE) {
        int64_t left = p->s->features - at;
        const int width = (int)(left < PIECE ? left : PIECE);
        const double beta = at ? 1.0 : 0.0;
        kernel_piece(p, a, at, width, w->a);
        if (!same)
            kernel_piece(p, b, at, width, w->b);
        dgemm_("T", "N", &rows, &columns, &width, &one, same ? w->a : w->b, &width, w->a, &width, &beta, w->value, &rows, 1, 1);
    }
    kernel_power(p, a->n * b->n, w->value);
    for (int64_t i = 0; same && i < a->n; i++)
        w->value[i * b->n + i] = 0.0;
}

/* Adds the sum over a pair of tiles where it belongs; `order`: 2 where the tile pair stands for the other order, too. */
static void kernel_add(struct kernel_sums *s, const struct kernel_tile *a, const struct kernel_tile *b, double sum)
{
    if (a->set != b->set)
        s->between += sum;
    else
        s->within[a->set] += a->first == b->first ? sum : 2.0 * sum;
}

int kernel_tile_sums(struct tess_context *ctx, const struct kernel_points *p, int64_t i, struct kernel_sums *sums)
{
    const struct kernel_tile a = kernel_tile_at(p, i);
    struct kernel_work w;
    TESS_TRY(kernel_work_open(ctx, 0, &w));
    *sums = (struct kernel_sums){{0.0, 0.0}, 0.0};
    for (int64_t j = i; j < kernel_tiles(p); j++) {
        const struct kernel_tile b = kernel_tile_at(p, j);
        double sum = 0.0;
        kernel_pair(p, &w, &a, &b);
        for (int64_t k = 0; k < a.n * b.n; k++)
            sum += w.value[k];
        kernel_add(sums, &a, &b, sum);
    }
    tess_free(w.a);
    return TESS_OK;
}

/* Times that `count` resamples from number k on have the vectors of a tile, as (count, n). */
static void kernel_times(const struct tess_metric_resamples *r, const struct kernel_tile *t, int64_t k, int64_t count, double *to)
{
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < t->n; j++)
            to[i * t->n + j] = (double)r->times[t->set][(k + i) * r->rows[t->set] + t->first + j];
}

/* Adds a pair of tiles, times' K times for each resample: the product of the first's times with K, then with the second's. */
static void kernel_pair_resampled(struct kernel_work *w, const struct kernel_tile *a, const struct kernel_tile *b,
                                  const struct tess_metric_resamples *r, struct kernel_sums *sums)
{
    const int rows = (int)b->n, inner = (int)a->n;
    const double one = 1.0, zero = 0.0;
    for (int64_t k = 0; k < r->count; k += RESAMPLES) {
        const int count = (int)(r->count - k < RESAMPLES ? r->count - k : RESAMPLES);
        kernel_times(r, a, k, count, w->times);
        dgemm_("N", "N", &rows, &count, &inner, &one, w->value, &rows, w->times, &inner, &zero, w->summed, &rows, 1, 1);
        kernel_times(r, b, k, count, w->times);
        for (int64_t i = 0; i < count; i++) {
            double sum = 0.0;
            for (int64_t j = 0; j < b->n; j++)
                sum += w->summed[i * b->n + j] * w->times[i * b->n + j];
            kernel_add(&sums[k + i], a, b, sum);
        }
    }
}

int kernel_tile_resampled(struct tess_context *ctx, const struct kernel_points *p, int64_t i, const struct tess_metric_resamples *r,
                          struct kernel_sums *sums)
{
    const struct kernel_tile a = kernel_tile_at(p, i);
    struct kernel_work w;
    TESS_TRY(kernel_work_open(ctx, 1, &w));
    memset(sums, 0, (size_t)r->count * sizeof *sums);
    for (int64_t j = i; j < kernel_tiles(p); j++) {
        const struct kernel_tile b = kernel_tile_at(p, j);
        kernel_pair(p, &w, &a, &b);
        kernel_pair_resampled(&w, &a, &b, r, sums);
    }
    tess_free(w.a);
    return TESS_OK;
}
