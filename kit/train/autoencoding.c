/* Training of an autoencoder; see autoencoding.h. SPDX-License-Identifier: MIT */
#include "kit/train/autoencoding.h"

#include "kit/image/geometry.h"

#include <string.h>

enum { L1, L2 };
enum { PIXELS_UNIT, PIXELS_SIGNED };
enum { FLIP_NONE, FLIP_IMAGE, FLIP_BATCH };
#define OUTPUT_CODES "codes" /* outputs of the training graph, among those that a quantizer declares for itself */
#define OUTPUT_LATENTS "latents"

static const struct tess_quantizer_1 *quantizer_of(const struct autoencoding *k)
{
    return tess_instance_ops(k->quantizer, "quantizer/1");
}

/* Asks the quantizer for the layout of its codes, once. */
static int autoencoding_ask(struct tess_context *ctx, struct autoencoding *k)
{
    k->layout.size = sizeof k->layout;
    return k->layout.depth ? TESS_OK : tess_code_layout_of(ctx, k->quantizer, &k->layout);
}

int autoencoding_check(struct tess_context *ctx, const struct autoencoding_params *p)
{
    return adversarial_check(&p->adversarial, ctx);
}

int autoencoding_fingerprint(struct tess_context *ctx, const struct autoencoding_params *p, struct tess_digest *d)
{
    return p->perceptual.features ? tess_features_fingerprint(ctx, p->perceptual.features, d) : TESS_OK;
}

int autoencoding_measure(struct tess_context *ctx, struct autoencoding *k, const struct tess_attrs *attrs, const struct tess_artefact *from)
{
    k->perceptual = k->p->perceptual;
    TESS_TRY(perceptual_choose(ctx, &k->network, k->p->perceptual.features, "perceptual", attrs, from));
    k->perceptual.features = k->network.instance;
    return TESS_OK;
}

/* The first term of (6.1) or of (6.2), without a perceptual distance: x images, y reconstructions, pixels in 0 .. 1. */
static struct tess_node *autoencoding_difference(const struct autoencoding_params *p, struct tess_graph *g, struct tess_node *x,
                                                 struct tess_node *y)
{
    struct tess_node *difference = tess_sub(g, x, y);
    if (p->pixel_range == PIXELS_SIGNED)
        difference = tess_affine(g, difference, 2.0f, 0.0f);
    return tess_mean_all(g, p->reconstruction == L1 ? tess_abs(g, difference) : tess_square(g, difference));
}

static int autoencoding_record(struct tess_context *ctx, struct autoencoding *k, struct tess_graph *g, const int64_t image[3],
                               struct tess_tensor *latent_shape)
{
    const struct tess_quantizer_1 *quantizer = quantizer_of(k);
    TESS_TRY(autoencoding_ask(ctx, k));
    const struct tess_tokenizer t = {.size = sizeof t,
                                     .height = image[0],
                                     .width = image[1],
                                     .channels = image[2],
                                     .code_dim = k->layout.code_dim,
                                     .encoder = k->encoder,
                                     .quantizer = k->quantizer,
                                     .decoder = k->decoder};
    struct tess_quantized quantised;
    struct tess_node *latent = NULL, *y = NULL;
    struct tess_node *bytes = tess_input(g, "image", TESS_U8, 4, (const int64_t[]){tess_graph_microbatch(g), image[0], image[1], image[2]});
    struct tess_node *x = tess_to_f32(g, bytes, 1.0f / 255.0f, 0.0f);
    TESS_TRY(tess_tokenizer_latent(ctx, &t, g, x, &latent));
    latent = k->frozen ? tess_stop_gradient(g, latent) : latent;
    TESS_TRY(tess_tokenizer_quantize(ctx, &t, g, latent, &quantised));
    TESS_TRY(tess_tokenizer_image(ctx, &t, g, quantised.quantised, &y));
    struct tess_node *error = autoencoding_difference(k->p, g, x, y);
    TESS_TRY(perceptual_record(ctx, &k->perceptual, g, x, y, &error));
    struct tess_node *loss = tess_add(g, error, quantised.loss), *term = NULL, *own = NULL;
    if (k->p->adversarial.critic) {
        k->adversarial = (struct adversarial){.p = &k->p->adversarial, .weights = k->weights, .step = &k->step};
        TESS_TRY(adversarial_record(ctx, &k->adversarial, g, x, y, error, &term, &own));
        loss = tess_add(g, loss, term);
    }
    tess_objective(g, "loss", k->frozen ? "quantizer.,decoder." : "encoder.,quantizer.,decoder.", loss);
    if (k->p->adversarial.critic)
        tess_objective(g, "critic", "critic.", own);
    tess_output(g, OUTPUT_CODES, quantised.codes); /* for its columns, and for the quantizer's `react`, which is given the latents too */
    if (quantizer->react)
        tess_output(g, OUTPUT_LATENTS, latent);
    *latent_shape = tess_shape(latent);
    return tess_graph_seal(ctx, g);
}

