/* The judge judged: plugins that are shipped pass, plugins that break a promise fail the test that is there for it, and what is drawn is a
 * function of the seed. SPDX-License-Identifier: MIT */
#include "tests/support/judge_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is shipped ----------------------------------------------------------------------------------------------- */

/* Values of parameters without a default: a file of 24 small images, images of every kind in a folder and in a list. */
static char idx_file[64] = "/tmp/tessera-judge-idx-XXXXXX", idx_setting[128];
static const char *const settings[] = {idx_setting, "source/folder.path=" TEST_FOLDER, "source/list.path=" TEST_FOLDER "/pictures.csv",
                                      "source/tar.path=" TEST_FOLDER "/pictures.tar",
                                      "source/npy.path=" TEST_FOLDER "/pictures.npy",
                                      "source/hdf5.path=" TEST_FOLDER "/pictures.h5"};

static int make_idx(void)
{
    uint8_t bytes[16 + 24 * 5 * 4] = {0, 0, 8, 3, 0, 0, 0, 24, 0, 0, 0, 5, 0, 0, 0, 4};
    for (size_t i = 16; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37);
    int fd = mkstemp(idx_file);
    int made = fd >= 0 && write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes;
    if (fd >= 0)
        close(fd);
    snprintf(idx_setting, sizeof idx_setting, "source/idx.images=%s", idx_file);
    return made;
}

/* The i-th plugin that is found, a test each, so that they are told apart and one that hangs does not hide the others. */
static int plugin_at(int wanted, char *path, size_t capacity)
{
    int found = 0;
    for (int64_t i = 0; i < tessi_plug_registry_files(judge_runtime()->registry); i++) {
        const struct tessi_found *f = tessi_plug_registry_file(judge_runtime()->registry, i);
        ck_assert_msg(!f->refusal, "%s", f->refusal);
        if (found++ == wanted)
            snprintf(path, capacity, "%s", f->path);
    }
    return found;
}

/* 1, or as `make check-long` asks. */
static int judge_level(void)
{
    const char *text = getenv("TESSERA_JUDGE_LEVEL");
    int level = text ? atoi(text) : 1;
    return level < 1 ? 1 : level > TESSI_JUDGE_LEVELS ? TESSI_JUDGE_LEVELS : level;
}

enum { PLUGINS_MAX = 80 };

START_TEST(test_shipped)
{
    static struct verdicts v;
    struct tessi_judge_report report;
    char path[PATH_MAX] = "", message[TESSI_MESSAGE_CAPACITY];
    int plugins = plugin_at(_i, path, sizeof path);
    ck_assert_int_le(plugins, PLUGINS_MAX);
    if (_i >= plugins)
        return;
    const struct tessi_judge_options o = {.what = path,
                                          .level = judge_level(),
                                          .seed = 1,
                                          .set = settings,
                                          .sets = (int32_t)(sizeof settings / sizeof *settings)};
    ck_assert_msg(judge_verdicts(&o, &v, &report, message) == TESS_OK, "%s: %s", path, message);
    ck_assert_msg(report.count[TESSI_JUDGE_FAILED] == 0, "%s:\n%s", path, v.failed);
    ck_assert_int_gt(report.count[TESSI_JUDGE_PASSED], 0);
}
END_TEST

