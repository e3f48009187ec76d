/* Pipelines planned and run through the cache, with the small stages of flow_stages.c. SPDX-License-Identifier: MIT */
#include "tests/support/flow_fixture.h"

#include "core/base/inject.h"
#include "core/base/memory.h"
#include "core/base/files.h"
#include "core/store/store.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct result r, other;

static void expect_error(const char *text, int status, const char *wanted)
{
    flow_write("p.yaml", text);
    flow_attempt(&(struct attempt){.run = 0}, &r);
    ck_assert_msg(r.status == status && strncmp(r.message, wanted, strlen(wanted)) == 0, "for\n%s\nwanted: %s\nfound:  %d %s", text, wanted,
                  r.status, r.message);
}

static int64_t stage(const struct result *of, const char *name)
{
    int64_t i = 0;
    while (i < of->stages && strcmp(of->stage[i].name, name) != 0)
        i++;
    ck_assert_int_lt(i, of->stages);
    return i;
}

static void expect_state(const char *name, int32_t state, const char *reason)
{
    int64_t i = stage(&r, name);
    ck_assert_msg(r.stage[i].state == state && strcmp(r.stage[i].reason, reason) == 0, "%s: wanted %d %s, found %d %s", name, state, reason,
                  r.stage[i].state, r.stage[i].reason);
}

/* ---- before work starts -------------------------------------------------------------------------------------------- */

#define HEAD "tessera: 1\nname: t\nstages:\n"
#define MAKE "  m: {use: flow-make}\n"

START_TEST(wrong_pipelines)
{
    expect_error("tessera: 1\n", TESS_E_USAGE, "p.yaml:1:1: wanted `stages`");
    expect_error(HEAD "  a/b: {use: flow-make}\n", TESS_E_USAGE, "p.yaml:4:3: a stage's name is");
    expect_error(HEAD "  params: {use: flow-make}\n", TESS_E_USAGE, "p.yaml:4:3: `params` cannot be a stage's name");
    expect_error(HEAD "  m: flow-make\n", TESS_E_USAGE, "p.yaml:4:6: stage `m` wants a map with `use`");
    expect_error("tessera: 1\nname: ../up\nstages:\n" MAKE, TESS_E_USAGE, "p.yaml:2:7: `name` names the run's folder");
    expect_error("tessera: 1\nname: .cache\nstages:\n" MAKE, TESS_E_USAGE, "p.yaml:2:7: `name` names the run's folder");
    static const char *const names[] = {"up/../down", "a//b", "/a", "a/", "a/.cache", "=a", "a b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[100];
        snprintf(text, sizeof text, "tessera: 1\nname: %s\nstages:\n" MAKE, names[i]);
        expect_error(text, TESS_E_USAGE, "p.yaml:2:7: `name` names the run's folder");
    }
    expect_error("tessera: 1\nsweep: 3\nstages:\n" MAKE, TESS_E_USAGE, "p.yaml:2:8: `sweep` wants a map with `axes`, found 3");
    expect_error("tessera: 1\nseed: -1\nstages:\n" MAKE, TESS_E_VALUE,
                 "p.yaml:2:7: `seed` wants an integer 0 .. 9223372036854775807, found -1");
    expect_error("tessera: 1\nprecision: bf1\nstages:\n" MAKE, TESS_E_VALUE, "p.yaml:2:12: precision is auto, f32 or bf16, found `bf1`");
    expect_error(HEAD "  m: {use: flow-mak}\n", TESS_E_PLUGIN, "p.yaml:4:12: no stage is called `flow-mak`; did you mean `flow-make`?");
    expect_error(HEAD "  m: {use: flow-make, cuont: 3}\n", TESS_E_USAGE,
                 "p.yaml:4:23: stage/flow-make has no parameter `cuont`; did you mean `count`?");
    expect_error(HEAD "  m: {use: flow-make, count: 0}\n", TESS_E_VALUE,
                 "p.yaml:4:30: stage/flow-make: `count` wants an integer 1 .. 1000");
    expect_error(HEAD "  m: {use: flow-make, count: 13}\n", TESS_E_SHAPE, "p.yaml:4:3: stage `m`: 13 does not fit");
    expect_error(HEAD MAKE "  s: {use: flow-add, in: {a: n}}\n", TESS_E_USAGE,
                 "p.yaml:5:30: input `a`: there is no stage `n`; there are m, s");
    expect_error(HEAD "  maker: {use: flow-make}\n  s: {use: flow-add, in: {a: makre}}\n", TESS_E_USAGE,
                 "p.yaml:5:30: input `a`: there is no stage `makre`; did you mean `maker`?");
    expect_error(HEAD MAKE "  s: {use: flow-add, in: {c: m}}\n", TESS_E_USAGE,
                 "p.yaml:5:27: stage/flow-add has no input `c`; it takes a, b");
    expect_error(HEAD MAKE "  s: {use: flow-add, in: [m]}\n", TESS_E_USAGE, "p.yaml:5:26: `in` wants a map");
    expect_error(HEAD MAKE "  s: {use: flow-add}\n", TESS_E_USAGE,
                 "p.yaml:5:3: stage `s` wants `in: {a: ...}`, an artefact of kind numbers|sums");
    expect_error(HEAD MAKE "  w: {use: flow-slow}\n  s: {use: flow-add, in: {a: w}}\n", TESS_E_USAGE,
                 "p.yaml:6:30: input `a` of stage/flow-add wants an artefact of kind numbers|sums; `w` is of kind slow");
    expect_error(HEAD "  x: {use: flow-add, in: {a: y}}\n" MAKE
                      "  y: {use: flow-add, in: {a: z}}\n  z: {use: flow-add, in: {a: y}}\n  v: {use: flow-add, in: {a: x}}\n",
                 TESS_E_USAGE, "p.yaml:7:3: these stages wait for each other: z -> y -> z");
    expect_error(HEAD "  x: {use: flow-add, in: {a: x}}\n", TESS_E_USAGE, "p.yaml:4:3: these stages wait for each other: x -> x");
    expect_error(HEAD "  s: {use: flow-add, in: {a: none.h5}}\n", TESS_E_IO, "p.yaml:4:30: input `a`: ");
    expect_error(HEAD MAKE "  s: {use: flow-add, in: {a: m}, curve: {use: line, slope: steep}}\n", TESS_E_VALUE,
                 "p.yaml:5:60: curve/line: `slope` wants");
    ck_assert_str_eq(flow_trace(), "");
    ck_assert_int_ne(access("runs", F_OK), 0);
}
END_TEST

