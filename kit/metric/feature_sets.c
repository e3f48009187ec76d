/* Feature vectors of two sets, collected block by block and merged. SPDX-License-Identifier: MIT */
#include "kit/metric/feature_sets.h"

#include <math.h>
#include <string.h>

int feature_sets_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *s, void **state)
{
    void *memory;
    (void)self;
    TESS_TRY(tess_alloc(ctx, sizeof(struct feature_sets), "features", &memory));
    ((struct feature_sets *)memory)->features = s->features;
    *state = memory;
    return TESS_OK;
}

void feature_sets_close(void *self, void *state)
{
    struct feature_sets *s = state;
    (void)self;
    if (!s)
        return;
    tess_free(s->vector[0]);
    tess_free(s->vector[1]);
    tess_free(s);
}

static int feature_sets_add(struct tess_context *ctx, struct feature_sets *s, int32_t set, const float *vector, int64_t rows)
{
    int64_t d = s->features;
    TESS_TRY(tess_reserve(ctx, &s->vector[set], &s->capacity[set], s->rows[set] + rows, (size_t)d * sizeof(float), "features"));
    memcpy(s->vector[set] + s->rows[set] * d, vector, (size_t)(rows * d) * sizeof(float));
    s->rows[set] += rows;
    return TESS_OK;
}

int feature_sets_check(struct tess_context *ctx, const struct tess_metric_rows *rows)
{
    const float *vector = rows->features->data;
    int64_t features = rows->features->dim[1];
    for (int64_t i = 0; i < rows->count * features; i++)
        if (!isfinite(vector[i]))
            return ctx->fail(ctx, TESS_E_FAILED, "features of %s %lld are not finite; look at the network they are from",
                             rows->set == TESS_METRIC_SAMPLES ? "sample" : "image", (long long)(rows->first + i / features));
    return TESS_OK;
}

int feature_sets_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    struct feature_sets *s = state;
    (void)self;
    TESS_TRY(feature_sets_check(ctx, rows));
    return feature_sets_add(ctx, s, rows->set, rows->features->data, rows->count);
}

int feature_sets_merge(void *self, struct tess_context *ctx, void *state, void *next)
{
    const struct feature_sets *n = next;
    (void)self;
    for (int32_t set = 0; set < 2; set++)
        if (n->rows[set])
            TESS_TRY(feature_sets_add(ctx, state, set, n->vector[set], n->rows[set]));
    return TESS_OK;
}

int64_t feature_sets_pack(void *self, const void *state, void *bytes)
{
    const struct feature_sets *s = state;
    char *to = bytes;
    int64_t at = sizeof s->rows;
    (void)self;
    if (to)
        memcpy(to, s->rows, sizeof s->rows);
    for (int set = 0; set < 2; set++) {
        int64_t n = s->rows[set] * s->features * (int64_t)sizeof(float);
        if (to && n)
            memcpy(to + at, s->vector[set], (size_t)n);
        at += n;
    }
    return at;
}

int feature_sets_unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count)
{
    struct feature_sets *s = state;
    const char *from = bytes;
    int64_t rows[2] = {0, 0}, wide = s->features * (int64_t)sizeof(float), most = count / wide;
    (void)self;
    if (count >= (int64_t)sizeof rows)
        memcpy(rows, from, sizeof rows);
    if (count < (int64_t)sizeof rows || rows[0] < 0 || rows[1] < 0 || rows[0] > most || rows[1] > most ||
        count != (int64_t)sizeof rows + (rows[0] + rows[1]) * wide)
        return ctx->fail(ctx, TESS_E_DATA, "%lld bytes are no features of %lld components that were kept", (long long)count,
                         (long long)s->features);
    from += sizeof rows;
    for (int32_t set = 0; set < 2; set++) {
        if (!rows[set])
            continue;
        TESS_TRY(tess_reserve(ctx, &s->vector[set], &s->capacity[set], rows[set], (size_t)wide, "features"));
        memcpy(s->vector[set], from, (size_t)(rows[set] * wide));
        s->rows[set] = rows[set];
        from += rows[set] * wide;
    }
    return TESS_OK;
}

/* Memory for a plan, twice the vectors: a list that grows, and the state that is merged into another. */
int64_t feature_sets_bytes(void *self, const struct tess_metric_shape *s)
{
    (void)self;
    return 2 * (s->rows[0] + s->rows[1]) * s->features * (int64_t)sizeof(float);
}

double feature_sets_square(const float *a, const float *b, int64_t features)
{
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    int64_t i = 0;
    for (; i + 4 <= features; i += 4)
        for (int k = 0; k < 4; k++) {
            double gap = (double)a[i + k] - (double)b[i + k];
            sum[k] += gap * gap;
        }
    for (; i < features; i++) {
        double gap = (double)a[i] - (double)b[i];
        sum[0] += gap * gap;
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}
