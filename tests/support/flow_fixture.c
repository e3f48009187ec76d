/* See flow_fixture.h. SPDX-License-Identifier: MIT */
#include "tests/support/flow_fixture.h"

#include "core/base/memory.h"
#include "core/store/store.h"
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char flow_chain[] = "tessera: 1\n"
                          "name: chain\n"
                          "seed: 1\n"
                          "stages:\n"
                          "  one: {use: flow-make, count: 5}\n"
                          "  two: {use: flow-make, count: 5, scale: 2}\n"
                          "  sum: {use: flow-add, in: {a: one, b: two}, curve: {use: line, slope: 0.5}}\n"
                          "  end: {use: flow-add, in: {a: sum}, offset: 1}\n";

static const char folders[] = "/tmp/tessera-flow-XXXXXX";
static char folder[sizeof folders];

void flow_start(void)
{
    char trace[128];
    memcpy(folder, folders, sizeof folder);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    snprintf(trace, sizeof trace, "%s/trace", folder);
    setenv("FLOW_TRACE", trace, 1);
    unsetenv("TESSERA_PLUGIN_PATH");
}

void flow_end(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
}

void flow_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

const char *flow_read(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    text[0] = '\0';
    if (f) {
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
    }
    return text;
}

const char *flow_trace(void)
{
    const char *text = flow_read("trace");
    (void)unlink("trace");
    return text;
}

static void look(struct tess_context *ctx, const struct tessi_pipeline *p, struct result *r)
{
    struct tessi_stage_view v;
    r->stages = tessi_flow_pipeline_count(p);
    ck_assert_int_le(r->stages, MAX_STAGES);
    for (int64_t i = 0; i < r->stages; i++) {
        struct tess_artefact *a = NULL;
        tessi_flow_pipeline_stage(p, i, &v);
        snprintf(r->stage[i].name, sizeof r->stage[i].name, "%s", v.name);
        snprintf(r->stage[i].reason, sizeof r->stage[i].reason, "%s", v.reason);
        snprintf(r->stage[i].parameters, sizeof r->stage[i].parameters, "%s", v.parameters);
        snprintf(r->stage[i].identity, sizeof r->stage[i].identity, "%s", v.identity);
        r->stage[i].state = v.state;
        r->stage[i].outcome = v.outcome;
        r->stage[i].pictures = v.pictures;
        r->stage[i].output_bytes = v.output_bytes;
        r->stage[i].checkpoint_bytes = v.checkpoint_bytes;
        r->stage[i].seconds_predicted = v.seconds_predicted;
        if (v.outcome == TESSI_LEFT)
            continue;
        ck_assert_msg(tessi_store_artefact_open(ctx, v.path, &a) == TESS_OK, "%s", tessi_base_context_message(ctx));
        snprintf(r->stage[i].digest, sizeof r->stage[i].digest, "%s", tess_artefact_digest(a));
        snprintf(r->stage[i].key, sizeof r->stage[i].key, "%s", tessi_store_artefact_provenance(a, "key"));
        tessi_store_artefact_close(a);
    }
}

void flow_attempt(const struct attempt *a, struct result *r)
{
    struct tessi_context context;
    struct tess_context *ctx = &context.context;
    struct tessi_runtime *runtime = NULL;
    struct tessi_pipeline *p = NULL;
    const char *plugins = getenv("FLOW_PLUGINS");
    struct tessi_pipeline_options o = {.path = a->path ? a->path : "p.yaml",
                                       .override = a->override,
                                       .until = a->until,
                                       .force = &a->force,
                                       .forces = a->force != NULL,
                                       .seed = a->seed,
                                       .checkpoint_seconds = 1000};
    while (o.overrides < 8 && a->override[o.overrides])
        o.overrides++;
    memset(r, 0, sizeof *r);
    tessi_base_context_init(&context, NULL);
    r->status = tessi_host_runtime_new(ctx,
                                  &(struct tessi_runtime_options){.plugin_path = plugins ? plugins : TEST_FLOW_PLUGINS,
                                                                  .threads = 1,
                                                                  .backend = a->backend ? a->backend : "flow-one"},
                                  &runtime);
    if (r->status == TESS_OK)
        r->status = tessi_flow_pipeline_open(ctx, runtime, &o, &p);
    if (r->status == TESS_OK && a->run)
        r->status = tessi_flow_pipeline_run(ctx, p);
    tessi_base_memory_fail_at(0); /* the planned allocation failure is for the pipeline only */
    snprintf(r->message, sizeof r->message, "%s", tessi_base_context_message(ctx));
    ck_assert_int_eq(r->status == TESS_OK, *r->message == '\0');
    if (r->status == TESS_OK)
        look(ctx, p, r);
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(runtime);
}

void flow_run(struct result *r)
{
    flow_attempt(&(struct attempt){.run = 1}, r);
    ck_assert_msg(r->status == TESS_OK, "%s", r->message);
}

void flow_plan(struct result *r)
{
    flow_attempt(&(struct attempt){.run = 0}, r);
    ck_assert_msg(r->status == TESS_OK, "%s", r->message);
}

int flow_child(const struct attempt *a, long largest)
{
    int how = 0;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct result r;
        if (largest > 0) {
            const struct rlimit limit = {(rlim_t)largest, (rlim_t)largest};
            (void)signal(SIGXFSZ, SIG_IGN);
            (void)setrlimit(RLIMIT_FSIZE, &limit);
        }
        tessi_base_signals_catch();
        flow_attempt(a, &r);
        FILE *f = fopen("message", "w");
        if (f) {
            fputs(r.message, f);
            fclose(f);
        }
        _exit(tessi_base_exit_code(r.status));
    }
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    return how;
}

int flow_files(const char *path, const char *ending)
{
    int n = 0;
    size_t length = strlen(ending);
    DIR *d = opendir(path);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        size_t name = strlen(e->d_name);
        int noted =
            strcmp(e->d_name, "rates.yaml") == 0 || strcmp(e->d_name, "files") == 0; /* measured times, digests of files of some age */
        n += name >= length && strcmp(e->d_name + name - length, ending) == 0 && e->d_name[0] != '.' && !noted;
    }
    if (d)
        closedir(d);
    return n;
}
