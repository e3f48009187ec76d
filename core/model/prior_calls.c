/* A noise's functions as everything outside of its plugin calls them: what they give back is looked at. SPDX-License-Identifier: MIT */
#include "core/model/prior_check.h"

#include <math.h>
#include <string.h>

static const struct tess_noise_1 *calls_noise(const struct tess_prior *p)
{
    return tess_instance_ops(p->noise, "noise/1");
}

/* Makes all tokens -1, which none is, so that those which a noise leaves unwritten are found. */
static void unset_tokens(int64_t tokens, int32_t *x)
{
    memset(x, 0xff, (size_t)tokens * sizeof *x);
}

int tess_prior_corrupt(struct tess_context *ctx, const struct tess_prior *p, const struct tess_stream *random, int64_t t, const int32_t *x0,
                       int32_t *xt)
{
    int64_t tokens = tess_prior_tokens(p);
    if (xt != x0)
        unset_tokens(tokens, xt);
    int status = calls_noise(p)->corrupt(tess_instance_self(p->noise), ctx, random, tokens, p->codebook_size, t, x0, xt);
    TESS_TRY(tess_instance_returned(ctx, p->noise, "noise", "corrupt", status));
    return tessi_model_check_tokens(ctx, p->noise, "noise", "corrupt", tokens, xt, tess_prior_vocabulary(p));
}

int tess_prior_start(struct tess_context *ctx, const struct tess_prior *p, const struct tess_stream *random, int64_t tokens, int32_t *x)
{
    unset_tokens(tokens, x);
    int status = calls_noise(p)->start(tess_instance_self(p->noise), ctx, random, tokens, p->codebook_size, x);
    TESS_TRY(tess_instance_returned(ctx, p->noise, "noise", "start", status));
    return tessi_model_check_tokens(ctx, p->noise, "noise", "start", tokens, x, tess_prior_vocabulary(p));
}

int tess_prior_reverse(struct tess_context *ctx, const struct tess_prior *p, const struct tess_reverse *r)
{
    int status = calls_noise(p)->reverse(tess_instance_self(p->noise), ctx, r);
    TESS_TRY(tess_instance_returned(ctx, p->noise, "noise", "reverse", status));
    return tessi_model_check_tokens(ctx, p->noise, "noise", "reverse", r->tokens, r->next,
                                    r->last ? p->codebook_size : tess_prior_vocabulary(p));
}

int64_t tess_prior_changes(const struct tess_prior *p, const struct tess_reverse *r, uint8_t *where)
{
    const struct tess_noise_1 *noise = calls_noise(p);
    return TESS_HAS(noise, changes) && noise->changes ? noise->changes(tess_instance_self(p->noise), r, where) : -1;
}

int tess_prior_condition(struct tess_context *ctx, const struct tess_prior *p, const struct tess_reverse *r, const uint8_t *mask,
                         const int32_t *values)
{
    int status = calls_noise(p)->condition(tess_instance_self(p->noise), ctx, r, mask, values);
    TESS_TRY(tess_instance_returned(ctx, p->noise, "noise", "condition", status));
    return tessi_model_check_tokens(ctx, p->noise, "noise", "condition", r->tokens, r->next, tess_prior_vocabulary(p));
}

int tess_prior_chooses_times(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = calls_noise(p);
    return TESS_HAS(noise, observe) && noise->draw_time && noise->observe;
}

int tess_prior_draw_time(struct tess_context *ctx, const struct tess_prior *p, struct tess_weights *w, const struct tess_stream *random,
                         int64_t *t)
{
    int status = calls_noise(p)->draw_time(tess_instance_self(p->noise), ctx, w, "noise", random, t);
    TESS_TRY(tess_instance_returned(ctx, p->noise, "noise", "draw_time", status));
    return tessi_model_number(ctx, p->noise, "noise", "draw_time", *t, 1, tess_prior_steps(p));
}

int tess_prior_observe(struct tess_context *ctx, const struct tess_prior *p, struct tess_weights *w, const struct tess_noise_seen *seen)
{
    int status = calls_noise(p)->observe(tess_instance_self(p->noise), ctx, w, "noise", seen);
    return tess_instance_returned(ctx, p->noise, "noise", "observe", status);
}

int tess_prior_bound_constant(struct tess_context *ctx, const struct tess_prior *p, double *bits)
{
    *bits = calls_noise(p)->bound_constant(tess_instance_self(p->noise), tess_prior_tokens(p), p->codebook_size);
    if (isfinite(*bits) && *bits >= 0.0)
        return TESS_OK;
    char who[200];
    return ctx->fail(ctx, TESS_E_PLUGIN, "%s, bound_constant: gave %g bits per token, wanted a divergence, which is 0 or more",
                     tessi_model_part_text(p->noise, "noise", who), *bits);
}
