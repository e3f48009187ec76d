/* Feature vectors of two or three sets, collected block by block and merged. SPDX-License-Identifier: MIT */
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
    for (int set = 0; set < TESS_METRIC_SETS; set++)
        if (s->capacity[set])
            tess_free(s->vector[set]);
    tess_free(s->each[0]);
    tess_free(s->each[1]);
    tess_free(s);
}

/* Adds rows as a copy. Those that lay elsewhere are copied before them. */
static int feature_sets_copy(struct tess_context *ctx, struct feature_sets *s, int32_t set, const float *vector, int64_t rows)
{
    int64_t d = s->features, own = s->rows[set];
    float *list = s->capacity[set] ? s->vector[set] : NULL, *others = s->capacity[set] ? NULL : s->vector[set];
    TESS_TRY(tess_reserve(ctx, &list, &s->capacity[set], own + rows, (size_t)d * sizeof(float), "features"));
    if (others)
        memcpy(list, others, (size_t)(own * d) * sizeof(float));
    memcpy(list + own * d, vector, (size_t)(rows * d) * sizeof(float));
    s->vector[set] = list;
    s->rows[set] = own + rows;
    return TESS_OK;
}

/* Adds rows that stay where they are: a pointer, as long as they follow those there are. */
static int feature_sets_add(struct tess_context *ctx, struct feature_sets *s, int32_t set, float *vector, int64_t rows, int stay)
{
    if (!stay || s->capacity[set] || (s->rows[set] && vector != s->vector[set] + s->rows[set] * s->features))
        return feature_sets_copy(ctx, s, set, vector, rows);
    if (!s->rows[set])
        s->vector[set] = vector;
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
                             rows->set == TESS_METRIC_SAMPLES    ? "sample"
                             : rows->set == TESS_METRIC_TRAINING ? "training image"
                                                                 : "image",
                             (long long)(rows->first + i / features));
    return TESS_OK;
}

int feature_sets_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    struct feature_sets *s = state;
    (void)self;
    TESS_TRY(feature_sets_check(ctx, rows));
    return feature_sets_add(ctx, s, rows->set, rows->features->data, rows->count, rows->stay);
}

/* Moves a set of `from` to where `to` has none. */
static void feature_sets_move(struct feature_sets *to, struct feature_sets *from, int32_t set)
{
    to->vector[set] = from->vector[set];
    to->rows[set] = from->rows[set];
    to->capacity[set] = from->capacity[set];
    from->vector[set] = NULL;
    from->rows[set] = from->capacity[set] = 0;
}

int feature_sets_merge(void *self, struct tess_context *ctx, void *state, void *next)
{
    struct feature_sets *s = state, *n = next;
    (void)self;
    for (int32_t set = 0; set < TESS_METRIC_SETS; set++) {
        if (n->rows[set] && !s->rows[set] && !s->capacity[set])
            feature_sets_move(s, n, set);
        else if (n->rows[set])
            TESS_TRY(feature_sets_add(ctx, s, set, n->vector[set], n->rows[set], !n->capacity[set]));
    }
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
    for (int set = 0; set < TESS_METRIC_SETS; set++) {
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
    int64_t rows[TESS_METRIC_SETS] = {0}, wide = s->features * (int64_t)sizeof(float), most = count / wide, all = 0;
    (void)self;
    int whole = count >= (int64_t)sizeof rows;
    if (whole)
        memcpy(rows, from, sizeof rows);
    for (int set = 0; set < TESS_METRIC_SETS; set++) {
        whole = whole && rows[set] >= 0 && rows[set] <= most;
        all += whole ? rows[set] : 0;
    }
    if (!whole || count != (int64_t)sizeof rows + all * wide)
        return ctx->fail(ctx, TESS_E_DATA, "%lld bytes are no features of %lld components that were kept", (long long)count,
                         (long long)s->features);
    from += sizeof rows;
    for (int32_t set = 0; set < TESS_METRIC_SETS; set++) {
        if (!rows[set])
            continue;
        TESS_TRY(tess_reserve(ctx, &s->vector[set], &s->capacity[set], rows[set], (size_t)wide, "features"));
        memcpy(s->vector[set], from, (size_t)(rows[set] * wide));
        s->rows[set] = rows[set];
        from += rows[set] * wide;
    }
    return TESS_OK;
}

/* Memory for a plan: the caller keeps the vectors. */
int64_t feature_sets_bytes(void *self, const struct tess_metric_shape *s)
{
    (void)self;
    return 3 * (s->rows[0] + s->rows[1] + s->rows[2]) * (int64_t)sizeof(double);
}

int feature_sets_each(struct tess_context *ctx, struct feature_sets *s, int32_t set, double **value)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)s->rows[set] * sizeof(double), "values of rows", &memory));
    tess_free(s->each[set]);
    *value = s->each[set] = memory;
    return TESS_OK;
}
