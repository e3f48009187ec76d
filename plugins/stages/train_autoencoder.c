/* stage/1 `train-autoencoder`: encoder, quantizer and decoder trained together on images (docs/models.md, "The autoencoder's loss"). Knows
 * its parts by kind alone.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/stages/common.h"

#include <math.h>
#include <string.h>

struct stage {
    struct tess_training_params training;
    struct tess_instance *encoder, *decoder, *quantizer, *critic; /* critic NULL: none */
    int32_t reconstruction;
    int64_t adversarial_start;
    double adversarial_weight, adversarial_most;
};

enum { L1, L2 };

/* One run: the training graph and what its callbacks need. */
struct work {
    const struct stage *s;
    struct tess_weights *weights;
    struct tess_graph *graph;
    struct stage_images images;
    int64_t train_count;
    uint64_t seed;
    _Atomic int64_t step; /* being made */
};

static const struct tess_quantizer_1 *quantizer_of(const struct stage *s)
{
    return tess_instance_ops(s->quantizer, "quantizer/1");
}

/* ---- the adversarial term (docs/models.md, section 13) ---- */

/* The last matrix or kernel that was declared under "decoder.". */
static const char *last_layer(struct tess_call *c, struct tess_weights *w)
{
    const char *last = NULL;
    struct tess_tensor shape;
    for (int64_t i = 0; i < tess_weights_count(w); i++)
        if (strncmp(tess_weights_name(w, i), "decoder.", 8) == 0 && tess_weights_view(c, w, i, TESS_ROLE_VALUE, &shape) == TESS_OK &&
            shape.rank >= 2)
            last = tess_weights_name(w, i);
    return last;
}

static double length_of(const struct tess_tensor *t)
{
    double sum = 0.0;
    for (int64_t i = 0; i < tess_tensor_count(t); i++)
        sum += (double)((const float *)t->data)[i] * (double)((const float *)t->data)[i];
    return sqrt(sum);
}

/* (13.3) */
static int weigh(void *user, struct tess_call *c, const struct tess_tensor *probe, float *coefficient)
{
    const struct work *k = user;
    double weight = length_of(&probe[0]) / (length_of(&probe[1]) + 1e-4);
    (void)c;
    weight = weight < k->s->adversarial_most ? weight : k->s->adversarial_most;
    coefficient[0] = k->step < k->s->adversarial_start ? 0.0f : (float)(k->s->adversarial_weight * weight);
    return TESS_OK;
}

/* Both sides' losses: what the critic adds to the generator's objective (13.1), and its own (13.2). */
static int record_critic(struct tess_call *c, struct work *k, struct tess_graph *g, struct tess_node *x, struct tess_node *y,
                         struct tess_node *error, struct tess_node **term, struct tess_node **own)
{
    const struct stage *s = k->s;
    const struct tess_critic_1 *critic = tess_instance_ops(s->critic, "critic/1");
    struct tess_node *made = NULL, *real = NULL;
    tess_scope(g, "critic");
    TESS_TRY(critic->record(tess_instance_self(s->critic), c, g, y, &made));
    TESS_TRY(critic->record(tess_instance_self(s->critic), c, g, x, &real));
    tess_scope_end(g);
    struct tess_node *fooled = tess_affine(g, tess_mean_all(g, made), -1.0f, 0.0f);
    struct tess_node *wrong = tess_add(g, tess_mean_all(g, tess_leaky_relu(g, tess_affine(g, real, -1.0f, 1.0f), 0.0f)),
                                       tess_mean_all(g, tess_leaky_relu(g, tess_affine(g, made, 1.0f, 1.0f), 0.0f)));
    *term = tess_mul(g, tess_coefficient(g), fooled);
    *own = tess_affine(g, wrong, 0.5f, 0.0f);
    const char *last = last_layer(c, k->weights);
    if (!last)
        return c->fail(c, TESS_E_VALUE, "the decoder has no matrix or kernel to weigh the adversarial term by; leave critic out");
    tess_probe(g, error, last);
    tess_probe(g, fooled, last);
    tess_weigh(g, weigh, k);
    return TESS_OK;
}

