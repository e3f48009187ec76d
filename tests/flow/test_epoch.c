/* Golden digests of results: pipelines of every stage and every part of a model, compared with tests/epoch/digests.txt. The same
 * key with another content is what a cache must never hold: code that no key knows of was changed, and the results' epoch was not raised
 * (include/tessera/epoch.h).
 *
 * The digests come in sets, one a numeric mode. Those of the loops in plain_backend.c with portable kernels must be there on any x86-64;
 * those of real backends and of vector kernels are compared where the file has the set of this processor and these libraries, and told
 * where it has not. A build by another compiler than GCC, with a sanitizer or with counters of coverage has numeric modes of its own. After
 * the epoch, a plugin's version or the pipelines here changed, renew them, in the build folder, with
 *
 *     TESSERA_DIGESTS_REWRITE=1 tests/flow/test_epoch
 *
 * which refuses to write another content for a key that is already there.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/flow/pipeline.h"
#include "core/store/store.h"
#include "core/kernels/kernels.h"
#include "tests/support/graphs.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGESTS TEST_SOURCE "/tests/epoch/digests.txt"
#define RENEW "renew tests/epoch/digests.txt with TESSERA_DIGESTS_REWRITE=1 tests/flow/test_epoch, in the build folder"

enum { SHORT = 16, MAX = 40, LINE = 320, CAPACITY = 1 << 16 };

/* Backend, precision and kernels that results are computed with. */
static struct set {
    char backend[64];
    const char *precision, *kernels; /* kernels NULL: the best there are */
    int everywhere;                  /* digests of this set must be in the file */
} sets[2 * BENCH_BACKENDS + 4] = {
    {"plain", "f32", "portable", 1}, {"plain", "bf16", "portable", 1}, {"plain", "f32", "avx2", 0}, {"plain", "f32", "avx512", 0}};

struct stage {
    char name[64], key[SHORT + 1], digest[SHORT + 1];
};

struct run {
    char mode[256];
    struct stage stage[MAX];
    int stages;
};

/* ---- a run --------------------------------------------------------------------------------------------------------- */

static const char *read_text(const char *path)
{
    static char text[CAPACITY];
    FILE *f = fopen(path, "r");
    text[0] = '\0';
    if (f) {
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
    }
    return text;
}

/* The mask: a rectangle to be drawn anew. */
static void write_data(void)
{
    static uint8_t mask[SMALL_H * SMALL_W];
    for (int at = 0; at < SMALL_H * SMALL_W; at++)
        mask[at] = at / SMALL_W >= 2 && at / SMALL_W <= 5 && at % SMALL_W >= 3 && at % SMALL_W <= 8 ? 0 : 255;
    small_write_idx("mask", 3, (const int64_t[]){1, SMALL_H, SMALL_W}, mask, sizeof mask);
    small_write("epoch.yaml", read_text(TEST_SOURCE "/tests/epoch/epoch.yaml"));
}

static void look(struct tess_context *ctx, const struct tessi_pipeline *p, struct run *r, char *plugins, size_t capacity)
{
    struct tessi_stage_view v;
    struct tess_artefact *a;
    r->stages = (int)tessi_flow_pipeline_count(p);
    ck_assert_int_le(r->stages, MAX);
    for (int i = 0; i < r->stages; i++) {
        struct stage *s = &r->stage[i];
        tessi_flow_pipeline_stage(p, i, &v);
        ck_assert_int_eq(tessi_store_artefact_open(ctx, v.path, &a), TESS_OK);
        snprintf(s->name, sizeof s->name, "%s", v.name);
        snprintf(s->key, sizeof s->key, "%s", tessi_store_artefact_provenance(a, "key"));
        snprintf(s->digest, sizeof s->digest, "%s", tess_artefact_digest(a));
        size_t used = strlen(plugins);
        snprintf(plugins + used, capacity - used, "%s; ", tessi_store_artefact_provenance(a, "plugin"));
        tessi_store_artefact_close(a);
    }
}

