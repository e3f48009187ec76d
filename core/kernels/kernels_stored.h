/* The loops whose values may be stored as f32 or as bf16: included by kernels.c once for each, with STORED the type, NAME(f) the function's
 * name, LOAD and STORE the conversions. Everything is computed in f32. No guard: that is the point. SPDX-License-Identifier: MIT */

#define UNARY(name, forward, backward)                                                                                                     \
    static void NAME(name##_forward)(int64_t n, float p, const void *from, void *to)                                                       \
    {                                                                                                                                      \
        const STORED *R x = from;                                                                                                          \
        STORED *R y = to;                                                                                                                  \
        (void)p;                                                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                                                                  \
            float v = LOAD(x[i]);                                                                                                          \
            y[i] = STORE(forward);                                                                                                         \
        }                                                                                                                                  \
    }                                                                                                                                      \
    static void NAME(name##_backward)(int64_t n, float p, const void *from, const void *slope, void *to)                                   \
    {                                                                                                                                      \
        const STORED *R x = from, *R dy = slope;                                                                                           \
        STORED *R dx = to;                                                                                                                 \
        (void)p;                                                                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                                                                  \
            float v = LOAD(x[i]);                                                                                                          \
            dx[i] = STORE(LOAD(dy[i]) * (backward));                                                                                       \
        }                                                                                                                                  \
    }

UNARY(swish, v *sigmoid_f(v), swish_slope(v))   /* docs/models.md, (1.2) */
UNARY(gelu, gelu_value(v), gelu_slope(v))       /* (10.4) */
UNARY(mish, v *mish_factor(v), mish_slope(v))   /* (17.3) */
UNARY(tanh, tanh_f(v), tanh_slope(v))
UNARY(sigmoid, sigmoid_f(v), sigmoid_slope(v))
UNARY(leaky, v > 0.0f ? v : p * v, v > 0.0f ? 1.0f : p)
UNARY(abs, fabsf(v), (v > 0.0f ? 1.0f : 0.0f) - (v < 0.0f ? 1.0f : 0.0f))
UNARY(square, v *v, 2.0f * v)
UNARY(exp, exp_f(v), exp_f(v))
UNARY(log, logf(v), 1.0f / v)
UNARY(sqrt, sqrtf(v), 0.5f / sqrtf(v))
UNARY(atanh, atanhf(v), 1.0f / ((1.0f - v) * (1.0f + v)))
#undef UNARY

static void NAME(add)(int64_t n, const STORED *R a, const STORED *R b, STORED *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = STORE(LOAD(a[i]) + LOAD(b[i]));
}

static void NAME(add_any)(int64_t n, const void *a, const void *b, void *y)
{
    NAME(add)(n, a, b, y);
}

static void NAME(accumulate)(int64_t n, const STORED *R x, STORED *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = STORE(LOAD(y[i]) + LOAD(x[i]));
}

static void NAME(accumulate_any)(int64_t n, const void *x, void *y)
{
    NAME(accumulate)(n, x, y);
}

static void NAME(column_sums)(int64_t rows, int64_t n, const void *from, float *R sums)
{
    const STORED *R x = from;
    for (int64_t r = 0; r < rows; r++, x += n)
        for (int64_t c = 0; c < n; c++)
            sums[c] += LOAD(x[c]);
}

/* ---- group normalisation ---- */

static void NAME(scale_shift)(int64_t pixels, int64_t channels, const void *from, const float *R scale, const float *R shift, int swish,
                              void *to)
{
    const STORED *R x = from;
    STORED *R y = to;
    for (int64_t i = 0; i < pixels; i++, x += channels, y += channels) {
        if (swish)
            for (int64_t c = 0; c < channels; c++) {
                float u = LOAD(x[c]) * scale[c] + shift[c];
                y[c] = STORE(u * sigmoid_f(u));
            }
        else
            for (int64_t c = 0; c < channels; c++)
                y[c] = STORE(LOAD(x[c]) * scale[c] + shift[c]);
    }
}

/* Channels are taken CHANNELS at a time so that the f32 partial sums of a run of pixels stay in registers, all of them for a run of PIXELS
 * before the next, so that what a pixel has beside them is in the caches. */
#ifndef CHANNELS
#define CHANNELS 64
#define PIXELS 128
#define AHEAD 12 /* pixels whose lines are asked for before they are read: half of a row is no stream that a processor sees for itself */
#define LINE 64  /* bytes */
#endif

