/* Priors trained on archives of codes: rows held in memory and rows read one at a time are the same, and an archive in parts gives the
 * prior that one file gives. SPDX-License-Identifier: MIT */
#include "core/store/store.h"
#include "kit/train/code_rows.h"
#include "tests/support/stage_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <sys/stat.h>

enum { ROWS = 60, TOKENS = 12, K = 300 };

static int32_t code(int64_t row, int64_t at)
{
    return (int32_t)((row * 131 + at * 37 + row * at * 7) % K);
}

/* Writes rows begin .. end - 1 as an archive of their own. */
static void write_rows(const char *path, int64_t begin, int64_t end)
{
    static int32_t codes[ROWS * TOKENS];
    struct tess_artefact *a;
    for (int64_t i = 0; i < (end - begin) * TOKENS; i++)
        codes[i] = code(begin + i / TOKENS, i % TOKENS);
    struct tess_tensor t = tess_tensor_over(codes, TESS_I32, 3, (int64_t[]){end - begin, 3, 4});
    works(tessi_store_artefact_create(C, path, "codes", &a));
    works(tess_artefact_put(C, a, "codes", &t, &(struct tess_dataset){.size = sizeof(struct tess_dataset), .bits = 9, .by_row = 1}));
    struct tess_attrs *f = tess_artefact_describe(a);
    works(tess_attrs_set_i64(C, f, "count", end - begin));
    works(tess_attrs_set_i64(C, f, "train_count", end - begin));
    works(tess_attrs_set_i64(C, f, "height", 3));
    works(tess_attrs_set_i64(C, f, "width", 4));
    works(tess_attrs_set_i64(C, f, "codebook_size", K));
    works(tess_attrs_set_text(C, f, "tokenizer", "made up"));
    works(tessi_store_artefact_finish(C, a, NULL, NULL));
}

static void write_archive(void)
{
    static const char *const joined[] = {"codes", NULL}, *const summed[] = {"count", "train_count", NULL};
    const char *const file[] = {"p-0.h5", "p-1.h5", "p-2.h5"};
    write_rows("one.h5", 0, ROWS);
    (void)mkdir("archive", 0777);
    write_rows("archive/p-0.h5", 0, 25);
    write_rows("archive/p-1.h5", 25, 26);
    write_rows("archive/p-2.h5", 26, ROWS);
    works(tessi_store_parts_write(
        C, &(struct tessi_parts_options){.path = "archive/index.h5", .file = file, .files = 3, .joined = joined, .summed = summed}, NULL));
}

START_TEST(rows_held_or_read)
{
    static const int64_t size = K, less = K - 1;
    static const char *const path[] = {"one.h5", "archive"};
    const struct code_maps good = {3, 4, K, 1, &size}, narrow = {3, 4, K - 1, 1, &less}, wide = {3, 5, K, 1, &size};
    write_archive();
    for (int i = 0; i < 4; i++) {
        struct tess_artefact *a;
        struct code_rows r;
        int32_t row[TOKENS];
        works(tessi_store_artefact_open(C, path[i / 2], &a));
        works(code_rows_open(C, a, &good, i % 2 ? ROWS * TOKENS * 2 : ROWS * TOKENS * 2 - 1, &r));
        ck_assert(r.tokens == TOKENS && !r.held.data == !(i % 2));
        for (int64_t k = 0; k < ROWS; k++) {
            works(code_rows_read(C, &r, k * 7 % ROWS, row));
            for (int64_t at = 0; at < TOKENS; at++)
                ck_assert_int_eq(row[at], code(k * 7 % ROWS, at));
        }
        code_rows_close(&r);
        ck_assert_int_eq(code_rows_open(C, a, &narrow, i % 2 ? 1 << 20 : 0, &r), TESS_E_DATA);
        code_rows_close(&r);
        ck_assert_int_eq(code_rows_open(C, a, &wide, 1 << 20, &r), TESS_E_DATA);
        code_rows_close(&r);
        tessi_base_context_clear(C);
        ck_assert_int_eq(code_rows_bytes(tess_artefact_attrs(a), 1 << 20), ROWS * TOKENS * 2);
        ck_assert_int_eq(code_rows_bytes(tess_artefact_attrs(a), 100), 0);
        tessi_store_artefact_close(a);
    }
}
END_TEST

#define PRIOR "steps: 3, batch: 4, noise: absorbing, denoiser: {use: transformer, embed_dim: 32, layers: 1, heads: 2}}\n"

/* A file, a folder by its path, a folder by its name alone, and its index: one prior. */
START_TEST(parts_are_one_archive)
{
    static const char *const in[] = {"one.h5", "./archive", "archive", "archive/index.h5"};
    char text[400], digest[TESS_DIGEST_TEXT];
    write_archive();
    for (int i = 0; i < 4; i++) {
        char folder[16];
        snprintf(text, sizeof text, "tessera: 1\nname: small\nstages:\n  prior: {use: train-prior, in: {codes: %s}, " PRIOR, in[i]);
        small_write("p.yaml", text);
        snprintf(folder, sizeof folder, "w%d", i);
        works(ATTEMPT(.path = "p.yaml", .workdir = folder));
        struct tess_artefact *a = result(folder, "prior");
        if (i == 0)
            snprintf(digest, sizeof digest, "%s", tess_artefact_digest(a));
        ck_assert_str_eq(tess_artefact_digest(a), digest);
        tessi_store_artefact_close(a);
    }
    ck_assert_int_eq(rename("archive/p-1.h5", "archive/p-3.h5"), 0);
    refused(ATTEMPT(.path = "p.yaml", .workdir = "w0"), TESS_E_IO, "part 2 of 3, `p-1.h5`, is missing");
    small_write("p.yaml", "tessera: 1\nname: small\nstages:\n  prior: {use: train-prior, in: {codes: nowhere}, " PRIOR);
    refused(ATTEMPT(.path = "p.yaml", .workdir = "w0"), TESS_E_USAGE, "there is no stage `nowhere`");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("archives and priors");
    TCase *t = tcase_create("archives");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, stage_bench_setup, stage_bench_teardown);
    tcase_add_test(t, rows_held_or_read);
    tcase_add_test(t, parts_are_one_archive);
    suite_add_tcase(s, t);
    return suite_run(s);
}
