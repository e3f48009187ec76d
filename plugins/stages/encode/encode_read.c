/* Pictures on their way to the encoder: a group is read, decoded and made rows of on all threads, each picture into a slot of its own, so
 * that memory is bounded and the order is that of the source, whichever thread was faster. Pictures that are decoded are dealt to ranks,
 * and their rows go to all.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/encode/encode_work.h"
#include "kit/image/geometry.h"

#include <stdio.h>
#include <string.h>

static size_t row_bytes(const struct encode_work *k)
{
    return (size_t)(k->tokenizer.height * k->tokenizer.width * k->tokenizer.channels);
}

int encode_reserve_rows(struct tess_context *ctx, const struct encode_work *k, struct encode_slot *slot, int64_t rows)
{
    int64_t capacity = slot->capacity;
    slot->rows = rows;
    TESS_TRY(tess_reserve(ctx, &slot->box, &slot->boxes, rows, sizeof *slot->box, "boxes of crops"));
    if (rows <= capacity)
        return TESS_OK;
    void *memory;
    tess_free(slot->bytes);
    slot->bytes = NULL;
    slot->capacity = 0;
    TESS_TRY(tess_alloc(ctx, (size_t)rows * row_bytes(k), "a picture's rows", &memory));
    slot->bytes = memory;
    slot->capacity = rows;
    return TESS_OK;
}

/* ---- rows of one picture --------------------------------------------------------------------------------------------- */

/* The whole picture, scaled and cropped, and with `flip: both` the same turned over. */
static int make_centre(struct tess_context *ctx, const struct encode_work *k, struct image_fit_worker *worker, struct encode_slot *slot)
{
    const struct tess_tokenizer *t = &k->tokenizer;
    const struct tess_image *image = &worker->image;
    const int64_t to[2] = {t->height, t->width};
    struct image_fit fit = k->s->to;
    fit.channels = t->channels;
    const struct image_sizes z = image_fit_sizes_to(&fit, image->height, image->width, to);
    TESS_TRY(encode_reserve_rows(ctx, k, slot, encode_views(k)));
    TESS_TRY(image_fit_apply(ctx, &fit, &z, worker, t->height, t->width, t->channels, slot->bytes));
    for (int64_t v = 0; v < slot->rows; v++)
        slot->box[v] = (struct crop_box){.flipped = (int32_t)v};
    if (slot->rows > 1) {
        memcpy(slot->bytes + row_bytes(k), slot->bytes, row_bytes(k));
        geometry_flip(slot->bytes + row_bytes(k), t->height, t->width, t->channels);
    }
    return TESS_OK;
}

static int check_channels(struct tess_context *ctx, const struct encode_work *k, const struct tess_image *image)
{
    const int64_t wanted = k->tokenizer.channels;
    if (image->channels == wanted || image->channels == 1 || image->channels == 3)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_SHAPE, "image %s has %lld channels; 1 or 3 can be changed to %lld", image->name,
                     (long long)image->channels, (long long)wanted);
}

static int make_crops(struct tess_context *ctx, const struct encode_work *k, int64_t item, struct image_fit_worker *worker,
                      struct encode_slot *slot)
{
    const struct tess_image *image = &worker->image;
    const struct tess_tokenizer *t = &k->tokenizer;
    int64_t n = crops_count(&k->crop, image->height, image->width);
    if (n == 0) {
        (void)snprintf(slot->reason, sizeof slot->reason, "is %lld x %lld, smaller than one tile", (long long)image->height,
                       (long long)image->width);
        return k->s->skip_bad
                   ? TESS_OK
                   : ctx->fail(ctx, TESS_E_ITEM, "%s: %s; leave such pictures out with `skip_bad: true`", image->name, slot->reason);
    }
    TESS_TRY(check_channels(ctx, k, image));
    TESS_TRY(encode_reserve_rows(ctx, k, slot, n));
    for (int64_t v = 0; v < n; v++) {
        slot->box[v] = crops_box(&k->crop, item, image->height, image->width, v);
        TESS_TRY(crops_apply(ctx, &k->crop, &slot->box[v], worker, t->channels, slot->bytes + (size_t)v * row_bytes(k)));
    }
    return TESS_OK;
}

/* ---- one item -------------------------------------------------------------------------------------------------------- */

