/* Flips: an archive of codes with the training images turned over is that of a data set that holds them turned over; training with flips is
 * training on the images that the draws turn over; neither threads, batches nor a stop change anything. SPDX-License-Identifier: MIT */
#include "core/store/store.h"
#include "tests/support/stage_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELD = SMALL_COUNT - SMALL_TRAIN, ROWS = SMALL_COUNT + SMALL_TRAIN, PIXELS = SMALL_H * SMALL_W };

/* Image i, turned over or not. */
static void draw(int64_t i, int flipped, uint8_t *to)
{
    for (int64_t at = 0; at < PIXELS; at++)
        to[at] = small_pixel(i, flipped ? at / SMALL_W * SMALL_W + SMALL_W - 1 - at % SMALL_W : at);
}

/* A data set of n images, row by row. */
static void write_images(const char *path, int64_t n, const int64_t *image, const int *flipped)
{
    uint8_t *all = malloc((size_t)(n * PIXELS));
    for (int64_t i = 0; i < n; i++)
        draw(image[i], flipped[i], all + i * PIXELS);
    small_write_idx(path, 3, (const int64_t[]){n, SMALL_H, SMALL_W}, all, n * PIXELS);
    free(all);
}

static void same_dataset(const struct tess_artefact *a, const struct tess_artefact *b, const char *name, int32_t dtype)
{
    struct tess_tensor x = load(a, name, dtype), y = load(b, name, dtype);
    ck_assert_msg(tess_tensor_same_shape(&x, &y) && memcmp(x.data, y.data, tess_tensor_bytes(&x)) == 0, "%s differs", name);
    tess_free(x.data);
    tess_free(y.data);
}

/* ---- codes --------------------------------------------------------------------------------------------------------- */

/* Image number and orientation of each row of the archive. */
static void rows_of(int64_t image[ROWS], int flipped[ROWS])
{
    for (int64_t i = 0; i < ROWS; i++) {
        flipped[i] = i >= SMALL_TRAIN && i < 2 * SMALL_TRAIN;
        image[i] = i < SMALL_TRAIN ? i : i - SMALL_TRAIN;
    }
}

START_TEST(codes_are_those_of_flipped_images)
{
    int64_t image[ROWS];
    int flipped[ROWS];
    uint8_t label[ROWS];
    rows_of(image, flipped);
    for (int64_t i = 0; i < ROWS; i++)
        label[i] = small_label(image[i]);
    write_images("explicit", ROWS, image, flipped);
    small_write_idx("explicit-labels", 1, (const int64_t[]){ROWS}, label, ROWS);
    small_write("other.yaml", "tessera: 1\nname: small\nextends: small.yaml\nstages:\n"
                              "  whole: {use: import, source: {use: idx, images: explicit, labels: explicit-labels}, split: 0.8572}\n"
                              "  wanted: {use: encode, in: {images: whole, model: tokenizer}}\n");
    works(ATTEMPT(.workdir = ".", .path = "other.yaml", .until = "wanted"));
    works(ATTEMPT(.workdir = ".", .path = "other.yaml", .until = "decoded", .override = {"codes.flip=both"}));
    struct tess_artefact *a = result(".", "codes"), *b = result(".", "wanted"), *decoded = result(".", "decoded");
    ck_assert(attr(a, "count") == ROWS && attr(a, "train_count") == 2 * SMALL_TRAIN);
    ck_assert(attr(b, "count") == ROWS && attr(b, "train_count") == 2 * SMALL_TRAIN);
    same_dataset(a, b, "codes", TESS_I32);
    same_dataset(a, b, "labels", TESS_I32);
    ck_assert(metric(a, "quantisation error") == metric(b, "quantisation error") && metric(a, "codes used") == metric(b, "codes used"));
    struct tess_tensor turned = load(a, "flipped", TESS_U8);
    ck_assert_int_eq(turned.dim[0], ROWS);
    for (int64_t i = 0; i < ROWS; i++)
        ck_assert_int_eq(((const uint8_t *)turned.data)[i], flipped[i]);
    same_dataset(a, decoded, "flipped", TESS_I32);
    ck_assert(!tess_artefact_has(b, "flipped") && attr(decoded, "train_count") == 2 * SMALL_TRAIN);
    tess_free(turned.data);
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
    tessi_store_artefact_close(decoded);
}
END_TEST

/* A prior trains on twice as many. */
START_TEST(a_prior_learns_from_them)
{
    works(ATTEMPT(.workdir = "one", .threads = 1, .override = {"codes.flip=both"}));
    works(ATTEMPT(.workdir = "two", .threads = 3, .override = {"codes.flip=both", "codes.batch=5"}));
    stage_bench_same("one", "two", "codes");
    stage_bench_same("one", "two", "samples");
    stage_bench_same("one", "two", "metrics");
}
END_TEST

