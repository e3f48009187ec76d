/* Uniform diffusion from end to end: the small pipeline with its noise changed to `uniform`, run by the program. Training lowers the bound,
 * samples are drawn in any number of steps, and neither threads nor being killed in the midst of it change a bit.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/prior_runs.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNIFORM "prior.noise.use=uniform tokenizer.steps=40 metrics.draws=16 "

static const char *const stage[] = {"prior", "samples", "metrics", NULL};

static void setup(void)
{
    (void)small_folder_enter();
}

static const char *const kinds[] = {
    "", "prior.noise.times=importance",
    "prior.noise.step=plug-in prior.noise.first_step=published prior.noise.residual=1 prior.noise.schedule=cosine-root"};

START_TEST(training_lowers_the_bound)
{
    (void)command_ends(0, "", "run small.yaml -q --workdir before prior.steps=5 " UNIFORM "%s", kinds[_i]);
    (void)command_ends(0, "", "run small.yaml -q --workdir after prior.steps=300 " UNIFORM "%s", kinds[_i]);
    double before = prior_runs_bound("before"), after = prior_runs_bound("after");
    double entropy = prior_runs_entropy("after");
    ck_assert_msg(before > entropy && after < 0.9 * entropy && after > 0.0, "bound %g, then %g; entropy %g", before, after, entropy);
}
END_TEST

START_TEST(threads_and_batches_do_not_count)
{
    (void)command_ends(0, "", "run small.yaml -q --workdir one --threads 1 prior.steps=40 " UNIFORM "%s samples.count=7", kinds[_i]);
    (void)command_ends(0, "", "run small.yaml -q --workdir four --threads 4 prior.steps=40 samples.batch=3 " UNIFORM "%s samples.count=7",
                       kinds[_i]);
    prior_runs_same("one", "four", stage);
}
END_TEST

START_TEST(any_number_of_steps)
{
    static const int steps[] = {1, 3, 10, 37};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        (void)command_ends(0, "", "run small.yaml -q --until samples " UNIFORM "samples.steps=%d", steps[i]);
        ck_assert_int_eq(atoi(prior_runs_found("runs/small/samples.h5", "\n  steps ")), steps[i]);
    }
    const char *at = prior_runs_found("runs/small/prior.h5", "\n  noise ");
    ck_assert_msg(strstr(at, "{use: uniform, steps: 10, schedule: cosine, offset: 0.008, clip: 0.001, step: marginal, first_step: direct"),
                  "%.200s", at);
}
END_TEST

START_TEST(a_parameter_that_is_none)
{
    (void)command_ends(2, "no parameter `mask`", "run small.yaml -q " UNIFORM "prior.noise.mask=random");
    (void)command_ends(2, "first_step", "run small.yaml -q " UNIFORM "prior.noise.first_step=none");
}
END_TEST

/* The loss statistics per time are in the checkpoint: times drawn after resuming depend on them. */
START_TEST(killed_again_and_again)
{
#define LONGER UNIFORM "prior.noise.times=importance prior.steps=120 prior.ema_decay=0.9 samples.count=60 samples.steps=100"
    (void)command_ends(0, "", "run small.yaml -q --threads 1 --workdir calm " LONGER);
    (void)command_ends(0, "", "run small.yaml -q --workdir wild --until codes " LONGER);
    int killed = command_killed_until_it_ends("run small.yaml -q --threads %d --workdir wild " LONGER, NULL).killed;
    ck_assert_msg(killed >= 3, "killed %d times", killed);
    prior_runs_same("calm", "wild", stage);
    ck_assert_ptr_nonnull(strstr(command_ends(0, "", "inspect wild/runs/small/prior.h5")->out, "/weights/noise/times/square"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uniform prior");
    TCase *t = tcase_create("uniform prior");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_loop_test(t, training_lowers_the_bound, 0, 3);
    tcase_add_loop_test(t, threads_and_batches_do_not_count, 0, 3);
    tcase_add_test(t, any_number_of_steps);
    tcase_add_test(t, a_parameter_that_is_none);
    tcase_add_test(t, killed_again_and_again);
    suite_add_tcase(s, t);
    return suite_run(s);
}
