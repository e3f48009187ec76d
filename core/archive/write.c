/* Writing one file of rows of others: data sets of a row each are copied span by span, a block of rows at a time, what all have alike once.
 * SPDX-License-Identifier: MIT */
#include "core/archive/pieces.h"

#include "core/base/attributes_private.h"

#include <tessera/levels.h>

#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 4 << 20, TEXTS = 1024 };
#define TOOL "tessera " PACKAGE_VERSION

/* A dataset of a row each on its way. */
struct column {
    const struct tessi_archive_write *w;
    struct tess_artefact *to;
    const char *name;
    int there, text;          /* text: it is of strings */
    struct tess_tensor shape; /* shape of all rows as they are read: integers as i32 */
    int64_t width;            /* strings: bytes of the longest */
    struct tessi_store_how how;
    int64_t done;
    int64_t depth, level_size[TESS_DEPTH_MAX]; /* levels of codes, and codes that each has; depth 0: another dataset */
};

static int64_t write_rows(const struct tessi_archive_write *w)
{
    int64_t rows = 0;
    for (int64_t i = 0; i < w->spans; i++)
        rows += w->span[i].rows;
    return rows;
}

/* Takes the number of codes of each level. */
static int column_look_levels(struct tess_context *ctx, struct column *c, const struct tess_artefact *a)
{
    const struct tess_attrs *f = tess_artefact_attrs(a);
    return tess_levels_get(ctx, f, tess_attrs_i64_or(f, "codebook_size", 0), &c->depth, c->level_size);
}

/* Takes a dataset's shape, and the largest precision, from one of the files. */
static int column_look(struct tess_context *ctx, struct column *c, const struct tess_artefact *a)
{
    struct tess_tensor shape;
    struct tessi_store_how how;
    int32_t bits;
    int64_t stored;
    const char *name;
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++) {
        if (strcmp(name, c->name) != 0)
            continue;
        TESS_TRY(tessi_store_dataset_how(ctx, a, name, &how));
        if (!c->there) {
            c->how = how;
            c->shape = shape;
        }
        c->there = 1;
        c->text = shape.dtype == 0;
        c->width = bits / 8 > c->width ? bits / 8 : c->width;
        c->how.dataset.bits = how.dataset.bits > c->how.dataset.bits ? how.dataset.bits : c->how.dataset.bits;
        c->how.dataset.by_row |= how.dataset.by_row;
    }
    return TESS_OK;
}

/* Refuses a code that its level does not have: nothing new is made of a file that is wrong. */
static int column_check_codes(struct tess_context *ctx, const struct column *c, const struct tess_artefact *a, int64_t first,
                              const struct tess_tensor *t)
{
    int64_t row = c->depth && t->dim[0] ? tess_tensor_count(t) / t->dim[0] : 0;
    const int32_t *code = t->data;
    for (int64_t i = 0; i < t->dim[0] * row; i++)
        if (code[i] < 0 || code[i] >= c->level_size[i % c->depth])
            return ctx->fail(ctx, TESS_E_DATA,
                             "%s: row %lld has code %d, whose codebook has %lld; `tessera archive verify` lists all faults",
                             tess_artefact_path(a), (long long)(first + i / row), code[i], (long long)c->level_size[i % c->depth]);
    return TESS_OK;
}

static int column_copy_texts(struct tess_context *ctx, struct column *c, const struct tess_artefact *a, int64_t first, int64_t rows)
{
    char *text[TEXTS];
    int status = TESS_OK;
    for (int64_t i = 0; i < rows && status == TESS_OK; i += TEXTS) {
        int64_t n = rows - i < TEXTS ? rows - i : TEXTS;
        status = tess_artefact_read_strings(ctx, a, c->name, first + i, n, text);
        if (status == TESS_OK)
            status = tess_artefact_append_strings(ctx, c->to, c->name, n, (const char *const *)text);
        for (int64_t k = 0; k < n; k++)
            tess_free(text[k]);
    }
    return status;
}

