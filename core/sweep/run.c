/* The loop of a sweep: begin what can begin, hear what has ended, until nothing is left.
 *
 * A child stays with its variant as long as that has a stage to run, so a pipeline is opened about once a variant. Threads are divided
 * among the stages that begin together; one that begins alone has them all. A stop is passed on to the children, which leave checkpoints;
 * one that dies takes nothing with it but the stage it was at.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/run_private.h"

#include "core/base/clock.h"
#include "core/base/context.h"
#include "core/base/inject.h"
#include "core/base/memory.h"
#include "core/base/progress_line.h"
#include "core/base/text.h"
#include "core/base/workers.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_MS 200 /* between two looks at what others compute */

/* ---- beginning ----------------------------------------------------------------------------------------------------- */

static int run_count(const struct run *r)
{
    int n = 0;
    for (int i = 0; i < MAX_SLOTS; i++)
        n += r->child[i].pid != 0;
    return n;
}

static int64_t run_memory_left(const struct run *r)
{
    int64_t used = 0;
    for (int i = 0; i < MAX_SLOTS; i++)
        used += r->child[i].pid ? r->slot[i].memory : 0;
    return r->memory > used ? r->memory - used : 1;
}

/* Threads for a stage that begins now: those that are free, divided among the stages that can begin beside it. */
static int run_threads(const struct run *r)
{
    int free_threads = r->threads, running = run_count(r);
    for (int i = 0; i < MAX_SLOTS; i++)
        free_threads -= r->child[i].pid ? r->slot[i].threads : 0;
    int64_t beside = tessi_sweep_jobs_ready(&r->jobs), slots = r->settings->jobs - running;
    beside = beside < slots ? beside : slots;
    int share = beside > 1 ? free_threads / (int)beside : free_threads;
    return share > 1 ? share : 1;
}

/* The next job: with nothing at work one of any size, else one that memory is left for. */
static int run_next(struct run *r, int64_t prefer, int64_t *v, int64_t *stage)
{
    int alone = run_count(r) == 0;
    while (!r->ending) {
        if (!tessi_sweep_jobs_next(&r->jobs, prefer, run_memory_left(r), v, stage) &&
            !(alone && tessi_sweep_jobs_next(&r->jobs, prefer, 0, v, stage)))
            return 0;
        if (*stage == TESSI_JOB_SETTLE || !tessi_sweep_run_failed_elsewhere(r, *v))
            return 1;
    }
    return 0;
}

/* The part of the threads at work that the child has. */
static double run_share(const struct run *r, int i)
{
    int all = 0;
    for (int k = 0; k < MAX_SLOTS; k++)
        all += r->child[k].pid ? r->slot[k].threads : 0;
    return all > 0 ? (double)r->slot[i].threads / (double)all : 1;
}

static void run_mark(struct run *r, int i, int64_t v, int64_t stage)
{
    r->slot[i].variant = v;
    r->slot[i].stage = stage;
    r->slot[i].memory = tessi_sweep_jobs_memory(&r->jobs, v, stage);
    if (stage == TESSI_JOB_SETTLE)
        r->jobs.row[v].settling = 1;
    if (stage == TESSI_JOB_SETTLE)
        return;
    struct tessi_sweep_job *job = &r->jobs.job[r->plan->variant[v].stage[stage]];
    job->state = TESSI_JOB_RUNS;
    job->began = tessi_base_seconds();
    job->share = run_share(r, i);
}

static void run_tell(struct run *r, int i)
{
    int64_t stage = r->slot[i].stage;
    (void)tessi_sweep_child_tell(&r->child[i], stage == TESSI_JOB_SETTLE ? TESSI_RUNNER_SETTLE : stage + 1);
}

static int run_begin(struct run *r, int64_t v, int64_t stage)
{
    int i = 0;
    while (r->child[i].pid)
        i++;
    struct tessi_sweep_runner runner = {
        .sweep = r->plan->sweep, .settings = r->settings, .variant = v, .threads = stage == TESSI_JOB_SETTLE ? 1 : run_threads(r)};
    TESS_TRY(tessi_sweep_runner_start(r->ctx, &runner, r->child, MAX_SLOTS, &r->child[i]));
    tessi_base_signals_child(r->child[i].pid, 1);
    r->slot[i].threads = runner.threads;
    run_mark(r, i, v, stage);
    run_tell(r, i);
    return TESS_OK;
}

