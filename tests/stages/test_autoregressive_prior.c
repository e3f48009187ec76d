/* The autoregressive baseline from end to end: the small pipeline with it in the place of diffusion, run by the program.
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

static const char causal_yaml[] = "tessera: 1\n"
                                  "name: small\n"
                                  "extends: small.yaml\n"
                                  "stages:\n"
                                  "  tokenizer: {steps: 40}\n"
                                  "  prior: {noise: {use: autoregressive, steps: null}}\n";
static const char unet_yaml[] = "tessera: 1\n"
                                "extends: causal.yaml\n"
                                "stages:\n"
                                "  prior: {denoiser: {use: unet, channels: 16, channel_mult: [1, 2], embed_dim: null, layers: null}}\n";

enum { DIGEST = 96 };
static const char *const stage[] = {"prior", "samples", "metrics", NULL};

static void setup(void)
{
    (void)small_folder_enter();
    small_write("causal.yaml", causal_yaml);
    small_write("unet.yaml", unet_yaml);
}

START_TEST(training_lowers_the_code_length)
{
    (void)command_ends(0, "", "run causal.yaml -q --workdir before prior.steps=2");
    (void)command_ends(0, "", "run causal.yaml -q --workdir after prior.steps=300");
    double before = prior_runs_bound("before"), after = prior_runs_bound("after");
    double entropy = prior_runs_entropy("after");
    ck_assert_msg(before > entropy && after < 0.9 * entropy && after > 0.0, "%g bits, then %g; entropy %g", before, after, entropy);
    ck_assert_int_eq(atoi(prior_runs_found("after/runs/small/samples.h5", "\n  steps ")), SMALL_H / 2 * SMALL_W / 2);
    const char *at = prior_runs_found("after/runs/small/prior.h5", "\n  noise ");
    ck_assert_msg(strstr(at, "{use: autoregressive}") != NULL, "%.80s", at);
}
END_TEST

START_TEST(bf16_trains_too)
{
    static const char *const how[] = {"precision=auto", "precision=bf16 --backend openblas"};
    for (int i = 0; i < 2; i++) {
        (void)command_ends(0, "", "run causal.yaml -q %s --workdir after prior.steps=150", how[i]);
        double entropy = prior_runs_entropy("after");
        ck_assert_msg(prior_runs_bound("after") < 0.95 * entropy, "%s: %g bits; entropy %g", how[i], prior_runs_bound("after"), entropy);
    }
}
END_TEST

START_TEST(threads_and_batches_do_not_count)
{
    (void)command_ends(0, "", "run causal.yaml -q --workdir one --threads 1 prior.steps=40 samples.count=13");
    (void)command_ends(0, "", "run causal.yaml -q --workdir four --threads 4 prior.steps=40 samples.count=13 samples.batch=5");
    prior_runs_same("one", "four", stage);
}
END_TEST

/* Whole sequences for every token, as published, and the code length at more times than one. */
START_TEST(the_cache_and_more_draws_change_nothing)
{
    (void)command_ends(0, "", "run causal.yaml -q --workdir lean prior.steps=40 samples.count=13");
    (void)command_ends(0, "", "run causal.yaml -q --workdir plain prior.steps=40 samples.count=13 samples.every_step=true metrics.draws=9");
    prior_runs_same("lean", "plain", stage);
}
END_TEST

START_TEST(a_plan_refuses_what_cannot_be)
{
    (void)command_ends(2, "stage `prior`: the noise `autoregressive` wants a denoiser that makes each token's logits of the tokens before "
                          "it alone, and `unet` sees all; use `transformer`",
                       "plan unet.yaml");
    (void)command_ends(2, "stage `samples`: steps is 3, but this prior draws its 24 tokens in order, one a step; leave `steps` out",
                       "plan causal.yaml samples.steps=3");
    (void)command_ends(0, "", "plan causal.yaml samples.steps=24");
    (void)command_ends(2, "has no parameter `steps`", "plan causal.yaml prior.noise.steps=3");
}
END_TEST

/* Mebibytes that the plan says the samples take. */
static double planned(const char *settings)
{
    const char *at = strstr(command_ends(0, "", "plan causal.yaml %s", settings)->out, "\nsamples ");
    double memory = 0.0;
    char unit[8];
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at, "\nsamples sample run %*s %*s %lf %7s", &memory, unit), 2);
    return strcmp(unit, "GiB") == 0 ? 1024.0 * memory : strcmp(unit, "KiB") == 0 ? memory / 1024.0 : memory;
}

/* 512 sequences of 24 tokens, keys and values of 3 layers of 512: 144 MiB. */
START_TEST(a_plan_has_the_cache_in_it)
{
#define WIDE "prior.denoiser.embed_dim=512 prior.denoiser.layers=3 samples.batch="
    double few = planned(WIDE "8"), many = planned(WIDE "520");
    ck_assert_msg(many - few > 143.0 && many - few < 190.0, "%g MiB, then %g", few, many);
}
END_TEST

START_TEST(killed_again_and_again)
{
#define LONGER "prior.steps=100 prior.ema_decay=0.9 samples.count=200 samples.batch=16"
    (void)command_ends(0, "", "run causal.yaml -q --threads 1 --workdir calm " LONGER);
    (void)command_ends(0, "", "run causal.yaml -q --workdir wild --until codes " LONGER);
    int killed = command_killed_until_it_ends("run causal.yaml -q --threads %d --workdir wild " LONGER, NULL).killed;
    ck_assert_msg(killed >= 3, "killed %d times", killed);
    prior_runs_same("calm", "wild", stage);
}
END_TEST

/* Stopped in the midst of a batch, in the samples alone. */
START_TEST(samples_go_on_where_they_stopped)
{
#define MANY "prior.steps=5 samples.count=600 samples.batch=16"
    (void)command_ends(0, "", "run causal.yaml -q --until samples --workdir calm " MANY);
    (void)command_ends(0, "", "run causal.yaml -q --until prior --workdir wild " MANY);
    ck_assert_int_ge(command_stopped_until_it_ends("run causal.yaml --until samples --workdir wild " MANY, 37), 5);
    char a[DIGEST], b[DIGEST];
    prior_runs_digest("calm", "samples", a);
    prior_runs_digest("wild", "samples", b);
    ck_assert_str_eq(a, b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("autoregressive prior");
    TCase *t = tcase_create("autoregressive prior");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_test(t, training_lowers_the_code_length);
    tcase_add_test(t, bf16_trains_too);
    tcase_add_test(t, threads_and_batches_do_not_count);
    tcase_add_test(t, the_cache_and_more_draws_change_nothing);
    tcase_add_test(t, a_plan_refuses_what_cannot_be);
    tcase_add_test(t, a_plan_has_the_cache_in_it);
    tcase_add_test(t, killed_again_and_again);
    tcase_add_test(t, samples_go_on_where_they_stopped);
    suite_add_tcase(s, t);
    return suite_run(s);
}
