/* Sampling of canvases. A step has three parts: choosing canvases and tokens to draw (gather), the windows' logits (look), the draws
 * (decide). SPDX-License-Identifier: MIT */
#include "kit/sample/canvas.h"

#include <math.h>
#include <string.h>

struct logit_graph { /* denoiser graph: of all tokens, or of picked positions */
    struct tess_graph *graph;
    int64_t width; /* tokens of a window that it computes logits of */
};

struct taking {                   /* a canvas that takes part in this step */
    int64_t canvas, first, draws; /* its draws have slots first .. first + draws - 1 */
    const struct logit_graph *logit_graph;
};

struct job { /* a window of a batch */
    int64_t taking, window;
};

struct canvas {
    struct canvas_options o;
    struct windows windows;
    int64_t tokens, window_tokens, codebook_size, capacity,
        calls; /* tokens of a canvas, and of a window; K; allocated slots; calls of the denoiser */
    struct logit_graph all, picked;
    int64_t rows;                                         /* rows: batch rows of each window; 2 with guidance */
    struct tess_tensor x, left, call, state;              /* state of all canvases */
    struct tess_tensor input, label, positions, logits;   /* buffers of a batch */
    struct taking *taking;                                /* (batch) */
    int64_t takings, slots;                               /* takings and slots in use */
    struct job *job;                                      /* (batch) */
    int64_t jobs;
    int32_t *slot;            /* (batch, tokens): number of a token among its canvas's draws; -1: it is not drawn */
    uint8_t *chosen, *wanted; /* tokens and windows of one canvas */
    double *sum;              /* (capacity, K): probabilities added up over windows */
    float *logit;             /* (capacity, K): logarithm of their mean */
    int64_t *covers;          /* (capacity): windows that were added */
};

int64_t canvas_steps(const struct canvas_options *o)
{
    return o->raster ? o->height * o->width : o->steps;
}

static struct windows windows_of(const struct canvas_options *o)
{
    return windows_over(o->height, o->width, o->prior->height, o->prior->width, o->stride);
}

/* (22.5) */
double canvas_calls(const struct canvas_options *o)
{
    struct windows s = windows_of(o);
    double tokens = (double)(o->prior->height * o->prior->width), steps = (double)o->steps;
    return (double)windows_count(&s) * (o->raster ? tokens : steps * -expm1(tokens * log1p(-1.0 / steps)));
}

/* Slots needed: one token of each canvas in raster order, else at most all of one canvas at once. */
static int64_t capacity_for(const struct canvas_options *o)
{
    return o->raster ? (o->batch < o->count ? o->batch : o->count) : o->height * o->width;
}

int64_t canvas_bytes(const struct canvas_options *o)
{
    int64_t tokens = o->height * o->width, window = o->prior->height * o->prior->width, k = o->prior->codebook_size;
    int64_t rows = o->guidance > 0.0 ? 2 : 1;
    return o->count * (tokens * 4 + tess_sampler_state_size(o->sampler, tokens, k)) +
           o->batch * (rows * (window * 4 + window * k * 4) + tokens * 4) + capacity_for(o) * k * 12;
}

/* ---- memory ---- */

static int canvas_list(struct tess_context *ctx, int64_t n, size_t each, void *at)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)n * each, "a canvas", &memory));
    memcpy(at, &memory, sizeof memory);
    return TESS_OK;
}

static struct logit_graph logit_graph_of(struct tess_graph *graph)
{
    struct tess_tensor logits;
    int has = graph && tess_graph_output_at(graph, 0, &logits);
    return (struct logit_graph){.graph = graph, .width = has ? logits.dim[1] : 0};
}

