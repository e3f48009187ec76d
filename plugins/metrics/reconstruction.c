/* metric/1 `mse`, `psnr` and `ssim`: how far reconstructions are from their originals, pixels in 0 .. 1 (docs/metrics.md). MSE is the mean
 * over images of each image's, hence of all pixels of all images together, and PSNR that of this mean; SSIM is the mean over images of Wang
 * et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004: a Gaussian window of 11 x 11 with
 * deviation 1.5, K1 = 0.01, K2 = 0.03, a channel at a time, where the whole window lies in the image. Reconstructions are taken as they
 * are, or clamped to 0 .. 1 first.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/metric/results.h"
#include "kit/metric/row_values.h"

#include <tessera/base.h>
#include <tessera/kind/metric.h>
#include <tessera/plugin.h>

#include <math.h>
#include <string.h>

enum { WINDOW = 11 };
#define WINDOW_DEVIATION 1.5

struct reconstruction {
    int32_t clamp;
};

static double reconstruction_pixel(const struct reconstruction *r, float value)
{
    double x = (double)value;
    return !r->clamp ? x : x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* ---- mean squared error ---- */

static int mse_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    int64_t values = tess_tensor_count(rows->image) / rows->count;
    for (int64_t i = 0; i < rows->count; i++) {
        const uint8_t *image = (const uint8_t *)rows->image->data + i * values;
        const float *made = (const float *)rows->made->data + i * values;
        double sum = 0.0;
        for (int64_t k = 0; k < values; k++) {
            double error = reconstruction_pixel(self, made[k]) - (double)image[k] / 255.0;
            sum += error * error;
        }
        if (!isfinite(sum))
            return ctx->fail(ctx, TESS_E_FAILED, "the reconstruction of image %lld is not finite", (long long)(rows->first + i));
        sum /= (double)values;
        TESS_TRY(row_values_add(ctx, state, &sum, 1));
    }
    return TESS_OK;
}

static int mse_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct row_values *v = state;
    (void)self;
    return row_values_put(ctx, sink, "MSE", v->value, v->rows, "", TESS_METRIC_LOWER);
}

static int mse_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    const struct row_values *v = state;
    (void)self;
    return row_values_resample(ctx, r, TESS_METRIC_IMAGES, "MSE", v->value, NULL);
}

static double psnr_of(double mse)
{
    return -10.0 * log10(mse);
}

static int psnr_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct row_values *v = state;
    (void)self;
    return metric_put(ctx, sink, "PSNR", psnr_of(row_values_mean(v->value, v->rows, NULL)), "dB", TESS_METRIC_HIGHER);
}

static int psnr_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    const struct row_values *v = state;
    (void)self;
    return row_values_resample(ctx, r, TESS_METRIC_IMAGES, "PSNR", v->value, psnr_of);
}

/* ---- structural similarity ---- */

static int ssim_check(void *self, struct tess_context *ctx, const struct tess_metric_shape *s)
{
    (void)self;
    if (s->height >= WINDOW && s->width >= WINDOW)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_SHAPE, "ssim: images of %lld x %lld are smaller than its window of %d x %d", (long long)s->height,
                     (long long)s->width, WINDOW, WINDOW);
}

static void ssim_window(double weight[WINDOW])
{
    double sum = 0.0;
    for (int i = 0; i < WINDOW; i++) {
        double at = (i - WINDOW / 2) / WINDOW_DEVIATION;
        sum += weight[i] = exp(-0.5 * at * at);
    }
    for (int i = 0; i < WINDOW; i++)
        weight[i] /= sum;
}

/* Five moments under the window whose first pixel is (y, x): of x, y, x x, y y, x y. */
static void ssim_moments(const double *a, const double *b, int64_t width, const double weight[WINDOW], double moment[5])
{
    memset(moment, 0, 5 * sizeof *moment);
    for (int64_t y = 0; y < WINDOW; y++)
        for (int64_t x = 0; x < WINDOW; x++) {
            double w = weight[y] * weight[x], p = a[y * width + x], q = b[y * width + x];
            moment[0] += w * p;
            moment[1] += w * q;
            moment[2] += w * p * p;
            moment[3] += w * q * q;
            moment[4] += w * p * q;
        }
}

static double ssim_at(const double moment[5])
{
    static const double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
    double mx = moment[0], my = moment[1], vx = moment[2] - mx * mx, vy = moment[3] - my * my, cov = moment[4] - mx * my;
    return (2.0 * mx * my + c1) * (2.0 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2));
}

