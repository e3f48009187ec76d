/* See evaluate_metrics.h. SPDX-License-Identifier: MIT */
#include "plugins/stages/evaluate/evaluate_metrics.h"

#include <string.h>

static int evaluate_metrics_twice(struct tess_context *ctx, const struct evaluate_metrics_params *p)
{
    for (int64_t i = 0; i < p->metrics.count; i++)
        for (int64_t k = 0; k < i; k++)
            if (strcmp(tess_instance_name(p->metrics.item[i]), tess_instance_name(p->metrics.item[k])) == 0)
                return ctx->fail(ctx, TESS_E_USAGE, "metrics: `%s` is listed twice, and its results would have one name; give each a stage",
                                 tess_instance_name(p->metrics.item[i]));
    if (p->bootstrap && !p->metrics.count)
        return ctx->fail(ctx, TESS_E_USAGE, "bootstrap: intervals are of the metrics in `metrics`, and there are none; list some");
    return TESS_OK;
}

static int64_t evaluate_metrics_wanted(const struct evaluate_metrics_params *p, uint32_t wants)
{
    return measure_wanted(p->metrics.item, p->metrics.count, wants);
}

static int evaluate_metrics_fit(struct tess_context *ctx, const struct evaluate_metrics_params *p, const struct evaluate_inputs *in)
{
    int64_t sets = evaluate_metrics_wanted(p, TESS_METRIC_FEATURES), classes = evaluate_metrics_wanted(p, TESS_METRIC_CLASSES);
    TESS_TRY(evaluate_metrics_twice(ctx, p));
    if (sets && !in->samples)
        return ctx->fail(
            ctx, TESS_E_USAGE,
            "metrics: a metric of sets judges samples against the images, and there are none; give `samples`, a stage that drew "
            "some with its `model`");
    if (in->samples && !sets && !classes && !evaluate_metrics_wanted(p, TESS_METRIC_CODES))
        return ctx->fail(ctx, TESS_E_USAGE,
                         "samples are given and no metric that judges them; list some, `metrics: [frechet, precision-recall]`, or take "
                         "`samples` out");
    if (evaluate_metrics_wanted(p, TESS_METRIC_DISTANCES) && !in->features && !p->features)
        return ctx->fail(ctx, TESS_E_USAGE,
                         "metrics: a perceptual distance is by a network's features, and there is none; give `features: {use: vgg16, "
                         "weights: FILE}`, or the input `features`");
    if (classes && !in->features)
        return ctx->fail(
            ctx, TESS_E_USAGE,
            "metrics: classes are told by a classifier, and there is none; give the input `features`, a stage `train-features` "
            "with `keep_classifier: true`");
    return TESS_OK;
}

/* ---- samples ---- */

/* Images of samples as the file says or, when planning, their attributes. */
static int evaluate_metrics_open_images(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_inputs *in)
{
    static const char *const name[3] = {"image_height", "image_width", "image_channels"};
    int64_t drawn[3];
    TESS_TRY(stage_samples_size(ctx, in->samples, in->size, drawn));
    for (int i = 0; i < 3; i++)
        if (drawn[i] != in->size[i])
            return ctx->fail(ctx, TESS_E_SHAPE,
                             "samples whose %s is %lld cannot be judged against images whose is %lld; draw them with a tokenizer of such "
                             "images",
                             name[i], (long long)drawn[i], (long long)in->size[i]);
    return in->samples_file ? stage_samples_open(ctx, &m->samples, in->samples_file, in->size) : TESS_OK;
}

/* Codes of samples, of a map of any size: levels must be the tokenizer's. */
static int evaluate_metrics_check_codes(struct tess_context *ctx, const struct evaluate_inputs *in)
{
    int64_t level_size[TESS_DEPTH_MAX];
    struct code_maps drawn;
    TESS_TRY(code_maps_of_attrs(ctx, in->samples, &drawn, level_size));
    int same = drawn.codebook_size == in->maps.codebook_size && drawn.depth == in->maps.depth;
    if (same && memcmp(level_size, in->maps.level_size, (size_t)drawn.depth * sizeof *level_size) == 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                     "the samples have %lld levels of %lld codes, the tokenizer has %lld of %lld: codes of another tokenizer; give samples "
                     "of a prior over this one's",
                     (long long)drawn.depth, (long long)drawn.codebook_size, (long long)in->maps.depth, (long long)in->maps.codebook_size);
}

