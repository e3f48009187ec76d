/* noise/1 `absorbing`: tokens turn into a mask and stay masked (docs/models.md, "Absorbing diffusion"; Austin et al., "Structured denoising
 * diffusion models in discrete state-spaces", and Bond-Taylor et al., "Unleashing Transformers", section 3.3).
 *
 * With beta_t = 1 / (T - t + 1) a token is masked at step t with probability t / T, independently; all are at t = T. Going back from
 * fraction u of the time to v, a masked token is revealed with probability (u - v) / u, its value drawn from the denoiser. The
 * bound is the sum over t of CE_t / t, CE_t being the cross-entropy of the masked tokens in nats; the denoiser needs no t.
 * These are (9.1), (9.2) and (9.3).
 *
 * SPDX-License-Identifier: MIT */
#include "kit/sample/draws.h"

#include <tessera/kind/noise.h>
#include <tessera/plugin.h>

#include <math.h>
#include <string.h>

struct absorbing {
    int64_t steps;
    int32_t mask, loss, weight;
};

enum { MASK_RANDOM, MASK_FIXED };
enum { LOSS_REWEIGHTED, LOSS_ELBO, LOSS_MLM };
enum { WEIGHT_PAPER, WEIGHT_CODE };

static int64_t absorbing_vocabulary(void *self, int64_t codebook_size)
{
    (void)self;
    return codebook_size + 1;
}

static int64_t absorbing_steps(void *self)
{
    return ((struct absorbing *)self)->steps;
}

/* Masks n of the tokens, every subset equally likely (Knuth, "Seminumerical algorithms", 3.4.2, algorithm S): of those not yet looked at,
 * each has the same chance to be among the ones still wanted. */
static void mask_some(const struct tess_stream *random, int64_t tokens, int64_t n, int32_t mask, int32_t *xt)
{
    for (int64_t i = 0; i < tokens && n > 0; i++) {
        float u;
        tess_random_uniform(random, (uint64_t)i, 1, &u);
        if ((double)u * (double)(tokens - i) >= (double)n)
            continue;
        xt[i] = mask;
        n--;
    }
}

static int absorbing_corrupt(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens, int64_t codebook_size,
                             int64_t t, const int32_t *x0, int32_t *xt)
{
    const struct absorbing *p = self;
    if (t < 1 || t > p->steps)
        return ctx->fail(ctx, TESS_E_INTERNAL, "absorbing: step %lld is outside 1 .. %lld", (long long)t, (long long)p->steps);
    double share = (double)t / (double)p->steps;
    memcpy(xt, x0, (size_t)tokens * sizeof *xt);
    if (p->mask == MASK_FIXED) {
        int64_t n = (int64_t)nearbyint(share * (double)tokens); /* halves to even, as published */
        mask_some(random, tokens, n < 1 ? 1 : n, (int32_t)codebook_size, xt);
        return TESS_OK;
    }
    for (int64_t i = 0; i < tokens; i += 64) {
        float u[64];
        int64_t n = tokens - i < 64 ? tokens - i : 64;
        tess_random_uniform(random, (uint64_t)i, n, u);
        for (int64_t k = 0; k < n; k++)
            if ((double)u[k] < share)
                xt[i + k] = (int32_t)codebook_size;
    }
    return TESS_OK;
}

/* ---- the loss: sum over masked tokens of their cross-entropy, times a factor a sample ---- */

struct factors {
    struct absorbing noise;
    int64_t codebook_size;
};

/* xt (N, L), t (N) -> masked (N, L) 0 or 1, factor of the loss (N, 1), factor of the bound (N, 1) */
static int factors_forward(const struct tess_op_run *r)
{
    const struct factors *a = r->attr;
    int64_t n = r->in[0].dim[0], tokens = r->in[0].dim[1];
    const int32_t *xt = r->in[0].data;
    const float *t = r->in[1].data;
    float *masked = r->out[0].data, *loss = r->out[1].data, *bound = r->out[2].data;
    double all = (double)a->noise.steps, bits = 1.0 / ((double)tokens * 0.69314718055994531);
    for (int64_t i = 0; i < n; i++) {
        int64_t count = 0;
        for (int64_t k = i * tokens; k < (i + 1) * tokens; k++) {
            masked[k] = xt[k] == a->codebook_size ? 1.0f : 0.0f;
            count += xt[k] == a->codebook_size;
        }
        double at = (double)t[i], back = a->noise.weight == WEIGHT_PAPER ? 1.0 : 0.0;
        /* (9.4), and for the loss (9.5), (9.6), (9.7) or (9.8) */
        bound[i] = (float)(all / at * bits);
        if (a->noise.loss == LOSS_ELBO)
            loss[i] = bound[i];
        else if (a->noise.loss == LOSS_MLM)
            loss[i] = (float)(1.0 / (double)(count > 1 ? count : 1));
        else
            loss[i] = (float)((all - at + back) / all * bits);
    }
    return TESS_OK;
}

static const struct tess_op op_factors = {.size = sizeof(struct tess_op), .name = "absorbing factors", .forward = factors_forward};

