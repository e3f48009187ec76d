/* The loops of kernels.h, written so that a compiler vectorises them: branch-free bodies, restrict, and `omp simd` where a sum
 * may be taken in another order. Compiled once per instruction set with TESSI_KERNELS_TABLE naming the table.
 * SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"

#include "core/kernels/kernels_lookup.h"
#include "core/kernels/kernels_math.h"

#include <math.h>
#include <string.h>

#define R restrict
#define MIN(a, b) ((a) < (b) ? (a) : (b))

#define STORED float
#define NAME(f) f##_f32
#define LOAD(x) (x)
#define STORE(x) (x)
#include "core/kernels/kernels_stored.h"
#undef STORED
#undef NAME
#undef LOAD
#undef STORE

#define STORED uint16_t
#define NAME(f) f##_bf16
#define LOAD(x) widen(x)
#define STORE(x) round_to_bf16(x)
#include "core/kernels/kernels_stored.h"

static void kernels_sub(int64_t n, const float *R a, const float *R b, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] - b[i];
}

static void kernels_mul(int64_t n, const float *R a, const float *R b, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

static void accumulate_double(int64_t n, const float *R x, double *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += (double)x[i];
}

static void accumulate_product(int64_t n, const float *R a, const float *R b, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a[i] * b[i];
}

static void kernels_affine(int64_t n, float scale, float offset, const float *x, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = scale * x[i] + offset;
}

/* Long sums: f32 partial sums over runs short enough to lose nothing that matters, added in double. */
enum { RUN = 1024 };

static double kernels_sum(int64_t n, const float *R x)
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

static double kernels_dot(int64_t n, const float *a, const float *b)
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
    for (int64_t i = 0; i < n; i++)
        y[i] = round_to_bf16(x[i]);
}

static void from_bf16(int64_t n, const uint16_t *R x, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = widen(x[i]);
}

static void look_up(int64_t n, const uint16_t *table, const uint16_t *x, uint16_t *y)
{
    for (int64_t i = lookup_some(n, table, x, y); i < n; i++)
        y[i] = table[x[i]];
}

static void look_up_scaled(int64_t n, const float *table, const uint16_t *x, const uint16_t *factor, uint16_t *y)
{
    for (int64_t i = lookup_scaled_some(n, table, x, factor, y); i < n; i++)
        y[i] = round_to_bf16(widen(factor[i]) * table[x[i]]);
}

