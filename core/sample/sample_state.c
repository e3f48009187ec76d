/* State of the sequences: memory, first state, known tokens, next call. SPDX-License-Identifier: MIT */
#include "core/sample/sample_state.h"

#include "core/host/runtime.h"

/* ---- memory --------------------------------------------------------------------------------------------------------- */

int tessi_sample_tensor(struct tess_context *ctx, struct tess_tensor *t, int32_t dtype, int32_t rank, const int64_t *dim)
{
    *t = tess_tensor_over(NULL, dtype, rank, dim);
    return tess_alloc(ctx, tess_tensor_bytes(t), "samples", &t->data);
}

static int state_check_mask(struct tess_context *ctx, const struct tessi_sample_state *s)
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
static int state_check_labels(struct tess_context *ctx, const struct tessi_sample_state *s)
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

static int state_open_workers(struct tess_context *ctx, struct tessi_sample_state *s)
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
static int state_open_sequences(struct tess_context *ctx, struct tessi_sample_state *s)
{
    const struct tess_prior *p = s->o.prior;
    int64_t bytes = tess_sampler_state_size(s->o.sampler, s->tokens, p->codebook_size);
    int64_t dim[TESS_MAX_RANK];
    int32_t rank = tess_code_shape(s->o.count, p->height, p->width, p->depth, dim);
    TESS_TRY(tessi_sample_tensor(ctx, &s->x, TESS_I32, rank, dim));
    TESS_TRY(tessi_sample_tensor(ctx, &s->left, TESS_I32, 1, &s->o.count));
    TESS_TRY(tessi_sample_tensor(ctx, &s->call, TESS_I32, 1, &s->o.count));
    s->own = tess_tensor_over(NULL, TESS_U8, 2, (const int64_t[]){s->o.count, (bytes + 7) / 8 * 8});
    return bytes ? tess_alloc(ctx, tess_tensor_bytes(&s->own), "a sampler's state", &s->own.data) : TESS_OK;
}

void tessi_sample_places(struct tessi_sample_state *s, const struct tess_graph *graph)
{
    int64_t places = tess_graph_microbatch(graph) / s->rows;
    s->places = places > 1 ? places : 1;
    s->batch = (s->o.batch + s->places - 1) / s->places * s->places;
}

int tessi_sample_state_open(struct tess_context *ctx, struct tessi_sample_state *s)
{
    s->tokens = tess_prior_tokens(s->o.prior);
    s->rows = s->o.guidance > 0.0 ? 2 : 1;
    TESS_TRY(state_check_mask(ctx, s));
    TESS_TRY(state_check_labels(ctx, s));
    TESS_TRY(tess_sampler_check(ctx, s->o.sampler, s->o.prior, s->tokens));
    TESS_TRY(tessi_base_runtime_need(ctx, &s->runtime));
    TESS_TRY(tessi_host_runtime_compute(ctx, s->runtime));
    TESS_TRY(state_open_workers(ctx, s));
    return state_open_sequences(ctx, s);
}

void tessi_sample_state_close(struct tessi_sample_state *s)
{
    const struct tess_tensor *const memory[] = {&s->x, &s->left, &s->call, &s->own};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        tess_free(memory[i]->data);
    if (s->worker_state)
        tess_free(s->worker_state[0].row);
    tess_free(s->worker_state);
}

/* ---- on all workers ------------------------------------------------------------------------------------------------- */

struct each {
    const struct tessi_sample_state *s;
    int (*task)(struct tess_context *ctx, const void *user, int32_t *row, int64_t k);
    const void *user;
};

static void state_do_one(void *user, int worker, int64_t k)
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

int tessi_sample_each(struct tess_context *ctx, const struct tessi_sample_state *s, int64_t n,
                      int (*task)(struct tess_context *ctx, const void *user, int32_t *row, int64_t k), const void *user)
{
    struct each e = {s, task, user};
    const struct tessi_sample_worker *first = NULL;
    int workers = tessi_base_workers_count(s->runtime->workers);
    for (int i = 0; i < workers; i++)
        tessi_base_context_init(&s->worker_state[i].context, &s->runtime->host);
    tessi_base_workers_run(s->runtime->workers, n, state_do_one, &e);
    for (int i = 0; i < workers; i++)
        if (s->worker_state[i].context.code != TESS_OK && (!first || s->worker_state[i].failed < first->failed))
            first = &s->worker_state[i];
    return first ? tessi_base_context_pass(ctx, &first->context.context) : TESS_OK;
}

/* ---- a sequence ----------------------------------------------------------------------------------------------------- */

int32_t *tessi_sample_sequence(const struct tessi_sample_state *s, int64_t i)
{
    return (int32_t *)s->x.data + i * s->tokens;
}

int32_t *tessi_sample_left(const struct tessi_sample_state *s, int64_t i)
{
    return (int32_t *)s->left.data + i;
}

int32_t tessi_sample_steps(const struct tessi_sample_state *s, int64_t i)
{
    return s->o.each ? s->o.each[i] : (int32_t)s->o.steps;
}

uint32_t tessi_sample_number(const struct tessi_sample_state *s, int64_t i)
{
    return s->o.number ? s->o.number[i] : (uint32_t)i;
}

int tessi_sample_condition(struct tess_context *ctx, const struct tessi_sample_state *s, int64_t i)
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

void tessi_sample_next(const struct tessi_sample_state *s, int64_t i, const float *logits, struct tessi_sample_call *out)
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
                                           .state = s->own.data ? (uint8_t *)s->own.data + i * s->own.dim[1] : NULL};
}

int tessi_sample_passed(struct tess_context *ctx, const struct tessi_sample_state *s, int64_t i)
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

void tessi_sample_put_labels(const struct tessi_sample_state *s, int64_t i, int32_t *to)
{
    to[0] = s->o.label[i];
    if (s->rows > 1)
        to[1] = (int32_t)s->o.prior->classes;
}

void tessi_sample_guide(const struct tessi_sample_state *s, int64_t n, float *logits)
{
    if (s->rows > 1)
        tess_sampler_guide(s->o.guidance, n, logits, logits + n);
}

static int start_one(struct tess_context *ctx, const void *user, int32_t *row, int64_t i)
{
    const struct tessi_sample_state *s = user;
    struct tess_stream random = {.seed = s->o.seed, .purpose = tess_purpose("sample.start"), .sample = tessi_sample_number(s, i)};
    (void)row;
    TESS_TRY(tess_prior_start(ctx, s->o.prior, &random, s->tokens, tessi_sample_sequence(s, i)));
    *tessi_sample_left(s, i) = tessi_sample_steps(s, i);
    return tessi_sample_condition(ctx, s, i);
}

int tessi_sample_state_start(struct tess_context *ctx, const struct tessi_sample_state *s)
{
    return tessi_sample_each(ctx, s, s->o.count, start_one, s);
}
