/* stage/1 `train-likelihood`: the decoder's head for the likelihood of images, trained alone on a model that stays as it is
 * (docs/models.md, "Image likelihood"). What comes out is that model and the head, so it goes wherever the model does, with its codes.
 *
 * The weights of the given model are declared before anything is recorded, as state that is not trained: so no gradient is computed for
 * them, no optimiser has memory of them, and what is left to train is the head, whatever its weights are called.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/cost.h"
#include "kit/train/likelihood.h"

#include <math.h>
#include <string.h>

struct stage {
    struct tess_training_params training;
};

struct work {
    const struct stage *s;
    struct stage_codec given; /* the given model, opened for its list of weights alone */
    struct tess_weights *weights;
    struct tess_graph *graph;
    struct stage_images images;
    struct stage_codec shown;                            /* the model with its new head, for the picture */
    struct tess_tensor sheet[3], codes, real, log_sigma; /* parts of the picture; sheet: originals, what comes back, deviations */
    int64_t train_count;
    uint64_t seed;
};

/* ---- the graph ---- */

static int declare_external(struct tess_context *ctx, const struct work *k)
{
    const struct tess_init kept = {.size = sizeof(struct tess_init), .flags = TESS_WEIGHT_BUFFER};
    for (int64_t i = 0; i < tess_weights_count(k->given.weights); i++) {
        struct tess_tensor shape;
        TESS_TRY(tess_weights_view(ctx, k->given.weights, i, TESS_ROLE_VALUE, &shape));
        tess_weight(k->graph, tess_weights_name(k->given.weights, i), shape.rank, shape.dim, &kept);
    }
    return TESS_OK;
}

/* Codes are recomputed at every step: a data set may be larger than what is trained on. */
static int train_likelihood_record(struct tess_context *ctx, const struct work *k)
{
    const struct tess_tokenizer *t = &k->given.tokenizer;
    struct tess_graph *g = k->graph;
    struct tess_node *latent = NULL, *codes = NULL, *quantised = NULL, *mean = NULL, *log_sigma = NULL;
    struct tess_node *bytes =
        tess_input(g, "image", TESS_U8, 4, (const int64_t[]){tess_graph_microbatch(g), t->height, t->width, t->channels});
    struct tess_node *x = tess_to_f32(g, bytes, 1.0f / 255.0f, 0.0f);
    TESS_TRY(tess_tokenizer_latent(ctx, t, g, x, &latent));
    TESS_TRY(tess_tokenizer_assign(ctx, t, g, latent, &codes));
    TESS_TRY(tess_tokenizer_lookup(ctx, t, g, codes, &quantised));
    TESS_TRY(tess_tokenizer_record_head(ctx, t, g, quantised, &mean, &log_sigma));
    tess_objective(g, "bits/dim", "", likelihood_record(g, x, mean, log_sigma));
    return tess_graph_seal(ctx, g);
}

static int train_likelihood_open_work(struct tess_context *ctx, struct work *k, const struct tess_attrs *images,
                                      const struct tess_attrs *model, const char *where)
{
    const struct tess_training_params *p = &k->s->training;
    int64_t microbatches;
    TESS_TRY(stage_codec_open(ctx, &k->given, model, where, NULL, k->seed, 1, CODEC_ENCODE | CODEC_DECODE));
    TESS_TRY(stage_check_images(ctx, &k->given.tokenizer, images));
    TESS_TRY(tess_attrs_i64(ctx, images, "train_count", &k->train_count));
    TESS_TRY(tess_training_microbatches(ctx, p, &microbatches));
    struct tess_graph_options o = {
        .size = sizeof o, .training = 1, .microbatch = p->batch / microbatches, .microbatches = microbatches, .seed = k->seed};
    o.recompute = p->recompute;
    o.training_steps = p->steps;
    TESS_TRY(tess_weights_new(ctx, k->seed, &k->weights));
    TESS_TRY(tess_graph_new(ctx, k->weights, &o, &k->graph));
    TESS_TRY(declare_external(ctx, k));
    return train_likelihood_record(ctx, k);
}

static void train_likelihood_close_work(struct work *k)
{
    stage_codec_close(&k->shown);
    stage_codec_close(&k->given);
    stage_images_close(&k->images);
    tess_graph_free(k->graph);
    tess_weights_free(k->weights);
    for (int i = 0; i < 3; i++)
        tess_free(k->sheet[i].data);
    tess_free(k->codes.data);
    tess_free(k->real.data);
    tess_free(k->log_sigma.data);
}

