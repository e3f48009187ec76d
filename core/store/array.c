/* Datasets in files of other programs; see <tessera/array.h>. The file is opened as an artefact's is, through our own driver, and no
 * dataset but the one that is asked for is looked at. A name is resolved step by step, since HDF5 would follow links into other files by
 * itself.
 *
 * SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <tessera/array.h>

#include <stdio.h>
#include <string.h>

enum { ARRAY_NAMES = 400, ARRAY_LINKS = 100000, ARRAY_PIECE = 8192 };
#define ARRAY_CHUNK_MAX ((size_t)1 << 30)
#define ARRAY_CACHE ((size_t)64 << 20)

struct tess_array {
    struct tess_artefact *file; /* path, driver and handle alone */
    struct tessi_entry entry;   /* name, rank, sizes */
    struct tess_array_shape shape;
};

/* ---- the name ------------------------------------------------------------------------------------------------------ */

struct names {
    char text[ARRAY_NAMES];
    size_t used;
    int64_t links;
};

/* Adds the name of a dataset to those that are told; stops where there is no room for more. */
static herr_t array_add_name(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    struct names *n = user;
    char shown[120];
    H5O_info_t about;
    if (++n->links > ARRAY_LINKS)
        return 1;
    if (info->type != H5L_TYPE_HARD || H5Oget_info_by_name(group, name, &about, H5P_DEFAULT) < 0 || about.type != H5O_TYPE_DATASET)
        return 0;
    (void)tess_shown_text(name, shown, sizeof shown);
    int more = n->used + strlen(shown) + 8 < sizeof n->text;
    n->used += (size_t)snprintf(n->text + n->used, sizeof n->text - n->used, "%s%s", n->used ? ", " : "", more ? shown : "...");
    return !more;
}

static int array_no_such(struct tess_context *ctx, const struct tess_array *a)
{
    struct names n = {.text = ""};
    (void)tessi_store_visit_links(a->file->file, array_add_name, &n);
    return ctx->fail(ctx, TESS_E_DATA, "%s: has no dataset `%s`; it has %s", a->file->path, a->entry.name, n.used ? n.text : "none");
}

static int array_refuse(struct tess_context *ctx, const struct tess_array *a, const char *why)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: dataset `%s` %s", a->file->path, a->entry.name, why);
}

/* Checks that every step of the name is a plain link, the last one to a dataset. */
static int array_find(struct tess_context *ctx, const struct tess_array *a)
{
    char step[TESSI_NAME_MAX];
    const char *name = a->entry.name;
    H5O_info_t about;
    for (const char *end = name; *end; end += *end == '/') {
        H5L_info_t link;
        end += strcspn(end, "/");
        (void)snprintf(step, sizeof step, "%.*s", (int)(end - name), name);
        if (H5Lexists(a->file->file, step, H5P_DEFAULT) <= 0 || H5Lget_info(a->file->file, step, &link, H5P_DEFAULT) < 0)
            return array_no_such(ctx, a);
        if (link.type != H5L_TYPE_HARD)
            return array_refuse(ctx, a, "is reached by a link, which may lead anywhere; name the dataset itself");
    }
    if (H5Oget_info_by_name(a->file->file, name, &about, H5P_DEFAULT) < 0 || about.type != H5O_TYPE_DATASET)
        return array_no_such(ctx, a);
    return TESS_OK;
}

/* ---- the dataset --------------------------------------------------------------------------------------------------- */

/* Reads type and sizes; gives NULL, or what is wrong with them. */
static const char *array_type(struct tess_array *a, hid_t type)
{
    H5T_class_t class = H5Tget_class(type);
    size_t bytes = H5Tget_size(type);
    if ((class != H5T_INTEGER && class != H5T_FLOAT) || (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8))
        return "holds no numbers of 8, 16, 32 or 64 bits";
    a->shape.kind = class == H5T_FLOAT ? 'f' : H5Tget_sign(type) == H5T_SGN_NONE ? 'u' : 'i';
    a->shape.bytes = (int32_t)bytes;
    a->entry.dtype = bytes == 1 ? TESS_U8 : bytes == 2 ? TESS_U16 : TESS_I32; /* its size decides what is claimed and stored */
    return NULL;
}

