/* The content digest: what an artefact says, whatever made it and however it lies in the file. So `parts/bits` of an index, the width at
 * which its parts store their values, has no part in it.
 *
 *     SHA-256 over: text "tessera artefact 1", text kind,
 *                   attributes by name:     text name, type, value
 *                   datasets by name:  text name, text dtype, rank, dimensions, text SHA-256 of the values
 *                   metrics by name:   text name, value, text unit
 *                   metrics with a standard error or an interval by name, where there are any:
 *                                      text name, standard error (-1: none), low, high (1, 0: none)
 *
 * each list with its length in front. A metric's direction belongs to its definition and has no part. A text has its length in front
 * (tess_digest_add_text); numbers are 8 bytes, little-endian; values are in row order in their stored dtype, little-endian; strings as
 * texts. Pictures are datasets.
 *
 * SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <stdlib.h>
#include <string.h>

static void add_u64(struct tess_digest *d, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    tess_digest_add(d, bytes, sizeof bytes);
}

static void add_f64(struct tess_digest *d, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_u64(d, bits);
}

static void add_strings(struct tess_digest *d, const char *text, int64_t count, size_t width)
{
    for (int64_t i = 0; i < count; i++, text += width) {
        size_t length = strnlen(text, width);
        add_u64(d, length);
        tess_digest_add(d, text, length);
    }
}

void tessi_store_digest_values(struct tess_digest *d, const struct tessi_entry *e, const void *values, int64_t count)
{
    size_t size = tessi_store_entry_size(e);
    if (e->dtype == TESSI_TEXT) {
        add_strings(d, values, count, size);
        return;
    }
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    const uint8_t *at = values;
    for (int64_t i = 0; i < count; i++, at += size) {
        uint8_t swapped[4];
        for (size_t k = 0; k < size; k++)
            swapped[k] = at[size - 1 - k];
        tess_digest_add(d, swapped, size);
    }
#else
    tess_digest_add(d, values, (size_t)count * size);
#endif
}

static int by_attr(const void *a, const void *b)
{
    return strcmp((*(const struct tessi_attr *const *)a)->name, (*(const struct tessi_attr *const *)b)->name);
}

static int by_entry(const void *a, const void *b)
{
    return strcmp((*(const struct tessi_entry *const *)a)->name, (*(const struct tessi_entry *const *)b)->name);
}

static int by_metric(const void *a, const void *b)
{
    return strcmp((*(const struct tessi_metric *const *)a)->name, (*(const struct tessi_metric *const *)b)->name);
}

static int by_note(const void *a, const void *b)
{
    return strcmp((*(const struct tessi_note *const *)a)->name, (*(const struct tessi_note *const *)b)->name);
}

static void add_attr(struct tess_digest *d, const struct tessi_attr *f)
{
    tess_digest_add_text(d, f->name);
    add_u64(d, (uint64_t)f->type);
    if (f->type == TESSI_ATTR_I64)
        add_u64(d, (uint64_t)f->i64);
    else if (f->type == TESSI_ATTR_F64)
        add_f64(d, f->f64);
    else
        tess_digest_add_text(d, f->text);
}

static void artefact_digest_add_entry(struct tess_digest *d, const struct tessi_entry *e)
{
    struct tess_digest values = e->digest;
    char text[TESS_DIGEST_TEXT];
    tess_digest_add_text(d, e->name);
    tess_digest_add_text(d, e->dtype == TESSI_TEXT ? "string" : tess_dtype_name(e->dtype));
    add_u64(d, (uint64_t)e->rank);
    for (int32_t i = 0; i < e->rank; i++)
        add_u64(d, (uint64_t)e->dim[i]);
    tess_digest_end(&values, text);
    tess_digest_add_text(d, text);
}

static void artefact_digest_sort(const void **list, const void *items, int64_t n, size_t size, int (*order)(const void *, const void *))
{
    for (int64_t i = 0; i < n; i++)
        list[i] = (const char *)items + (size_t)i * size;
    if (n)
        qsort(list, (size_t)n, sizeof *list, order);
}

static int artefact_digest_has_error(const struct tessi_metric *f)
{
    return f->standard_error >= 0.0 || f->low <= f->high;
}

static void artefact_digest_add_errors(struct tess_digest *d, const struct tessi_metric *const *list, int64_t n)
{
    uint64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += artefact_digest_has_error(list[i]) ? 1 : 0;
    if (count)
        add_u64(d, count);
    for (int64_t i = 0; i < n; i++) {
        if (!artefact_digest_has_error(list[i]))
            continue;
        tess_digest_add_text(d, list[i]->name);
        add_f64(d, list[i]->standard_error);
        add_f64(d, list[i]->low);
        add_f64(d, list[i]->high);
    }
}

/* 1 for a dataset that is part of the content. */
static int artefact_digest_covers(const struct tessi_entry *e)
{
    return !e->joined && strcmp(e->name, "parts/bits") != 0;
}

