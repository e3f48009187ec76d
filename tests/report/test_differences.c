/* Differences between two runs, and the verbs over results as a user runs them: table, diff, log. SPDX-License-Identifier: MIT */
#include "core/base/lock.h"
#include "core/report/differences.h"
#include "core/report/statistics.h"
#include "tests/support/command_fixture.h"
#include "tests/support/report_fixture.h"
#include "tests/support/suite.h"

#include <tessera/artefact.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct tessi_context context;
#define C (&context.context)

static struct tessi_report_set set;
static struct tessi_report_differences all;

static void setup(void)
{
    tessi_base_context_init(&context, NULL);
    report_start();
}

static void compare(void)
{
    report_collect(C, &set, 2, (const char *const[]){"a", "b"});
    int status = tessi_report_compare_runs(C, &set, &set.run[0], &set.run[1], &all);
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(C));
}

/* The difference of that kind and name; NULL: none. */
static const struct tessi_report_difference *find(int kind, const char *name)
{
    for (int64_t i = 0; i < all.count; i++)
        if (all.item[i].kind == kind && strcmp(all.item[i].name, name) == 0)
            return &all.item[i];
    return NULL;
}

static void is(int kind, const char *name, const char *a, const char *b)
{
    const struct tessi_report_difference *d = find(kind, name);
    ck_assert_msg(d != NULL, "%s is not listed", name);
    ck_assert_pstr_eq(d->a, a);
    ck_assert_pstr_eq(d->b, b);
}

static void make_two(void)
{
    const struct report_made_metric one[] = {{"PSNR", "dB", TESS_METRIC_HIGHER, 20.0, 0.1}, {"MSE", "", TESS_METRIC_LOWER, 0.5, -1}};
    const struct report_made_metric two[] = {{"PSNR", "dB", TESS_METRIC_HIGHER, 20.2, 0.1}, {"FD", "", TESS_METRIC_LOWER, 3, -1}};
    report_make(&(struct report_made){.folder = "a", .metrics = 2, .metric = one, .picture = 1});
    report_make(&(struct report_made){.folder = "b",
                                      .quantizer = "nearest",
                                      .seed = 2,
                                      .warning = "diverged: far",
                                      .plugin = "stage/1 evaluate, tessera-evaluate 0.1.0; metric/1 frechet, tessera-frechet 0.1.0",
                                      .metrics = 2,
                                      .metric = two,
                                      .picture = 1});
}

START_TEST(every_kind)
{
    make_two();
    compare();
    is(TESSI_DIFFERENT_SETTING, "tokenizer.quantizer.use", "ema", "nearest");
    is(TESSI_DIFFERENT_SETTING, "tokenizer.quantizer.decay", "0.99", NULL);
    ck_assert_ptr_null(find(TESSI_DIFFERENT_SETTING, "seed"));
    is(TESSI_DIFFERENT_SEED, "seed", "1", "2");
    is(TESSI_DIFFERENT_PLUGIN, "metric/1 frechet", NULL, "tessera-frechet 0.1.0");
    ck_assert_ptr_null(find(TESSI_DIFFERENT_RESULT, "images"));
    ck_assert_ptr_nonnull(find(TESSI_DIFFERENT_RESULT, "tokenizer"));
    is(TESSI_DIFFERENT_METRIC, "MSE", "", NULL);
    is(TESSI_DIFFERENT_METRIC, "FD", NULL, "");
    const struct tessi_report_difference *d = find(TESSI_DIFFERENT_METRIC, "PSNR");
    ck_assert(d->elsewhere); /* another metric had a part in it */
    is(TESSI_DIFFERENT_PICTURE, "reconstructions", "2x2x1", "2x2x1");
    is(TESSI_DIFFERENT_OUTCOME, "warning", NULL, "diverged: far");
    ck_assert_int_eq(all.same_results, 1);
    tessi_report_free(&set);
}
END_TEST

/* Noise of single runs is that of the metrics' own standard errors; equal runs do not differ. */
START_TEST(noise_and_equality)
{
    static const double values[] = {20.0, 20.2, 20.5};
    static const int compared[] = {0, TESSI_REPORT_WITHIN, TESSI_REPORT_APART};
    for (int i = 0; i < 3; i++) {
        const struct report_made_metric one = {"PSNR", "dB", TESS_METRIC_HIGHER, 20.0, 0.1};
        const struct report_made_metric two = {"PSNR", "dB", TESS_METRIC_HIGHER, values[i], 0.1};
        report_make(&(struct report_made){.folder = "a", .metrics = 1, .metric = &one, .picture = 1});
        report_make(&(struct report_made){.folder = "b", .metrics = 1, .metric = &two, .picture = 1});
        compare();
        const struct tessi_report_difference *d = find(TESSI_DIFFERENT_METRIC, "PSNR");
        ck_assert_int_eq(d == NULL, i == 0);
        ck_assert_int_eq(all.count, i == 0 ? 0 : 2); /* the result's digest */
        ck_assert_int_eq(all.same_pictures, 1);      /* by content, though the results differ */
        if (d) {
            ck_assert_int_eq(d->compared, compared[i]);
            ck_assert_double_eq_tol(d->half, 1.959963984540054 * 0.1 * 1.4142135623730951, 1e-9);
            ck_assert(!d->elsewhere);
        }
        tessi_report_free(&set);
    }
}
END_TEST

