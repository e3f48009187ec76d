/* Cache keys of results and the reasons given for them: the results' epoch, files that change, settings a stage does not depend on.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/flow_fixture.h"

#include "core/base/context.h"
#include "core/base/memory.h"
#include "core/flow/flow_private.h"
#include "core/host/file_digests.h"
#include "core/store/store.h"
#include "tests/support/paths.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/tessera.h>
#include <unistd.h>

static struct result r;

static const char make[] = "tessera: 1\nname: keys\nstages:\n  one: {use: flow-make, count: 5}\n";
static const char reading[] = "tessera: 1\nname: keys\nstages:\n  read: {use: flow-read, file: data}\n";

static struct tess_artefact *open_result(struct tessi_context *context, const char *path)
{
    struct tess_artefact *a;
    tessi_base_context_init(context, NULL);
    ck_assert_msg(tessi_store_artefact_open(&context->context, path, &a) == TESS_OK, "%s", tessi_base_context_message(&context->context));
    return a;
}

/* ---- the epoch ----------------------------------------------------------------------------------------------------- */

/* Replaces a result by one with another epoch and, unless NULL, another plugin version. */
static void put_old(const char *path, int64_t epoch, const char *plugin)
{
    struct tessi_context context;
    struct tess_artefact *was = open_result(&context, path), *a;
    const char *port = "files read", *files = tessi_store_artefact_provenance(was, "input.files read");
    const struct tessi_provenance about = {.parameters = tessi_store_artefact_provenance(was, "parameters"),
                                           .numeric_mode = tessi_store_artefact_provenance(was, "numeric_mode"),
                                           .plugin = plugin ? plugin : tessi_store_artefact_provenance(was, "plugin"),
                                           .epoch = epoch,
                                           .inputs = 1,
                                           .input_port = &port,
                                           .input_digest = &files};
    ck_assert_int_eq(tessi_store_artefact_create(&context.context, path, "numbers", &a), TESS_OK);
    ck_assert_int_eq(tessi_store_artefact_finish(&context.context, a, &about, NULL), TESS_OK);
    tessi_store_artefact_close(was);
    ck_assert_int_eq(system("rm -rf runs/.cache"), 0);
}

START_TEST(another_epoch)
{
    char wanted[100];
    struct tessi_context context;
    flow_write("p.yaml", make);
    flow_run(&r);
    struct tess_artefact *a = open_result(&context, "runs/keys/one.h5");
    snprintf(wanted, sizeof wanted, "%d", TESS_EPOCH);
    ck_assert_str_eq(tessi_store_artefact_provenance(a, "epoch"), wanted);
    tessi_store_artefact_close(a);
    put_old("runs/keys/one.h5", 70, NULL);
    flow_plan(&r);
    snprintf(wanted, sizeof wanted, "the results' epoch was 70, now %d", TESS_EPOCH);
    ck_assert_str_eq(r.stage[0].reason, wanted);
    ck_assert_int_eq(r.stage[0].state, TESSI_CHANGED);
    put_old("runs/keys/one.h5", 0, NULL);
    flow_plan(&r);
    snprintf(wanted, sizeof wanted, "the results' epoch was not told, now %d", TESS_EPOCH);
    ck_assert_str_eq(r.stage[0].reason, wanted);
    put_old("runs/keys/one.h5", TESS_EPOCH, "stage/1 flow-make, tessera-test-flow 0.9");
    flow_plan(&r);
    ck_assert_str_eq(r.stage[0].reason, "plugin: stage/1 flow-make, tessera-test-flow 0.9 -> stage/1 flow-make, tessera-test-flow 1.0");
}
END_TEST

