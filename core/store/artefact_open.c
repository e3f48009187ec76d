/* Opening an artefact: everything in the file is looked at before anything is used. Attributes, provenance and metrics are read whole; of
 * every dataset the shape, type, filters and place. What tessera would not have written is refused: a file from a stranger must
 * not lead out of itself (external links, external or virtual storage), load code (unknown filters), or claim more than it holds.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/store/store_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX (1 << 20)
#define COUNT_MAX ((int64_t)1 << 48)
#define INFLATE_MAX 40000 /* largest ratio of inflated to stored bytes: deflate (1032) on top of one bit in 32 */

struct visit {
    struct tess_context *ctx;
    struct tess_artefact *a;
    int64_t links;
    int status;
};

static int known_type(hid_t type, struct tessi_entry *e)
{
    size_t size = H5Tget_size(type);
    H5T_class_t class = H5Tget_class(type);
    if (class == H5T_STRING) {
        e->dtype = TESSI_TEXT;
        e->precision = 8 * (int32_t)size;
        return H5Tis_variable_str(type) == 0 && size >= 1 && size <= 1 << 16;
    }
    if (class == H5T_FLOAT) {
        e->dtype = TESS_F32;
        return H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0;
    }
    if (class != H5T_INTEGER || H5Tget_offset(type) != 0)
        return 0;
    e->precision = (int32_t)H5Tget_precision(type);
    e->is_signed = H5Tget_sign(type) != H5T_SGN_NONE;
    e->dtype = size == 1 ? TESS_U8 : size == 2 ? TESS_U16 : TESS_I32;
    if (e->is_signed)
        return size == 4 && e->precision == 32;
    return e->precision >= 1 && (size == 1 || size == 2 || (size == 4 && e->precision <= TESSI_FILE_BITS_MAX));
}

int tessi_store_known_shape(hid_t space, struct tessi_entry *e)
{
    hsize_t dims[H5S_MAX_RANK], count = 1;
    H5S_class_t class = H5Sget_simple_extent_type(space);
    e->rank = class == H5S_SCALAR ? 0 : H5Sget_simple_extent_ndims(space);
    if ((class != H5S_SCALAR && class != H5S_SIMPLE) || e->rank < 0 || e->rank > TESS_MAX_RANK ||
        H5Sget_simple_extent_dims(space, dims, NULL) < 0)
        return 0;
    for (int32_t i = 0; i < TESS_MAX_RANK; i++) {
        hsize_t n = i < e->rank ? dims[i] : 1;
        if (n > (hsize_t)COUNT_MAX || (n && count > (hsize_t)COUNT_MAX / n))
            return 0;
        e->dim[i] = (int64_t)n;
        count *= n ? n : 1; /* a zero must not hide what the others multiply to */
    }
    return 1;
}

const char *tessi_store_foreign_storage(hid_t layout, const struct tessi_entry *e)
{
    if (H5Pget_external_count(layout) != 0)
        return "is stored outside the file";
    H5D_layout_t kind = H5Pget_layout(layout);
    if (kind == H5D_VIRTUAL)
        return "is assembled from other files";
    int n = kind == H5D_CHUNKED ? H5Pget_nfilters(layout) : 0;
    for (int i = 0; i < n; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t id = H5Pget_filter2(layout, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        if (id != H5Z_FILTER_NBIT && id != H5Z_FILTER_FLETCHER32 && id != H5Z_FILTER_SHUFFLE && id != H5Z_FILTER_DEFLATE)
            return "needs a filter tessera does not know";
        if (H5Zfilter_avail(id) <= 0)
            return "needs a filter this HDF5 was built without";
    }
    if (tessi_store_entry_count(e) > 0 && e->stored == 0)
        return "has a shape and no values";
    if ((double)e->stored * INFLATE_MAX < (double)tessi_store_entry_count(e) * (double)tessi_store_entry_size(e))
        return "claims more values than it can hold";
    return n < 0 || kind < 0 ? "has no layout" : NULL;
}

static int artefact_open_add_entry(struct tess_context *ctx, struct tess_artefact *a, const char *name, struct tessi_entry *e)
{
    TESS_TRY(tess_copy_text(ctx, name, &e->name));
    int status = tess_reserve(ctx, &a->entry, &a->entry_capacity, a->entries + 1, sizeof *a->entry, "datasets of an artefact");
    if (status != TESS_OK)
        tess_free(e->name);
    else
        a->entry[a->entries++] = *e;
    return status;
}

static int inspect_dataset(struct tess_context *ctx, struct tess_artefact *a, const char *name, hid_t dataset)
{
    struct tessi_entry e = {.dataset = -1};
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset), layout = H5Dget_create_plist(dataset);
    const char *wrong = NULL;
    int status = TESS_OK;
    if (type < 0 || space < 0 || layout < 0) {
        status = tessi_store_fail(ctx, a, name);
    } else if (strncmp(name, "metrics/", 8) == 0) {
        int metric = H5Pget_layout(layout) == H5D_COMPACT && H5Tget_class(type) == H5T_FLOAT && H5Tget_size(type) == 8 &&
                     H5Sget_simple_extent_type(space) == H5S_SCALAR;
        status = metric ? tessi_store_metric_read(ctx, a, name, dataset) : tessi_store_foreign(ctx, a, name, "is no metric");
    } else {
        if (!known_type(type, &e))
            wrong = "is of a foreign type";
        else if (!tessi_store_known_shape(space, &e))
            wrong = "is of a shape tessera has no use for";
        e.stored = wrong ? 0 : (int64_t)H5Dget_storage_size(dataset);
        e.chunked = H5Pget_layout(layout) == H5D_CHUNKED;
        if (!wrong)
            wrong = tessi_store_foreign_storage(layout, &e);
        status = wrong ? tessi_store_foreign(ctx, a, name, wrong) : artefact_open_add_entry(ctx, a, name, &e);
    }
    tessi_store_close(type);
    tessi_store_close(space);
    tessi_store_close(layout);
    return status;
}