/* ---- what is broken ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *file, *component, *test;
} broken[] = {
    {BROKEN("quantizer"), "quantizer/farthest", "nearest"},
    {BROKEN("quantizer"), "quantizer/code-k", "range"},
    {BROKEN("quantizer"), "quantizer/lookup-next", "lookup-inverts"},
    {BROKEN("quantizer"), "quantizer/lookup-next", "fixed-point"},
    {BROKEN("quantizer"), "quantizer/wide", "nodes"},
    {BROKEN("quantizer"), "quantizer/no-loss", "nodes"},
    {BROKEN("quantizer"), "quantizer/nan-loss", "loss-finite"},
    {BROKEN("quantizer"), "quantizer/nan-loss", "finite"},
    {BROKEN("quantizer"), "quantizer/no-gradient", "gradient-flows"},
    {BROKEN("quantizer"), "quantizer/no-message", "status"},
    {BROKEN("quantizer"), "quantizer/positive", "status"},
    {BROKEN("quantizer"), "quantizer/open-scope", "scopes"},
    {BROKEN("quantizer"), "quantizer/hidden-state", "restored"},
    {BROKEN("quantizer"), "quantizer/nan-codebook", "steps"},
    {BROKEN("quantizer"), "quantizer/leak", "closes"},
    {BROKEN("quantizer"), "quantizer/wrong-memory", "open-allocations"},
    {BROKEN("quantizer"), "quantizer/bad-rebuild", "rebuild"},
    {BROKEN("quantizer"), "quantizer/crash", "records"},
    {BROKEN("quantizer"), "quantizer/hang", "records"},
    {BROKEN("quantizer"), "quantizer/one-code", "usage"},
    {BROKEN("quantizer"), "quantizer/unkeyed", "steps-repeat"},
    {BROKEN("quantizer"), "quantizer/depth-0", "sizes"},
    {BROKEN("quantizer"), "quantizer/other-codes", "record-agrees"},
    {BROKEN("quantizer"), "quantizer/ends", "records"},
    {BROKEN("quantizer"), "quantizer/heavy", "memory"},
    {BROKEN("quantizer"), "quantizer/writes-input", "inputs-kept"},
    {BROKEN("quantizer"), "quantizer/talks", "quiet"},
    {BROKEN("quantizer"), "quantizer/rounds", "process"},
    {BROKEN("quantizer"), "quantizer/keeps-file", "resources"},
    {BROKEN("quantizer"), "quantizer/beyond-self", "bounds"},
    {BROKEN("quantizer"), "quantizer/bad-close", "half-opened"},
    {BROKEN("quantizer"), "quantizer/mixes-rows", "rows"},
    {BROKEN("quantizer"), "quantizer/swallows", "leaks"},
    {BROKEN("quantizer"), "quantizer/no-name", "records"},
    {BROKEN("quantizer"), "quantizer/outside", "names"},
    {BROKEN("noise"), "noise/outside", "corrupt-range"},
    {BROKEN("noise"), "noise/writes-x0", "corrupt-kept"},
    {BROKEN("noise"), "noise/unkeyed", "corrupt-repeats"},
    {BROKEN("noise"), "noise/wrong-posterior", "reverse-posterior"},
    {BROKEN("noise"), "noise/wrong-posterior", "reverse-exact"},
    {BROKEN("noise"), "noise/half-bound", "bound-known-source"},
    {BROKEN("noise"), "noise/imperfect", "bound-perfect"},
    {BROKEN("noise"), "noise/unfinished", "finishes"},
    {BROKEN("noise"), "noise/changes-none", "changes"},
    {BROKEN("noise"), "noise/condition-all", "condition"},
    {BROKEN("noise"), "noise/starts-clean", "start-is-marginal"},
    {BROKEN("noise"), "noise/small-vocabulary", "sizes"},
    {BROKEN("noise"), "noise/nan-passes", "not-finite"},
    {BROKEN("noise"), "noise/not-in-place", "reverse-in-place"},
    {BROKEN("noise"), "noise/wrong-gradient", "gradients"},
    {BROKEN("noise"), "noise/hot", "temperature"},
    {BROKEN("noise"), "noise/ignores-row", "logits-by-row"},
    {BROKEN("noise"), "noise/backward-times", "corrupt-grows"},
    {BROKEN("noise"), "noise/many-steps", "sizes"},
    {BROKEN("noise"), "noise/edges", "corrupt-alike"},
    {BROKEN("noise"), "noise/negative-constant", "bound-constant"},
    {BROKEN("symbol"), "critic/honest", "one-symbol"},
    {BROKEN("weak"), "critic/honest", "one-symbol"},
    {BROKEN("sampler"), "sampler/unfinished", "finishes"},
    {BROKEN("sampler"), "sampler/likeliest", "exact"},
    {BROKEN("sampler"), "sampler/reads-none", "reads"},
    {BROKEN("sampler"), "sampler/reads-and-writes", "reads-keeps"},
    {BROKEN("sampler"), "sampler/marks-beyond", "reads-keeps"},
    {BROKEN("sampler"), "sampler/unkeyed", "repeats"},
    {BROKEN("sampler"), "sampler/nan-passes", "not-finite"},
    {BROKEN("sampler"), "sampler/many-calls", "sizes"},
    {BROKEN("sampler"), "sampler/refuses-badly", "check"},
    {BROKEN("sampler"), "sampler/writes-logits", "repeats"},
    {BROKEN("sampler"), "sampler/remembers", "any-order"},
    {BROKEN("metric"), "metric/forgets", "merge-order"},
    {BROKEN("metric"), "metric/not-a-number", "value-repeats"},
    {BROKEN("metric"), "metric/packs-half", "pack"},
    {BROKEN("metric"), "metric/writes-rows", "rows-kept"},
    {BROKEN("metric"), "metric/loses", "metric-memory"},
    {BROKEN("metric"), "metric/last-block", "merge-blocks"},
    {BROKEN("metric"), "metric/no-name", "value-repeats"},
    {BROKEN("metric"), "metric/same-names", "names"},
    {BROKEN("metric"), "metric/packs-anew", "pack-again"},
    {BROKEN("metric"), "metric/unpacks-cut", "unpack-cut"},
    {BROKEN("metric"), "metric/shares", "states-apart"},
    {BROKEN("networks"), "denoiser/local", "sees-all"},
    {BROKEN("networks"), "denoiser/sees-itself", "sees-before"},
    {BROKEN("networks"), "denoiser/no-time", "sees-time"},
    {BROKEN("networks"), "denoiser/wrong-rows", "positions"},
    {BROKEN("networks"), "denoiser/no-label", "sees-label"},
    {BROKEN("networks"), "encoder/mixes", "rows"},
    {BROKEN("networks"), "encoder/narrow", "nodes"},
    {BROKEN("networks"), "encoder/wrong-code", "sizes"},
    {BROKEN("networks"), "encoder/blind", "sees-image"},
    {BROKEN("networks"), "encoder/new-weights", "weights"},
    {BROKEN("networks"), "decoder/wrong-size", "nodes"},
    {BROKEN("networks"), "decoder/other-image", "head-image"},
    {BROKEN("networks"), "decoder/other-larger", "larger-same"},
    {BROKEN("networks"), "decoder/no-head", "head-weights"},
    {BROKEN("networks"), "critic/narrow", "nodes"},
    {BROKEN("networks"), "critic/stops", "image-gradient"},
    {BROKEN("stage"), "stage/no-output", "ports"},
    {BROKEN("stage"), "stage/same-name", "ports"},
    {BROKEN("stage"), "stage/no-help", "ports"},
    {BROKEN("stage"), "stage/no-name", "ports"},
    {BROKEN("stage"), "stage/perhaps", "ports"},
    {BROKEN("stage"), "stage/takes-in", "ports"},
    {BROKEN("stage"), "stage/unknown", "depends"},
    {BROKEN("stage"), "stage/changing", "depends"},
};

START_TEST(test_broken)
{
    static struct verdicts v;
    struct tessi_judge_report report;
    char only[200], message[TESSI_MESSAGE_CAPACITY];
    snprintf(only, sizeof only, "%s:%s", broken[_i].component, broken[_i].test);
    const struct tessi_judge_options o = {.what = broken[_i].file,
                                          .level = 1,
                                          .seed = 1,
                                          .only = only,
                                          .seconds = strcmp(broken[_i].component, "quantizer/hang") == 0 ? 2.0 : 0.0};
    ck_assert_msg(judge_verdicts(&o, &v, &report, message) == TESS_OK, "%s: %s", only, message);
    ck_assert_msg(v.count == 1 && report.count[TESSI_JUDGE_FAILED] == 1, "%s is not noticed; skipped: %s", only, v.skipped);
    ck_assert_msg(!strstr(v.failed, "without a word"), "%s", v.failed);
}
END_TEST

/* Honest components, equal to the broken ones but for the promise, pass every test. */
START_TEST(test_honest)
{
    static const char *const honest[][2] = {{BROKEN("quantizer"), "quantizer/honest"}, {BROKEN("noise"), "noise/honest"},
                                            {BROKEN("networks"), "denoiser/honest"},   {BROKEN("networks"), "encoder/honest"},
                                            {BROKEN("networks"), "decoder/honest"},    {BROKEN("networks"), "critic/honest"},
                                            {BROKEN("sampler"), "sampler/honest"},    {BROKEN("metric"), "metric/honest"}};
    static struct verdicts v;
    struct tessi_judge_report report;
    char message[TESSI_MESSAGE_CAPACITY];
    const struct tessi_judge_options o = {.what = honest[_i][0], .level = 1, .seed = 1, .only = honest[_i][1]};
    ck_assert_msg(judge_verdicts(&o, &v, &report, message) == TESS_OK, "%s: %s", honest[_i][1], message);
    ck_assert_msg(report.count[TESSI_JUDGE_FAILED] == 0, "%s", v.failed);
    ck_assert_int_ge(v.count, strncmp(honest[_i][1], "metric/", strlen("metric/")) == 0 ? 27 : 30);
}
END_TEST