/* Attributes of the result: those of the given model, and that it has the head. */
static int train_likelihood_describe(struct tess_context *ctx, const struct tess_tokenizer *t, const struct tess_attrs *from,
                                     struct tess_attrs *to)
{
    static const char *const number[] = {"height", "width", "channels", "latent_height", "latent_width", "codebook_size", "code_dim"};
    static const char *const text[] = {"encoder", "quantizer", "decoder", "perceptual", "critic"};
    for (size_t i = 0; i < sizeof number / sizeof *number; i++) {
        int64_t value;
        TESS_TRY(tess_attrs_i64(ctx, from, number[i], &value));
        TESS_TRY(tess_attrs_set_i64(ctx, to, number[i], value));
    }
    TESS_TRY(tess_levels_set(ctx, to, t->codebook_size, t->depth, t->level_size));
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        const char *value = tess_attrs_text_or(from, text[i], NULL);
        if (value)
            TESS_TRY(tess_attrs_set_text(ctx, to, text[i], value));
    }
    return tess_attrs_set_i64(ctx, to, "likelihood", 1);
}

static int train_likelihood_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct work k = {.s = self, .seed = p->seed};
    const struct tess_training_params *t = &k.s->training;
    int status = train_likelihood_open_work(ctx, &k, p->in[0], p->in[1], "model");
    if (status == TESS_OK)
        status = tess_training_cost(ctx, t, k.graph, 0, p->cost);
    if (status == TESS_OK)
        status = train_likelihood_describe(ctx, &k.given.tokenizer, p->in[1], p->out);
    p->cost->total_bytes += cost_of_reading(p->in[0]);
    tess_training_disk(t, p->cost->parameters, p);
    p->steps = t->steps;
    train_likelihood_close_work(&k);
    return status;
}

/* ---- running ---- */

static int train_likelihood_fill(void *user, struct tess_context *ctx, int64_t step, int64_t first, int64_t rows, struct tess_tensor *in)
{
    const struct work *k = user;
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = tess_training_sample(k->seed, k->train_count, step * k->s->training.batch + first + i);
        TESS_TRY(stage_images_get(ctx, &k->images, at, (uint8_t *)in[0].data + (size_t)i * k->images.row));
    }
    return TESS_OK;
}

/* Reads the weights of the given model, with its head where it has one already, whose training then continues. */
static int train_likelihood_read_model(struct tess_context *ctx, const struct work *k, const struct tess_artefact *model)
{
    int whole = tess_tokenizer_has_likelihood(tess_artefact_attrs(model));
    TESS_TRY(tess_weights_seal(ctx, k->weights));
    for (int64_t i = 0; i < tess_weights_count(k->weights); i++)
        if (whole || tess_weights_index(k->given.weights, tess_weights_name(k->weights, i)) >= 0)
            TESS_TRY(tess_weights_read_one(ctx, k->weights, i, model, NULL));
    return TESS_OK;
}

/* Writes the model; weights of it that are not used here, state of a quantizer or a critic, are copied. */
static int write_model(struct tess_context *ctx, const struct work *k, const struct tess_artefact *model, struct tess_artefact *a)
{
    static const char folder[] = "weights/";
    char path[TESS_WEIGHT_PATH];
    const char *name;
    TESS_TRY(tess_weights_write(ctx, k->weights, TESS_ROLE_VALUE, a));
    for (int64_t i = 0; (name = tess_artefact_name_at(model, i)) != NULL; i++) {
        int known = strncmp(name, folder, sizeof folder - 1) != 0;
        for (int64_t j = 0; j < tess_weights_count(k->weights) && !known; j++) {
            tess_weights_path(tess_weights_name(k->weights, j), path, sizeof path);
            known = strcmp(name, path) == 0;
        }
        if (!known)
            TESS_TRY(tess_artefact_copy(ctx, a, name, model, NULL));
    }
    return TESS_OK;
}

/* Grey value of a deviation: a quarter of the range, or more, is white. */
static int deviations_to_bytes(struct tess_context *ctx, int64_t n, const float *log_sigma, float *scratch, uint8_t *to)
{
    for (int64_t i = 0; i < n; i++)
        scratch[i] = 4.0f * expf(log_sigma[i]);
    return stage_to_bytes(ctx, n, scratch, to);
}

