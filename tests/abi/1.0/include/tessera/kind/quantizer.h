/* Kind "quantizer/1": the middle of a tokenizer, latent -> codes and back. It records its pieces of a graph under the scope the caller set
 * ("quantizer").
 *
 * latent (N, h, w, D) f32; codes (N, h, w) i32 in [0, K); quantised (N, h, w, D) f32. A quantizer may give several codes a position, one a
 * level (residual, product): with `depth` beyond 1 codes are (N, h, w, depth) everywhere, and level l has codes of its own,
 * [0, level_size(l)) (levels.h). Recording is by one thread; a failure is kept in the graph, or returned with a message. Nodes belong to
 * the graph. The host looks at what is given back before anything is computed: another dtype or shape is refused with the component's name.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_KIND_QUANTIZER_H
#define TESSERA_KIND_QUANTIZER_H

#include <tessera/codes.h>
#include <tessera/graph.h>
#include <tessera/levels.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_stage_run;

struct tess_quantized {
    uint32_t size; /* sizeof(struct tess_quantized), set by the caller */
    uint32_t reserved;
    struct tess_node *quantised; /* (N, h, w, D), gradient straight through to the latent */
    struct tess_node *codes;     /* (N, h, w) or (N, h, w, depth) i32 */
    struct tess_node *loss;      /* scalar: what the quantizer adds to the objective */
};

/* Arguments of `react`: the optimiser step that was just made. */
struct tess_react {
    uint32_t size;
    uint32_t step; /* number of that step, from 0 */
    uint64_t seed;
    struct tess_weights *weights;
    const char *scope;                 /* "quantizer": its weights are scope.NAME */
    const struct tess_tensor *latents; /* (rows, D) f32: every latent vector of the batch, in order */
    const struct tess_tensor *codes;   /* (rows) or (rows, depth) i32 */
    const struct tess_graph *graph;
    const struct tess_batch *batch; /* totals of the step (struct of graph.h) */
    int32_t warm_started;           /* training began with the codebook of a model, which is not to start over */
    int32_t reserved;
    int64_t steps;              /* number of steps of the whole training */
    struct tess_stage_run *run; /* for notes and metrics (kind/stage.h, artefact.h); NULL: there is nowhere to put them */
};

struct tess_quantizer_1 {
    uint32_t size;
    int64_t (*codebook_size)(void *self); /* K, 2 to 2^30; with several levels that of the largest */
    int64_t (*code_dim)(void *self);      /* D, at least 1 */
    /* Records quantisation for training: latent -> quantised, codes, loss. Anything to be summed over the batch is declared with
     * tess_total. */
    int (*record)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out);
    /* Record the two halves for inference: latent -> codes (encoding), and codes -> quantised (N, h, w, D) (decoding). */
    int (*record_assign)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes);
    int (*record_lookup)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes, struct tess_node **quantised);
    /* Called after each optimiser step: moving averages, revival. NULL: nothing to do. Keyed randomness only. [one thread] */
    int (*react)(void *self, struct tess_context *ctx, const struct tess_react *r);
    /* Builds a new codebook (K, D), the caller's memory, from a pool of latent vectors (rows, D) f32. TESS_E_VALUE or TESS_E_DATA where the
     * pool is unfit. NULL: cannot. [one thread] */
    int (*rebuild)(void *self, struct tess_context *ctx, const struct tess_tensor *pool, uint64_t seed, struct tess_tensor *codebook);
    /* Codes a position, 1 to TESS_DEPTH_MAX. NULL: 1. */
    int64_t (*depth)(void *self);
    /* Codes of level l, 0 <= l < depth: at least 2, at most codebook_size, which one level reaches. NULL: codebook_size for each. */
    int64_t (*level_size)(void *self, int64_t level);
    /* 1: the vector of a code does not lie in the latent's space (it is bounded, or another vector is learnt for it), so that the distance
     * of the two, the "quantisation error", says nothing and is not measured. NULL: 0. */
    int (*outside_latent_space)(void *self);
};

#ifdef __cplusplus
}
#endif
#endif