static size_t array_chunk_bytes(const struct tess_array *a, hid_t layout)
{
    hsize_t dims[H5S_MAX_RANK];
    size_t bytes = (size_t)a->shape.bytes;
    int n = H5Pget_layout(layout) == H5D_CHUNKED ? H5Pget_chunk(layout, H5S_MAX_RANK, dims) : 0;
    for (int i = 0; i < n; i++)
        if (__builtin_mul_overflow(bytes, dims[i], &bytes))
            return SIZE_MAX;
    return bytes;
}

/* Looks at the dataset before anything of it is used. */
static const char *array_look(struct tess_array *a, hid_t dataset, size_t *chunk)
{
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset), layout = H5Dget_create_plist(dataset);
    const char *wrong = type < 0 || space < 0 || layout < 0 ? "cannot be read" : array_type(a, type);
    if (!wrong && (!tessi_store_known_shape(space, &a->entry) || a->entry.rank < 1))
        wrong = "has no dimensions, more than five, or sizes beyond all measure";
    a->entry.stored = wrong ? 0 : (int64_t)H5Dget_storage_size(dataset);
    if (!wrong)
        wrong = tessi_store_foreign_storage(layout, &a->entry);
    *chunk = wrong ? 0 : array_chunk_bytes(a, layout);
    if (!wrong && *chunk > ARRAY_CHUNK_MAX)
        wrong = "is stored in chunks of more than 1 GiB; write it in smaller ones (h5repack -l)";
    tessi_store_close(type);
    tessi_store_close(space);
    tessi_store_close(layout);
    return wrong;
}

static hid_t array_access(size_t chunk)
{
    hid_t access = H5Pcreate(H5P_DATASET_ACCESS);
    size_t cache = chunk * 4 > ARRAY_CACHE ? ARRAY_CACHE : chunk * 4 < TESSI_BLOCK ? TESSI_BLOCK : chunk * 4;
    cache = cache < chunk ? chunk : cache;
    if (access >= 0 && H5Pset_chunk_cache(access, 521, cache, 1.0) < 0) {
        H5Pclose(access);
        access = -1;
    }
    return access;
}

static int array_open_dataset(struct tess_context *ctx, struct tess_array *a)
{
    size_t chunk = 0;
    hid_t dataset = H5Dopen2(a->file->file, a->entry.name, H5P_DEFAULT), access = -1;
    if (dataset < 0)
        return tessi_store_fail(ctx, a->file, a->entry.name);
    const char *wrong = array_look(a, dataset, &chunk);
    H5Dclose(dataset);
    if (wrong)
        return array_refuse(ctx, a, wrong);
    access = array_access(chunk);
    a->entry.dataset = access < 0 ? -1 : H5Dopen2(a->file->file, a->entry.name, access);
    tessi_store_close(access);
    return a->entry.dataset < 0 ? tessi_store_fail(ctx, a->file, a->entry.name) : TESS_OK;
}

static int array_open_file(struct tess_context *ctx, struct tess_array *a)
{
    TESS_TRY(tessi_store_memory_check(ctx, a->file));
    hid_t access = tessi_store_disk_access(&a->file->disk);
    a->file->file = access < 0 ? -1 : H5Fopen(a->file->path, H5F_ACC_RDONLY, access);
    tessi_store_close(access);
    if (a->file->file < 0)
        return tessi_store_fail(ctx, a->file, "");
    TESS_TRY(array_find(ctx, a));
    return array_open_dataset(ctx, a);
}

/* ---- public -------------------------------------------------------------------------------------------------------- */

static int array_new(struct tess_context *ctx, const char *path, const char *name, struct tess_array **out)
{
    void *memory;
    size_t length = strlen(name);
    TESS_TRY(tess_alloc(ctx, sizeof **out, "an array", &memory));
    struct tess_array *a = *out = memory;
    a->entry.dataset = -1;
    TESS_TRY(tess_alloc(ctx, sizeof *a->file, "a file of arrays", &memory));
    a->file = memory;
    a->file->disk.fd = -1;
    a->file->file = -1;
    TESS_TRY(tess_copy_text(ctx, path, &a->file->path));
    while (*name == '/')
        name++, length--;
    while (length && name[length - 1] == '/')
        length--;
    if (length < 1 || length >= TESSI_NAME_MAX)
        return ctx->fail(ctx, TESS_E_VALUE, "%s: `%.80s` is no name of a dataset", path, name);
    TESS_TRY(tess_copy_bytes(ctx, name, length, &a->entry.name));
    return tessi_store_disk_open(ctx, &a->file->disk, path);
}

