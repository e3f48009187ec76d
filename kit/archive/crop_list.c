/* See crop_list.h. SPDX-License-Identifier: MIT */
#include "kit/archive/crop_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BOX = 4, ROWS_MAX = 1 << 16 /* rows of one picture at most */ };

/* ---- opening ------------------------------------------------------------------------------------------------------------- */

/* Checks that a dataset has a row for each row of the archive, and `width` numbers in it; *has: 1 where it is there. */
static int check_dataset(struct tess_context *ctx, const struct crop_list *l, const char *name, int64_t width, int needed, int *has)
{
    struct tess_tensor shape;
    *has = tess_artefact_has(l->archive, name);
    if (!*has && !needed)
        return TESS_OK;
    TESS_TRY(tess_artefact_shape(ctx, l->archive, name, &shape));
    if (shape.dim[0] == l->rows && shape.rank == (width ? 2 : 1) && (!width || shape.dim[1] == width))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "%s: /%s does not fit its %lld rows; the archive is damaged, see `tessera archive verify`",
                     tess_artefact_path(l->archive), name, (long long)l->rows);
}

int crop_list_open(struct tess_context *ctx, const struct tess_artefact *archive, struct crop_list *l)
{
    int has;
    const char *path = tess_artefact_path(archive);
    l->archive = archive;
    if (!tess_artefact_has(archive, "crops") || !tess_artefact_has(archive, "item"))
        return ctx->fail(ctx, TESS_E_USAGE,
                         "%s: tells no crops, as it was not encoded with `crops: ten`, `multi` or `tiles`; without crops the same settings "
                         "make the same rows for any tokenizer",
                         path);
    TESS_TRY(tess_attrs_i64(ctx, tess_artefact_attrs(archive), "count", &l->rows));
    TESS_TRY(check_dataset(ctx, l, "crops", BOX, 1, &has));
    TESS_TRY(check_dataset(ctx, l, "item", 0, 1, &has));
    TESS_TRY(check_dataset(ctx, l, "flipped", 0, 0, &l->flipped));
    TESS_TRY(check_dataset(ctx, l, "content", ARCHIVE_CONTENT, 0, &l->content));
    l->named = tess_artefact_strings(archive, "names") >= 0;
    l->skipped = tess_artefact_strings(archive, "skipped");
    l->skipped = l->skipped < 0 ? 0 : l->skipped;
    l->skipped_content = tess_artefact_has(archive, "skipped_content");
    if (l->named && tess_artefact_strings(archive, "names") != l->rows)
        return ctx->fail(ctx, TESS_E_DATA, "%s: /names does not fit its %lld rows; the archive is damaged, see `tessera archive verify`",
                         path, (long long)l->rows);
    return TESS_OK;
}

void crop_list_close(struct crop_list *l)
{
    tess_free(l->of_rows.name);
    tess_free(l->of_skipped.name);
    *l = (struct crop_list){.archive = NULL};
}

int64_t crop_list_views(const struct tess_attrs *archive)
{
    int64_t rows = tess_attrs_i64_or(archive, "count", 0), items = tess_attrs_i64_or(archive, "items", rows);
    return items < 1 || rows < items ? 1 : (rows + items - 1) / items;
}

/* ---- by number ------------------------------------------------------------------------------------------------------------ */

static int load_items(struct tess_context *ctx, struct crop_list *l, int64_t first)
{
    int64_t n = l->rows - first < CROP_LIST_BLOCK ? l->rows - first : CROP_LIST_BLOCK;
    struct tess_tensor t = tess_tensor_over(l->item, TESS_I32, 1, &n);
    l->loaded = 0;
    TESS_TRY(tess_artefact_read(ctx, l->archive, "item", first, &t));
    l->first = first;
    l->loaded = n;
    return TESS_OK;
}

static int item_at(struct tess_context *ctx, struct crop_list *l, int64_t row, int64_t *item)
{
    if (row < l->first || row >= l->first + l->loaded)
        TESS_TRY(load_items(ctx, l, row));
    *item = l->item[row - l->first];
    return TESS_OK;
}

/* First row of the picture of number `item`, or of the next number that has rows: by halves, among the rows at hand where it is there. */
static int search_item(struct tess_context *ctx, struct crop_list *l, int64_t item, int64_t *row)
{
    int64_t lo = 0, hi = l->rows, found = 0;
    if (l->loaded && l->item[0] < item && l->item[l->loaded - 1] >= item) {
        lo = l->first;
        hi = l->first + l->loaded - 1;
    }
    while (lo < hi) {
        int64_t middle = lo + (hi - lo) / 2;
        int32_t one;
        struct tess_tensor t = tess_tensor_over(&one, TESS_I32, 1, (const int64_t[]){1});
        if (middle >= l->first && middle < l->first + l->loaded)
            found = l->item[middle - l->first];
        else {
            TESS_TRY(tess_artefact_read(ctx, l->archive, "item", middle, &t));
            found = one;
        }
        if (found < item)
            lo = middle + 1;
        else
            hi = middle;
    }
    *row = lo;
    return TESS_OK;
}

