/* Progress lines and remarks of a running sweep. SPDX-License-Identifier: MIT */
#ifndef TESSI_SWEEP_TELL_H
#define TESSI_SWEEP_TELL_H

#include "core/sweep/jobs.h"
#include "core/sweep/runner.h"

struct tessi_sweep_tally {
    int64_t variants, done, failed; /* variants */
    int64_t total, computed;        /* distinct stages, and those that were computed now */
};

/* "12/41  tokenizer  12.3 s  K=64,seed=1 and 8 more". */
void tessi_sweep_tell_done(struct tessi_log *log, const struct tessi_sweep_jobs *j, int64_t variant, int64_t stage,
                           const struct tessi_sweep_report *r);
/* `n` variants failed for one reason; `first`: the first of them, -1 where all had failed before. */
void tessi_sweep_tell_failed(struct tessi_log *log, const struct tessi_sweep_plan *p, int64_t first, int64_t n, const char *reason);
void tessi_sweep_tell_stopping(struct tessi_log *log, int running);
void tessi_sweep_tell_end(struct tessi_log *log, const struct tessi_sweep_plan *p, const struct tessi_sweep_jobs *j,
                          const struct tessi_sweep_tally *t);

#endif
