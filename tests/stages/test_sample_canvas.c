/* Canvases from end to end: what comes of a run, that neither threads, batches nor being killed change a bit, and what is refused before
 * work starts.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/memory.h"
#include "core/host/runtime.h"
#include "core/flow/pipeline.h"
#include "core/store/store.h"
#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/paths.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/tessera.h>
#include <unistd.h>

enum { H = 5, W = 9, COUNT = 3, CODES = 12 };

static struct tessi_context context;
#define C (&context.context)

static const char canvas_yaml[] = "tessera: 1\n"
                                  "name: small\n"
                                  "extends: small.yaml\n"
                                  "stages:\n"
                                  "  samples: {use: sample-canvas, height: 5, width: 9, count: 3}\n"
                                  "  decoded: null\n"
                                  "  metrics: null\n";

static void setup(void)
{
    (void)small_folder_enter();
    tessi_base_context_init(&context, NULL);
    small_write("canvas.yaml", canvas_yaml);
}

static struct tess_artefact *result(const char *workdir)
{
    struct tess_artefact *a;
    char path[256];
    snprintf(path, sizeof path, "%s/runs/small/samples.h5", workdir);
    ck_assert_msg(tessi_store_artefact_open(C, path, &a) == TESS_OK, "%s", tessi_base_context_message(C));
    return a;
}

static struct tess_tensor load(const char *workdir, const char *name)
{
    struct tess_artefact *a = result(workdir);
    struct tess_tensor t;
    ck_assert_msg(tess_artefact_load(C, a, name, TESS_U8, &t) == TESS_OK, "%s", tessi_base_context_message(C));
    tessi_store_artefact_close(a);
    return t;
}

static void same(const char *one, const char *two)
{
    struct tess_artefact *a = result(one), *b = result(two);
    ck_assert_str_eq(tess_artefact_digest(a), tess_artefact_digest(b));
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
}

static const char *const orders[] = {"", "samples.order=random samples.temperature=0.8",
                                     "samples.order=random samples.steps=4 samples.stride=2"};

START_TEST(codes_and_images_are_as_large_as_asked_for)
{
    static const int64_t steps[] = {H * W, H * W, 4};
    (void)command_ends(0, "windows a canvas went through the denoiser", "run canvas.yaml %s", orders[_i]);
    struct tess_tensor codes = load(".", "codes"), images = load(".", "images");
    struct tess_artefact *a = result(".");
    const struct tess_attrs *f = tess_artefact_attrs(a);
    int64_t seen[CODES] = {0}, kinds = 0;
    ck_assert(codes.dim[0] == COUNT && codes.dim[1] == H && codes.dim[2] == W);
    ck_assert(images.dim[0] == COUNT && images.dim[1] == 2 * H && images.dim[2] == 2 * W && images.dim[3] == 1);
    for (int64_t i = 0; i < COUNT * H * W; i++) {
        ck_assert_int_lt(((const uint8_t *)codes.data)[i], CODES);
        kinds += !seen[((const uint8_t *)codes.data)[i]]++;
    }
    ck_assert_int_gt(kinds, 1);
    ck_assert_int_eq(tess_attrs_i64_or(f, "steps", -1), steps[_i]);
    ck_assert(tess_attrs_i64_or(f, "height", -1) == H && tess_attrs_i64_or(f, "width", -1) == W);
    ck_assert(tess_attrs_f64_or(f, "temperature", 0.0) == (_i == 1 ? 0.8 : 1.0) && tess_attrs_i64_or(f, "seed", -1) == 3);
    ck_assert_uint_eq(strlen(tess_attrs_text_or(f, "tokenizer", "")), 64);
    ck_assert_int_eq(access("runs/small/samples.samples.png", R_OK), 0);
    tessi_store_artefact_close(a);
    tess_free(codes.data);
    tess_free(images.data);
}
END_TEST

/* Without a tokenizer there are codes alone; of the prior's own size its images are those of `decode`. */
START_TEST(images_are_the_decoders)
{
    small_write("plain.yaml", "tessera: 1\nname: small\nextends: canvas.yaml\nstages:\n  samples: {height: 4, width: 6}\n"
                              "  decoded: {use: decode, in: {codes: samples, model: tokenizer}}\n");
    (void)command_ends(0, "", "run plain.yaml -q");
    struct tess_tensor images = load(".", "images"), decoded;
    struct tess_artefact *a;
    ck_assert_int_eq(tessi_store_artefact_open(C, "runs/small/decoded.h5", &a), TESS_OK);
    ck_assert_int_eq(tess_artefact_load(C, a, "images", TESS_U8, &decoded), TESS_OK);
    ck_assert(memcmp(images.data, decoded.data, tess_tensor_bytes(&images)) == 0);
    tessi_store_artefact_close(a);
    tess_free(images.data);
    tess_free(decoded.data);
    (void)command_ends(0, "", "run canvas.yaml -q samples.in.model=null");
    a = result(".");
    ck_assert(tess_artefact_has(a, "codes") && !tess_artefact_has(a, "images"));
    tessi_store_artefact_close(a);
}
END_TEST

