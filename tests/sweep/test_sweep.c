/* Sweeps run by the program: each distinct stage is computed once, whatever fails, crashes, is stopped or killed, and whoever runs the same
 * sweep beside it. The stages are the small ones of tests/flow, which leave a line for each execution.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/suite.h"
#include "tests/support/sweep_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- once ---------------------------------------------------------------------------------------------------------- */

START_TEST(each_stage_once)
{
    const struct command_result *r = sweep_expect(command(SWEEP_COMMAND "-j %d", 2 * _i + 1), 0);
    sweep_expect_once(flow_trace());
    sweep_expect_told(r->err, "10/10");
    sweep_expect_told(r->err, "4 of 4 variants done, 0 failed; 10 stages computed, 0 cached");
    sweep_expect_told(r->out, "group/t: 2 variants x 2 seeds (1, 2)");
    sweep_expect_told(flow_read("runs/group/t/K=4,kind=half,seed=2/outcome.yaml"), "outcome: done");
    sweep_expect_told(flow_read("runs/group/t/K=4,kind=half,seed=2/resolved.yaml"), "name: \"group/t/K=4,kind=half,seed=2\"");
    ck_assert_int_eq(flow_files("runs/group/t/K=4,kind=half,seed=2", ".h5"), 4);
    ck_assert_int_eq(flow_files("runs/group/t/K=4,kind=half,seed=2", ".png"), 1);
    /* Again: nothing to do; and a result or a picture that is gone from a folder is put back, without computing. */
    r = sweep_expect(command(SWEEP_COMMAND), 0);
    sweep_expect_told(r->err, "nothing to do: 4 variants, 10 stages cached");
    ck_assert_int_eq(unlink("runs/group/t/K=4,kind=half,seed=2/sum.h5"), 0);
    ck_assert_int_eq(unlink("runs/group/t/K=4,kind=half,seed=2/sum.dots.png"), 0);
    (void)sweep_expect(command(SWEEP_COMMAND), 0);
    ck_assert_int_eq(flow_files("runs/group/t/K=4,kind=half,seed=2", ".h5"), 4);
    ck_assert_int_eq(flow_files("runs/group/t/K=4,kind=half,seed=2", ".png"), 1);
    ck_assert_str_eq(flow_trace(), "");
}
END_TEST

/* The record of a finished sweep saves planning it again, and is not believed where anything differs: a file's bytes, whatever its times
 * say, a source, the pipeline. */
START_TEST(settled)
{
    struct stat before;
    static char head[65536];
    flow_write("data", "one");
    flow_write("p.yaml", "tessera: 1\nname: group/t\nstages:\n  one: {use: flow-make, file: data}\n"
                         "sweep: {axes: {one.scale: [1, 2]}}\n");
    (void)sweep_expect(command(SWEEP_COMMAND), 0);
    ck_assert_int_eq(sweep_count(flow_read("runs/group/t/.settled"), "\nfile "), 1 + 2 * 4);
    (void)sweep_expect(command_within(&(const struct command_limits){.inject = "fail@write:1+"}, SWEEP_COMMAND),
                       0); /* nothing is written */
    ck_assert_int_eq(sweep_count(flow_trace(), "flow-make"), 2);
    flow_write("data", "two");
    (void)sweep_expect(command(SWEEP_COMMAND), 0);
    ck_assert_int_eq(sweep_count(flow_trace(), "flow-make"), 2);
    (void)sweep_expect(command(SWEEP_COMMAND "one.count=5"), 0);
    ck_assert_int_eq(sweep_count(flow_trace(), "flow-make"), 2);
    (void)sweep_expect(command(SWEEP_COMMAND), 0);
    ck_assert_str_eq(flow_trace(), "");
    (void)sweep_expect(command(SWEEP_COMMAND), 0);
    int fd = open("runs/group/t/one.scale=2/one.h5", O_RDWR);
    ck_assert_int_eq(fstat(fd, &before), 0);
    ssize_t damaged = before.st_size - before.st_size / 4; /* all but the head, wherever the values lie */
    ck_assert_int_le(damaged, (ssize_t)sizeof head);
    memset(head, 7, sizeof head);
    ck_assert_int_eq(pwrite(fd, head, (size_t)damaged, before.st_size / 4), damaged);
    ck_assert_int_eq(futimens(fd, (const struct timespec[]){before.st_atim, before.st_mtim}), 0);
    close(fd);
    sweep_expect_told(sweep_expect(command(SWEEP_COMMAND), 1)->err, "failed: one.scale=2: ");
}
END_TEST

