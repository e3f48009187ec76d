/* Reverse diffusion without idle work; <tessera/sampler.h> says how. Sequences are taken in order; those that wait for the denoiser are
 * in `active`, each as long as it has steps left, and the next in line takes the place of one that is done. For a call they are parted:
 * those come first whose draws the graph of picked positions has room for.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sample/sampler_private.h"

#include "core/host/runtime.h"

#include <math.h>
#include <string.h>

struct logit_graph { /* to have logits: one of the two graphs */
    struct tess_graph *graph;
    int64_t width; /* tokens of a sequence it gives logits of */
    double flops;  /* of one sequence */
};

struct worker_state { /* a worker's */
    struct tessi_context context;
    int64_t failed; /* at which of the sequences */
    int32_t *row;   /* of one sequence: where in its logits a token's are */
};

struct tess_sampler {
    struct tess_sampler_options o;
    struct tessi_runtime *runtime;
    struct worker_state *worker_state;
    const struct tess_noise_1 *noise;
    void *self;
    int64_t tokens, calls;
    double flops;
    int telling;                                                /* the noise says beforehand which steps change something */
    struct logit_graph all, picked;                                     /* picked.graph NULL: there is none */
    struct tess_tensor x, left, input, time, positions, logits; /* from input on: of a batch */
    int64_t *active, actives, next;
    int64_t *draws; /* of the active ones that come first: how many of their positions are no repetition */
    uint8_t *where; /* of one sequence: 1 for a token that is drawn */
    struct tessi_lockstep *lockstep; /* NULL: whole sequences; else nothing from `input` on is there */
};

static int sampler_tensor(struct tess_context *ctx, struct tess_tensor *t, int32_t dtype, int32_t rank, const int64_t *dim)
{
    *t = tess_tensor_over(NULL, dtype, rank, dim);
    return tess_alloc(ctx, tess_tensor_bytes(t), "samples", &t->data);
}

static int32_t *sampler_sequence(const struct tess_sampler *s, int64_t i)
{
    return (int32_t *)s->x.data + i * s->tokens;
}

static int32_t *sampler_left(const struct tess_sampler *s, int64_t i)
{
    return (int32_t *)s->left.data + i;
}

static int32_t sampler_steps_of(const struct tess_sampler *s, int64_t i)
{
    return s->o.each ? s->o.each[i] : (int32_t)s->o.steps;
}

static uint32_t number_of(const struct tess_sampler *s, int64_t i)
{
    return s->o.number ? s->o.number[i] : (uint32_t)i;
}

/* The known tokens of sequence i, as they are with the steps it has left. */
static int sampler_hold(struct tess_context *ctx, const struct tess_sampler *s, int64_t i)
{
    int32_t step = *sampler_left(s, i);
    struct tess_reverse r = {.size = sizeof r,
                             .tokens = s->tokens,
                             .codebook_size = s->o.prior->codebook_size,
                             .from = (double)step / (double)sampler_steps_of(s, i),
                             .temperature = s->o.temperature,
                             .x = sampler_sequence(s, i),
                             .next = sampler_sequence(s, i),
                             .random = {.seed = s->o.seed,
                                        .purpose = tess_purpose("sample.hold"),
                                        .step = (uint32_t)step,
                                        .sample = number_of(s, i)}};
    return s->o.mask ? s->noise->condition(s->self, ctx, &r, s->o.mask + i * s->tokens, s->o.values + i * s->tokens) : TESS_OK;
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
    struct worker_state *worker_state = &e->s->worker_state[worker];
    if (worker_state->context.code != TESS_OK)
        return;
    int status = e->task(&worker_state->context.context, e->user, worker_state->row, k);
    if (status == TESS_OK)
        return;
    worker_state->failed = k;
    if (worker_state->context.code == TESS_OK)
        (void)worker_state->context.context.fail(&worker_state->context.context, status, "the noise failed and gave no reason");
}

