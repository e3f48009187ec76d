/* metric/1 `precision-recall` and `density-coverage`: overlap of the sets of samples and of images in feature space, by balls around a
 * set's vectors that reach to their k-th nearest neighbour in it (docs/metrics.md; Kynkäänniemi et al., "Improved Precision and Recall
 * Metric for Assessing Generative Models", 2019; Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", 2020).
 *
 * SPDX-License-Identifier: MIT */
#include "kit/metric/radii.h"
#include "kit/metric/results.h"
#include "kit/metric/row_values.h"

#include <tessera/plugin.h>

struct manifold {
    int64_t neighbours;
    int32_t border;
};

static int manifold_check(void *self, struct tess_context *ctx, const struct tess_metric_shape *s)
{
    const struct manifold *m = self;
    int64_t fewest = s->rows[0] < s->rows[1] ? s->rows[0] : s->rows[1];
    if (fewest > m->neighbours)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE,
                     "neighbours: %lld of %lld vectors are not to be had; give more images or samples, or lower `neighbours`",
                     (long long)m->neighbours, (long long)fewest);
}

/* Squared radii of the balls around one set, and the position of the other set's points relative to them. */
struct manifold_work {
    double *square;
    struct radii_count count;
};

static void manifold_close(struct manifold_work *w)
{
    tess_free(w->square);
    tess_free(w->count.balls);
    tess_free(w->count.nearest);
}

static int manifold_open(struct tess_context *ctx, const struct feature_sets *s, int32_t points, struct manifold_work *w)
{
    void *square, *balls, *nearest;
    TESS_TRY(tess_alloc(ctx, (size_t)s->rows[!points] * sizeof(double), "radii", &square));
    w->square = square;
    TESS_TRY(tess_alloc(ctx, (size_t)s->rows[points] * sizeof(int64_t), "counts", &balls));
    w->count.balls = balls;
    TESS_TRY(tess_alloc(ctx, (size_t)s->rows[points] * sizeof(double), "distances", &nearest));
    w->count.nearest = nearest;
    return TESS_OK;
}

static int manifold_find(struct tess_context *ctx, const struct manifold *m, const struct feature_sets *s, int32_t points,
                         struct manifold_work *w)
{
    TESS_TRY(manifold_open(ctx, s, points, w));
    TESS_TRY(radii_of(ctx, s, !points, m->neighbours, w->square));
    return radii_count(ctx, s, points, w->square, m->border, &w->count);
}

/* Whether each of the points lies in a ball of the other set, 1 or 0, into s->each[points]. */
static int manifold_inside(struct tess_context *ctx, const struct manifold *m, struct feature_sets *s, int32_t points)
{
    struct manifold_work w = {NULL, {NULL, NULL}};
    double *inside = NULL;
    int status = manifold_find(ctx, m, s, points, &w);
    if (status == TESS_OK)
        status = feature_sets_each(ctx, s, points, &inside);
    for (int64_t i = 0; status == TESS_OK && i < s->rows[points]; i++)
        inside[i] = w.count.balls[i] > 0 ? 1.0 : 0.0;
    manifold_close(&w);
    return status;
}

/* Hands over the mean of s->each[set]. */
static int manifold_put(struct tess_context *ctx, const struct feature_sets *s, int32_t set, const char *name,
                        const struct tess_metric_sink *sink)
{
    return metric_put(ctx, sink, name, row_values_mean(s->each[set], s->rows[set], NULL), "", TESS_METRIC_HIGHER);
}

static int precision_recall_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    TESS_TRY(manifold_inside(ctx, self, state, TESS_METRIC_SAMPLES));
    TESS_TRY(manifold_inside(ctx, self, state, TESS_METRIC_IMAGES));
    TESS_TRY(manifold_put(ctx, state, TESS_METRIC_SAMPLES, "precision", sink));
    return manifold_put(ctx, state, TESS_METRIC_IMAGES, "recall", sink);
}

static int precision_recall_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    const struct feature_sets *s = state;
    (void)self;
    TESS_TRY(row_values_resample(ctx, r, TESS_METRIC_SAMPLES, "precision", s->each[TESS_METRIC_SAMPLES], NULL));
    return row_values_resample(ctx, r, TESS_METRIC_IMAGES, "recall", s->each[TESS_METRIC_IMAGES], NULL);
}

/* Values of each sample and image. Density: balls around images that hold the sample, over k. Coverage: 1 where the image's ball holds a
 * sample. */
