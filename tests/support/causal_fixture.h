/* Fixture of the causal-prior tests: the autoregressive noise with a transformer denoiser, recorded over whole sequences and for one next
 * token with a key/value cache; both graphs use one weight store.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_CAUSAL_FIXTURE_H
#define TESTS_SUPPORT_CAUSAL_FIXTURE_H

#include "tests/support/graphs.h"

enum { CAUSAL_ROWS = 8 };

struct causal {
    struct fixture b; /* b.graph: the loss, with its gradient */
    struct tess_graph *denoise, *next;
    struct tess_cache *cache;
    struct tess_prior prior;
};

struct causal_size {
    const char *denoiser;
    int64_t height, width, codebook_size;
};

/* The loss for `loss_rows` sequences a microbatch, the others for CAUSAL_ROWS; all for `microbatches` microbatches. Weights as they begin,
 * but places and the start's, which would be zeros. */
void causal_open(struct causal *m, const struct causal_size *size, int threads, int64_t loss_rows, int64_t microbatches);
void causal_close(struct causal *m);
/* Logits (n, L, K) of n sequences x (n, L), and the same with the cache, position after position. */
void causal_whole(struct causal *m, int64_t n, int32_t *x, float *logits);
void causal_steps(struct causal *m, int64_t n, const int32_t *x, float *logits);
/* Random codes. */
void causal_codes(const struct causal *m, int64_t n, int32_t *x);

#endif
