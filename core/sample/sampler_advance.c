/* Advances a batch of sequences by one call of the denoiser. Sequences that wait for the denoiser are in `active`, each as long as it has
 * steps left. Places in a microbatch are kept by number: when sequence i is done, the next sequence with the same remainder modulo `places`
 * takes over from it, so that batches stay full and every sequence has its place. For a call they are parted: those come first whose draws
 * the graph of picked positions has room for.
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

/* Counts the active sequences of each remainder. */
static void advance_count(const struct tess_sampler *s)
{
    memset(s->filled, 0, (size_t)s->state.places * sizeof *s->filled);
    for (int64_t k = 0; k < s->actives; k++)
        s->filled[s->active[k] % s->state.places]++;
}

static int advance_fill(struct tess_context *ctx, struct tess_sampler *s)
{
    int64_t places = s->state.places, most = s->state.batch / places;
    advance_count(s);
    for (int64_t r = 0; r < places; r++)
        for (int waits; s->filled[r] < most && s->next[r] < s->state.o.count; s->next[r] += places) {
            TESS_TRY(advance_to_work(ctx, s, s->next[r], &waits));
            if (!waits)
                continue;
            s->active[s->actives++] = s->next[r];
            s->filled[r]++;
        }
    return TESS_OK;
}

/* The next free place for sequence i. */
static int64_t advance_place(const struct tess_sampler *s, int64_t i)
{
    int64_t r = i % s->state.places;
    return s->filled[r]++ * s->state.places + r;
}

static int32_t *advance_positions(const struct tess_sampler *s, int64_t place)
{
    return (int32_t *)s->positions.data + place * s->state.rows * s->picked.width;
}

/* Gives the k-th active sequence, number i, a place in the batch of picked positions, and writes there the positions that its next call
 * reads: in order, padded with the last of them. *picked is 0 when they do not fit. */
static int advance_pick(struct tess_context *ctx, struct tess_sampler *s, int64_t i, int64_t k, int *picked)
{
    int64_t width = s->picked.width, n = 0, reads = -1;
    int32_t *to;
    struct tessi_sample_call c;
    *picked = 0;
    if (!s->picked.graph)
        return TESS_OK;
    tessi_sample_next(&s->state, i, NULL, &c);
    TESS_TRY(tess_sampler_step_reads(ctx, s->state.o.sampler, &c.step, s->where, &reads));
    if (reads < 0 || reads > width)
        return TESS_OK;
    s->place[k] = advance_place(s, i);
    to = advance_positions(s, s->place[k]);
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

/* Partitions the active sequences, and gives each its place: those that the graph of picked positions can serve come first; *first: their
 * number. */
static int advance_part(struct tess_context *ctx, struct tess_sampler *s, int64_t *first)
{
    int64_t last = s->actives;
    memset(s->filled, 0, (size_t)s->state.places * sizeof *s->filled);
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
    memset(s->filled, 0, (size_t)s->state.places * sizeof *s->filled);
    for (int64_t k = *first; k < s->actives; k++)
        s->place[k] = advance_place(s, s->active[k]);
    return TESS_OK;
}

/* Fills the rows of a place with sequence i. */
static void advance_put(struct tess_sampler *s, int64_t i, int64_t place)
{
    for (int64_t row = place * s->state.rows; row < (place + 1) * s->state.rows; row++) {
        memcpy((int32_t *)s->input.data + row * s->state.tokens, tessi_sample_sequence(&s->state, i),
               (size_t)s->state.tokens * sizeof(int32_t));
        ((float *)s->time.data)[row] = (float)((double)*tessi_sample_left(&s->state, i) / (double)tessi_sample_steps(&s->state, i));
    }
    if (s->label.data)
        tessi_sample_put_labels(&s->state, i, (int32_t *)s->label.data + place * s->state.rows);
}

/* Computes the logits of active sequences first .. first + n - 1. Places that nobody has keep what was there: rows do not see each other.
 */
static int advance_denoise(struct tess_context *ctx, struct tess_sampler *s, const struct tessi_logit_graph *w, int64_t first, int64_t n)
{
    struct tess_tensor in[4] = {s->input}, out = s->logits;
    int64_t rows = 0;
    int32_t inputs = 1;
    for (int64_t k = first; k < first + n; k++) {
        advance_put(s, s->active[k], s->place[k]);
        rows = rows > (s->place[k] + 1) * s->state.rows ? rows : (s->place[k] + 1) * s->state.rows;
    }
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
    s->calls += n * s->state.rows;
    s->flops += w->flops * (double)(n * s->state.rows);
    struct tess_batch b = {.size = sizeof b, .samples = rows, .inputs = inputs, .in = in, .outputs = 1, .out = &out};
    return tess_graph_run(ctx, w->graph, &b);
}

struct advance_step { /* the draws of those sequences, whose logits are there */
    const struct tess_sampler *s;
    const struct tessi_logit_graph *w;
    int64_t first;
};

static int advance_draw_one(struct tess_context *ctx, const void *user, int32_t *row, int64_t k)
{
    const struct advance_step *t = user;
    const struct tess_sampler *s = t->s;
    int64_t values = t->w->width * s->state.o.prior->codebook_size, i = s->active[t->first + k], place = s->place[t->first + k];
    float *logits = (float *)s->logits.data + place * s->state.rows * values;
    struct tessi_sample_call c;
    tessi_sample_guide(&s->state, values, logits);
    tessi_sample_next(&s->state, i, logits, &c);
    if (t->w == &s->picked) {
        c.reverse.row = row;
        for (int64_t p = 0; p < s->draws[t->first + k]; p++)
            row[advance_positions(s, place)[p]] = (int32_t)p;
    }
    TESS_TRY(tess_sampler_step_draw(ctx, s->state.o.sampler, &c.step));
    TESS_TRY(tessi_sample_passed(ctx, &s->state, i));
    return tessi_sample_condition(ctx, &s->state, i);
}

/* Calls the denoiser once for active sequences first .. first + n - 1, and makes their draws. */
static int advance_step(struct tess_context *ctx, struct tess_sampler *s, const struct tessi_logit_graph *w, int64_t first, int64_t n)
{
    const struct advance_step t = {s, w, first};
    if (n == 0)
        return TESS_OK;
    TESS_TRY(advance_denoise(ctx, s, w, first, n));
    return tessi_sample_each(ctx, &s->state, n, advance_draw_one, &t);
}

int tess_sampler_advance(struct tess_context *ctx, struct tess_sampler *s)
{
    int64_t still = 0, first;
    if (s->lockstep)
        return tessi_sample_lockstep_advance(ctx, s->lockstep, &s->state, &s->calls, &s->flops);
    TESS_TRY(advance_fill(ctx, s));
    TESS_TRY(advance_part(ctx, s, &first));
    TESS_TRY(advance_step(ctx, s, &s->picked, 0, first));
    TESS_TRY(advance_step(ctx, s, &s->all, first, s->actives - first));
    for (int64_t k = 0; k < s->actives; k++) {
        int waits;
        TESS_TRY(advance_to_work(ctx, s, s->active[k], &waits));
        if (waits)
            s->active[still++] = s->active[k];
    }
    s->actives = still;
    return TESS_OK;
}
