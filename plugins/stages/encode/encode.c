/* stage/1 `encode`: images to their codes; the result is an archive that says which tokenizer made it. Images are those of an artefact, or
 * come straight from a source: read, scaled and cropped as the tokenizer wants them, with no pixels on the disk between. What was encoded
 * is beside the checkpoint, so a kill loses at most the time since the last one. With `flip: both` images come a second time, turned over
 * (docs/models.md, "Nearest training images and flips").
 *
 * SPDX-License-Identifier: MIT */
#include "kit/image/geometry.h"
#include "kit/infer/cost.h"
#include "plugins/stages/encode/encode_work.h"

#include <stdio.h>
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

int64_t encode_views(const struct encode_stage *s)
{
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
    l->flipped = s->flip == FLIP_BOTH ? l->train : 0;
    l->count += l->flipped;
    return TESS_OK;
}

int encode_is_flipped(const struct encode_layout *l, int64_t row)
{
    return row >= l->train && row < l->train + l->flipped;
}

int64_t encode_image_of(const struct encode_layout *l, int64_t row)
{
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
    k->classes = k->source->labels(k->self);
    if (k->classes > 65536)
        return ctx->fail(ctx, TESS_E_DATA, "encode: the source `%s` has %lld classes; 65536 are possible", tess_instance_name(s->source),
                         (long long)k->classes);
    return TESS_OK;
}

/* Counts what is to be encoded: items of the source, or rows of the artefact with these attributes. */
static int encode_measure(struct tess_context *ctx, struct encode_work *k, const struct tess_attrs *images)
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
    if (images)
        return TESS_OK;
    TESS_TRY(tess_attrs_set_i64(ctx, f, "first_item", k->first_item));
    return tess_attrs_set_i64(ctx, f, "items", k->items);
}

/* ---- the plan ----------------------------------------------------------------------------------------------------------- */

/* Memory of pictures on their way, and of the buffers of the end; a picture as it was decoded is no part of it. */
static int64_t memory_of_rows(const struct encode_work *k)
{
    const struct encode_stage *s = k->s;
    int64_t one = cost_of_tokenizer_images(&k->tokenizer, 1), map = code_maps_tokens(&k->maps) * (int64_t)sizeof(int32_t);
    int64_t group = k->source ? s->batch + STAGE_MICROBATCH * encode_views(s) : s->batch;
    int64_t bytes = (group + s->batch) * one + (group + ENCODE_BLOCK) * (map + (int64_t)sizeof(float)) + ENCODE_MEMORY;
    if (k->source && ENCODE_SOURCE_HAS(k->source, bytes))
        bytes += k->source->bytes(k->self);
    return bytes + k->maps.depth * k->maps.codebook_size * (int64_t)sizeof(int64_t);
}

static int plan_costs(struct tess_context *ctx, const struct encode_work *k, struct tess_stage_plan *p)
{
    const struct tess_tokenizer *t = &k->tokenizer;
    int64_t views = k->source ? encode_views(k->s) : 1, rows = k->items * views, tokens = code_maps_tokens(&k->maps);
    int64_t codebook = encode_shows_codebook(t) ? t->codebook_size * t->code_dim * (int64_t)sizeof(float) : 0;
    p->steps = k->items;
    p->cost->total_bytes =
        tess_weights_bytes(k->encode.weights) + memory_of_rows(k) + codebook + (p->in[0] ? cost_of_reading(p->in[0]) : 0);
    p->output_bytes = cost_of_codes(rows * tokens, t->codebook_size) + (k->source ? rows * NAME_BYTES : 0);
    p->checkpoint_bytes = rows * encode_record_bytes(k) / 2; /* its rows are one file that grows, where two are reckoned with */
    if (k->s->crops == CROPS_TILES)
        p->output_bytes = p->checkpoint_bytes = 0; /* not known before the pictures are */
    return stage_graph_cost(ctx, &k->encode, (double)rows, p->cost);
}

static int plan_with(struct tess_context *ctx, struct encode_work *k, struct tess_stage_plan *p)
{
    const struct encode_stage *s = k->s;
    struct tess_tokenizer *t = &k->tokenizer;
    t->size = sizeof *t;
    if (!p->in[0] == !s->source)
        return ctx->fail(ctx, TESS_E_USAGE, "encode: wanted images of one origin, `in: {images: ...}` or `source: {...}`, found %s",
                         s->source ? "both" : "none");
    TESS_TRY(tess_tokenizer_open(ctx, p->in[1], "model", t));
    k->maps = code_maps_of_tokenizer(t);
    TESS_TRY(encode_measure(ctx, k, p->in[0]));
    TESS_TRY(stage_graph_open(ctx, &k->encode, p->seed, s->batch));
    TESS_TRY(tess_tokenizer_record_encode_error(ctx, t, k->encode.graph));
    TESS_TRY(tess_graph_seal(ctx, k->encode.graph));
    int64_t views = !k->source ? 1 : s->crops == CROPS_TILES ? TILES_MAX : encode_views(s), count = k->items * views;
    TESS_TRY(encode_describe(ctx, k, p->in[0], count, k->source ? count : k->layout.train + k->layout.flipped,
                             k->source && (s->skip_bad || s->crops == CROPS_TILES), p->out));
    return plan_costs(ctx, k, p);
}

