/* Check of one file of an archive, read whole: its sum, or its checksums and digest (core/store), codes and labels in range, and every item
 * of its range either a row or a skipped one.
 *
 * A file whose bytes have the sum that it ends with is what was written; what is left is what a writer may have got wrong, values out of
 * range, and those are decoded where their bits have room for any. Otherwise all is decoded, to say what is damaged.
 *
 * SPDX-License-Identifier: MIT */
#include "core/archive/verify_private.h"

#include <tessera/levels.h>

#include <stdio.h>
#include <string.h>

#define FAULTS_OF_A_FILE 50

/* A file on its way. */
struct values {
    const struct tess_artefact *a;
    const struct tessi_archive_sink *sink;
    struct tessi_archive_fault fault; /* template of a fault; its archive_row is that of the file's first row */
    int64_t depth, level_size[TESS_DEPTH_MAX], largest, classes;
    int64_t told;
    /* Rows of values out of range that are not told yet. */
    char dataset[64];
    int64_t bad, bad_rows;
    char text[TESSI_ARCHIVE_TEXT];
    /* Items that have rows. */
    int64_t first_item, items, last_item, with_rows, disorder;
};

static void values_fault(struct values *v, const char *dataset, int64_t first, int64_t rows, const char *text)
{
    struct tessi_archive_fault f = v->fault;
    if (++v->told > FAULTS_OF_A_FILE)
        return;
    (void)snprintf(f.dataset, sizeof f.dataset, "%s", dataset);
    f.first = first;
    f.rows = rows;
    f.archive_row = rows && v->fault.archive_row >= 0 ? v->fault.archive_row + first : -1;
    (void)snprintf(f.text, sizeof f.text, "%s", v->told == FAULTS_OF_A_FILE ? "and more faults of this file, which are not listed" : text);
    v->sink->fault(v->sink->user, &f);
}

static void values_damaged(void *user, const char *name, int64_t first, int64_t rows, const char *why)
{
    struct values *v = user;
    const char *path = tess_artefact_path(v->a);
    size_t length = strlen(path);
    if (strncmp(why, path, length) == 0 && strncmp(why + length, ": ", 2) == 0)
        why += length + 2;
    values_fault(v, name, first, rows, why);
}

static void values_tell_bad(struct values *v)
{
    if (v->bad_rows > 0)
        values_fault(v, v->dataset, v->bad, v->bad_rows, v->text);
    v->bad_rows = 0;
}

/* Notes a row with a value out of range; it is told together with those that stand next to it. */
static void values_bad_row(struct values *v, const char *dataset, int64_t row, const char *text)
{
    if (v->bad_rows > 0 && strcmp(v->dataset, dataset) == 0 && row <= v->bad + v->bad_rows) {
        v->bad_rows = row - v->bad + 1;
        return;
    }
    values_tell_bad(v);
    v->bad = row;
    v->bad_rows = 1;
    (void)snprintf(v->dataset, sizeof v->dataset, "%s", dataset);
    (void)snprintf(v->text, sizeof v->text, "%s", text);
}

static int64_t values_at(const struct tess_tensor *t, int64_t i)
{
    return t->dtype == TESS_U8    ? ((const uint8_t *)t->data)[i]
           : t->dtype == TESS_U16 ? ((const uint16_t *)t->data)[i]
                                  : ((const int32_t *)t->data)[i];
}

/* Largest value; -1 stands for one below 0, which is out of range as well. */
static int64_t values_max(const struct tess_tensor *t)
{
    int64_t n = tess_tensor_count(t);
    uint32_t max = 0;
    if (t->dtype == TESS_U8)
        for (int64_t i = 0; i < n; i++)
            max = ((const uint8_t *)t->data)[i] > max ? ((const uint8_t *)t->data)[i] : max;
    else if (t->dtype == TESS_U16)
        for (int64_t i = 0; i < n; i++)
            max = ((const uint16_t *)t->data)[i] > max ? ((const uint16_t *)t->data)[i] : max;
    else
        for (int64_t i = 0; i < n; i++)
            max = ((const uint32_t *)t->data)[i] > max ? ((const uint32_t *)t->data)[i] : max;
    return (int64_t)max;
}

/* Codes of a block of rows. The largest tells at once where all levels have one size. */
static void values_codes(struct values *v, int64_t first, const struct tess_tensor *t)
{
    int64_t rows = t->dim[0], row = rows ? tess_tensor_count(t) / rows : 0, smallest = v->largest;
    char text[TESSI_ARCHIVE_TEXT];
    v->sink->progress(v->sink->user, rows);
    for (int64_t l = 0; l < v->depth; l++)
        smallest = v->level_size[l] < smallest ? v->level_size[l] : smallest;
    if (values_max(t) < smallest)
        return;
    for (int64_t i = 0; i < rows * row; i++) {
        int64_t code = values_at(t, i), level = i % v->depth;
        if (code >= 0 && code < v->level_size[level])
            continue;
        (void)snprintf(text, sizeof text, "code %lld at level %lld, whose codes are below %lld", (long long)code, (long long)level,
                       (long long)v->level_size[level]);
        values_bad_row(v, "codes", first + i / row, text);
        i += row - 1 - i % row; /* the next row */
    }
}

static void values_labels(struct values *v, int64_t first, const struct tess_tensor *t)
{
    char text[TESSI_ARCHIVE_TEXT];
    for (int64_t i = 0; i < t->dim[0] && v->classes > 0; i++)
        if (values_at(t, i) < 0 || values_at(t, i) >= v->classes) {
            (void)snprintf(text, sizeof text, "label %lld of %lld classes", (long long)values_at(t, i), (long long)v->classes);
            values_bad_row(v, "labels", first + i, text);
        }
}