START_TEST(command_line_places)
{
    flow_write("p.yaml", flow_chain);
    flow_attempt(&(struct attempt){.override = {"one.count=many"}}, &r);
    ck_assert_int_eq(r.status, TESS_E_VALUE);
    ck_assert_ptr_eq(strstr(r.message, "command line:1:11: stage/flow-make: `count` wants"), r.message);
    flow_attempt(&(struct attempt){.override = {"end.new=1"}}, &r);
    ck_assert_ptr_eq(strstr(r.message, "command line:1:1: stage/flow-add has no parameter `new`"), r.message);
    flow_attempt(&(struct attempt){.until = "tow"}, &r);
    ck_assert_str_eq(r.message, "--until: there is no stage `tow`; did you mean `two`?");
    flow_attempt(&(struct attempt){.until = "sum", .force = "end"}, &r);
    ck_assert_str_eq(r.message, "--force end: this stage comes after --until sum");
}
END_TEST

/* ---- the cache ----------------------------------------------------------------------------------------------------- */

START_TEST(second_run)
{
    flow_write("p.yaml", flow_chain);
    flow_plan(&r);
    ck_assert_int_eq(r.stages, 4);
    expect_state("one", TESSI_NEW, "not computed yet");
    expect_state("sum", TESSI_INPUT_RUNS, "input `a` will be computed");
    ck_assert_int_ne(access("runs", F_OK), 0);
    flow_run(&r);
    ck_assert_str_eq(flow_trace(), "flow-make\nflow-make\nflow-add\nflow-add\n");
    ck_assert_int_eq(flow_files("runs/.cache", ".h5"), 4);
    ck_assert_int_eq(flow_files("runs/.cache", ""), 4);
    ck_assert_int_eq(access("runs/chain/sum.dots.png", R_OK), 0);
    ck_assert_int_eq(access("runs/chain/resolved.yaml", R_OK), 0);
    struct stat a, b;
    char cached[256];
    snprintf(cached, sizeof cached, "runs/.cache/%s.h5", r.stage[3].key);
    ck_assert_int_eq(stat(cached, &a), 0);
    ck_assert_int_eq(stat("runs/chain/end.h5", &b), 0);
    ck_assert(a.st_ino == b.st_ino);

    (void)unlink("runs/chain/end.dots.png");
    flow_run(&other);
    ck_assert_str_eq(flow_trace(), "");
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(other.stage[i].outcome, TESSI_WAS_CACHED);
        ck_assert_str_eq(other.stage[i].digest, r.stage[i].digest);
    }
    ck_assert_int_eq(other.stage[3].pictures, 1);
    ck_assert_int_eq(access("runs/chain/end.dots.png", R_OK), 0);
    /* The resolved.yaml of the run, run from its own folder, finds everything in the cache too. */
    flow_attempt(&(struct attempt){.path = "runs/chain/resolved.yaml", .run = 1}, &other);
    ck_assert_msg(other.status == TESS_OK, "%s", other.message);
    ck_assert_str_eq(flow_trace(), "");
    ck_assert_ptr_nonnull(strstr(flow_read("runs/chain/resolved.yaml"), "curve: {use: line, slope: 0.5}"));
    ck_assert_ptr_nonnull(strstr(flow_read("runs/chain/log.jsonl"), "\"event\":\"stage_cached\",\"stage\":\"end\""));
}
END_TEST

/* The log has every value that a table needs, and a warning stays with a result that is taken from the cache. */
START_TEST(results_in_the_log)
{
    static const char *const members[] = {
        "\"seed\":1,\"overrides\":[\"end.offset=2\"]}",
        "\"event\":\"stage_end\",\"stage\":\"end\"",
        "\"use\":\"flow-add\",\"kind\":\"sums\",\"plugin\":\"stage/1 flow-add, ",
        "\"parameters\":\"{use: flow-add, offset: 2, curve: null}\"",
        "\"warning\":\"doubtful\"",
        "\"attributes\":{\"count\":5}",
        "\"metrics\":[{\"name\":\"total\",\"value\":",
        "\"unit\":\"points\"",
        "\"pictures\":[\"dots\"]}",
    };
    flow_write("p.yaml", flow_chain);
    (void)setenv("FLOW_WARN", "doubtful; look at it", 1);
    flow_attempt(&(struct attempt){.override = {"end.offset=2"}, .run = 1}, &r);
    (void)unsetenv("FLOW_WARN");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        ck_assert_msg(strstr(flow_read("runs/chain/log.jsonl"), members[i]) != NULL, "no %s", members[i]);
    (void)unlink("runs/chain/log.jsonl");
    flow_attempt(&(struct attempt){.override = {"end.offset=2"}, .run = 1}, &r);
    const char *cached = strstr(flow_read("runs/chain/log.jsonl"), "\"event\":\"stage_cached\",\"stage\":\"end\"");
    ck_assert_msg(cached && strstr(cached, "\"warning\":\"doubtful\"") && strstr(cached, "\"name\":\"total\""), "%.2000s", cached);
}
END_TEST

