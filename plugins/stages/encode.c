/* stage/1 `encode`: every image of an artefact to its codes; the result is an archive that says which tokenizer made it. What was encoded
 * is in the checkpoint, so a kill loses at most the time since the last one. With `flip: both` the training images come a second time,
 * turned over (docs/models.md, "Nearest training images and flips").
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/cost.h"
#include "kit/image/geometry.h"

#include <math.h>

struct stage {
    int64_t batch;
    int32_t flip;
};

enum { FLIP_NONE, FLIP_BOTH };
enum { CODEBOOK_MAX = 1 << 20 };

/* Layout of the archive's rows: training images, with flips the same mirrored (24.5), then those kept for validation. */
struct rows {
    int64_t train, flipped, count;
};

struct work {
    const struct stage *s;
    struct tess_tokenizer tokenizer;
    struct code_maps maps;
    struct stage_graph encode, codebook;
    struct stage_images images;
    struct tess_tensor batch, codes, error; /* images of a batch; codes (i32) and errors of all rows */
    struct rows rows;
    int64_t done;
};

static int count_rows(struct tess_context *ctx, const struct stage *s, const struct tess_attrs *images, struct rows *r)
{
    TESS_TRY(tess_attrs_i64(ctx, images, "count", &r->count));
    r->train = tess_attrs_i64_or(images, "train_count", r->count);
    if (r->train < 0 || r->train > r->count)
        return ctx->fail(ctx, TESS_E_DATA, "the images' `train_count` is %lld of %lld images; the file is damaged, import again",
                       (long long)r->train, (long long)r->count);
    r->flipped = s->flip == FLIP_BOTH ? r->train : 0;
    r->count += r->flipped;
    return TESS_OK;
}

static int is_flipped(const struct rows *r, int64_t row)
{
    return row >= r->train && row < r->train + r->flipped;
}

/* Number of the image that a row holds the codes of. */
static int64_t image_of(const struct rows *r, int64_t row)
{
    return row < r->train ? row : row - r->flipped;
}

/* 1 where the archive includes the codebook: one code stands for one vector, and the codebook is small enough to be looked at. */
static int shows_codebook(const struct tess_tokenizer *t)
{
    return t->depth == 1 && t->codebook_size <= CODEBOOK_MAX;
}

/* Records the lookup of the whole codebook: codes 0 .. K - 1 in microbatches of rows. */
static int record_codebook(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_graph *g)
{
    struct tess_node *codes = tess_input(g, "codes", TESS_I32, 3, (const int64_t[]){tess_graph_microbatch(g), 1, 1}), *rows = NULL;
    TESS_TRY(tess_tokenizer_lookup(ctx, t, g, codes, &rows));
    struct tess_tensor shape = tess_shape(rows);
    tess_output(g, "rows", tess_reshape(g, rows, 2, (const int64_t[]){shape.dim[0], shape.dim[3]}));
    return tess_graph_seal(ctx, g);
}

static int encode_describe(struct tess_context *ctx, const struct tess_tokenizer *t, const struct rows *r, const struct tess_attrs *images,
                    struct tess_attrs *f)
{
    TESS_TRY(tess_attrs_set_i64(ctx, f, "count", r->count));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "train_count", r->train + r->flipped));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "height", t->latent_height));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "width", t->latent_width));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "codebook_size", t->codebook_size));
    TESS_TRY(tess_levels_set(ctx, f, t->codebook_size, t->depth, t->level_size));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "code_dim", t->code_dim));
    return tess_attrs_set_i64(ctx, f, "classes", tess_attrs_i64_or(images, "classes", 0));
}