START_TEST(stages_of_one)
{
    report_make(&(struct report_made){.folder = "a"});
    report_make(&(struct report_made){.folder = "b"});
    report_write("b/resolved.yaml", "tessera: 1\nname: b\nseed: 1\nbackend: plain\nprecision: f32\nstages:\n"
                                    "  images: {use: import, source: {use: idx, images: mnist}, limit: 0}\n"
                                    "  refit: {use: refit, steps: 5}\n");
    compare();
    is(TESSI_DIFFERENT_STAGE, "tokenizer", "train-autoencoder", NULL);
    is(TESSI_DIFFERENT_STAGE, "refit", NULL, "refit");
    ck_assert_ptr_null(find(TESSI_DIFFERENT_SETTING, "refit.steps"));
    tessi_report_free(&set);
}
END_TEST

/* Files from outside are compared one by one, by their paths; a picture that is gone since is said to be. */
START_TEST(files_and_lost_pictures)
{
    const struct report_made_metric one = {"PSNR", "dB", TESS_METRIC_HIGHER, 20.0, 0.1};
    report_make(&(struct report_made){
        .folder = "a", .files = "11aa x.png\n22bb my y.png\n33cc same.png\n", .metrics = 1, .metric = &one, .picture = 1});
    report_make(&(struct report_made){
        .folder = "b", .seed = 2, .files = "44dd x.png\n33cc same.png\n55ee z.png", .metrics = 1, .metric = &one, .picture = 1});
    report_collect(C, &set, 2, (const char *const[]){"a", "b"});
    report_write("b/metrics.h5", "gone");
    ck_assert_int_eq(tessi_report_compare_runs(C, &set, &set.run[0], &set.run[1], &all), TESS_OK);
    is(TESSI_DIFFERENT_INPUT, "x.png", "11aa", "44dd");
    is(TESSI_DIFFERENT_INPUT, "my y.png", "22bb", NULL);
    is(TESSI_DIFFERENT_INPUT, "z.png", NULL, "55ee");
    ck_assert_ptr_null(find(TESSI_DIFFERENT_INPUT, "same.png"));
    is(TESSI_DIFFERENT_PICTURE, "reconstructions", "2x2x1", "cannot be read");
    tessi_report_free(&set);
}
END_TEST

/* ---- the verbs ----------------------------------------------------------------------------------------------------- */

START_TEST(verb_table)
{
    report_make_sweep("x", 2);
    for (int i = 0; i < 8; i++) {
        const struct report_made_metric m = {"PSNR", "dB", TESS_METRIC_HIGHER, i, -1};
        report_make(&(struct report_made){.folder = report_variant("x", 2, i), .seed = i % 2 + 1, .metrics = 1, .metric = &m});
    }
    ck_assert_ptr_nonnull(strstr(command_ends(0, "", "table x")->out, "x: 4 variants x 2 seeds (1, 2)"));
    ck_assert_ptr_nonnull(strstr(command_ends(0, "", "table runs/x --csv")->out, "metrics.PSNR (95 %)"));
    (void)command_ends(2, "there is no metric `fid`; there are", "table x --metrics fid");
    (void)command_ends(2, "wanted one of --csv, --json, --latex and --markdown", "table x --csv --json");
    (void)command_ends(2, "runs are in runs/NAME", "table nowhere");
    (void)command_ends(2, "wanted the folder of a run", "table");
}
END_TEST

START_TEST(verb_diff)
{
    make_two();
    const char *out = command_ends(0, "", "diff a b")->out;
    ck_assert_msg(strstr(out, "\nsettings\n  tokenizer.quantizer.use  ema  ->  nearest\n"), "%.3000s", out);
    ck_assert_msg(strstr(out, "\npictures\n  metrics: reconstructions  2x2x1  ->  2x2x1\n"), "%.3000s", out);
    ck_assert_msg(strstr(out, "  metrics: PSNR  20  ->  20.2 dB  measured in another way, or on other data\n"), "%.3000s", out);
    out = command_ends(0, "", "diff a b --json")->out;
    ck_assert_msg(strstr(out, "{\"stage\":\"\",\"name\":\"seed\",\"a\":\"1\",\"b\":\"2\"}"), "%.3000s", out);
    ck_assert_ptr_nonnull(strstr(command_ends(0, "", "diff a a")->out, "nothing differs; the same: "));
    (void)command_ends(2, "wanted the folders of two runs", "diff a");
    (void)command_ends(2, "found a third: `c`", "diff a b c");
    report_make_sweep("x", 1);
    (void)command_ends(2, "is a sweep; name two of its variants", "diff x a");
}
END_TEST