static int record(struct tess_call *c, struct work *k, struct tess_graph *g, const int64_t image[3], struct tess_tensor *latent_shape)
{
    const struct stage *s = k->s;
    const struct tess_encoder_1 *encoder = tess_instance_ops(s->encoder, "encoder/1");
    const struct tess_decoder_1 *decoder = tess_instance_ops(s->decoder, "decoder/1");
    const struct tess_quantizer_1 *quantizer = quantizer_of(s);
    void *q = tess_instance_self(s->quantizer);
    struct tess_quantized quantised = {0};
    struct tess_node *latent = NULL, *y = NULL;
    struct tess_node *bytes = tess_input(g, "image", TESS_U8, 4, (const int64_t[]){tess_graph_rows(g), image[0], image[1], image[2]});
    struct tess_node *x = tess_to_f32(g, bytes, 1.0f / 255.0f, 0.0f);
    tess_scope(g, "encoder");
    TESS_TRY(encoder->record(tess_instance_self(s->encoder), c, g, x, quantizer->code_dim(q), &latent));
    tess_scope_end(g);
    tess_scope(g, "quantizer");
    TESS_TRY(quantizer->record(q, c, g, latent, &quantised));
    tess_scope_end(g);
    tess_scope(g, "decoder");
    TESS_TRY(decoder->record(tess_instance_self(s->decoder), c, g, quantised.quantised, image[0], image[1], image[2], &y));
    tess_scope_end(g);
    struct tess_node *difference = tess_sub(g, x, y);
    struct tess_node *error = tess_mean_all(g, s->reconstruction == L1 ? tess_abs(g, difference) : tess_square(g, difference));
    struct tess_node *loss = tess_add(g, error, quantised.loss), *term = NULL, *own = NULL;
    if (s->critic) {
        TESS_TRY(record_critic(c, k, g, x, y, error, &term, &own));
        loss = tess_add(g, loss, term);
    }
    tess_objective(g, "loss", "encoder.,quantizer.,decoder.", loss);
    if (s->critic)
        tess_objective(g, "critic", "critic.", own);
    if (quantizer->react) { /* it may look at what was assigned */
        tess_output(g, "latents", latent);
        tess_output(g, "codes", quantised.codes);
    }
    *latent_shape = tess_shape(latent);
    return tess_graph_seal(c, g);
}

static int open_graph(struct tess_call *c, struct work *k, const int64_t image[3], struct tess_tensor *latent)
{
    const struct tess_training_params *p = &k->s->training;
    int64_t slices;
    TESS_TRY(tess_training_slices(c, p, &slices));
    struct tess_graph_options o = {.size = sizeof o, .training = 1, .rows = p->batch / slices, .slices = slices, .seed = k->seed};
    o.recompute = p->recompute;
    TESS_TRY(tess_weights_new(c, k->seed, &k->weights));
    TESS_TRY(tess_graph_new(c, k->weights, &o, &k->graph));
    return record(c, k, k->graph, image, latent);
}

static int image_size(struct tess_call *c, const struct tess_facts *f, int64_t image[3])
{
    TESS_TRY(tess_facts_i64(c, f, "height", &image[0]));
    TESS_TRY(tess_facts_i64(c, f, "width", &image[1]));
    return tess_facts_i64(c, f, "channels", &image[2]);
}

static int describe(struct tess_call *c, const struct stage *s, const int64_t image[3], const struct tess_tensor *latent,
                    struct tess_facts *f)
{
    const struct tess_quantizer_1 *quantizer = quantizer_of(s);
    void *q = tess_instance_self(s->quantizer);
    TESS_TRY(tess_facts_set_i64(c, f, "height", image[0]));
    TESS_TRY(tess_facts_set_i64(c, f, "width", image[1]));
    TESS_TRY(tess_facts_set_i64(c, f, "channels", image[2]));
    TESS_TRY(tess_facts_set_i64(c, f, "latent_height", latent->dim[1]));
    TESS_TRY(tess_facts_set_i64(c, f, "latent_width", latent->dim[2]));
    TESS_TRY(tess_facts_set_i64(c, f, "codebook_size", quantizer->codebook_size(q)));
    TESS_TRY(tess_facts_set_i64(c, f, "code_dim", quantizer->code_dim(q)));
    TESS_TRY(tess_facts_set_text(c, f, "encoder", tess_instance_spec(s->encoder)));
    TESS_TRY(tess_facts_set_text(c, f, "quantizer", tess_instance_spec(s->quantizer)));
    if (s->critic)
        TESS_TRY(tess_facts_set_text(c, f, "critic", tess_instance_spec(s->critic)));
    return tess_facts_set_text(c, f, "decoder", tess_instance_spec(s->decoder));
}