int autoencoding_open(struct tess_context *ctx, struct autoencoding *k, const int64_t image[3], struct tess_tensor *latent)
{
    const struct tess_training_params *p = &k->p->training;
    int64_t microbatches;
    TESS_TRY(tess_training_microbatches(ctx, p, &microbatches));
    struct tess_graph_options o = {
        .size = sizeof o, .training = 1, .microbatch = p->batch / microbatches, .microbatches = microbatches, .seed = k->seed};
    o.recompute = p->recompute;
    o.training_steps = p->steps;
    if (!k->weights)
        TESS_TRY(tess_weights_new(ctx, k->seed, &k->weights));
    TESS_TRY(tess_graph_new(ctx, k->weights, &o, &k->graph));
    return autoencoding_record(ctx, k, k->graph, image, latent);
}

int autoencoding_check_inference(struct tess_context *ctx, const struct autoencoding *k, const int64_t image[3],
                                 const struct tess_tensor *latent)
{
    const struct tess_graph_options o = {.size = sizeof o, .microbatch = 1, .microbatches = 1, .seed = k->seed};
    const struct tess_tokenizer t = {.size = sizeof t,
                                     .height = image[0],
                                     .width = image[1],
                                     .channels = image[2],
                                     .latent_height = latent->dim[1],
                                     .latent_width = latent->dim[2],
                                     .code_dim = k->layout.code_dim,
                                     .encoder = k->encoder,
                                     .quantizer = k->quantizer,
                                     .decoder = k->decoder};
    const int64_t weights = tess_weights_count(k->weights);
    struct tess_graph *g = NULL;
    struct tess_node *x = NULL;
    TESS_TRY(tess_graph_new(ctx, k->weights, &o, &g));
    struct tess_node *bytes = tess_input(g, "image", TESS_U8, 4, (const int64_t[]){1, image[0], image[1], image[2]});
    int status = tess_tokenizer_latent(ctx, &t, g, tess_to_f32(g, bytes, 1.0f / 255.0f, 0.0f), &x);
    if (status == TESS_OK)
        status = tess_tokenizer_assign(ctx, &t, g, x, &x);
    if (status == TESS_OK)
        status = tess_tokenizer_lookup(ctx, &t, g, x, &x);
    if (status == TESS_OK)
        status = tess_tokenizer_image(ctx, &t, g, x, &x);
    if (status == TESS_OK && tess_graph_status(g) != TESS_OK)
        status = tess_graph_seal(ctx, g); /* says why */
    tess_graph_free(g);
    const char *late = tess_weights_name(k->weights, weights);
    if (status != TESS_OK || !late)
        return status;
    const struct tess_instance *part = strncmp(late, "encoder.", 8) == 0   ? k->encoder
                                       : strncmp(late, "decoder.", 8) == 0 ? k->decoder
                                                                           : k->quantizer;
    return ctx->fail(ctx, TESS_E_PLUGIN, "`%s`: wanted the same weights in training and in inference, found %s in inference alone",
                     tess_instance_name(part), late);
}

