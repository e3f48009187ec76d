/* Mean and covariance of many vectors, for the resamples of an interval: ten times as fast as the factors of scatter.h, with half of the
 * digits where a covariance has small eigenvalues, which is far below what resamples differ by. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_METRICS_FRECHET_MOMENTS_H
#define PLUGINS_METRICS_FRECHET_MOMENTS_H

#include <tessera/base.h>

struct moments {
    int64_t features, rows; /* D; vectors, each as often as it is counted */
    double *mean;           /* (D) */
    double *scatter;        /* (D, D), of which the upper triangle: sum over the vectors of (x - mean)(x - mean)^T */
};

/* Computes the moments of `count` vectors, vector i counted times[i] times, by sums about `about` (D), which is to be near the mean. `out`
 * is to be closed in any case. */
int moments_open(struct tess_context *ctx, int64_t features, const float *vector, int64_t count, const uint16_t *times, const double *about,
                 struct moments *out) TESS_CHECKED;
void moments_close(struct moments *m);
/* Trace of the root of the product of both scatters. Overwrites a's scatter. *defined = 0, and no sum, where that is not positive definite
 * to double precision. */
int moments_root(struct tess_context *ctx, struct moments *a, const struct moments *b, double *sum, int *defined) TESS_CHECKED;
double moments_trace(const struct moments *m);

#endif
