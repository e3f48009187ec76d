/* Properties of a dataset that a copy of it should have as well. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <stdio.h>
#include <string.h>

#define ROW_CHUNK_MAX ((int64_t)64 << 10) /* chunks of datasets read by the row are smaller, all others larger */

static int how_text(struct tess_context *ctx, const struct tess_artefact *a, hid_t dataset, const char *name, char *out, size_t capacity)
{
    struct tessi_value v = {0};
    *out = '\0';
    if (H5Aexists(dataset, name) <= 0)
        return TESS_OK;
    hid_t attribute = H5Aopen(dataset, name, H5P_DEFAULT);
    int status = attribute < 0 ? tessi_store_fail(ctx, a, name) : tessi_store_read_value(ctx, a, name, attribute, &v);
    if (status == TESS_OK && v.text)
        (void)snprintf(out, capacity, "%s", v.text);
    tess_free(v.text);
    tessi_store_close(attribute);
    return status;
}

static void how_filters(const struct tessi_entry *e, hid_t dataset, struct tess_dataset *how)
{
    hsize_t chunk[H5S_MAX_RANK] = {0};
    hid_t layout = H5Dget_create_plist(dataset);
    int n = layout >= 0 && H5Pget_layout(layout) == H5D_CHUNKED ? H5Pget_nfilters(layout) : 0;
    for (int i = 0; i < n; i++) {
        unsigned flags, config;
        size_t values = 0;
        how->compress |= H5Pget_filter2(layout, (unsigned)i, &flags, &values, NULL, 0, NULL, &config) == H5Z_FILTER_DEFLATE;
    }
    if (n && H5Pget_chunk(layout, H5S_MAX_RANK, chunk) > 0)
        how->by_row = (int64_t)chunk[0] < e->dim[0] &&
                      (int64_t)chunk[0] * tessi_store_entry_row(e) * (int64_t)tessi_store_entry_size(e) <= ROW_CHUNK_MAX;
    tessi_store_close(layout);
}

int tessi_store_dataset_how(struct tess_context *ctx, const struct tess_artefact *a, const char *name, struct tessi_store_how *out)
{
    const struct tessi_entry *e = tessi_store_entry_find(a, name);
    memset(out, 0, sizeof *out);
    out->dataset.size = sizeof out->dataset;
    if (!e || e->joined)
        return TESS_OK;
    if (e->dtype != TESS_F32 && e->dtype != TESSI_TEXT && !e->is_signed)
        out->dataset.bits = e->precision;
    tessi_store_lock();
    int status = tessi_store_resume(ctx, a);
    hid_t dataset = status == TESS_OK ? H5Dopen2(a->file, e->name, H5P_DEFAULT) : -1;
    if (status == TESS_OK)
        status = dataset < 0 ? tessi_store_fail(ctx, a, name) : how_text(ctx, a, dataset, "labels", out->labels, sizeof out->labels);
    if (status == TESS_OK)
        status = how_text(ctx, a, dataset, "unit", out->unit, sizeof out->unit);
    if (status == TESS_OK)
        how_filters(e, dataset, &out->dataset);
    tessi_store_close(dataset);
    tessi_store_unlock();
    out->dataset.labels = *out->labels ? out->labels : NULL;
    out->dataset.unit = *out->unit ? out->unit : NULL;
    return status;
}
