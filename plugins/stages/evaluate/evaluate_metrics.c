/* See evaluate_metrics.h. SPDX-License-Identifier: MIT */
#include "plugins/stages/evaluate/evaluate_metrics.h"

#include <stdio.h>
#include <string.h>

static int evaluate_metrics_wanted(const struct evaluate_metrics_params *p, uint32_t wants)
{
    int n = 0;
    for (int64_t i = 0; i < p->metrics.count; i++) {
        const struct tess_metric_1 *ops = tess_instance_ops(p->metrics.item[i], "metric/1");
        n += ops && ops->wants == wants;
    }
    return n;
}

static int evaluate_metrics_fit(struct tess_context *ctx, const struct evaluate_metrics_params *p, const struct evaluate_inputs *in)
{
    int sets = evaluate_metrics_wanted(p, TESS_METRIC_FEATURES);
    for (int64_t i = 0; i < p->metrics.count; i++)
        for (int64_t k = 0; k < i; k++)
            if (strcmp(tess_instance_name(p->metrics.item[i]), tess_instance_name(p->metrics.item[k])) == 0)
                return ctx->fail(ctx, TESS_E_USAGE, "metrics: `%s` is listed twice, and its results would have one name; give each a stage",
                                 tess_instance_name(p->metrics.item[i]));
    if (sets && !in->samples)
        return ctx->fail(
            ctx, TESS_E_USAGE,
            "metrics: a metric of sets judges samples against the images, and there are none; give `samples`, a stage that drew "
            "some with its `model`");
    if (!sets && in->samples)
        return ctx->fail(ctx, TESS_E_USAGE,
                         "samples are given and no metric that judges them; list some, `metrics: [frechet, precision-recall]`, or take "
                         "`samples` out");
    return TESS_OK;
}

/* Images of samples as the file says or, when planning, their attributes. */
static int evaluate_metrics_open_samples(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_inputs *in,
                                         const int64_t size[3])
{
    static const char *const name[3] = {"image_height", "image_width", "image_channels"};
    int64_t drawn[3];
    TESS_TRY(tess_attrs_i64(ctx, in->samples, "count", &m->drawn));
    TESS_TRY(stage_samples_size(ctx, in->samples, size, drawn));
    for (int i = 0; i < 3; i++)
        if (drawn[i] != size[i])
            return ctx->fail(ctx, TESS_E_SHAPE,
                             "samples whose %s is %lld cannot be judged against images whose is %lld; draw them with a tokenizer of such "
                             "images",
                             name[i], (long long)drawn[i], (long long)size[i]);
    return in->samples_file ? stage_samples_open(ctx, &m->samples, in->samples_file, size) : TESS_OK;
}

