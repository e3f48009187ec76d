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

/* The number behind a metric's name in what `inspect` says of a stage. */
static double metric_of(const char *workdir, const char *stage, const char *name)
{
    const char *out = command_ends(0, "", "inspect %s/runs/small/%s.h5", workdir, stage)->out, *at = strstr(out, "\nmetrics\n");
    ck_assert_msg(at != NULL, "%s", out);
    at = strstr(at, name);
    ck_assert_msg(at != NULL, "there is no %s in %s", name, out);
    return strtod(at + strlen(name), NULL);
}

static double metric(const char *workdir, const char *name)
{
    return metric_of(workdir, "metrics", name);
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

/* Metrics that judge by a network, with intervals. */
static const char networks[] = "tessera: 1\n"
                               "extends: small.yaml\n"
                               "name: small\n"
                               "stages:\n"
                               "  images: {pad: 16}\n"
                               "  tokenizer: {quantizer: {use: residual, depth: 2, codebook_size: null, code_dim: null,\n"
                               "              quantizer: {use: ema, codebook_size: 6, code_dim: 6}}}\n"
                               "  prior: {condition: labels, steps: 2}\n"
                               "  samples: {count: 9, each: 2}\n"
                               "  features:\n"
                               "    use: train-features\n"
                               "    in: {images: images}\n"
                               "    network: {use: vgg16, channels: 2, range: unit}\n"
                               "    keep_classifier: true\n"
                               "    steps: 3\n"
                               "    batch: 11\n"
                               "  metrics:\n"
                               "    in: {samples: samples, features: features}\n"
                               "    metrics: [mse, psnr, ssim, lpips, classifier, uniformity, frechet, kernel, precision-recall,\n"
                               "              density-coverage, memorisation]\n"
                               "    bootstrap: 30\n"
                               "  use: {use: evaluate-codes, in: {codes: codes}, metrics: [uniformity], bootstrap: 9}\n"
                               "  use-drawn: {use: evaluate-codes, in: {codes: samples}, metrics: [uniformity]}\n";

/* Fails unless the result has an interval and an error, the interval around some number between `least` and `most`. */
static void interval(const char *workdir, const char *name, double least, double most)
{
    const char *out = command_ends(0, "", "inspect %s/runs/small/metrics.h5 --json", workdir)->out;
    char key[100];
    double low = NAN, high = NAN, error = NAN;
    snprintf(key, sizeof key, "\"name\":\"%s\"", name);
    const char *at = strstr(out, key), *from = at ? strstr(at, "\"interval\"") : NULL, *of = at ? strstr(at, "\"standard_error\"") : NULL;
    ck_assert_msg(from && of && sscanf(from, "\"interval\":[%lf,%lf]", &low, &high) == 2, "no interval of `%s`", name);
    ck_assert_msg(sscanf(of, "\"standard_error\":%lf", &error) == 1 && error >= 0.0, "no error of `%s`", name);
    ck_assert_msg(low <= high && low >= least && high <= most, "`%s` is in %g .. %g", name, low, high);
}

START_TEST(networks_judge_and_intervals_are_drawn)
{
    char digest[2][COMMAND_DIGEST];
    small_write("networks.yaml", networks);
    for (int threads = 0; threads < 2; threads++) {
        static const char *const workdir[2] = {"one", "four"};
        (void)command_ends(0, "", "run networks.yaml -q --threads %d --workdir %s", threads ? 4 : 1, workdir[threads]);
        command_digest(workdir[threads], "metrics", digest[threads]);
        ck_assert_str_eq(digest[threads], digest[0]);
    }
    ck_assert_double_gt(metric("one", "\n  perceptual distance"), 0.0);
    interval("one", "MSE", 0.0, 1.0);
    interval("one", "SSIM", -1.0, 1.0);
    interval("one", "perceptual distance", 0.0, 100.0);
    interval("one", "agreement of reconstructions", 0.0, 100.0);
    interval("one", "accuracy of samples", 0.0, 100.0);
    interval("one", "class distance of samples", 0.0, 1.0);
    interval("one", "code usage, samples, level 2", 0.0, 100.0);
    interval("one", "frechet distance", 0.0, 1e9);
    interval("one", "precision", 0.0, 1.0);
    interval("one", "memorisation", 0.0, 1.0);
    /* codes without their images: as `codes` counts them, and as the samples are counted beside images */
    ck_assert_double_eq_tol(metric_of("one", "use", "\n  code perplexity, level 2"), metric_of("one", "codes", "\n  perplexity, level 2"),
                            1e-4);
    ck_assert_double_eq_tol(metric_of("one", "use-drawn", "\n  code uniformity, level 1"),
                            metric("one", "\n  code uniformity, samples, level 1"), 1e-5);
    const char *out = command_ends(0, "", "inspect one/runs/small/metrics.h5")->out;
    ck_assert_ptr_nonnull(strstr(out, "bootstrap_seed"));
    ck_assert_ptr_nonnull(strstr(out, "measured/classes of samples"));
    ck_assert_ptr_nonnull(strstr(out, "{use: vgg16, channels: 2, range: unit}"));
    ck_assert_ptr_nonnull(strstr(out, "features_digest"));
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
    {"metrics.metrics=[lpips]", "a perceptual distance is by a network's features, and there is none; give `features:"},
    {"metrics.metrics=[classifier]", "classes are told by a classifier, and there is none; give the input `features`"},
    {"metrics.bootstrap=100", "intervals are of the metrics in `metrics`, and there are none"},
    {"metrics.metrics=[mse] metrics.bootstrap=-1", "bootstrap"},
    {"decoded.use=evaluate-codes decoded.in.model=null", "here are codes alone; list metrics of codes, `metrics: [uniformity]`"},
    {"decoded.use=evaluate-codes decoded.in.model=null decoded.metrics=[uniformity,mse]", "and those of images in a stage `evaluate`"},
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
    tcase_add_test(c, networks_judge_and_intervals_are_drawn);
    tcase_add_test(c, an_empty_list_is_none);
    tcase_add_loop_test(c, lists_that_make_no_sense_are_refused, 0, (int)(sizeof odd / sizeof *odd));
    suite_add_tcase(s, c);
    return suite_run(s);
}