int tessi_sample_sampler_each(struct tess_context *ctx, const struct tess_sampler *s, int64_t n,
                       int (*task)(struct tess_context *ctx, const void *user, int32_t *row, int64_t k), const void *user)
{
    struct each e = {s, task, user};
    const struct worker_state *first = NULL;
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
    struct tess_stream random = {.seed = s->o.seed, .purpose = tess_purpose("sample.start"), .sample = number_of(s, i)};
    (void)row;
    TESS_TRY(s->noise->start(s->self, ctx, &random, s->tokens, s->o.prior->codebook_size, sampler_sequence(s, i)));
    *sampler_left(s, i) = sampler_steps_of(s, i);
    return sampler_hold(ctx, s, i);
}

static int sampler_start(struct tess_context *ctx, const struct tess_sampler *s)
{
    return tessi_sample_sampler_each(ctx, s, s->o.count, start_one, s);
}

static int check_options(struct tess_context *ctx, const struct tess_sampler_options *o)
{
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

/* docs/models.md, (9.11): six deviations above the mean of a binomial of L and 1 / steps. Multiples of 16, as products of few rows are
 * often rounded otherwise. */
int64_t tess_sampler_positions(const struct tess_prior *p, int64_t steps)
{
    int64_t tokens = tess_prior_tokens(p);
    double mean = (double)tokens / (double)steps;
    int64_t capacity = (int64_t)ceil((mean + 6.0 * sqrt(mean)) / 16.0) * 16;
    return capacity < tokens && tess_prior_picks(p) ? capacity : 0;
}

static int open_logit_graph(struct tess_context *ctx, struct tess_graph *graph, int64_t least, int64_t max, struct logit_graph *w)
{
    struct tess_tensor logits;
    struct tess_cost cost = {.size = sizeof cost};
    TESS_TRY(tess_graph_cost(ctx, graph, &cost));
    if (!tess_graph_output_at(graph, 0, &logits) || logits.dim[1] < least || logits.dim[1] > max)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler's graph gives logits of %lld to %lld tokens, not %lld", (long long)least,
                       (long long)max, (long long)logits.dim[1]);
    *w = (struct logit_graph){.graph = graph, .width = logits.dim[1], .flops = cost.flops};
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

static int sampler_prepare(struct tess_context *ctx, struct tess_sampler *s)
{
    const struct tess_prior *p = s->o.prior;
    TESS_TRY(check_options(ctx, &s->o));
    s->noise = tess_instance_ops(p->noise, "noise/1");
    s->self = tess_instance_self(p->noise);
    s->tokens = tess_prior_tokens(p);
    TESS_TRY(sampler_check_mask(ctx, s));
    TESS_TRY(tessi_base_runtime_need(ctx, &s->runtime));
    TESS_TRY(tessi_host_runtime_compute(ctx, s->runtime));
    s->telling = !s->o.every_step && !s->noise->needs_time && TESS_HAS(s->noise, changes) && s->noise->changes;
    TESS_TRY(open_hands(ctx, s));
    int64_t shape[4];
    int32_t rank = tess_code_shape(s->o.count, p->height, p->width, p->depth, shape);
    TESS_TRY(sampler_tensor(ctx, &s->x, TESS_I32, rank, shape));
    TESS_TRY(sampler_tensor(ctx, &s->left, TESS_I32, 1, &s->o.count));
    if (tess_prior_causal(p) && s->o.steps != s->tokens)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a sampler of %lld steps for %lld tokens that are drawn one a step", (long long)s->o.steps,
                       (long long)s->tokens);
    if (s->o.next) {
        TESS_TRY(tessi_sample_lockstep_new(ctx, &s->o, &s->lockstep));
        return sampler_start(ctx, s);
    }
    TESS_TRY(open_logit_graph(ctx, s->o.denoise, s->tokens, s->tokens, &s->all));
    if (s->o.picked)
        TESS_TRY(open_logit_graph(ctx, s->o.picked, 1, s->tokens, &s->picked));
    TESS_TRY(sampler_tensor(ctx, &s->input, TESS_I32, 2, (const int64_t[]){s->o.batch, s->tokens}));
    TESS_TRY(sampler_tensor(ctx, &s->time, TESS_F32, 1, &s->o.batch));
    TESS_TRY(sampler_tensor(ctx, &s->positions, TESS_I32, 2, (const int64_t[]){s->o.batch, s->picked.width}));
    TESS_TRY(sampler_tensor(ctx, &s->logits, TESS_F32, 3, (const int64_t[]){s->o.batch, s->tokens, p->codebook_size}));
    TESS_TRY(open_lists(ctx, s));
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
    tess_free(s->x.data);
    tess_free(s->left.data);
    tess_free(s->input.data);
    tess_free(s->time.data);
    tess_free(s->positions.data);
    tess_free(s->logits.data);
    tess_free(s->active);
    tess_free(s->draws);
    tess_free(s->where);
    if (s->worker_state)
        tess_free(s->worker_state[0].row);
    tess_free(s->worker_state);
    tessi_sample_lockstep_free(s->lockstep);
    tess_free(s);
}

