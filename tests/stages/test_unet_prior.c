/* The U-Net from end to end: the small pipeline with it in the transformer's place, run by the program. The map of 4 x 6 codes is halved
 * once.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/prior_runs.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char unet_yaml[] = "tessera: 1\n"
                                "name: small\n"
                                "extends: small.yaml\n"
                                "stages:\n"
                                "  tokenizer: {steps: 40}\n"
                                "  prior:\n"
                                "    noise: {use: uniform, steps: 10}\n"
                                "    denoiser: {use: unet, channels: 16, channel_mult: [1, 2], heads: 2, head_dim: 8,\n"
                                "               embed_dim: null, layers: null}\n"
                                "  metrics: {draws: 16}\n";

static void setup(void)
{
    (void)small_folder_enter();
    small_write("unet.yaml", unet_yaml);
}

/* Variants of the U-Net prior: a noise with time, one without, and codes read as scalars, which learn more slowly. */
static const struct {
    const char *settings;
    int steps;
} kinds[] = {{"", 150}, {"prior.noise.use=absorbing", 150}, {"prior.denoiser.input=scalar prior.denoiser.dropout=0.02", 600}};

START_TEST(training_lowers_the_bound)
{
    (void)command_ends(0, "", "run unet.yaml -q --workdir before prior.steps=2 %s", kinds[_i].settings);
    (void)command_ends(0, "", "run unet.yaml -q --workdir after prior.steps=%d %s", kinds[_i].steps, kinds[_i].settings);
    double before = prior_runs_bound("before"), after = prior_runs_bound("after");
    double entropy = prior_runs_entropy("after");
    ck_assert_msg(before > entropy && after < 0.9 * entropy && after > 0.0, "bound %g, then %g; entropy %g", before, after, entropy);
}
END_TEST

START_TEST(threads_and_batches_do_not_count)
{
    static const char *const stage[] = {"prior", "samples", "metrics", NULL};
    (void)command_ends(0, "", "run unet.yaml -q --workdir one --threads 1 prior.steps=20 samples.count=7 %s", kinds[_i].settings);
    (void)command_ends(0, "", "run unet.yaml -q --workdir four --threads 4 prior.steps=20 samples.count=7 samples.batch=3 %s",
                       kinds[_i].settings);
    prior_runs_same("one", "four", stage);
}
END_TEST

START_TEST(bf16_trains_too)
{
    /* bf16: on the preferred backend where the processor has it; on any processor, on the backend that emulates it in f32 */
    static const char *const how[] = {"precision=auto", "precision=bf16 --backend openblas"};
    for (int i = 0; i < 2; i++) {
        (void)command_ends(0, "", "run unet.yaml -q %s --workdir after prior.steps=150", how[i]);
        double entropy = prior_runs_entropy("after");
        ck_assert_msg(prior_runs_bound("after") < 0.95 * entropy, "%s: bound %g; entropy %g", how[i], prior_runs_bound("after"), entropy);
    }
}
END_TEST

START_TEST(a_plan_refuses_a_map_that_does_not_fit)
{
    (void)command_ends(2, "4 x 8 would fit", "plan unet.yaml prior.denoiser.channel_mult=[1,1,1]");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("unet prior");
    TCase *t = tcase_create("unet prior");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_loop_test(t, training_lowers_the_bound, 0, 3);
    tcase_add_loop_test(t, threads_and_batches_do_not_count, 0, 3);
    tcase_add_test(t, bf16_trains_too);
    tcase_add_test(t, a_plan_refuses_a_map_that_does_not_fit);
    suite_add_tcase(s, t);
    return suite_run(s);
}
