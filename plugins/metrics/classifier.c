/* metric/1 `classifier`: classes that a classifier takes images, reconstructions and samples for (docs/metrics.md). Of reconstructions how
 * many are taken for what their originals are, and for what these are labelled as; of samples the same where they were drawn for a class,
 * and how their classes are spread: the entropy of the histogram, and its distance from that of the images, half the sum of the absolute
 * differences of the shares.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/infer/classifier.h"
#include "kit/metric/row_values.h"

#include <tessera/plugin.h>

#include <math.h>
#include <string.h>

/* Classes of a row: as labelled (-1: not), as the image or sample was taken for, as the reconstruction was (-1: there is none). */
struct classes_row {
    int32_t label, taken, made;
};

struct classes {
    int64_t classes;
    int64_t rows[2], capacity[2]; /* [TESS_METRIC_IMAGES, TESS_METRIC_SAMPLES] */
    struct classes_row *row[2];
};

static int classes_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *s, void **state)
{
    void *memory;
    (void)self;
    TESS_TRY(tess_alloc(ctx, sizeof(struct classes), "classes", &memory));
    ((struct classes *)memory)->classes = s->classes;
    *state = memory;
    return TESS_OK;
}

static void classes_close(void *self, void *state)
{
    struct classes *s = state;
    (void)self;
    if (!s)
        return;
    tess_free(s->row[0]);
    tess_free(s->row[1]);
    tess_free(s);
}

static int64_t classes_bytes(void *self, const struct tess_metric_shape *s)
{
    (void)self;
    return 4 * (s->rows[0] + s->rows[1]) * (int64_t)sizeof(struct classes_row) + 3 * s->classes * (int64_t)sizeof(double);
}

static int classes_add(struct tess_context *ctx, struct classes *s, int32_t set, const struct classes_row *row, int64_t n)
{
    if (!n)
        return TESS_OK;
    TESS_TRY(tess_reserve(ctx, &s->row[set], &s->capacity[set], s->rows[set] + n, sizeof *row, "classes of images"));
    memcpy(s->row[set] + s->rows[set], row, (size_t)n * sizeof *row);
    s->rows[set] += n;
    return TESS_OK;
}

/* Class of row i of scores; -2 where they are not finite, -1 without scores. */
static int32_t classes_taken(const struct tess_tensor *scores, int64_t i, int64_t classes)
{
    const float *score = scores ? (const float *)scores->data + i * classes : NULL;
    for (int64_t k = 0; score && k < classes; k++)
        if (!isfinite(score[k]))
            return -2;
    return score ? (int32_t)classifier_best(score, classes) : -1;
}

static int classes_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    struct classes *s = state;
    const int32_t *label = rows->labels->data;
    (void)self;
    for (int64_t i = 0; i < rows->count; i++) {
        const struct classes_row row = {label[i] < 0 || label[i] >= s->classes ? -1 : label[i], classes_taken(rows->scores, i, s->classes),
                                        classes_taken(rows->made_scores, i, s->classes)};
        if (row.taken == -2 || row.made == -2)
            return ctx->fail(ctx, TESS_E_FAILED, "the classifier's scores of %s %lld are not finite; look at the network they are from",
                             rows->set == TESS_METRIC_SAMPLES ? "sample"
                             : row.taken == -2                ? "image"
                                                              : "the reconstruction of image",
                             (long long)(rows->first + i));
        TESS_TRY(classes_add(ctx, s, rows->set, &row, 1));
    }
    return TESS_OK;
}

static int classes_merge(void *self, struct tess_context *ctx, void *state, void *next)
{
    const struct classes *n = next;
    (void)self;
    TESS_TRY(classes_add(ctx, state, TESS_METRIC_IMAGES, n->row[0], n->rows[0]));
    return classes_add(ctx, state, TESS_METRIC_SAMPLES, n->row[1], n->rows[1]);
}

/* ---- results ---- */

/* A share of the rows: those of which it is asked, and those of which it holds. */
enum { ACCURACY_IMAGES, ACCURACY_MADE, AGREEMENT_MADE, ACCURACY_SAMPLES, SHARES };
static const struct {
    const char *name;
    int32_t set;
} share_of[SHARES] = {{"accuracy of images", TESS_METRIC_IMAGES},
                      {"accuracy of reconstructions", TESS_METRIC_IMAGES},
                      {"agreement of reconstructions", TESS_METRIC_IMAGES},
                      {"accuracy of samples", TESS_METRIC_SAMPLES}};

/* 1 or 0: whether it holds of a row; -1: it is not asked. */
static int classes_holds(int what, const struct classes_row *row)
{
    int32_t wanted = what == AGREEMENT_MADE ? row->taken : row->label;
    int32_t found = what == ACCURACY_MADE || what == AGREEMENT_MADE ? row->made : row->taken;
    return wanted < 0 || found < 0 ? -1 : wanted == found;
}

