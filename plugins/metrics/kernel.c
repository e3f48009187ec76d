/* metric/1 `kernel`: the squared maximum mean discrepancy of two sets of features with the kernel (x . y / D + 1)^3, without bias, known as
 * KID when the features are Inception's (docs/metrics.md; Bińkowski et al., "Demystifying MMD GANs", 2018). Over all vectors; or the mean
 * over subsets drawn without replacement, as published.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/metric/feature_sets.h"
#include "kit/metric/results.h"

#include <tessera/plugin.h>
#include <tessera/random.h>

#include <math.h>

struct kernel {
    int64_t subsets, subset, seed;
    double gamma;
    int64_t degree;
    double offset;
};

static int64_t kernel_size(const struct kernel *k, int64_t rows)
{
    return k->subsets ? k->subset : rows;
}

static int kernel_check(void *self, struct tess_context *ctx, const struct tess_metric_shape *s)
{
    const struct kernel *k = self;
    for (int set = 0; set < 2; set++)
        if (s->rows[set] < 2 || (k->subsets && s->rows[set] < k->subset))
            return ctx->fail(ctx, TESS_E_VALUE, "%lld %s do not do for %s; give more, or lower `subset`", (long long)s->rows[set],
                             set ? "samples" : "images", k->subsets ? "a subset" : "an estimate, which takes two at least");
    return TESS_OK;
}

/* Estimate over all vectors of both sets, or over `subsets` drawn subsets of them. */
struct kernel_job {
    const struct kernel *k;
    const struct feature_sets *s;
    double *estimate; /* [subset]: its estimate */
};

static double kernel_of(const struct kernel *k, const float *a, const float *b, int64_t d)
{
    double product = 0.0, value = 1.0;
    for (int64_t i = 0; i < d; i++)
        product += (double)a[i] * (double)b[i];
    product = product * (k->gamma > 0.0 ? k->gamma : 1.0 / (double)d) + k->offset;
    for (int64_t i = 0; i < k->degree; i++)
        value *= product;
    return value;
}

/* Sum of the kernel of vector i of `set` with the vectors of `other`: one row of the kernel matrix, without its diagonal. */
static double kernel_row(const struct kernel_job *j, int32_t set, int32_t other, const int64_t *from, const int64_t *to, int64_t i,
                         int64_t n)
{
    const struct feature_sets *s = j->s;
    int64_t d = s->features;
    double sum = 0.0;
    for (int64_t m = 0; m < n; m++)
        if (set != other || m != i)
            sum += kernel_of(j->k, s->vector[set] + from[i] * d, s->vector[other] + to[m] * d, d);
    return sum;
}

/* Draws the first `n` of a permutation of `rows` keyed by the draw: without replacement. */
static int kernel_draw(struct tess_context *ctx, const struct kernel *k, int64_t draw, int32_t set, int64_t rows, int64_t n, int64_t **out)
{
    struct tess_stream stream = {
        .seed = (uint64_t)k->seed, .purpose = tess_purpose("kernel subset"), .step = (uint32_t)draw, .sample = (uint32_t)set};
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)rows * sizeof(int64_t), "a subset", &memory));
    int64_t *list = *out = memory;
    for (int64_t i = 0; i < rows; i++)
        list[i] = i;
    for (int64_t i = 0; k->subsets && i < n; i++) {
        int64_t at = i + tess_random_below(&stream, (uint64_t)i, rows - i), moved = list[i];
        list[i] = list[at];
        list[at] = moved;
    }
    return TESS_OK;
}

static int kernel_estimate(void *user, struct tess_context *ctx, int64_t draw)
{
    const struct kernel_job *j = user;
    int64_t n = kernel_size(j->k, j->s->rows[0]), m = kernel_size(j->k, j->s->rows[1]), *x = NULL, *y = NULL;
    double xx = 0.0, yy = 0.0, xy = 0.0;
    int status = kernel_draw(ctx, j->k, draw, 0, j->s->rows[0], n, &x);
    if (status == TESS_OK)
        status = kernel_draw(ctx, j->k, draw, 1, j->s->rows[1], m, &y);
    for (int64_t i = 0; status == TESS_OK && i < n; i++) {
        xx += kernel_row(j, 0, 0, x, x, i, n);
        xy += kernel_row(j, 0, 1, x, y, i, m);
    }
    for (int64_t i = 0; status == TESS_OK && i < m; i++)
        yy += kernel_row(j, 1, 1, y, y, i, m);
    double dn = (double)n, dm = (double)m;
    j->estimate[draw] = xx / (dn * (dn - 1.0)) + yy / (dm * (dm - 1.0)) - 2.0 * xy / (dn * dm);
    tess_free(x);
    tess_free(y);
    return status;
}

static int kernel_put(struct tess_context *ctx, const struct kernel *k, const double *estimate, const struct tess_metric_sink *sink)
{
    int64_t n = k->subsets ? k->subsets : 1;
    double mean = 0.0, square = 0.0;
    for (int64_t i = 0; i < n; i++)
        mean += estimate[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        square += (estimate[i] - mean) * (estimate[i] - mean) / (double)n;
    TESS_TRY(metric_put(ctx, sink, "kernel distance", mean, "", TESS_METRIC_LOWER));
    if (n > 1)
        return metric_put(ctx, sink, "kernel distance, deviation", sqrt(square), "", TESS_METRIC_LOWER);
    return TESS_OK;
}

static int kernel_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct kernel *k = self;
    int64_t n = k->subsets ? k->subsets : 1;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)n * sizeof(double), "estimates", &memory));
    struct kernel_job j = {.k = k, .s = state, .estimate = memory};
    int status = sink->parallel(sink->to, ctx, n, kernel_estimate, &j);
    if (status == TESS_OK)
        status = kernel_put(ctx, k, j.estimate, sink);
    tess_free(memory);
    return status;
}

static const struct tess_metric_1 ops = {.size = sizeof ops,
                                         .wants = TESS_METRIC_FEATURES,
                                         .protocol = "estimate without bias; deviation over subsets, with n",
                                         .check = kernel_check,
                                         .bytes = feature_sets_bytes,
                                         .open = feature_sets_open,
                                         .close = feature_sets_close,
                                         .accumulate = feature_sets_accumulate,
                                         .merge = feature_sets_merge,
                                         .finish = kernel_finish,
                                         .pack = feature_sets_pack,
                                         .unpack = feature_sets_unpack};

static const struct tess_param params[] = {
    TESS_PARAM_I64(struct kernel, subsets, 0, 1e5, 0, "subsets whose mean is the result; 0: one estimate over all vectors"),
    TESS_PARAM_I64(struct kernel, subset, 2, 1e6, 1000, "vectors of a subset, of each set"),
    TESS_PARAM_I64(struct kernel, seed, 0, 1e9, 2020, "of the subsets' draws"),
    TESS_PARAM_I64(struct kernel, degree, 1, 8, 3, "power of the kernel"),
    TESS_PARAM_F64(struct kernel, gamma, 0, 1e6, 0, "factor of the inner product; 0: one over the number of features"),
    TESS_PARAM_F64(struct kernel, offset, 0, 1e6, 1, "added to the inner product before it is raised to the power"),
    TESS_PARAM_END,
};
TESS_PLUGIN("tessera-kernel", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED("Bińkowski et al., \"Demystifying MMD GANs\", 2018",
                                      "metrics: [{use: kernel, subsets: 100, subset: 1000}]", "kernel", "metric/1",
                                      "maximum mean discrepancy of two sets of features, polynomial kernel", sizeof(struct kernel), params,
                                      NULL, NULL, &ops));
