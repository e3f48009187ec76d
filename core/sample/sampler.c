/* Batched reverse-diffusion sampling (<tessera/sampler.h>): creation of a sampler over the state of its sequences, with checks of its
 * options, and the buffers of a batch.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sample/sampler_private.h"

#include <math.h>
#include <string.h>

static int check_options(struct tess_context *ctx, const struct tess_sampler_options *o)
{
    if (!o->sampler)
        return ctx->fail(ctx, TESS_E_INTERNAL, "sampling without a component of kind sampler/1");
    if (!o->prior || (!o->denoise && !o->next) || o->batch < 1 || o->count < 1 || (!o->each && o->steps < 1) || !(o->temperature > 0.0))
        return ctx->fail(
            ctx, TESS_E_INTERNAL,
            "a sampler of %lld sequences, %lld at a time, of %lld steps at temperature %g, %s: wanted at least one of each, and a "
            "graph that gives logits",
            (long long)o->count, (long long)o->batch, (long long)o->steps, o->temperature,
            o->denoise || o->next ? "with a graph" : "without a graph");
    if (o->each && o->next)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler of one token after the other is given steps for each sequence");
    for (int64_t i = 0; o->each && i < o->count; i++)
        if (o->each[i] < 1)
            return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler's sequence %lld has %d steps; at least 1 are wanted", (long long)i,
                           (int)o->each[i]);
    return TESS_OK;
}

/* docs/models.md, (9.11): six deviations above the mean of a binomial of L and 1 / steps. Multiples of 16, as products of few rows are
 * often rounded otherwise. */
int64_t tess_sampler_positions(const struct tess_prior *p, int64_t steps)
{
    int64_t tokens = tess_prior_tokens(p);
    double mean = (double)tokens / (double)steps;
    int64_t capacity = (int64_t)ceil((mean + 6.0 * sqrt(mean)) / 16.0) * 16;
    return capacity < tokens && tess_prior_picks(p) ? capacity : 0;
}

static int open_logit_graph(struct tess_context *ctx, struct tess_graph *graph, int64_t least, int64_t max, struct tessi_logit_graph *w)
{
    struct tess_tensor logits;
    struct tess_cost cost = {.size = sizeof cost};
    TESS_TRY(tess_graph_cost(ctx, graph, &cost));
    if (!tess_graph_output_at(graph, 0, &logits) || logits.dim[1] < least || logits.dim[1] > max)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler's graph gives logits of %lld to %lld tokens, not %lld", (long long)least,
                       (long long)max, (long long)logits.dim[1]);
    *w = (struct tessi_logit_graph){.graph = graph, .width = logits.dim[1], .flops = cost.flops};
    return TESS_OK;
}

static int open_lists(struct tess_context *ctx, struct tess_sampler *s)
{
    int64_t places = s->state.places, batch = s->state.batch;
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)places * sizeof *s->next, "a list of sequences", &memory));
    s->next = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)places * sizeof *s->filled, "a list of sequences", &memory));
    s->filled = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)batch * sizeof *s->active, "a list of sequences", &memory));
    s->active = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(batch * s->state.tokens), "a list of tokens", &memory));
    s->where = memory;
    for (int64_t r = 0; r < places; r++)
        s->next[r] = r;
    for (int64_t k = 0; k < batch; k++)
        s->active[k].where = s->where + k * s->state.tokens;
    return TESS_OK;
}

/* Allocates the buffers of a batch: the denoiser's inputs and its logits. */
static int open_batch(struct tess_context *ctx, struct tess_sampler *s)
{
    tessi_sample_places(&s->state, s->state.o.denoise);
    int64_t rows = s->state.batch * s->state.rows;
    TESS_TRY(open_logit_graph(ctx, s->state.o.denoise, s->state.tokens, s->state.tokens, &s->all));
    if (s->state.o.picked)
        TESS_TRY(open_logit_graph(ctx, s->state.o.picked, 1, s->state.tokens, &s->picked));
    TESS_TRY(tessi_sample_tensor(ctx, &s->input, TESS_I32, 2, (const int64_t[]){rows, s->state.tokens}));
    TESS_TRY(tessi_sample_tensor(ctx, &s->time, TESS_F32, 1, &rows));
    if (s->state.o.label)
        TESS_TRY(tessi_sample_tensor(ctx, &s->label, TESS_I32, 1, &rows));
    TESS_TRY(tessi_sample_tensor(ctx, &s->positions, TESS_I32, 2, (const int64_t[]){rows, s->picked.width}));
    TESS_TRY(tessi_sample_tensor(ctx, &s->logits, TESS_F32, 3, (const int64_t[]){rows, s->state.tokens, s->state.o.prior->codebook_size}));
    return open_lists(ctx, s);
}