static int plan(void *self, struct tess_call *c, struct tess_stage_plan *p)
{
    const struct stage *s = self;
    struct work k = {.s = s, .seed = p->seed};
    struct tess_tensor latent;
    int64_t image[3];
    TESS_TRY(image_size(c, p->in[0], image));
    int status = open_graph(c, &k, image, &latent);
    if (status == TESS_OK)
        status = tess_graph_cost(c, k.graph, &p->cost);
    if (status == TESS_OK)
        status = describe(c, s, image, &latent, p->out);
    p->cost.flops *= (double)s->training.batch * (double)s->training.steps;
    p->cost.total_bytes += tess_training_bytes(&s->training, p->cost.parameters);
    p->steps = s->training.steps;
    tess_graph_free(k.graph);
    tess_weights_free(k.weights);
    return status;
}

static int fill(void *user, struct tess_call *c, int64_t step, int64_t first, int64_t rows, struct tess_tensor *in)
{
    struct work *k = user;
    k->step = step;
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = tess_training_sample(k->seed, k->train_count, step * k->s->training.batch + first + i);
        TESS_TRY(stage_images_get(c, &k->images, at, (uint8_t *)in[0].data + (size_t)i * k->images.row));
    }
    return TESS_OK;
}

static int after(void *user, struct tess_call *c, int64_t step, const struct tess_batch *b)
{
    const struct work *k = user;
    struct tess_tensor latents = b->out[0], codes = b->out[1];
    int64_t d = latents.dim[3], rows = tess_tensor_count(&latents) / d;
    latents = tess_tensor_over(latents.data, TESS_F32, 2, (const int64_t[]){rows, d});
    codes = tess_tensor_over(codes.data, TESS_I32, 1, &rows);
    struct tess_react r = {.size = sizeof r,
                           .step = (uint32_t)step,
                           .seed = k->seed,
                           .weights = k->weights,
                           .scope = "quantizer",
                           .latents = &latents,
                           .codes = &codes,
                           .graph = k->graph,
                           .batch = b};
    return quantizer_of(k->s)->react(tess_instance_self(k->s->quantizer), c, &r);
}

/* From here on the averages are the weights. */
static int take_averages(struct tess_call *c, struct tess_weights *w)
{
    for (int64_t i = 0; i < tess_weights_count(w); i++) {
        struct tess_tensor value, average;
        TESS_TRY(tess_weights_view(c, w, i, TESS_ROLE_VALUE, &value));
        TESS_TRY(tess_weights_view(c, w, i, TESS_ROLE_AVERAGE, &average));
        if (value.data != average.data)
            memcpy(value.data, average.data, tess_tensor_bytes(&value));
    }
    tess_weights_touch(w);
    return TESS_OK;
}

struct picture {
    struct stage_codec codec;
    struct tess_tensor images, codes, bytes;
};

/* Images nobody trained on where there are some, and what becomes of them. */
static int draw(struct tess_call *c, struct tess_artefact *a, const struct work *k, struct picture *p)
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
    TESS_TRY(stage_codec_encode(c, &p->codec, n, &p->images, &p->codes));
    TESS_TRY(stage_codec_decode(c, &p->codec, n, &p->codes, NULL, &p->bytes));
    return stage_put_pairs(c, a, "reconstructions", &p->images, &p->bytes);
}

static int show(struct tess_call *c, struct tess_stage_run *r, const struct work *k)
{
    struct picture p = {.images = {.data = NULL}};
    int status = draw(c, tess_stage_output(r), k, &p);
    stage_codec_close(&p.codec);
    tess_free(p.images.data);
    tess_free(p.codes.data);
    tess_free(p.bytes.data);
    return status;
}

