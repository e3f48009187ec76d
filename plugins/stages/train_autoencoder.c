/* stage/1 `train-autoencoder`: encoder, quantizer and decoder trained together on images (docs/models.md, "The autoencoder's loss"), from
 * their initial weights or from those of a model (warm_start.h). Knows its parts by kind alone.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/train/autoencoding.h"
#include "kit/infer/cost.h"
#include "kit/train/warm_start.h"

#include <string.h>

struct stage {
    struct autoencoding_params how;
    struct tess_instance *encoder, *decoder, *quantizer;
};

/* State of a run or its plan. The parts are the stage's own, or else those of the model it starts from. */
struct work {
    const struct stage *s;
    struct autoencoding k;
    struct tess_tokenizer model; /* zeroed without one */
    struct warm_start warm_start;
};

static struct work train_autoencoder_work_of(const struct stage *s, uint64_t seed)
{
    return (struct work){.s = s, .k = {.p = &s->how, .seed = seed}};
}

static int train_autoencoder_miss(struct tess_context *ctx, const char *part)
{
    return ctx->fail(ctx, TESS_E_USAGE, "train-autoencoder: `%s` is missing; say it, or give a `model` to start from, whose %s it then is",
                   part, part);
}

static int train_autoencoder_open_parts(struct tess_context *ctx, struct work *w, const struct tess_attrs *images,
                                        const struct tess_attrs *model, const char *where)
{
    const struct stage *s = w->s;
    if (model) {
        w->model.size = sizeof w->model;
        TESS_TRY(tess_tokenizer_open(ctx, model, where, &w->model));
        TESS_TRY(stage_check_images(ctx, &w->model, images));
    }
    w->k.encoder = s->encoder ? s->encoder : w->model.encoder;
    w->k.quantizer = s->quantizer ? s->quantizer : w->model.quantizer;
    w->k.decoder = s->decoder ? s->decoder : w->model.decoder;
    w->k.started = model != NULL;
    if (!w->k.encoder || !w->k.quantizer || !w->k.decoder)
        return train_autoencoder_miss(ctx, !w->k.encoder ? "encoder" : !w->k.quantizer ? "quantizer" : "decoder");
    if (model)
        return TESS_OK; /* the weights of the model are checked instead */
    TESS_TRY(tess_instance_learns(ctx, w->k.encoder, "encoder", "model"));
    TESS_TRY(tess_instance_learns(ctx, w->k.quantizer, "quantizer", "model"));
    return tess_instance_learns(ctx, w->k.decoder, "decoder", "model");
}

/* Checks that the model has the weights of what is to be trained. */
static int check_model(struct tess_context *ctx, struct work *w, const struct tess_tensor *latent)
{
    const struct tess_code_layout *codes = &w->k.layout;
    struct tess_tokenizer t = w->model;
    if (!w->k.started)
        return TESS_OK;
    t.encoder = w->k.encoder;
    t.quantizer = w->k.quantizer;
    t.decoder = w->k.decoder;
    t.latent_height = latent->dim[1];
    t.latent_width = latent->dim[2];
    t.codebook_size = codes->codebook_size;
    t.code_dim = codes->code_dim;
    t.depth = codes->depth;
    t.without_error = codes->without_error;
    memcpy(t.level_size, codes->level_size, sizeof t.level_size);
    TESS_TRY(warm_start_open_tokenizer(ctx, &w->warm_start, &t, &w->model));
    return warm_start_check(ctx, &w->warm_start, "model");
}

static void train_autoencoder_close_work(struct work *w)
{
    warm_start_close(&w->warm_start);
    autoencoding_close(&w->k);
    tess_tokenizer_close(&w->model);
}

static int train_autoencoder_open_all(struct tess_context *ctx, struct work *w, const struct tess_attrs *images,
                                      const struct tess_attrs *model, const char *where, int64_t image[3], struct tess_tensor *latent)
{
    TESS_TRY(train_autoencoder_open_parts(ctx, w, images, model, where));
    TESS_TRY(autoencoding_image_size(ctx, images, image));
    TESS_TRY(autoencoding_open(ctx, &w->k, image, latent));
    return check_model(ctx, w, latent);
}

