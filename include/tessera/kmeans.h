/* k-means over a pool of vectors that need not fit in memory (docs/models.md, "k-means"): seeding, Lloyd's iterations with exact
 * assignments, and what came of it. Results depend on the pool, the options and the seed; never on threads.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_KMEANS_H
#define TESSERA_KMEANS_H

#include <tessera/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_pool {
    uint32_t size;
    int64_t count, width; /* vectors; values of one (D) */
    void *user;
    /* Vectors first .. first + n - 1 as (n, D) f32. [one thread] */
    int (*read)(void *user, struct tess_context *ctx, int64_t first, int64_t n, float *to);
};
/* A pool of (P, D) f32 in memory, which stays the caller's. */
TESS_EXPORT struct tess_pool tess_pool_of(const struct tess_tensor *vectors);

enum {
    TESS_SEED_AFKMC2 = 0,   /* AFK-MC2: chains of `chain` candidates approach the draws of k-means++ */
    TESS_SEED_PLUSPLUS = 1, /* k-means++: proportional to the squared distance to the nearest centre so far */
    TESS_SEED_RANDOM = 2,   /* vectors of the pool, without replacement */
    TESS_SEED_GIVEN = 3     /* `centres` holds them */
};

struct tess_kmeans_options {
    uint32_t size;
    int32_t seeding;
    int64_t codebook_size;      /* K, at most the pool's count */
    int64_t chain;      /* length of a Markov chain of AFK-MC2; 0: 200 */
    int64_t iterations; /* largest number of Lloyd's iterations; 0: 300 */
    double tolerance;   /* stop when the centres' squared shifts add up to at most this share of the mean variance; 0: when nothing moves */
    int32_t plain;      /* 1: measure every vector at every iteration: the same result, more slowly */
    uint64_t seed;
    void *user;
    int (*stop)(void *user, int64_t iteration, double objective); /* called after each; not 0 ends with TESS_E_STOPPED. NULL: none */
};

struct tess_kmeans_report {
    int64_t iterations, assigned, spared; /* vectors measured against all centres, and those that were known not to have moved */
    int64_t reseeded;                     /* centres that lost all their vectors and were given the farthest one */
    double objective;                     /* mean squared distance of a vector to its centre, by the centres it was assigned to last */
    double shift;                         /* sum of the centres' squared shifts in the last iteration */
    int32_t converged;
};

/* centres (K, D) f32. Fails with TESS_E_VALUE for fewer vectors than codes, TESS_E_DATA for a vector that is not finite. */
TESS_EXPORT TESS_CHECKED int tess_kmeans(struct tess_context *ctx, const struct tess_pool *pool, const struct tess_kmeans_options *o,
                                         struct tess_tensor *centres, struct tess_kmeans_report *report);

#ifdef __cplusplus
}
#endif
#endif
