/* The memory plan: every buffer lives from one step to another; each is placed at the lowest offset that no buffer alive at
 * the same time occupies, the largest first, but for those that overlay.c finds a place outside the arena. Known before the first run, so
 * nothing is allocated inside a step. SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/graph/node.h"
#include "core/graph/overlay.h"

#include <assert.h>
#include <stdlib.h>

static int64_t memory_plan_aligned(int64_t bytes)
{
    return (int64_t)tessi_base_aligned((size_t)bytes);
}

static _Thread_local const struct tessi_buffer *sorting; /* buffers that by_size compares: qsort passes no user argument */

static int by_size(const void *a, const void *b)
{
    int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    if (sorting[i].bytes != sorting[j].bytes)
        return sorting[i].bytes < sorting[j].bytes ? 1 : -1;
    return i < j ? -1 : 1;
}

static int by_offset(const void *a, const void *b)
{
    const struct tessi_buffer *p = *(const struct tessi_buffer *const *)a, *q = *(const struct tessi_buffer *const *)b;
    return p->offset < q->offset ? -1 : p->offset > q->offset;
}

/* Lowest offset at which b fits between the placed buffers that live at the same time. */
static int64_t lowest_gap(const struct tessi_buffer **placed, int64_t n, const struct tessi_buffer **scratch, const struct tessi_buffer *b)
{
    int64_t m = 0, at = 0;
    for (int64_t i = 0; i < n; i++)
        if (placed[i]->from <= b->to && b->from <= placed[i]->to)
            scratch[m++] = placed[i];
    qsort(scratch, (size_t)m, sizeof *scratch, by_offset);
    for (int64_t i = 0; i < m; i++) {
        if (scratch[i]->offset >= at + memory_plan_aligned(b->bytes))
            break;
        int64_t end = scratch[i]->offset + memory_plan_aligned(scratch[i]->bytes);
        at = end > at ? end : at;
    }
    return at;
}

static int memory_plan_place(struct tess_context *ctx, struct tess_graph *g)
{
    void *order_memory = NULL, *placed_memory = NULL;
    size_t n = (size_t)g->buffers + 1;
    int status = tess_alloc(ctx, n * sizeof(int64_t), "a memory plan", &order_memory);
    if (status == TESS_OK)
        status = tess_alloc(ctx, 2 * n * sizeof(void *), "a memory plan", &placed_memory);
    if (status == TESS_OK) {
        int64_t *order = order_memory;
        const struct tessi_buffer **placed = placed_memory, **scratch = placed + n;
        int64_t count = 0;
        for (int64_t i = 0; i < g->buffers; i++)
            if (!g->buffer[i].overlay)
                order[count++] = i;
        sorting = g->buffer;
        qsort(order, (size_t)count, sizeof *order, by_size);
        g->arena_bytes = 0;
        for (int64_t i = 0; i < count; i++) {
            struct tessi_buffer *b = &g->buffer[order[i]];
            b->offset = lowest_gap(placed, i, scratch, b);
            placed[i] = b;
            int64_t end = b->offset + memory_plan_aligned(b->bytes);
            g->arena_bytes = end > g->arena_bytes ? end : g->arena_bytes;
        }
    }
    tess_free(order_memory);
    tess_free(placed_memory);
    return status;
}

#ifdef TESS_DEBUG
/* Debug check: no two buffers that live at the same time share a byte. */
static int memory_plan_is_sound(const struct tess_graph *g)
{
    for (int64_t i = 0; i < g->buffers; i++)
        for (int64_t k = 0; k < i; k++) {
            const struct tessi_buffer *a = &g->buffer[i], *b = &g->buffer[k];
            if (a->overlay == b->overlay && a->from <= b->to && b->from <= a->to && a->bytes && b->bytes &&
                a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes)
                return 0;
        }
    return 1;
}
#endif

int tessi_graph_plan(struct tess_context *ctx, struct tess_graph *g)
{
    for (int64_t i = 0; i < g->steps; i++)
        if (g->step[i]->scratch_forward)
            g->step[i]->scratch_buffer = tessi_graph_buffer_new(g, (int64_t)g->step[i]->scratch_forward, i, i);
    for (int64_t k = 0; k < g->backs; k++) {
        int64_t i = g->back[k].step, time = g->steps + 1 + k;
        size_t bytes = i < 0 ? 0 : g->back[k].again ? g->step[i]->scratch_forward : g->step[i]->scratch_backward;
        if (bytes)
            g->back[k].scratch_buffer = tessi_graph_buffer_new(g, (int64_t)bytes, time, time);
    }
    g->pad_bytes = 0;
    for (int32_t i = 0; i < g->inputs; i++)
        g->pad_bytes += memory_plan_aligned((int64_t)tess_tensor_bytes(&g->input[i].node->shape));
    g->sum_floats = 0;
    for (int32_t i = 0; i < g->objectives + g->totals; i++) {
        struct tess_tensor shape;
        tess_graph_total_at(g, i, &shape);
        g->sum_floats += (tess_tensor_count(&shape) + 15) / 16 * 16;
    }
    for (int32_t i = 0; i < g->gradient_probes; i++) {
        g->gradient_probe[i].offset = g->sum_floats;
        g->sum_floats += (tess_tensor_count(&g->weights->item[g->gradient_probe[i].weight].shape) + 15) / 16 * 16;
    }
    if (g->status != TESS_OK)
        return ctx->fail(ctx, g->status, "%s", g->message);
    TESS_TRY(tessi_graph_overlay_plan(ctx, g));
    TESS_TRY(memory_plan_place(ctx, g));
#ifdef TESS_DEBUG
    assert(memory_plan_is_sound(g));
#endif
    return TESS_OK;
}