static int evaluate_metrics_open_sets(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_metrics_params *p,
                                      const struct evaluate_inputs *in, struct tess_metric_shape *shape, const int64_t size[3],
                                      uint64_t seed, int64_t batch)
{
    TESS_TRY(evaluate_metrics_open_samples(ctx, m, in, size));
    TESS_TRY(perceptual_choose(ctx, &m->vectors.network, p->features, "features", in->features, in->features_file));
    m->vectors.pooled = 1;
    TESS_TRY(image_vectors_open(ctx, &m->vectors, size, seed, batch));
    shape->rows[TESS_METRIC_SAMPLES] = m->drawn;
    shape->features = m->vectors.width;
    return measure_open(ctx, &m->sets, p->metrics.item, p->metrics.count, TESS_METRIC_FEATURES, shape);
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

int evaluate_metrics_open(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_metrics_params *p,
                          const struct evaluate_inputs *in, int64_t images, int64_t training, const int64_t size[3], uint64_t seed,
                          int64_t batch)
{
    struct tess_metric_shape shape = {.size = sizeof shape, .rows = {images, 0}, .height = size[0], .width = size[1], .channels = size[2]};
    TESS_TRY(evaluate_metrics_fit(ctx, p, in));
    if (measure_uses_training(p->metrics.item, p->metrics.count))
        TESS_TRY(evaluate_metrics_use_training(ctx, m, training));
    shape.rows[TESS_METRIC_TRAINING] = m->training;
    TESS_TRY(measure_open(ctx, &m->pairs, p->metrics.item, p->metrics.count, TESS_METRIC_PAIRS, &shape));
    return in->samples ? evaluate_metrics_open_sets(ctx, m, p, in, &shape, size, seed, batch) : TESS_OK;
}

void evaluate_metrics_close(struct evaluate_metrics *m)
{
    measure_close(&m->pairs);
    measure_close(&m->sets);
    image_vectors_close(&m->vectors);
    stage_images_close(&m->samples);
}

int evaluate_metrics_cost(struct tess_context *ctx, const struct evaluate_metrics *m, int64_t images, struct tess_cost *cost)
{
    cost->total_bytes += measure_bytes(&m->pairs) + measure_bytes(&m->sets);
    if (m->vectors.network.instance) {
        TESS_TRY(stage_graph_cost(ctx, &m->vectors.features, (double)(images + m->drawn + m->training), cost));
        cost->total_bytes += tess_weights_bytes(m->vectors.features.weights);
    }
    if (m->sets.metrics)
        cost->total_bytes += (int64_t)tess_tensor_bytes(&m->vectors.bytes) + TESS_METRIC_BLOCK * m->vectors.width * (int64_t)sizeof(float);
    return TESS_OK;
}

static int describe_measure(struct tess_context *ctx, const struct measure *m, struct tess_attrs *f)
{
    char key[160];
    for (int32_t i = 0; i < m->metrics; i++) {
        snprintf(key, sizeof key, "metric_%s", tess_instance_name(m->instance[i]));
        TESS_TRY(tess_attrs_set_text(ctx, f, key, tess_instance_config_text(m->instance[i])));
        if (!m->ops[i]->protocol)
            continue;
        snprintf(key, sizeof key, "protocol_%s", tess_instance_name(m->instance[i]));
        TESS_TRY(tess_attrs_set_text(ctx, f, key, m->ops[i]->protocol));
    }
    return TESS_OK;
}

int evaluate_metrics_describe(struct tess_context *ctx, const struct evaluate_metrics *m, struct tess_attrs *f)
{
    TESS_TRY(describe_measure(ctx, &m->pairs, f));
    if (!m->sets.metrics)
        return TESS_OK;
    TESS_TRY(describe_measure(ctx, &m->sets, f));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "samples", m->drawn));
    if (m->training)
        TESS_TRY(tess_attrs_set_i64(ctx, f, "training_images", m->training));
    return tess_attrs_set_text(ctx, f, "judged_by",
                               m->vectors.network.instance ? tess_instance_config_text(m->vectors.network.instance) : "pixels, 0 .. 255");
}

static const char *const set_name[TESS_METRIC_SETS] = {"image", "sample", "training image"};

/* Attributes of the samples, as they were drawn, under `samples_NAME`. */
static int describe_samples(struct tess_context *ctx, const struct tess_attrs *from, struct tess_attrs *to)
{
    static const char *const numbers[] = {"steps", "seed"}, *const reals[] = {"temperature", "guidance"};
    static const char *const texts[] = {"sampler", "condition", "guidance_rule"};
    char key[64];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t value = tess_attrs_i64_or(from, numbers[i], INT64_MIN); /* a seed has all bits */
        snprintf(key, sizeof key, "samples_%s", numbers[i]);
        if (value != INT64_MIN)
            TESS_TRY(tess_attrs_set_i64(ctx, to, key, value));
    }
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        double value = tess_attrs_f64_or(from, reals[i], -1.0);
        snprintf(key, sizeof key, "samples_%s", reals[i]);
        if (value >= 0.0)
            TESS_TRY(tess_attrs_set_f64(ctx, to, key, value));
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(key, sizeof key, "samples_%s", texts[i]);
        if (*tess_attrs_text_or(from, texts[i], ""))
            TESS_TRY(tess_attrs_set_text(ctx, to, key, tess_attrs_text_or(from, texts[i], "")));
    }
    return TESS_OK;
}

