/* The training loop, shared by its files: the loop itself (loop.c), its checkpoint (loop_checkpoint.c), and the checks for NaN, infinite
 * values and divergence (divergence.c). SPDX-License-Identifier: MIT */
#ifndef TESSI_TRAIN_LOOP_H
#define TESSI_TRAIN_LOOP_H

#include <tessera/train.h>

#include "core/host/runtime.h"
#include "core/ranks/ranks.h"
#include "core/train/curve.h"

enum { TESSI_TRAIN_TENSORS_MAX = 128 };

struct tessi_train_loop {
    const struct tess_training *t;
    struct tess_stage_run *run;
    struct tessi_runtime *runtime;
    int64_t microbatches, rows, step;
    struct tessi_ranks *ranks; /* ranks that train together; NULL: this process alone */
    int64_t share, share_end;  /* microbatches of this rank */
    int judged;                /* 1: a check failed of what all ranks have alike: rank 0 tells it */
    struct tess_batch batch;
    struct tess_tensor in[TESSI_TRAIN_TENSORS_MAX], out[TESSI_TRAIN_TENSORS_MAX], total[TESSI_TRAIN_TENSORS_MAX];
    int32_t objectives;
    struct tessi_context *fill_call; /* one a worker */
    int workers;
    double *squares;                    /* scratch for the gradient's norm */
    int64_t saved;                      /* step of the checkpoint there is; -1: none */
    struct tessi_curve curve;           /* series: objectives, the graph's columns, the stage's */
    double log_sum[TESSI_CURVE_SERIES]; /* sums since the last line of the log, over `logged` steps */
    int64_t logged;
    double first[TESSI_TRAIN_TENSORS_MAX]; /* values of the objectives at the first step */
    int32_t far;                           /* the first objective that is far above its first value by now; -1: none */
    int told;                              /* divergences so far; only the first is warned of */
};

/* Writes a checkpoint of the state before step l->step (loop.c). */
int tessi_train_save(struct tess_context *ctx, struct tessi_train_loop *l) TESS_CHECKED;
/* Name of series i of the curve. */
const char *tessi_train_series_name(const struct tessi_train_loop *l, int32_t i);

/* ---- training_params.c */
/* TESS_OK for a struct tess_training whose required members are set and whose layout is this program's. */
int tessi_train_check(struct tess_context *ctx, const struct tess_stage_run *r, const struct tess_training *t) TESS_CHECKED;
/* Checks that a training of the graph has room for its totals and for the series of its curve, when it is planned. */
int tessi_train_check_graph(struct tess_context *ctx, const struct tess_graph *g) TESS_CHECKED;

/* ---- loop_checkpoint.c */
int tessi_train_checkpoint_write(void *user, struct tess_context *ctx, struct tess_artefact *a) TESS_CHECKED;
/* Reads the checkpoint that the stage resumes from, where there is one. */
int tessi_train_resume(struct tess_context *ctx, struct tessi_train_loop *l) TESS_CHECKED;

/* ---- loop_ranks.c: nothing for one process */
/* Has all ranks begin the training together, in the state of rank 0: its step and weights. */
int tessi_train_ranks_begin(struct tess_context *ctx, struct tessi_train_loop *l) TESS_CHECKED;
/* Rank 0 has the others make the next step. On the others *step is 0 where there is none: the run has ended. */
int tessi_train_ranks_step(struct tess_context *ctx, struct tessi_train_loop *l, int *step) TESS_CHECKED;
/* Inputs and outputs of the step just made, of all ranks, for `after`. */
int tessi_train_ranks_gather(struct tess_context *ctx, const struct tessi_train_loop *l) TESS_CHECKED;
/* 1 where a step failed because another rank did, or is gone; rank 0 then keeps the state before the step, where the
 * weights are still those (`whole`), and says where the same command resumes. */
int tessi_train_ranks_lost(struct tess_context *ctx, struct tessi_train_loop *l, int whole);
/* Ends the training of a rank that rank 0 leads: TESS_E_STOPPED, for the stage to go no further. */
int tessi_train_ranks_leave(struct tess_context *ctx, const struct tessi_train_loop *l) TESS_CHECKED;

/* ---- divergence.c: each fails with TESS_E_FAILED and a message that names the step, the cure and the last checkpoint */
/* Completes the message of an operation that met a NaN or infinite value. */
int tessi_train_step_failed(struct tess_context *ctx, const struct tessi_train_loop *l, int status) TESS_CHECKED;
int tessi_train_check_losses(struct tess_context *ctx, const struct tessi_train_loop *l) TESS_CHECKED;
/* Made before the weights are updated; `length` is the gradient's norm. */
int tessi_train_check_gradient(struct tess_context *ctx, const struct tessi_train_loop *l, double length) TESS_CHECKED;
/* Checks the weights at offsets from .. to: all of them before a checkpoint and at the end, untrained ones after the stage has changed
 * them. */
int tessi_train_check_weights(struct tess_context *ctx, const struct tessi_train_loop *l, int64_t from, int64_t to) TESS_CHECKED;
/* Warns, once a training, where the mean of objective i since the last line of the log is far above its first value. */
void tessi_train_look_for_divergence(struct tessi_train_loop *l, int32_t i, double mean);
/* Warns, at the end, of a training that has diverged. */
void tessi_train_tell_divergence(const struct tessi_train_loop *l);

#endif
