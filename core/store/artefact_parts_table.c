/* The table of an artefact in parts, group /parts of its index:
 *
 *     file (strings: parts), digest (strings: parts), rows (i32: parts)
 *     joined (strings: J), dtype (strings: J), bits (i32: J), row (i32: J x 4), length (i32: J x parts)
 *     summed (strings), and start (strings: 1) where the parts are ranges
 *
 * `row` are the dimensions after the first, with zeros after the last; `length` is the first dimension in each part; `bits` is the
 * precision of integers, 8 times the width of strings, 0 of reals: the largest of the parts. A reader learns of every shape without opening
 * a part. All of it may come from a stranger, and is checked before a name or number is used.
 *
 * SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX ((int64_t)1 << 48)
#define JOINED_MAX 256
#define SUMS_MAX 256

static int table_wrong(struct tess_context *ctx, const struct tess_artefact *a, const char *dataset, const char *what)
{
    return ctx->fail(ctx, TESS_E_DATA,
                     "%s: its table of parts is damaged: /parts/%s %s; get the index again from its source, or make it again", a->path,
                     dataset, what);
}

/* Number of rows of a list of strings of the table; -1 where there is none. */
static int64_t table_rows(const struct tess_artefact *a, const char *path)
{
    const struct tessi_entry *e = tessi_store_entry_find(a, path);
    return e && e->dtype == TESSI_TEXT && e->rank == 1 ? e->dim[0] : -1;
}

static void table_free_list(char **list, int64_t n)
{
    for (int64_t i = 0; i < n && list; i++)
        tess_free(list[i]);
    tess_free(list);
}

/* The strings of a dataset of the table, n of them where n is not negative; to be freed by table_free_list. */
static int table_strings(struct tess_context *ctx, const struct tess_artefact *a, const char *dataset, int64_t n, int64_t max, char ***out)
{
    char path[40];
    void *memory;
    (void)snprintf(path, sizeof path, "parts/%s", dataset);
    if (table_rows(a, path) != n || n < 0 || n > max)
        return table_wrong(ctx, a, dataset, "has another number of strings than the table has rows");
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof(char *), "a table of parts", &memory));
    *out = memory;
    return tessi_store_artefact_strings(ctx, a, path, n, *out);
}

/* The i32 values of a dataset of the table, (n) or (n, width); to be freed. */
static int table_numbers(struct tess_context *ctx, const struct tess_artefact *a, const char *dataset, int64_t n, int64_t width,
                         struct tess_tensor *out)
{
    char path[40];
    (void)snprintf(path, sizeof path, "parts/%s", dataset);
    const struct tessi_entry *e = tessi_store_entry_find(a, path);
    if (!e || e->dtype != TESS_I32 || e->rank != (width ? 2 : 1) || e->dim[0] != n || (width && e->dim[1] != width))
        return table_wrong(ctx, a, dataset, "has another shape or type than the table");
    TESS_TRY(tess_artefact_load(ctx, a, path, TESS_I32, out));
    for (int64_t i = 0; i < tess_tensor_count(out); i++)
        if (((const int32_t *)out->data)[i] < 0)
            return table_wrong(ctx, a, dataset, "has a number below 0");
    return TESS_OK;
}

/* ---- the files ----------------------------------------------------------------------------------------------------- */

/* 1 for the name of a file in the same folder, as anybody would write it. */
static int table_is_file_name(const char *name)
{
    size_t length = strlen(name);
    int fine = length > 0 && length < 256 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/');
    for (const char *at = name; *at; at++)
        fine = fine && !iscntrl((unsigned char)*at);
    return fine;
}

static int table_by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Checks that no name is there twice. */
static int table_unique(struct tess_context *ctx, const struct tess_artefact *a, const char *dataset, char *const *list, int64_t n)
{
    void *memory;
    int twice = 0;
    TESS_TRY(tess_alloc(ctx, (size_t)n * sizeof *list, "a table of parts", &memory));
    char **sorted = memory;
    memcpy(sorted, list, (size_t)n * sizeof *list);
    qsort(sorted, (size_t)n, sizeof *sorted, table_by_text);
    for (int64_t i = 1; i < n; i++)
        twice |= strcmp(sorted[i - 1], sorted[i]) == 0;
    tess_free(memory);
    return twice ? table_wrong(ctx, a, dataset, "has a name twice") : TESS_OK;
}

static int table_is_digest(const char *text)
{
    return strlen(text) == TESS_DIGEST_TEXT - 1 && strspn(text, "0123456789abcdef") == TESS_DIGEST_TEXT - 1;
}

