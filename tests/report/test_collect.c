/* Results of runs as they are collected: from the log and from the artefacts alike, of runs and of sweeps, whatever state they are in.
 * SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/report/collect.h"
#include "tests/support/flow_fixture.h"
#include "tests/support/report_fixture.h"
#include "tests/support/suite.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tessi_context context;
#define C (&context.context)

static void setup(void)
{
    tessi_base_context_init(&context, NULL);
    report_start();
}

static const struct report_made_metric psnr = {"reconstruction PSNR", "dB", 1, 20.5, -1};

/* ---- one run ------------------------------------------------------------------------------------------------------- */

static void same_stage(const struct tessi_report_stage *a, const struct tessi_report_stage *b)
{
    ck_assert_str_eq(a->name, b->name);
    ck_assert_str_eq(a->use, b->use);
    ck_assert_str_eq(a->path, b->path);
    ck_assert_str_eq(a->kind, b->kind);
    ck_assert_str_eq(a->key, b->key);
    ck_assert_str_eq(a->digest, b->digest);
    ck_assert_str_eq(a->parameters, b->parameters);
    ck_assert_str_eq(a->plugin, b->plugin);
    ck_assert_str_eq(a->tool, b->tool);
    ck_assert_str_eq(a->seed, b->seed);
    ck_assert_str_eq(a->files, b->files);
    ck_assert_str_eq(a->warning, b->warning);
    ck_assert_int_eq(a->inputs, b->inputs);
    for (int64_t i = 0; i < a->inputs; i++) {
        ck_assert_str_eq(a->input[i].port, b->input[i].port);
        ck_assert_pstr_eq(a->input[i].from, b->input[i].from);
        ck_assert_str_eq(a->input[i].digest, b->input[i].digest);
    }
    ck_assert_int_eq(a->pictures, b->pictures);
    for (int64_t i = 0; i < a->pictures; i++)
        ck_assert_str_eq(a->picture_path[i], b->picture_path[i]);
    ck_assert_int_eq(a->attributes, b->attributes);
    for (int64_t i = 0; i < a->attributes; i++)
        ck_assert_str_eq(a->attribute[i].text, b->attribute[i].text);
}

static void same_metrics(const struct tessi_report_run *a, const struct tessi_report_run *b)
{
    ck_assert_int_eq(a->metrics, b->metrics);
    for (int64_t i = 0; i < a->metrics; i++) {
        ck_assert_str_eq(a->metric[i].stage, b->metric[i].stage);
        ck_assert_str_eq(a->metric[i].name, b->metric[i].name);
        ck_assert_str_eq(a->metric[i].unit, b->metric[i].unit);
        ck_assert_int_eq(a->metric[i].better, b->metric[i].better);
        ck_assert(memcmp(&a->metric[i].value, &b->metric[i].value, sizeof(double)) == 0);
        ck_assert(memcmp(&a->metric[i].standard_error, &b->metric[i].standard_error, sizeof(double)) == 0);
    }
}

