/* The end of an encoding: the list of rows becomes data sets. It passes by once, a block of rows at a time, and how codes are used is
 * counted on the way, so that memory does not depend on the number of rows.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/encode/encode_work.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = sizeof((struct encode_slot *)0)->name, REASON = sizeof((struct encode_work *)0)->last_skipped, BOX = 4, BAD_BLOCK = 64 };

/* A block of rows on its way into the data sets. */
struct block {
    struct encode_work *k;
    struct tess_artefact *to;
    int64_t rows, bad; /* number in it now: of rows, and of texts of bad items */
    struct tess_tensor codes, error, label, flipped, box, item, content, bad_content;
    char (*name)[TEXT], (*skipped)[REASON];
    const char **names, **reasons;
    int64_t *counts; /* (depth, codebook_size): how often each code was used */
    double error_sum;
};

/* 1 where rows of one item differ in their box, and where they may be turned over. */
static int has_boxes(const struct encode_work *k)
{
    return k->source && (k->given || k->s->crops != CROPS_CENTRE);
}

static int may_be_flipped(const struct encode_work *k)
{
    if (k->given)
        return k->list.flipped;
    return k->source && (k->s->flip == FLIP_BOTH || k->s->crops == CROPS_TEN || k->s->crops == CROPS_MULTI);
}

static int has_items(const struct encode_work *k)
{
    return has_boxes(k) || may_be_flipped(k);
}

static int has_error(const struct encode_work *k)
{
    return k->source && !k->tokenizer.without_error;
}

static int has_content(const struct encode_work *k)
{
    return k->source && archive_has_content(k->source);
}

static int has_names(const struct encode_work *k)
{
    return k->source && k->source->names(k->self);
}

/* ---- data sets begun --------------------------------------------------------------------------------------------------- */

static int begin(struct tess_context *ctx, struct block *b, const char *name, const struct tess_tensor *t, const struct tess_dataset *how)
{
    struct tess_tensor whole = *t;
    whole.dim[0] = b->k->at.rows;
    return tess_artefact_begin(ctx, b->to, name, &whole, how);
}

static int begin_codes(struct tess_context *ctx, struct block *b)
{
    const struct code_maps *m = &b->k->maps;
    const struct tess_dataset how = stage_codes_dataset(m);
    return begin(ctx, b, "codes", &b->codes, &how);
}

static int begin_contents(struct tess_context *ctx, struct block *b)
{
    const struct tess_dataset how = {.size = sizeof how, .by_row = 1, .labels = "image byte"};
    struct tess_tensor bad = b->bad_content;
    bad.dim[0] = b->k->at.bad;
    TESS_TRY(begin(ctx, b, "content", &b->content, &how));
    return bad.dim[0] ? tess_artefact_begin(ctx, b->to, "skipped_content", &bad, &how) : TESS_OK;
}

/* Chunks are small, so that writing all data sets side by side takes little memory, and a row of any is read without many others. */
static int begin_all(struct tess_context *ctx, struct block *b)
{
    const struct encode_work *k = b->k;
    const struct tess_dataset plain = {.size = sizeof plain, .by_row = 1, .labels = "image"},
                              packed = {.size = sizeof packed, .by_row = 1, .compress = 1, .labels = "image"};
    const struct tess_dataset box = {.size = sizeof box, .by_row = 1, .compress = 1, .labels = "image side", .unit = "pixel"};
    const struct tess_dataset bit = {.size = sizeof bit, .bits = 1, .by_row = 1, .compress = 1, .labels = "image"};
    const struct tess_dataset label = {.size = sizeof label, .by_row = 1, .bits = stage_bits(k->classes), .compress = 1, .labels = "image"};
    TESS_TRY(begin_codes(ctx, b));
    if (has_error(k))
        TESS_TRY(begin(ctx, b, "error", &b->error, &plain));
    if (has_boxes(k))
        TESS_TRY(begin(ctx, b, "crops", &b->box, &box));
    if (may_be_flipped(k))
        TESS_TRY(begin(ctx, b, "flipped", &b->flipped, &bit));
    if (has_items(k))
        TESS_TRY(begin(ctx, b, "item", &b->item, &packed));
    if (k->source && k->classes)
        TESS_TRY(begin(ctx, b, "labels", &b->label, &label));
    if (has_names(k))
        TESS_TRY(tess_artefact_begin_strings(ctx, b->to, "names", k->at.rows, k->at.name_width > 0 ? k->at.name_width : 1));
    if (k->at.bad)
        TESS_TRY(tess_artefact_begin_strings(ctx, b->to, "skipped", k->at.bad, k->at.bad_width));
    return has_content(k) ? begin_contents(ctx, b) : TESS_OK;
}

