/* Plan of an encoding: its rows, its attributes, and their cost. SPDX-License-Identifier: MIT */
#include "kit/infer/cost.h"
#include "plugins/stages/encode/encode_work.h"

#include <string.h>

enum { CODEBOOK_MAX = 1 << 20, ITEMS_MAX = 1 << 30, TEN = 10, TILES_USUAL = 16, TILES_MAX = 1 << 16, NAME_BYTES = 32 };

int encode_is_archive(const struct encode_stage *s)
{
    return s->source != NULL;
}

int32_t encode_code_dtype(const struct encode_work *k)
{
    return k->maps.codebook_size <= 256 ? TESS_U8 : k->maps.codebook_size <= 65536 ? TESS_U16 : TESS_I32;
}

int64_t encode_record_bytes(const struct encode_work *k)
{
    return code_maps_tokens(&k->maps) * (int64_t)tess_dtype_size(encode_code_dtype(k)) + (int64_t)sizeof(struct encode_about);
}

int encode_views_differ(const struct encode_work *k)
{
    return k->source && (k->given || k->s->crops == CROPS_TILES);
}

int64_t encode_views(const struct encode_work *k)
{
    const struct encode_stage *s = k->s;
    if (k->given)
        return k->given_views;
    switch (s->crops) {
    case CROPS_TEN:
        return TEN;
    case CROPS_MULTI:
        return s->crop_count;
    case CROPS_TILES:
        return TILES_USUAL;
    default:
        return s->flip == FLIP_BOTH ? 2 : 1;
    }
}

int encode_shows_codebook(const struct tess_tokenizer *t)
{
    return t->depth == 1 && t->codebook_size <= CODEBOOK_MAX;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------- */

int encode_count_rows(struct tess_context *ctx, const struct encode_stage *s, const struct tess_attrs *images, struct encode_layout *l)
{
    TESS_TRY(tess_attrs_i64(ctx, images, "count", &l->count));
    l->train = tess_attrs_i64_or(images, "train_count", l->count);
    if (l->train < 0 || l->train > l->count)
        return ctx->fail(ctx, TESS_E_DATA, "the images' `train_count` is %lld of %lld images; the file is damaged, import again",
                         (long long)l->train, (long long)l->count);
    if (s->expect_count && l->count != s->expect_count)
        return ctx->fail(
            ctx, TESS_E_DATA,
            "encode: the artefact has %lld images, and had %lld when the archive was begun; give it the same one, or encode to "
            "another archive",
            (long long)l->count, (long long)s->expect_count);
    l->images = s->items ? s->items : l->count - s->first_item;
    l->first = s->first_item;
    l->paired = s->items > 0 || s->first_item > 0;
    if (l->images < 0 || (l->paired && l->images < 1) || l->images > l->count - l->first)
        return ctx->fail(ctx, TESS_E_VALUE, "encode: `first_item: %lld` and `items: %lld` are not within the artefact's %lld images",
                         (long long)s->first_item, (long long)s->items, (long long)l->count);
    const int64_t before = l->train < l->first ? l->train : l->first, end = l->first + l->images, views = s->flip == FLIP_BOTH ? 2 : 1;
    l->place = before * views + l->first - before;
    l->train = (l->train < end ? l->train : end) - before;
    l->flipped = views > 1 ? l->train : 0;
    l->flipped_rows = views > 1;
    l->count = l->images + l->flipped;
    return TESS_OK;
}

int encode_is_flipped(const struct encode_layout *l, int64_t row)
{
    if (l->paired)
        return row < 2 * l->flipped && row % 2;
    return row >= l->train && row < l->train + l->flipped;
}

int64_t encode_image_of(const struct encode_layout *l, int64_t row)
{
    if (l->paired)
        return l->first + (row < 2 * l->flipped ? row / 2 : row - l->flipped);
    return row < l->train ? row : row - l->flipped;
}

static int encode_check_count(struct tess_context *ctx, const struct encode_stage *s, int64_t count)
{
    if (count < 1)
        return ctx->fail(ctx, TESS_E_DATA, "encode: the source `%s` has no images; check its paths", tess_instance_name(s->source));
    if (count > ITEMS_MAX)
        return ctx->fail(ctx, TESS_E_DATA,
                         "encode: the source `%s` has %lld images; %d are possible at a time, with `first_item` and `items`",
                         tess_instance_name(s->source), (long long)count, ITEMS_MAX);
    if (s->expect_count && count != s->expect_count)
        return ctx->fail(
            ctx, TESS_E_DATA,
            "encode: the source `%s` has %lld images, and had %lld when the archive was begun; give it the same ones, or add the "
            "new ones to the finished archive with --append",
            tess_instance_name(s->source), (long long)count, (long long)s->expect_count);
    return TESS_OK;
}

int encode_count_items(struct tess_context *ctx, const struct encode_stage *s, struct encode_work *k)
{
    k->source = tess_instance_ops(s->source, "source/1");
    k->self = tess_instance_self(s->source);
    int64_t count = k->source->count(k->self);
    TESS_TRY(encode_check_count(ctx, s, count));
    if (s->limit && s->limit < count)
        count = s->limit;
    TESS_TRY(archive_selection_read(ctx, s->select, count, &k->selection));
    int64_t first = s->first_item - s->offset;
    k->first_item = s->first_item;
    k->items = s->items ? s->items : k->selection.count - first;
    if (first < 0 || k->items < 1 || k->items > k->selection.count - first)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "encode: `first_item: %lld` and `items: %lld` are not within the source's %lld images, which begin at "
                         "%lld",
                         (long long)s->first_item, (long long)s->items, (long long)k->selection.count, (long long)s->offset);
    TESS_TRY(encode_given_count(ctx, k));
    k->classes = k->source->labels(k->self);
    if (k->classes > 65536)
        return ctx->fail(ctx, TESS_E_DATA, "encode: the source `%s` has %lld classes; 65536 are possible", tess_instance_name(s->source),
                         (long long)k->classes);
    return TESS_OK;
}