/* Share in percent of the rows, row i counted times[i] times (NULL: once), and its error; NaN where no row is asked. */
static double classes_share(const struct classes *s, int what, const uint16_t *times, double *error)
{
    double asked = 0.0, held = 0.0;
    for (int64_t i = 0; i < s->rows[share_of[what].set]; i++) {
        int holds = classes_holds(what, &s->row[share_of[what].set][i]);
        double weight = times ? (double)times[i] : 1.0;
        asked += holds >= 0 ? weight : 0.0;
        held += holds > 0 ? weight : 0.0;
    }
    double share = asked > 0.0 ? held / asked : (double)NAN;
    *error = asked > 1.0 ? 100.0 * sqrt(share * (1.0 - share) / (asked - 1.0)) : -1.0;
    return 100.0 * share;
}

/* Shares of the classes that a set's images, or with `made` their reconstructions, are taken for. */
static void classes_histogram(const struct classes *s, int32_t set, int made, const uint16_t *times, double *share)
{
    memset(share, 0, (size_t)s->classes * sizeof *share);
    for (int64_t i = 0; i < s->rows[set]; i++) {
        int32_t taken = made ? s->row[set][i].made : s->row[set][i].taken;
        if (taken >= 0)
            share[taken] += times ? (double)times[i] : 1.0;
    }
    for (int64_t k = 0; k < s->classes; k++)
        share[k] /= (double)s->rows[set];
}

/* Entropy of the shares in bits, and its error by the delta method for n rows: the deviation of -log2 p over the root of n. */
static double classes_entropy(const double *share, int64_t classes, int64_t n, double *error)
{
    double entropy = 0.0, square = 0.0;
    for (int64_t k = 0; k < classes; k++)
        if (share[k] > 0.0) {
            double bits = -log2(share[k]);
            entropy += share[k] * bits;
            square += share[k] * bits * bits;
        }
    *error = n > 1 ? sqrt(fmax(square - entropy * entropy, 0.0) / (double)(n - 1)) : -1.0;
    return entropy;
}

static double classes_distance(const double *a, const double *b, int64_t classes)
{
    double sum = 0.0;
    for (int64_t k = 0; k < classes; k++)
        sum += 0.5 * fabs(a[k] - b[k]);
    return sum;
}

static int classes_list(struct tess_context *ctx, const struct classes *s, const char *name, const double *share,
                        const struct tess_metric_sink *sink)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)s->classes * sizeof(float), "shares of classes", &memory));
    for (int64_t k = 0; k < s->classes; k++)
        ((float *)memory)[k] = (float)share[k];
    int status = sink->list(sink->to, ctx, name, "class", "", s->classes, memory);
    tess_free(memory);
    return status;
}

static int classes_put_samples(struct tess_context *ctx, const struct classes *s, double *images, const struct tess_metric_sink *sink)
{
    double *samples = images + s->classes;
    classes_histogram(s, TESS_METRIC_SAMPLES, 0, NULL, samples);
    struct tess_metric_value v = TESS_METRIC_VALUE("class entropy of samples", 0.0, "bits", TESS_METRIC_HIGHER);
    v.value = classes_entropy(samples, s->classes, s->rows[TESS_METRIC_SAMPLES], &v.standard_error);
    TESS_TRY(sink->value(sink->to, ctx, &v));
    const struct tess_metric_value d =
        TESS_METRIC_VALUE("class distance of samples", classes_distance(images, samples, s->classes), "", TESS_METRIC_LOWER);
    TESS_TRY(sink->value(sink->to, ctx, &d));
    return classes_list(ctx, s, "classes of samples", samples, sink);
}

static int classes_put(struct tess_context *ctx, const struct classes *s, double *images, const struct tess_metric_sink *sink)
{
    double *made = images + s->classes;
    for (int what = 0; what < SHARES; what++) {
        struct tess_metric_value v = TESS_METRIC_VALUE(share_of[what].name, 0.0, "%", TESS_METRIC_HIGHER);
        v.value = classes_share(s, what, NULL, &v.standard_error);
        if (!isnan(v.value))
            TESS_TRY(sink->value(sink->to, ctx, &v));
    }
    classes_histogram(s, TESS_METRIC_IMAGES, 0, NULL, images);
    classes_histogram(s, TESS_METRIC_IMAGES, 1, NULL, made);
    TESS_TRY(classes_list(ctx, s, "classes of images", images, sink));
    TESS_TRY(classes_list(ctx, s, "classes of reconstructions", made, sink));
    return s->rows[TESS_METRIC_SAMPLES] ? classes_put_samples(ctx, s, images, sink) : TESS_OK;
}