/* A run of a pipeline: what its log tells is what its artefacts tell. */
START_TEST(log_and_artefacts_agree)
{
    static const char *const paths[] = {"runs/chain"};
    struct tessi_report_set logged, plain;
    struct result r;
    struct stat st;
    tessi_base_context_init(&context, NULL);
    flow_write("p.yaml",
               "tessera: 1\nname: chain\nseed: 1\nreferences: {\"a: paper\": {FD: 6.1, at: {sum.offset: 7}}}\n"
               "stages:\n  one: {use: flow-make, count: 5}\n  sum: {use: flow-add, in: {a: one}, curve: {use: line, slope: 0.3}}\n");
    (void)setenv("FLOW_WARN", "diverged: far; lower it", 1);
    flow_attempt(&(struct attempt){.override = {"sum.offset=2"}, .run = 1}, &r);
    (void)unsetenv("FLOW_WARN");
    ck_assert_msg(r.status == TESS_OK, "%s", r.message);
    report_collect(C, &logged, 1, paths);
    ck_assert_int_eq(unlink("runs/chain/log.jsonl"), 0);
    report_collect(C, &plain, 1, paths);
    ck_assert_int_eq(logged.runs, 1);
    const struct tessi_report_run *a = &logged.run[0], *b = &plain.run[0];
    ck_assert_str_eq(a->name, "chain");
    ck_assert_str_eq(a->seed, "1");
    ck_assert_int_eq(a->outcome, TESSI_REPORT_FINISHED);
    ck_assert_int_eq(b->outcome, TESSI_REPORT_FINISHED);
    ck_assert_int_eq(a->overrides, 1);
    ck_assert_str_eq(a->override[0], "sum.offset=2");
    ck_assert_str_eq(tessi_report_setting_text(a, "sum.curve.slope"), "0.3");
    ck_assert_str_eq(tessi_report_setting_text(a, "sum.in.a"), "one");
    ck_assert_ptr_null(tessi_report_setting_text(a, "name"));
    ck_assert_int_eq(a->stages, 2);
    ck_assert_int_eq(b->stages, 2);
    for (int i = 0; i < 2; i++) {
        same_stage(&a->stage[i], &b->stage[i]);
        ck_assert_int_eq(a->stage[i].state, TESSI_REPORT_COMPUTED);
        ck_assert_int_eq(b->stage[i].state, TESSI_REPORT_UNLOGGED);
        ck_assert(a->stage[i].seconds >= 0 && a->stage[i].peak_bytes > 0 && b->stage[i].seconds < 0);
    }
    ck_assert_int_eq(a->metrics, 1);
    same_metrics(a, b);
    ck_assert_str_eq(a->stage[1].warning, "diverged: far");
    ck_assert(a->diverged && b->diverged);
    ck_assert_int_eq(a->attempts, 2);
    ck_assert_str_ne(a->processor, "");
    ck_assert(a->attempt[1].how == TESSI_REPORT_DONE && a->attempt[1].end >= a->attempt[1].start && a->attempt[0].start > 1.7e9);
    ck_assert_int_eq(stat(a->stage[1].picture_path[0], &st), 0);
    ck_assert(a->references == 1 && a->reference[0].metrics == 1 && a->reference[0].settings == 1);
    ck_assert_str_eq(a->reference[0].name, "a: paper");
    ck_assert_str_eq(a->reference[0].metric[0].name, "FD");
    ck_assert_str_eq(a->reference[0].metric[0].text, "6.1");
    ck_assert_str_eq(a->reference[0].setting[0].name, "sum.offset");
    tessi_report_free(&logged);
    tessi_report_free(&plain);
}
END_TEST

/* The time that was predicted stands beside the time that it took, once a stage like it has run. */
START_TEST(planned_and_taken)
{
    static const char *const paths[] = {"runs/chain"};
    struct tessi_report_set set;
    struct result r;
    tessi_base_context_init(&context, NULL);
    flow_write("p.yaml", "tessera: 1\nname: chain\nstages: {one: {use: flow-make, count: 5}}\n");
    for (int again = 0; again < 2; again++) {
        flow_attempt(&(struct attempt){.force = again ? "one" : NULL, .run = 1}, &r);
        ck_assert_msg(r.status == TESS_OK, "%s", r.message);
        report_collect(C, &set, 1, paths);
        ck_assert(again ? set.run[0].stage[0].planned_seconds > 0 : set.run[0].stage[0].planned_seconds < 0);
        tessi_report_free(&set);
    }
}
END_TEST

