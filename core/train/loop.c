/* The training loop. A step: fill the batch (microbatches in parallel), forward and backward of every microbatch, one optimiser step, what
 * the stage does after it. Everything the next step depends on is in the checkpoint: the step's number, the blocks of weights, and the
 * curve so far; data order and draws are functions of the step. SPDX-License-Identifier: MIT */
#include "core/train/loop.h"

#include "core/graph/node.h"
#include "core/train/optimiser.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

int64_t tess_training_sample(uint64_t seed, int64_t n, int64_t position)
{
    assert(n >= 1 && position >= 0);
    struct tess_stream s = {.seed = seed, .purpose = tess_purpose("training.order"), .step = (uint32_t)(position / n)};
    return tess_random_permute(&s, n, position % n);
}

/* ---- series ---- */

/* Numbers of the curve's columns: those of the graph's components; and, with them, those of the stage. */
static int32_t graph_columns(const struct tess_training *t)
{
    return t->graph->columns;
}

static int32_t loop_columns(const struct tess_training *t)
{
    return graph_columns(t) + (TESS_HAS(t, metric) ? t->columns : 0);
}

const char *tessi_train_series_name(const struct tessi_train_loop *l, int32_t i)
{
    int32_t own = i - l->objectives;
    if (own < 0)
        return tess_graph_total_at(l->t->graph, i, NULL);
    if (own < graph_columns(l->t))
        return tess_graph_total_at(l->t->graph, tess_graph_column_at(l->t->graph, own), NULL);
    return l->t->column[own - graph_columns(l->t)];
}

static double series_value(const struct tessi_train_loop *l, int32_t i)
{
    int32_t own = i - l->objectives;
    if (own < 0)
        return (double)*(const float *)l->total[i].data;
    if (own < graph_columns(l->t)) /* a sum over the microbatches */
        return (double)*(const float *)l->total[tess_graph_column_at(l->t->graph, own)].data / (double)l->microbatches;
    return l->t->metric[own - graph_columns(l->t)];
}

/* ---- buffers ---- */

static int check_tensors(struct tess_context *ctx, const char *what,
                         const char *(*at)(const struct tess_graph *, int32_t, struct tess_tensor *), const struct tessi_train_loop *l,
                         int64_t microbatches, int wanted, struct tess_tensor *list, int32_t *count)
{
    struct tess_tensor shape;
    for (*count = 0; at(l->t->graph, *count, &shape); (*count)++) {
        if (*count == TESSI_TRAIN_TENSORS_MAX)
            return ctx->fail(ctx, TESS_E_INTERNAL, "a training graph has more than %d %s", TESSI_TRAIN_TENSORS_MAX, what);
        if (shape.rank > 0)
            shape.dim[0] *= microbatches;
        if (wanted)
            TESS_TRY(tess_alloc(ctx, tess_tensor_bytes(&shape), what, &shape.data));
        list[*count] = shape;
    }
    return TESS_OK;
}

static void free_tensors(struct tess_tensor *list)
{
    for (int i = 0; i < TESSI_TRAIN_TENSORS_MAX; i++)
        tess_free(list[i].data);
}

static int loop_prepare(struct tess_context *ctx, struct tessi_train_loop *l)
{
    const struct tess_training *t = l->t;
    void *memory;
    l->batch = (struct tess_batch){.size = sizeof l->batch, .in = l->in, .out = l->out, .total = l->total, .samples = t->params->batch};
    TESS_TRY(tess_training_microbatches(ctx, t->params, &l->microbatches));
    tessi_ranks_share(l->microbatches, tessi_ranks_size(l->ranks), tessi_ranks_rank(l->ranks), &l->share, &l->share_end);
    l->rows = tess_graph_microbatch(t->graph);
    if (l->rows * l->microbatches != t->params->batch)
        return ctx->fail(ctx, TESS_E_INTERNAL, "a graph of %lld rows does not make a batch of %lld in %lld microbatches",
                         (long long)l->rows, (long long)t->params->batch, (long long)l->microbatches);
    TESS_TRY(check_tensors(ctx, "inputs", tess_graph_input_at, l, l->microbatches, 1, l->in, &l->batch.inputs));
    TESS_TRY(check_tensors(ctx, "outputs", tess_graph_output_at, l, l->microbatches, t->after != NULL, l->out, &l->batch.outputs));
    TESS_TRY(check_tensors(ctx, "totals", tess_graph_total_at, l, 1, 1, l->total, &l->batch.totals));
    l->objectives = t->graph->objectives;
    l->saved = l->far = -1;
    TESS_TRY(tessi_train_curve_open(ctx, &l->curve, t->params->steps, l->objectives + loop_columns(t)));
    l->workers = tessi_base_workers_count(l->runtime->workers);
    TESS_TRY(tess_alloc(ctx, (size_t)l->workers * sizeof *l->fill_call, "training", &memory));
    l->fill_call = memory;
    TESS_TRY(tess_weights_seal(ctx, t->weights));
    TESS_TRY(tess_alloc(ctx, (size_t)(tessi_train_gradient_pieces(t->weights) + 1) * sizeof *l->squares, "the gradient's length", &memory));
    l->squares = memory;
    return TESS_OK;
}

