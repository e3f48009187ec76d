/* The training loop. A step: fill the batch (microbatches in parallel), forward and backward of every microbatch, one optimiser step, what
 * the stage does after it. Everything the next step depends on is in the checkpoint: the step's number, the blocks of weights, and the
 * curve so far; data order and draws are functions of the step. SPDX-License-Identifier: MIT */
#include <tessera/train.h>

#include "core/host/runtime.h"
#include "core/graph/finite.h"
#include "core/graph/node.h"
#include "core/train/curve.h"
#include "core/train/optimiser.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TENSORS = 128 };

struct loop {
    const struct tess_training *t;
    struct tess_stage_run *run;
    struct tessi_runtime *runtime;
    int64_t microbatches, rows, step;
    struct tess_batch batch;
    struct tess_tensor in[MAX_TENSORS], out[MAX_TENSORS], total[MAX_TENSORS];
    int32_t objectives;
    struct tessi_context *fill_call; /* one a worker */
    int workers;
    double *squares;              /* scratch for the gradient's norm */
    int64_t saved;                /* step of the checkpoint there is; -1: none */
    struct tessi_curve curve;     /* series: objectives, the graph's columns, the stage's */
    double log_sum[TESSI_CURVE_SERIES]; /* sums since the last line of the log, over `logged` steps */
    int64_t logged;
    double first[MAX_TENSORS];    /* values of the objectives at the first step */
    int32_t far;                  /* the first objective that is far above its first value by now; -1: none */
    int told;                     /* divergences so far; only the first is warned of */
};

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

