/* Checkpoint of a training: the step, the blocks of weights, the curve, and the values of the objectives at the first step.
 * SPDX-License-Identifier: MIT */
#include "core/train/loop.h"

#include "core/graph/node.h"

#include <stdio.h>

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

int tessi_train_checkpoint_write(void *user, struct tess_context *ctx, struct tess_artefact *a)
{
    const struct tessi_train_loop *l = user;
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

int tessi_train_resume(struct tess_context *ctx, struct tessi_train_loop *l)
{
    const struct tess_artefact *a = tess_stage_resume(l->run);
    struct tess_weights *w = l->t->weights;
    char name[FIRST_NAME];
    if (!a || tess_attrs_i64_or(tess_artefact_attrs(a), "step", -1) < 0) /* no `step`: a checkpoint of what the stage did before training */
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
