/* noise/1 `template-name`: absorbing diffusion whose masks come late. At step t of T a token is masked with probability m(t) = (t / T)^2,
 * independently, and stays masked; at T all are. Going back from fraction u of the time to v, a masked token is revealed with probability
 * (m(u) - m(v)) / m(u), its value drawn from the denoiser. The bound is the sum over t of (m(t) - m(t - 1)) / m(t) times the cross-entropy
 * of the masked tokens.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/noise.h>
#include <tessera/plugin.h>

#include <math.h>
#include <string.h>

struct template_name {
    int64_t steps; /* a parameter, filled by the host from the table below */
};

static int64_t template_name_vocabulary(void *self, int64_t codebook_size)
{
    (void)self;
    return codebook_size + 1; /* the mask is the last */
}

static int64_t template_name_steps(void *self)
{
    return ((const struct template_name *)self)->steps;
}

static float uniform(const struct tess_stream *random, const char *purpose, int64_t i)
{
    struct tess_stream s = *random;
    float u;
    s.purpose = tess_purpose(purpose);
    tess_random_uniform(&s, (uint64_t)i, 1, &u);
    return u;
}

/* ---- training ---- */

static int template_name_corrupt(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens,
                                 int64_t codebook_size, int64_t t, const int32_t *x0, int32_t *xt)
{
    const double at = (double)t / (double)template_name_steps(self);
    (void)ctx;
    for (int64_t i = 0; i < tokens; i++)
        xt[i] = (double)uniform(random, "template-name.mask", i) < at * at ? (int32_t)codebook_size : x0[i];
    return TESS_OK;
}

static int template_name_record_loss(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *logits,
                                     struct tess_node *x0, struct tess_node *xt, struct tess_node *t, struct tess_noise_loss *out)
{
    const struct tess_tensor shape = tess_shape(logits), codes = tess_shape(xt);
    const int64_t one = 1, all = template_name_steps(self);
    int32_t mask = (int32_t)shape.dim[2];
    const struct tess_tensor mask_value = tess_tensor_over(&mask, TESS_I32, 1, &one);
    (void)ctx;
    struct tess_node *masked = tess_compare(g, xt, TESS_EQUAL, tess_constant_array(g, &mask_value));
    struct tess_node *nats = tess_reshape(g, tess_sum(g, tess_cross_entropy(g, logits, x0, masked), 1u << 1), 1, codes.dim);
    /* T (m(t) - m(t - 1)) / m(t) = T (2 t - 1) / t^2, and from nats of a sequence to bits of a token */
    struct tess_node *factor = tess_div(g, tess_affine(g, t, 2.0f * (float)all, -(float)all), tess_square(g, t));
    out->bound = tess_affine(g, tess_mul(g, nats, factor), (float)(1.0 / (0.69314718055994531 * (double)codes.dim[1])), 0.0f);
    out->loss = tess_mean_all(g, out->bound);
    return TESS_OK;
}

/* Constant part of the bound, the information left at step T: none, since all tokens are masked then. */
static double template_name_bound_constant(void *self, int64_t tokens, int64_t codebook_size)
{
    (void)self;
    (void)tokens;
    (void)codebook_size;
    return 0.0;
}

/* ---- sampling ---- */

static int template_name_start(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens,
                               int64_t codebook_size, int32_t *x)
{
    (void)self;
    (void)ctx;
    (void)random;
    for (int64_t i = 0; i < tokens; i++)
        x[i] = (int32_t)codebook_size;
    return TESS_OK;
}

/* A code drawn from softmax(logits / temperature) by u in [0, 1); -1 where a logit is no number. */
static int32_t draw(const float *logits, int64_t codes, double temperature, double u)
{
    double largest = -INFINITY, sum = 0.0;
    for (int64_t k = 0; k < codes; k++)
        largest = (double)logits[k] > largest ? (double)logits[k] : largest;
    for (int64_t k = 0; k < codes; k++)
        sum += exp(((double)logits[k] - largest) / temperature);
    if (!(sum >= 1.0) || isinf(sum))
        return -1;
    u *= sum;
    for (int64_t k = 0; k < codes; k++) {
        u -= exp(((double)logits[k] - largest) / temperature);
        if (u < 0.0)
            return (int32_t)k;
    }
    return (int32_t)codes - 1;
}

static int template_name_reverse(void *self, struct tess_context *ctx, const struct tess_reverse *r)
{
    const double chance = 1.0 - r->to * r->to / (r->from * r->from);
    (void)self;
    for (int64_t i = 0; i < r->tokens; i++) {
        r->next[i] = r->x[i];
        if (r->x[i] != r->codebook_size || (!r->last && (double)uniform(&r->random, "template-name.reveal", i) >= chance))
            continue;
        const double u = (double)uniform(&r->random, "template-name.draw", i);
        r->next[i] = draw(r->logits + i * r->codebook_size, r->codebook_size, r->temperature, u);
        if (r->next[i] < 0)
            return ctx->fail(ctx, TESS_E_FAILED, "template-name: logits of token %lld are no numbers; the prior has diverged in training",
                             (long long)i);
    }
    return TESS_OK;
}

/* Condition on known tokens: each is noised as `corrupt` does, with the chance of the time that the step begins at; at 0 none is. */
static int template_name_condition(void *self, struct tess_context *ctx, const struct tess_reverse *r, const uint8_t *mask,
                                   const int32_t *values)
{
    const double chance = r->from * r->from;
    (void)self;
    (void)ctx;
    for (int64_t i = 0; i < r->tokens; i++) {
        const int masked = mask[i] && (double)uniform(&r->random, "template-name.known", i) < chance;
        r->next[i] = masked ? (int32_t)r->codebook_size : mask[i] ? values[i] : r->x[i];
    }
    return TESS_OK;
}

/* The denoiser need not be told the time, and no step can tell beforehand what it will change (NULL). */
static const struct tess_noise_1 ops = {sizeof(struct tess_noise_1),
                                        0,
                                        template_name_vocabulary,
                                        template_name_steps,
                                        template_name_corrupt,
                                        template_name_record_loss,
                                        template_name_bound_constant,
                                        template_name_start,
                                        template_name_reverse,
                                        NULL,
                                        NULL,
                                        NULL,
                                        0,
                                        0,
                                        0,
                                        0,
                                        template_name_condition};

static const struct tess_param params[] = {TESS_PARAM_I64(struct template_name, steps, 1, 1000000, 50, "diffusion steps (T)"),
                                           TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("graph/1", "random/1"),
            TESS_COMPONENT("template-name", "noise/1", "masks that come late", sizeof(struct template_name), params, NULL, NULL, &ops));
