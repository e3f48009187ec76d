/* A codebook of more codes than 16 bits number: the archive keeps each, and every stage that reads it gets what was written.
 *
 * SPDX-License-Identifier: MIT */
#include "core/store/store.h"
#include "tests/support/craft.h"
#include "tests/support/stage_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

enum { CODES = 70000, PART = CODES / 35 };

/* Small, but for the codebook. */
static const char trained[] = "tessera: 1\n"
                              "name: small\n"
                              "extends: small.yaml\n"
                              "stages:\n"
                              "  tokenizer: {steps: 2, quantizer: {codebook_size: 70000, code_dim: 2}}\n"
                              "  codes: null\n"
                              "  decoded: null\n"
                              "  prior: null\n"
                              "  samples: null\n"
                              "  metrics: null\n";
static const char used[] = "tessera: 1\n"
                           "name: small\n"
                           "extends: small.yaml\n"
                           "params: {model: head.h5}\n"
                           "stages:\n"
                           "  tokenizer: null\n"
                           "  codes: {in: {model: \"${model}\"}}\n"
                           "  decoded: {in: {model: \"${model}\"}}\n"
                           "  prior: {steps: 1, batch: 2, denoiser: {embed_dim: 16}, noise: {steps: 4}}\n"
                           "  samples: {count: 2, in: {model: \"${model}\"}}\n"
                           "  metrics: {in: {model: \"${model}\"}}\n";

/* Codes of dataset /codes as i32; fails the test unless they are stored with 17 bits. */
static struct tess_tensor codes_of(const char *workdir, const char *stage)
{
    struct tess_artefact *a = result(workdir, stage);
    struct tess_tensor shape, codes = load(a, "codes", TESS_I32);
    int32_t bits = 0;
    int64_t stored;
    const char *name;
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)) && strcmp(name, "codes") != 0; i++)
        continue;
    ck_assert(name && shape.dtype == TESS_I32 && bits == 17);
    tessi_store_artefact_close(a);
    return codes;
}

/* Two codebooks of the same rows, at the numbers 0 .. 1999 in one and 68000 .. 69999 in the other: all else is the same. */
START_TEST(each_is_kept)
{
    small_write("trained.yaml", trained);
    small_write("used.yaml", used);
    works(ATTEMPT(.path = "trained.yaml", .workdir = "."));
    craft("runs/small/tokenizer.h5", "head.h5", &(struct craft){.data = "weights/quantizer/codebook", .change = CRAFT_HEAD});
    craft("runs/small/tokenizer.h5", "tail.h5", &(struct craft){.data = "weights/quantizer/codebook", .change = CRAFT_TAIL});
    works(ATTEMPT(.path = "used.yaml", .workdir = "head"));
    works(ATTEMPT(.path = "used.yaml", .workdir = "tail", .override = {"model=tail.h5"}));
    struct tess_tensor low = codes_of("head", "codes"), high = codes_of("tail", "codes"), drawn = codes_of("tail", "samples");
    for (int64_t i = 0; i < tess_tensor_count(&low); i++) {
        int32_t code = ((const int32_t *)low.data)[i];
        ck_assert(code >= 0 && code < PART);
        ck_assert_int_eq(((const int32_t *)high.data)[i], CODES - PART + code);
    }
    for (int64_t i = 0; i < tess_tensor_count(&drawn); i++)
        ck_assert(((const int32_t *)drawn.data)[i] >= 0 && ((const int32_t *)drawn.data)[i] < CODES);
    tess_free(low.data);
    tess_free(high.data);
    tess_free(drawn.data);
    stage_bench_same("head", "tail", "decoded");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("many codes");
    TCase *t = tcase_create("many codes");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, stage_bench_setup, stage_bench_teardown);
    tcase_add_test(t, each_is_kept);
    suite_add_tcase(s, t);
    return suite_run(s);
}
