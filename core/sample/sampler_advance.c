/* Advances a batch of sequences by one call of the denoiser. Sequences are taken in order; those that wait for the denoiser are in
 * `active`, each as long as it has steps left, and the next in line takes the place of one that is done. For a call they are parted: those
 * come first whose draws the graph of picked positions has room for.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sample/sampler_private.h"

#include <string.h>

/* Skips the calls that read no logits; *waits: whether a step is left. */
static int advance_to_work(struct tess_context *ctx, const struct tess_sampler *s, int64_t i, int *waits)
{
    while (s->telling && *tessi_sample_left(&s->state, i) > 0) {
        struct tessi_sample_call c;
        int64_t reads;
        tessi_sample_next(&s->state, i, NULL, &c);
        TESS_TRY(tess_sampler_step_reads(ctx, s->state.o.sampler, &c.step, NULL, &reads));
        if (reads != 0)
            break;
        TESS_TRY(tessi_sample_passed(ctx, &s->state, i));
    }
    *waits = *tessi_sample_left(&s->state, i) > 0;
    return TESS_OK;
}

static int advance_fill(struct tess_context *ctx, struct tess_sampler *s)
{
    for (int waits; s->actives < s->state.o.batch && s->next < s->state.o.count; s->next++) {
        TESS_TRY(advance_to_work(ctx, s, s->next, &waits));
        if (waits)
            s->active[s->actives++] = s->next;
    }
    return TESS_OK;
}

static int32_t *advance_positions(const struct tess_sampler *s, int64_t k)
{
    return (int32_t *)s->positions.data + k * s->state.rows * s->picked.width;
}

/* Positions that the next call of sequence i reads, into the k-th rows of `positions`: in order, padded with the last of them. *picked is 0
 * when they do not fit. */
static int advance_pick(struct tess_context *ctx, struct tess_sampler *s, int64_t i, int64_t k, int *picked)
{
    int64_t width = s->picked.width, n = 0, reads = -1;
    int32_t *to = advance_positions(s, k);
    struct tessi_sample_call c;
    *picked = 0;
    if (!s->picked.graph)
        return TESS_OK;
    tessi_sample_next(&s->state, i, NULL, &c);
    TESS_TRY(tess_sampler_step_reads(ctx, s->state.o.sampler, &c.step, s->where, &reads));
    if (reads < 0 || reads > width)
        return TESS_OK;
    for (int64_t token = 0; token < s->state.tokens; token++)
        if (s->where[token])
            to[n++] = (int32_t)token;
    s->draws[k] = n;
    for (int64_t p = n; p < width; p++)
        to[p] = n ? to[n - 1] : 0;
    for (int64_t row = 1; row < s->state.rows; row++)
        memcpy(to + row * width, to, (size_t)width * sizeof *to);
    *picked = 1;
    return TESS_OK;
}

/* Partitions the active sequences: those that the graph of picked positions can serve come first; *first: their number. */
static int advance_part(struct tess_context *ctx, struct tess_sampler *s, int64_t *first)
{
    int64_t last = s->actives;
    for (*first = 0; *first < last;) {
        int64_t i = s->active[*first];
        int picked;
        TESS_TRY(advance_pick(ctx, s, i, *first, &picked));
        if (picked) {
            ++*first;
        } else {
            s->active[*first] = s->active[--last];
            s->active[last] = i;
        }
    }
    return TESS_OK;
}

/* Fills the rows of the k-th sequence of a batch, which is sequence i. */
static void advance_put(struct tess_sampler *s, int64_t i, int64_t k)
{
    for (int64_t row = k * s->state.rows; row < (k + 1) * s->state.rows; row++) {
        memcpy((int32_t *)s->input.data + row * s->state.tokens, tessi_sample_sequence(&s->state, i),
               (size_t)s->state.tokens * sizeof(int32_t));
        ((float *)s->time.data)[row] = (float)((double)*tessi_sample_left(&s->state, i) / (double)tessi_sample_steps(&s->state, i));
    }
    if (s->label.data)
        tessi_sample_put_labels(&s->state, i, (int32_t *)s->label.data + k * s->state.rows);
}

static int advance_denoise(struct tess_context *ctx, struct tess_sampler *s, const struct tessi_logit_graph *w, const int64_t *which,
                           int64_t n)
{
    struct tess_tensor in[4] = {s->input}, out = s->logits;
    int64_t rows = n * s->state.rows;
    int32_t inputs = 1;
    for (int64_t k = 0; k < n; k++)
        advance_put(s, which[k], k);
    if (tess_prior_needs_time(s->state.o.prior))
        in[inputs++] = s->time;
    if (s->label.data)
        in[inputs++] = s->label;
    if (w == &s->picked)
        in[inputs++] = s->positions;
    for (int32_t k = 0; k < inputs; k++)
        in[k].dim[0] = rows;
    out.dim[0] = rows;
    out.dim[1] = w->width;
    s->calls += rows;
    s->flops += w->flops * (double)rows;
    struct tess_batch b = {.size = sizeof b, .samples = rows, .inputs = inputs, .in = in, .outputs = 1, .out = &out};
    return tess_graph_run(ctx, w->graph, &b);
}

struct advance_step { /* the draws of those sequences, whose logits are there */
    const struct tess_sampler *s;
    const struct tessi_logit_graph *w;
    const int64_t *which;
};

static int advance_draw_one(struct tess_context *ctx, const void *user, int32_t *row, int64_t k)
{
    const struct advance_step *t = user;
    const struct tess_sampler *s = t->s;
    int64_t values = t->w->width * s->state.o.prior->codebook_size;
    float *logits = (float *)s->logits.data + k * s->state.rows * values;
    struct tessi_sample_call c;
    tessi_sample_guide(&s->state, values, logits);
    tessi_sample_next(&s->state, t->which[k], logits, &c);
    if (t->w == &s->picked) {
        c.reverse.row = row;
        for (int64_t p = 0; p < s->draws[k]; p++)
            row[advance_positions(s, k)[p]] = (int32_t)p;
    }
    TESS_TRY(tess_sampler_step_draw(ctx, s->state.o.sampler, &c.step));
    TESS_TRY(tessi_sample_passed(ctx, &s->state, t->which[k]));
    return tessi_sample_condition(ctx, &s->state, t->which[k]);
}

/* Calls the denoiser once for the n sequences `which`, and makes their draws. */
static int advance_step(struct tess_context *ctx, struct tess_sampler *s, const struct tessi_logit_graph *w, const int64_t *which,
                        int64_t n)
{
    const struct advance_step t = {s, w, which};
    if (n == 0)
        return TESS_OK;
    TESS_TRY(advance_denoise(ctx, s, w, which, n));
    return tessi_sample_each(ctx, &s->state, n, advance_draw_one, &t);
}

int tess_sampler_advance(struct tess_context *ctx, struct tess_sampler *s)
{
    int64_t still = 0, first;
    if (s->lockstep)
        return tessi_sample_lockstep_advance(ctx, s->lockstep, &s->state, &s->calls, &s->flops);
    TESS_TRY(advance_fill(ctx, s));
    TESS_TRY(advance_part(ctx, s, &first));
    TESS_TRY(advance_step(ctx, s, &s->picked, s->active, first));
    TESS_TRY(advance_step(ctx, s, &s->all, s->active + first, s->actives - first));
    for (int64_t k = 0; k < s->actives; k++) {
        int waits;
        TESS_TRY(advance_to_work(ctx, s, s->active[k], &waits));
        if (waits)
            s->active[still++] = s->active[k];
    }
    s->actives = still;
    return TESS_OK;
}