/* Mean over the places of the window in one channel. */
static double ssim_channel(const double *a, const double *b, int64_t height, int64_t width, const double weight[WINDOW])
{
    double sum = 0.0, moment[5];
    for (int64_t y = 0; y + WINDOW <= height; y++)
        for (int64_t x = 0; x + WINDOW <= width; x++) {
            ssim_moments(a + y * width + x, b + y * width + x, width, weight, moment);
            sum += ssim_at(moment);
        }
    return sum / (double)((height - WINDOW + 1) * (width - WINDOW + 1));
}

static double ssim_image(const struct reconstruction *r, const uint8_t *image, const float *made, const int64_t dim[3], double *plane)
{
    int64_t pixels = dim[0] * dim[1], channels = dim[2];
    double weight[WINDOW], sum = 0.0;
    ssim_window(weight);
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t i = 0; i < pixels; i++) {
            plane[i] = (double)image[i * channels + c] / 255.0;
            plane[pixels + i] = reconstruction_pixel(r, made[i * channels + c]);
        }
        sum += ssim_channel(plane, plane + pixels, dim[0], dim[1], weight);
    }
    return sum / (double)channels;
}

static int ssim_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    const int64_t *dim = rows->image->dim + 1;
    int64_t values = dim[0] * dim[1] * dim[2];
    void *plane;
    int status = TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)(2 * dim[0] * dim[1]) * sizeof(double), "a channel of two images", &plane));
    for (int64_t i = 0; status == TESS_OK && i < rows->count; i++) {
        double one =
            ssim_image(self, (const uint8_t *)rows->image->data + i * values, (const float *)rows->made->data + i * values, dim, plane);
        if (!isfinite(one))
            status = ctx->fail(ctx, TESS_E_FAILED, "the reconstruction of image %lld is not finite", (long long)(rows->first + i));
        else
            status = row_values_add(ctx, state, &one, 1);
    }
    tess_free(plane);
    return status;
}

static int ssim_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct row_values *v = state;
    (void)self;
    return row_values_put(ctx, sink, "SSIM", v->value, v->rows, "", TESS_METRIC_HIGHER);
}

static int ssim_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    const struct row_values *v = state;
    (void)self;
    return row_values_resample(ctx, r, TESS_METRIC_IMAGES, "SSIM", v->value, NULL);
}

#define RECONSTRUCTION_METRIC(can, add, end, again)                                                                                        \
    {                                                                                                                                      \
        .size = sizeof(struct tess_metric_1), .wants = TESS_METRIC_PAIRS, .check = (can), .bytes = row_values_bytes,                       \
        .open = row_values_open, .close = row_values_close, .accumulate = (add), .merge = row_values_merge, .finish = (end),               \
        .pack = row_values_pack, .unpack = row_values_unpack, .resample = (again)                                                          \
    }
static const struct tess_metric_1 mse = RECONSTRUCTION_METRIC(NULL, mse_accumulate, mse_finish, mse_resample);
static const struct tess_metric_1 psnr = RECONSTRUCTION_METRIC(NULL, mse_accumulate, psnr_finish, psnr_resample);
static const struct tess_metric_1 ssim = RECONSTRUCTION_METRIC(ssim_check, ssim_accumulate, ssim_finish, ssim_resample);

static const struct tess_param params[] = {
    TESS_PARAM_BOOL(struct reconstruction, clamp, 0, "reconstructions are clamped to 0 .. 1 first, as when they are shown"),
    TESS_PARAM_END,
};
TESS_PLUGIN("tessera-reconstruction", "0.2.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED(NULL, "metrics: [mse]", "mse", "metric/1", "mean squared error of reconstructions",
                                      sizeof(struct reconstruction), params, NULL, NULL, &mse),
            TESS_COMPONENT_DOCUMENTED(NULL, "metrics: [{use: psnr, clamp: true}]", "psnr", "metric/1",
                                      "peak signal-to-noise ratio of reconstructions", sizeof(struct reconstruction), params, NULL, NULL,
                                      &psnr),
            TESS_COMPONENT_DOCUMENTED("Wang et al., \"Image Quality Assessment: From Error Visibility to Structural Similarity\", 2004",
                                      "metrics: [ssim]", "ssim", "metric/1", "structural similarity of reconstructions",
                                      sizeof(struct reconstruction), params, NULL, NULL, &ssim));