static int run_fill(struct run *r)
{
    int64_t v, stage;
    while (run_count(r) < r->settings->jobs && run_next(r, -1, &v, &stage))
        TESS_TRY(run_begin(r, v, stage));
    return TESS_OK;
}

/* ---- hearing ------------------------------------------------------------------------------------------------------- */

static void run_close(struct run *r, int i, char *how, size_t capacity)
{
    tessi_base_signals_child(r->child[i].pid, 0);
    tessi_sweep_child_end(&r->child[i], how, capacity);
}

/* Gives the child another job of its variant, or lets it end. */
static void run_go_on(struct run *r, int i)
{
    char how[400];
    int64_t v, stage, variant = r->slot[i].variant;
    int threads = r->slot[i].threads;
    r->slot[i].memory = 0;
    r->slot[i].threads = 0;
    int found = run_next(r, variant, &v, &stage) && v == variant && (stage == TESSI_JOB_SETTLE || run_threads(r) <= threads);
    if (found) {
        r->slot[i].threads = threads;
        run_mark(r, i, v, stage);
        run_tell(r, i);
        return;
    }
    (void)tessi_sweep_child_tell(&r->child[i], 0);
    run_close(r, i, how, sizeof how);
}

static int run_busy(struct run *r, int64_t stage, const struct tessi_sweep_report *report)
{
    struct tessi_sweep_job *job = &r->jobs.job[stage];
    void *memory;
    size_t length = strlen(report->cached) + 1;
    tess_free(job->cached);
    job->cached = NULL;
    TESS_TRY(tess_alloc(r->ctx, length, "a path", &memory));
    job->cached = memcpy(memory, report->cached, length);
    job->state = TESSI_JOB_BUSY;
    if (!job->told++)
        tessi_base_log_note(r->settings->log, "%s: %s computes this; it is taken when it is there", report->stage, report->busy);
    return TESS_OK;
}

static int run_heard_stage(struct run *r, int i, const struct tessi_sweep_report *report)
{
    int64_t v = r->slot[i].variant, stage = r->plan->variant[v].stage[r->slot[i].stage];
    struct tessi_sweep_job *job = &r->jobs.job[stage];
    if (report->status == TESS_E_STOPPED) {
        job->state = TESSI_JOB_WAITS;
        tessi_sweep_run_outcome(r, v, TESSI_SWEEP_STOPPED, report->stage, report->message);
        r->stopped = 1;
        tessi_sweep_run_end(r);
    } else if (report->status != TESS_OK) {
        tessi_sweep_run_fail(r, stage, report->message);
    } else if (*report->busy) {
        return run_busy(r, stage, report);
    } else {
        job->state = TESSI_JOB_DONE;
        job->seconds = report->computed ? report->seconds : 0;
        r->jobs.done++;
        r->tally.computed += report->computed;
        tessi_sweep_tell_done(r->settings->log, &r->jobs, v, stage, report);
    }
    return TESS_OK;
}

static void run_heard_settled(struct run *r, int i, const struct tessi_sweep_report *report)
{
    int64_t v = r->slot[i].variant;
    r->jobs.row[v].settling = 0;
    if (report->status == TESS_OK) {
        tessi_sweep_run_outcome(r, v, TESSI_SWEEP_DONE, "", "");
    } else if (report->status == TESS_E_STOPPED) {
        r->stopped = 1;
        tessi_sweep_run_end(r);
    } else {
        tessi_sweep_run_fail_variant(r, v, report->stage, report->message);
    }
}

