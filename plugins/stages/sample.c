/* stage/1 `sample`: new codes from a prior, and images of them where the tokenizer is given (docs/models.md, "Absorbing diffusion",
 * sampling). Reverse step s of S goes from fraction s / S of the time to (s - 1) / S. Draws are keyed by step and by the sample's own
 * number, so sample i is the same whatever the count and the batch. A checkpoint holds every sequence and how many steps it has left.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/cost.h"
#include "kit/sample/sampling.h"

#define COUNT_MAX ((int64_t)10000000)

struct stage {
    int64_t count, each, steps, batch;
    struct sampling_choice choice;
    int32_t every_step;
};

/* Models opened from attributes alone, for a plan and for a run. */
struct models {
    struct sampling_prior p;
    struct stage_codec codec;
    int64_t steps, count;
};

struct work {
    const struct stage *s;
    struct tess_stage_run *run;
    struct models m;
    struct tess_sampler *sampler;
    struct tess_tensor images, labels;
    uint64_t seed;
};

static int choose_steps(struct tess_context *ctx, const struct stage *s, struct models *m)
{
    int64_t all = tess_prior_steps(&m->p.prior);
    m->steps = s->steps ? s->steps : all;
    if (m->steps == all || !tess_prior_causal(&m->p.prior))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE, "steps is %lld, but this prior draws its %lld tokens in order, one a step; leave `steps` out",
                   (long long)s->steps, (long long)all);
}

/* Number of samples: `each` of every class, or `count` in all. */
static int choose_count(struct tess_context *ctx, const struct stage *s, struct models *m)
{
    int64_t classes = s->choice.labels.count ? s->choice.labels.count : m->p.prior.classes;
    m->count = s->each ? s->each * classes : s->count;
    if (!s->each || (m->p.prior.classes && m->count <= COUNT_MAX))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE,
                     m->p.prior.classes
                         ? "each: %lld of %lld classes are more than %lld samples; set it lower"
                         : "`each` is %lld, of a class, and this prior is told no labels (%lld classes); set `count`, at most "
                           "%lld",
                     (long long)s->each, (long long)classes, (long long)COUNT_MAX);
}

static int sample_describe(struct tess_context *ctx, const struct stage *s, const struct models *m, const struct tess_attrs *prior,
                           uint64_t seed, struct tess_attrs *f)
{
    const struct tess_prior *p = &m->p.prior;
    const struct sampling_result made = {.count = m->count, .height = p->height, .width = p->width, .steps = m->steps, .seed = seed};
    TESS_TRY(sampling_describe(ctx, &m->p, &s->choice, prior, &made, f));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "image_height", m->codec.tokenizer.height)); /* 0 where there are no images */
    TESS_TRY(tess_attrs_set_i64(ctx, f, "image_width", m->codec.tokenizer.width));
    return tess_attrs_set_i64(ctx, f, "image_channels", m->codec.tokenizer.channels);
}

static int sample_open_models(struct tess_context *ctx, const struct stage *s, uint64_t seed, const struct tess_attrs *prior,
                              const char *where, const struct tess_attrs *model, struct models *m)
{
    const struct tess_prior *p = &m->p.prior;
    TESS_TRY(sampling_open(ctx, &m->p, &s->choice, NULL, prior, where));
    TESS_TRY(choose_steps(ctx, s, m));
    TESS_TRY(choose_count(ctx, s, m));
    if (tess_prior_caches(p) && !s->every_step)
        TESS_TRY(sampling_record_next(ctx, &m->p, seed, s->batch));
    else
        TESS_TRY(sampling_record(ctx, &m->p, m->steps, seed, s->batch));
    if (!model)
        return TESS_OK;
    TESS_TRY(stage_codec_open(ctx, &m->codec, model, "model", NULL, seed, s->batch, CODEC_DECODE));
    const struct code_maps maps = code_maps_of_prior(p);
    return stage_check_map(ctx, &m->codec.tokenizer, "prior", &maps);
}

static void sample_close_models(struct models *m)
{
    sampling_close(&m->p);
    stage_codec_close(&m->codec);
}

/* Cost as if every step called the denoiser and picked where it can. */
static int sample_cost_of(struct tess_context *ctx, const struct models *m, struct tess_cost *cost)
{
    TESS_TRY(sampling_cost(ctx, &m->p, (double)m->count * (double)m->steps, cost));
    cost->total_bytes += sampling_bytes(&m->p, m->count);
    if (!m->codec.decode.graph)
        return TESS_OK;
    int64_t one = cost_of_tokenizer_images(&m->codec.tokenizer, 1);
    cost->total_bytes += m->count * one + cost_of_picture(1, m->count, one, m->codec.tokenizer.width);
    return cost_of_codec(ctx, &m->codec, 0.0, (double)m->count, cost);
}

static int sample_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    const struct stage *s = self;
    struct models m = {.steps = 0};
    int status = sample_open_models(ctx, s, p->seed, p->in[0], "prior", p->in[1], &m);
    if (status == TESS_OK)
        status = sample_describe(ctx, s, &m, p->in[0], p->seed, p->out);
    if (status == TESS_OK)
        status = sample_cost_of(ctx, &m, p->cost);
    if (status == TESS_OK)
        sampling_disk(&m.p, m.count, m.p.prior.height, m.p.prior.width, p);
    p->steps = m.steps * m.count;
    sample_close_models(&m);
    return status;
}

/* ---- run ---- */

