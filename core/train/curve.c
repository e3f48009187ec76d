/* See curve.h. SPDX-License-Identifier: MIT */
#include "core/train/curve.h"

#include "core/train/plot.h"

#include <tessera/attributes.h>
#include <tessera/tensor.h>

#include <string.h>

int tessi_train_curve_open(struct tess_context *ctx, struct tessi_curve *k, int64_t steps, int32_t series)
{
    void *memory;
    if (series > TESSI_CURVE_SERIES)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a training has %d objectives and columns, at most %d are kept", series, TESSI_CURVE_SERIES);
    k->series = series;
    k->every = (steps + TESSI_CURVE_POINTS - 1) / TESSI_CURVE_POINTS;
    TESS_TRY(tess_alloc(ctx, (size_t)tessi_train_curve_floats(k) * sizeof(float), "the curve", &memory));
    k->point = memory;
    return TESS_OK;
}

void tessi_train_curve_close(struct tessi_curve *k)
{
    tess_free(k->point);
    k->point = NULL;
}

int64_t tessi_train_curve_floats(const struct tessi_curve *k)
{
    return (TESSI_CURVE_POINTS + 1) * (1 + k->series);
}

void tessi_train_curve_add(struct tessi_curve *k, int64_t step, int last, const double *value)
{
    for (int32_t i = 0; i < k->series; i++)
        k->sum[i] += value[i];
    k->summed++;
    if (k->summed != k->every && !last)
        return;
    float *point = k->point + k->points++ * (1 + k->series);
    point[0] = (float)step;
    for (int32_t i = 0; i < k->series; i++) {
        point[1 + i] = (float)(k->sum[i] / (double)k->summed);
        k->sum[i] = 0.0;
    }
    k->summed = 0;
}

/* ---- checkpoint ---- */

static void name_sum(char name[8], int32_t i)
{
    memcpy(name, "sum0", 5);
    name[3] = (char)('0' + i);
}

int tessi_train_curve_remember(struct tess_context *ctx, const struct tessi_curve *k, struct tess_attrs *f)
{
    char name[8];
    TESS_TRY(tess_attrs_set_i64(ctx, f, "points", k->points));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "summed", k->summed));
    for (int32_t i = 0; i < k->series; i++) {
        name_sum(name, i);
        TESS_TRY(tess_attrs_set_f64(ctx, f, name, k->sum[i]));
    }
    return TESS_OK;
}

int tessi_train_curve_recall(struct tess_context *ctx, struct tessi_curve *k, const struct tess_attrs *f)
{
    char name[8];
    TESS_TRY(tess_attrs_i64(ctx, f, "points", &k->points));
    TESS_TRY(tess_attrs_i64(ctx, f, "summed", &k->summed));
    for (int32_t i = 0; i < k->series; i++) {
        name_sum(name, i);
        TESS_TRY(tess_attrs_f64(ctx, f, name, &k->sum[i]));
    }
    return TESS_OK;
}

/* ---- what is shown ---- */

int tessi_train_curve_put(struct tess_context *ctx, const struct tessi_curve *k, const char *const *name, int named,
                          struct tess_artefact *a)
{
    struct tess_tensor curve = tess_tensor_over(k->point, TESS_F32, 2, (int64_t[]){k->points, 1 + k->series}), picture;
    struct tess_dataset labels = {.size = sizeof labels, .labels = "point value"};
    const char *all[TESSI_CURVE_SERIES + 1] = {"step"};
    for (int32_t i = 0; i < k->series; i++)
        all[1 + i] = name[i];
    TESS_TRY(tess_artefact_put(ctx, a, "curve", &curve, &labels));
    if (named)
        TESS_TRY(tess_artefact_put_strings(ctx, a, "curve_names", 1 + k->series, all));
    TESS_TRY(tessi_train_plot(ctx, k->points, k->series, k->point, name, &picture));
    int status = tess_artefact_put_picture(ctx, a, "training", &picture);
    tess_free(picture.data);
    return status;
}
