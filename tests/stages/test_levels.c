/* Tokenizers of several codes a position, and those with no codebook of latents, through every stage that handles codes; wrong components
 * told when a pipeline is planned. SPDX-License-Identifier: MIT */
#include "core/base/attributes_private.h"
#include "core/host/runtime.h"
#include "core/store/store.h"
#include "tests/support/paths.h"
#include "tests/support/stage_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH = 3, LEVEL = 8, H = SMALL_H / 2, W = SMALL_W / 2 };

static const char levels[] = "tessera: 1\n"
                             "name: small\n"
                             "extends: small.yaml\n"
                             "stages:\n"
                             "  mask: {use: import, source: {use: idx, images: mask}}\n"
                             "  tokenizer:\n"
                             "    quantizer: {use: residual, codebook_size: null, code_dim: null, depth: 3,\n"
                             "                quantizer: {use: ema, codebook_size: 8, code_dim: 6}}\n"
                             "  edited: {use: edit, in: {images: images, mask: mask, model: tokenizer, prior: prior}, regenerate: white,\n"
                             "           limit: 2, variants: 2}\n";

/* The left half is white. */
static void setup(void)
{
    uint8_t mask[SMALL_H * SMALL_W];
    stage_bench_setup();
    for (int i = 0; i < SMALL_H * SMALL_W; i++)
        mask[i] = i % SMALL_W < SMALL_W / 2 ? 255 : 0;
    small_write_idx("mask", 3, (const int64_t[]){1, SMALL_H, SMALL_W}, mask, sizeof mask);
    small_write("levels.yaml", levels);
}

static struct tess_tensor codes_of(const char *workdir, const char *stage, int64_t count)
{
    struct tess_artefact *a = result(workdir, stage);
    struct tess_tensor codes = load(a, "codes", TESS_I32);
    ck_assert_int_eq(attr(a, "depth"), DEPTH);
    ck_assert(codes.rank == 4 && codes.dim[0] == count && codes.dim[1] == H && codes.dim[2] == W && codes.dim[3] == DEPTH);
    for (int64_t i = 0; i < tess_tensor_count(&codes); i++)
        ck_assert(((const int32_t *)codes.data)[i] >= 0 && ((const int32_t *)codes.data)[i] < LEVEL);
    tessi_store_artefact_close(a);
    return codes;
}

/* The curve's last two columns, codes used and perplexity of a step's codes, are of so many codes as a level has. */
static void curve_counts_codes(const char *workdir)
{
    struct tess_artefact *a = result(workdir, "tokenizer");
    struct tess_tensor curve = load(a, "curve", TESS_F32);
    const float *point = curve.data;
    for (int64_t i = 0; i < curve.dim[0]; i++, point += curve.dim[1])
        for (int64_t c = curve.dim[1] - 2; c < curve.dim[1]; c++)
            ck_assert_msg(point[c] >= 1.0f && point[c] <= LEVEL, "column %d of step %g is %g", (int)c, (double)point[0], (double)point[c]);
    tess_free(curve.data);
    tessi_store_artefact_close(a);
}

/* Noises and denoisers that priors of several levels are made of, and levels that are grids or parts. */
static const char *const priors[][4] = {
    {NULL},
    {"tokenizer.quantizer={use: multi-scale, depth: null, quantizer: null, codebook_size: 8, code_dim: 6, scales: [1, 2, 4]}"},
    {"tokenizer.quantizer={use: product, depth: null, parts: 3, quantizer: {use: ema, codebook_size: 8, code_dim: 2}}"},
    {"prior.noise=uniform",
     "prior.denoiser={use: unet, embed_dim: null, layers: null, channels: 8, channel_mult: [1, 2], heads: 2, head_dim: 4}"},
};

