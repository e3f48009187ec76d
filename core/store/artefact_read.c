/* Reading what an opened artefact holds. Datasets read a few rows at a time stay open, with their chunks cached; those read whole are
 * closed at once. Integers may be widened on the way, nothing else is converted. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <string.h>

int tessi_store_read_rows(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_entry *e, hid_t dataset,
                          int64_t first, int64_t rows, void *to)
{
    hsize_t from[TESS_MAX_RANK] = {(hsize_t)first}, count[TESS_MAX_RANK] = {(hsize_t)rows};
    for (int32_t i = 1; i < e->rank; i++)
        count[i] = (hsize_t)e->dim[i];
    hid_t type = tessi_store_memory_type(e), there = H5Dget_space(dataset);
    hid_t here = e->rank ? H5Screate_simple(e->rank, count, NULL) : H5Screate(H5S_SCALAR);
    herr_t bad = type < 0 || there < 0 || here < 0 ||
                 (e->rank && H5Sselect_hyperslab(there, H5S_SELECT_SET, from, NULL, count, NULL) < 0) ||
                 H5Dread(dataset, type, here, there, H5P_DEFAULT, to) < 0;
    int status = bad ? tessi_store_fail(ctx, a, e->name) : TESS_OK;
    tessi_store_close(type);
    tessi_store_close(there);
    tessi_store_close(here);
    return status;
}

void tessi_store_widen(void *values, int64_t count, int32_t from, int32_t to)
{
    for (int64_t i = count; i-- > 0;) {
        int32_t value = from == TESS_U8 ? ((const uint8_t *)values)[i] : ((const uint16_t *)values)[i];
        if (to == TESS_U16)
            ((uint16_t *)values)[i] = (uint16_t)value;
        else
            ((int32_t *)values)[i] = value;
    }
}

int tessi_store_can_widen(int32_t from, int32_t to)
{
    return from == to || (from == TESS_U8 && (to == TESS_U16 || to == TESS_I32)) || (from == TESS_U16 && to == TESS_I32);
}

static int artefact_read_find(struct tess_context *ctx, const struct tess_artefact *a, const char *name, struct tessi_entry **out)
{
    name += strspn(name, "/");
    *out = tessi_store_entry_find(a, name);
    if (!*out)
        return ctx->fail(ctx, TESS_E_DATA, "%s: there is no dataset /%s in this artefact of kind `%s`; check which file was given", a->path,
                         name, a->kind);
    if ((*out)->dtype == TESSI_TEXT)
        return ctx->fail(ctx, TESS_E_DATA, "%s: /%s holds strings, numbers were wanted", a->path, name);
    return TESS_OK;
}

int tess_artefact_shape(struct tess_context *ctx, const struct tess_artefact *a, const char *name, struct tess_tensor *shape)
{
    struct tessi_entry *e;
    TESS_TRY(artefact_read_find(ctx, a, name, &e));
    *shape = tess_tensor_over(NULL, e->dtype, e->rank, e->dim);
    return TESS_OK;
}

int tess_artefact_has(const struct tess_artefact *a, const char *name)
{
    return tessi_store_entry_find(a, name) != NULL;
}

int tessi_store_keep_open(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_entry *e)
{
    if (e->dataset >= 0)
        return TESS_OK;
    TESS_TRY(tessi_store_resume(ctx, a));
    hid_t cache = tessi_store_layout_cache(e, tessi_store_chunks_raw(e) ? TESSI_CACHE_NONE : TESSI_CACHE_READ);
    if (cache >= 0) {
        e->dataset = H5Dopen2(a->file, e->name, cache);
        H5Pclose(cache);
    }
    return e->dataset < 0 ? tessi_store_fail(ctx, a, e->name) : TESS_OK;
}

static int artefact_read_read_whole(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_entry *e, void *to)
{
    TESS_TRY(tessi_store_resume(ctx, a));
    hid_t dataset = H5Dopen2(a->file, e->name, H5P_DEFAULT);
    if (dataset < 0)
        return tessi_store_fail(ctx, a, e->name);
    int status = tessi_store_read_rows(ctx, a, e, dataset, 0, e->rank ? e->dim[0] : 1, to);
    H5Dclose(dataset);
    return status;
}

/* Reads rows by HDF5. */
static int read_by_hdf5(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_entry *e, int64_t first, int64_t rows,
                        void *to)
{
    int status;
    tessi_store_lock();
    if (!e->rank || rows == e->dim[0])
        status = artefact_read_read_whole(ctx, a, e, to);
    else {
        status = tessi_store_keep_open(ctx, a, e);
        if (status == TESS_OK)
            status = tessi_store_read_rows(ctx, a, e, e->dataset, first, rows, to);
    }
    tessi_store_unlock();
    return status;
}

