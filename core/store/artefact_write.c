/* Writing datasets and strings. The digest of every dataset grows with its rows, so nothing is read
 * again at the end. Values go out in their stored dtype; HDF5 converts nothing. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <stdio.h>
#include <string.h>

int tessi_store_reserved_name(const char *name)
{
    static const char *const parts[] = {"provenance", "metrics", "pictures", "parts"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t length = strlen(parts[i]);
        if (strncmp(name, parts[i], length) == 0 && (name[length] == '/' || name[length] == '\0'))
            return 1;
    }
    return 0;
}

int tessi_store_good_name(const char *name)
{
    size_t length = strlen(name);
    if (length == 0 || length > TESSI_NAME_MAX)
        return 0;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t n = strcspn(part, "/");
        if (n == 0 || strncmp(part, ".", n) == 0 || strncmp(part, "..", n) == 0)
            return 0;
    }
    return 1;
}

int tessi_store_check_line(struct tess_context *ctx, const struct tess_artefact *a, const char *text, const char *what)
{
    char shown[512];
    size_t bytes = tess_shown_text(text, shown, sizeof shown);
    if (bytes < sizeof shown && strcmp(text, shown) == 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_INTERNAL, "%s: `%.80s` is no %s; wanted a line of at most 511 bytes of UTF-8 without control characters",
                     a->path, shown, what);
}

int tessi_store_check_new(struct tess_context *ctx, const struct tess_artefact *a, const char *name)
{
    if (a->failed)
        return ctx->fail(ctx, TESS_E_IO, "%s: an earlier write failed, nothing more is taken", a->path);
    if (!tessi_store_good_name(name))
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: `%s` is no name for a dataset", a->path, name);
    if (tessi_store_entry_find(a, name))
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: /%s is written twice", a->path, name);
    return TESS_OK;
}

/* Plans the stored dtype and precision of a tensor of this shape. */
static int artefact_write_plan(struct tess_context *ctx, const struct tess_artefact *a, const char *name, const struct tess_tensor *shape,
                               int32_t bits, struct tessi_entry *e)
{
    char text[160];
    int integer = shape->dtype == TESS_U8 || shape->dtype == TESS_U16 || shape->dtype == TESS_I32;
    if (!integer && shape->dtype != TESS_F32)
        return ctx->fail(ctx, TESS_E_VALUE, "%s: /%s is %s; u8, u16, i32 and f32 can be stored", a->path, name,
                       tess_tensor_text(shape, text, sizeof text));
    if (bits < 0 || bits > TESSI_FILE_BITS_MAX || (bits && !integer))
        return ctx->fail(ctx, TESS_E_VALUE, "%s: /%s: %d bits of %s; integers have 1 .. %d", a->path, name, bits,
                         tess_tensor_text(shape, text, sizeof text), TESSI_FILE_BITS_MAX);
    *e = (struct tessi_entry){.dataset = -1, .given = shape->dtype, .dtype = shape->dtype, .rank = shape->rank};
    for (int32_t i = 0; i < TESS_MAX_RANK; i++)
        e->dim[i] = i < shape->rank ? shape->dim[i] : 1;
    if (bits)
        e->dtype = bits <= 8 ? TESS_U8 : bits <= 16 ? TESS_U16 : TESS_I32;
    if (integer)
        e->precision = bits ? bits : 8 * (int32_t)tess_dtype_size(shape->dtype);
    e->is_signed = e->dtype == TESS_I32 && !bits;
    return TESS_OK;
}

/* Creates the groups of a path that are not there. HDF5 would do it by itself, with times. */
static herr_t make_groups(hid_t file, const char *name)
{
    char path[TESSI_NAME_MAX + 1];
    hid_t p = H5Pcreate(H5P_GROUP_CREATE);
    herr_t bad = p < 0 || H5Pset_obj_track_times(p, 0) < 0;
    for (const char *slash = strchr(name, '/'); slash && !bad; slash = strchr(slash + 1, '/')) {
        (void)snprintf(path, sizeof path, "%.*s", (int)(slash - name), name);
        htri_t there = H5Lexists(file, path, H5P_DEFAULT);
        hid_t group = there == 0 ? H5Gcreate2(file, path, H5P_DEFAULT, p, H5P_DEFAULT) : -1;
        bad = there < 0 || (there == 0 && (group < 0 || H5Gclose(group) < 0));
    }
    tessi_store_close(p);
    return bad ? -1 : 0;
}

