/* stage/1 `train-prior`: a denoiser trained to undo a noise over an archive of codes (docs/models.md, "Absorbing diffusion"). Knows both by
 * kind alone.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/common.h"

#include <string.h>

struct stage {
    struct tess_training_params training;
    struct tess_instance *noise, *denoiser;
};

struct work {
    const struct stage *s;
    struct tess_weights *weights;
    struct tess_graph *graph;
    struct tess_tensor codes; /* i32 (N, h, w), all of the archive */
    int64_t train_count, tokens, codebook_size;
    uint64_t seed;
};

static const struct tess_noise_1 *noise_of(const struct stage *s)
{
    return tess_instance_ops(s->noise, "noise/1");
}

/* The noise has a say in the times it is trained at. */
static int chooses(const struct tess_noise_1 *noise)
{
    return noise->size > offsetof(struct tess_noise_1, observe) && noise->draw_time && noise->observe;
}

static int open_graph(struct tess_call *c, const struct stage *s, const struct tess_facts *f, uint64_t seed, struct tess_weights **w,
                      struct tess_graph **g)
{
    int64_t slices;
    struct tess_prior p = {.noise = s->noise, .denoiser = s->denoiser};
    struct tess_noise_loss loss = {0};
    TESS_TRY(tess_facts_i64(c, f, "codebook_size", &p.codebook_size));
    TESS_TRY(tess_facts_i64(c, f, "height", &p.height));
    TESS_TRY(tess_facts_i64(c, f, "width", &p.width));
    TESS_TRY(tess_training_slices(c, &s->training, &slices));
    struct tess_graph_options o = {.size = sizeof o, .training = 1, .rows = s->training.batch / slices, .slices = slices, .seed = seed};
    o.recompute = s->training.recompute;
    TESS_TRY(tess_weights_new(c, seed, w));
    TESS_TRY(tess_graph_new(c, *w, &o, g));
    TESS_TRY(tess_prior_record_loss(c, &p, *g, &loss));
    tess_objective(*g, "loss", "", loss.loss);
    if (chooses(noise_of(s)))
        tess_output(*g, "bound", loss.bound);
    return tess_graph_seal(c, *g);
}

/* The archive's facts that a prior carries on, and its own parts. The tokenizer's digest is known when the archive is there. */
static int describe(struct tess_call *c, const struct stage *s, const struct tess_facts *from, struct tess_facts *to)
{
    static const char *const kept[] = {"codebook_size", "height", "width"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        int64_t value;
        TESS_TRY(tess_facts_i64(c, from, kept[i], &value));
        TESS_TRY(tess_facts_set_i64(c, to, kept[i], value));
    }
    const char *tokenizer = tess_facts_text_or(from, "tokenizer", NULL);
    if (tokenizer)
        TESS_TRY(tess_facts_set_text(c, to, "tokenizer", tokenizer));
    TESS_TRY(tess_facts_set_text(c, to, "noise", tess_instance_spec(s->noise)));
    return tess_facts_set_text(c, to, "denoiser", tess_instance_spec(s->denoiser));
}

static int plan(void *self, struct tess_call *c, struct tess_stage_plan *p)
{
    const struct stage *s = self;
    struct tess_weights *w = NULL;
    struct tess_graph *g = NULL;
    int status = open_graph(c, s, p->in[0], p->seed, &w, &g);
    if (status == TESS_OK)
        status = tess_graph_cost(c, g, &p->cost);
    if (status == TESS_OK)
        status = describe(c, s, p->in[0], p->out);
    p->cost.flops *= (double)s->training.batch * (double)s->training.steps;
    p->cost.total_bytes += tess_training_bytes(&s->training, p->cost.parameters);
    p->steps = s->training.steps;
    tess_graph_free(g);
    tess_weights_free(w);
    return status;
}

static int draw_time(const struct work *k, struct tess_call *c, const struct tess_stream *s, int64_t *t)
{
    const struct tess_noise_1 *noise = noise_of(k->s);
    void *self = tess_instance_self(k->s->noise);
    if (chooses(noise))
        return noise->draw_time(self, c, k->weights, "noise", s, t);
    *t = 1 + tess_random_below(s, 0, noise->steps(self));
    return TESS_OK;
}

/* x0 and xt (rows, L), t (rows): t in 1 .. T, uniform unless the noise chooses, and x_t drawn from the noise; keyed by step and place in
 * the batch. */
