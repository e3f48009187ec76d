/* stage/1 `refit`: a tokenizer's codebook is built anew out of a pool of its latents, then codebook and decoder are trained a little while
 * the encoder stands still (docs/models.md, "ReFiT"; Hu et al., "Global Context with Discrete Diffusion in Vector Quantised Modelling").
 * The result is a tokenizer with as many codes as were asked for. A checkpoint is of the pool, of k-means, or of training; each goes on
 * to the same bits.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/train/autoencoding.h"
#include "kit/infer/cost.h"
#include "plugins/stages/refit/refit_pool.h"
#include "plugins/stages/refit/refit_report.h"

#include <stdio.h>
#include <string.h>

struct stage {
    struct autoencoding_params how;
    struct refit_pool_params pool;
    int64_t codebook_size, limit;
};

enum { AT_A_TIME = 64 };

struct work {
    const struct stage *s;
    struct tess_tokenizer model;       /* the given model; encoder and decoder continue in the new one */
    struct tess_instance *quantizer;   /* quantizer of the new model */
    struct autoencoding k;             /* the new model's weights, and the training graph where there are steps */
    struct stage_graph latents;        /* image -> latent */
    struct stage_codec before, after;
    int64_t size, first, held; /* size: vectors of the pool; first, held: images to measure on */
    struct refit_pool pool;
    double objective; /* k-means' objective */
    struct refit_measure measured[2];
};

/* ---- opening ---- */

static int open_quantizer(struct tess_context *ctx, struct work *w)
{
    char config_text[128];
    snprintf(config_text, sizeof config_text, "{use: refit, codebook_size: %lld, code_dim: %lld}",
             (long long)(w->s->codebook_size ? w->s->codebook_size : w->model.codebook_size), (long long)w->model.code_dim);
    return tess_instance_open(ctx, "quantizer/1", config_text, "the new codebook", &w->quantizer);
}

static int record_latents(struct tess_context *ctx, struct work *w)
{
    const struct tess_tokenizer *t = &w->model;
    struct tess_node *latent = NULL;
    w->latents.weights = w->k.weights;
    TESS_TRY(stage_graph_open(ctx, &w->latents, w->k.seed, AT_A_TIME));
    struct tess_graph *g = w->latents.graph;
    struct tess_node *image = tess_input(g, "image", TESS_U8, 4, (const int64_t[]){STAGE_MICROBATCH, t->height, t->width, t->channels});
    TESS_TRY(tess_tokenizer_latent(ctx, t, g, tess_to_f32(g, image, 1.0f / 255.0f, 0.0f), &latent));
    tess_output(g, "latent", latent);
    return tess_graph_seal(ctx, g);
}

/* All graphs, over weights that have no values yet; and the attributes of the new model. */
static int refit_open_work(struct tess_context *ctx, struct work *w, const struct tess_attrs *images, const struct tess_attrs *model,
                     const char *where, struct tess_attrs *out)
{
    struct tess_tokenizer *t = &w->model;
    t->size = sizeof *t;
    TESS_TRY(tess_tokenizer_open(ctx, model, where, t));
    if (t->depth > 1 || t->without_error)
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "refit: one codebook is built of the latents, and the model's quantizer `%s` %s; give a model with one codebook of "
            "latents (`ema`, `nearest`)",
            tess_instance_name(t->quantizer), t->depth > 1 ? "has several levels" : "has codes of another space");
    TESS_TRY(stage_check_images(ctx, t, images));
    TESS_TRY(open_quantizer(ctx, w));
    const struct tess_quantizer_1 *quantizer = tess_instance_ops(w->quantizer, "quantizer/1");
    const int64_t image[3] = {t->height, t->width, t->channels};
    struct tess_tensor latent = tess_tensor_over(NULL, TESS_F32, 4, (const int64_t[]){1, t->latent_height, t->latent_width, t->code_dim});
    TESS_TRY(tess_attrs_i64(ctx, images, "train_count", &w->k.train_count));
    TESS_TRY(stage_held_out(ctx, images, w->s->limit, &w->first, &w->held));
    TESS_TRY(refit_pool_size(ctx, &w->s->pool, w->k.train_count, t->latent_height * t->latent_width,
                             quantizer->codebook_size(tess_instance_self(w->quantizer)), &w->size));
    w->k.encoder = t->encoder;
    w->k.decoder = t->decoder;
    w->k.quantizer = w->quantizer;
    TESS_TRY(autoencoding_describe(ctx, &w->k, image, &latent, out));
    if (w->s->how.training.steps > 0)
        TESS_TRY(autoencoding_open(ctx, &w->k, image, &latent));
    else
        TESS_TRY(tess_weights_new(ctx, w->k.seed, &w->k.weights));
    TESS_TRY(record_latents(ctx, w));
    TESS_TRY(stage_codec_open(ctx, &w->before, model, where, NULL, w->k.seed, AT_A_TIME, CODEC_ENCODE | CODEC_DECODE | CODEC_ERROR));
    return stage_codec_open(ctx, &w->after, out, "the new model", w->k.weights, w->k.seed, AT_A_TIME,
                            CODEC_ENCODE | CODEC_DECODE | CODEC_ERROR);
}