START_TEST(changes)
{
    flow_write("p.yaml", flow_chain);
    flow_run(&r);
    (void)flow_trace();
    /* Stages that depend on a change are computed, and no others; the plan says so beforehand. */
    flow_attempt(&(struct attempt){.override = {"two.scale=3"}}, &r);
    expect_state("one", TESSI_CACHED, "");
    expect_state("two", TESSI_CHANGED, "scale: 2 -> 3");
    expect_state("sum", TESSI_INPUT_RUNS, "input `b` will be computed");
    expect_state("end", TESSI_INPUT_RUNS, "input `a` will be computed");
    flow_attempt(&(struct attempt){.override = {"two.scale=3"}, .run = 1}, &r);
    ck_assert_str_eq(flow_trace(), "flow-make\nflow-add\nflow-add\n");
    ck_assert_int_eq(r.stage[0].outcome, TESSI_WAS_CACHED);
    /* The earlier results are still there. */
    flow_plan(&r);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(r.stage[i].state, TESSI_CACHED);
    /* The run's folder shows the last run, so that is what a change is told against. */
    flow_attempt(&(struct attempt){.override = {"sum.curve.slope=0.25"}}, &r);
    ck_assert_ptr_eq(strstr(r.stage[2].reason, "curve.slope: 0.5 -> 0.25; input `b` changed: "), r.stage[2].reason);
}
END_TEST

#define LONG_LABEL "0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(reasons)
{
    flow_write("p.yaml", flow_chain);
    flow_run(&r);
    flow_attempt(&(struct attempt){.override = {"sum.curve.slope=0.25", "end.offset=2"}}, &r);
    expect_state("sum", TESSI_CHANGED, "curve.slope: 0.5 -> 0.25");
    expect_state("end", TESSI_INPUT_RUNS, "offset: 1 -> 2; input `a` will be computed");
    flow_attempt(&(struct attempt){.override = {"sum.curve={use: power, slope: null}"}}, &r);
    expect_state("sum", TESSI_CHANGED, "curve.use: line -> power");
    flow_attempt(&(struct attempt){.override = {"sum.in.b=null"}}, &r);
    expect_state("sum", TESSI_CHANGED, "input `b` is gone");
    flow_attempt(&(struct attempt){.override = {"one.seed=9"}}, &r);
    expect_state("one", TESSI_CHANGED, "seed: 1 -> 9");
    expect_state("two", TESSI_CACHED, "");
    const uint64_t seed = 3;
    flow_attempt(&(struct attempt){.seed = &seed, .override = {"two.seed=1"}}, &r);
    expect_state("one", TESSI_CHANGED, "seed: 1 -> 3");
    expect_state("two", TESSI_CACHED, "");
    flow_attempt(&(struct attempt){.backend = "flow-two"}, &r);
    ck_assert_int_eq(r.stage[0].state, TESSI_CHANGED);
    ck_assert_ptr_eq(strstr(r.stage[0].reason, "numeric mode: f32, flow one, "), r.stage[0].reason);
    flow_attempt(&(struct attempt){.force = "sum"}, &r);
    expect_state("sum", TESSI_FORCED, "--force");
    expect_state("end", TESSI_INPUT_RUNS, "input `a` will be computed");
    flow_attempt(&(struct attempt){.override = {"one.count=1", "one.scale=2", "one.label=x", "one.seed=4"}}, &r);
    expect_state("one", TESSI_CHANGED, "count: 5 -> 1; scale: 1 -> 2; label: plain -> x; seed: 1 -> 4");
    flow_attempt(&(struct attempt){.override = {"one.label=" LONG_LABEL "yes" LONG_LABEL}}, &r);
    expect_state("one", TESSI_CHANGED, "label: plain -> \"" LONG_LABEL "yes" LONG_LABEL "\"");
    flow_attempt(&(struct attempt){.run = 1, .override = {"one.label=" LONG_LABEL "yes" LONG_LABEL}}, &r);
    flow_attempt(&(struct attempt){.override = {"one.label=" LONG_LABEL "no" LONG_LABEL}}, &r);
    expect_state("one", TESSI_CHANGED, "label: ...456789abcdefyes0123456789ab... -> ...456789abcdefno0123456789ab...");
}
END_TEST

START_TEST(neutral)
{
    flow_write("data", "some bytes");
    flow_write("p.yaml", "tessera: 1\nname: n\nstages:\n  one: {use: flow-make, file: data, chatter: 1}\n");
    flow_run(&r);
    (void)flow_trace();
    char key[65];
    strcpy(key, r.stage[0].key);
    /* A neutral parameter, another name of the stage, the pipeline or the file: the same key. */
    flow_write("elsewhere", "some bytes");
    flow_write("p.yaml", "tessera: 1\nname: m\nstages:\n  uno: {use: flow-make, file: elsewhere, chatter: 9}\n");
    flow_run(&r);
    ck_assert_str_eq(flow_trace(), "");
    ck_assert_str_eq(r.stage[0].key, key);
    ck_assert_ptr_nonnull(strstr(r.stage[0].parameters, "/elsewhere"));
    /* The stage has another key once the file that it reads has other bytes. */
    flow_write("elsewhere", "other bytes");
    flow_plan(&r);
    ck_assert(r.stage[0].state == TESSI_CHANGED && strstr(r.stage[0].reason, "/elsewhere changed"));
    flow_run(&r);
    ck_assert_str_eq(flow_trace(), "flow-make\n");
    ck_assert_str_ne(r.stage[0].key, key);
}
END_TEST

