/* The loops of kernels.h, written so that a compiler vectorises them: branch-free bodies, restrict, and `omp simd` where a sum
 * may be taken in another order. Compiled once per instruction set with TESSI_KERNELS_TABLE naming the table.
 *
 * exp is 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes' expf, 2 ulp); erf is formula 7.1.26 of Abramowitz and Stegun
 * (absolute error 1.5e-7). Both are ours so that a result does not depend on the C library. SPDX-License-Identifier: MIT */
#include "core/tensor/kernels.h"

#include <math.h>
#include <string.h>

#define R restrict
#define MIN(a, b) ((a) < (b) ? (a) : (b))

static inline float exp_f(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding and taking away rounds to an integer */
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float n = (x * 1.44269504088896341f + magic) - magic;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    union {
        int32_t i;
        float f;
    } power;
    power.i = ((int32_t)n + 127) << 23;
    return p * power.f;
}

static inline float sigmoid_f(float x)
{
    return 1.0f / (1.0f + exp_f(-x));
}

static inline float tanh_f(float x)
{
    float e = exp_f(-2.0f * fabsf(x));
    float t = (1.0f - e) / (1.0f + e);
    return x < 0.0f ? -t : t;
}

/* erf and, for free, e^(-x^2). */
static inline float erf_f(float x, float *gauss)
{
    float a = fabsf(x), t = 1.0f / (1.0f + 0.3275911f * a), e = exp_f(-a * a);
    float p = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t;
    float y = 1.0f - p * e;
    *gauss = e;
    return x < 0.0f ? -y : y;
}

/* tanh(ln(1 + e^x)) = (w^2 + 2 w) / (w^2 + 2 w + 2), w = e^x; 1 in f32 above 20. */
static inline float mish_factor(float x)
{
    float w = exp_f(x > 20.0f ? 20.0f : x), q = w * (w + 2.0f);
    return q / (q + 2.0f);
}

#define UNARY(name, forward, backward)                                                                                                     \
    static void name##_forward(int64_t n, float p, const float *R x, float *R y)                                                           \
    {                                                                                                                                      \
        (void)p;                                                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                                                                  \
            float v = x[i];                                                                                                                \
            y[i] = (forward);                                                                                                              \
        }                                                                                                                                  \
    }                                                                                                                                      \
    static void name##_backward(int64_t n, float p, const float *R x, const float *R dy, float *R dx)                                      \
    {                                                                                                                                      \
        (void)p;                                                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                                                                  \
            float v = x[i];                                                                                                                \
            dx[i] = dy[i] * (backward);                                                                                                    \
        }                                                                                                                                  \
    }

static inline float swish_slope(float v)
{
    float s = sigmoid_f(v);
    return s * (1.0f + v * (1.0f - s));
}

static inline float gelu_value(float v)
{
    float gauss;
    return 0.5f * v * (1.0f + erf_f(v * 0.70710678118654752f, &gauss));
}

static inline float gelu_slope(float v)
{
    float gauss, e = erf_f(v * 0.70710678118654752f, &gauss);
    return 0.5f * (1.0f + e) + v * gauss * 0.39894228040143268f;
}

static inline float mish_slope(float v)
{
    float t = mish_factor(v);
    return t + v * sigmoid_f(v) * (1.0f - t * t);
}

static inline float tanh_slope(float v)
{
    float t = tanh_f(v);
    return 1.0f - t * t;
}

static inline float sigmoid_slope(float v)
{
    float s = sigmoid_f(v);
    return s * (1.0f - s);
}

UNARY(swish, v *sigmoid_f(v), swish_slope(v))
UNARY(gelu, gelu_value(v), gelu_slope(v))
UNARY(mish, v *mish_factor(v), mish_slope(v))
UNARY(tanh, tanh_f(v), tanh_slope(v))
UNARY(sigmoid, sigmoid_f(v), sigmoid_slope(v))
UNARY(leaky, v > 0.0f ? v : p * v, v > 0.0f ? 1.0f : p)
UNARY(abs, fabsf(v), (v > 0.0f ? 1.0f : 0.0f) - (v < 0.0f ? 1.0f : 0.0f))
UNARY(square, v *v, 2.0f * v)
UNARY(exp, exp_f(v), exp_f(v))
UNARY(log, logf(v), 1.0f / v)
UNARY(sqrt, sqrtf(v), 0.5f / sqrtf(v))

static void add(int64_t n, const float *R a, const float *R b, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void sub(int64_t n, const float *R a, const float *R b, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] - b[i];
}

