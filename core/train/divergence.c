/* Checks for NaN and infinite losses, gradients and weights, and for a loss that rises far above its first value. SPDX-License-Identifier:
 * MIT */
#include "core/train/loop.h"

#include "core/graph/finite.h"
#include "core/graph/node.h"

#include <math.h>
#include <stdio.h>

#define CURE "lower `lr`, add `warmup`, or set `clip`"

/* End of the message on a NaN or infinite value: the last checkpoint. A changed parameter is another training, which starts over, and the
 * same one is the same to the last bit: nobody is told that going on would help. */
static const char *divergence_kept(const struct tessi_train_loop *l, char *text, size_t capacity)
{
    if (l->saved < 0)
        return "no checkpoint had been written";
    snprintf(text, capacity,
             "the last good checkpoint, of step %lld, is kept as it was: %s; the same run would resume at it to the same end, a changed "
             "one starts over",
             (long long)l->saved, tess_stage_checkpoint_path(l->run));
    return text;
}

static int divergence_fail(struct tess_context *ctx, const struct tessi_train_loop *l, const char *what, const char *name, double value)
{
    char text[700];
    return ctx->fail(ctx, TESS_E_FAILED, "%s%s is %g at step %lld: training has diverged; lower `lr`, add `warmup`, or set `clip`; %s",
                     what, name, value, (long long)l->step, divergence_kept(l, text, sizeof text));
}

int tessi_train_step_failed(struct tess_context *ctx, const struct tessi_train_loop *l, int status)
{
    char text[700], said[900];
    if (status != TESS_E_FAILED)
        return status;
    snprintf(said, sizeof said, "%s", tessi_base_context_message(ctx));
    tessi_base_context_clear(ctx);
    return ctx->fail(ctx, status, "at step %lld: %s; %s", (long long)l->step, said, divergence_kept(l, text, sizeof text));
}

int tessi_train_check_losses(struct tess_context *ctx, const struct tessi_train_loop *l)
{
    for (int32_t i = 0; i < l->objectives; i++) {
        float value = *(const float *)l->total[i].data;
        if (!isfinite(value))
            return divergence_fail(ctx, l, "", tess_graph_total_at(l->t->graph, i, NULL), (double)value);
    }
    return TESS_OK;
}

/* A norm may be infinite where all values are finite: squares of more than 1e19
 * overflow. */
int tessi_train_check_gradient(struct tess_context *ctx, const struct tessi_train_loop *l, double length)
{
    const struct tess_weights *w = l->t->weights;
    const char *name = isfinite(length) ? NULL : tessi_graph_first_not_finite(w, l->t->graph->result, 0, w->trained);
    return name ? divergence_fail(ctx, l, "the gradient of ", name, length) : TESS_OK;
}

int tessi_train_check_weights(struct tess_context *ctx, const struct tessi_train_loop *l, int64_t from, int64_t to)
{
    const struct tess_weights *w = l->t->weights;
    const char *name = tessi_graph_first_not_finite(w, w->role[TESS_ROLE_VALUE], from, to);
    return name ? divergence_fail(ctx, l, "a value of ", name, NAN) : TESS_OK;
}

/* Factor above the first loss that counts as divergence. Ten times the loss of untrained weights is worse than a constant answer: training
 * goes up, not down. Where a critic judges, the loss holds a term that begins later and is weighed by up to 1e4, so it takes a thousand
 * times (docs/models.md, section 8). */
static double far_above(const struct tessi_train_loop *l)
{
    return l->objectives > 1 ? 1000.0 : 10.0;
}

void tessi_train_look_for_divergence(struct tessi_train_loop *l, int32_t i, double mean)
{
    double first = fabs(l->first[i]);
    const char *name = tessi_train_series_name(l, i);
    if (!(first > 0.0) || !(mean > far_above(l) * first) || l->far >= 0)
        return;
    l->far = i;
    if (l->told++)
        return;
    tessi_base_log_event(l->runtime->log, "diverged", "i:step", l->step, "s:objective", name, "f:mean", mean, "f:first", l->first[i], NULL);
    tess_stage_warn(l->run, "diverged: %s is %.4g at step %lld and was %.4g at the first; " CURE, name, mean, (long long)l->step,
                    l->first[i]);
}

void tessi_train_tell_divergence(const struct tessi_train_loop *l)
{
    if (l->far >= 0)
        tess_stage_warn(l->run, "diverged: %s was %.4g at the first step and never came back to that; the result is of no use: " CURE,
                        tessi_train_series_name(l, l->far), l->first[l->far]);
    else if (l->told)
        tess_stage_warn(l->run, "diverged for a while, and came back; look at its curve, and where it ended too high: " CURE);
}
