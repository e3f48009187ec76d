/* stage/1 `train-prior`: a denoiser trained to undo a noise over an archive of codes (docs/models.md, "Absorbing diffusion"), from its
 * initial weights or from those of a prior (warm_start.h). Knows both by kind alone.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/cost.h"
#include "kit/train/code_rows.h"
#include "kit/train/warm_start.h"

#include <assert.h>
#include <string.h>

struct stage {
    struct tess_training_params training;
    struct tess_instance *noise, *denoiser;
    int32_t condition;
    double condition_drop;
};

enum { CONDITION_NONE, CONDITION_LABELS };

struct work {
    const struct stage *s; /* the stage with both parts: the prior's it starts from where it has none of its own */
    struct stage filled;
    struct tess_prior prior;   /* prior that training starts from; zeroed without one */
    struct tess_prior trained; /* prior that is trained, whose parts are the stage's */
    struct warm_start warm_start;
    struct tess_weights *weights;
    struct tess_graph *graph;
    struct code_rows codes;             /* the archive's */
    struct tess_tensor labels;          /* i32 (N), where the prior is told them */
    int64_t train_count, tokens, times; /* times: T */
    uint64_t seed;
};

/* Number of classes of the archive's labels; 0 where the prior is not told them. */
static int count_classes(struct tess_context *ctx, const struct stage *s, const struct tess_attrs *codes, int64_t *classes)
{
    *classes = s->condition == CONDITION_LABELS ? tess_attrs_i64_or(codes, "classes", 0) : 0;
    if (s->condition == CONDITION_NONE || *classes > 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                     "train-prior: `condition: labels` is given, and the codes have no labels; import images with labels of "
                     "a class each and encode them, or leave the condition out");
}

/* Prior of codes with these attributes; the parts stay the stage's. */
static int prior_of(struct tess_context *ctx, const struct stage *s, const struct tess_attrs *f, struct tess_prior *p)
{
    *p = (struct tess_prior){.size = sizeof *p, .noise = s->noise, .denoiser = s->denoiser};
    TESS_TRY(tess_attrs_i64(ctx, f, "codebook_size", &p->codebook_size));
    TESS_TRY(tess_levels_get(ctx, f, p->codebook_size, &p->depth, p->level_size));
    TESS_TRY(tess_attrs_i64(ctx, f, "height", &p->height));
    TESS_TRY(tess_attrs_i64(ctx, f, "width", &p->width));
    return count_classes(ctx, s, f, &p->classes);
}

static int train_prior_open_graph(struct tess_context *ctx, struct work *k)
{
    const struct stage *s = k->s;
    int64_t microbatches;
    struct tess_noise_loss loss = {.size = sizeof loss};
    TESS_TRY(tess_training_microbatches(ctx, &s->training, &microbatches));
    struct tess_graph_options o = {
        .size = sizeof o, .training = 1, .microbatch = s->training.batch / microbatches, .microbatches = microbatches, .seed = k->seed};
    o.recompute = s->training.recompute;
    o.training_steps = s->training.steps;
    TESS_TRY(tess_weights_new(ctx, k->seed, &k->weights));
    TESS_TRY(tess_graph_new(ctx, k->weights, &o, &k->graph));
    TESS_TRY(tess_prior_record_loss(ctx, &k->trained, k->graph, &loss));
    tess_objective(k->graph, "loss", "", loss.loss);
    if (tess_prior_chooses_times(&k->trained)) /* such bounds are of the times that the noise prefers, so their mean is not the bound */
        tess_output(k->graph, "bound", loss.bound);
    else
        tess_column(k->graph, "bound", tess_mean_all(k->graph, loss.bound));
    return tess_graph_seal(ctx, k->graph);
}

/* Attributes of the result: those of the archive that a prior carries on, and the parts. The tokenizer's digest is known when the archive
 * is there. */
static int train_prior_describe(struct tess_context *ctx, const struct stage *s, const struct tess_attrs *from, struct tess_attrs *to)
{
    static const char *const kept[] = {"codebook_size", "height", "width"};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        int64_t value;
        TESS_TRY(tess_attrs_i64(ctx, from, kept[i], &value));
        TESS_TRY(tess_attrs_set_i64(ctx, to, kept[i], value));
    }
    struct tess_prior p;
    TESS_TRY(prior_of(ctx, s, from, &p));
    TESS_TRY(tess_levels_set(ctx, to, p.codebook_size, p.depth, p.level_size));
    const char *tokenizer = tess_attrs_text_or(from, "tokenizer", NULL);
    if (tokenizer)
        TESS_TRY(tess_attrs_set_text(ctx, to, "tokenizer", tokenizer));
    int64_t classes;
    TESS_TRY(count_classes(ctx, s, from, &classes));
    if (classes > 0) {
        TESS_TRY(tess_attrs_set_text(ctx, to, "condition", "labels"));
        TESS_TRY(tess_attrs_set_i64(ctx, to, "classes", classes));
    }
    TESS_TRY(tess_attrs_set_text(ctx, to, "noise", tess_instance_config_text(s->noise)));
    return tess_attrs_set_text(ctx, to, "denoiser", tess_instance_config_text(s->denoiser));
}