/* A record in the log counts while the file has the size and time that it tells, and no longer. */
START_TEST(record_of_another_file)
{
    static const char *const paths[] = {"a"};
    char line[1000];
    struct tessi_report_set set;
    struct stat st;
    report_make(&(struct report_made){.folder = "a", .metrics = 1, .metric = &psnr});
    ck_assert_int_eq(stat("a/metrics.h5", &st), 0);
    for (int stale = 0; stale < 2; stale++) {
        (void)snprintf(line, sizeof line,
                       "{\"time\":\"2026-01-02T03:04:05.000Z\",\"run\":\"x\",\"event\":\"stage_end\",\"stage\":\"metrics\",\"seconds\":2,"
                       "\"use\":\"evaluate\",\"kind\":\"metrics\",\"file_bytes\":%lld,\"file_time\":\"%lld.%09ld\",\"metrics\":"
                       "[{\"name\":\"m\",\"value\":1.5,\"unit\":\"\",\"better\":\"lower\",\"standard_error\":0.25,\"interval\":[1,2]}]}\n{"
                       "\"half a line",
                       (long long)st.st_size + stale, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
        report_write("a/log.jsonl", line);
        report_collect(C, &set, 1, paths);
        const struct tessi_report_run *r = &set.run[0];
        const struct tessi_report_metric *m = &r->metric[r->metrics - 1];
        ck_assert_str_eq(m->name, stale ? "reconstruction PSNR" : "m");
        ck_assert_double_eq(m->value, stale ? 20.5 : 1.5);
        ck_assert_double_eq(m->standard_error, stale ? -1 : 0.25);
        ck_assert_int_eq(m->better, stale ? TESS_METRIC_HIGHER : TESS_METRIC_LOWER);
        ck_assert(stale ? m->low > m->high : m->low == 1 && m->high == 2);
        ck_assert_double_eq(tessi_report_metric_error(m), stale ? -1 : 0.25);
        ck_assert_int_eq(r->stage[2].state, stale ? TESSI_REPORT_UNLOGGED : TESSI_REPORT_COMPUTED);
        ck_assert_int_eq(set.notes, 0);
        tessi_report_free(&set);
    }
}
END_TEST

/* Waits are pieces of a timeline, and no part of the work; a result that was taken after one begins where it ends. */
START_TEST(waits)
{
    static const char *const paths[] = {"a"};
    static const char *const line[][3] = {{"00", "run_start", "\"processor\":\"P\""},
                                          {"00", "stage_start", "\"stage\":\"tokenizer\""},
                                          {"09", "waited", "\"stage\":\"tokenizer\",\"seconds\":2,\"text\":\"room on the disk\""},
                                          {"10", "stage_end", "\"stage\":\"tokenizer\",\"seconds\":10,\"flop\":5e9"},
                                          {"14", "waited", "\"stage\":\"metrics\",\"seconds\":3,\"text\":\"process 7\""},
                                          {"15", "stage_cached", "\"stage\":\"metrics\",\"seconds\":5,\"flop\":null"}};
    struct tessi_report_set set;
    char log[1000];
    size_t used = 0;
    report_make(&(struct report_made){.folder = "a", .metrics = 1, .metric = &psnr});
    for (size_t i = 0; i < sizeof line / sizeof *line; i++)
        used +=
            (size_t)snprintf(log + used, sizeof log - used, "{\"time\":\"2026-01-02T03:04:%s.000Z\",\"run\":\"x\",\"event\":\"%s\",%s}\n",
                             line[i][0], line[i][1], line[i][2]);
    report_write("a/log.jsonl", log);
    report_collect(C, &set, 1, paths);
    const struct tessi_report_run *r = &set.run[0];
    const struct tessi_report_attempt *a = r->attempt;
    ck_assert_int_eq(set.notes, 0);
    ck_assert_str_eq(r->processor, "P");
    ck_assert_int_eq(r->attempts, 4);
    ck_assert(a[0].how == TESSI_REPORT_DONE && a[0].end - a[0].start == 10);
    ck_assert(a[1].how == TESSI_REPORT_WAITED && a[1].start - a[0].start == 7 && a[1].end - a[1].start == 2);
    ck_assert_str_eq(a[1].text, "room on the disk");
    ck_assert(a[2].how == TESSI_REPORT_WAITED && a[2].end - a[2].start == 3);
    ck_assert(a[3].how == TESSI_REPORT_TAKEN && a[3].start == a[2].end && a[3].end - a[3].start == 1);
    const struct tessi_report_stage *s = tessi_report_stage_named(r, "tokenizer");
    ck_assert_double_eq(s->flop, 5e9);
    ck_assert_double_eq(s->waited_seconds, 2);
    ck_assert_double_eq(tessi_report_stage_named(r, "metrics")->flop, -1);
    tessi_report_free(&set);
}
END_TEST

/* Logs of runs that ended in different ways: the last run counts. */
START_TEST(outcomes)
{
    static const struct {
        const char *lines;
        int outcome, attempts, how;
        const char *stage, *reason;
    } logs[] = {
        {"", TESSI_REPORT_NOT_RUN, 0, 0, "", ""},
        {"{\"time\":\"2026-01-02T03:04:05.000Z\",\"run\":\"x\",\"event\":\"run_start\"}\n"
         "{\"time\":\"2026-01-02T03:04:05.500Z\",\"run\":\"x\",\"event\":\"stage_start\",\"stage\":\"s\"}\n"
         "{\"time\":\"2026-01-02T03:04:09.000Z\",\"run\":\"x\",\"event\":\"progress\",\"stage\":\"s\"}\n",
         TESSI_REPORT_NOT_RUN, 1, TESSI_REPORT_RUNNING, "", ""},
        {"{\"time\":\"2026-01-02T03:04:05.000Z\",\"run\":\"x\",\"event\":\"run_start\"}\n"
         "{\"time\":\"2026-01-02T03:04:05.500Z\",\"run\":\"x\",\"event\":\"stage_start\",\"stage\":\"s\"}\n"
         "{\"time\":\"2026-01-02T03:04:06.000Z\",\"run\":\"x\",\"event\":\"error\",\"stage\":\"s\",\"status\":-10,\"text\":\"NaN\"}\n"
         "{\"time\":\"2026-01-02T03:04:06.000Z\",\"run\":\"x\",\"event\":\"run_end\",\"status\":-10,\"seconds\":1}\n",
         TESSI_REPORT_BROKEN, 1, TESSI_REPORT_FAILED, "s", "NaN"},
        {"{\"time\":\"2026-01-02T03:04:05.000Z\",\"run\":\"x\",\"event\":\"run_start\"}\n"
         "{\"time\":\"2026-01-02T03:04:06.000Z\",\"run\":\"x\",\"event\":\"error\",\"stage\":\"s\",\"status\":-10,\"text\":\"NaN\"}\n"
         "{\"time\":\"2026-01-02T03:05:05.000Z\",\"run\":\"y\",\"event\":\"run_start\"}\n"
         "{\"time\":\"2026-01-02T03:05:06.000Z\",\"run\":\"y\",\"event\":\"stopped\",\"stage\":\"s\",\"seconds\":1}\n"
         "{\"time\":\"2026-01-02T03:05:06.000Z\",\"run\":\"y\",\"event\":\"run_end\",\"status\":-8,\"seconds\":1}\n",
         TESSI_REPORT_HALTED, 2, TESSI_REPORT_STOPPED, "s", ""},
        {"{\"time\":\"2026-01-02T03:05:05.000Z\",\"run\":\"y\",\"event\":\"run_start\"}\nrubbish \"event\":\"run_end\"\n"
         "{\"time\":\"2026-01-02T03:05:06.000Z\",\"run\":\"y\",\"event\":\"run_end\",\"status\":0,\"seconds\":61.5}\n",
         TESSI_REPORT_FINISHED, 0, 0, "", ""},
    };
    static const char *const paths[] = {"a"};
    struct tessi_report_set set;
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        report_write("a/log.jsonl", logs[i].lines);
        report_collect(C, &set, 1, paths);
        const struct tessi_report_run *r = &set.run[0];
        ck_assert_int_eq(r->outcome, logs[i].outcome);
        ck_assert_int_eq(r->attempts, logs[i].attempts);
        ck_assert_str_eq(r->failed_stage, logs[i].stage);
        ck_assert_str_eq(r->reason, logs[i].reason);
        if (r->attempts)
            ck_assert_int_eq(r->attempt[r->attempts - 1].how, logs[i].how);
        ck_assert_int_eq(set.notes, i == 4);
        tessi_report_free(&set);
    }
}
END_TEST

