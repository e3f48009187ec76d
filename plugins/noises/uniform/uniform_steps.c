/* SPDX-License-Identifier: MIT */
#include "plugins/noises/uniform/uniform_steps.h"

#include <math.h>

#define HALF_PI 1.57079632679489661923

/* ---- the schedule ---- */

static double uniform_steps_cosine(double share, double offset)
{
    double f = cos((share + offset) / (1.0 + offset) * HALF_PI);
    return f * f;
}

void uniform_schedule(int32_t schedule, double offset, double clip, int64_t steps, double *bar)
{
    bar[0] = 1.0;
    for (int64_t t = 1; t <= steps; t++) {
        double alpha =
            uniform_steps_cosine((double)t / (double)steps, offset) / uniform_steps_cosine((double)(t - 1) / (double)steps, offset);
        alpha = alpha < clip ? clip : alpha;
        bar[t] = bar[t - 1] * (schedule == UNIFORM_COSINE_ROOT ? sqrt(alpha) : alpha);
    }
}

double uniform_bar(const double *bar, int64_t steps, double at)
{
    int64_t t = at >= (double)steps ? steps : (int64_t)at;
    return t == steps || (double)t == at ? bar[t] : bar[t] * pow(bar[t + 1] / bar[t], at - (double)t);
}

struct uniform_step uniform_step_of(double bar_s, double bar_t, int64_t codebook_size, int32_t model)
{
    double k = (double)codebook_size;
    struct uniform_step s = {.codebook_size = codebook_size, .model = model, .a = bar_t / bar_s, .c = bar_s};
    s.b = (1.0 - s.a) / k;
    s.e = (1.0 - s.c) / k;
    s.other = (1.0 - bar_t) / k;
    s.same = bar_t + s.other;
    s.pull = model == UNIFORM_MARGINAL ? s.other / s.same : 1.0;
    return s;
}

/* ---- one token ---- */

/* Share of the uniform part that p_x leaves, (15.8). */
static double uniform_steps_spread(const struct uniform_step *s, double p_x)
{
    return 1.0 - (1.0 - s->pull) * p_x;
}

static double uniform_steps_normaliser(const struct uniform_step *s, double p_x)
{
    return s->model == UNIFORM_MARGINAL ? s->other : s->a * (s->c * p_x + s->e) + s->b;
}

/* Factor of (15.9) that belongs to k. */
static double uniform_steps_toward(const struct uniform_step *s, int is_x, double p_k, double sigma)
{
    return s->c * (is_x ? s->pull : 1.0) * p_k + s->e * sigma;
}

double uniform_posterior(const struct uniform_step *s, int64_t k, int64_t x, int64_t z)
{
    double up = (k == x ? s->a : 0.0) + s->b, down = (k == z ? s->c : 0.0) + s->e;
    return up * down / (x == z ? s->same : s->other);
}

double uniform_model(const struct uniform_step *s, int64_t k, int64_t x, double p_k, double p_x)
{
    return ((k == x ? s->a : 0.0) + s->b) * uniform_steps_toward(s, k == x, p_k, uniform_steps_spread(s, p_x)) /
           uniform_steps_normaliser(s, p_x);
}

void uniform_parts(const struct uniform_step *s, double p_x, double others, double *stay, double *predicted)
{
    *stay = uniform_model(s, 0, 0, p_x, p_x);
    *predicted = s->e > 0.0 ? s->b * s->c * others / uniform_steps_normaliser(s, p_x)
                            : 1.0 - *stay; /* a code of probability 1 leaves nothing to others */
}

/* Sum of ln(1 + g p_k) over all k: a logarithm a product of eight, each factor below 1e33 for any schedule there is. */
static double sum_of_logs(int64_t codebook_size, const double *p, double g)
{
    double sum = 0.0;
    int64_t k = 0;
    for (; k + 8 <= codebook_size; k += 8) {
        double even = 1.0, odd = 1.0;
        for (int64_t i = k; i < k + 8; i += 2) {
            even *= 1.0 + g * p[i];
            odd *= 1.0 + g * p[i + 1];
        }
        sum += log(even * odd);
    }
    for (; k < codebook_size; k++)
        sum += log(1.0 + g * p[k]);
    return sum;
}

