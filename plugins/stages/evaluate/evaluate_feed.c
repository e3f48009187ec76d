/* See evaluate_metrics.h: rows for the metrics, and their end. SPDX-License-Identifier: MIT */
#include "plugins/stages/evaluate/evaluate_metrics.h"

#include <stdio.h>
#include <string.h>

static const char *const set_name[TESS_METRIC_SETS] = {"image", "sample", "training image"};

/* ---- reading ---- */

/* Labels of all images or samples of an artefact, where it has some. */
static int evaluate_read_labels(struct tess_context *ctx, const struct tess_artefact *a, struct tess_tensor *labels)
{
    int64_t classes = a ? tess_attrs_i64_or(tess_artefact_attrs(a), "classes", 0) : 0;
    if (!classes || !tess_artefact_has(a, "labels"))
        return TESS_OK;
    return tess_artefact_load(ctx, a, "labels", TESS_I32, labels);
}

static int evaluate_read_classifier(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_inputs *in)
{
    const int64_t scores[2] = {m->batch, m->classifier.classes};
    TESS_TRY(tess_weights_read(ctx, m->classifier.scores.weights, in->features_file));
    TESS_TRY(evaluate_read_labels(ctx, in->images_file, &m->labels[TESS_METRIC_IMAGES]));
    TESS_TRY(evaluate_read_labels(ctx, in->samples_file, &m->labels[TESS_METRIC_SAMPLES]));
    TESS_TRY(stage_tensor(ctx, &m->bytes, TESS_U8, 4, (const int64_t[]){m->batch, in->size[0], in->size[1], in->size[2]}));
    TESS_TRY(stage_tensor(ctx, &m->scores, TESS_F32, 2, scores));
    return stage_tensor(ctx, &m->made_scores, TESS_F32, 2, scores);
}

int evaluate_metrics_read(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_inputs *in)
{
    if (m->measure[TESS_METRIC_FEATURES].metrics)
        TESS_TRY(image_vectors_read(ctx, &m->vectors));
    if (m->measure[TESS_METRIC_DISTANCES].metrics)
        TESS_TRY(image_distances_read(ctx, &m->distances));
    return m->measure[TESS_METRIC_CLASSES].metrics ? evaluate_read_classifier(ctx, m, in) : TESS_OK;
}

/* ---- images and reconstructions ---- */

static int evaluate_feed_distances(struct tess_context *ctx, struct evaluate_metrics *m, const struct round_trip *t)
{
    TESS_TRY(image_distances_make(ctx, &m->distances, &t->images, &t->real));
    return measure_feed(ctx, &m->measure[TESS_METRIC_DISTANCES], TESS_METRIC_IMAGES, 1,
                        (const struct tess_tensor *const[]){&m->distances.out});
}

static int evaluate_scores(struct tess_context *ctx, struct evaluate_metrics *m, const struct tess_tensor *images,
                           struct tess_tensor *scores)
{
    scores->dim[0] = images->dim[0];
    return stage_graph_run(ctx, &m->classifier.scores, 0, 0, images->dim[0], 1, images, 1, scores);
}

/* Feeds scores of n images or samples from number `first` on, with their labels; `made` NULL: without reconstructions. */
static int evaluate_feed_classes(struct tess_context *ctx, struct evaluate_metrics *m, int32_t set, const struct tess_tensor *images,
                                 const struct tess_tensor *made, int64_t first)
{
    int64_t n = images->dim[0];
    struct tess_tensor labels;
    TESS_TRY(evaluate_scores(ctx, m, images, &m->scores));
    if (made)
        TESS_TRY(evaluate_scores(ctx, m, made, &m->made_scores));
    TESS_TRY(stage_tensor(ctx, &labels, TESS_I32, 1, &n));
    int32_t *label = labels.data;
    for (int64_t i = 0; i < n; i++)
        label[i] = m->labels[set].data ? ((const int32_t *)m->labels[set].data)[first + i] : -1;
    int status = measure_feed(ctx, &m->measure[TESS_METRIC_CLASSES], set, made ? 3 : 2,
                              (const struct tess_tensor *const[]){&m->scores, &labels, &m->made_scores});
    tess_free(labels.data);
    return status;
}

