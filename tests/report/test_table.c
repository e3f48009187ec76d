/* Tables byte for byte, in every format, and the rules behind them: rows, columns, protocols, marks, failures, hostile names.
 * SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/report/table.h"
#include "tests/support/report_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <tessera/artefact.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct tessi_context context;
#define C (&context.context)

static struct tessi_report_set set;
static struct tessi_report_table table;

static void setup(void)
{
    tessi_base_context_init(&context, NULL);
    report_start();
}

static void make(int64_t n, const char *const *paths, const struct tessi_report_table_options *o)
{
    report_collect(C, &set, n, paths);
    int status = tessi_report_table_make(C, &set, o, &table);
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(C));
}

/* The table as it is printed; in a buffer that the next call uses again. */
static const char *printed(int format, const struct tessi_report_text_style *style)
{
    static char text[1 << 15];
    FILE *to = fmemopen(text, sizeof text, "w");
    ck_assert_ptr_nonnull(to);
    ck_assert_int_eq(tessi_report_table_print(C, &table, format, style, to), TESS_OK);
    ck_assert_int_eq(fclose(to), 0);
    return text;
}

/* The output is that of a file in tests/report/expected, byte for byte. TABLE_REWRITE=1 writes the file instead, to be read before it is
 * committed. */
static void is_expected(const char *found, const char *file)
{
    static char wanted[1 << 15];
    char path[400];
    size_t same = 0;
    (void)snprintf(path, sizeof path, "%s/%s", TEST_EXPECTED_TABLES, file);
    FILE *f = fopen(path, getenv("TABLE_REWRITE") ? "w" : "r");
    ck_assert_msg(f != NULL, "%s", path);
    if (getenv("TABLE_REWRITE"))
        fputs(found, f);
    else
        wanted[fread(wanted, 1, sizeof wanted - 1, f)] = '\0';
    fclose(f);
    while (found[same] && found[same] == wanted[same])
        same++;
    ck_assert_msg(getenv("TABLE_REWRITE") || strcmp(found, wanted) == 0, "%s: differs from `%.60s` on; found:\n%.3000s", file,
                  wanted + same, found);
}

/* Three seeds of four variants; the last but one diverged with its second seed, the last failed with its third. */
static void make_sweep(void)
{
    static const double psnr[4][3] = {{19.9, 20.1, 20.0}, {21.0, 21.4, 21.1}, {20.9, 3.0, 21.2}, {21.3, 21.0, 0}};
    static const double bound[4][3] = {{3.41, 3.42, 3.40}, {3.30, 3.50, 3.41}, {3.1, 3.1, 3.1}, {3.39, 3.42, 0}};
    char path[600];
    report_make_sweep("ablation/x", 3);
    for (int i = 0; i < 11; i++) {
        const struct report_made_metric metrics[] = {{"reconstruction PSNR", "dB", TESS_METRIC_HIGHER, psnr[i / 3][i % 3], -1},
                                                     {"prior's bound", "bits/code", TESS_METRIC_LOWER, bound[i / 3][i % 3], 0.01},
                                                     {"images", "", 0, 10, -1}};
        report_make(&(struct report_made){.folder = report_variant("ablation/x", 3, i),
                                          .quantizer = i < 6 ? "nearest" : "ema",
                                          .codebook_size = i / 3 % 2 ? 256 : 64,
                                          .seed = i % 3 + 1,
                                          .warning = i == 7 ? "diverged: loss is 9 at step 3 and was 1 at the first" : NULL,
                                          .metrics = 3,
                                          .metric = metrics});
    }
    (void)snprintf(path, sizeof path, "%s/outcome.yaml", report_variant("ablation/x", 3, 11));
    report_write(path, "outcome: failed\nstage: tokenizer\nreason: \"no memory, 50% short & <gone>\"\nseconds: 1.5\n");
}

static const char *const sweep_path[] = {"runs/ablation/x"};

