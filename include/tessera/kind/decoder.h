/* Kind "decoder/1": the last part of a tokenizer, latent -> image. It records its piece of a graph under the scope the caller set
 * ("decoder").
 *
 * latent (N, h, w, D) f32, as the quantizer's look-up gives it; image (N, H, W, C) f32, pixels in 0 .. 1 where the model is right, and
 * unbounded. Recording is by one thread; a failure is kept in the graph, or returned with a message. Nodes belong to the graph. The host
 * looks at what is given back before anything is computed: another dtype or shape is refused with the component's name.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_KIND_DECODER_H
#define TESSERA_KIND_DECODER_H

#include <tessera/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_decoder_1 {
    uint32_t size;
    /* latent -> image of height x width x channels; unbounded values, clamped only when shown. */
    int (*record)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height, int64_t width,
                  int64_t channels, struct tess_node **image);
    /* Records the network of `record` with a head for log_sigma (N, H, W, C), the natural logarithm of each value's standard deviation
     * around `image`; only this function declares the head's weights. `image` equals that of `record`, bit for bit. NULL: the decoder has
     * no such head. docs/models.md, "Image likelihood". */
    int (*record_likelihood)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                             int64_t width, int64_t channels, struct tess_node **image, struct tess_node **log_sigma);
    /* Records the same network for a latent at least as large as that of images of height x width, the size that its weights were trained
     * on: choices that depend on a size (where it attends) are those for height x width. NULL: it cannot. */
    int (*record_larger)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *latent, int64_t height,
                         int64_t width, int64_t channels, struct tess_node **image);
};

#ifdef __cplusplus
}
#endif
#endif
