/* Functions of one number, branch-free so that loops over them vectorise. Included by kernels.c alone.
 *
 * exp is 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes' expf, 2 ulp); erf is formula 7.1.26 of Abramowitz and Stegun
 * (absolute error 1.5e-7). Both are ours so that a result does not depend on the C library. SPDX-License-Identifier: MIT */
#ifndef TESSI_KERNELS_MATH_H
#define TESSI_KERNELS_MATH_H

#include <math.h>
#include <stdint.h>

/* Asks for the line that lies so many bytes behind `at`, wherever that is. */
static inline void fetch_ahead(const void *at, int64_t bytes)
{
    __builtin_prefetch((const void *)((uintptr_t)at + (uintptr_t)bytes));
}

/* e^x for x in [-87, 88] or NaN. */
static inline float exp_inside(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding and taking away rounds to an integer */
    union {
        uint32_t u;
        float f;
    } rounded = {.f = x * 1.44269504088896341f + magic}, power;
    float n = rounded.f - magic;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    /* The low bits of the sum are n, so no float is made an integer, which a NaN must not be. */
    power.u = (rounded.u + 127) << 23;
    return p * power.f;
}

static inline float exp_f(float x)
{
    x = x < -87.0f ? -87.0f : x;
    return exp_inside(x > 88.0f ? 88.0f : x);
}

/* Bounds of its own: a compiler makes a branch of each bound, whose constants it multiplies by in every lane; at exp's own upper bound
 * that is a denormal number, and the loop many times slower. */
static inline float sigmoid_f(float x)
{
    float y = x < -80.0f ? 80.0f : -x;
    return 1.0f / (1.0f + exp_inside(y < -80.0f ? -80.0f : y));
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

/* Maximum of a row, in lanes, which Clang vectorises as well: for a maximum of floats in one variable it wants to be promised that there is
 * no NaN. */
static inline float row_max(int64_t n, const float *x)
{
    enum { LANES = 16 };
    float lane[LANES], m = x[0];
    int64_t whole = n - n % LANES;
    for (int k = 0; k < LANES; k++)
        lane[k] = m;
    for (int64_t i = 0; i < whole; i += LANES)
#pragma omp simd
        for (int k = 0; k < LANES; k++)
            lane[k] = x[i + k] > lane[k] ? x[i + k] : lane[k];
    for (int half = LANES / 2; half; half /= 2)
        for (int k = 0; k < half; k++)
            lane[k] = lane[k + half] > lane[k] ? lane[k + half] : lane[k];
    m = lane[0];
    for (int64_t i = whole; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

/* The upper half of an f32 is a bf16; to nearest, ties to even, NaN stays NaN. */
static inline float widen(uint16_t x)
{
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)x << 16};
    return v.f;
}

static inline uint16_t round_to_bf16(float x)
{
    union {
        float f;
        uint32_t u;
    } v = {x};
    uint32_t rounded = (v.u + 0x7fffu + (v.u >> 16 & 1u)) >> 16, quiet = v.u >> 16 | 0x40u;
    return (uint16_t)((v.u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

#endif