/* Counts of another total have each its own. */
START_TEST(diff_tells_both_totals)
{
    const struct report_made_metric m[] = {{"codes used", "of 8", TESS_METRIC_HIGHER, 8, -1},
                                           {"codes used", "of 16", TESS_METRIC_HIGHER, 15, -1}};
    report_make(&(struct report_made){.folder = "a", .metrics = 1, .metric = &m[0]});
    report_make(&(struct report_made){.folder = "b", .metrics = 1, .metric = &m[1]});
    const char *out = command_ends(0, "", "diff a b")->out;
    ck_assert_msg(strstr(out, "  metrics: codes used  8 of 8  ->  15 of 16  +7"), "%.3000s", out);
    out = command_ends(0, "", "diff a b --json")->out;
    ck_assert_msg(strstr(out, "\"unit\":\"of 8\",\"unit_b\":\"of 16\""), "%.3000s", out);
}
END_TEST

static const char log_head[] =
    "{\"time\":\"2026-01-02T03:04:05.000Z\",\"run\":\"0123456789ab\",\"event\":\"run_start\",\"name\":\"x\",\"pipeline\":\"x.yaml\","
    "\"tool\":"
    "\"tessera 0.1.0\",\"threads\":2,\"seed\":7,\"overrides\":[\"K=64\"]}\n"
    "{\"time\":\"2026-01-02T03:04:06.000Z\",\"run\":\"0123456789ab\",\"event\":\"stage_start\",\"stage\":\"prior\",\"use\":\"train-prior\"}"
    "\n"
    "not JSON\n"
    "{\"time\":\"2026-01-02T03:04:07.000Z\",\"run\":\"0123456789ab\",\"event\":\"warning\",\"stage\":\"prior\",\"text\":\"bad "
    "\\u001b[2J\"}\n"
    "{\"time\":\"2026-01-02T03:04:07.500Z\",\"run\":\"0123456789ab\",\"event\":\"new\",\"stage\":\"prior\",\"a\":1,\"b\":[1,2]}\n";
static const char log_tail[] =
    "{\"time\":\"2026-01-02T03:04:08.000Z\",\"run\":\"0123456789ab\",\"event\":\"stage_end\",\"stage\":\"prior\",\"seconds\":2,\"metrics\":"
    "[{"
    "\"name\":\"parameters\",\"value\":188943,\"unit\":\"\"}],\"warning\":\"bad\"}\n"
    "{\"time\":\"2026-01-02T03:05:08.000Z\",\"run\":\"0123456789ab\",\"event\":\"run_end\",\"status\":0,\"seconds\":63}\n";
static const char log_lines[] = "run 0123456789ab, 2026-01-02\n"
                                "03:04:05  -             begins x of x.yaml K=64, seed 7, tessera 0.1.0, threads 2\n"
                                "03:04:06  prior         begins (train-prior)\n"
                                "03:04:07  prior         warning: bad \\x1b[2J\n"
                                "03:04:07  prior         new a=1 b=2 of them\n";
static const char log_last_lines[] = "03:04:08  prior         computed in 2.0 s: parameters 188943; warning: bad\n"
                                     "03:05:08  -             ends in 1:03 min\n";