START_TEST(levels_go_through_every_stage)
{
    struct attempt a = {.path = "levels.yaml", .workdir = "one", .threads = 1}, b = {.path = "levels.yaml", .workdir = "two", .threads = 2};
    for (int i = 0; priors[_i][i]; i++)
        a.override[i] = b.override[i] = priors[_i][i];
    works(stage_bench_attempt(&a));
    works(stage_bench_attempt(&b));
    static const char *const stages[] = {"tokenizer", "codes", "prior", "samples", "decoded", "edited"};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        stage_bench_same("one", "two", stages[i]);
    curve_counts_codes("one");
    struct tess_tensor codes = codes_of("one", "codes", SMALL_COUNT), drawn = codes_of("one", "samples", 5),
                       edited = codes_of("one", "edited", 4);
    for (int64_t q = 0; q < 4; q++)
        for (int64_t i = 0; i < H * W * DEPTH; i++) /* the right half is kept, at every level */
            if (i / DEPTH % W >= W / 2)
                ck_assert_int_eq(((const int32_t *)edited.data)[q * H * W * DEPTH + i],
                                 ((const int32_t *)codes.data)[(SMALL_TRAIN + q / 2) * H * W * DEPTH + i]);
    struct tess_artefact *m = result("one", "metrics"), *c = result("one", "codes");
    for (int l = 1; l <= DEPTH; l++) {
        char name[40];
        snprintf(name, sizeof name, "codes used, level %d", l);
        ck_assert(metric(m, name) >= 1.0 && metric(c, name) <= LEVEL);
    }
    ck_assert(metric(m, "prior's bound") > 0.0 && metric(c, "quantisation error") > 0.0);
    ck_assert(!tess_artefact_has(c, "codebook"));
    tessi_store_artefact_close(m);
    tessi_store_artefact_close(c);
    tess_free(codes.data);
    tess_free(drawn.data);
    tess_free(edited.data);
}
END_TEST

/* A causal prior draws the levels of a position one after the other, by its cache and without, to the same codes. */
START_TEST(causal_priors_draw_levels_in_order)
{
    works(ATTEMPT(.path = "levels.yaml", .workdir = "one", .override = {"prior.noise=autoregressive", "edited=null", "mask=null"}));
    works(ATTEMPT(.path = "levels.yaml", .workdir = "two",
                  .override = {"prior.noise=autoregressive", "edited=null", "mask=null", "samples.every_step=true"}));
    struct tess_tensor by_cache = codes_of("one", "samples", 5), whole = codes_of("two", "samples", 5);
    ck_assert_mem_eq(by_cache.data, whole.data, tess_tensor_bytes(&whole));
    tess_free(by_cache.data);
    tess_free(whole.data);
}
END_TEST

static const char *const stopped[] = {
    "tokenizer.quantizer={use: residual, depth: 3, quantizer: {use: ema, codebook_size: 8, code_dim: 6}, codebook_size: null, code_dim: "
    "null}",
    "tokenizer.quantizer={use: gumbel, codebook_size: 8, code_dim: 6}",
};

/* A resumed training continues with the annealed values and each level's state as they were at the stop. */
START_TEST(training_resumes_exactly)
{
    struct attempt a = {.workdir = "calm", .until = "tokenizer", .override = {stopped[_i]}}, b = a;
    b.workdir = "wild";
    works(stage_bench_attempt(&a));
    ck_assert_int_gt(stage_bench_interrupt(&b, 5), 0);
    stage_bench_same("calm", "wild", "tokenizer");
}
END_TEST

/* Codes that lie elsewhere have no quantisation error, and no codebook can be built of the latents. */
START_TEST(codes_of_another_space_have_no_error)
{
    static const char fsq[] = "tokenizer.quantizer={use: fsq, levels: [5, 3], codebook_size: null, code_dim: null}";
    static const char refit[] =
        "tessera: 1\nname: small\nextends: levels.yaml\nstages: {edited: null, mask: null, again: {use: refit, in: {images: "
        "images, model: tokenizer}}}\n";
    static const char canvas[] =
        "tessera: 1\nname: small\nextends: levels.yaml\nstages: {edited: null, mask: null, wide: {use: sample-canvas, in: "
        "{prior: prior}, height: 8, width: 12}}\n";
    works(ATTEMPT(.workdir = ".", .override = {fsq}));
    struct tess_artefact *c = result(".", "codes");
    struct tess_metric_value v;
    ck_assert(metric(c, "codes used") >= 1.0 && tess_artefact_has(c, "codebook"));
    for (int64_t i = 0; tessi_store_artefact_metric(c, i, &v); i++)
        ck_assert_str_ne(v.name, "quantisation error");
    tessi_store_artefact_close(c);
    small_write("refit.yaml", refit);
    small_write("canvas.yaml", canvas);
    refused(ATTEMPT(.path = "refit.yaml", .workdir = ".", .plan_only = 1), TESS_E_VALUE, "has several levels");
    refused(ATTEMPT(.path = "canvas.yaml", .workdir = ".", .plan_only = 1), TESS_E_VALUE, "windows of a canvas are of one");
}
END_TEST

/* ---- levels of different sizes ---------------------------------------------------------------------------------------- */

static const char sizes[] = "2,6,4";

static void fine(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, tess_message(C));
}