/* A plugin compiled at another epoch says so in its keys. */
START_TEST(a_plugin_of_another_epoch)
{
    char wanted[100];
    struct tessi_context context;
    flow_write("p.yaml", reading);
    flow_write("data", "abc");
    flow_run(&r);
    struct tess_artefact *a = open_result(&context, "runs/keys/read.h5");
    snprintf(wanted, sizeof wanted, "stage/1 flow-read, tessera-test-reader 1.0 of epoch %d, file ", TESS_EPOCH + 1);
    ck_assert_ptr_eq(strstr(tessi_store_artefact_provenance(a, "plugin"), wanted), tessi_store_artefact_provenance(a, "plugin"));
    tessi_store_artefact_close(a);
}
END_TEST

static float sum_of(const char *path);

/* An author builds a version many times: each is another plugin, and its own results are found again. */
START_TEST(a_plugin_that_was_rebuilt)
{
    char wanted[200];
    flow_write("p.yaml", reading);
    flow_write("data", "abc");
    flow_run(&r);
    float before = sum_of("runs/keys/read.h5");
    setenv("FLOW_PLUGINS", TEST_BUILD "/tests/flow/rebuilt/.libs:" TEST_FLOW_PLUGINS, 1);
    flow_plan(&r);
    ck_assert_int_eq(r.stage[0].state, TESSI_CHANGED);
    snprintf(wanted, sizeof wanted, "plugin stage/1 flow-read, tessera-test-reader 1.0 of epoch %d was rebuilt", TESS_EPOCH + 1);
    ck_assert_str_eq(r.stage[0].reason, wanted);
    flow_run(&r);
    ck_assert(sum_of("runs/keys/read.h5") == before + 1000.0f);
    unsetenv("FLOW_PLUGINS");
    flow_plan(&r);
    ck_assert_int_eq(r.stage[0].state, TESSI_CACHED);
}
END_TEST

/* A plugin built before it could say its epoch counts as one of epoch 0. */
START_TEST(a_plugin_without_an_epoch)
{
    static const char wanted[] = "stage/1 flow-read, tessera-test-reader 1.0 of epoch 0, file ";
    struct tessi_context context;
    flow_write("p.yaml", reading);
    flow_write("data", "abc");
    setenv("FLOW_PLUGINS", TEST_BUILD "/tests/flow/older/.libs:" TEST_FLOW_PLUGINS, 1);
    flow_run(&r);
    unsetenv("FLOW_PLUGINS");
    struct tess_artefact *a = open_result(&context, "runs/keys/read.h5");
    ck_assert_int_eq(strncmp(tessi_store_artefact_provenance(a, "plugin"), wanted, sizeof wanted - 1), 0);
    tessi_store_artefact_close(a);
}
END_TEST

/* ---- the plugins that have a part in a result ---------------------------------------------------------------------- */

#define MODEL "encoder/1 conv; quantizer/1 ema; decoder/1 conv"

/* Stages of a pipeline and the components whose code each runs: its own, its parameters' and those of the models it reads. */
static const struct {
    const char *stage, *components;
} parts[] = {
    {"images", "stage/1 import; source/1 idx"},
    {"tokenizer", "stage/1 train-autoencoder; encoder/1 conv; decoder/1 conv; quantizer/1 ema"},
    {"codes", "stage/1 encode; " MODEL},
    {"prior", "stage/1 train-prior; noise/1 absorbing; denoiser/1 transformer"},
    {"samples", "stage/1 sample; noise/1 absorbing; denoiser/1 transformer; " MODEL},
    {"decoded", "stage/1 decode; " MODEL},
    {"network", "stage/1 train-features; features/1 vgg16"},
    {"metrics", "stage/1 evaluate; metric/1 ssim; metric/1 kernel; " MODEL "; features/1 vgg16"},
};

/* Leaves kinds and names in a list of plugins, without plugins and versions. */
static const char *kinds_and_names(const char *plugins)
{
    static char text[1000];
    size_t n = 0;
    for (const char *at = plugins; *at;) {
        size_t name = strcspn(at, ","), all = strcspn(at, ";");
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", n ? "; " : "", (int)name, at);
        ck_assert_uint_lt(n, sizeof text);
        at += all + strspn(at + all, "; ");
    }
    return text;
}