/* A denoiser that gives all logits or none, and none of whose windows need be of a certain size. */
START_TEST(other_denoisers_do)
{
    small_write("unet.yaml", "tessera: 1\nname: small\nextends: canvas.yaml\nstages:\n  prior:\n"
                             "    denoiser: {use: unet, channels: 16, channel_mult: [1, 2], heads: 2, head_dim: 8,\n"
                             "               embed_dim: null, layers: null}\n");
    (void)command_ends(0, "", "run unet.yaml -q --threads 1 --workdir one samples.batch=5");
    (void)command_ends(0, "", "run unet.yaml -q --threads 2 --workdir two");
    same("one", "two");
}
END_TEST

START_TEST(threads_batches_and_counts_do_not_count)
{
    (void)command_ends(0, "", "run canvas.yaml -q --threads 1 --workdir one %s", orders[_i]);
    (void)command_ends(0, "", "run canvas.yaml -q --threads 2 samples.batch=5 --workdir two %s", orders[_i]);
    (void)command_ends(0, "", "run canvas.yaml -q samples.count=7 samples.batch=9 --workdir more %s", orders[_i]);
    same("one", "two");
    static const char *const name[] = {"codes", "images"};
    for (int d = 0; d < 2; d++) {
        struct tess_tensor few = load("one", name[d]), many = load("more", name[d]);
        ck_assert(many.dim[0] == 7 && memcmp(few.data, many.data, tess_tensor_bytes(&few)) == 0);
        tess_free(few.data);
        tess_free(many.data);
    }
}
END_TEST

