/* A child that runs stages of one variant, one at a time, as it is told. SPDX-License-Identifier: MIT */
#ifndef TESSI_SWEEP_RUNNER_H
#define TESSI_SWEEP_RUNNER_H

#include "core/sweep/process.h"
#include "core/sweep/run.h"

/* Request to a runner: a stage's index from 1, TESSI_RUNNER_SETTLE, or 0 at the end. */
#define TESSI_RUNNER_SETTLE (-1)

struct tessi_sweep_runner {
    const struct tessi_sweep *sweep;
    const struct tessi_sweep_settings *settings;
    int64_t variant;
    int threads;
};

/* Answer of a runner to a request. */
struct tessi_sweep_report {
    int64_t told;
    int status;
    int computed; /* 1: the stage was computed; 0: it was in the cache */
    double seconds;
    const char *message, *warning;
    const char *stage;  /* stage that the message is about; "" */
    const char *busy;   /* process that computes the stage, which was left for that; "": none */
    const char *cached; /* path of its result, while it is busy */
    const char *waits;  /* message of a stage that waits for room on the disk and is not at its end: no answer; "" */
};

int tessi_sweep_runner_start(struct tess_context *ctx, struct tessi_sweep_runner *r, const struct tessi_sweep_child *others, int64_t n,
                             struct tessi_sweep_child *out) TESS_CHECKED;
/* Takes the runner's next report; 0: there is none yet. Its texts are valid until the next call. */
int tessi_sweep_runner_next(struct tessi_sweep_child *c, struct tessi_sweep_report *out);

#endif