static herr_t make_dataset(struct tess_artefact *a, struct tessi_entry *e, const char *name, const struct tess_dataset *d)
{
    hsize_t dims[TESS_MAX_RANK];
    for (int32_t i = 0; i < e->rank; i++)
        dims[i] = (hsize_t)e->dim[i];
    hid_t type = tessi_store_file_type(e), space = e->rank ? H5Screate_simple(e->rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t layout = tessi_store_layout(e, d), cache = tessi_store_layout_write_cache(e, d);
    herr_t bad = type < 0 || space < 0 || layout < 0 || cache < 0 || make_groups(a->file, name) < 0;
    if (!bad)
        e->dataset = H5Dcreate2(a->file, name, type, space, H5P_DEFAULT, layout, cache);
    bad = bad || e->dataset < 0;
    if (!bad && d->labels && e->rank)
        bad = tessi_store_attribute_text(e->dataset, "labels", d->labels) < 0;
    if (!bad && d->unit)
        bad = tessi_store_attribute_text(e->dataset, "unit", d->unit) < 0;
    tessi_store_close(type);
    tessi_store_close(space);
    tessi_store_close(layout);
    tessi_store_close(cache);
    return bad ? -1 : 0;
}

/* Closes a dataset when all its rows are written: the last chunks go out now, and an entry keeps no cache. */
int tessi_store_complete(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e)
{
    int status = tessi_store_chunk_end(ctx, a, e);
    herr_t bad = H5Dclose(e->dataset) < 0;
    e->dataset = -1;
    return status == TESS_OK && bad ? tessi_store_give_up(ctx, a, e->name) : status;
}

int tessi_store_start(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tessi_entry *planned,
                      const struct tess_dataset *d)
{
    char *copy;
    tessi_base_digest_queue_wait(a->digests); /* the digests are about to move, with their entries */
    TESS_TRY(tess_copy_text(ctx, name, &copy));
    int status = tess_reserve(ctx, &a->entry, &a->entry_capacity, a->entries + 1, sizeof *a->entry, "datasets of an artefact");
    if (status != TESS_OK) {
        tess_free(copy);
        return status;
    }
    struct tessi_entry *e = &a->entry[a->entries++];
    *e = *planned;
    e->name = copy;
    e->portable = a->disk.portable;
    if (e->portable && e->dtype != TESS_F32 && e->dtype != TESSI_TEXT)
        e->precision = 8 * (int32_t)tessi_store_entry_size(e);
    tess_digest_start(&e->digest);
    e->chunk_rows = tessi_store_plain_chunk(e, d);
    if (make_dataset(a, e, name, d) < 0)
        return tessi_store_give_up(ctx, a, name);
    return e->rank && e->dim[0] == 0 ? tessi_store_complete(ctx, a, e) : TESS_OK;
}

/* Appends rows in their stored dtype through HDF5. */
static int artefact_write_through(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const void *values,
                                  int64_t rows)
{
    hsize_t first[TESS_MAX_RANK] = {(hsize_t)e->rows}, count[TESS_MAX_RANK] = {(hsize_t)rows};
    for (int32_t i = 1; i < e->rank; i++)
        count[i] = (hsize_t)e->dim[i];
    hid_t type = tessi_store_memory_type(e), there = H5Dget_space(e->dataset);
    hid_t here = e->rank ? H5Screate_simple(e->rank, count, NULL) : H5Screate(H5S_SCALAR);
    herr_t bad = type < 0 || there < 0 || here < 0 ||
                 (e->rank && H5Sselect_hyperslab(there, H5S_SELECT_SET, first, NULL, count, NULL) < 0) ||
                 H5Dwrite(e->dataset, type, here, there, H5P_DEFAULT, values) < 0;
    int status = bad ? tessi_store_give_up(ctx, a, e->name) : TESS_OK;
    tessi_store_close(type);
    tessi_store_close(there);
    tessi_store_close(here);
    return status;
}

int tessi_store_write_rows(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const void *values, int64_t rows)
{
    int64_t elements = rows * tessi_store_entry_row(e);
    int status = TESS_OK;
    if (elements && !a->drops) {
        status = (e->chunk_rows ? tessi_store_chunk_fill : artefact_write_through)(ctx, a, e, values, rows);
        if (!e->apart)
            tessi_store_digest_values(&e->digest, e, values, elements);
    }
    a->failed |= status != TESS_OK;
    e->rows += rows;
    return status;
}

static int64_t integer_at(const void *values, int32_t dtype, int64_t i)
{
    return dtype == TESS_U8    ? ((const uint8_t *)values)[i]
           : dtype == TESS_U16 ? ((const uint16_t *)values)[i]
                               : ((const int32_t *)values)[i];
}

/* Converts integers to the stored dtype; returns the index of the first that does not fit, or n. */
static int64_t artefact_write_pack(const struct tessi_entry *e, const void *from, int64_t first, int64_t n, void *to)
{
    int64_t max = ((int64_t)1 << e->precision) - 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t value = integer_at(from, e->given, first + i);
        if (value < 0 || value > max)
            return i;
        if (e->dtype == TESS_U8)
            ((uint8_t *)to)[i] = (uint8_t)value;
        else if (e->dtype == TESS_U16)
            ((uint16_t *)to)[i] = (uint16_t)value;
        else
            ((int32_t *)to)[i] = (int32_t)value;
    }
    return n;
}

