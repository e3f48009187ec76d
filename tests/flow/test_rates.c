/* Times predicted from the rates of earlier runs. No clock decides a test: what was measured is written into the table.
 * SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/base/processor.h"
#include "core/flow/rates.h"
#include "tests/support/flow_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tessi_context context;
#define C (&context.context)

static const struct tessi_work plain = {.parts = "stage/1 train; encoder/1 conv",
                                        .mode = "f32, \"quoted\"",
                                        .processor = "Some CPU @ 3 GHz",
                                        .threads = 2,
                                        .amount = 1e12,
                                        .step = 1e9};

static double predicted(const struct tessi_work *w, double left)
{
    struct tessi_rates *t;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_flow_rates_open(C, "rates.yaml", &t), TESS_OK);
    double seconds = tessi_flow_rates_predict(t, w, left);
    tessi_flow_rates_close(t);
    return seconds;
}

static void learn(const struct tessi_work *w, double rate, double overhead, double seconds)
{
    tessi_base_context_init(&context, NULL);
    tessi_flow_rates_learn(C, "rates.yaml", w, rate, overhead, seconds);
}

static int near(double a, double b)
{
    return fabs(a - b) <= 1e-5 * fabs(b);
}

START_TEST(what_was_seen)
{
    struct tessi_work w = plain;
    ck_assert(predicted(&w, 1.0) < 0.0);
    learn(&w, 2e-12, 0.5, 2.5);
    ck_assert(near(predicted(&w, 1.0), 2.5));
    ck_assert(near(predicted(&w, 0.25), 1.0)); /* a checkpoint has done the rest */
    w.amount *= 4;
    ck_assert(near(predicted(&w, 1.0), 8.5)); /* the overhead once */
    const struct tessi_work others[] = {
        {w.parts, "bf16", w.processor, w.threads, w.amount, w.step}, {w.parts, w.mode, "Other", w.threads, w.amount, w.step},
        {w.parts, w.mode, w.processor, 1, w.amount, w.step},         {"stage/1 train", w.mode, w.processor, w.threads, w.amount, w.step},
        {w.parts, w.mode, w.processor, w.threads, w.amount, 0.0},    {w.parts, w.mode, w.processor, w.threads, w.amount, 20e9}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(predicted(&others[i], 1.0) < 0.0, "%zu", i);
    ck_assert_int_ne(access("rates.yaml.lock", F_OK), 0);
}
END_TEST

/* Work of another size by the same parts is another entry; the nearest counts. Work of equal size is averaged, weighted by the times. */
START_TEST(nearest_and_merged)
{
    struct tessi_work small = plain, large = plain;
    large.step = 4e9;
    learn(&small, 2e-12, 0.0, 1.0);
    learn(&large, 1e-12, 0.0, 1.0);
    small.step = 1.5e9;
    ck_assert(near(predicted(&small, 1.0), 2.0));
    small.step = 3e9;
    ck_assert(near(predicted(&small, 1.0), 1.0));
    learn(&large, 4e-12, 0.8, 2.0); /* (1 * 1 + 2 * 4) / 3 */
    ck_assert(near(predicted(&large, 1.0), 3.0 + 0.8 * 2.0 / 3.0));
    learn(&large, 4e-12, 0.0, 0.001); /* a short one counts no less than half */
    ck_assert(near(predicted(&large, 1.0), 3.5 + 0.8 / 3.0));
}
END_TEST

START_TEST(useless_tables)
{
    static const char *const tables[] = {
        "",         "- 1\n- {parts: x}\n",
        "{a: 1}",   "- {",
        "\xff\xfe", "- {parts: x, mode: y, processor: z, threads: -1, step: 1, rate: 1, overhead: 0, seconds: 1}\n"};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        flow_write("rates.yaml", tables[i]);
        ck_assert(predicted(&plain, 1.0) < 0.0);
        learn(&plain, 1e-12, 0.0, 1.0);
        ck_assert_msg(near(predicted(&plain, 1.0), 1.0), "%zu", i);
    }
    learn(&plain, NAN, 0.0, 1.0);
    learn(&plain, -1.0, 0.0, 1.0);
    learn(&plain, 1.0, INFINITY, 1.0);
    ck_assert(near(predicted(&plain, 1.0), 1.0));
}
END_TEST