static int train_likelihood_show(struct tess_context *ctx, struct tess_artefact *a, struct work *k)
{
    const struct tess_tokenizer *t = &k->given.tokenizer;
    int64_t total = k->images.shape.dim[0], n = total < PICTURE_IMAGES ? total : PICTURE_IMAGES;
    int64_t first = k->train_count + n <= total ? k->train_count : 0, values = n * t->height * t->width * t->channels;
    const int64_t size[4] = {n, t->height, t->width, t->channels};
    TESS_TRY(stage_codec_open(ctx, &k->shown, tess_artefact_describe(a), "the model", k->weights, k->seed, n,
                              CODEC_ENCODE | CODEC_DECODE | CODEC_LIKELIHOOD));
    for (int i = 0; i < 3; i++)
        TESS_TRY(stage_tensor(ctx, &k->sheet[i], TESS_U8, 4, size));
    const struct code_maps maps = code_maps_of_tokenizer(t);
    TESS_TRY(code_maps_tensor(ctx, &maps, n, &k->codes));
    TESS_TRY(stage_tensor(ctx, &k->real, TESS_F32, 4, size));
    TESS_TRY(stage_tensor(ctx, &k->log_sigma, TESS_F32, 4, size));
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(stage_images_get(ctx, &k->images, first + i, (uint8_t *)k->sheet[0].data + (size_t)i * k->images.row));
    TESS_TRY(stage_codec_encode(ctx, &k->shown, n, &k->sheet[0], &k->codes, NULL));
    TESS_TRY(stage_codec_likelihood(ctx, &k->shown, n, &k->codes, &k->real, &k->log_sigma));
    TESS_TRY(stage_to_bytes(ctx, values, k->real.data, k->sheet[1].data));
    TESS_TRY(deviations_to_bytes(ctx, values, k->log_sigma.data, k->real.data, k->sheet[2].data));
    return stage_put_rows(ctx, a, "deviations", 3, (const struct tess_tensor *const[]){&k->sheet[0], &k->sheet[1], &k->sheet[2]},
                          "original|reconstruction|deviation");
}

static int train_likelihood_train(struct tess_context *ctx, struct tess_stage_run *r, struct work *k)
{
    const struct tess_artefact *images = tess_stage_input(r, "images"), *model = tess_stage_input(r, "model");
    struct tess_artefact *a = tess_stage_output(r);
    TESS_TRY(train_likelihood_open_work(ctx, k, tess_artefact_attrs(images), tess_artefact_attrs(model), tess_artefact_path(model)));
    TESS_TRY(train_likelihood_describe(ctx, &k->given.tokenizer, tess_artefact_attrs(model), tess_artefact_describe(a)));
    TESS_TRY(tess_attrs_set_text(ctx, tess_artefact_describe(a), "tokenizer", tess_tokenizer_digest(model)));
    TESS_TRY(train_likelihood_read_model(ctx, k, model));
    TESS_TRY(stage_images_open(ctx, &k->images, images,
                               (const int64_t[]){k->given.tokenizer.height, k->given.tokenizer.width, k->given.tokenizer.channels}));
    struct tess_training t = {.size = sizeof t,
                              .params_size = sizeof(struct tess_training_params),
                              .params = &k->s->training,
                              .weights = k->weights,
                              .graph = k->graph,
                              .user = k,
                              .fill = train_likelihood_fill};
    TESS_TRY(tess_train(ctx, r, &t));
    if (k->s->training.ema_decay > 0.0)
        TESS_TRY(tess_weights_take_averages(ctx, k->weights));
    TESS_TRY(write_model(ctx, k, model, a));
    TESS_TRY(tess_artefact_put_metric(ctx, a, "parameters of the head", (double)tess_weights_size(k->weights), ""));
    tess_graph_free(k->graph); /* the picture takes its place */
    k->graph = NULL;
    return train_likelihood_show(ctx, a, k);
}

static int train_likelihood_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work k = {.s = self, .seed = tess_stage_seed(r)};
    int status = train_likelihood_train(ctx, r, &k);
    train_likelihood_close_work(&k);
    return status;
}

static const struct tess_port ports[] = {{.name = "images", .kind = "images", .help = "what to train on"},
                                         {.name = "model", .kind = "autoencoder", .help = "the tokenizer whose decoder gets the head"},
                                         {.name = NULL}};

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "autoencoder", .plan = train_likelihood_plan, .run = train_likelihood_run};

static const struct tess_param params[] = {TESS_TRAINING_CLIPPED_PARAMS(struct stage, training, 10000, 64, 1e-4, 0.1), {.name = NULL}};

TESS_PLUGIN(
    "tessera-train-likelihood", "0.1.0", "MIT", TESS_NEEDS("graph/1", "train/1", "artefact/1", "stage/1"),
    TESS_COMPONENT_DOCUMENTED("Bond-Taylor et al., Unleashing Transformers, 2022",
                              "likely: {use: train-likelihood, in: {images: images, model: tokenizer}, steps: 1000, lr: 1e-3, clip: 0.1}",
                              "train-likelihood", "stage/1", "give a tokenizer a head for the likelihood of images, and train that alone",
                              sizeof(struct stage), params, NULL, NULL, &ops));