static int classes_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct classes *s = state;
    void *memory;
    (void)self;
    TESS_TRY(tess_alloc(ctx, 2 * (size_t)s->classes * sizeof(double), "shares of classes", &memory));
    int status = classes_put(ctx, s, memory, sink);
    tess_free(memory);
    return status;
}

/* ---- resamples ---- */

static int classes_again(struct tess_context *ctx, const struct classes *s, const struct tess_metric_resamples *r, int64_t k,
                         double *images)
{
    const uint16_t *times[2] = {r->times[0] + k * r->rows[0], r->rows[1] ? r->times[1] + k * r->rows[1] : NULL};
    double error, *samples = images + s->classes;
    for (int what = 0; what < SHARES; what++) {
        double all = classes_share(s, what, NULL, &error);
        if (!isnan(all))
            TESS_TRY(r->value(r->to, ctx, k, share_of[what].name, classes_share(s, what, times[share_of[what].set], &error)));
    }
    if (!times[1])
        return TESS_OK;
    classes_histogram(s, TESS_METRIC_IMAGES, 0, times[0], images);
    classes_histogram(s, TESS_METRIC_SAMPLES, 0, times[1], samples);
    TESS_TRY(r->value(r->to, ctx, k, "class entropy of samples", classes_entropy(samples, s->classes, 0, &error)));
    return r->value(r->to, ctx, k, "class distance of samples", classes_distance(images, samples, s->classes));
}

static int classes_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    const struct classes *s = state;
    void *memory;
    (void)self;
    TESS_TRY(tess_alloc(ctx, 2 * (size_t)s->classes * sizeof(double), "shares of classes", &memory));
    int status = TESS_OK;
    for (int64_t k = 0; status == TESS_OK && k < r->count; k++)
        status = classes_again(ctx, s, r, k, memory);
    tess_free(memory);
    return status;
}

/* ---- as bytes: the number of rows of both sets, and the rows ---- */

static int64_t classes_pack(void *self, const void *state, void *bytes)
{
    const struct classes *s = state;
    char *to = bytes;
    int64_t at = sizeof s->rows;
    (void)self;
    if (to)
        memcpy(to, s->rows, sizeof s->rows);
    for (int set = 0; set < 2; set++) {
        int64_t n = s->rows[set] * (int64_t)sizeof(struct classes_row);
        if (to && n)
            memcpy(to + at, s->row[set], (size_t)n);
        at += n;
    }
    return at;
}

static int classes_row_fits(const struct classes_row *row, int64_t classes)
{
    return row->label >= -1 && row->label < classes && row->taken >= 0 && row->taken < classes && row->made >= -1 && row->made < classes;
}

static int classes_unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count)
{
    struct classes *s = state;
    const char *from = bytes;
    int64_t rows[2] = {0, 0}, one = sizeof(struct classes_row), all = (count - (int64_t)sizeof rows) / one;
    (void)self;
    int whole = count >= (int64_t)sizeof rows;
    if (whole)
        memcpy(rows, from, sizeof rows);
    whole = whole && rows[0] >= 0 && rows[0] <= all && rows[1] == all - rows[0] && count == (int64_t)sizeof rows + all * one;
    for (int64_t i = 0; whole && i < all; i++) {
        struct classes_row row;
        memcpy(&row, from + sizeof rows + (size_t)(i * one), sizeof row);
        whole = classes_row_fits(&row, s->classes);
        if (whole)
            TESS_TRY(classes_add(ctx, s, i < rows[0] ? TESS_METRIC_IMAGES : TESS_METRIC_SAMPLES, &row, 1));
    }
    return whole ? TESS_OK : ctx->fail(ctx, TESS_E_DATA, "%lld bytes are no classes of images that were kept", (long long)count);
}

static const struct tess_metric_1 ops = {.size = sizeof ops,
                                         .wants = TESS_METRIC_CLASSES,
                                         .protocol =
                                             "class of the highest score; reconstructions as 8-bit images; errors of shares over n - 1",
                                         .bytes = classes_bytes,
                                         .open = classes_open,
                                         .close = classes_close,
                                         .accumulate = classes_accumulate,
                                         .merge = classes_merge,
                                         .finish = classes_finish,
                                         .pack = classes_pack,
                                         .unpack = classes_unpack,
                                         .resample = classes_resample};

TESS_PLUGIN("tessera-classifier", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED(NULL, "metrics: [classifier]", "classifier", "metric/1",
                                      "classes that a classifier takes reconstructions and samples for", 0, NULL, NULL, NULL, &ops));
