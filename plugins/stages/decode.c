/* stage/1 `decode`: codes back to images, with the tokenizer they were encoded with; labels and names come along.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/cost.h"

struct stage {
    int64_t batch;
};

struct work {
    const struct stage *s;
    struct stage_codec codec;
    struct tess_tensor codes, images; /* codes and images of a batch */
    struct tess_tensor shown;
};

static int decode_describe(struct tess_context *ctx, const struct tess_tokenizer *t, const struct tess_attrs *codes, struct tess_attrs *f)
{
    struct code_maps maps;
    int64_t count, level_size[TESS_DEPTH_MAX];
    TESS_TRY(tess_attrs_i64(ctx, codes, "count", &count));
    TESS_TRY(code_maps_of_attrs(ctx, codes, &maps, level_size));
    TESS_TRY(stage_check_map(ctx, t, "codes", &maps));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "count", count));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "train_count", tess_attrs_i64_or(codes, "train_count", count)));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "height", t->height));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "width", t->width));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "channels", t->channels));
    return tess_attrs_set_i64(ctx, f, "classes", tess_attrs_i64_or(codes, "classes", 0));
}

static int decode_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    const struct stage *s = self;
    struct stage_codec codec = {.own = NULL};
    int status = stage_codec_open(ctx, &codec, p->in[1], "model", NULL, p->seed, s->batch, CODEC_DECODE);
    if (status == TESS_OK)
        status = decode_describe(ctx, &codec.tokenizer, p->in[0], p->out);
    if (status == TESS_OK)
        status = tess_attrs_i64(ctx, p->out, "count", &p->steps);
    if (status == TESS_OK)
        status = cost_of_codec(ctx, &codec, 0.0, (double)p->steps, p->cost);
    if (status == TESS_OK) {
        const struct tess_tokenizer *t = &codec.tokenizer;
        int64_t one = cost_of_tokenizer_images(t, 1), map = t->latent_height * t->latent_width * t->depth;
        p->cost->total_bytes += s->batch * (one + map * (int64_t)sizeof(int32_t)) + cost_of_chunks(p->steps * map * 2) +
                               cost_of_picture(1, p->steps, one, t->width);
        p->output_bytes = p->steps * one;
    }
    stage_codec_close(&codec);
    return status;
}

static int decode(struct tess_context *ctx, struct tess_stage_run *r, struct work *k)
{
    const struct tess_artefact *codes = tess_stage_input(r, "codes"), *model = tess_stage_input(r, "model");
    struct tess_artefact *a = tess_stage_output(r);
    const struct tess_tokenizer *t = &k->codec.tokenizer;
    struct tess_dataset how = {.size = sizeof how, .labels = "image y x channel"};
    int64_t count;
    TESS_TRY(stage_check_tokenizer(ctx, codes, model));
    TESS_TRY(stage_codec_open(ctx, &k->codec, tess_artefact_attrs(model), tess_artefact_path(model), NULL, tess_stage_seed(r), k->s->batch,
                              CODEC_DECODE));
    TESS_TRY(stage_graph_weights(ctx, k->codec.weights, model));
    TESS_TRY(decode_describe(ctx, t, tess_artefact_attrs(codes), tess_artefact_describe(a)));
    TESS_TRY(tess_attrs_i64(ctx, tess_artefact_attrs(codes), "count", &count));
    const struct code_maps maps = code_maps_of_tokenizer(t);
    TESS_TRY(code_maps_tensor(ctx, &maps, k->s->batch, &k->codes));
    TESS_TRY(stage_tensor(ctx, &k->images, TESS_U8, 4, (const int64_t[]){k->s->batch, t->height, t->width, t->channels}));
    struct tess_tensor whole = k->images;
    whole.dim[0] = count;
    TESS_TRY(tess_artefact_begin(ctx, a, "images", &whole, &how));
    for (int64_t i = 0; i < count; i += k->s->batch) {
        struct tess_tensor part = k->codes, images = k->images;
        part.dim[0] = images.dim[0] = count - i < k->s->batch ? count - i : k->s->batch;
        TESS_TRY(stage_check_stop(ctx, r, i, count, "image"));
        TESS_TRY(tess_artefact_read(ctx, codes, "codes", i, &part));
        TESS_TRY(stage_check_codes(ctx, codes, &part, &maps));
        TESS_TRY(stage_codec_decode(ctx, &k->codec, part.dim[0], &part, NULL, &images));
        TESS_TRY(tess_artefact_append(ctx, a, "images", &images));
        TESS_TRY(stage_keep_first(ctx, &k->shown, &images));
        tess_stage_progress(r, i + part.dim[0], count, "image", NULL, 0.0);
    }
    TESS_TRY(stage_carry_over(ctx, codes, a));
    return stage_put_sheet(ctx, a, "images", &k->shown);
}

static int decode_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work k = {.s = self};
    int status = decode(ctx, r, &k);
    stage_codec_close(&k.codec);
    tess_free(k.codes.data);
    tess_free(k.images.data);
    tess_free(k.shown.data);
    return status;
}

static const struct tess_port ports[] = {{.name = "codes", .kind = "codes|samples", .help = "what to decode"},
                                         {.name = "model", .kind = "autoencoder", .help = "the tokenizer they were made with"},
                                         {.name = NULL}};

/* Dependencies of the result: the numeric mode, no seed, as nothing is drawn. */
static uint64_t decode_depends(void *self)
{
    (void)self;
    return TESS_DEPENDS_NUMERIC;
}

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "images", .plan = decode_plan, .run = decode_run, .depends = decode_depends};

STAGE_BATCH_OPEN(decode_open, struct stage, batch)

static const struct tess_param params[] = {STAGE_BATCH_PARAM(struct stage, batch), {.name = NULL}};

TESS_PLUGIN("tessera-decode", "0.1.0", "MIT", TESS_NEEDS("graph/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED(NULL, "decoded: {use: decode, in: {codes: codes, model: tokenizer}}", "decode", "stage/1",
                                      "codes to images", sizeof(struct stage), params, decode_open, NULL, &ops));
