/* A sweep in trouble: a full disk, output that nobody reads, Ctrl-C twice. The same command afterwards does what is left and nothing else.
 * And the time that a sweep will still take, which no clock of a test decides. SPDX-License-Identifier: MIT */
#include "tests/support/suite.h"
#include "tests/support/sweep_fixture.h"

#include "core/sweep/jobs.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The results are those of an undisturbed sweep, and the cache has nothing that is not finished. */
static void expect_whole(void)
{
    sweep_expect(command(SWEEP_COMMAND "--workdir calm"), 0);
    sweep_expect_same("calm", "wild");
    ck_assert_int_eq(sweep_left_behind(), 0);
}

/* ---- a full disk --------------------------------------------------------------------------------------------------- */

/* Nothing can be written from the start: one line, and nothing is computed. */
START_TEST(full_from_the_start)
{
    const struct command_limits limits = {.inject = "fail@write:1+"};
    const struct command_result *r = command_within(&limits, SWEEP_COMMAND "--workdir wild");
    ck_assert_msg(r->code == 74 && strstr(r->err, "the disk is full"), "%d: %s", r->code, r->err);
    ck_assert_str_eq(flow_trace(), "");
    sweep_expect(command(SWEEP_COMMAND "--workdir wild"), 0);
    sweep_expect_once(flow_trace());
}
END_TEST

/* The disk fills up on the way, at a write that is further on each time. A result that finds no room waits, and the user hears of it, with
 * the variant that it is of; a stop ends the wait. Other files fail their variants. The same command does what is left. */
START_TEST(full_on_the_way)
{
    int waited = 0, code = 1;
    for (int k = 20; code != 0 && k <= 60; k += 8) {
        char plan[60];
        snprintf(plan, sizeof plan, "fail@write:%d+,term@full:2", k);
        const struct command_limits limits = {.inject = plan};
        const struct command_result *r = command_within(&limits, SWEEP_COMMAND "--workdir wild");
        int waits =
            strstr(r->err, "No space left on device; waiting for room: make some and the work goes on, or stop it with Ctrl-C") != NULL;
        code = r->code;
        if (code == 0)
            break;
        ck_assert_msg(code == (waits ? 75 : 1) && strstr(r->err, waits ? "warning: K=4,kind=" : "the disk is full"), "%d: %d %s", k, code,
                      r->err);
        sweep_expect_told(r->err, "the same command");
        waited += waits;
    }
    ck_assert_int_ge(waited, 1);
    sweep_expect(command(SWEEP_COMMAND "-j 2 --workdir wild"), 0);
    expect_whole();
}
END_TEST

/* Somebody makes room: the work goes on as if nothing had been. */
START_TEST(full_for_a_while)
{
    const struct command_limits limits = {.inject = "fail@write:40,fail@write:41,fail@write:42"};
    (void)sweep_expect(command_within(&limits, SWEEP_COMMAND "--workdir wild"), 0);
    sweep_expect_once(flow_trace());
    expect_whole();
}
END_TEST

/* ---- stopped twice ------------------------------------------------------------------------------------------------- */

/* The second Ctrl-C ends the program and its stages where they are; what they had not finished is computed again, all else is not. */
START_TEST(ctrl_c_twice)
{
    const struct command_limits limits = {.inject = "int@report:3,int@report:4"};
    (void)sweep_expect(command_within(&limits, SWEEP_COMMAND "-j 3 --workdir wild"), -SIGINT);
    int done = flow_files("wild/runs/.cache", ".h5"), begun;
    char trace[4096];
    ck_assert_int_ge(done, 3);
    snprintf(trace, sizeof trace, "%s", flow_trace());
    begun = sweep_count(trace, "flow-make") + sweep_count(trace, "flow-add") + sweep_count(trace, "flow-slow");
    ck_assert_msg(begun >= done && begun <= done + 3, "%d of %d: %s", done, begun, trace);
    (void)sweep_expect(command(SWEEP_COMMAND "-j 3 --workdir wild"), 0);
    snprintf(trace, sizeof trace, "%s", flow_trace());
    ck_assert_int_le(sweep_count(trace, "flow-make") + sweep_count(trace, "flow-add") + sweep_count(trace, "flow-slow"), 10 - done + 1);
    expect_whole();
}
END_TEST

/* ---- nobody reads -------------------------------------------------------------------------------------------------- */

/* Progress that nobody reads keeps nothing from being computed; the table that nobody reads ends the program as it ends others. */
START_TEST(closed_pipe)
{
    ck_assert_int_eq(system("( exec 3>&1; { " TEST_PROGRAM " " SWEEP_COMMAND "--workdir wild; echo $? > code; } 2>&3 ) | true"), 0);
    for (int i = 0; i < 600 && access("code", F_OK) != 0; i++)
        usleep(50000);
    usleep(50000);
    ck_assert_str_eq(flow_read("code"), "141\n"); /* SIGPIPE */
    sweep_expect_once(flow_trace());
    sweep_expect_told(flow_read("wild/runs/group/t/K=4,kind=half,seed=2/outcome.yaml"), "outcome: done");
    expect_whole();
}
END_TEST

