/* The loops no library has: element-wise functions, normalisation, softmax, cross-entropy, Adam. One source, kernels.c, is
 * compiled once per instruction set; the table for this processor is chosen at run time. All are single-threaded, plain
 * pointers, no allocation. Restrict: outputs do not overlap inputs unless said. SPDX-License-Identifier: MIT */
#ifndef TESSI_KERNELS_H
#define TESSI_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Functions of one variable; `p` is the leaky slope and unused elsewhere. */
enum {
    TESSI_SWISH,
    TESSI_GELU,
    TESSI_MISH,
    TESSI_TANH,
    TESSI_SIGMOID,
    TESSI_LEAKY,
    TESSI_ABS,
    TESSI_SQUARE,
    TESSI_EXP,
    TESSI_LOG,
    TESSI_SQRT,
    TESSI_ATANH,
    TESSI_UNARY_COUNT
};

enum { TESSI_LANES = 64, TESSI_FOLDED = TESSI_LANES / 4 };

struct tessi_adam {
    float lr, beta1, beta2, epsilon, decay; /* decay: AdamW's lr * weight_decay; 0 for Adam */
    float l2;                               /* Adam's weight decay, added to the gradient */
    float correct1, correct2;               /* 1 - beta^t */
    float gradient_scale;                   /* factor that clips the gradient's norm */
};

/* Loops over values stored as f32 or as bf16, all of a call alike; computed in f32. */
struct tessi_kernels_stored_kernels {
    void (*unary[TESSI_UNARY_COUNT])(int64_t n, float p, const void *x, void *y);
    void (*unary_back[TESSI_UNARY_COUNT])(int64_t n, float p, const void *x, const void *dy, void *dx);
    void (*add)(int64_t n, const void *a, const void *b, void *y);
    void (*accumulate)(int64_t n, const void *x, void *y); /* y += x */
    /* sums[c] += over rows of x (rows, n) */
    void (*column_sums)(int64_t rows, int64_t n, const void *x, float *sums);
    /* x (pixels, channels) of one sample; scale and shift per channel: y = x scale + shift, then swish when asked. */
    void (*scale_shift)(int64_t pixels, int64_t channels, const void *x, const float *scale, const float *shift, int swish, void *y);
    /* first[c] += sum x, or second[c] += sum (x - centre[c])^2 over pixels, in double */
    void (*channel_sums)(int64_t pixels, int64_t channels, const void *x, double *first);
    void (*channel_squares)(int64_t pixels, int64_t channels, const void *x, const float *centre, double *second);
    /* du = dy (times swish'(x scale + shift)); sum_du[c] and sum_dux[c] += sum du (x - centre) in double */
    void (*norm_back_sums)(int64_t pixels, int64_t channels, const void *x, const float *scale, const float *shift, const float *centre,
                           int swish, const void *dy, void *du, double *sum_du, double *sum_dux);
    /* du = a du + b x + c per channel */
    void (*norm_back_apply)(int64_t pixels, int64_t channels, const void *x, const float *a, const float *b, const float *c, void *du);
    void (*layer_norm)(int64_t n, float eps, const void *x, const float *gamma, const float *beta, void *y, float *mean, float *rstd);
    /* y as layer_norm made it, of the mean and rstd that it gave */
    void (*layer_norm_again)(int64_t n, float mean, float rstd, const void *x, const float *gamma, const float *beta, void *y);
    void (*layer_norm_back)(int64_t n, const void *x, float mean, float rstd, const float *gamma, const void *dy, void *dx,
                            float *dgamma, float *dbeta); /* dgamma, dbeta added to; dx may be NULL */
    /* y = softmax(scale x) of one row; x is spent, and may be y; gives ln sum exp(scale x) */
    float (*softmax)(int64_t n, float scale, float *x, void *y);
    /* y = x = exp(scale x - lse); x may be y */
    void (*softmax_again)(int64_t n, float scale, float lse, float *x, void *y);
    /* dx = scale p (dp - sum p dp); dp may be dx */
    void (*softmax_back)(int64_t n, float scale, const float *p, const float *dp, void *dx);
    /* y[i] = x_i . q over the rows of x (rows, n) */
    void (*row_products)(int64_t rows, int64_t n, const void *x, const float *q, float *y);
    /* y = sum_i weight[i] x_i over the rows of x (rows, n), in order */
    void (*row_mixture)(int64_t rows, int64_t n, const void *x, const float *weight, float *y);
};