/* ---- a step ---- */

static void fill_microbatch(void *user, int worker, int64_t i)
{
    struct tessi_train_loop *l = user;
    struct tess_tensor in[TESSI_TRAIN_TENSORS_MAX];
    struct tess_context *ctx = &l->fill_call[worker].context;
    i += l->share;
    if (l->fill_call[worker].code != TESS_OK)
        return;
    for (int32_t k = 0; k < l->batch.inputs; k++) {
        in[k] = l->in[k];
        in[k].dim[0] /= l->microbatches;
        in[k].data = (char *)l->in[k].data + (size_t)i * tess_tensor_bytes(&in[k]);
    }
    int status = l->t->fill(l->t->user, ctx, l->step, i * l->rows, l->rows, in);
    if (status != TESS_OK && l->fill_call[worker].code == TESS_OK)
        (void)ctx->fail(ctx, status, "a batch could not be filled");
}

static int loop_fill(struct tess_context *ctx, struct tessi_train_loop *l)
{
    for (int i = 0; i < l->workers; i++)
        tessi_base_context_init(&l->fill_call[i], ctx->host);
    tessi_base_workers_run(l->runtime->workers, l->share_end - l->share, fill_microbatch, l);
    for (int i = 0; i < l->workers; i++)
        if (l->fill_call[i].code != TESS_OK)
            return tessi_base_context_pass(ctx, &l->fill_call[i].context);
    return TESS_OK;
}

/* Bookkeeping after step l->step was made; l->step then names the next one. */
static void loop_count(struct tessi_train_loop *l)
{
    const struct tess_training_params *p = l->t->params;
    double value[TESSI_CURVE_SERIES];
    for (int32_t i = 0; i < l->curve.series; i++) {
        value[i] = series_value(l, i);
        l->log_sum[i] += value[i];
        if (l->step == 0 && i < l->objectives)
            l->first[i] = value[i];
    }
    l->logged++;
    l->step++;
    tessi_train_curve_add(&l->curve, l->step, l->step == p->steps, value);
    tess_stage_progress(l->run, l->step, p->steps, "step", tess_graph_total_at(l->t->graph, 0, NULL), l->log_sum[0] / (double)l->logged);
    if (l->logged < p->log_every && l->step != p->steps)
        return;
    l->far = -1;
    for (int32_t i = 0; i < l->curve.series; i++) {
        double mean = l->log_sum[i] / (double)l->logged;
        if (i < l->objectives)
            tessi_train_look_for_divergence(l, i, mean);
        if (i < l->objectives)
            tessi_base_log_event(l->runtime->log, "loss", "i:step", l->step, "s:objective", tessi_train_series_name(l, i), "f:mean", mean,
                                 "f:lr", tessi_train_learning_rate(p, l->step - 1), NULL);
        else
            tessi_base_log_event(l->runtime->log, "metric", "i:step", l->step, "s:name", tessi_train_series_name(l, i), "f:mean", mean,
                                 NULL);
        l->log_sum[i] = 0.0;
    }
    l->logged = 0;
}

/* Checks what all ranks have alike, so that rank 0 is the one to tell what is wrong. */
static int loop_judge(struct tessi_train_loop *l, int status)
{
    l->judged |= status != TESS_OK;
    return status;
}

/* 1 when some weights learn again, after the others. */
static int32_t learns_again(const struct tess_training *t)
{
    const char *at = (const char *)t->group;
    for (int32_t i = 0; i < t->groups; i++, at += t->group->size)
        if (TESS_HAS((const struct tess_training_group *)(const void *)at, again) &&
            ((const struct tess_training_group *)(const void *)at)->again)
            return 1;
    return 0;
}

/* Runs the batch and updates the weights whose run this is. */
static int loop_learn(struct tess_context *ctx, struct tessi_train_loop *l, struct tess_batch *b, int32_t again)
{
    const struct tess_training *t = l->t;
    int status = tess_graph_step(ctx, t->graph, b);
    if (status != TESS_OK)
        return tessi_train_ranks_lost(ctx, l, !again) ? status : tessi_train_step_failed(ctx, l, status);
    TESS_TRY(loop_judge(l, tessi_train_check_losses(ctx, l)));
    double length = tessi_train_gradient_length(l->runtime->workers, t->weights, t->graph->result, l->squares);
    TESS_TRY(loop_judge(l, tessi_train_check_gradient(ctx, l, length)));
    const struct tessi_optimiser o = {.p = t->params, .group = t->group, .groups = t->groups, .again = again};
    return tessi_train_optimise(ctx, l->runtime->workers, &o, t->weights, l->step, t->graph->result, length);
}