static void values_items(struct values *v, const struct tess_tensor *t)
{
    for (int64_t i = 0; i < t->dim[0]; i++) {
        int64_t item = values_at(t, i);
        v->disorder += item < v->last_item || item < v->first_item || item >= v->first_item + v->items;
        v->with_rows += item != v->last_item;
        v->last_item = item;
    }
}

static void values_rows(void *user, const char *name, int64_t first, const struct tess_tensor *t)
{
    struct values *v = user;
    if (strcmp(name, "codes") == 0 && t->dtype != TESS_F32)
        values_codes(v, first, t);
    else if (strcmp(name, "labels") == 0 && t->dtype != TESS_F32)
        values_labels(v, first, t);
    else if (strcmp(name, "item") == 0 && t->dtype != TESS_F32 && t->rank == 1)
        values_items(v, t);
}

/* Every item of the file's range has rows, or a reason why not. */
static void values_account(struct values *v, int64_t skipped)
{
    char text[TESSI_ARCHIVE_TEXT];
    if (v->items < 0)
        return;
    if (v->disorder) {
        (void)snprintf(text, sizeof text, "%lld rows are of items that are not in order, or not of its range, %lld to %lld",
                       (long long)v->disorder, (long long)v->first_item, (long long)(v->first_item + v->items - 1));
        values_fault(v, "item", 0, 0, text);
    } else if (v->with_rows + skipped != v->items) {
        (void)snprintf(text, sizeof text, "%lld items with rows and %lld skipped are not its %lld items", (long long)v->with_rows,
                       (long long)skipped, (long long)v->items);
        values_fault(v, "", 0, 0, text);
    }
}

static int values_open(struct tess_context *ctx, struct values *v)
{
    const struct tess_attrs *f = tess_artefact_attrs(v->a);
    v->largest = tess_attrs_i64_or(f, "codebook_size", 0);
    v->classes = tess_attrs_i64_or(f, "classes", 0);
    v->first_item = tess_attrs_i64_or(f, "first_item", -1);
    v->items = v->first_item >= 0 ? tess_attrs_i64_or(f, "items", -1) : -1;
    v->last_item = -1;
    if (strcmp(tess_artefact_kind(v->a), "codes") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "is of kind `%s`, an archive is of kind `codes`", tess_artefact_kind(v->a));
    /* A shard may be without rows, as all its items were skipped, or without rows for training. */
    if ((tess_attrs_i64_or(f, "count", -1) != 0 && tess_attrs_i64_or(f, "train_count", -1) != 0) || v->items <= 0)
        TESS_TRY(tessi_store_artefact_check_attrs(ctx, v->a));
    return tess_levels_get(ctx, f, v->largest, &v->depth, v->level_size);
}

/* ---- what has to be decoded --------------------------------------------------------------------------------------------------- */

/* 1 where the bits of a code have room for one that its level does not have. */
static int values_codes_may_exceed(const struct values *v, int32_t bits)
{
    for (int64_t l = 0; l < v->depth; l++)
        if (bits > 31 || v->level_size[l] < (int64_t)1 << bits)
            return 1;
    return 0;
}

/* Datasets of a file whose bytes have the right sum that are read still. */
static int values_wants(void *user, const char *name)
{
    struct values *v = user;
    struct tess_tensor shape;
    int32_t bits = 0;
    int64_t stored;
    const char *at;
    if (strcmp(name, "labels") == 0 || strcmp(name, "item") == 0)
        return 1;
    if (strcmp(name, "codes") != 0)
        return 0;
    for (int64_t i = 0; (at = tessi_store_artefact_dataset_at(v->a, i, &shape, &bits, &stored)) && strcmp(at, name) != 0;)
        i++;
    if (at && !values_codes_may_exceed(v, bits)) {
        v->sink->progress(v->sink->user, shape.dim[0]);
        return 0;
    }
    return 1;
}

static void values_step(void *user)
{
    const struct values *v = user;
    v->sink->progress(v->sink->user, 0);
}

/* Reads the file: for its sum, and what that does not tell. */
static int values_examine(struct tess_context *ctx, struct values *v, int64_t *damaged)
{
    struct tessi_examiner x = {.user = v, .rows = values_rows, .damaged = values_damaged};
    int sum = TESSI_SUM_NONE;
    TESS_TRY(tessi_store_file_sum_check(ctx, v->a, values_step, v, &sum));
    if (sum == TESSI_SUM_SAME && !v->sink->deep)
        x.wants = values_wants;
    TESS_TRY(tessi_store_artefact_examine(ctx, v->a, &x, damaged));
    values_tell_bad(v);
    if (sum == TESSI_SUM_DIFFERS && *damaged == 0)
        values_fault(v, "", 0, 0,
                     "its bytes do not have the sum that its last line says, though all that is read of it has the right digest: what HDF5 "
                     "leaves unused was changed, or that line");
    return TESS_OK;
}

int tessi_archive_verify_file(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_archive_fault *fault,
                              const struct tessi_archive_sink *sink, int64_t *skipped)
{
    struct values v = {.a = a, .sink = sink, .fault = *fault};
    struct tess_tensor shape;
    const char *name;
    int64_t damaged = 0, own = 0, stored;
    int32_t bits;
    TESS_TRY(values_open(ctx, &v));
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++)
        if (strcmp(name, "skipped") == 0)
            own = shape.dim[0];
    int status = values_examine(ctx, &v, &damaged);
    values_tell_bad(&v);
    if (!tess_artefact_has(a, "item"))
        v.with_rows = tess_attrs_i64_or(tess_artefact_attrs(a), "count", 0);
    if (status == TESS_OK && damaged == 0 && tessi_store_parts_count(a) == 0)
        values_account(&v, own);
    *skipped += tessi_store_parts_count(a) ? 0 : own;
    return status;
}
