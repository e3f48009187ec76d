/* Windows of canvases in batches for the denoiser, and their probabilities added up for each token that is drawn.
 * SPDX-License-Identifier: MIT */
#include "kit/sample/canvas_private.h"

#include <math.h>
#include <string.h>

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

/* Rows of a window's job that follow its first: the same with the null label. */
static void copy_rows(const struct canvas *k)
{
    int64_t first = k->job[k->jobs].place * k->rows;
    if (k->label.data)
        ((int32_t *)k->label.data)[first] = k->o.label[k->taking[k->job[k->jobs].taking].canvas];
    for (int64_t row = first + 1; row < first + k->rows; row++) {
        int32_t *x = k->input.data, *at = k->positions.data;
        memcpy(x + row * k->window_tokens, x + first * k->window_tokens, (size_t)k->window_tokens * sizeof *x);
        memcpy(at + row * k->picked.width, at + first * k->picked.width, (size_t)k->picked.width * sizeof *at);
        ((int32_t *)k->label.data)[row] = (int32_t)k->o.prior->classes;
    }
}

/* A window's place in its microbatch goes by the numbers of canvas and window: the last bits of its logits depend on that place, and must
 * not depend on the batch. *place: the next free one; 0 returned: the batch has none left. */
static int find_place(const struct canvas *k, int64_t taking, int64_t window, int64_t *place)
{
    int64_t r = (k->taking[taking].canvas + window) % k->places;
    *place = k->filled[r] * k->places + r;
    return *place < k->in_batch;
}

static void add_job(struct canvas *k, int64_t taking, int64_t window, int64_t place)
{
    int64_t y, x, n = 0, row = place * k->rows;
    int32_t *to = (int32_t *)k->input.data + row * k->window_tokens, *at = (int32_t *)k->positions.data + row * k->picked.width;
    const int32_t *from = canvas_tokens(k, k->taking[taking].canvas);
    windows_place(&k->windows, window, &y, &x);
    for (int64_t i = 0; i < k->windows.h; i++)
        memcpy(to + i * k->windows.w, from + (y + i) * k->windows.width + x, (size_t)k->windows.w * sizeof *to);
    for (int64_t p = 0; k->taking[taking].logit_graph == &k->picked && p < k->window_tokens; p++)
        if (*slots_of(k, taking, window, p) >= 0)
            at[n++] = (int32_t)p;
    for (; n > 0 && n < k->picked.width; n++) /* places that are left over repeat the last */
        at[n] = at[n - 1];
    k->job[k->jobs] = (struct job){.taking = taking, .window = window, .place = place};
    copy_rows(k);
    k->filled[place % k->places]++;
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
        float *rows = (float *)k->logits.data + j->place * k->rows * values;
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
    int64_t rows = 0;
    int32_t inputs = 1;
    if (k->jobs == 0)
        return TESS_OK;
    for (int64_t n = 0; n < k->jobs; n++)
        rows = rows > (k->job[n].place + 1) * k->rows ? rows : (k->job[n].place + 1) * k->rows;
    if (k->label.data)
        in[inputs++] = k->label;
    if (w == &k->picked)
        in[inputs++] = k->positions;
    for (int32_t i = 0; i < inputs; i++)
        in[i].dim[0] = rows;
    out.dim[0] = rows;
    out.dim[1] = w->width;
    struct tess_batch b = {.size = sizeof b, .samples = rows, .inputs = inputs, .in = in, .outputs = 1, .out = &out};
    TESS_TRY(tess_graph_run_shared(ctx, w->graph, &b));
    canvas_hear(k, w);
    k->calls += k->jobs * k->rows;
    k->jobs = 0;
    memset(k->filled, 0, (size_t)k->places * sizeof *k->filled);
    return TESS_OK;
}

static int canvas_run_windows(struct tess_context *ctx, struct canvas *k, const struct logit_graph *w)
{
    for (int64_t t = 0; t < k->takings; t++) {
        if (k->taking[t].logit_graph != w)
            continue;
        canvas_want(k, t);
        for (int64_t i = 0; i < windows_count(&k->windows); i++) {
            if (!k->wanted[i])
                continue;
            int64_t place;
            if (!find_place(k, t, i, &place)) {
                TESS_TRY(run_jobs(ctx, k, w));
                (void)find_place(k, t, i, &place);
            }
            add_job(k, t, i, place);
        }
    }
    return run_jobs(ctx, k, w);
}

int canvas_add_windows(struct tess_context *ctx, struct canvas *k)
{
    for (int64_t t = 0; t < k->takings; t++)
        k->taking[t].logit_graph = logit_graph_for(k, t);
    TESS_TRY(canvas_run_windows(ctx, k, &k->picked));
    return canvas_run_windows(ctx, k, &k->all);
}
