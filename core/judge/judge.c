/* Running of tests: their selection, their processes, and their verdicts. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/base/child.h"
#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/judge/expectations.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const struct judge_kind *const kinds[] = {&judge_quantizer,  &judge_noise,    &judge_denoiser, &judge_encoder, &judge_decoder,
                                                 &judge_critic,     &judge_features, &judge_sampler,  &judge_source,  &judge_format,
                                                 &judge_checkpoint, &judge_stage,    &judge_backend,  &judge_metric,  &judge_transport};

const struct judge_kind *judge_kind_of(const char *id)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->id, id) == 0)
            return kinds[i];
    return NULL;
}

/* The tables of a kind, in order; NULL past the end. */
static const struct judge_test *judge_table(const struct judge_kind *kind, int i)
{
    const struct judge_test *const of_all[] = {judge_component_tests, judge_params_tests};
    if (i < 2)
        return of_all[i];
    if (kind && kind->workload && i < 4)
        return i == 2 ? judge_recorded_tests : judge_repeated_tests;
    return kind && i == (kind->workload ? 4 : 2) ? kind->test : NULL;
}

static const struct judge_test *judge_test_of(const struct judge_kind *kind, int64_t i)
{
    const struct judge_test *test;
    for (int table = 0; (test = judge_table(kind, table)); table++)
        for (; test->name; test++)
            if (i-- == 0)
                return test;
    return NULL;
}

const char *tessi_judge_test_at(const char *kind, int64_t i, const char **asserts, int *level)
{
    const struct judge_test *test = judge_test_of(judge_kind_of(kind), i);
    if (!test)
        return NULL;
    *asserts = test->asserts;
    *level = test->level;
    return test->name;
}

/* ---- one test ------------------------------------------------------------------------------------------------------ */

/* Runs a test, in a process of its own: neither context nor runtime is shared with the next test. */
static int judge_task(void *user)
{
    const struct judge_test *test = ((void **)user)[1];
    struct judge j = *(struct judge *)((void **)user)[0];
    tessi_base_context_init(&j.context, &j.runtime->host);
    j.ctx = &j.context.context;
    j.verdict->status = TESS_E_INTERNAL;
    j.verdict->status = test->run(&j);
    return 0;
}

static int judge_ended(const struct judge *j, const struct tessi_child *child)
{
    char words[200];
    if (child->how == TESSI_CHILD_RETURNED)
        return j->verdict->status;
    *j->verdict->text = '\0';
    tessi_base_add(j->verdict->text, sizeof j->verdict->text, "wanted the test to come back, found that it %s",
                   tessi_base_child_words(child, words, sizeof words));
    if (child->err.bytes)
        tessi_base_add(j->verdict->text, sizeof j->verdict->text, "; it wrote: %.400s", child->err.text);
    return TESS_E_FAILED;
}

/* Seed of a test, FNV-1a over component and test, so that a test draws the same whatever else is run. */
static uint64_t judge_seed(uint64_t seed, const char *component, const char *test)
{
    uint64_t h = 1469598103934665603ULL ^ seed;
    for (const char *at = component; *at; at++)
        h = (h ^ (uint8_t)*at) * 1099511628211ULL;
    for (const char *at = test; *at; at++)
        h = (h ^ (uint8_t)*at) * 1099511628211ULL;
    return h;
}

struct run {
    struct judge judge;
    struct expectations *expected;
    void (*each)(void *user, const struct tessi_judge_result *result);
    void *user;
    struct tessi_judge_report *report;
    int late; /* tests of the component that took too long */
};

enum { LATE_MAX = 3 }; /* after so many the others are not waited for */

/* Outcome of a test, given the expectations: one that is expected to fail and passes is a failure, as its line is out of date. */
static enum tessi_judge_outcome judge_outcome(struct run *r, const char *component, const char *test, int status)
{
    struct judge_verdict *verdict = r->judge.verdict;
    const char *reason = judge_expectations_find(r->expected, component, test);
    if (status == JUDGE_SKIP)
        return TESSI_JUDGE_SKIPPED;
    if (status == TESS_OK && !reason)
        return TESSI_JUDGE_PASSED;
    if (status == TESS_OK) {
        snprintf(verdict->text, sizeof verdict->text, "wanted a failure, as %s says, found none; take its line out",
                 judge_expectations_path(r->expected));
        return TESSI_JUDGE_FAILED;
    }
    if (*verdict->text == '\0')
        snprintf(verdict->text, sizeof verdict->text, "the test ended with status %d without a word; that is a defect of tessera", status);
    if (!reason)
        return TESSI_JUDGE_FAILED;
    tessi_base_add(verdict->text, sizeof verdict->text, " (expected: %.300s)", reason);
    return TESSI_JUDGE_EXPECTED;
}