/* ---- the judge itself ---------------------------------------------------------------------------------------------- */

static int count_tests(const char *kind)
{
    const char *asserts;
    int level, n = 0;
    while (tessi_judge_test_at(kind, n, &asserts, &level)) {
        ck_assert_uint_gt(strlen(asserts), 10);
        n++;
    }
    return n;
}

START_TEST(test_thirty_a_kind)
{
    static const char *const kinds[] = {"quantizer/1", "noise/1", "denoiser/1", "sampler/1", "encoder/1", "decoder/1", "metric/1"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        ck_assert_msg(count_tests(kinds[i]) >= 30, "%s: %d tests", kinds[i], count_tests(kinds[i]));
}
END_TEST

START_TEST(test_never_green_at_nothing)
{
    static struct verdicts v;
    struct tessi_judge_report report;
    char message[TESSI_MESSAGE_CAPACITY];
    struct tessi_judge_options o = {.what = "quantizer/ema", .level = 1, .seed = 1, .only = "no-such-test"};
    ck_assert_int_eq(judge_verdicts(&o, &v, &report, message), TESS_E_USAGE);
    ck_assert_ptr_nonnull(strstr(message, "no-such-test"));
    o.what = "quantizer/no-such";
    o.only = NULL;
    ck_assert_int_eq(judge_verdicts(&o, &v, &report, message), TESS_E_PLUGIN);
    ck_assert_ptr_nonnull(strstr(message, "quantizer/no-such"));
}
END_TEST

static void expectations(const char *text, struct verdicts *v, struct tessi_judge_report *report, int *status, char *message)
{
    char path[] = "/tmp/tessera-expect-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    const struct tessi_judge_options o = {
        .what = BROKEN("quantizer"), .level = 1, .seed = 1, .only = "quantizer/farthest:nearest", .expect = path};
    *status = judge_verdicts(&o, v, report, message);
    unlink(path);
}