/* The next reverse step of sequence i. */
static struct tess_reverse sampler_step_of(const struct tess_sampler *s, int64_t i, const float *logits)
{
    int32_t step = *sampler_left(s, i), steps = sampler_steps_of(s, i);
    return (struct tess_reverse){
        .size = sizeof(struct tess_reverse),
        .last = step == 1,
        .tokens = s->tokens,
        .codebook_size = s->o.prior->codebook_size,
        .from = (double)step / (double)steps,
        .to = (double)(step - 1) / (double)steps,
        .temperature = s->o.temperature,
        .logits = logits,
        .x = sampler_sequence(s, i),
        .next = sampler_sequence(s, i),
        .random = {.seed = s->o.seed, .purpose = tess_purpose("sample.reverse"), .step = (uint32_t)step, .sample = number_of(s, i)}};
}

struct tess_reverse tessi_sample_sampler_step(const struct tess_sampler *s, int64_t i, const float *logits)
{
    return sampler_step_of(s, i, logits);
}

/* Over the steps that change nothing; 0 when none is left. */
static int sampler_waits(const struct tess_sampler *s, int64_t i)
{
    for (; s->telling && *sampler_left(s, i) > 0; --*sampler_left(s, i)) {
        struct tess_reverse r = sampler_step_of(s, i, NULL);
        if (s->noise->changes(s->self, &r, NULL) > 0)
            break;
    }
    return *sampler_left(s, i) > 0;
}

static void sampler_fill(struct tess_sampler *s)
{
    for (; s->actives < s->o.batch && s->next < s->o.count; s->next++)
        if (sampler_waits(s, s->next))
            s->active[s->actives++] = s->next;
}

static int32_t *sampler_positions(const struct tess_sampler *s, int64_t k)
{
    return (int32_t *)s->positions.data + k * s->picked.width;
}

/* The tokens that the next step of sequence i draws, as the k-th row of positions: in order, then the last of them again and again. 0 when
 * there is no room for them. */
static int sampler_pick(struct tess_sampler *s, int64_t i, int64_t k)
{
    struct tess_reverse r = sampler_step_of(s, i, NULL);
    int32_t *to = sampler_positions(s, k);
    int64_t n = 0;
    if (!s->picked.graph || s->noise->changes(s->self, &r, s->where) > s->picked.width)
        return 0;
    for (int64_t token = 0; token < s->tokens; token++)
        if (s->where[token])
            to[n++] = (int32_t)token;
    s->draws[k] = n;
    for (int64_t p = n; p < s->picked.width; p++)
        to[p] = n ? to[n - 1] : 0;
    return 1;
}

/* Puts those of the active that can be picked from first; gives their number. */
static int64_t sampler_part(struct tess_sampler *s)
{
    int64_t first = 0, last = s->actives;
    while (first < last) {
        int64_t i = s->active[first];
        if (sampler_pick(s, i, first)) {
            first++;
        } else {
            s->active[first] = s->active[--last];
            s->active[last] = i;
        }
    }
    return first;
}