static void append(const char *text)
{
    FILE *f = fopen("runs/x/log.jsonl", "a");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(verb_log)
{
    char whole[2000];
    report_write("runs/x/log.jsonl", log_head);
    ck_assert_str_eq(command_ends(0, "", "log x")->out, log_lines);
    append(log_tail);
    append("{\"time\":\"2026");
    (void)snprintf(whole, sizeof whole, "%s%s", log_lines, log_last_lines);
    ck_assert_str_eq(command_ends(0, "", "log runs/x")->out, whole);
    ck_assert_str_eq(command_ends(0, "", "log runs/x/log.jsonl --follow")->out, whole); /* the run has ended */
    ck_assert_ptr_nonnull(strstr(command_ends(0, "", "log x --json")->out, log_tail));
    (void)command_ends(74, "wanted the log of a run", "log y");
    report_write("notes.txt", "a text\nof two lines\n");
    report_write("other.jsonl", "{\"a\":1}\n");
    report_write("one.txt", "no line ends here");
    report_write("empty", "");
    (void)command_ends(65, "notes.txt: wanted the log of a run, lines of JSON with an `event` each, found other text", "log notes.txt");
    (void)command_ends(65, "other.jsonl: wanted the log of a run", "log other.jsonl --json");
    (void)command_ends(65, "one.txt: wanted the log of a run", "log one.txt --follow");
    (void)command_ends(65, "found an empty file", "log empty");
    report_make_sweep("z", 1);
    (void)command_ends(2, "runs/z: is a sweep; name one of its variants, runs/z/VARIANT", "log z");
}
END_TEST

/* Events that have words of their own, and members of every type. */
START_TEST(log_of_a_training)
{
#define AT(second, rest) "{\"time\":\"2026-01-02T03:04:0" second ".000Z\",\"run\":\"0123456789ab\",\"event\":\"" rest "}\n"
    report_write("runs/x/log.jsonl",
                 AT("1", "progress\",\"stage\":\"prior\",\"done\":3,\"total\":9,\"unit\":\"step\",\"metric\":\"loss\",\"value\":0.25")
                     AT("2", "loss\",\"stage\":\"prior\",\"step\":10,\"objective\":\"bound\",\"mean\":2.5,\"first\":4,\"lr\":0.001")
                         AT("3", "diverged\",\"stage\":\"prior\",\"step\":11,\"name\":\"bound\",\"mean\":null")
                             AT("4", "note\",\"stage\":\"prior\",\"text\":\"3 of 8 codes are used\"")
                                 AT("5", "new\",\"yes\":true,\"no\":false,\"none\":null,\"map\":{\"a\":1}")
                                     AT("6", "checkpoint\",\"stage\":\"prior\",\"checkpoint\":\"k.checkpoint.h5\"")
                                         AT("7", "stopped\",\"status\":-8,\"seconds\":6"));
    ck_assert_str_eq(command_ends(0, "", "log x")->out, "run 0123456789ab, 2026-01-02\n"
                                                        "03:04:01  prior         3/9 step, loss 0.25\n"
                                                        "03:04:02  prior         loss at step 10: bound 2.5, at the first 4, lr 0.001\n"
                                                        "03:04:03  prior         diverged at step 11: bound none\n"
                                                        "03:04:04  prior         note: 3 of 8 codes are used\n"
                                                        "03:04:05  -             new yes=true no=false none=null map=1 of them\n"
                                                        "03:04:06  prior         checkpoint k.checkpoint.h5\n"
                                                        "03:04:07  -             stopped, exit code 75 in 6.0 s\n");
    (void)command_ends(2, "wanted the folder of a run, runs/NAME", "log");
    (void)command_ends(2, "wanted one run, found `x` and `y`", "log x y");
}
END_TEST

/* Following waits while somebody is at work, and ends with the run, or when nobody is there any more. */
START_TEST(log_is_followed)
{
    int lock, held;
    char holder[256], whole[2000];
    report_write("runs/x/log.jsonl", log_head);
    ck_assert_int_eq(tessi_base_lock_try(C, "runs/x/.lock", &lock, &held, holder, sizeof holder), TESS_OK);
    ck_assert_int_ge(lock, 0);
    pid_t child = command_start("log x --follow", &(struct command_limits){0});
    append("{\"time\":\"2026-01-02T03:04:07.700Z\",");
    append("\"run\":\"0123456789ab\",\"event\":\"checkpoint\",\"stage\":\"prior\"}\n");
    append(log_tail);
    const struct command_result *r = command_wait(child);
    tessi_base_lock_drop("runs/x/.lock", lock);
    (void)snprintf(whole, sizeof whole, "%s03:04:07  prior         checkpoint\n%s", log_lines, log_last_lines);
    ck_assert_int_eq(r->code, 0);
    ck_assert_str_eq(r->out, whole);
    report_write("runs/x/log.jsonl", log_head);
    ck_assert_str_eq(command_ends(0, "nobody is at work in runs/x", "log x --follow")->out, log_lines);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("differences");
    TCase *t = tcase_create("differences");
    tcase_add_checked_fixture(t, setup, report_end);
    tcase_add_test(t, every_kind);
    tcase_add_test(t, noise_and_equality);
    tcase_add_test(t, stages_of_one);
    tcase_add_test(t, files_and_lost_pictures);
    suite_add_tcase(s, t);
    t = tcase_create("verbs");
    tcase_add_checked_fixture(t, setup, report_end);
    tcase_add_test(t, verb_table);
    tcase_add_test(t, verb_diff);
    tcase_add_test(t, diff_tells_both_totals);
    tcase_add_test(t, verb_log);
    tcase_add_test(t, log_of_a_training);
    tcase_add_test(t, log_is_followed);
    suite_add_tcase(s, t);
    return suite_run(s);
}