static int read_from_source(struct tess_context *ctx, struct encode_work *k, struct image_fit_worker *worker, int64_t item,
                            struct encode_slot *slot)
{
    struct tess_image *image = &worker->image;
    int64_t index = archive_selection_at(&k->selection, item - k->s->offset);
    TESS_TRY(
        image_read(ctx, k->source, k->self, index, k->classes, k->s->skip_bad, "`skip_bad: true` (`tessera encode --skip-bad`)", image));
    slot->rows = 0;
    slot->label = image->label;
    memcpy(slot->name, image->name, sizeof slot->name);
    memcpy(slot->reason, image->reason, sizeof slot->reason);
    if (!*slot->reason) {
        if (k->given)
            TESS_TRY(check_channels(ctx, k, image));
        if (!k->given)
            TESS_TRY(k->s->crops == CROPS_CENTRE ? make_centre(ctx, k, worker, slot) : make_crops(ctx, k, item, worker, slot));
    }
    if (k->given)
        TESS_TRY(encode_given_take(ctx, k, item, worker, slot));
    if (!k->source->names(k->self)) /* the index is the name of a bad one; others have their place */
        (void)snprintf(slot->name, sizeof slot->name, "%.*lld", *slot->reason ? 1 : 0, *slot->reason ? (long long)index : 0LL);
    return TESS_OK;
}

static int read_from_artefact(struct tess_context *ctx, const struct encode_work *k, int64_t row, struct encode_slot *slot)
{
    const struct tess_tokenizer *t = &k->tokenizer;
    TESS_TRY(encode_reserve_rows(ctx, k, slot, 1));
    slot->box[0] = (struct crop_box){.flipped = encode_is_flipped(&k->layout, row)};
    TESS_TRY(stage_images_get(ctx, &k->images, encode_image_of(&k->layout, row), slot->bytes));
    if (slot->box[0].flipped)
        geometry_flip(slot->bytes, t->height, t->width, t->channels);
    return TESS_OK;
}

/* Reads item j of a group, but for the first none once a stop is asked for. */
static int read_one(void *user, struct tess_context *ctx, int32_t worker, int64_t j)
{
    struct encode_work *k = user;
    struct encode_slot *slot = &k->slot[j];
    if (j > 0 && tess_stage_stopping(k->run))
        return TESS_OK;
    TESS_TRY(k->source ? read_from_source(ctx, k, &k->worker[worker], k->first_item + k->at.done + j, slot)
                       : read_from_artefact(ctx, k, k->at.done + j, slot));
    slot->read = 1;
    return TESS_OK;
}

/* ---- a group ------------------------------------------------------------------------------------------------------- */

/* Tells the source which items the next group is of; of a selection those up to the first gap. Rank 0, which needs the content of all,
 * tells it for all. */
static void announce(const struct encode_work *k)
{
    int64_t next = k->at.done + k->group, n = 0, first = k->first_item - k->s->offset + next;
    if (!k->source || !ENCODE_SOURCE_HAS(k->source, soon) || next >= k->items || (k->shared && !tess_stage_leads(k->run)))
        return;
    int64_t at = archive_selection_at(&k->selection, first);
    while (n < k->group && next + n < k->items && archive_selection_at(&k->selection, first + n) == at + n)
        n++;
    k->source->soon(k->self, at, n);
}

/* Takes what another rank has read into a slot, whose memory stays its own. */
static void receive_slot(struct encode_slot *to, const struct encode_slot *from)
{
    const struct encode_slot own = *to;
    *to = *from;
    to->bytes = own.bytes;
    to->box = own.box;
    to->capacity = own.capacity;
    to->boxes = own.boxes;
}

/* Slots of the n items to all ranks, without their rows; *most is the largest number of rows of one. */
static int gather_slots(struct tess_context *ctx, struct encode_work *k, int64_t n, int64_t *most)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)n * sizeof *k->slot, "pictures of ranks", &memory));
    struct encode_slot *all = memory;
    memcpy(all, k->slot, (size_t)n * sizeof *all);
    int status = tess_stage_gather(ctx, k->run, all, n, sizeof *all);
    *most = 0;
    for (int64_t j = 0; j < n && status == TESS_OK; j++) {
        receive_slot(&k->slot[j], &all[j]);
        status = encode_reserve_rows(ctx, k, &k->slot[j], k->slot[j].read ? k->slot[j].rows : 0);
        *most = k->slot[j].rows > *most ? k->slot[j].rows : *most;
    }
    tess_free(all);
    return status;
}