static inline void NAME(some_channel_sums)(int64_t pixels, int64_t stride, int64_t nc, const STORED *R x, double *R first)
{
    float s[CHANNELS] = {0};
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < nc; c++)
            s[c] += LOAD(x[p * stride + c]);
    for (int64_t c = 0; c < nc; c++)
        first[c] += (double)s[c];
}

static void NAME(channel_sums)(int64_t pixels, int64_t channels, const void *from, double *R first)
{
    const STORED *R x = from;
    for (int64_t p = 0; p < pixels; p += PIXELS, x += PIXELS * channels) {
        int64_t n = MIN(pixels - p, (int64_t)PIXELS), c = 0;
        for (; c + CHANNELS <= channels; c += CHANNELS)
            NAME(some_channel_sums)(n, channels, CHANNELS, x + c, first + c);
        if (c < channels)
            NAME(some_channel_sums)(n, channels, channels - c, x + c, first + c);
    }
}

static inline void NAME(some_channel_squares)(int64_t pixels, int64_t stride, int64_t nc, const STORED *R x, const float *R centre,
                                              double *R second)
{
    float s[CHANNELS] = {0};
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < nc; c++) {
            float d = LOAD(x[p * stride + c]) - centre[c];
            s[c] += d * d;
        }
    for (int64_t c = 0; c < nc; c++)
        second[c] += (double)s[c];
}

static void NAME(channel_squares)(int64_t pixels, int64_t channels, const void *from, const float *R centre, double *R second)
{
    const STORED *R x = from;
    for (int64_t p = 0; p < pixels; p += PIXELS, x += PIXELS * channels) {
        int64_t n = MIN(pixels - p, (int64_t)PIXELS), c = 0;
        for (; c + CHANNELS <= channels; c += CHANNELS)
            NAME(some_channel_squares)(n, channels, CHANNELS, x + c, centre + c, second + c);
        if (c < channels)
            NAME(some_channel_squares)(n, channels, channels - c, x + c, centre + c, second + c);
    }
}

/* Backward of group normalisation over one run of pixels: du, and what they add to the sums s and t. */
static inline void NAME(some_norm_back)(int64_t pixels, int64_t stride, int64_t nc, const STORED *R x, const float *R scale,
                                        const float *R shift, const float *R centre, int swish, const STORED *R dy, STORED *R du,
                                        float *R s, float *R t)
{
    for (int64_t p = 0; p < pixels; p++, x += stride, dy += stride, du += stride) {
        for (int64_t c = 0; c < nc; c += LINE / (int64_t)sizeof *x) {
            fetch_ahead(x + c, AHEAD * stride * (int64_t)sizeof *x);
            fetch_ahead(dy + c, AHEAD * stride * (int64_t)sizeof *dy);
        }
        if (swish)
            for (int64_t c = 0; c < nc; c++) {
                float v = LOAD(x[c]), g = LOAD(dy[c]) * swish_slope(v * scale[c] + shift[c]);
                du[c] = STORE(g);
                s[c] += g;
                t[c] += g * (v - centre[c]);
            }
        else
            for (int64_t c = 0; c < nc; c++) {
                float g = LOAD(dy[c]);
                du[c] = STORE(g);
                s[c] += g;
                t[c] += g * (LOAD(x[c]) - centre[c]);
            }
    }
}

static void NAME(norm_back_sums)(int64_t pixels, int64_t channels, const void *x, const float *R scale, const float *R shift,
                                 const float *R centre, int swish, const void *dy, void *du, double *R sum_du, double *R sum_dux)
{
    for (int64_t p0 = 0; p0 < pixels; p0 += PIXELS) {
        int64_t n = MIN(pixels - p0, (int64_t)PIXELS);
        for (int64_t c0 = 0; c0 < channels; c0 += CHANNELS) {
            float s[CHANNELS] = {0}, t[CHANNELS] = {0};
            int64_t nc = MIN(channels - c0, (int64_t)CHANNELS), at = p0 * channels + c0;
            NAME(some_norm_back)(n, channels, nc, (const STORED *)x + at, scale + c0, shift + c0, centre + c0, swish,
                                 (const STORED *)dy + at, (STORED *)du + at, s, t);
            for (int64_t c = 0; c < nc; c++) {
                sum_du[c0 + c] += (double)s[c];
                sum_dux[c0 + c] += (double)t[c];
            }
        }
    }
}

static void NAME(norm_back_apply)(int64_t pixels, int64_t channels, const void *from, const float *R a, const float *R b, const float *R c,
                                  void *to)
{
    const STORED *R x = from;
    STORED *R du = to;
    for (int64_t p = 0; p < pixels; p++, x += channels, du += channels)
        for (int64_t i = 0; i < channels; i++)
            du[i] = STORE(a[i] * LOAD(du[i]) + b[i] * LOAD(x[i]) + c[i]);
}

