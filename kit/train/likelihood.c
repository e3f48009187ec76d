/* See likelihood.h. SPDX-License-Identifier: MIT */
#include "kit/train/likelihood.h"

#include <math.h>

static const double LN_2 = 0.69314718055994530942, HALF_LN_2_PI = 0.91893853320467274178;

/* |x - mean| of 0 needs no guard: its square is multiplied, its logarithm never taken. */
struct tess_node *likelihood_record(struct tess_graph *g, struct tess_node *x, struct tess_node *mean, struct tess_node *log_sigma)
{
    struct tess_node *precision = tess_exp(g, tess_affine(g, log_sigma, -2.0f, 0.0f));
    struct tess_node *distance = tess_mul(g, tess_square(g, tess_sub(g, x, mean)), precision);
    struct tess_node *nats = tess_mean_all(g, tess_add(g, tess_affine(g, distance, 0.5f, 0.0f), log_sigma));
    return tess_affine(g, nats, (float)(1.0 / LN_2), (float)(HALF_LN_2_PI / LN_2));
}

/* (23.6) */
static double inside_bin(const struct likelihood_params *p, uint8_t byte, double u)
{
    return ((double)(byte >> (8 - p->bits)) + u) / (double)((int64_t)1 << p->bits);
}

double likelihood_of(const struct likelihood_params *p, const struct tess_stream *random, int64_t n, const uint8_t *byte, const float *mean,
                     const float *log_sigma)
{
    enum { BLOCK = 256 };
    struct tess_stream s = *random;
    float u[BLOCK];
    double sum = 0.0;
    s.purpose = tess_purpose("likelihood.dequantise");
    for (int64_t i = 0; i < n; i++) {
        if (p->dequantise == DEQUANTISE_UNIFORM && i % BLOCK == 0)
            tess_random_uniform(&s, (uint64_t)i, n - i < BLOCK ? n - i : BLOCK, u);
        double x = p->dequantise == DEQUANTISE_UNIFORM ? inside_bin(p, byte[i], (double)u[i % BLOCK]) : (double)byte[i] / 255.0;
        double d = x - (double)mean[i], l = (double)log_sigma[i];
        sum += 0.5 * d * d * exp(-2.0 * l) + l + HALF_LN_2_PI;
    }
    return sum;
}