struct tessi_kernels {
    const char *name; /* "avx512", "avx2", "portable": part of the numeric mode */
    void (*add)(int64_t n, const float *a, const float *b, float *y);
    void (*sub)(int64_t n, const float *a, const float *b, float *y);
    void (*mul)(int64_t n, const float *a, const float *b, float *y);
    void (*accumulate)(int64_t n, const float *x, float *y);               /* y += x */
    void (*accumulate_double)(int64_t n, const float *x, double *y);
    void (*accumulate_product)(int64_t n, const float *a, const float *b, float *y); /* y += a b */
    void (*affine)(int64_t n, float scale, float offset, const float *x, float *y); /* x may be y */
    double (*sum)(int64_t n, const float *x);
    double (*dot)(int64_t n, const float *a, const float *b);
    void (*to_bf16)(int64_t n, const float *x, uint16_t *y); /* to nearest, ties to even; NaN stays NaN */
    void (*from_bf16)(int64_t n, const uint16_t *x, float *y);
    /* y = table[x], and y = factor table[x] rounded to bf16; x and y may be bf16's bits. Two bytes behind a table's last value may be read.
     */
    void (*look_up)(int64_t n, const uint16_t *table, const uint16_t *x, uint16_t *y);
    void (*look_up_scaled)(int64_t n, const float *table, const uint16_t *x, const uint16_t *factor, uint16_t *y);
    void (*u8_to_f32)(int64_t n, float scale, float offset, const uint8_t *x, float *y);
    float (*log_sum_exp)(int64_t n, const float *x);
    /* dx = g (exp(x - lse)); the caller subtracts g at the target */
    void (*cross_entropy_back)(int64_t n, const float *x, float lse, float g, float *dx);
    /* lane[i] = the least half_square[k] - dot[k] of k = i mod TESSI_LANES (infinite for none; NaN counts as none);
     * lane[TESSI_LANES + i] = the least of i mod TESSI_FOLDED; two[0] the least of all, two[1] the next (infinite unless `second`) */
    void (*lowest)(int64_t n, const float *half_square, const float *dot, int second, float *lane, float two[2]);
    /* y = x - centre in bf16, what is subnormal there being 0; square[0] = sum y^2, square[1] = sum (x - centre - y)^2 */
    void (*round_bf16)(int64_t n, const float *x, const float *centre, uint16_t *y, float square[2]);
    double (*square_distance)(int64_t n, const float *a, const float *b); /* in double: the same for the same values wherever they are */
    void (*adam)(int64_t n, const struct tessi_adam *a, const float *g, float *w, float *m, float *v);
    void (*average)(int64_t n, float decay, const float *w, float *ema); /* ema = decay ema + (1 - decay) w */
    struct tessi_kernels_stored_kernels as_f32, as_bf16;
};

const struct tessi_kernels *tessi_kernels(void);
/* Table of the loops over values stored as `dtype`, TESS_F32 or TESS_BF16. */
const struct tessi_kernels_stored_kernels *tessi_kernels_stored_kernels(int32_t dtype);
/* Swish, GELU and mish of what is stored as bf16, by tables: y = f(x), and dx = f'(x) dy, with the bits of as_bf16.unary and of
 * as_bf16.unary_back (which NaN is no matter). [any thread] */
int tessi_kernels_is_tabulated(int which);
void tessi_kernels_tabulated(int which, int64_t n, const uint16_t *x, uint16_t *y);
void tessi_kernels_tabulated_back(int which, int64_t n, const uint16_t *x, const uint16_t *dy, uint16_t *dx);
const char *tessi_kernels_name(void);
/* Ending of the name in the numeric mode of results, where this build sums rows in another order than GCC's usual one: " instrumented" (no
 * loop with the checks of a sanitizer or the counters of coverage is vectorised), " clang 14" (more lanes than one vector); else "". */
const char *tessi_kernels_order(void);
/* For tests: selects the table of this name from now on; 0 when this processor and build have it, else -1. NULL: the default choice
 * again. */
int tessi_kernels_use(const char *name);

#endif