START_TEST(as_text)
{
    const struct tessi_report_table_options o = {0};
    make_sweep();
    make(1, sweep_path, &o);
    is_expected(printed(TESSI_REPORT_AS_TEXT, &(struct tessi_report_text_style){0}), "table.txt");
    is_expected(printed(TESSI_REPORT_AS_TEXT, &(struct tessi_report_text_style){.columns = 60, .utf8 = 1, .bold = 1, .differences = 1}),
                "terminal.txt");
    tessi_report_free(&set);
}
END_TEST

START_TEST(as_csv)
{
    const struct tessi_report_table_options o = {.metrics = "psnr"};
    make_sweep();
    make(1, sweep_path, &o);
    is_expected(printed(TESSI_REPORT_AS_CSV, NULL), "table.csv");
    tessi_report_free(&set);
}
END_TEST

START_TEST(as_json)
{
    const struct tessi_report_table_options o = {.metrics = "bound"};
    make_sweep();
    make(1, sweep_path, &o);
    table.rows = 2;
    is_expected(printed(TESSI_REPORT_AS_JSON, NULL), "table.json");
    tessi_report_free(&set);
}
END_TEST

START_TEST(as_latex)
{
    const struct tessi_report_table_options o = {0};
    make_sweep();
    make(1, sweep_path, &o);
    is_expected(printed(TESSI_REPORT_AS_LATEX, NULL), "table.tex");
    tessi_report_free(&set);
}
END_TEST

START_TEST(as_markdown)
{
    const struct tessi_report_table_options o = {.sort = "psnr", .baseline = "quantizer=nearest,K=256"};
    make_sweep();
    make(1, sweep_path, &o);
    is_expected(printed(TESSI_REPORT_AS_MARKDOWN, NULL), "table.md");
    tessi_report_free(&set);
}
END_TEST

/* A count's unit is the total that it is of, which may be what the rows differ in: one column all the same. */
START_TEST(counts_of_a_total)
{
    const struct tessi_report_table_options o = {.all = 1};
    for (int i = 0; i < 2; i++) {
        const struct report_made_metric m = {"codes used", i ? "of 256" : "of 64", TESS_METRIC_HIGHER, 60, -1};
        report_make(&(struct report_made){.folder = i ? "b" : "a", .codebook_size = i ? 256 : 64, .metrics = 1, .metric = &m});
    }
    make(2, (const char *const[]){"a", "b"}, &o);
    ck_assert_int_eq(table.measures, 2);
    ck_assert_str_eq(table.measure[1].unit, "of N");
    tessi_report_free(&set);
}
END_TEST

/* ---- rules --------------------------------------------------------------------------------------------------------- */

static const char *const five[] = {"a", "b", "c", "d", "e"};

static void make_run(const char *folder, const char *quantizer, int seed, int limit, const char *images, double psnr, double error)
{
    const struct report_made_metric m = {"PSNR", "dB", TESS_METRIC_HIGHER, psnr, error};
    report_make(&(struct report_made){
        .folder = folder, .quantizer = quantizer, .seed = seed, .limit = limit, .images = images, .metrics = 1, .metric = &m});
}

static int64_t measure(const char *title)
{
    for (int64_t i = 0; i < table.measures; i++)
        if (strcmp(table.measure[i].title, title) == 0)
            return i;
    ck_abort_msg("there is no metric `%s`", title);
    return -1;
}

/* Runs by themselves: those that differ by their seed alone are one row; the component is a column and its own parameters are not. */
START_TEST(runs_by_themselves)
{
    const struct tessi_report_table_options o = {0}, all = {.all = 1};
    make_run("a", "ema", 1, 0, "mnist", 20, -1);
    make_run("b", "ema", 2, 0, "mnist", 21, -1);
    make_run("c", "nearest", 1, 0, "mnist", 19, -1);
    make_run("d", "ema", 2, 0, "mnist", 21, -1); /* a run named twice is no repetition */
    make(4, five, &o);
    ck_assert_int_eq(table.rows, 3);
    ck_assert_int_eq(table.row[0].runs, 2);
    ck_assert_str_eq(table.row[0].name, "a");
    ck_assert_int_eq(table.columns, 1);
    ck_assert_str_eq(table.column[0].name, "tokenizer.quantizer.use");
    ck_assert_str_eq(table.column[0].title, "quantizer");
    ck_assert_str_eq(table.row[1].setting[0], "nearest");
    ck_assert_int_eq(table.row[0].cell[measure("PSNR")].mean.n, 2);
    ck_assert_double_eq(table.row[0].cell[measure("PSNR")].mean.mean, 20.5);
    ck_assert_str_eq(table.seed_texts, "1, 2");
    tessi_report_free(&set);
    make(4, five, &all);
    ck_assert_int_eq(table.columns, 2);
    ck_assert_str_eq(table.column[1].name, "tokenizer.quantizer.decay");
    ck_assert_ptr_null(table.row[1].setting[1]);
    tessi_report_free(&set);
}
END_TEST

