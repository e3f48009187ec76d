/* sampler/1 `template-name`: the most probable tokens first, an equal share in each step. Every masked token is drawn from the denoiser's
 * logits; those that were drawn with the highest probability stay, the others are masked as before. Few steps do, at the price that samples
 * do not follow the model's distribution.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/kind/sampler.h>
#include <tessera/plugin.h>

#include <math.h>
#include <string.h>

struct choice {
    double probability;
    int32_t code; /* -1: not masked, or revealed already */
};

/* Checks that the prior has a mask token: id K of a vocabulary of K + 1. */
static int template_name_check(void *self, struct tess_context *ctx, const struct tess_prior *p)
{
    (void)self;
    if (!tess_prior_causal(p) && tess_prior_vocabulary(p) == p->codebook_size + 1)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE, "template-name: noise `%s` has no mask to reveal tokens from; use a prior of noise `absorbing`",
                     tess_instance_name(p->noise));
}

/* Marks the tokens whose logits this step reads: the masked ones. Gives their number. */
static int64_t template_name_reads(void *self, const struct tess_sampler_step *s, uint8_t *where)
{
    int64_t n = 0;
    (void)self;
    for (int64_t i = 0; i < s->reverse->tokens; i++) {
        const int masked = s->reverse->x[i] == s->reverse->codebook_size;
        n += masked;
        if (where)
            where[i] = (uint8_t)masked;
    }
    return n;
}

/* A code drawn from softmax(logits / temperature) by u in [0, 1), with its probability; -1 where a logit is no number. */
static struct choice draw(const float *logits, int64_t codes, double temperature, double u)
{
    struct choice c = {0.0, -1};
    double largest = -INFINITY, sum = 0.0;
    for (int64_t k = 0; k < codes; k++)
        largest = (double)logits[k] > largest ? (double)logits[k] : largest;
    for (int64_t k = 0; k < codes; k++)
        sum += exp(((double)logits[k] - largest) / temperature);
    if (!(sum >= 1.0) || isinf(sum))
        return c;
    u *= sum;
    for (int64_t k = 0; k < codes; k++) {
        const double part = exp(((double)logits[k] - largest) / temperature);
        u -= part;
        c.code = (int32_t)k;
        c.probability = part / sum;
        if (u < 0.0)
            break;
    }
    return c;
}

static int choose_all(struct tess_context *ctx, const struct tess_reverse *r, struct choice *choice)
{
    struct tess_stream random = r->random;
    random.purpose = tess_purpose("template-name");
    for (int64_t i = 0; i < r->tokens; i++) {
        float u;
        choice[i].code = -1;
        if (r->x[i] != r->codebook_size)
            continue;
        tess_random_uniform(&random, (uint64_t)i, 1, &u);
        choice[i] = draw(r->logits + (r->row ? r->row[i] : i) * r->codebook_size, r->codebook_size, r->temperature, (double)u);
        if (choice[i].code < 0)
            return ctx->fail(ctx, TESS_E_FAILED, "template-name: logits of token %lld are no numbers; the prior has diverged in training",
                             (long long)i);
    }
    return TESS_OK;
}

/* Reveals the n tokens of the highest probability; of equals the first. */
static void reveal(const struct tess_reverse *r, struct choice *choice, int64_t n)
{
    for (; n > 0; n--) {
        int64_t best = -1;
        for (int64_t i = 0; i < r->tokens; i++)
            if (choice[i].code >= 0 && (best < 0 || choice[i].probability > choice[best].probability))
                best = i;
        if (best < 0)
            return;
        r->next[best] = choice[best].code;
        choice[best].code = -1;
    }
}

/* Thread safety: asked by several threads at once, of different sequences; nothing is kept in self. */
static int template_name_draw(void *self, struct tess_context *ctx, const struct tess_sampler_step *s)
{
    const struct tess_reverse *r = s->reverse;
    const int64_t masked = template_name_reads(self, s, NULL);
    void *memory = NULL;
    if (r->next != r->x)
        memcpy(r->next, r->x, (size_t)r->tokens * sizeof *r->x);
    TESS_TRY(tess_alloc(ctx, (size_t)r->tokens * sizeof(struct choice), "the choice among tokens", &memory));
    int status = choose_all(ctx, r, (struct choice *)memory);
    if (status == TESS_OK)
        reveal(r, (struct choice *)memory, (masked + s->left - 1) / s->left);
    tess_free(memory);
    return status;
}

static const struct tess_sampler_1 ops = {sizeof(struct tess_sampler_1), 0, template_name_check, template_name_reads, template_name_draw};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS("random/1"),
            TESS_COMPONENT("template-name", "sampler/1", "the surest tokens first, an equal share in each step", 0, NULL, NULL, NULL,
                           &ops));