static int sampler_denoise(struct tess_context *ctx, struct tess_sampler *s, const struct logit_graph *w, const int64_t *which, int64_t n)
{
    struct tess_tensor in[3] = {s->input}, out = s->logits;
    int32_t inputs = 1;
    for (int64_t k = 0; k < n; k++) {
        memcpy((int32_t *)s->input.data + k * s->tokens, sampler_sequence(s, which[k]), (size_t)s->tokens * sizeof(int32_t));
        ((float *)s->time.data)[k] = (float)((double)*sampler_left(s, which[k]) / (double)sampler_steps_of(s, which[k]));
    }
    if (s->noise->needs_time)
        in[inputs++] = s->time;
    if (w == &s->picked)
        in[inputs++] = s->positions;
    for (int32_t k = 0; k < inputs; k++)
        in[k].dim[0] = n;
    out.dim[0] = n;
    out.dim[1] = w->width;
    s->calls += n;
    s->flops += w->flops * (double)n;
    struct tess_batch b = {.size = sizeof b, .samples = n, .inputs = inputs, .in = in, .outputs = 1, .out = &out};
    return tess_graph_run(ctx, w->graph, &b);
}

struct step { /* of those sequences, whose logits are there */
    const struct tess_sampler *s;
    const struct logit_graph *w;
    const int64_t *which;
};

static int sampler_draw_one(struct tess_context *ctx, const void *user, int32_t *row, int64_t k)
{
    const struct step *t = user;
    const struct tess_sampler *s = t->s;
    struct tess_reverse r = sampler_step_of(s, t->which[k], (const float *)s->logits.data + k * t->w->width * s->o.prior->codebook_size);
    if (t->w == &s->picked) {
        r.row = row;
        for (int64_t p = 0; p < s->draws[k]; p++)
            row[sampler_positions(s, k)[p]] = (int32_t)p;
    }
    TESS_TRY(s->noise->reverse(s->self, ctx, &r));
    --*sampler_left(s, t->which[k]);
    return sampler_hold(ctx, s, t->which[k]);
}

/* One step of those sequences. */
static int sampler_step(struct tess_context *ctx, struct tess_sampler *s, const struct logit_graph *w, const int64_t *which, int64_t n)
{
    const struct step t = {s, w, which};
    if (n == 0)
        return TESS_OK;
    TESS_TRY(sampler_denoise(ctx, s, w, which, n));
    return tessi_sample_sampler_each(ctx, s, n, sampler_draw_one, &t);
}

int tess_sampler_advance(struct tess_context *ctx, struct tess_sampler *s)
{
    int64_t still = 0;
    if (s->lockstep)
        return tessi_sample_lockstep_advance(ctx, s->lockstep, s, &s->calls, &s->flops);
    sampler_fill(s);
    int64_t first = sampler_part(s);
    TESS_TRY(sampler_step(ctx, s, &s->picked, s->active, first));
    TESS_TRY(sampler_step(ctx, s, &s->all, s->active + first, s->actives - first));
    for (int64_t k = 0; k < s->actives; k++)
        if (sampler_waits(s, s->active[k]))
            s->active[still++] = s->active[k];
    s->actives = still;
    return TESS_OK;
}

int tess_sampler_finished(const struct tess_sampler *s)
{
    return s->lockstep ? tess_sampler_steps_done(s) == s->o.count * s->o.steps : s->actives == 0 && s->next == s->o.count;
}

int64_t tess_sampler_steps_done(const struct tess_sampler *s)
{
    int64_t done = 0;
    for (int64_t i = 0; i < s->o.count; i++)
        done += sampler_steps_of(s, i) - *sampler_left(s, i);
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

int64_t *tess_sampler_calls(struct tess_sampler *s)
{
    return &s->calls;
}

double tess_sampler_flops(const struct tess_sampler *s)
{
    return s->flops;
}