/* Takes names and digests over from their lists. */
static int table_take_files(struct tess_context *ctx, const struct tess_artefact *a, char **file, char **digest, const int32_t *rows)
{
    const char *own = strrchr(a->path, '/') ? strrchr(a->path, '/') + 1 : a->path;
    struct tessi_parts *p = a->parts;
    for (int64_t i = 0; i < p->count; i++) {
        if (!table_is_file_name(file[i]) || strcmp(file[i], own) == 0)
            return table_wrong(ctx, a, "file", "has a name that is no file beside the index");
        if (!table_is_digest(digest[i]))
            return table_wrong(ctx, a, "digest", "has a text that is no digest");
    }
    TESS_TRY(table_unique(ctx, a, "file", file, p->count));
    for (int64_t i = 0; i < p->count; i++) {
        p->part[i] = (struct tessi_part){.file = file[i], .digest = digest[i], .rows = rows[i]};
        file[i] = NULL;
        digest[i] = NULL;
    }
    return TESS_OK;
}

static int table_read_files(struct tess_context *ctx, struct tess_artefact *a)
{
    char **file = NULL, **digest = NULL;
    struct tess_tensor rows = {0};
    struct tessi_parts *p = a->parts;
    void *memory;
    int status = tess_alloc(ctx, (size_t)p->count * sizeof *p->part, "a table of parts", &memory);
    if (status == TESS_OK)
        p->part = memory;
    if (status == TESS_OK)
        status = table_strings(ctx, a, "file", p->count, TESSI_PARTS_MAX, &file);
    if (status == TESS_OK)
        status = table_strings(ctx, a, "digest", p->count, TESSI_PARTS_MAX, &digest);
    if (status == TESS_OK)
        status = table_numbers(ctx, a, "rows", p->count, 0, &rows);
    if (status == TESS_OK)
        status = table_take_files(ctx, a, file, digest, rows.data);
    table_free_list(file, p->count);
    table_free_list(digest, p->count);
    tess_free(rows.data);
    return status;
}

/* ---- the joined datasets ------------------------------------------------------------------------------------------- */

struct joined {
    char **name, **dtype;
    struct tess_tensor bits, row, length;
};

static int table_dtype(const char *text)
{
    static const int32_t dtypes[] = {TESS_U8, TESS_U16, TESS_I32, TESS_F32};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(text, tess_dtype_name(dtypes[i])) == 0)
            return dtypes[i];
    return strcmp(text, "string") == 0 ? TESSI_TEXT : -1;
}

static int table_type_fits(const struct tessi_entry *e)
{
    int32_t bits = e->precision;
    if (e->dtype == TESSI_TEXT)
        return e->rank == 1 && bits % 8 == 0 && bits >= 8 && bits <= 8 << 16;
    if (e->dtype == TESS_F32)
        return bits == 0;
    return bits >= 1 && bits <= 8 * (int32_t)tess_dtype_size(e->dtype);
}

/* Dimensions of a joined dataset; its rows before each part go to `first`. */
static const char *table_shape(const struct joined *j, int64_t i, int64_t parts, int64_t *first, struct tessi_entry *e)
{
    const int32_t *row = (const int32_t *)j->row.data + i * (TESS_MAX_RANK - 1), *length = (const int32_t *)j->length.data + i * parts;
    int64_t each = 1;
    e->rank = 1;
    for (int32_t k = 1; k < TESS_MAX_RANK; k++)
        e->dim[k] = 1;
    for (int32_t k = 0; k < TESS_MAX_RANK - 1; k++) {
        if (row[k] && e->rank != k + 1)
            return "has a dimension behind the last";
        if (row[k] && each > COUNT_MAX / row[k])
            return "has too large a row";
        each *= row[k] ? row[k] : 1;
        e->dim[k + 1] = row[k] ? row[k] : 1;
        e->rank += row[k] > 0;
    }
    for (int64_t k = 0; k < parts; k++)
        first[k + 1] = first[k] + length[k];
    e->dim[0] = first[parts];
    return e->dim[0] > COUNT_MAX / each ? "has too many rows" : NULL;
}