START_TEST(a_dry_run)
{
    const struct command_result *r = sweep_expect(command(SWEEP_COMMAND "-n"), 0);
    sweep_expect_told(r->out, "4 variants, 16 stages, of which 10 differ: 10 to run, 0 cached");
    sweep_expect_told(r->out, "K=4,kind=half,seed=1        0       1  3");
    ck_assert_int_ne(access("runs", F_OK), 0);
    (void)sweep_expect(command(SWEEP_COMMAND "seed=1 kind=plain"), 0);
    (void)flow_trace();
    r = sweep_expect(command(SWEEP_COMMAND "-n --json"), 0);
    ck_assert_int_eq(sweep_count(r->out, "\"cached\":true"), 4 + 3);
    ck_assert_str_eq(flow_trace(), "");
}
END_TEST

/* Variants that a dry run leaves out, and the reasons, as lines and as JSON. */
START_TEST(a_dry_run_of_fewer)
{
    const struct command_result *r = sweep_expect(command(SWEEP_COMMAND "-n one.chatter=1,2 --exclude K=4,seed=1"), 0);
    sweep_expect_told(r->out, "excluded: ");
    sweep_expect_told(r->out, "the same as another: ");
    r = sweep_expect(command(SWEEP_COMMAND "-n --json one.chatter=1,2 --exclude K=4,seed=1"), 0);
    sweep_expect_told(r->out, "\"excluded\":[\"K=4,kind=plain,seed=1,one.chatter=1\",\"K=4,kind=plain,seed=1,one.chatter=2\",");
    sweep_expect_told(r->out, "{\"variant\":\"K=4,kind=plain,seed=2,one.chatter=2\",\"of\":\"K=4,kind=plain,seed=2,one.chatter=1\"}");
    ck_assert_int_ne(access("runs", F_OK), 0);
}
END_TEST

/* Results of a run serve the sweep, and the reverse; a run of the file alone is a run of its base, and says so. */
START_TEST(runs_and_sweeps)
{
    const struct command_result *r =
        sweep_expect(command("run p.yaml --plugin-path " TEST_FLOW_PLUGINS " --backend flow-one name=base seed=1"), 0);
    sweep_expect_told(r->err, "`tessera sweep p.yaml`");
    ck_assert_int_eq(sweep_count(flow_trace(), "flow"), 4);
    (void)sweep_expect(command(SWEEP_COMMAND "kind=plain"), 0);
    ck_assert_int_eq(sweep_count(flow_trace(), "flow"), 4);
    r = command("run p.yaml K=4,5 --plugin-path " TEST_FLOW_PLUGINS " --backend flow-one");
    sweep_expect_told(sweep_expect(r, 2)->err, "`K=4,5` has several values, which `tessera sweep p.yaml K=4,5` runs");
}
END_TEST

START_TEST(duplicates)
{
    const struct command_result *r = sweep_expect(command(SWEEP_COMMAND "one.chatter=1,2"), 0);
    sweep_expect_once(flow_trace());
    sweep_expect_told(r->err, "the axis `one.chatter` changes nothing");
    sweep_expect_told(
        r->err, "K=4,kind=plain,seed=1,one.chatter=2 is the same as K=4,kind=plain,seed=1,one.chatter=1 in all stages; it is run once");
    ck_assert_int_eq(sweep_count(flow_read("runs/group/t/sweep.yaml"), ", of: "), 4);
}
END_TEST

/* ---- failures ------------------------------------------------------------------------------------------------------ */

