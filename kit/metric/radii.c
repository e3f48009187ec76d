/* Nearest neighbours within and between two sets of features, exactly: every distance in double, and each vector by itself, so that the
 * number of workers shows nowhere. SPDX-License-Identifier: MIT */
#include "kit/metric/radii.h"

#include <math.h>
#include <string.h>

struct radii_job {
    const struct feature_sets *s;
    const double *square; /* squared radii of the balls; NULL while they are being computed */
    double *radius, *nearest;
    int64_t *balls;
    int64_t k;
    int32_t set, inside;
};

/* Inserts a value into the ascending list of the k smallest so far. */
static void keep_smallest(double *list, int64_t k, double value)
{
    int64_t i = k - 1;
    if (!(value < list[i]))
        return;
    for (; i > 0 && list[i - 1] > value; i--)
        list[i] = list[i - 1];
    list[i] = value;
}

static int find_radius(void *user, struct tess_context *ctx, int64_t i)
{
    const struct radii_job *j = user;
    const struct feature_sets *s = j->s;
    int64_t d = s->features, n = s->rows[j->set];
    const float *vector = s->vector[j->set];
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)j->k * sizeof(double), "nearest neighbours", &memory));
    double *list = memory;
    for (int64_t m = 0; m < j->k; m++)
        list[m] = INFINITY;
    for (int64_t m = 0; m < n; m++)
        if (m != i)
            keep_smallest(list, j->k, feature_sets_square(vector + i * d, vector + m * d, d));
    j->radius[i] = list[j->k - 1];
    tess_free(list);
    return TESS_OK;
}

int radii_of(struct tess_context *ctx, const struct feature_sets *s, int32_t set, int64_t k, const struct tess_metric_sink *sink,
             double *square)
{
    struct radii_job j = {.s = s, .set = set, .k = k, .radius = square};
    if (s->rows[set] <= k)
        return ctx->fail(ctx, TESS_E_VALUE, "%lld %s have no %lld neighbours each; give more, or a lower `neighbours`",
                         (long long)s->rows[set], set == TESS_METRIC_SAMPLES ? "samples" : "images", (long long)k);
    return sink->parallel(sink->to, ctx, s->rows[set], find_radius, &j);
}

static int count_balls(void *user, struct tess_context *ctx, int64_t i)
{
    const struct radii_job *j = user;
    const struct feature_sets *s = j->s;
    int32_t other = !j->set;
    int64_t d = s->features, n = s->rows[other], balls = 0;
    const float *point = s->vector[j->set] + i * d;
    double nearest = INFINITY;
    (void)ctx;
    for (int64_t m = 0; m < n; m++) {
        double square = feature_sets_square(point, s->vector[other] + m * d, d);
        nearest = square < nearest ? square : nearest;
        balls += j->inside == RADII_INSIDE_OPEN ? square < j->square[m] : square <= j->square[m];
    }
    j->balls[i] = balls;
    j->nearest[i] = nearest;
    return TESS_OK;
}

int radii_count(struct tess_context *ctx, const struct feature_sets *s, int32_t points, const double *square, int32_t inside,
                const struct tess_metric_sink *sink, struct radii_count *out)
{
    struct radii_job j = {.s = s, .set = points, .square = square, .inside = inside, .balls = out->balls, .nearest = out->nearest};
    return sink->parallel(sink->to, ctx, s->rows[points], count_balls, &j);
}