/* A stage may give fewer rows than it planned; what reads it is then planned again, and once more from the cache. */
START_TEST(fewer_than_planned)
{
    static const char text[] = HEAD "  m: {use: flow-make, count: 7, fewer: 2}\n  s: {use: flow-add, in: {a: m}}\n"
                                    "  t: {use: flow-add, in: {a: s}, offset: 1}\n";
    flow_write("p.yaml", text);
    flow_plan(&r);
    flow_run(&r);
    ck_assert_str_eq(flow_trace(), "flow-make\nflow-add\nflow-add\n");
    flow_run(&other);
    ck_assert_str_eq(flow_trace(), "");
    ck_assert_str_eq(other.stage[2].digest, r.stage[2].digest);
    flow_attempt(&(struct attempt){.force = "m", .run = 1}, &other); /* equal content: the rest is found */
    ck_assert_msg(other.status == TESS_OK, "%s", other.message);
    ck_assert_str_eq(flow_trace(), "flow-make\n");
    ck_assert_int_eq(other.stage[2].outcome, TESSI_WAS_CACHED);
    /* A mismatch of row counts is found once the rows are computed. */
    flow_attempt(&(struct attempt){.override = {"m.fewer=4"}}, &r);
    ck_assert_msg(r.status == TESS_OK, "%s", r.message);
    flow_attempt(&(struct attempt){.override = {"m.fewer=4"}, .run = 1}, &r);
    ck_assert_int_eq(r.status, TESS_E_SHAPE);
    ck_assert_msg(strstr(r.message, "stage `s`: 3 numbers do not fit") != NULL, "%s", r.message);
    /* More than planned, or less than nothing, is a defect. */
    flow_attempt(&(struct attempt){.override = {"m.fewer=-1"}, .run = 1}, &r);
    ck_assert_msg(r.status == TESS_E_INTERNAL && strstr(r.message, "the attribute `count` is not what was planned"), "%s", r.message);
    flow_attempt(&(struct attempt){.override = {"m.fewer=8"}, .run = 1}, &r);
    ck_assert_msg(r.status == TESS_E_INTERNAL && strstr(r.message, "the attribute `count` is not what was planned"), "%s", r.message);
}
END_TEST

START_TEST(until_and_force)
{
    flow_write("p.yaml", flow_chain);
    flow_attempt(&(struct attempt){.until = "two", .run = 1}, &r);
    ck_assert_int_eq(r.stages, 1);
    ck_assert_str_eq(flow_trace(), "flow-make\n");
    flow_attempt(&(struct attempt){.until = "sum", .run = 1}, &r);
    ck_assert_int_eq(r.stages, 3);
    ck_assert_str_eq(flow_trace(), "flow-make\nflow-add\n");
    /* A recomputed stage with the same content: the stages behind it are still cached. */
    flow_run(&other);
    (void)flow_trace();
    flow_attempt(&(struct attempt){.force = "one", .run = 1}, &r);
    ck_assert_str_eq(flow_trace(), "flow-make\n");
    ck_assert_int_eq(r.stage[stage(&r, "one")].outcome, TESSI_COMPUTED);
    ck_assert_int_eq(r.stage[stage(&r, "sum")].outcome, TESSI_WAS_CACHED);
}
END_TEST

static void spoil(const char *path, long at)
{
    FILE *f = fopen(path, "r+");
    ck_assert_ptr_nonnull(f);
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    int byte = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(byte ^ 0x55, f);
    fclose(f);
}

/* Offset of the first of the values 1, 2, 3 ... as stored. */
static long values_in(const char *path, float first)
{
    static char bytes[1 << 20];
    FILE *f = fopen(path, "r");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    for (size_t i = 0; i + 8 <= n; i++) {
        const float wanted[2] = {first, first + 1};
        if (memcmp(bytes + i, wanted, sizeof wanted) == 0)
            return (long)i;
    }
    ck_abort_msg("%s does not hold the values", path);
    return 0;
}

START_TEST(damaged_cache)
{
    char cached[256], wrong[256];
    flow_write("p.yaml", flow_chain);
    flow_run(&r);
    (void)flow_trace();
    int64_t one = stage(&r, "one"), two = stage(&r, "two");
    snprintf(cached, sizeof cached, "runs/.cache/%s.h5", r.stage[one].key);
    snprintf(wrong, sizeof wrong, "runs/.cache/%s.h5", r.stage[two].key);
    spoil(cached, values_in(cached, 2)); /* scale 1, seed 1: 2, 3, 4 ... */
    flow_attempt(&(struct attempt){.run = 1}, &r);
    ck_assert_int_eq(r.status, TESS_E_DATA);
    ck_assert_ptr_eq(strstr(r.message, "p.yaml:5:3: stage `one`: runs/.cache/"), r.message);
    ck_assert_ptr_nonnull(strstr(r.message, "or recompute it with --force one"));
    ck_assert_ptr_null(strchr(r.message, '\n'));
    flow_attempt(&(struct attempt){.run = 0}, &r);
    ck_assert_int_eq(r.status, TESS_E_DATA);
    /* The remedy named in the message, --force, works. */
    flow_attempt(&(struct attempt){.force = "one", .run = 1}, &r);
    ck_assert_msg(r.status == TESS_OK, "%s", r.message);
    ck_assert_str_eq(flow_trace(), "flow-make\n");
    /* A whole artefact under another's key. */
    (void)unlink(cached);
    ck_assert_int_eq(link(wrong, cached), 0);
    flow_attempt(&(struct attempt){.run = 1}, &r);
    ck_assert_int_eq(r.status, TESS_E_DATA);
    ck_assert_ptr_nonnull(strstr(r.message, "wanted the artefact of key"));
    /* A truncated one, and one that is none. */
    (void)unlink(cached);
    flow_write(cached, "no artefact");
    flow_attempt(&(struct attempt){.run = 1}, &r);
    ck_assert_int_eq(r.status, TESS_E_DATA);
    ck_assert_int_eq(tessi_base_exit_code(r.status), 65);
    (void)unlink(cached);
    flow_run(&r); /* the run's folder still has it */
    ck_assert_str_eq(flow_trace(), "");
    ck_assert_int_eq(access(cached, R_OK), 0);
    (void)unlink(cached);
    (void)unlink("runs/chain/one.h5");
    flow_run(&r);
    ck_assert_str_eq(flow_trace(), "flow-make\n");
}
END_TEST

