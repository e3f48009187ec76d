/* `why`: what differs from earlier results, down to the stage and the byte. SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/flow/why.h"
#include "tests/support/flow_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char chain[] = "tessera: 1\nname: chain\nseed: 1\nstages:\n"
                            "  one: {use: flow-make, count: 5}\n"
                            "  two: {use: flow-make, count: 5, scale: 2}\n"
                            "  sum: {use: flow-add, in: {a: one, b: two}, curve: {use: line, slope: 0.5}}\n"
                            "  end: {use: flow-add, in: {a: sum}, offset: 1}\n";

static struct result r;
static char told[4096]; /* causes, a line each: "STAGE KIND NAME BEFORE NOW DETAIL" */
static struct {
    int64_t steps, others, other_changes;
    int cached, earlier;
    char run[64];
} found;

static void why_keep(const struct tessi_pipeline *p, const struct tessi_why *w)
{
    const char *use;
    told[0] = '\0';
    memset(&found, 0, sizeof found);
    found.steps = w->steps;
    found.others = w->others;
    found.other_changes = w->others ? w->other[0].changes.count : -1;
    found.cached = w->cached != NULL;
    found.earlier = w->steps && w->step[0].earlier;
    snprintf(found.run, sizeof found.run, "%s", w->cached && w->cached->run ? w->cached->run : "");
    for (int64_t i = 0; i < w->steps; i++)
        for (int64_t k = 0; k < w->step[i].changes.count; k++) {
            const struct tessi_change *c = &w->step[i].changes.item[k];
            size_t used = strlen(told);
            if (tessi_flow_why_is_cause(p, w, i, c))
                snprintf(told + used, sizeof told - used, "%s %d %s %s %s %s\n", tessi_flow_why_stage(p, w->step[i].stage, &use),
                         (int)c->kind, c->name, c->before ? c->before : "-", c->now ? c->now : "-", c->detail ? c->detail : "");
        }
}

static void why(const char *stage, const char *override, const char *force)
{
    struct tessi_context context;
    struct tessi_runtime *runtime = NULL;
    struct tessi_pipeline *p = NULL;
    struct tessi_why w;
    const struct tessi_pipeline_options o = {
        .path = "p.yaml", .override = &override, .overrides = override != NULL, .force = &force, .forces = force != NULL};
    tessi_base_context_init(&context, NULL);
    int status = tessi_host_runtime_new(
        &context.context, &(struct tessi_runtime_options){.plugin_path = TEST_FLOW_PLUGINS, .threads = 1, .backend = "flow-one"}, &runtime);
    if (status == TESS_OK)
        status = tessi_flow_pipeline_open(&context.context, runtime, &o, &p);
    if (status == TESS_OK) {
        status = tessi_flow_why(&context.context, p, stage, &w);
        why_keep(p, &w);
        tessi_flow_why_free(&w);
    }
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(&context.context));
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(runtime);
}

#define TOLD(text) ck_assert_str_eq(told, text)

START_TEST(never_cached_and_other_values)
{
    flow_write("p.yaml", chain);
    why("end", NULL, NULL);
    ck_assert(found.steps == 1 && !found.earlier && !found.cached && found.others == 0);
    flow_run(&r);
    why("end", NULL, NULL);
    ck_assert(found.cached && found.steps == 0);
    ck_assert_str_eq(found.run, "chain");
    why("two", "two.scale=3", NULL);
    TOLD("two 0 scale 2 3 \n");
    ck_assert(found.earlier && found.others == 1 && found.other_changes == 1); /* `one` is a result of flow-make, too: scale 1 */
    why("two", NULL, "two");
    TOLD("");
    ck_assert(found.earlier);
}
END_TEST

/* An input that differs leads to the stage that makes it, and no further than where the cause is. */
START_TEST(through_inputs)
{
    flow_write("p.yaml", chain);
    flow_run(&r);
    why("end", "one.count=6", NULL);
    TOLD("one 0 count 5 6 \n");
    ck_assert_int_eq(found.steps, 3);
    flow_attempt(&(struct attempt){.run = 1, .override = {"one.scale=7"}, .until = "one"}, &r);
    ck_assert_int_eq(r.status, TESS_OK);
    why("sum", "one.scale=7", NULL); /* `one` is cached by now, and another than `sum` has read */
    TOLD("one 0 scale 1 7 \n");
    why("sum", "sum.curve=power", NULL);
    TOLD("sum 0 curve.use line power \n");
}
END_TEST

/* The nearest of earlier results counts where the run's folder has none. */
START_TEST(nearest_in_the_cache)
{
    flow_write("p.yaml", chain);
    flow_run(&r);
    ck_assert_int_eq(system("rm -r runs/chain"), 0);
    why("two", "two.count=6", NULL);
    TOLD("two 0 count 5 6 \n");
    ck_assert_int_eq(found.others, 1);
    ck_assert_int_eq(found.other_changes, 2);
}
END_TEST

START_TEST(files)
{
    flow_write("a.bin", "0123456789");
    flow_write("b.bin", "0123x56789");
    flow_write("p.yaml", "tessera: 1\nname: f\nstages:\n  m: {use: flow-make, file: a.bin}\n");
    flow_run(&r);
    why("m", "m.file=b.bin", NULL);
    ck_assert_msg(strstr(told, "m 2 ") == told && strstr(told, "b.bin") &&
                      strstr(told, "the first different byte is byte 4: 0x34 -> 0x78\n"),
                  "%s", told);
    flow_write("b.bin", "0123");
    why("m", "m.file=b.bin", NULL);
    ck_assert_msg(strstr(told, "byte 4: 0x34 -> its end\n"), "%s", told);
    flow_write("a.bin", "012");
    why("m", NULL, NULL);
    ck_assert_msg(strstr(told, "10 bytes of ") && strstr(told, " -> 3 bytes of "), "%s", told);
    why("m", "m.file=null", NULL);
    ck_assert_msg(strstr(told, "a.bin") && strstr(told, " - \n"), "%s", told);
    flow_plan(&r);
    ck_assert_msg(strstr(r.stage[0].reason, "a.bin changed"), "%s", r.stage[0].reason);
}
END_TEST

/* A damaged list or file in the cache is no reason to fail. */
START_TEST(damaged)
{
    flow_write("p.yaml", chain);
    flow_run(&r);
    ck_assert_int_eq(system("for f in runs/.cache/*.h5; do printf x > $f.new; mv $f.new $f; done; rm -r runs/chain"), 0);
    flow_write("p.yaml", "tessera: 1\nname: chain\nseed: 2\nstages:\n  one: {use: flow-make, count: 5}\n");
    why("one", NULL, NULL);
    ck_assert(found.steps == 1 && !found.earlier && found.others == 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("why");
    TCase *t = tcase_create("why");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_add_test(t, never_cached_and_other_values);
    tcase_add_test(t, through_inputs);
    tcase_add_test(t, nearest_in_the_cache);
    tcase_add_test(t, files);
    tcase_add_test(t, damaged);
    suite_add_tcase(s, t);
    return suite_run(s);
}