static int evaluate_metrics_open_samples(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_metrics_params *p,
                                         const struct evaluate_inputs *in)
{
    TESS_TRY(tess_attrs_i64(ctx, in->samples, "count", &m->drawn));
    if (evaluate_metrics_wanted(p, TESS_METRIC_CODES))
        TESS_TRY(evaluate_metrics_check_codes(ctx, in));
    if (evaluate_metrics_wanted(p, TESS_METRIC_FEATURES) || evaluate_metrics_wanted(p, TESS_METRIC_CLASSES))
        TESS_TRY(evaluate_metrics_open_images(ctx, m, in));
    return TESS_OK;
}

/* ---- what metrics judge by ---- */

static int evaluate_metrics_open_classifier(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_inputs *in)
{
    const struct tess_attrs *const labelled[2] = {in->images, in->samples};
    TESS_TRY(classifier_open(ctx, &m->classifier, in->features, "features", in->size, in->seed, in->batch));
    for (int set = 0; set < 2; set++) {
        int64_t classes = labelled[set] ? tess_attrs_i64_or(labelled[set], "classes", 0) : 0;
        if (classes && classes != m->classifier.classes)
            return ctx->fail(ctx, TESS_E_DATA,
                             "metrics: the %s have labels of %lld classes, and the classifier tells %lld apart; give one that was trained "
                             "on images of the same classes",
                             set ? "samples" : "images", (long long)classes, (long long)m->classifier.classes);
    }
    return TESS_OK;
}

static int evaluate_metrics_open_vectors(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_metrics_params *p,
                                         const struct evaluate_inputs *in)
{
    TESS_TRY(perceptual_choose(ctx, &m->vectors.network, p->features, "features", in->features, in->features_file));
    m->vectors.pooled = 1;
    return image_vectors_open(ctx, &m->vectors, in->size, in->seed, in->batch);
}

static int evaluate_metrics_open_distances(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_metrics_params *p,
                                           const struct evaluate_inputs *in)
{
    TESS_TRY(perceptual_choose(ctx, &m->distances.network, p->features, "features", in->features, in->features_file));
    return image_distances_open(ctx, &m->distances, in->size, in->seed, in->batch);
}

static int evaluate_metrics_use_training(struct tess_context *ctx, struct evaluate_metrics *m, int64_t training)
{
    m->training = training;
    if (training > 0)
        return TESS_OK;
    return ctx->fail(
        ctx, TESS_E_VALUE,
        "metrics: memorisation compares images that were trained on with others, and none of these is kept for validation; import "
        "them with a `split`");
}

/* Shape of the rows of one kind. */
static struct tess_metric_shape evaluate_metrics_shape(const struct evaluate_metrics *m, const struct evaluate_inputs *in, uint32_t wants)
{
    int sampled = wants == TESS_METRIC_FEATURES || wants == TESS_METRIC_CLASSES || wants == TESS_METRIC_CODES;
    struct tess_metric_shape s = {.size = sizeof s, .height = in->size[0], .width = in->size[1], .channels = in->size[2]};
    s.rows[TESS_METRIC_IMAGES] = in->count;
    s.rows[TESS_METRIC_SAMPLES] = sampled ? m->drawn : 0;
    s.rows[TESS_METRIC_TRAINING] = wants == TESS_METRIC_FEATURES ? m->training : 0;
    s.features = wants == TESS_METRIC_FEATURES ? m->vectors.width : 0;
    s.classes = wants == TESS_METRIC_CLASSES ? m->classifier.classes : 0;
    s.depth = wants == TESS_METRIC_CODES ? in->maps.depth : 0;
    for (int64_t l = 0; l < s.depth; l++)
        s.level_size[l] = in->maps.level_size[l];
    return s;
}