static int open_memory(struct tess_context *ctx, struct canvas *k)
{
    const struct canvas_options *o = &k->o;
    TESS_TRY(stage_tensor(ctx, &k->x, TESS_I32, 3, (const int64_t[]){o->count, o->height, o->width}));
    TESS_TRY(stage_tensor(ctx, &k->left, TESS_I32, 1, &o->count));
    TESS_TRY(stage_tensor(ctx, &k->call, TESS_I32, 1, &o->count));
    int64_t bytes = tess_sampler_state_size(o->sampler, k->tokens, k->codebook_size), rows = o->batch * k->rows;
    k->state = tess_tensor_over(NULL, TESS_U8, 2, (const int64_t[]){o->count, (bytes + 7) / 8 * 8});
    if (bytes)
        TESS_TRY(stage_tensor(ctx, &k->state, TESS_U8, 2, k->state.dim));
    TESS_TRY(stage_tensor(ctx, &k->input, TESS_I32, 2, (const int64_t[]){rows, k->window_tokens}));
    if (o->label)
        TESS_TRY(stage_tensor(ctx, &k->label, TESS_I32, 1, &rows));
    TESS_TRY(stage_tensor(ctx, &k->positions, TESS_I32, 2, (const int64_t[]){rows, k->picked.width}));
    TESS_TRY(stage_tensor(ctx, &k->logits, TESS_F32, 3, (const int64_t[]){rows, k->window_tokens, k->codebook_size}));
    TESS_TRY(canvas_list(ctx, o->batch, sizeof *k->taking, &k->taking));
    TESS_TRY(canvas_list(ctx, o->batch, sizeof *k->job, &k->job));
    TESS_TRY(canvas_list(ctx, o->batch * k->tokens, sizeof *k->slot, &k->slot));
    TESS_TRY(canvas_list(ctx, k->tokens, 1, &k->chosen));
    TESS_TRY(canvas_list(ctx, windows_count(&k->windows), 1, &k->wanted));
    TESS_TRY(canvas_list(ctx, k->capacity * k->codebook_size, sizeof *k->sum, &k->sum));
    TESS_TRY(canvas_list(ctx, k->capacity * k->codebook_size, sizeof *k->logit, &k->logit));
    return canvas_list(ctx, k->capacity, sizeof *k->covers, &k->covers);
}

static int32_t *tokens_of(const struct canvas *k, int64_t i)
{
    return (int32_t *)k->x.data + i * k->tokens;
}

static int32_t *canvas_left(const struct canvas *k, int64_t i)
{
    return (int32_t *)k->left.data + i;
}

static int canvas_start(struct tess_context *ctx, struct canvas *k)
{
    struct tess_stream random = {.seed = k->o.seed, .purpose = tess_purpose("sample.start")};
    for (int64_t i = 0; i < k->o.count; i++) {
        random.sample = (uint32_t)i;
        TESS_TRY(tess_prior_start(ctx, k->o.prior, &random, k->tokens, tokens_of(k, i)));
        *canvas_left(k, i) = (int32_t)canvas_steps(&k->o);
    }
    return TESS_OK;
}

int canvas_new(struct tess_context *ctx, const struct canvas_options *o, struct canvas **out)
{
    struct canvas *k;
    *out = NULL;
    TESS_TRY(canvas_list(ctx, 1, sizeof *k, &k));
    k->o = *o;
    k->rows = o->guidance > 0.0 ? 2 : 1;
    k->windows = windows_of(o);
    k->tokens = o->height * o->width;
    k->window_tokens = o->prior->height * o->prior->width;
    k->codebook_size = o->prior->codebook_size;
    k->capacity = capacity_for(o);
    k->all = logit_graph_of(o->denoise);
    k->picked = logit_graph_of(o->picked);
    int status = tess_sampler_check(ctx, o->sampler, o->prior, k->tokens);
    if (status == TESS_OK)
        status = open_memory(ctx, k);
    if (status == TESS_OK)
        status = canvas_start(ctx, k);
    if (status == TESS_OK)
        *out = k;
    else
        canvas_free(k);
    return status;
}

void canvas_free(struct canvas *k)
{
    if (!k)
        return;
    void *const memory[] = {k->x.data,         k->left.data,   k->call.data, k->state.data, k->input.data, k->label.data,
                            k->positions.data, k->logits.data, k->taking,    k->job,        k->slot,       k->chosen,
                            k->wanted,         k->sum,         k->logit,     k->covers};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        tess_free(memory[i]);
    tess_free(k);
}

/* ---- who draws what ---- */

/* Next call of a canvas; step.reverse points into the struct. */
struct canvas_call {
    struct tess_reverse reverse;
    struct tess_sampler_step step;
};