static int write_packed(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const void *values, int64_t rows)
{
    int64_t row = tessi_store_entry_row(e), size = (int64_t)tessi_store_entry_size(e), block = TESSI_BLOCK / size / (row ? row : 1);
    if (block < 1)
        block = 1;
    if (block > rows)
        block = rows;
    void *to;
    TESS_TRY(tess_alloc(ctx, (size_t)(block * row * size), "packing codes", &to));
    int status = TESS_OK;
    for (int64_t done = 0; done < rows && status == TESS_OK; done += block) {
        int64_t n = rows - done < block ? rows - done : block;
        int64_t bad = artefact_write_pack(e, values, done * row, n * row, to);
        if (bad == n * row)
            status = tessi_store_write_rows(ctx, a, e, to, n);
        else {
            a->failed = 1;
            status = ctx->fail(ctx, TESS_E_VALUE, "%s: /%s: row %lld holds %lld; %d bits hold 0 .. %lld", a->path, e->name,
                             (long long)(e->rows + bad / row), (long long)integer_at(values, e->given, done * row + bad), e->precision,
                             (1LL << e->precision) - 1);
        }
    }
    tess_free(to);
    return status;
}

static int add_rows(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const void *values, int64_t rows)
{
    int plain = e->given == e->dtype && (e->dtype == TESS_F32 || e->is_signed || (size_t)e->precision == 8 * tessi_store_entry_size(e));
    TESS_TRY((plain ? tessi_store_write_rows : write_packed)(ctx, a, e, values, rows));
    return e->rows == e->dim[0] || !e->rank ? tessi_store_complete(ctx, a, e) : TESS_OK;
}

/* Reads the caller's options, whose struct may be of another size than ours. */
static struct tess_dataset artefact_write_settings(const struct tess_dataset *d)
{
    struct tess_dataset own = {.size = sizeof own};
    if (d)
        memcpy(&own, d, d->size && d->size < sizeof own ? d->size : sizeof own);
    return own;
}

static int artefact_write_begin(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *shape,
                 const struct tess_dataset *d)
{
    struct tess_dataset own = artefact_write_settings(d);
    struct tessi_entry e;
    TESS_TRY(tessi_store_check_new(ctx, a, name));
    TESS_TRY(artefact_write_plan(ctx, a, name, shape, own.bits, &e));
    return tessi_store_start(ctx, a, name, &e, &own);
}