/* A metric of one name, measured in three ways: three columns, and a note says how they differ. */
START_TEST(no_joining_by_name)
{
    const struct tessi_report_table_options o = {0};
    make_run("a", "ema", 1, 0, "mnist", 20, -1);
    make_run("b", "nearest", 1, 0, "mnist", 21, -1);
    make_run("c", "ema", 1, 100, "mnist", 22, -1);
    make_run("d", "ema", 2, 0, "faces", 30, -1); /* other images, and another seed is no excuse */
    make(4, five, &o);
    int64_t one = measure("PSNR [1]"), two = measure("PSNR [2]"), three = measure("PSNR [3]");
    ck_assert_int_eq(table.row[0].cell[one].mean.n, 1);
    ck_assert_int_eq(table.row[1].cell[one].mean.n, 1);
    ck_assert_int_eq(table.row[2].cell[one].mean.n, 0);
    ck_assert_int_eq(table.row[2].cell[two].mean.n, 1);
    ck_assert_int_eq(table.row[3].cell[three].mean.n, 1);
    ck_assert(table.row[1].cell[one].best && !table.row[2].cell[two].best && !table.row[3].cell[three].best);
    ck_assert_int_eq(table.notes, 3);
    ck_assert_ptr_eq(strstr(table.note[0], "PSNR [1]: measured with limit 0, data at images "), table.note[0]);
    ck_assert_ptr_eq(strstr(table.note[1], "PSNR [2]: measured with limit 100, data at images "), table.note[1]);
    tessi_report_free(&set);
}
END_TEST

/* Data that changes with the seed, in every row alike, is no other protocol. */
START_TEST(data_by_the_seed)
{
    const struct tessi_report_table_options o = {0};
    make_run("a", "ema", 1, 0, "net", 20, -1);
    make_run("b", "nearest", 1, 0, "net", 21, -1);
    make(2, five, &o);
    /* As a network of features that is trained anew: its content changes with the seed, its settings do not. */
    for (int64_t i = 0; i < set.run[0].metrics; i++)
        ck_assert_str_eq(set.run[0].metric[i].against, set.run[1].metric[i].against);
    tessi_report_free(&set);
    report_make_sweep("x", 2);
    for (int i = 0; i < 8; i++) {
        const struct report_made_metric m = {"FD", "", TESS_METRIC_LOWER, i, -1};
        report_make(&(struct report_made){
            .folder = report_variant("x", 2, i), .seed = i % 2 + 1, .images = i % 2 ? "net 1" : "net 2", .metrics = 1, .metric = &m});
    }
    make(1, (const char *const[]){"runs/x"}, &o);
    ck_assert_int_eq(table.rows, 4);
    ck_assert_int_eq(table.row[3].cell[measure("FD")].mean.n, 2);
    tessi_report_free(&set);
}
END_TEST

