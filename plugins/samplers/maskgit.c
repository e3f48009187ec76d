/* sampler/1 `maskgit`: few steps, the surest tokens first (docs/models.md, "MaskGIT sampling"; Chang et al., "MaskGIT: Masked generative
 * image transformer", 2022). In each step every masked token is drawn, and those of the highest confidence stay: the logarithm of the
 * probability they were drawn with, plus Gumbel noise that fades as the steps go on. How many stay is a schedule's.
 *
 * Samples do not follow the model's distribution: that is the price of few steps. Without the noise the same few tokens would always come
 * first and images would be alike.
 *
 * The Gumbel noise is computed in double of 53 random bits: in single precision its upper tail is cut off, which acts as a lower
 * temperature.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/sample/draws.h"

#include <tessera/kind/sampler.h>
#include <tessera/plugin.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct maskgit {
    double choice_temperature;
    int32_t schedule;
};

enum { SCHEDULE_COSINE, SCHEDULE_LINEAR, SCHEDULE_SQUARE, SCHEDULE_ROOT };

static int maskgit_check(void *self, struct tess_context *ctx, const struct tess_prior *p)
{
    (void)self;
    if (!tess_prior_causal(p) && tess_prior_vocabulary(p) == p->codebook_size + 1)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE,
                     "maskgit: a prior of noise `%s` has no mask to reveal tokens from; use one of noise `absorbing`, or the sampler "
                     "`ancestral`, which is for all",
                     tess_instance_name(p->noise));
}

/* ---- number of tokens to reveal ---- */

/* Share of the tokens that are masked when a share r of the steps is done. */
static double maskgit_share(const struct maskgit *p, double r)
{
    switch (p->schedule) {
    case SCHEDULE_LINEAR:
        return 1.0 - r;
    case SCHEDULE_SQUARE:
        return 1.0 - r * r;
    case SCHEDULE_ROOT:
        return 1.0 - sqrt(r);
    default:
        return cos(0.5 * 3.14159265358979323846 * r);
    }
}

/* Number of tokens that were masked at the start. */
static int64_t maskgit_unknown(const struct tess_sampler_step *s)
{
    int64_t n = s->reverse->tokens;
    for (int64_t i = 0; s->mask && i < s->reverse->tokens; i++)
        n -= s->mask[i] != 0;
    return n;
}

/* Number of the `masked` tokens that stay masked (26.1): floor of the share of those at the start, but one at least is revealed, and all in
 * the last step. */
static int64_t maskgit_stay(const struct maskgit *p, const struct tess_sampler_step *s, int64_t masked)
{
    double r = (double)(s->steps - s->left + 1) / (double)s->steps;
    int64_t stay = s->left == 1 ? 0 : (int64_t)floor(maskgit_share(p, r) * (double)maskgit_unknown(s));
    stay = stay < masked - 1 ? stay : masked - 1;
    return stay > 0 ? stay : 0;
}

static int64_t maskgit_reads(void *self, const struct tess_sampler_step *s, uint8_t *where)
{
    int64_t n = 0;
    (void)self;
    for (int64_t i = 0; i < s->reverse->tokens; i++) {
        int masked = s->reverse->x[i] == s->reverse->codebook_size;
        n += masked;
        if (where)
            where[i] = (uint8_t)masked;
    }
    return n;
}

/* ---- choice of tokens ---- */

struct maskgit_choice {
    double confidence;
    int64_t token;
    int32_t code;
};

/* Order of choices: by falling confidence, of equals by the token's number. */
static int surer(const void *a, const void *b)
{
    const struct maskgit_choice *x = a, *y = b;
    if (x->confidence != y->confidence)
        return x->confidence > y->confidence ? -1 : 1;
    return x->token < y->token ? -1 : 1;
}

/* Uniform draw in (0, 1), of 53 bits. */
static double maskgit_uniform(const struct tess_stream *random, int64_t i)
{
    uint32_t u[2];
    tess_random_u32(random, (uint64_t)(2 * i), 2, u);
    return ((double)(u[0] >> 5) * 0x1p26 + (double)(u[1] >> 6) + 0.5) * 0x1p-53;
}

