/* Balls around the feature vectors of a set, each reaching to its k-th nearest neighbour in the set. SPDX-License-Identifier: MIT */
#ifndef KIT_METRIC_RADII_H
#define KIT_METRIC_RADII_H

#include "kit/metric/feature_sets.h"

/* Border rule: a point on the border of a ball is inside it (CLOSED) or not (OPEN). */
enum { RADII_INSIDE_CLOSED, RADII_INSIDE_OPEN };

/* Squared radii of the `set` of s: of each vector the k-th smallest squared distance to another one of the set, equal ones counted as often
 * as they are there. `square` has a place for each vector. On all workers. TESS_E_VALUE where the set has no k others. */
int radii_of(struct tess_context *ctx, const struct feature_sets *s, int32_t set, int64_t k, double *square) TESS_CHECKED;

/* Squared distance of each vector of the set `points` to the nearest one of the set `others`. On all workers. */
int radii_nearest(struct tess_context *ctx, const struct feature_sets *s, int32_t points, int32_t others, double *square) TESS_CHECKED;

/* Position of one set's vectors relative to the balls of the other set, of images and samples. */
struct radii_count {
    int64_t *balls;  /* (rows of the set `points`) number of balls that each vector lies in */
    double *nearest; /* (rows of the set `points`) squared distance to the nearest centre */
};
/* Counts, for every vector of the set `points`, the balls of the other set that it lies in. On all workers. */
int radii_count(struct tess_context *ctx, const struct feature_sets *s, int32_t points, const double *square, int32_t border,
                struct radii_count *out) TESS_CHECKED;

#endif
