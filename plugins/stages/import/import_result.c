/* The second phase of an import: the list of rows becomes data sets. Images pass by in groups; names, labels and reasons are collected, for
 * they are written at the end.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/import/import_work.h"

#include <stdio.h>
#include <string.h>

/* Texts one behind the other in one block, whose size is known beforehand. */
struct texts {
    char *block;
    const char **at;
    int64_t count, used, max, capacity;
};

struct writing {
    struct import_work *k;
    struct tess_stage_run *run;
    struct tess_tensor images, label; /* images of a group; labels of all images */
    int64_t max, there, labels;       /* images: capacity of a group, number in it now, number of labels so far */
    struct texts names, skipped;
    int shown;
};

static int make_texts(struct tess_context *ctx, struct texts *t, int64_t count, int64_t bytes)
{
    void *memory;
    t->max = count;
    t->capacity = bytes;
    TESS_TRY(tess_alloc(ctx, (size_t)count * sizeof *t->at + 1, "names of images", &memory));
    t->at = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)bytes + 1, "names of images", &memory));
    t->block = memory;
    return TESS_OK;
}

/* Appends "FRONT: BACK", or the front alone. 0: there are more texts than were counted. */
static int add_text(struct texts *t, const char *front, const char *back)
{
    char *to = t->block + t->used;
    int64_t length = (int64_t)(strlen(front) + (back ? strlen(back) + 2 : 0));
    if (t->count == t->max || t->used + length + 1 > t->capacity)
        return 0;
    (void)snprintf(to, (size_t)length + 1, back ? "%s: %s" : "%s", front, back);
    t->at[t->count++] = to;
    t->used += length + 1;
    return 1;
}

static void free_texts(struct texts *t)
{
    tess_free(t->at);
    tess_free(t->block);
}

/* ---- images -------------------------------------------------------------------------------------------------------- */

static int put_group(struct tess_context *ctx, struct writing *w)
{
    struct tess_artefact *a = tess_stage_output(w->run);
    struct tess_tensor group = w->images;
    group.dim[0] = w->there;
    w->there = 0;
    if (!group.dim[0])
        return TESS_OK;
    TESS_TRY(tess_artefact_append(ctx, a, "images", &group));
    if (w->shown++)
        return TESS_OK;
    group.dim[0] = group.dim[0] < PICTURE_IMAGES ? group.dim[0] : PICTURE_IMAGES;
    return stage_put_sheet(ctx, a, "images", &group);
}

static int import_result_contradiction(struct tess_context *ctx, const struct import_work *k)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: does not go with its checkpoint; delete both to import from the start", k->rows.path);
}

static int take_record(struct tess_context *ctx, struct writing *w)
{
    struct import_work *k = w->k;
    struct archive_record record;
    char text[IMPORT_TEXTS];
    uint8_t *to = (uint8_t *)w->images.data + w->there * import_row_bytes(k);
    TESS_TRY(archive_rows_next(ctx, &k->rows, text, sizeof text, to, import_row_bytes(k), &record));
    if (!record.row)
        return add_text(&w->skipped, record.name, record.reason) ? TESS_OK : import_result_contradiction(ctx, k);
    if (!add_text(&w->names, record.name, NULL))
        return import_result_contradiction(ctx, k);
    if (k->classes)
        ((uint16_t *)w->label.data)[w->labels++] = (uint16_t)record.label;
    return ++w->there == w->max ? put_group(ctx, w) : TESS_OK;
}

