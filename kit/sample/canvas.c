/* A step goes in three: who draws what (gather), what the windows say of it (canvas_windows.c), the draws (decide).
 * SPDX-License-Identifier: MIT */
#include "kit/sample/canvas_private.h"

#include <math.h>
#include <string.h>

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
    int64_t bytes = tess_sampler_state_size(o->sampler, k->tokens, k->codebook_size), rows = k->in_batch * k->rows;
    k->state = tess_tensor_over(NULL, TESS_U8, 2, (const int64_t[]){o->count, (bytes + 7) / 8 * 8});
    if (bytes)
        TESS_TRY(stage_tensor(ctx, &k->state, TESS_U8, 2, k->state.dim));
    TESS_TRY(stage_tensor(ctx, &k->input, TESS_I32, 2, (const int64_t[]){rows, k->window_tokens}));
    if (o->label)
        TESS_TRY(stage_tensor(ctx, &k->label, TESS_I32, 1, &rows));
    TESS_TRY(stage_tensor(ctx, &k->positions, TESS_I32, 2, (const int64_t[]){rows, k->picked.width}));
    TESS_TRY(stage_tensor(ctx, &k->logits, TESS_F32, 3, (const int64_t[]){rows, k->window_tokens, k->codebook_size}));
    TESS_TRY(canvas_list(ctx, o->batch, sizeof *k->taking, &k->taking));
    TESS_TRY(canvas_list(ctx, k->in_batch, sizeof *k->job, &k->job));
    TESS_TRY(canvas_list(ctx, k->places, sizeof *k->filled, &k->filled));
    TESS_TRY(canvas_list(ctx, o->batch * k->tokens, sizeof *k->slot, &k->slot));
    TESS_TRY(canvas_list(ctx, k->tokens, 1, &k->chosen));
    TESS_TRY(canvas_list(ctx, windows_count(&k->windows), 1, &k->wanted));
    TESS_TRY(canvas_list(ctx, k->capacity * k->codebook_size, sizeof *k->sum, &k->sum));
    TESS_TRY(canvas_list(ctx, k->capacity * k->codebook_size, sizeof *k->logit, &k->logit));
    return canvas_list(ctx, k->capacity, sizeof *k->covers, &k->covers);
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
        TESS_TRY(tess_prior_start(ctx, k->o.prior, &random, k->tokens, canvas_tokens(k, i)));
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
    k->places = tess_graph_microbatch(o->denoise) / k->rows;
    k->places = k->places > 1 ? k->places : 1;
    k->in_batch = (o->batch + k->places - 1) / k->places * k->places;
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
                            k->positions.data, k->logits.data, k->taking,    k->job,        k->filled,     k->slot,
                            k->chosen,         k->wanted,      k->sum,       k->logit,      k->covers};
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
        .x = canvas_tokens(k, i) + at,
        .next = canvas_tokens(k, i) + at,
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
        TESS_TRY(tess_sampler_step_reads(ctx, k->o.sampler, &c.step, k->chosen + (c.reverse.x - canvas_tokens(k, i)), n));
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
    c.reverse.row = k->slot + taking * k->tokens + (c.reverse.x - canvas_tokens(k, t->canvas));
    TESS_TRY(tess_sampler_step_draw(ctx, k->o.sampler, &c.step));
    return canvas_passed(ctx, k, t->canvas);
}

int canvas_advance(struct tess_context *ctx, struct canvas *k)
{
    TESS_TRY(canvas_gather(ctx, k));
    TESS_TRY(canvas_add_windows(ctx, k));
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
