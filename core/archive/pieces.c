/* Lists the files of archives and checks that they are of one making. SPDX-License-Identifier: MIT */
#include "core/archive/pieces.h"
#include "core/base/attributes_private.h"
#include "core/base/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tessi_archive_shard_name(int64_t n, char text[TESSI_ARCHIVE_SHARD_NAME])
{
    (void)snprintf(text, TESSI_ARCHIVE_SHARD_NAME, "shard-%06lld.h5", (long long)n);
    return text;
}

int tessi_archive_is_shard_name(const char *name)
{
    size_t digits = strncmp(name, "shard-", 6) == 0 ? strspn(name + 6, "0123456789") : 0;
    return digits >= 6 && strcmp(name + 6 + digits, ".h5") == 0;
}

int tessi_archive_pieces_check(struct tess_context *ctx, const struct tessi_archive_pieces *p)
{
    for (int64_t i = 0; i < p->count; i++) {
        struct tess_artefact *a;
        TESS_TRY(tessi_store_artefact_open(ctx, p->piece[i].path, &a));
        int status = tessi_store_artefact_check_bytes(ctx, a);
        tessi_store_artefact_close(a);
        TESS_TRY(status);
    }
    return TESS_OK;
}

void tessi_archive_pieces_free(struct tessi_archive_pieces *p)
{
    for (int64_t i = 0; i < p->count; i++)
        tess_free(p->piece[i].path);
    tess_free(p->piece);
    memset(p, 0, sizeof *p);
}

/* ---- pieces of one archive ----------------------------------------------------------------------------------------- */

static const struct tessi_attr *pieces_attr(const struct tess_attrs *f, const char *name)
{
    for (int64_t i = 0; i < f->count; i++)
        if (strcmp(f->item[i].name, name) == 0)
            return &f->item[i];
    return NULL;
}

static const char *pieces_value(const struct tessi_attr *attr, char *text, size_t capacity)
{
    if (!attr)
        (void)snprintf(text, capacity, "missing");
    else if (attr->type == TESSI_ATTR_TEXT)
        (void)snprintf(text, capacity, "%.40s%s", attr->text, strlen(attr->text) > 40 ? "..." : "");
    else if (attr->type == TESSI_ATTR_I64)
        (void)snprintf(text, capacity, "%lld", (long long)attr->i64);
    else
        (void)snprintf(text, capacity, "%.9g", attr->f64);
    return text;
}

/* Compares an attribute of two files, by its name. */
static int pieces_same_attr(struct tess_context *ctx, const struct tess_artefact *first, const struct tess_artefact *a, const char *name)
{
    static const char *const own[] = {"count", "train_count", "first_item", "items", "parts"};
    const struct tessi_attr *one = pieces_attr(tess_artefact_attrs(first), name), *other = pieces_attr(tess_artefact_attrs(a), name);
    char wanted[80], found[80];
    const char *differs;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(own[i], name) == 0)
            return TESS_OK;
    const struct tess_attrs x = {(struct tessi_attr *)(uintptr_t)one, 1, 1}, y = {(struct tessi_attr *)(uintptr_t)other, 1, 1};
    if (one && other && tessi_base_attrs_equal(&x, &y, &differs))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "%s: its `%s` is %s, that of %s is %s: these are no parts of one archive%s", tess_artefact_path(a),
                     name, pieces_value(other, found, sizeof found), tess_artefact_path(first), pieces_value(one, wanted, sizeof wanted),
                     strcmp(name, "tokenizer") == 0 ? "; codes of two tokenizers cannot be mixed: encode one of the two again" : "");
}

static int pieces_same_attrs(struct tess_context *ctx, const struct tessi_archive_pieces *p, const struct tess_artefact *a)
{
    struct tess_artefact *first;
    TESS_TRY(tessi_store_artefact_open(ctx, p->piece[0].path, &first));
    int status = TESS_OK;
    const struct tess_attrs *f = tess_artefact_attrs(first), *own = tess_artefact_attrs(a);
    for (int64_t i = 0; i < f->count && status == TESS_OK; i++)
        status = pieces_same_attr(ctx, first, a, f->item[i].name);
    for (int64_t i = 0; i < own->count && status == TESS_OK; i++)
        status = pieces_same_attr(ctx, first, a, own->item[i].name);
    tessi_store_artefact_close(first);
    return status;
}

/* ---- a file --------------------------------------------------------------------------------------------------------------- */

static int64_t pieces_rows_of(const struct tess_artefact *a, const char *dataset)
{
    struct tess_tensor shape;
    int32_t bits;
    int64_t stored;
    const char *name;
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++)
        if (strcmp(name, dataset) == 0)
            return shape.dim[0];
    return 0;
}