static void refit_close_work(struct work *w)
{
    refit_measure_close(&w->measured[0]);
    refit_measure_close(&w->measured[1]);
    refit_pool_close(&w->pool);
    stage_codec_close(&w->before);
    stage_codec_close(&w->after);
    stage_graph_close(&w->latents, 0);
    autoencoding_close(&w->k);
    tess_instance_close(w->quantizer);
    tess_tokenizer_close(&w->model);
}

static struct work refit_work_of(const struct stage *s, uint64_t seed)
{
    return (struct work){.s = s, .k = {.p = &s->how, .frozen = 1, .seed = seed}};
}

/* ---- planning ---- */

static int add_costs(struct tess_context *ctx, const struct work *w, const struct tess_attrs *images, struct tess_stage_plan *p)
{
    const struct tess_training_params *t = &w->s->how.training;
    int64_t encoded = refit_pool_images(&w->s->pool, w->size, w->model.latent_height * w->model.latent_width);
    int64_t pool = w->size * w->model.code_dim * 4;
    struct tess_cost training = {.size = sizeof training, .total_bytes = tess_weights_bytes(w->k.weights)},
                     report = {.size = sizeof report};
    int64_t one = cost_of_tokenizer_images(&w->model, 1), at_a_time = w->held < AT_A_TIME ? w->held : AT_A_TIME;
    if (w->k.graph)
        TESS_TRY(tess_training_cost(ctx, t, w->k.graph, 1, &training));
    training.flops *= adversarial_runs(&w->s->how.adversarial);
    if (w->k.graph)
        tess_training_disk(t, training.parameters, p);
    *p->cost = training;
    TESS_TRY(stage_graph_cost(ctx, &w->latents, (double)encoded, p->cost));
    TESS_TRY(cost_of_codec(ctx, &w->before, (double)w->held, (double)w->held, &report));
    TESS_TRY(cost_of_codec(ctx, &w->after, (double)w->held, (double)w->held, &report));
    report.total_bytes += 2 * at_a_time * one * (int64_t)(2 + sizeof(float)) + cost_of_picture(3, w->held, one, w->model.width);
    p->cost->flops += report.flops;
    /* The pool is gone before training, the training's graph before the report. */
    int64_t graph = training.total_bytes - tess_weights_bytes(w->k.weights), before = w->before.own ? tess_weights_bytes(w->before.own) : 0;
    int64_t pooled = pool < w->s->pool.memory << 20 ? pool : 0, max = graph > pooled ? graph : pooled;
    max = report.total_bytes - before > max ? report.total_bytes - before : max;
    p->cost->total_bytes += max - graph + before + cost_of_reading(images);
    p->steps = t->steps + encoded + 2 * w->held;
    return TESS_OK;
}