START_TEST(plugins_of_every_stage)
{
    static const char more[] = "  network: {use: train-features, in: {images: images}, steps: 1, network: {use: vgg16, channels: 4}}\n"
                               "  metrics: {use: evaluate, in: {images: images, model: tokenizer, features: network, samples: samples},\n"
                               "            metrics: [ssim, kernel]}\n";
    const struct tessi_runtime_options o = {.plugin_path = TEST_FLOW_PLUGINS, .threads = 1};
    struct tessi_context context;
    struct tessi_runtime *runtime;
    struct tessi_pipeline *p;
    static const uint8_t black[SMALL_COUNT * 16 * 16];
    char text[4000];
    small_make_data(SMALL_COUNT);
    small_write_idx("images", 3, (const int64_t[]){SMALL_COUNT, 16, 16}, black, sizeof black); /* the least that vgg16 takes */
    snprintf(text, sizeof text, "%.*s%s", (int)(strstr(small_pipeline, "  metrics:") - small_pipeline), small_pipeline, more);
    flow_write("p.yaml", text);
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_host_runtime_new(&context.context, &o, &runtime), TESS_OK);
    int status = tessi_flow_pipeline_open(&context.context, runtime, &(struct tessi_pipeline_options){.path = "p.yaml"}, &p);
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(&context.context));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int64_t k = 0;
        while (k < p->count && strcmp(p->stage[k].name, parts[i].stage) != 0)
            k++;
        ck_assert_msg(k < p->count, "%s", parts[i].stage);
        ck_assert_str_eq(kinds_and_names(p->stage[k].plugins), parts[i].components);
    }
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(runtime);
}
END_TEST

/* ---- files that change --------------------------------------------------------------------------------------------- */

#define ALONE "printf abc > data"
#define OTHER "printf xyz > data"

static void run_with(const char *before, const char *after)
{
    (void)unsetenv("FLOW_BEFORE_READ"), (void)unsetenv("FLOW_AFTER_READ");
    if (before)
        setenv("FLOW_BEFORE_READ", before, 1);
    if (after)
        setenv("FLOW_AFTER_READ", after, 1);
    flow_attempt(&(struct attempt){.run = 1}, &r);
    (void)unsetenv("FLOW_BEFORE_READ"), (void)unsetenv("FLOW_AFTER_READ");
}

static float sum_of(const char *path)
{
    struct tessi_context context;
    struct tess_tensor t;
    struct tess_artefact *a = open_result(&context, path);
    ck_assert_int_eq(tess_artefact_load(&context.context, a, "values", TESS_F32, &t), TESS_OK);
    float sum = *(const float *)t.data;
    tess_free(t.data);
    tessi_store_artefact_close(a);
    return sum;
}

/* Whatever is done to the file while the stage is at work; `cp -p` gives back content and mtime. */
static const struct {
    const char *before, *after;
} meanwhile[] = {
    {OTHER, NULL},                                  /* another content of the same size, read */
    {NULL, OTHER},                                  /* equal file, not read: nobody can know */
    {OTHER, ALONE},                                 /* the old one back before anybody looks */
    {"cp -p data was && " OTHER, "cp -p was data"}, /* with its times */
    {"cp -p data was && " OTHER, "mv was data"},    /* another file in its place */
    {"printf abcd > data", NULL},                   /* longer */
    {"touch -m data", NULL},                        /* only its times */
    {NULL, "rm data"},
};

