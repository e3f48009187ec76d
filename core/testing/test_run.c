/* Test helper: runs a recorded piece of a graph once over given values. SPDX-License-Identifier: MIT */
#include "core/testing/testing.h"

#include <stdio.h>
#include <string.h>

int tessi_testing_graph_start(struct tess_context *ctx, const struct tess_test_graph *t, struct tessi_testing_graph *out)
{
    void *memory = NULL;
    memset(out, 0, sizeof *out);
    tess_forget(ctx);
    if (!TESS_HAS(t, user) || !t->record || t->inputs < 0 || t->outputs < 1)
        return ctx->fail(ctx, TESS_E_USAGE, "wanted a tess_test_graph with its `size`, a function `record` and at least one output");
    out->microbatches = t->microbatches > 0 ? t->microbatches : 1;
    out->rows = 1;
    for (int32_t i = 0; i < t->inputs; i++) {
        int64_t first = t->in[i].rank > 0 ? t->in[i].dim[0] : 0;
        if (!t->in[i].data || first < out->microbatches || first % out->microbatches != 0)
            return ctx->fail(ctx, TESS_E_SHAPE, "input %d: wanted values whose first dimension is a multiple of %lld microbatches", (int)i,
                             (long long)out->microbatches);
        if (i == 0)
            out->rows = first / out->microbatches;
    }
    TESS_TRY(tess_alloc(ctx, (size_t)(t->inputs + t->outputs) * sizeof *out->in, "nodes of a test", &memory));
    out->in = memory;
    out->out = out->in + t->inputs;
    if (!t->weights)
        TESS_TRY(tess_weights_new(ctx, t->seed, &out->own));
    out->weights = t->weights ? t->weights : out->own;
    struct tess_graph_options o = {
        .size = sizeof o, .training = t->training, .microbatch = out->rows, .microbatches = out->microbatches, .seed = t->seed};
    return tess_graph_new(ctx, out->weights, &o, &out->graph);
}

void tessi_testing_graph_end(struct tessi_testing_graph *g)
{
    tess_graph_free(g->graph);
    tess_weights_free(g->own);
    tess_free(g->in);
}

int tessi_testing_graph_record(struct tess_context *ctx, const struct tess_test_graph *t, struct tessi_testing_graph *g)
{
    tess_scope(g->graph, "test");
    int status = t->record(t->user, ctx, g->graph, g->in, g->out);
    tess_scope_end(g->graph);
    if (status != TESS_OK)
        return status > 0 ? ctx->fail(ctx, TESS_E_FAILED, "`record` returned %d, which is no status", status)
                          : ctx->fail(ctx, status, "`record` failed with status %d and no message", status);
    for (int32_t i = 0; i < t->outputs && tess_graph_status(g->graph) == TESS_OK; i++)
        if (!g->out[i])
            return ctx->fail(ctx, TESS_E_FAILED, "output %d: wanted a node, found that `record` set none", (int)i);
    return TESS_OK;
}

/* 1 for an output with a row for each sample, which becomes an output of the graph; any other becomes a total, added up over the
 * microbatches. */
static int by_sample(const struct tessi_testing_graph *g, const struct tess_tensor *shape)
{
    return shape->rank > 0 && shape->dim[0] % g->rows == 0;
}

static int declare_outputs(struct tess_context *ctx, const struct tess_test_graph *t, const struct tessi_testing_graph *g)
{
    char name[32];
    for (int32_t i = 0; i < t->outputs; i++) {
        struct tess_tensor shape = tess_shape(g->out[i]);
        snprintf(name, sizeof name, "test.out%d", (int)i);
        if (by_sample(g, &shape))
            tess_output(g->graph, name, g->out[i]);
        else if (shape.dtype == TESS_F32)
            tess_total(g->graph, name, g->out[i]);
        else
            return ctx->fail(ctx, TESS_E_SHAPE, "output %d: wanted a row for each of %lld samples, or f32", (int)i, (long long)g->rows);
    }
    return TESS_OK;
}

/* Outputs and totals by the graph's own numbering: the piece may have declared some itself. */
struct places {
    struct tess_tensor *out, *total;
    int32_t outputs, totals;
    void *memory;
};

