/* Host-side wrappers of the functions of kind sampler/1, which check the results. SPDX-License-Identifier: MIT */
#include <tessera/sampler.h>

#include "core/model/prior_check.h"

#include <math.h>
#include <stdio.h>

static const struct tess_sampler_1 *kind_ops(const struct tess_instance *sampler)
{
    return tess_instance_ops(sampler, "sampler/1");
}

int64_t tess_sampler_state_size(const struct tess_instance *sampler, int64_t tokens, int64_t codebook_size)
{
    const struct tess_sampler_1 *ops = kind_ops(sampler);
    return TESS_HAS(ops, state_size) && ops->state_size ? ops->state_size(tess_instance_self(sampler), tokens, codebook_size) : 0;
}

int tess_sampler_check(struct tess_context *ctx, const struct tess_instance *sampler, const struct tess_prior *p, int64_t tokens)
{
    const struct tess_sampler_1 *ops = kind_ops(sampler);
    if (!ops)
        return ctx->fail(ctx, TESS_E_INTERNAL, "sampling is to be done by `%s`, which is no sampler", tess_instance_name(sampler));
    if (ops->check)
        TESS_TRY(tess_instance_returned(ctx, sampler, "sampler", "check", ops->check(tess_instance_self(sampler), ctx, p)));
    int64_t bytes = tess_sampler_state_size(sampler, tokens, p->codebook_size);
    return tessi_model_number(ctx, sampler, "sampler", "state_size", bytes, 0, TESS_SAMPLER_STATE_MAX);
}

static int64_t count_ones(int64_t tokens, const uint8_t *where)
{
    int64_t n = 0;
    for (int64_t i = 0; i < tokens; i++)
        n += where[i] != 0;
    return n;
}

/* Adds to a failure of `reads` that the sampler has its wrong answer from the noise. */
static int reads_failed(struct tess_context *ctx, const struct tess_sampler_step *s, int64_t n, int status)
{
    char who[200];
    if (n == tess_prior_changes(s->prior, s->reverse, NULL))
        tess_append_message(ctx, "; as %s, changes, says", tessi_model_part_text(s->prior->noise, "noise", who));
    return status;
}

/* Checks that a call that reads nothing, and so changes nothing, is not the last while there are tokens that are no codes. */
static int reads_nothing(struct tess_context *ctx, const struct tess_instance *sampler, const struct tess_sampler_step *s)
{
    const struct tess_reverse *r = s->reverse;
    int64_t calls;
    if (!r->last)
        return TESS_OK;
    TESS_TRY(tess_sampler_step_calls(ctx, sampler, s->left, s->steps, &calls));
    if (s->call < calls - 1)
        return TESS_OK;
    return tessi_model_check_tokens(ctx, sampler, "sampler", "reads, which says that the last call draws nothing", r->tokens, r->x,
                                    r->codebook_size);
}

int tess_sampler_step_reads(struct tess_context *ctx, const struct tess_instance *sampler, const struct tess_sampler_step *s,
                            uint8_t *where, int64_t *n)
{
    const struct tess_sampler_1 *ops = kind_ops(sampler);
    int64_t tokens = s->reverse->tokens;
    int status = TESS_OK;
    char who[200];
    *n = ops->reads ? ops->reads(tess_instance_self(sampler), s, where) : -1;
    if (*n < 0)
        return TESS_OK;
    if (*n > tokens)
        status = tessi_model_number(ctx, sampler, "sampler", "reads", *n, 0, tokens);
    else if (where && count_ones(tokens, where) != *n)
        status = ctx->fail(ctx, TESS_E_PLUGIN, "%s, reads: gave %lld tokens and marked %lld; wanted the same number",
                           tessi_model_part_text(sampler, "sampler", who), (long long)*n, (long long)count_ones(tokens, where));
    else if (*n == 0)
        status = reads_nothing(ctx, sampler, s);
    return status == TESS_OK ? TESS_OK : reads_failed(ctx, s, *n, status);
}

int tess_sampler_step_draw(struct tess_context *ctx, const struct tess_instance *sampler, const struct tess_sampler_step *s)
{
    const struct tess_reverse *r = s->reverse;
    int64_t calls, below;
    TESS_TRY(tess_sampler_step_calls(ctx, sampler, s->left, s->steps, &calls));
    TESS_TRY(tess_instance_returned(ctx, sampler, "sampler", "draw", kind_ops(sampler)->draw(tess_instance_self(sampler), ctx, s)));
    below = r->last && s->call == calls - 1 ? r->codebook_size : tess_prior_vocabulary(s->prior);
    return tessi_model_check_tokens(ctx, sampler, "sampler", "draw", r->tokens, r->next, below);
}

int tess_sampler_step_calls(struct tess_context *ctx, const struct tess_instance *sampler, int64_t left, int64_t steps, int64_t *n)
{
    const struct tess_sampler_1 *ops = kind_ops(sampler);
    *n = TESS_HAS(ops, calls) && ops->calls ? ops->calls(tess_instance_self(sampler), left, steps) : 1;
    return tessi_model_number(ctx, sampler, "sampler", "calls", *n, 1, TESS_SAMPLER_CALLS_MAX);
}

uint32_t tess_sampler_step_purpose(int32_t call)
{
    char name[40] = "sample.reverse";
    if (call > 0)
        (void)snprintf(name, sizeof name, "sample.reverse.%d", (int)call);
    return tess_purpose(name);
}

/* docs/models.md, (25.2) */
void tess_sampler_guide(double guidance, int64_t n, float *conditional, const float *unconditional)
{
    for (int64_t k = 0; k < n; k++)
        if (conditional[k] != -INFINITY && unconditional[k] != -INFINITY)
            conditional[k] = (float)((1.0 + guidance) * (double)conditional[k] - guidance * (double)unconditional[k]);
}
