/* Every verb where something is scarce: the n-th allocation fails, the n-th write, read or open is refused, threads cannot be started, or
 * the system's limits are low. Each time it ends with a sentence and its status, or does its work; the run after it ends as any other.
 *
 * Points are taken with a stride, so that a suite is short; TESSERA_STRIDE=1 takes every one.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/users.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Artefacts of a run in calm/, where nothing is scarce. */
static void setup(void)
{
    (void)small_folder_enter();
    small_write("short.yaml", "tessera: 1\nname: small\nextends: small.yaml\nstages:\n  tokenizer: {steps: 2}\n  prior: {steps: 2}\n");
    (void)command_ends(0, "", "run short.yaml -q -j 1 --workdir calm");
    ck_assert_int_eq(chmod(".", 0777), 0);
}

static const struct {
    const char *line;
    int points; /* taken of all there are */
} verb[] = {{"plan short.yaml -j 1 --workdir calm", 15},
            {"plan short.yaml -j 1 --workdir other", 10},
            {"run short.yaml -q -j 1 --workdir calm", 15},
            {"plugins", 12},
            {"plugins encoder/conv", 5},
            {"inspect calm/runs/small/prior.h5", 12},
            {"inspect --verify calm/runs/small/codes.h5", 12},
            {"view calm/runs/small/samples.h5", 8},
            {"view calm/runs/small/samples.h5 -o view.png", 8},
            {"export calm/runs/small/prior.h5 -o x.safetensors --as unleashing-transformers", 10}};
enum { VERBS = sizeof verb / sizeof *verb };

/* Ended by itself; and where it failed, with a sentence and no more. */
static void ended_well(const struct command_result *r, const char *line, const char *plan)
{
    ck_assert_msg(r->code == 0 || r->code == 1 || r->code == 2 || r->code == 65 || r->code == 69 || (r->code >= 73 && r->code <= 75),
                  "%s with %s ends by %d: %s", line, plan, r->code, r->err);
    ck_assert_msg(r->code == 0 || strstr(r->err, "tessera"), "%s with %s ends by %d without a word: %s", line, plan, r->code, r->err);
    ck_assert_msg(!strstr(r->err, "defect of tessera") && !strstr(r->err, "gave no reason"), "%s with %s: %s", line, plan, r->err);
}

/* Number of times that an undisturbed run passes the injection point. */
static long passages(const char *line, const char *point)
{
    char word[32];
    const struct command_result *r = command_within(&(struct command_limits){.inject = "count"}, "%s", line);
    const char *at = strstr(r->err, "passages ");
    ck_assert_msg(at, "%s: %s", line, r->err);
    snprintf(word, sizeof word, " %s ", point);
    at = strstr(at, word);
    ck_assert_ptr_nonnull(at);
    return strtol(at + strlen(word), NULL, 10);
}

static long stride_of(long all, int points)
{
    const char *asked = getenv("TESSERA_STRIDE");
    long stride = asked ? strtol(asked, NULL, 10) : all / points;
    return stride > 0 ? stride : 1;
}

START_TEST(nth_allocation_fails)
{
    const char *line = verb[_i].line;
    char plan[64];
    long all = passages(line, "alloc"), stride = stride_of(all, verb[_i].points);
    ck_assert_int_gt(all, 0);
    for (long n = 1; n <= all; n += stride) {
        snprintf(plan, sizeof plan, "fail@alloc:%ld", n);
        const struct command_result *r = command_within(&(struct command_limits){.inject = plan}, "%s", line);
        ended_well(r, line, plan);
        ck_assert_msg(r->code == 0 || strstr(r->err, "memory"), "%s with %s: %s", line, plan, r->err);
    }
}
END_TEST

START_TEST(nth_open_or_read_is_refused)
{
    static const char *const point[] = {"open", "read"};
    const char *line = verb[_i].line;
    char plan[64];
    for (int k = 0; k < 2; k++) {
        long all = passages(line, point[k]), stride = stride_of(all, 4);
        for (long n = 1; n <= all; n += stride) {
            snprintf(plan, sizeof plan, "fail@%s:%ld", point[k], n);
            ended_well(command_within(&(struct command_limits){.inject = plan}, "%s", line), line, plan);
        }
    }
}
END_TEST

/* A whole run from nothing: trouble once, and from there on; then the same command again, in peace. */
START_TEST(a_run_meets_trouble)
{
    static const struct {
        const char *action, *point;
        int points;
    } trouble[] = {{"fail", "alloc", 8},  {"ENOSPC", "write", 5},  {"EIO", "read", 3},
                   {"EMFILE", "open", 4}, {"EACCES", "rename", 4}, {"EIO", "sync", 3}};
    static const char line[] = "run short.yaml -q -j 1 --workdir wild";
    char plan[64];
    long all = passages("run short.yaml -q -j 1 --workdir counted", trouble[_i].point), stride = stride_of(all, trouble[_i].points);
    for (long n = 1, k = 0; n <= all; n += stride, k++) {
        ck_assert_int_eq(system("rm -rf wild"), 0);
        snprintf(plan, sizeof plan, "usr1@step:1+,%s@%s:%ld%s", trouble[_i].action, trouble[_i].point, n, k % 2 ? "+" : "");
        const struct command_result *r = command_within(&(struct command_limits){.inject = plan}, "%s", line);
        ended_well(r, line, plan);
        if (r->code != 0)
            (void)command_ends(0, "", "%s", line);
        command_same_and_whole((const char *const[]){"tokenizer", "prior", "samples", "metrics", NULL}, "calm", "wild", plan);
    }
}
END_TEST