static int encode_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct encode_work k = {.s = self};
    int status = plan_with(ctx, &k, p);
    archive_selection_free(&k.selection);
    stage_graph_close(&k.encode, 1);
    tess_tokenizer_close(&k.tokenizer);
    return status;
}

static int encode_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct encode_stage *s = self;
    if (!s->source)
        return TESS_OK;
    const struct tess_source_1 *ops = tess_instance_ops(s->source, "source/1");
    if (ENCODE_SOURCE_HAS(ops, tolerate))
        ops->tolerate(tess_instance_self(s->source), s->skip_bad);
    if (ops->fingerprint)
        TESS_TRY(ops->fingerprint(tess_instance_self(s->source), ctx, d));
    return s->select ? archive_selection_digest(ctx, s->select, d) : TESS_OK;
}

/* Dependencies of the result: the numeric mode, the seed where crops are drawn, and files where there is a source. */
static uint64_t encode_depends(void *self)
{
    const struct encode_stage *s = self;
    return TESS_DEPENDS_NUMERIC | (s->crops == CROPS_MULTI ? TESS_DEPENDS_SEED : 0) | (s->source ? 0 : TESS_DEPENDS_NO_FILES);
}

/* ---- the run ------------------------------------------------------------------------------------------------------------- */

/* Records the lookup of the whole codebook: codes 0 .. K - 1 in microbatches of rows. */
static int record_codebook(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g)
{
    struct tess_node *codes = tess_input(g, "codes", TESS_I32, 3, (const int64_t[]){tess_graph_microbatch(g), 1, 1}), *rows = NULL;
    TESS_TRY(tess_tokenizer_lookup(ctx, t, g, codes, &rows));
    struct tess_tensor shape = tess_shape(rows);
    tess_output(g, "rows", tess_reshape(g, rows, 2, (const int64_t[]){shape.dim[0], shape.dim[3]}));
    return tess_graph_seal(ctx, g);
}

static int open_model(struct tess_context *ctx, struct encode_work *k, const struct tess_artefact *model)
{
    struct tess_tokenizer *t = &k->tokenizer;
    const char *wanted = k->s->expect_tokenizer, *found = tess_tokenizer_digest(model);
    t->size = sizeof *t;
    if (wanted && strcmp(wanted, found) != 0)
        return ctx->fail(
            ctx, TESS_E_DATA,
            "%s is tokenizer %.12s..., and the archive was begun with tokenizer %.12s...: codes of two tokenizers cannot be one "
            "archive; give the model it was begun with, or write to another archive",
            tess_artefact_path(model), found, wanted);
    TESS_TRY(tess_tokenizer_open(ctx, tess_artefact_attrs(model), tess_artefact_path(model), t));
    k->maps = code_maps_of_tokenizer(t);
    TESS_TRY(stage_graph_open(ctx, &k->encode, tess_stage_seed(k->run), k->s->batch));
    TESS_TRY(tess_tokenizer_record_encode_error(ctx, t, k->encode.graph));
    TESS_TRY(tess_graph_seal(ctx, k->encode.graph));
    if (encode_shows_codebook(t)) {
        k->codebook.weights = k->encode.weights;
        TESS_TRY(stage_graph_open(ctx, &k->codebook, tess_stage_seed(k->run), STAGE_MICROBATCH));
        TESS_TRY(record_codebook(ctx, t, k->codebook.graph));
    }
    return tess_weights_read(ctx, k->encode.weights, model);
}

static int open_images(struct tess_context *ctx, struct encode_work *k, const struct tess_artefact *images)
{
    const struct encode_stage *s = k->s;
    const struct tess_tokenizer *t = &k->tokenizer;
    TESS_TRY(encode_measure(ctx, k, images ? tess_artefact_attrs(images) : NULL));
    k->crop = (struct crop_rule){.crops = s->crops,
                                 .resize = s->to.resize,
                                 .size = s->to.size,
                                 .count = s->crop_count,
                                 .height = t->height,
                                 .width = t->width,
                                 .seed = tess_stage_seed(k->run)};
    const char *remark = k->source && ENCODE_SOURCE_HAS(k->source, remark) ? k->source->remark(k->self) : NULL;
    if (remark)
        tess_stage_note(k->run, "%s", remark);
    if (k->source)
        return TESS_OK;
    TESS_TRY(stage_images_open(ctx, &k->images, images, (const int64_t[]){t->height, t->width, t->channels}));
    if (k->layout.count - k->layout.flipped != k->images.shape.dim[0])
        return ctx->fail(ctx, TESS_E_DATA, "%s: /images has %lld rows, its `count` says %lld; it is damaged, import again",
                         tess_artefact_path(images), (long long)k->images.shape.dim[0], (long long)(k->layout.count - k->layout.flipped));
    return TESS_OK;
}