/* Copies boxes and rows of a slot to `at`, or from there. */
static void copy_rows(const struct encode_work *k, struct encode_slot *slot, uint8_t *at, int64_t most, int back)
{
    size_t boxes = (size_t)slot->rows * sizeof *slot->box, bytes = (size_t)slot->rows * row_bytes(k);
    uint8_t *rows = at + (size_t)most * sizeof *slot->box;
    if (!slot->rows)
        return;
    memcpy(back ? (void *)slot->box : at, back ? at : (void *)slot->box, boxes);
    memcpy(back ? slot->bytes : rows, back ? rows : slot->bytes, bytes);
}

/* Rows of the n items to all ranks. */
static int gather_rows(struct tess_context *ctx, struct encode_work *k, int64_t n)
{
    int64_t most;
    void *memory;
    TESS_TRY(gather_slots(ctx, k, n, &most));
    size_t item = (size_t)most * (row_bytes(k) + sizeof(struct crop_box));
    if (!item)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)n * item, "rows of ranks", &memory));
    uint8_t *all = memory;
    for (int64_t j = 0; j < n; j++)
        copy_rows(k, &k->slot[j], all + (size_t)j * item, most, 0);
    int status = tess_stage_gather(ctx, k->run, all, n, (int64_t)item);
    for (int64_t j = 0; j < n && status == TESS_OK; j++)
        copy_rows(k, &k->slot[j], all + (size_t)j * item, most, 1);
    tess_free(all);
    return status;
}

int encode_read_group(struct tess_context *ctx, struct encode_work *k, int64_t *n)
{
    int64_t wanted = k->items - k->at.done < k->group ? k->items - k->at.done : k->group;
    for (int64_t j = 0; j < wanted; j++)
        k->slot[j].read = 0;
    announce(k);
    TESS_TRY((k->shared ? tess_stage_dealt : tess_stage_parallel)(ctx, k->run, wanted, read_one, k));
    if (k->shared)
        TESS_TRY(gather_rows(ctx, k, wanted));
    for (*n = 0; *n < wanted && k->slot[*n].read;)
        ++*n;
    return TESS_OK;
}

/* Items of a group: as many as make about a batch of rows, in whole microbatches; where a picture has many tiles, two a thread. */
static int64_t group_size(const struct encode_work *k)
{
    int64_t views = k->source ? encode_views(k) : 1, n = (k->s->batch + views - 1) / views;
    if (encode_views_differ(k) && !k->given)
        return 2 * (int64_t)k->workers;
    if (views > 1)
        n = (n + STAGE_MICROBATCH - 1) / STAGE_MICROBATCH * STAGE_MICROBATCH;
    return n < k->items ? n : k->items;
}

int encode_read_open(struct tess_context *ctx, struct encode_work *k)
{
    void *memory;
    k->workers = tess_stage_workers(k->run);
    k->shared = tess_stage_ranks(k->run) > 1 && k->source && image_source_decodes(k->source, k->self);
    k->group = group_size(k);
    TESS_TRY(tess_stage_agree(ctx, k->run, &k->group, sizeof k->group)); /* of the leading process's threads */
    TESS_TRY(tess_alloc(ctx, (size_t)k->workers * sizeof *k->worker, "pictures of threads", &memory));
    k->worker = memory;
    for (int32_t i = 0; i < k->workers; i++)
        k->worker[i].image.size = sizeof k->worker[i].image;
    TESS_TRY(tess_alloc(ctx, (size_t)k->group * sizeof *k->slot, "pictures on their way", &memory));
    k->slot = memory;
    return TESS_OK;
}

void encode_read_close(struct encode_work *k)
{
    for (int32_t i = 0; k->worker && i < k->workers; i++)
        image_fit_worker_free(&k->worker[i]);
    for (int64_t j = 0; k->slot && j < k->group; j++) {
        tess_free(k->slot[j].bytes);
        tess_free(k->slot[j].box);
    }
    tess_free(k->worker);
    tess_free(k->slot);
    k->worker = NULL;
    k->slot = NULL;
}
