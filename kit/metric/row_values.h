/* State of a metric that is a mean over rows: the value of each row, in order. SPDX-License-Identifier: MIT */
#ifndef KIT_METRIC_ROW_VALUES_H
#define KIT_METRIC_ROW_VALUES_H

#include <tessera/base.h>
#include <tessera/kind/metric.h>

struct row_values {
    int64_t rows, capacity;
    double *value; /* (rows) */
};

/* Functions of struct tess_metric_1, for a table to point at. */
int row_values_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *s, void **state);
void row_values_close(void *self, void *state);
int row_values_merge(void *self, struct tess_context *ctx, void *state, void *next);
int64_t row_values_pack(void *self, const void *state, void *bytes);
int row_values_unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count);
int64_t row_values_bytes(void *self, const struct tess_metric_shape *s);

/* Adds the values of n more rows. */
int row_values_add(struct tess_context *ctx, struct row_values *v, const double *value, int64_t n) TESS_CHECKED;
/* Mean of n values, value i counted times[i] times; `times` NULL: once. The sum of `times` is n. */
double row_values_mean(const double *value, int64_t n, const uint16_t *times);
/* Hands over the mean of all rows with its standard error, (12.3). */
int row_values_put(struct tess_context *ctx, const struct tess_metric_sink *sink, const char *name, const double *value, int64_t n,
                   const char *unit, int32_t better) TESS_CHECKED;
/* Hands over the mean of each resample of the set `set`, whose rows the values are of; `of`: function of the mean that the result is; NULL:
 * the mean itself. */
int row_values_resample(struct tess_context *ctx, const struct tess_metric_resamples *r, int32_t set, const char *name, const double *value,
                        double (*of)(double mean)) TESS_CHECKED;

#endif