static int open_rows(struct tess_context *ctx, struct encode_work *k)
{
    char path[4096];
    const char *checkpoint = tess_stage_checkpoint_path(k->run);
    if (snprintf(path, sizeof path, "%s%s", checkpoint, TESS_CHECKPOINT_ROWS) >= (int)sizeof path)
        return ctx->fail(ctx, TESS_E_CREATE, "%s: is too long for the name of a file; choose a shorter folder", checkpoint);
    return archive_rows_open(ctx, &k->rows, path, ENCODE_MEMORY);
}

/* A part of an archive may be without rows, a whole one may not. */
static int check_rows(struct tess_context *ctx, const struct encode_work *k)
{
    if (k->at.rows > 0 || k->s->items)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "encode: none of the %lld images can be read (%s); check the source `%s`", (long long)k->items,
                     k->last_skipped, tess_instance_name(k->s->source));
}

static int encode(struct tess_context *ctx, struct encode_work *k)
{
    const struct tess_artefact *images = tess_stage_input(k->run, "images"), *model = tess_stage_input(k->run, "model");
    struct tess_attrs *f = tess_artefact_describe(tess_stage_output(k->run));
    TESS_TRY(open_model(ctx, k, model));
    TESS_TRY(open_images(ctx, k, images));
    TESS_TRY(open_rows(ctx, k));
    TESS_TRY(encode_all(ctx, k));
    TESS_TRY(check_rows(ctx, k));
    TESS_TRY(encode_describe(ctx, k, images ? tess_artefact_attrs(images) : NULL, k->at.rows,
                             k->source ? k->at.rows : k->layout.train + k->layout.flipped, 0, f));
    TESS_TRY(tess_attrs_set_text(ctx, f, "tokenizer", tess_tokenizer_digest(model)));
    return encode_write(ctx, k, images);
}

static int encode_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct encode_work k = {.s = self, .run = r};
    int status = encode(ctx, &k);
    encode_read_close(&k);
    archive_rows_close(&k.rows);
    archive_selection_free(&k.selection);
    stage_graph_close(&k.codebook, 0);
    stage_graph_close(&k.encode, 1);
    stage_images_close(&k.images);
    tess_free(k.batch.data);
    tess_free(k.codes.data);
    tess_free(k.error.data);
    tess_free(k.record);
    tess_tokenizer_close(&k.tokenizer);
    return status;
}

/* ---- parameters ---------------------------------------------------------------------------------------------------------- */

static int without_source(struct tess_context *ctx, const struct encode_stage *s)
{
    const struct image_fit *to = &s->to;
    if (to->size || to->crop || to->pad || to->fill || to->fit || s->limit || s->crops || s->first_item || s->items || s->offset ||
        s->select || s->skip_bad)
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "encode: of an artefact's images all are encoded as they are; `size`, `crop`, `items` and the like go with `source`");
    return TESS_OK;
}

static int open_encode(void *self, struct tess_context *ctx)
{
    const struct encode_stage *s = self;
    if (!s->source)
        return without_source(ctx, s);
    if (s->to.crop && s->to.size && s->to.crop > s->to.size)
        return ctx->fail(ctx, TESS_E_VALUE, "encode: a crop of %lld from images scaled to %lld; set `crop` to at most `size`",
                         (long long)s->to.crop, (long long)s->to.size);
    if (s->crops != CROPS_CENTRE && (s->to.crop || s->to.pad || s->to.fit))
        return ctx->fail(ctx, TESS_E_VALUE, "encode: `crops` cuts pictures by itself; take `crop`, `pad` and `fit` out");
    if (s->crops != CROPS_CENTRE && s->flip)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "encode: with `crops` there is no `flip: both`: `ten` has each crop turned over, `multi` draws it");
    return TESS_OK;
}

static const struct tess_port ports[] = {
    {.name = "images", .kind = "images", .optional = 1, .help = "what to encode, unless there is a `source`"},
    {.name = "model", .kind = "autoencoder", .help = "the tokenizer"},
    {.name = NULL}};

static const struct tess_stage_1 ops = {.size = sizeof ops,
                                        .ports = ports,
                                        .output = "codes",
                                        .plan = encode_plan,
                                        .fingerprint = encode_fingerprint,
                                        .run = encode_run,
                                        .depends = encode_depends};