START_TEST(a_file_that_changes)
{
    flow_write("p.yaml", reading);
    flow_write("data", "abc");
    run_with(meanwhile[_i].before, meanwhile[_i].after);
    ck_assert_msg(r.status == TESS_E_DATA && strstr(r.message, "data: changed while there was work with it"), "%d %s", r.status, r.message);
    ck_assert_int_eq(flow_files("runs/.cache", ".h5"), 0);
    ck_assert_int_eq(flow_files("runs/keys", ".h5"), 0);
    ck_assert_int_eq(system(ALONE), 0);
    flow_run(&r);
    ck_assert_int_eq(r.stage[0].outcome, TESSI_COMPUTED);
    ck_assert_float_eq(sum_of("runs/keys/read.h5"), (float)('a' + 'b' + 'c'));
    flow_run(&r);
    ck_assert_int_eq(r.stage[0].outcome, TESSI_WAS_CACHED);
    ck_assert_int_eq(system(OTHER), 0);
    flow_plan(&r);
    ck_assert_msg(strncmp(r.stage[0].reason, "the file ", 9) == 0 && strstr(r.stage[0].reason, "/data changed"), "%s", r.stage[0].reason);
}
END_TEST

/* Changed while an earlier stage runs: the stage that would read it does not begin. */
START_TEST(a_file_that_changed_before)
{
    flow_write("p.yaml", "tessera: 1\nname: keys\nstages:\n  a: {use: flow-read, file: first}\n  b: {use: flow-read, file: data}\n");
    flow_write("first", "1");
    flow_write("data", "abc");
    run_with(NULL, "if test -e ran; then touch twice; else " OTHER "; touch ran; fi");
    ck_assert_msg(r.status == TESS_E_DATA && strstr(r.message, "data: changed"), "%d %s", r.status, r.message);
    ck_assert_int_ne(access("twice", F_OK), 0);
    ck_assert_int_eq(flow_files("runs/keys", ".h5"), 1);
}
END_TEST

static int witness_file(struct tessi_context *context, struct tessi_witness *w, char digest[TESS_DIGEST_TEXT], int many)
{
    static const char *const path[] = {"data"};
    struct tess_digest d;
    tess_digest_start(&d);
    struct tessi_witness *before = tessi_host_witness_set(&context->context, w);
    int status = many ? tess_digest_add_files(&context->context, &d, 1, path) : tess_digest_add_file(&context->context, &d, path[0]);
    ck_assert_ptr_null(before);
    ck_assert_ptr_eq(tessi_host_witness_set(&context->context, NULL), w);
    tess_digest_end(&d, digest);
    return status;
}

/* A reader that declares its reading finished is not affected by later changes of the file. */
START_TEST(a_file_that_was_read_for_good)
{
    struct tessi_context context;
    struct tessi_runtime *runtime;
    struct tessi_witness w = {0};
    char digest[TESS_DIGEST_TEXT];
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.threads = 1}, &runtime), TESS_OK);
    flow_write("data", "abc");
    ck_assert_int_eq(witness_file(&context, &w, digest, _i), TESS_OK);
    ck_assert_int_eq(w.count, 1);
    runtime->expected = &w;
    ck_assert_int_eq(tessi_host_witness_confirm(&context.context, "another"), TESS_OK);
    ck_assert_int_eq(tessi_host_witness_check(&context.context, &w), TESS_OK);
    ck_assert_int_eq(system(_i ? OTHER : "touch data"), 0);
    ck_assert_int_eq(tessi_host_witness_confirm(&context.context, "data"), TESS_E_DATA);
    tessi_base_context_clear(&context.context);
    ck_assert_int_eq(tessi_host_witness_check(&context.context, &w), TESS_E_DATA);
    tessi_base_context_clear(&context.context);
    tessi_host_witness_free(&w);
    ck_assert_int_eq(witness_file(&context, &w, digest, _i), TESS_OK);
    ck_assert_int_eq(tessi_host_witness_confirm(&context.context, "data"), TESS_OK);
    ck_assert_int_eq(system("printf later > data"), 0);
    ck_assert_int_eq(tessi_host_witness_check(&context.context, &w), TESS_OK);
    tessi_host_witness_free(&w);
    runtime->expected = NULL;
    tessi_host_runtime_free(runtime);
}
END_TEST