/* A new stage, or part of a model, must be in the pipeline. */
static void every_part_is_there(const struct tessi_registry *registry, const char *plugins)
{
    static const char *const kinds[] = {"stage/1",  "encoder/1", "decoder/1",  "quantizer/1",
                                        "critic/1", "noise/1",   "denoiser/1", "features/1"};
    const struct tess_component *k;
    for (int64_t i = 0; (k = tessi_plug_registry_component(registry, i, NULL)); i++)
        for (size_t n = 0; n < sizeof kinds / sizeof *kinds; n++) {
            char words[160];
            snprintf(words, sizeof words, "%s %s, ", k->kind, k->name);
            ck_assert_msg(strcmp(k->kind, kinds[n]) != 0 || strstr(plugins, words), "%s %s is not in tests/epoch/epoch.yaml", k->kind,
                          k->name);
        }
}

/* Results of stages that draw no random numbers are found in the cache for any seed. */
static void seeds_that_do_not_count(struct tess_context *ctx, struct tessi_runtime *runtime)
{
    static const char *const override[] = {"wide.seed=99",    "mask.seed=99", "codes.seed=99",
                                           "decoded.seed=99", "near.seed=99", "near-seen.seed=99"};
    const struct tessi_pipeline_options o = {.path = "epoch.yaml", .override = override, .overrides = sizeof override / sizeof *override};
    struct tessi_pipeline *p;
    struct tessi_stage_view v;
    ck_assert_msg(tessi_flow_pipeline_open(ctx, runtime, &o, &p) == TESS_OK, "%s", tessi_base_context_message(ctx));
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &v);
        ck_assert_msg(v.state == TESSI_CACHED, "%s: %s", v.name, v.reason);
    }
    tessi_flow_pipeline_free(p);
}

static void run(const struct set *set, struct run *r)
{
    static char plugins[CAPACITY];
    struct tessi_context context;
    struct tessi_runtime *runtime = NULL;
    struct tessi_pipeline *p = NULL;
    const char *folder = getenv("EPOCH_PLUGINS");
    const struct tessi_runtime_options o = {
        .plugin_path = folder ? folder : TEST_EPOCH_PLUGINS, .backend = set->backend, .precision = set->precision, .threads = 2};
    tessi_base_context_init(&context, NULL);
    int status = tessi_host_runtime_new(&context.context, &o, &runtime);
    if (status == TESS_OK)
        status = tessi_flow_pipeline_open(&context.context, runtime, &(struct tessi_pipeline_options){.path = "epoch.yaml"}, &p);
    if (status == TESS_OK)
        status = tessi_flow_pipeline_run(&context.context, p);
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(&context.context));
    snprintf(r->mode, sizeof r->mode, "%s", runtime->numeric_mode);
    look(&context.context, p, r, plugins, sizeof plugins);
    every_part_is_there(runtime->registry, plugins);
    tessi_flow_pipeline_free(p);
    seeds_that_do_not_count(&context.context, runtime);
    tessi_host_runtime_free(runtime);
}

/* ---- the digests --------------------------------------------------------------------------------------------------- */

/* The lines of the set "epoch N; MODE", behind that one; NULL: there are none. */
static const char *lines_of(const char *digests, const char *mode)
{
    char head[LINE];
    snprintf(head, sizeof head, "\nepoch %d; %s\n", TESS_EPOCH, mode);
    const char *at = strstr(digests, head);
    return at ? at + strlen(head) : NULL;
}

static const struct stage *stage_of(const char *lines, const char *name)
{
    static struct stage s;
    char line[LINE];
    while (lines && *lines == ' ') {
        int length = (int)strcspn(lines, "\n");
        snprintf(line, sizeof line, "%.*s", length, lines);
        if (sscanf(line, " %63s %16s %16s", s.name, s.key, s.digest) == 3 && strcmp(s.name, name) == 0)
            return &s;
        lines += length + (lines[length] == '\n');
    }
    return NULL;
}

/* A result that no numeric mode has a part in has the same key in all sets, and the same content. */
static void nowhere_otherwise(const struct stage *s)
{
    const char *digests = read_text(DIGESTS);
    for (const char *at = digests; (at = strstr(at, s->key)) != NULL; at += SHORT)
        ck_assert_msg(strncmp(at + SHORT + 1, s->digest, SHORT) == 0, "stage `%s`: its content under key %s is %s, elsewhere %.16s",
                      s->name, s->key, s->digest, at + SHORT + 1);
}

