/* Parameters of a training: what is checked of them before it begins, and what it will cost. SPDX-License-Identifier: MIT */
#include "core/train/loop.h"
#include "core/graph/node.h"

int tess_training_microbatches(struct tess_context *ctx, const struct tess_training_params *p, int64_t *microbatches)
{
    if (!p || !microbatches || p->batch < 1 || p->microbatches < 0)
        return ctx->fail(ctx, TESS_E_VALUE, "the microbatches of a training: %s",
                         p && microbatches ? "batch must be at least 1 and microbatches "
                                             "0 or more"
                                           : "the parameters, or the place for their number, are NULL");
    *microbatches = p->microbatches;
    if (p->microbatches == 0) {
        int64_t best = 1;
        for (int64_t n = 2; n <= 8; n++)
            best = p->batch % n == 0 ? n : best;
        *microbatches = best;
    } else if (p->batch % p->microbatches) {
        return ctx->fail(ctx, TESS_E_VALUE, "microbatches: %lld does not divide batch: %lld; leave microbatches out, or choose a divisor",
                         (long long)p->microbatches, (long long)p->batch);
    }
    return TESS_OK;
}

int64_t tess_training_bytes(const struct tess_training_params *p, int64_t parameters)
{
    return parameters * 4 * (p->ema_decay > 0.0 ? 3 : 2);
}

static int64_t batch_bytes(const struct tess_graph *g, const char *(*at)(const struct tess_graph *, int32_t, struct tess_tensor *),
                           int64_t microbatches)
{
    struct tess_tensor shape;
    int64_t bytes = 0;
    for (int32_t i = 0; at(g, i, &shape); i++)
        bytes += (int64_t)tess_tensor_bytes(&shape) * microbatches;
    return bytes;
}

int tessi_train_check_graph(struct tess_context *ctx, const struct tess_graph *g)
{
    const int series = g->objectives + g->columns, totals = g->objectives + g->totals;
    if (series > TESSI_CURVE_SERIES)
        return ctx->fail(ctx, TESS_E_PLUGIN, "components declare %d columns (tess_column), `%s` the last; a curve keeps %d series",
                         g->columns, g->total[g->column[g->columns - 1]].name, TESSI_CURVE_SERIES);
    if (totals > TESSI_TRAIN_TENSORS_MAX)
        return ctx->fail(ctx, TESS_E_PLUGIN, "components declare %d totals, `%s` the last; wanted at most %d", g->totals,
                         g->total[g->totals - 1].name, TESSI_TRAIN_TENSORS_MAX - g->objectives);
    return TESS_OK;
}

int tess_training_cost(struct tess_context *ctx, const struct tess_training_params *p, const struct tess_graph *g, int32_t after,
                       struct tess_cost *out)
{
    int64_t microbatches;
    TESS_TRY(tess_training_microbatches(ctx, p, &microbatches));
    TESS_TRY(tess_graph_cost(ctx, g, out));
    TESS_TRY(tessi_train_check_graph(ctx, g));
    out->flops *= (double)p->batch * (double)p->steps;
    out->total_bytes += tess_training_bytes(p, out->parameters) + batch_bytes(g, tess_graph_input_at, microbatches);
    if (after)
        out->total_bytes += batch_bytes(g, tess_graph_output_at, microbatches);
    return TESS_OK;
}

void tess_training_disk(const struct tess_training_params *p, int64_t parameters, struct tess_stage_plan *plan)
{
    plan->output_bytes += parameters * 4;
    plan->checkpoint_bytes += parameters * 4 * (p->ema_decay > 0.0 ? 4 : 3); /* value, two moments, average */
}

int tessi_train_check(struct tess_context *ctx, const struct tess_stage_run *r, const struct tess_training *t)
{
    if (!r || !t || !TESS_HAS(t, groups))
        return ctx->fail(ctx, TESS_E_VALUE, "a training: %s",
                         !r   ? "the stage's run is NULL"
                         : !t ? "it is NULL"
                              : "the size of its struct tess_training is not sizeof(struct tess_training)");
    if (t->params_size < sizeof *t->params)
        return ctx->fail(ctx, TESS_E_VALUE, "a training: params_size is %u; set it to sizeof(struct tess_training_params)",
                         (unsigned)t->params_size);
    if (!t->params || !t->weights || !t->graph || !t->fill)
        return ctx->fail(ctx, TESS_E_VALUE, "a training: its %s NULL",
                         !t->params    ? "parameters are"
                         : !t->weights ? "weights are"
                         : !t->graph   ? "graph is"
                                       : "function `fill` is");
    if (t->params->batch < 1 || t->params->steps < 0 || t->params->log_every < 1 ||
        (t->params->ema_decay > 0.0 && t->params->ema_every < 1))
        return ctx->fail(
            ctx, TESS_E_VALUE, "a training: batch, log_every and ema_every must be at least 1, steps 0, not %lld, %lld, %lld and %lld",
            (long long)t->params->batch, (long long)t->params->log_every, (long long)t->params->ema_every, (long long)t->params->steps);
    if (t->groups < 0 || (t->groups && (!t->group || !TESS_HAS(t->group, first_step))))
        return ctx->fail(ctx, TESS_E_VALUE, "a training of %d groups of weights: %s", (int)t->groups,
                         t->groups > 0 && t->group ? "the size of each is not sizeof(struct tess_training_group)"
                                                   : "there is no list of them");
    for (int32_t i = 0; i < t->groups; i++)
        if (!((const struct tess_training_group *)(const void *)((const char *)t->group + (size_t)i * t->group->size))->prefix)
            return ctx->fail(ctx, TESS_E_VALUE, "a training: the prefix of its group %d of weights is NULL", (int)i);
    return TESS_OK;
}
