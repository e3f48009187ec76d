/* stage/1 `train-features`: a network of kind features/1 taught to tell the classes of labelled images apart (docs/models.md, "Perceptual
 * distance", (19.4)), for a perceptual term where no published weights are at hand. Its last features, averaged over the image, go through
 * one linear layer to a score a class; that layer is thrown away, unless it is asked for.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/classifier.h"
#include "kit/infer/cost.h"

#include <string.h>

struct stage {
    struct tess_training_params training;
    struct tess_instance *network;
    int64_t evaluate_batch;
    int32_t keep_classifier;
};

struct work {
    const struct stage *s;
    struct tess_stage_run *run;
    struct tess_weights *weights;
    struct tess_graph *graph;
    struct stage_graph scores;
    struct stage_images images;
    struct tess_tensor labels;     /* i32, labels of all images */
    struct tess_tensor batch, out; /* images and their scores, of a batch */
    int64_t train_count, classes, image[3];
    uint64_t seed;
};

static int read_attrs(struct tess_context *ctx, struct work *k, const struct tess_attrs *images)
{
    const struct tess_features_1 *ops = tess_instance_ops(k->s->network, "features/1");
    const char *file = ops->file ? ops->file(tess_instance_self(k->s->network)) : NULL;
    if (file)
        return ctx->fail(ctx, TESS_E_USAGE,
                       "train-features: `network` is trained here from its initial values, and `%s` would not be read; leave "
                       "the file out, or give it to the stage that wants the features",
                       file);
    TESS_TRY(tess_instance_learns(ctx, k->s->network, "network", NULL));
    TESS_TRY(tess_attrs_i64(ctx, images, "height", &k->image[0]));
    TESS_TRY(tess_attrs_i64(ctx, images, "width", &k->image[1]));
    TESS_TRY(tess_attrs_i64(ctx, images, "channels", &k->image[2]));
    TESS_TRY(tess_attrs_i64(ctx, images, "train_count", &k->train_count));
    k->classes = tess_attrs_i64_or(images, "classes", 0);
    if (k->classes < 2)
        return ctx->fail(
            ctx, TESS_E_DATA,
            "train-features: the images have %lld classes, and it learns to tell classes apart; import them with labels of two or "
            "more classes, or leave the perceptual term out",
            (long long)k->classes);
    return TESS_OK;
}

static int train_features_open_graphs(struct tess_context *ctx, struct work *k, const struct tess_attrs *images)
{
    const struct tess_training_params *p = &k->s->training;
    struct tess_node *scores = NULL;
    int64_t microbatches;
    TESS_TRY(read_attrs(ctx, k, images));
    TESS_TRY(tess_training_microbatches(ctx, p, &microbatches));
    struct tess_graph_options o = {
        .size = sizeof o, .training = 1, .microbatch = p->batch / microbatches, .microbatches = microbatches, .seed = k->seed};
    o.recompute = p->recompute;
    TESS_TRY(tess_weights_new(ctx, k->seed, &k->weights));
    TESS_TRY(tess_graph_new(ctx, k->weights, &o, &k->graph));
    TESS_TRY(classifier_record(ctx, k->s->network, k->classes, k->image, k->graph, &scores));
    struct tess_node *label = tess_input(k->graph, "label", TESS_I32, 1, &o.microbatch);
    tess_objective(k->graph, "loss", "", tess_mean_all(k->graph, tess_cross_entropy(k->graph, scores, label, NULL)));
    TESS_TRY(tess_graph_seal(ctx, k->graph));
    k->scores.weights = k->weights;
    TESS_TRY(stage_graph_open(ctx, &k->scores, k->seed, k->s->evaluate_batch));
    TESS_TRY(classifier_record(ctx, k->s->network, k->classes, k->image, k->scores.graph, &scores));
    tess_output(k->scores.graph, "scores", scores);
    return tess_graph_seal(ctx, k->scores.graph);
}

static void train_features_close_work(struct work *k)
{
    stage_images_close(&k->images);
    tess_graph_free(k->graph);
    stage_graph_close(&k->scores, 0);
    tess_weights_free(k->weights);
    tess_free(k->labels.data);
    tess_free(k->batch.data);
    tess_free(k->out.data);
}