START_TEST(a_variant_that_fails)
{
    const struct command_result *r = sweep_expect(command(SWEEP_COMMAND "K=4,13 --exclude kind=half,K=13"), 1);
    sweep_expect_told(r->err, "failed: K=13,kind=plain,seed=1 and 1 more: ");
    sweep_expect_told(r->err, "stage `one`: 13 does not fit");
    sweep_expect_told(r->err, "2 of 6 variants failed");
    sweep_expect_told(flow_read("runs/group/t/K=4,kind=half,seed=2/outcome.yaml"), "outcome: done");
    sweep_expect_told(flow_read("runs/group/t/K=13,kind=plain,seed=1/outcome.yaml"), "outcome: failed\nreason: ");
    ck_assert_int_eq(sweep_count(flow_trace(), "flow-add"), 4);
}
END_TEST

static const char lying[] = "tessera: 1\nname: group/t\nstages:\n"
                            "  one: {use: flow-make}\n"
                            "  walk: {use: flow-slow, in: {a: one}, steps: 30}\n"
                            "  lie: {use: flow-liar}\n"
                            "sweep: {axes: {which: {good: {lie: null}, bad: {walk: null}}, seed: [1, 2]}}\n";

START_TEST(a_stage_that_fails)
{
    flow_write("p.yaml", lying);
    const struct command_result *r = sweep_expect(command(SWEEP_COMMAND), 1);
    sweep_expect_told(r->err, "failed: which=bad,seed=1: ");
    sweep_expect_told(r->err, "the attribute `height` is not what was planned");
    sweep_expect_told(flow_read("runs/group/t/which=good,seed=2/outcome.yaml"), "outcome: done");
    sweep_expect_told(flow_read("runs/group/t/which=bad,seed=2/outcome.yaml"), "stage: lie\n");
    (void)flow_trace();
    r = sweep_expect(command(SWEEP_COMMAND), 1); /* again: what failed is tried, and nothing else */
    ck_assert_str_eq(flow_trace(), "");
    r = sweep_expect(command(SWEEP_COMMAND "which=bad,good --fail-fast --workdir fast"), 1);
    sweep_expect_told(r->err, "and the others were left (--fail-fast)");
    ck_assert_int_lt(sweep_count(flow_trace(), "flow-slow"), 2);
}
END_TEST

START_TEST(a_variant_that_crashes)
{
    const struct command_result *r = NULL;
    ck_assert_int_eq(setenv("FLOW_KILL_AT", "30", 1), 0);
    r = sweep_expect(command(SWEEP_COMMAND "walk.steps=29,30 kind=plain -j 2"), 1);
    ck_assert_int_eq(unsetenv("FLOW_KILL_AT"), 0);
    sweep_expect_told(r->err, "stage `walk`: its process was killed by signal 9");
    sweep_expect_told(r->err, "2 of 4 variants failed");
    sweep_expect_told(flow_read("runs/group/t/K=4,kind=plain,seed=2,walk.steps=29/outcome.yaml"), "outcome: done");
    sweep_expect_told(flow_read("runs/group/t/K=4,kind=plain,seed=2,walk.steps=30/outcome.yaml"), "stage: walk\n");
    (void)sweep_expect(command(SWEEP_COMMAND "walk.steps=29,30 kind=plain"), 0);
}
END_TEST

/* ---- stopped and killed -------------------------------------------------------------------------------------------- */

static const struct {
    const char *inject;
    int code;
} stops[] = {{"int@report:3", -SIGINT}, {"term@report:5", 75}, {"hup@report:4", 75}};

/* Stopped by a signal to the parent: its children stop at checkpoints, and the same command goes on from there. */
START_TEST(stopped)
{
    const struct command_limits limits = {.inject = stops[_i].inject};
    const struct command_result *r = sweep_expect(command_within(&limits, SWEEP_COMMAND "-j 3 --workdir wild"), stops[_i].code);
    sweep_expect_told(r->err, "variants are done; the same command resumes");
    (void)sweep_expect(command(SWEEP_COMMAND "-j 3 --workdir wild"), 0);
    sweep_expect_once(flow_trace());
    ck_assert_int_eq(sweep_left_behind(), 0);
}
END_TEST

