/* Writing pictures and metrics: groups that remember the order of their members. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Creates, on first use, a group that remembers the order of its members. */
static herr_t ordered_group(const struct tess_artefact *a, const char *name)
{
    hid_t p = H5Pcreate(H5P_GROUP_CREATE), group = -1;
    if (p >= 0 && H5Pset_link_creation_order(p, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0 &&
        H5Pset_link_phase_change(p, 64, 32) >= 0)
        group = H5Gcreate2(a->file, name, H5P_DEFAULT, p, H5P_DEFAULT);
    if (p >= 0)
        H5Pclose(p);
    return group < 0 ? -1 : H5Gclose(group);
}

static int artefact_metrics_put_picture(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *t)
{
    char path[TESSI_NAME_MOST + 16], text[160];
    if (strchr(name, '/') || !*name || strlen(name) >= TESSI_NAME_MOST)
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: `%s` is no name for a picture", a->path, name);
    if (t->dtype != TESS_U8 || t->rank != 3 || t->dim[0] < 1 || t->dim[1] < 1 || (t->dim[2] != 1 && t->dim[2] != 3))
        return ctx->fail(ctx, TESS_E_SHAPE, "%s: the picture `%s` is %s; u8 (height, width, 1 or 3) was wanted", a->path, name,
                         tess_tensor_text(t, text, sizeof text));
    (void)snprintf(path, sizeof path, "pictures/%s", name);
    if (!a->failed && !a->pictures && ordered_group(a, "pictures") < 0)
        return tessi_store_give_up(ctx, a, "pictures");
    TESS_TRY(tessi_store_put(ctx, a, path, t,
                             &(struct tess_dataset){.size = sizeof(struct tess_dataset), .compress = 1, .labels = "y x channel"}));
    TESS_TRY(tess_reserve(ctx, &a->picture, &a->picture_capacity, a->pictures + 1, sizeof *a->picture, "pictures of an artefact"));
    TESS_TRY(tess_copy_text(ctx, name, &a->picture[a->pictures]));
    a->pictures++;
    return TESS_OK;
}

int tess_artefact_put_picture(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *t)
{
    tessi_store_lock();
    int status = artefact_metrics_put_picture(ctx, a, name, t);
    tessi_store_unlock();
    return status;
}

/* Writes a metric as a compact scalar dataset, which lies in its own header. */
static herr_t write_metric(const struct tess_artefact *a, const struct tessi_metric *f)
{
    char path[TESSI_NAME_MOST + 16];
    (void)snprintf(path, sizeof path, "metrics/%s", f->name);
    hid_t space = H5Screate(H5S_SCALAR), layout = H5Pcreate(H5P_DATASET_CREATE), dataset = -1;
    if (space >= 0 && layout >= 0 && H5Pset_layout(layout, H5D_COMPACT) >= 0 && H5Pset_obj_track_times(layout, 0) >= 0)
        dataset = H5Dcreate2(a->file, path, H5T_IEEE_F64LE, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    herr_t bad = dataset < 0 || H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, &f->value) < 0 ||
                 tessi_store_attribute_text(dataset, "unit", f->unit) < 0;
    if (dataset >= 0)
        bad = H5Dclose(dataset) < 0 || bad;
    if (layout >= 0)
        H5Pclose(layout);
    if (space >= 0)
        H5Sclose(space);
    return bad ? -1 : 0;
}

static int put_metric(struct tess_context *ctx, struct tess_artefact *a, const char *name, double value, const char *unit)
{
    if (a->failed)
        return ctx->fail(ctx, TESS_E_IO, "%s: an earlier write failed, nothing more is taken", a->path);
    if (strchr(name, '/') || !*name || strlen(name) >= TESSI_NAME_MOST)
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: `%s` is no name for a metric", a->path, name);
    if (isnan(value))
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "%s: the metric `%s` came out as no number (NaN): what it is of overflowed; look at the model, it may have diverged", a->path,
            name);
    for (int64_t i = 0; i < a->metrics; i++)
        if (strcmp(a->metric[i].name, name) == 0)
            return ctx->fail(ctx, TESS_E_INTERNAL, "%s: the metric `%s` is written twice", a->path, name);
    if (!a->metrics && ordered_group(a, "metrics") < 0)
        return tessi_store_give_up(ctx, a, "metrics");

    struct tessi_metric f = {.value = value};
    int status = tess_copy_text(ctx, name, &f.name);
    if (status == TESS_OK)
        status = tess_copy_text(ctx, unit ? unit : "", &f.unit);
    if (status == TESS_OK)
        status = tess_reserve(ctx, &a->metric, &a->metric_capacity, a->metrics + 1, sizeof *a->metric, "metrics of an artefact");
    if (status != TESS_OK) {
        tess_free(f.name);
        tess_free(f.unit);
        return status;
    }
    a->metric[a->metrics++] = f;
    return write_metric(a, &f) < 0 ? tessi_store_give_up(ctx, a, "metrics") : TESS_OK;
}

int tess_artefact_put_metric(struct tess_context *ctx, struct tess_artefact *a, const char *name, double value, const char *unit)
{
    tessi_store_lock();
    int status = put_metric(ctx, a, name, value, unit);
    tessi_store_unlock();
    return status;
}