static int encode_plan_with(struct tess_context *ctx, const struct stage *s, struct tess_stage_plan *p, struct tess_tokenizer *t,
                            struct stage_graph *g)
{
    struct rows rows;
    TESS_TRY(count_rows(ctx, s, p->in[0], &rows));
    t->size = sizeof *t;
    TESS_TRY(tess_tokenizer_open(ctx, p->in[1], "model", t));
    TESS_TRY(stage_check_images(ctx, t, p->in[0]));
    TESS_TRY(stage_graph_open(ctx, g, p->seed, s->batch));
    TESS_TRY(tess_tokenizer_record_encode_error(ctx, t, g->graph));
    TESS_TRY(tess_graph_seal(ctx, g->graph));
    TESS_TRY(encode_describe(ctx, t, &rows, p->in[0], p->out));
    p->steps = rows.count;
    const struct code_maps maps = code_maps_of_tokenizer(t);
    int64_t map = code_maps_tokens(&maps) * (int64_t)sizeof(int32_t), codebook = shows_codebook(t) ? t->codebook_size * t->code_dim : 0;
    p->cost->total_bytes = tess_weights_bytes(g->weights) + cost_of_reading(p->in[0]) + cost_of_tokenizer_images(t, s->batch) +
                          rows.count * (map + (int64_t)sizeof(float)) + codebook * (int64_t)sizeof(float);
    int64_t codes = rows.count * code_maps_tokens(&maps);
    p->output_bytes = cost_of_codes(codes, t->codebook_size);
    p->checkpoint_bytes = p->output_bytes + rows.count * (int64_t)sizeof(float); /* the last one, with the errors */
    return stage_graph_cost(ctx, g, (double)p->steps, p->cost);
}

static int encode_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct tess_tokenizer t = {0};
    struct stage_graph g = {0};
    int status = encode_plan_with(ctx, self, p, &t, &g);
    stage_graph_close(&g, 1);
    tess_tokenizer_close(&t);
    return status;
}

/* ---- checkpoint ---- */

static int encode_write_checkpoint(void *user, struct tess_context *ctx, struct tess_artefact *a)
{
    const struct work *k = user;
    struct tess_tensor codes = k->codes, error = k->error;
    codes.dim[0] = error.dim[0] = k->done;
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(a), "done", k->done));
    TESS_TRY(stage_put_codes(ctx, a, &codes, &k->maps));
    return tess_artefact_put(ctx, a, "error", &error, NULL);
}

static int encode_resume(struct tess_context *ctx, struct tess_stage_run *r, struct work *k)
{
    const struct tess_artefact *a = tess_stage_resume(r);
    struct tess_tensor codes = k->codes, error = k->error;
    if (!a)
        return TESS_OK;
    TESS_TRY(tess_attrs_i64(ctx, tess_artefact_attrs(a), "done", &k->done));
    if (k->done < 1 || k->done > k->rows.count)
        return ctx->fail(ctx, TESS_E_DATA, "%s: a checkpoint of %lld images of %lld; delete it to encode from the start",
                         tess_artefact_path(a), (long long)k->done, (long long)k->rows.count);
    codes.dim[0] = error.dim[0] = k->done;
    TESS_TRY(tess_artefact_read(ctx, a, "codes", 0, &codes));
    TESS_TRY(tess_artefact_read(ctx, a, "error", 0, &error));
    TESS_TRY(stage_check_codes(ctx, a, &codes, &k->maps));
    tess_stage_note(r, "resuming at image %lld of %lld", (long long)k->done, (long long)k->rows.count);
    return TESS_OK;
}

/* ---- run ---- */

