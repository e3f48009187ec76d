/* The training loop every training stage shares: batches, microbatches, optimiser, schedules, clipping, moving average of the
 * weights, checkpoints, exact resume.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_TRAIN_H
#define TESSERA_TRAIN_H

#include <tessera/plugin.h>
#include <tessera/kind/stage.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The parameters a training stage takes; put TESS_TRAINING_PARAMS(struct self, member) into its table. It is a part of the component's own
 * struct, filled by its table, so it has no size of its own: struct tess_training tells how many bytes of it there are. */
struct tess_training_params {
    int64_t steps, batch, microbatches, warmup, ema_every, log_every;
    double lr, lr_final, beta1, beta2, epsilon, weight_decay, clip, ema_decay;
    int32_t optimiser; /* 0 adam, 1 adamw */
    int32_t schedule;  /* 0 constant, 1 cosine */
    int32_t recompute; /* member `recompute` of struct tess_graph_options, for the stage to pass on */
};

#define TESS_TRAINING_ROW(S, m, f, kind, lo_, hi_, def_, flags_, help_) \
    {.name = #f, .help = help_, .type = kind, .flags = flags_, .offset = offsetof(S, m.f), .lo = lo_, .hi = hi_, .def = def_}
/* A row whose key had another name, which is refused, naming the new one. */
#define TESS_TRAINING_RENAMED(S, m, f, kind, lo_, hi_, def_, former_, help_)                                                              \
    {.name = #f,                                                                                                                           \
     .help = help_,                                                                                                                        \
     .type = kind,                                                                                                                         \
     .flags = TESS_GONE,                                                                                                                   \
     .offset = offsetof(S, m.f),                                                                                                           \
     .lo = lo_,                                                                                                                            \
     .hi = hi_,                                                                                                                            \
     .def = def_,                                                                                                                          \
     .former = former_}
#define TESS_TRAINING_PARAMS(S, m, default_steps, default_batch, default_lr) \
    TESS_TRAINING_CLIPPED_PARAMS(S, m, default_steps, default_batch, default_lr, 0)
/* TESS_TRAINING_PARAMS with gradients clipped at `default_clip` unless the pipeline says otherwise. */
#define TESS_TRAINING_CLIPPED_PARAMS(S, m, default_steps, default_batch, default_lr, default_clip)                                         \
    TESS_TRAINING_ROW(S, m, steps, TESS_I64, 0, 1e9, default_steps, 0, "optimiser steps"),                                                 \
        TESS_TRAINING_ROW(S, m, batch, TESS_I64, 1, 65536, default_batch, 0, "samples a step"),                                            \
        TESS_TRAINING_RENAMED(S, m, microbatches, TESS_I64, 0, 1024, 0, "slices",                                                          \
                              "parts a batch is cut into; 0: the largest divisor of the batch up to 8"),                                   \
        TESS_TRAINING_ROW(S, m, lr, TESS_F64, 0, 10, default_lr, 0, "learning rate"),                                                      \
        TESS_TRAINING_ROW(S, m, lr_final, TESS_F64, 0, 1, 0, 0, "share of lr at the end of a cosine schedule"),                            \
        TESS_TRAINING_ROW(S, m, warmup, TESS_I64, 0, 1e9, 0, 0, "steps of linear warm-up"),                                                \
        {.name = "schedule",                                                                                                               \
         .help = "learning rate after warm-up",                                                                                            \
         .type = TESS_ENUM,                                                                                                                \
         .offset = offsetof(S, m.schedule),                                                                                                \
         .text = "constant|cosine"},                                                                                                       \
        {.name = "optimiser",                                                                                                              \
         .help = "adamw decays weights apart from the gradient",                                                                           \
         .type = TESS_ENUM,                                                                                                                \
         .offset = offsetof(S, m.optimiser),                                                                                               \
         .text = "adam|adamw"},                                                                                                            \
        TESS_TRAINING_ROW(S, m, beta1, TESS_F64, 0, 0.9999999, 0.9, 0, "decay of the first moment"),                                       \
        TESS_TRAINING_ROW(S, m, beta2, TESS_F64, 0, 0.9999999, 0.999, 0, "decay of the second moment"),                                    \
        TESS_TRAINING_ROW(S, m, epsilon, TESS_F64, 0, 1, 1e-8, 0, "added to the root of the second moment"),                               \
        TESS_TRAINING_ROW(S, m, weight_decay, TESS_F64, 0, 1, 0, 0, "weight decay"),                                                       \
        TESS_TRAINING_ROW(S, m, clip, TESS_F64, 0, 1e9, default_clip, 0, "largest norm of the gradient; 0: no clipping"),                  \
        TESS_TRAINING_RENAMED(S, m, ema_decay, TESS_F64, 0, 0.9999999, 0, "average", "decay of the weights' moving average; 0: none"),     \
        TESS_TRAINING_RENAMED(S, m, ema_every, TESS_I64, 1, 1e6, 1, "average_every", "steps between updates of the moving average"),       \
        {.name = "recompute",                                                                                                              \
         .help = "make norms and activations again for the backward pass: less memory, more time, the same results",                       \
         .type = TESS_BOOL,                                                                                                                \
         .flags = TESS_NEUTRAL,                                                                                                            \
         .offset = offsetof(S, m.recompute)},                                                                                              \
        TESS_TRAINING_ROW(S, m, log_every, TESS_I64, 1, 1e9, 50, TESS_NEUTRAL, "steps between lines in the log")

/* Weights that are frozen before step `first_step`; their optimiser begins there. With `again` they learn after all others: the graph is
 * run on the batch a second time, over the weights that the others have by then, and that run's gradients and objectives are theirs. A
 * step with such weights takes about twice the time. */
struct tess_training_group {
    uint32_t size;      /* sizeof(struct tess_training_group), of each in the list */
    const char *prefix; /* prefix of the weights' names */
    int64_t first_step;
    int32_t again; /* 0 or 1 */
};

struct tess_training {
    uint32_t size;        /* sizeof(struct tess_training) */
    uint32_t params_size; /* sizeof(struct tess_training_params) */
    const struct tess_training_params *params;
    struct tess_weights *weights; /* declared by the graph; sealed by the loop */
    struct tess_graph *graph;     /* sealed, with objectives; microbatch x microbatches == batch */
    void *user;
    /* Callbacks: any status but TESS_OK ends the training, with their message; `in` and `b` are valid until they return.
     * Fills rows first .. first + rows - 1 of the batch of `step` into `in`, the graph's inputs for those rows (data ready,
     * dim[0] for those rows). [any thread, microbatches in parallel] */
    int (*fill)(void *user, struct tess_context *ctx, int64_t step, int64_t first, int64_t rows, struct tess_tensor *in);
    /* After the optimiser's step; b holds outputs and totals of the step. NULL: nothing. [one thread] */
    int (*after)(void *user, struct tess_context *ctx, int64_t step, const struct tess_batch *b);
    const struct tess_training_group *group; /* may be NULL */
    int32_t groups;
    /* Metrics of a step beside the objectives, for the log and the curve: their names, and where their values are once `after` is done.
     * Objectives and columns are 10 at most. */
    int32_t columns;
    const char *const *column;
    const double *metric;
    /* Adds attributes of the stage's own to each checkpoint: what it must know to go on. NULL: none. [one thread] */
    int (*remember)(void *user, struct tess_context *ctx, struct tess_attrs *f);
};

/* The microbatches a batch is cut into: params->microbatches, or the largest divisor of batch up to 8. Fails with TESS_E_VALUE when
 * microbatches does not divide batch. */
TESS_EXPORT TESS_CHECKED int tess_training_microbatches(struct tess_context *ctx, const struct tess_training_params *p,
                                                        int64_t *microbatches);
/* Bytes the optimiser, gradients and averages of `parameters` elements take beside the graph. */
TESS_EXPORT int64_t tess_training_bytes(const struct tess_training_params *p, int64_t parameters);
/* Cost of a training, for a plan: the work of all steps, and the memory of the sealed graph with its weights and gradients, of the
 * optimiser's state and of a batch, its outputs with it where `after` reads them. */
TESS_EXPORT TESS_CHECKED int tess_training_cost(struct tess_context *ctx, const struct tess_training_params *p, const struct tess_graph *g,
                                                int32_t after, struct tess_cost *out);

/* Disk space of a training and of the model it makes, of `parameters` elements, added to the plan. */
TESS_EXPORT void tess_training_disk(const struct tess_training_params *p, int64_t parameters, struct tess_stage_plan *plan);

/* Runs to params->steps, resuming from the stage's checkpoint when there is one of training (it has an attribute `step`; others are of what
 * the stage did before, and are left alone); progress, log, checkpoints, stop requests. The mean of every objective and column over the
 * last log_every steps goes to the log; the curve (step, objectives, columns) goes to the output artefact as /curve and as the picture
 * `training`, and where there are columns the names of both as /curve_names. Fails with TESS_E_FAILED when a loss, a gradient, a weight or
 * what `after` makes of the weights that are not trained is not finite, saying what and at which step: before the optimiser's step where
 * that can be, and always before a checkpoint, so that no checkpoint ever holds such a value. At the end weights hold the last values; the
 * moving average, where there is one, is in TESS_ROLE_AVERAGE. */
TESS_EXPORT TESS_CHECKED int tess_train(struct tess_context *ctx, struct tess_stage_run *r, const struct tess_training *t);

/* Index of the sample, of n, at `position` of the endless shuffled sequence: epoch = position / n, a fresh permutation each. */
TESS_EXPORT int64_t tess_training_sample(uint64_t seed, int64_t n, int64_t position);

#ifdef __cplusplus
}
#endif
#endif