START_TEST(killed_again_and_again)
{
    char line[512], other[512];
    (void)command_ends(0, "", "run canvas.yaml -q --threads 1 --workdir calm samples.count=80 %s", orders[_i]);
    (void)command_ends(0, "", "run canvas.yaml -q --until prior --workdir wild");
    snprintf(line, sizeof line, "run canvas.yaml --threads %%d --workdir wild samples.count=80 samples.batch=7 %s", orders[_i]);
    snprintf(other, sizeof other, "run canvas.yaml --threads %%d --workdir wild samples.count=80 samples.batch=64 %s", orders[_i]);
    struct command_kills kills = command_killed_until_it_ends(line, other);
    ck_assert_msg(kills.killed >= 2 && kills.resumed >= 1, "killed %d times, resumed %d", kills.killed, kills.resumed);
    same("calm", "wild");
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    static const struct {
        const char *settings, *words;
    } bad[] = {
        {"samples.height=3", "a canvas of 3 x 9 codes is smaller than the prior's maps of 4 x 6; set height and width to at least that"},
        {"samples.width=5", "a canvas of 5 x 5 codes is smaller than the prior's maps of 4 x 6"},
        {"samples.stride=5", "windows of 4 x 6 codes, 5 apart, would leave some out; set `stride` to at most 4"},
        {"samples.steps=10", "in `order: raster` each step draws one code, and steps is 10; leave it out, or set `order: random`"},
        {"samples.height=null", "height"},
        {"prior.noise.use=uniform", "a prior of noise `uniform` may change any token at any step"},
        {"prior.noise.use=deaf --plugin-path " TEST_DEAF_NOISE, "a prior of noise `deaf` cannot sample around tokens that are known"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        (void)command_ends(2, bad[i].words, "plan canvas.yaml %s", bad[i].settings);
    small_write("other.yaml", "tessera: 1\nname: small\nextends: canvas.yaml\nstages:\n"
                              "  stranger: {use: train-autoencoder, in: {images: images}, steps: 3, batch: 12, seed: 99,\n"
                              "             encoder: {use: conv, channels: 32, channel_mult: [1, 1]}, decoder: conv,\n"
                              "             quantizer: {use: ema, codebook_size: 12, code_dim: 6}}\n"
                              "  samples: {in: {model: stranger}}\n");
    (void)command_ends(65, "codes of another tokenizer", "run other.yaml -q");
    (void)command_ends(65, "codes of another tokenizer", "plan other.yaml stranger.quantizer.codebook_size=13");
}
END_TEST

/* Memory that cannot be allocated: a failure that says so, and nothing lost; in `edit` as well. */
static int run_in_process(const char *path, int64_t fail_at)
{
    struct tessi_context own;
    struct tessi_runtime *runtime = NULL;
    struct tessi_pipeline *p = NULL;
    tessi_base_memory_fail_at(0);
    tessi_base_context_init(&own, NULL);
    int status = tessi_host_runtime_new(&own.context, &(struct tessi_runtime_options){.threads = 1}, &runtime);
    tessi_base_memory_fail_at(fail_at);
    if (status == TESS_OK)
        status = tessi_flow_pipeline_open(&own.context, runtime, &(struct tessi_pipeline_options){.path = path}, &p);
    if (status == TESS_OK)
        status = tessi_flow_pipeline_run(&own.context, p);
    tessi_base_memory_fail_at(0);
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(runtime);
    ck_assert_msg(status == TESS_OK || (status == TESS_E_MEMORY && strstr(tessi_base_context_message(&own.context), "memory")), "%d: %s",
                  status, tessi_base_context_message(&own.context));
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
    return status;
}

START_TEST(memory_runs_out)
{
    int failures = 0;
    small_write("both.yaml", "tessera: 1\nname: small\nextends: canvas.yaml\nstages:\n"
                             "  mask: {use: import, source: {use: idx, images: images}, limit: 1}\n"
                             "  edited: {use: edit, in: {images: images, mask: mask, model: tokenizer, prior: prior}, limit: 2,\n"
                             "           composite: true, threshold: 0.5}\n");
    (void)command_ends(0, "", "run both.yaml -q --workdir calm");
    (void)command_ends(0, "", "run both.yaml -q --until prior");
    (void)command_ends(0, "", "run both.yaml -q --until mask");
    int status = TESS_E_MEMORY;
    for (int64_t n = 5; status != TESS_OK; n += 1 + n / 24, failures++)
        status = run_in_process("both.yaml", n);
    ck_assert_int_gt(failures, 40);
    same("calm", ".");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sample canvas");
    TCase *t = tcase_create("sample canvas");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, small_folder_leave);
    tcase_add_loop_test(t, codes_and_images_are_as_large_as_asked_for, 0, 3);
    tcase_add_test(t, images_are_the_decoders);
    tcase_add_test(t, other_denoisers_do);
    tcase_add_loop_test(t, threads_batches_and_counts_do_not_count, 0, 3);
    tcase_add_loop_test(t, killed_again_and_again, 0, 2);
    tcase_add_test(t, what_cannot_be_is_refused);
    tcase_add_test(t, memory_runs_out);
    suite_add_tcase(s, t);
    return suite_run(s);
}