static int column_copy_numbers(struct tess_context *ctx, struct column *c, const struct tess_artefact *a, int64_t first, int64_t rows)
{
    struct tess_tensor t = c->shape;
    t.dim[0] = 1;
    int64_t row = (int64_t)tess_tensor_bytes(&t), step = row < BLOCK_BYTES ? BLOCK_BYTES / row : 1;
    t.dim[0] = step < rows ? step : rows;
    TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&t), "rows of an archive", &t.data));
    int status = TESS_OK;
    for (int64_t i = 0; i < rows && status == TESS_OK; i += step) {
        t.dim[0] = rows - i < step ? rows - i : step;
        status = tess_artefact_read(ctx, a, c->name, first + i, &t);
        if (status == TESS_OK)
            status = column_check_codes(ctx, c, a, first + i, &t);
        if (status == TESS_OK)
            status = tess_artefact_append(ctx, c->to, c->name, &t);
        c->done += t.dim[0];
        if (c->w->log)
            tessi_base_progress(c->w->log, c->done, c->shape.dim[0], "rows", NULL, 0);
    }
    tess_free(t.data);
    return status;
}

static int column_copy_span(struct tess_context *ctx, struct column *c, const struct tessi_archive_span *s)
{
    struct tess_artefact *a;
    if (s->rows == 0)
        return TESS_OK;
    TESS_TRY(tessi_store_artefact_open(ctx, s->piece->path, &a));
    int status = c->text ? column_copy_texts(ctx, c, a, s->first, s->rows) : column_copy_numbers(ctx, c, a, s->first, s->rows);
    tessi_store_artefact_close(a);
    return status;
}

static int column_begin(struct tess_context *ctx, struct column *c, int64_t rows)
{
    c->how.dataset.labels = *c->how.labels ? c->how.labels : NULL;
    c->how.dataset.unit = *c->how.unit ? c->how.unit : NULL;
    c->shape.dim[0] = rows;
    if (c->text)
        return tess_artefact_begin_strings(ctx, c->to, c->name, c->shape.dim[0], c->width > 0 ? c->width : 1);
    if (c->shape.dtype != TESS_F32)
        c->shape.dtype = TESS_I32;
    return tess_artefact_begin(ctx, c->to, c->name, &c->shape, &c->how.dataset);
}

static int write_column(struct tess_context *ctx, const struct tessi_archive_write *w, struct tess_artefact *to, const char *name)
{
    struct column c = {.w = w, .to = to, .name = name};
    for (int64_t i = 0; i < w->spans; i++) {
        struct tess_artefact *a;
        if (w->span[i].rows == 0)
            continue;
        TESS_TRY(tessi_store_artefact_open(ctx, w->span[i].piece->path, &a));
        int status = column_look(ctx, &c, a);
        if (status == TESS_OK && c.there && strcmp(name, "codes") == 0)
            status = column_look_levels(ctx, &c, a);
        tessi_store_artefact_close(a);
        TESS_TRY(status);
    }
    if (!c.there)
        return TESS_OK;
    c.how.dataset.by_row |= strcmp(name, "codes") == 0; /* a number a row, which the chunks of a small shard do not tell */
    TESS_TRY(column_begin(ctx, &c, write_rows(w)));
    for (int64_t i = 0; i < w->spans; i++)
        TESS_TRY(column_copy_span(ctx, &c, &w->span[i]));
    return TESS_OK;
}

/* Lists of the items that were skipped, a line an item, one file's after the other's. */
static int write_skipped(struct tess_context *ctx, const struct tessi_archive_write *w, struct tess_artefact *to, const char *name)
{
    struct column c = {.w = w, .to = to, .name = name};
    int64_t n = 0;
    for (int64_t i = 0; i < w->skippeds; i++) {
        struct tess_artefact *a;
        n += w->skipped[i]->skipped;
        TESS_TRY(tessi_store_artefact_open(ctx, w->skipped[i]->path, &a));
        int status = column_look(ctx, &c, a);
        tessi_store_artefact_close(a);
        TESS_TRY(status);
    }
    if (n == 0 || !c.there)
        return TESS_OK;
    TESS_TRY(column_begin(ctx, &c, n));
    for (int64_t i = 0; i < w->skippeds; i++) {
        struct tess_artefact *a;
        int64_t own = w->skipped[i]->skipped;
        if (own == 0)
            continue;
        TESS_TRY(tessi_store_artefact_open(ctx, w->skipped[i]->path, &a));
        int status = c.text ? column_copy_texts(ctx, &c, a, 0, own) : column_copy_numbers(ctx, &c, a, 0, own);
        tessi_store_artefact_close(a);
        TESS_TRY(status);
    }
    return TESS_OK;
}

