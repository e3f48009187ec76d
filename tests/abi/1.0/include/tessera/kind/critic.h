/* Kind "critic/1": a network that tells real images from made ones (docs/models.md, "The adversarial term").
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_CRITIC_H
#define TESSERA_CRITIC_H

#include <tessera/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_critic_1 {
    uint32_t size;
    /* image (rows, H, W, C) f32, pixels in 0 .. 1 -> logits (rows, h, w, 1), larger for what looks real. Recorded more than once over the
     * same weights: for real images and for made ones. Fails with TESS_E_SHAPE for images too small for it. */
    int (*record)(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, struct tess_node **logits);
};

#ifdef __cplusplus
}
#endif
#endif