static int import_result_put_images(struct tess_context *ctx, struct writing *w)
{
    struct import_work *k = w->k;
    struct tess_dataset how = {.size = sizeof how, .labels = "image y x channel"};
    struct tess_tensor whole = w->images;
    whole.dim[0] = k->kept;
    TESS_TRY(tess_artefact_begin(ctx, tess_stage_output(w->run), "images", &whole, &how));
    TESS_TRY(archive_rows_rewind(ctx, &k->rows));
    for (int64_t i = 0; i < k->done; i++) {
        TESS_TRY(stage_check_stop(ctx, w->run, i, k->done, "row"));
        TESS_TRY(take_record(ctx, w));
    }
    TESS_TRY(put_group(ctx, w));
    return archive_rows_check(ctx, &k->rows);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------ */

/* Checks that both sides of the split kept an image, where both had some: else the split would mean something else. */
static int check_sides(struct tess_context *ctx, const struct import_work *k)
{
    int64_t validation = k->kept - k->kept_train;
    if (k->kept_train && (validation || k->count == k->train))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "import: none of the %lld images %s can be read (%s); check the source `%s`",
                   (long long)(k->kept == 0 ? k->count : k->kept_train == 0 ? k->train : k->count - k->train),
                   k->kept == 0 ? "there are" : k->kept_train == 0 ? "to train on" : "kept for validation", k->last_skipped,
                   tess_instance_name(k->s->source));
}

static int put_skipped(struct tess_context *ctx, struct writing *w)
{
    struct import_work *k = w->k;
    struct tess_artefact *a = tess_stage_output(w->run);
    if (!k->s->skip_bad)
        return TESS_OK;
    TESS_TRY(stage_put_metric(ctx, a, "images skipped", (double)k->bad, "", TESS_METRIC_LOWER));
    if (k->bad == 0)
        return TESS_OK;
    if (k->bad > IMPORT_NAMED)
        tess_stage_note(w->run, "skipped %lld images in all; /skipped in its file has their names and reasons", (long long)k->bad);
    return tess_artefact_put_strings(ctx, a, "skipped", w->skipped.count, w->skipped.at);
}

static int put_classes(struct tess_context *ctx, struct writing *w)
{
    struct import_work *k = w->k;
    struct tess_artefact *a = tess_stage_output(w->run);
    struct tess_dataset how = {.size = sizeof how, .bits = stage_bits(k->classes), .compress = 1, .labels = "image"};
    TESS_TRY(tess_artefact_put(ctx, a, "labels", &w->label, &how));
    return stage_put_classes(ctx, k->source, k->self, k->classes, a);
}

static int import_result_alloc_tensor(struct tess_context *ctx, struct writing *w)
{
    const struct import_work *k = w->k;
    int64_t row = import_row_bytes(k);
    w->max = row > IMPORT_GROUP_BYTES / IMPORT_GROUP ? IMPORT_GROUP_BYTES / row : IMPORT_GROUP;
    w->max = w->max < 1 ? 1 : w->max;
    TESS_TRY(stage_tensor(ctx, &w->images, TESS_U8, 4, (const int64_t[]){w->max, k->height, k->width, k->channels}));
    if (k->classes)
        TESS_TRY(stage_tensor(ctx, &w->label, TESS_U16, 1, &k->kept));
    TESS_TRY(make_texts(ctx, &w->names, k->kept, k->name_bytes));
    return make_texts(ctx, &w->skipped, k->bad, k->skipped_bytes);
}

static int import_result_put_all(struct tess_context *ctx, struct writing *w)
{
    struct import_work *k = w->k;
    TESS_TRY(check_sides(ctx, k));
    TESS_TRY(import_result_alloc_tensor(ctx, w));
    TESS_TRY(import_result_put_images(ctx, w));
    TESS_TRY(put_skipped(ctx, w));
    if (k->classes)
        TESS_TRY(put_classes(ctx, w));
    return k->source->names(k->self) ? tess_artefact_put_strings(ctx, tess_stage_output(w->run), "names", w->names.count, w->names.at)
                                     : TESS_OK;
}

int import_write(struct tess_context *ctx, struct tess_stage_run *r, struct import_work *k)
{
    struct writing w = {.k = k, .run = r};
    int status = import_result_put_all(ctx, &w);
    if (status == TESS_E_STOPPED && !k->rows.written) /* rows that are in memory alone */
        status = import_checkpoint(ctx, r, k) == TESS_OK ? TESS_E_STOPPED : status;
    free_texts(&w.names);
    free_texts(&w.skipped);
    tess_free(w.images.data);
    tess_free(w.label.data);
    return status;
}