/* A source's fingerprint covers the data it read when it was opened, even if the files have changed since. */
START_TEST(a_source_that_was_opened_before)
{
    struct tessi_context context;
    struct tessi_runtime *runtime;
    char one[TESS_DIGEST_TEXT], two[TESS_DIGEST_TEXT];
    struct tess_instance *early, *late;
    struct tess_digest d;
    static const char config_text[] = "{use: idx, images: images, labels: labels}";
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.threads = 1}, &runtime), TESS_OK);
    small_make_data(4);
    ck_assert_int_eq(tess_instance_open(&context.context, "source/1", config_text, "test", &early), TESS_OK);
    small_write_idx("labels", 1, (const int64_t[]){4}, (const uint8_t[]){3, 1, 2, 0}, 4);
    ck_assert_int_eq(tess_instance_open(&context.context, "source/1", config_text, "test", &late), TESS_OK);
    const struct tess_source_1 *ops = tess_instance_ops(late, "source/1");
    tess_digest_start(&d);
    ck_assert_int_eq(ops->fingerprint(tess_instance_self(early), &context.context, &d), TESS_OK);
    tess_digest_end(&d, one);
    tess_digest_start(&d);
    ck_assert_int_eq(ops->fingerprint(tess_instance_self(late), &context.context, &d), TESS_OK);
    tess_digest_end(&d, two);
    ck_assert_str_ne(one, two);
    tess_instance_close(early);
    tess_instance_close(late);
    tessi_host_runtime_free(runtime);
}
END_TEST

/* ---- digests remembered -------------------------------------------------------------------------------------------- */

enum { LATER = 10 };

static struct tessi_place place_of(const char *path)
{
    struct tessi_place at;
    FILE *f = fopen(path, "r");
    ck_assert(f && tessi_host_place_of(fileno(f), &at) == 0);
    fclose(f);
    return at;
}

/* File digests are remembered, in this process and the next, per use and while the file is unchanged; not for a file changed just now. */
START_TEST(a_digest_that_is_remembered)
{
    struct tessi_context context;
    struct tessi_file_digests *t;
    char path[32], found[TESS_DIGEST_TEXT], wanted[TESS_DIGEST_TEXT];
    int64_t later = tessi_host_file_clock() + LATER * INT64_C(1000000000);
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_host_file_digests_open(&context.context, "table", &t), TESS_OK);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "file%d", i);
        flow_write(path, "abc");
        struct tessi_place at = place_of(path);
        snprintf(wanted, sizeof wanted, "%064d", i);
        tessi_host_file_digests_remember(t, TESSI_OF_BYTES, &at, wanted, tessi_host_file_clock());
        ck_assert_int_eq(tessi_host_file_digests_find(t, TESSI_OF_BYTES, &at, found), 0);
        tessi_host_file_digests_remember(t, TESSI_OF_BYTES, &at, "another", later);
        tessi_host_file_digests_remember(t, TESSI_OF_BYTES, &at, wanted, later);
        ck_assert_int_eq(tessi_host_file_digests_find(t, TESSI_OF_CONTENT, &at, found), 0);
    }
    tessi_host_file_digests_save(t);
    tessi_host_file_digests_close(t);
    ck_assert_int_eq(system("printf abd > file7; ln file8 other; mv file9 moved"), 0);
    ck_assert_int_eq(tessi_host_file_digests_open(&context.context, "table", &t), TESS_OK);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, i == 9 ? "moved" : "file%d", i);
        struct tessi_place at = place_of(path);
        snprintf(wanted, sizeof wanted, "%064d", i);
        int here = tessi_host_file_digests_find(t, TESSI_OF_BYTES, &at, found);
        ck_assert_int_eq(here, i < 7 || i > 9); /* a link and another name have another ctime, too */
        ck_assert(!here || strcmp(found, wanted) == 0);
    }
    tessi_host_file_digests_close(t);
    ck_assert_int_eq(system("printf x >> table"), 0);
    ck_assert_int_eq(tessi_host_file_digests_open(&context.context, "table", &t), TESS_OK);
    struct tessi_place at = place_of("file0");
    ck_assert_int_eq(tessi_host_file_digests_find(t, TESSI_OF_BYTES, &at, found), 0);
    tessi_host_file_digests_close(t);
}
END_TEST