/* Conditions of measuring: the images and the parameters of `metrics` are, the tokenizer is not. */
START_TEST(protocols)
{
    static const char *const paths[] = {"a", "b", "c", "d", "e"};
    struct tessi_report_set set;
    report_make(&(struct report_made){.folder = "a", .metrics = 1, .metric = &psnr});
    report_make(
        &(struct report_made){.folder = "b", .quantizer = "nearest", .codebook_size = 256, .seed = 2, .metrics = 1, .metric = &psnr});
    report_make(&(struct report_made){.folder = "c", .limit = 100, .metrics = 1, .metric = &psnr});
    report_make(&(struct report_made){.folder = "d", .images = "faces", .metrics = 1, .metric = &psnr});
    report_make(&(struct report_made){
        .folder = "e", .plugin = "stage/1 evaluate, tessera-evaluate 0.2.0; quantizer/1 ema, x 1", .metrics = 1, .metric = &psnr});
    report_collect(C, &set, 5, paths);
    const struct tessi_report_metric *m[5];
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(set.run[i].metrics, 2);
        ck_assert_str_eq(set.run[i].metric[0].protocol, "");
        ck_assert_str_eq(set.run[i].metric[0].against, "");
        m[i] = &set.run[i].metric[1];
    }
    ck_assert_str_eq(m[0]->protocol, "stage/1 evaluate, tessera-evaluate 0.1.0\n{use: evaluate, limit: 0, batch: 64}\nimages: 10");
    ck_assert_str_eq(m[0]->protocol, m[1]->protocol);
    ck_assert_str_eq(m[0]->against, m[1]->against);
    ck_assert_ptr_eq(strstr(m[0]->against, "images "), m[0]->against);
    ck_assert_ptr_null(strstr(m[0]->against, "model"));
    ck_assert_str_ne(m[0]->protocol, m[2]->protocol);
    ck_assert_str_eq(m[0]->against, m[2]->against);
    ck_assert_str_eq(m[0]->protocol, m[3]->protocol);
    ck_assert_str_ne(m[0]->against, m[3]->against);
    ck_assert_ptr_eq(strstr(m[4]->protocol, "stage/1 evaluate, tessera-evaluate 0.2.0\n"), m[4]->protocol);
    tessi_report_free(&set);
}
END_TEST