int tess_training_cost(struct tess_context *ctx, const struct tess_training_params *p, const struct tess_graph *g, int32_t after,
                       struct tess_cost *out)
{
    int64_t microbatches;
    TESS_TRY(tess_training_microbatches(ctx, p, &microbatches));
    TESS_TRY(tess_graph_cost(ctx, g, out));
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

static const char *series_name(const struct loop *l, int32_t i)
{
    int32_t own = i - l->objectives;
    if (own < 0)
        return tess_graph_total_at(l->t->graph, i, NULL);
    if (own < graph_columns(l->t))
        return tess_graph_total_at(l->t->graph, tess_graph_column_at(l->t->graph, own), NULL);
    return l->t->column[own - graph_columns(l->t)];
}

static double series_value(const struct loop *l, int32_t i)
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
                         const char *(*at)(const struct tess_graph *, int32_t, struct tess_tensor *), const struct loop *l,
                         int64_t microbatches, int wanted, struct tess_tensor *list, int32_t *count)
{
    struct tess_tensor shape;
    for (*count = 0; at(l->t->graph, *count, &shape); (*count)++) {
        if (*count == MAX_TENSORS)
            return ctx->fail(ctx, TESS_E_INTERNAL, "a training graph has more than %d %s", MAX_TENSORS, what);
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
    for (int i = 0; i < MAX_TENSORS; i++)
        tess_free(list[i].data);
}

static int loop_prepare(struct tess_context *ctx, struct loop *l)
{
    const struct tess_training *t = l->t;
    void *memory;
    l->batch = (struct tess_batch){.size = sizeof l->batch, .in = l->in, .out = l->out, .total = l->total, .samples = t->params->batch};
    TESS_TRY(tess_training_microbatches(ctx, t->params, &l->microbatches));
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

/* ---- checkpoint ---- */

static int put_block(struct tess_context *ctx, struct tess_artefact *a, const char *name, const float *block, int64_t n)
{
    struct tess_tensor t = tess_tensor_over((void *)(uintptr_t)block, TESS_F32, 1, &n);
    return n ? tess_artefact_put(ctx, a, name, &t, NULL) : TESS_OK;
}

static const char *const role_name[TESS_ROLES] = {"value", "moment1", "moment2", "average"};

enum { FIRST_NAME = 24 };

static const char *first_name(int32_t objective, char *name)
{
    snprintf(name, FIRST_NAME, "first_%d", (int)objective);
    return name;
}

static int loop_write_checkpoint(void *user, struct tess_context *ctx, struct tess_artefact *a)
{
    const struct loop *l = user;
    const struct tess_weights *w = l->t->weights;
    struct tess_attrs *f = tess_artefact_describe(a);
    char name[FIRST_NAME];
    TESS_TRY(tess_attrs_set_i64(ctx, f, "step", l->step));
    TESS_TRY(tessi_train_curve_remember(ctx, &l->curve, f));
    for (int32_t i = 0; i < l->objectives; i++)
        TESS_TRY(tess_attrs_set_f64(ctx, f, first_name(i, name), l->first[i]));
    if (TESS_HAS(l->t, remember) && l->t->remember)
        TESS_TRY(l->t->remember(l->t->user, ctx, f));
    TESS_TRY(put_block(ctx, a, "curve", l->curve.point, tessi_train_curve_floats(&l->curve)));
    for (int r = 0; r < TESS_ROLES; r++)
        if (w->role[r])
            TESS_TRY(put_block(ctx, a, role_name[r], w->role[r], r == TESS_ROLE_VALUE ? w->kept : w->trained));
    return TESS_OK;
}

static int get_block(struct tess_context *ctx, const struct tess_artefact *a, const char *name, float *block, int64_t n)
{
    struct tess_tensor t = tess_tensor_over(block, TESS_F32, 1, &n), found;
    if (!n)
        return TESS_OK;
    TESS_TRY(tess_artefact_shape(ctx, a, name, &found));
    if (found.rank != 1 || found.dim[0] != n)
        return ctx->fail(ctx, TESS_E_DATA, "%s: %s has %lld values, %lld are wanted; delete the file to train from the start",
                       tess_artefact_path(a), name, (long long)found.dim[0], (long long)n);
    return tess_artefact_read(ctx, a, name, 0, &t);
}

static int loop_resume(struct tess_context *ctx, struct loop *l)
{
    const struct tess_artefact *a = tess_stage_resume(l->run);
    struct tess_weights *w = l->t->weights;
    char name[FIRST_NAME];
    if (!a || tess_attrs_i64_or(tess_artefact_attrs(a), "step", -1) < 0) /* or it is of what the stage did before training */
        return TESS_OK;
    const struct tess_attrs *f = tess_artefact_attrs(a);
    for (int r = 0; r < TESS_ROLES; r++) {
        float *block;
        if (r != TESS_ROLE_VALUE && !tess_artefact_has(a, role_name[r]))
            continue;
        TESS_TRY(tessi_graph_weights_role(ctx, w, r, &block));
        TESS_TRY(get_block(ctx, a, role_name[r], block, r == TESS_ROLE_VALUE ? w->kept : w->trained));
    }
    TESS_TRY(get_block(ctx, a, "curve", l->curve.point, tessi_train_curve_floats(&l->curve)));
    TESS_TRY(tess_attrs_i64(ctx, f, "step", &l->step));
    TESS_TRY(tessi_train_curve_recall(ctx, &l->curve, f));
    for (int32_t i = 0; i < l->objectives; i++)
        TESS_TRY(tess_attrs_f64(ctx, f, first_name(i, name), &l->first[i]));
    if (l->step < 0 || l->step > l->t->params->steps || l->curve.points < 0 || l->curve.points > TESSI_CURVE_POINTS)
        return ctx->fail(ctx, TESS_E_DATA, "%s: a checkpoint of step %lld for %lld steps; delete it to train from the start",
                       tess_artefact_path(a), (long long)l->step, (long long)l->t->params->steps);
    tess_weights_touch(w);
    l->saved = l->step;
    tess_stage_note(l->run, "resuming at step %lld of %lld", (long long)l->step, (long long)l->t->params->steps);
    return TESS_OK;
}

/* ---- a step ---- */

static void fill_microbatch(void *user, int worker, int64_t i)
{
    struct loop *l = user;
    struct tess_tensor in[MAX_TENSORS];
    struct tess_context *ctx = &l->fill_call[worker].context;
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

static int loop_fill(struct tess_context *ctx, struct loop *l)
{
    for (int i = 0; i < l->workers; i++)
        tessi_base_context_init(&l->fill_call[i], ctx->host);
    tessi_base_workers_run(l->runtime->workers, l->microbatches, fill_microbatch, l);
    for (int i = 0; i < l->workers; i++)
        if (l->fill_call[i].code != TESS_OK)
            return tessi_base_context_pass(ctx, &l->fill_call[i].context);
    return TESS_OK;
}

/* End of the message on a NaN or infinite value: the last checkpoint. A changed parameter is another training, which starts over, and the
 * same one is the same to the last bit: nobody is told that going on would help. */
static const char *loop_kept(const struct loop *l, char *text, size_t capacity)
{
    if (l->saved < 0)
        return "no checkpoint had been written";
    snprintf(text, capacity,
             "the last good checkpoint, of step %lld, is kept as it was: %s; the same run would resume at it to the same end, a changed "
             "one starts over",
             (long long)l->saved, tess_stage_checkpoint_path(l->run));
    return text;
}

static int loop_diverged(struct tess_context *ctx, const struct loop *l, const char *what, const char *name, double value)
{
    char text[700];
    return ctx->fail(ctx, TESS_E_FAILED, "%s%s is %g at step %lld: training has diverged; lower `lr`, add `warmup`, or set `clip`; %s",
                     what, name, value, (long long)l->step, loop_kept(l, text, sizeof text));
}

/* Completes the message of an operation that met a NaN or infinite value. */
static int step_failed(struct tess_context *ctx, const struct loop *l, int status)
{
    char text[700], said[900];
    if (status != TESS_E_FAILED)
        return status;
    snprintf(said, sizeof said, "%s", tessi_base_context_message(ctx));
    tessi_base_context_clear(ctx);
    return ctx->fail(ctx, status, "at step %lld: %s; %s", (long long)l->step, said, loop_kept(l, text, sizeof text));
}

static int check_losses(struct tess_context *ctx, const struct loop *l)
{
    for (int32_t i = 0; i < l->objectives; i++) {
        float value = *(const float *)l->total[i].data;
        if (!isfinite(value))
            return loop_diverged(ctx, l, "", tess_graph_total_at(l->t->graph, i, NULL), (double)value);
    }
    return TESS_OK;
}

/* Check of the gradient, made before the weights are updated. A norm may be infinite where all values are finite: squares of more than 1e19
 * overflow. */
static int check_gradient(struct tess_context *ctx, const struct loop *l, double length)
{
    const struct tess_weights *w = l->t->weights;
    const char *name = isfinite(length) ? NULL : tessi_graph_first_not_finite(w, l->t->graph->result, 0, w->trained);
    return name ? loop_diverged(ctx, l, "the gradient of ", name, length) : TESS_OK;
}

/* Check of the weights at offsets from .. to: all of them before a checkpoint and at the end, untrained ones after the stage has changed
 * them. */
static int loop_check_weights(struct tess_context *ctx, const struct loop *l, int64_t from, int64_t to)
{
    const struct tess_weights *w = l->t->weights;
    const char *name = tessi_graph_first_not_finite(w, w->role[TESS_ROLE_VALUE], from, to);
    return name ? loop_diverged(ctx, l, "a value of ", name, NAN) : TESS_OK;
}

/* Factor above the first loss that counts as divergence. Ten times the loss of untrained weights is worse than a constant answer: training
 * goes up, not down. Where a critic judges, the loss holds a term that begins later and is weighed by up to 1e4, so it takes a thousand
 * times (docs/models.md, section 8). */
static double far_above(const struct loop *l)
{
    return l->objectives > 1 ? 1000.0 : 10.0;
}

#define CURE "lower `lr`, add `warmup`, or set `clip`"

static void look_for_divergence(struct loop *l, int32_t i, double mean)
{
    double first = fabs(l->first[i]);
    const char *name = series_name(l, i);
    if (!(first > 0.0) || !(mean > far_above(l) * first) || l->far >= 0)
        return;
    l->far = i;
    if (l->told++)
        return;
    tessi_base_log_event(l->runtime->log, "diverged", "i:step", l->step, "s:objective", name, "f:mean", mean, "f:first", l->first[i], NULL);
    tess_stage_warn(l->run, "diverged: %s is %.4g at step %lld and was %.4g at the first; " CURE, name, mean, (long long)l->step,
                    l->first[i]);
}

static void tell_divergence(const struct loop *l)
{
    if (l->far >= 0)
        tess_stage_warn(l->run, "diverged: %s was %.4g at the first step and never came back to that; the result is of no use: " CURE,
                        series_name(l, l->far), l->first[l->far]);
    else if (l->told)
        tess_stage_warn(l->run, "diverged for a while, and came back; look at its curve, and where it ended too high: " CURE);
}

/* Bookkeeping after step l->step was made; l->step then names the next one. */
static void loop_count(struct loop *l)
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
            look_for_divergence(l, i, mean);
        if (i < l->objectives)
            tessi_base_log_event(l->runtime->log, "loss", "i:step", l->step, "s:objective", series_name(l, i), "f:mean", mean, "f:lr",
                            tessi_train_learning_rate(p, l->step - 1), NULL);
        else
            tessi_base_log_event(l->runtime->log, "metric", "i:step", l->step, "s:name", series_name(l, i), "f:mean", mean, NULL);
        l->log_sum[i] = 0.0;
    }
    l->logged = 0;
}

static int one_step(struct tess_context *ctx, struct loop *l)
{
    const struct tess_training *t = l->t;
    l->batch.step = (uint32_t)l->step;
    TESS_TRY(loop_fill(ctx, l));
    int status = tess_graph_step(ctx, t->graph, &l->batch);
    if (status != TESS_OK)
        return step_failed(ctx, l, status);
    TESS_TRY(check_losses(ctx, l));
    double length = tessi_train_gradient_length(l->runtime->workers, t->weights, t->graph->result, l->squares);
    TESS_TRY(check_gradient(ctx, l, length));
    const struct tessi_optimiser o = {.p = t->params, .group = t->group, .groups = t->groups};
    TESS_TRY(tessi_train_optimise(ctx, l->runtime->workers, &o, t->weights, l->step, t->graph->result, length));
    if (t->after) {
        TESS_TRY(t->after(t->user, ctx, l->step, &l->batch));
        TESS_TRY(loop_check_weights(ctx, l, t->weights->trained, t->weights->kept));
    }
    loop_count(l);
    return TESS_OK;
}

static int loop_save(struct tess_context *ctx, struct loop *l)
{
    TESS_TRY(loop_check_weights(ctx, l, 0, l->t->weights->kept));
    TESS_TRY(tess_stage_checkpoint(ctx, l->run, loop_write_checkpoint, l));
    l->saved = l->step; /* on a full disk the checkpoint before is kept: a warning has said so */
    return TESS_OK;
}

static int put_curve(struct tess_context *ctx, const struct loop *l)
{
    const char *name[TESSI_CURVE_SERIES];
    for (int32_t i = 0; i < l->curve.series; i++)
        name[i] = series_name(l, i);
    return tessi_train_curve_put(ctx, &l->curve, name, loop_columns(l->t) > 0, tess_stage_output(l->run));
}

static int loop_train(struct tess_context *ctx, struct loop *l)
{
    TESS_TRY(loop_prepare(ctx, l));
    TESS_TRY(loop_resume(ctx, l));
    while (l->step < l->t->params->steps) {
        if (tess_stage_stopping(l->run)) {
            TESS_TRY(loop_save(ctx, l));
            return ctx->fail(ctx, TESS_E_STOPPED, "stopped at step %lld of %lld; run the same command again to resume there",
                             (long long)l->step, (long long)l->t->params->steps);
        }
        if (tess_stage_checkpoint_due(l->run))
            TESS_TRY(loop_save(ctx, l));
        TESS_TRY(one_step(ctx, l));
    }
    TESS_TRY(loop_check_weights(ctx, l, 0, l->t->weights->kept));
    tell_divergence(l);
    return l->curve.points ? put_curve(ctx, l) : TESS_OK;
}

/* TESS_OK for a struct tess_training whose required members are set and whose layout is this program's. */
static int loop_check(struct tess_context *ctx, const struct tess_stage_run *r, const struct tess_training *t)
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

int tess_train(struct tess_context *ctx, struct tess_stage_run *r, const struct tess_training *t)
{
    void *memory;
    struct tessi_runtime *runtime;
    TESS_TRY(loop_check(ctx, r, t));
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    TESS_TRY(tess_alloc(ctx, sizeof(struct loop), "training", &memory));
    struct loop *l = memory;
    l->t = t;
    l->run = r;
    l->runtime = runtime;
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