/* Number of rows, from `first` on, of the picture that row `first` is of. */
static int count_rows(struct tess_context *ctx, struct crop_list *l, int64_t first, int64_t *n)
{
    int64_t item, next;
    TESS_TRY(item_at(ctx, l, first, &item));
    for (*n = 1; first + *n < l->rows && *n <= ROWS_MAX; ++*n) {
        TESS_TRY(item_at(ctx, l, first + *n, &next));
        if (next != item)
            return TESS_OK;
    }
    if (*n <= ROWS_MAX)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "%s: image %lld has more than %d rows; the archive is damaged", tess_artefact_path(l->archive),
                     (long long)item, ROWS_MAX);
}

/* ---- by name --------------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *text, size_t n)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
    return h;
}

static int add_name(struct tess_context *ctx, struct crop_list_names *t, const char *text, size_t n, int64_t row)
{
    TESS_TRY(tess_reserve(ctx, &t->name, &t->capacity, t->count + 1, sizeof *t->name, "names of an archive"));
    t->name[t->count++] = (struct crop_list_name){hash_of(text, n), row};
    return TESS_OK;
}

/* A line of /skipped is NAME: REASON, and a name may have a colon of its own: each is a name's end perhaps. */
static int add_skipped(struct tess_context *ctx, struct crop_list_names *t, const char *line, int64_t row)
{
    for (const char *end = strstr(line, ": "); end; end = strstr(end + 1, ": "))
        TESS_TRY(add_name(ctx, t, line, (size_t)(end - line), row));
    return TESS_OK;
}

