/* Conversion of images to vectors that distances are computed of: pixels, or a network's features. SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_IMAGE_VECTORS_H
#define KIT_INFER_IMAGE_VECTORS_H

#include "kit/infer/common.h"
#include "kit/train/perceptual.h"

/* Converter of images to f32 vectors: their pixels, 0 .. 255, or a network's features. */
struct image_vectors {
    struct perceptual_network network; /* none: vectors are pixels */
    struct stage_graph features;
    int64_t width;            /* values of a vector */
    int32_t pooled;           /* network, 1: last features, averaged over the image, for metrics of sets; 0: all, weighted for perceptual
                               * distances */
    struct tess_tensor bytes; /* images of a batch */
    struct tess_tensor begun; /* vectors of a microbatch, where a call begins within one */
};
/* Opens a converter of images of H, W, C, `batch` at a time; the network's weights are read by image_vectors_read. Start from zeroed memory
 * but for `network` and `pooled`; close, which closes that too, in any case. */
int image_vectors_open(struct tess_context *ctx, struct image_vectors *v, const int64_t size[3], uint64_t seed, int64_t batch) TESS_CHECKED;
int image_vectors_read(struct tess_context *ctx, struct image_vectors *v) TESS_CHECKED;
void image_vectors_close(struct image_vectors *v);

/* List of images that are searched for, or in: number i is image first + floor(i of / count). */
struct image_list {
    const struct stage_images *images;
    int64_t first, of, count;
};
int64_t image_list_at(const struct image_list *l, int64_t i);
/* Converts images i .. i + n - 1 of a list to vectors (n, width), in the caller's memory. */
int image_vectors_make(struct tess_context *ctx, const struct image_vectors *v, const struct image_list *l, int64_t i, int64_t n,
                       float *to) TESS_CHECKED;

#endif
