/* Jobs of a sweep, a distinct stage each: done, at work or left, and the choice of the next one. SPDX-License-Identifier: MIT */
#ifndef TESSI_SWEEP_JOBS_H
#define TESSI_SWEEP_JOBS_H

#include "core/sweep/run.h"

#include <sys/stat.h>

enum { TESSI_JOB_WAITS, TESSI_JOB_RUNS, TESSI_JOB_BUSY, TESSI_JOB_DONE, TESSI_JOB_FAILED };

/* A stage of the plan. */
struct tessi_sweep_job {
    int state;      /* BUSY: another process computes it */
    char *cached;   /* while BUSY: path that its result will have */
    int told;       /* 1: the user knows who computes it */
    double seconds; /* that it took, where it was computed here */
    double began;   /* while it RUNS: time at which it began, by tessi_base_seconds */
    double share;   /* part of the threads that it has or had */
};

/* A variant of the plan. Once all of its stages are done its folder is settled by a last job of its own. */
struct tessi_sweep_row {
    int outcome;        /* TESSI_SWEEP_...; NOT_RUN while there is something to do */
    int settling;       /* 1: the last job is at work */
    struct stat before; /* outcome.yaml as the sweep began; st_ino 0: there was none */
};

struct tessi_sweep_jobs {
    const struct tessi_sweep_plan *plan;
    struct tessi_sweep_job *job; /* by the plan's stages */
    struct tessi_sweep_row *row; /* by its variants */
    int64_t *order;              /* variants, in the order in which they are begun */
    int64_t total, done;         /* stages that were not cached at the beginning, and how many of them are */
};

#define TESSI_JOB_SETTLE (-1) /* in the place of a stage: the last job of a variant */

int tessi_sweep_jobs_new(struct tess_context *ctx, const struct tessi_sweep_plan *p, const struct tessi_sweep_settings *o,
                         struct tessi_sweep_jobs *out) TESS_CHECKED;
void tessi_sweep_jobs_free(struct tessi_sweep_jobs *j);
/* The next job, of `variant` first (-1: no preference): 1, the variant, and the index of the stage among the variant's, or
 * TESSI_JOB_SETTLE; 0: none can begin, with `memory` bytes for it (0: as many as it takes). */
int tessi_sweep_jobs_next(const struct tessi_sweep_jobs *j, int64_t variant, int64_t memory, int64_t *out_variant, int64_t *out_stage);
/* Number of stages that could begin now. */
int64_t tessi_sweep_jobs_ready(const struct tessi_sweep_jobs *j);
/* Looks at stages that others compute, whether they are there or left: 1 where there are any. */
int tessi_sweep_jobs_look(struct tessi_sweep_jobs *j);
/* Seconds until all is done, at time `now`, if this process does it: the predictions of the plan for what is left, corrected by how long
 * stages of the same component took here against theirs; where there is no prediction, as long as those took. Below 0: nothing is known of
 * a stage that is left. (time_left.c) */
double tessi_sweep_jobs_time_left(const struct tessi_sweep_jobs *j, double now);
/* Bytes of the stage while it is at work. */
int64_t tessi_sweep_jobs_memory(const struct tessi_sweep_jobs *j, int64_t variant, int64_t stage);

#endif