void tessi_store_close_dataset(struct tessi_entry *e)
{
    tessi_store_lock();
    tessi_store_close(e->dataset);
    e->dataset = -1;
    tessi_store_unlock();
}

int tessi_store_entry_read(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_entry *e, int64_t first, int64_t rows,
                           void *to)
{
    size_t row = (size_t)tessi_store_entry_row(e) * tessi_store_entry_size(e);
    int64_t done;
    if (e->joined)
        return tessi_store_parts_read(ctx, a, e, first, rows, to);
    TESS_TRY(tessi_store_chunks_read(ctx, (struct tess_artefact *)(uintptr_t)a, e, first, rows, to, &done));
    int status = TESS_OK;
    if (done < rows || !e->rank)
        status = read_by_hdf5(ctx, a, e, first + done, rows - done, (char *)to + (size_t)done * row);
    else if (rows == e->dim[0])
        tessi_store_close_dataset(e); /* read whole, and not wanted again */
    return status;
}

static int read_some(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_entry *e, int64_t first, struct tess_tensor *t)
{
    int64_t rows = t->rank ? t->dim[0] : 1, count = tess_tensor_count(t);
    if (count == 0)
        return TESS_OK;
    int status = tessi_store_entry_read(ctx, a, e, first, rows, t->data);
    if (status == TESS_OK && t->dtype != e->dtype)
        tessi_store_widen(t->data, count, e->dtype, t->dtype);
    return status;
}

int tess_artefact_read(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int64_t first, struct tess_tensor *t)
{
    struct tessi_entry *e;
    char wanted[160], found[160];
    TESS_TRY(artefact_read_find(ctx, a, name, &e));
    struct tess_tensor have = tess_tensor_over(NULL, e->dtype, e->rank, e->dim), same = *t;
    if (same.rank)
        same.dim[0] = have.dim[0];
    same.dtype = have.dtype;
    if (a->writing || !tessi_store_can_widen(e->dtype, t->dtype) || !tess_tensor_same_shape(&same, &have))
        return ctx->fail(ctx, TESS_E_DATA, "%s: /%s is %s, rows of %s were wanted", a->path, e->name,
                         tess_tensor_text(&have, found, sizeof found), tess_tensor_text(t, wanted, sizeof wanted));
    int64_t rows = t->rank ? t->dim[0] : 1, all = e->rank ? e->dim[0] : 1;
    if (first < 0 || rows < 0 || rows > all || first > all - rows)
        return ctx->fail(ctx, TESS_E_DATA, "%s: /%s has %lld rows, rows %lld to %lld were wanted", a->path, e->name, (long long)all,
                         (long long)first, (long long)(first + rows - 1));
    return read_some(ctx, a, e, first, t);
}

int tess_artefact_load(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int32_t dtype, struct tess_tensor *t)
{
    struct tessi_entry *e;
    char found[160];
    TESS_TRY(artefact_read_find(ctx, a, name, &e));
    *t = tess_tensor_over(NULL, dtype, e->rank, e->dim);
    if (a->writing || !tessi_store_can_widen(e->dtype, dtype)) {
        struct tess_tensor have = tess_tensor_over(NULL, e->dtype, e->rank, e->dim);
        return ctx->fail(ctx, TESS_E_DATA, "%s: /%s is %s, %s was wanted", a->path, e->name, tess_tensor_text(&have, found, sizeof found),
                         tess_dtype_name(dtype));
    }
    if (e->joined)
        TESS_TRY(tessi_store_parts_check(ctx, a)); /* before memory is allocated that no part has values for */
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(t), e->name, &t->data));
    int status = read_some(ctx, a, e, 0, t);
    if (status != TESS_OK) {
        tess_free(t->data);
        t->data = NULL;
    }
    return status;
}