/* ---- the time left ------------------------------------------------------------------------------------------------- */

enum { STAGES = 5, RUNS_NOW = 3, UNKNOWN = 4 };

static struct tessi_sweep_stage stages[STAGES];
static struct tessi_sweep_job jobs[STAGES];
static struct tessi_sweep_row rows[2];

/* Two variants: stages 0 to 3 are of both, stage 4 is of the second alone. Stage 3 is at work. */
static struct tessi_sweep_jobs at_work(void)
{
    static int64_t first[STAGES - 1] = {0, 1, 2, 3}, second[STAGES] = {0, 1, 2, 3, 4};
    static struct tessi_sweep_planned variant[2] = {{.stages = STAGES - 1, .stage = first}, {.stages = STAGES, .stage = second}};
    static const struct tessi_sweep sweep = {.variants = 2};
    static struct tessi_sweep_plan plan = {.sweep = &sweep, .stages = STAGES, .stage = stages, .variant = variant};
    static const char *const use[STAGES] = {"import", "train", "train", "train", "measure"};
    static const double seconds[STAGES] = {1, 100, 200, 50, 7};
    memset(rows, 0, sizeof rows);
    for (int i = 0; i < STAGES; i++) {
        stages[i] = (struct tessi_sweep_stage){.use = (char *)use[i], .seconds = seconds[i]};
        jobs[i] = (struct tessi_sweep_job){.state = TESSI_JOB_WAITS};
    }
    jobs[RUNS_NOW] = (struct tessi_sweep_job){.state = TESSI_JOB_RUNS, .began = 1000, .share = 1};
    return (struct tessi_sweep_jobs){.plan = &plan, .job = jobs, .row = rows};
}

static void expect_left(const struct tessi_sweep_jobs *j, double now, double wanted)
{
    double found = tessi_sweep_jobs_time_left(j, now);
    ck_assert_msg(fabs(found - wanted) < 1e-9, "wanted %g, found %g", wanted, found);
}

START_TEST(time_left)
{
    const struct tessi_sweep_jobs j = at_work();
    expect_left(&j, 1010, 1 + 100 + 200 + (50 - 10) + 7);
    expect_left(&j, 1060, 1 + 100 + 200 + 0 + 7); /* longer than predicted, and nearly done */
    jobs[RUNS_NOW].share = 0.5;                   /* beside another, with half of the threads */
    expect_left(&j, 1010, 1 + 100 + 200 + (50 - 5) + 7);
    jobs[1] = (struct tessi_sweep_job){.state = TESSI_JOB_DONE, .seconds = 300, .share = 0.5}; /* 150 alone, where 100 were predicted */
    expect_left(&j, 1010, 1 + 1.5 * 200 + (1.5 * 50 - 5) + 7);
    jobs[2].state = TESSI_JOB_BUSY; /* another process is at it */
    expect_left(&j, 1010, 1 + (1.5 * 50 - 5) + 7);
    rows[1].outcome = TESSI_SWEEP_FAILED; /* nobody wants the last one any more */
    expect_left(&j, 1010, 1 + (1.5 * 50 - 5));
}
END_TEST

/* A stage that was never predicted takes as long as others of its component did here; before there is one, no time is told. */
START_TEST(time_not_known)
{
    const struct tessi_sweep_jobs j = at_work();
    stages[UNKNOWN].seconds = stages[2].seconds = -1;
    ck_assert(tessi_sweep_jobs_time_left(&j, 1000) < 0);
    rows[1].outcome = TESSI_SWEEP_FAILED; /* the measurement is nobody's */
    ck_assert(tessi_sweep_jobs_time_left(&j, 1000) < 0);
    jobs[1] = (struct tessi_sweep_job){.state = TESSI_JOB_DONE, .seconds = 80, .share = 1};
    expect_left(&j, 1000, 1 + 80 + 0.8 * 50);
    jobs[1].seconds = 0; /* was in the cache after all: tells nothing */
    ck_assert(tessi_sweep_jobs_time_left(&j, 1000) < 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sweep trouble");
    TCase *t = tcase_create("trouble");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, sweep_start, flow_end);
    tcase_add_test(t, full_from_the_start);
    tcase_add_test(t, full_on_the_way);
    tcase_add_test(t, full_for_a_while);
    tcase_add_test(t, ctrl_c_twice);
    tcase_add_test(t, closed_pipe);
    suite_add_tcase(s, t);
    t = tcase_create("time");
    tcase_add_test(t, time_left);
    tcase_add_test(t, time_not_known);
    suite_add_tcase(s, t);
    return suite_run(s);
}
