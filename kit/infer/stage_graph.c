/* SPDX-License-Identifier: MIT */
#include "kit/infer/stage_graph.h"

int stage_graph_open(struct tess_context *ctx, struct stage_graph *s, uint64_t seed, int64_t batch)
{
    return stage_graph_open_rows(ctx, s, seed, batch, STAGE_MICROBATCH);
}

int stage_graph_open_rows(struct tess_context *ctx, struct stage_graph *s, uint64_t seed, int64_t batch, int64_t rows)
{
    struct tess_graph_options o = {.size = sizeof o, .microbatch = rows, .microbatches = (batch + rows - 1) / rows, .seed = seed};
    s->batch = batch;
    if (!s->weights)
        TESS_TRY(tess_weights_new(ctx, seed, &s->weights));
    return tess_graph_new(ctx, s->weights, &o, &s->graph);
}

void stage_graph_close(struct stage_graph *s, int owns_weights)
{
    tess_graph_free(s->graph);
    if (owns_weights)
        tess_weights_free(s->weights);
    s->graph = NULL;
    s->weights = NULL;
}

int stage_graph_run(struct tess_context *ctx, const struct stage_graph *s, uint32_t step, int64_t first, int64_t n, int32_t inputs,
                    const struct tess_tensor *in, int32_t outputs, struct tess_tensor *out)
{
    struct tess_batch b = {
        .size = sizeof b, .samples = n, .step = step, .first = (uint32_t)first, .inputs = inputs, .in = in, .outputs = outputs, .out = out};
    return tess_graph_run_shared(ctx, s->graph, &b);
}

int stage_graph_weights(struct tess_context *ctx, struct tess_weights *w, const struct tess_artefact *from)
{
    TESS_TRY(tess_weights_read(ctx, w, from));
    return tess_weights_settle(ctx, w);
}

void stage_graph_cost_settled(const struct tess_weights *w, int64_t before, struct tess_cost *cost)
{
    int64_t settled = tess_weights_settled_bytes(w), left = cost->total_bytes - before - 2 * settled;
    cost->total_bytes -= left < 0 ? settled + left : settled;
}

int stage_graph_cost(struct tess_context *ctx, const struct stage_graph *s, double samples, struct tess_cost *cost)
{
    struct tess_cost one = {.size = sizeof one};
    TESS_TRY(tess_graph_cost(ctx, s->graph, &one));
    cost->flops += one.flops * samples;
    cost->parameters = one.parameters > cost->parameters ? one.parameters : cost->parameters;
    cost->arena_bytes = one.arena_bytes > cost->arena_bytes ? one.arena_bytes : cost->arena_bytes;
    cost->total_bytes += one.total_bytes - tess_weights_bytes(s->weights);
    return TESS_OK;
}