static int pieces_add_open(struct tess_context *ctx, struct tessi_archive_pieces *p, const struct tess_artefact *a)
{
    const struct tess_attrs *f = tess_artefact_attrs(a);
    struct tessi_archive_piece one = {.rows = tess_attrs_i64_or(f, "count", 0), .first_item = tess_attrs_i64_or(f, "first_item", -1)};
    if (strcmp(tess_artefact_kind(a), "codes") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s`, an archive is of kind `codes`", tess_artefact_path(a),
                         tess_artefact_kind(a));
    if (tess_artefact_has(a, "codes") ? pieces_rows_of(a, "codes") != one.rows : one.rows != 0)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: contradicts itself: its `count` is not the rows of its codes; `tessera archive verify` tells "
                         "more",
                         tess_artefact_path(a));
    one.items = tess_attrs_i64_or(f, "items", one.rows);
    one.train = tess_attrs_i64_or(f, "train_count", one.rows);
    one.skipped = pieces_rows_of(a, "skipped");
    if ((one.rows != 0 && one.train != 0) || one.items <= 0) /* a shard may be without rows, or without rows for training */
        TESS_TRY(tessi_store_artefact_check_attrs(ctx, a));
    (void)snprintf(one.digest, sizeof one.digest, "%s", tess_artefact_digest(a));
    if (p->count)
        TESS_TRY(pieces_same_attrs(ctx, p, a));
    TESS_TRY(tess_reserve(ctx, &p->piece, &p->capacity, p->count + 1, sizeof *p->piece, "files of archives"));
    TESS_TRY(tess_copy_text(ctx, tess_artefact_path(a), &one.path));
    p->ranges = one.first_item >= 0 && (p->count == 0 || p->ranges);
    p->piece[p->count++] = one;
    return TESS_OK;
}

static int pieces_add_file(struct tess_context *ctx, struct tessi_archive_pieces *p, const char *path)
{
    struct tess_artefact *a;
    TESS_TRY(tessi_store_artefact_open(ctx, path, &a));
    int status = pieces_add_open(ctx, p, a);
    tessi_store_artefact_close(a);
    return status;
}

/* ---- an archive ----------------------------------------------------------------------------------------------------------- */

static int pieces_add_index(struct tess_context *ctx, struct tessi_archive_pieces *p, const struct tess_artefact *index)
{
    for (int64_t i = 0; i < tessi_store_parts_count(index); i++) {
        struct tess_artefact *part;
        TESS_TRY(tessi_store_part_acquire(ctx, index, i, &part));
        int status = pieces_add_open(ctx, p, part);
        tessi_store_part_release(index, i);
        TESS_TRY(status);
    }
    return TESS_OK;
}

static int pieces_shard_filter(const struct dirent *e)
{
    return tessi_archive_is_shard_name(e->d_name);
}

/* The shards in a folder whose index is not written yet: those of one machine of several. */
static int pieces_add_folder(struct tess_context *ctx, struct tessi_archive_pieces *p, const char *folder)
{
    struct dirent **list = NULL;
    int n = scandir(folder, &list, pieces_shard_filter, alphasort), status = TESS_OK;
    if (n < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", folder, strerror(errno));
    if (n == 0)
        status =
            ctx->fail(ctx, TESS_E_DATA, "%s: has neither " TESSI_STORE_INDEX " nor shards; the folder of an archive was wanted", folder);
    for (int i = 0; i < n; i++) {
        char *path = NULL;
        if (status == TESS_OK)
            status = tessi_base_format(ctx, &path, "%s/%s", folder, list[i]->d_name);
        if (status == TESS_OK)
            status = pieces_add_file(ctx, p, path);
        tess_free(path);
        free(list[i]);
    }
    free(list);
    return status;
}

int tessi_archive_pieces_add(struct tess_context *ctx, struct tessi_archive_pieces *p, const char *path)
{
    struct tess_artefact *a;
    char *index = NULL;
    if (tessi_archive_is_folder(path)) {
        TESS_TRY(tessi_base_format(ctx, &index, "%s/" TESSI_STORE_INDEX, path));
        int there = tessi_base_is_file(index);
        tess_free(index);
        if (!there)
            return pieces_add_folder(ctx, p, path);
    }
    TESS_TRY(tessi_store_artefact_open(ctx, path, &a));
    int status = tessi_store_parts_count(a) ? pieces_add_index(ctx, p, a) : pieces_add_open(ctx, p, a);
    tessi_store_artefact_close(a);
    return status;
}

/* ---- rows of them --------------------------------------------------------------------------------------------------------- */

int tessi_archive_spans_open(struct tess_context *ctx, const struct tessi_archive_pieces *p, struct tessi_archive_spans *s)
{
    void *memory;
    memset(s, 0, sizeof *s);
    TESS_TRY(tess_alloc(ctx, (size_t)p->count * (sizeof *s->span + sizeof *s->skipped), "files of archives", &memory));
    s->span = memory;
    s->skipped = (const struct tessi_archive_piece **)(void *)(s->span + p->count);
    return TESS_OK;
}

void tessi_archive_spans_take(const struct tessi_archive_pieces *p, int64_t first, int64_t rows, struct tessi_archive_spans *s)
{
    int64_t at = 0;
    s->count = 0;
    for (int64_t i = 0; i < p->count; at += p->piece[i].rows, i++) {
        int64_t begin = first > at ? first : at, end = first + rows < at + p->piece[i].rows ? first + rows : at + p->piece[i].rows;
        if (end > begin)
            s->span[s->count++] = (struct tessi_archive_span){&p->piece[i], begin - at, end - begin};
    }
}

int64_t tessi_archive_total(const struct tessi_archive_pieces *p, size_t offset)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < p->count; i++)
        sum += *(const int64_t *)(const void *)((const char *)&p->piece[i] + offset);
    return sum;
}
