/* `tessera run --ranks N`: the artefacts are those of one process, whatever the ranks, the threads, and the number of kills and restarts.
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* More states of a training than the small pipeline has. */
#define RICH "--until prior tokenizer.ema_decay=0.9 tokenizer.microbatches=6 prior.steps=12 prior.denoiser.dropout=0.1"

static const char *const stage[] = {"images", "tokenizer", "codes", "prior", NULL};

static void setup(void)
{
    (void)small_folder_enter();
    (void)command_ends(0, "", "run small.yaml -q --threads 2 --workdir alone " RICH);
}

START_TEST(ranks_and_threads_do_not_change_a_bit)
{
    static const int ranks[] = {2, 3, 7}, threads[] = {1, 2, 1};
    char workdir[32];
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        snprintf(workdir, sizeof workdir, "ranks%d", ranks[i]);
        const struct command_result *r =
            command_ends(0, "", "run small.yaml --ranks %d --threads %d --workdir %s " RICH, ranks[i], threads[i], workdir);
        ck_assert_int_eq(strstr(r->err, "1 of 7 ranks have nothing to do") != NULL, ranks[i] == 7); /* 6 microbatches */
        command_same_and_whole(stage, "alone", workdir, "on ranks");
    }
}
END_TEST

/* Killed, or asked to stop, and started again with as many ranks or others. */
START_TEST(killed_on_other_ranks)
{
    struct command_kills kills =
        command_killed_until_it_ends("run small.yaml -q --ranks 2 --threads %d --workdir wild " RICH " --until tokenizer",
                                     "run small.yaml -q --ranks 3 --threads %d --workdir wild " RICH " --until tokenizer");
    ck_assert_msg(kills.killed >= 3, "killed %d times", kills.killed);
    command_same_and_whole((const char *const[]){"images", "tokenizer", NULL}, "alone", "wild", "after kills");
}
END_TEST

/* The children of a process that is paused. */
static pid_t child_of(pid_t parent)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    (void)!fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    ck_assert_int_gt(atoi(text), 0);
    return atoi(text);
}

/* Rank 1 dies while rank 0 writes a checkpoint: rank 0 names it, and the same command goes on from there. */
START_TEST(a_dead_rank_ends_the_run)
{
    const struct command_limits paused = {.inject = "usr1@step:1+,pause@checkpoint:4"};
    (void)command_ends(0, "", "run small.yaml -q --workdir dead --until images");
    pid_t run = command_start("run small.yaml --ranks 2 --threads 1 --workdir dead " RICH, &paused);
    command_paused(run);
    ck_assert_int_eq(kill(child_of(run), SIGKILL), 0);
    command_resume(run);
    const struct command_result *r = command_wait(run);
    ck_assert_int_eq(r->code, 1);
    ck_assert_msg(strstr(r->err, "rank 1 (") && strstr(r->err, "its process has ended") && strstr(r->err, "signal 9"), "%s", r->err);
    r = command_ends(0, "resuming at step", "run small.yaml --ranks 3 --threads 1 --workdir dead " RICH);
    command_same_and_whole(stage, "alone", "dead", "after a rank's death");
}
END_TEST

/* A training that diverges is told by rank 0 in the words of one process. */
START_TEST(divergence_is_told_once)
{
    char alone[4096];
    static const char line[] = "run small.yaml -q --until tokenizer tokenizer.lr=10 tokenizer.steps=400 --threads 1 --workdir far";
    const struct command_result *r = command("%s", line);
    snprintf(alone, sizeof alone, "%.4000s", r->err);
    int code = r->code;
    r = command("%s2 --ranks 3", line);
    ck_assert_int_eq(r->code, code);
    ck_assert_str_eq(r->err, alone);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("training on ranks");
    TCase *t = tcase_create("training");
    tcase_add_unchecked_fixture(t, setup, small_folder_leave);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, ranks_and_threads_do_not_change_a_bit);
    tcase_add_test(t, killed_on_other_ranks);
    tcase_add_test(t, a_dead_rank_ends_the_run);
    tcase_add_test(t, divergence_is_told_once);
    suite_add_tcase(s, t);
    return suite_run(s);
}