static int train_features_describe(struct tess_context *ctx, const struct work *k, struct tess_attrs *f)
{
    TESS_TRY(tess_attrs_set_i64(ctx, f, "channels", k->image[2]));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "classes", k->classes));
    if (k->s->keep_classifier)
        TESS_TRY(tess_attrs_set_i64(ctx, f, CLASSIFIER_ATTR, 1));
    return tess_attrs_set_text(ctx, f, "network", tess_instance_config_text(k->s->network));
}

static int train_features_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct work k = {.s = self, .seed = p->seed};
    const struct tess_training_params *t = &k.s->training;
    int64_t first, held;
    int status = train_features_open_graphs(ctx, &k, p->in[0]);
    if (status == TESS_OK)
        status = stage_held_out(ctx, p->in[0], 0, &first, &held);
    if (status == TESS_OK)
        status = tess_training_cost(ctx, t, k.graph, 0, p->cost);
    p->cost->total_bytes += cost_of_reading(p->in[0]) + tess_attrs_i64_or(p->in[0], "count", 0) * (int64_t)sizeof(int32_t) +
                            k.s->evaluate_batch * (cost_of_images(p->in[0], 1) + k.classes * (int64_t)sizeof(float));
    tess_training_disk(t, p->cost->parameters, p);
    if (status == TESS_OK)
        status = stage_graph_cost(ctx, &k.scores, (double)held, p->cost);
    if (status == TESS_OK)
        status = train_features_describe(ctx, &k, p->out);
    p->steps = t->steps;
    train_features_close_work(&k);
    return status;
}

static int train_features_fill(void *user, struct tess_context *ctx, int64_t step, int64_t first, int64_t rows, struct tess_tensor *in)
{
    const struct work *k = user;
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = tess_training_sample(k->seed, k->train_count, step * k->s->training.batch + first + i);
        TESS_TRY(stage_images_get(ctx, &k->images, at, (uint8_t *)in[0].data + (size_t)i * k->images.row));
        ((int32_t *)in[1].data)[i] = ((const int32_t *)k->labels.data)[at];
    }
    return TESS_OK;
}

/* Number of images whose class has the highest of its scores (n, classes). */
static int64_t train_features_right(const struct work *k, int64_t first, int64_t n)
{
    const float *score = k->out.data;
    int64_t hits = 0;
    for (int64_t i = 0; i < n; i++)
        hits += classifier_best(score + i * k->classes, k->classes) == ((const int32_t *)k->labels.data)[first + i];
    return hits;
}

/* Accuracy on images nobody trained on (all, where there are none): whether the network has learnt anything. */
static int train_features_measure(struct tess_context *ctx, struct work *k, const struct tess_attrs *images, double *share)
{
    int64_t first, held, hits = 0, max = k->s->evaluate_batch;
    TESS_TRY(stage_held_out(ctx, images, 0, &first, &held));
    TESS_TRY(stage_tensor(ctx, &k->batch, TESS_U8, 4, (const int64_t[]){max, k->image[0], k->image[1], k->image[2]}));
    TESS_TRY(stage_tensor(ctx, &k->out, TESS_F32, 2, (const int64_t[]){max, k->classes}));
    for (int64_t i = 0; i < held; i += max) {
        int64_t n = held - i < max ? held - i : max;
        TESS_TRY(stage_check_stop(ctx, k->run, i, held, "image"));
        for (int64_t j = 0; j < n; j++)
            TESS_TRY(stage_images_get(ctx, &k->images, first + i + j, (uint8_t *)k->batch.data + (size_t)j * k->images.row));
        TESS_TRY(stage_graph_run(ctx, &k->scores, 0, i, n, 1, &k->batch, 1, &k->out));
        hits += train_features_right(k, first + i, n);
        tess_stage_progress(k->run, i + n, held, "image", NULL, 0.0);
    }
    *share = (double)hits / (double)held;
    return TESS_OK;
}

