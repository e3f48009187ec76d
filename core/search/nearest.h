/* The row of a codebook that is nearest to a vector: what brute force in double finds, at the speed of a matrix product (docs/models.md,
 * section 4). Planned once; the codebook made ready once for each value it has; then searched by any number of threads.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_NEAREST_H
#define TESSI_NEAREST_H

#include "core/host/runtime.h"

struct tessi_nearest {
    struct tessi_runtime *runtime; /* NULL: not planned */
    int64_t codebook_size, d, tile;        /* K, D; vectors of one product */
    int32_t operands;                      /* dtype of the product's operands: TESS_BF16 or TESS_F32 */
    struct tess_kernel full, last; /* a tile of vectors by a block of codes, and by those left over */
    size_t ready_bytes;            /* size of a prepared codebook */
    size_t scratch_bytes;          /* scratch of each running thread */
    size_t mean, half, staging, block, block_bytes;       /* offset in a prepared codebook */
    size_t operand, score, kernel_scratch, operand_bytes; /* offset in the scratch of one vector */
};

/* Results of the search for vector i: arrays to be filled, NULL for one that is not wanted. */
struct tessi_nearest_found {
    int32_t *code;  /* nearest row, of equals the lowest; -1: the vector is not finite, or no row is */
    double *square; /* squared distance of that row */
    double *beyond; /* a distance that no other row is below */
};

/* Plans a search for up to `rows` vectors at a time. `operands` decides about speed alone; TESSI_NEAREST_AUTO takes what is fastest on this
 * processor. */
#define TESSI_NEAREST_AUTO (-1)
int tessi_search_nearest_plan(struct tess_context *ctx, struct tessi_runtime *runtime, int64_t rows, int64_t codebook_size, int64_t d,
                              int32_t operands, struct tessi_nearest *out) TESS_CHECKED;
void tessi_search_nearest_drop(struct tessi_nearest *s);
/* Prepares a codebook (K, D) into `ready`, of ready_bytes, aligned to 64. Fails when the backend does. */
int tessi_search_nearest_ready(const struct tessi_nearest *s, const float *codebook, char *ready) TESS_CHECKED;
/* Searches for vector i, for i in list[0 .. n - 1], or for i in 0 .. n - 1 when list is NULL, of x (.., D). `scratch` is aligned to 64.
 * [any thread] */
int tessi_search_nearest_find(const struct tessi_nearest *s, struct tess_context *ctx, const float *codebook, const char *ready,
                              const float *x, const int32_t *list, int64_t n, char *scratch,
                              const struct tessi_nearest_found *found) TESS_CHECKED;

#endif
