/* The schedule of a graph: the order of its steps, and the times at which buffers are alive, which the memory plan packs.
 *
 * Time: forward operation i at i; copying results out at `steps`; backward step k at steps + 1 + k. Backward steps of gradient probes come
 * before those of the objectives, which may be weighed by the probes' gradients.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph/schedule.h"

#include <assert.h>

int64_t tessi_graph_buffer_new(struct tess_graph *g, int64_t bytes, int64_t from, int64_t to)
{
    if (!tessi_graph_reserve(g, &g->buffer, &g->buffer_capacity, g->buffers + 1, sizeof *g->buffer))
        return TESSI_NO_BUFFER;
    g->buffer[g->buffers] = (struct tessi_buffer){.bytes = bytes, .from = from, .to = to};
    return g->buffers++;
}

int64_t tessi_graph_stored_bytes(const struct tess_node *owner)
{
    struct tess_tensor t = tessi_graph_stored(owner, owner);
    return (int64_t)tess_tensor_bytes(&t);
}

void tessi_graph_buffer_until(struct tess_graph *g, int64_t b, int64_t time)
{
    if (b >= 0 && g->buffer[b].to < time)
        g->buffer[b].to = time;
}

void tessi_graph_live_until(struct tess_graph *g, const struct tess_node *x, int64_t time)
{
    tessi_graph_buffer_until(g, x->value_of->buffer, time);
}

int64_t tessi_graph_backward_time(const struct tess_graph *g)
{
    return g->steps + 1 + g->backs;
}

void tessi_graph_backward_add(struct tess_graph *g, const struct tessi_backward *b)
{
    g->back[g->backs++] = *b;
}

struct tess_node *tessi_graph_target(const struct tess_graph *g, int32_t o)
{
    return o < g->objectives ? g->objective[o].node : g->gradient_probe[o - g->objectives].node;
}

/* Reserves each node's list of gradients, and the buffers of constants, which are filled before the first operation. */
static int schedule_nodes(struct tess_context *ctx, struct tess_graph *g, int32_t objectives)
{
    void *memory;
    size_t n = (size_t)(objectives ? objectives : 1);
    for (int64_t i = 0; i < g->nodes; i++) {
        struct tess_node *x = g->node[i];
        TESS_TRY(tess_alloc(ctx, n * sizeof(int64_t), "a graph", &memory));
        x->gradient = memory;
        TESS_TRY(tess_alloc(ctx, n, "a graph", &memory));
        x->needed = memory;
        for (size_t o = 0; o < n; o++)
            x->gradient[o] = TESSI_NO_BUFFER;
        if (x->kind == TESSI_CONSTANT && x->value_of == x)
            x->buffer = tessi_graph_buffer_new(g, (int64_t)tess_tensor_bytes(&x->shape), 0, g->steps);
    }
    return TESS_OK;
}

/* Gives every operation's outputs a buffer that lives until the last forward operation that reads it, and until results are copied out. */
static void schedule_forward(struct tess_graph *g)
{
    for (int64_t i = 0; i < g->steps; i++) {
        struct tessi_step *s = g->step[i];
        for (int32_t k = 0; k < s->outputs; k++)
            s->out[k]->buffer = tessi_graph_buffer_new(g, tessi_graph_stored_bytes(s->out[k]), i, i);
        for (int32_t k = 0; k < s->inputs; k++)
            if (s->in[k])
                tessi_graph_live_until(g, s->in[k], i);
    }
    for (int32_t i = 0; i < g->outputs; i++)
        tessi_graph_live_until(g, g->output[i].node, g->steps);
    for (int32_t i = 0; i < g->totals; i++)
        tessi_graph_live_until(g, g->total[i].node, g->steps);
    for (int32_t o = 0; o < g->objectives; o++)
        tessi_graph_live_until(g, g->objective[o].node, g->steps);
}

static int schedule_backward(struct tess_context *ctx, struct tess_graph *g, int32_t objectives)
{
    void *memory;
    int64_t each = 2 * g->steps + 1; /* the objective's own gradient; a backward, and at most one recomputed forward, of each operation */
    TESS_TRY(tess_alloc(ctx, (size_t)(objectives * each + 1) * sizeof *g->back, "a graph", &memory));
    g->back = memory;
    for (int32_t i = 0; i < objectives; i++) {
        int32_t o = i < g->gradient_probes ? g->objectives + i : i - g->gradient_probes;
        TESS_TRY(tessi_graph_differentiate(ctx, g, o));
        if (i < g->gradient_probes)
            g->gradient_probe_backs = g->backs;
        assert(g->backs <= (i + 1) * each);
    }
    return TESS_OK;
}

/* Constants are filled once for a microbatch, and any backward step may read them. */
static void schedule_constants(struct tess_graph *g)
{
    for (int64_t i = 0; i < g->nodes; i++)
        if (g->node[i]->kind == TESSI_CONSTANT && g->node[i]->value_of == g->node[i])
            tessi_graph_live_until(g, g->node[i], tessi_graph_backward_time(g));
}

int tessi_graph_schedule(struct tess_context *ctx, struct tess_graph *g)
{
    int32_t objectives = g->objectives + g->gradient_probes;
    TESS_TRY(schedule_nodes(ctx, g, objectives));
    schedule_forward(g);
    TESS_TRY(schedule_backward(ctx, g, objectives));
    schedule_constants(g);
    return g->status == TESS_OK ? TESS_OK : ctx->fail(ctx, g->status, "%s", g->message);
}