int autoencoding_image_size(struct tess_context *ctx, const struct tess_attrs *f, int64_t image[3])
{
    TESS_TRY(tess_attrs_i64(ctx, f, "height", &image[0]));
    TESS_TRY(tess_attrs_i64(ctx, f, "width", &image[1]));
    return tess_attrs_i64(ctx, f, "channels", &image[2]);
}

int autoencoding_same_critic(const struct autoencoding_params *p, const struct tess_attrs *model)
{
    const struct tess_instance *critic = p->adversarial.critic;
    return critic && strcmp(tess_instance_config_text(critic), tess_attrs_text_or(model, "critic", "")) == 0;
}

int autoencoding_describe(struct tess_context *ctx, struct autoencoding *k, const int64_t image[3], const struct tess_tensor *latent,
                          struct tess_attrs *f)
{
    const struct tess_code_layout *codes = &k->layout;
    TESS_TRY(autoencoding_ask(ctx, k));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "height", image[0]));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "width", image[1]));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "channels", image[2]));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "latent_height", latent->dim[1]));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "latent_width", latent->dim[2]));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "codebook_size", codes->codebook_size));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "code_dim", codes->code_dim));
    TESS_TRY(tess_levels_set(ctx, f, codes->codebook_size, codes->depth, codes->level_size));
    TESS_TRY(tess_attrs_set_text(ctx, f, "encoder", tess_instance_config_text(k->encoder)));
    TESS_TRY(tess_attrs_set_text(ctx, f, "quantizer", tess_instance_config_text(k->quantizer)));
    if (k->perceptual.features)
        TESS_TRY(tess_attrs_set_text(ctx, f, "perceptual", tess_instance_config_text(k->perceptual.features)));
    if (k->p->adversarial.critic)
        TESS_TRY(tess_attrs_set_text(ctx, f, "critic", tess_instance_config_text(k->p->adversarial.critic)));
    return tess_attrs_set_text(ctx, f, "decoder", tess_instance_config_text(k->decoder));
}

/* (24.6) */
static int autoencoding_turns(const struct autoencoding *k, int64_t step, int64_t sample)
{
    struct tess_stream s = {.seed = k->seed,
                            .purpose = tess_purpose("train.flip"),
                            .step = (uint32_t)step,
                            .sample = k->p->flip == FLIP_IMAGE ? (uint32_t)sample : 0};
    float u;
    tess_random_uniform(&s, 0, 1, &u);
    return k->p->flip != FLIP_NONE && u < 0.5f;
}

static int autoencoding_fill(void *user, struct tess_context *ctx, int64_t step, int64_t first, int64_t rows, struct tess_tensor *in)
{
    struct autoencoding *k = user;
    k->step = step;
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = tess_training_sample(k->seed, k->train_count, step * k->p->training.batch + first + i);
        uint8_t *image = (uint8_t *)in[0].data + (size_t)i * k->images.row;
        TESS_TRY(stage_images_get(ctx, &k->images, at, image));
        if (autoencoding_turns(k, step, first + i))
            geometry_flip(image, in[0].dim[1], in[0].dim[2], in[0].dim[3]);
    }
    return TESS_OK;
}

/* An output of a step by name: its place depends on the quantizer's own outputs, which are declared before. */
static struct tess_tensor autoencoding_output(const struct autoencoding *k, const struct tess_batch *b, const char *wanted)
{
    int32_t i = 0;
    for (const char *name; (name = tess_graph_output_at(k->graph, i, NULL)) && strcmp(name, wanted) != 0; i++)
        continue;
    return b->out[i];
}