static int train_autoencoder_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    const struct stage *s = self;
    struct work w = train_autoencoder_work_of(s, p->seed);
    struct tess_tensor latent;
    int64_t image[3];
    int status = autoencoding_measure(ctx, &w.k, p->in[1], NULL);
    if (status == TESS_OK)
        status = train_autoencoder_open_all(ctx, &w, p->in[0], p->in[2], "model", image, &latent);
    if (status == TESS_OK)
        status = perceptual_check(ctx, &w.k.network, w.k.weights);
    if (status == TESS_OK)
        status = autoencoding_check_inference(ctx, &w.k, image, &latent);
    if (status == TESS_OK)
        status = tess_training_cost(ctx, &s->how.training, w.k.graph, 1, p->cost);
    p->cost->flops *= adversarial_runs(&s->how.adversarial);
    if (status == TESS_OK)
        status = autoencoding_describe(ctx, &w.k, image, &latent, p->out);
    p->cost->total_bytes += cost_of_reading(p->in[0]);
    tess_training_disk(&s->how.training, p->cost->parameters, p);
    p->steps = s->how.training.steps;
    train_autoencoder_close_work(&w);
    return status;
}

struct picture {
    struct stage_codec codec;
    struct tess_tensor images, codes, bytes;
};

/* Draws the picture: images nobody trained on, where there are some, and their reconstructions. */
static int train_autoencoder_draw(struct tess_context *ctx, struct tess_artefact *a, const struct autoencoding *k, struct picture *p)
{
    int64_t total = k->images.shape.dim[0], n = total < PICTURE_IMAGES ? total : PICTURE_IMAGES;
    int64_t first = k->train_count + n <= total ? k->train_count : 0;
    int64_t size[4] = {n, k->images.shape.dim[1], k->images.shape.dim[2], k->images.shape.dim[3]};
    TESS_TRY(stage_codec_open(ctx, &p->codec, tess_artefact_describe(a), "tokenizer", k->weights, k->seed, n, CODEC_ENCODE | CODEC_DECODE));
    TESS_TRY(stage_tensor(ctx, &p->images, TESS_U8, 4, size));
    TESS_TRY(stage_tensor(ctx, &p->bytes, TESS_U8, 4, size));
    const struct code_maps maps = code_maps_of_tokenizer(&p->codec.tokenizer);
    TESS_TRY(code_maps_tensor(ctx, &maps, n, &p->codes));
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(stage_images_get(ctx, &k->images, first + i, (uint8_t *)p->images.data + (size_t)i * k->images.row));
    TESS_TRY(stage_codec_encode(ctx, &p->codec, n, &p->images, &p->codes, NULL));
    TESS_TRY(stage_warn_collapse(ctx, k->run, "the images of its picture", &p->codes, &maps));
    TESS_TRY(stage_codec_decode(ctx, &p->codec, n, &p->codes, NULL, &p->bytes));
    return stage_put_pairs(ctx, a, "reconstructions", &p->images, &p->bytes);
}

static int train_autoencoder_show(struct tess_context *ctx, struct tess_stage_run *r, const struct autoencoding *k)
{
    struct picture p = {.images = {.data = NULL}};
    int status = train_autoencoder_draw(ctx, tess_stage_output(r), k, &p);
    stage_codec_close(&p.codec);
    tess_free(p.images.data);
    tess_free(p.codes.data);
    tess_free(p.bytes.data);
    return status;
}

/* A critic goes on as well, where the model was trained with one like it. */
static int train_autoencoder_read_model(struct tess_context *ctx, struct tess_stage_run *r, struct work *w,
                                        const struct tess_artefact *model)
{
    int same = model && autoencoding_same_critic(w->k.p, tess_artefact_attrs(model));
    const char *const skip[] = {PERCEPTUAL ".", same ? NULL : "critic.", NULL};
    if (!model || warm_start_is_past(r))
        return TESS_OK;
    TESS_TRY(warm_start_read(ctx, r, &w->warm_start, w->k.weights, model, skip));
    warm_start_note_part(r, "encoder", w->k.encoder, w->model.encoder);
    warm_start_note_part(r, "quantizer", w->k.quantizer, w->model.quantizer);
    warm_start_note_part(r, "decoder", w->k.decoder, w->model.decoder);
    if (w->k.p->adversarial.critic && !same)
        tess_stage_note(r, "the critic is new: the model has none of the same parameters");
    return TESS_OK;
}