/* A table of many digests is out of memory for the most part, whether its folder is there or not. */
START_TEST(many_digests_that_are_remembered)
{
    enum { MANY = 40000 };
    struct tessi_context context;
    struct tessi_file_digests *t;
    char found[TESS_DIGEST_TEXT], wanted[TESS_DIGEST_TEXT];
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_host_file_digests_open(&context.context, "later/table", &t), TESS_OK);
    int64_t before = tessi_base_memory_in_use();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            struct tessi_place at = {.device = 7, .inode = (uint64_t)(i * 7919 % MANY), .size = i};
            snprintf(wanted, sizeof wanted, "%064d", i + round);
            tessi_host_file_digests_remember(t, TESSI_OF_BYTES, &at, wanted, LATER * INT64_C(1000000000));
        }
        ck_assert_int_lt(tessi_base_memory_in_use() - before, 3 << 20);
        tessi_host_file_digests_save(t);
        if (round == 0)
            ck_assert_int_eq(system("mkdir later"), 0);
    }
    tessi_host_file_digests_close(t);
    ck_assert_int_eq(tessi_host_file_digests_open(&context.context, "later/table", &t), TESS_OK);
    for (int i = 0; i < MANY; i++) {
        struct tessi_place at = {.device = 7, .inode = (uint64_t)(i * 7919 % MANY), .size = i};
        snprintf(wanted, sizeof wanted, "%064d", i + 1);
        ck_assert_int_eq(tessi_host_file_digests_find(t, TESSI_OF_BYTES, &at, found), 1);
        ck_assert_str_eq(found, wanted);
    }
    struct tessi_place other = {.device = 7, .inode = MANY};
    ck_assert_int_eq(tessi_host_file_digests_find(t, TESSI_OF_BYTES, &other, found), 0);
    tessi_host_file_digests_close(t);
}
END_TEST

/* Digests of very many files lie in a file, and each file is still looked at. */
START_TEST(very_many_files)
{
    enum { MANY = 10000 };
    static const char *path[MANY];
    struct tessi_context context;
    struct tessi_runtime *runtime;
    struct tessi_witness w = {.count = 0};
    struct tessi_witness_walk walk = {.w = &w};
    struct tess_digest d;
    int more = 1;
    int64_t n = -1;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.threads = 1}, &runtime), TESS_OK);
    ck_assert_int_eq(tessi_host_file_digests_open(&context.context, "table", &runtime->files), TESS_OK);
    flow_write("a-file-of-many", "abc");
    flow_write("last", "abc");
    for (int i = 0; i < MANY; i++)
        path[i] = i < MANY - 1 ? "a-file-of-many" : "last";
    int64_t before = tessi_base_memory_in_use();
    tess_digest_start(&d);
    ck_assert_ptr_null(tessi_host_witness_set(&context.context, &w));
    ck_assert_int_eq(tess_digest_add_files(&context.context, &d, MANY, path), TESS_OK);
    (void)tessi_host_witness_set(&context.context, NULL);
    ck_assert_int_lt(tessi_base_memory_in_use() - before, 1 << 19);
    for (; more; n++)
        ck_assert_int_eq(tessi_host_witness_next(&context.context, &walk, &more), TESS_OK);
    ck_assert_int_eq(n, MANY);
    ck_assert_str_eq(walk.seen.path, "last");
    tessi_host_witness_walk_close(&walk);
    ck_assert_int_eq(tessi_host_witness_check(&context.context, &w), TESS_OK);
    runtime->expected = &w;
    ck_assert_int_eq(tessi_host_witness_confirm(&context.context, "a-file-of-many"), TESS_OK);
    ck_assert_int_eq(system("printf abd > a-file-of-many"), 0);
    ck_assert_int_eq(tessi_host_witness_check(&context.context, &w), TESS_OK);
    ck_assert_int_eq(system("printf abd > last"), 0);
    ck_assert_int_eq(tessi_host_witness_check(&context.context, &w), TESS_E_DATA);
    runtime->expected = NULL;
    tessi_host_witness_free(&w);
    tessi_host_runtime_free(runtime);
}
END_TEST

