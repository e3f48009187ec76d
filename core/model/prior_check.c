/* See prior_check.h. SPDX-License-Identifier: MIT */
#include "core/model/prior_check.h"

/* Tokens are i32, and the denoiser has a row of weights for each. */
#define VOCABULARY_MAX ((int64_t)1 << 30)

static int check_noise_sizes(struct tess_context *ctx, const struct tess_prior *p, const struct tess_noise_1 *noise)
{
    void *self = tess_instance_self(p->noise);
    int64_t steps = noise->steps(self), vocabulary = noise->vocabulary(self, p->codebook_size);
    TESS_TRY(tessi_model_number(ctx, p->noise, "noise", "steps", steps, 0, TESS_STEPS_MAX));
    TESS_TRY(tessi_model_number(ctx, p->noise, "noise", "vocabulary", vocabulary, p->codebook_size, p->codebook_size + 1));
    TESS_TRY(tessi_model_same(ctx, p->noise, "noise", "steps", steps, noise->steps(self)));
    return tessi_model_same(ctx, p->noise, "noise", "vocabulary", vocabulary, noise->vocabulary(self, p->codebook_size));
}

static int check_noise(struct tess_context *ctx, const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    if (!noise)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a prior's noise is `%s`, which is none", tess_instance_name(p->noise));
    if (p->codebook_size < 1 || p->height < 1 || p->width < 1 || p->codebook_size > VOCABULARY_MAX - 1 ||
        p->height > VOCABULARY_MAX / p->width)
        return ctx->fail(ctx, TESS_E_DATA,
                         "a prior of %lld codes in maps of %lld x %lld; wanted at least 1 of each, and codes and tokens "
                         "that can be counted in 30 bits",
                         (long long)p->codebook_size, (long long)p->height, (long long)p->width);
    if (TESS_HAS(noise, observe) && (noise->draw_time || noise->observe)) { /* one is of no use without the other */
        TESS_TRY(tessi_model_needs(ctx, p->noise, "noise", "observe", noise->observe != NULL));
        TESS_TRY(tessi_model_needs(ctx, p->noise, "noise", "draw_time", noise->draw_time != NULL));
    }
    return check_noise_sizes(ctx, p, noise);
}

int tessi_model_check_prior(struct tess_context *ctx, const struct tess_prior *p)
{
    if (p->noise)
        TESS_TRY(check_noise(ctx, p));
    if (p->denoiser && !tess_instance_ops(p->denoiser, "denoiser/1"))
        return ctx->fail(ctx, TESS_E_INTERNAL, "a prior's denoiser is `%s`, which is none", tess_instance_name(p->denoiser));
    return TESS_OK;
}

int tessi_model_check_logits(struct tess_context *ctx, const struct tessi_recording *r, const struct tess_prior *p, int64_t tokens,
                             const struct tess_node *logits)
{
    const int64_t dim[3] = {tess_graph_microbatch(r->g), tokens, p->codebook_size};
    return tessi_model_gave(ctx, r, "logits", logits, TESS_F32, 3, dim);
}

int tessi_model_check_noise_loss(struct tess_context *ctx, const struct tessi_recording *r, const struct tess_noise_loss *loss)
{
    const int64_t rows = tess_graph_microbatch(r->g);
    struct tess_tensor found = tess_shape(loss->loss);
    int one = loss->loss && tess_tensor_count(&found) == 1; /* whatever its rank */
    TESS_TRY(tessi_model_gave(ctx, r, "a loss", loss->loss, TESS_F32, one ? found.rank : 0, found.dim));
    return tessi_model_gave(ctx, r, "a bound", loss->bound, TESS_F32, 1, &rows);
}

int tessi_model_check_tokens(struct tess_context *ctx, const struct tess_instance *i, const char *kind, const char *function,
                             int64_t tokens, const int32_t *x, int64_t below)
{
    char who[200];
    for (int64_t t = 0; t < tokens; t++)
        if (x[t] < 0 || x[t] >= below)
            return ctx->fail(ctx, TESS_E_PLUGIN, "%s, %s: token %lld is %d, wanted 0 .. %lld", tessi_model_part_text(i, kind, who),
                             function, (long long)t, (int)x[t], (long long)(below - 1));
    return TESS_OK;
}