/* Inspects one link of a group; links other than hard ones are not followed. */
static herr_t inspect_link(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    struct visit *v = user;
    if (++v->links > LINKS_MAX) {
        v->status = tessi_store_foreign(v->ctx, v->a, name, "is one of too many");
    } else if (info->type != H5L_TYPE_HARD) {
        v->status = tessi_store_foreign(v->ctx, v->a, name,
                                        info->type == H5L_TYPE_SOFT       ? "is a soft link"
                                        : info->type == H5L_TYPE_EXTERNAL ? "is a link into another file"
                                                                          : "is a link of an unknown type");
    } else {
        hid_t object = H5Oopen(group, name, H5P_DEFAULT);
        if (object < 0)
            v->status = tessi_store_fail(v->ctx, v->a, name);
        else if (H5Iget_type(object) == H5I_DATASET)
            v->status = inspect_dataset(v->ctx, v->a, name, object);
        else if (H5Iget_type(object) != H5I_GROUP)
            v->status = tessi_store_foreign(v->ctx, v->a, name, "is neither a dataset nor a group");
        tessi_store_close(object);
    }
    return v->status == TESS_OK ? 0 : -1;
}

/* Index of a member in the order of creation of its group, or -1. */
static int64_t written_at(hid_t group, const char *name)
{
    H5L_info_t info;
    return H5Lget_info(group, name, &info, H5P_DEFAULT) >= 0 && info.corder_valid ? info.corder : -1;
}

/* Sorts metrics, by insertion, in the order of writing; lists are short, and in order already when the file has none. */
static void order_metrics(struct tess_artefact *a, hid_t group)
{
    for (int64_t i = 1; i < a->metrics; i++) {
        struct tessi_metric moved = a->metric[i];
        int64_t place = written_at(group, moved.name), k = i;
        for (; k > 0 && written_at(group, a->metric[k - 1].name) > place; k--)
            a->metric[k] = a->metric[k - 1];
        a->metric[k] = moved;
    }
}

static void order_pictures(struct tess_artefact *a, hid_t group)
{
    for (int64_t i = 1; i < a->pictures; i++) {
        char *moved = a->picture[i];
        int64_t place = written_at(group, moved), k = i;
        for (; k > 0 && written_at(group, a->picture[k - 1]) > place; k--)
            a->picture[k] = a->picture[k - 1];
        a->picture[k] = moved;
    }
}

static int order_members(struct tess_context *ctx, struct tess_artefact *a)
{
    for (int64_t i = 0; i < a->entries; i++) {
        if (strncmp(a->entry[i].name, "pictures/", 9) != 0)
            continue;
        TESS_TRY(tess_reserve(ctx, &a->picture, &a->picture_capacity, a->pictures + 1, sizeof *a->picture, "pictures of an artefact"));
        TESS_TRY(tess_copy_text(ctx, a->entry[i].name + 9, &a->picture[a->pictures]));
        a->pictures++;
    }
    hid_t group = a->pictures ? H5Gopen2(a->file, "pictures", H5P_DEFAULT) : -1;
    if (group >= 0) {
        order_pictures(a, group);
        H5Gclose(group);
    }
    group = a->metrics ? H5Gopen2(a->file, "metrics", H5P_DEFAULT) : -1;
    if (group >= 0) {
        order_metrics(a, group);
        H5Gclose(group);
    }
    return TESS_OK;
}