const char *tessi_store_bare_name(const char *name)
{
    return name + strspn(name, "/");
}

int tessi_store_check_reserved(struct tess_context *ctx, const struct tess_artefact *a, const char *name)
{
    if (tessi_store_reserved_name(name))
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: /%s is no place for a dataset: metrics, pictures, parts and provenance have their own",
                         a->path, name);
    return TESS_OK;
}

int tess_artefact_begin(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *shape,
                        const struct tess_dataset *d)
{
    name = tessi_store_bare_name(name);
    TESS_TRY(tessi_store_check_reserved(ctx, a, name));
    tessi_store_lock();
    int status = artefact_write_begin(ctx, a, name, shape, d);
    tessi_store_unlock();
    return status;
}

static int artefact_write_append(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *rows)
{
    struct tessi_entry *e = tessi_store_entry_find(a, name);
    char wanted[160], found[160];
    if (a->failed)
        return ctx->fail(ctx, TESS_E_IO, "%s: an earlier write failed, nothing more is taken", a->path);
    if (!e || e->dtype == TESSI_TEXT || !e->rank)
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: /%s takes no rows: it was not begun", a->path, name);
    struct tess_tensor want = tess_tensor_over(NULL, e->given, e->rank, e->dim);
    want.dim[0] = rows->dim[0];
    if (!tess_tensor_same_shape(&want, rows))
        return ctx->fail(ctx, TESS_E_SHAPE, "%s: /%s: rows of %s were given, %s was begun", a->path, name,
                       tess_tensor_text(rows, found, sizeof found), tess_tensor_text(&want, wanted, sizeof wanted));
    if (rows->dim[0] > e->dim[0] - e->rows)
        return ctx->fail(ctx, TESS_E_SHAPE, "%s: /%s has room for %lld rows more, %lld were given", a->path, name,
                       (long long)(e->dim[0] - e->rows), (long long)rows->dim[0]);
    return rows->dim[0] ? add_rows(ctx, a, e, rows->data, rows->dim[0]) : TESS_OK;
}

int tess_artefact_append(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *rows)
{
    tessi_store_lock();
    int status = artefact_write_append(ctx, a, tessi_store_bare_name(name), rows);
    tessi_store_unlock();
    return status;
}

static int artefact_write_end(struct tess_context *ctx, struct tess_artefact *a, const char *name)
{
    struct tessi_entry *e = tessi_store_entry_find(a, name);
    if (a->failed)
        return ctx->fail(ctx, TESS_E_IO, "%s: an earlier write failed, nothing more is taken", a->path);
    if (!e || !e->rank || e->rows < 1)
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: /%s cannot end: it has no rows", a->path, name);
    if (e->dataset < 0)
        return TESS_OK;
    hsize_t dims[TESS_MAX_RANK];
    e->dim[0] = e->rows;
    for (int32_t i = 0; i < e->rank; i++)
        dims[i] = (hsize_t)e->dim[i];
    if (H5Dset_extent(e->dataset, dims) < 0)
        return tessi_store_give_up(ctx, a, name);
    return tessi_store_complete(ctx, a, e);
}

int tess_artefact_end(struct tess_context *ctx, struct tess_artefact *a, const char *name)
{
    tessi_store_lock();
    int status = artefact_write_end(ctx, a, tessi_store_bare_name(name));
    tessi_store_unlock();
    return status;
}

int tessi_store_put(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *t,
                    const struct tess_dataset *d)
{
    TESS_TRY(artefact_write_begin(ctx, a, name, t, d));
    if (t->rank && t->dim[0] == 0)
        return TESS_OK;
    return add_rows(ctx, a, &a->entry[a->entries - 1], t->data, t->rank ? t->dim[0] : 1);
}

int tess_artefact_put(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *t,
                      const struct tess_dataset *d)
{
    name = tessi_store_bare_name(name);
    TESS_TRY(tessi_store_check_reserved(ctx, a, name));
    tessi_store_lock();
    int status = tessi_store_put(ctx, a, name, t, d);
    tessi_store_unlock();
    return status;
}
