/* Balls around the vectors of a set, as wide as its k-th nearest other vector is far. SPDX-License-Identifier: MIT */
#ifndef KIT_METRIC_RADII_H
#define KIT_METRIC_RADII_H

#include "kit/metric/feature_sets.h"

/* Whether a point on the border of a ball is in it. */
enum { RADII_INSIDE_CLOSED, RADII_INSIDE_OPEN };

/* Squared radii of the `set` of s: of each vector the k-th smallest squared distance to another one of the set, equal ones counted as often
 * as they are there. `square` has a place for each vector. On all workers of the sink. TESS_E_VALUE where the set has no k others. */
int radii_of(struct tess_context *ctx, const struct feature_sets *s, int32_t set, int64_t k, const struct tess_metric_sink *sink,
             double *square);

/* What the vectors of one set have to do with the balls of the other. */
struct radii_count {
    int64_t *balls;  /* (rows of the set `points`) in how many balls each of them lies */
    double *nearest; /* (rows of the set `points`) the squared distance of the nearest centre */
};
/* For every vector of the set `points` against the balls around the other set. On all workers. */
int radii_count(struct tess_context *ctx, const struct feature_sets *s, int32_t points, const double *square, int32_t inside,
                const struct tess_metric_sink *sink, struct radii_count *out);

#endif