/* Describes the next call. In raster order it is that of a sequence of one token, the last it needs. */
static void canvas_next(const struct canvas *k, int64_t i, struct canvas_call *out)
{
    int32_t left = *canvas_left(k, i), call = ((const int32_t *)k->call.data)[i];
    int64_t at = k->o.raster ? k->tokens - left : 0, steps = k->o.raster ? 1 : k->o.steps, step = k->o.raster ? 1 : left;
    out->reverse = (struct tess_reverse){
        .size = sizeof out->reverse,
        .last = step == 1,
        .tokens = k->o.raster ? 1 : k->tokens,
        .codebook_size = k->codebook_size,
        .from = (double)step / (double)steps,
        .to = (double)(step - 1) / (double)steps,
        .temperature = k->o.temperature,
        .x = tokens_of(k, i) + at,
        .next = tokens_of(k, i) + at,
        .random = {.seed = k->o.seed, .purpose = tess_sampler_step_purpose(call), .step = (uint32_t)left, .sample = (uint32_t)i}};
    out->step = (struct tess_sampler_step){.size = sizeof out->step,
                                           .call = call,
                                           .left = step,
                                           .steps = steps,
                                           .prior = k->o.prior,
                                           .reverse = &out->reverse,
                                           .state = k->state.data ? (uint8_t *)k->state.data + i * k->state.dim[1] : NULL};
}

/* Counts one call of canvas i as made, whether the denoiser ran for it or not; the last call of a step ends the step. */
static int canvas_passed(struct tess_context *ctx, struct canvas *k, int64_t i)
{
    struct canvas_call c;
    int32_t *call = (int32_t *)k->call.data + i;
    int64_t calls;
    canvas_next(k, i, &c);
    TESS_TRY(tess_sampler_step_calls(ctx, k->o.sampler, c.step.left, c.step.steps, &calls));
    if (++*call < calls)
        return TESS_OK;
    *call = 0;
    --*canvas_left(k, i);
    return TESS_OK;
}

/* Skips the calls that read no logits; *n: tokens that the next call reads, marked with 1 in `chosen`; 0 when no step is left. */
static int next_draws(struct tess_context *ctx, struct canvas *k, int64_t i, int64_t *n)
{
    for (*n = 0; *canvas_left(k, i) > 0;) {
        struct canvas_call c;
        canvas_next(k, i, &c);
        memset(k->chosen, 0, (size_t)k->tokens);
        TESS_TRY(tess_sampler_step_reads(ctx, k->o.sampler, &c.step, k->chosen + (c.reverse.x - tokens_of(k, i)), n));
        if (*n < 0)
            return ctx->fail(
                ctx, TESS_E_VALUE,
                "the sampler `%s` does not say which codes a step draws, and canvases are sampled around those; use `ancestral`",
                tess_instance_name(k->o.sampler));
        if (*n > 0)
            return TESS_OK;
        TESS_TRY(canvas_passed(ctx, k, i));
    }
    return TESS_OK;
}

/* Adds canvas i to the step, with the tokens that are chosen. */
static void canvas_take(struct canvas *k, int64_t i, int64_t draws)
{
    struct taking *t = &k->taking[k->takings];
    int32_t *slot = k->slot + k->takings++ * k->tokens;
    int32_t n = 0;
    *t = (struct taking){.canvas = i, .first = k->slots, .draws = draws};
    for (int64_t at = 0; at < k->tokens; at++)
        slot[at] = k->chosen[at] ? n++ : -1;
    memset(k->sum + k->slots * k->codebook_size, 0, (size_t)(draws * k->codebook_size) * sizeof *k->sum);
    memset(k->covers + k->slots, 0, (size_t)draws * sizeof *k->covers);
    k->slots += draws;
}

static int canvas_gather(struct tess_context *ctx, struct canvas *k)
{
    k->takings = k->slots = 0;
    for (int64_t i = 0; i < k->o.count && k->takings < k->o.batch; i++) {
        int64_t draws;
        TESS_TRY(next_draws(ctx, k, i, &draws));
        if (draws && k->slots + draws > k->capacity)
            break;
        if (draws)
            canvas_take(k, i, draws);
    }
    return TESS_OK;
}

