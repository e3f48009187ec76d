/* What a result is looked up by, and what is said of it: the results' epoch, files that change, what a stage does not depend on.
 *
 * SPDX-License-Identifier: MIT */
#include "flow_bench.h"

#include "core/base/call.h"
#include "core/store/store.h"
#include "tests/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct result r;

static const char make[] = "tessera: 1\nname: keys\nstages:\n  one: {use: flow-make, count: 5}\n";
static const char reading[] = "tessera: 1\nname: keys\nstages:\n  read: {use: flow-read, file: data}\n";

static struct tess_artefact *open_result(struct tessi_call *call, const char *path)
{
    struct tess_artefact *a;
    tessi_call_init(call, NULL);
    ck_assert_msg(tessi_artefact_open(&call->call, path, &a) == TESS_OK, "%s", tessi_call_message(&call->call));
    return a;
}

/* ---- the epoch ----------------------------------------------------------------------------------------------------- */

/* In the place of what was computed, something of another epoch by another version of its plugin. */
static void put_old(const char *path, int64_t epoch, const char *plugin)
{
    struct tessi_call call;
    struct tess_artefact *was = open_result(&call, path), *a;
    const char *port = "files read", *files = tessi_artefact_provenance(was, "input/files read");
    const struct tessi_provenance about = {.parameters = tessi_artefact_provenance(was, "parameters"),
                                     .numeric_mode = tessi_artefact_provenance(was, "numeric_mode"),
                                     .plugin = plugin ? plugin : tessi_artefact_provenance(was, "plugin"),
                                     .epoch = epoch,
                                     .inputs = 1,
                                     .input_port = &port,
                                     .input_digest = &files};
    ck_assert_int_eq(tessi_artefact_create(&call.call, path, "numbers", &a), TESS_OK);
    ck_assert_int_eq(tessi_artefact_finish(&call.call, a, &about, NULL), TESS_OK);
    tessi_artefact_close(was);
    ck_assert_int_eq(system("rm -rf runs/.cache"), 0);
}

START_TEST(another_epoch)
{
    char wanted[100];
    struct tessi_call call;
    bench_write("p.yaml", make);
    bench_run(&r);
    struct tess_artefact *a = open_result(&call, "runs/keys/one.h5");
    snprintf(wanted, sizeof wanted, "%d", TESS_EPOCH);
    ck_assert_str_eq(tessi_artefact_provenance(a, "epoch"), wanted);
    tessi_artefact_close(a);
    put_old("runs/keys/one.h5", 70, NULL);
    bench_plan(&r);
    snprintf(wanted, sizeof wanted, "the results' epoch was 70, now %d", TESS_EPOCH);
    ck_assert_str_eq(r.stage[0].reason, wanted);
    ck_assert_int_eq(r.stage[0].state, TESSI_CHANGED);
    put_old("runs/keys/one.h5", 0, NULL);
    bench_plan(&r);
    snprintf(wanted, sizeof wanted, "the results' epoch was not told, now %d", TESS_EPOCH);
    ck_assert_str_eq(r.stage[0].reason, wanted);
    put_old("runs/keys/one.h5", TESS_EPOCH, "stage/1 flow-make, tessera-test-flow 0.9");
    bench_plan(&r);
    ck_assert_str_eq(r.stage[0].reason, "plugin: stage/1 flow-make, tessera-test-flow 0.9 -> stage/1 flow-make, tessera-test-flow 1.0");
}
END_TEST

/* A plugin compiled at another epoch says so in its keys. */
START_TEST(a_plugin_of_another_epoch)
{
    char wanted[100];
    struct tessi_call call;
    bench_write("p.yaml", reading);
    bench_write("data", "abc");
    bench_run(&r);
    struct tess_artefact *a = open_result(&call, "runs/keys/read.h5");
    snprintf(wanted, sizeof wanted, "stage/1 flow-read, tessera-test-reader 1.0 of epoch %d", TESS_EPOCH + 1);
    ck_assert_str_eq(tessi_artefact_provenance(a, "plugin"), wanted);
    tessi_artefact_close(a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("keys");
    TCase *t = tcase_create("epoch");
    tcase_add_checked_fixture(t, bench_start, bench_end);
    tcase_add_test(t, another_epoch);
    tcase_add_test(t, a_plugin_of_another_epoch);
    suite_add_tcase(s, t);
    return suite_run(s);
}