/* Runs the test in the way that the options say, and gives its status. */
static int judge_run(struct tess_context *ctx, struct run *r, const struct judge_test *test, int *status)
{
    struct judge *j = &r->judge;
    struct tessi_child child;
    void *task[2] = {j, (void *)(uintptr_t)test};
    double limit = j->options->seconds > 0 ? j->options->seconds : 60.0 * j->level;
    if (j->options->in_process) {
        (void)judge_task(task);
        *status = j->verdict->status;
    } else if (r->late >= LATE_MAX) {
        snprintf(j->verdict->text, sizeof j->verdict->text, "%d tests before it took more than %g s each; `--only %s` runs it", r->late,
                 limit, test->name);
        *status = JUDGE_SKIP;
    } else {
        TESS_TRY(tessi_base_child_run(ctx, judge_task, task, limit, &child));
        *status = judge_ended(j, &child);
        r->late += child.how == TESSI_CHILD_LATE;
    }
    return TESS_OK;
}

static int judge_one(struct tess_context *ctx, struct run *r, const char *component, const struct judge_test *test)
{
    struct judge *j = &r->judge;
    char line[sizeof j->verdict->text];
    double began = tessi_base_seconds();
    memset(j->verdict, 0, sizeof *j->verdict);
    j->seed = judge_seed(j->options->seed, component, test->name);
    int status = TESS_OK;
    TESS_TRY(judge_run(ctx, r, test, &status));
    enum tessi_judge_outcome outcome = judge_outcome(r, component, test->name, status);
    (void)tess_shown_text(j->verdict->text, line, sizeof line);
    int failed = outcome == TESSI_JUDGE_FAILED || outcome == TESSI_JUDGE_EXPECTED;
    r->report->count[outcome]++;
    r->each(r->user, &(struct tessi_judge_result){.component = component,
                                                  .test = test->name,
                                                  .asserts = test->asserts,
                                                  .outcome = outcome,
                                                  .text = outcome == TESSI_JUDGE_PASSED ? "" : line,
                                                  .config = failed ? j->verdict->config : "",
                                                  .seconds = tessi_base_seconds() - began});
    return TESS_OK;
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

/* 1 where `only`, TEST, KIND/NAME or KIND/NAME:TEST, selects the test. */
static int judge_wanted(const char *only, const char *component, const char *test)
{
    size_t length = strlen(component);
    if (!only || strcmp(only, test) == 0 || strcmp(only, component) == 0)
        return 1;
    return strncmp(only, component, length) == 0 && only[length] == ':' && strcmp(only + length + 1, test) == 0;
}

/* 1 where `text`, "quantizer/ema", names the component. */
static int judge_is_called(const struct tess_component *k, const char *text)
{
    size_t kind = (size_t)tessi_plug_kind_length(k->kind);
    return strncmp(k->kind, text, kind) == 0 && text[kind] == '/' && strcmp(text + kind + 1, k->name) == 0;
}

static int judge_component(struct tess_context *ctx, struct run *r, const struct tess_component *k)
{
    char component[160];
    const struct judge_test *test;
    snprintf(component, sizeof component, "%.*s/%s", tessi_plug_kind_length(k->kind), k->kind, k->name);
    r->judge.component = k;
    r->late = 0;
    r->judge.kind = judge_kind_of(k->kind);
    for (int64_t i = 0; (test = judge_test_of(r->judge.kind, i)); i++)
        if (test->level <= r->judge.level && judge_wanted(r->judge.options->only, component, test->name))
            TESS_TRY(judge_one(ctx, r, component, test));
    return TESS_OK;
}

static int judge_same_file(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

enum { JUDGE_NAMES = 512 };

/* Fails for a name that nothing has, with the likeliest name, and refused files of that name. */
static int judge_not_found(struct tess_context *ctx, const struct tessi_registry *registry, const char *what)
{
    static char text[JUDGE_NAMES][160];
    const char *names[JUDGE_NAMES], *slash = strchr(what, '/');
    char message[1400], kind[80];
    const struct tess_component *k;
    int64_t n = 0;
    for (; n < JUDGE_NAMES && (k = tessi_plug_registry_component(registry, n, NULL)); n++) {
        snprintf(text[n], sizeof text[n], "%.*s/%s", tessi_plug_kind_length(k->kind), k->kind, k->name);
        names[n] = text[n];
    }
    const char *nearest = tessi_base_nearest_name(what, names, n);
    snprintf(message, sizeof message, "wanted the file of a plugin, or KIND/NAME of one that is found, found `%.200s`%s%s%s", what,
             nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
    snprintf(kind, sizeof kind, "%.*s/1", slash ? (int)(slash - what) : 0, what);
    tessi_plug_add_refused(registry, slash ? kind : "", slash ? slash + 1 : what, message, sizeof message);
    return ctx->fail(ctx, TESS_E_PLUGIN, "%s (`tessera plugins` lists what there is)", message);
}

/* Finds the component to be judged; *one is NULL for all of a file's. */
static int judge_find(struct tess_context *ctx, struct run *r, const struct tess_component **one)
{
    const char *what = r->judge.options->what;
    const struct tess_component *k;
    const struct tess_plugin *plugin;
    size_t length = strlen(what);
    *one = NULL;
    if ((length > 3 && strcmp(what + length - 3, ".so") == 0) || tessi_base_is_file(what)) {
        TESS_TRY(tessi_plug_registry_add_file(ctx, r->judge.runtime->registry, what));
        for (int64_t i = 0; (k = tessi_plug_registry_component(r->judge.runtime->registry, i, &plugin)); i++)
            if (judge_same_file(tessi_plug_registry_file_of(r->judge.runtime->registry, plugin), what)) {
                r->judge.plugin = plugin;
                return TESS_OK;
            }
        return ctx->fail(ctx, TESS_E_PLUGIN, "%s: wanted a plugin with components, found none in it", what);
    }
    for (int64_t i = 0; (k = tessi_plug_registry_component(r->judge.runtime->registry, i, &plugin)); i++) {
        if (judge_is_called(k, what)) {
            r->judge.plugin = plugin;
            *one = k;
            return TESS_OK;
        }
    }
    return judge_not_found(ctx, r->judge.runtime->registry, what);
}

/* Checks the expectations: a line that names a component of this plugin must name one of its tests, be it of a higher level; lines of other
 * plugins are left alone. */
static int judge_check_expected(struct tess_context *ctx, const struct run *r)
{
    const char *component, *name;
    const struct tess_component *k;
    const struct judge_test *test;
    int line, known;
    for (int64_t i = 0; (line = judge_expectations_at(r->expected, i, &component, &name)); i++)
        for (int64_t c = 0; (k = tessi_plug_component_at(r->judge.plugin, c)); c++) {
            known = !judge_is_called(k, component);
            for (int64_t t = 0; !known && (test = judge_test_of(judge_kind_of(k->kind), t)); t++)
                known = strcmp(test->name, name) == 0;
            if (!known)
                return ctx->fail(ctx, TESS_E_USAGE, "%s:%d: wanted a test of %s, found `%s`; `tessera check --list %.*s` names them",
                                 judge_expectations_path(r->expected), line, component, name, tessi_plug_kind_length(k->kind), k->kind);
        }
    return TESS_OK;
}

/* Fails where no test ran: none has the name, or none is of this level. */
static int judge_none_ran(struct tess_context *ctx, const struct run *r, const struct tess_component *one)
{
    const char *names[JUDGE_NAMES], *only = r->judge.options->only ? r->judge.options->only : "";
    const struct tess_component *k = one ? one : tessi_plug_component_at(r->judge.plugin, 0);
    const struct judge_test *test;
    int64_t n = 0;
    for (; n < JUDGE_NAMES && (test = judge_test_of(judge_kind_of(k->kind), n)); n++)
        names[n] = test->name;
    const char *nearest = tessi_base_nearest_name(only, names, n);
    return ctx->fail(ctx, TESS_E_USAGE, "wanted a test to run, found none called `%.200s` at level %d; %s%s%s", only, r->judge.level,
                     nearest ? "did you mean `" : "`tessera check --list` names them", nearest ? nearest : "", nearest ? "`?" : "");
}

static int judge_all(struct tess_context *ctx, struct run *r)
{
    const struct tess_component *one, *k;
    TESS_TRY(judge_find(ctx, r, &one));
    r->judge.file = tessi_plug_registry_file_of(r->judge.runtime->registry, r->judge.plugin);
    snprintf(r->report->file, sizeof r->report->file, "%s", r->judge.file);
    TESS_TRY(judge_expectations_read(ctx, r->judge.options->expect, r->judge.file, &r->expected));
    TESS_TRY(judge_check_expected(ctx, r));
    for (int64_t i = 0; (k = tessi_plug_component_at(r->judge.plugin, i)); i++)
        if (!one || k == one)
            TESS_TRY(judge_component(ctx, r, k));
    int64_t ran = 0;
    for (int i = 0; i < TESSI_JUDGE_OUTCOMES; i++)
        ran += r->report->count[i];
    if (ran == 0)
        return judge_none_ran(ctx, r, one);
    return TESS_OK;
}

int tessi_judge_run(struct tess_context *ctx, struct tessi_runtime *runtime, const struct tessi_judge_options *o,
                    void (*each)(void *user, const struct tessi_judge_result *result), void *user, struct tessi_judge_report *report)
{
    struct run r = {.judge = {.runtime = runtime, .options = o, .level = o->level}, .each = each, .user = user, .report = report};
    memset(report, 0, sizeof *report);
    if (runtime->threads != 1 && !runtime->workers)
        runtime->threads = 1; /* a process with threads cannot be forked; tests start those they need */
    TESS_TRY(tessi_host_runtime_compute(ctx, runtime));
    void *memory = mmap(NULL, sizeof *r.judge.verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return ctx->fail(ctx, TESS_E_MEMORY, "no memory for the verdicts of tests");
    r.judge.verdict = memory;
    int status = judge_all(ctx, &r);
    munmap(memory, sizeof *r.judge.verdict);
    judge_expectations_free(r.expected);
    return status;
}
