/* A whole run killed (SIGKILL) at many moments and started again each time ends with the artefacts of one that nobody disturbed, on any
 * number of threads.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONGER "tokenizer.steps=25 tokenizer.ema_decay=0.9 prior.steps=60 prior.denoiser.dropout=0.1 samples.count=70"

static const char *const stage[] = {"images", "tokenizer", "codes", "prior", "samples", "decoded", "metrics", NULL};

static void setup(void)
{
    (void)small_folder_enter();
    small_make_data(700);
}

START_TEST(killed_again_and_again)
{
    (void)command_ends(0, "", "run small.yaml -q --threads 1 --workdir calm " LONGER);
    int killed = command_killed_until_it_ends("run small.yaml -q --threads %d --workdir wild " LONGER, NULL).killed;
    ck_assert_msg(killed >= 5, "killed %d times", killed);
    command_same_and_whole(stage, "calm", "wild", "after kills");
}
END_TEST

/* Two runs over the same folder and cache, of which one, or both, are killed. */
START_TEST(twins_killed_again_and_again)
{
    (void)command_ends(0, "", "run small.yaml -q --threads 1 --workdir calm " LONGER);
    static const char line[] = "run small.yaml -q --threads %d --workdir wild " LONGER;
    int killed = command_twins_killed_until_they_end(line, line).killed;
    ck_assert_msg(killed >= 10, "killed %d times", killed);
    command_same_and_whole(stage, "calm", "wild", "after kills");
}
END_TEST

/* Leftovers of killed stages that are never computed again: the next run with that cache removes them. */
START_TEST(leftovers_are_swept)
{
    const struct command_limits killed = {.inject = "kill@step:3"};
    const struct command_result *r = command_within(&killed, "run small.yaml -q --workdir wild --until tokenizer");
    ck_assert_int_eq(r->code, -SIGKILL);
    (void)command_ends(0, "", "run small.yaml -q --workdir wild --until images tokenizer.steps=13");
    command_same_and_whole((const char *const[]){NULL}, "calm", "wild", "");
}
END_TEST

/* Signals that come while a backend's generated code runs: it may use the stack's register for other things, and a handler on that stack
 * once wrote over the heap. They come at any moment; how many there are decides nothing. The child ignores them until it listens. */
START_TEST(signals_again_and_again)
{
    (void)command_ends(0, "", "run small.yaml -q --threads 1 --workdir calm " LONGER);
    (void)signal(SIGUSR1, SIG_IGN);
    for (int tries = 0; tries < 4; tries++) {
        pid_t child = command_start("run small.yaml -q --threads 1 --force tokenizer --workdir rung " LONGER, NULL), ringing = fork();
        if (ringing == 0)
            for (;; usleep(3000))
                kill(child, SIGUSR1);
        const struct command_result *r = command_wait(child);
        kill(ringing, SIGKILL);
        waitpid(ringing, NULL, 0);
        ck_assert_msg(r->code == 0, "%d %s", r->code, r->err);
        command_same_and_whole(stage, "calm", "rung", "after signals");
    }
    (void)signal(SIGUSR1, SIG_DFL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("killed");
    TCase *t = tcase_create("killed");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, killed_again_and_again);
    tcase_add_test(t, twins_killed_again_and_again);
    tcase_add_test(t, leftovers_are_swept);
    tcase_add_test(t, signals_again_and_again);
    suite_add_tcase(s, t);
    return suite_run(s);
}