/* ---- sweeps -------------------------------------------------------------------------------------------------------- */

START_TEST(variants)
{
    static const char *const paths[] = {"runs/ablation/x/"};
    char path[600];
    struct tessi_report_set set;
    report_make_sweep("ablation/x", 2);
    for (int i = 0; i < 6; i++)
        report_make(&(struct report_made){.folder = report_variant("ablation/x", 2, i),
                                          .quantizer = i < 4 ? "nearest" : "ema",
                                          .seed = i % 2 + 1,
                                          .warning = i == 2 ? "diverged: loss is 9 at step 3 and was 1 at the first" : NULL,
                                          .metrics = 1,
                                          .metric = &psnr});
    (void)snprintf(path, sizeof path, "%s/outcome.yaml", report_variant("ablation/x", 2, 6));
    report_write(path, "outcome: failed\nstage: tokenizer\nreason: \"no memory: 5\"\nseconds: 1.5\n");
    /* a sweep is at work on this variant: one of its stages is done, which is a run in the log */
    (void)snprintf(path, sizeof path, "%s/log.jsonl", report_variant("ablation/x", 2, 5));
    report_write(path, "{\"time\":\"2026-01-02T03:04:05.000Z\",\"run\":\"a\",\"event\":\"run_start\"}\n"
                       "{\"time\":\"2026-01-02T03:04:06.000Z\",\"run\":\"a\",\"event\":\"run_end\",\"status\":0,\"seconds\":1}\n");
    (void)snprintf(path, sizeof path, "%s/metrics.h5", report_variant("ablation/x", 2, 5));
    ck_assert_int_eq(remove(path), 0);
    report_collect(C, &set, 1, paths);
    ck_assert_int_eq(set.sweeps, 1);
    ck_assert_int_eq(set.runs, 8);
    const struct tessi_report_sweep *s = &set.sweep[0];
    ck_assert_int_eq(s->axes, 3);
    ck_assert_str_eq(s->axis[1].name, "K");
    ck_assert_str_eq(s->axis[1].value[1], "256");
    ck_assert_int_eq(s->seed_axis, 2);
    ck_assert_str_eq(s->override[0], "tokenizer.steps=100");
    const struct tessi_report_run *r = set.run;
    ck_assert_str_eq(r[2].name, "quantizer=nearest,K=256,seed=1");
    ck_assert_str_eq(r[2].value[0], "nearest");
    ck_assert_str_eq(r[2].value[1], "256");
    ck_assert_str_eq(r[2].value[2], "1");
    ck_assert(r[2].diverged && !r[3].diverged);
    ck_assert_int_eq(r[2].outcome, TESSI_REPORT_FINISHED);
    ck_assert_int_eq(r[5].outcome, TESSI_REPORT_NOT_RUN);
    ck_assert(*r[5].started);
    ck_assert_int_eq(r[6].outcome, TESSI_REPORT_BROKEN);
    ck_assert_str_eq(r[6].failed_stage, "tokenizer");
    ck_assert_str_eq(r[6].reason, "no memory: 5");
    ck_assert_int_eq(r[7].outcome, TESSI_REPORT_NOT_RUN);
    ck_assert_int_eq(r[7].stages, 0);
    ck_assert_str_eq(r[0].folder, "runs/ablation/x/quantizer=nearest,K=64,seed=1");
    tessi_report_free(&set);
}
END_TEST