/* Measuring conditions that are known when the inputs are there: how samples were drawn, and the digest of the features' network. */
static int describe_inputs(struct tess_context *ctx, const struct evaluate_metrics *m, const struct tess_artefact *samples,
                           struct tess_attrs *f)
{
    const struct perceptual_network *n = &m->vectors.network;
    struct tess_digest d;
    char text[TESS_DIGEST_TEXT];
    TESS_TRY(describe_samples(ctx, tess_artefact_attrs(samples), f));
    TESS_TRY(tess_attrs_set_text(ctx, f, "resize", "none"));
    if (n->from)
        return tess_attrs_set_text(ctx, f, "features_digest", tess_artefact_digest(n->from));
    if (!n->instance)
        return TESS_OK;
    tess_digest_start(&d);
    TESS_TRY(tess_features_fingerprint(ctx, n->instance, &d));
    tess_digest_end(&d, text);
    return tess_attrs_set_text(ctx, f, "features_digest", text);
}

/* Feeds one set to the metrics, in blocks, as vectors. */
static int feed_set(struct tess_context *ctx, struct evaluate_metrics *m, struct tess_stage_run *run, int32_t set,
                    const struct image_list *l, float *vector)
{
    for (int64_t i = 0; i < l->count; i += TESS_METRIC_BLOCK) {
        int64_t n = l->count - i < TESS_METRIC_BLOCK ? l->count - i : TESS_METRIC_BLOCK;
        const struct tess_tensor t = tess_tensor_over(vector, TESS_F32, 2, (const int64_t[]){n, m->vectors.width});
        TESS_TRY(stage_check_stop(ctx, run, i, l->count, set_name[set]));
        TESS_TRY(image_vectors_make(ctx, &m->vectors, l, i, n, vector));
        TESS_TRY(measure_features(ctx, &m->sets, set, &t));
    }
    return TESS_OK;
}

int evaluate_metrics_finish(struct tess_context *ctx, struct evaluate_metrics *m, struct tess_stage_run *run,
                            const struct stage_images *images, int64_t first, int64_t count)
{
    const struct image_list real = {.images = images, .first = first, .of = count, .count = count};
    const struct image_list trained = {.images = images, .of = m->training, .count = m->training};
    const struct image_list drawn = {.images = &m->samples, .of = m->drawn, .count = m->drawn};
    struct tess_artefact *a = tess_stage_output(run);
    void *vector;
    TESS_TRY(evaluate_metrics_describe(ctx, m, tess_artefact_describe(a)));
    TESS_TRY(measure_finish(ctx, &m->pairs, run, a));
    if (!m->sets.metrics)
        return TESS_OK;
    TESS_TRY(describe_inputs(ctx, m, tess_stage_input(run, "samples"), tess_artefact_describe(a)));
    TESS_TRY(image_vectors_read(ctx, &m->vectors));
    TESS_TRY(tess_alloc(ctx, (size_t)(TESS_METRIC_BLOCK * m->vectors.width) * sizeof(float), "vectors of images", &vector));
    int status = feed_set(ctx, m, run, TESS_METRIC_IMAGES, &real, vector);
    if (status == TESS_OK)
        status = feed_set(ctx, m, run, TESS_METRIC_SAMPLES, &drawn, vector);
    if (status == TESS_OK && m->training)
        status = feed_set(ctx, m, run, TESS_METRIC_TRAINING, &trained, vector);
    if (status == TESS_OK)
        status = measure_finish(ctx, &m->sets, run, a);
    tess_free(vector);
    return status;
}