/* ---- layer normalisation ---- */

static void NAME(layer_norm_again)(int64_t n, float mean, float rstd, const void *from, const float *R gamma, const float *R beta, void *to)
{
    const STORED *R x = from;
    STORED *R y = to;
    for (int64_t i = 0; i < n; i++)
        y[i] = STORE((LOAD(x[i]) - mean) * rstd * gamma[i] + beta[i]);
}

static void NAME(layer_norm)(int64_t n, float eps, const void *from, const float *R gamma, const float *R beta, void *to, float *mean,
                             float *rstd)
{
    const STORED *R x = from;
    float s = 0.0f, q = 0.0f;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++)
        s += LOAD(x[i]);
    float m = s / (float)n;
#pragma omp simd reduction(+ : q)
    for (int64_t i = 0; i < n; i++)
        q += (LOAD(x[i]) - m) * (LOAD(x[i]) - m);
    *mean = m;
    *rstd = 1.0f / sqrtf(q / (float)n + eps);
    NAME(layer_norm_again)(n, m, *rstd, from, gamma, beta, to);
}

static void NAME(layer_norm_back)(int64_t n, const void *from, float mean, float rstd, const float *R gamma, const void *slope, void *to,
                                  float *R dgamma, float *R dbeta)
{
    const STORED *R x = from, *R dy = slope;
    STORED *R dx = to;
    float s1 = 0.0f, s2 = 0.0f;
#pragma omp simd reduction(+ : s1, s2)
    for (int64_t i = 0; i < n; i++) {
        float d = LOAD(dy[i]), h = (LOAD(x[i]) - mean) * rstd, g = d * gamma[i];
        s1 += g;
        s2 += g * h;
        dgamma[i] += d * h;
        dbeta[i] += d;
    }
    if (!dx)
        return;
    s1 /= (float)n;
    s2 /= (float)n;
    for (int64_t i = 0; i < n; i++)
        dx[i] = STORE(rstd * (LOAD(dy[i]) * gamma[i] - s1 - (LOAD(x[i]) - mean) * rstd * s2));
}

/* ---- softmax: rows are computed in f32, results stored ---- */

static float NAME(softmax)(int64_t n, float scale, float *x, void *to)
{
    STORED *y = to;
    float m = row_max(n, x) * scale, s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++) {
        float e = exp_f(scale * x[i] - m);
        x[i] = e;
        s += e;
    }
    float inverse = 1.0f / s;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = STORE(x[i] * inverse);
    return m + logf(s);
}

static void NAME(softmax_again)(int64_t n, float scale, float lse, float *x, void *to)
{
    STORED *y = to;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float p = exp_f(scale * x[i] - lse);
        x[i] = p;
        y[i] = STORE(p);
    }
}

static void NAME(softmax_back)(int64_t n, float scale, const float *p, const float *dp, void *to)
{
    STORED *dx = to;
    float s = 0.0f;
#pragma omp simd reduction(+ : s)
    for (int64_t i = 0; i < n; i++)
        s += p[i] * dp[i];
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = STORE(scale * p[i] * (dp[i] - s));
}

/* ---- one query over the rows of a matrix ---- */

static void NAME(row_products)(int64_t rows, int64_t n, const void *from, const float *R q, float *R y)
{
    const STORED *R x = from;
    for (int64_t i = 0; i < rows; i++, x += n) {
        float s = 0.0f;
#pragma omp simd reduction(+ : s)
        for (int64_t c = 0; c < n; c++)
            s += LOAD(x[c]) * q[c];
        y[i] = s;
    }
}

/* Columns are taken CHANNELS at a time so that their sums stay in registers. */
static inline void NAME(some_mixture)(int64_t rows, int64_t stride, int64_t nc, const STORED *R x, const float *R weight, float *R y)
{
    float s[CHANNELS] = {0};
    for (int64_t i = 0; i < rows; i++, x += stride)
        for (int64_t c = 0; c < nc; c++)
            s[c] += weight[i] * LOAD(x[c]);
    for (int64_t c = 0; c < nc; c++)
        y[c] = s[c];
}

static void NAME(row_mixture)(int64_t rows, int64_t n, const void *from, const float *R weight, float *R y)
{
    const STORED *R x = from;
    int64_t c = 0;
    for (; c + CHANNELS <= n; c += CHANNELS)
        NAME(some_mixture)(rows, n, CHANNELS, x + c, weight, y + c);
    if (c < n)
        NAME(some_mixture)(rows, n, n - c, x + c, weight, y + c);
}
