/* Storage dtype of each value. In bf16 a value that only operations with bf16 operands or their own conversion touch is kept as bf16, and
 * so is its gradient: half the memory, and no rounding apart from the one its product would make. What is left in f32: weights and their
 * gradients, statistics, losses, whatever leaves the graph, and whatever a plugin's own operation reads or writes. SPDX-License-Identifier:
 * MIT */
#include "core/graph/node.h"

struct tess_tensor tessi_graph_stored(const struct tess_node *x, const struct tess_node *owner)
{
    struct tess_tensor t = x->shape;
    t.dtype = owner->stored;
    return t;
}

static void keep_wide(struct tess_node *x)
{
    if (!x)
        return;
    x->value_of->stored = x->value_of->shape.dtype;
    if (x->gradient_of)
        x->gradient_of->stored = x->gradient_of->shape.dtype;
}

static uint32_t bits_of(const struct tessi_step *s, int output)
{
    if (!s->extra)
        return 0;
    return output ? s->extra->bf16_out : s->extra->bf16_in;
}

static int is_bf16(const struct tess_node *x)
{
    return x->value_of->stored == TESS_BF16 && (!x->gradient_of || x->gradient_of->stored == TESS_BF16);
}

/* Widens all operands that must be stored alike when one of them is f32. Gives 1 when that changed something. */
static int widen_alike(const struct tessi_step *s)
{
    int round_bf16 = 0, wide = 0;
    for (int32_t k = 0; k < TESS_OP_MAX; k++) {
        const struct tess_node *in = k < s->inputs && (s->extra->alike >> k & 1) ? s->in[k] : NULL;
        const struct tess_node *out = k < s->outputs && (s->extra->alike >> (TESSI_ALIKE_OUT + k) & 1) ? s->out[k] : NULL;
        round_bf16 += (in && is_bf16(in)) + (out && is_bf16(out));
        wide += (in && !is_bf16(in)) + (out && !is_bf16(out));
    }
    if (!round_bf16 || !wide)
        return 0;
    for (int32_t k = 0; k < TESS_OP_MAX; k++) {
        if (k < s->inputs && (s->extra->alike >> k & 1))
            keep_wide(s->in[k]);
        if (k < s->outputs && (s->extra->alike >> (TESSI_ALIKE_OUT + k) & 1))
            keep_wide(s->out[k]);
    }
    return 1;
}

void tessi_graph_assign_dtypes(struct tess_graph *g)
{
    for (int64_t i = 0; i < g->nodes; i++)
        g->node[i]->stored = g->node[i]->shape.dtype;
    if (g->runtime->precision != TESS_BF16)
        return;
    for (int64_t i = 0; i < g->steps; i++)
        for (int32_t k = 0; k < g->step[i]->outputs; k++)
            if ((bits_of(g->step[i], 1) >> k & 1) && g->step[i]->out[k]->shape.dtype == TESS_F32)
                g->step[i]->out[k]->stored = TESS_BF16;
    for (int64_t i = 0; i < g->steps; i++)
        for (int32_t k = 0; k < g->step[i]->inputs; k++)
            if (!(bits_of(g->step[i], 0) >> k & 1))
                keep_wide(g->step[i]->in[k]);
    for (int32_t i = 0; i < g->outputs; i++)
        keep_wide(g->output[i].node);
    for (int32_t i = 0; i < g->totals; i++)
        keep_wide(g->total[i].node);
    for (int32_t i = 0; i < g->objectives; i++)
        keep_wide(g->objective[i].node);
    for (int32_t i = 0; i < g->gradient_probes; i++)
        keep_wide(g->gradient_probe[i].node);
    for (int changed = 1; changed;) {
        changed = 0;
        for (int64_t i = 0; i < g->steps; i++)
            if (g->step[i]->extra && g->step[i]->extra->alike)
                changed |= widen_alike(g->step[i]);
    }
}
