/* Advances a batch of sequences by one call of the denoiser. Sequences that wait for the denoiser are in `active`, each as long as it has
 * steps left. Places in a microbatch are kept by number: when sequence i is done, the next sequence with the same remainder modulo `places`
 * takes over from it, so that batches stay full and every sequence has its place. For a call they are parted: those come first whose draws
 * the graph of picked positions has room for.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sample/sampler_private.h"

#include <string.h>

/* Skips the calls of a sequence that read no logits, and keeps what is known of the first that reads some: so a step's draws are asked for
 * here once, and made once. */
static int advance_to_work(struct tess_context *ctx, const struct tess_sampler *s, struct tessi_active *a)
{
    int asks = s->telling || s->picked.graph;
    for (a->reads = -1; asks && *tessi_sample_left(&s->state, a->sequence) > 0;) {
        struct tessi_sample_call c;
        tessi_sample_next(&s->state, a->sequence, NULL, &c);
        TESS_TRY(tess_sampler_step_reads(ctx, s->state.o.sampler, &c.step, a->where, &a->reads));
        if (a->reads != 0 || !s->telling)
            break;
        TESS_TRY(tessi_sample_passed(ctx, &s->state, a->sequence));
    }
    a->waits = *tessi_sample_left(&s->state, a->sequence) > 0;
    return TESS_OK;
}

static void advance_swap(struct tessi_active *a, struct tessi_active *b)
{
    struct tessi_active kept = *a;
    *a = *b;
    *b = kept;
}

/* Leaves out of the active sequences from `first` on those that are done. */
static void advance_keep_waiting(struct tess_sampler *s, int64_t first)
{
    int64_t still = first;
    for (int64_t k = first; k < s->actives; k++)
        if (s->active[k].waits)
            advance_swap(&s->active[still++], &s->active[k]);
    s->actives = still;
}

/* Counts the active sequences of each remainder. */
static void advance_count(const struct tess_sampler *s)
{
    memset(s->filled, 0, (size_t)s->state.places * sizeof *s->filled);
    for (int64_t k = 0; k < s->actives; k++)
        s->filled[s->active[k].sequence % s->state.places]++;
}

/* Begins as many sequences as there is room for. */
static void advance_begin(struct tess_sampler *s)
{
    int64_t places = s->state.places, most = s->state.batch / places;
    advance_count(s);
    for (int64_t r = 0; r < places; r++)
        for (; s->filled[r] < most && s->next[r] < s->state.end; s->next[r] += places, s->filled[r]++)
            s->active[s->actives++].sequence = s->next[r];
}

struct advance_begun {
    const struct tess_sampler *s;
    int64_t first;
};

static int advance_begin_one(struct tess_context *ctx, const void *user, int32_t *row, int64_t k)
{
    const struct advance_begun *b = user;
    (void)row;
    return advance_to_work(ctx, b->s, &b->s->active[b->first + k]);
}

/* Fills the batch with sequences that wait for the denoiser: some of those that begin may be done without it. */
static int advance_fill(struct tess_context *ctx, struct tess_sampler *s)
{
    for (;;) {
        struct advance_begun b = {s, s->actives};
        advance_begin(s);
        if (s->actives == b.first)
            return TESS_OK;
        TESS_TRY(tessi_sample_each(ctx, &s->state, s->actives - b.first, advance_begin_one, &b));
        advance_keep_waiting(s, b.first);
    }
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

/* Writes into the batch of picked positions those that an active sequence reads: in order, padded with the last of them. */
static void advance_pick(const struct tess_sampler *s, const struct tessi_active *a)
{
    int64_t width = s->picked.width, n = 0;
    int32_t *to = advance_positions(s, a->place);
    for (int64_t token = 0; token < s->state.tokens; token++)
        if (a->where[token])
            to[n++] = (int32_t)token;
    for (int64_t p = n; p < width; p++)
        to[p] = n ? to[n - 1] : 0;
    for (int64_t row = 1; row < s->state.rows; row++)
        memcpy(to + row * width, to, (size_t)width * sizeof *to);
}

/* Partitions the active sequences, and gives each its place: those whose reads the graph of picked positions has room for come first;
 * returns their number. */
static int64_t advance_part(const struct tess_sampler *s)
{
    int64_t first = 0, last = s->actives;
    memset(s->filled, 0, (size_t)s->state.places * sizeof *s->filled);
    while (first < last) {
        struct tessi_active *a = &s->active[first];
        if (s->picked.graph && a->reads >= 0 && a->reads <= s->picked.width) {
            a->place = advance_place(s, a->sequence);
            advance_pick(s, a);
            first++;
        } else {
            advance_swap(a, &s->active[--last]);
        }
    }
    memset(s->filled, 0, (size_t)s->state.places * sizeof *s->filled);
    for (int64_t k = first; k < s->actives; k++)
        s->active[k].place = advance_place(s, s->active[k].sequence);
    return first;
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
        int64_t end = (s->active[k].place + 1) * s->state.rows;
        advance_put(s, s->active[k].sequence, s->active[k].place);
        rows = rows > end ? rows : end;
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

/* Makes the draws of a sequence, and finds its next call. */
static int advance_draw_one(struct tess_context *ctx, const void *user, int32_t *row, int64_t k)
{
    const struct advance_step *t = user;
    const struct tess_sampler *s = t->s;
    struct tessi_active *a = &s->active[t->first + k];
    int64_t values = t->w->width * s->state.o.prior->codebook_size;
    float *logits = (float *)s->logits.data + a->place * s->state.rows * values;
    struct tessi_sample_call c;
    tessi_sample_guide(&s->state, values, logits);
    tessi_sample_next(&s->state, a->sequence, logits, &c);
    if (t->w == &s->picked) {
        c.reverse.row = row;
        for (int64_t p = 0; p < a->reads; p++)
            row[advance_positions(s, a->place)[p]] = (int32_t)p;
    }
    TESS_TRY(tess_sampler_step_draw(ctx, s->state.o.sampler, &c.step));
    TESS_TRY(tessi_sample_passed(ctx, &s->state, a->sequence));
    TESS_TRY(tessi_sample_condition(ctx, &s->state, a->sequence));
    return advance_to_work(ctx, s, a);
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

int tessi_sampler_own_advance(struct tess_context *ctx, struct tess_sampler *s)
{
    if (s->lockstep)
        return tessi_sample_lockstep_advance(ctx, s->lockstep, &s->state, &s->calls, &s->flops);
    TESS_TRY(advance_fill(ctx, s));
    int64_t first = advance_part(s);
    TESS_TRY(advance_step(ctx, s, &s->picked, 0, first));
    TESS_TRY(advance_step(ctx, s, &s->all, first, s->actives - first));
    advance_keep_waiting(s, 0);
    return TESS_OK;
}
