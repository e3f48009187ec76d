/* stage/1 `train-autoencoder`: encoder, quantizer and decoder trained together on images (docs/models.md, "The autoencoder's loss"). Knows
 * its parts by kind alone.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/autoencoding.h"

struct stage {
    struct autoencoding_params how;
    struct tess_instance *encoder, *decoder, *quantizer;
};

static struct autoencoding parts(const struct stage *s, uint64_t seed)
{
    return (struct autoencoding){.p = &s->how, .encoder = s->encoder, .quantizer = s->quantizer, .decoder = s->decoder, .seed = seed};
}

static int plan(void *self, struct tess_call *c, struct tess_stage_plan *p)
{
    const struct stage *s = self;
    struct autoencoding k = parts(s, p->seed);
    struct tess_tensor latent;
    int64_t image[3];
    TESS_TRY(autoencoding_image_size(c, p->in[0], image));
    int status = autoencoding_look(c, &k, p->in[1], NULL);
    if (status == TESS_OK)
        status = autoencoding_open(c, &k, image, &latent);
    if (status == TESS_OK)
        status = autoencoding_check_files(c, &k);
    if (status == TESS_OK)
        status = tess_graph_cost(c, k.graph, &p->cost);
    if (status == TESS_OK)
        status = autoencoding_describe(c, &k, image, &latent, p->out);
    p->cost.flops *= (double)s->how.training.batch * (double)s->how.training.steps;
    p->cost.total_bytes += tess_training_bytes(&s->how.training, p->cost.parameters);
    p->steps = s->how.training.steps;
    autoencoding_close(&k);
    return status;
}

struct picture {
    struct stage_codec codec;
    struct tess_tensor images, codes, bytes;
};

/* Images nobody trained on where there are some, and what becomes of them. */
static int draw(struct tess_call *c, struct tess_artefact *a, const struct autoencoding *k, struct picture *p)
{
    int64_t total = k->images.shape.dim[0], n = total < PICTURE_IMAGES ? total : PICTURE_IMAGES;
    int64_t first = k->train_count + n <= total ? k->train_count : 0;
    int64_t size[4] = {n, k->images.shape.dim[1], k->images.shape.dim[2], k->images.shape.dim[3]};
    TESS_TRY(stage_codec_open(c, &p->codec, tess_artefact_describe(a), "tokenizer", k->weights, k->seed, n, CODEC_ENCODE | CODEC_DECODE));
    TESS_TRY(stage_tensor(c, &p->images, TESS_U8, 4, size));
    TESS_TRY(stage_tensor(c, &p->bytes, TESS_U8, 4, size));
    const int64_t map[3] = {n, p->codec.tokenizer.latent_height, p->codec.tokenizer.latent_width};
    TESS_TRY(stage_tensor(c, &p->codes, TESS_I32, 3, map));
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(stage_images_get(c, &k->images, first + i, (uint8_t *)p->images.data + (size_t)i * k->images.row));
    TESS_TRY(stage_codec_encode(c, &p->codec, n, &p->images, &p->codes, NULL));
    TESS_TRY(stage_codec_decode(c, &p->codec, n, &p->codes, NULL, &p->bytes));
    return stage_put_pairs(c, a, "reconstructions", &p->images, &p->bytes);
}

static int show(struct tess_call *c, struct tess_stage_run *r, const struct autoencoding *k)
{
    struct picture p = {.images = {.data = NULL}};
    int status = draw(c, tess_stage_output(r), k, &p);
    stage_codec_close(&p.codec);
    tess_free(p.images.data);
    tess_free(p.codes.data);
    tess_free(p.bytes.data);
    return status;
}

static int train(struct tess_call *c, struct tess_stage_run *r, struct autoencoding *k)
{
    const struct tess_artefact *images = tess_stage_input(r, "images");
    const struct tess_artefact *features = tess_stage_input(r, "features");
    const struct tess_facts *f = tess_artefact_facts(images);
    struct tess_artefact *a = tess_stage_output(r);
    struct tess_tensor latent;
    int64_t image[3];
    TESS_TRY(autoencoding_image_size(c, f, image));
    TESS_TRY(tess_facts_i64(c, f, "train_count", &k->train_count));
    TESS_TRY(autoencoding_look(c, k, features ? tess_artefact_facts(features) : NULL, features));
    TESS_TRY(autoencoding_open(c, k, image, &latent));
    TESS_TRY(stage_images_open(c, &k->images, images));
    TESS_TRY(autoencoding_train(c, r, k));
    TESS_TRY(autoencoding_describe(c, k, image, &latent, tess_artefact_describe(a)));
    TESS_TRY(tess_weights_write(c, k->weights, TESS_ROLE_VALUE, a));
    TESS_TRY(tess_artefact_put_figure(c, a, "parameters", (double)tess_weights_size(k->weights), ""));
    return show(c, r, k);
}

static int run(void *self, struct tess_call *c, struct tess_stage_run *r)
{
    struct autoencoding k = parts(self, tess_stage_seed(r));
    int status = train(c, r, &k);
    autoencoding_close(&k);
    return status;
}

static int fingerprint(void *self, struct tess_call *c, struct tess_digest *d)
{
    const struct stage *s = self;
    return autoencoding_fingerprint(c, &s->how, d);
}

static int open_stage(void *self, struct tess_call *c)
{
    const struct stage *s = self;
    return autoencoding_check(c, &s->how);
}

static const struct tess_port ports[] = {
    {.name = "images", .kind = "images", .help = "what to train on"}, AUTOENCODING_FEATURES_PORT, {.name = NULL}};

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "autoencoder", .plan = plan, .fingerprint = fingerprint, .run = run};

static const struct tess_param params[] = {
    {.name = "encoder",
     .help = "image to latent",
     .type = TESS_COMPONENT,
     .flags = TESS_REQUIRED,
     .offset = offsetof(struct stage, encoder),
     .text = "encoder/1"},
    {.name = "decoder",
     .help = "latent to image; what is not said is taken from the encoder",
     .type = TESS_COMPONENT,
     .flags = TESS_REQUIRED,
     .offset = offsetof(struct stage, decoder),
     .text = "decoder/1 like encoder"},
    {.name = "quantizer",
     .help = "latent to codes and back",
     .type = TESS_COMPONENT,
     .flags = TESS_REQUIRED,
     .offset = offsetof(struct stage, quantizer),
     .text = "quantizer/1"},
    AUTOENCODING_PARAMS(struct stage, how),
    ADVERSARIAL_WEIGHT_PARAMS(struct stage, how.adversarial, 1, 1),
    TESS_TRAINING_PARAMS(struct stage, how.training, 1000, 64, 1e-3),
    {.name = NULL}};

static const struct tess_component components[] = {{.name = "train-autoencoder",
                                                    .kind = "stage/1",
                                                    .summary = "train encoder, quantizer and decoder on images",
                                                    TESS_PARAMS(params),
                                                    .caps = TESS_DETERMINISTIC,
                                                    .self_size = sizeof(struct stage),
                                                    .open = open_stage,
                                                    .ops = &ops},
                                                   {.name = NULL}};

static const char *const needs[] = {"graph/1", "train/1", "artefact/1", "stage/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = {
    TESS_PLUGIN_HEAD, .id = "tessera-train-autoencoder", .version = "0.3.0", .license = "MIT", .needs = needs, .components = components};