static int sampler_prepare(struct tess_context *ctx, struct tess_sampler *s)
{
    const struct tess_prior *p = s->state.o.prior;
    TESS_TRY(check_options(ctx, &s->state.o));
    TESS_TRY(tessi_sample_state_open(ctx, &s->state));
    s->telling = !s->state.o.every_step && !tess_prior_needs_time(p);
    if (tess_prior_causal(p) && s->state.o.steps != s->state.tokens)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler of %lld steps for %lld tokens that are drawn one a step",
                         (long long)s->state.o.steps, (long long)s->state.tokens);
    if (s->state.o.next)
        TESS_TRY(tessi_sample_lockstep_new(ctx, &s->state, &s->lockstep));
    else
        TESS_TRY(open_batch(ctx, s));
    return tessi_sample_state_start(ctx, &s->state);
}

int tess_sampler_new(struct tess_context *ctx, const struct tess_sampler_options *o, struct tess_sampler **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tess_sampler), "a sampler", &memory));
    struct tess_sampler *s = memory;
    memcpy(&s->state.o, o, o->size < sizeof s->state.o ? o->size : sizeof s->state.o);
    s->state.end = s->state.o.count;
    int status = sampler_prepare(ctx, s);
    if (status != TESS_OK) {
        tess_sampler_free(s);
        return status;
    }
    *out = s;
    return TESS_OK;
}

void tess_sampler_free(struct tess_sampler *s)
{
    if (!s)
        return;
    const struct tess_tensor *const memory[] = {&s->input, &s->time, &s->label, &s->positions, &s->logits};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        tess_free(memory[i]->data);
    tess_free(s->active);
    tess_free(s->next);
    tess_free(s->filled);
    tess_free(s->where);
    tessi_sample_lockstep_free(s->lockstep);
    tessi_sample_state_close(&s->state);
    tess_free(s);
}

int tessi_sampler_own_finished(const struct tess_sampler *s)
{
    if (s->lockstep)
        return tessi_sampler_own_done(s) == (s->state.end - s->state.first) * s->state.o.steps;
    int waiting = s->actives > 0;
    for (int64_t r = 0; r < s->state.places; r++)
        waiting |= s->next[r] < s->state.end;
    return !waiting;
}

int64_t tessi_sampler_own_done(const struct tess_sampler *s)
{
    int64_t done = 0;
    for (int64_t i = s->state.first; i < s->state.end; i++)
        done += tessi_sample_steps(&s->state, i) - *tessi_sample_left(&s->state, i);
    return done;
}

int tess_sampler_finished(const struct tess_sampler *s)
{
    return s->ranks ? s->all_finished : tessi_sampler_own_finished(s);
}

int64_t tess_sampler_steps_done(const struct tess_sampler *s)
{
    return s->ranks ? s->all_done : tessi_sampler_own_done(s);
}

struct tess_tensor tess_sampler_x(const struct tess_sampler *s)
{
    return s->state.x;
}

struct tess_tensor tess_sampler_left(const struct tess_sampler *s)
{
    return s->state.left;
}

struct tess_tensor tess_sampler_call(const struct tess_sampler *s)
{
    return s->state.call;
}

struct tess_tensor tess_sampler_state(const struct tess_sampler *s)
{
    return s->state.own;
}

int64_t *tess_sampler_calls(struct tess_sampler *s)
{
    return &s->calls;
}

double tess_sampler_flops(const struct tess_sampler *s)
{
    return s->flops;
}