static int encode_batch(struct tess_context *ctx, struct work *k)
{
    int64_t n = k->rows.count - k->done < k->s->batch ? k->rows.count - k->done : k->s->batch, tokens = code_maps_tokens(&k->maps);
    struct tess_tensor out[2] = {k->codes, k->error};
    for (int64_t i = 0; i < n; i++) {
        uint8_t *to = (uint8_t *)k->batch.data + (size_t)i * k->images.row;
        TESS_TRY(stage_images_get(ctx, &k->images, image_of(&k->rows, k->done + i), to));
        if (is_flipped(&k->rows, k->done + i))
            geometry_flip(to, k->batch.dim[1], k->batch.dim[2], k->batch.dim[3]);
    }
    out[0].data = (int32_t *)k->codes.data + k->done * tokens;
    out[1].data = (float *)k->error.data + k->done;
    TESS_TRY(stage_graph_run(ctx, &k->encode, 0, k->done, n, 1, &k->batch, 2, out));
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(((const float *)out[1].data)[i]))
            return ctx->fail(
                ctx, TESS_E_DATA,
                "the latent of image %lld is not finite: the model's values overflow; it diverged, train it again with a lower `lr`",
                (long long)image_of(&k->rows, k->done + i));
    k->done += n;
    return TESS_OK;
}

static int put_codebook(struct tess_context *ctx, const struct work *k, struct tess_artefact *a)
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

/* Copies labels and names of each row's image, and marks the mirrored rows. */
static int carry_over(struct tess_context *ctx, const struct rows *r, const struct tess_artefact *images, struct tess_artefact *a)
{
    struct tess_dataset how = {.size = sizeof how, .bits = 1, .compress = 1, .labels = "image"};
    struct tess_tensor flipped = {.data = NULL};
    void *row;
    TESS_TRY(tess_alloc(ctx, (size_t)r->count * sizeof(int64_t), "rows", &row));
    int status = stage_tensor(ctx, &flipped, TESS_U8, 1, &r->count);
    for (int64_t i = 0; i < r->count && status == TESS_OK; i++) {
        ((int64_t *)row)[i] = image_of(r, i);
        ((uint8_t *)flipped.data)[i] = (uint8_t)is_flipped(r, i);
    }
    if (status == TESS_OK)
        status = stage_carry_rows(ctx, images, a, r->count, row);
    if (status == TESS_OK)
        status = tess_artefact_put(ctx, a, "flipped", &flipped, &how);
    tess_free(flipped.data);
    tess_free(row);
    return status;
}

static int encode_put_metrics(struct tess_context *ctx, struct tess_stage_run *r, const struct work *k)
{
    struct tess_code_health h[TESS_DEPTH_MAX];
    TESS_TRY(code_health_count(ctx, &k->maps, &k->codes, h));
    TESS_TRY(stage_put_health(ctx, r, k->maps.depth, h));
    if (k->tokenizer.without_error)
        return TESS_OK;
    double error = 0.0;
    for (int64_t i = 0; i < k->rows.count; i++)
        error += (double)((const float *)k->error.data)[i];
    return stage_put_metric(ctx, tess_stage_output(r), "quantisation error", error / (double)k->rows.count, "mean square",
                            TESS_METRIC_LOWER);
}

