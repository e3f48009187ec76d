/* The loop of an encoding: a group is read, encoded a batch at a time, and put at the end of the list of rows. A checkpoint is the list,
 * synced, and a few numbers; so it costs what came since the last one, and resuming reads none of it.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/encode/encode_work.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- a group encoded ----------------------------------------------------------------------------------------------- */

/* Rows are put into microbatches by the number of their picture, and not by how many came before: the last bits of a row depend on its
 * place in its microbatch, and must not depend on which pictures were left out, where a shard begins, or where a run was stopped. So a bad
 * picture leaves its places empty, and a picture cut into tiles, whose number nobody knows before, begins a microbatch. */

static int64_t places_of(const struct encode_work *k, const struct encode_slot *slot)
{
    if (k->given)
        return slot->rows;
    if (k->source && k->s->crops == CROPS_TILES)
        return stage_whole_microbatches(slot->rows);
    return k->source ? encode_views(k) : 1;
}

/* Empty places before the next picture in its microbatch. */
static int64_t places_before(const struct encode_work *k)
{
    if (!k->source)
        return (k->layout.place + k->at.done) % STAGE_MICROBATCH;
    return encode_views_differ(k) ? 0 : (k->first_item + k->at.done) * encode_views(k) % STAGE_MICROBATCH;
}

/* First place of a slot's rows, where places up to `place` are taken. Rows of which another archive tells the crops have the place of their
 * number there. */
static int64_t place_of(const struct encode_work *k, const struct encode_slot *slot, int64_t place)
{
    if (!k->given || !slot->rows)
        return place;
    return place + (slot->given % STAGE_MICROBATCH - place % STAGE_MICROBATCH + STAGE_MICROBATCH) % STAGE_MICROBATCH;
}

/* Makes memory for the codes and errors of a group. */
static int reserve_codes(struct tess_context *ctx, struct encode_work *k, int64_t places)
{
    if (places <= k->capacity)
        return TESS_OK;
    tess_free(k->codes.data);
    tess_free(k->error.data);
    k->codes.data = k->error.data = NULL;
    k->capacity = 0;
    TESS_TRY(code_maps_tensor(ctx, &k->maps, places, &k->codes));
    TESS_TRY(stage_tensor(ctx, &k->error, TESS_F32, 1, &places));
    k->capacity = places;
    return TESS_OK;
}

/* Encodes the n places in the batch, which are places `first` and on of the group. */
static int encode_batch(struct tess_context *ctx, struct encode_work *k, int64_t first, int64_t n)
{
    struct tess_tensor out[2] = {k->codes, k->error};
    out[0].data = (int32_t *)k->codes.data + first * code_maps_tokens(&k->maps);
    out[1].data = (float *)k->error.data + first;
    return stage_graph_run(ctx, &k->encode, 0, k->at.rows + first, n, 1, &k->batch, 2, out);
}

/* Places of a group on their way through the batch. */
struct places {
    int64_t filled, place, all; /* places in the batch; places before the next, and in all */
    int64_t encoded;
};

/* Puts a row's bytes at the next place, or zeros (NULL), and encodes the batch once it is full, or the group's last place. */
static int put_place(struct tess_context *ctx, struct encode_work *k, struct places *p, const uint8_t *bytes)
{
    const size_t row = (size_t)(k->tokenizer.height * k->tokenizer.width * k->tokenizer.channels);
    uint8_t *to = (uint8_t *)k->batch.data + (size_t)p->filled++ * row;
    if (bytes)
        memcpy(to, bytes, row);
    else
        memset(to, 0, row);
    if (++p->place < p->all && p->filled < k->s->batch)
        return TESS_OK;
    TESS_TRY(encode_batch(ctx, k, p->encoded, p->filled));
    p->encoded += p->filled;
    p->filled = 0;
    return TESS_OK;
}

/* Encodes the rows of n slots; *encoded: the number of places, fewer once a stop is asked for. */
static int encode_slots(struct tess_context *ctx, struct encode_work *k, int64_t n, int64_t *encoded)
{
    const size_t row = (size_t)(k->tokenizer.height * k->tokenizer.width * k->tokenizer.channels);
    const int64_t before = places_before(k);
    struct places p = {.all = before};
    *encoded = 0;
    for (int64_t j = 0; j < n; j++)
        p.all = place_of(k, &k->slot[j], p.all) + places_of(k, &k->slot[j]);
    TESS_TRY(reserve_codes(ctx, k, p.all));
    for (int64_t j = 0, end = before; j < n; j++) {
        const struct encode_slot *slot = &k->slot[j];
        const int64_t first = place_of(k, slot, end);
        end = first + places_of(k, slot);
        while (p.place < end) {
            const int64_t v = p.place - first;
            TESS_TRY(put_place(ctx, k, &p, v >= 0 && v < slot->rows ? slot->bytes + (size_t)v * row : NULL));
            *encoded = p.encoded;
            if (!p.filled && tess_stage_stopping(k->run))
                return TESS_OK;
        }
    }
    return TESS_OK;
}