static int evaluate_feed_codes(struct tess_context *ctx, struct evaluate_metrics *m, int32_t set, const struct tess_tensor *codes)
{
    const int64_t dim[2] = {codes->dim[0], codes->dim[0] ? tess_tensor_count(codes) / codes->dim[0] : 0};
    const struct tess_tensor flat = tess_tensor_over(codes->data, TESS_I32, 2, dim);
    return measure_feed(ctx, &m->measure[TESS_METRIC_CODES], set, 1, (const struct tess_tensor *const[]){&flat});
}

int evaluate_metrics_batch(struct tess_context *ctx, struct evaluate_metrics *m, const struct round_trip *t, int64_t first)
{
    TESS_TRY(measure_feed(ctx, &m->measure[TESS_METRIC_PAIRS], TESS_METRIC_IMAGES, 2,
                          (const struct tess_tensor *const[]){&t->images, &t->real}));
    if (m->measure[TESS_METRIC_DISTANCES].metrics)
        TESS_TRY(evaluate_feed_distances(ctx, m, t));
    if (m->measure[TESS_METRIC_CLASSES].metrics)
        TESS_TRY(evaluate_feed_classes(ctx, m, TESS_METRIC_IMAGES, &t->images, &t->bytes, first));
    return evaluate_feed_codes(ctx, m, TESS_METRIC_IMAGES, &t->codes);
}

/* ---- samples and sets ---- */

static int evaluate_feed_sample_classes(struct tess_context *ctx, struct evaluate_metrics *m, struct tess_stage_run *run)
{
    for (int64_t i = 0; i < m->drawn; i += m->batch) {
        int64_t n = m->drawn - i < m->batch ? m->drawn - i : m->batch;
        TESS_TRY(stage_check_stop(ctx, run, i, m->drawn, "sample"));
        m->bytes.dim[0] = n;
        for (int64_t j = 0; j < n; j++)
            TESS_TRY(stage_images_get(ctx, &m->samples, i + j, (uint8_t *)m->bytes.data + (size_t)j * m->samples.row));
        TESS_TRY(evaluate_feed_classes(ctx, m, TESS_METRIC_SAMPLES, &m->bytes, NULL, i));
    }
    return TESS_OK;
}

static int evaluate_feed_sample_codes(struct tess_context *ctx, struct evaluate_metrics *m, const struct evaluate_inputs *in)
{
    struct tess_tensor codes = {.data = NULL};
    struct code_maps maps;
    int64_t level_size[TESS_DEPTH_MAX];
    int status = code_maps_of_attrs(ctx, in->samples, &maps, level_size);
    if (status == TESS_OK)
        status = tess_artefact_load(ctx, in->samples_file, "codes", TESS_I32, &codes);
    if (status == TESS_OK)
        status = stage_check_codes(ctx, in->samples_file, &codes, &maps);
    if (status == TESS_OK)
        status = evaluate_feed_codes(ctx, m, TESS_METRIC_SAMPLES, &codes);
    tess_free(codes.data);
    return status;
}

/* Feeds one set to the metrics of features, as vectors that stay until the end. */
static int evaluate_feed_set(struct tess_context *ctx, struct evaluate_metrics *m, struct tess_stage_run *run, int32_t set,
                             const struct image_list *l)
{
    const int64_t size[2] = {l->count, m->vectors.width};
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(size[0] * size[1]) * sizeof(float), "vectors of images", &memory));
    m->vector[set] = memory;
    for (int64_t i = 0; i < l->count; i += TESS_METRIC_BLOCK) {
        int64_t n = l->count - i < TESS_METRIC_BLOCK ? l->count - i : TESS_METRIC_BLOCK;
        TESS_TRY(stage_check_stop(ctx, run, i, l->count, set_name[set]));
        TESS_TRY(image_vectors_make(ctx, &m->vectors, l, i, n, m->vector[set] + i * m->vectors.width));
    }
    const struct tess_tensor t = tess_tensor_over(memory, TESS_F32, 2, size);
    return measure_feed_staying(ctx, &m->measure[TESS_METRIC_FEATURES], set, &t);
}

