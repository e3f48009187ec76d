/* The nearest codebook row as an operation of the graph (nearest.h). A codebook that is a weight is prepared once an optimiser step, any
 * other for each run. SPDX-License-Identifier: MIT */
#include <tessera/codes.h>

#include "core/graph/arguments.h"
#include "core/ops/backend_gemm.h"
#include "core/search/nearest.h"

struct nearest_state {
    struct tessi_nearest search;
    struct tess_graph *graph; /* graph that keeps the prepared codebook among its packed weights; NULL: it is in the scratch */
    size_t offset;
};

static int make_ready(const void *self, const float *codebook, char *to)
{
    return tessi_search_nearest_ready(self, codebook, to);
}

static int nearest_prepare(struct tess_context *ctx, struct tess_graph *g, struct tessi_step *s)
{
    const struct tess_node *codebook = s->in[1];
    int64_t d = codebook->shape.dim[1], rows = tess_tensor_count(&s->in[0]->shape) / d;
    if (!s->state)
        TESS_TRY(tess_alloc(ctx, sizeof(struct nearest_state), "an operation", &s->state));
    struct nearest_state *k = s->state;
    TESS_TRY(tessi_search_nearest_plan(ctx, g->runtime, rows, codebook->shape.dim[0], d, TESSI_NEAREST_AUTO, &k->search));
    s->scratch_forward = k->search.scratch_bytes;
    k->graph = codebook->value_of->kind == TESSI_WEIGHT ? g : NULL;
    if (k->graph)
        return tessi_ops_backend_gemm_keep(ctx, g, codebook, k->search.ready_bytes, make_ready, &k->search, &k->offset);
    k->offset = s->scratch_forward;
    s->scratch_forward += k->search.ready_bytes;
    return TESS_OK;
}

static void nearest_drop(struct tess_graph *g, struct tessi_step *s)
{
    struct nearest_state *k = s->state;
    (void)g;
    if (k)
        tessi_search_nearest_drop(&k->search);
}

static int nearest_forward(const struct tess_op_run *r)
{
    const struct nearest_state *k = r->host_state;
    int64_t rows = tess_tensor_count(&r->in[0]) / k->search.d;
    int32_t *code = r->out[0].data;
    const struct tessi_nearest_found found = {.code = code};
    char *ready = (char *)r->scratch + k->offset;
    if (k->graph)
        ready = k->graph->packed + k->offset;
    else
        TESS_TRY(tessi_search_nearest_ready(&k->search, r->in[1].data, ready));
    TESS_TRY(tessi_search_nearest_find(&k->search, r->context, r->in[1].data, ready, r->in[0].data, NULL, rows, r->scratch, &found));
    for (int64_t i = 0; i < rows; i++)
        if (code[i] < 0)
            return r->context->fail(r->context, TESS_E_FAILED,
                                 "latent vector %lld is not finite: the encoder has diverged; lower the learning rate or clip gradients",
                                 (long long)i);
    return TESS_OK;
}

static const struct tessi_op op_nearest = {.op = {.size = sizeof(struct tess_op), .name = "nearest", .forward = nearest_forward},
                                           .prepare = nearest_prepare,
                                           .drop = nearest_drop};

struct tess_node *tess_nearest(struct tess_graph *g, struct tess_node *latent, struct tess_node *codebook)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "nearest", latent, codebook))
        return NULL;
    struct tess_tensor y = latent->shape;
    if (y.rank < 1 || y.dtype != TESS_F32 || codebook->shape.rank != 2 || codebook->shape.dtype != TESS_F32 ||
        codebook->shape.dim[1] != y.dim[y.rank - 1])
        return tess_graph_fail(g, TESS_E_SHAPE, "nearest rows of %s for %s: the last dimensions must agree",
                               tess_tensor_text(&codebook->shape, right, sizeof right), tess_tensor_text(&y, left, sizeof left));
    y.dtype = TESS_I32;
    y.dim[--y.rank] = 1;
    struct tess_node *in[2] = {latent, codebook};
    return tessi_graph_record(g, &op_nearest, NULL, 0, 2, in, 1, &y,
                        2.0 * (double)tess_tensor_count(&latent->shape) * (double)codebook->shape.dim[0]);
}
