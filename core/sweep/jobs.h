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
/* Bytes of the stage while it is at work. */
int64_t tessi_sweep_jobs_memory(const struct tessi_sweep_jobs *j, int64_t variant, int64_t stage);

#endif