static int encode(struct tess_context *ctx, struct tess_stage_run *r, struct work *k)
{
    const struct tess_artefact *images = tess_stage_input(r, "images"), *model = tess_stage_input(r, "model");
    struct tess_artefact *a = tess_stage_output(r);
    struct tess_tokenizer *t = &k->tokenizer;
    t->size = sizeof *t;
    TESS_TRY(tess_tokenizer_open(ctx, tess_artefact_attrs(model), tess_artefact_path(model), t));
    k->maps = code_maps_of_tokenizer(t);
    TESS_TRY(stage_check_images(ctx, t, tess_artefact_attrs(images)));
    TESS_TRY(stage_graph_open(ctx, &k->encode, tess_stage_seed(r), k->s->batch));
    TESS_TRY(tess_tokenizer_record_encode_error(ctx, t, k->encode.graph));
    TESS_TRY(tess_graph_seal(ctx, k->encode.graph));
    if (shows_codebook(t)) {
        k->codebook.weights = k->encode.weights;
        TESS_TRY(stage_graph_open(ctx, &k->codebook, tess_stage_seed(r), STAGE_MICROBATCH));
        TESS_TRY(record_codebook(ctx, t, k->codebook.graph));
    }
    TESS_TRY(tess_weights_read(ctx, k->encode.weights, model));
    TESS_TRY(stage_images_open(ctx, &k->images, images, (const int64_t[]){t->height, t->width, t->channels}));
    TESS_TRY(count_rows(ctx, k->s, tess_artefact_attrs(images), &k->rows));
    if (k->rows.count - k->rows.flipped != k->images.shape.dim[0])
        return ctx->fail(ctx, TESS_E_DATA, "%s: /images has %lld rows, its `count` says %lld; it is damaged, import again",
                       tess_artefact_path(images), (long long)k->images.shape.dim[0], (long long)(k->rows.count - k->rows.flipped));
    TESS_TRY(stage_tensor(ctx, &k->batch, TESS_U8, 4, (const int64_t[]){k->s->batch, t->height, t->width, t->channels}));
    TESS_TRY(code_maps_tensor(ctx, &k->maps, k->rows.count, &k->codes));
    TESS_TRY(stage_tensor(ctx, &k->error, TESS_F32, 1, &k->rows.count));
    TESS_TRY(encode_resume(ctx, r, k));
    while (k->done < k->rows.count) {
        if (k->done > 0 && (tess_stage_stopping(r) || tess_stage_checkpoint_due(r)))
            TESS_TRY(tess_stage_checkpoint(ctx, r, encode_write_checkpoint, k));
        TESS_TRY(stage_check_stop(ctx, r, k->done, k->rows.count, "image"));
        TESS_TRY(encode_batch(ctx, k));
        tess_stage_progress(r, k->done, k->rows.count, "image", NULL, 0.0);
    }
    TESS_TRY(encode_describe(ctx, t, &k->rows, tess_artefact_attrs(images), tess_artefact_describe(a)));
    TESS_TRY(tess_attrs_set_text(ctx, tess_artefact_describe(a), "tokenizer", tess_tokenizer_digest(model)));
    TESS_TRY(stage_put_codes(ctx, a, &k->codes, &k->maps));
    if (shows_codebook(t))
        TESS_TRY(put_codebook(ctx, k, a));
    TESS_TRY(k->rows.flipped ? carry_over(ctx, &k->rows, images, a) : stage_carry_over(ctx, images, a));
    return encode_put_metrics(ctx, r, k);
}

static int encode_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work k = {.s = self};
    int status = encode(ctx, r, &k);
    stage_graph_close(&k.codebook, 0);
    stage_graph_close(&k.encode, 1);
    stage_images_close(&k.images);
    tess_free(k.batch.data);
    tess_free(k.codes.data);
    tess_free(k.error.data);
    tess_tokenizer_close(&k.tokenizer);
    return status;
}

static const struct tess_port ports[] = {{.name = "images", .kind = "images", .help = "what to encode"},
                                         {.name = "model", .kind = "autoencoder", .help = "the tokenizer"},
                                         {.name = NULL}};

/* Dependencies of the result: the numeric mode, no seed, as nothing is drawn. */
static uint64_t encode_depends(void *self)
{
    (void)self;
    return TESS_DEPENDS_NUMERIC;
}

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "codes", .plan = encode_plan, .run = encode_run, .depends = encode_depends};

static const struct tess_param params[] = {
    {.name = "flip", .help = "both: training images a second time, turned over from left to right", .type = TESS_ENUM,
     .offset = offsetof(struct stage, flip), .text = "none|both"},
    STAGE_BATCH_PARAM(struct stage, batch),
    {.name = NULL}};

TESS_PLUGIN("tessera-encode", "0.1.0", "MIT", TESS_NEEDS("graph/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED(NULL, "codes: {use: encode, in: {images: images, model: tokenizer}}", "encode", "stage/1",
                                      "images to an archive of codes", sizeof(struct stage), params, NULL, NULL, &ops));
