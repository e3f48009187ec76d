/* Time left of a sweep, as predicted. A count of stages tells little: an import takes a second and the training behind it an hour.
 *
 * Seconds here are those of the whole machine: a stage with half of the threads takes twice as long, beside another that does so too.
 * SPDX-License-Identifier: MIT */
#include "core/sweep/jobs.h"

#include <string.h>

/* Stages of one component that were computed here: how many, their time, and of those with a prediction time and prediction. */
struct time_seen {
    int64_t n;
    double seconds, taken, predicted;
};

static struct time_seen time_seen_of(const struct tessi_sweep_jobs *j, const char *use)
{
    struct time_seen seen = {0};
    for (int64_t i = 0; i < j->plan->stages; i++) {
        const struct tessi_sweep_stage *s = &j->plan->stage[i];
        const struct tessi_sweep_job *job = &j->job[i];
        if (job->state != TESSI_JOB_DONE || job->seconds <= 0 || strcmp(s->use, use) != 0)
            continue;
        seen.n++;
        seen.seconds += job->seconds * job->share;
        if (s->seconds > 0) {
            seen.taken += job->seconds * job->share;
            seen.predicted += s->seconds;
        }
    }
    return seen;
}

/* Seconds of a whole stage; below 0: not known. */
static double time_of(const struct tessi_sweep_jobs *j, int64_t stage)
{
    const struct tessi_sweep_stage *s = &j->plan->stage[stage];
    const struct time_seen seen = time_seen_of(j, s->use);
    if (s->seconds >= 0)
        return seen.predicted > 0 ? s->seconds * seen.taken / seen.predicted : s->seconds;
    return seen.n ? seen.seconds / (double)seen.n : -1;
}

/* 1 where a variant that is not at its end has the stage. */
static int time_is_wanted(const struct tessi_sweep_jobs *j, int64_t stage)
{
    for (int64_t v = 0; v < j->plan->sweep->variants; v++)
        for (int64_t i = 0; j->row[v].outcome == TESSI_SWEEP_NOT_RUN && i < j->plan->variant[v].stages; i++)
            if (j->plan->variant[v].stage[i] == stage)
                return 1;
    return 0;
}

double tessi_sweep_jobs_time_left(const struct tessi_sweep_jobs *j, double now)
{
    double left = 0;
    for (int64_t i = 0; i < j->plan->stages; i++) {
        const struct tessi_sweep_job *job = &j->job[i];
        if ((job->state != TESSI_JOB_WAITS && job->state != TESSI_JOB_RUNS) || !time_is_wanted(j, i))
            continue;
        double seconds = time_of(j, i);
        if (seconds < 0)
            return -1;
        double done = job->state == TESSI_JOB_RUNS ? (now - job->began) * job->share : 0;
        left += seconds > done ? seconds - done : 0;
    }
    return left;
}