static int absorbing_record_loss(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *logits, struct tess_node *x0,
                       struct tess_node *xt, struct tess_node *t, struct tess_noise_loss *out)
{
    struct tess_tensor shape = tess_shape(logits), codes = tess_shape(xt);
    struct factors a = {.noise = *(const struct absorbing *)self, .codebook_size = shape.dim[2]};
    struct tess_node *in[2] = {xt, t}, *f[3];
    if (logits && xt && (shape.rank != 3 || codes.rank != 2))
        return ctx->fail(ctx, TESS_E_SHAPE, "absorbing: logits (N, L, K) and codes (N, L) are wanted");
    struct tess_tensor each = tess_tensor_over(NULL, TESS_F32, 2, (const int64_t[]){codes.dim[0], 1});
    struct tess_tensor outputs[3] = {tess_tensor_over(NULL, TESS_F32, 2, codes.dim), each, each};
    tess_custom(g, &op_factors, &a, sizeof a, 2, in, 3, outputs, 0, 0.0, f);
    struct tess_node *ce = tess_sum(g, tess_cross_entropy(g, logits, x0, f[0]), 2);
    out->loss = tess_mean_all(g, tess_mul(g, ce, f[1]));
    out->bound = tess_reshape(g, tess_mul(g, ce, f[2]), 1, codes.dim);
    return TESS_OK;
}

/* Constant of the bound: 0, as at t = T every token is masked, whatever it was. */
static double absorbing_bound_constant(void *self, int64_t tokens, int64_t codebook_size)
{
    (void)self;
    (void)tokens;
    (void)codebook_size;
    return 0.0;
}

/* ---- sampling ---- */

static int absorbing_start(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens, int64_t codebook_size,
                           int32_t *x)
{
    (void)self;
    (void)ctx;
    (void)random;
    for (int64_t i = 0; i < tokens; i++)
        x[i] = (int32_t)codebook_size;
    return TESS_OK;
}

/* Decides whether token i is revealed in this step: 1 by (9.2), which is (9.9) of equal steps; u[1] then is the draw of its value. */
static int is_revealed(const struct tess_reverse *r, int64_t i, float u[2])
{
    if (r->x[i] != r->codebook_size)
        return 0;
    tess_random_uniform(&r->random, (uint64_t)(2 * i), 2, u);
    return r->last || (double)u[0] < (r->from - r->to) / r->from;
}

static int64_t absorbing_changes(void *self, const struct tess_reverse *r, uint8_t *where)
{
    int64_t n = 0;
    float u[2];
    (void)self;
    for (int64_t i = 0; i < r->tokens; i++) {
        int revealed = is_revealed(r, i, u);
        n += revealed;
        if (where)
            where[i] = (uint8_t)revealed;
    }
    return n;
}

/* A host from before there were rows gives a smaller struct. */
static const float *logits_of(const struct tess_reverse *r, int64_t i)
{
    int has_rows = TESS_HAS(r, row) && r->row;
    return r->logits + (has_rows ? r->row[i] : i) * r->codebook_size;
}

static int absorbing_reverse(void *self, struct tess_context *ctx, const struct tess_reverse *r)
{
    (void)self;
    for (int64_t i = 0; i < r->tokens; i++) {
        float u[2];
        r->next[i] = r->x[i];
        if (!is_revealed(r, i, u))
            continue;
        struct draw_row row = {.logits = logits_of(r, i), .codebook_size = r->codebook_size, .without = -1, .temperature = r->temperature};
        r->next[i] = draw_row_open(&row) ? draw_row_code(&row, (double)u[1]) : -1;
        if (r->next[i] < 0)
            return ctx->fail(ctx, TESS_E_FAILED,
                           "absorbing: the denoiser's output at token %lld is not finite; the prior has diverged in training",
                           (long long)i);
    }
    return TESS_OK;
}

/* (21.2) */
static int absorbing_condition(void *self, struct tess_context *ctx, const struct tess_reverse *r, const uint8_t *mask,
                               const int32_t *values)
{
    (void)self;
    (void)ctx;
    for (int64_t i = 0; i < r->tokens; i++)
        r->next[i] = mask[i] ? values[i] : r->x[i];
    return TESS_OK;
}

static const struct tess_noise_1 ops = {.size = sizeof ops,
                                        .vocabulary = absorbing_vocabulary,
                                        .steps = absorbing_steps,
                                        .corrupt = absorbing_corrupt,
                                        .record_loss = absorbing_record_loss,
                                        .bound_constant = absorbing_bound_constant,
                                        .start = absorbing_start,
                                        .reverse = absorbing_reverse,
                                        .changes = absorbing_changes,
                                        .reads_row = 1,
                                        .condition = absorbing_condition};

static const struct tess_param params[] = {
    {.name = "steps",
     .help = "diffusion steps (T)",
     .type = TESS_I64,
     .offset = offsetof(struct absorbing, steps),
     .lo = 1,
     .hi = 1e6,
     .def = 256},
    {.name = "mask",
     .help = "random: each token by itself; fixed: as many tokens as t / T says",
     .type = TESS_ENUM,
     .offset = offsetof(struct absorbing, mask),
     .text = "random|fixed"},
    {.name = "loss",
     .help = "reweighted bound, the bound itself (elbo), or mean cross-entropy of the masked (mlm)",
     .type = TESS_ENUM,
     .offset = offsetof(struct absorbing, loss),
     .text = "reweighted|elbo|mlm"},
    {.name = "weight",
     .help = "of the reweighted loss: (T - t + 1) / T as in the paper, or (T - t) / T as in the published code",
     .type = TESS_ENUM,
     .offset = offsetof(struct absorbing, weight),
     .text = "paper|code"},
    {.name = NULL}};

TESS_PLUGIN("tessera-absorbing", "0.1.0", "MIT", TESS_NEEDS("graph/1", "random/1"),
            TESS_COMPONENT_DOCUMENTED("Austin et al., Structured Denoising Diffusion Models in Discrete State-Spaces, 2021; Bond-Taylor et "
                                      "al., Unleashing Transformers, 2022",
                                      "noise: {use: absorbing, steps: 49}", "absorbing", "noise/1",
                                      "tokens turn into a mask, and are revealed step by step", sizeof(struct absorbing), params, NULL,
                                      NULL, &ops));
