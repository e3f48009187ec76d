/* stage/1 `sample-canvas`: codes of maps larger than those a prior was trained on, and images of them where the tokenizer is given
 * (docs/models.md, "Larger canvases"). Each token is drawn from the mean of what the windows that cover it say. Canvas i is keyed by i, so
 * it is the same whatever the count and the batch; a checkpoint holds every canvas and the steps it has left.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/sample/canvas.h"
#include "kit/infer/cost.h"

#include <string.h>

struct stage {
    int64_t count, height, width, stride, steps, batch;
    struct sampling_choice choice;
    int32_t order;
};

enum { ORDER_RASTER, ORDER_RANDOM };
/* Limits of the picture, and of the codes of a canvas. */
enum { SHOWN = 16, SIDE_MAX = 1 << 14 };

struct models { /* models opened from attributes alone, for a plan and for a run */
    struct sampling_prior p;
    struct stage_codec codec; /* a tokenizer as large as the canvas, of which only the decoder is recorded */
    struct canvas_options canvas;
};

struct work {
    const struct stage *s;
    struct tess_stage_run *run;
    struct models m;
    struct canvas *canvas;
    struct tess_tensor batch, shown, labels;
    uint64_t seed;
};

/* ---- planning ---- */

static int sample_canvas_check_noise(struct tess_context *ctx, const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    if (sampling_tells(p) && TESS_HAS(noise, reads_row) && noise->reads_row)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE,
                   "sample-canvas: a prior of noise `%s` may change any token at any step and not a few that are known beforehand; a prior "
                   "of noise `absorbing` works, with any denoiser (`unet` too)",
                   tess_instance_name(p->noise));
}

static int sample_canvas_check_sizes(struct tess_context *ctx, const struct stage *s, const struct tess_prior *p)
{
    int64_t shorter = p->height < p->width ? p->height : p->width;
    if (s->height < p->height || s->width < p->width)
        return ctx->fail(ctx, TESS_E_VALUE,
                       "sample-canvas: a canvas of %lld x %lld codes is smaller than the prior's maps of %lld x %lld; set height and width "
                       "to at least that",
                       (long long)s->height, (long long)s->width, (long long)p->height, (long long)p->width);
    if (s->stride > shorter)
        return ctx->fail(ctx, TESS_E_VALUE,
                       "sample-canvas: windows of %lld x %lld codes, %lld apart, would leave some out; set `stride` to at most %lld",
                       (long long)p->height, (long long)p->width, (long long)s->stride, (long long)shorter);
    if (p->depth > 1)
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "sample-canvas: the prior's codes have %lld levels a position, and windows of a canvas are of one; use `sample`, or "
            "a quantizer of one level",
            (long long)p->depth);
    if (s->order == ORDER_RASTER && s->choice.sampler)
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "sample-canvas: in `order: raster` each step draws the next code, and `sampler` has no say in it; leave it out, or "
            "set `order: random`");
    if (s->order == ORDER_RASTER && s->steps)
        return ctx->fail(ctx, TESS_E_VALUE,
                       "sample-canvas: in `order: raster` each step draws one code, and steps is %lld; leave it out, or set "
                       "`order: random`",
                       (long long)s->steps);
    return TESS_OK;
}

/* Opens the decoder with one image a microbatch: large images need memory for one image a worker, not for eight. */
static int sample_canvas_open_decoder(struct tess_context *ctx, const struct stage *s, uint64_t seed, const struct tess_attrs *model,
                                      struct models *m)
{
    struct stage_codec *k = &m->codec;
    const struct tess_prior *p = &m->p.prior;
    struct tess_tokenizer *t = &k->tokenizer;
    struct tess_tensor image;
    struct tess_graph_options o = {
        .size = sizeof o, .microbatch = 1, .microbatches = s->count < s->batch ? s->count : s->batch, .seed = seed};
    const struct code_maps maps = code_maps_of_prior(p);
    t->size = sizeof *t;
    TESS_TRY(tess_tokenizer_open(ctx, model, "model", t));
    TESS_TRY(stage_check_map(ctx, t, "prior", &maps));
    TESS_TRY(tess_weights_new(ctx, seed, &k->own));
    k->decode = (struct stage_graph){.weights = k->weights = k->own, .batch = o.microbatches};
    TESS_TRY(tess_graph_new(ctx, k->weights, &o, &k->decode.graph));
    TESS_TRY(tess_tokenizer_record_decode_larger(ctx, t, k->decode.graph, s->height, s->width));
    TESS_TRY(tess_graph_seal(ctx, k->decode.graph));
    if (!tess_graph_output_at(k->decode.graph, 0, &image))
        return ctx->fail(ctx, TESS_E_INTERNAL, "sample-canvas: a decoder without an output");
    t->latent_height = s->height;
    t->latent_width = s->width;
    t->height = image.dim[1];
    t->width = image.dim[2];
    return TESS_OK;
}

