/* An artefact as an object: what it is called, how it begins and how it ends without being finished. One that is written has its file
 * aside; after a failed write the file is given up (disk.c drops what still comes), since HDF5 keeps trying to write what
 * it could not; the partial file is removed. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <string.h>
#include <unistd.h>

/* ---- the object ---------------------------------------------------------------------------------------------------- */

struct tessi_entry *tessi_store_entry_find(const struct tess_artefact *a, const char *name)
{
    while (*name == '/')
        name++;
    if (!a->writing) {
        int64_t low = 0, high = a->entries;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            int order = strcmp(a->entry[middle].name, name);
            if (order == 0)
                return &a->entry[middle];
            if (order < 0)
                low = middle + 1;
            else
                high = middle;
        }
        return NULL;
    }
    for (int64_t i = 0; i < a->entries; i++)
        if (strcmp(a->entry[i].name, name) == 0)
            return &a->entry[i];
    return NULL;
}

int tessi_store_entry_order(const void *a, const void *b)
{
    return strcmp(((const struct tessi_entry *)a)->name, ((const struct tessi_entry *)b)->name);
}

void tessi_store_artefact_free(struct tess_artefact *a)
{
    tessi_base_digest_queue_free(a->digests);
    tessi_store_parts_free(a->parts);
    for (int64_t i = 0; i < a->entries; i++) {
        tess_free(a->entry[i].name);
        tessi_store_chunks_free(a->entry[i].chunks);
        tess_free(a->entry[i].room);
    }
    tessi_store_chunk_cache_free(a->own_cache);
    for (int64_t i = 0; i < a->metrics; i++) {
        tess_free(a->metric[i].name);
        tess_free(a->metric[i].unit);
    }
    for (int64_t i = 0; i < a->pictures; i++)
        tess_free(a->picture[i]);
    for (int64_t i = 0; i < a->notes; i++) {
        tess_free(a->note[i].name);
        tess_free(a->note[i].value);
    }
    tess_free(a->entry);
    tess_free(a->metric);
    tess_free(a->picture);
    tess_free(a->note);
    tessi_base_attrs_free(a->attrs);
    tess_free(a->path);
    tess_free(a->kind);
    tess_free(a);
}

const char *tess_artefact_kind(const struct tess_artefact *a)
{
    return a->kind;
}

const char *tess_artefact_path(const struct tess_artefact *a)
{
    return a->path;
}

const char *tess_artefact_digest(const struct tess_artefact *a)
{
    return a->digest;
}

const struct tess_attrs *tess_artefact_attrs(const struct tess_artefact *a)
{
    return a->attrs;
}

struct tess_attrs *tess_artefact_describe(struct tess_artefact *a)
{
    return a->attrs;
}

/* ---- making and dropping ------------------------------------------------------------------------------------------- */

int tessi_store_give_up(struct tess_context *ctx, struct tess_artefact *a, const char *what)
{
    int status = tessi_store_fail(ctx, a, what);
    a->failed = 1;
    a->disk.discard = 1;
    return status;
}

/* Closes and removes what was not published; the lock is held. */
static void artefact_drop(struct tess_artefact *a)
{
    a->disk.discard = 1;
    if (a->file >= 0)
        (void)H5Fclose(a->file);
    a->file = -1;
    tessi_store_disk_close(&a->disk);
}

/* Attributes and links keep their order; the root's stay in its header, without the tables of large groups. No object has times, which
 * would make files of the same content differ. */
static hid_t root_properties(const struct tess_artefact *a)
{
    hid_t p = H5Pcreate(H5P_FILE_CREATE);
    if (p >= 0 && a->disk.portable && H5Pset_obj_track_times(p, 0) >= 0)
        return p;
    if (p >= 0 && H5Pset_obj_track_times(p, 0) >= 0 && H5Pset_attr_creation_order(p, H5P_CRT_ORDER_TRACKED) >= 0 &&
        H5Pset_attr_phase_change(p, 64, 32) >= 0 && H5Pset_link_phase_change(p, 64, 32) >= 0)
        return p;
    tessi_store_close(p);
    return -1;
}

static hid_t create_file(struct tess_artefact *a)
{
    hid_t make = root_properties(a), access = tessi_store_disk_access(&a->disk), file = -1;
    if (make >= 0 && access >= 0)
        file = H5Fcreate(a->path, H5F_ACC_TRUNC, make, access);
    tessi_store_close(make);
    tessi_store_close(access);
    return file;
}

void tessi_store_artefact_remove(const char *path)
{
    (void)unlink(path);
    tessi_base_aside_sweep(path);
}

void tessi_store_artefact_when_full(struct tess_artefact *a, int (*again)(void *user, const char *path, int error), void *user)
{
    tessi_base_aside_when_full(a->disk.aside, again, user);
}

int tessi_store_artefact_reserve(struct tess_artefact *a, int64_t bytes)
{
    return tessi_base_aside_reserve(a->disk.aside, bytes);
}

static int artefact_create(struct tess_context *ctx, const char *path, const char *kind, int portable, struct tess_artefact **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tess_artefact), "an artefact", &memory));
    struct tess_artefact *a = memory;
    a->disk.fd = -1;
    a->file = -1;

    a->writing = 1;
    int status;
    if ((status = tess_copy_text(ctx, path, &a->path)) != TESS_OK || (status = tess_copy_text(ctx, kind, &a->kind)) != TESS_OK ||
        (status = tessi_base_attrs_new(ctx, &a->attrs)) != TESS_OK || (status = tessi_store_disk_create(ctx, &a->disk, path)) != TESS_OK)
        goto done;
    if ((status = tessi_store_memory_check(ctx, a)) != TESS_OK)
        goto done;
    a->disk.portable = portable;
    tessi_store_lock();
    a->file = create_file(a);
    if (a->file < 0)
        status = tessi_store_give_up(ctx, a, "");
    tessi_store_unlock();
done:
    if (status != TESS_OK)
        tessi_store_artefact_close(a);
    else
        *out = a;
    return status;
}

int tessi_store_artefact_create(struct tess_context *ctx, const char *path, const char *kind, struct tess_artefact **out)
{
    return artefact_create(ctx, path, kind, 0, out);
}

int tessi_store_artefact_create_portable(struct tess_context *ctx, const char *path, const char *kind, struct tess_artefact **out)
{
    return artefact_create(ctx, path, kind, 1, out);
}

int tessi_store_artefact_create_dropping(struct tess_context *ctx, const char *path, const char *kind, struct tess_artefact **out)
{
    TESS_TRY(artefact_create(ctx, path, kind, 0, out));
    (*out)->drops = 1;
    (void)unlink(tessi_base_aside_name((*out)->disk.aside)); /* the system frees it with the process, however that ends */
    return TESS_OK;
}

void tessi_store_artefact_close(struct tess_artefact *a)
{
    if (!a)
        return;
    tessi_store_lock();
    artefact_drop(a);
    tessi_store_unlock();
    tessi_store_artefact_free(a);
}