/* ---- walking ------------------------------------------------------------------------------------------------------- */

const char *tessi_store_artefact_provenance(const struct tess_artefact *a, const char *name)
{
    for (int64_t i = 0; i < a->notes; i++)
        if (strcmp(a->note[i].name, name) == 0)
            return a->note[i].value;
    return NULL;
}

const char *tessi_store_artefact_provenance_at(const struct tess_artefact *a, int64_t i, const char **value)
{
    if (i < 0 || i >= a->notes)
        return NULL;
    *value = a->note[i].value;
    return a->note[i].name;
}

const char *tessi_store_artefact_dataset_at(const struct tess_artefact *a, int64_t i, struct tess_tensor *shape, int32_t *bits,
                                            int64_t *stored)
{
    if (i < 0 || i >= a->entries)
        return NULL;
    const struct tessi_entry *e = &a->entry[i];
    *shape = tess_tensor_over(NULL, e->dtype, e->rank, e->dim);
    *bits = e->precision;
    *stored = e->stored;
    return e->name;
}

const char *tess_artefact_name_at(const struct tess_artefact *a, int64_t i)
{
    return i < 0 || i >= a->entries ? NULL : a->entry[i].name;
}

int tessi_store_artefact_metric(const struct tess_artefact *a, int64_t i, struct tess_metric_value *out)
{
    if (i < 0 || i >= a->metrics)
        return 0;
    const struct tessi_metric *f = &a->metric[i];
    *out = (struct tess_metric_value){.size = sizeof *out,
                                      .better = f->better,
                                      .name = f->name,
                                      .unit = f->unit,
                                      .value = f->value,
                                      .standard_error = f->standard_error,
                                      .low = f->low,
                                      .high = f->high};
    return 1;
}

const char *tessi_store_artefact_picture_at(const struct tess_artefact *a, int64_t i)
{
    return i < 0 || i >= a->pictures ? NULL : a->picture[i];
}

int64_t tess_artefact_strings(const struct tess_artefact *a, const char *name)
{
    const struct tessi_entry *e = tessi_store_entry_find(a, name);
    return e && e->dtype == TESSI_TEXT && e->rank == 1 ? e->dim[0] : -1;
}

int tess_artefact_read_strings(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int64_t first, int64_t n,
                               char **out)
{
    struct tessi_entry *e = tessi_store_entry_find(a, name);
    void *packed;
    memset(out, 0, (size_t)n * sizeof *out);
    if (!e || e->dtype != TESSI_TEXT || e->rank != 1 || first < 0 || n < 0 || n > e->dim[0] - first)
        return ctx->fail(ctx, TESS_E_DATA, "%s: /%s holds no %lld strings", a->path, name, (long long)(first + n));
    size_t width = tessi_store_entry_size(e);
    if (e->joined)
        TESS_TRY(tessi_store_parts_check(ctx, a));
    TESS_TRY(tess_alloc(ctx, (size_t)n * width + 1, "strings", &packed));
    int status = n ? tessi_store_entry_read(ctx, a, e, first, n, packed) : TESS_OK;
    for (int64_t i = 0; i < n && status == TESS_OK; i++) {
        const char *text = (const char *)packed + (size_t)i * width;
        status = tess_copy_bytes(ctx, text, strnlen(text, width), &out[i]);
    }
    tess_free(packed);
    return status;
}

int tessi_store_artefact_strings(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int64_t n, char **out)
{
    const struct tessi_entry *e = tessi_store_entry_find(a, name);
    if (e && e->rank == 1 && e->dim[0] == n)
        return tess_artefact_read_strings(ctx, a, name, 0, n, out);
    memset(out, 0, (size_t)n * sizeof *out);
    return ctx->fail(ctx, TESS_E_DATA, "%s: /%s holds no %lld strings", a->path, name, (long long)n);
}