/* Single runs: within noise by the metric's own standard errors, and not told without. */
START_TEST(single_runs)
{
    const struct tessi_report_table_options o = {0};
    make_run("a", "ema", 1, 0, "mnist", 20.0, 0.1);
    make_run("b", "nearest", 1, 0, "mnist", 20.2, 0.1);
    make_run("c", "fsq", 1, 0, "mnist", 19.0, 0.1);
    make_run("d", "rvq", 1, 0, "mnist", 20.1, -1);
    make(4, five, &o);
    int64_t i = measure("PSNR");
    ck_assert(!table.row[0].cell[i].best && table.row[0].cell[i].within);
    ck_assert(table.row[1].cell[i].best && !table.row[1].cell[i].within);
    ck_assert(!table.row[2].cell[i].within && !table.row[3].cell[i].within);
    ck_assert(table.row[0].baseline);
    ck_assert_int_eq(table.row[2].cell[i].compared, TESSI_REPORT_APART);
    ck_assert_double_eq_tol(table.row[2].cell[i].difference, -1, 1e-12);
    ck_assert_int_eq(table.row[3].cell[i].compared, TESSI_REPORT_UNKNOWN);
    tessi_report_free(&set);
}
END_TEST

/* A result that does not tell the direction, as of an earlier version, is measured like one that does. */
START_TEST(directions_not_told)
{
    const struct tessi_report_table_options o = {0};
    for (int i = 0; i < 3; i++) {
        const struct report_made_metric m = {"PSNR", "dB", i == 1 ? TESS_METRIC_HIGHER : 0, 20 + i, -1};
        report_make(
            &(struct report_made){.folder = five[i], .quantizer = i ? "ema" : "nearest", .seed = i + 1, .metrics = 1, .metric = &m});
    }
    make(3, five, &o);
    ck_assert_int_eq(table.measure[measure("PSNR")].better, TESS_METRIC_HIGHER);
    tessi_report_free(&set);
}
END_TEST

/* The column of a setting, by its name. */
static int64_t column(const char *name)
{
    for (int64_t i = 0; i < table.columns; i++)
        if (strcmp(table.column[i].name, name) == 0)
            return i;
    ck_abort_msg("there is no column %s", name);
    return -1;
}

/* Rows are sorted by a setting, numbers as numbers; a baseline is found by its settings in any order. */
START_TEST(sorted_by_settings)
{
    static const char *const sorted[2][4] = {{"64", "64", "256", "256"}, {"ema", "ema", "nearest", "nearest"}};
    static const char *const by[] = {"K", "quantizer"};
    make_sweep();
    for (int k = 0; k < 2; k++) {
        make(1, sweep_path, &(struct tessi_report_table_options){.sort = by[k]});
        ck_assert_int_eq(table.rows, 4);
        for (int64_t i = 0; i < 4; i++)
            ck_assert_str_eq(table.row[i].setting[column(by[k])], sorted[k][i]);
        tessi_report_free(&set);
    }
    make(1, sweep_path, &(struct tessi_report_table_options){.baseline = "K=64,quantizer=ema"});
    for (int64_t i = 0; i < 4; i++) {
        int is_it = strcmp(table.row[i].setting[column("K")], "64") == 0 && strcmp(table.row[i].setting[column("quantizer")], "ema") == 0;
        ck_assert_int_eq(table.row[i].baseline, is_it);
    }
    tessi_report_free(&set);
}
END_TEST

START_TEST(words_that_are_unknown)
{
    static const struct {
        struct tessi_report_table_options o;
        const char *words;
    } bad[] = {{{.metrics = "fid"}, "--metrics: there is no metric `fid`; there are parameters, PSNR"},
               {{.sort = "fid"}, "--sort: there is no setting and no metric `fid`"},
               {{.baseline = "quantizer=em"}, "--baseline: there is no row `quantizer=em`; the first is `a`"}};
    make_run("a", "ema", 1, 0, "mnist", 20, -1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tessi_base_context_init(&context, NULL);
        report_collect(C, &set, 1, five);
        ck_assert_int_eq(tessi_report_table_make(C, &set, &bad[i].o, &table), TESS_E_USAGE);
        ck_assert_msg(strstr(tessi_base_context_message(C), bad[i].words) != NULL, "%s", tessi_base_context_message(C));
        tessi_report_free(&set);
    }
}
END_TEST

/* Names and messages of strangers: in every format as text, and nothing else. The store writes no such name of a metric, but a file may
 * have been made by others. */
