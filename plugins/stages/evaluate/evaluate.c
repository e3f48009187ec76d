/* stage/1 `evaluate`: metrics of a tokenizer and a prior on images (docs/models.md, "Evaluation"). The images are those kept for
 * validation, or all where none are. MSE is the mean over all pixels and images of the squared difference, pixels in 0 .. 1 and
 * reconstructions unclamped; PSNR = -10 log10 MSE. The prior's bits per token are its bound on the same images' codes, the time stratified;
 * of a causal prior they are exact, and one draw is all there is. Where the model has the head for it, how likely the images are ("Image
 * likelihood"), in bits for each of their values. Metrics of the pipeline's own list stand beside them (evaluate_metrics.c).
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/cost.h"
#include "kit/train/likelihood.h"
#include "kit/infer/round_trip.h"
#include "kit/metric/mean_error.h"
#include "plugins/stages/evaluate/evaluate_atlas.h"
#include "plugins/stages/evaluate/evaluate_bound.h"
#include "plugins/stages/evaluate/evaluate_metrics.h"

#include <math.h>
#include <string.h>

struct stage {
    int64_t batch, limit, draws, atlas;
    struct likelihood_params likelihood;
    struct evaluate_metrics_params listed;
};

enum { SAMPLES = 3, FEATURES = 4 }; /* ports */

struct work {
    const struct stage *s;
    struct tess_stage_run *run;
    struct stage_codec codec;
    struct tess_prior prior;
    struct stage_graph loss;
    struct stage_images images;
    struct round_trip trip;
    struct evaluate_metrics metrics;
    struct evaluate_inputs in;
    struct tess_tensor codes, labels;   /* codes of all images; labels of all that the artefact has, where the prior is told them */
    struct tess_tensor originals, made; /* images of the picture */
    int64_t first, count;
    uint64_t seed;
    double nats;  /* negative log-likelihood (23.2) of all images */
    double *each; /* (count): of each image */
};

static int evaluate_open_graphs(struct tess_context *ctx, struct work *k, const struct tess_attrs *images, const struct tess_attrs *model,
                       const struct tess_attrs *prior)
{
    const struct tess_tokenizer *t = &k->codec.tokenizer;
    int head = tess_tokenizer_has_likelihood(model) ? CODEC_LIKELIHOOD : 0;
    TESS_TRY(stage_held_out(ctx, images, k->s->limit, &k->first, &k->count));
    TESS_TRY(stage_codec_open(ctx, &k->codec, model, "model", NULL, k->seed, k->s->batch, CODEC_ENCODE | CODEC_DECODE | head));
    TESS_TRY(stage_check_images(ctx, t, images));
    if (!prior)
        return TESS_OK;
    struct tess_noise_loss loss = {.size = sizeof loss};
    k->prior.size = sizeof k->prior;
    TESS_TRY(tess_prior_open(ctx, prior, "prior", &k->prior));
    const struct code_maps maps = code_maps_of_prior(&k->prior);
    TESS_TRY(stage_check_map(ctx, t, "prior", &maps));
    TESS_TRY(stage_graph_open(ctx, &k->loss, k->seed, k->s->batch));
    TESS_TRY(tess_prior_record_loss(ctx, &k->prior, k->loss.graph, &loss));
    tess_output(k->loss.graph, "bound", loss.bound);
    return tess_graph_seal(ctx, k->loss.graph);
}

/* Inputs of the metrics in the pipeline's list; the graphs are open. Inputs after the model are NULL where there are none. */
static void evaluate_describe_inputs(struct work *k, const struct tess_attrs *images, const struct tess_attrs *samples,
                                     const struct tess_attrs *features)
{
    const struct tess_tokenizer *t = &k->codec.tokenizer;
    k->in.images = images;
    k->in.samples = samples;
    k->in.features = features;
    k->in.count = k->count;
    k->in.first = k->first;
    k->in.size[0] = t->height;
    k->in.size[1] = t->width;
    k->in.size[2] = t->channels;
    k->in.maps = code_maps_of_tokenizer(t);
    k->in.seed = k->seed;
    k->in.batch = k->s->batch;
}

static void close_graphs(struct work *k)
{
    evaluate_metrics_close(&k->metrics);
    stage_codec_close(&k->codec);
    stage_graph_close(&k->loss, 1);
    tess_prior_close(&k->prior);
}

