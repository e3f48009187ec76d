/* Ranks whose work stands still while their process lives, and ranks killed anywhere: the run ends with a name and a reason, and goes on
 * with other ranks to the same results. SPDX-License-Identifier: MIT */
#include "core/base/pulse.h"
#include "core/ranks/ranks_private.h"
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MORE "samples.count=27" /* several microbatches of samples */

static const char *const stage[] = {"images", "tokenizer", "codes", "prior", "samples", "decoded", "metrics", NULL};

static void setup(void)
{
    (void)small_folder_enter();
    (void)command_ends(0, "", "run small.yaml -q --threads 2 --workdir alone " MORE);
}

/* Runs two ranks, of which one has this plan, until the run ends; then goes on with three. */
static void one_hangs(int rank, const char *plan, const char *words)
{
    struct command_limits limits = {.inject = rank == 0 ? plan : NULL};
    if (rank == 1)
        (void)setenv("TESSERA_INJECT_1", plan, 1);
    const struct command_result *r = command_within(&limits, "run small.yaml -q --ranks 2 --threads 1 --patience 4 --workdir still " MORE);
    (void)unsetenv("TESSERA_INJECT_1");
    ck_assert_msg(r->code == 1 && strstr(r->err, words) && strstr(r->err, "has not moved for"), "%s: %d, %s", plan, r->code, r->err);
}

START_TEST(work_that_stands_still_is_noticed)
{
    one_hangs(1, "hang@word:4", "rank 1 (");     /* in the training, where rank 0 waits for its gradients */
    one_hangs(0, "hang@step:4", "rank 0 (");     /* the rank that would tell */
    one_hangs(1, "hang@alloc:6000", "rank 1 ("); /* while it plans the pipeline */
    (void)command_ends(0, "", "run small.yaml -q --ranks 3 --threads 1 --workdir still " MORE);
    command_same_and_whole(stage, "alone", "still", "after hangs");
}
END_TEST

/* A look at work that moves, stands still, computes in a library, and was stopped. */
START_TEST(looks_are_counted)
{
    static struct tessi_ranks r;
    char text[256] = "";
    r.watch.patience = 1e-9;
    ck_assert(!tessi_ranks_hangs(&r, text, sizeof text)); /* the first look */
    tessi_base_pulse();
    ck_assert(!tessi_ranks_hangs(&r, text, sizeof text)); /* it moves */
    atomic_store(&tessi_base_loops, 1);
    ck_assert(tessi_ranks_hangs(&r, text, sizeof text)); /* it does not */
    ck_assert_msg(strstr(text, "has not moved for"), "%s", text);
    tessi_ranks_awake(&r);
    ck_assert(!tessi_ranks_hangs(&r, text, sizeof text)); /* it had waited for others */
    r.watch.looked -= 1e6;                                /* the process was stopped */
    r.watch.patience = 2.0;
    ck_assert(!tessi_ranks_hangs(&r, text, sizeof text));
    ck_assert(r.watch.still <= 1.0);
    atomic_store(&tessi_base_loops, 0);
    r.watch.idle = 3.0;
    r.watch.used -= 1e6; /* it takes processor time outside the loops */
    ck_assert(!tessi_ranks_hangs(&r, text, sizeof text));
    r.watch.still = 1e6;
    r.watch.used -= 1e6;
    ck_assert(tessi_ranks_hangs(&r, text, sizeof text)); /* for too long */
    r.watch.patience = 0.0;
    ck_assert(!tessi_ranks_hangs(&r, text, sizeof text)); /* nobody watches */
}
END_TEST

/* Rank 1 of two is killed at words that lie the further on the more often it was; rank 0 tells, the run goes on with two or three, and
 * nothing is left in the folder for temporary files. */
START_TEST(a_rank_killed_anywhere)
{
    char plan[32];
    int killed = 0, code = 1;
    ck_assert(mkdir("temporary", 0777) == 0 && setenv("TMPDIR", "temporary", 1) == 0);
    for (int tries = 0; code != 0 && tries < 60; tries++) {
        snprintf(plan, sizeof plan, "kill@word:%d", 3 + tries * 7 % 11 + tries * 2);
        (void)setenv("TESSERA_INJECT_1", plan, 1);
        const struct command_result *r = command_within(&(struct command_limits){.inject = "usr1@step:1+"},
                                                        "run small.yaml -q --ranks %d --threads 1 --workdir dies " MORE, 2 + tries % 2);
        (void)unsetenv("TESSERA_INJECT_1");
        code = r->code;
        killed += code != 0;
        ck_assert_msg(code == 0 || (code == 1 && strstr(r->err, "rank 1 (") && strstr(r->err, "its process has ended")), "%s: %d, %s", plan,
                      code, r->err);
    }
    ck_assert_int_eq(code, 0);
    ck_assert_int_ge(killed, 3);
    (void)unsetenv("TMPDIR");
    ck_assert_msg(rmdir("temporary") == 0, "a rank that was killed left a file");
    command_same_and_whole(stage, "alone", "dies", "after a rank's deaths");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ranks that hang or die");
    TCase *t = tcase_create("hangs");
    tcase_add_unchecked_fixture(t, setup, small_folder_leave);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, looks_are_counted);
    tcase_add_test(t, work_that_stands_still_is_noticed);
    tcase_add_test(t, a_rank_killed_anywhere);
    suite_add_tcase(s, t);
    return suite_run(s);
}