/* Whatever the weights say, a level's larger codes are not drawn; and their logits teach nothing. */
START_TEST(a_level_has_its_own_codes)
{
    static const int64_t size[] = {2, 6, 4};
    struct tessi_runtime *runtime = NULL;
    struct tess_attrs *f = NULL;
    struct tess_prior p = {.size = sizeof p};
    struct tess_weights *w = NULL;
    struct tess_graph *g = NULL;
    enum { ROWS = 2, TOKENS = 2 * 2 * 3, K = 6 };
    static float logits[ROWS * TOKENS * K];
    int32_t tokens[ROWS * TOKENS];
    fine(tessi_host_runtime_new(C, &(struct tessi_runtime_options){.threads = 1}, &runtime));
    fine(tessi_base_attrs_new(C, &f));
    fine(tess_attrs_set_i64(C, f, "codebook_size", K));
    fine(tess_attrs_set_i64(C, f, "height", 2));
    fine(tess_attrs_set_i64(C, f, "width", 2));
    fine(tess_levels_set(C, f, K, 3, size));
    ck_assert_str_eq(tess_attrs_text_or(f, "level_sizes", ""), sizes);
    fine(tess_attrs_set_text(C, f, "noise", "{use: absorbing, steps: 4}"));
    fine(tess_attrs_set_text(C, f, "denoiser", "{use: transformer, embed_dim: 8, layers: 1, heads: 2}"));
    fine(tess_prior_open(C, f, "test", &p));
    ck_assert_int_eq(tess_prior_tokens(&p), TOKENS);
    fine(tess_weights_new(C, 1, &w));
    fine(tess_graph_new(
        C, w, &(struct tess_graph_options){.size = sizeof(struct tess_graph_options), .microbatch = ROWS, .microbatches = 1}, &g));
    fine(tess_prior_record_denoise(C, &p, g));
    fine(tess_graph_seal(C, g));
    for (int i = 0; i < ROWS * TOKENS; i++)
        tokens[i] = K; /* masked */
    struct tess_tensor in = tess_tensor_over(tokens, TESS_I32, 2, (const int64_t[]){ROWS, TOKENS});
    struct tess_tensor out = tess_tensor_over(logits, TESS_F32, 3, (const int64_t[]){ROWS, TOKENS, K});
    struct tess_batch b = {.size = sizeof b, .samples = ROWS, .inputs = 1, .in = &in, .outputs = 1, .out = &out};
    fine(tess_graph_run(C, g, &b));
    for (int i = 0; i < ROWS * TOKENS * K; i++) {
        int allowed = i % K < size[i / K % 3];
        ck_assert_msg(allowed ? logits[i] > -1e6f : logits[i] == -1e9f, "logit %d is %g", i, (double)logits[i]);
    }
    tess_graph_free(g);
    tess_weights_free(w);
    tess_prior_close(&p);
    tessi_base_attrs_free(f);
    tessi_host_runtime_free(runtime);
}
END_TEST

/* ---- wrong components -------------------------------------------------------------------------------------------------- */

/* Wrong components are reported by the plan, before anything of the run is written. */
START_TEST(mistakes_are_found_by_a_plan)
{
    static const char *const wrong[][2] = {
        {"tokenizer.encoder={use: wrong, channels: null, channel_mult: null, attn_resolutions: null, how: narrow}",
         "encoder `wrong` (plugin test-wrong-parts), record: wanted a latent"},
        {"tokenizer.quantizer={use: wrong, how: rank}", "quantizer `wrong` (plugin test-wrong-parts), record: wanted"},
        {"tokenizer.decoder={use: wrong, how: mute}", "decoder `wrong` (plugin test-wrong-parts), record: returned -2 without a message"},
    };
    ck_assert_int_eq(system("mkdir plugins && cp " TEST_BUILD "/tests/fixtures/.libs/wrong_parts.so plugins/"), 0);
    setenv("TESSERA_PLUGIN_PATH", "plugins", 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int status = ATTEMPT(.workdir = ".", .plan_only = 1, .override = {wrong[i][0]});
        ck_assert_int_ne(status, TESS_OK);
        refused(status, status, wrong[i][1]);
    }
    unsetenv("TESSERA_PLUGIN_PATH");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("levels");
    TCase *t = tcase_create("levels");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, stage_bench_teardown);
    tcase_add_loop_test(t, levels_go_through_every_stage, 0, sizeof priors / sizeof *priors);
    tcase_add_test(t, causal_priors_draw_levels_in_order);
    tcase_add_loop_test(t, training_resumes_exactly, 0, sizeof stopped / sizeof *stopped);
    tcase_add_test(t, codes_of_another_space_have_no_error);
    tcase_add_test(t, a_level_has_its_own_codes);
    tcase_add_test(t, mistakes_are_found_by_a_plan);
    suite_add_tcase(s, t);
    return suite_run(s);
}