int evaluate_metrics_open(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_metrics_params *p,
                          const struct evaluate_inputs *in)
{
    m->batch = in->batch;
    m->bootstrap = (struct bootstrap){p->bootstrap, in->seed};
    TESS_TRY(evaluate_metrics_fit(ctx, p, in));
    if (measure_uses_training(p->metrics.item, p->metrics.count))
        TESS_TRY(evaluate_metrics_use_training(ctx, m, in->first));
    if (in->samples)
        TESS_TRY(evaluate_metrics_open_samples(ctx, m, p, in));
    if (evaluate_metrics_wanted(p, TESS_METRIC_FEATURES))
        TESS_TRY(evaluate_metrics_open_vectors(ctx, m, p, in));
    if (evaluate_metrics_wanted(p, TESS_METRIC_DISTANCES))
        TESS_TRY(evaluate_metrics_open_distances(ctx, m, p, in));
    if (evaluate_metrics_wanted(p, TESS_METRIC_CLASSES))
        TESS_TRY(evaluate_metrics_open_classifier(ctx, m, in));
    for (uint32_t wants = TESS_METRIC_PAIRS; wants < EVALUATE_KINDS; wants++) {
        const struct tess_metric_shape s = evaluate_metrics_shape(m, in, wants);
        TESS_TRY(measure_open(ctx, &m->measure[wants], p->metrics.item, p->metrics.count, wants, &s, &m->bootstrap));
    }
    return TESS_OK;
}

void evaluate_metrics_close(struct evaluate_metrics *m)
{
    struct tess_tensor *const all[] = {&m->bytes, &m->scores, &m->made_scores, &m->labels[0], &m->labels[1]};
    for (int wants = 0; wants < EVALUATE_KINDS; wants++)
        measure_close(&m->measure[wants]);
    for (int set = 0; set < TESS_METRIC_SETS; set++)
        tess_free(m->vector[set]);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tess_free(all[i]->data);
    image_vectors_close(&m->vectors);
    image_distances_close(&m->distances);
    classifier_close(&m->classifier);
    stage_images_close(&m->samples);
}

/* ---- cost and attributes ---- */

static int evaluate_metrics_graph_cost(struct tess_context *ctx, const struct stage_graph *g, int64_t images, struct tess_cost *cost)
{
    TESS_TRY(stage_graph_cost(ctx, g, (double)images, cost));
    cost->total_bytes += tess_weights_bytes(g->weights);
    return TESS_OK;
}

int evaluate_metrics_cost(struct tess_context *ctx, const struct evaluate_metrics *m, int64_t images, struct tess_cost *cost)
{
    int64_t all = images + m->drawn + m->training;
    for (int wants = 0; wants < EVALUATE_KINDS; wants++)
        cost->total_bytes += measure_bytes(&m->measure[wants]);
    if (m->vectors.network.instance)
        TESS_TRY(evaluate_metrics_graph_cost(ctx, &m->vectors.features, all, cost));
    if (m->distances.network.instance)
        TESS_TRY(evaluate_metrics_graph_cost(ctx, &m->distances.graph, images, cost));
    if (m->classifier.network)
        TESS_TRY(evaluate_metrics_graph_cost(ctx, &m->classifier.scores, 2 * images + m->drawn, cost));
    if (m->measure[TESS_METRIC_FEATURES].metrics)
        cost->total_bytes += (int64_t)tess_tensor_bytes(&m->vectors.bytes) + all * m->vectors.width * (int64_t)sizeof(float);
    return TESS_OK;
}

int evaluate_metrics_describe(struct tess_context *ctx, const struct evaluate_metrics *m, struct tess_attrs *f)
{
    const struct tess_instance *network = m->vectors.network.instance ? m->vectors.network.instance : m->distances.network.instance;
    for (int wants = 0; wants < EVALUATE_KINDS; wants++)
        TESS_TRY(measure_describe(ctx, &m->measure[wants], f));
    if (m->drawn)
        TESS_TRY(tess_attrs_set_i64(ctx, f, "samples", m->drawn));
    if (m->training)
        TESS_TRY(tess_attrs_set_i64(ctx, f, "training_images", m->training));
    if (network)
        return tess_attrs_set_text(ctx, f, "judged_by", tess_instance_config_text(network));
    return m->measure[TESS_METRIC_FEATURES].metrics ? tess_attrs_set_text(ctx, f, "judged_by", "pixels, 0 .. 255") : TESS_OK;
}
