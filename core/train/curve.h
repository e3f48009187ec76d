/* Training curve: points, each the step it ends at and the means of some series over the steps since the point before. Their places depend
 * on the number of steps alone, so that the curve is part of the result. What it holds between two points is for a checkpoint.
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_CURVE_H
#define TESSI_CURVE_H

#include <tessera/artefact.h>

enum { TESSI_CURVE_POINTS = 256, TESSI_CURVE_SERIES = 10 };

struct tessi_curve {
    int32_t series;
    int64_t every, points; /* steps a point; points so far */
    float *point;          /* (TESSI_CURVE_POINTS + 1, 1 + series) */
    double sum[TESSI_CURVE_SERIES]; /* sums over the `summed` steps since the last point */
    int64_t summed;
};

/* Start from zeroed memory; close in any case. */
int tessi_train_curve_open(struct tess_context *ctx, struct tessi_curve *k, int64_t steps, int32_t series) TESS_CHECKED;
void tessi_train_curve_close(struct tessi_curve *k);
/* Adds a step's values of the series; `step` steps are done, and `last` says that no more follow. */
void tessi_train_curve_add(struct tessi_curve *k, int64_t step, int last, const double *value);
int64_t tessi_train_curve_floats(const struct tessi_curve *k); /* size of `point` */
/* The curve's state apart from the array `point`, to and from the attributes of a checkpoint. */
int tessi_train_curve_remember(struct tess_context *ctx, const struct tessi_curve *k, struct tess_attrs *f) TESS_CHECKED;
int tessi_train_curve_recall(struct tess_context *ctx, struct tessi_curve *k, const struct tess_attrs *f) TESS_CHECKED;
/* Writes the curve into the artefact as /curve and as the picture `training`; with `named` the names as /curve_names. */
int tessi_train_curve_put(struct tess_context *ctx, const struct tessi_curve *k, const char *const *name, int named,
                    struct tess_artefact *a) TESS_CHECKED;

#endif