START_TEST(encoding_goes_on_where_it_stopped)
{
    const struct attempt wild = {.workdir = "wild", .until = "codes", .threads = 1, .override = {"codes.flip=both"}};
    small_make_data(2000);
    works(ATTEMPT(.workdir = "calm", .until = "codes", .threads = 1, .override = {"codes.flip=both"}));
    works(ATTEMPT(.workdir = "wild", .until = "tokenizer", .threads = 1));
    ck_assert_int_gt(stage_bench_interrupt(&wild, 2), 2);
    stage_bench_same("calm", "wild", "codes");
}
END_TEST

static void finish(struct tess_artefact *a, char digest[TESS_DIGEST_TEXT])
{
    const struct tessi_provenance p = {.tool = "test"};
    ck_assert_msg(tessi_store_artefact_finish(C, a, &p, digest) == TESS_OK, "%s", tessi_base_context_message(C));
}

/* An artefact of names; the digest says what they are. */
static void put_names(const char *path, int64_t n, const char *const *name, char digest[TESS_DIGEST_TEXT])
{
    struct tess_artefact *a;
    ck_assert_int_eq(tessi_store_artefact_create(C, path, "codes", &a), TESS_OK);
    ck_assert_int_eq(tess_artefact_put_strings(C, a, "names", n, name), TESS_OK);
    finish(a, digest);
}

START_TEST(rows_are_copied_in_any_order)
{
    static const char *const name[] = {"one", "zwei", "", "three more"}, *const wanted[] = {"three more", "one", "one", "", "zwei"};
    static const int64_t row[] = {3, 0, 0, 2, 1}, beyond = 4;
    static const int32_t number[8] = {10, 11, 20, 21, 30, 31, 40, 41}, want[10] = {40, 41, 10, 11, 10, 11, 30, 31, 20, 21};
    struct tess_tensor numbers = tess_tensor_over((void *)(uintptr_t)number, TESS_I32, 2, (const int64_t[]){4, 2});
    struct tess_artefact *from, *a;
    char digest[2][TESS_DIGEST_TEXT];
    put_names("names.h5", 4, name, digest[0]);
    put_names("wanted.h5", 5, wanted, digest[0]);
    ck_assert_int_eq(tessi_store_artefact_open(C, "names.h5", &from), TESS_OK);
    ck_assert_int_eq(tessi_store_artefact_create(C, "copied.h5", "codes", &a), TESS_OK);
    ck_assert_int_eq(tess_artefact_copy_rows(C, a, "names", from, 5, row, NULL), TESS_OK);
    ck_assert_int_eq(tess_artefact_copy_rows(C, a, "nothing", from, 5, row, NULL), TESS_OK);
    finish(a, digest[1]);
    ck_assert_str_eq(digest[0], digest[1]);
    tessi_store_artefact_close(from);
    ck_assert_int_eq(tessi_store_artefact_create(C, "numbers.h5", "codes", &a), TESS_OK);
    ck_assert_int_eq(tess_artefact_put(C, a, "some", &numbers, NULL), TESS_OK);
    finish(a, digest[0]);
    ck_assert_int_eq(tessi_store_artefact_open(C, "numbers.h5", &from), TESS_OK);
    ck_assert_int_eq(tessi_store_artefact_create(C, "again.h5", "codes", &a), TESS_OK);
    ck_assert_int_eq(tess_artefact_copy_rows(C, a, "some", from, 5, row, NULL), TESS_OK);
    finish(a, digest[0]);
    ck_assert_int_eq(tessi_store_artefact_open(C, "again.h5", &a), TESS_OK);
    struct tess_tensor got = load(a, "some", TESS_I32);
    ck_assert(got.dim[0] == 5 && memcmp(got.data, want, sizeof want) == 0);
    tess_free(got.data);
    tessi_store_artefact_close(a);
    ck_assert_int_eq(tessi_store_artefact_create(C, "not.h5", "codes", &a), TESS_OK);
    ck_assert_int_eq(tess_artefact_copy_rows(C, a, "some", from, 1, &beyond, NULL), TESS_E_VALUE);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(C), "/some has 4 rows, row 4 was asked for"));
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(from);
}
END_TEST

/* ---- training ------------------------------------------------------------------------------------------------------ */

static int turns(uint64_t seed, int64_t step, int64_t sample)
{
    struct tess_stream s = {.seed = seed, .purpose = tess_purpose("train.flip"), .step = (uint32_t)step, .sample = (uint32_t)sample};
    float u;
    tess_random_uniform(&s, 0, 1, &u);
    return u < 0.5f;
}