START_TEST(file_inputs)
{
    flow_write("p.yaml", flow_chain);
    flow_run(&r);
    (void)flow_trace();
    mkdir("sub", 0777);
    ck_assert_int_eq(link("runs/chain/sum.h5", "sub/given.h5"), 0);
    flow_write("sub/q.yaml", HEAD "  s: {use: flow-add, in: {a: given.h5}}\n");
    flow_attempt(&(struct attempt){.path = "sub/q.yaml", .run = 1}, &other);
    ck_assert_msg(other.status == TESS_OK, "%s", other.message);
    ck_assert_str_eq(flow_trace(), "flow-add\n");
    flow_attempt(&(struct attempt){.path = "runs/t/resolved.yaml", .run = 1}, &other);
    ck_assert_msg(other.status == TESS_OK, "%s", other.message);
    ck_assert_str_eq(flow_trace(), "");
    /* Relative to the current folder when the command line says it; another content, another key. */
    flow_attempt(&(struct attempt){.path = "sub/q.yaml", .override = {"s.in.a=runs/chain/end.h5"}}, &r);
    expect_state("s", TESSI_CHANGED, r.stage[0].reason);
    ck_assert_ptr_eq(strstr(r.stage[0].reason, "input `a` changed: "), r.stage[0].reason);
    flow_write("sub/q.yaml", HEAD "  s: {use: flow-slow, in: {a: given.h5}}\n");
    flow_attempt(&(struct attempt){.path = "sub/q.yaml"}, &r);
    ck_assert_str_eq(r.message,
                     "sub/q.yaml:4:31: input `a` of stage/flow-slow wants an artefact of kind numbers; `given.h5` is of kind sums");
}
END_TEST

/* A path that begins with a reference is relative to where the referenced value was written. */
/* A name may have groups, and a sweep in the file does not change what a run of it does. */
START_TEST(names_in_groups)
{
    flow_write("p.yaml", "tessera: 1\nname: group/of/K=64,seed=1+\nsweep: {axes: {K: [\"${nothing}\", 2]}}\nstages:\n" MAKE);
    flow_run(&r);
    ck_assert_int_eq(flow_files("runs/group/of/K=64,seed=1+", ".h5"), 1);
    flow_attempt(&(struct attempt){.path = "runs/group/of/K=64,seed=1+/resolved.yaml"}, &r);
    ck_assert_int_eq(r.status, TESS_OK);
    ck_assert_int_eq(r.stage[0].state, TESSI_CACHED);
}
END_TEST

START_TEST(paths_that_begin_with_a_name)
{
    flow_write("p.yaml", flow_chain);
    flow_run(&r);
    mkdir("sub", 0777);
    mkdir("sub/base", 0777);
    ck_assert_int_eq(link("runs/chain/sum.h5", "sub/base/given.h5"), 0);
    ck_assert_int_eq(link("runs/chain/sum.h5", "here.h5"), 0);
    flow_write("sub/base/b.yaml", "tessera: 1\nname: t\nparams: {whole: given.h5, part: giv}\nstages:\n"
                                   "  s: {use: flow-add, in: {a: \"${whole}\"}}\n"
                                   "  z: {use: flow-add, in: {a: \"${part}en.h5\"}}\n");
    flow_write("sub/q.yaml", "tessera: 1\nname: t\nextends: base/b.yaml\n");
    flow_attempt(&(struct attempt){.path = "sub/q.yaml"}, &other);
    ck_assert_msg(other.status == TESS_OK, "%s", other.message);
    flow_attempt(&(struct attempt){.path = "sub/q.yaml", .override = {"whole=here.h5", "part=sub/base/giv"}}, &other);
    ck_assert_msg(other.status == TESS_OK, "%s", other.message);
    flow_attempt(&(struct attempt){.path = "sub/q.yaml", .override = {"whole=given.h5"}}, &other);
    ck_assert_int_ne(other.status, TESS_OK);
    flow_write("sub/base/b.yaml", "tessera: 1\nname: t\nparams: {part: en}\nstages:\n"
                                   "  s: {use: flow-add, in: {a: \"giv${part}.h5\"}}\n");
    flow_attempt(&(struct attempt){.path = "sub/q.yaml", .override = {"part=en"}}, &other); /* the file has the value's start */
    ck_assert_msg(other.status == TESS_OK, "%s", other.message);
}
END_TEST

START_TEST(liar)
{
    flow_write("p.yaml", HEAD "  l: {use: flow-liar}\n");
    flow_attempt(&(struct attempt){.run = 1}, &r);
    ck_assert_int_eq(r.status, TESS_E_INTERNAL);
    ck_assert_str_eq(r.message,
                     "p.yaml:4:3: stage `l`: the attribute `height` is not what was planned; that is a defect of stage/flow-liar");
    ck_assert_int_eq(flow_files("runs/.cache", ""), 0);
}
END_TEST

/* A plan with an impossible amount, or that fails without a message, is the plugin's and names it. */
START_TEST(plans_that_cannot_be)
{
    static const char *const words[] = {
        "stage `flow-big` (plugin tessera-test-flow), plan: gave -1.04858e+06 output_bytes; wanted 0 or more",
        "stage `flow-big` (plugin tessera-test-flow), plan: returned -4 without a message"};
    for (int i = 0; i < 2; i++) {
        flow_write("p.yaml", i ? HEAD "  b: {use: flow-big, claim: -2}\n" : HEAD "  b: {use: flow-big, claim: -1}\n");
        flow_attempt(&(struct attempt){.run = 0}, &r);
        ck_assert_int_eq(r.status, TESS_E_PLUGIN);
        ck_assert_msg(strstr(r.message, words[i]) != NULL, "%s", r.message);
    }
}
END_TEST