/* In the middle of a stage: the child hears of it, checkpoints, and goes on at that step. */
START_TEST(stopped_in_a_stage)
{
    ck_assert_int_eq(setenv("FLOW_STOP_AT", "7", 1), 0);
    const struct command_result *r = sweep_expect(command(SWEEP_COMMAND), 75);
    ck_assert_int_eq(unsetenv("FLOW_STOP_AT"), 0);
    sweep_expect_told(r->out, "stopped in stage `walk`; the same command resumes at its checkpoint");
    sweep_expect_told(flow_read("runs/group/t/K=4,kind=plain,seed=1/outcome.yaml"), "outcome: stopped\nstage: walk\n");
    (void)sweep_expect(command(SWEEP_COMMAND), 0);
    const char *trace = flow_trace();
    sweep_expect_once(trace);
    ck_assert_int_eq(sweep_count(trace, "flow-slow from 7"), 1);
}
END_TEST

/* The parent killed at its k-th report, further on each time, until it ends. Its children end by themselves; whoever comes next may meet
 * them at the locks. */
START_TEST(killed_until_it_ends)
{
    int killed = 0, code = -SIGKILL;
    (void)sweep_expect(command(SWEEP_COMMAND "--workdir calm"), 0);
    (void)flow_trace();
    for (int k = 1; k < 60 && code != 0; k++) {
        char plan[40];
        snprintf(plan, sizeof plan, "kill@report:%d", k % 3 + 2);
        const struct command_limits limits = {.inject = plan};
        code = command_within(&limits, SWEEP_COMMAND "-j %d --workdir wild", k % 3 + 1)->code;
        ck_assert_msg(code == 0 || code == -SIGKILL, "%d", code);
        killed += code != 0;
    }
    ck_assert_int_eq(code, 0);
    ck_assert_int_ge(killed, 2);
    sweep_expect_once(flow_trace());
    sweep_expect_same("calm", "wild");
    ck_assert_int_eq(sweep_left_behind(), 0);
}
END_TEST

/* The children killed at checkpoints and writes instead: variants that fail, and are tried again by the same command. */
START_TEST(children_killed_until_it_ends)
{
    int killed = 0, code = 1;
    (void)sweep_expect(command(SWEEP_COMMAND "--workdir calm"), 0);
    for (int k = 1; k < 60 && code != 0; k++) {
        char plan[80];
        snprintf(plan, sizeof plan, "usr1@step:%d+,kill@renamed:%d", k % 7 + 1, 25 * k * k);
        const struct command_limits limits = {.inject = plan};
        code = command_within(&limits, SWEEP_COMMAND "-j 2 --workdir wild")->code;
        killed += code != 0;
    }
    ck_assert_int_eq(code, 0);
    ck_assert_int_ge(killed, 1);
    sweep_expect_same("calm", "wild");
    ck_assert_int_eq(sweep_left_behind(), 0);
}
END_TEST

/* ---- two at once --------------------------------------------------------------------------------------------------- */

static void two_at_once(const char *one, const char *two)
{
    const struct command_limits first = {.tag = "1"}, second = {.tag = "2"};
    (void)sweep_expect(command(SWEEP_COMMAND "--workdir calm"), 0);
    (void)flow_trace();
    pid_t a = command_start(one, &first), b = command_start(two, &second);
    (void)sweep_expect(command_wait_tagged(a, "1"), 0);
    (void)sweep_expect(command_wait_tagged(b, "2"), 0);
    sweep_expect_once(flow_trace());
    sweep_expect_same("calm", "wild");
    ck_assert_int_eq(sweep_left_behind(), 0);
}

START_TEST(shards)
{
    two_at_once(SWEEP_COMMAND "-j 2 --workdir wild --shard 1/2", SWEEP_COMMAND "-j 2 --workdir wild --shard 2/2");
}
END_TEST

START_TEST(the_same_twice)
{
    two_at_once(SWEEP_COMMAND "--workdir wild", SWEEP_COMMAND "-j 3 --workdir wild");
}
END_TEST