#define ENCODE_COUNT(key, words, member)                                                                                                   \
    {                                                                                                                                      \
        .name = key, .help = words, .type = TESS_I64, .flags = TESS_LATER, .offset = offsetof(struct encode_stage, member), .lo = 0,       \
        .hi = 1e12, .def = 0                                                                                                               \
    }
#define ENCODE_SIDE(key, words, member)                                                                                                    \
    {                                                                                                                                      \
        .name = key, .help = words, .type = TESS_I64, .flags = TESS_LATER, .offset = offsetof(struct encode_stage, member), .lo = 0,       \
        .hi = 65536, .def = 0                                                                                                              \
    }
#define ENCODE_CHOICE(key, words, member, choices)                                                                                         \
    {                                                                                                                                      \
        .name = key, .help = words, .type = TESS_ENUM, .flags = TESS_LATER, .offset = offsetof(struct encode_stage, member),               \
        .text = choices                                                                                                                    \
    }

static const struct tess_param params[] = {
    {.name = "flip",
     .help = "both: training images a second time, turned over from left to right; of a source all",
     .type = TESS_ENUM,
     .offset = offsetof(struct encode_stage, flip),
     .text = "none|both"},
    STAGE_BATCH_PARAM(struct encode_stage, batch),
    {.name = "source",
     .help = "where the images are, unless they are an artefact's",
     .type = TESS_COMPONENT,
     .flags = TESS_LATER,
     .offset = offsetof(struct encode_stage, source),
     .text = "source/1"},
    ENCODE_SIDE("size", "of a source: scale the shorter side, or both, to this many pixels; 0: so that the tokenizer's size is covered",
                to.size),
    ENCODE_CHOICE("fit", "which sides `size` is for: the shorter one, both though it distorts, or none: pixels as they are", to.fit,
                  "shorter|stretch|none"),
    ENCODE_CHOICE("resize", "whose bytes: Pillow up to 12.3 scales widths first, 13 heights where they shrink by twice as much", to.resize,
                  "pillow-12|pillow-13"),
    ENCODE_SIDE("crop", "then keep the centre, at most this many pixels a side; 0: the tokenizer's size", to.crop),
    ENCODE_SIDE("pad", "then pad around to this many pixels a side; 0: not", to.pad),
    {.name = "fill",
     .help = "value of the padding, a byte",
     .type = TESS_I64,
     .flags = TESS_LATER,
     .offset = offsetof(struct encode_stage, to.fill),
     .lo = 0,
     .hi = 255,
     .def = 0},
    ENCODE_CHOICE("crops", "rows of a picture: its centre; ten crops; several drawn; tiles side by side", crops, "centre|ten|multi|tiles"),
    {.name = "crop_count",
     .help = "crops of a picture with `crops: multi`, the first of them its centre",
     .type = TESS_I64,
     .flags = TESS_LATER,
     .offset = offsetof(struct encode_stage, crop_count),
     .lo = 1,
     .hi = 1024,
     .def = TEN},
    {.name = "skip_bad",
     .help = "go on without images that cannot be read, and list them; else the first one is an error",
     .type = TESS_BOOL,
     .flags = TESS_LATER,
     .offset = offsetof(struct encode_stage, skip_bad)},
    ENCODE_COUNT("limit", "images at most, the first ones of the source; 0: all", limit),
    ENCODE_COUNT("items", "images of the source to encode, for a part of an archive; 0: all from `first_item` on", items),
    ENCODE_COUNT("first_item", "number in the archive of the first of them", first_item),
    ENCODE_COUNT("offset", "number in the archive of the first image of the source, or of `select`", offset),
    {.name = "select",
     .help = "file of the numbers of the images to take, one a line, ascending",
     .type = TESS_STR,
     .flags = TESS_PATH | TESS_LATER,
     .offset = offsetof(struct encode_stage, select)},
    {.name = "expect_count",
     .help = "number of images that the source must have; 0: any",
     .type = TESS_I64,
     .flags = TESS_NEUTRAL | TESS_LATER,
     .offset = offsetof(struct encode_stage, expect_count),
     .lo = 0,
     .hi = 1e12,
     .def = 0},
    {.name = "expect_tokenizer",
     .help = "digest of the tokenizer that the model must be",
     .type = TESS_STR,
     .flags = TESS_NEUTRAL | TESS_LATER,
     .offset = offsetof(struct encode_stage, expect_tokenizer)},
    {.name = NULL}};

TESS_PLUGIN("tessera-encode", "0.1.0", "MIT", TESS_NEEDS("graph/1", "artefact/1", "random/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED(NULL,
                                      "codes:\n"
                                      "  use: encode\n"
                                      "  in: {model: tokenizer.h5}\n"
                                      "  source: {use: folder, path: photographs}",
                                      "encode", "stage/1", "images to an archive of codes", sizeof(struct encode_stage), params,
                                      open_encode, NULL, &ops));
