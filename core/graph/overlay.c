/* Activations in the memory of gradients.
 *
 * The sum of a weight's gradient is not written before its backward step, and that of the first layers near the end of the backward pass;
 * until then its memory is idle. Activations that are kept for the backward pass lie there, each in the memory of gradients that are
 * written after its last use. So a step needs room for the activations or for the gradients, whichever is more, not for both.
 *
 * All microbatches of the batch must run at once for that, each on a worker of its own, since a later one would write its activations over
 * gradients; graphs of more microbatches than workers keep their activations in the arena. The microbatch that writes a gradient first
 * waits until all others have passed the last use of what lies there (`until`). Nobody waits for ever: the one that is farthest behind
 * never waits, as what it has yet to pass is behind the step at which it is. SLACK keeps the ones ahead from waiting at every step.
 *
 * Placement: activations in the order of their last use, gradients in the order in which they are written, which is from the last layer to
 * the first and so from the end of the block to its beginning; each activation lies right below the one before it, or below the gradients
 * that are written too early for it. Slot i has its copy in block i modulo their number, beside those of other slots there.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph/overlay.h"

#include "core/base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    BLOCKS = 64,
    SLACK = 32, /* a gradient is written at least a SLACK-th of all backward steps after the last use of what lies there */
    WORTH = 4
};

struct tessi_overlay {
    int blocks;
    char *block[BLOCKS];   /* memory that activations lie in: that of gradients, or `own` */
    char *own[BLOCKS];     /* blocks allocated here, where the gradients are shared by ranks; NULL: not needed yet */
    int64_t weights, each; /* weights known to the plan; copies of a buffer in each block */
    int64_t *until;        /* per weight: number of backward steps after which its gradient may be written */
    int64_t first, running;
    _Atomic int64_t *reached; /* per microbatch of this run: number of backward steps made */
};

/* ---- the plan ---- */

struct plan {
    struct tess_graph *g;
    int64_t *written;    /* per weight: time at which its gradient is first written; -1: never, or it is no trained one */
    int64_t top, weight; /* offset, in bytes, above which memory is taken; the last weight that begins below it */
    int64_t slack;
};

static int64_t overlay_first_byte(const struct tess_graph *g, int64_t weight)
{
    return g->weights->item[weight].offset * (int64_t)sizeof(float);
}

static int64_t overlay_bytes(int64_t bytes)
{
    return (int64_t)tessi_base_aligned((size_t)bytes);
}

/* Finds the backward step of each weight that gives its gradient away, which is the first to write into the sum. */
static void find_written(struct plan *p)
{
    const struct tess_graph *g = p->g;
    for (int64_t i = 0; i < g->weights->count; i++)
        p->written[i] = -1;
    for (int64_t k = 0; k < g->backs; k++)
        for (int32_t i = 0; i < TESS_OP_MAX; i++)
            if (g->back[k].gives[i])
                p->written[g->step[g->back[k].step]->in[i]->gradient_of->index] = g->steps + 1 + k;
    p->slack = g->backs / SLACK;
}

/* The lowest weight in the span whose gradient is written too early for something that is last used at `time`; -1: none is. */
static int64_t overlay_blocking(const struct plan *p, int64_t from, int64_t time)
{
    int64_t found = -1;
    for (int64_t i = p->weight; i >= 0; i--) {
        const struct tessi_weight *w = &p->g->weights->item[i];
        if (w->init.flags & TESS_WEIGHT_BUFFER)
            continue;
        if (overlay_first_byte(p->g, i) + overlay_bytes(tess_tensor_count(&w->shape) * (int64_t)sizeof(float)) <= from)
            break;
        if (overlay_first_byte(p->g, i) < p->top && p->written[i] <= time + p->slack)
            found = i;
    }
    return found;
}

/* Takes the span from `from` to the top for a buffer. */
static void overlay_take(struct plan *p, int64_t from, struct tessi_buffer *b)
{
    int64_t steps = b->to - p->g->steps;
    for (; p->weight >= 0; p->weight--) {
        int64_t *until = &p->g->overlay->until[p->weight];
        if (p->g->weights->item[p->weight].init.flags & TESS_WEIGHT_BUFFER)
            continue;
        if (overlay_first_byte(p->g, p->weight) < p->top)
            *until = *until > steps ? *until : steps;
        if (overlay_first_byte(p->g, p->weight) <= from)
            break;
    }
    b->overlay = 1;
    b->offset = p->top = from;
}

static void overlay_place(struct plan *p, struct tessi_buffer *b)
{
    int64_t bytes = p->g->overlay->each * overlay_bytes(b->bytes);
    while (p->top >= bytes) {
        int64_t blocking = overlay_blocking(p, p->top - bytes, b->to);
        if (blocking < 0) {
            overlay_take(p, p->top - bytes, b);
            return;
        }
        p->top = overlay_first_byte(p->g, blocking);
        p->weight = blocking - 1;
    }
}

static int by_last_use(const void *a, const void *b)
{
    const struct tessi_buffer *p = *(struct tessi_buffer *const *)a, *q = *(struct tessi_buffer *const *)b;
    if (p->to != q->to)
        return p->to < q->to ? -1 : 1;
    return p < q ? -1 : 1;
}