/* Opens the prior where training starts from one, and chooses both parts. */
static int train_prior_open_parts(struct tess_context *ctx, struct work *k, const struct stage *s, const struct tess_attrs *prior,
                                  const char *where)
{
    k->filled = *s;
    k->s = &k->filled;
    k->prior.size = sizeof k->prior;
    if (prior)
        TESS_TRY(tess_prior_open(ctx, prior, where, &k->prior));
    k->filled.noise = s->noise ? s->noise : k->prior.noise;
    k->filled.denoiser = s->denoiser ? s->denoiser : k->prior.denoiser;
    if (k->filled.noise && k->filled.denoiser && prior)
        return TESS_OK; /* the weights of the prior are checked instead */
    if (k->filled.noise && k->filled.denoiser) {
        TESS_TRY(tess_instance_learns(ctx, k->filled.noise, "noise", "prior"));
        return tess_instance_learns(ctx, k->filled.denoiser, "denoiser", "prior");
    }
    return ctx->fail(ctx, TESS_E_USAGE, "train-prior: `%s` is missing; say it, or give a `prior` to start from, whose %s it then is",
                   k->filled.noise ? "denoiser" : "noise", k->filled.noise ? "denoiser" : "noise");
}

/* Checks that the prior has the weights of what is to be trained. Maps of another size are a matter of the denoiser's weights. */
static int check_prior(struct tess_context *ctx, struct work *k)
{
    const struct tess_prior *p = &k->trained;
    if (p->codebook_size != k->prior.codebook_size)
        return ctx->fail(ctx, TESS_E_SHAPE, "prior: it is of %lld codes, the archive of %lld; encode with a tokenizer of as many",
                         (long long)k->prior.codebook_size, (long long)p->codebook_size);
    if (p->classes != k->prior.classes)
        return ctx->fail(ctx, TESS_E_SHAPE,
                         "prior: it is told labels of %lld classes, and what is to be trained of %lld (0: none); set `condition` as it was "
                         "trained, or train without it",
                         (long long)k->prior.classes, (long long)p->classes);
    TESS_TRY(warm_start_open_prior(ctx, &k->warm_start, p, &k->prior));
    return warm_start_check(ctx, &k->warm_start, "prior");
}

static int train_prior_open_all(struct tess_context *ctx, struct work *k, const struct stage *s, const struct tess_attrs *codes,
                                const struct tess_attrs *prior, const char *where)
{
    TESS_TRY(train_prior_open_parts(ctx, k, s, prior, where));
    TESS_TRY(prior_of(ctx, k->s, codes, &k->trained));
    TESS_TRY(train_prior_open_graph(ctx, k));
    return prior ? check_prior(ctx, k) : TESS_OK;
}

static void train_prior_close_work(struct work *k)
{
    warm_start_close(&k->warm_start);
    code_rows_close(&k->codes);
    tess_free(k->labels.data);
    tess_graph_free(k->graph);
    tess_weights_free(k->weights);
    tess_prior_close(&k->prior);
}

/* Records how the prior will be sampled from, over the weights that training declared: one that this wants besides would be missed once
 * the training is over. */
static int train_prior_check_sampling(struct tess_context *ctx, const struct work *k)
{
    const struct tess_graph_options o = {.size = sizeof o, .microbatch = 1, .microbatches = 1, .seed = k->seed};
    const int64_t weights = tess_weights_count(k->weights);
    struct tess_graph *g = NULL;
    TESS_TRY(tess_graph_new(ctx, k->weights, &o, &g));
    int status = tess_prior_record_denoise(ctx, &k->trained, g);
    if (status == TESS_OK && tess_graph_status(g) != TESS_OK)
        status = tess_graph_seal(ctx, g); /* says why */
    tess_graph_free(g);
    const char *late = tess_weights_name(k->weights, weights);
    if (status != TESS_OK || !late)
        return status;
    return ctx->fail(ctx, TESS_E_PLUGIN, "denoiser `%s`: wanted the same weights in training and in sampling, found %s in sampling alone",
                     tess_instance_name(k->trained.denoiser), late);
}