START_TEST(threads_cannot_be_started)
{
    char plan[64];
    for (int n = 1; n <= 4; n++) {
        snprintf(plan, sizeof plan, "fail@thread:%d+", n);
        const struct command_result *r =
            command_within(&(struct command_limits){.inject = plan}, "run short.yaml -q -j 4 --workdir threads");
        ended_well(r, "run", plan);
        ck_assert_int_eq(r->code, 0); /* the run works with fewer threads */
    }
}
END_TEST

/* Limits of the system's: from too little for the program itself up to enough. */
START_TEST(limits_are_low)
{
    static const char *const line[] = {"plugins", "plan short.yaml --workdir calm", "inspect calm/runs/small/prior.h5",
                                       "view calm/runs/small/samples.h5", "run short.yaml -q -j 2 --workdir low"};
    char what[64];
    int done = 0;
    bool addresses = suite_limits_addresses("limits_are_low, of addresses");
    for (long mib = 96; addresses && mib <= 4096; mib *= 2) { /* below, the loader ends it, or a library it loads */
        snprintf(what, sizeof what, "%ld MiB of addresses", mib);
        const struct command_result *r = command_within(&(struct command_limits){.address_bytes = mib << 20}, "%s", line[_i]);
        if (r->code != 127)
            ended_well(r, line[_i], what);
        done = r->code == 0;
    }
    ck_assert_msg(done || !addresses, "%s does not work with 3 GiB of addresses", line[_i]);
    for (int n = 4; n <= 64; n += n < 16 ? 1 : 16) {
        snprintf(what, sizeof what, "%d descriptors", n);
        const struct command_result *r = command_within(&(struct command_limits){.descriptors = n}, "%s", line[_i]);
        if (r->code != 127)
            ended_well(r, line[_i], what);
        done = r->code == 0;
    }
    ck_assert_msg(done, "%s does not work with 64 descriptors", line[_i]);
}
END_TEST

/* A process limit of one for the user: plan and run with several threads end well. */
START_TEST(processes_are_few)
{
    if (!users_reach_the_build("processes_are_few"))
        return;
    const struct command_result *r = command_within(&(struct command_limits){.processes = 1}, "plan short.yaml --workdir few");
    ended_well(r, "plan", "one process");
    r = command_within(&(struct command_limits){.processes = 1}, "run short.yaml -q -j 4 --workdir few");
    ended_well(r, "run", "one process");
}
END_TEST

/* A source that changes between the plan and the reading of it is found out, and nothing of it stays under the old name. */
START_TEST(a_source_changes_while_it_is_read)
{
    static const char line[] = "run short.yaml -q -j 1 --workdir changed";
    char before[COMMAND_DIGEST], after[COMMAND_DIGEST];
    static const char *const pause[] = {"pause@locked:1", "pause@stage:1", "pause@step:1"};
    command_digest("calm", "images", before);
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(system("rm -rf changed; cp images kept"), 0);
        pid_t child = command_start(line, &(struct command_limits){.inject = pause[k]});
        command_paused(child);
        small_make_data(SMALL_COUNT);
        ck_assert_int_eq(system("printf abc | dd of=images bs=1 seek=100 conv=notrunc 2>/dev/null"), 0);
        command_resume(child);
        const struct command_result *r = command_wait(child);
        ck_assert_msg(r->code != 0, "%s: not noticed", pause[k]);
        ended_well(r, line, pause[k]);
        ck_assert_int_eq(system("cp kept images"), 0);
        (void)command_ends(0, "", "%s", line);
        command_digest("changed", "images", after);
        ck_assert_msg(strcmp(before, after) == 0, "%s: what the file was meanwhile is kept under what it is", pause[k]);
    }
}
END_TEST

static TCase *add(Suite *s, const char *name)
{
    TCase *t = tcase_create(name);
    tcase_set_timeout(t, 240);
    tcase_add_unchecked_fixture(t, setup, small_folder_leave); /* once for all tests of a case */
    suite_add_tcase(s, t);
    return t;
}

int main(void)
{
    Suite *s = suite_create("scarce");
    TCase *verbs = add(s, "verbs"), *runs = add(s, "runs"), *limits = add(s, "limits"), *changes = add(s, "changes");
    tcase_add_loop_test(verbs, nth_allocation_fails, 0, VERBS);
    tcase_add_loop_test(verbs, nth_open_or_read_is_refused, 0, VERBS);
    tcase_add_loop_test(runs, a_run_meets_trouble, 0, 6);
    tcase_add_test(runs, threads_cannot_be_started);
    tcase_add_loop_test(limits, limits_are_low, 0, 5);
    tcase_add_test(limits, processes_are_few);
    tcase_add_test(changes, a_source_changes_while_it_is_read);
    return suite_run(s);
}
