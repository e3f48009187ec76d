/* Differentiable augmentation of images: brightness, saturation, contrast and place, drawn for each image (docs/models.md, section 18;
 * Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", 2020). SPDX-License-Identifier: MIT */
#ifndef KIT_TRAIN_DIFFAUG_H
#define KIT_TRAIN_DIFFAUG_H

#include <tessera/graph.h>

enum { DIFFAUG_BRIGHTNESS, DIFFAUG_SATURATION, DIFFAUG_CONTRAST, DIFFAUG_DOWN, DIFFAUG_RIGHT, DIFFAUG_DRAWS };

/* Uniform draws in [0, 1), (rows, DIFFAUG_DRAWS), keyed by (seed, purpose, step, sample). No gradient. */
struct tess_node *diffaug_draws(struct tess_graph *g, const char *purpose);
/* Augments images: image (N, H, W, C), draws (N, DIFFAUG_DRAWS) -> (N, H, W, C), by (18.1) to (18.3). The gradient goes to the image
 * alone. */
struct tess_node *diffaug(struct tess_graph *g, struct tess_node *image, struct tess_node *draws);
/* Shift in pixels of an axis of `size` that a draw stands for, (18.2). */
int64_t diffaug_shift(float draw, int64_t size);

#endif