START_TEST(test_expected)
{
    static struct verdicts v;
    struct tessi_judge_report report;
    char message[TESSI_MESSAGE_CAPACITY];
    int status;
    expectations("# a comment\n\nquantizer/farthest nearest: it is meant so\n", &v, &report, &status, message);
    ck_assert_int_eq(status, TESS_OK);
    ck_assert_int_eq(report.count[TESSI_JUDGE_EXPECTED], 1);
    expectations("quantizer/farthest nearest\n", &v, &report, &status, message);
    ck_assert_int_eq(status, TESS_E_USAGE);
    ck_assert_ptr_nonnull(strstr(message, ":1: wanted `KIND/NAME TEST: reason`"));
    expectations("quantizer/farthest no-such-test: why\n", &v, &report, &status, message);
    ck_assert_int_eq(status, TESS_E_USAGE);
    ck_assert_ptr_nonnull(strstr(message, "no-such-test"));
}
END_TEST

/* A test that is expected to fail and passes is told as well. */
START_TEST(test_expected_passes)
{
    static struct verdicts v;
    struct tessi_judge_report report;
    char message[TESSI_MESSAGE_CAPACITY], path[] = "/tmp/tessera-expect-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "quantizer/honest nearest: it is thought to be wrong\n";
    ck_assert_int_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    const struct tessi_judge_options o = {
        .what = BROKEN("quantizer"), .level = 1, .seed = 1, .only = "quantizer/honest:nearest", .expect = path};
    ck_assert_int_eq(judge_verdicts(&o, &v, &report, message), TESS_OK);
    unlink(path);
    ck_assert_int_eq(report.count[TESSI_JUDGE_FAILED], 1);
    ck_assert_ptr_nonnull(strstr(v.failed, "take its line out"));
}
END_TEST

