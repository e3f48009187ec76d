/* stage/1 `classify`: accuracy of a classifier on labelled images (docs/models.md, "Conditions"): whether samples of a class are of that
 * class. Images without a label, samples of none among them, are left out.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/classifier.h"
#include "kit/infer/cost.h"

#include <string.h>

struct stage {
    int64_t batch, limit;
};

struct work {
    const struct stage *s;
    struct tess_stage_run *run;
    struct classifier classifier;
    struct stage_images images;
    struct tess_tensor labels, batch, out; /* labels: i32, of all images; batch and out: images and scores of a batch */
    int64_t first, count, image[3];
    int64_t *seen, *right; /* (classes) */
};

/* Height, width and channels of the images of an artefact, or of the images of samples. */
static int image_size(struct tess_context *ctx, const struct tess_attrs *f, int64_t size[3])
{
    if (tess_attrs_i64_or(f, "codebook_size", 0)) {
        size[0] = tess_attrs_i64_or(f, "image_height", 0);
        size[1] = tess_attrs_i64_or(f, "image_width", 0);
        size[2] = tess_attrs_i64_or(f, "image_channels", 0);
        if (size[2] > 0)
            return TESS_OK;
        return ctx->fail(ctx, TESS_E_DATA, "classify: the samples are codes without images; give the stage that draws them its `model`");
    }
    TESS_TRY(tess_attrs_i64(ctx, f, "height", &size[0]));
    TESS_TRY(tess_attrs_i64(ctx, f, "width", &size[1]));
    return tess_attrs_i64(ctx, f, "channels", &size[2]);
}

static int classify_open(struct tess_context *ctx, struct work *k, const struct tess_attrs *images, const struct tess_attrs *features,
                         const char *where, uint64_t seed)
{
    int64_t classes = tess_attrs_i64_or(images, "classes", 0);
    TESS_TRY(image_size(ctx, images, k->image));
    TESS_TRY(stage_held_out(ctx, images, k->s->limit, &k->first, &k->count));
    TESS_TRY(classifier_open(ctx, &k->classifier, features, where, k->image, seed, k->s->batch));
    if (classes == k->classifier.classes)
        return TESS_OK;
    return ctx->fail(
        ctx, TESS_E_DATA,
        "classify: the images have labels of %lld classes (0: none), and the classifier tells %lld apart; give images, or samples "
        "of a prior with `condition: labels`, of the same classes",
        (long long)classes, (long long)k->classifier.classes);
}

static int classify_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct work k = {.s = self};
    int status = classify_open(ctx, &k, p->in[0], p->in[1], "features", p->seed);
    if (status == TESS_OK)
        status = tess_attrs_set_i64(ctx, p->out, "images", k.count);
    if (status == TESS_OK)
        status = stage_graph_cost(ctx, &k.classifier.scores, (double)k.count, p->cost);
    if (status == TESS_OK)
        p->cost->total_bytes += tess_weights_bytes(k.classifier.scores.weights) + cost_of_reading(p->in[0]) +
                               k.s->batch * (k.image[0] * k.image[1] * k.image[2] + k.classifier.classes * (int64_t)sizeof(float));
    p->steps = k.count;
    classifier_close(&k.classifier);
    return status;
}

/* ---- run ---- */

static int classify_reserve(struct tess_context *ctx, struct work *k)
{
    int64_t classes = k->classifier.classes;
    void *memory;
    TESS_TRY(stage_tensor(ctx, &k->batch, TESS_U8, 4, (const int64_t[]){k->s->batch, k->image[0], k->image[1], k->image[2]}));
    TESS_TRY(stage_tensor(ctx, &k->out, TESS_F32, 2, (const int64_t[]){k->s->batch, classes}));
    TESS_TRY(tess_alloc(ctx, 2 * (size_t)classes * sizeof(int64_t), "counts", &memory));
    k->seen = memory;
    k->right = k->seen + classes;
    return TESS_OK;
}

static int classify_batch(struct tess_context *ctx, struct work *k, int64_t at, int64_t n)
{
    int64_t classes = k->classifier.classes;
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(stage_images_get(ctx, &k->images, at + i, (uint8_t *)k->batch.data + (size_t)i * k->images.row));
    TESS_TRY(stage_graph_run(ctx, &k->classifier.scores, 0, at, n, 1, &k->batch, 1, &k->out));
    for (int64_t i = 0; i < n; i++) {
        int32_t label = ((const int32_t *)k->labels.data)[k->first + at + i];
        if (label < 0 || label >= classes)
            continue;
        k->seen[label]++;
        k->right[label] += classifier_best((const float *)k->out.data + i * classes, classes) == label;
    }
    return TESS_OK;
}