/* ---- into the list --------------------------------------------------------------------------------------------------- */

/* Fills the payload of a row: its codes at their width, and what is known of it. */
static void fill_record(struct encode_work *k, int64_t place, const struct encode_about *about)
{
    const int32_t *code = (const int32_t *)k->codes.data + place * code_maps_tokens(&k->maps);
    int64_t tokens = code_maps_tokens(&k->maps);
    int32_t dtype = encode_code_dtype(k);
    for (int64_t i = 0; i < tokens; i++)
        if (dtype == TESS_U8)
            k->record[i] = (uint8_t)code[i];
        else if (dtype == TESS_U16)
            ((uint16_t *)(void *)k->record)[i] = (uint16_t)code[i];
        else
            ((int32_t *)(void *)k->record)[i] = code[i];
    memcpy(k->record + (size_t)tokens * tess_dtype_size(dtype), about, sizeof *about);
}

static int64_t longer(int64_t width, size_t length)
{
    return (int64_t)length > width ? (int64_t)length : width;
}

/* Content of the item that is done next; zeros where the images are an artefact's. */
static int next_content(struct tess_context *ctx, const struct encode_work *k, uint8_t content[ARCHIVE_CONTENT])
{
    memset(content, 0, ARCHIVE_CONTENT);
    if (!k->source)
        return TESS_OK;
    return archive_content(ctx, k->source, k->self, archive_selection_at(&k->selection, k->first_item + k->at.done - k->s->offset),
                           content);
}

/* A bad item's record has its content in place of a label. */
static int keep_bad(struct tess_context *ctx, struct encode_work *k, const struct encode_slot *slot)
{
    struct archive_record record = {.name = slot->name, .reason = slot->reason};
    uint8_t content[ARCHIVE_CONTENT];
    TESS_TRY(next_content(ctx, k, content));
    TESS_TRY(encode_given_same(ctx, k, slot, content));
    memcpy(&record.label, content, sizeof record.label);
    TESS_TRY(archive_rows_add(ctx, &k->rows, &record));
    (void)snprintf(k->last_skipped, sizeof k->last_skipped, "%s: %s", slot->name, slot->reason);
    k->at.bad_width = longer(k->at.bad_width, strlen(k->last_skipped));
    if (++k->at.bad <= ENCODE_NAMED)
        tess_stage_note(k->run, "skipped %s", k->last_skipped);
    return TESS_OK;
}

/* Fails for a row whose latent is not finite. */
static int check_row(struct tess_context *ctx, const struct encode_work *k, int64_t place, int64_t row)
{
    if (isfinite(((const float *)k->error.data)[place]))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                     "the latent of image %lld is not finite: the model's values overflow; it diverged, train it again with a lower `lr`",
                     (long long)(k->source ? k->first_item + k->at.done : encode_image_of(&k->layout, row)));
}

/* Puts the slot's rows, which are at places `first` and on of the group, at the end of the list. */
static int keep_slot(struct tess_context *ctx, struct encode_work *k, const struct encode_slot *slot, int64_t first)
{
    if (*slot->reason)
        return keep_bad(ctx, k, slot);
    uint8_t content[ARCHIVE_CONTENT];
    TESS_TRY(next_content(ctx, k, content));
    TESS_TRY(encode_given_same(ctx, k, slot, content));
    for (int64_t v = 0; v < slot->rows; v++) {
        TESS_TRY(check_row(ctx, k, first + v, k->at.rows + v));
        struct encode_about about = {
            .error = ((const float *)k->error.data)[first + v], .item = (int32_t)(k->first_item + k->at.done), .box = slot->box[v]};
        const struct archive_record record = {
            .name = slot->name, .reason = "", .label = k->classes ? slot->label : 0, .row = k->record, .row_bytes = encode_record_bytes(k)};
        memcpy(about.content, content, sizeof content);
        fill_record(k, first + v, &about);
        TESS_TRY(archive_rows_add(ctx, &k->rows, &record));
    }
    k->at.name_width = longer(k->at.name_width, strlen(slot->name));
    return TESS_OK;
}

/* Puts the slot at the end of the list, which the leading process alone has; the others count it. */
static int take_slot(struct tess_context *ctx, struct encode_work *k, const struct encode_slot *slot, int64_t first)
{
    if (tess_stage_leads(k->run))
        TESS_TRY(keep_slot(ctx, k, slot, first));
    k->at.done++;
    k->at.rows += slot->rows;
    return TESS_OK;
}

static int encode_group(struct tess_context *ctx, struct encode_work *k)
{
    int64_t n, encoded;
    TESS_TRY(encode_read_group(ctx, k, &n));
    if (tess_stage_stopping(k->run))
        return TESS_OK;
    TESS_TRY(encode_slots(ctx, k, n, &encoded));
    int64_t place = places_before(k);
    for (int64_t j = 0; j < n && place_of(k, &k->slot[j], place) + places_of(k, &k->slot[j]) <= encoded; j++) {
        place = place_of(k, &k->slot[j], place);
        TESS_TRY(take_slot(ctx, k, &k->slot[j], place));
        place += places_of(k, &k->slot[j]);
    }
    tess_stage_progress(k->run, k->at.done, k->items, "image", k->s->skip_bad ? "skipped" : NULL, (double)k->at.bad);
    return TESS_OK;
}

