/* SPDX-License-Identifier: MIT */
#include "kit/sample/sampling.h"

int sampling_open(struct tess_context *ctx, struct sampling_prior *p, const char *who, const struct tess_attrs *f, const char *where)
{
    p->prior.size = sizeof p->prior;
    TESS_TRY(tess_prior_open(ctx, f, where, &p->prior));
    if (!who || tess_prior_conditions(&p->prior))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE,
                   "%s: a prior of noise `%s` cannot sample around tokens that are known; give one that is trained with another "
                   "(`absorbing`)",
                   who, tess_instance_name(p->prior.noise));
}

int sampling_record(struct tess_context *ctx, struct sampling_prior *p, int64_t steps, uint64_t seed, int64_t batch)
{
    int64_t positions = tess_sampler_positions(&p->prior, steps);
    TESS_TRY(tess_weights_new(ctx, seed, &p->weights));
    p->denoise.weights = p->picked.weights = p->weights;
    TESS_TRY(stage_graph_open(ctx, &p->denoise, seed, batch));
    TESS_TRY(tess_prior_record_denoise(ctx, &p->prior, p->denoise.graph));
    TESS_TRY(tess_graph_seal(ctx, p->denoise.graph));
    if (!positions)
        return TESS_OK;
    TESS_TRY(stage_graph_open(ctx, &p->picked, seed, batch));
    TESS_TRY(tess_prior_record_picked(ctx, &p->prior, positions, p->picked.graph));
    return tess_graph_seal(ctx, p->picked.graph);
}

/* Of one token each: all weights are read for a microbatch, so it has more sequences than those of other graphs; and the products of 16
 * rows are rounded as larger ones are where a library has other loops for small ones (docs/models.md, section 9). */
enum { NEXT_ROWS = 16 };

int sampling_record_next(struct tess_context *ctx, struct sampling_prior *p, uint64_t seed, int64_t batch)
{
    TESS_TRY(tess_weights_new(ctx, seed, &p->weights));
    p->next.weights = p->weights;
    TESS_TRY(tess_cache_new(ctx, tess_prior_tokens(&p->prior), &p->cache));
    TESS_TRY(stage_graph_open_rows(ctx, &p->next, seed, batch, NEXT_ROWS));
    TESS_TRY(tess_prior_record_next(ctx, &p->prior, p->cache, p->next.graph));
    return tess_graph_seal(ctx, p->next.graph);
}

void sampling_close(struct sampling_prior *p)
{
    stage_graph_close(&p->picked, 0);
    stage_graph_close(&p->denoise, 0);
    stage_graph_close(&p->next, 0);
    tess_cache_free(p->cache);
    tess_weights_free(p->weights);
    tess_prior_close(&p->prior);
}

int64_t sampling_bytes(const struct sampling_prior *p, int64_t count)
{
    int64_t tokens = tess_prior_tokens(&p->prior), batch = p->next.graph ? p->next.batch : p->denoise.batch;
    int64_t logits = p->next.graph ? p->prior.codebook_size : tokens * (p->prior.codebook_size + 2);
    return (count * tokens + batch * logits) * (int64_t)sizeof(int32_t);
}

int sampling_cost(struct tess_context *ctx, const struct sampling_prior *p, double calls, struct tess_cost *cost)
{
    cost->total_bytes += tess_weights_bytes(p->weights);
    if (p->next.graph)
        TESS_TRY(stage_graph_cost(ctx, &p->next, calls, cost));
    if (p->denoise.graph)
        TESS_TRY(stage_graph_cost(ctx, &p->denoise, p->picked.graph ? 0.0 : calls, cost));
    return p->picked.graph ? stage_graph_cost(ctx, &p->picked, calls, cost) : TESS_OK;
}

int sampling_tells(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    return !noise->needs_time && TESS_HAS(noise, changes) && noise->changes;
}

