/* Adam and AdamW over a weight store's trained block. SPDX-License-Identifier: MIT */
#ifndef TESSI_OPTIMISER_H
#define TESSI_OPTIMISER_H

#include <tessera/train.h>

#include "core/base/workers.h"
#include "core/graph/weight_store.h"

/* Learning rate of `step` (from 0): linear warm-up to lr at step warmup, then constant or half a cosine down to lr_final lr. */
double tessi_train_learning_rate(const struct tess_training_params *p, int64_t step);
/* Norm of the gradient over all trained weights; not finite where a value is not, or where the sum of squares overflows. `squares` is
 * scratch for tessi_train_gradient_pieces values. */
int64_t tessi_train_gradient_pieces(const struct tess_weights *w);
double tessi_train_gradient_length(struct tessi_workers *pool, struct tess_weights *w, const float *gradient, double *squares);
/* Optimiser step on all workers: clipping by the gradient's norm `length` (0 where nothing is clipped), moments, weights, moving average.
 * `gradient` has the trained block's layout. Computed element by element, so the bits do not depend on the workers. */
struct tessi_optimiser {
    const struct tess_training_params *p;
    const struct tess_training_group *group; /* weights that begin later; may be NULL */
    int32_t groups;
    int32_t again; /* 1: the step is of the groups with `again`; 0: of all other weights */
};
int tessi_train_optimise(struct tess_context *ctx, struct tessi_workers *pool, const struct tessi_optimiser *o, struct tess_weights *w,
                         int64_t step, const float *gradient, double length) TESS_CHECKED;

#endif