/* ---- checkpoints ----------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t offset;
} kept_numbers[] = {{"done", offsetof(struct encode_progress, done)},
                    {"rows", offsetof(struct encode_progress, rows)},
                    {"bad", offsetof(struct encode_progress, bad)},
                    {"name_width", offsetof(struct encode_progress, name_width)},
                    {"bad_width", offsetof(struct encode_progress, bad_width)}};
enum { NUMBERS = sizeof kept_numbers / sizeof *kept_numbers };

static int64_t *number_at(struct encode_progress *p, size_t i)
{
    return (int64_t *)(void *)((char *)p + kept_numbers[i].offset);
}

static int write_checkpoint(void *user, struct tess_context *ctx, struct tess_artefact *a)
{
    struct encode_work *k = user;
    struct tess_attrs *f = tess_artefact_describe(a);
    TESS_TRY(archive_rows_sync(ctx, &k->rows));
    for (size_t i = 0; i < NUMBERS; i++)
        TESS_TRY(tess_attrs_set_i64(ctx, f, kept_numbers[i].name, *number_at(&k->at, i)));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "rows_bytes", k->rows.written));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "rows_sum", (int64_t)k->rows.sum));
    return tess_attrs_set_text(ctx, f, "last_skipped", k->last_skipped);
}

static int read_numbers(struct tess_context *ctx, struct encode_work *k, const struct tess_artefact *a)
{
    const struct tess_attrs *f = tess_artefact_attrs(a);
    for (size_t i = 0; i < NUMBERS; i++)
        TESS_TRY(tess_attrs_i64(ctx, f, kept_numbers[i].name, number_at(&k->at, i)));
    (void)snprintf(k->last_skipped, sizeof k->last_skipped, "%s", tess_attrs_text_or(f, "last_skipped", ""));
    if (k->at.done < 1 || k->at.done > k->items || k->at.rows < 0 || k->at.bad < 0 || k->at.bad > k->at.done)
        return ctx->fail(ctx, TESS_E_DATA, "%s: a checkpoint of %lld images of %lld; delete it to encode from the start",
                         tess_artefact_path(a), (long long)k->at.done, (long long)k->items);
    tess_stage_note(k->run, "resuming at image %lld of %lld", (long long)k->at.done, (long long)k->items);
    return TESS_OK;
}

static int encode_resume(struct tess_context *ctx, struct encode_work *k)
{
    const struct tess_artefact *a = tess_stage_resume(k->run);
    int64_t bytes, sum;
    int found;
    if (!a)
        return TESS_OK;
    TESS_TRY(tess_attrs_i64(ctx, tess_artefact_attrs(a), "rows_bytes", &bytes));
    TESS_TRY(tess_attrs_i64(ctx, tess_artefact_attrs(a), "rows_sum", &sum));
    TESS_TRY(archive_rows_resume(ctx, &k->rows, bytes, (uint64_t)sum, &found));
    if (!found) {
        tess_stage_note(k->run, "its checkpoint is there and %s is not, or is cut short: it starts over", k->rows.path);
        return TESS_OK;
    }
    return read_numbers(ctx, k, a);
}

/* ---- all ------------------------------------------------------------------------------------------------------------- */

/* Once the list lies in a file its end is a checkpoint too, so that a kill while the archive is written loses none of it. */
int encode_all(struct tess_context *ctx, struct encode_work *k)
{
    const struct tess_tokenizer *t = &k->tokenizer;
    void *memory;
    TESS_TRY(stage_tensor(ctx, &k->batch, TESS_U8, 4, (const int64_t[]){k->s->batch, t->height, t->width, t->channels}));
    TESS_TRY(tess_alloc(ctx, (size_t)encode_record_bytes(k), "a row", &memory));
    k->record = memory;
    if (tess_stage_leads(k->run))
        TESS_TRY(encode_resume(ctx, k));
    TESS_TRY(tess_stage_agree(ctx, k->run, &k->at, sizeof k->at));
    TESS_TRY(encode_read_open(ctx, k));
    int64_t saved = k->at.done;
    while (k->at.done < k->items) {
        TESS_TRY(encode_group(ctx, k));
        int last = k->at.done == k->items && k->rows.written;
        if (k->at.done > saved && (last || tess_stage_stopping(k->run) || tess_stage_checkpoint_due(k->run))) {
            TESS_TRY(tess_stage_checkpoint(ctx, k->run, write_checkpoint, k));
            saved = k->at.done;
        }
        if (k->at.done < k->items)
            TESS_TRY(stage_check_stop(ctx, k->run, k->at.done, k->items, "image"));
    }
    return TESS_OK;
}
