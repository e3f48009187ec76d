/* metric/1 `mse`, `psnr` and `ssim`: how far reconstructions are from their originals, pixels in 0 .. 1 (docs/metrics.md). MSE and the PSNR
 * of it are of all pixels of all images together; SSIM is the mean over images of Wang et al., "Image Quality Assessment: From Error
 * Visibility to Structural Similarity", 2004: a Gaussian window of 11 x 11 with deviation 1.5, K1 = 0.01, K2 = 0.03, a channel at a time,
 * where the whole window lies in the image. Reconstructions are taken as they are, or clamped to 0 .. 1 first.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/metric/results.h"

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

/* Sums over the rows seen, in double, a block's in one pass. */
struct sums {
    double total;  /* sum of squared errors, or of the images' similarities */
    int64_t count; /* number of values, or of images */
};

static int sums_open(void *self, struct tess_context *ctx, const struct tess_metric_shape *s, void **state)
{
    (void)self;
    (void)s;
    return tess_alloc(ctx, sizeof(struct sums), "sums", state);
}

static void sums_close(void *self, void *state)
{
    (void)self;
    tess_free(state);
}

static int sums_merge(void *self, struct tess_context *ctx, void *state, void *next)
{
    struct sums *s = state;
    const struct sums *n = next;
    (void)self;
    (void)ctx;
    s->total += n->total;
    s->count += n->count;
    return TESS_OK;
}

static int64_t sums_pack(void *self, const void *state, void *bytes)
{
    (void)self;
    if (bytes)
        memcpy(bytes, state, sizeof(struct sums));
    return sizeof(struct sums);
}

static int sums_unpack(void *self, struct tess_context *ctx, void *state, const void *bytes, int64_t count)
{
    struct sums s = {.count = -1};
    (void)self;
    if (count == (int64_t)sizeof s)
        memcpy(&s, bytes, sizeof s);
    if (s.count < 0 || !isfinite(s.total))
        return ctx->fail(ctx, TESS_E_DATA, "%lld bytes are no sums that were kept", (long long)count);
    memcpy(state, &s, sizeof s);
    return TESS_OK;
}

static double reconstruction_pixel(const struct reconstruction *r, float value)
{
    double x = (double)value;
    return !r->clamp ? x : x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* ---- mean squared error ---- */

static int mse_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    struct sums *s = state;
    const uint8_t *image = rows->image->data;
    const float *made = rows->made->data;
    int64_t n = tess_tensor_count(rows->image);
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double error = reconstruction_pixel(self, made[i]) - (double)image[i] / 255.0;
        sum += error * error;
    }
    if (!isfinite(sum))
        return ctx->fail(ctx, TESS_E_FAILED, "reconstructions of images %lld to %lld are not finite", (long long)rows->first,
                         (long long)(rows->first + rows->count - 1));
    s->total += sum;
    s->count += n;
    return TESS_OK;
}

static int mse_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct sums *s = state;
    (void)self;
    return metric_put(ctx, sink, "MSE", s->total / (double)s->count, "", TESS_METRIC_LOWER);
}

static int psnr_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct sums *s = state;
    (void)self;
    return metric_put(ctx, sink, "PSNR", -10.0 * log10(s->total / (double)s->count), "dB", TESS_METRIC_HIGHER);
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
    struct sums *s = state;
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
        s->total += one;
        s->count++;
    }
    tess_free(plane);
    return status;
}

static int ssim_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct sums *s = state;
    (void)self;
    return metric_put(ctx, sink, "SSIM", s->total / (double)s->count, "", TESS_METRIC_HIGHER);
}

#define RECONSTRUCTION_METRIC(can, add, end)                                                                                               \
    {                                                                                                                                      \
        .size = sizeof(struct tess_metric_1), .wants = TESS_METRIC_PAIRS, .check = (can), .open = sums_open, .close = sums_close,          \
        .accumulate = (add), .merge = sums_merge, .finish = (end), .pack = sums_pack, .unpack = sums_unpack                                \
    }
static const struct tess_metric_1 mse = RECONSTRUCTION_METRIC(NULL, mse_accumulate, mse_finish);
static const struct tess_metric_1 psnr = RECONSTRUCTION_METRIC(NULL, mse_accumulate, psnr_finish);
static const struct tess_metric_1 ssim = RECONSTRUCTION_METRIC(ssim_check, ssim_accumulate, ssim_finish);

static const struct tess_param params[] = {
    TESS_PARAM_BOOL(struct reconstruction, clamp, 0, "reconstructions are clamped to 0 .. 1 first, as when they are shown"),
    TESS_PARAM_END,
};
TESS_PLUGIN("tessera-reconstruction", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED(NULL, "metrics: [mse]", "mse", "metric/1", "mean squared error of reconstructions",
                                      sizeof(struct reconstruction), params, NULL, NULL, &mse),
            TESS_COMPONENT_DOCUMENTED(NULL, "metrics: [{use: psnr, clamp: true}]", "psnr", "metric/1",
                                      "peak signal-to-noise ratio of reconstructions", sizeof(struct reconstruction), params, NULL, NULL,
                                      &psnr),
            TESS_COMPONENT_DOCUMENTED("Wang et al., \"Image Quality Assessment: From Error Visibility to Structural Similarity\", 2004",
                                      "metrics: [ssim]", "ssim", "metric/1", "structural similarity of reconstructions",
                                      sizeof(struct reconstruction), params, NULL, NULL, &ssim));
