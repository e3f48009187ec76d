/* Artefacts in parts: the index is an artefact like any other, and its joined datasets lie in other files, one after the other along the
 * first dimension. A part is opened at its first use and held against the index: kind, digest, attributes and shapes.
 *
 * HDF5 has at most OPEN_MAX parts open at a time, for its memory for a file is large. The others keep a descriptor and where their chunks
 * lie, which is all that reading rows takes (chunks.c), and HDF5 opens them again where it is needed. Beyond KEPT_MAX parts, or a quarter
 * of the descriptors that the process may have, the part that was used least recently is closed; opened again it must still be the same
 * file.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/files.h"
#include "core/store/store_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define OPEN_MAX 16
#define KEPT_MAX 512
#define CURE "get the part again from its source, or make the index again of the parts that are there"

/* ---- the list ------------------------------------------------------------------------------------------------------ */

int64_t tessi_store_parts_count(const struct tess_artefact *a)
{
    return a->parts ? a->parts->count : 0;
}

const char *tessi_store_part_name(const struct tess_artefact *a, int64_t i, int64_t *rows, const char **digest)
{
    if (i < 0 || i >= tessi_store_parts_count(a))
        return NULL;
    *rows = a->parts->part[i].rows;
    *digest = a->parts->part[i].digest;
    return a->parts->part[i].file;
}

int tessi_store_parts_start(struct tess_context *ctx, struct tess_artefact *a)
{
    struct rlimit files;
    a->parts->kept_max = KEPT_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 4 < KEPT_MAX)
        a->parts->kept_max = files.rlim_cur < 16 ? 4 : (int64_t)(files.rlim_cur / 4);
    if (pthread_mutex_init(&a->parts->mutex, NULL) != 0)
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: no mutex is available", a->path);
    return tessi_store_chunk_cache_new(ctx, &a->own_cache);
}

int tessi_store_dataset_joined(const struct tess_artefact *a, int64_t i)
{
    return i >= 0 && i < a->entries && a->entry[i].joined > 0;
}

void tessi_store_parts_free(struct tessi_parts *p)
{
    if (!p)
        return;
    for (int64_t i = 0; i < p->count && p->part; i++) {
        tessi_store_artefact_close(p->part[i].open);
        tess_free(p->part[i].file);
        tess_free(p->part[i].digest);
    }
    for (int64_t i = 0; i < p->sums; i++)
        tess_free(p->summed[i]);
    tess_free(p->summed);
    tess_free(p->start);
    tess_free(p->part);
    tess_free(p->first);
    tess_free(p->list);
    (void)pthread_mutex_destroy(&p->mutex);
    tess_free(p);
}

/* ---- what a part must be ------------------------------------------------------------------------------------------- */

static int parts_differ(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, const char *found, const char *wanted)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: part %lld of %lld, `%s`: %s; the index says %s: " CURE, a->path, (long long)i + 1,
                     (long long)a->parts->count, a->parts->part[i].file, found, wanted);
}

/* Fails for a part of another digest; one that is in the list itself has changed places. */
static int parts_foreign(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, const struct tess_artefact *part)
{
    char found[TESS_DIGEST_TEXT + 60], wanted[TESS_DIGEST_TEXT + 20];
    for (int64_t k = 0; k < a->parts->count; k++)
        if (k != i && strcmp(a->parts->part[k].digest, part->digest) == 0) {
            (void)snprintf(found, sizeof found, "its content is that of part %lld", (long long)k + 1);
            return ctx->fail(ctx, TESS_E_DATA,
                             "%s: part %lld of %lld, `%s`: %s, `%s`: two files changed names; name them as the index does", a->path,
                             (long long)i + 1, (long long)a->parts->count, a->parts->part[i].file, found, a->parts->part[k].file);
        }
    (void)snprintf(found, sizeof found, "is another artefact, of digest %.12s...", part->digest);
    (void)snprintf(wanted, sizeof wanted, "%.12s...", a->parts->part[i].digest);
    return parts_differ(ctx, a, i, found, wanted);
}

