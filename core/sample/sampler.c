/* Batched reverse-diffusion sampling (<tessera/sampler.h>): creation of a sampler, with checks of its options, memory, and the initial
 * state of every sequence.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sample/sampler_private.h"

#include "core/host/runtime.h"

#include <math.h>
#include <string.h>

static int sampler_tensor(struct tess_context *ctx, struct tess_tensor *t, int32_t dtype, int32_t rank, const int64_t *dim)
{
    *t = tess_tensor_over(NULL, dtype, rank, dim);
    return tess_alloc(ctx, tess_tensor_bytes(t), "samples", &t->data);
}

/* ---- on all workers ------------------------------------------------------------------------------------------------- */

struct each {
    const struct tess_sampler *s;
    int (*task)(struct tess_context *ctx, const void *user, int32_t *row, int64_t k);
    const void *user;
};

static void do_one(void *user, int worker, int64_t k)
{
    const struct each *e = user;
    struct tessi_sample_worker *worker_state = &e->s->worker_state[worker];
    if (worker_state->context.code != TESS_OK)
        return;
    int status = e->task(&worker_state->context.context, e->user, worker_state->row, k);
    if (status == TESS_OK)
        return;
    worker_state->failed = k;
    if (worker_state->context.code == TESS_OK)
        (void)worker_state->context.context.fail(&worker_state->context.context, status, "a step of sampling failed and gave no reason");
}

int tessi_sample_sampler_each(struct tess_context *ctx, const struct tess_sampler *s, int64_t n,
                       int (*task)(struct tess_context *ctx, const void *user, int32_t *row, int64_t k), const void *user)
{
    struct each e = {s, task, user};
    const struct tessi_sample_worker *first = NULL;
    int workers = tessi_base_workers_count(s->runtime->workers);
    for (int i = 0; i < workers; i++)
        tessi_base_context_init(&s->worker_state[i].context, &s->runtime->host);
    tessi_base_workers_run(s->runtime->workers, n, do_one, &e);
    for (int i = 0; i < workers; i++)
        if (s->worker_state[i].context.code != TESS_OK && (!first || s->worker_state[i].failed < first->failed))
            first = &s->worker_state[i];
    return first ? tessi_base_context_pass(ctx, &first->context.context) : TESS_OK;
}

static int start_one(struct tess_context *ctx, const void *user, int32_t *row, int64_t i)
{
    const struct tess_sampler *s = user;
    struct tess_stream random = {.seed = s->o.seed, .purpose = tess_purpose("sample.start"), .sample = tessi_sample_number(s, i)};
    (void)row;
    TESS_TRY(tess_prior_start(ctx, s->o.prior, &random, s->tokens, tessi_sample_sequence(s, i)));
    *tessi_sample_left(s, i) = tessi_sample_steps(s, i);
    return tessi_sample_hold(ctx, s, i);
}

static int sampler_start(struct tess_context *ctx, const struct tess_sampler *s)
{
    return tessi_sample_sampler_each(ctx, s, s->o.count, start_one, s);
}

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

static int sampler_check_mask(struct tess_context *ctx, const struct tess_sampler *s)
{
    if (s->o.mask && (s->o.next || !tess_prior_conditions(s->o.prior)))
        return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler is given tokens that are known, and a noise that cannot sample around them");
    for (int64_t i = 0; s->o.mask && i < s->o.count * s->tokens; i++)
        if (s->o.mask[i] && (s->o.values[i] < 0 || s->o.values[i] >= s->o.prior->codebook_size))
            return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler's token %lld is known to be %d, codes are 0 .. %lld", (long long)i,
                           (int)s->o.values[i], (long long)(s->o.prior->codebook_size - 1));
    return TESS_OK;
}

/* Checks that labels and guidance fit the prior. */
static int sampler_check_labels(struct tess_context *ctx, const struct tess_sampler *s)
{
    const struct tess_sampler_options *o = &s->o;
    int64_t classes = TESS_HAS(o->prior, classes) ? o->prior->classes : 0;
    if (!(o->guidance >= 0.0) || (o->guidance > 0.0 && classes == 0) || !o->label != (classes == 0))
        return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler with guidance %g and %s labels of a prior of %lld classes", o->guidance,
                         o->label ? "with" : "without", (long long)classes);
    for (int64_t i = 0; o->label && i < o->count; i++)
        if (o->label[i] < 0 || o->label[i] > classes)
            return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler's sequence %lld has the label %d, wanted 0 .. %lld", (long long)i,
                             (int)o->label[i], (long long)classes);
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
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)s->o.batch * sizeof *s->active, "a list of sequences", &memory));
    s->active = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)s->o.batch * sizeof *s->draws, "a list of sequences", &memory));
    s->draws = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)s->tokens * sizeof *s->where, "a list of tokens", &memory));
    s->where = memory;
    return TESS_OK;
}

static int open_hands(struct tess_context *ctx, struct tess_sampler *s)
{
    void *memory;
    int workers = tessi_base_workers_count(s->runtime->workers);
    TESS_TRY(tess_alloc(ctx, (size_t)workers * sizeof *s->worker_state, "a sampler", &memory));
    s->worker_state = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(workers * s->tokens) * sizeof(int32_t), "a list of tokens", &memory));
    for (int i = 0; i < workers; i++)
        s->worker_state[i].row = (int32_t *)memory + i * s->tokens;
    return TESS_OK;
}

