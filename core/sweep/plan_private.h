/* Declarations shared by the planner and the runner of a sweep. SPDX-License-Identifier: MIT */
#ifndef TESSI_SWEEP_PLAN_PRIVATE_H
#define TESSI_SWEEP_PLAN_PRIVATE_H

#include "core/flow/pipeline.h"
#include "core/sweep/run.h"
#include "core/sweep/sweep_private.h"

/* A variant's pipeline, opened with a runtime of its own unless *r is there already. The overrides are freed with it. */
struct tessi_sweep_opened {
    struct tessi_runtime *runtime;
    struct tessi_pipeline *pipeline;
    char **override;
    int64_t overrides;
    void (*waits)(void *user, const char *message); /* these two as in struct tessi_pipeline_options */
    void *waits_user;
};

/* Opens variant `v` with so many threads; the terminal sees none of it. To be closed in any case. */
int tessi_sweep_variant_open(struct tess_context *ctx, const struct tessi_sweep *s, const struct tessi_sweep_settings *o, int64_t v,
                             int threads, struct tessi_sweep_opened *out) TESS_CHECKED;
/* The parts of that: the variant's options, whose overrides go with `opened`; and a runtime, unless there is one. */
int tessi_sweep_variant_options(struct tess_context *ctx, const struct tessi_sweep *s, const struct tessi_sweep_settings *o, int64_t v,
                                struct tessi_sweep_opened *opened, struct tessi_pipeline_options *out) TESS_CHECKED;
int tessi_sweep_runtime(struct tess_context *ctx, const struct tessi_sweep_settings *o, int threads,
                        struct tessi_sweep_opened *opened) TESS_CHECKED;
/* 1 where two variants have the same backend and precision, which a runtime has once and for all. */
int tessi_sweep_same_runtime(const struct tessi_sweep *s, int64_t a, int64_t b);
/* Place, size and times of a file, and as a text; 0 where there is none. */
#define TESSI_SWEEP_PLACE_TEXT 128
int tessi_sweep_place(const char *path, struct tessi_place *at, char text[TESSI_SWEEP_PLACE_TEXT]);
/* Closes the pipeline, and the runtime too unless it is to stay for the next variant. */
void tessi_sweep_variant_close(struct tessi_sweep_opened *p, int stays);
/* Makes variants that are the same as an earlier one duplicates, and notes axes that change nothing (duplicates.c). */
int tessi_sweep_plan_duplicates(struct tess_context *ctx, struct tessi_sweep *s, struct tessi_sweep_plan *p) TESS_CHECKED;

#endif
