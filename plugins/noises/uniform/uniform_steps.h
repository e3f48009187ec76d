/* Uniform diffusion's closed forms, in double (docs/models.md, "Uniform diffusion"; Hoogeboom et al., "Argmax flows and multinomial
 * diffusion", section 4; Austin et al., "Structured denoising diffusion models in discrete state-spaces", section 3).
 *
 * No K x K matrix: a row of the posterior q(z_s | z_t = x, z_0 = z) has two entries that differ from the rest, at x and at z, and the
 * model's row is affine in the predicted p but at x. So everything is O(K) a token.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_NOISES_UNIFORM_UNIFORM_STEPS_H
#define PLUGINS_NOISES_UNIFORM_UNIFORM_STEPS_H

#include <stdint.h>

enum { UNIFORM_COSINE, UNIFORM_COSINE_ROOT };
/* Model of a step, given p(z_0 | z_t): mean of the posteriors, or p in the place of z_0, normalised. */
enum { UNIFORM_MARGINAL, UNIFORM_PLUG_IN };

/* alpha-bar of step 0 (which is 1) .. steps into bar (steps + 1): the products of the alphas of (15.1), by (15.3) and (15.4). */
void uniform_schedule(int32_t schedule, double offset, double clip, int64_t steps, double *bar);
/* alpha-bar at any time in [0, steps]: within a step alpha is spread evenly over its duration, (15.5). */
double uniform_bar(const double *bar, int64_t steps, double at);

/* Coefficients of a step from time t back to s < t, the same for all tokens. */
struct uniform_step {
    int64_t codebook_size;
    int32_t model;      /* UNIFORM_MARGINAL or UNIFORM_PLUG_IN */
    double a, b;        /* alpha of s .. t, (1 - a) / K */
    double c, e;        /* alpha-bar of s, (1 - c) / K */
    double same, other; /* q(z_t = x | z_0 = z) where x = z, where not, (15.7) */
    double pull;        /* other / same in the marginal model, 1 in the plug-in */
};
struct uniform_step uniform_step_of(double bar_s, double bar_t, int64_t codebook_size, int32_t model);

/* Posterior q(z_s = k | z_t = x, z_0 = z), (15.6). */
double uniform_posterior(const struct uniform_step *s, int64_t k, int64_t x, int64_t z);
/* Model's step p(z_s = k | z_t = x) for the predicted probabilities of k and of x, (15.9). */
double uniform_model(const struct uniform_step *s, int64_t k, int64_t x, double p_k, double p_x);
/* Model's step in parts, for a draw (15.15): the probabilities of staying at x and of turning into a code as predicted; the rest turns into
 * any other code. `others` is 1 - p_x, given apart for its last digits. */
void uniform_parts(const struct uniform_step *s, double p_x, double others, double *stay, double *predicted);
/* Divergence KL(posterior, model) in nats over p (K), (15.10); at s = 0 the posterior is certain of z and it is -ln p(z_0 = z | z_t = x).
 * log_pz is ln p[z], which is wanted where p[z] underflows. */
double uniform_divergence(const struct uniform_step *s, int64_t x, int64_t z, const double *p, double log_pz);
/* Gradient of the divergence in the logits whose softmax p is, (15.11), into d (K). */
void uniform_gradient(const struct uniform_step *s, int64_t x, int64_t z, const double *p, double *d);
/* Constant of the bound, KL(q(z_T | z_0), uniform) in nats a token, (15.12). */
double uniform_prior(double bar_last, int64_t codebook_size);

#endif