/* An artefact whose content is remembered is not read; one that changed since is. */
START_TEST(an_artefact_that_is_remembered)
{
    struct tessi_context context;
    struct tessi_runtime *runtime;
    static const char path[] = "runs/keys/one.h5";
    flow_write("p.yaml", make);
    flow_run(&r);
    struct tess_artefact *a = open_result(&context, path);
    ck_assert_int_eq(tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.threads = 1}, &runtime), TESS_OK);
    ck_assert_int_eq(tessi_host_file_digests_open(&context.context, "table", &runtime->files), TESS_OK);
    char digest[TESS_DIGEST_TEXT];
    snprintf(digest, sizeof digest, "%s", tess_artefact_digest(a));
    tessi_store_artefact_close(a);
    FILE *f = fopen(path, "r+");
    ck_assert(f && fseek(f, 0, SEEK_END) == 0);
    long size = ftell(f);
    float five[5] = {0, 1, 2, 3, 4}, got[5];
    long at = 0; /* offset of the five values, which are stored unchanged */
    for (; at + (long)sizeof five <= size; at += 4)
        if (fseek(f, at, SEEK_SET) == 0 && fread(got, sizeof got, 1, f) == 1 && memcmp(got, five, sizeof five) == 0)
            break;
    ck_assert_int_le(at + (long)sizeof five, size);
    five[2] = 7;
    ck_assert(fseek(f, at, SEEK_SET) == 0 && fwrite(five, sizeof five, 1, f) == 1 && fclose(f) == 0);
    ck_assert_int_eq(tessi_store_artefact_open(&context.context, path, &a), TESS_OK);
    ck_assert_int_eq(tessi_host_artefact_check(&context.context, a), TESS_E_DATA);
    tessi_base_context_clear(&context.context);
    struct tessi_place now = place_of(path);
    tessi_host_file_digests_remember(runtime->files, TESSI_OF_CONTENT, &now, digest, tessi_host_file_clock() + LATER * INT64_C(1000000000));
    ck_assert_int_eq(tessi_host_artefact_check(&context.context, a), TESS_OK);
    ck_assert_int_eq(tessi_store_artefact_verify(&context.context, a), TESS_E_DATA);
    tessi_store_artefact_close(a);
    tessi_host_runtime_free(runtime);
}
END_TEST

/* ---- what a result does not depend on ------------------------------------------------------------------------------ */

START_TEST(an_import_draws_nothing)
{
    static const char importing[] = "tessera: 1\nname: keys\nseed: 1\nstages:\n  i: {use: import, source: {use: idx, images: images}%s}\n";
    char text[sizeof importing + 32];
    const uint64_t seed = 2;
    struct tessi_context context;
    small_make_data(6);
    snprintf(text, sizeof text, importing, "");
    flow_write("p.yaml", text);
    flow_run(&r);
    struct tess_artefact *a = open_result(&context, "runs/keys/i.h5");
    ck_assert_str_eq(tessi_store_artefact_provenance(a, "numeric_mode"), "any");
    ck_assert_str_eq(tessi_store_artefact_provenance(a, "seed"), "0");
    tessi_store_artefact_close(a);
    flow_attempt(&(struct attempt){.backend = "flow-two", .seed = &seed}, &r);
    ck_assert_int_eq(r.stage[0].state, TESSI_CACHED);
    flow_attempt(&(struct attempt){.override = {"i.seed=3"}}, &r);
    ck_assert_int_eq(r.stage[0].state, TESSI_CACHED);
    snprintf(text, sizeof text, importing, ", shuffle: true");
    flow_write("p.yaml", text);
    flow_run(&r);
    flow_attempt(&(struct attempt){.backend = "flow-two"}, &r);
    ck_assert_int_eq(r.stage[0].state, TESSI_CACHED);
    flow_attempt(&(struct attempt){.backend = "flow-two", .seed = &seed}, &r);
    ck_assert_str_eq(r.stage[0].reason, "seed: 1 -> 2");
}
END_TEST