static void u8_to_f32(int64_t n, float scale, float offset, const uint8_t *R x, float *R y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = scale * (float)x[i] + offset;
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

static inline float kernels_smaller(float a, float b) /* gives b when a is NaN */
{
    return a < b ? a : b;
}

/* Minimum of each lane over the codes. Lanes stay in L1; four codes a lane at a time, so that lanes are read and written rarely. */
static int64_t lowest_of_lanes(int64_t n, const float *R half_square, const float *R dot_, float *R lane)
{
    int64_t k = 0;
    for (; k + 4 * TESSI_LANES <= n; k += 4 * TESSI_LANES)
        for (int64_t i = 0; i < TESSI_LANES; i++) {
            const float *h = half_square + k + i, *d = dot_ + k + i;
            float a = kernels_smaller(h[0] - d[0], lane[i]), b = kernels_smaller(h[TESSI_LANES] - d[TESSI_LANES], a);
            float e = kernels_smaller(h[2 * TESSI_LANES] - d[2 * TESSI_LANES], b);
            lane[i] = kernels_smaller(h[3 * TESSI_LANES] - d[3 * TESSI_LANES], e);
        }
    return k;
}

/* Minimum and second smallest of each lane over the codes. */
static int64_t lowest_two_of_lanes(int64_t n, const float *R half_square, const float *R dot_, float *R lane, float *R second)
{
    int64_t k = 0;
    for (; k + 2 * TESSI_LANES <= n; k += 2 * TESSI_LANES)
        for (int64_t i = 0; i < TESSI_LANES; i++) {
            float a = kernels_smaller(half_square[k + i] - dot_[k + i], INFINITY);
            float b = kernels_smaller(half_square[k + TESSI_LANES + i] - dot_[k + TESSI_LANES + i], INFINITY);
            float low = a < b ? a : b, high = a < b ? b : a, larger = low > lane[i] ? low : lane[i];
            high = high < second[i] ? high : second[i];
            second[i] = larger < high ? larger : high;
            lane[i] = low < lane[i] ? low : lane[i];
        }
    return k;
}

/* Folds lanes by halves, in place; gives the smallest. */
static inline float kernels_fold(float *lane)
{
    for (int i = 0; i < 8; i++)
        lane[i] = kernels_smaller(lane[i + 8], lane[i]);
    for (int i = 0; i < 4; i++)
        lane[i] = kernels_smaller(lane[i + 4], lane[i]);
    return kernels_smaller(kernels_smaller(lane[0], lane[1]), kernels_smaller(lane[2], lane[3]));
}

static void kernels_lowest(int64_t n, const float *half_square, const float *dot_, int second, float *lane, float two[2])
{
    enum { LANES = TESSI_LANES, FOLDED = TESSI_FOLDED };
    float next[LANES], spare[FOLDED];
    for (int i = 0; i < LANES; i++)
        lane[i] = next[i] = INFINITY;
    int64_t k = second ? lowest_two_of_lanes(n, half_square, dot_, lane, next) : lowest_of_lanes(n, half_square, dot_, lane);
    for (; k < n; k += LANES)
        for (int64_t i = 0; i < MIN((int64_t)LANES, n - k); i++) {
            float s = kernels_smaller(half_square[k + i] - dot_[k + i], INFINITY), larger = s > lane[i] ? s : lane[i];
            next[i] = larger < next[i] ? larger : next[i];
            lane[i] = s < lane[i] ? s : lane[i];
        }
    for (int i = 0; i < FOLDED; i++)
        spare[i] = lane[LANES + i] =
            kernels_smaller(kernels_smaller(lane[i], lane[i + FOLDED]), kernels_smaller(lane[i + 2 * FOLDED], lane[i + 3 * FOLDED]));
    two[0] = kernels_fold(spare);
    two[1] = INFINITY;
    if (!second)
        return;
    int at_least = 0;
    for (int i = 0; i < LANES; i++) {
        at_least += lane[i] <= two[0];
        next[i] = lane[i] > two[0] ? lane[i] : next[i];
    }
    for (int i = 0; i < FOLDED; i++)
        spare[i] = kernels_smaller(kernels_smaller(next[i], next[i + FOLDED]), kernels_smaller(next[i + 2 * FOLDED], next[i + 3 * FOLDED]));
    two[1] = at_least > 1 ? two[0] : kernels_fold(spare);
}

/* Rounds n <= TESSI_LANES values; lane i adds to sums i. */
static inline void round_bf16_lanes(int64_t n, const float *R x, const float *R centre, uint16_t *R y, float *R kept, float *R lost)
{
    for (int64_t i = 0; i < n; i++) {
        union {
            float f;
            uint32_t u;
        } exact = {x[i] - centre[i]}, rounded;
        rounded.u = (exact.u + 0x7fffu + (exact.u >> 16 & 1u)) & 0xffff0000u;
        rounded.u = rounded.u & 0x7f800000u ? rounded.u : 0u;
        y[i] = (uint16_t)(rounded.u >> 16);
        kept[i] += rounded.f * rounded.f;
        lost[i] += (exact.f - rounded.f) * (exact.f - rounded.f);
    }
}

static inline float sum_lanes(const float *lane)
{
    float s[TESSI_FOLDED];
    for (int i = 0; i < TESSI_FOLDED; i++)
        s[i] = (lane[i] + lane[i + TESSI_FOLDED]) + (lane[i + 2 * TESSI_FOLDED] + lane[i + 3 * TESSI_FOLDED]);
    for (int i = 0; i < 4; i++)
        s[i] = (s[i] + s[i + 4]) + (s[i + 8] + s[i + 12]);
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static void kernels_round_bf16(int64_t n, const float *R x, const float *R centre, uint16_t *R y, float square[2])
{
    float kept[TESSI_LANES] = {0}, lost[TESSI_LANES] = {0};
    int64_t i = 0;
    for (; i + TESSI_LANES <= n; i += TESSI_LANES)
        round_bf16_lanes(TESSI_LANES, x + i, centre + i, y + i, kept, lost);
    round_bf16_lanes(n - i, x + i, centre + i, y + i, kept, lost);
    square[0] = sum_lanes(kept);
    square[1] = sum_lanes(lost);
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

/* docs/models.md, "Optimiser": (8.4), (8.5) and (8.6), then (8.7) and (8.8) at once. */
static void kernels_adam(int64_t n, const struct tessi_adam *a, const float *R g, float *R w, float *R m, float *R v)
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

/* (8.9) */
static void kernels_average(int64_t n, float decay, const float *R w, float *R ema)
{
    for (int64_t i = 0; i < n; i++)
        ema[i] = decay * ema[i] + (1.0f - decay) * w[i];
}

#define STORED_TABLE(kind)                                                                                                                 \
    {                                                                                                                                      \
        .unary = {swish_forward_##kind,   gelu_forward_##kind,  mish_forward_##kind, tanh_forward_##kind,                                  \
                  sigmoid_forward_##kind, leaky_forward_##kind, abs_forward_##kind,  square_forward_##kind,                                \
                  exp_forward_##kind,     log_forward_##kind,   sqrt_forward_##kind, atanh_forward_##kind},                                \
        .unary_back = {swish_backward_##kind,   gelu_backward_##kind,  mish_backward_##kind, tanh_backward_##kind,                         \
                       sigmoid_backward_##kind, leaky_backward_##kind, abs_backward_##kind,  square_backward_##kind,                       \
                       exp_backward_##kind,     log_backward_##kind,   sqrt_backward_##kind, atanh_backward_##kind},                       \
        .add = add_any_##kind, .accumulate = accumulate_any_##kind, .column_sums = column_sums_##kind, .scale_shift = scale_shift_##kind,  \
        .channel_sums = channel_sums_##kind, .channel_squares = channel_squares_##kind, .norm_back_sums = norm_back_sums_##kind,           \
        .norm_back_apply = norm_back_apply_##kind, .layer_norm = layer_norm_##kind, .layer_norm_again = layer_norm_again_##kind,           \
        .layer_norm_back = layer_norm_back_##kind, .softmax = softmax_##kind, .softmax_again = softmax_again_##kind,                       \
        .softmax_back = softmax_back_##kind, .row_products = row_products_##kind, .row_mixture = row_mixture_##kind                        \
    }

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

extern const struct tessi_kernels TESSI_KERNELS_TABLE;
const struct tessi_kernels TESSI_KERNELS_TABLE = {
    .name = TEXT(TESSI_KERNELS_NAME),
    .add = add_f32,
    .sub = kernels_sub,
    .mul = kernels_mul,
    .accumulate = accumulate_f32,
    .accumulate_double = accumulate_double,
    .accumulate_product = accumulate_product,
    .affine = kernels_affine,
    .sum = kernels_sum,
    .dot = kernels_dot,
    .to_bf16 = to_bf16,
    .from_bf16 = from_bf16,
    .look_up = look_up,
    .look_up_scaled = look_up_scaled,
    .u8_to_f32 = u8_to_f32,
    .log_sum_exp = log_sum_exp,
    .cross_entropy_back = cross_entropy_back,
    .lowest = kernels_lowest,
    .round_bf16 = kernels_round_bf16,
    .square_distance = square_distance,
    .adam = kernels_adam,
    .average = kernels_average,
    .as_f32 = STORED_TABLE(f32),
    .as_bf16 = STORED_TABLE(bf16),
};