/* Memory beside the codec: images, a batch there and back, all codes, the picture; the prior's weights and its batch. */
static int64_t evaluate_buffers(const struct work *k, const struct tess_attrs *images, int prior)
{
    const struct tess_tokenizer *t = &k->codec.tokenizer;
    const struct code_maps maps = code_maps_of_tokenizer(t);
    int64_t one = cost_of_tokenizer_images(t, 1), map = code_maps_tokens(&maps) * (int64_t)sizeof(int32_t);
    int64_t bytes = cost_of_reading(images) + k->s->batch * (2 * one + map) + k->count * map + cost_of_picture(2, k->count, one, t->width);
    bytes += evaluate_atlas_bytes(t, evaluate_atlas_codes(t, k->s->atlas), k->s->batch);
    if (k->codec.likelihood)
        bytes += k->s->batch * one * (int64_t)sizeof(float) + k->count * (int64_t)sizeof(double);
    return prior ? bytes + tess_weights_bytes(k->loss.weights) + evaluate_bound_bytes(&k->prior, k->count, k->s->batch) : bytes;
}

static int evaluate_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct work k = {.s = self, .seed = p->seed};
    int status = evaluate_open_graphs(ctx, &k, p->in[0], p->in[1], p->in[2]);
    if (status == TESS_OK)
        status = tess_attrs_set_i64(ctx, p->out, "images", k.count);
    if (status == TESS_OK)
        status = cost_of_codec(ctx, &k.codec, (double)k.count, (double)(k.count + evaluate_atlas_codes(&k.codec.tokenizer, k.s->atlas)),
                               p->cost);
    if (status == TESS_OK && p->in[2])
        status = stage_graph_cost(ctx, &k.loss, (double)(k.count * evaluate_bound_draws(&k.prior, k.s->draws)), p->cost);
    if (status == TESS_OK)
        evaluate_describe_inputs(&k, p->in[0], p->in[SAMPLES], p->in[FEATURES]);
    if (status == TESS_OK)
        status = evaluate_metrics_open(ctx, &k.metrics, &k.s->listed, &k.in);
    if (status == TESS_OK)
        status = evaluate_metrics_describe(ctx, &k.metrics, p->out);
    if (status == TESS_OK)
        status = evaluate_metrics_cost(ctx, &k.metrics, k.count, p->cost);
    if (status == TESS_OK)
        p->cost->total_bytes += evaluate_buffers(&k, p->in[0], p->in[2] != NULL);
    p->steps = k.count * (p->in[2] ? 2 : 1);
    close_graphs(&k);
    return status;
}

/* Adds the negative log-likelihoods of the n images reconstructed last, the first of which has number `at`. */
static void add_likelihood(struct work *k, int64_t at, int64_t n)
{
    const struct round_trip *t = &k->trip;
    int64_t values = tess_tensor_count(&t->images) / n;
    for (int64_t i = 0; i < n; i++) {
        struct tess_stream s = {.seed = k->seed, .sample = (uint32_t)(at + i)};
        double nats = likelihood_of(&k->s->likelihood, &s, values, (const uint8_t *)t->images.data + i * values,
                                    (const float *)t->real.data + i * values, (const float *)t->log_sigma.data + i * values);
        k->nats += nats;
        k->each[at + i] = nats;
    }
}

/* Reconstructs all images; adds the squared error to *error. */
static int evaluate_reconstruct(struct tess_context *ctx, struct work *k, double *error)
{
    const struct tess_tokenizer *t = &k->codec.tokenizer;
    const struct code_maps maps = code_maps_of_tokenizer(t);
    int64_t tokens = code_maps_tokens(&maps);
    for (int64_t i = 0; i < k->count; i += k->s->batch) {
        int64_t n = k->count - i < k->s->batch ? k->count - i : k->s->batch;
        TESS_TRY(stage_check_stop(ctx, k->run, i, k->count, "image"));
        TESS_TRY(round_trip_make(ctx, &k->trip, &k->images, k->first + i, n, error));
        if (k->codec.likelihood)
            add_likelihood(k, i, n);
        TESS_TRY(evaluate_metrics_batch(ctx, &k->metrics, &k->trip, k->first + i));
        memcpy((int32_t *)k->codes.data + i * tokens, k->trip.codes.data, tess_tensor_bytes(&k->trip.codes));
        TESS_TRY(stage_keep_first(ctx, &k->originals, &k->trip.images));
        TESS_TRY(stage_keep_first(ctx, &k->made, &k->trip.bytes));
        tess_stage_progress(k->run, i + n, k->count * (k->prior.noise ? 2 : 1), "image", NULL, 0.0);
    }
    return stage_put_pairs(ctx, tess_stage_output(k->run), "reconstructions", &k->originals, &k->made);
}

