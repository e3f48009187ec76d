/* State of a metric that needs all features at its end: the vectors of all sets, as copies or where they stay. SPDX-License-Identifier: MIT
 */
#ifndef KIT_METRIC_FEATURE_SETS_H
#define KIT_METRIC_FEATURE_SETS_H

#include <tessera/base.h>
#include <tessera/kind/metric.h>

struct feature_sets {
    int64_t features;             /* D, values of a vector */
    int64_t rows[TESS_METRIC_SETS], capacity[TESS_METRIC_SETS]; /* [set]: TESS_METRIC_IMAGES ... */
    float *vector[TESS_METRIC_SETS]; /* [set]: (rows, D); the caller's where capacity is 0 (`stay` of the rows) */
    double *each[2];                 /* [TESS_METRIC_IMAGES, TESS_METRIC_SAMPLES]: a value of each row, kept by `finish` for `resample` */
};

/* Functions of struct tess_metric_1, for a table to point at. */
int feature_sets_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *s, void **state);
void feature_sets_close(void *self, void *state);
int feature_sets_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows);
int feature_sets_merge(void *self, struct tess_context *ctx, void *state, void *next);
int64_t feature_sets_pack(void *self, const void *state, void *bytes);
int feature_sets_unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count);
int64_t feature_sets_bytes(void *self, const struct tess_metric_shape *s);

/* Allocates s->each[set], a value for each row of the images or samples, in place of the one there is; *value: the same. */
int feature_sets_each(struct tess_context *ctx, struct feature_sets *s, int32_t set, double **value) TESS_CHECKED;
/* Rows of features that are all finite; else TESS_E_FAILED with the image or sample. For a metric with a state of its own, too. */
int feature_sets_check(struct tess_context *ctx, const struct tess_metric_rows *rows) TESS_CHECKED;

#endif