/* ---- identities ---------------------------------------------------------------------------------------------------- */

#define IDENTITIES "tessera: 1\nname: keys\nseed: 1\nstages:\n"
#define BRANCHES                                                                                                                           \
    "  one: {use: flow-make, count: 5}\n  two: {use: flow-make, count: 5, scale: 2}\n  sum: {use: flow-add, in: {a: one, b: two}}\n"

static void expect_identities(const struct result *before, const struct result *after, int one, int two, int sum)
{
    const int same[] = {one, two, sum};
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(strcmp(before->stage[i].identity, after->stage[i].identity) == 0, same[i]);
}

/* An identity is known before anything is computed, stays when it is, and differs with all that the key differs with, down the DAG. */
START_TEST(identities)
{
    static struct result before;
    flow_write("p.yaml", IDENTITIES BRANCHES);
    flow_plan(&before);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(strlen(before.stage[i].identity), TESS_DIGEST_TEXT - 1);
    ck_assert_str_ne(before.stage[0].identity, before.stage[1].identity);
    flow_run(&r);
    flow_plan(&r);
    expect_identities(&before, &r, 1, 1, 1);
    flow_attempt(&(struct attempt){.override = {"name=other", "one.chatter=3"}}, &r);
    expect_identities(&before, &r, 1, 1, 1);
    flow_attempt(&(struct attempt){.override = {"two.scale=3"}}, &r);
    expect_identities(&before, &r, 1, 0, 0);
    flow_attempt(&(struct attempt){.override = {"sum.offset=3"}}, &r);
    expect_identities(&before, &r, 1, 1, 0);
    flow_attempt(&(struct attempt){.override = {"one.seed=3"}}, &r);
    expect_identities(&before, &r, 0, 1, 0);
    flow_attempt(&(struct attempt){.backend = "flow-two"}, &r);
    expect_identities(&before, &r, 0, 0, 0);
    flow_write("q.yaml", IDENTITIES "  sum: {use: flow-add, in: {a: runs/keys/one.h5, b: runs/keys/two.h5}}\n");
    flow_attempt(&(struct attempt){.path = "q.yaml"}, &r);
    ck_assert_str_ne(r.stage[0].identity, before.stage[2].identity); /* inputs are files, whose contents are known */
    ck_assert_int_eq(r.stage[0].state, TESSI_CACHED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("keys");
    TCase *t = tcase_create("epoch");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_add_test(t, another_epoch);
    tcase_add_test(t, a_plugin_of_another_epoch);
    tcase_add_test(t, a_plugin_that_was_rebuilt);
    tcase_add_test(t, a_plugin_without_an_epoch);
    tcase_add_test(t, plugins_of_every_stage);
    suite_add_tcase(s, t);
    t = tcase_create("files");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_add_loop_test(t, a_file_that_changes, 0, (int)(sizeof meanwhile / sizeof *meanwhile));
    tcase_add_test(t, a_file_that_changed_before);
    tcase_add_loop_test(t, a_file_that_was_read_for_good, 0, 2);
    tcase_add_test(t, a_source_that_was_opened_before);
    tcase_add_test(t, a_digest_that_is_remembered);
    tcase_add_test(t, many_digests_that_are_remembered);
    tcase_add_test(t, very_many_files);
    tcase_add_test(t, an_artefact_that_is_remembered);
    tcase_add_test(t, an_import_draws_nothing);
    suite_add_tcase(s, t);
    t = tcase_create("identities");
    tcase_add_checked_fixture(t, flow_start, flow_end);
    tcase_add_test(t, identities);
    suite_add_tcase(s, t);
    return suite_run(s);
}
