/* Mean and scatter of the vectors of a set, from blocks, by orthogonal factors. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_METRICS_FRECHET_SCATTER_H
#define PLUGINS_METRICS_FRECHET_SCATTER_H

#include <tessera/base.h>

/* Scatter of a set's vectors as a factor F (height, D): F^T F = sum over the vectors of (x - mean)(x - mean)^T. */
struct scatter {
    int64_t features, rows; /* D; vectors seen */
    int64_t height, capacity;
    double *mean;   /* (D) */
    double *factor; /* (height, D), row by row */
};

int scatter_open(struct tess_context *ctx, int64_t features, struct scatter *s);
void scatter_close(struct scatter *s);
/* Fills a scatter that has no vectors yet with those of one block, vector i counted times[i] times; `times` NULL: once. */
int scatter_begin(struct tess_context *ctx, struct scatter *s, const float *vector, int64_t rows, const uint16_t *times);
/* Adds those of `next`: their factor, and a row for the distance of the means,
 *     sqrt(n m / (n + m)) (mean' - mean);
 * more than 2 D rows are brought to D by a QR factorisation, whose R has the same product. */
int scatter_merge(struct tess_context *ctx, struct scatter *s, const struct scatter *next);
/* Reduces the factor to at most D rows. */
int scatter_reduce(struct tess_context *ctx, struct scatter *s);
/* Sum of the singular values of A B^T: the trace of the root of (A^T A)(B^T B). */
int scatter_nuclear(struct tess_context *ctx, const struct scatter *a, const struct scatter *b, double *sum);
/* Trace of F^T F. */
double scatter_trace(const struct scatter *s);

#endif