static int refit_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct work w = refit_work_of(self, p->seed);
    int status = autoencoding_measure(ctx, &w.k, p->in[2], NULL);
    if (status == TESS_OK)
        status = refit_open_work(ctx, &w, p->in[0], p->in[1], "model", p->out);
    if (status == TESS_OK && w.k.graph)
        status = perceptual_check(ctx, &w.k.network, w.k.weights);
    if (status == TESS_OK)
        status = add_costs(ctx, &w, p->in[0], p);
    refit_close_work(&w);
    return status;
}

/* ---- running ---- */

/* Reads the values of every weight under `prefix` from a model's file. */
static int read_part(struct tess_context *ctx, struct tess_weights *w, const char *prefix, const struct tess_artefact *a)
{
    for (int64_t i = 0; i < tess_weights_count(w); i++)
        if (strncmp(tess_weights_name(w, i), prefix, strlen(prefix)) == 0)
            TESS_TRY(tess_weights_read_one(ctx, w, i, a, NULL));
    return TESS_OK;
}

/* Reads encoder and decoder of the given model, and its critic where it was trained with one like this. */
static int refit_read_model(struct tess_context *ctx, struct work *w, const struct tess_artefact *model)
{
    TESS_TRY(tess_weights_seal(ctx, w->k.weights));
    TESS_TRY(read_part(ctx, w->k.weights, "encoder.", model));
    TESS_TRY(read_part(ctx, w->k.weights, "decoder.", model));
    if (autoencoding_same_critic(&w->s->how, tess_artefact_attrs(model)))
        TESS_TRY(read_part(ctx, w->k.weights, "critic.", model));
    return tess_weights_read(ctx, w->before.weights, model);
}

static int refit_rebuild(struct tess_context *ctx, struct tess_stage_run *r, struct work *w)
{
    const struct tess_tokenizer *t = &w->model;
    struct tess_tensor codebook;
    TESS_TRY(tess_weights_find(ctx, w->k.weights, "quantizer.codebook", TESS_ROLE_VALUE, &codebook));
    w->pool = (struct refit_pool){.p = &w->s->pool,
                                  .run = r,
                                  .encode = &w->latents,
                                  .images = &w->k.images,
                                  .train_count = w->k.train_count,
                                  .per_image = t->latent_height * t->latent_width,
                                  .seed = w->k.seed,
                                  .codebook = &codebook};
    TESS_TRY(refit_pool_open(ctx, &w->pool, w->size, t->code_dim, tess_artefact_path(tess_stage_output(r))));
    TESS_TRY(refit_pool_rebuild(ctx, &w->pool));
    w->objective = w->pool.objective;
    refit_pool_close(&w->pool);
    tess_weights_touch(w->k.weights);
    return TESS_OK;
}

/* 1 when the checkpoint is of training: it holds the rebuilt codebook, and how k-means ended. */
static int refit_is_training(struct tess_stage_run *r)
{
    const struct tess_artefact *a = tess_stage_resume(r);
    return a && tess_attrs_i64_or(tess_artefact_attrs(a), "step", -1) >= 0;
}

static int refit_remember(void *user, struct tess_context *ctx, struct tess_attrs *f)
{
    return tess_attrs_set_f64(ctx, f, "objective", ((const struct work *)user)->objective);
}

static int refit_tell(struct tess_context *ctx, struct tess_stage_run *r, struct work *w)
{
    struct refit_progress progress = {.run = r, .total = 2 * w->held};
    TESS_TRY(refit_measure(ctx, &w->measured[0], &w->before, &w->k.images, w->first, w->held, &progress));
    progress.done = w->held;
    TESS_TRY(refit_measure(ctx, &w->measured[1], &w->after, &w->k.images, w->first, w->held, &progress));
    TESS_TRY(stage_put_metric(ctx, tess_stage_output(r), "k-means objective", w->objective, "mean square", TESS_METRIC_LOWER));
    TESS_TRY(tess_artefact_put_metric(ctx, tess_stage_output(r), "images", (double)w->held, ""));
    return refit_report(ctx, r, &w->measured[0], &w->measured[1]);
}

