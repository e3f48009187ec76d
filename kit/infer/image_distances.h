/* Perceptual distances of images from their reconstructions, by the features of a network (docs/models.md, (19.3)).
 * SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_IMAGE_DISTANCES_H
#define KIT_INFER_IMAGE_DISTANCES_H

#include "kit/infer/common.h"
#include "kit/train/perceptual.h"

struct image_distances {
    struct perceptual_network network;
    struct stage_graph graph;
    struct tess_tensor made; /* reconstructions of a batch, clamped to 0 .. 1 */
    struct tess_tensor out;  /* (n) distances of the last batch */
};

/* Opens the distances of images of H, W, C, `batch` at a time; the network's weights are read by image_distances_read. Start from zeroed
 * memory but for `network`, which is chosen; close, which closes that too, in any case. */
int image_distances_open(struct tess_context *ctx, struct image_distances *d, const int64_t size[3], uint64_t seed,
                         int64_t batch) TESS_CHECKED;
int image_distances_read(struct tess_context *ctx, struct image_distances *d) TESS_CHECKED;
void image_distances_close(struct image_distances *d);
/* Computes d->out from images (n, H, W, C) u8 and reconstructions, f32 of about 0 .. 1, which are clamped. n at most a batch. */
int image_distances_make(struct tess_context *ctx, struct image_distances *d, const struct tess_tensor *images,
                         const struct tess_tensor *made) TESS_CHECKED;

#endif