/* Messages of a test depend on the seed alone: not on other tests in the run, nor on a process of its own. */
START_TEST(test_replay)
{
    static struct verdicts all, one, inside;
    struct tessi_judge_report report;
    char message[TESSI_MESSAGE_CAPACITY];
    struct tessi_judge_options o = {.what = BROKEN("quantizer"), .level = 2, .seed = 77, .only = "nearest"};
    ck_assert_int_eq(judge_verdicts(&o, &all, &report, message), TESS_OK);
    o.only = "quantizer/farthest:nearest";
    ck_assert_int_eq(judge_verdicts(&o, &one, &report, message), TESS_OK);
    o.in_process = 1;
    ck_assert_int_eq(judge_verdicts(&o, &inside, &report, message), TESS_OK);
    ck_assert_uint_gt(strlen(one.failed), 20);
    ck_assert_msg(strstr(all.failed, one.failed) != NULL, "%s\n%s", all.failed, one.failed);
    ck_assert_str_eq(one.failed, inside.failed);
}
END_TEST

int main(void)
{
    if (!make_idx())
        return EXIT_FAILURE;
    Suite *s = suite_create("judge");
    TCase *shipped = tcase_create("shipped"), *lies = tcase_create("broken"), *honest = tcase_create("honest"), *own = tcase_create("own");
    tcase_set_timeout(shipped, 900 * judge_level());
    tcase_set_timeout(lies, 300);
    tcase_set_timeout(honest, 600);
    tcase_set_timeout(own, 300);
    tcase_add_loop_test(shipped, test_shipped, 0, PLUGINS_MAX);
    tcase_add_loop_test(lies, test_broken, 0, (int)(sizeof broken / sizeof *broken));
    tcase_add_loop_test(honest, test_honest, 0, 8);
    tcase_add_test(own, test_thirty_a_kind);
    tcase_add_test(own, test_never_green_at_nothing);
    tcase_add_test(own, test_expected);
    tcase_add_test(own, test_expected_passes);
    tcase_add_test(own, test_replay);
    TCase *const all[] = {own, lies, honest, shipped};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tcase_add_unchecked_fixture(all[i], judge_runtime_open, judge_runtime_close);
    suite_add_tcase(s, own);
    suite_add_tcase(s, lies);
    suite_add_tcase(s, honest);
    suite_add_tcase(s, shipped);
    int status = suite_run(s);
    unlink(idx_file);
    return status;
}