double uniform_divergence(const struct uniform_step *s, int64_t x, int64_t z, const double *p, double log_pz)
{
    int stays = x == z;
    double sigma = uniform_steps_spread(s, p[x]), total = log(uniform_steps_normaliser(s, p[x]) / (stays ? s->same : s->other));
    if (s->e == 0.0)
        return total - (stays ? log(s->pull) : 0.0) - log_pz;
    double g = s->c / (s->e * sigma), logs = sum_of_logs(s->codebook_size, p, g) - log(1.0 + g * p[z]);
    total += uniform_posterior(s, z, x, z) * log((s->c + s->e) / uniform_steps_toward(s, stays, p[z], sigma));
    if (!stays) {
        total += uniform_posterior(s, x, x, z) * log(s->e / uniform_steps_toward(s, 1, p[x], sigma));
        logs -= log(1.0 + g * p[x]);
    }
    double rest = s->b * s->e / (stays ? s->same : s->other); /* the posterior everywhere else */
    return total - rest * ((double)(s->codebook_size - (stays ? 1 : 2)) * log(sigma) + logs);
}

/* w_k = p_k dKL/dp_k, then dlogit_k = w_k - p_k sum w. With u_k = c rho_k p_k + e sigma, KL = .. - sum q_k ln u_k + ln Z:
 * at every k  -q_k c rho_k p_k / u_k;  at x  p_x (1 - rho) e sum q_k / u_k  from sigma,  or  a c p_x / Z  from the plug-in's Z. */
void uniform_gradient(const struct uniform_step *s, int64_t x, int64_t z, const double *p, double *d)
{
    int stays = x == z;
    double sigma = uniform_steps_spread(s, p[x]), norm = stays ? s->same : s->other, rest = s->b * s->e / norm, sum = 0.0;
    double part = 0.0; /* sum of q_k e sigma / u_k */
    if (s->e > 0.0) {
        double g = s->c / (s->e * sigma);
        for (int64_t k = 0; k < s->codebook_size; k++) {
            double inverse = 1.0 / (1.0 + g * p[k]);
            part += d[k] = inverse;
        }
        part = (part - d[z] - (stays ? 0.0 : d[x])) * rest;
        for (int64_t k = 0; k < s->codebook_size; k++)
            d[k] = rest * (d[k] - 1.0);
    } else {
        for (int64_t k = 0; k < s->codebook_size; k++)
            d[k] = 0.0;
    }
    for (int i = 0; i < (stays ? 1 : 2); i++) {
        int64_t k = i ? x : z;
        double q = uniform_posterior(s, k, x, z), share = s->e > 0.0 ? s->e * sigma / uniform_steps_toward(s, k == x, p[k], sigma) : 0.0;
        part += q * share;
        d[k] = -q * (1.0 - share);
    }
    d[x] += s->model == UNIFORM_MARGINAL ? p[x] * (1.0 - s->pull) * part / sigma : s->a * s->c * p[x] / uniform_steps_normaliser(s, p[x]);
    for (int64_t k = 0; k < s->codebook_size; k++)
        sum += d[k];
    for (int64_t k = 0; k < s->codebook_size; k++)
        d[k] -= p[k] * sum;
}

/* P ln(P K) + (K - 1) Q ln(Q K), P K = 1 + A (K - 1) and Q K = 1 - A. */
double uniform_prior(double bar_last, int64_t codebook_size)
{
    double k = (double)codebook_size;
    return (1.0 + bar_last * (k - 1.0)) / k * log1p(bar_last * (k - 1.0)) + (k - 1.0) / k * (1.0 - bar_last) * log1p(-bar_last);
}