/* Labels of all images; the null label for each where they have none, so that the bound is that of codes without labels. */
static int evaluate_labels(struct tess_context *ctx, struct work *k, const struct tess_artefact *images)
{
    int64_t classes = tess_attrs_i64_or(tess_artefact_attrs(images), "classes", 0), all = k->first + k->count;
    if (k->prior.classes == 0)
        return TESS_OK;
    if (classes == k->prior.classes) {
        TESS_TRY(tess_artefact_load(ctx, images, "labels", TESS_I32, &k->labels));
        return stage_check_below(ctx, images, "labels", &k->labels, "classes", classes);
    }
    tess_stage_note(k->run, "the prior is told labels of %lld classes and the images have %lld: its bound is the one without a label",
                    (long long)k->prior.classes, (long long)classes);
    TESS_TRY(stage_tensor(ctx, &k->labels, TESS_I32, 1, &all));
    for (int64_t i = 0; i < all; i++)
        ((int32_t *)k->labels.data)[i] = (int32_t)k->prior.classes;
    return TESS_OK;
}

static int put_mean(struct tess_context *ctx, struct work *k, const char *name, double value, const double *each)
{
    struct tess_metric_value v = TESS_METRIC_VALUE(name, value, "bits/dim", TESS_METRIC_LOWER);
    v.standard_error = mean_error_of(each, k->count).standard_error;
    return tess_artefact_put_metric_value(ctx, tess_stage_output(k->run), &v);
}

/* Writes bits a value, (23.4), and with the prior's bits for the codes (23.5); `bound` NULL: no prior. Errors are those of means over the
 * images; a sum's is of the images' sums, so what the two have to do with each other is in it. */
static int put_likelihood(struct tess_context *ctx, struct work *k, const struct evaluate_bound *bound)
{
    const struct tess_tokenizer *t = &k->codec.tokenizer;
    double values = (double)(t->height * t->width * t->channels);
    double pixels = k->nats / ((double)k->count * values * log(2.0)) + (double)k->s->likelihood.bits;
    if (!k->codec.likelihood)
        return TESS_OK;
    for (int64_t i = 0; i < k->count; i++)
        k->each[i] /= values * log(2.0);
    TESS_TRY(put_mean(ctx, k, "pixels given codes", pixels, k->each));
    if (!bound)
        return TESS_OK;
    const struct code_maps maps = code_maps_of_tokenizer(t);
    double tokens = (double)code_maps_tokens(&maps), codes = bound->bits * tokens / values;
    for (int64_t i = 0; i < k->count; i++)
        bound->each[i] *= tokens / values;
    TESS_TRY(put_mean(ctx, k, "codes", codes, bound->each));
    for (int64_t i = 0; i < k->count; i++)
        k->each[i] += bound->each[i];
    return put_mean(ctx, k, "image likelihood", pixels + codes, k->each);
}

/* Computes the prior's bound on the codes of all images and writes it; then the likelihood of the images. */
static int evaluate_prior(struct tess_context *ctx, struct work *k, const struct tess_artefact *images)
{
    TESS_TRY(evaluate_labels(ctx, k, images));
    struct evaluate_bound b = {.prior = &k->prior,
                               .loss = &k->loss,
                               .run = k->run,
                               .codes = k->codes.data,
                               .labels = k->prior.classes ? (const int32_t *)k->labels.data + k->first : NULL,
                               .count = k->count,
                               .draws = k->s->draws,
                               .batch = k->s->batch,
                               .seed = k->seed};
    int status = evaluate_bound_compute(ctx, &b);
    if (status == TESS_OK)
        status = evaluate_bound_put(ctx, &b, tess_stage_output(k->run));
    if (status == TESS_OK)
        status = put_likelihood(ctx, k, &b);
    evaluate_bound_close(&b);
    return status;
}

static int put_codes_health(struct tess_context *ctx, struct work *k)
{
    const struct code_maps maps = code_maps_of_tokenizer(&k->codec.tokenizer);
    struct tess_code_health h[TESS_DEPTH_MAX];
    TESS_TRY(code_health_count(ctx, &maps, &k->codes, h));
    return stage_put_health(ctx, k->run, maps.depth, h);
}

static const struct tess_attrs *attrs_of(const struct tess_artefact *a)
{
    return a ? tess_artefact_attrs(a) : NULL;
}

static int open_listed(struct tess_context *ctx, struct work *k)
{
    k->in.images_file = tess_stage_input(k->run, "images");
    k->in.samples_file = tess_stage_input(k->run, "samples");
    k->in.features_file = tess_stage_input(k->run, "features");
    evaluate_describe_inputs(k, attrs_of(k->in.images_file), attrs_of(k->in.samples_file), attrs_of(k->in.features_file));
    TESS_TRY(evaluate_metrics_open(ctx, &k->metrics, &k->s->listed, &k->in));
    return evaluate_metrics_read(ctx, &k->metrics, &k->in);
}