static int parts_check_shape(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, const struct tess_artefact *part,
                             const struct tessi_entry *e)
{
    const int64_t *first = a->parts->first + (e->joined - 1) * (a->parts->count + 1);
    const struct tessi_entry *own = tessi_store_entry_find(part, e->name);
    char text[160], found[200], wanted[200];
    struct tess_tensor t = tess_tensor_over(NULL, e->dtype, e->rank, e->dim);
    int fits;
    t.dim[0] = first[i + 1] - first[i];
    if (!own && t.dim[0] == 0)
        return TESS_OK;
    fits = own && own->rank == e->rank && own->dim[0] == t.dim[0] && tessi_store_entry_row(own) == tessi_store_entry_row(e);
    for (int32_t k = 1; k < e->rank && fits; k++)
        fits = own->dim[k] == e->dim[k];
    if (fits && own->dtype == TESSI_TEXT)
        fits = e->dtype == TESSI_TEXT && own->precision <= e->precision;
    else if (fits)
        fits = own->precision <= e->precision &&
               (own->dtype == e->dtype ? own->is_signed == e->is_signed : !e->is_signed && tessi_store_can_widen(own->dtype, e->dtype));
    if (fits)
        return TESS_OK;
    (void)snprintf(wanted, sizeof wanted, "%s%s", e->dtype == TESSI_TEXT ? "strings " : "", tess_tensor_text(&t, text, sizeof text));
    if (own)
        t = tess_tensor_over(NULL, own->dtype, own->rank, own->dim);
    (void)snprintf(found, sizeof found, own ? "/%.60s is %s" : "it has no /%.60s%s", e->name,
                   own ? tess_tensor_text(&t, text, sizeof text) : "");
    return parts_differ(ctx, a, i, found, wanted);
}

static int is_own_of_parts(const struct tessi_parts *p, const char *name)
{
    int own = strcmp(name, "parts") == 0 || (p->start && strcmp(name, p->start) == 0);
    for (int64_t i = 0; i < p->sums; i++)
        own |= strcmp(name, p->summed[i]) == 0;
    return own;
}

/* Checks that the attributes of the index that are no sums are the part's: a model's digest, sizes. */
static int parts_check_attrs(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, const struct tess_artefact *part)
{
    char found[120];
    for (int64_t k = 0; k < a->attrs->count; k++) {
        struct tess_attrs one = {&a->attrs->item[k], 1, 1}, other = {NULL, 1, 1};
        const char *name = one.item->name;
        for (int64_t n = 0; n < part->attrs->count; n++)
            if (strcmp(part->attrs->item[n].name, name) == 0)
                other.item = &part->attrs->item[n];
        if (is_own_of_parts(a->parts, name) || (other.item && tessi_base_attrs_equal(&one, &other, &name)))
            continue;
        (void)snprintf(found, sizeof found, "its attribute `%.60s` is %s", name, other.item ? "another" : "missing");
        return parts_differ(ctx, a, i, found, "that all parts have the same one");
    }
    return TESS_OK;
}

static int parts_check(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, const struct tess_artefact *part)
{
    if (part->parts)
        return parts_differ(ctx, a, i, "is in parts itself", "one file");
    if (strcmp(part->digest, a->parts->part[i].digest) != 0)
        return parts_foreign(ctx, a, i, part);
    if (strcmp(part->kind, a->kind) != 0)
        return parts_differ(ctx, a, i, "is of another kind", a->kind);
    for (int64_t k = 0; k < a->entries; k++)
        if (a->entry[k].joined)
            TESS_TRY(parts_check_shape(ctx, a, i, part, &a->entry[k]));
    return parts_check_attrs(ctx, a, i, part);
}

/* ---- the files ----------------------------------------------------------------------------------------------------- */

static int parts_path(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, char **out)
{
    const char *slash = strrchr(a->path, '/');
    return tessi_base_format(ctx, out, "%.*s%s", slash ? (int)(slash - a->path) + 1 : 0, a->path, a->parts->part[i].file);
}

/* 1 where the file is the one that was opened first; notes it then. */
static int parts_same_file(struct tessi_part *part, const struct stat *st)
{
    int64_t changed = (int64_t)st->st_mtim.tv_sec * 1000000000 + (int64_t)st->st_mtim.tv_nsec;
    if (!part->seen) {
        part->seen = 1;
        part->inode = (uint64_t)st->st_ino;
        part->bytes = (int64_t)st->st_size;
        part->changed = changed;
    }
    return part->inode == (uint64_t)st->st_ino && part->bytes == (int64_t)st->st_size && part->changed == changed;
}

static int parts_changed(struct tess_context *ctx, const struct tess_artefact *a, int64_t i)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: part %lld of %lld, `%s`, changed while it was read; run again when it is at rest", a->path,
                     (long long)i + 1, (long long)a->parts->count, a->parts->part[i].file);
}

static int parts_open_checked(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, const char *path,
                              struct tess_artefact **out)
{
    struct tessi_part *part = &a->parts->part[i];
    struct stat st;
    if (stat(path, &st) != 0 && errno == ENOENT)
        return ctx->fail(ctx, TESS_E_IO, "%s: part %lld of %lld, `%s`, is missing; put it back beside the index, or make it again", a->path,
                         (long long)i + 1, (long long)a->parts->count, part->file);
    TESS_TRY(tessi_store_artefact_open(ctx, path, out));
    if (fstat(tessi_store_artefact_descriptor(*out), &st) != 0 || !parts_same_file(part, &st))
        return parts_changed(ctx, a, i);
    return parts_check(ctx, a, i, *out);
}