/* ---- the windows' logits ---- */

static const int32_t *slots_of(const struct canvas *k, int64_t taking, int64_t window, int64_t place)
{
    int64_t y, x;
    windows_place(&k->windows, window, &y, &x);
    return k->slot + taking * k->tokens + (y + place / k->windows.w) * k->windows.width + x + place % k->windows.w;
}

static int64_t drawn_in(const struct canvas *k, int64_t taking, int64_t window)
{
    int64_t n = 0;
    for (int64_t p = 0; p < k->window_tokens; p++)
        n += *slots_of(k, taking, window, p) >= 0;
    return n;
}

/* Marks the windows of a canvas that cover a token to be drawn, in `wanted`. */
static void canvas_want(struct canvas *k, int64_t taking)
{
    for (int64_t at = 0; at < k->tokens; at++)
        k->chosen[at] = k->slot[taking * k->tokens + at] >= 0;
    (void)windows_wanted(&k->windows, k->chosen, k->wanted);
}

/* Graph for a canvas in this step. It is the same for all of its windows, so that they are added in one order. */
static const struct logit_graph *logit_graph_for(struct canvas *k, int64_t taking)
{
    if (!k->picked.graph)
        return &k->all;
    canvas_want(k, taking);
    for (int64_t w = 0; w < windows_count(&k->windows); w++)
        if (k->wanted[w] && drawn_in(k, taking, w) > k->picked.width)
            return &k->all;
    return &k->picked;
}

/* Fills the further rows of a window's job: copies of its first, with the null label. */
static void copy_rows(const struct canvas *k)
{
    int64_t first = k->jobs * k->rows;
    if (k->label.data)
        ((int32_t *)k->label.data)[first] = k->o.label[k->taking[k->job[k->jobs].taking].canvas];
    for (int64_t row = first + 1; row < first + k->rows; row++) {
        int32_t *x = k->input.data, *at = k->positions.data;
        memcpy(x + row * k->window_tokens, x + first * k->window_tokens, (size_t)k->window_tokens * sizeof *x);
        memcpy(at + row * k->picked.width, at + first * k->picked.width, (size_t)k->picked.width * sizeof *at);
        ((int32_t *)k->label.data)[row] = (int32_t)k->o.prior->classes;
    }
}

static void add_job(struct canvas *k, int64_t taking, int64_t window)
{
    int64_t y, x, n = 0, row = k->jobs * k->rows;
    int32_t *to = (int32_t *)k->input.data + row * k->window_tokens, *at = (int32_t *)k->positions.data + row * k->picked.width;
    const int32_t *from = tokens_of(k, k->taking[taking].canvas);
    windows_place(&k->windows, window, &y, &x);
    for (int64_t i = 0; i < k->windows.h; i++)
        memcpy(to + i * k->windows.w, from + (y + i) * k->windows.width + x, (size_t)k->windows.w * sizeof *to);
    for (int64_t p = 0; k->taking[taking].logit_graph == &k->picked && p < k->window_tokens; p++)
        if (*slots_of(k, taking, window, p) >= 0)
            at[n++] = (int32_t)p;
    for (; n > 0 && n < k->picked.width; n++) /* positions left over repeat the last */
        at[n] = at[n - 1];
    k->job[k->jobs] = (struct job){.taking = taking, .window = window};
    copy_rows(k);
    k->jobs++;
}

/* (22.3): softmax of a row, added to a token's sum. */
static void add_probabilities(int64_t codebook_size, const float *logits, double *sum)
{
    double max = -INFINITY, all = 0.0;
    for (int64_t j = 0; j < codebook_size; j++)
        max = (double)logits[j] > max ? (double)logits[j] : max;
    for (int64_t j = 0; j < codebook_size; j++)
        all += exp((double)logits[j] - max);
    for (int64_t j = 0; j < codebook_size; j++)
        sum[j] += exp((double)logits[j] - max) / all;
}

