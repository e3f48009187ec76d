/* stage/1 `encode`: images to their codes; the result is an archive that says which tokenizer made it. Images are those of an artefact, or
 * come straight from a source: read, scaled and cropped as the tokenizer wants them, with no pixels on the disk between. What was encoded
 * is beside the checkpoint, so a kill loses at most the time since the last one. With `flip: both` images come a second time, turned over
 * (docs/models.md, "Nearest training images and flips").
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/encode/encode_work.h"

#include <stdio.h>
#include <string.h>

enum { TEN = 10 };

/* Has the fingerprint of a part of an archive be of the part's items alone; of a selection, of those from its first one to its last. */
static int fingerprint_of_part(struct tess_context *ctx, const struct encode_stage *s, const struct tess_source_1 *ops)
{
    struct archive_selection all;
    const int64_t first = s->first_item - s->offset, count = ops->count(tess_instance_self(s->source));
    if (!s->items || !ENCODE_SOURCE_HAS(ops, part))
        return TESS_OK;
    int status = archive_selection_read(ctx, s->select, count, &all);
    if (status == TESS_OK && first >= 0 && s->items <= all.count - first) { /* else the plan says what is wrong */
        const int64_t from = archive_selection_at(&all, first), last = archive_selection_at(&all, first + s->items - 1);
        ops->part(tess_instance_self(s->source), from, last - from + 1);
    }
    archive_selection_free(&all);
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
    TESS_TRY(fingerprint_of_part(ctx, s, ops));
    if (ops->fingerprint)
        TESS_TRY(tess_instance_returned(ctx, s->source, "source", "fingerprint", ops->fingerprint(tess_instance_self(s->source), ctx, d)));
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
    return stage_graph_weights(ctx, k->encode.weights, model);
}

static int open_images(struct tess_context *ctx, struct encode_work *k, const struct tess_artefact *images)
{
    const struct encode_stage *s = k->s;
    const struct tess_tokenizer *t = &k->tokenizer;
    const struct tess_artefact *crops = tess_stage_input(k->run, "crops");
    encode_given_describe(k, crops ? tess_artefact_attrs(crops) : NULL);
    TESS_TRY(encode_measure(ctx, k, images ? tess_artefact_attrs(images) : NULL));
    if (crops)
        TESS_TRY(crop_list_open(ctx, crops, &k->list));
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
    const int64_t said = tess_attrs_i64_or(tess_artefact_attrs(images), "count", -1);
    if (said == k->images.shape.dim[0])
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "%s: /images has %lld rows, its `count` says %lld; it is damaged, import again",
                     tess_artefact_path(images), (long long)k->images.shape.dim[0], (long long)said);
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

/* Frees what pictures were read and encoded with: writing the archive needs memory of its own. */
static void release_encoder(struct encode_work *k)
{
    encode_read_close(k);
    tess_graph_free(k->encode.graph);
    k->encode.graph = NULL;
    tess_free(k->batch.data);
    tess_free(k->codes.data);
    tess_free(k->error.data);
    k->batch.data = k->codes.data = k->error.data = NULL;
}

static int encode(struct tess_context *ctx, struct encode_work *k)
{
    const struct tess_artefact *images = tess_stage_input(k->run, "images"), *model = tess_stage_input(k->run, "model");
    struct tess_attrs *f = tess_artefact_describe(tess_stage_output(k->run));
    TESS_TRY(open_model(ctx, k, model));
    TESS_TRY(open_images(ctx, k, images));
    TESS_TRY(open_rows(ctx, k));
    TESS_TRY(encode_all(ctx, k));
    TESS_TRY(tess_stage_alone(ctx, k->run));
    TESS_TRY(check_rows(ctx, k));
    release_encoder(k);
    TESS_TRY(encode_describe(ctx, k, images ? tess_artefact_attrs(images) : NULL, k->at.rows,
                             k->source ? k->at.rows : k->layout.train + k->layout.flipped, 0, f));
    TESS_TRY(tess_attrs_set_text(ctx, f, "tokenizer", tess_tokenizer_digest(model)));
    return encode_write(ctx, k, images);
}

static int encode_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct encode_work k = {.s = self, .run = r, .given_last = -1};
    pthread_mutex_init(&k.listing, NULL);
    int status = encode(ctx, &k);
    release_encoder(&k);
    crop_list_close(&k.list);
    pthread_mutex_destroy(&k.listing);
    archive_rows_close(&k.rows);
    archive_selection_free(&k.selection);
    stage_graph_close(&k.codebook, 0);
    stage_graph_close(&k.encode, 1);
    stage_images_close(&k.images);
    tess_free(k.record);
    tess_tokenizer_close(&k.tokenizer);
    return status;
}

/* ---- parameters ---------------------------------------------------------------------------------------------------------- */

static int without_source(struct tess_context *ctx, const struct encode_stage *s)
{
    const struct image_fit *to = &s->to;
    if (to->size || to->crop || to->pad || to->fill || to->fit || s->limit || s->crops || s->offset || s->select || s->skip_bad)
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "encode: of an artefact's images all are encoded as they are; `size`, `crop`, `limit` and the like go with `source`");
    return TESS_OK;
}

static int open_encode(void *self, struct tess_context *ctx)
{
    struct encode_stage *s = self;
    s->batch = stage_whole_microbatches(s->batch);
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
    {.name = "crops", .kind = "codes", .optional = 1, .help = "archive of another tokenizer, of whose crops and flips the codes are to be"},
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
    {.name = "portable",
     .help = "write for readers that know little of HDF5: whole bytes, shuffle and deflate alone, metadata of HDF5 1.8; the same content",
     .type = TESS_BOOL,
     .flags = TESS_LATER,
     .offset = offsetof(struct encode_stage, portable)},
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