/* The second run of a step: its objectives but the first, which is of the weights that have learnt already, are the step's. */
static int learn_again(struct tess_context *ctx, struct tessi_train_loop *l)
{
    struct tess_tensor total[TESSI_TRAIN_TENSORS_MAX];
    struct tess_batch b = l->batch;
    for (int32_t i = 0; i < b.totals; i++) {
        total[i] = l->total[i];
        if (i == 0 || i >= l->objectives)
            total[i].data = NULL;
    }
    b.total = total;
    b.outputs = 0;
    return loop_learn(ctx, l, &b, 1);
}

static int one_step(struct tess_context *ctx, struct tessi_train_loop *l)
{
    const struct tess_training *t = l->t;
    l->batch.step = (uint32_t)l->step;
    TESS_TRY(loop_fill(ctx, l));
    TESS_TRY(loop_learn(ctx, l, &l->batch, 0));
    if (learns_again(t))
        TESS_TRY(learn_again(ctx, l));
    if (t->after) {
        TESS_TRY(tessi_train_ranks_gather(ctx, l));
        TESS_TRY(t->after(t->user, ctx, l->step, &l->batch));
        TESS_TRY(loop_judge(l, tessi_train_check_weights(ctx, l, t->weights->trained, t->weights->kept)));
    }
    return TESS_OK;
}

int tessi_train_save(struct tess_context *ctx, struct tessi_train_loop *l)
{
    TESS_TRY(tessi_train_check_weights(ctx, l, 0, l->t->weights->kept));
    TESS_TRY(tess_stage_checkpoint(ctx, l->run, tessi_train_checkpoint_write, l));
    l->saved = l->step; /* on a full disk the checkpoint before is kept: a warning has said so */
    return TESS_OK;
}

static int put_curve(struct tess_context *ctx, const struct tessi_train_loop *l)
{
    const char *name[TESSI_CURVE_SERIES];
    for (int32_t i = 0; i < l->curve.series; i++)
        name[i] = tessi_train_series_name(l, i);
    return tessi_train_curve_put(ctx, &l->curve, name, loop_columns(l->t) > 0, tess_stage_output(l->run));
}

/* Stops, or writes a checkpoint, where that is due. */
static int loop_pause(struct tess_context *ctx, struct tessi_train_loop *l)
{
    if (tess_stage_stopping(l->run)) {
        TESS_TRY(tessi_train_save(ctx, l));
        return ctx->fail(ctx, TESS_E_STOPPED, "stopped at step %lld of %lld; run the same command again to resume there",
                         (long long)l->step, (long long)l->t->params->steps);
    }
    return tess_stage_checkpoint_due(l->run) ? tessi_train_save(ctx, l) : TESS_OK;
}

/* The training of rank 0, or of the only process. */
static int loop_lead(struct tess_context *ctx, struct tessi_train_loop *l)
{
    TESS_TRY(tessi_train_resume(ctx, l));
    TESS_TRY(tessi_train_ranks_begin(ctx, l));
    while (l->step < l->t->params->steps) {
        TESS_TRY(loop_pause(ctx, l));
        TESS_TRY(tessi_train_ranks_step(ctx, l, NULL));
        TESS_TRY(one_step(ctx, l));
        loop_count(l);
    }
    TESS_TRY(tessi_train_check_weights(ctx, l, 0, l->t->weights->kept));
    tessi_train_tell_divergence(l);
    return l->curve.points ? put_curve(ctx, l) : TESS_OK;
}

/* The training of another rank, which makes the steps that rank 0 makes, and keeps no record. */
static int loop_follow(struct tess_context *ctx, struct tessi_train_loop *l)
{
    int step = 1;
    TESS_TRY(tessi_train_ranks_begin(ctx, l));
    while (step && l->step < l->t->params->steps) {
        TESS_TRY(tessi_train_ranks_step(ctx, l, &step));
        int status = step ? one_step(ctx, l) : TESS_OK;
        if (status != TESS_OK && l->judged)
            break;
        TESS_TRY(status);
        l->step++;
    }
    return step && !l->judged ? TESS_OK : tessi_train_ranks_leave(ctx, l);
}

static int loop_train(struct tess_context *ctx, struct tessi_train_loop *l)
{
    TESS_TRY(loop_prepare(ctx, l));
    tessi_graph_over_ranks(l->t->graph, l->ranks);
    int status = tessi_ranks_rank(l->ranks) == 0 ? loop_lead(ctx, l) : loop_follow(ctx, l);
    tessi_graph_over_ranks(l->t->graph, NULL);
    return status;
}

int tess_train(struct tess_context *ctx, struct tess_stage_run *r, const struct tess_training *t)
{
    void *memory;
    struct tessi_runtime *runtime;
    TESS_TRY(tessi_train_check(ctx, r, t));
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_train_loop), "training", &memory));
    struct tessi_train_loop *l = memory;
    l->t = t;
    l->run = r;
    l->runtime = runtime;
    l->ranks = tessi_ranks_together(runtime->ranks) ? runtime->ranks : NULL;
    int status = loop_train(ctx, l);
    free_tensors(l->in);
    free_tensors(l->out);
    free_tensors(l->total);
    tess_free(l->fill_call);
    tessi_train_curve_close(&l->curve);
    tess_free(l->squares);
    tess_free(l);
    return status;
}