/* Draws one token and computes its confidence (26.2). */
static int maskgit_choose(const struct maskgit *p, const struct tess_sampler_step *s, struct maskgit_choice *c)
{
    const struct tess_reverse *r = s->reverse;
    struct tess_stream random = r->random;
    const float *logits = r->logits + (r->row ? r->row[c->token] : c->token) * r->codebook_size;
    struct draw_row row = {.logits = logits, .codebook_size = r->codebook_size, .without = -1, .temperature = r->temperature};
    random.purpose = tess_purpose("maskgit.code");
    c->code = draw_row_open(&row) ? draw_row_code(&row, maskgit_uniform(&random, c->token)) : -1;
    if (c->code < 0)
        return 0;
    random.purpose = tess_purpose("maskgit.choice");
    double fade = p->choice_temperature * (double)(s->left - 1) / (double)s->steps;
    c->confidence = (double)(logits[c->code] - row.max) / r->temperature - log(row.sum);
    if (fade > 0.0)
        c->confidence -= fade * log(-log(maskgit_uniform(&random, c->token)));
    return 1;
}

static int maskgit_reveal(const struct maskgit *p, struct tess_context *ctx, const struct tess_sampler_step *s, int64_t masked,
                          struct maskgit_choice *choice)
{
    const struct tess_reverse *r = s->reverse;
    int64_t n = 0;
    for (int64_t i = 0; i < r->tokens; i++) {
        if (r->x[i] != r->codebook_size)
            continue;
        choice[n].token = i;
        if (!maskgit_choose(p, s, &choice[n++]))
            return ctx->fail(ctx, TESS_E_FAILED,
                             "maskgit: the denoiser's output at token %lld is not finite; the prior has diverged in training",
                             (long long)i);
    }
    qsort(choice, (size_t)n, sizeof *choice, surer);
    for (int64_t k = 0; k < n - maskgit_stay(p, s, masked); k++)
        r->next[choice[k].token] = choice[k].code;
    return TESS_OK;
}

static int maskgit_draw(void *self, struct tess_context *ctx, const struct tess_sampler_step *s)
{
    const struct tess_reverse *r = s->reverse;
    int64_t masked = maskgit_reads(self, s, NULL);
    void *memory;
    if (r->next != r->x)
        memcpy(r->next, r->x, (size_t)r->tokens * sizeof *r->next);
    if (masked == 0)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)masked * sizeof(struct maskgit_choice), "the choice among tokens", &memory));
    int status = maskgit_reveal(self, ctx, s, masked, memory);
    tess_free(memory);
    return status;
}

static const struct tess_sampler_1 ops = {.size = sizeof ops, .check = maskgit_check, .reads = maskgit_reads, .draw = maskgit_draw};

static const struct tess_param params[] = {
    {.name = "choice_temperature",
     .help = "Gumbel noise on the confidence, fading to 0 over the steps; 0: none, and images become alike",
     .type = TESS_F64,
     .offset = offsetof(struct maskgit, choice_temperature),
     .lo = 0,
     .hi = 1000,
     .def = 4.5},
    {.name = "schedule",
     .help = "share masked when a share r of the steps is done: cos(pi r / 2), 1 - r, 1 - r^2, 1 - sqrt(r)",
     .type = TESS_ENUM,
     .offset = offsetof(struct maskgit, schedule),
     .text = "cosine|linear|square|root"},
    {.name = NULL}};

TESS_PLUGIN("tessera-maskgit", "0.1.0", "MIT", TESS_NEEDS("graph/1", "random/1"),
            TESS_COMPONENT_DOCUMENTED("Chang et al., MaskGIT: Masked Generative Image Transformer, 2022",
                                      "sampler: {use: maskgit, choice_temperature: 4.5}", "maskgit", "sampler/1",
                                      "few steps, the surest tokens first, for noises with a mask", sizeof(struct maskgit), params, NULL,
                                      NULL, &ops));