/* ---- a block -------------------------------------------------------------------------------------------------------------- */

static int put_rows(struct tess_context *ctx, struct block *b, const char *name, const struct tess_tensor *t)
{
    struct tess_tensor part = *t;
    part.dim[0] = b->rows;
    return tess_artefact_append(ctx, b->to, name, &part);
}

static int put_block(struct tess_context *ctx, struct block *b)
{
    const struct encode_work *k = b->k;
    if (b->rows == 0)
        return TESS_OK;
    TESS_TRY(put_rows(ctx, b, "codes", &b->codes));
    if (has_error(k))
        TESS_TRY(put_rows(ctx, b, "error", &b->error));
    if (has_boxes(k))
        TESS_TRY(put_rows(ctx, b, "crops", &b->box));
    if (may_be_flipped(k))
        TESS_TRY(put_rows(ctx, b, "flipped", &b->flipped));
    if (has_items(k))
        TESS_TRY(put_rows(ctx, b, "item", &b->item));
    if (k->source && k->classes)
        TESS_TRY(put_rows(ctx, b, "labels", &b->label));
    if (has_content(k))
        TESS_TRY(put_rows(ctx, b, "content", &b->content));
    if (has_names(k))
        TESS_TRY(tess_artefact_append_strings(ctx, b->to, "names", b->rows, b->names));
    b->rows = 0;
    return TESS_OK;
}

static int put_bad(struct tess_context *ctx, struct block *b)
{
    struct tess_tensor content = b->bad_content;
    content.dim[0] = b->bad;
    b->bad = 0;
    if (content.dim[0] && has_content(b->k))
        TESS_TRY(tess_artefact_append(ctx, b->to, "skipped_content", &content));
    return content.dim[0] ? tess_artefact_append_strings(ctx, b->to, "skipped", content.dim[0], b->reasons) : TESS_OK;
}

/* Reads the codes of a record into row r of the block, and counts them. TESS_E_DATA where one is out of range. */
static int take_codes(struct tess_context *ctx, struct block *b, int64_t r)
{
    const struct encode_work *k = b->k;
    const struct code_maps *m = &k->maps;
    int64_t tokens = code_maps_tokens(m);
    int32_t *code = (int32_t *)b->codes.data + r * tokens, dtype = encode_code_dtype(k);
    for (int64_t i = 0; i < tokens; i++) {
        code[i] = dtype == TESS_U8    ? k->record[i]
                  : dtype == TESS_U16 ? ((const uint16_t *)(const void *)k->record)[i]
                                      : ((const int32_t *)(const void *)k->record)[i];
        if (code[i] < 0 || code[i] >= m->level_size[i % m->depth])
            return ctx->fail(ctx, TESS_E_DATA, "%s: is not what was written; look at the disk, and delete it to start over", k->rows.path);
        b->counts[i % m->depth * m->codebook_size + code[i]]++;
    }
    return TESS_OK;
}

static int take_row(struct tess_context *ctx, struct block *b, const struct archive_record *record)
{
    const struct encode_work *k = b->k;
    struct encode_about about;
    int64_t r = b->rows++;
    memcpy(&about, k->record + encode_record_bytes(k) - (int64_t)sizeof about, sizeof about);
    TESS_TRY(take_codes(ctx, b, r));
    const int32_t box[BOX] = {about.box.top, about.box.left, about.box.height, about.box.width};
    memcpy((int32_t *)b->box.data + r * BOX, box, sizeof box);
    ((float *)b->error.data)[r] = about.error;
    ((int32_t *)b->item.data)[r] = about.item;
    memcpy((uint8_t *)b->content.data + r * ARCHIVE_CONTENT, about.content, sizeof about.content);
    ((uint8_t *)b->flipped.data)[r] = (uint8_t)about.box.flipped;
    ((uint16_t *)b->label.data)[r] = (uint16_t)record->label;
    (void)snprintf(b->name[r], TEXT, "%s", record->name);
    b->error_sum += (double)about.error;
    return b->rows == ENCODE_BLOCK ? put_block(ctx, b) : TESS_OK;
}

/* Texts of one record. */
enum { TEXTS = TEXT + REASON };

