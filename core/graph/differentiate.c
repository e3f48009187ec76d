/* Reverse mode for one objective: which nodes need a gradient, and the backward steps, appended to the schedule (schedule.c) in reverse
 * order of recording. SPDX-License-Identifier: MIT */
#include "core/graph/schedule.h"

#include <string.h>

enum { NOT_NEEDED = 0, NEEDED = 1, CONTRIBUTED = 2, GIVEN = 3 };

/* Extends the life of x's buffer to `time`: the recomputed value's where there is one, else the stored one's. */
static void differentiate_use(struct tess_graph *g, const struct tess_node *x, int64_t time, int64_t *again)
{
    int64_t b = x ? x->value_of->again : TESSI_NO_BUFFER;
    if (b == TESSI_NO_BUFFER) {
        if (x)
            tessi_graph_live_until(g, x, time);
        return;
    }
    *again = b;
    tessi_graph_buffer_until(g, b, time);
}

/* 1 when `name` begins with one of the comma-separated prefixes. */
static int has_prefix(const char *name, const char *prefixes)
{
    for (const char *p = prefixes;;) {
        size_t n = strcspn(p, ",");
        if (strncmp(name, p, n) == 0)
            return 1;
        if (!p[n])
            return 0;
        p += n + 1;
    }
}

static int owner_of_weight(const struct tess_graph *g, const struct tess_node *x)
{
    const char *name = tess_weights_name(g->weights, x->index);
    for (int32_t o = 0; o < g->objectives; o++)
        if (has_prefix(name, g->objective[o].prefixes))
            return o;
    return -1;
}

static int differentiate_needs(const struct tess_node *x, int32_t o)
{
    return x && x->gradient_of && x->gradient_of->needed[o] != NOT_NEEDED;
}

/* Objectives come first, then gradient probes, which ask for one weight each. */
static int differentiate_wants(const struct tess_graph *g, const struct tess_node *weight, int32_t o)
{
    return o < g->objectives ? owner_of_weight(g, weight) == o : g->gradient_probe[o - g->objectives].weight == weight->index;
}

static void mark_needed(struct tess_graph *g, int32_t o)
{
    for (int64_t i = 0; i < g->nodes; i++) {
        struct tess_node *x = g->node[i];
        if (x->kind == TESSI_WEIGHT && x->gradient_of == x)
            x->needed[o] = differentiate_wants(g, x, o) ? NEEDED : NOT_NEEDED;
    }
    for (int64_t i = 0; i < g->steps; i++) {
        struct tessi_step *s = g->step[i];
        int any = 0;
        for (int32_t k = 0; k < s->inputs; k++)
            any |= differentiate_needs(s->in[k], o);
        for (int32_t k = 0; k < s->outputs && any; k++)
            if (s->out[k]->gradient_of == s->out[k])
                s->out[k]->needed[o] = NEEDED;
    }
}

static struct tessi_backward no_buffers(int64_t step, int32_t o)
{
    struct tessi_backward b = {.step = step, .objective = o, .scratch_buffer = TESSI_NO_BUFFER, .again_out = TESSI_NO_BUFFER};
    for (int k = 0; k < TESS_OP_MAX; k++)
        b.temporary[k] = b.again_in[k] = TESSI_NO_BUFFER;
    return b;
}

static int64_t place_of(const struct tess_graph *g, const struct tessi_step *s)
{
    int64_t i = 0;
    while (g->step[i] != s)
        i++;
    return i;
}

static int is_made_again(const struct tess_node *owner)
{
    const struct tessi_step *s = owner->maker;
    if (!s || !s->extra || s->out[0] != owner)
        return 0;
    if (owner->graph->recompute)
        return s->extra->cheap != 0;
    return s->extra->cheap == TESSI_CHEAPEST && owner->stored == TESS_BF16 && s->in[0]->value_of->stored == TESS_BF16;
}

/* Schedules a forward of whatever makes x, once for an objective, when it is cheap; then x need not be kept. What goes into it may have to
 * be made again before. */
static void make_again(struct tess_graph *g, const struct tess_node *x, int32_t o)
{
    struct tess_node *owner = x ? x->value_of : NULL;
    if (!owner || owner->again != TESSI_NO_BUFFER || !is_made_again(owner))
        return;
    struct tessi_step *s = owner->maker;
    for (int32_t k = 0; k < s->inputs; k++)
        make_again(g, s->in[k], o);
    int64_t time = tessi_graph_backward_time(g);
    struct tessi_backward b = no_buffers(place_of(g, s), o);
    b.again = 1;
    for (int32_t k = 0; k < s->inputs; k++)
        differentiate_use(g, s->in[k], time, &b.again_in[k]);
    for (int32_t k = 1; k < s->outputs; k++)
        tessi_graph_live_until(g, s->out[k], time);
    b.again_out = owner->again = tessi_graph_buffer_new(g, tessi_graph_stored_bytes(owner), time, time);
    tessi_graph_backward_add(g, &b);
}