static int sample_canvas_open_models(struct tess_context *ctx, const struct stage *s, uint64_t seed, const struct tess_attrs *prior,
                                     const char *where, const struct tess_attrs *model, struct models *m)
{
    const struct tess_prior *p = &m->p.prior;
    TESS_TRY(sampling_open(ctx, &m->p, &s->choice, "sample-canvas", prior, where));
    TESS_TRY(sample_canvas_check_noise(ctx, p));
    TESS_TRY(sample_canvas_check_sizes(ctx, s, p));
    m->canvas = (struct canvas_options){.prior = p,
                                        .batch = s->batch,
                                        .count = s->count,
                                        .height = s->height,
                                        .width = s->width,
                                        .stride = s->stride,
                                        .raster = s->order == ORDER_RASTER,
                                        .steps = s->steps ? s->steps : s->height * s->width,
                                        .temperature = s->choice.temperature,
                                        .seed = seed,
                                        .sampler = m->p.sampler,
                                        .guidance = m->p.guidance};
    /* reverse steps of a window; where one code is drawn at a time, as of a map in as many steps as it has codes */
    TESS_TRY(sampling_record(ctx, &m->p, m->canvas.raster ? p->height * p->width : m->canvas.steps, seed, s->batch));
    m->canvas.denoise = m->p.denoise.graph;
    m->canvas.picked = m->p.picked.graph;
    return model ? sample_canvas_open_decoder(ctx, s, seed, model, m) : TESS_OK;
}

static void sample_canvas_close_models(struct models *m)
{
    sampling_close(&m->p);
    stage_codec_close(&m->codec);
}

static int sample_canvas_describe(struct tess_context *ctx, const struct stage *s, const struct models *m, const struct tess_attrs *prior,
                                  uint64_t seed, struct tess_attrs *f)
{
    const struct sampling_result made = {
        .count = s->count, .height = s->height, .width = s->width, .steps = canvas_steps(&m->canvas), .seed = seed};
    return sampling_describe(ctx, &m->p, &s->choice, prior, &made, f);
}

static int sample_canvas_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    const struct stage *s = self;
    struct models m = {.canvas = {.count = 0}};
    int status = sample_canvas_open_models(ctx, s, p->seed, p->in[0], "prior", p->in[1], &m);
    if (status == TESS_OK)
        status = sample_canvas_describe(ctx, s, &m, p->in[0], p->seed, p->out);
    if (status == TESS_OK) {
        status = sampling_cost(ctx, &m.p, (double)s->count * canvas_calls(&m.canvas), p->cost);
        p->cost->total_bytes += canvas_bytes(&m.canvas);
        p->steps = s->count * canvas_steps(&m.canvas);
        sampling_disk(&m.p, s->count, s->height, s->width, p);
    }
    if (status == TESS_OK && m.codec.decode.graph) {
        int64_t one = cost_of_tokenizer_images(&m.codec.tokenizer, 1), shown = s->count < SHOWN ? s->count : SHOWN;
        p->cost->total_bytes += (m.codec.decode.batch + shown) * one + cost_of_picture(1, shown, one, m.codec.tokenizer.width);
        status = cost_of_codec(ctx, &m.codec, 0.0, (double)s->count, p->cost);
    }
    sample_canvas_close_models(&m);
    return status;
}

/* ---- run ---- */

static int sample_canvas_sample(struct tess_context *ctx, struct work *k)
{
    TESS_TRY(sampling_labels(ctx, &k->m.p, &k->s->choice, k->s->count, &k->labels));
    k->m.canvas.label = k->labels.data;
    TESS_TRY(canvas_new(ctx, &k->m.canvas, &k->canvas));
    struct sampling_state state = canvas_state(k->canvas);
    int64_t all = sampling_total(&state);
    TESS_TRY(sampling_resume(ctx, k->run, &state));
    while (!canvas_finished(k->canvas)) {
        TESS_TRY(sampling_pause(ctx, k->run, &state));
        TESS_TRY(canvas_advance(ctx, k->canvas));
        tess_stage_progress(k->run, sampling_done(&state), all, "step", NULL, 0.0);
    }
    tess_stage_note(k->run, "%lld windows a canvas went through the denoiser", (long long)(*state.calls / k->s->count));
    return TESS_OK;
}

