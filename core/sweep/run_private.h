/* State of the loop of a sweep, shared by the files of run.h. SPDX-License-Identifier: MIT */
#ifndef TESSI_SWEEP_RUN_PRIVATE_H
#define TESSI_SWEEP_RUN_PRIVATE_H

#include "core/sweep/jobs.h"
#include "core/sweep/runner.h"
#include "core/sweep/tell.h"

#define MAX_SLOTS 64

/* A child, and what it is at. */
struct slot {
    int64_t variant, stage; /* stage: index among the variant's, or TESSI_JOB_SETTLE */
    int64_t memory;
    int threads;
};

struct run {
    struct tess_context *ctx;
    const struct tessi_sweep_plan *plan;
    const struct tessi_sweep_settings *settings;
    struct tessi_sweep_jobs jobs;
    struct tessi_sweep_child child[MAX_SLOTS];
    struct slot slot[MAX_SLOTS];
    int threads;         /* threads of all children together */
    int64_t memory;      /* memory budget of all children together, in bytes */
    int ending, stopped; /* ending: nothing is begun any more; stopped: because a stop was asked for */
    struct tessi_sweep_tally tally;
};

/* ---- outcomes (run_outcome.c) --------------------------------------------------------------------------------------- */

/* Ends the row of variant `v`, with the name of a stage and a reason, or "". An outcome that cannot be written is told: tables would not
 * have it. */
void tessi_sweep_run_outcome(struct run *r, int64_t v, int outcome, const char *stage, const char *reason);
/* Name of a stage in a variant; "" for TESSI_JOB_SETTLE. */
const char *tessi_sweep_run_stage_name(const struct run *r, int64_t v, int64_t stage);
/* Begins nothing any more, and stops the children at their checkpoints. */
void tessi_sweep_run_end(struct run *r);
/* Fails every variant that has the stage. */
void tessi_sweep_run_fail(struct run *r, int64_t stage, const char *reason);
/* Fails one variant, in a stage of its own or in none. */
void tessi_sweep_run_fail_variant(struct run *r, int64_t v, const char *stage, const char *reason);
/* 1 where another process has written since we began that the variant failed, and that is taken over: a stage that fails is not tried by
 * each of them. */
int tessi_sweep_run_failed_elsewhere(struct run *r, int64_t v);

#endif