/* Writes the network's weights, and the linear layer's where it is to be kept. */
static int put_network(struct tess_context *ctx, const struct work *k, struct tess_artefact *a)
{
    for (int64_t i = 0; i < tess_weights_count(k->weights); i++) {
        char path[TESS_WEIGHT_PATH];
        struct tess_tensor view;
        const char *name = tess_weights_name(k->weights, i);
        if (strncmp(name, TESS_FEATURES_SCOPE ".", strlen(TESS_FEATURES_SCOPE ".")) != 0 && !k->s->keep_classifier)
            continue;
        tess_weights_path(name, path, sizeof path);
        TESS_TRY(tess_weights_view(ctx, k->weights, i, TESS_ROLE_VALUE, &view));
        TESS_TRY(tess_artefact_put(ctx, a, path, &view, NULL));
    }
    return TESS_OK;
}

static int train_features_train(struct tess_context *ctx, struct work *k)
{
    const struct tess_artefact *images = tess_stage_input(k->run, "images");
    struct tess_artefact *a = tess_stage_output(k->run);
    double share;
    TESS_TRY(train_features_open_graphs(ctx, k, tess_artefact_attrs(images)));
    TESS_TRY(stage_images_open(ctx, &k->images, images, k->image));
    TESS_TRY(tess_artefact_load(ctx, images, "labels", TESS_I32, &k->labels));
    TESS_TRY(stage_check_below(ctx, images, "labels", &k->labels, "classes", k->classes));
    struct tess_training t = {.size = sizeof t,
                              .params_size = sizeof(struct tess_training_params),
                              .params = &k->s->training,
                              .weights = k->weights,
                              .graph = k->graph,
                              .user = k,
                              .fill = train_features_fill};
    TESS_TRY(tess_train(ctx, k->run, &t));
    if (k->s->training.ema_decay > 0.0)
        TESS_TRY(tess_weights_take_averages(ctx, k->weights));
    TESS_TRY(train_features_measure(ctx, k, tess_artefact_attrs(images), &share));
    TESS_TRY(train_features_describe(ctx, k, tess_artefact_describe(a)));
    TESS_TRY(put_network(ctx, k, a));
    TESS_TRY(tess_artefact_put_metric(ctx, a, "parameters", (double)tess_weights_size(k->weights), ""));
    TESS_TRY(stage_put_metric(ctx, a, "classes told apart", 100.0 * share, "%", TESS_METRIC_HIGHER));
    if (share < 2.0 / (double)k->classes)
        tess_stage_note(k->run, "the network tells hardly more classes than guessing does: train it longer or with another `lr` before its "
                                "features are used");
    return TESS_OK;
}

static int train_features_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work k = {.s = self, .run = r, .seed = tess_stage_seed(r)};
    int status = train_features_train(ctx, &k);
    train_features_close_work(&k);
    return status;
}

static const struct tess_port ports[] = {{.name = "images", .kind = "images", .help = "labelled images to train on"}, {.name = NULL}};

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "features", .plan = train_features_plan, .run = train_features_run};

static const struct tess_param params[] = {{.name = "network",
                                            .help = "what is trained",
                                            .type = TESS_COMPONENT,
                                            .flags = TESS_REQUIRED,
                                            .offset = offsetof(struct stage, network),
                                            .text = "features/1"},
                                           TESS_TRAINING_PARAMS(struct stage, training, 1000, 64, 1e-3),
                                           {.name = "keep_classifier",
                                            .help = "keep the layer that tells the classes apart too, for the stage `classify`",
                                            .type = TESS_BOOL, .flags = TESS_LATER,
                                            .offset = offsetof(struct stage, keep_classifier)},
                                           {.name = "evaluate_batch",
                                            .help = "images at a time when it is measured; changes speed and memory, not the result",
                                            .type = TESS_I64,
                                            .flags = TESS_NEUTRAL,
                                            .offset = offsetof(struct stage, evaluate_batch),
                                            .lo = 1,
                                            .hi = 65536,
                                            .def = 64},
                                           {.name = NULL}};

TESS_PLUGIN("tessera-train-features", "0.1.0", "MIT", TESS_NEEDS("graph/1", "random/1", "train/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED(
                NULL, "features: {use: train-features, in: {images: images}, network: {use: vgg16, channels: 16}, steps: 1000}",
                "train-features", "stage/1", "train a network on classes, whose features then measure likeness", sizeof(struct stage),
                params, NULL, NULL, &ops));