/* Collects what the forward pass makes and the backward pass reads, in the order of last use; gives the number. */
static int64_t overlay_candidates(struct tess_graph *g, struct tessi_buffer **list)
{
    int64_t n = 0;
    for (int64_t i = 0; i < g->buffers; i++) {
        struct tessi_buffer *b = &g->buffer[i];
        if (b->bytes > 0 && b->from >= 0 && b->from <= g->steps && b->to > g->steps)
            list[n++] = b;
    }
    qsort(list, (size_t)n, sizeof *list, by_last_use);
    return n;
}

static int overlay_new(struct tess_context *ctx, struct tess_graph *g)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_overlay), "a memory plan", &memory));
    g->overlay = memory;
    g->overlay->blocks = tessi_graph_gradient_levels(g->microbatches);
    g->overlay->each = (g->microbatches + g->overlay->blocks - 1) / g->overlay->blocks;
    g->overlay->weights = g->weights->count;
    TESS_TRY(tess_alloc(ctx, (size_t)(g->weights->count + 1) * sizeof(int64_t), "a memory plan", &memory));
    g->overlay->until = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)g->microbatches * sizeof *g->overlay->reached, "a memory plan", &memory));
    g->overlay->reached = memory;
    return TESS_OK;
}

/* Places the buffers on the list. Where gradients have room for less than a WORTH-th of their bytes, none: microbatches would wait for one
 * another for little. */
static void overlay_place_all(struct plan *p, struct tessi_buffer **list, int64_t n)
{
    int64_t all = 0, placed = 0;
    for (int64_t i = 0; i < n; i++) {
        overlay_place(p, list[i]);
        all += list[i]->bytes;
        placed += list[i]->overlay ? list[i]->bytes : 0;
    }
    if (placed >= all / WORTH && placed > 0)
        return;
    for (int64_t i = 0; i < n; i++)
        list[i]->overlay = 0;
    tessi_graph_overlay_free(p->g->overlay);
    p->g->overlay = NULL;
}

int tessi_graph_overlay_plan(struct tess_context *ctx, struct tess_graph *g)
{
    void *list = NULL, *written = NULL;
    if (!g->objectives || g->microbatches > tessi_base_workers_count(g->runtime->workers) || tessi_ranks_together(g->runtime->ranks))
        return TESS_OK;
    TESS_TRY(overlay_new(ctx, g));
    TESS_TRY(tess_alloc(ctx, (size_t)(g->buffers + 1) * sizeof(struct tessi_buffer *), "a memory plan", &list));
    int status = tess_alloc(ctx, (size_t)(g->weights->count + 1) * sizeof(int64_t), "a memory plan", &written);
    if (status == TESS_OK) {
        struct plan p = {.g = g, .written = written, .top = g->weights->trained * (int64_t)sizeof(float), .weight = g->weights->count - 1};
        find_written(&p);
        overlay_place_all(&p, list, overlay_candidates(g, list));
    }
    tess_free(written);
    tess_free(list);
    return status;
}

void tessi_graph_overlay_free(struct tessi_overlay *o)
{
    if (!o)
        return;
    for (int i = 0; i < o->blocks; i++)
        tess_free(o->own[i]);
    tess_free(o->until);
    tess_free((void *)o->reached);
    tess_free(o);
}

/* ---- runs ---- */

int tessi_graph_overlay_reserve(struct tess_context *ctx, struct tess_graph *g)
{
    struct tessi_overlay *o = g->overlay;
    void *memory;
    if (!o)
        return TESS_OK;
    if (!g->ranks && !g->gradients)
        TESS_TRY(tessi_graph_gradient_sum_new(ctx, g, &g->gradients));
    for (int i = 0; i < o->blocks; i++) {
        if (g->ranks && !o->own[i]) {
            TESS_TRY(tess_alloc(ctx, (size_t)g->weights->trained * sizeof(float) + 64, "activations", &memory));
            o->own[i] = memory;
        }
        o->block[i] = g->ranks ? o->own[i] : (char *)tessi_graph_gradient_sum_block(g->gradients, i);
    }
    return TESS_OK;
}

char *tessi_graph_overlay_at(const struct tess_graph *g, const struct tessi_buffer *b, int64_t slot)
{
    const struct tessi_overlay *o = g->overlay;
    return o->block[slot % o->blocks] + b->offset + slot / o->blocks * overlay_bytes(b->bytes);
}

void tessi_graph_overlay_start(struct tessi_overlay *o, int64_t first, int64_t end)
{
    if (!o)
        return;
    o->first = first;
    o->running = end - first;
    for (int64_t i = 0; i < o->running; i++)
        atomic_store_explicit(&o->reached[i], 0, memory_order_relaxed);
}

void tessi_graph_overlay_reach(struct tessi_overlay *o, int64_t microbatch, int64_t step)
{
    if (o)
        atomic_store_explicit(&o->reached[microbatch - o->first], step, memory_order_release);
}

int tessi_graph_overlay_is_free(const struct tessi_overlay *o, int64_t weight)
{
    int is_free = 1;
    for (int64_t i = 0; o && weight < o->weights && i < o->running && is_free; i++)
        is_free = atomic_load_explicit(&o->reached[i], memory_order_acquire) >= o->until[weight];
    return is_free;
}
