/* The first half of the stage `refit` (docs/models.md, "ReFiT"): a pool of latents of a model, and k-means over it, both with checkpoints.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_REFIT_REFIT_POOL_H
#define PLUGINS_STAGES_REFIT_REFIT_POOL_H

#include "kit/codebook/rebuild.h"
#include "kit/infer/common.h"

enum { REFIT_ONE = 0, REFIT_ALL = 1 }; /* positions of an image that are taken */

struct refit_pool_params {
    int64_t pool, chain, iterations, memory; /* memory: MiB */
    int32_t positions, seeding;
    double tolerance;
};

#define REFIT_POOL_PARAMS(S, m)                                                                                                            \
    {.name = "pool",                                                                                                                       \
     .help = "latent vectors that k-means is given (P); all of the training images, where those are fewer and positions is all",           \
     .type = TESS_I64, .offset = offsetof(S, m.pool), .lo = 1, .hi = 1e9, .def = 20000},                                                   \
    {.name = "positions",                                                                                                                  \
     .help = "of an image: one at random, images drawn with replacement (as published); or all, images in random order",                   \
     .type = TESS_ENUM, .offset = offsetof(S, m.positions), .text = "one|all"},                                                            \
    {.name = "seeding", .help = "where k-means begins; random: vectors of the pool", .type = TESS_ENUM,                                    \
     .offset = offsetof(S, m.seeding), .text = "afk-mc2|k-means++|random"},                                                                \
    {.name = "chain", .help = "candidates a centre of afk-mc2", .type = TESS_I64, .offset = offsetof(S, m.chain), .lo = 1, .hi = 1e6,      \
     .def = 200},                                                                                                                          \
    {.name = "iterations", .help = "of k-means, at most", .type = TESS_I64, .offset = offsetof(S, m.iterations), .lo = 1, .hi = 1e6,       \
     .def = REBUILD_ITERATIONS},                                                                                                           \
    {.name = "tolerance",                                                                                                                  \
     .help = "k-means ends when the codes' squared shifts add up to at most this share of the mean variance; 0: when none moves",          \
     .type = TESS_F64, .offset = offsetof(S, m.tolerance), .lo = 0, .hi = 1, .def = REBUILD_TOLERANCE},                                    \
    {.name = "memory", .help = "MiB of a pool at most that is kept in memory; a larger one lies in a file beside the result",              \
     .type = TESS_I64, .flags = TESS_NEUTRAL, .offset = offsetof(S, m.memory), .lo = 0, .hi = 1e6, .def = 1024}

struct refit_pool {
    const struct refit_pool_params *p;
    struct tess_stage_run *run;
    const struct stage_graph *encode; /* "image" -> "latent" (n, h, w, D); batches of encode->batch */
    const struct stage_images *images;
    int64_t train_count, per_image; /* train_count: images to draw from; per_image: h w */
    uint64_t seed;
    struct tess_tensor vectors;       /* (P, D) */
    size_t mapped;                    /* bytes of the mapped file that holds them; 0: in memory */
    int64_t collected, iterations;
    int32_t converged;
    double objective;                     /* the objective of k-means' last iteration; < 0: there was none */
    struct tess_tensor *codebook;         /* (K, D), the caller's; holds the state of k-means once that has begun */
};

/* Number of vectors (P) of a pool from so many images and positions; TESS_E_VALUE when there are fewer than codes. */
int refit_pool_size(struct tess_context *ctx, const struct refit_pool_params *p, int64_t images, int64_t positions, int64_t codebook_size,
                    int64_t *size) TESS_CHECKED;
/* Number of images that have to be encoded for a pool of `size` vectors. */
int64_t refit_pool_images(const struct refit_pool_params *p, int64_t size, int64_t positions);
/* Allocates P vectors of `width`, in memory or in an unlinked file in the folder of `beside`. */
int refit_pool_open(struct tess_context *ctx, struct refit_pool *k, int64_t size, int64_t width, const char *beside) TESS_CHECKED;
void refit_pool_close(struct refit_pool *k);
/* Fills the pool and rebuilds the codebook from it, from the stage's checkpoint where there is one. */
int refit_pool_rebuild(struct tess_context *ctx, struct refit_pool *k) TESS_CHECKED;

#endif