static int by_hash(const void *a, const void *b)
{
    const struct crop_list_name *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Adds a block of strings to a table; of rows only the first one of each picture. */
static int add_block(struct tess_context *ctx, struct crop_list *l, struct crop_list_names *t, int64_t first, int64_t n, char **text)
{
    const int rows = t == &l->of_rows;
    for (int64_t i = 0; i < n; i++) {
        int64_t item = 0, before = -1;
        if (rows && first + i > 0)
            TESS_TRY(item_at(ctx, l, first + i - 1, &before));
        if (rows)
            TESS_TRY(item_at(ctx, l, first + i, &item));
        if (rows && item != before)
            TESS_TRY(add_name(ctx, t, text[i], strlen(text[i]), first + i));
        if (!rows)
            TESS_TRY(add_skipped(ctx, t, text[i], first + i));
    }
    return TESS_OK;
}

static int make_table(struct tess_context *ctx, struct crop_list *l, struct crop_list_names *t)
{
    const char *name = t == &l->of_rows ? "names" : "skipped";
    const int64_t count = t == &l->of_rows ? l->rows : l->skipped;
    char *text[CROP_LIST_BLOCK];
    for (int64_t first = 0; first < count; first += CROP_LIST_BLOCK) {
        int64_t n = count - first < CROP_LIST_BLOCK ? count - first : CROP_LIST_BLOCK;
        int status = tess_artefact_read_strings(ctx, l->archive, name, first, n, text);
        if (status == TESS_OK)
            status = add_block(ctx, l, t, first, n, text);
        for (int64_t i = 0; i < n; i++)
            tess_free(text[i]);
        TESS_TRY(status);
    }
    if (t->count)
        qsort(t->name, (size_t)t->count, sizeof *t->name, by_hash);
    t->known = 1;
    return TESS_OK;
}

/* Whether row `row` has this name, or line `row` of /skipped is of it, whose reason is put in `reason`. */
static int is_named(struct tess_context *ctx, const struct crop_list *l, int64_t row, const char *name, struct crop_list_found *skipped,
                    int *is)
{
    char *text;
    size_t n = strlen(name);
    TESS_TRY(tess_artefact_read_strings(ctx, l->archive, skipped ? "skipped" : "names", row, 1, &text));
    *is = skipped ? strncmp(text, name, n) == 0 && strncmp(text + n, ": ", 2) == 0 : strcmp(text, name) == 0;
    if (*is && skipped)
        (void)snprintf(skipped->reason, sizeof skipped->reason, "%s", text + n + 2);
    tess_free(text);
    return TESS_OK;
}

/* Finds a name in a table; *row -1: it is not there. */
static int search_name(struct tess_context *ctx, struct crop_list *l, struct crop_list_names *t, const char *name,
                       struct crop_list_found *skipped, int64_t *row)
{
    const uint64_t hash = hash_of(name, strlen(name));
    *row = -1;
    if (!t->known)
        TESS_TRY(make_table(ctx, l, t));
    int64_t lo = 0, hi = t->count;
    while (lo < hi) {
        int64_t middle = lo + (hi - lo) / 2;
        if (t->name[middle].hash < hash)
            lo = middle + 1;
        else
            hi = middle;
    }
    for (int is = 0; lo < t->count && t->name[lo].hash == hash; lo++) {
        TESS_TRY(is_named(ctx, l, t->name[lo].row, name, skipped, &is));
        if (is) {
            *row = t->name[lo].row;
            return TESS_OK;
        }
    }
    return TESS_OK;
}

/* ---- both ------------------------------------------------------------------------------------------------------------------ */

static int read_content(struct tess_context *ctx, const struct crop_list *l, const char *name, int64_t row, struct crop_list_found *out)
{
    struct tess_tensor t = tess_tensor_over(out->content, TESS_U8, 2, (const int64_t[]){1, ARCHIVE_CONTENT});
    TESS_TRY(tess_artefact_read(ctx, l->archive, name, row, &t));
    out->has_content = 1;
    return TESS_OK;
}

static int take_rows(struct tess_context *ctx, struct crop_list *l, int64_t row, struct crop_list_found *out)
{
    out->first = row;
    TESS_TRY(count_rows(ctx, l, row, &out->rows));
    return l->content ? read_content(ctx, l, "content", row, out) : TESS_OK;
}

int crop_list_find(struct tess_context *ctx, struct crop_list *l, int64_t item, const char *name, struct crop_list_found *out)
{
    int64_t row, found = -1;
    int is = 0;
    *out = (struct crop_list_found){.first = -1};
    TESS_TRY(search_item(ctx, l, item, &row));
    if (row < l->rows)
        TESS_TRY(item_at(ctx, l, row, &found));
    if (found == item && name && l->named)
        TESS_TRY(is_named(ctx, l, row, name, NULL, &is));
    if (is || (found == item && (!name || !l->named)))
        return take_rows(ctx, l, row, out);
    char number[32];
    (void)snprintf(number, sizeof number, "%lld", (long long)item); /* pictures without names are listed by their number */
    TESS_TRY(search_name(ctx, l, &l->of_skipped, name ? name : number, out, &row));
    if (row >= 0) {
        out->first = row;
        return l->skipped_content ? read_content(ctx, l, "skipped_content", row, out) : TESS_OK;
    }
    if (!name || !l->named)
        return TESS_OK;
    TESS_TRY(search_name(ctx, l, &l->of_rows, name, NULL, &row));
    return row >= 0 ? take_rows(ctx, l, row, out) : TESS_OK;
}

static int check_box(struct tess_context *ctx, const struct crop_list *l, int64_t row, int64_t ih, int64_t iw, const struct crop_box *b)
{
    if (b->top >= 0 && b->left >= 0 && b->height >= 1 && b->width >= 1 && b->height <= ih - b->top && b->width <= iw - b->left)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                     "%s: row %lld is %d x %d pixels from (%d, %d) of a picture that has %lld x %lld here: it is another picture, or was "
                     "decoded with other settings of the source",
                     tess_artefact_path(l->archive), (long long)row, b->height, b->width, b->top, b->left, (long long)ih, (long long)iw);
}

int crop_list_boxes(struct tess_context *ctx, const struct crop_list *l, int64_t first, int64_t n, int64_t ih, int64_t iw,
                    struct crop_box *box)
{
    int32_t side[CROP_LIST_BLOCK][BOX];
    uint8_t flipped[CROP_LIST_BLOCK] = {0};
    for (int64_t done = 0, part; done < n; done += part) {
        part = n - done < CROP_LIST_BLOCK ? n - done : CROP_LIST_BLOCK;
        struct tess_tensor sides = tess_tensor_over(side, TESS_I32, 2, (const int64_t[]){part, BOX}),
                           flips = tess_tensor_over(flipped, TESS_U8, 1, &part);
        TESS_TRY(tess_artefact_read(ctx, l->archive, "crops", first + done, &sides));
        if (l->flipped)
            TESS_TRY(tess_artefact_read(ctx, l->archive, "flipped", first + done, &flips));
        for (int64_t i = 0; i < part; i++) {
            box[done + i] = (struct crop_box){side[i][0], side[i][1], side[i][2], side[i][3], flipped[i] != 0};
            TESS_TRY(check_box(ctx, l, first + done + i, ih, iw, &box[done + i]));
        }
    }
    return TESS_OK;
}