int tess_array_open(struct tess_context *ctx, const char *path, const char *name, struct tess_array **out)
{
    *out = NULL;
    int status = array_new(ctx, path, name, out);
    struct tess_array *a = *out;
    if (status == TESS_OK) {
        tessi_store_lock();
        status = array_open_file(ctx, a);
        tessi_store_unlock();
    }
    if (status == TESS_OK) {
        a->shape.size = sizeof a->shape;
        a->shape.rank = a->entry.rank;
        memcpy(a->shape.dim, a->entry.dim, sizeof a->shape.dim);
    } else {
        tess_array_close(a);
        *out = NULL;
    }
    return status;
}

void tess_array_close(struct tess_array *a)
{
    if (!a)
        return;
    if (a->file) {
        tessi_store_lock();
        tessi_store_close(a->entry.dataset);
        if (a->file->file >= 0)
            (void)H5Fclose(a->file->file);
        tessi_store_unlock();
        tessi_store_disk_close(&a->file->disk);
        tess_free(a->file->path);
    }
    tess_free(a->file);
    tess_free(a->entry.name);
    tess_free(a);
}

void tess_array_shape_of(const struct tess_array *a, struct tess_array_shape *out)
{
    uint32_t size = out->size;
    memcpy(out, &a->shape, size < sizeof a->shape ? size : sizeof a->shape);
    out->size = size;
}

/* Reads rows as HDF5's `type`; the lock is held. */
static int array_read_as(struct tess_context *ctx, const struct tess_array *a, int64_t first, int64_t rows, hid_t type, void *to)
{
    hsize_t from[TESS_MAX_RANK] = {(hsize_t)first}, count[TESS_MAX_RANK] = {(hsize_t)rows};
    for (int32_t i = 1; i < a->entry.rank; i++)
        count[i] = (hsize_t)a->entry.dim[i];
    hid_t there = H5Dget_space(a->entry.dataset), here = H5Screate_simple(a->entry.rank, count, NULL);
    int bad = there < 0 || here < 0 || H5Sselect_hyperslab(there, H5S_SELECT_SET, from, NULL, count, NULL) < 0 ||
              H5Dread(a->entry.dataset, type, here, there, H5P_DEFAULT, to) < 0;
    int status = bad ? tessi_store_fail(ctx, a->file, a->entry.name) : TESS_OK;
    tessi_store_close(there);
    tessi_store_close(here);
    return status;
}

/* Reads rows of integers as i32 by way of i64, so that what does not fit is noticed: HDF5 would clip it. */
static int array_read_i32(struct tess_context *ctx, const struct tess_array *a, int64_t first, int64_t rows, int32_t *to)
{
    int64_t piece[ARRAY_PIECE], row = tessi_store_entry_row(&a->entry), step = row > ARRAY_PIECE ? 0 : ARRAY_PIECE / (row ? row : 1);
    if (step == 0)
        return array_refuse(ctx, a, "has rows of more than 8192 integers, and labels were wanted");
    for (int64_t i = 0; i < rows; i += step) {
        int64_t n = rows - i < step ? rows - i : step;
        TESS_TRY(array_read_as(ctx, a, first + i, n, H5T_NATIVE_INT64, piece));
        for (int64_t k = 0; k < n * row; k++) {
            if (piece[k] < INT32_MIN || piece[k] > INT32_MAX)
                return array_refuse(ctx, a, "holds a number that does not fit into 32 bits");
            to[i * row + k] = (int32_t)piece[k];
        }
    }
    return TESS_OK;
}

int tess_array_read(struct tess_context *ctx, const struct tess_array *a, int64_t first, int64_t rows, int32_t dtype, void *to)
{
    int bytes = a->shape.kind == 'u' && a->shape.bytes == 1;
    if (first < 0 || rows < 0 || first > a->entry.dim[0] - rows || (dtype != TESS_U8 && dtype != TESS_I32))
        return ctx->fail(ctx, TESS_E_INTERNAL, "%s: rows %lld to %lld of %lld of `%s` were wanted", a->file->path, (long long)first,
                         (long long)(first + rows), (long long)a->entry.dim[0], a->entry.name);
    if (a->shape.kind == 'f' || (dtype == TESS_U8 && !bytes))
        return array_refuse(ctx, a, dtype == TESS_U8 ? "holds other numbers than bytes" : "holds real numbers, integers were wanted");
    tessi_store_lock();
    int status = dtype == TESS_U8 ? array_read_as(ctx, a, first, rows, H5T_NATIVE_UINT8, to) : array_read_i32(ctx, a, first, rows, to);
    tessi_store_unlock();
    return status;
}
