/* See row_values.h. SPDX-License-Identifier: MIT */
#include "kit/metric/row_values.h"

#include "kit/metric/mean_error.h"

#include <math.h>
#include <string.h>

int row_values_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *s, void **state)
{
    (void)self;
    (void)s;
    return tess_alloc(ctx, sizeof(struct row_values), "values of rows", state);
}

void row_values_close(void *self, void *state)
{
    struct row_values *v = state;
    (void)self;
    if (v)
        tess_free(v->value);
    tess_free(v);
}

int row_values_add(struct tess_context *ctx, struct row_values *v, const double *value, int64_t n)
{
    if (!n)
        return TESS_OK;
    TESS_TRY(tess_reserve(ctx, &v->value, &v->capacity, v->rows + n, sizeof *v->value, "values of rows"));
    memcpy(v->value + v->rows, value, (size_t)n * sizeof *value);
    v->rows += n;
    return TESS_OK;
}

int row_values_merge(void *self, struct tess_context *ctx, void *state, void *next)
{
    const struct row_values *n = next;
    (void)self;
    return row_values_add(ctx, state, n->value, n->rows);
}

int64_t row_values_pack(void *self, const void *state, void *bytes)
{
    const struct row_values *v = state;
    (void)self;
    if (bytes && v->rows)
        memcpy(bytes, v->value, (size_t)v->rows * sizeof *v->value);
    return v->rows * (int64_t)sizeof *v->value;
}

int row_values_unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count)
{
    struct row_values *v = state;
    int64_t rows = count / (int64_t)sizeof *v->value;
    int whole = count >= 0 && rows * (int64_t)sizeof *v->value == count;
    (void)self;
    for (int64_t i = 0; whole && i < rows; i++) {
        double value;
        memcpy(&value, (const char *)bytes + i * (int64_t)sizeof value, sizeof value);
        whole = isfinite(value);
    }
    if (!whole)
        return ctx->fail(ctx, TESS_E_DATA, "%lld bytes are no values of rows that were kept", (long long)count);
    TESS_TRY(tess_reserve(ctx, &v->value, &v->capacity, rows ? rows : 1, sizeof *v->value, "values of rows"));
    memcpy(v->value, bytes, (size_t)count);
    v->rows = rows;
    return TESS_OK;
}

/* Memory for a plan, twice the values: a list that grows, and the state that is merged into another. */
int64_t row_values_bytes(void *self, const struct tess_metric_shape *s)
{
    (void)self;
    return 2 * s->rows[TESS_METRIC_IMAGES] * (int64_t)sizeof(double);
}

double row_values_mean(const double *value, int64_t n, const uint16_t *times)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += times ? (double)times[i] * value[i] : value[i];
    return sum / (double)n;
}

int row_values_put(struct tess_context *ctx, const struct tess_metric_sink *sink, const char *name, const double *value, int64_t n,
                   const char *unit, int32_t better)
{
    struct tess_metric_value v = TESS_METRIC_VALUE(name, row_values_mean(value, n, NULL), unit, better);
    v.standard_error = mean_error_of(value, n).standard_error;
    return sink->value(sink->to, ctx, &v);
}

int row_values_resample(struct tess_context *ctx, const struct tess_metric_resamples *r, int32_t set, const char *name, const double *value,
                        double (*of)(double mean))
{
    int64_t n = r->rows[set];
    for (int64_t k = 0; k < r->count; k++) {
        double mean = row_values_mean(value, n, r->times[set] + k * n);
        TESS_TRY(r->value(r->to, ctx, k, name, of ? of(mean) : mean));
    }
    return TESS_OK;
}