static int evaluate_feed_sets(struct tess_context *ctx, struct evaluate_metrics *m, struct tess_stage_run *run,
                              const struct stage_images *images, const struct evaluate_inputs *in)
{
    const struct image_list real = {.images = images, .first = in->first, .of = in->count, .count = in->count};
    const struct image_list trained = {.images = images, .of = m->training, .count = m->training};
    const struct image_list drawn = {.images = &m->samples, .of = m->drawn, .count = m->drawn};
    TESS_TRY(evaluate_feed_set(ctx, m, run, TESS_METRIC_IMAGES, &real));
    TESS_TRY(evaluate_feed_set(ctx, m, run, TESS_METRIC_SAMPLES, &drawn));
    return m->training ? evaluate_feed_set(ctx, m, run, TESS_METRIC_TRAINING, &trained) : TESS_OK;
}

/* ---- attributes that are known when the inputs are there ---- */

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

/* Digest of what metrics judge by: of a network trained here its artefact's, else of the weights' file. */
static int describe_network(struct tess_context *ctx, const struct evaluate_metrics *m, const struct evaluate_inputs *in,
                            struct tess_attrs *f)
{
    const struct perceptual_network *n = m->vectors.network.instance ? &m->vectors.network : &m->distances.network;
    struct tess_digest d;
    char text[TESS_DIGEST_TEXT];
    if (n->from || m->classifier.network)
        return tess_attrs_set_text(ctx, f, "features_digest", tess_artefact_digest(n->from ? n->from : in->features_file));
    if (!n->instance)
        return TESS_OK;
    tess_digest_start(&d);
    TESS_TRY(tess_features_fingerprint(ctx, n->instance, &d));
    tess_digest_end(&d, text);
    return tess_attrs_set_text(ctx, f, "features_digest", text);
}

static int describe_inputs(struct tess_context *ctx, const struct evaluate_metrics *m, const struct evaluate_inputs *in,
                           struct tess_attrs *f)
{
    if (in->samples_file)
        TESS_TRY(describe_samples(ctx, in->samples, f));
    if (m->measure[TESS_METRIC_FEATURES].metrics)
        TESS_TRY(tess_attrs_set_text(ctx, f, "resize", "none"));
    return describe_network(ctx, m, in, f);
}

int evaluate_metrics_finish(struct tess_context *ctx, struct evaluate_metrics *m, struct tess_stage_run *run,
                            const struct stage_images *images, const struct evaluate_inputs *in)
{
    static const int order[] = {TESS_METRIC_PAIRS, TESS_METRIC_DISTANCES, TESS_METRIC_CODES, TESS_METRIC_CLASSES, TESS_METRIC_FEATURES};
    struct tess_artefact *a = tess_stage_output(run);
    TESS_TRY(evaluate_metrics_describe(ctx, m, tess_artefact_describe(a)));
    TESS_TRY(describe_inputs(ctx, m, in, tess_artefact_describe(a)));
    if (m->drawn && m->measure[TESS_METRIC_CLASSES].metrics)
        TESS_TRY(evaluate_feed_sample_classes(ctx, m, run));
    if (m->drawn && m->measure[TESS_METRIC_CODES].metrics)
        TESS_TRY(evaluate_feed_sample_codes(ctx, m, in));
    if (m->measure[TESS_METRIC_FEATURES].metrics)
        TESS_TRY(evaluate_feed_sets(ctx, m, run, images, in));
    stage_images_close(&m->samples); /* later metrics take the memory of the vectors, and more */
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        TESS_TRY(measure_finish(ctx, &m->measure[order[i]], run, a));
    return TESS_OK;
}
