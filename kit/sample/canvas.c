/* A step goes in three: who draws what (gather), what the windows say of it (look), the draws (decide). SPDX-License-Identifier: MIT */
#include "kit/sample/canvas.h"

#include <math.h>
#include <string.h>

struct logit_graph { /* to have logits: one of the two graphs */
    struct tess_graph *graph;
    int64_t width; /* tokens of a window it gives logits of */
};

struct taking { /* a canvas that takes this step */
    int64_t canvas, first, draws; /* its slots: first .. first + draws - 1 */
    const struct logit_graph *logit_graph;
};

struct job { /* a window of a batch */
    int64_t taking, window;
};

struct canvas {
    struct canvas_options o;
    const struct tess_noise_1 *noise;
    void *self;
    struct windows windows;
    int64_t tokens, window_tokens, codebook_size, capacity, calls; /* of a canvas; of a window; K; slots there are */
    struct logit_graph all, picked;
    struct tess_tensor x, left, input, positions, logits; /* from input on: of a batch */
    struct taking *taking;                                /* (batch) */
    int64_t takings, slots;                               /* in use */
    struct job *job;                                      /* (batch) */
    int64_t jobs;
    int32_t *slot;           /* (batch, tokens): where among its canvas's draws a token is; -1: it is not drawn */
    uint8_t *chosen, *wanted; /* of one canvas: tokens, windows */
    double *sum;             /* (room, K): probabilities added up over windows */
    float *logit;            /* (room, K): of their mean */
    int64_t *covers;         /* (room): windows that have said something */
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

/* One token of each canvas, or at most all of one at once. */
static int64_t capacity_for(const struct canvas_options *o)
{
    return o->raster ? (o->batch < o->count ? o->batch : o->count) : o->height * o->width;
}

int64_t canvas_bytes(const struct canvas_options *o)
{
    int64_t tokens = o->height * o->width, window = o->prior->height * o->prior->width, k = o->prior->codebook_size;
    return o->count * tokens * 4 + o->batch * (window * 4 + window * k * 4 + tokens * 4) + capacity_for(o) * k * 12;
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
    TESS_TRY(stage_tensor(ctx, &k->input, TESS_I32, 2, (const int64_t[]){o->batch, k->window_tokens}));
    TESS_TRY(stage_tensor(ctx, &k->positions, TESS_I32, 2, (const int64_t[]){o->batch, k->picked.width}));
    TESS_TRY(stage_tensor(ctx, &k->logits, TESS_F32, 3, (const int64_t[]){o->batch, k->window_tokens, k->codebook_size}));
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
        TESS_TRY(k->noise->start(k->self, ctx, &random, k->tokens, k->codebook_size, tokens_of(k, i)));
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
    k->noise = tess_instance_ops(o->prior->noise, "noise/1");
    k->self = tess_instance_self(o->prior->noise);
    k->windows = windows_of(o);
    k->tokens = o->height * o->width;
    k->window_tokens = o->prior->height * o->prior->width;
    k->codebook_size = o->prior->codebook_size;
    k->capacity = capacity_for(o);
    k->all = logit_graph_of(o->denoise);
    k->picked = logit_graph_of(o->picked);
    int status = open_memory(ctx, k);
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
    void *const memory[] = {k->x.data, k->left.data, k->input.data, k->positions.data, k->logits.data, k->taking, k->job,
                            k->slot,   k->chosen,    k->wanted,     k->sum,            k->logit,       k->covers};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        tess_free(memory[i]);
    tess_free(k);
}

/* ---- who draws what ---- */

/* The next step of canvas i. In raster order it is that of a sequence of one token, the last it needs. */
static struct tess_reverse canvas_step_of(const struct canvas *k, int64_t i)
{
    int32_t step = *canvas_left(k, i);
    int64_t at = k->o.raster ? k->tokens - step : 0;
    double steps = k->o.raster ? 1.0 : (double)k->o.steps;
    return (struct tess_reverse){
        .size = sizeof(struct tess_reverse),
        .last = k->o.raster || step == 1,
        .tokens = k->o.raster ? 1 : k->tokens,
        .codebook_size = k->codebook_size,
        .from = k->o.raster ? 1.0 : (double)step / steps,
        .to = k->o.raster ? 0.0 : (double)(step - 1) / steps,
        .temperature = k->o.temperature,
        .x = tokens_of(k, i) + at,
        .next = tokens_of(k, i) + at,
        .random = {.seed = k->o.seed, .purpose = tess_purpose("sample.reverse"), .step = (uint32_t)step, .sample = (uint32_t)i}};
}

/* Over the steps that draw nothing; how many tokens the next one draws, 1 in `chosen` for each, 0 when none is left. */
static int64_t next_draws(struct canvas *k, int64_t i)
{
    for (; *canvas_left(k, i) > 0; --*canvas_left(k, i)) {
        struct tess_reverse r = canvas_step_of(k, i);
        memset(k->chosen, 0, (size_t)k->tokens);
        int64_t n = k->noise->changes(k->self, &r, k->chosen + (k->o.raster ? k->tokens - *canvas_left(k, i) : 0));
        if (n > 0)
            return n;
    }
    return 0;
}

/* Canvas i takes part, with the tokens that are chosen. */
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

static void canvas_gather(struct canvas *k)
{
    k->takings = k->slots = 0;
    for (int64_t i = 0; i < k->o.count && k->takings < k->o.batch; i++) {
        int64_t draws = *canvas_left(k, i) > 0 ? next_draws(k, i) : 0;
        if (draws && k->slots + draws > k->capacity)
            break;
        if (draws)
            canvas_take(k, i, draws);
    }
}

/* ---- what the windows say ---- */

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

/* Windows of a canvas that say something now, into `wanted`. */
static void canvas_want(struct canvas *k, int64_t taking)
{
    for (int64_t at = 0; at < k->tokens; at++)
        k->chosen[at] = k->slot[taking * k->tokens + at] >= 0;
    (void)windows_wanted(&k->windows, k->chosen, k->wanted);
}

/* The graph a canvas takes is decided for all of its windows together, so that their order is one. */
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

static void add_job(struct canvas *k, int64_t taking, int64_t window)
{
    int64_t y, x, n = 0;
    int32_t *to = (int32_t *)k->input.data + k->jobs * k->window_tokens, *at = (int32_t *)k->positions.data + k->jobs * k->picked.width;
    const int32_t *from = tokens_of(k, k->taking[taking].canvas);
    windows_place(&k->windows, window, &y, &x);
    for (int64_t i = 0; i < k->windows.h; i++)
        memcpy(to + i * k->windows.w, from + (y + i) * k->windows.width + x, (size_t)k->windows.w * sizeof *to);
    for (int64_t p = 0; k->taking[taking].logit_graph == &k->picked && p < k->window_tokens; p++)
        if (*slots_of(k, taking, window, p) >= 0)
            at[n++] = (int32_t)p;
    for (; n > 0 && n < k->picked.width; n++) /* what is left over repeats the last */
        at[n] = at[n - 1];
    k->job[k->jobs++] = (struct job){.taking = taking, .window = window};
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
        const float *rows = (const float *)k->logits.data + n * w->width * k->codebook_size;
        int64_t picked = 0;
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
    struct tess_tensor in[2] = {k->input, k->positions}, out = k->logits;
    if (k->jobs == 0)
        return TESS_OK;
    in[0].dim[0] = in[1].dim[0] = out.dim[0] = k->jobs;
    out.dim[1] = w->width;
    struct tess_batch b = {
        .size = sizeof b, .samples = k->jobs, .inputs = w == &k->picked ? 2 : 1, .in = in, .outputs = 1, .out = &out};
    TESS_TRY(tess_graph_run(ctx, w->graph, &b));
    canvas_hear(k, w);
    k->calls += k->jobs;
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
    struct tess_reverse r = canvas_step_of(k, t->canvas);
    for (int64_t d = t->first; d < t->first + t->draws; d++)
        for (int64_t j = d * k->codebook_size; j < (d + 1) * k->codebook_size; j++)
            k->logit[j] = (float)log(k->sum[j] / (double)k->covers[d]);
    r.logits = k->logit + t->first * k->codebook_size;
    r.row = k->slot + taking * k->tokens + (k->o.raster ? k->tokens - *canvas_left(k, t->canvas) : 0);
    TESS_TRY(k->noise->reverse(k->self, ctx, &r));
    --*canvas_left(k, t->canvas);
    return TESS_OK;
}

int canvas_advance(struct tess_context *ctx, struct canvas *k)
{
    canvas_gather(k);
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
    return (struct sampling_state){.x = k->x, .left = k->left, .calls = &k->calls, .steps = canvas_steps(&k->o)};
}