/* Position in the list of kept parts of the one that was used least recently of those that nobody reads, HDF5 having it open; or -1. */
static int64_t parts_oldest(const struct tessi_parts *p, int in_hdf5)
{
    int64_t oldest = -1;
    for (int64_t k = 0; k < p->kept; k++) {
        const struct tessi_part *part = &p->part[p->list[k]];
        if (part->readers == 0 && (part->in_hdf5 || !in_hdf5) && (oldest < 0 || part->used < p->part[p->list[oldest]].used))
            oldest = k;
    }
    return oldest;
}

/* Suspends parts, and closes them, where more are open than may be. */
static void parts_make_room(struct tessi_parts *p)
{
    for (int64_t k; p->in_hdf5 > OPEN_MAX && (k = parts_oldest(p, 1)) >= 0; p->in_hdf5--) {
        tessi_store_suspend(p->part[p->list[k]].open);
        p->part[p->list[k]].in_hdf5 = 0;
    }
    for (int64_t k; p->kept > p->kept_max && (k = parts_oldest(p, 0)) >= 0;) {
        struct tessi_part *part = &p->part[p->list[k]];
        tessi_store_artefact_close(part->open);
        part->open = NULL;
        p->in_hdf5 -= part->in_hdf5;
        part->in_hdf5 = 0;
        p->list[k] = p->list[--p->kept];
    }
}

static int parts_open(struct tess_context *ctx, const struct tess_artefact *a, int64_t i)
{
    struct tessi_parts *p = a->parts;
    struct tess_artefact *opened = NULL;
    char *path = NULL;
    int status = parts_path(ctx, a, i, &path);
    if (status == TESS_OK)
        status = tess_reserve(ctx, &p->list, &p->list_capacity, p->kept + 1, sizeof *p->list, "a list of parts");
    if (status == TESS_OK)
        status = parts_open_checked(ctx, a, i, path, &opened);
    if (status != TESS_OK)
        tessi_store_artefact_close(opened);
    else {
        opened->cache = a->own_cache;
        p->part[i].open = opened;
        p->part[i].in_hdf5 = 1;
        p->in_hdf5++;
        p->list[p->kept++] = i;
    }
    tess_free(path);
    return status;
}

int tessi_store_part_use(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, struct tess_artefact **part)
{
    struct tessi_parts *p = a->parts;
    int status = TESS_OK;
    pthread_mutex_lock(&p->mutex);
    if (!p->part[i].open)
        status = parts_open(ctx, a, i);
    if (status == TESS_OK) {
        p->part[i].readers++;
        p->part[i].used = ++p->turn;
        *part = p->part[i].open;
        parts_make_room(p);
    }
    pthread_mutex_unlock(&p->mutex);
    return status;
}

int tessi_store_part_acquire(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, struct tess_artefact **part)
{
    TESS_TRY(tessi_store_part_use(ctx, a, i, part));
    tessi_store_lock();
    int status = tessi_store_resume(ctx, *part);
    tessi_store_unlock();
    if (status != TESS_OK)
        tessi_store_part_release(a, i);
    return status;
}

void tessi_store_part_release(const struct tess_artefact *a, int64_t i)
{
    struct tessi_parts *p = a->parts;
    struct tessi_part *part = &p->part[i];
    pthread_mutex_lock(&p->mutex);
    part->readers--;
    if (part->readers == 0 && part->open->file >= 0 && !part->in_hdf5) { /* HDF5 has opened it again meanwhile */
        part->in_hdf5 = 1;
        p->in_hdf5++;
        parts_make_room(p);
    }
    pthread_mutex_unlock(&p->mutex);
}

int tessi_store_parts_check(struct tess_context *ctx, const struct tess_artefact *a)
{
    for (int64_t i = 0; i < tessi_store_parts_count(a); i++) {
        struct tess_artefact *part;
        TESS_TRY(tessi_store_part_acquire(ctx, a, i, &part));
        tessi_store_part_release(a, i);
    }
    return TESS_OK;
}

int tessi_store_parts_unchanged(struct tess_context *ctx, const struct tess_artefact *a)
{
    int status = TESS_OK;
    for (int64_t i = 0; i < tessi_store_parts_count(a) && status == TESS_OK; i++) {
        struct stat st;
        char *path = NULL;
        if (!a->parts->part[i].seen)
            continue;
        status = parts_path(ctx, a, i, &path);
        if (status == TESS_OK && (stat(path, &st) != 0 || !parts_same_file(&a->parts->part[i], &st)))
            status = parts_changed(ctx, a, i);
        tess_free(path);
    }
    return status;
}