START_TEST(escapes)
{
    flow_write("p.yaml", HEAD "  m: {use: flow-make, label: '$${x} # \"y\"'}\n");
    flow_run(&r);
    ck_assert_ptr_nonnull(strstr(r.stage[0].parameters, "${x} # "));
    (void)flow_trace();
    flow_attempt(&(struct attempt){.path = "runs/t/resolved.yaml", .run = 1}, &r);
    ck_assert_msg(r.status == TESS_OK, "%s", r.message);
    ck_assert_str_eq(flow_trace(), "");
}
END_TEST

START_TEST(backend_of_pipeline)
{
    struct tessi_context context;
    struct tessi_runtime *runtime = NULL;
    struct tessi_pipeline *p = NULL;
    const char *plugins = getenv("FLOW_PLUGINS");
    flow_write("p.yaml", "tessera: 1\nbackend: flow-two\nstages:\n" MAKE);
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_host_runtime_new(&context.context,
                                       &(struct tessi_runtime_options){.plugin_path = plugins ? plugins : TEST_FLOW_PLUGINS, .threads = 1},
                                       &runtime),
                     TESS_OK);
    ck_assert_int_eq(tessi_flow_pipeline_open(&context.context, runtime, &(struct tessi_pipeline_options){.path = "p.yaml"}, &p), TESS_OK);
    ck_assert_str_eq(tess_instance_name(runtime->backend), "flow-two");
    ck_assert_str_eq(tessi_flow_pipeline_name(p), "p");
    ck_assert_str_eq(tessi_flow_pipeline_folder(p), "runs/p");
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(runtime);
}
END_TEST

/* ---- interruptions ------------------------------------------------------------------------------------------------- */

static const char slow[] = "tessera: 1\nname: slow\nstages:\n  one: {use: flow-make}\n  walk: {use: flow-slow, in: {a: one}, steps: 60}\n";

static void run_slow(const char *variable, const char *step)
{
    if (variable)
        setenv(variable, step, 1);
    flow_write("p.yaml", slow);
}

/* The digest of an undisturbed run. */
static void undisturbed(char digest[65])
{
    flow_attempt(&(struct attempt){.run = 1}, &r);
    ck_assert_msg(r.status == TESS_OK, "%s", r.message);
    strcpy(digest, r.stage[1].digest);
}

START_TEST(killed)
{
    char reference[65];
    static const char *const at[] = {"1", "17", "59", "60"};
    run_slow("FLOW_MARK_AT", "10"); /* SIGUSR1: a checkpoint there */
    for (int i = 0; i < 4; i++) {
        setenv("FLOW_KILL_AT", at[i], 1);
        int how = flow_child(&(struct attempt){.run = 1}, 0);
        ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
        ck_assert_int_ne(access("runs/slow/walk.h5", F_OK), 0);
        ck_assert_int_eq(flow_files("runs/.cache", ".h5"), i == 0 ? 1 : 2); /* the first stage, and a checkpoint */
    }
    unsetenv("FLOW_KILL_AT");
    (void)flow_trace();
    undisturbed(reference);
    ck_assert_str_eq(flow_trace(), "flow-slow from 10\n");
    ck_assert_int_eq(flow_files("runs/.cache", ""), 2);
    unsetenv("FLOW_MARK_AT");
    ck_assert_int_eq(system("rm -rf runs"), 0);
    undisturbed(reference);
    ck_assert_str_eq(flow_trace(), "flow-make\nflow-slow from 0\n");
    ck_assert_str_eq(r.stage[1].digest, reference);
}
END_TEST

/* A run with such a plan of trouble, in a child. */
static pid_t start_with(const char *plan)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        tessi_base_signals_catch();
        if (tessi_base_inject_plan(plan))
            _exit(126);
        flow_attempt(&(struct attempt){.run = 1}, &r);
        _exit(r.status == TESS_OK ? 0 : 1);
    }
    return child;
}

/* Wait status of the child, which ended or stopped. */
static int look_at(pid_t child)
{
    int how;
    ck_assert_int_eq(waitpid(child, &how, WUNTRACED), child);
    return how;
}

/* Killed at the first passage of the point, at the second, and so on until there are no more of them. */
START_TEST(killed_anywhere)
{
    static const char *const point[] = {"open", "read", "write", "sync", "rename", "renamed", "locked", "stage", "checkpoint"};
    char reference[65], plan[64];
    int how;
    run_slow(NULL, NULL);
    undisturbed(reference);
    for (size_t k = 0; k < sizeof point / sizeof *point; k++) {
        int n = 0;
        ck_assert_int_eq(system("rm -rf runs"), 0);
        do {
            snprintf(plan, sizeof plan, "usr1@step:10,usr1@step:30,kill@%s:%d", point[k], ++n);
            how = look_at(start_with(plan));
            ck_assert_msg(how == 0 || (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL), "%s: %d", plan, how);
        } while (how != 0);
        ck_assert_msg(n > 1, "%s is never passed", point[k]);
        flow_plan(&other);
        ck_assert_int_eq(other.stage[1].state, TESSI_CACHED);
        ck_assert_int_eq(flow_files("runs/.cache", ".h5"), 2); /* no checkpoint, nothing half-written; a lock's file means nothing */
        ck_assert_int_eq(flow_files("runs/.cache", ".partial") + flow_files("runs/.cache", ".new"), 0);
        flow_run(&other);
        ck_assert_str_eq(other.stage[1].digest, reference);
    }
}
END_TEST

START_TEST(stopped)
{
    run_slow("FLOW_STOP_AT", "23");
    int how = flow_child(&(struct attempt){.run = 1}, 0);
    ck_assert(WIFEXITED(how));
    ck_assert_int_eq(WEXITSTATUS(how), 75);
    ck_assert_str_eq(flow_read("message"), "stopped in stage `walk`; the same command resumes at its checkpoint");
    unsetenv("FLOW_STOP_AT");
    (void)flow_trace();
    flow_run(&r);
    ck_assert_str_eq(flow_trace(), "flow-slow from 23\n");
    ck_assert_int_eq(system("rm -rf runs"), 0);
    flow_run(&other);
    ck_assert_str_eq(other.stage[1].digest, r.stage[1].digest);
}
END_TEST