/* Fails where a stage's digest differs from the recorded one under the same key. Gives the number of stages whose key is not recorded. */
static int compare(const char *lines, const struct run *r)
{
    int unknown = 0;
    for (int i = 0; i < r->stages; i++) {
        const struct stage *was = stage_of(lines, r->stage[i].name);
        int same_key = was && strcmp(was->key, r->stage[i].key) == 0;
        ck_assert_msg(
            !same_key || strcmp(was->digest, r->stage[i].digest) == 0,
            "results changed: raise the epoch (include/tessera/epoch.h), or the version of the one plugin that is to blame, and " RENEW
            ".\n%s: the content of stage `%s` under key %s was %s, now %s",
            r->mode, r->stage[i].name, r->stage[i].key, was->digest, r->stage[i].digest);
        unknown += !same_key;
        nowhere_otherwise(&r->stage[i]);
    }
    return unknown;
}

/* The file with the set of `r` in the place of what it had of this mode, and without sets of other epochs. */
static void rewrite(const struct run *r)
{
    static char old[CAPACITY];
    char epoch[32], mine[LINE];
    snprintf(old, sizeof old, "%s", read_text(DIGESTS));
    snprintf(epoch, sizeof epoch, "epoch %d; ", TESS_EPOCH);
    snprintf(mine, sizeof mine, "%s%s\n", epoch, r->mode);
    FILE *f = fopen(DIGESTS, "w");
    ck_assert_ptr_nonnull(f);
    int keep = 1;
    for (const char *at = old; *at; at += strcspn(at, "\n") + 1) {
        if (strncmp(at, "epoch ", 6) == 0)
            keep = strncmp(at, epoch, strlen(epoch)) == 0 && strncmp(at, mine, strlen(mine)) != 0;
        if (keep)
            fprintf(f, "%.*s\n", (int)strcspn(at, "\n"), at);
    }
    fputs(mine, f);
    for (int i = 0; i < r->stages; i++)
        fprintf(f, "  %-17s %s %s\n", r->stage[i].name, r->stage[i].key, r->stage[i].digest);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(one_key_one_content)
{
    const struct set *set = &sets[_i];
    struct run r = {0};
    if (tessi_kernels_use(set->kernels) != 0) {
        printf("epoch: this processor has no %s: not compared\n", set->kernels);
        return;
    }
    run(set, &r);
    static char digests[CAPACITY];
    snprintf(digests, sizeof digests, "%s", read_text(DIGESTS));
    int unknown = compare(lines_of(digests, r.mode), &r);
    if (unknown && getenv("TESSERA_DIGESTS_REWRITE"))
        rewrite(&r);
    else if (unknown && set->everywhere && !strstr(r.mode, "other") && !*tessi_kernels_order())
        ck_abort_msg("%s: of %d stages %d have keys without a digest: " RENEW, r.mode, r.stages, unknown);
    else if (unknown)
        printf("epoch: %s: %d of %d stages have no digest for this processor and these libraries: not compared\n", r.mode, unknown,
               r.stages);
}
END_TEST

static void setup(void)
{
    (void)small_folder_enter();
    unsetenv("TESSERA_PLUGIN_PATH");
    write_data();
}

int main(void)
{
    Suite *s = suite_create("epoch");
    TCase *t = tcase_create("digests");
    char name[BENCH_BACKENDS][64];
    int n = 4, backends = fixture_backends(name);
    for (int i = 0; i < backends; i++)
        for (int bf16 = 0; bf16 < 2; bf16++) {
            if (bf16 && !fixture_can_bf16(name[i], NULL))
                continue;
            memcpy(sets[n].backend, name[i], sizeof sets[n].backend);
            sets[n++].precision = bf16 ? "bf16" : "f32";
        }
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, one_key_one_content, 0, n);
    suite_add_tcase(s, t);
    return suite_run(s);
}
