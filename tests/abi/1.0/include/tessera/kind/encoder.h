/* Kind "encoder/1": the first part of a tokenizer, image -> latent. It records its piece of a graph under the scope the caller set
 * ("encoder").
 *
 * image (N, H, W, C) f32 in [0, 1] as imported (bytes / 255); latent (N, h, w, D) f32, unbounded. Recording is by one thread; a failure is
 * kept in the graph, or returned with a message. Nodes belong to the graph. The host looks at what is given back before anything is
 * computed: a latent of another shape than (N, h, w, `width`) is refused with the component's name.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_KIND_ENCODER_H
#define TESSERA_KIND_ENCODER_H

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

#ifdef __cplusplus
}
#endif
#endif
