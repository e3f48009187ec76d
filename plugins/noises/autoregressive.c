/* noise/1 `autoregressive`: no noise at all, but the baseline that diffusion is held against (docs/models.md, "Autoregressive baseline").
 * Tokens in the order of rows, each drawn from what the denoiser makes of those before it, so T is the number of tokens; the loss is the
 * code length itself and not a bound of it.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/sample/draws.h"

#include <tessera/kind/noise.h>
#include <tessera/plugin.h>

#include <math.h>
#include <string.h>

static int64_t autoregressive_vocabulary(void *self, int64_t codebook_size)
{
    (void)self;
    return codebook_size;
}

static int64_t autoregressive_steps(void *self)
{
    (void)self;
    return 0; /* 0: as many steps as there are tokens */
}

static int autoregressive_corrupt(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens,
                                  int64_t codebook_size, int64_t t, const int32_t *x0, int32_t *xt)
{
    (void)self;
    (void)random;
    (void)codebook_size;
    if (t < 1 || t > tokens)
        return ctx->fail(ctx, TESS_E_INTERNAL, "autoregressive: step %lld is outside 1 .. %lld", (long long)t, (long long)tokens);
    memcpy(xt, x0, (size_t)tokens * sizeof *xt);
    return TESS_OK;
}

/* Loss and bound, which are the same: the code length (20.3). */
static int autoregressive_record_loss(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *logits,
                                      struct tess_node *x0, struct tess_node *xt, struct tess_node *t, struct tess_noise_loss *out)
{
    struct tess_tensor shape = tess_shape(logits), codes = tess_shape(x0);
    (void)self;
    (void)xt;
    (void)t;
    if (logits && x0 && (shape.rank != 3 || codes.rank != 2))
        return ctx->fail(ctx, TESS_E_SHAPE, "autoregressive: logits (N, L, K) and codes (N, L) are wanted");
    struct tess_node *nats = tess_sum(g, tess_cross_entropy(g, logits, x0, NULL), 2);
    double bits = 1.0 / ((double)(codes.dim[1] ? codes.dim[1] : 1) * 0.69314718055994531);
    out->bound = tess_reshape(g, tess_affine(g, nats, (float)bits, 0.0f), 1, codes.dim);
    out->loss = tess_mean_all(g, out->bound);
    return TESS_OK;
}

static double autoregressive_bound_constant(void *self, int64_t tokens, int64_t codebook_size)
{
    (void)self;
    (void)tokens;
    (void)codebook_size;
    return 0.0;
}

/* Start of sampling: zeros, as no token is read before it is drawn. */
static int autoregressive_start(void *self, struct tess_context *ctx, const struct tess_stream *random, int64_t tokens,
                                int64_t codebook_size, int32_t *x)
{
    (void)self;
    (void)ctx;
    (void)random;
    (void)codebook_size;
    memset(x, 0, (size_t)tokens * sizeof *x);
    return TESS_OK;
}

/* Number of the token that this step draws: with s of L steps left, L - s. */
static int64_t token_of(const struct tess_reverse *r)
{
    return r->tokens - llround(r->from * (double)r->tokens);
}

static int64_t autoregressive_changes(void *self, const struct tess_reverse *r, uint8_t *where)
{
    (void)self;
    if (where) {
        memset(where, 0, (size_t)r->tokens);
        where[token_of(r)] = 1;
    }
    return 1;
}

/* Draws one token, from one factor of (20.1). */
static int autoregressive_reverse(void *self, struct tess_context *ctx, const struct tess_reverse *r)
{
    int64_t i = token_of(r), at = TESS_HAS(r, row) && r->row ? r->row[i] : i;
    struct draw_row row = {
        .logits = r->logits + at * r->codebook_size, .codebook_size = r->codebook_size, .without = -1, .temperature = r->temperature};
    float u;
    (void)self;
    tess_random_uniform(&r->random, (uint64_t)i, 1, &u);
    if (r->next != r->x)
        memcpy(r->next, r->x, (size_t)r->tokens * sizeof *r->next);
    r->next[i] = draw_row_open(&row) ? draw_row_code(&row, (double)u) : -1;
    if (r->next[i] < 0)
        return ctx->fail(ctx, TESS_E_FAILED,
                       "autoregressive: the denoiser's output at token %lld is not finite; the prior has diverged in training",
                       (long long)i);
    return TESS_OK;
}

static const struct tess_noise_1 ops = {.size = sizeof ops,
                                        .vocabulary = autoregressive_vocabulary,
                                        .steps = autoregressive_steps,
                                        .corrupt = autoregressive_corrupt,
                                        .record_loss = autoregressive_record_loss,
                                        .bound_constant = autoregressive_bound_constant,
                                        .start = autoregressive_start,
                                        .reverse = autoregressive_reverse,
                                        .changes = autoregressive_changes,
                                        .reads_row = 1,
                                        .causal = 1};

TESS_PLUGIN("tessera-autoregressive", "0.1.0", "MIT", TESS_NEEDS("graph/1", "random/1"),
            TESS_COMPONENT_DOCUMENTED("Esser, Rombach and Ommer, Taming Transformers for High-Resolution Image Synthesis, 2021",
                                      "noise: autoregressive", "autoregressive", "noise/1",
                                      "no noise: tokens one after the other, each from those before", 0, NULL, NULL, NULL, &ops));