static int train_autoencoder_train(struct tess_context *ctx, struct tess_stage_run *r, struct work *w)
{
    const struct tess_artefact *images = tess_stage_input(r, "images"), *model = tess_stage_input(r, "model");
    const struct tess_artefact *features = tess_stage_input(r, "features");
    const struct tess_attrs *f = tess_artefact_attrs(images);
    struct tess_artefact *a = tess_stage_output(r);
    struct autoencoding *k = &w->k;
    struct tess_tensor latent;
    int64_t image[3];
    TESS_TRY(tess_attrs_i64(ctx, f, "train_count", &k->train_count));
    TESS_TRY(autoencoding_measure(ctx, k, features ? tess_artefact_attrs(features) : NULL, features));
    TESS_TRY(train_autoencoder_open_all(ctx, w, f, model ? tess_artefact_attrs(model) : NULL, model ? tess_artefact_path(model) : "", image,
                                        &latent));
    TESS_TRY(stage_images_open(ctx, &k->images, images, image));
    TESS_TRY(train_autoencoder_read_model(ctx, r, w, model));
    TESS_TRY(autoencoding_train(ctx, r, k));
    TESS_TRY(autoencoding_describe(ctx, k, image, &latent, tess_artefact_describe(a)));
    TESS_TRY(tess_weights_write(ctx, k->weights, TESS_ROLE_VALUE, a));
    TESS_TRY(tess_artefact_put_metric(ctx, a, "parameters", (double)tess_weights_size(k->weights), ""));
    autoencoding_trained(k);
    return train_autoencoder_show(ctx, r, k);
}

static int train_autoencoder_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work w = train_autoencoder_work_of(self, tess_stage_seed(r));
    int status = train_autoencoder_train(ctx, r, &w);
    train_autoencoder_close_work(&w);
    return status;
}

static int train_autoencoder_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    const struct stage *s = self;
    return autoencoding_fingerprint(ctx, &s->how, d);
}

static int train_autoencoder_open_stage(void *self, struct tess_context *ctx)
{
    const struct stage *s = self;
    return autoencoding_check(ctx, &s->how);
}

static const struct tess_port ports[] = {
    {.name = "images", .kind = "images", .help = "what to train on"},
    PERCEPTUAL_PORT("perceptual"),
    {.name = "model", .kind = "autoencoder", .optional = 1,
     .help = "whose weights to start from; parts that are not said are its own"},
    {.name = NULL}};

static const struct tess_stage_1 ops = {.size = sizeof ops,
                                        .ports = ports,
                                        .output = "autoencoder",
                                        .plan = train_autoencoder_plan,
                                        .fingerprint = train_autoencoder_fingerprint,
                                        .run = train_autoencoder_run};

static const struct tess_param params[] = {{.name = "encoder",
                                            .help = "image to latent; left out: the model's",
                                            .type = TESS_COMPONENT,
                                            .offset = offsetof(struct stage, encoder),
                                            .text = "encoder/1"},
                                           {.name = "decoder",
                                            .help = "latent to image; what is not said is taken from the encoder; left out: the model's",
                                            .type = TESS_COMPONENT,
                                            .offset = offsetof(struct stage, decoder),
                                            .text = "decoder/1 like encoder"},
                                           {.name = "quantizer",
                                            .help = "latent to codes and back; left out: the model's",
                                            .type = TESS_COMPONENT,
                                            .offset = offsetof(struct stage, quantizer),
                                            .text = "quantizer/1"},
                                           AUTOENCODING_PARAMS(struct stage, how),
                                           ADVERSARIAL_WEIGHT_PARAMS(struct stage, how.adversarial, 1, 1),
                                           ADVERSARIAL_BALANCE_PARAM(struct stage, how.adversarial, 0, TESS_LATER),
                                           TESS_TRAINING_PARAMS(struct stage, how.training, 1000, 64, 1e-3),
                                           {.name = NULL}};

TESS_PLUGIN("tessera-train-autoencoder", "0.6.0", "MIT", TESS_NEEDS("graph/1", "train/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED("Esser, Rombach and Ommer, Taming Transformers for High-Resolution Image Synthesis, 2021",
                                      "tokenizer:\n"
                                      "  use: train-autoencoder\n"
                                      "  in: {images: images}\n"
                                      "  steps: 1000\n"
                                      "  encoder: {use: conv, channels: 32, channel_mult: [1, 1, 2]}\n"
                                      "  decoder: {use: conv}\n"
                                      "  quantizer: {use: ema, codebook_size: 256, code_dim: 128}",
                                      "train-autoencoder", "stage/1", "train encoder, quantizer and decoder on images",
                                      sizeof(struct stage), params, train_autoencoder_open_stage, NULL, &ops));