/* Trains one step over every training image, once with drawn flips and once on a data set that holds the same images flipped. */
static int one_step(uint64_t seed, int each)
{
    static const char *const learnt[] = {"curve", "weights/quantizer/codebook", "weights/encoder/blocks/0/weight",
                                         "weights/decoder/blocks/0/weight"};
    int64_t image[SMALL_COUNT];
    int flipped[SMALL_COUNT] = {0}, turned = 0;
    char number[24], how[32];
    for (int64_t i = 0; i < SMALL_COUNT; i++)
        image[i] = i;
    for (int64_t i = 0; i < SMALL_TRAIN; i++)
        turned += flipped[tess_training_sample(seed, SMALL_TRAIN, i)] = turns(seed, 0, each ? i : 0);
    write_images("turned", SMALL_COUNT, image, flipped);
    snprintf(number, sizeof number, "tokenizer.seed=%d", (int)seed);
    snprintf(how, sizeof how, "tokenizer.flip=%s", each ? "image" : "batch");
    works(ATTEMPT(.workdir = "drawn", .until = "tokenizer", .override = {number, how, "tokenizer.steps=1", "tokenizer.batch=33"}));
    works(ATTEMPT(.workdir = "explicit", .until = "tokenizer",
                  .override = {number, "tokenizer.steps=1", "tokenizer.batch=33", "images.source.images=turned"}));
    struct tess_artefact *a = result("drawn", "tokenizer"), *b = result("explicit", "tokenizer");
    for (size_t i = 0; i < sizeof learnt / sizeof *learnt; i++)
        same_dataset(a, b, learnt[i], TESS_F32);
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
    return turned;
}

START_TEST(training_turns_over_what_the_draws_say)
{
    int some = 0, all = 0, none = 0;
    for (uint64_t seed = 0; seed < 4; seed++) {
        int turned = one_step(seed, 1);
        some += turned > 0 && turned < SMALL_TRAIN;
        turned = one_step(seed, 0);
        all += turned == SMALL_TRAIN;
        none += turned == 0;
    }
    ck_assert_int_eq(some, 4);
    ck_assert(all > 0 && none > 0 && all + none == 4);
}
END_TEST

START_TEST(threads_do_not_count)
{
    static const char *const how[] = {"tokenizer.flip=none", "tokenizer.flip=image", "tokenizer.flip=batch"};
    char digest[3][TESS_DIGEST_TEXT];
    for (int i = 0; i < 3; i++) {
        works(ATTEMPT(.workdir = "one", .threads = 1, .until = "tokenizer", .override = {how[i]}));
        works(ATTEMPT(.workdir = "two", .threads = 2, .until = "tokenizer", .override = {how[i]}));
        stage_bench_same("one", "two", "tokenizer");
        struct tess_artefact *a = result("one", "tokenizer");
        snprintf(digest[i], sizeof digest[i], "%s", tess_artefact_digest(a));
        tessi_store_artefact_close(a);
    }
    ck_assert_str_ne(digest[0], digest[1]);
    ck_assert_str_ne(digest[0], digest[2]);
    ck_assert_str_ne(digest[1], digest[2]);
}
END_TEST

START_TEST(training_goes_on_where_it_stopped)
{
    const struct attempt wild = {
        .workdir = "wild", .until = "tokenizer", .threads = 1, .override = {"tokenizer.flip=image", "tokenizer.steps=100"}};
    works(ATTEMPT(.workdir = "calm", .until = "tokenizer", .threads = 1, .override = {"tokenizer.flip=image", "tokenizer.steps=100"}));
    ck_assert_int_gt(stage_bench_interrupt(&wild, 11), 2);
    stage_bench_same("calm", "wild", "tokenizer");
}
END_TEST

START_TEST(what_is_refused)
{
    refused(ATTEMPT(.plan_only = 1, .override = {"codes.flip=image"}), TESS_E_VALUE, "`flip` wants one of none, both");
    refused(ATTEMPT(.plan_only = 1, .override = {"tokenizer.flip=both"}), TESS_E_VALUE, "`flip` wants one of none, image, batch");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flips");
    TCase *t = tcase_create("flips");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, stage_bench_setup, stage_bench_teardown);
    tcase_add_test(t, codes_are_those_of_flipped_images);
    tcase_add_test(t, a_prior_learns_from_them);
    tcase_add_test(t, encoding_goes_on_where_it_stopped);
    tcase_add_test(t, rows_are_copied_in_any_order);
    tcase_add_test(t, training_turns_over_what_the_draws_say);
    tcase_add_test(t, threads_do_not_count);
    tcase_add_test(t, training_goes_on_where_it_stopped);
    tcase_add_test(t, what_is_refused);
    suite_add_tcase(s, t);
    return suite_run(s);
}
