/* Images as vectors that can be held against each other: their pixels, or what a network makes of them. SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_IMAGE_VECTORS_H
#define KIT_INFER_IMAGE_VECTORS_H

#include "kit/infer/common.h"
#include "kit/train/perceptual.h"

/* Images as vectors of f32: their pixels, 0 .. 255, or what a network makes of them. */
struct image_vectors {
    struct perceptual_network network; /* none: pixels */
    struct stage_graph look;
    int64_t width;            /* values of a vector */
    int32_t pooled;           /* of a network the last features, averaged over the image: what a set is judged by; else all of them,
                               * weighted so that squared distances are the perceptual ones */
    struct tess_tensor bytes; /* images of a batch */
};
/* For images of H, W, C, `batch` at a time; the network's weights are read by image_vectors_read. Start from zeroed memory but for
 * `network` and `pooled`; close, which closes that too, in any case. */
int image_vectors_open(struct tess_context *ctx, struct image_vectors *v, const int64_t size[3], uint64_t seed, int64_t batch) TESS_CHECKED;
int image_vectors_read(struct tess_context *ctx, struct image_vectors *v) TESS_CHECKED;
void image_vectors_close(struct image_vectors *v);

/* Images that are searched for, or in: number i is image first + floor(i of / count). */
struct image_list {
    const struct stage_images *images;
    int64_t first, of, count;
};
int64_t image_list_at(const struct image_list *l, int64_t i);
/* Images i .. i + n - 1 of a list as vectors (n, width), the caller's memory. */
int image_vectors_make(struct tess_context *ctx, const struct image_vectors *v, const struct image_list *l, int64_t i, int64_t n,
                       float *to) TESS_CHECKED;

#endif