/* Allocates the state of all sequences: tokens, steps left, calls made in the current step, and the sampler component's own. */
static int open_sequences(struct tess_context *ctx, struct tess_sampler *s)
{
    const struct tess_prior *p = s->o.prior;
    int64_t bytes = tess_sampler_state_size(s->o.sampler, s->tokens, p->codebook_size);
    int64_t dim[TESS_MAX_RANK];
    int32_t rank = tess_code_shape(s->o.count, p->height, p->width, p->depth, dim);
    TESS_TRY(sampler_tensor(ctx, &s->x, TESS_I32, rank, dim));
    TESS_TRY(sampler_tensor(ctx, &s->left, TESS_I32, 1, &s->o.count));
    TESS_TRY(sampler_tensor(ctx, &s->call, TESS_I32, 1, &s->o.count));
    s->state = tess_tensor_over(NULL, TESS_U8, 2, (const int64_t[]){s->o.count, (bytes + 7) / 8 * 8});
    return bytes ? tess_alloc(ctx, tess_tensor_bytes(&s->state), "a sampler's state", &s->state.data) : TESS_OK;
}

/* Allocates the buffers of a batch: the denoiser's inputs and its logits. */
static int open_batch(struct tess_context *ctx, struct tess_sampler *s)
{
    int64_t rows = s->o.batch * s->rows;
    TESS_TRY(open_logit_graph(ctx, s->o.denoise, s->tokens, s->tokens, &s->all));
    if (s->o.picked)
        TESS_TRY(open_logit_graph(ctx, s->o.picked, 1, s->tokens, &s->picked));
    TESS_TRY(sampler_tensor(ctx, &s->input, TESS_I32, 2, (const int64_t[]){rows, s->tokens}));
    TESS_TRY(sampler_tensor(ctx, &s->time, TESS_F32, 1, &rows));
    if (s->o.label)
        TESS_TRY(sampler_tensor(ctx, &s->label, TESS_I32, 1, &rows));
    TESS_TRY(sampler_tensor(ctx, &s->positions, TESS_I32, 2, (const int64_t[]){rows, s->picked.width}));
    TESS_TRY(sampler_tensor(ctx, &s->logits, TESS_F32, 3, (const int64_t[]){rows, s->tokens, s->o.prior->codebook_size}));
    return open_lists(ctx, s);
}

static int sampler_prepare(struct tess_context *ctx, struct tess_sampler *s)
{
    const struct tess_prior *p = s->o.prior;
    TESS_TRY(check_options(ctx, &s->o));
    s->tokens = tess_prior_tokens(p);
    s->rows = s->o.guidance > 0.0 ? 2 : 1;
    TESS_TRY(sampler_check_mask(ctx, s));
    TESS_TRY(sampler_check_labels(ctx, s));
    TESS_TRY(tess_sampler_check(ctx, s->o.sampler, p, s->tokens));
    TESS_TRY(tessi_base_runtime_need(ctx, &s->runtime));
    TESS_TRY(tessi_host_runtime_compute(ctx, s->runtime));
    s->telling = !s->o.every_step && !tess_prior_needs_time(p);
    TESS_TRY(open_hands(ctx, s));
    TESS_TRY(open_sequences(ctx, s));
    if (tess_prior_causal(p) && s->o.steps != s->tokens)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler of %lld steps for %lld tokens that are drawn one a step", (long long)s->o.steps,
                       (long long)s->tokens);
    if (s->o.next)
        TESS_TRY(tessi_sample_lockstep_new(ctx, s, &s->lockstep));
    else
        TESS_TRY(open_batch(ctx, s));
    return sampler_start(ctx, s);
}

int tess_sampler_new(struct tess_context *ctx, const struct tess_sampler_options *o, struct tess_sampler **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tess_sampler), "a sampler", &memory));
    struct tess_sampler *s = memory;
    memcpy(&s->o, o, o->size < sizeof s->o ? o->size : sizeof s->o);
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
    const struct tess_tensor *const memory[] = {&s->x,    &s->left,  &s->call,      &s->state, &s->input,
                                                &s->time, &s->label, &s->positions, &s->logits};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        tess_free(memory[i]->data);
    tess_free(s->active);
    tess_free(s->draws);
    tess_free(s->where);
    if (s->worker_state)
        tess_free(s->worker_state[0].row);
    tess_free(s->worker_state);
    tessi_sample_lockstep_free(s->lockstep);
    tess_free(s);
}

int tess_sampler_finished(const struct tess_sampler *s)
{
    return s->lockstep ? tess_sampler_steps_done(s) == s->o.count * s->o.steps : s->actives == 0 && s->next == s->o.count;
}

int64_t tess_sampler_steps_done(const struct tess_sampler *s)
{
    int64_t done = 0;
    for (int64_t i = 0; i < s->o.count; i++)
        done += tessi_sample_steps(s, i) - *tessi_sample_left(s, i);
    return done;
}

struct tess_tensor tess_sampler_x(const struct tess_sampler *s)
{
    return s->x;
}

struct tess_tensor tess_sampler_left(const struct tess_sampler *s)
{
    return s->left;
}

struct tess_tensor tess_sampler_call(const struct tess_sampler *s)
{
    return s->call;
}

struct tess_tensor tess_sampler_state(const struct tess_sampler *s)
{
    return s->state;
}

int64_t *tess_sampler_calls(struct tess_sampler *s)
{
    return &s->calls;
}

double tess_sampler_flops(const struct tess_sampler *s)
{
    return s->flops;
}