static int take_all(struct tess_context *ctx, struct block *b)
{
    struct encode_work *k = b->k;
    char text[TEXTS];
    struct archive_record record;
    TESS_TRY(archive_rows_rewind(ctx, &k->rows));
    for (int64_t i = 0; i < k->at.rows + k->at.bad; i++) {
        TESS_TRY(archive_rows_next(ctx, &k->rows, text, sizeof text, k->record, encode_record_bytes(k), &record));
        if (record.row) {
            TESS_TRY(take_row(ctx, b, &record));
            continue;
        }
        memcpy((uint8_t *)b->bad_content.data + b->bad * ARCHIVE_CONTENT, &record.label, sizeof record.label);
        (void)snprintf(b->skipped[b->bad++], REASON, "%s: %s", record.name, record.reason);
        if (b->bad == BAD_BLOCK)
            TESS_TRY(put_bad(ctx, b));
    }
    TESS_TRY(put_block(ctx, b));
    TESS_TRY(put_bad(ctx, b));
    return archive_rows_check(ctx, &k->rows);
}

static int block_open(struct tess_context *ctx, struct block *b)
{
    const int64_t n = ENCODE_BLOCK, box[2] = {ENCODE_BLOCK, BOX};
    void *memory;
    TESS_TRY(code_maps_tensor(ctx, &b->k->maps, n, &b->codes));
    TESS_TRY(stage_tensor(ctx, &b->error, TESS_F32, 1, &n));
    TESS_TRY(stage_tensor(ctx, &b->label, TESS_U16, 1, &n));
    TESS_TRY(stage_tensor(ctx, &b->flipped, TESS_U8, 1, &n));
    TESS_TRY(stage_tensor(ctx, &b->item, TESS_I32, 1, &n));
    TESS_TRY(stage_tensor(ctx, &b->box, TESS_I32, 2, box));
    TESS_TRY(stage_tensor(ctx, &b->content, TESS_U8, 2, (const int64_t[]){ENCODE_BLOCK, ARCHIVE_CONTENT}));
    TESS_TRY(stage_tensor(ctx, &b->bad_content, TESS_U8, 2, (const int64_t[]){BAD_BLOCK, ARCHIVE_CONTENT}));
    TESS_TRY(tess_alloc(ctx, ENCODE_BLOCK * (TEXT + sizeof(char *)) + BAD_BLOCK * (REASON + sizeof(char *)), "names of images", &memory));
    b->names = memory;
    b->reasons = b->names + ENCODE_BLOCK;
    b->name = (char(*)[TEXT])(void *)(b->reasons + BAD_BLOCK);
    b->skipped = (char(*)[REASON])(void *)(b->name + ENCODE_BLOCK);
    for (int64_t i = 0; i < ENCODE_BLOCK; i++)
        b->names[i] = b->name[i];
    for (int64_t i = 0; i < BAD_BLOCK; i++)
        b->reasons[i] = b->skipped[i];
    TESS_TRY(tess_alloc(ctx, (size_t)(b->k->maps.depth * b->k->maps.codebook_size) * sizeof *b->counts, "counts", &memory));
    b->counts = memory;
    return TESS_OK;
}

static void block_close(struct block *b)
{
    struct tess_tensor *const tensors[] = {&b->codes, &b->error, &b->label, &b->flipped, &b->box, &b->item, &b->content, &b->bad_content};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
        tess_free(tensors[i]->data);
    tess_free(b->names);
    tess_free(b->counts);
}

/* ---- the rest of the archive --------------------------------------------------------------------------------------------- */

static int put_codebook(struct tess_context *ctx, const struct encode_work *k, struct tess_artefact *a)
{
    int64_t size = k->tokenizer.codebook_size, d = k->tokenizer.code_dim;
    struct tess_dataset how = {.size = sizeof how, .compress = 1, .labels = "code channel"};
    struct tess_tensor codes = {.data = NULL}, rows = {.data = NULL};
    int status = stage_tensor(ctx, &codes, TESS_I32, 3, (const int64_t[]){STAGE_MICROBATCH, 1, 1});
    if (status == TESS_OK)
        status = stage_tensor(ctx, &rows, TESS_F32, 2, (const int64_t[]){size, d});
    for (int64_t i = 0; i < size && status == TESS_OK; i += STAGE_MICROBATCH) {
        int64_t n = size - i < STAGE_MICROBATCH ? size - i : STAGE_MICROBATCH;
        struct tess_tensor part = rows;
        part.data = (float *)rows.data + i * d;
        for (int64_t j = 0; j < n; j++)
            ((int32_t *)codes.data)[j] = (int32_t)(i + j);
        status = stage_graph_run(ctx, &k->codebook, 0, 0, n, 1, &codes, 1, &part);
    }
    if (status == TESS_OK)
        status = tess_artefact_put(ctx, a, "codebook", &rows, &how);
    tess_free(codes.data);
    tess_free(rows.data);
    return status;
}

