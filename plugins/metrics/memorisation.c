/* metric/1 `memorisation`: whether samples are nearer to the images that were trained on than images are that were not (docs/metrics.md;
 * docs/models.md, (24.4)). With d the distance to the nearest training image in feature space, it is the share of pairs of a sample and a
 * held-out image in which the sample's d is the smaller, equal ones counted half: 1/2 for samples that are as far as new images, towards 1
 * for copies. Its standard error is that of the statistic over both sets (DeLong et al., "Comparing the Areas under Two or More Correlated
 * Receiver Operating Characteristic Curves", 1988), the training images being given.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/metric/mean_error.h"
#include "kit/metric/radii.h"

#include <tessera/plugin.h>

#include <math.h>
#include <stdlib.h>

/* Squared distances to the nearest training image of the samples and of the held-out images, both in rising order; in the order of the
 * rows they are in the state's `each`. */
struct memorisation_work {
    double *samples, *images;
    double *placed; /* placement of each member of a set: share of the other set's members that it comes before */
};

static int memorisation_rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

static int memorisation_alloc(struct tess_context *ctx, int64_t n, double **out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)n * sizeof(double), "distances to training images", &memory));
    *out = memory;
    return TESS_OK;
}

static void memorisation_close(struct memorisation_work *w)
{
    double *const all[] = {w->samples, w->images, w->placed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tess_free(all[i]);
}

static int memorisation_distances(struct tess_context *ctx, struct feature_sets *s, int32_t set, double **rising)
{
    int64_t n = s->rows[set];
    double *as_is;
    TESS_TRY(feature_sets_each(ctx, s, set, &as_is));
    TESS_TRY(memorisation_alloc(ctx, n, rising));
    TESS_TRY(radii_nearest(ctx, s, set, TESS_METRIC_TRAINING, as_is));
    for (int64_t i = 0; i < n; i++)
        (*rising)[i] = as_is[i];
    qsort(*rising, (size_t)n, sizeof **rising, memorisation_rising);
    return TESS_OK;
}

/* Number of the n rising values that are below x, or with `equal` not above it. */
static int64_t memorisation_below(const double *rising, int64_t n, double x, int equal)
{
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (rising[middle] < x || (equal && rising[middle] == x))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* For each of the m values the share of the n others that are above it (`above` 1) or below it, equal ones half. */
static struct mean_error memorisation_place(const double *value, int64_t m, const double *other, int64_t n, int above, double *placed)
{
    for (int64_t i = 0; i < m; i++) {
        double below = (double)memorisation_below(other, n, value[i], 0), not_above = (double)memorisation_below(other, n, value[i], 1);
        double share = (below + 0.5 * (not_above - below)) / (double)n;
        placed[i] = above ? 1.0 - share : share;
    }
    return mean_error_of(placed, m);
}

static int memorisation_compare(struct tess_context *ctx, struct feature_sets *s, const struct tess_metric_sink *sink,
                                struct memorisation_work *w)
{
    int64_t m = s->rows[TESS_METRIC_SAMPLES], n = s->rows[TESS_METRIC_IMAGES];
    TESS_TRY(memorisation_distances(ctx, s, TESS_METRIC_SAMPLES, &w->samples));
    TESS_TRY(memorisation_distances(ctx, s, TESS_METRIC_IMAGES, &w->images));
    TESS_TRY(memorisation_alloc(ctx, m > n ? m : n, &w->placed));
    const struct mean_error of_samples = memorisation_place(s->each[TESS_METRIC_SAMPLES], m, w->images, n, 1, w->placed);
    const struct mean_error of_images = memorisation_place(s->each[TESS_METRIC_IMAGES], n, w->samples, m, 0, w->placed);
    struct tess_metric_value v = TESS_METRIC_VALUE("memorisation", of_samples.mean, "", TESS_METRIC_LOWER);
    if (m > 1 && n > 1)
        v.standard_error = hypot(of_samples.standard_error, of_images.standard_error);
    return sink->value(sink->to, ctx, &v);
}

static int memorisation_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    struct memorisation_work w = {NULL};
    (void)self;
    int status = memorisation_compare(ctx, state, sink, &w);
    memorisation_close(&w);
    return status;
}

/* ---- resamples ---- */

/* A row and its distance; all of both sets in rising order. */
struct memorisation_row {
    double square;
    int32_t set;
    int64_t at;
};

struct memorisation_job {
    const struct tess_metric_resamples *r;
    const struct memorisation_row *row;
    int64_t rows;
};

static int memorisation_rising_rows(const void *a, const void *b)
{
    const struct memorisation_row *x = a, *y = b;
    return memorisation_rising(&x->square, &y->square);
}

/* The share of pairs in which the sample is nearer, each row counted as often as the resample has it: of the rows at one distance, the
 * images come after all samples before, and level with half of those at their own. */
static int memorisation_again(void *user, struct tess_context *ctx, int64_t k)
{
    const struct memorisation_job *j = user;
    const struct tess_metric_resamples *r = j->r;
    double sum = 0.0, before = 0.0, m = (double)r->rows[TESS_METRIC_SAMPLES], n = (double)r->rows[TESS_METRIC_IMAGES];
    for (int64_t i = 0; i < j->rows;) {
        double level[2] = {0.0, 0.0}, square = j->row[i].square;
        for (; i < j->rows && j->row[i].square == square; i++)
            level[j->row[i].set] += r->times[j->row[i].set][k * r->rows[j->row[i].set] + j->row[i].at];
        sum += level[TESS_METRIC_IMAGES] * (before + 0.5 * level[TESS_METRIC_SAMPLES]);
        before += level[TESS_METRIC_SAMPLES];
    }
    return r->value(r->to, ctx, k, "memorisation", sum / m / n);
}

static int memorisation_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    const struct feature_sets *s = state;
    int64_t all = s->rows[TESS_METRIC_IMAGES] + s->rows[TESS_METRIC_SAMPLES], at = 0;
    void *memory;
    (void)self;
    TESS_TRY(tess_alloc(ctx, (size_t)all * sizeof(struct memorisation_row), "distances to training images", &memory));
    struct memorisation_row *row = memory;
    for (int32_t set = 0; set < 2; set++)
        for (int64_t i = 0; i < s->rows[set]; i++)
            row[at++] = (struct memorisation_row){s->each[set][i], set, i};
    qsort(row, (size_t)all, sizeof *row, memorisation_rising_rows);
    struct memorisation_job j = {.r = r, .row = row, .rows = all};
    int status = r->parallel(r->to, ctx, r->count, memorisation_again, &j);
    tess_free(memory);
    return status;
}

static const struct tess_metric_1 ops = {
    .size = sizeof ops,
    .wants = TESS_METRIC_FEATURES,
    .protocol = "share of pairs of a sample and a held-out image in which the sample is nearer to its nearest training image, ties half; "
                "standard error over both sets",
    .bytes = feature_sets_bytes,
    .open = feature_sets_open,
    .close = feature_sets_close,
    .accumulate = feature_sets_accumulate,
    .merge = feature_sets_merge,
    .finish = memorisation_finish,
    .pack = feature_sets_pack,
    .unpack = feature_sets_unpack,
    .uses_training = 1,
    .resample = memorisation_resample};

TESS_PLUGIN("tessera-memorisation", "0.2.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED("DeLong et al., \"Comparing the Areas under Two or More Correlated Receiver Operating Characteristic "
                                      "Curves\", 1988",
                                      "metrics: [memorisation]", "memorisation", "metric/1",
                                      "share of samples nearer to a training image than held-out images are", 0, NULL, NULL, NULL, &ops));