static int evaluate(struct tess_context *ctx, struct work *k)
{
    const struct tess_artefact *images = tess_stage_input(k->run, "images"), *model = tess_stage_input(k->run, "model");
    const struct tess_artefact *prior = tess_stage_input(k->run, "prior");
    struct tess_artefact *a = tess_stage_output(k->run);
    const struct tess_tokenizer *t = &k->codec.tokenizer;
    if (prior)
        TESS_TRY(stage_check_tokenizer(ctx, prior, model));
    TESS_TRY(
        evaluate_open_graphs(ctx, k, tess_artefact_attrs(images), tess_artefact_attrs(model), prior ? tess_artefact_attrs(prior) : NULL));
    TESS_TRY(open_listed(ctx, k));
    TESS_TRY(stage_graph_weights(ctx, k->codec.weights, model));
    if (prior)
        TESS_TRY(stage_graph_weights(ctx, k->loss.weights, prior));
    TESS_TRY(stage_images_open(ctx, &k->images, images, (const int64_t[]){t->height, t->width, t->channels}));
    TESS_TRY(round_trip_open(ctx, &k->trip, &k->codec, k->s->batch));
    const struct code_maps maps = code_maps_of_tokenizer(t);
    TESS_TRY(code_maps_tensor(ctx, &maps, k->count, &k->codes));
    if (k->codec.likelihood) {
        void *each;
        TESS_TRY(tess_alloc(ctx, (size_t)k->count * sizeof(double), "likelihoods of images", &each));
        k->each = each;
    }
    double error = 0.0;
    TESS_TRY(evaluate_reconstruct(ctx, k, &error));
    /* (12.1) */
    double mse = error / ((double)k->count * (double)(t->height * t->width * t->channels));
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(a), "images", k->count));
    TESS_TRY(tess_artefact_put_metric(ctx, a, "images", (double)k->count, ""));
    TESS_TRY(stage_put_metric(ctx, a, "reconstruction MSE", mse, "pixels in 0 .. 1", TESS_METRIC_LOWER));
    TESS_TRY(stage_put_metric(ctx, a, "reconstruction PSNR", -10.0 * log10(mse), "dB", TESS_METRIC_HIGHER));
    if (mse > 1.0)
        tess_stage_warn(k->run, "reconstruction PSNR is %.1f dB: the error is larger than any of an image whose pixels are in 0 .. 1; the "
                                "model has diverged: train it again with a lower `lr`, `warmup`, or `clip`", -10.0 * log10(mse));
    TESS_TRY(evaluate_metrics_finish(ctx, &k->metrics, k->run, &k->images, &k->in));
    TESS_TRY(put_codes_health(ctx, k));
    TESS_TRY(evaluate_atlas_put(ctx, &k->codec, &k->codes, k->s->atlas, k->s->batch, a));
    return prior ? evaluate_prior(ctx, k, images) : put_likelihood(ctx, k, NULL);
}

static int evaluate_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work k = {.s = self, .run = r, .seed = tess_stage_seed(r)};
    int status = evaluate(ctx, &k);
    close_graphs(&k);
    stage_images_close(&k.images);
    round_trip_close(&k.trip);
    tess_free(k.codes.data);
    tess_free(k.labels.data);
    tess_free(k.originals.data);
    tess_free(k.made.data);
    tess_free(k.each);
    return status;
}

static const struct tess_port ports[] = {
    {.name = "images", .kind = "images", .help = "what to measure on"},
    {.name = "model", .kind = "autoencoder", .help = "the tokenizer"},
    {.name = "prior", .kind = "prior", .optional = 1, .help = "a prior over its codes"},
    EVALUATE_METRICS_PORTS,
    {.name = NULL}};

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "metrics", .plan = evaluate_plan, .run = evaluate_run};

STAGE_BATCH_OPEN(evaluate_open, struct stage, batch)

static const struct tess_param params[] = {{.name = "limit",
                                            .help = "images at most; 0: all",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, limit),
                                            .lo = 0,
                                            .hi = 1e9,
                                            .def = 0},
                                           {.name = "draws",
                                            .help = "times t a sequence is corrupted at for the prior's bound; one for a causal prior",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, draws),
                                            .lo = 1,
                                            .hi = 10000,
                                            .def = 2},
                                           {.name = "atlas",
                                            .help = "codes shown decoded alone, the most and the least used; 0: none",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, atlas),
                                            .lo = 0,
                                            .hi = 4096,
                                            .def = 256},
                                           LIKELIHOOD_PARAMS(struct stage, likelihood),
                                           EVALUATE_METRICS_PARAMS(struct stage, listed),
                                           STAGE_BATCH_PARAM(struct stage, batch),
                                           {.name = NULL}};

TESS_PLUGIN("tessera-evaluate", "0.4.0", "MIT", TESS_NEEDS("graph/1", "random/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED(NULL, "metrics: {use: evaluate, in: {images: test-images, model: tokenizer, prior: prior}}",
                                      "evaluate", "stage/1", "reconstruction error, codebook health, bits per code and per value",
                                      sizeof(struct stage), params, evaluate_open, NULL, &ops));