static void mul(int64_t n, const float *R a, const float *R b, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

static void accumulate(int64_t n, const float *R x, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void accumulate_product(int64_t n, const float *R a, const float *R b, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a[i] * b[i];
}

static void affine(int64_t n, float scale, float offset, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = scale * x[i] + offset;
}

/* Long sums: f32 partial sums over runs short enough to lose nothing that matters, added in double. */
enum { RUN = 1024 };

static double sum(int64_t n, const float *R x)
{
    double total = 0.0;
    for (int64_t i = 0; i < n; i += RUN) {
        int64_t m = MIN(n - i, (int64_t)RUN);
        const float *R p = x + i;
        float s = 0.0f;
#pragma omp simd reduction(+ : s)
        for (int64_t j = 0; j < m; j++)
            s += p[j];
        total += (double)s;
    }
    return total;
}

static double dot(int64_t n, const float *a, const float *b)
{
    double total = 0.0;
    for (int64_t i = 0; i < n; i += RUN) {
        int64_t m = MIN(n - i, (int64_t)RUN);
        const float *p = a + i, *q = b + i;
        float s = 0.0f;
#pragma omp simd reduction(+ : s)
        for (int64_t j = 0; j < m; j++)
            s += p[j] * q[j];
        total += (double)s;
    }
    return total;
}

static void to_bf16(int64_t n, const float *R x, uint16_t *R y)
{
    for (int64_t i = 0; i < n; i++) {
        union {
            float f;
            uint32_t u;
        } v = {x[i]};
        uint32_t rounded = (v.u + 0x7fffu + (v.u >> 16 & 1u)) >> 16, quiet = v.u >> 16 | 0x40u;
        y[i] = (uint16_t)((v.u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
    }
}

static void from_bf16(int64_t n, const uint16_t *R x, float *R y)
{
    for (int64_t i = 0; i < n; i++) {
        union {
            uint32_t u;
            float f;
        } v = {(uint32_t)x[i] << 16};
        y[i] = v.f;
    }
}

static void u8_to_f32(int64_t n, float scale, float offset, const uint8_t *R x, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = scale * (float)x[i] + offset;
}

static void column_sums(int64_t rows, int64_t n, const float *R x, float *R sums)
{
    for (int64_t r = 0; r < rows; r++, x += n)
        for (int64_t c = 0; c < n; c++)
            sums[c] += x[c];
}

static void scale_shift(int64_t pixels, int64_t channels, const float *R x, const float *R scale, const float *R shift, int swish,
                        float *R y)
{
    for (int64_t i = 0; i < pixels; i++, x += channels, y += channels) {
        if (swish)
            for (int64_t c = 0; c < channels; c++) {
                float u = x[c] * scale[c] + shift[c];
                y[c] = u * sigmoid_f(u);
            }
        else
            for (int64_t c = 0; c < channels; c++)
                y[c] = x[c] * scale[c] + shift[c];
    }
}

/* Channels are taken CHANNELS at a time so that the f32 partial sums of a run of pixels stay in registers or L1. */
enum { CHANNELS = 64, PIXELS = 128 };

static void channel_sums(int64_t pixels, int64_t channels, const float *R x, double *R first)
{
    for (int64_t c0 = 0; c0 < channels; c0 += CHANNELS) {
        int64_t nc = MIN(channels - c0, (int64_t)CHANNELS);
        for (int64_t p0 = 0; p0 < pixels; p0 += PIXELS) {
            float s[CHANNELS] = {0};
            for (int64_t p = p0; p < MIN(p0 + PIXELS, pixels); p++)
                for (int64_t c = 0; c < nc; c++)
                    s[c] += x[p * channels + c0 + c];
            for (int64_t c = 0; c < nc; c++)
                first[c0 + c] += (double)s[c];
        }
    }
}

static void channel_squares(int64_t pixels, int64_t channels, const float *R x, const float *R centre, double *R second)
{
    for (int64_t c0 = 0; c0 < channels; c0 += CHANNELS) {
        int64_t nc = MIN(channels - c0, (int64_t)CHANNELS);
        for (int64_t p0 = 0; p0 < pixels; p0 += PIXELS) {
            float s[CHANNELS] = {0};
            for (int64_t p = p0; p < MIN(p0 + PIXELS, pixels); p++)
                for (int64_t c = 0; c < nc; c++) {
                    float d = x[p * channels + c0 + c] - centre[c0 + c];
                    s[c] += d * d;
                }
            for (int64_t c = 0; c < nc; c++)
                second[c0 + c] += (double)s[c];
        }
    }
}

static void norm_back_sums(int64_t pixels, int64_t channels, const float *R x, const float *R scale, const float *R shift,
                           const float *R centre, int swish, const float *R dy, float *R du, double *R sum_du, double *R sum_dux)
{
    for (int64_t c0 = 0; c0 < channels; c0 += CHANNELS) {
        int64_t nc = MIN(channels - c0, (int64_t)CHANNELS);
        for (int64_t p0 = 0; p0 < pixels; p0 += PIXELS) {
            float s[CHANNELS] = {0}, t[CHANNELS] = {0};
            for (int64_t p = p0; p < MIN(p0 + PIXELS, pixels); p++) {
                const float *R xp = x + p * channels + c0, *R dp = dy + p * channels + c0;
                float *R up = du + p * channels + c0;
                for (int64_t c = 0; c < nc; c++) {
                    float g = dp[c];
                    if (swish)
                        g *= swish_slope(xp[c] * scale[c0 + c] + shift[c0 + c]);
                    up[c] = g;
                    s[c] += g;
                    t[c] += g * (xp[c] - centre[c0 + c]);
                }
            }
            for (int64_t c = 0; c < nc; c++) {
                sum_du[c0 + c] += (double)s[c];
                sum_dux[c0 + c] += (double)t[c];
            }
        }
    }
}

static void norm_back_apply(int64_t pixels, int64_t channels, const float *R x, const float *R a, const float *R b, const float *R c,
                            float *R du)
{
    for (int64_t p = 0; p < pixels; p++, x += channels, du += channels)
        for (int64_t i = 0; i < channels; i++)
            du[i] = a[i] * du[i] + b[i] * x[i] + c[i];
}

static void layer_norm(int64_t n, float eps, const float *R x, const float *R gamma, const float *R beta, float *R y, float *mean,
                       float *rstd)
{
    float s = 0.0f, q = 0.0f;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++)
        s += x[i];
    float m = s / (float)n;
#pragma omp simd reduction(+ : q)
    for (int64_t i = 0; i < n; i++)
        q += (x[i] - m) * (x[i] - m);
    float r = 1.0f / sqrtf(q / (float)n + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - m) * r * gamma[i] + beta[i];
    *mean = m;
    *rstd = r;
}

static void layer_norm_back(int64_t n, const float *R x, float mean, float rstd, const float *R gamma, const float *R dy, float *R dx,
                            float *R dgamma, float *R dbeta)
{
    float s1 = 0.0f, s2 = 0.0f;
#pragma omp simd reduction(+ : s1, s2)
    for (int64_t i = 0; i < n; i++) {
        float h = (x[i] - mean) * rstd, g = dy[i] * gamma[i];
        s1 += g;
        s2 += g * h;
        dgamma[i] += dy[i] * h;
        dbeta[i] += dy[i];
    }
    if (!dx)
        return;
    s1 /= (float)n;
    s2 /= (float)n;
    for (int64_t i = 0; i < n; i++)
        dx[i] = rstd * (dy[i] * gamma[i] - s1 - (x[i] - mean) * rstd * s2);
}

static inline float row_max(int64_t n, const float *R x)
{
    float m = x[0];
#pragma omp simd reduction(max : m)
    for (int64_t i = 0; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

static float softmax(int64_t n, float scale, float *R x)
{
    float m = row_max(n, x) * scale, s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++) {
        float e = exp_f(scale * x[i] - m);
        x[i] = e;
        s += e;
    }
    float inverse = 1.0f / s;
    for (int64_t i = 0; i < n; i++)
        x[i] *= inverse;
    return m + logf(s);
}

static void softmax_again(int64_t n, float scale, float lse, float *R x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = exp_f(scale * x[i] - lse);
}

static void softmax_back(int64_t n, float scale, const float *p, const float *dp, float *dx)
{
    float s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++)
        s += p[i] * dp[i];
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = scale * p[i] * (dp[i] - s);
}

static float log_sum_exp(int64_t n, const float *R x)
{
    float m = row_max(n, x), s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++)
        s += exp_f(x[i] - m);
    return m + logf(s);
}

static void cross_entropy_back(int64_t n, const float *R x, float lse, float g, float *R dx)
{
    for (int64_t i = 0; i < n; i++)
        dx[i] = g * exp_f(x[i] - lse);
}

static int64_t first_below(int64_t n, const float *R half_square, const float *R dot_, float limit)
{
    for (int64_t k = 0; k < n; k += 32) {
        int64_t m = MIN(n - k, (int64_t)32);
        float least = INFINITY;
#pragma omp simd reduction(min : least)
        for (int64_t i = 0; i < m; i++) {
            float s = half_square[k + i] - dot_[k + i];
            least = s < least ? s : least;
        }
        if (!(least <= limit))
            continue;
        for (int64_t i = 0; i < m; i++)
            if (half_square[k + i] - dot_[k + i] <= limit)
                return k + i;
    }
    return -1;
}

static void lowest_two(int64_t n, const float *R half_square, const float *R dot_, float two[2])
{
    enum { LANES = 16 };
    float first[LANES], second[LANES];
    for (int i = 0; i < LANES; i++)
        first[i] = second[i] = INFINITY;
    int64_t k = 0;
    for (; k + LANES <= n; k += LANES)
        for (int i = 0; i < LANES; i++) {
            float s = half_square[k + i] - dot_[k + i], larger = s > first[i] ? s : first[i];
            second[i] = larger < second[i] ? larger : second[i];
            first[i] = s < first[i] ? s : first[i];
        }
    for (int i = 0; i < LANES || k < n; i++) { /* the lanes' pairs, then what is left */
        const float both[2] = {i < LANES ? first[i] : half_square[k] - dot_[k], i < LANES ? second[i] : INFINITY};
        k += i >= LANES;
        for (int j = 0; j < 2; j++) {
            float larger = both[j] > two[0] ? both[j] : two[0];
            two[1] = larger < two[1] ? larger : two[1];
            two[0] = both[j] < two[0] ? both[j] : two[0];
        }
    }
}

static double square_distance(int64_t n, const float *a, const float *b)
{
    double s = 0.0;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        s += d * d;
    }
    return s;
}

static void adam(int64_t n, const struct tessi_adam *a, const float *R g, float *R w, float *R m, float *R v)
{
    float b1 = a->beta1, b2 = a->beta2, rate = a->lr / a->correct1, root = 1.0f / sqrtf(a->correct2), eps = a->epsilon;
    float keep = 1.0f - a->decay, l2 = a->l2, scale = a->gradient_scale;
    for (int64_t i = 0; i < n; i++) {
        float d = g[i] * scale + l2 * w[i];
        float m1 = b1 * m[i] + (1.0f - b1) * d;
        float v1 = b2 * v[i] + (1.0f - b2) * d * d;
        m[i] = m1;
        v[i] = v1;
        w[i] = keep * w[i] - rate * m1 / (sqrtf(v1) * root + eps);
    }
}

static void average(int64_t n, float decay, const float *R w, float *R ema)
{
    for (int64_t i = 0; i < n; i++)
        ema[i] = decay * ema[i] + (1.0f - decay) * w[i];
}

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern const struct tessi_kernels TESSI_KERNELS_TABLE;
const struct tessi_kernels TESSI_KERNELS_TABLE = {
    .name = TEXT(TESSI_KERNELS_NAME),
    .add = add,
    .sub = sub,
    .mul = mul,
    .accumulate = accumulate,
    .accumulate_product = accumulate_product,
    .affine = affine,
    .sum = sum,
    .dot = dot,
    .to_bf16 = to_bf16,
    .from_bf16 = from_bf16,
    .u8_to_f32 = u8_to_f32,
    .unary = {swish_forward, gelu_forward, mish_forward, tanh_forward, sigmoid_forward, leaky_forward, abs_forward, square_forward,
              exp_forward, log_forward, sqrt_forward},
    .unary_back = {swish_backward, gelu_backward, mish_backward, tanh_backward, sigmoid_backward, leaky_backward, abs_backward,
                   square_backward, exp_backward, log_backward, sqrt_backward},
    .column_sums = column_sums,
    .scale_shift = scale_shift,
    .channel_sums = channel_sums,
    .channel_squares = channel_squares,
    .norm_back_sums = norm_back_sums,
    .norm_back_apply = norm_back_apply,
    .layer_norm = layer_norm,
    .layer_norm_back = layer_norm_back,
    .softmax = softmax,
    .softmax_again = softmax_again,
    .softmax_back = softmax_back,
    .log_sum_exp = log_sum_exp,
    .cross_entropy_back = cross_entropy_back,
    .first_below = first_below,
    .lowest_two = lowest_two,
    .square_distance = square_distance,
    .adam = adam,
    .average = average,
};
