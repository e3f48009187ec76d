/* Kinds "encoder/1", "decoder/1", "quantizer/1": the three parts of a tokenizer. Each records its piece of a graph; weights go
 * under the scope the caller set ("encoder", "decoder", "quantizer").
 *
 * Recording is by one thread; a failure is kept in the graph, or returned with a message. Nodes belong to the graph.
 *
 * Sizes: image (N, H, W, C) f32 in [0, 1] as imported (bytes / 255); latent (N, h, w, D); codes (N, h, w) i32 in [0, K).
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_AUTOENCODER_H
#define TESSERA_AUTOENCODER_H

#include <tessera/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_encoder_1 {
    uint32_t size;
    /* image -> latent of `width` channels (D). Fails the graph with TESS_E_SHAPE when the image's size does not fit. */
    int (*record)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, int64_t width,
                  struct tess_node **latent);
};

struct tess_decoder_1 {
    uint32_t size;
    /* latent -> image of height x width x channels; unbounded values, clamped only when shown. */
    int (*record)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height, int64_t width,
                  int64_t channels, struct tess_node **image);
    /* The same, and log_sigma (N, H, W, C): the natural logarithm of each value's standard deviation around `image`, made by a head whose
     * weights only this declares. `image` is that of record, bit for bit. NULL: has no such head. docs/models.md, "Image likelihood". */
    int (*record_likelihood)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                             int64_t width, int64_t channels, struct tess_node **image, struct tess_node **log_sigma);
    /* The same network for a latent at least as large as that of images of height x width, which are what its weights were trained on: what
     * depends on a size (where it attends) is decided by those. NULL: it cannot. */
    int (*record_larger)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                         int64_t width, int64_t channels, struct tess_node **image);
};

struct tess_quantized {
    struct tess_node *quantised; /* (N, h, w, D), gradient straight through to the latent */
    struct tess_node *codes;     /* (N, h, w) i32 */
    struct tess_node *loss;      /* scalar: what the quantizer adds to the objective */
};

/* What `react` gets after an optimiser step. */
struct tess_react {
    uint32_t size;
    uint32_t step;               /* that was just made, from 0 */
    uint64_t seed;
    struct tess_weights *weights;
    const char *scope;           /* "quantizer": its weights are scope.NAME */
    const struct tess_tensor *latents; /* (rows, D) f32: every latent vector of the batch, in order */
    const struct tess_tensor *codes;   /* (rows) i32 */
    const struct tess_graph *graph;
    const struct tess_batch *batch;    /* totals of the step (struct of graph.h) */
    int32_t warm_started;              /* training began with the codebook of a model, which is not to start over */
};

struct tess_quantizer_1 {
    uint32_t size;
    int64_t (*codebook_size)(void *self); /* K */
    int64_t (*code_dim)(void *self);      /* D */
    /* Training: latent -> quantised, codes, loss. Anything to be summed over the batch is declared with tess_total. */
    int (*record)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out);
    /* latent -> codes, and codes -> quantised (N, h, w, D), for inference: what encoding and decoding do. */
    int (*record_assign)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes);
    int (*record_lookup)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *codes, struct tess_node **quantised);
    /* After each optimiser step: moving averages, revival. NULL: nothing to do. Keyed randomness only. [one thread] */
    int (*react)(void *self, struct tess_context *ctx, const struct tess_react *r);
    /* Builds a new codebook `book` (K, D), the caller's memory, from a pool of latent vectors (rows, D) f32. TESS_E_VALUE where the pool is
     * unfit. NULL: cannot. [one thread] */
    int (*rebuild)(void *self, struct tess_context *ctx, const struct tess_tensor *pool, uint64_t seed, struct tess_tensor *codebook);
};

/* Nearest codebook row by squared distance; ties go to the lower index. A custom operation for quantizers:
 * latent (..., D), book (K, D) -> codes (...) i32. Never holds more than a tile of the rows x K matrix; no gradient.
 * Fails the run with TESS_E_FAILED when a latent holds a NaN. */
TESS_EXPORT struct tess_node *tess_nearest(struct tess_graph *g, struct tess_node *latent, struct tess_node *codebook);
/* codes (...) i32, latent (..., D) -> counts (K) and sums (K, D) of the vectors assigned to each code. No gradient. */
TESS_EXPORT void tess_code_statistics(struct tess_graph *g, struct tess_node *codes, struct tess_node *latent, int64_t codebook_size,
                                      struct tess_node **counts, struct tess_node **sums);

#ifdef __cplusplus
}
#endif
#endif