/* A child that ended by itself. */
static void run_lost(struct run *r, int i)
{
    char how[400], reason[600];
    int64_t v = r->slot[i].variant, stage = r->slot[i].stage;
    run_close(r, i, how, sizeof how);
    (void)snprintf(reason, sizeof reason, "%s%s%s%s", stage == TESSI_JOB_SETTLE ? "" : "stage `", tessi_sweep_run_stage_name(r, v, stage),
                   stage == TESSI_JOB_SETTLE ? "" : "`: ", *how ? how : "its process ended");
    r->jobs.row[v].settling = 0;
    if (stage == TESSI_JOB_SETTLE)
        tessi_sweep_run_fail_variant(r, v, "", reason);
    else if (r->ending && r->stopped)
        r->jobs.job[r->plan->variant[v].stage[stage]].state = TESSI_JOB_WAITS;
    else
        tessi_sweep_run_fail(r, r->plan->variant[v].stage[stage], reason);
}

/* Stages at work here, each with its time so far. */
static void run_parts(const struct run *r, double now, char *text, size_t capacity)
{
    text[0] = '\0';
    for (int i = 0; i < MAX_SLOTS; i++) {
        int64_t v = r->slot[i].variant, stage = r->slot[i].stage;
        if (!r->child[i].pid || stage == TESSI_JOB_SETTLE)
            continue;
        const struct tessi_sweep_job *job = &r->jobs.job[r->plan->variant[v].stage[stage]];
        char clock[40];
        if (job->state != TESSI_JOB_RUNS)
            continue;
        tessi_base_duration_text(now - job->began, clock, sizeof clock);
        tessi_base_add(text, capacity, "%s%s %s", *text ? ", " : "", tessi_sweep_run_stage_name(r, v, stage), clock);
    }
}

static void run_progress(struct run *r)
{
    char parts[120];
    const double now = tessi_base_seconds();
    run_parts(r, now, parts, sizeof parts);
    tessi_base_progress_parts(r->settings->log, parts);
    tessi_base_progress_left(r->settings->log, tessi_sweep_jobs_time_left(&r->jobs, now));
    tessi_base_progress(r->settings->log, r->jobs.done, r->jobs.total, "stage", NULL, 0);
}

static int run_hear(struct run *r, int i)
{
    struct tessi_sweep_report report;
    int more, status = tessi_sweep_child_read(r->ctx, &r->child[i], &more);
    int heard = status == TESS_OK && tessi_sweep_runner_next(&r->child[i], &report);
    while (heard && *report.waits) { /* no answer yet */
        tessi_base_log_warn(r->settings->log, "%s: %s", r->plan->sweep->variant[r->slot[i].variant].name, report.waits);
        heard = tessi_sweep_runner_next(&r->child[i], &report);
    }
    if (heard) {
        (void)tessi_base_inject(TESSI_AT_REPORT);
        if (r->slot[i].stage == TESSI_JOB_SETTLE)
            run_heard_settled(r, i, &report);
        else
            status = run_heard_stage(r, i, &report);
        run_progress(r);
        run_go_on(r, i);
    } else if (status == TESS_OK && !more) {
        run_lost(r, i);
    }
    return status;
}