/* Writes the accuracy over all images, and that of the class with the lowest. */
static int classify_put(struct tess_context *ctx, const struct work *k, struct tess_artefact *a)
{
    int64_t seen = 0, right = 0, worst = -1;
    double lowest = 2.0;
    for (int64_t c = 0; c < k->classifier.classes; c++) {
        double share = k->seen[c] ? (double)k->right[c] / (double)k->seen[c] : 2.0;
        seen += k->seen[c];
        right += k->right[c];
        if (share < lowest) {
            lowest = share;
            worst = c;
        }
    }
    if (worst < 0)
        return ctx->fail(ctx, TESS_E_DATA, "classify: none of the %lld images has a label", (long long)k->count);
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(a), "images", k->count));
    TESS_TRY(tess_artefact_put_metric(ctx, a, "images", (double)seen, ""));
    TESS_TRY(stage_put_metric(ctx, a, "classified as labelled", 100.0 * (double)right / (double)seen, "%", TESS_METRIC_HIGHER));
    TESS_TRY(stage_put_metric(ctx, a, "lowest of a class", 100.0 * lowest, "%", TESS_METRIC_HIGHER));
    tess_stage_note(k->run, "of class %lld the classifier takes %lld of %lld for what they are, of no other fewer", (long long)worst,
                    (long long)k->right[worst], (long long)k->seen[worst]);
    return TESS_OK;
}

static int classify(struct tess_context *ctx, struct work *k)
{
    const struct tess_artefact *images = tess_stage_input(k->run, "images"), *features = tess_stage_input(k->run, "features");
    TESS_TRY(classify_open(ctx, k, tess_artefact_attrs(images), tess_artefact_attrs(features), tess_artefact_path(features),
                           tess_stage_seed(k->run)));
    TESS_TRY(tess_weights_read(ctx, k->classifier.scores.weights, features));
    TESS_TRY(stage_images_open(ctx, &k->images, images, k->image));
    k->images.first = k->first;
    TESS_TRY(tess_artefact_load(ctx, images, "labels", TESS_I32, &k->labels));
    TESS_TRY(classify_reserve(ctx, k));
    for (int64_t i = 0; i < k->count; i += k->s->batch) {
        int64_t n = k->count - i < k->s->batch ? k->count - i : k->s->batch;
        TESS_TRY(stage_check_stop(ctx, k->run, i, k->count, "image"));
        TESS_TRY(classify_batch(ctx, k, i, n));
        tess_stage_progress(k->run, i + n, k->count, "image", NULL, 0.0);
    }
    return classify_put(ctx, k, tess_stage_output(k->run));
}

static int classify_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct work k = {.s = self, .run = r};
    int status = classify(ctx, &k);
    classifier_close(&k.classifier);
    stage_images_close(&k.images);
    tess_free(k.labels.data);
    tess_free(k.batch.data);
    tess_free(k.out.data);
    tess_free(k.seen);
    return status;
}

/* Dependencies of the result: the numeric mode, no seed, as nothing is drawn. */
static uint64_t classify_depends(void *self)
{
    (void)self;
    return TESS_DEPENDS_NUMERIC;
}

static const struct tess_port ports[] = {
    {.name = "images", .kind = "images|samples", .help = "labelled images, or samples with their images"},
    {.name = "features", .kind = "features", .help = "a network that was trained with `keep_classifier`"},
    {.name = NULL}};

static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "metrics", .plan = classify_plan, .run = classify_run, .depends = classify_depends};

STAGE_BATCH_OPEN(round_batch, struct stage, batch)

static const struct tess_param params[] = {{.name = "limit",
                                            .help = "images at most; 0: all",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct stage, limit),
                                            .lo = 0,
                                            .hi = 1e9,
                                            .def = 0},
                                           STAGE_BATCH_PARAM(struct stage, batch),
                                           {.name = NULL}};

TESS_PLUGIN("tessera-classify", "0.1.0", "MIT", TESS_NEEDS("graph/1", "artefact/1", "stage/1"),
            TESS_COMPONENT_DOCUMENTED(NULL, "told: {use: classify, in: {images: samples, features: features}}", "classify", "stage/1",
                                      "the share of images that a classifier takes for what their labels say", sizeof(struct stage), params,
                                      round_batch, NULL, &ops));