/* A run counts once, however often and by whatever path it is named; so does a sweep, and a variant that is named beside its sweep. */
START_TEST(named_twice)
{
    char variant[600];
    struct tessi_report_set set;
    report_make(&(struct report_made){.folder = "runs/a"});
    report_make(&(struct report_made){.folder = "runs/b"});
    report_make_sweep("ablation/x", 2);
    (void)snprintf(variant, sizeof variant, "%s", report_variant("ablation/x", 2, 2));
    report_make(&(struct report_made){.folder = variant, .quantizer = "nearest", .seed = 1});
    const char *const twice[] = {"runs/a", "runs/b", "runs/../runs/a/", "runs/b"};
    report_collect(C, &set, 4, twice);
    ck_assert_int_eq(set.runs, 2);
    ck_assert_str_eq(set.run[0].folder, "runs/a");
    ck_assert_str_eq(set.run[1].folder, "runs/b");
    ck_assert_int_eq(set.notes, 2);
    ck_assert_str_eq(set.note[0], "runs/../runs/a is named more than once, and counts once");
    tessi_report_free(&set);
    const char *const beside[] = {variant, "runs/ablation/x", "runs/b", "runs/ablation/x/"};
    report_collect(C, &set, 4, beside);
    ck_assert_int_eq(set.sweeps, 1);
    ck_assert_int_eq(set.runs, 9);
    ck_assert_str_eq(set.run[2].folder, variant);
    ck_assert_int_eq(set.run[2].sweep, 0);
    ck_assert_str_eq(set.run[8].folder, "runs/b");
    ck_assert_int_eq(set.notes, 2);
    tessi_report_free(&set);
}
END_TEST

START_TEST(refused_paths)
{
    static const struct {
        const char *path, *words;
    } bad[] = {{"nowhere", "found none: No such file or directory; runs are in runs/NAME"},
               {"a/metrics.h5", "found a file"},
               {"empty", "found neither file in it"},
               {".", "found one with several in it; name them: ./*"}};
    struct tessi_report_set set;
    report_make(&(struct report_made){.folder = "a"});
    report_write("empty/x", "");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tessi_base_context_init(&context, NULL);
        ck_assert_int_eq(tessi_report_collect(C, &bad[i].path, 1, &set), TESS_E_USAGE);
        ck_assert_msg(strstr(tessi_base_context_message(C), bad[i].words) != NULL, "%s", tessi_base_context_message(C));
        tessi_report_free(&set);
    }
}
END_TEST

/* A file of the run that is damaged costs what it tells, and is said. */
START_TEST(damaged_files)
{
    static const char *const paths[] = {"a"};
    struct tessi_report_set set;
    report_make(&(struct report_made){.folder = "a", .metrics = 1, .metric = &psnr});
    report_write("a/tokenizer.h5", "no HDF5");
    report_collect(C, &set, 1, paths);
    ck_assert_int_eq(set.notes, 1);
    ck_assert_ptr_nonnull(strstr(set.note[0], "a/tokenizer.h5"));
    ck_assert_int_eq(set.run[0].metrics, 1);
    tessi_report_free(&set);
    report_write("a/resolved.yaml", "stages: [\n");
    report_collect(C, &set, 1, paths);
    ck_assert_int_eq(set.notes, 1);
    ck_assert_int_eq(set.run[0].stages, 0);
    tessi_report_free(&set);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("collect");
    TCase *t = tcase_create("runs");
    tcase_add_checked_fixture(t, setup, report_end);
    tcase_add_test(t, record_of_another_file);
    tcase_add_test(t, waits);
    tcase_add_test(t, outcomes);
    tcase_add_test(t, protocols);
    tcase_add_test(t, named_twice);
    tcase_add_test(t, refused_paths);
    tcase_add_test(t, damaged_files);
    tcase_add_test(t, variants);
    suite_add_tcase(s, t);
    t = tcase_create("flow");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_add_test(t, log_and_artefacts_agree);
    tcase_add_test(t, planned_and_taken);
    suite_add_tcase(s, t);
    return suite_run(s);
}