static int find_places(struct tess_context *ctx, const struct tessi_testing_graph *g, struct places *p)
{
    struct tess_tensor shape;
    while (tess_graph_output_at(g->graph, p->outputs, &shape))
        p->outputs++;
    while (tess_graph_total_at(g->graph, p->totals, &shape))
        p->totals++;
    TESS_TRY(tess_alloc(ctx, (size_t)(p->outputs + p->totals + 1) * sizeof *p->out, "outputs of a test", &p->memory));
    p->out = p->memory;
    p->total = p->out + p->outputs;
    return TESS_OK;
}

/* Allocates output i and puts it where the graph writes it. */
static int place_output(struct tess_context *ctx, const struct tessi_testing_graph *g, const struct places *p, int32_t i,
                        struct tess_tensor *out)
{
    char wanted[32];
    const char *name;
    struct tess_tensor shape;
    snprintf(wanted, sizeof wanted, "test.out%d", (int)i);
    for (int32_t k = 0; k < p->outputs + p->totals; k++) {
        int total = k >= p->outputs;
        name = total ? tess_graph_total_at(g->graph, k - p->outputs, &shape) : tess_graph_output_at(g->graph, k, &shape);
        if (!name || strcmp(name, wanted) != 0)
            continue;
        if (!total)
            shape.dim[0] *= g->microbatches;
        *out = shape;
        TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(out) ? tess_tensor_bytes(out) : 1, "an output of a test", &out->data));
        *(total ? &p->total[k - p->outputs] : &p->out[k]) = *out;
        return TESS_OK;
    }
    return ctx->fail(ctx, TESS_E_INTERNAL, "output %d of the test is not among the graph's", (int)i);
}

static void mean_of_microbatches(const struct tessi_testing_graph *g, struct tess_tensor *out)
{
    struct tess_tensor shape = *out;
    float *value = out->data;
    if (!by_sample(g, &shape))
        for (int64_t i = 0; i < tess_tensor_count(out); i++)
            value[i] /= (float)g->microbatches;
}

static int run_sealed(struct tess_context *ctx, const struct tess_test_graph *t, const struct tessi_testing_graph *g,
                      struct tess_tensor *out)
{
    struct places p = {0};
    int status = find_places(ctx, g, &p);
    for (int32_t i = 0; status == TESS_OK && i < t->outputs; i++)
        status = place_output(ctx, g, &p, i, &out[i]);
    struct tess_batch b = {.size = sizeof b,
                           .inputs = t->inputs,
                           .outputs = p.outputs,
                           .totals = p.totals,
                           .samples = g->rows * g->microbatches,
                           .step = t->step,
                           .in = t->in,
                           .out = p.out,
                           .total = p.total};
    if (status == TESS_OK)
        status = tess_graph_run(ctx, g->graph, &b);
    tess_free(p.memory);
    for (int32_t i = 0; status == TESS_OK && i < t->outputs; i++)
        mean_of_microbatches(g, &out[i]);
    return status;
}

int tess_test_run(struct tess_context *ctx, const struct tess_test_graph *t, struct tess_tensor *out)
{
    struct tessi_testing_graph g;
    int status = tessi_testing_graph_start(ctx, t, &g);
    for (int32_t i = 0; i < t->outputs; i++)
        out[i] = (struct tess_tensor){0};
    for (int32_t i = 0; status == TESS_OK && i < t->inputs; i++) {
        struct tess_tensor microbatch = t->in[i];
        char name[32];
        snprintf(name, sizeof name, "test.in%d", (int)i);
        microbatch.dim[0] /= g.microbatches;
        g.in[i] = tess_input(g.graph, name, microbatch.dtype, microbatch.rank, microbatch.dim);
    }
    if (status == TESS_OK)
        status = tessi_testing_graph_record(ctx, t, &g);
    if (status == TESS_OK)
        status = declare_outputs(ctx, t, &g);
    if (status == TESS_OK)
        status = tess_graph_seal(ctx, g.graph);
    if (status == TESS_OK)
        status = tess_weights_seal(ctx, g.weights);
    if (status == TESS_OK)
        status = run_sealed(ctx, t, &g, out);
    for (int32_t i = 0; status != TESS_OK && i < t->outputs; i++) {
        tess_free(out[i].data);
        out[i].data = NULL;
    }
    tessi_testing_graph_end(&g);
    return status;
}