static int run_wait(struct run *r, int busy)
{
    struct pollfd from[MAX_SLOTS];
    int of[MAX_SLOTS], n = 0, status = TESS_OK;
    for (int i = 0; i < MAX_SLOTS; i++)
        if (r->child[i].pid) {
            of[n] = i;
            from[n++] = (struct pollfd){.fd = r->child[i].from, .events = POLLIN};
        }
    if (n == 0)
        (void)tessi_base_inject(TESSI_AT_WAITING);
    if (poll(from, (nfds_t)n, busy ? LOOK_MS : 1000) <= 0)
        return TESS_OK;
    for (int k = 0; k < n && status == TESS_OK; k++)
        if (from[k].revents)
            status = run_hear(r, of[k]);
    return status;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static void run_requests(struct run *r)
{
    if (tessi_base_signals_checkpoint())
        for (int i = 0; i < MAX_SLOTS; i++)
            if (r->child[i].pid)
                (void)kill(r->child[i].pid, SIGUSR1);
    if (tessi_base_signals_stopping() && !r->stopped) {
        r->stopped = 1;
        tessi_sweep_run_end(r);
        tessi_sweep_tell_stopping(r->settings->log, run_count(r));
    }
}

static int run_loop(struct run *r)
{
    int status = TESS_OK;
    for (;;) {
        int busy = tessi_sweep_jobs_look(&r->jobs);
        run_requests(r);
        if (status == TESS_OK && !r->ending)
            status = run_fill(r);
        if (run_count(r) == 0 && (r->ending || !busy || status != TESS_OK))
            return status;
        int waited = run_wait(r, busy);
        if (waited != TESS_OK) {
            status = waited;
            tessi_sweep_run_end(r);
        }
        run_progress(r);
    }
}

/* Fails the variants that cannot be planned for the same reason as `first`, told in one line. */
static void run_unplanned(struct run *r, int64_t first)
{
    const char *reason = r->plan->variant[first].message;
    int64_t n = 0;
    for (int64_t v = first; v < r->plan->sweep->variants; v++)
        if (r->jobs.row[v].outcome == TESSI_SWEEP_NOT_RUN && strcmp(r->plan->variant[v].message, reason) == 0) {
            tessi_sweep_run_outcome(r, v, TESSI_SWEEP_FAILED, "", reason);
            n++;
        }
    r->tally.failed += n;
    tessi_sweep_tell_failed(r->settings->log, r->plan, first, n, reason);
    if (r->settings->fail_fast)
        tessi_sweep_run_end(r);
}

/* Rows that need no work: settled ones, and those that cannot be planned. */
static void run_rows(struct run *r)
{
    for (int64_t v = 0; v < r->plan->sweep->variants; v++) {
        if (r->plan->variant[v].settled)
            tessi_sweep_run_outcome(r, v, TESSI_SWEEP_DONE, "", "");
        else if (r->plan->variant[v].status != TESS_OK && r->jobs.row[v].outcome == TESSI_SWEEP_NOT_RUN)
            run_unplanned(r, v);
    }
}

static int run_ended(struct run *r, int status)
{
    r->tally.variants = r->plan->sweep->variants;
    r->tally.total = r->plan->stages;
    for (int64_t v = 0; v < r->tally.variants; v++)
        r->tally.done += r->jobs.row[v].outcome == TESSI_SWEEP_DONE;
    const struct tessi_sweep_tally *t = &r->tally;
    if (status != TESS_OK)
        return status;
    if (r->stopped)
        return r->ctx->fail(r->ctx, TESS_E_STOPPED, "stopped: %lld of %lld variants are done; the same command resumes", (long long)t->done,
                            (long long)t->variants);
    if (t->failed)
        return r->ctx->fail(
            r->ctx, TESS_E_FAILED, "%lld of %lld variants failed%s; the same command tries %s again, and nothing that is done",
            (long long)t->failed, (long long)t->variants,
            t->done + t->failed < t->variants ? ", and the others were left (--fail-fast)" : "", t->failed == 1 ? "it" : "them");
    return TESS_OK;
}

int tessi_sweep_run(struct tess_context *ctx, const struct tessi_sweep_plan *p, const struct tessi_sweep_settings *o)
{
    void *memory;
    TESS_TRY(tessi_sweep_write(ctx, p->sweep));
    TESS_TRY(tess_alloc(ctx, sizeof(struct run), "a sweep", &memory));
    struct run *r = memory;
    r->ctx = ctx;
    r->plan = p;
    r->settings = o;
    r->threads = o->threads > 0 ? o->threads : tessi_base_processors();
    r->memory = o->memory > 0 ? o->memory : tessi_base_memory_available() / 10 * 9;
    tessi_base_inject_share();
    int status = tessi_sweep_jobs_new(ctx, p, o, &r->jobs);
    if (status == TESS_OK) {
        run_rows(r);
        if (r->jobs.total)
            tessi_base_progress_start(o->log, "sweep");
        status = run_loop(r);
        tessi_base_progress_end(o->log);
        status = run_ended(r, status);
        tessi_sweep_tell_end(o->log, p, &r->jobs, &r->tally);
    }
    tessi_sweep_jobs_free(&r->jobs);
    tess_free(r);
    return status;
}