static int refit(struct tess_context *ctx, struct tess_stage_run *r, struct work *w)
{
    const struct tess_artefact *images = tess_stage_input(r, "images"), *model = tess_stage_input(r, "model");
    const struct tess_artefact *features = tess_stage_input(r, "features");
    struct tess_artefact *a = tess_stage_output(r);
    TESS_TRY(autoencoding_measure(ctx, &w->k, features ? tess_artefact_attrs(features) : NULL, features));
    TESS_TRY(refit_open_work(ctx, w, tess_artefact_attrs(images), tess_artefact_attrs(model), tess_artefact_path(model),
                       tess_artefact_describe(a)));
    TESS_TRY(refit_read_model(ctx, w, model));
    if (tess_tokenizer_has_likelihood(tess_artefact_attrs(model)))
        tess_stage_note(r, "the head for the likelihood of images is not taken over, it was of the decoder before; the stage "
                           "`train-likelihood` makes one of the new model");
    TESS_TRY(stage_images_open(ctx, &w->k.images, images, (const int64_t[]){w->model.height, w->model.width, w->model.channels}));
    if (refit_is_training(r))
        TESS_TRY(tess_attrs_f64(ctx, tess_artefact_attrs(tess_stage_resume(r)), "objective", &w->objective));
    else
        TESS_TRY(refit_rebuild(ctx, r, w));
    w->k.remember = refit_remember;
    w->k.owner = w;
    if (w->s->how.training.steps > 0)
        TESS_TRY(autoencoding_train(ctx, r, &w->k));
    TESS_TRY(tess_weights_write(ctx, w->k.weights, TESS_ROLE_VALUE, a));
    TESS_TRY(tess_artefact_put_metric(ctx, a, "parameters", (double)tess_weights_size(w->k.weights), ""));
    autoencoding_trained(&w->k);
    return refit_tell(ctx, r, w);
}

static int refit_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work w = refit_work_of(self, tess_stage_seed(r));
    int status = refit(ctx, r, &w);
    refit_close_work(&w);
    return status;
}

static int refit_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct stage *s = self;
    return autoencoding_fingerprint(ctx, &s->how, d);
}

static int refit_open_stage(void *self, struct tess_context *ctx)
{
    const struct stage *s = self;
    return autoencoding_check(ctx, &s->how);
}

static const struct tess_port ports[] = {
    {.name = "images", .kind = "images", .help = "what the pool is drawn from, what to train on, and what to measure on"},
    {.name = "model", .kind = "autoencoder", .help = "the tokenizer whose codebook is built anew"},
    PERCEPTUAL_PORT("perceptual"),
    {.name = NULL}};

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "autoencoder", .plan = refit_plan, .fingerprint = refit_fingerprint, .run = refit_run};

static const struct tess_param params[] = {{.name = "codebook_size",
                                            .help = "codes of the new codebook (K); 0: as many as before",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, codebook_size),
                                            .lo = 0,
                                            .hi = 16777216,
                                            .def = 0},
                                           REFIT_POOL_PARAMS(struct stage, pool),
                                           AUTOENCODING_PARAMS(struct stage, how),
                                           ADVERSARIAL_WEIGHT_PARAMS(struct stage, how.adversarial, 0.8, 1e4),
                                           ADVERSARIAL_BALANCE_PARAM(struct stage, how.adversarial, 1, 0),
                                           {.name = "limit",
                                            .help = "images at most that metrics are measured on; 0: all that were kept for validation",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, limit),
                                            .lo = 0,
                                            .hi = 1e9,
                                            .def = 0},
                                           TESS_TRAINING_PARAMS(struct stage, how.training, 500, 64, 1e-4),
                                           {.name = NULL}};

TESS_PLUGIN("tessera-refit", "0.4.0", "MIT", TESS_NEEDS("graph/1", "random/1", "train/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED("Hu et al., Global Context with Discrete Diffusion in Vector Quantised Modelling, 2022, ReFiT",
                                      "refit: {use: refit, in: {images: images, model: tokenizer}, codebook_size: 512, steps: 1000}",
                                      "refit", "stage/1", "build a tokenizer's codebook anew, then train codebook and decoder",
                                      sizeof(struct stage), params, refit_open_stage, NULL, &ops));
