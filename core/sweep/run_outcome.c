/* Outcomes of a sweep's variants: those of this process, and failures that another one found. SPDX-License-Identifier: MIT */
#include "core/sweep/run_private.h"

#include "core/base/context.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Seconds that this process spent on the variant's stages. */
static double run_seconds(const struct run *r, int64_t v)
{
    double seconds = 0;
    for (int64_t i = 0; i < r->plan->variant[v].stages; i++)
        seconds += r->jobs.job[r->plan->variant[v].stage[i]].seconds;
    return seconds;
}

void tessi_sweep_run_outcome(struct run *r, int64_t v, int outcome, const char *stage, const char *reason)
{
    struct tessi_sweep_outcome o = {.outcome = outcome, .seconds = run_seconds(r, v)}, before;
    char folder[4200];
    struct tessi_context own;
    tessi_base_context_init(&own, NULL);
    r->jobs.row[v].outcome = outcome;
    (void)snprintf(folder, sizeof folder, "%s/%s", r->plan->sweep->folder, r->plan->sweep->variant[v].name);
    (void)snprintf(o.stage, sizeof o.stage, "%s", stage);
    (void)snprintf(o.reason, sizeof o.reason, "%s", reason);
    for (char *at = o.reason; *at; at++)
        *at = *at == '\n' ? ' ' : *at;
    if (outcome == TESSI_SWEEP_DONE && o.seconds <= 0 && tessi_sweep_outcome_read(&own.context, folder, &before) == TESS_OK &&
        before.outcome == TESSI_SWEEP_DONE)
        return; /* nothing of it was computed now */
    tessi_base_context_init(&own, NULL);
    if (tessi_sweep_outcome_write(&own.context, folder, &o) != TESS_OK)
        tessi_base_log_warn(r->settings->log, "%s", tessi_base_context_message(&own.context));
}

const char *tessi_sweep_run_stage_name(const struct run *r, int64_t v, int64_t stage)
{
    return stage == TESSI_JOB_SETTLE ? "" : r->plan->stage[r->plan->variant[v].stage[stage]].name;
}

void tessi_sweep_run_end(struct run *r)
{
    r->ending = 1;
    for (int i = 0; i < MAX_SLOTS; i++)
        if (r->child[i].pid)
            (void)kill(r->child[i].pid, SIGTERM);
}

void tessi_sweep_run_fail(struct run *r, int64_t stage, const char *reason)
{
    int64_t first = -1, n = 0;
    r->jobs.job[stage].state = TESSI_JOB_FAILED;
    for (int64_t v = 0; v < r->plan->sweep->variants; v++) {
        int has = 0;
        for (int64_t i = 0; i < r->plan->variant[v].stages; i++)
            has |= r->plan->variant[v].stage[i] == stage;
        if (!has || r->jobs.row[v].outcome != TESSI_SWEEP_NOT_RUN)
            continue;
        tessi_sweep_run_outcome(r, v, TESSI_SWEEP_FAILED, r->plan->stage[stage].name, reason);
        first = first < 0 ? v : first;
        n++;
    }
    r->tally.failed += n;
    tessi_sweep_tell_failed(r->settings->log, r->plan, first, n, reason);
    if (r->settings->fail_fast)
        tessi_sweep_run_end(r);
}

void tessi_sweep_run_fail_variant(struct run *r, int64_t v, const char *stage, const char *reason)
{
    tessi_sweep_run_outcome(r, v, TESSI_SWEEP_FAILED, stage, reason);
    r->tally.failed++;
    tessi_sweep_tell_failed(r->settings->log, r->plan, v, 1, reason);
    if (r->settings->fail_fast)
        tessi_sweep_run_end(r);
}

int tessi_sweep_run_failed_elsewhere(struct run *r, int64_t v)
{
    char path[4400];
    struct stat now;
    const struct stat *before = &r->jobs.row[v].before;
    struct tessi_sweep_outcome o;
    struct tessi_context own;
    tessi_base_context_init(&own, NULL);
    (void)snprintf(path, sizeof path, "%s/outcome.yaml", r->plan->variant[v].folder);
    if (stat(path, &now) != 0 ||
        (now.st_ino == before->st_ino && now.st_mtim.tv_sec == before->st_mtim.tv_sec && now.st_mtim.tv_nsec == before->st_mtim.tv_nsec))
        return 0;
    if (tessi_sweep_outcome_read(&own.context, r->plan->variant[v].folder, &o) != TESS_OK || o.outcome != TESSI_SWEEP_FAILED)
        return 0;
    for (int64_t i = 0; i < r->plan->variant[v].stages; i++) {
        int64_t stage = r->plan->variant[v].stage[i];
        if (strcmp(tessi_sweep_run_stage_name(r, v, i), o.stage) == 0 && r->jobs.job[stage].state != TESSI_JOB_DONE) {
            tessi_sweep_run_fail(r, stage, o.reason);
            return 1;
        }
    }
    return 0;
}
