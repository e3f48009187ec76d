/* Sums of the polynomial kernel over all pairs of vectors of two sets, a tile of the kernel matrix at a time: the inner products of two
 * tiles of vectors are one product of matrices, in double. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_METRICS_KERNEL_KERNEL_TILES_H
#define PLUGINS_METRICS_KERNEL_KERNEL_TILES_H

#include "kit/metric/feature_sets.h"

/* Vectors whose pairs are summed over: of each set some rows or all. */
struct kernel_points {
    const struct feature_sets *s;
    const int64_t *index[2]; /* [set]: numbers of the rows; NULL: 0 .. rows - 1 */
    int64_t rows[2];
    double gamma, offset; /* kernel of x and y: (gamma x . y + offset)^degree */
    int64_t degree;
};

/* Sums over ordered pairs of different vectors of one set, and over pairs of one of each set. */
struct kernel_sums {
    double within[2], between;
};

/* Tiles of the vectors of both sets together: tasks of the sums. */
int64_t kernel_tiles(const struct kernel_points *p);
/* Sums over tile i with itself and every tile after it, so that the total over all tiles has each pair once, the other order included. Any
 * thread. */
int kernel_tile_sums(struct tess_context *ctx, const struct kernel_points *p, int64_t i, struct kernel_sums *sums) TESS_CHECKED;
/* As many sums as there are resamples, sums[k] with each pair counted as often as resample k has its two vectors; index is NULL. */
int kernel_tile_resampled(struct tess_context *ctx, const struct kernel_points *p, int64_t i, const struct tess_metric_resamples *r,
                          struct kernel_sums *sums) TESS_CHECKED;

#endif