/* Attributes of the first piece, with the counts and the range of this file. */
static int write_attrs(struct tess_context *ctx, const struct tessi_archive_write *w, const struct tess_artefact *first,
                       struct tess_attrs *f)
{
    const struct tess_attrs *from = tess_artefact_attrs(first);
    for (int64_t i = 0; i < from->count; i++) {
        const struct tessi_attr *a = &from->item[i];
        int64_t value = strcmp(a->name, "count") == 0         ? write_rows(w)
                        : strcmp(a->name, "train_count") == 0 ? w->train
                        : strcmp(a->name, "first_item") == 0  ? w->first_item
                        : strcmp(a->name, "items") == 0       ? w->items
                                                              : a->i64;
        if ((strcmp(a->name, "first_item") == 0 || strcmp(a->name, "items") == 0) && w->first_item < 0)
            continue;
        if (a->type == TESSI_ATTR_TEXT)
            TESS_TRY(tess_attrs_set_text(ctx, f, a->name, a->text));
        else if (a->type == TESSI_ATTR_I64)
            TESS_TRY(tess_attrs_set_i64(ctx, f, a->name, value));
        else
            TESS_TRY(tess_attrs_set_f64(ctx, f, a->name, a->f64));
    }
    return TESS_OK;
}

static int write_contents(struct tess_context *ctx, const struct tessi_archive_write *w, const struct tess_artefact *first,
                          struct tess_artefact *to)
{
    static const char *const shared[] = {"codebook", "classes"};
    TESS_TRY(write_attrs(ctx, w, first, tess_artefact_describe(to)));
    for (const char *const *name = tessi_archive_joined; *name; name++)
        TESS_TRY(write_column(ctx, w, to, *name));
    TESS_TRY(write_skipped(ctx, w, to, "skipped"));
    TESS_TRY(write_skipped(ctx, w, to, "skipped_content"));
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        struct tessi_store_how how;
        TESS_TRY(tessi_store_dataset_how(ctx, first, shared[i], &how));
        how.dataset.labels = *how.labels ? how.labels : NULL;
        how.dataset.unit = *how.unit ? how.unit : NULL;
        TESS_TRY(tess_artefact_copy(ctx, to, shared[i], first, &how.dataset));
    }
    return TESS_OK;
}

typedef int create(struct tess_context *ctx, const char *path, const char *kind, struct tess_artefact **out);

/* Creates the file by `how` and writes its contents; NULL in *to on failure. */
static int write_begin(struct tess_context *ctx, const struct tessi_archive_write *w, create *how, struct tess_artefact **to)
{
    struct tess_artefact *first;
    *to = NULL;
    TESS_TRY(tessi_store_artefact_open(ctx, w->span[0].piece->path, &first));
    int status = how(ctx, w->path, "codes", to);
    if (status == TESS_OK)
        status = write_contents(ctx, w, first, *to);
    if (status != TESS_OK) {
        tessi_store_artefact_close(*to);
        *to = NULL;
    }
    tessi_store_artefact_close(first);
    return status;
}

int tessi_archive_write(struct tess_context *ctx, const struct tessi_archive_write *w)
{
    const struct tessi_provenance p = {.tool = TOOL, .warning = NULL};
    struct tess_artefact *to;
    TESS_TRY(write_begin(ctx, w, w->portable ? tessi_store_artefact_create_portable : tessi_store_artefact_create, &to));
    return tessi_store_artefact_finish(ctx, to, &p, NULL);
}

int tessi_archive_write_digest(struct tess_context *ctx, const struct tessi_archive_write *w, char digest[65])
{
    struct tess_artefact *to;
    TESS_TRY(write_begin(ctx, w, tessi_store_artefact_create, &to));
    int status = tessi_store_artefact_digest_written(ctx, to, digest);
    tessi_store_artefact_close(to);
    return status;
}