static int sample_canvas_put_images(struct tess_context *ctx, struct work *k, struct tess_artefact *a)
{
    const struct tess_tokenizer *t = &k->m.codec.tokenizer;
    struct tess_dataset how = {.size = sizeof how, .labels = "image y x channel"};
    struct tess_tensor whole, codes = canvas_state(k->canvas).x;
    int64_t batch = k->m.codec.decode.batch, shown = k->s->count < SHOWN ? k->s->count : SHOWN;
    TESS_TRY(stage_tensor(ctx, &k->batch, TESS_U8, 4, (const int64_t[]){batch, t->height, t->width, t->channels}));
    TESS_TRY(stage_tensor(ctx, &k->shown, TESS_U8, 4, (const int64_t[]){shown, t->height, t->width, t->channels}));
    size_t row = tess_tensor_bytes(&k->batch) / (size_t)batch;
    whole = k->batch;
    whole.dim[0] = k->s->count;
    TESS_TRY(tess_artefact_begin(ctx, a, "images", &whole, &how));
    for (int64_t i = 0; i < k->s->count; i += batch) {
        struct tess_tensor some = codes, images = k->batch;
        some.dim[0] = images.dim[0] = k->s->count - i < batch ? k->s->count - i : batch;
        some.data = (int32_t *)codes.data + i * k->s->height * k->s->width;
        TESS_TRY(stage_codec_decode(ctx, &k->m.codec, some.dim[0], &some, NULL, &images));
        TESS_TRY(tess_artefact_append(ctx, a, "images", &images));
        for (int64_t n = 0; n < some.dim[0] && i + n < shown; n++)
            memcpy((char *)k->shown.data + (size_t)(i + n) * row, (const char *)images.data + (size_t)n * row, row);
    }
    return stage_put_sheet(ctx, a, "samples", &k->shown);
}

static int sample_canvas(struct tess_context *ctx, struct work *k)
{
    const struct tess_artefact *prior = tess_stage_input(k->run, "prior"), *model = tess_stage_input(k->run, "model");
    struct tess_artefact *a = tess_stage_output(k->run);
    if (model)
        TESS_TRY(stage_check_tokenizer(ctx, prior, model));
    TESS_TRY(sample_canvas_open_models(ctx, k->s, k->seed, tess_artefact_attrs(prior), tess_artefact_path(prior),
                                       model ? tess_artefact_attrs(model) : NULL, &k->m));
    TESS_TRY(sampling_read_weights(ctx, &k->m.p, prior, &k->m.codec, model));
    TESS_TRY(sample_canvas_sample(ctx, k));
    TESS_TRY(sample_canvas_describe(ctx, k->s, &k->m, tess_artefact_attrs(prior), k->seed, tess_artefact_describe(a)));
    struct tess_tensor codes = canvas_state(k->canvas).x;
    TESS_TRY(sampling_put_codes(ctx, a, &k->m.p, &codes, &k->labels));
    return model ? sample_canvas_put_images(ctx, k, a) : TESS_OK;
}

static int sample_canvas_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work k = {.s = self, .run = r, .seed = tess_stage_seed(r)};
    int status = sample_canvas(ctx, &k);
    canvas_free(k.canvas);
    sample_canvas_close_models(&k.m);
    tess_free(k.batch.data);
    tess_free(k.shown.data);
    tess_free(k.labels.data);
    return status;
}

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = sampling_ports, .output = "samples", .plan = sample_canvas_plan, .run = sample_canvas_run};

static const struct tess_param params[] = {
    {.name = "height",
     .help = "of a canvas in codes, at least the prior's",
     .type = TESS_I64,
     .flags = TESS_REQUIRED,
     .offset = offsetof(struct stage, height),
     .lo = 1,
     .hi = SIDE_MAX},
    {.name = "width",
     .help = "likewise",
     .type = TESS_I64,
     .flags = TESS_REQUIRED,
     .offset = offsetof(struct stage, width),
     .lo = 1,
     .hi = SIDE_MAX},
    {.name = "count", .help = "canvases", .type = TESS_I64, .offset = offsetof(struct stage, count), .lo = 1, .hi = 1e6, .def = 4},
    {.name = "order",
     .help = "raster: one code a step, row by row, as published; random: as many as the prior would draw at once, anywhere",
     .type = TESS_ENUM,
     .offset = offsetof(struct stage, order),
     .text = "raster|random"},
    {.name = "steps",
     .help = "reverse steps of `order: random`; 0: as many as the canvas has codes",
     .type = TESS_I64,
     .offset = offsetof(struct stage, steps),
     .lo = 0,
     .hi = 1e9,
     .def = 0},
    {.name = "stride",
     .help = "codes from a window to the next, in both directions; 1: all windows there are",
     .type = TESS_I64,
     .offset = offsetof(struct stage, stride),
     .lo = 1,
     .hi = SIDE_MAX,
     .def = 1},
    SAMPLING_CHOICE_PARAMS(struct stage, choice),
    {.name = "batch",
     .help = "windows computed at a time; changes speed and memory, not the result",
     .type = TESS_I64,
     .flags = TESS_NEUTRAL,
     .offset = offsetof(struct stage, batch),
     .lo = 1,
     .hi = 65536,
     .def = 64},
    {.name = NULL}};

TESS_PLUGIN("tessera-sample-canvas", "0.1.0", "MIT", TESS_NEEDS("graph/1", "train/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED("Bond-Taylor et al., Unleashing Transformers, 2022",
                                      "canvas: {use: sample-canvas, in: {prior: prior, model: tokenizer}, height: 16, width: 32}",
                                      "sample-canvas", "stage/1", "codes of maps larger than the prior's, and images of them",
                                      sizeof(struct stage), params, NULL, NULL, &ops));