START_TEST(hostile_names)
{
    const struct tessi_report_table_options o = {0};
    const struct report_made_metric m = {"tame", "u}{\\", TESS_METRIC_LOWER, 1, -1};
    for (int i = 0; i < 2; i++)
        report_make(&(struct report_made){
            .folder = five[i], .quantizer = i ? "\"e\\e[31m,|*\"" : "ema", .warning = "</table>\n=1+1", .metrics = 1, .metric = &m});
    report_collect(C, &set, 2, five);
    for (int64_t i = 0; i < set.runs; i++)
        for (int64_t k = 0; k < set.run[i].metrics; k++)
            if (strcmp(set.run[i].metric[k].name, "tame") == 0)
                set.run[i].metric[k].name = "a\"b,c|d\x1b[2J<script>$x_1%&";
    ck_assert_int_eq(tessi_report_table_make(C, &set, &o, &table), TESS_OK);
    table.measure[1].shown = 1;
    is_expected(printed(TESSI_REPORT_AS_TEXT, &(struct tessi_report_text_style){0}), "hostile.txt");
    is_expected(printed(TESSI_REPORT_AS_CSV, NULL), "hostile.csv");
    is_expected(printed(TESSI_REPORT_AS_JSON, NULL), "hostile.json");
    is_expected(printed(TESSI_REPORT_AS_LATEX, NULL), "hostile.tex");
    is_expected(printed(TESSI_REPORT_AS_MARKDOWN, NULL), "hostile.md");
    tessi_report_free(&set);
}
END_TEST

START_TEST(digits)
{
    static const struct {
        struct tessi_report_mean mean;
        const char *text;
    } numbers[] = {
        {{.n = 0}, "-"},
        {{.n = 1, .mean = 20.634, .half = -1}, "20.63"},
        {{.n = 1, .mean = 188943, .half = -1}, "188943"},
        {{.n = 1, .mean = 0.0503, .half = -1}, "0.05030"},
        {{.n = 1, .mean = 1.5e-5, .half = -1}, "1.500e-05"},
        {{.n = 3, .mean = 20.634, .half = 0.1249}, "20.63 +- 0.12"},
        {{.n = 3, .mean = 20.634, .half = 0.0997}, "20.63 +- 0.10"},
        {{.n = 3, .mean = 20.634, .half = 1.27}, "20.6 +- 1.3"},
        {{.n = 3, .mean = 20.634, .half = 127}, "21 +- 127"},
        {{.n = 3, .mean = 1.234e-5, .half = 1.1e-6}, "(1.23 +- 0.11)e-5"},
        {{.n = 3, .mean = 1.234e9, .half = 1.1e8}, "(1.23 +- 0.11)e9"},
        {{.n = 3, .mean = 5, .half = 0}, "5"},
        {{.n = 1, .mean = INFINITY, .half = -1}, "inf"},
        {{.n = 2, .mean = -64.5, .half = 0.5}, "-64.50 +- 0.50"},
    };
    char text[120];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        tessi_report_mean_text(&numbers[i].mean, "+-", text, sizeof text);
        ck_assert_str_eq(text, numbers[i].text);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("table");
    TCase *t = tcase_create("formats");
    tcase_add_checked_fixture(t, setup, report_end);
    tcase_add_test(t, as_text);
    tcase_add_test(t, as_csv);
    tcase_add_test(t, as_json);
    tcase_add_test(t, as_latex);
    tcase_add_test(t, as_markdown);
    tcase_add_test(t, hostile_names);
    tcase_add_test(t, digits);
    suite_add_tcase(s, t);
    t = tcase_create("rules");
    tcase_add_checked_fixture(t, setup, report_end);
    tcase_add_test(t, runs_by_themselves);
    tcase_add_test(t, no_joining_by_name);
    tcase_add_test(t, data_by_the_seed);
    tcase_add_test(t, single_runs);
    tcase_add_test(t, counts_of_a_total);
    tcase_add_test(t, directions_not_told);
    tcase_add_test(t, sorted_by_settings);
    tcase_add_test(t, words_that_are_unknown);
    suite_add_tcase(s, t);
    return suite_run(s);
}