static int train_prior_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    const struct stage *s = self;
    struct work k = {.seed = p->seed};
    int status = train_prior_open_all(ctx, &k, s, p->in[0], p->in[1], "prior");
    if (status == TESS_OK)
        status = train_prior_check_sampling(ctx, &k);
    if (status == TESS_OK)
        status = tess_training_cost(ctx, &s->training, k.graph, tess_prior_chooses_times(&k.trained), p->cost);
    if (status == TESS_OK)
        status = train_prior_describe(ctx, k.s, p->in[0], p->out);
    p->cost->total_bytes += code_rows_bytes(p->in[0], CODE_ROWS_MEMORY);
    tess_training_disk(&s->training, p->cost->parameters, p);
    p->steps = s->training.steps;
    train_prior_close_work(&k);
    return status;
}

static int train_prior_draw_time(const struct work *k, struct tess_context *ctx, const struct tess_stream *s, int64_t *t)
{
    if (tess_prior_chooses_times(&k->trained))
        return tess_prior_draw_time(ctx, &k->trained, k->weights, s, t);
    *t = 1 + tess_random_below(s, 0, k->times);
    return TESS_OK;
}

/* Label of the codes at `at`, or by a draw of its own the null label. */
static int32_t train_prior_label(const struct work *k, const struct tess_stream *stream, int64_t at)
{
    struct tess_stream s = *stream;
    float u;
    s.purpose = tess_purpose("prior.condition");
    tess_random_uniform(&s, 0, 1, &u);
    return (double)u < k->s->condition_drop ? (int32_t)k->trained.classes : ((const int32_t *)k->labels.data)[at];
}

/* Fills a microbatch: x0 and xt (rows, L), t (rows) and, where there are labels, label (rows): t in 1 .. T, uniform unless the noise
 * chooses, and x_t drawn from the noise; keyed by step and place in the batch. */
static int train_prior_fill(void *user, struct tess_context *ctx, int64_t step, int64_t first, int64_t rows, struct tess_tensor *in)
{
    const struct work *k = user;
    int32_t *x0 = in[0].data, *xt = in[1].data;
    float *t = in[2].data;
    for (int64_t i = 0; i < rows; i++, x0 += k->tokens, xt += k->tokens) {
        int64_t at = tess_training_sample(k->seed, k->train_count, step * k->s->training.batch + first + i);
        struct tess_stream s = {
            .seed = k->seed, .purpose = tess_purpose("prior.time"), .step = (uint32_t)step, .sample = (uint32_t)(first + i)};
        int64_t time;
        TESS_TRY(train_prior_draw_time(k, ctx, &s, &time));
        TESS_TRY(code_rows_read(ctx, &k->codes, at, x0));
        if (k->trained.classes)
            ((int32_t *)in[3].data)[i] = train_prior_label(k, &s, at);
        s.purpose = tess_purpose("prior.corrupt");
        TESS_TRY(tess_prior_corrupt(ctx, &k->trained, &s, time, x0, xt));
        t[i] = (float)time;
    }
    return TESS_OK;
}

/* The place of the output `bound`, behind those that a component declares for itself. */
static int32_t train_prior_bound_at(const struct tess_graph *g)
{
    int32_t i = 0;
    for (const char *name; (name = tess_graph_output_at(g, i, NULL)) && strcmp(name, "bound") != 0; i++)
        continue;
    return i;
}

/* Gives the noise each step's times and bounds: inputs are x0, xt, t and perhaps label. */
static int train_prior_after(void *user, struct tess_context *ctx, int64_t step, const struct tess_batch *b)
{
    const struct work *k = user;
    struct tess_noise_seen seen = {.size = sizeof seen,
                                   .samples = b->samples,
                                   .tokens = k->tokens,
                                   .t = b->in[2].data,
                                   .bound = b->out[train_prior_bound_at(k->graph)].data};
    (void)step;
    return tess_prior_observe(ctx, &k->trained, k->weights, &seen);
}

/* Reads the prior that training starts from. Codes of another tokenizer of as many codes are allowed: the numbers mean other things, and
 * what was learnt of them may be of use. */
static int read_prior(struct tess_context *ctx, struct tess_stage_run *r, struct work *k, const struct tess_artefact *codes,
                      const struct tess_artefact *prior)
{
    static const char *const skip[] = {NULL};
    if (!prior || warm_start_is_past(r))
        return TESS_OK;
    TESS_TRY(warm_start_read(ctx, r, &k->warm_start, k->weights, prior, skip));
    warm_start_note_part(r, "noise", k->s->noise, k->prior.noise);
    warm_start_note_part(r, "denoiser", k->s->denoiser, k->prior.denoiser);
    const char *theirs = tess_attrs_text_or(tess_artefact_attrs(prior), "tokenizer", "");
    const char *ours = tess_attrs_text_or(tess_artefact_attrs(codes), "tokenizer", "");
    if (strcmp(theirs, ours) != 0)
        tess_stage_note(r, "the prior is of codes of tokenizer %.12s, the archive of %.12s: each number meant another code to it",
                        theirs, ours);
    return TESS_OK;
}

