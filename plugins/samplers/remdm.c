/* sampler/1 `remdm`: revealed tokens may be masked again, and drawn better (docs/models.md, "Remasking"; Wang et al., "Remasking discrete
 * diffusion models with inference-time scaling", 2025). With alpha the share of tokens that are revealed, each step masks a revealed token
 * again with probability sigma and reveals more of the masked ones in turn, so that the share at every time stays what it is. More steps
 * than tokens then make samples better, where the noise's own steps have nothing left to do.
 *
 * The strategy `conf` masks again what was drawn with little confidence: each token's probability when it was drawn is its state.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/sample/draws.h"

#include <tessera/kind/sampler.h>
#include <tessera/plugin.h>

#include <math.h>
#include <string.h>

struct remdm {
    double eta;
    int32_t strategy;
};

enum { STRATEGY_CAP, STRATEGY_RESCALE, STRATEGY_CONF, STRATEGY_FRESH };

static int remdm_check(void *self, struct tess_context *ctx, const struct tess_prior *p)
{
    (void)self;
    if (!tess_prior_causal(p) && tess_prior_vocabulary(p) == p->codebook_size + 1)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE,
                     "remdm: a prior of noise `%s` has no mask to put tokens back to; use one of noise `absorbing`, or the sampler "
                     "`ancestral`, which is for all",
                     tess_instance_name(p->noise));
}

/* State: the probability that each token was drawn with (L) f32; known ones are not looked at. */
static int64_t remdm_state_size(void *self, int64_t tokens, int64_t codebook_size)
{
    (void)codebook_size;
    return ((const struct remdm *)self)->strategy == STRATEGY_CONF ? tokens * (int64_t)sizeof(float) : 0;
}

/* Largest sigma that leaves valid probabilities (31.1). */
static double remdm_max(const struct tess_reverse *r)
{
    double revealed = 1.0 - r->from, max = revealed > 0.0 ? r->to / revealed : 1.0;
    return max < 1.0 ? max : 1.0;
}

static int remdm_is_free(const struct tess_sampler_step *s, int64_t i)
{
    return s->reverse->x[i] != s->reverse->codebook_size && !(s->mask && s->mask[i]);
}

/* Normalisation of the confidences: sum of exp(-psi) over the tokens that may be masked again (31.3). */
static double remdm_doubt(const struct remdm *p, const struct tess_sampler_step *s)
{
    double sum = 0.0;
    for (int64_t i = 0; p->strategy == STRATEGY_CONF && i < s->reverse->tokens; i++)
        if (remdm_is_free(s, i))
            sum += exp(-(double)((const float *)s->state)[i]);
    return sum;
}

/* Probability sigma of masking token i again, where it is revealed; for a masked one the sigma that its revealing probability is computed
 * with (31.2), (31.3). */
static double remdm_sigma(const struct remdm *p, const struct tess_sampler_step *s, int64_t i, double doubt)
{
    double max = remdm_max(s->reverse);
    if (p->strategy == STRATEGY_CAP)
        return p->eta < max ? p->eta : max;
    if (p->strategy == STRATEGY_RESCALE)
        return p->eta * max;
    if (p->strategy == STRATEGY_FRESH)
        return p->eta * s->reverse->to;
    return doubt > 0.0 && remdm_is_free(s, i) ? p->eta * max * exp(-(double)((const float *)s->state)[i]) / doubt : 0.0;
}

enum { STAYS, REVEALED, REMASKED };

/* The fate of token i (31.4); u[1] then is the draw of its value. */
static int remdm_fate(const struct remdm *p, const struct tess_sampler_step *s, int64_t i, double doubt, float u[2])
{
    const struct tess_reverse *r = s->reverse;
    double sigma = remdm_sigma(p, s, i, doubt), before = 1.0 - r->from, after = 1.0 - r->to;
    if (r->x[i] != r->codebook_size && !remdm_is_free(s, i))
        return STAYS;
    tess_random_uniform(&r->random, (uint64_t)(2 * i), 2, u);
    if (remdm_is_free(s, i))
        return (double)u[0] < sigma ? REMASKED : STAYS;
    return r->last || (double)u[0] < (after - (1.0 - sigma) * before) / r->from ? REVEALED : STAYS;
}

static int64_t remdm_reads(void *self, const struct tess_sampler_step *s, uint8_t *where)
{
    double doubt = remdm_doubt(self, s);
    int64_t n = 0;
    float u[2];
    for (int64_t i = 0; i < s->reverse->tokens; i++) {
        int changes = remdm_fate(self, s, i, doubt, u) != STAYS;
        n += changes;
        if (where)
            where[i] = (uint8_t)changes;
    }
    return n;
}

static int32_t remdm_value(const struct tess_sampler_step *s, int64_t i, double u, float *psi)
{
    const struct tess_reverse *r = s->reverse;
    const float *logits = r->logits + (r->row ? r->row[i] : i) * r->codebook_size;
    struct draw_row row = {.logits = logits, .codebook_size = r->codebook_size, .without = -1, .temperature = r->temperature};
    int32_t code = draw_row_open(&row) ? draw_row_code(&row, u) : -1;
    if (code >= 0)
        *psi = (float)(exp((double)(logits[code] - row.max) / r->temperature) / row.sum);
    return code;
}

static int remdm_draw(void *self, struct tess_context *ctx, const struct tess_sampler_step *s)
{
    const struct tess_reverse *r = s->reverse;
    double doubt = remdm_doubt(self, s);
    for (int64_t i = 0; i < r->tokens; i++) {
        float u[2], psi = 0.0f;
        int fate = remdm_fate(self, s, i, doubt, u);
        int32_t next = fate == REMASKED ? (int32_t)r->codebook_size : fate == REVEALED ? remdm_value(s, i, (double)u[1], &psi) : r->x[i];
        if (next < 0)
            return ctx->fail(ctx, TESS_E_FAILED,
                             "remdm: the denoiser's output at token %lld is not finite; the prior has diverged in training", (long long)i);
        if (s->state && fate == REVEALED)
            ((float *)s->state)[i] = psi;
        r->next[i] = next;
    }
    return TESS_OK;
}

static const struct tess_sampler_1 ops = {
    .size = sizeof ops, .check = remdm_check, .reads = remdm_reads, .draw = remdm_draw, .state_size = remdm_state_size};

static const struct tess_param params[] = {
    {.name = "strategy",
     .help = "what is masked again; cap: each with eta at most; rescale: eta of the most possible; conf: what was drawn with little "
             "confidence; "
             "fresh: eta of the share that is masked next, so that with eta 1 the masks are drawn anew (the `mlm` sampling of \"Unleashing "
             "Transformers\")",
     .type = TESS_ENUM,
     .offset = offsetof(struct remdm, strategy),
     .text = "cap|rescale|conf|fresh"},
    {.name = "eta",
     .help = "how much; 0: nothing, which is the noise's own steps",
     .type = TESS_F64,
     .offset = offsetof(struct remdm, eta),
     .lo = 0,
     .hi = 1,
     .def = 0.02},
    {.name = NULL}};

TESS_PLUGIN("tessera-remdm", "0.1.0", "MIT", TESS_NEEDS("graph/1", "random/1"),
            TESS_COMPONENT_DOCUMENTED("Wang et al., Remasking Discrete Diffusion Models with Inference-Time Scaling, 2025",
                                      "sampler: {use: remdm, strategy: cap, eta: 0.02}", "remdm", "sampler/1",
                                      "revealed tokens are masked again and drawn better, for noises with a mask", sizeof(struct remdm),
                                      params, NULL, NULL, &ops));