int encode_measure(struct tess_context *ctx, struct encode_work *k, const struct tess_attrs *images)
{
    if (encode_is_archive(k->s))
        return encode_count_items(ctx, k->s, k);
    TESS_TRY(stage_check_images(ctx, &k->tokenizer, images));
    TESS_TRY(encode_count_rows(ctx, k->s, images, &k->layout));
    k->items = k->layout.count;
    k->classes = tess_attrs_i64_or(images, "classes", 0);
    return TESS_OK;
}

int encode_describe(struct tess_context *ctx, const struct encode_work *k, const struct tess_attrs *images, int64_t count, int64_t train,
                    int at_most, struct tess_attrs *f)
{
    const struct tess_tokenizer *t = &k->tokenizer;
    TESS_TRY((at_most ? tess_attrs_set_i64_at_most : tess_attrs_set_i64)(ctx, f, "count", count));
    TESS_TRY((at_most ? tess_attrs_set_i64_at_most : tess_attrs_set_i64)(ctx, f, "train_count", train));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "height", t->latent_height));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "width", t->latent_width));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "codebook_size", t->codebook_size));
    TESS_TRY(tess_levels_set(ctx, f, t->codebook_size, t->depth, t->level_size));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "code_dim", t->code_dim));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "classes", images ? tess_attrs_i64_or(images, "classes", 0) : k->classes));
    if (images && !k->layout.paired)
        return TESS_OK;
    TESS_TRY(tess_attrs_set_i64(ctx, f, "first_item", images ? k->layout.first : k->first_item));
    return tess_attrs_set_i64(ctx, f, "items", images ? k->layout.images : k->items);
}

/* ---- the plan ----------------------------------------------------------------------------------------------------------- */