/* Place of a contribution to x's gradient: the gradient's own buffer when it is the first, else a temporary. */
static void differentiate_contribute(struct tess_graph *g, struct tess_node *x, int32_t o, int64_t time, struct tessi_backward *b,
                                     int32_t input)
{
    struct tess_node *owner = x->gradient_of;
    int64_t bytes = tessi_graph_stored_bytes(owner);
    b->wanted[input] = 1;
    b->temporary[input] = TESSI_NO_BUFFER;
    if (owner->needed[o] == CONTRIBUTED) {
        b->temporary[input] = tessi_graph_buffer_new(g, bytes, time, time);
    } else {
        owner->needed[o] = CONTRIBUTED;
        owner->gradient[o] =
            owner->kind == TESSI_WEIGHT && o >= g->objectives ? TESSI_PROBED : tessi_graph_buffer_new(g, bytes, time, time);
    }
}

/* The last step that adds to a weight's gradient gives it away; until then it lives in the arena. */
static void find_givers(struct tess_graph *g, int32_t o, int64_t first)
{
    for (int64_t k = g->backs - 1; k >= first && o < g->objectives; k--) {
        struct tessi_backward *b = &g->back[k];
        struct tessi_step *s = b->step >= 0 && !b->again ? g->step[b->step] : NULL;
        for (int32_t i = s ? s->inputs - 1 : -1; i >= 0; i--) {
            struct tess_node *owner = b->wanted[i] ? s->in[i]->gradient_of : NULL;
            if (!owner || owner->kind != TESSI_WEIGHT)
                continue;
            if (owner->needed[o] == CONTRIBUTED) {
                owner->needed[o] = GIVEN;
                b->gives[i] = 1;
                b->whole[i] = b->temporary[i] == TESSI_NO_BUFFER;
                tessi_graph_buffer_until(g, owner->gradient[o], g->steps + 1 + k); /* the time of backward step k */
            }
        }
    }
}

/* Adds the backward step of operation i, where a gradient flows into one of its outputs and out of one of its inputs; before it, the
 * forward steps that recompute what it reads. */
static void differentiate_step(struct tess_graph *g, int64_t i, int32_t o)
{
    struct tessi_step *s = g->step[i];
    struct tessi_backward b = no_buffers(i, o);
    int flows = 0, wanted = 0;
    for (int32_t k = 0; k < s->outputs; k++) {
        int here = s->out[k]->gradient_of == s->out[k] && s->out[k]->needed[o] == CONTRIBUTED;
        b.missing[k] = !here;
        flows |= here;
    }
    for (int32_t k = 0; k < s->inputs; k++)
        wanted |= differentiate_needs(s->in[k], o);
    if (!flows || !wanted || !s->op->backward)
        return;
    for (int32_t k = 0; k < s->inputs; k++)
        if (s->op->keep_in >> k & 1)
            make_again(g, s->in[k], o);
    int64_t time = tessi_graph_backward_time(g);
    for (int32_t k = 0; k < s->outputs; k++)
        if (!b.missing[k])
            tessi_graph_buffer_until(g, s->out[k]->gradient[o], time);
    for (int32_t k = 0; k < s->inputs; k++)
        if (differentiate_needs(s->in[k], o))
            differentiate_contribute(g, s->in[k], o, time, &b, k);
    for (int32_t k = 0; k < s->inputs; k++)
        if (s->op->keep_in >> k & 1)
            differentiate_use(g, s->in[k], time, &b.again_in[k]);
    for (int32_t k = 0; k < s->outputs; k++)
        if (s->op->keep_out >> k & 1)
            tessi_graph_live_until(g, s->out[k], time);
    tessi_graph_backward_add(g, &b);
}

static int differentiate_sweep(struct tess_context *ctx, struct tess_graph *g, int32_t o)
{
    struct tess_node *target = tessi_graph_target(g, o)->gradient_of;
    if ((!target || target->needed[o] == NOT_NEEDED) && o >= g->objectives)
        return ctx->fail(ctx, TESS_E_VALUE, "a gradient probe's loss does not depend on %s",
                         tess_weights_name(g->weights, g->gradient_probe[o - g->objectives].weight));
    if (!target || target->needed[o] == NOT_NEEDED)
        return ctx->fail(ctx, TESS_E_VALUE, "objective %s does not depend on any weight it is to train (%s)", g->objective[o].name,
                       g->objective[o].prefixes);
    int64_t time = tessi_graph_backward_time(g), first = g->backs;
    target->needed[o] = CONTRIBUTED;
    target->gradient[o] = tessi_graph_buffer_new(g, (int64_t)tess_tensor_bytes(&target->shape), time, time);
    const struct tessi_backward seed = no_buffers(-1, o);
    tessi_graph_backward_add(g, &seed);
    for (int64_t i = 0; i < g->nodes; i++)
        g->node[i]->again = TESSI_NO_BUFFER;
    for (int64_t i = g->steps - 1; i >= 0; i--)
        differentiate_step(g, i, o);
    find_givers(g, o, first);
    return TESS_OK;
}

int tessi_graph_differentiate(struct tess_context *ctx, struct tess_graph *g, int32_t o)
{
    mark_needed(g, o);
    return differentiate_sweep(ctx, g, o);
}