int tessi_store_digest_content(struct tess_context *ctx, const struct tess_artefact *a, char digest[TESS_DIGEST_TEXT])
{
    int64_t max = a->attrs->count > a->entries ? a->attrs->count : a->entries, own = 0;
    void *memory;
    for (int64_t i = 0; i < a->entries; i++)
        own += artefact_digest_covers(&a->entry[i]);
    if (a->metrics > max)
        max = a->metrics;
    TESS_TRY(tess_alloc(ctx, (size_t)max * sizeof(void *), "sorting names", &memory));
    const void **list = memory;
    struct tess_digest d;
    tess_digest_start(&d);
    tess_digest_add_text(&d, "tessera artefact 1");
    tess_digest_add_text(&d, a->kind);

    artefact_digest_sort(list, a->attrs->item, a->attrs->count, sizeof *a->attrs->item, by_attr);
    add_u64(&d, (uint64_t)a->attrs->count);
    for (int64_t i = 0; i < a->attrs->count; i++)
        add_attr(&d, list[i]);
    artefact_digest_sort(list, a->entry, a->entries, sizeof *a->entry, by_entry);
    add_u64(&d, (uint64_t)own);
    for (int64_t i = 0; i < a->entries; i++)
        if (artefact_digest_covers(list[i]))
            artefact_digest_add_entry(&d, list[i]);
    artefact_digest_sort(list, a->metric, a->metrics, sizeof *a->metric, by_metric);
    add_u64(&d, (uint64_t)a->metrics);
    for (int64_t i = 0; i < a->metrics; i++) {
        const struct tessi_metric *f = list[i];
        tess_digest_add_text(&d, f->name);
        add_f64(&d, f->value);
        tess_digest_add_text(&d, f->unit);
    }
    artefact_digest_add_errors(&d, (const struct tessi_metric *const *)list, a->metrics);
    tess_digest_end(&d, digest);
    tess_free(memory);
    return TESS_OK;
}

int tessi_store_digest_notes(struct tess_context *ctx, const struct tess_artefact *a, char sum[TESS_DIGEST_TEXT])
{
    void *memory;
    struct tess_digest d;
    TESS_TRY(tess_alloc(ctx, (size_t)a->notes * sizeof(void *), "sorting names", &memory));
    const void **list = memory;
    artefact_digest_sort(list, a->note, a->notes, sizeof *a->note, by_note);
    tess_digest_start(&d);
    tess_digest_add_text(&d, "tessera provenance 1");
    for (int64_t i = 0; i < a->notes; i++) {
        const struct tessi_note *n = list[i];
        if (strcmp(n->name, TESSI_NOTE_DIGEST) == 0 || strcmp(n->name, TESSI_NOTE_SUM) == 0)
            continue;
        tess_digest_add_text(&d, n->name);
        tess_digest_add_text(&d, n->value);
    }
    tess_digest_end(&d, sum);
    tess_free(memory);
    return TESS_OK;
}

/* ---- checking ------------------------------------------------------------------------------------------------------ */

int tessi_store_check_padding(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_entry *e, const void *values,
                              int64_t rows)
{
    size_t width = tessi_store_entry_size(e);
    const char *text = values;
    int bad = 0;
    for (int64_t i = 0; i < rows && e->dtype == TESSI_TEXT; i++, text += width)
        for (size_t k = strnlen(text, width); k < width; k++)
            bad |= text[k];
    return bad ? ctx->fail(
                     ctx, TESS_E_DATA,
                     "%s: /%s has something behind the end of a text; it was changed or damaged: delete it and run again what writes it",
                     a->path, e->name)
               : TESS_OK;
}