static int fill(void *user, struct tess_call *c, int64_t step, int64_t first, int64_t rows, struct tess_tensor *in)
{
    const struct work *k = user;
    const struct tess_noise_1 *noise = noise_of(k->s);
    void *self = tess_instance_self(k->s->noise);
    int32_t *x0 = in[0].data, *xt = in[1].data;
    float *t = in[2].data;
    for (int64_t i = 0; i < rows; i++, x0 += k->tokens, xt += k->tokens) {
        int64_t at = tess_training_sample(k->seed, k->train_count, step * k->s->training.batch + first + i);
        struct tess_stream s = {
            .seed = k->seed, .purpose = tess_purpose("prior.time"), .step = (uint32_t)step, .sample = (uint32_t)(first + i)};
        int64_t time;
        TESS_TRY(draw_time(k, c, &s, &time));
        memcpy(x0, (const int32_t *)k->codes.data + at * k->tokens, (size_t)k->tokens * sizeof *x0);
        s.purpose = tess_purpose("prior.corrupt");
        TESS_TRY(noise->corrupt(self, c, &s, k->tokens, k->codebook_size, time, x0, xt));
        t[i] = (float)time;
    }
    return TESS_OK;
}

/* Inputs are x0, xt, t; the one output is the bound. */
static int after(void *user, struct tess_call *c, int64_t step, const struct tess_batch *b)
{
    const struct work *k = user;
    struct tess_noise_seen seen = {
        .size = sizeof seen, .samples = b->samples, .tokens = k->tokens, .t = b->in[2].data, .bound = b->out[0].data};
    (void)step;
    return noise_of(k->s)->observe(tess_instance_self(k->s->noise), c, k->weights, "noise", &seen);
}

static int train(struct tess_call *c, struct tess_stage_run *r, struct work *k)
{
    const struct tess_artefact *codes = tess_stage_input(r, "codes");
    const struct tess_facts *f = tess_artefact_facts(codes);
    struct tess_artefact *a = tess_stage_output(r);
    TESS_TRY(tess_facts_i64(c, f, "codebook_size", &k->codebook_size));
    TESS_TRY(open_graph(c, k->s, f, k->seed, &k->weights, &k->graph));
    TESS_TRY(tess_artefact_load(c, codes, "codes", TESS_I32, &k->codes));
    k->train_count = tess_facts_i64_or(f, "train_count", k->codes.dim[0]);
    k->tokens = k->codes.dim[1] * k->codes.dim[2];
    struct tess_training t = {.size = sizeof t,
                              .params = &k->s->training,
                              .weights = k->weights,
                              .graph = k->graph,
                              .user = k,
                              .fill = fill,
                              .after = chooses(noise_of(k->s)) ? after : NULL};
    TESS_TRY(tess_train(c, r, &t));
    TESS_TRY(describe(c, k->s, f, tess_artefact_describe(a)));
    TESS_TRY(tess_weights_write(c, k->weights, k->s->training.average > 0.0 ? TESS_ROLE_AVERAGE : TESS_ROLE_VALUE, a));
    return tess_artefact_put_figure(c, a, "parameters", (double)tess_weights_size(k->weights), "");
}

static int run(void *self, struct tess_call *c, struct tess_stage_run *r)
{
    struct work k = {.s = self, .seed = tess_stage_seed(r)};
    int status = train(c, r, &k);
    tess_free(k.codes.data);
    tess_graph_free(k.graph);
    tess_weights_free(k.weights);
    return status;
}

static const struct tess_port ports[] = {{.name = "codes", .kind = "codes", .help = "an archive of codes"}, {.name = NULL}};

static const struct tess_stage_1 ops = {.size = sizeof ops, .ports = ports, .output = "prior", .plan = plan, .run = run};

static const struct tess_param params[] = {
    {.name = "noise", .help = "how codes are corrupted", .type = TESS_COMPONENT, .flags = TESS_REQUIRED,
     .offset = offsetof(struct stage, noise), .text = "noise/1"},
    {.name = "denoiser", .help = "the network that undoes it", .type = TESS_COMPONENT, .flags = TESS_REQUIRED,
     .offset = offsetof(struct stage, denoiser), .text = "denoiser/1"},
    TESS_TRAINING_PARAMS(struct stage, training, 1500, 64, 1e-3),
    {.name = NULL}};

static const struct tess_component components[] = {{.name = "train-prior",
                                                    .kind = "stage/1",
                                                    .summary = "train a diffusion prior on an archive of codes",
                                                    TESS_PARAMS(params),
                                                    .caps = TESS_DETERMINISTIC,
                                                    .self_size = sizeof(struct stage),
                                                    .ops = &ops},
                                                   {.name = NULL}};

static const char *const needs[] = {"graph/1", "train/1", "artefact/1", "stage/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = {
    TESS_PLUGIN_HEAD, .id = "tessera-train-prior", .version = "0.1.0", .license = "MIT", .needs = needs, .components = components};