static int autoencoding_react(const struct autoencoding *k, struct tess_context *ctx, int64_t step, const struct tess_batch *b)
{
    struct tess_tensor codes = autoencoding_output(k, b, OUTPUT_CODES), latents = autoencoding_output(k, b, OUTPUT_LATENTS);
    int64_t d = latents.dim[3], rows = tess_tensor_count(&latents) / d, depth = k->layout.depth;
    latents = tess_tensor_over(latents.data, TESS_F32, 2, (const int64_t[]){rows, d});
    codes = tess_tensor_over(codes.data, TESS_I32, depth > 1 ? 2 : 1, (const int64_t[]){rows, depth});
    struct tess_react r = {.size = sizeof r,
                           .step = (uint32_t)step,
                           .seed = k->seed,
                           .weights = k->weights,
                           .scope = "quantizer",
                           .latents = &latents,
                           .codes = &codes,
                           .graph = k->graph,
                           .batch = b,
                           .warm_started = k->started,
                           .steps = k->p->training.steps,
                           .run = k->run};
    return tess_instance_returned(ctx, k->quantizer, "quantizer", "react",
                                  quantizer_of(k)->react(tess_instance_self(k->quantizer), ctx, &r));
}

static int autoencoding_remember(void *user, struct tess_context *ctx, struct tess_attrs *f)
{
    const struct autoencoding *k = user;
    return k->remember(k->owner, ctx, f);
}

static int autoencoding_after(void *user, struct tess_context *ctx, int64_t step, const struct tess_batch *b)
{
    struct autoencoding *k = user;
    if (k->p->adversarial.critic) {
        TESS_TRY(adversarial_watch(&k->adversarial, ctx, k->run, k->graph, b));
        memcpy(k->metric + CODE_USAGE_COLUMNS, k->adversarial.metric, sizeof k->adversarial.metric);
    }
    const struct tess_tensor codes = autoencoding_output(k, b, OUTPUT_CODES);
    TESS_TRY(code_usage_measure(ctx, &k->usage, &codes, k->layout.depth, k->metric));
    return quantizer_of(k)->react ? autoencoding_react(k, ctx, step, b) : TESS_OK;
}

int autoencoding_train(struct tess_context *ctx, struct tess_stage_run *r, struct autoencoding *k)
{
    const struct tess_training_group group[2] = {
        {.size = sizeof group[0],
         .prefix = "critic.",
         .first_step = adversarial_first_step(&k->p->adversarial),
         .again = k->p->adversarial.critic && k->p->adversarial.turn == ADVERSARIAL_AFTER},
        {.size = sizeof group[0], .prefix = "encoder.", .first_step = k->frozen ? k->p->training.steps : 0}};
    const char *column[AUTOENCODING_COLUMNS];
    memcpy(column, code_usage_column, sizeof code_usage_column);
    memcpy(column + CODE_USAGE_COLUMNS, adversarial_column, sizeof adversarial_column);
    struct tess_training t = {.size = sizeof t,
                              .params_size = sizeof k->p->training,
                              .params = &k->p->training,
                              .weights = k->weights,
                              .graph = k->graph,
                              .user = k,
                              .fill = autoencoding_fill,
                              .after = autoencoding_after,
                              .group = group,
                              .groups = 2,
                              .columns = k->p->adversarial.critic ? AUTOENCODING_COLUMNS : CODE_USAGE_COLUMNS,
                              .column = column,
                              .metric = k->metric,
                              .remember = k->remember ? autoencoding_remember : NULL};
    k->run = r;
    TESS_TRY(perceptual_read(ctx, &k->network, k->weights));
    TESS_TRY(tess_train(ctx, r, &t));
    return k->p->training.ema_decay > 0.0 ? tess_weights_take_averages(ctx, k->weights) : TESS_OK;
}

void autoencoding_trained(struct autoencoding *k)
{
    tess_graph_free(k->graph);
    k->graph = NULL;
}

void autoencoding_close(struct autoencoding *k)
{
    stage_images_close(&k->images);
    tess_graph_free(k->graph);
    tess_weights_free(k->weights);
    perceptual_close(&k->network);
    code_usage_close(&k->usage);
    k->graph = NULL;
    k->weights = NULL;
}
