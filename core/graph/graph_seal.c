/* The end of recording: what is missing, the backward pass, kernels, the memory plan; and what the graph costs.
 * SPDX-License-Identifier: MIT */
#include "core/graph/cache.h"
#include "core/graph/node.h"
#include "core/plug/blame.h"

#include <stdio.h>
#include <string.h>

/* Fails when recording failed or left a scope open. */
static int seal_check(struct tess_context *ctx, const struct tess_graph *g)
{
    if (g->status != TESS_OK)
        return ctx->fail(ctx, g->status, "%s", g->message);
    if (g->scope_depth)
        return ctx->fail(ctx, TESS_E_VALUE, "the scope %.*s is not closed when its graph is sealed: a tess_scope_end is missing",
                         (int)strlen(g->scope) - (*g->scope != 0), g->scope);
    return TESS_OK;
}

static int seal_adaptive_weights(struct tess_context *ctx, const struct tess_graph *g)
{
    if ((g->adaptive_weights || g->gradient_probes) && !g->adapt)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "a graph with %d gradient probes and %d adaptive weights has no function that weighs them: "
                         "tess_set_adaptive_weights is missing",
                         (int)g->gradient_probes, (int)g->adaptive_weights);
    return TESS_OK;
}

/* Fails for a weight whose values were given back for the graphs there were. */
static int seal_check_values(struct tess_context *ctx, const struct tess_graph *g)
{
    for (int64_t i = 0; i < g->nodes; i++)
        if (g->node[i]->kind == TESSI_WEIGHT && g->weights->item[g->node[i]->index].given_back)
            return ctx->fail(ctx, TESS_E_VALUE,
                             "a graph is sealed with the weight %s, whose values were given back: seal it before "
                             "tess_weights_settle",
                             g->weights->item[g->node[i]->index].name);
    return TESS_OK;
}

static int prepare_steps(struct tess_context *ctx, struct tess_graph *g)
{
    for (int64_t i = 0; i < g->steps; i++) {
        const struct tessi_op *op = g->step[i]->extra;
        int status = op && op->prepare ? op->prepare(ctx, g, g->step[i]) : TESS_OK;
        if (status != TESS_OK)
            return tessi_graph_step_failed(ctx, g->step[i], "prepare", status);
    }
    return TESS_OK;
}

static int seal_steps(struct tess_context *ctx, struct tess_graph *g)
{
    if (!g->weights->sealed)
        tessi_graph_weights_layout(g->weights);
    tessi_graph_assign_dtypes(g);
    TESS_TRY(tessi_graph_schedule(ctx, g));
    TESS_TRY(seal_adaptive_weights(ctx, g));
    TESS_TRY(seal_check_values(ctx, g));
    TESS_TRY(prepare_steps(ctx, g));
    TESS_TRY(tessi_graph_plan(ctx, g));
    return tessi_graph_weights_watch(ctx, g->weights, g);
}

int tess_graph_seal(struct tess_context *ctx, struct tess_graph *g)
{
    if (!g)
        return ctx->fail(ctx, TESS_E_VALUE, "a graph is sealed that is NULL");
    TESS_TRY(seal_check(ctx, g));
    if (g->sealed)
        return TESS_OK;
    int status = seal_steps(ctx, g);
    g->sealed = status == TESS_OK;
    if (status != TESS_OK && g->status == TESS_OK) { /* a graph sealed in part cannot be sealed again */
        g->status = status;
        (void)snprintf(g->message, sizeof g->message, "%s", tess_message(ctx));
    }
    if (status == TESS_OK && g->runtime->graph_sealed)
        g->runtime->graph_sealed(g->runtime->graph_user, g);
    return status;
}

/* Says whose operation it is, where it is of a user's plugin. */
static void name_operation(struct tess_context *ctx, const struct tess_op *op)
{
    struct tessi_blamed b;
    void *const table = (void *)(uintptr_t)op;
    tessi_plug_blame(&table, 1, &b);
    if (b.plugin && !b.own)
        tess_append_message(ctx, "; an operation of plugin %.60s", b.plugin->id);
}

int tessi_graph_step_failed(struct tess_context *ctx, const struct tessi_step *s, const char *function, int status)
{
    int code = ((const struct tessi_context *)(const void *)ctx)->code;
    const char *name = s->op->name;
    if (code == TESS_OK)
        code = ctx->fail(ctx, status < 0 && status >= TESS_E_ITEM ? status : TESS_E_PLUGIN, "%s returned %d without a message", function,
                         status);
    name_operation(ctx, s->op);
    if (strncmp(tess_message(ctx), name, strlen(name)) != 0)
        tess_prepend_message(ctx, "%s", name);
    if (*s->scope)
        tess_prepend_message(ctx, "%s", s->scope);
    return code;
}

int tess_graph_cost(struct tess_context *ctx, const struct tess_graph *g, struct tess_cost *out)
{
    if (!g || !out || !g->sealed)
        return ctx->fail(ctx, TESS_E_VALUE, "the cost of a graph: %s",
                         !g     ? "the graph is NULL"
                         : !out ? "there is no place for it"
                                : "it is known when the graph is sealed, and it is not");
    if (!TESS_HAS(out, total_bytes))
        return ctx->fail(ctx, TESS_E_VALUE, "struct tess_cost: its size is %u; set it to sizeof(struct tess_cost)", (unsigned)out->size);
    int64_t workers = tessi_base_workers_count(g->runtime->workers);
    workers = workers < g->microbatches ? workers : g->microbatches;
    double forward = 0.0, backward = 0.0;
    for (int64_t i = 0; i < g->steps; i++)
        forward += g->step[i]->flops;
    for (int64_t i = 0; i < g->backs; i++)
        if (g->back[i].step >= 0 && !g->back[i].again) /* -1: the objective's own gradient; recomputation is no work of the model's */
            backward += (double)(g->back[i].wanted[0] + g->back[i].wanted[1]) * g->step[g->back[i].step]->flops;
    if (g->batch_means) /* forward runs twice in a step with batch means */
        forward *= 2.0;
    out->parameters = tess_weights_size(g->weights);
    out->flops = (forward + backward) / (double)g->microbatch;
    out->arena_bytes = g->arena_bytes + g->pad_bytes;
    int64_t gradients = g->objectives ? tessi_graph_gradient_levels(g->microbatches) * g->weights->trained : 0;
    int64_t sums = workers + 1; /* blocks of totals alive at once: one a worker, and those that wait in the tree */
    for (int64_t n = 1; n < g->microbatches; n *= 2)
        sums++;
    out->total_bytes = workers * out->arena_bytes + tess_weights_bytes(g->weights) + (gradients + sums * g->sum_floats) * 4 +
                       (int64_t)tessi_graph_pack_bytes(g) + tessi_graph_cache_bytes(g->cache);
    return TESS_OK;
}
