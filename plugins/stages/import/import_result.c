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
    int64_t count, used, most, room;
};

struct writing {
    struct import_work *k;
    struct tess_stage_run *run;
    struct tess_tensor images, label; /* of a group; all labels */
    int64_t most, there, labels;      /* images of a group; in it now; labels so far */
    struct texts names, skipped;
    int shown;
};

static int make_texts(struct tess_call *c, struct texts *t, int64_t count, int64_t bytes)
{
    void *memory;
    t->most = count;
    t->room = bytes;
    TESS_TRY(tess_alloc(c, (size_t)count * sizeof *t->at + 1, "names of images", &memory));
    t->at = memory;
    TESS_TRY(tess_alloc(c, (size_t)bytes + 1, "names of images", &memory));
    t->block = memory;
    return TESS_OK;
}

/* "FRONT: BACK", or the front alone. 0: there are more than were counted. */
static int add_text(struct texts *t, const char *front, const char *back)
{
    char *to = t->block + t->used;
    int64_t length = (int64_t)(strlen(front) + (back ? strlen(back) + 2 : 0));
    if (t->count == t->most || t->used + length + 1 > t->room)
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

static int put_group(struct tess_call *c, struct writing *w)
{
    struct tess_artefact *a = tess_stage_output(w->run);
    struct tess_tensor group = w->images;
    group.dim[0] = w->there;
    w->there = 0;
    if (!group.dim[0])
        return TESS_OK;
    TESS_TRY(tess_artefact_append(c, a, "images", &group));
    if (w->shown++)
        return TESS_OK;
    group.dim[0] = group.dim[0] < PICTURE_IMAGES ? group.dim[0] : PICTURE_IMAGES;
    return stage_put_sheet(c, a, "images", &group);
}

static int contradiction(struct tess_call *c, const struct import_work *k)
{
    return c->fail(c, TESS_E_DATA, "%s: does not go with its checkpoint; delete both to import from the start", k->rows.path);
}

static int take_record(struct tess_call *c, struct writing *w)
{
    struct import_work *k = w->k;
    struct import_record record;
    char text[IMPORT_TEXTS];
    uint8_t *to = (uint8_t *)w->images.data + w->there * import_row_bytes(k);
    TESS_TRY(import_rows_next(c, &k->rows, text, sizeof text, to, import_row_bytes(k), &record));
    if (!record.row)
        return add_text(&w->skipped, record.name, record.reason) ? TESS_OK : contradiction(c, k);
    if (!add_text(&w->names, record.name, NULL))
        return contradiction(c, k);
    if (k->classes)
        ((uint16_t *)w->label.data)[w->labels++] = (uint16_t)record.label;
    return ++w->there == w->most ? put_group(c, w) : TESS_OK;
}

static int put_images(struct tess_call *c, struct writing *w)
{
    struct import_work *k = w->k;
    struct tess_dataset how = {.size = sizeof how, .labels = "image y x channel"};
    struct tess_tensor whole = w->images;
    whole.dim[0] = k->kept;
    TESS_TRY(tess_artefact_begin(c, tess_stage_output(w->run), "images", &whole, &how));
    TESS_TRY(import_rows_rewind(c, &k->rows));
    for (int64_t i = 0; i < k->done; i++) {
        TESS_TRY(stage_check_stop(c, w->run, i, k->done, "row"));
        TESS_TRY(take_record(c, w));
    }
    TESS_TRY(put_group(c, w));
    return import_rows_check(c, &k->rows);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------ */

/* Never all of one side of the split: that would change what the other is for. */
static int check_sides(struct tess_call *c, const struct import_work *k)
{
    int64_t validation = k->kept - k->kept_train;
    if (k->kept_train && (validation || k->count == k->train))
        return TESS_OK;
    return c->fail(c, TESS_E_DATA, "import: none of the %lld images %s can be read (%s); check the source `%s`",
                   (long long)(k->kept == 0 ? k->count : k->kept_train == 0 ? k->train : k->count - k->train),
                   k->kept == 0 ? "there are" : k->kept_train == 0 ? "to train on" : "kept for validation", k->last_skipped,
                   tess_instance_name(k->s->source));
}

static int put_skipped(struct tess_call *c, struct writing *w)
{
    struct import_work *k = w->k;
    struct tess_artefact *a = tess_stage_output(w->run);
    if (!k->s->skip_bad)
        return TESS_OK;
    TESS_TRY(tess_artefact_put_figure(c, a, "images skipped", (double)k->bad, ""));
    if (k->bad == 0)
        return TESS_OK;
    if (k->bad > IMPORT_NAMED)
        tess_stage_note(w->run, "skipped %lld images in all; /skipped in its file has their names and reasons", (long long)k->bad);
    return tess_artefact_put_strings(c, a, "skipped", w->skipped.count, w->skipped.at);
}

static int put_classes(struct tess_call *c, struct writing *w)
{
    struct import_work *k = w->k;
    struct tess_artefact *a = tess_stage_output(w->run);
    struct tess_dataset how = {.size = sizeof how, .bits = stage_bits(k->classes), .compress = 1, .labels = "image"};
    TESS_TRY(tess_artefact_put(c, a, "labels", &w->label, &how));
    if (!IMPORT_SOURCE_HAS(k->source, class_name))
        return TESS_OK;
    void *memory;
    TESS_TRY(tess_alloc(c, (size_t)k->classes * sizeof(char *), "names of classes", &memory));
    const char **list = memory;
    for (int64_t i = 0; i < k->classes; i++)
        list[i] = k->source->class_name(k->self, i);
    int status = tess_artefact_put_strings(c, a, "classes", k->classes, list);
    tess_free(memory);
    return status;
}

static int have_memory(struct tess_call *c, struct writing *w)
{
    const struct import_work *k = w->k;
    int64_t row = import_row_bytes(k);
    w->most = row > IMPORT_GROUP_BYTES / IMPORT_GROUP ? IMPORT_GROUP_BYTES / row : IMPORT_GROUP;
    w->most = w->most < 1 ? 1 : w->most;
    TESS_TRY(stage_tensor(c, &w->images, TESS_U8, 4, (const int64_t[]){w->most, k->height, k->width, k->channels}));
    if (k->classes)
        TESS_TRY(stage_tensor(c, &w->label, TESS_U16, 1, &k->kept));
    TESS_TRY(make_texts(c, &w->names, k->kept, k->name_bytes));
    return make_texts(c, &w->skipped, k->bad, k->skipped_bytes);
}

static int put_all(struct tess_call *c, struct writing *w)
{
    struct import_work *k = w->k;
    TESS_TRY(check_sides(c, k));
    TESS_TRY(have_memory(c, w));
    TESS_TRY(put_images(c, w));
    TESS_TRY(put_skipped(c, w));
    if (k->classes)
        TESS_TRY(put_classes(c, w));
    return k->source->names(k->self) ? tess_artefact_put_strings(c, tess_stage_output(w->run), "names", w->names.count, w->names.at)
                                     : TESS_OK;
}

int import_write(struct tess_call *c, struct tess_stage_run *r, struct import_work *k)
{
    struct writing w = {.k = k, .run = r};
    int status = put_all(c, &w);
    if (status == TESS_E_STOPPED && !k->rows.written) /* what is in memory alone */
        status = import_checkpoint(c, r, k) == TESS_OK ? TESS_E_STOPPED : status;
    free_texts(&w.names);
    free_texts(&w.skipped);
    tess_free(w.images.data);
    tess_free(w.label.data);
    return status;
}