static int table_add_joined(struct tess_context *ctx, struct tess_artefact *a, const struct joined *j, int64_t i)
{
    struct tessi_parts *p = a->parts;
    struct tessi_entry e = {.dataset = -1, .joined = (int32_t)i + 1, .stored = -1};
    const char *wrong = table_shape(j, i, p->count, p->first + i * (p->count + 1), &e);
    e.dtype = table_dtype(j->dtype[i]);
    e.precision = ((const int32_t *)j->bits.data)[i];
    e.is_signed = e.dtype == TESS_I32 && e.precision == 32;
    if (wrong)
        return table_wrong(ctx, a, "row", wrong);
    if (e.dtype < 0 || !table_type_fits(&e))
        return table_wrong(ctx, a, "dtype", "has a type that tessera does not write");
    if (!tessi_store_good_name(j->name[i]) || *j->name[i] == '/' || tessi_store_reserved_name(j->name[i]) ||
        tessi_store_entry_find(a, j->name[i]))
        return table_wrong(ctx, a, "joined", "has a name that is no dataset's, or that of one of the index");
    TESS_TRY(tess_reserve(ctx, &a->entry, &a->entry_capacity, a->entries + p->joined + 1, sizeof *a->entry, "datasets of an artefact"));
    TESS_TRY(tess_copy_text(ctx, j->name[i], &e.name));
    a->entry[a->entries + p->joined++] = e; /* behind the end, for the search above needs the others in order */
    return TESS_OK;
}

/* Checks that every part has as many rows as the first joined dataset has there. */
static int table_check_rows(struct tess_context *ctx, const struct tess_artefact *a)
{
    for (int64_t i = 0; i < a->parts->count; i++)
        if (a->parts->first[i + 1] - a->parts->first[i] != a->parts->part[i].rows)
            return table_wrong(ctx, a, "rows", "is not the length of the first joined dataset");
    return TESS_OK;
}

static int table_add_all(struct tess_context *ctx, struct tess_artefact *a, const struct joined *j, int64_t n)
{
    void *memory;
    TESS_TRY(table_unique(ctx, a, "joined", j->name, n));
    TESS_TRY(tess_alloc(ctx, (size_t)n * (size_t)(a->parts->count + 1) * sizeof(int64_t), "a table of parts", &memory));
    a->parts->first = memory;
    int status = TESS_OK;
    for (int64_t i = 0; i < n && status == TESS_OK; i++)
        status = table_add_joined(ctx, a, j, i);
    a->entries += a->parts->joined;
    qsort(a->entry, (size_t)a->entries, sizeof *a->entry, tessi_store_entry_order);
    return status == TESS_OK ? table_check_rows(ctx, a) : status;
}

static int table_read_joined(struct tess_context *ctx, struct tess_artefact *a)
{
    struct joined j = {0};
    int64_t n = table_rows(a, "parts/joined");
    if (n < 1 || n > JOINED_MAX)
        return table_wrong(ctx, a, "joined", "names no dataset, or too many");
    int status = table_strings(ctx, a, "joined", n, JOINED_MAX, &j.name);
    if (status == TESS_OK)
        status = table_strings(ctx, a, "dtype", n, JOINED_MAX, &j.dtype);
    if (status == TESS_OK)
        status = table_numbers(ctx, a, "bits", n, 0, &j.bits);
    if (status == TESS_OK)
        status = table_numbers(ctx, a, "row", n, TESS_MAX_RANK - 1, &j.row);
    if (status == TESS_OK)
        status = table_numbers(ctx, a, "length", n, a->parts->count, &j.length);
    if (status == TESS_OK)
        status = table_add_all(ctx, a, &j, n);
    table_free_list(j.name, n);
    table_free_list(j.dtype, n);
    tess_free(j.bits.data);
    tess_free(j.row.data);
    tess_free(j.length.data);
    return status;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static int table_read_names(struct tess_context *ctx, struct tess_artefact *a)
{
    char **start = NULL;
    int64_t n = table_rows(a, "parts/summed");
    if (n >= 0) {
        int status = table_strings(ctx, a, "summed", n, SUMS_MAX, &a->parts->summed);
        a->parts->sums = a->parts->summed ? n : 0;
        TESS_TRY(status);
    }
    if (!tessi_store_entry_find(a, "parts/start"))
        return TESS_OK;
    int status = table_strings(ctx, a, "start", 1, 1, &start);
    if (status == TESS_OK) {
        a->parts->start = start[0];
        start[0] = NULL;
    }
    table_free_list(start, 1);
    return status;
}

int tessi_store_parts_read_table(struct tess_context *ctx, struct tess_artefact *a)
{
    void *memory;
    int64_t n = table_rows(a, "parts/file");
    if (!tessi_store_entry_find(a, "parts/file"))
        return TESS_OK;
    if (n < 1 || n > TESSI_PARTS_MAX || tess_attrs_i64_or(a->attrs, "parts", -1) != n)
        return table_wrong(ctx, a, "file", "has another number of parts than the attribute `parts` says");
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_parts), "a table of parts", &memory));
    a->parts = memory;
    a->parts->count = n;
    TESS_TRY(tessi_store_parts_start(ctx, a));
    TESS_TRY(table_read_files(ctx, a));
    TESS_TRY(table_read_names(ctx, a));
    return table_read_joined(ctx, a);
}
