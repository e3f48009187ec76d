/* The nearest vectors of a pool that need not fit in memory: for each query the k with the least Euclidean distance, as brute force in
 * double finds them (docs/models.md, "Nearest training images and flips"). The pool passes by in blocks; results depend on neither blocks
 * nor threads.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_NEIGHBOURS_H
#define TESSERA_NEIGHBOURS_H

#include <tessera/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_neighbours;

struct tess_neighbours_options {
    uint32_t size;
    int32_t goes_on;    /* 1: index and square hold results of earlier blocks; 0: they are made empty, -1 and infinite */
    int64_t neighbours; /* k */
    int64_t block;      /* vectors of the pool at a time, at most; at least 1, as k */
    const struct tess_tensor *queries; /* (Q, D) f32; they stay the caller's and are read to the end */
    int32_t *index;                    /* (Q, k), the caller's: number in the pool, nearest first, of equals the lowest; -1: none yet */
    double *square;                    /* (Q, k), the caller's: squared distances */
    /* Balls around the pool's vectors, the squared radius of each by its number in the pool; NULL: none. They stay the caller's. */
    const double *radius;
    int64_t *inside; /* (Q), the caller's: number of balls a query lies in, of the vectors added so far; begins at 0 unless `goes_on` */
    int64_t open;    /* 1: a query on the border of a ball is not in it */
};

/* Starts a search, in 8 Q block bytes and little more. `index` and `square` are written until the search is freed, and hold the answer for
 * the vectors added so far after each tess_neighbours_add. Fails with TESS_E_DATA when a query is not finite, TESS_E_SHAPE or TESS_E_VALUE
 * for options that cannot be. [one thread at a time for each search] */
TESS_EXPORT TESS_CHECKED int tess_neighbours_new(struct tess_context *ctx, const struct tess_neighbours_options *o,
                                                 struct tess_neighbours **out);
TESS_EXPORT void tess_neighbours_free(struct tess_neighbours *s); /* NULL is fine */
/* Adds vectors first .. first + n - 1 of the pool as (n, D) f32, n at most the block; blocks come in rising order, each once. On all
 * workers. Fails with TESS_E_DATA when a vector is not finite. */
TESS_EXPORT TESS_CHECKED int tess_neighbours_add(struct tess_context *ctx, struct tess_neighbours *s, int64_t first, int64_t n,
                                                 const float *vectors);

#ifdef __cplusplus
}
#endif
#endif