static int train(struct tess_call *c, struct tess_stage_run *r, struct work *k)
{
    const struct tess_artefact *images = tess_stage_input(r, "images");
    const struct tess_facts *f = tess_artefact_facts(images);
    struct tess_artefact *a = tess_stage_output(r);
    struct tess_tensor latent;
    int64_t image[3];
    TESS_TRY(image_size(c, f, image));
    TESS_TRY(tess_facts_i64(c, f, "train_count", &k->train_count));
    TESS_TRY(open_graph(c, k, image, &latent));
    TESS_TRY(stage_images_open(c, &k->images, images));
    const struct tess_training_group critic = {.prefix = "critic.", .first_step = k->s->adversarial_start + 1};
    struct tess_training t = {.size = sizeof t,
                              .params = &k->s->training,
                              .weights = k->weights,
                              .graph = k->graph,
                              .user = k,
                              .fill = fill,
                              .after = quantizer_of(k->s)->react ? after : NULL,
                              .group = &critic,
                              .groups = 1};
    TESS_TRY(tess_train(c, r, &t));
    if (k->s->training.average > 0.0)
        TESS_TRY(take_averages(c, k->weights));
    TESS_TRY(describe(c, k->s, image, &latent, tess_artefact_describe(a)));
    TESS_TRY(tess_weights_write(c, k->weights, TESS_ROLE_VALUE, a));
    TESS_TRY(tess_artefact_put_figure(c, a, "parameters", (double)tess_weights_size(k->weights), ""));
    return show(c, r, k);
}

static int run(void *self, struct tess_call *c, struct tess_stage_run *r)
{
    struct work k = {.s = self, .seed = tess_stage_seed(r)};
    int status = train(c, r, &k);
    stage_images_close(&k.images);
    tess_graph_free(k.graph);
    tess_weights_free(k.weights);
    return status;
}

static const struct tess_port ports[] = {{.name = "images", .kind = "images", .help = "what to train on"}, {.name = NULL}};

static const struct tess_stage_1 ops = {.size = sizeof ops, .ports = ports, .output = "autoencoder", .plan = plan, .run = run};

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
    {.name = "reconstruction",
     .help = "mean absolute (l1, as published) or mean squared (l2) difference of pixels in 0 .. 1",
     .type = TESS_ENUM,
     .offset = offsetof(struct stage, reconstruction),
     .text = "l1|l2"},
    {.name = "critic",
     .help = "judges reconstructions, for an adversarial term in the loss; none where it is not said",
     .type = TESS_COMPONENT,
     .offset = offsetof(struct stage, critic),
     .text = "critic/1"},
    {.name = "adversarial_start",
     .help = "step from which the term counts; the critic learns from the next one on",
     .type = TESS_I64,
     .offset = offsetof(struct stage, adversarial_start),
     .lo = 0,
     .hi = 1e9,
     .def = 0},
    {.name = "adversarial_weight",
     .help = "factor of the term's weight (taming has 0.8)",
     .type = TESS_F64,
     .offset = offsetof(struct stage, adversarial_weight),
     .lo = 0,
     .hi = 1e4,
     .def = 1},
    {.name = "adversarial_most",
     .help = "the weight is at most this before the factor (taming has 1e4)",
     .type = TESS_F64,
     .offset = offsetof(struct stage, adversarial_most),
     .lo = 0,
     .hi = 1e9,
     .def = 1},
    TESS_TRAINING_PARAMS(struct stage, training, 1000, 64, 1e-3),
    {.name = NULL}};

static const struct tess_component components[] = {{.name = "train-autoencoder",
                                                    .kind = "stage/1",
                                                    .summary = "train encoder, quantizer and decoder on images",
                                                    TESS_PARAMS(params),
                                                    .caps = TESS_DETERMINISTIC,
                                                    .self_size = sizeof(struct stage),
                                                    .ops = &ops},
                                                   {.name = NULL}};

static const char *const needs[] = {"graph/1", "train/1", "artefact/1", "stage/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = {
    TESS_PLUGIN_HEAD, .id = "tessera-train-autoencoder", .version = "0.2.0", .license = "MIT", .needs = needs, .components = components};