static void canvas_hear(struct canvas *k, const struct logit_graph *w)
{
    for (int64_t n = 0; n < k->jobs; n++) {
        const struct job *j = &k->job[n];
        int64_t picked = 0, values = w->width * k->codebook_size;
        float *rows = (float *)k->logits.data + n * k->rows * values;
        if (k->rows > 1)
            tess_sampler_guide(k->o.guidance, values, rows, rows + values);
        for (int64_t p = 0; p < k->window_tokens; p++) {
            int32_t slot = *slots_of(k, j->taking, j->window, p);
            if (slot < 0)
                continue;
            int64_t to = k->taking[j->taking].first + slot;
            add_probabilities(k->codebook_size, rows + (w == &k->picked ? picked++ : p) * k->codebook_size, k->sum + to * k->codebook_size);
            k->covers[to]++;
        }
    }
}

static int run_jobs(struct tess_context *ctx, struct canvas *k, const struct logit_graph *w)
{
    struct tess_tensor in[3] = {k->input}, out = k->logits;
    int64_t rows = k->jobs * k->rows;
    int32_t inputs = 1;
    if (k->jobs == 0)
        return TESS_OK;
    if (k->label.data)
        in[inputs++] = k->label;
    if (w == &k->picked)
        in[inputs++] = k->positions;
    for (int32_t i = 0; i < inputs; i++)
        in[i].dim[0] = rows;
    out.dim[0] = rows;
    out.dim[1] = w->width;
    struct tess_batch b = {.size = sizeof b, .samples = rows, .inputs = inputs, .in = in, .outputs = 1, .out = &out};
    TESS_TRY(tess_graph_run(ctx, w->graph, &b));
    canvas_hear(k, w);
    k->calls += rows;
    k->jobs = 0;
    return TESS_OK;
}

static int canvas_look(struct tess_context *ctx, struct canvas *k, const struct logit_graph *w)
{
    for (int64_t t = 0; t < k->takings; t++) {
        if (k->taking[t].logit_graph != w)
            continue;
        canvas_want(k, t);
        for (int64_t i = 0; i < windows_count(&k->windows); i++) {
            if (!k->wanted[i])
                continue;
            add_job(k, t, i);
            if (k->jobs == k->o.batch)
                TESS_TRY(run_jobs(ctx, k, w));
        }
    }
    return run_jobs(ctx, k, w);
}

/* ---- the draws ---- */

/* (22.3) and (22.4): the noise draws from softmax(ln p / temperature). */
static int canvas_decide(struct tess_context *ctx, struct canvas *k, int64_t taking)
{
    const struct taking *t = &k->taking[taking];
    struct canvas_call c;
    canvas_next(k, t->canvas, &c);
    for (int64_t d = t->first; d < t->first + t->draws; d++)
        for (int64_t j = d * k->codebook_size; j < (d + 1) * k->codebook_size; j++)
            k->logit[j] = (float)log(k->sum[j] / (double)k->covers[d]);
    c.reverse.logits = k->logit + t->first * k->codebook_size;
    c.reverse.row = k->slot + taking * k->tokens + (c.reverse.x - tokens_of(k, t->canvas));
    TESS_TRY(tess_sampler_step_draw(ctx, k->o.sampler, &c.step));
    return canvas_passed(ctx, k, t->canvas);
}

int canvas_advance(struct tess_context *ctx, struct canvas *k)
{
    TESS_TRY(canvas_gather(ctx, k));
    for (int64_t t = 0; t < k->takings; t++)
        k->taking[t].logit_graph = logit_graph_for(k, t);
    TESS_TRY(canvas_look(ctx, k, &k->picked));
    TESS_TRY(canvas_look(ctx, k, &k->all));
    for (int64_t t = 0; t < k->takings; t++)
        TESS_TRY(canvas_decide(ctx, k, t));
    return TESS_OK;
}

int canvas_finished(const struct canvas *k)
{
    for (int64_t i = 0; i < k->o.count; i++)
        if (*canvas_left(k, i) > 0)
            return 0;
    return 1;
}

struct sampling_state canvas_state(struct canvas *k)
{
    return (struct sampling_state){.x = k->x,
                                   .left = k->left,
                                   .call = k->call,
                                   .state = k->state,
                                   .sampler = k->o.sampler,
                                   .vocabulary = tess_prior_vocabulary(k->o.prior),
                                   .calls = &k->calls,
                                   .steps = canvas_steps(&k->o)};
}