/* Marks the mirrored rows, and in a shard says which image each row is of. */
static int put_flips(struct tess_context *ctx, const struct encode_layout *l, const int64_t *row, struct tess_artefact *a)
{
    const struct tess_dataset bit = {.size = sizeof bit, .bits = 1, .compress = 1, .labels = "image"},
                              packed = {.size = sizeof packed, .by_row = 1, .compress = 1, .labels = "image"};
    struct tess_tensor flipped = {.data = NULL}, item = {.data = NULL};
    int status = stage_tensor(ctx, &flipped, TESS_U8, 1, &l->count);
    if (status == TESS_OK)
        status = stage_tensor(ctx, &item, TESS_I32, 1, &l->count);
    for (int64_t i = 0; i < l->count && status == TESS_OK; i++) {
        ((uint8_t *)flipped.data)[i] = (uint8_t)encode_is_flipped(l, i);
        ((int32_t *)item.data)[i] = (int32_t)row[i];
    }
    if (status == TESS_OK)
        status = tess_artefact_put(ctx, a, "flipped", &flipped, &bit);
    if (status == TESS_OK && l->paired)
        status = tess_artefact_put(ctx, a, "item", &item, &packed);
    tess_free(flipped.data);
    tess_free(item.data);
    return status;
}

/* Copies what a shard has of each row's image; images that the artefact left out are none of its items. */
static int carry_shard(struct tess_context *ctx, const struct tess_artefact *images, struct tess_artefact *a, int64_t n, const int64_t *row)
{
    const struct tess_dataset how = {.size = sizeof how, .compress = 1, .labels = "image"};
    TESS_TRY(tess_artefact_copy_rows(ctx, a, "labels", images, n, row, &how));
    TESS_TRY(tess_artefact_copy_rows(ctx, a, "names", images, n, row, NULL));
    return tess_artefact_copy(ctx, a, "classes", images, NULL);
}

/* Copies labels and names of each row's image. */
static int carry_over(struct tess_context *ctx, const struct encode_layout *l, const struct tess_artefact *images, struct tess_artefact *a)
{
    void *row;
    TESS_TRY(tess_alloc(ctx, (size_t)l->count * sizeof(int64_t), "rows", &row));
    for (int64_t i = 0; i < l->count; i++)
        ((int64_t *)row)[i] = encode_image_of(l, i);
    int status = (l->paired ? carry_shard : stage_carry_rows)(ctx, images, a, l->count, row);
    if (status == TESS_OK && l->flipped_rows)
        status = put_flips(ctx, l, row, a);
    tess_free(row);
    return status;
}

static int put_metrics(struct tess_context *ctx, const struct block *b)
{
    const struct encode_work *k = b->k;
    struct tess_code_health h[TESS_DEPTH_MAX];
    for (int64_t l = 0; l < k->maps.depth; l++)
        h[l] = tess_code_health_of(b->counts + l * k->maps.codebook_size, k->maps.level_size[l]);
    TESS_TRY(stage_put_health(ctx, k->run, k->maps.depth, h));
    if (k->s->skip_bad)
        TESS_TRY(stage_put_metric(ctx, b->to, "images skipped", (double)k->at.bad, "", TESS_METRIC_LOWER));
    if (k->at.bad > ENCODE_NAMED)
        tess_stage_note(k->run, "skipped %lld images in all; /skipped in its file has their names and reasons", (long long)k->at.bad);
    if (k->tokenizer.without_error || k->at.rows == 0)
        return TESS_OK;
    return stage_put_metric(ctx, b->to, "quantisation error", b->error_sum / (double)k->at.rows, "mean square", TESS_METRIC_LOWER);
}

static int write_all(struct tess_context *ctx, struct block *b, const struct tess_artefact *images)
{
    const struct encode_work *k = b->k;
    TESS_TRY(block_open(ctx, b));
    TESS_TRY(begin_all(ctx, b));
    TESS_TRY(take_all(ctx, b));
    if (encode_shows_codebook(&k->tokenizer))
        TESS_TRY(put_codebook(ctx, k, b->to));
    if (images)
        TESS_TRY(k->layout.flipped_rows || k->layout.paired ? carry_over(ctx, &k->layout, images, b->to)
                                                            : stage_carry_over(ctx, images, b->to));
    else
        TESS_TRY(stage_put_classes(ctx, k->source, k->self, k->classes, b->to));
    return put_metrics(ctx, b);
}

int encode_write(struct tess_context *ctx, struct encode_work *k, const struct tess_artefact *images)
{
    struct block b = {.k = k, .to = tess_stage_output(k->run)};
    int status = write_all(ctx, &b, images);
    block_close(&b);
    return status;
}