/* Memory of pictures on their way, and of the buffers of the end; a picture as it was decoded is no part of it. */
static int64_t memory_of_rows(const struct encode_work *k)
{
    const struct encode_stage *s = k->s;
    int64_t one = cost_of_tokenizer_images(&k->tokenizer, 1), map = code_maps_tokens(&k->maps) * (int64_t)sizeof(int32_t);
    int64_t group = k->source ? s->batch + STAGE_MICROBATCH * encode_views(k) : s->batch;
    int64_t bytes = (group + s->batch) * one + (group + ENCODE_BLOCK) * (map + (int64_t)sizeof(float)) + ENCODE_MEMORY;
    if (k->source && ENCODE_SOURCE_HAS(k->source, bytes))
        bytes += k->source->bytes(k->self);
    return bytes + k->maps.depth * k->maps.codebook_size * (int64_t)sizeof(int64_t);
}

static int plan_costs(struct tess_context *ctx, const struct encode_work *k, struct tess_stage_plan *p)
{
    const struct tess_tokenizer *t = &k->tokenizer;
    int64_t views = k->source ? encode_views(k) : 1, rows = k->items * views, tokens = code_maps_tokens(&k->maps);
    int64_t codebook = encode_shows_codebook(t) ? t->codebook_size * t->code_dim * (int64_t)sizeof(float) : 0;
    p->steps = k->items;
    p->portable = k->s->portable;
    int64_t others = memory_of_rows(k) + codebook + (p->in[0] ? cost_of_reading(p->in[0]) : 0);
    p->cost->total_bytes = others + tess_weights_bytes(k->encode.weights);
    p->output_bytes = cost_of_codes(rows * tokens, t->codebook_size) + (k->source ? rows * NAME_BYTES : 0);
    p->checkpoint_bytes = rows * encode_record_bytes(k) / 2; /* its rows are one file that grows, where two are reckoned with */
    if (encode_views_differ(k))
        p->output_bytes = p->checkpoint_bytes = 0; /* not known before the pictures are */
    TESS_TRY(stage_graph_cost(ctx, &k->encode, (double)rows, p->cost));
    stage_graph_cost_settled(k->encode.weights, others, p->cost);
    return TESS_OK;
}

static int plan_with(struct tess_context *ctx, struct encode_work *k, struct tess_stage_plan *p)
{
    const struct encode_stage *s = k->s;
    struct tess_tokenizer *t = &k->tokenizer;
    t->size = sizeof *t;
    if (!p->in[0] == !s->source)
        return ctx->fail(ctx, TESS_E_USAGE, "encode: wanted images of one origin, `in: {images: ...}` or `source: {...}`, found %s",
                         s->source ? "both" : "none");
    encode_given_describe(k, p->in[2]);
    TESS_TRY(encode_given_check(ctx, k));
    TESS_TRY(tess_tokenizer_open(ctx, p->in[1], "model", t));
    k->maps = code_maps_of_tokenizer(t);
    TESS_TRY(encode_measure(ctx, k, p->in[0]));
    TESS_TRY(stage_graph_open(ctx, &k->encode, p->seed, s->batch));
    TESS_TRY(tess_tokenizer_record_encode_error(ctx, t, k->encode.graph));
    TESS_TRY(tess_graph_seal(ctx, k->encode.graph));
    int64_t views = !k->source ? 1 : s->crops == CROPS_TILES ? TILES_MAX : encode_views(k);
    int64_t count = k->given ? k->given_rows : k->items * views;
    TESS_TRY(encode_describe(ctx, k, p->in[0], count, k->source ? count : k->layout.train + k->layout.flipped,
                             k->source && (s->skip_bad || encode_views_differ(k)), p->out));
    return plan_costs(ctx, k, p);
}

int encode_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct encode_work k = {.s = self};
    int status = plan_with(ctx, &k, p);
    archive_selection_free(&k.selection);
    stage_graph_close(&k.encode, 1);
    tess_tokenizer_close(&k.tokenizer);
    return status;
}