static int density_coverage_values(struct tess_context *ctx, const struct manifold *m, struct feature_sets *s, struct manifold_work *w,
                                   struct manifold_work *back)
{
    double *density, *covered;
    TESS_TRY(manifold_find(ctx, m, s, TESS_METRIC_SAMPLES, w));
    TESS_TRY(manifold_find(ctx, m, s, TESS_METRIC_IMAGES, back));
    TESS_TRY(feature_sets_each(ctx, s, TESS_METRIC_SAMPLES, &density));
    TESS_TRY(feature_sets_each(ctx, s, TESS_METRIC_IMAGES, &covered));
    for (int64_t i = 0; i < s->rows[TESS_METRIC_SAMPLES]; i++)
        density[i] = (double)w->count.balls[i] / (double)m->neighbours;
    for (int64_t i = 0; i < s->rows[TESS_METRIC_IMAGES]; i++) {
        double nearest = back->count.nearest[i];
        covered[i] = (m->border == RADII_INSIDE_OPEN ? nearest < w->square[i] : nearest <= w->square[i]) ? 1.0 : 0.0;
    }
    return TESS_OK;
}

static int density_coverage_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    struct manifold_work w = {NULL, {NULL, NULL}}, back = {NULL, {NULL, NULL}};
    int status = density_coverage_values(ctx, self, state, &w, &back);
    manifold_close(&w);
    manifold_close(&back);
    if (status == TESS_OK)
        status = manifold_put(ctx, state, TESS_METRIC_SAMPLES, "density", sink);
    return status == TESS_OK ? manifold_put(ctx, state, TESS_METRIC_IMAGES, "coverage", sink) : status;
}

static int density_coverage_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    const struct feature_sets *s = state;
    (void)self;
    TESS_TRY(row_values_resample(ctx, r, TESS_METRIC_SAMPLES, "density", s->each[TESS_METRIC_SAMPLES], NULL));
    return row_values_resample(ctx, r, TESS_METRIC_IMAGES, "coverage", s->each[TESS_METRIC_IMAGES], NULL);
}

#define MANIFOLD_METRIC(end, again)                                                                                                        \
    {                                                                                                                                      \
        .size = sizeof(struct tess_metric_1), .wants = TESS_METRIC_FEATURES,                                                               \
        .protocol = "distances in double, a vector is not its own neighbour; intervals with the balls as they are",                        \
        .check = manifold_check, .bytes = feature_sets_bytes, .open = feature_sets_open, .close = feature_sets_close,                      \
        .accumulate = feature_sets_accumulate, .merge = feature_sets_merge, .finish = (end), .pack = feature_sets_pack,                    \
        .unpack = feature_sets_unpack, .resample = (again)                                                                                 \
    }
static const struct tess_metric_1 precision_recall = MANIFOLD_METRIC(precision_recall_finish, precision_recall_resample);
static const struct tess_metric_1 density_coverage = MANIFOLD_METRIC(density_coverage_finish, density_coverage_resample);

#define NEIGHBOURS_HELP "k: a ball reaches to the k-th nearest other vector of its set"
#define BORDER_HELP "whether a vector on the border of a ball lies in it (closed: <=, as published with the metric; open: <)"
static const struct tess_param precision_recall_params[] = {
    TESS_PARAM_I64(struct manifold, neighbours, 1, 1e6, 3, NEIGHBOURS_HELP),
    TESS_PARAM_ENUM(struct manifold, border, "closed|open", RADII_INSIDE_CLOSED, BORDER_HELP),
    TESS_PARAM_END,
};
static const struct tess_param density_coverage_params[] = {
    TESS_PARAM_I64(struct manifold, neighbours, 1, 1e6, 5, NEIGHBOURS_HELP),
    TESS_PARAM_ENUM(struct manifold, border, "closed|open", RADII_INSIDE_OPEN,
                    "whether a vector on the border of a ball lies in it (closed: <=; open: <, as published with the metric)"),
    TESS_PARAM_END,
};

TESS_PLUGIN("tessera-manifold", "0.3.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED("Kynkäänniemi et al., \"Improved Precision and Recall Metric for Assessing Generative Models\", 2019",
                                      "metrics: [precision-recall]", "precision-recall", "metric/1",
                                      "share of samples among the images, and of images among the samples", sizeof(struct manifold),
                                      precision_recall_params, NULL, NULL, &precision_recall),
            TESS_COMPONENT_DOCUMENTED("Naeem et al., \"Reliable Fidelity and Diversity Metrics for Generative Models\", 2020",
                                      "metrics: [{use: density-coverage, neighbours: 5}]", "density-coverage", "metric/1",
                                      "how densely samples lie among the images, and how many images have some near",
                                      sizeof(struct manifold), density_coverage_params, NULL, NULL, &density_coverage));