static int artefact_open_list_contents(struct tess_context *ctx, struct tess_artefact *a)
{
    struct visit v = {ctx, a, 0, TESS_OK};
    if (tessi_store_visit_links(a->file, inspect_link, &v) < 0)
        return v.status != TESS_OK ? v.status : tessi_store_fail(ctx, a, "");
    if (a->entries)
        qsort(a->entry, (size_t)a->entries, sizeof *a->entry, tessi_store_entry_order);
    return order_members(ctx, a);
}

/* Fails where HDF5 cannot open the file: it opens none that is shorter than its superblock says. */
static int artefact_open_cannot_open(struct tess_context *ctx, const struct tess_artefact *a)
{
    struct stat st;
    int64_t end = tessi_store_promised_end(&a->disk);
    if (!a->disk.error && fstat(a->disk.fd, &st) == 0 && end > st.st_size && strstr(tessi_store_reason(), "truncated"))
        return ctx->fail(ctx, TESS_E_DATA, "%s: is truncated: %lld bytes of %lld; copy it again, or delete it and run again what writes it",
                       a->path, (long long)st.st_size, (long long)end);
    return tessi_store_fail(ctx, a, "");
}

void tessi_store_suspend(struct tess_artefact *a)
{
    tessi_store_lock();
    for (int64_t i = 0; i < a->entries; i++)
        a->entry[i].dataset = -1; /* closed with the file */
    (void)H5Fclose(a->file);
    a->file = -1;
    tessi_store_unlock();
}

int tessi_store_resume(struct tess_context *ctx, const struct tess_artefact *a)
{
    struct tess_artefact *own = (struct tess_artefact *)(uintptr_t)a; /* what a reader sees of it does not change */
    if (a->file >= 0)
        return TESS_OK;
    TESS_TRY(tessi_store_memory_check(ctx, a));
    hid_t access = tessi_store_disk_access(&own->disk);
    if (access < 0)
        return tessi_store_fail(ctx, a, "");
    own->file = H5Fopen(a->path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    return a->file < 0 ? artefact_open_cannot_open(ctx, a) : TESS_OK;
}

static int artefact_open_open_file(struct tess_context *ctx, struct tess_artefact *a)
{
    TESS_TRY(tessi_store_resume(ctx, a));
    TESS_TRY(tessi_store_read_head(ctx, a));
    TESS_TRY(artefact_open_list_contents(ctx, a));
    return tessi_store_read_provenance(ctx, a);
}

/* Opens the file and reads what describes it. A read that the disk refused says nothing about the file, though what HDF5 makes of it may
 * look like damage, or like an attribute that is not there. */
static int artefact_open_read(struct tess_context *ctx, struct tess_artefact *a)
{
    int status = artefact_open_open_file(ctx, a);
    if (a->disk.error && (status == TESS_OK || status == TESS_E_DATA)) {
        tessi_base_context_clear(ctx);
        status = tessi_store_fail(ctx, a, "");
    }
    return status;
}

int tessi_store_artefact_descriptor(const struct tess_artefact *a)
{
    return a->disk.fd;
}

/* Path of the file to open: that of the index, where `path` is a folder that has one. */
static int artefact_open_path(struct tess_context *ctx, const char *path, char **out)
{
    struct stat st;
    size_t length = strlen(path);
    TESS_TRY(tessi_base_format(ctx, out, "%s%s" TESSI_STORE_INDEX, path, length && path[length - 1] == '/' ? "" : "/"));
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) && stat(*out, &st) == 0)
        return TESS_OK;
    tess_free(*out);
    *out = NULL;
    return tess_copy_text(ctx, path, out);
}

int tessi_store_artefact_open(struct tess_context *ctx, const char *path, struct tess_artefact **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tess_artefact), "an artefact", &memory));
    struct tess_artefact *a = memory;
    a->disk.fd = -1;
    a->file = -1;
    int status = artefact_open_path(ctx, path, &a->path);
    if (status == TESS_OK)
        status = tessi_base_attrs_new(ctx, &a->attrs);
    if (status == TESS_OK)
        status = tessi_store_disk_open(ctx, &a->disk, a->path);
    if (status == TESS_OK) {
        tessi_store_lock();
        status = artefact_open_read(ctx, a);
        tessi_store_unlock();
    }
    if (status == TESS_OK)
        status = tessi_store_file_sum_expect(ctx, a);
    if (status == TESS_OK)
        status = tessi_store_parts_read_table(ctx, a);
    if (status != TESS_OK)
        tessi_store_artefact_close(a);
    else
        *out = a;
    return status;
}