int sampling_describe(struct tess_context *ctx, const struct tess_prior *p, const struct tess_attrs *prior, int64_t count, int64_t height,
                      int64_t width, int64_t steps, double temperature, uint64_t seed, struct tess_attrs *f)
{
    const char *tokenizer = tess_attrs_text_or(prior, "tokenizer", NULL);
    TESS_TRY(tess_attrs_set_i64(ctx, f, "count", count));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "height", height));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "width", width));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "codebook_size", p->codebook_size));
    TESS_TRY(tess_levels_set(ctx, f, p->codebook_size, p->depth, p->level_size));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "steps", steps));
    TESS_TRY(tess_attrs_set_f64(ctx, f, "temperature", temperature));
    TESS_TRY(tess_attrs_set_i64(ctx, f, "seed", (int64_t)seed));
    return tokenizer ? tess_attrs_set_text(ctx, f, "tokenizer", tokenizer) : TESS_OK;
}

/* ---- where it stands ---- */

static int64_t sampling_steps_of(const struct sampling_state *s, int64_t i)
{
    return s->each ? s->each[i] : s->steps;
}

int64_t sampling_total(const struct sampling_state *s)
{
    int64_t total = 0;
    for (int64_t i = 0; i < s->left.dim[0]; i++)
        total += sampling_steps_of(s, i);
    return total;
}

int64_t sampling_done(const struct sampling_state *s)
{
    int64_t done = sampling_total(s);
    for (int64_t i = 0; i < s->left.dim[0]; i++)
        done -= ((const int32_t *)s->left.data)[i];
    return done;
}

int sampling_write_checkpoint(void *user, struct tess_context *ctx, struct tess_artefact *a)
{
    const struct sampling_state *s = user;
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(a), "calls", *s->calls));
    TESS_TRY(tess_artefact_put(ctx, a, "x", &s->x, NULL));
    return tess_artefact_put(ctx, a, "left", &s->left, NULL);
}

int sampling_resume(struct tess_context *ctx, struct tess_stage_run *r, const struct sampling_state *s)
{
    const struct tess_artefact *a = tess_stage_resume(r);
    struct tess_tensor x = s->x, left = s->left;
    if (!a)
        return TESS_OK;
    TESS_TRY(tess_attrs_i64(ctx, tess_artefact_attrs(a), "calls", s->calls));
    TESS_TRY(tess_artefact_read(ctx, a, "x", 0, &x));
    TESS_TRY(tess_artefact_read(ctx, a, "left", 0, &left));
    for (int64_t i = 0; i < left.dim[0]; i++) {
        int32_t steps = ((const int32_t *)left.data)[i];
        if (steps < 0 || steps > sampling_steps_of(s, i))
            return ctx->fail(ctx, TESS_E_DATA, "%s: sample %lld has %d steps left of %lld; delete it to sample from the start",
                           tess_artefact_path(a), (long long)i, (int)steps, (long long)sampling_steps_of(s, i));
    }
    tess_stage_note(r, "resuming at step %lld of %lld", (long long)sampling_done(s), (long long)sampling_total(s));
    return TESS_OK;
}

int sampling_pause(struct tess_context *ctx, struct tess_stage_run *r, struct sampling_state *s)
{
    int stops = tess_stage_stopping(r);
    if (*s->calls > 0 && (stops || tess_stage_checkpoint_due(r)))
        TESS_TRY(tess_stage_checkpoint(ctx, r, sampling_write_checkpoint, s));
    return stops ? stage_check_stop(ctx, r, sampling_done(s), sampling_total(s), "step") : TESS_OK; /* to count them all takes a while */
}

int sampling_finish(struct tess_context *ctx, struct tess_stage_run *r, struct tess_sampler *sampler, const int32_t *each, int64_t steps)
{
    struct sampling_state state = {.x = tess_sampler_x(sampler),
                                   .left = tess_sampler_left(sampler),
                                   .calls = tess_sampler_calls(sampler),
                                   .each = each,
                                   .steps = steps};
    int64_t all = sampling_total(&state);
    TESS_TRY(sampling_resume(ctx, r, &state));
    while (!tess_sampler_finished(sampler)) {
        TESS_TRY(sampling_pause(ctx, r, &state));
        TESS_TRY(tess_sampler_advance(ctx, sampler));
        tess_stage_progress(r, tess_sampler_steps_done(sampler), all, "step", NULL, 0.0);
    }
    return TESS_OK;
}
