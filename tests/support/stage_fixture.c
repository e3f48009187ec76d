/* See stage_fixture.h. SPDX-License-Identifier: MIT */
#include "tests/support/stage_fixture.h"

#include "core/base/inject.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/flow/pipeline.h"
#include "core/store/store.h"
#include "tests/support/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *stage_bench_folder;
struct tessi_context stage_bench_call;
static char message[2048];

void stage_bench_setup(void)
{
    stage_bench_folder = small_folder_enter();
    unsetenv("TESSERA_PLUGIN_PATH");
    tessi_base_context_init(&stage_bench_call, NULL);
}

void stage_bench_teardown(void)
{
    small_folder_leave();
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}

int stage_bench_attempt(const struct attempt *a)
{
    struct tessi_context own;
    struct tessi_runtime *runtime = NULL;
    struct tessi_pipeline *p = NULL;
    struct tessi_pipeline_options o = {
        .path = a->path ? a->path : "small.yaml", .workdir = a->workdir, .until = a->until, .override = a->override};
    while (a->override[o.overrides])
        o.overrides++;
    tessi_base_context_init(&own, NULL);
    int status = tessi_host_runtime_new(&own.context, &(struct tessi_runtime_options){.threads = a->threads ? a->threads : 2}, &runtime);
    if (status == TESS_OK)
        status = tessi_flow_pipeline_open(&own.context, runtime, &o, &p);
    if (status == TESS_OK && !a->plan_only)
        status = tessi_flow_pipeline_run(&own.context, p);
    snprintf(message, sizeof message, "%s", tessi_base_context_message(&own.context));
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(runtime);
    return status;
}

int stage_bench_stop(const struct attempt *a, const char *plan)
{
    int how;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        tessi_base_signals_catch();
        if (tessi_base_inject_plan(plan))
            _exit(126);
        _exit(tessi_base_exit_code(stage_bench_attempt(a)));
    }
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}

int stage_bench_interrupt(const struct attempt *a, int first)
{
    char plan[64];
    int stopped = 0, how;
    do {
        snprintf(plan, sizeof plan, "term@step:%d", first * (stopped + 1));
        how = stage_bench_stop(a, plan);
        ck_assert(how == 0 || how == 75);
        stopped += how == 75;
    } while (how != 0);
    return stopped;
}

void works(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, message);
}

void refused(int status, int code, const char *words)
{
    ck_assert_msg(status == code && strstr(message, words), "wanted %d: %s\nfound  %d: %s", code, words, status, message);
}

struct tess_artefact *result(const char *workdir, const char *stage)
{
    struct tess_artefact *a;
    char path[256];
    snprintf(path, sizeof path, "%s/runs/small/%s.h5", workdir, stage);
    ck_assert_msg(tessi_store_artefact_open(C, path, &a) == TESS_OK, "%s", tessi_base_context_message(C));
    return a;
}

struct tess_tensor load(const struct tess_artefact *a, const char *name, int32_t dtype)
{
    struct tess_tensor t;
    ck_assert_msg(tess_artefact_load(C, a, name, dtype, &t) == TESS_OK, "%s", tessi_base_context_message(C));
    return t;
}

double metric(const struct tess_artefact *a, const char *name)
{
    struct tess_metric_value v;
    for (int64_t i = 0; tessi_store_artefact_metric(a, i, &v); i++)
        if (strcmp(v.name, name) == 0)
            return v.value;
    ck_abort_msg("no metric `%s`", name);
}

int64_t attr(const struct tess_artefact *a, const char *name)
{
    return tess_attrs_i64_or(tess_artefact_attrs(a), name, INT64_MIN);
}

void stage_bench_same(const char *one, const char *two, const char *stage)
{
    struct tess_artefact *a = result(one, stage), *b = result(two, stage);
    ck_assert_msg(strcmp(tess_artefact_digest(a), tess_artefact_digest(b)) == 0, "%s differs", stage);
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
}