START_TEST(damaged_checkpoint)
{
    char path[256];
    run_slow("FLOW_STOP_AT", "23");
    (void)flow_child(&(struct attempt){.run = 1}, 0);
    unsetenv("FLOW_STOP_AT");
    (void)flow_trace();
    flow_plan(&r);
    ck_assert_int_eq(system("for f in runs/.cache/*.checkpoint.h5; do printf '%s' $f > name; done"), 0);
    snprintf(path, sizeof path, "%s", flow_read("name"));
    ck_assert_int_eq(truncate(path, 1000), 0);
    flow_run(&r);
    ck_assert_str_eq(flow_trace(), "flow-slow from 0\n");
    ck_assert_ptr_nonnull(strstr(flow_read("runs/slow/log.jsonl"), "the checkpoint is left aside and the stage starts over"));
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(full_disk)
{
    flow_write("p.yaml", "tessera: 1\nname: big\nstages:\n  one: {use: flow-make}\n  big: {use: flow-big, kib: 4096}\n");
    int how = flow_child(&(struct attempt){.run = 1}, 1 << 20);
    ck_assert(WIFEXITED(how));
    ck_assert_msg(WEXITSTATUS(how) == 74 || WEXITSTATUS(how) == 73, "%d: %s", WEXITSTATUS(how), flow_read("message"));
    ck_assert_ptr_eq(strstr(flow_read("message"), "p.yaml:5:3: stage `big`: runs/.cache/"), flow_read("message"));
    ck_assert_int_eq(flow_files("runs/.cache", ""), 1);
    ck_assert_int_ne(access("runs/big/big.h5", F_OK), 0);
    (void)flow_trace();
    flow_run(&r);
    ck_assert_str_eq(flow_trace(), "flow-big\n");
}
END_TEST

START_TEST(no_checkpoint)
{
    char path[300];
    run_slow(NULL, NULL);
    flow_run(&r);
    /* A folder where the checkpoint would be written: it cannot be, and the work goes on. */
    snprintf(path, sizeof path, "runs/.cache/%s.checkpoint.h5", r.stage[1].key);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    tessi_base_signals_catch();
    setenv("FLOW_MARK_AT", "10", 1);
    (void)flow_trace();
    flow_attempt(&(struct attempt){.force = "walk", .run = 1}, &r);
    ck_assert_msg(r.status == TESS_OK, "%s", r.message);
    ck_assert_str_eq(flow_trace(), "flow-slow from 0\n");
    ck_assert_ptr_nonnull(strstr(flow_read("runs/slow/log.jsonl"), "no checkpoint could be written, the work goes on"));
}
END_TEST

/* Three runs at once: the first computes the stage while the others wait for it; then all finish. */
START_TEST(several_at_once)
{
    static const char *const plan[] = {"pause@step:7", "pause@waiting:1", "pause@waiting:1"};
    run_slow(NULL, NULL);
    pid_t child[3];
    int how;
    for (int i = 0; i < 3; i++) {
        child[i] = start_with(plan[i]);
        how = look_at(child[i]);
        ck_assert_msg(WIFSTOPPED(how), "%d: %d", i, how);
    }
    for (int i = 0; i < 3; i++)
        kill(child[i], SIGCONT);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(look_at(child[i]), 0);
    ck_assert_str_eq(flow_trace(), "flow-make\nflow-slow from 0\n");
    ck_assert_int_eq(flow_files("runs/.cache", ""), 2);
    ck_assert_ptr_nonnull(strstr(flow_read("runs/slow/log.jsonl"), "\"event\":\"waited\",\"stage\":\"walk\",\"seconds\":"));
}
END_TEST

/* The computing run of two is killed while the other waits: the waiting one resumes at the checkpoint. */
START_TEST(one_of_two_is_killed)
{
    char reference[65];
    run_slow(NULL, NULL);
    undisturbed(reference);
    ck_assert_int_eq(system("rm -rf runs"), 0);
    (void)flow_trace();
    pid_t first = start_with("usr1@step:5,pause@step:7");
    ck_assert(WIFSTOPPED(look_at(first)));
    pid_t second = start_with("pause@waiting:1");
    ck_assert(WIFSTOPPED(look_at(second)));
    kill(first, SIGKILL);
    ck_assert(WIFSIGNALED(look_at(first)));
    kill(second, SIGCONT);
    ck_assert_int_eq(look_at(second), 0);
    flow_run(&other);
    ck_assert_str_eq(other.stage[1].digest, reference);
    ck_assert_str_eq(flow_trace(), "flow-make\nflow-slow from 0\nflow-slow from 5\n");
}
END_TEST

START_TEST(unwritable)
{
    flow_write("p.yaml", flow_chain);
    flow_write("runs", "a file in the way");
    flow_attempt(&(struct attempt){.run = 1}, &r);
    ck_assert_int_eq(r.status, TESS_E_CREATE);
    ck_assert_ptr_eq(strstr(r.message, "runs: the folder cannot be made: "), r.message);
}
END_TEST

/* The first allocations of a pipeline fail: a plan of the whole may end its search at a failure that costs no more than a hint. */
START_TEST(no_memory_to_begin_with)
{
    struct tessi_context context;
    struct tessi_runtime *runtime = NULL;
    struct tessi_pipeline *p = NULL;
    const struct tessi_pipeline_options o = {.path = "p.yaml"};
    flow_write("p.yaml", flow_chain);
    tessi_base_context_init(&context, NULL);
    const struct tessi_runtime_options options = {.plugin_path = TEST_FLOW_PLUGINS, .threads = 1, .backend = "flow-one"};
    ck_assert_int_eq(tessi_host_runtime_new(&context.context, &options, &runtime), TESS_OK);
    for (int64_t i = 1; i <= 20; i++) {
        tessi_base_memory_fail_at(i);
        int status = tessi_flow_pipeline_open(&context.context, runtime, &o, &p);
        tessi_base_memory_fail_at(0);
        ck_assert_int_eq(status, TESS_E_MEMORY);
        ck_assert_ptr_null(p);
        tessi_base_context_clear(&context.context);
    }
    tessi_host_runtime_free(runtime);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}
END_TEST

START_TEST(no_memory)
{
    flow_write("p.yaml", flow_chain);
    for (int64_t i = 1; i < 5000; i++) {
        tessi_base_memory_fail_at(i);
        flow_attempt(&(struct attempt){.run = 0}, &r);
        tessi_base_memory_fail_at(0);
        ck_assert_int_eq(tessi_base_memory_in_use(), 0);
        if (r.status == TESS_OK)
            break;
        ck_assert_msg(r.status == TESS_E_MEMORY || r.status == TESS_E_PLUGIN, "%d %s", r.status, r.message);
    }
    ck_assert_int_eq(r.status, TESS_OK);
    /* Allocation failures in the middle of a run give a message and leave only whole artefacts in the cache. */
    for (int64_t i = 20; i < 5000; i += 37) {
        tessi_base_memory_fail_at(i);
        flow_attempt(&(struct attempt){.run = 1}, &r);
        tessi_base_memory_fail_at(0);
        ck_assert_int_eq(tessi_base_memory_in_use(), 0);
        if (r.status == TESS_OK)
            break;
    }
    flow_run(&r);
    ck_assert_int_eq(flow_files("runs/.cache", ""), 4);
}
END_TEST

/* ---- files --------------------------------------------------------------------------------------------------------- */

START_TEST(links)
{
    struct tessi_context context;
    int changed;
    tessi_base_context_init(&context, NULL);
    flow_write("a", "1");
    flow_write("b", "2");
    ck_assert_int_eq(tessi_base_link_file(&context.context, "a", "c", &changed), TESS_OK);
    ck_assert_int_eq(changed, 1);
    ck_assert_int_eq(tessi_base_link_file(&context.context, "a", "c", &changed), TESS_OK);
    ck_assert_int_eq(changed, 0);
    ck_assert_int_eq(tessi_base_link_file(&context.context, "b", "c", &changed), TESS_OK);
    ck_assert_int_eq(changed, 1);
    ck_assert_str_eq(flow_read("c"), "2");
    ck_assert_str_eq(flow_read("a"), "1");
    ck_assert_int_eq(flow_files(".", ".partial"), 0);
    ck_assert_int_eq(tessi_base_link_file(&context.context, "none", "c", &changed), TESS_E_IO);
    tessi_base_context_clear(&context.context);
    ck_assert_int_eq(tessi_base_write_text(&context.context, "no/folder", "x", 1), TESS_E_CREATE);
}
END_TEST

/* The folder tells of one run: the outcome that a sweep left goes with the parameters it was of, and pictures with their result, also where
 * that is damaged. */
START_TEST(of_one_run)
{
    flow_write("p.yaml", flow_chain);
    flow_run(&r);
    flow_write("runs/chain/outcome.yaml", "outcome: failed\n");
    flow_run(&r);
    ck_assert_int_eq(access("runs/chain/outcome.yaml", F_OK), 0);
    flow_write("runs/chain/sum.old.png", "of a result that nobody can read");
    flow_write("runs/chain/sum-old.dots.png", "of a person");
    ck_assert_int_eq(system("printf damaged > d && mv d runs/chain/sum.h5"), 0);
    flow_run(&r);
    ck_assert_int_ne(access("runs/chain/sum.old.png", F_OK), 0);
    ck_assert(access("runs/chain/sum.dots.png", F_OK) == 0 && access("runs/chain/sum-old.dots.png", F_OK) == 0);
    flow_attempt(&(struct attempt){.run = 1, .override = {"one.scale=3"}}, &r);
    ck_assert_int_eq(r.status, TESS_OK);
    ck_assert_int_ne(access("runs/chain/outcome.yaml", F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flow");
    TCase *t = tcase_create("pipeline");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, wrong_pipelines);
    tcase_add_test(t, command_line_places);
    tcase_add_test(t, backend_of_pipeline);
    tcase_add_test(t, escapes);
    suite_add_tcase(s, t);
    t = tcase_create("cache");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, second_run);
    tcase_add_test(t, of_one_run);
    tcase_add_test(t, results_in_the_log);
    tcase_add_test(t, changes);
    tcase_add_test(t, reasons);
    tcase_add_test(t, neutral);
    tcase_add_test(t, fewer_than_planned);
    tcase_add_test(t, until_and_force);
    tcase_add_test(t, damaged_cache);
    tcase_add_test(t, file_inputs);
    tcase_add_test(t, names_in_groups);
    tcase_add_test(t, paths_that_begin_with_a_name);
    tcase_add_test(t, liar);
    tcase_add_test(t, plans_that_cannot_be);
    suite_add_tcase(s, t);
    t = tcase_create("interruptions");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, killed);
    tcase_add_test(t, killed_anywhere);
    tcase_add_test(t, stopped);
    tcase_add_test(t, damaged_checkpoint);
    tcase_add_test(t, full_disk);
    tcase_add_test(t, no_checkpoint);
    tcase_add_test(t, several_at_once);
    tcase_add_test(t, one_of_two_is_killed);
    tcase_add_test(t, unwritable);
    tcase_add_test(t, no_memory_to_begin_with);
    tcase_add_test(t, no_memory);
    tcase_add_test(t, links);
    suite_add_tcase(s, t);
    return suite_run(s);
}
