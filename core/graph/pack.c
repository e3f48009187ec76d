/* Weights as products read them: rounded to bf16, in the layout that a kernel of the backend asks for, or what an operation makes of them.
 * They are made again where the values have changed. What is only rounded lies in the store, once for all graphs over it.
 *
 * Where nothing but runs is left (tess_weights_settle), values that no graph reads as they are go back to the system, one weight after the
 * other, so that the values and what is made of them are never there whole at once.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph/pack.h"

#include "core/base/memory.h"
#include "core/kernels/kernels.h"

size_t tessi_graph_pack_bytes(const struct tess_graph *g)
{
    return g->packed_bytes + (size_t)tessi_base_workers_count(g->runtime->workers) * g->pack_scratch;
}

int tessi_graph_pack_reserve(struct tess_context *ctx, struct tess_graph *g)
{
    void *memory;
    if (g->packed_bytes && !g->packed) {
        TESS_TRY(tess_alloc(ctx, tessi_graph_pack_bytes(g), "packed weights", &memory));
        g->packed = memory;
    }
    for (int64_t i = 0; i < g->packs; i++)
        if (tessi_graph_pack_is_rounded(&g->pack[i]))
            return tessi_graph_weights_rounded(ctx, g->weights);
    return TESS_OK;
}

const void *tessi_graph_pack_at(const struct tess_graph *g, int64_t i)
{
    const struct tessi_pack *p = &g->pack[i];
    if (tessi_graph_pack_is_rounded(p))
        return g->weights->rounded + g->weights->item[p->weight].offset;
    return g->packed + p->offset;
}

/* Rounds a weight, unless that was done since it changed. */
static void pack_round(struct tess_weights *w, int64_t i)
{
    struct tessi_weight *item = &w->item[i];
    if (item->rounded_version == w->version)
        return;
    tessi_kernels()->to_bf16(tess_tensor_count(&item->shape), w->role[TESS_ROLE_VALUE] + item->offset, w->rounded + item->offset);
    item->rounded_version = w->version;
}

static void pack_make(struct tess_graph *g, int worker, const struct tessi_pack *p)
{
    struct tessi_weight *w = &g->weights->item[p->weight];
    const void *from = g->weights->role[TESS_ROLE_VALUE] + w->offset;
    if (w->given_back)
        return; /* made before, of values that no longer change */
    if (p->make) {
        (void)p->make(p->self, from, g->packed + p->offset);
        return;
    }
    if (tessi_graph_pack_is_rounded(p)) {
        pack_round(g->weights, p->weight);
        return;
    }
    if (p->is_bf16) {
        void *rounded = g->packed + g->packed_bytes + (size_t)worker * g->pack_scratch;
        tessi_kernels()->to_bf16(tess_tensor_count(&w->shape), from, rounded);
        from = rounded;
    }
    (void)g->runtime->backend_ops->pack(g->runtime->backend_self, p->kernel, from, g->packed + p->offset);
}

static void pack_one(void *user, int worker, int64_t i)
{
    struct tess_graph *g = user;
    pack_make(g, worker, &g->pack[i]);
}

void tessi_graph_pack(struct tess_graph *g)
{
    if (!g->packs || g->packed_version == g->weights->version)
        return;
    tessi_base_workers_run(g->runtime->workers, g->packs, pack_one, g);
    g->packed_version = g->weights->version;
}

/* ---- values that are given back ---- */

static int reads_node(const struct tess_node *x, int64_t weight)
{
    return x && x->value_of->kind == TESSI_WEIGHT && x->value_of->index == weight;
}

/* 1 where the graph reads the weight's values as they are, or trains. */
static int pack_reads_values(const struct tess_graph *g, int64_t weight)
{
    int reads = g->objectives > 0 || g->training;
    for (int64_t i = 0; i < g->steps && !reads; i++)
        for (int32_t k = 0; k < g->step[i]->inputs; k++)
            reads |= reads_node(g->step[i]->in[k], weight) && !(g->step[i]->reads_pack >> k & 1);
    for (int32_t i = 0; i < g->outputs; i++)
        reads |= reads_node(g->output[i].node, weight);
    for (int32_t i = 0; i < g->totals; i++)
        reads |= reads_node(g->total[i].node, weight);
    return reads;
}

/* 1 where no graph over the store reads the values as they are, and some graph reads what was made of them. */
static int pack_spares(const struct tess_weights *w, int64_t weight)
{
    int made = 0;
    if (tessi_graph_weight_is_external(&w->item[weight]))
        return 0;
    for (int64_t i = 0; i < w->graphs; i++) {
        if (pack_reads_values(w->graph[i], weight))
            return 0;
        for (int64_t k = 0; k < w->graph[i]->packs; k++)
            made |= w->graph[i]->pack[k].weight == weight;
    }
    return made;
}

int64_t tess_weights_settled_bytes(const struct tess_weights *w)
{
    int64_t bytes = 0, page = tessi_base_memory_page();
    for (int64_t i = 0; w && i < w->count; i++) {
        int64_t own = tess_tensor_count(&w->item[i].shape) * (int64_t)sizeof(float);
        bytes += own > 2 * page && pack_spares(w, i) ? own - page : 0; /* pages that it shares with its neighbours stay */
    }
    return bytes;
}

static void pack_settle_one(void *user, int worker, int64_t i)
{
    struct tess_weights *w = user;
    for (int64_t k = 0; k < w->graphs; k++)
        for (int64_t p = 0; p < w->graph[k]->packs; p++)
            if (w->graph[k]->pack[p].weight == i && w->graph[k]->packed_version != w->version)
                pack_make(w->graph[k], worker, &w->graph[k]->pack[p]);
    if (!pack_spares(w, i))
        return;
    w->item[i].given_back = 1;
    tessi_base_memory_give_back(w->role[TESS_ROLE_VALUE] + w->item[i].offset, (size_t)tess_tensor_count(&w->item[i].shape) * sizeof(float));
}

int tess_weights_settle(struct tess_context *ctx, struct tess_weights *w)
{
    if (!w)
        return ctx->fail(ctx, TESS_E_VALUE, "weights are to be settled: the store is NULL");
    TESS_TRY(tess_weights_seal(ctx, w));
    if (!w->graphs)
        return TESS_OK;
    for (int64_t k = 0; k < w->graphs; k++)
        TESS_TRY(tessi_graph_pack_reserve(ctx, w->graph[k]));
    tessi_base_workers_run(w->graph[0]->runtime->workers, w->count, pack_settle_one, w);
    for (int64_t k = 0; k < w->graphs; k++)
        w->graph[k]->packed_version = w->version;
    return TESS_OK;
}