static int read_again(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_entry *e, void *block)
{
    int64_t row = tessi_store_entry_row(e) * (int64_t)tessi_store_entry_size(e);
    int64_t step = row < TESSI_BLOCK ? TESSI_BLOCK / row : 1, all = e->rank ? e->dim[0] : 1;
    for (int64_t first = 0; first < all; first += step) {
        int64_t rows = all - first < step ? all - first : step;
        TESS_TRY(tessi_store_entry_read(ctx, a, e, first, rows, block));
        TESS_TRY(tessi_store_check_padding(ctx, a, e, block, rows * tessi_store_entry_row(e)));
        tessi_store_digest_values(&e->digest, e, block, rows * tessi_store_entry_row(e));
    }
    return TESS_OK;
}

/* Checks the sum of the provenance, whose long texts lie where HDF5 has no checksum. */
static int verify_notes(struct tess_context *ctx, const struct tess_artefact *a)
{
    char sum[TESS_DIGEST_TEXT];
    const char *said = tessi_store_artefact_provenance(a, TESSI_NOTE_SUM);
    TESS_TRY(tessi_store_digest_notes(ctx, a, sum));
    if (said && strcmp(said, sum) != 0)
        return ctx->fail(ctx, TESS_E_DATA,
                       "%s: its provenance has sum %.12s..., the file says %.12s...; it was changed or damaged: delete it and run again "
                       "what writes it",
                       a->path, sum, said);
    return TESS_OK;
}

int tessi_store_digest_entry(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_entry *e)
{
    size_t row = (size_t)tessi_store_entry_row(e) * tessi_store_entry_size(e);
    size_t whole = (size_t)tessi_store_entry_count(e) * tessi_store_entry_size(e), step = row > TESSI_BLOCK ? row : TESSI_BLOCK;
    void *block;
    tess_digest_start(&e->digest);
    if (whole == 0)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, whole < step ? whole : step, "reading an artefact again", &block));
    int status = read_again(ctx, a, e, block);
    tessi_store_close_dataset(e);
    tess_free(block);
    return status;
}

int tessi_store_compare_digest(struct tess_context *ctx, const struct tess_artefact *a, const char *digest)
{
    if (strcmp(digest, a->digest) != 0)
        return ctx->fail(ctx, TESS_E_DATA,
                       "%s: the content has digest %s, the file says %s; it was changed or damaged: delete it and run again "
                       "what writes it",
                       a->path, digest, a->digest);
    return verify_notes(ctx, a);
}

int tessi_store_artefact_verify_file(struct tess_context *ctx, const struct tess_artefact *a)
{
    char digest[TESS_DIGEST_TEXT];
    for (int64_t i = 0; i < a->entries; i++)
        if (!a->entry[i].joined)
            TESS_TRY(tessi_store_digest_entry(ctx, a, &a->entry[i]));
    TESS_TRY(tessi_store_digest_content(ctx, a, digest));
    return tessi_store_compare_digest(ctx, a, digest);
}

int tessi_store_artefact_verify(struct tess_context *ctx, const struct tess_artefact *a)
{
    TESS_TRY(tessi_store_artefact_verify_file(ctx, a));
    return a->parts ? tessi_store_parts_verify(ctx, a, tessi_store_artefact_verify_file) : TESS_OK;
}

static int check_file_bytes(struct tess_context *ctx, const struct tess_artefact *a)
{
    int found;
    TESS_TRY(tessi_store_file_sum_check(ctx, a, NULL, NULL, &found));
    return found == TESSI_SUM_SAME ? TESS_OK : tessi_store_artefact_verify_file(ctx, a);
}

int tessi_store_artefact_check_bytes(struct tess_context *ctx, const struct tess_artefact *a)
{
    TESS_TRY(check_file_bytes(ctx, a));
    for (int64_t i = 0; i < tessi_store_parts_count(a); i++) {
        struct tess_artefact *part;
        TESS_TRY(tessi_store_part_acquire(ctx, a, i, &part));
        int status = check_file_bytes(ctx, part);
        tessi_store_part_release(a, i);
        TESS_TRY(status);
    }
    return TESS_OK;
}
