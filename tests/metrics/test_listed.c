/* Metrics that a pipeline lists for `evaluate`, run by the program: what they say of pairs is what their definitions give, sets are judged
 * by pixels or by a network trained in the pipeline, any number of threads gives the same bits, the protocol is kept; and lists that make
 * no sense are refused when they are planned.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SETS                                                                                                                               \
    "metrics.in.samples=samples metrics.metrics=[mse,psnr,frechet,kernel,precision-recall,density-coverage,memorisation] samples.count=9 "

static void setup(void)
{
    (void)small_folder_enter();
}

/* The number behind a metric's name in what `inspect` says of the stage. */
static double metric(const char *workdir, const char *name)
{
    const char *out = command_ends(0, "", "inspect %s/runs/small/metrics.h5", workdir)->out, *at = strstr(out, "\nmetrics\n");
    ck_assert_msg(at != NULL, "%s", out);
    at = strstr(at, name);
    ck_assert_msg(at != NULL, "there is no %s in %s", name, out);
    return strtod(at + strlen(name), NULL);
}

START_TEST(what_is_listed_is_measured)
{
    char digest[3][COMMAND_DIGEST];
    for (int threads = 0; threads < 3; threads++) {
        static const char *const workdir[3] = {"one", "two", "four"};
        (void)command_ends(0, "", "run small.yaml -q --threads %d --workdir %s " SETS, 1 << threads, workdir[threads]);
        command_digest(workdir[threads], "metrics", digest[threads]);
        ck_assert_str_eq(digest[threads], digest[0]);
    }
    ck_assert_double_eq_tol(metric("one", "\n  MSE"), metric("one", "\n  reconstruction MSE"), 1e-6);
    ck_assert_double_eq_tol(metric("one", "\n  PSNR"), metric("one", "\n  reconstruction PSNR"), 1e-4);
    ck_assert_double_gt(metric("one", "\n  frechet distance"), 0.0);
    ck_assert_double_le(fabs(metric("one", "\n  precision") - 0.5), 0.5);
    ck_assert_double_le(fabs(metric("one", "\n  recall") - 0.5), 0.5);
    ck_assert_double_ge(metric("one", "\n  density"), 0.0);
    ck_assert_double_le(fabs(metric("one", "\n  coverage") - 0.5), 0.5);
    (void)metric("one", "\n  kernel distance");
    const char *out = command_ends(0, "", "inspect one/runs/small/metrics.h5")->out;
    ck_assert_ptr_nonnull(strstr(out, "covariance over n - 1"));
    ck_assert_ptr_nonnull(strstr(out, "samples_temperature"));
    ck_assert_ptr_nonnull(strstr(out, "samples_steps"));
    ck_assert_ptr_nonnull(strstr(out, "samples_seed"));
    ck_assert_ptr_nonnull(strstr(out, "training_images"));
    ck_assert_double_le(fabs(metric("one", "\n  memorisation") - 0.5), 0.5);
    ck_assert_ptr_nonnull(strstr(out, "pixels, 0 .. 255"));
    ck_assert_ptr_nonnull(strstr(out, "{use: density-coverage, neighbours: 5, border: open}"));
}
END_TEST

/* Without a list nothing of it is in the key: what was computed before there were lists is found. */
START_TEST(an_empty_list_is_none)
{
    (void)command_ends(0, "", "run small.yaml -q");
    const struct command_result *r = command_ends(0, "", "plan small.yaml metrics.metrics=[]");
    ck_assert_msg(strstr(r->out, "metrics") != NULL && strstr(r->out, "to run") == NULL, "%s", r->out);
}
END_TEST

static const struct {
    const char *change, *words;
} odd[] = {
    {"metrics.metrics=[frechet]", "judges samples against the images, and there are none; give `samples`"},
    {"metrics.in.samples=samples", "samples are given and no metric that judges them; list some"},
    {"metrics.in.samples=samples metrics.metrics=[mse]", "no metric that judges them"},
    {"metrics.in.samples=samples metrics.metrics=[memorisation] images.split=null", "none of these is kept for validation"},
    {"metrics.metrics=[mse,psnr,mse]", "`mse` is listed twice"},
    {"metrics.metrics=[ssim]", "ssim: images of 8 x 12 are smaller than its window of 11 x 11"},
    {"metrics.metrics=[frechett]", "did you mean `frechet`"},
    {"metrics.in.samples=samples metrics.metrics=[density-coverage]", "neighbours: 5 of 5 vectors"},
    {"metrics.in.samples=samples samples.in.model=null metrics.metrics=[kernel]", "codes without images"},
};

START_TEST(lists_that_make_no_sense_are_refused)
{
    const struct command_result *r = command("plan small.yaml %s", odd[_i].change);
    if (r->code == 0) /* faults that planning cannot see are found by the run */
        r = command("run small.yaml -q %s", odd[_i].change);
    ck_assert_int_ne(r->code, 0);
    ck_assert_msg(strstr(r->err, odd[_i].words) != NULL, "wanted `%s` in: %s", odd[_i].words, r->err);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("listed metrics");
    TCase *c = tcase_create("listed");
    tcase_set_timeout(c, 300);
    tcase_add_checked_fixture(c, setup, small_folder_leave);
    tcase_add_test(c, what_is_listed_is_measured);
    tcase_add_test(c, an_empty_list_is_none);
    tcase_add_loop_test(c, lists_that_make_no_sense_are_refused, 0, (int)(sizeof odd / sizeof *odd));
    suite_add_tcase(s, c);
    return suite_run(s);
}