/* A stage that another process computes is passed over; when that process dies, whoever waits takes the stage. */
START_TEST(another_that_dies)
{
    const struct command_limits first = {.tag = "1", .inject = "pause@step:3"}, second = {.tag = "2", .inject = "usr1@waiting:2"};
    pid_t a =
        command_start("run p.yaml -q --plugin-path " TEST_FLOW_PLUGINS " --backend flow-one --workdir wild seed=1 name=other", &first);
    command_paused(a);
    pid_t b = command_start(SWEEP_COMMAND "-j 2 --workdir wild", &second);
    command_said(b, "2", "walk: process");
    ck_assert_int_eq(kill(a, SIGKILL), 0);
    ck_assert_int_eq(command_wait_tagged(a, "1")->code, -SIGKILL);
    const struct command_result *r = sweep_expect(command_wait_tagged(b, "2"), 0);
    sweep_expect_told(r->err, "computes this; it is taken when it is there");
    ck_assert_int_eq(sweep_count(flow_trace(), "flow-slow from 0"), SWEEP_WALKS + 1);
}
END_TEST

/* ---- what is refused ----------------------------------------------------------------------------------------------- */

static const struct {
    const char *words, *message;
    int code;
} wrong[] = {
    {"K=", "wanted values behind `=`", 2},
    {"L=1,2", "there is no name under params `L`", 2},
    {"one.cuont=1,2", "stage/flow-make has no parameter `cuont`; did you mean `count`?", 2},
    {"K=0,-1", "`count` wants an integer 1 .. 1000", 2},
    {"one.use=flow-mak,flow-mik", "no stage is called `flow-mak`", 69},
    {"--shard 3/2", "--shard wants I/N", 2},
    {"--json", "--json goes with --dry-run", 2},
    {"-j 0", "--jobs wants an integer 1 .. 64", 2},
    {"--fail-fast --keep-going", "exclude each other", 2},
    {"--force walk", "a sweep has no --force, as the same command resumes it; `tessera run P.yaml K=64 ... --force STAGE`", 2},
    {"precision=f16", "precision is auto, f32 or bf16", 2},
    {"q.yaml", "wanted key=value", 2},
};

START_TEST(wrong_commands)
{
    const struct command_result *r = command(SWEEP_COMMAND "%s", wrong[_i].words);
    ck_assert_msg(r->code == wrong[_i].code && strstr(r->err, wrong[_i].message), "%s: wanted %d %s, found %d %s", wrong[_i].words,
                  wrong[_i].code, wrong[_i].message, r->code, r->err);
    ck_assert_str_eq(flow_trace(), "");
}
END_TEST

START_TEST(memory_budget)
{
    /* A stage that is larger than all there is runs alone; the sweep is done all the same. */
    (void)sweep_expect(command(SWEEP_COMMAND "-j 4 --memory 1"), 0);
    sweep_expect_once(flow_trace());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sweep");
    TCase *t = tcase_create("once");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, sweep_start, flow_end);
    tcase_add_loop_test(t, each_stage_once, 0, 2);
    tcase_add_test(t, settled);
    tcase_add_test(t, a_dry_run);
    tcase_add_test(t, a_dry_run_of_fewer);
    tcase_add_test(t, runs_and_sweeps);
    tcase_add_test(t, duplicates);
    tcase_add_test(t, memory_budget);
    suite_add_tcase(s, t);
    t = tcase_create("failures");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, sweep_start, flow_end);
    tcase_add_test(t, a_variant_that_fails);
    tcase_add_test(t, a_stage_that_fails);
    tcase_add_test(t, a_variant_that_crashes);
    tcase_add_loop_test(t, wrong_commands, 0, (int)(sizeof wrong / sizeof *wrong));
    suite_add_tcase(s, t);
    t = tcase_create("ends");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, sweep_start, flow_end);
    tcase_add_loop_test(t, stopped, 0, (int)(sizeof stops / sizeof *stops));
    tcase_add_test(t, stopped_in_a_stage);
    tcase_add_test(t, killed_until_it_ends);
    tcase_add_test(t, children_killed_until_it_ends);
    suite_add_tcase(s, t);
    t = tcase_create("two");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, sweep_start, flow_end);
    tcase_add_test(t, shards);
    tcase_add_test(t, the_same_twice);
    tcase_add_test(t, another_that_dies);
    suite_add_tcase(s, t);
    return suite_run(s);
}