static int sample_all(struct tess_context *ctx, struct work *k)
{
    const struct models *m = &k->m;
    int64_t all = m->count * m->steps * m->p.rows;
    TESS_TRY(sampling_labels(ctx, &m->p, &k->s->choice, m->count, &k->labels));
    struct tess_sampler_options o = {.size = sizeof o,
                                     .every_step = k->s->every_step,
                                     .prior = &m->p.prior,
                                     .denoise = m->p.denoise.graph,
                                     .batch = k->s->batch,
                                     .count = m->count,
                                     .steps = m->steps,
                                     .temperature = k->s->choice.temperature,
                                     .seed = k->seed,
                                     .picked = m->p.picked.graph,
                                     .next = m->p.next.graph,
                                     .sampler = m->p.sampler,
                                     .label = k->labels.data,
                                     .guidance = m->p.guidance};
    TESS_TRY(tess_sampler_new(ctx, &o, &k->sampler));
    TESS_TRY(sampling_finish(ctx, k->run, &m->p, k->sampler, NULL, m->steps));
    int64_t calls = *tess_sampler_calls(k->sampler);
    if (calls < all)
        tess_stage_note(k->run, "%.1f calls of the denoiser a sample for %lld steps: the other steps change nothing",
                        (double)calls / (double)m->count, (long long)m->steps);
    return TESS_OK;
}

static int sample_put_images(struct tess_context *ctx, struct work *k, struct tess_artefact *a)
{
    const struct tess_tokenizer *t = &k->m.codec.tokenizer;
    struct tess_dataset how = {.size = sizeof how, .labels = "image y x channel"};
    size_t row = (size_t)(t->height * t->width * t->channels);
    TESS_TRY(stage_tensor(ctx, &k->images, TESS_U8, 4, (const int64_t[]){k->m.count, t->height, t->width, t->channels}));
    for (int64_t i = 0; i < k->m.count; i += k->s->batch) {
        int64_t n = k->m.count - i < k->s->batch ? k->m.count - i : k->s->batch;
        struct tess_tensor codes = tess_sampler_x(k->sampler), images = k->images;
        codes.data = (int32_t *)codes.data + i * tess_prior_tokens(&k->m.p.prior);
        images.data = (uint8_t *)k->images.data + (size_t)i * row;
        TESS_TRY(stage_codec_decode(ctx, &k->m.codec, n, &codes, NULL, &images));
    }
    TESS_TRY(tess_artefact_put(ctx, a, "images", &k->images, &how));
    struct tess_tensor some = k->images;
    some.dim[0] = some.dim[0] < 2 * PICTURE_IMAGES ? some.dim[0] : PICTURE_IMAGES;
    return stage_put_sheet(ctx, a, "samples", &some);
}

static int sample(struct tess_context *ctx, struct work *k)
{
    const struct tess_artefact *prior = tess_stage_input(k->run, "prior"), *model = tess_stage_input(k->run, "model");
    struct tess_artefact *a = tess_stage_output(k->run);
    struct models *m = &k->m;
    if (model)
        TESS_TRY(stage_check_tokenizer(ctx, prior, model));
    TESS_TRY(sample_open_models(ctx, k->s, k->seed, tess_artefact_attrs(prior), tess_artefact_path(prior),
                                model ? tess_artefact_attrs(model) : NULL, m));
    TESS_TRY(sampling_read_weights(ctx, &m->p, prior, &m->codec, model));
    TESS_TRY(sample_all(ctx, k));
    TESS_TRY(sample_describe(ctx, k->s, m, tess_artefact_attrs(prior), k->seed, tess_artefact_describe(a)));
    struct tess_tensor codes = tess_sampler_x(k->sampler);
    TESS_TRY(sampling_put_codes(ctx, a, &m->p, &codes, &k->labels));
    return model ? sample_put_images(ctx, k, a) : TESS_OK;
}

static int sample_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work k = {.s = self, .run = r, .seed = tess_stage_seed(r)};
    int status = sample(ctx, &k);
    tess_sampler_free(k.sampler);
    sample_close_models(&k.m);
    tess_free(k.images.data);
    tess_free(k.labels.data);
    return status;
}

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = sampling_ports, .output = "samples", .plan = sample_plan, .run = sample_run};

STAGE_BATCH_OPEN(sample_open, struct stage, batch)

static const struct tess_param params[] = {
    {.name = "count", .help = "samples", .type = TESS_I64, .offset = offsetof(struct stage, count), .lo = 1, .hi = 1e7, .def = 64},
    {.name = "steps",
     .help = "reverse steps; 0: as many as the noise has",
     .type = TESS_I64,
     .offset = offsetof(struct stage, steps),
     .lo = 0,
     .hi = 1e6,
     .def = 0},
    SAMPLING_CHOICE_PARAMS(struct stage, choice),
    {.name = "each",
     .help = "samples of each of the labels, in place of `count`; 0: as many as that says",
     .type = TESS_I64, .flags = TESS_LATER,
     .offset = offsetof(struct stage, each),
     .lo = 0,
     .hi = 1e7,
     .def = 0},
    {.name = "every_step",
     .help = "call the denoiser at steps that change nothing too, and on whole sequences instead of keeping keys and values: slower",
     .type = TESS_BOOL,
     .offset = offsetof(struct stage, every_step),
     .def = 0},
    STAGE_BATCH_PARAM(struct stage, batch),
    {.name = NULL}};

TESS_PLUGIN("tessera-sample", "0.4.0", "MIT", TESS_NEEDS("graph/1", "train/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED("Bond-Taylor et al., Unleashing Transformers, 2022",
                                      "samples: {use: sample, in: {prior: prior, model: tokenizer}, count: 64}", "sample", "stage/1",
                                      "new codes from a prior, and images of them", sizeof(struct stage), params, sample_open, NULL, &ops));