START_TEST(bounded)
{
    char mode[32];
    struct tessi_work w = plain;
    FILE *f = fopen("rates.yaml", "w");
    ck_assert_ptr_nonnull(f);
    for (int i = 0; i < 500; i++)
        fprintf(f, "- {parts: a, mode: m%d, processor: c, threads: 1, step: 0, rate: 1, overhead: 0, seconds: 1}\n", i);
    ck_assert_int_eq(fclose(f), 0);
    learn(&w, 1e-12, 0.0, 1.0);
    w = (struct tessi_work){.parts = "a", .mode = mode, .processor = "c", .threads = 1, .amount = 3.0};
    snprintf(mode, sizeof mode, "m0");
    ck_assert(predicted(&w, 1.0) < 0.0);
    snprintf(mode, sizeof mode, "m1");
    ck_assert(near(predicted(&w, 1.0), 3.0));
    ck_assert(near(predicted(&plain, 1.0), 1.0));
}
END_TEST

/* The longest phase of a progress tells the pace: from its first report to its last. */
START_TEST(phases)
{
    struct tessi_pace k = {0};
    tessi_flow_pace_note(&k, 1, 10, 5.0);
    tessi_flow_pace_note(&k, 10, 10, 6.0);
    tessi_flow_pace_note(&k, 20, 100, 7.0); /* resumed at 19 */
    tessi_flow_pace_note(&k, 70, 100, 12.0);
    tessi_flow_pace_note(&k, 1, 10, 13.0);
    tessi_flow_pace_note(&k, 0, 0, 0.0);
    ck_assert(near(k.longest_seconds, 5.0) && near(k.longest_share, 0.5));
}
END_TEST

static const char pipeline[] = "tessera: 1\nname: t\nstages:\n"
                               "  m: {use: flow-make}\n"
                               "  w: {use: flow-slow, steps: 8}\n"
                               "  s: {use: flow-add, in: {a: m}}\n";

/* A run leaves rates, and the next plan has times for what will run, nothing for what is cached. */
START_TEST(pipelines)
{
    static struct result r;
    flow_write("p.yaml", pipeline);
    flow_plan(&r);
    for (int i = 0; i < 3; i++)
        ck_assert(r.stage[i].seconds_predicted < 0.0);
    ck_assert_int_ne(access("runs", F_OK), 0);
    flow_attempt(&(struct attempt){.run = 1, .until = "m"}, &r);
    ck_assert_int_eq(r.status, TESS_OK);
    flow_attempt(&(struct attempt){.override = {"m.scale=3"}}, &r);
    for (int i = 0; i < 3; i++)
        ck_assert((r.stage[i].seconds_predicted >= 0.0) == (strcmp(r.stage[i].name, "m") == 0));
    flow_run(&r);
    flow_plan(&r);
    for (int i = 0; i < 3; i++)
        ck_assert(r.stage[i].seconds_predicted == 0.0 && r.stage[i].state == TESSI_CACHED);
}
END_TEST

/* Times follow the table, and the part that a checkpoint has done is left out. */
START_TEST(checkpoints)
{
    static struct result r;
    struct tessi_work w = {.parts = "stage/1 flow-slow", .threads = 1};
    char processor[128], mode[512];
    w.processor = tessi_base_processor_name(processor, sizeof processor);
    flow_write("p.yaml", "tessera: 1\nname: t\nstages:\n  w: {use: flow-slow, steps: 8}\n");
    flow_run(&r);
    const char *text = flow_read("runs/.cache/rates.yaml"), *at = strstr(text, "mode: \"");
    ck_assert_ptr_nonnull(at);
    snprintf(mode, sizeof mode, "%.*s", (int)strcspn(at + 7, "\""), at + 7);
    w.mode = mode;
    ck_assert_int_eq(unlink("runs/.cache/rates.yaml"), 0);
    tessi_base_context_init(&context, NULL);
    tessi_flow_rates_learn(C, "runs/.cache/rates.yaml", &w, 10.0, 5.0, 1.0);
    flow_attempt(&(struct attempt){.override = {"w.steps=20"}}, &r);
    ck_assert_msg(near(r.stage[0].seconds_predicted, 205.0), "%g", r.stage[0].seconds_predicted);
    setenv("FLOW_STOP_AT", "5", 1);
    ck_assert_int_ne(flow_child(&(struct attempt){.run = 1, .override = {"w.steps=20"}}, 0), 0);
    unsetenv("FLOW_STOP_AT");
    flow_attempt(&(struct attempt){.override = {"w.steps=20"}}, &r);
    ck_assert_msg(near(r.stage[0].seconds_predicted, 155.0), "%g %s", r.stage[0].seconds_predicted, r.stage[0].reason);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rates");
    TCase *t = tcase_create("table");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_add_test(t, what_was_seen);
    tcase_add_test(t, nearest_and_merged);
    tcase_add_test(t, useless_tables);
    tcase_add_test(t, bounded);
    tcase_add_test(t, phases);
    suite_add_tcase(s, t);
    t = tcase_create("pipelines");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_add_test(t, pipelines);
    tcase_add_test(t, checkpoints);
    suite_add_tcase(s, t);
    return suite_run(s);
}
