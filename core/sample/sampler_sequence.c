/* State of one sequence: tokens, steps left, known tokens, next call. SPDX-License-Identifier: MIT */
#include "core/sample/sampler_private.h"

int32_t *tessi_sample_sequence(const struct tess_sampler *s, int64_t i)
{
    return (int32_t *)s->x.data + i * s->tokens;
}

int32_t *tessi_sample_left(const struct tess_sampler *s, int64_t i)
{
    return (int32_t *)s->left.data + i;
}

int32_t tessi_sample_steps(const struct tess_sampler *s, int64_t i)
{
    return s->o.each ? s->o.each[i] : (int32_t)s->o.steps;
}

uint32_t tessi_sample_number(const struct tess_sampler *s, int64_t i)
{
    return s->o.number ? s->o.number[i] : (uint32_t)i;
}

int tessi_sample_hold(struct tess_context *ctx, const struct tess_sampler *s, int64_t i)
{
    int32_t step = *tessi_sample_left(s, i);
    struct tess_reverse r = {
        .size = sizeof r,
        .tokens = s->tokens,
        .codebook_size = s->o.prior->codebook_size,
        .from = (double)step / (double)tessi_sample_steps(s, i),
        .temperature = s->o.temperature,
        .x = tessi_sample_sequence(s, i),
        .next = tessi_sample_sequence(s, i),
        .random = {.seed = s->o.seed, .purpose = tess_purpose("sample.hold"), .step = (uint32_t)step, .sample = tessi_sample_number(s, i)}};
    if (!s->o.mask)
        return TESS_OK;
    return tess_prior_condition(ctx, s->o.prior, &r, s->o.mask + i * s->tokens, s->o.values + i * s->tokens);
}

void tessi_sample_next(const struct tess_sampler *s, int64_t i, const float *logits, struct tessi_sample_call *out)
{
    int32_t step = *tessi_sample_left(s, i), steps = tessi_sample_steps(s, i), call = ((const int32_t *)s->call.data)[i];
    out->reverse = (struct tess_reverse){
        .size = sizeof out->reverse,
        .last = step == 1,
        .tokens = s->tokens,
        .codebook_size = s->o.prior->codebook_size,
        .from = (double)step / (double)steps,
        .to = (double)(step - 1) / (double)steps,
        .temperature = s->o.temperature,
        .logits = logits,
        .x = tessi_sample_sequence(s, i),
        .next = tessi_sample_sequence(s, i),
        .random = {
            .seed = s->o.seed, .purpose = tess_sampler_step_purpose(call), .step = (uint32_t)step, .sample = tessi_sample_number(s, i)}};
    out->step = (struct tess_sampler_step){.size = sizeof out->step,
                                           .call = call,
                                           .left = step,
                                           .steps = steps,
                                           .prior = s->o.prior,
                                           .reverse = &out->reverse,
                                           .mask = s->o.mask ? s->o.mask + i * s->tokens : NULL,
                                           .state = s->state.data ? (uint8_t *)s->state.data + i * s->state.dim[1] : NULL};
}

int tessi_sample_passed(struct tess_context *ctx, const struct tess_sampler *s, int64_t i)
{
    int32_t *call = (int32_t *)s->call.data + i;
    int64_t calls;
    TESS_TRY(tess_sampler_step_calls(ctx, s->o.sampler, *tessi_sample_left(s, i), tessi_sample_steps(s, i), &calls));
    if (++*call < calls)
        return TESS_OK;
    *call = 0;
    --*tessi_sample_left(s, i);
    return TESS_OK;
}

void tessi_sample_put_labels(const struct tess_sampler *s, int64_t i, int32_t *to)
{
    to[0] = s->o.label[i];
    if (s->rows > 1)
        to[1] = (int32_t)s->o.prior->classes;
}

void tessi_sample_guide(const struct tess_sampler *s, int64_t n, float *logits)
{
    if (s->rows > 1)
        tess_sampler_guide(s->o.guidance, n, logits, logits + n);
}