/* Opens the archive's codes, and reads labels where the prior is told them. */
static int read_codes(struct tess_context *ctx, struct work *k, const struct tess_artefact *codes)
{
    const struct tess_prior *p = &k->trained;
    const struct code_maps maps = code_maps_of_prior(p);
    TESS_TRY(code_rows_open(ctx, codes, &maps, CODE_ROWS_MEMORY, &k->codes));
    int64_t count = k->codes.shape.dim[0];
    k->train_count = tess_attrs_i64_or(tess_artefact_attrs(codes), "train_count", count);
    k->tokens = tess_prior_tokens(p);
    assert(k->train_count >= 1 && k->train_count <= count && k->codes.tokens == k->tokens);
    if (p->classes == 0)
        return TESS_OK;
    TESS_TRY(tess_artefact_load(ctx, codes, "labels", TESS_I32, &k->labels));
    return stage_check_below(ctx, codes, "labels", &k->labels, "classes", p->classes);
}

static int train_prior_train(struct tess_context *ctx, struct tess_stage_run *r, const struct stage *s, struct work *k)
{
    const struct tess_artefact *codes = tess_stage_input(r, "codes"), *prior = tess_stage_input(r, "prior");
    const struct tess_attrs *f = tess_artefact_attrs(codes);
    struct tess_artefact *a = tess_stage_output(r);
    TESS_TRY(train_prior_open_all(ctx, k, s, f, prior ? tess_artefact_attrs(prior) : NULL, prior ? tess_artefact_path(prior) : ""));
    k->times = tess_prior_steps(&k->trained);
    TESS_TRY(read_prior(ctx, r, k, codes, prior));
    TESS_TRY(read_codes(ctx, k, codes));
    struct tess_training t = {.size = sizeof t,
                              .params_size = sizeof(struct tess_training_params),
                              .params = &k->s->training,
                              .weights = k->weights,
                              .graph = k->graph,
                              .user = k,
                              .fill = train_prior_fill,
                              .after = tess_prior_chooses_times(&k->trained) ? train_prior_after : NULL};
    TESS_TRY(tess_train(ctx, r, &t));
    TESS_TRY(train_prior_describe(ctx, k->s, f, tess_artefact_describe(a)));
    TESS_TRY(tess_weights_write(ctx, k->weights, k->s->training.ema_decay > 0.0 ? TESS_ROLE_AVERAGE : TESS_ROLE_VALUE, a));
    return tess_artefact_put_metric(ctx, a, "parameters", (double)tess_weights_size(k->weights), "");
}

static int train_prior_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work k = {.seed = tess_stage_seed(r)};
    int status = train_prior_train(ctx, r, self, &k);
    train_prior_close_work(&k);
    return status;
}

static const struct tess_port ports[] = {
    {.name = "codes", .kind = "codes", .help = "an archive of codes"},
    {.name = "prior", .kind = "prior", .optional = 1, .help = "whose weights to start from; parts that are not said are its own"},
    {.name = NULL}};

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "prior", .plan = train_prior_plan, .run = train_prior_run};

static const struct tess_param params[] = {
    {.name = "noise",
     .help = "how codes are corrupted; left out: the prior's",
     .type = TESS_COMPONENT,
     .offset = offsetof(struct stage, noise),
     .text = "noise/1"},
    {.name = "denoiser",
     .help = "the network that undoes it; left out: the prior's",
     .type = TESS_COMPONENT,
     .offset = offsetof(struct stage, denoiser),
     .text = "denoiser/1"},
    {.name = "condition",
     .help = "labels: the denoiser is told what class each image is of, and samples of a class can be asked for",
     .type = TESS_ENUM, .flags = TESS_LATER,
     .offset = offsetof(struct stage, condition),
     .text = "none|labels"},
    {.name = "condition_drop",
     .help = "share of labels that are left out in training, so that there are samples of none, and guidance",
     .type = TESS_F64, .flags = TESS_LATER,
     .offset = offsetof(struct stage, condition_drop),
     .lo = 0,
     .hi = 1,
     .def = 0.1},
    TESS_TRAINING_PARAMS(struct stage, training, 1500, 64, 1e-3),
    {.name = NULL}};

TESS_PLUGIN("tessera-train-prior", "0.3.0", "MIT", TESS_NEEDS("graph/1", "train/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED("Bond-Taylor et al., Unleashing Transformers, 2022",
                                      "prior:\n"
                                      "  use: train-prior\n"
                                      "  in: {codes: codes}\n"
                                      "  steps: 1500\n"
                                      "  noise: {use: absorbing, steps: 49}\n"
                                      "  denoiser: {use: transformer, embed_dim: 128, layers: 4, heads: 4}",
                                      "train-prior", "stage/1", "train a diffusion prior on an archive of codes", sizeof(struct stage),
                                      params, NULL, NULL, &ops));
