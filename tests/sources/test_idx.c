/* The `idx` source: files of every legal form read as written, plain and gzipped; and every kind of damage refused with a sentence that
 * names the file, what was wanted and what was found.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/source_fixture.h"
#include "tests/support/suite.h"
#include "core/base/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { N = 12, H = 3, W = 5 };

/* ---- files --------------------------------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[4][128];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", source.folder, name);
    return path[next];
}

static uint8_t byte_at(int64_t i)
{
    return (uint8_t)((uint64_t)i * 2654435761u >> 7);
}

/* A header of `dims` dimensions, then `content` bytes of a pattern (labels: below 10). Packed when the name ends in .gz. */
static void make(const char *name, int type, int dims, const int64_t *dim, int64_t content)
{
    size_t length = strlen(name), bytes = 4 + 4 * (size_t)dims + (size_t)content;
    int packed = length > 3 && strcmp(name + length - 3, ".gz") == 0;
    uint8_t *all = calloc(bytes, 1), *at = all + 4;
    all[2] = (uint8_t)type;
    all[3] = (uint8_t)dims;
    for (int i = 0; i < dims; i++)
        for (int shift = 24; shift >= 0; shift -= 8)
            *at++ = (uint8_t)(dim[i] >> shift);
    for (int64_t i = 0; i < content; i++)
        *at++ = dims == 1 ? (uint8_t)(byte_at(i) % 10) : byte_at(i);
    gzFile f = gzopen(path_of(name), packed ? "wb" : "wbT");
    ck_assert_int_eq(gzwrite(f, all, (unsigned)bytes), (int)bytes);
    ck_assert_int_eq(gzclose(f), Z_OK);
    free(all);
}

static void make_images(const char *name)
{
    make(name, 8, 3, DIMS(N, H, W), N * H * W);
}

static void make_labels(const char *name)
{
    make(name, 8, 1, DIMS(N), N);
}

/* The file's first `keep` bytes (from the end where negative), and byte `at` turned over where at >= 0. */
static void damage(const char *name, long keep, long at)
{
    static uint8_t all[65536];
    FILE *f = fopen(path_of(name), "rb");
    size_t n = fread(all, 1, sizeof all, f);
    fclose(f);
    if (at >= 0)
        all[at] ^= 0xff;
    f = fopen(path_of(name), "wb");
    ck_assert_uint_gt(fwrite(all, 1, keep < 0 ? n - (size_t)-keep : keep > 0 ? (size_t)keep : n, f), 0);
    fclose(f);
}

static int open_source(const char *images, const char *labels)
{
    char config_text[400];
    snprintf(config_text, sizeof config_text, labels ? "{use: idx, images: %s, labels: %s}" : "{use: idx, images: %s}", path_of(images),
             labels ? path_of(labels) : "");
    return source_open(config_text);
}

static void refused(int status, int code, const char *const *words)
{
    const char *message = tessi_base_context_message(source.ctx);
    ck_assert_msg(status == code, "status %d, not %d: %s", status, code, message);
    for (; *words; words++)
        ck_assert_msg(strstr(message, *words) != NULL, "no `%s` in: %s", *words, message);
    ck_assert_msg(strchr(message, '\n') == NULL, "more than a line: %s", message);
    tessi_base_context_clear(source.ctx);
}
#define REFUSED(status, code, ...) refused(status, code, (const char *const[]){__VA_ARGS__, NULL})

static int read_one(int64_t i)
{
    struct tess_image im = {.size = sizeof im};
    int status = source.ops->read(source.self, source.ctx, i, &im);
    tess_image_free(&im);
    return status;
}

/* ---- what is right ------------------------------------------------------------------------------------------------- */

static void as_written(int64_t channels, int labelled)
{
    struct tess_image im = {.size = sizeof im};
    int64_t h, w, c, row = H * W * channels;
    ck_assert_int_eq(source.ops->count(source.self), N);
    source.ops->shape(source.self, &h, &w, &c);
    ck_assert(h == H && w == W && c == channels);
    ck_assert_int_eq(source.ops->names(source.self), 0);
    for (int64_t k = 0; k < N; k++) {
        int64_t i = k * 5 % N; /* any order */
        char name[16];
        snprintf(name, sizeof name, "%lld", (long long)i);
        fixture_ok(&source.fixture, source.ops->read(source.self, source.ctx, i, &im));
        ck_assert(im.height == H && im.width == W && im.channels == channels);
        ck_assert_str_eq(im.name, name);
        ck_assert_int_eq(im.label, labelled ? byte_at(i) % 10 : -1);
        for (int64_t j = 0; j < row; j++)
            ck_assert_int_eq(im.pixels[j], byte_at(i * row + j));
    }
    tess_image_free(&im);
}

START_TEST(reads_what_was_written)
{
    int64_t classes = 0;
    for (int64_t i = 0; i < N; i++)
        classes = byte_at(i) % 10 + 1 > classes ? byte_at(i) % 10 + 1 : classes;
    make_images("grey");
    make_images("grey.gz");
    make_labels("labels");
    make_labels("labels.gz");
    make("colour.gz", 8, 4, DIMS(N, H, W, 3), N * H * W * 3);
    fixture_ok(&source.fixture, open_source("grey", "labels"));
    as_written(1, 1);
    ck_assert_int_eq(source.ops->labels(source.self), classes);
    fixture_ok(&source.fixture, open_source("grey.gz", "labels.gz"));
    as_written(1, 1);
    fixture_ok(&source.fixture, open_source("colour.gz", NULL));
    as_written(3, 0);
    ck_assert_int_eq(source.ops->labels(source.self), 0);
}
END_TEST

static void *read_all(void *user)
{
    struct tessi_context context;
    struct tess_image im = {.size = sizeof im};
    int *wrong = user;
    tessi_base_context_init(&context, source.ctx->host);
    for (int64_t i = 0; i < N; i++) {
        *wrong += source.ops->read(source.self, &context.context, i, &im) != TESS_OK;
        for (int64_t j = 0; j < H * W; j++)
            *wrong += im.pixels[j] != byte_at(i * H * W + j);
    }
    tess_image_free(&im);
    return NULL;
}

START_TEST(is_read_by_many_threads)
{
    enum { THREADS = 8 };
    pthread_t thread[THREADS];
    int wrong[THREADS] = {0};
    make_images("grey.gz");
    fixture_ok(&source.fixture, open_source("grey.gz", NULL));
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, read_all, &wrong[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
        ck_assert_int_eq(wrong[i], 0);
    }
}
END_TEST

static const char *fingerprint(const char *images, const char *labels, char text[TESS_DIGEST_TEXT])
{
    struct tess_digest d;
    fixture_ok(&source.fixture, open_source(images, labels));
    tess_digest_start(&d);
    fixture_ok(&source.fixture, source.ops->fingerprint(source.self, source.ctx, &d));
    tess_digest_end(&d, text);
    return text;
}

START_TEST(fingerprint_is_of_the_bytes)
{
    char a[TESS_DIGEST_TEXT], b[TESS_DIGEST_TEXT];
    make_images("one");
    make_images("two");
    make_labels("labels");
    ck_assert_str_eq(fingerprint("one", NULL, a), fingerprint("two", NULL, b));
    ck_assert_str_ne(a, fingerprint("one", "labels", b));
    damage("two", 0, 60);
    ck_assert_str_ne(a, fingerprint("two", NULL, b));
}
END_TEST

/* ---- what is wrong ------------------------------------------------------------------------------------------------- */

START_TEST(missing_files)
{
    make_images("images");
    REFUSED(open_source("imags", NULL), TESS_E_IO, source.folder, "imags: cannot be read: No such file", "datasets/README.md");
    REFUSED(open_source("images", "labels"), TESS_E_IO, "labels: cannot be read: No such file");
    char config_text[] = "{use: idx, images: /usr/share/datasets/fashion-mnist/no-such-file.gz}";
    REFUSED(source_open(config_text), TESS_E_IO, "install the package dataset-fashion-mnist");
}
END_TEST

START_TEST(mislabelled_files)
{
    make_images("images.gz");
    make_labels("labels.gz");
    make("short", 8, 3, DIMS(N - 1, H, W), (N - 1) * H * W);
    make("float", 0x0d, 3, DIMS(N, H, W), N * H * W * 4);
    make("matrix", 8, 2, DIMS(N, H), N * H);
    make("empty", 8, 3, DIMS(0, H, W), 0);
    make("two-channels", 8, 4, DIMS(N, H, W, 2), N * H * W * 2);
    REFUSED(open_source("labels.gz", NULL), TESS_E_DATA, "labels.gz: holds labels (magic 00 00 08 01) where images were wanted",
            "exchanged?");
    REFUSED(open_source("images.gz", "images.gz"), TESS_E_DATA, "images.gz: holds images (magic 00 00 08 03) where labels were wanted");
    REFUSED(open_source("short", "labels.gz"), TESS_E_DATA, "labels.gz: has 12 labels for the 11 images of", "short");
    REFUSED(open_source("float", NULL), TESS_E_DATA, "float: holds elements of type 0d; bytes (type 08) are wanted");
    REFUSED(open_source("matrix", NULL), TESS_E_DATA, "matrix: holds an array of other dimensions (magic 00 00 08 02)");
    REFUSED(open_source("empty", NULL), TESS_E_DATA, "empty: dimension 0 is 0");
    REFUSED(open_source("two-channels", NULL), TESS_E_DATA, "two-channels: announces images of 3 x 5 x 2", "1 or 3 channels");
    damage("images.gz", 0, 1); /* no longer gzip: bytes as they are */
    REFUSED(open_source("images.gz", NULL), TESS_E_DATA, "images.gz: is not an IDX file: it begins with 1f 74", "check the name");
}
END_TEST

/* Pixels are looked at when they are needed: opening is cheap, and reading says what is the matter. */
START_TEST(damaged_files)
{
    make_images("images");
    damage("images", -7, -1);
    fixture_ok(&source.fixture, open_source("images", NULL));
    REFUSED(read_one(0), TESS_E_DATA, "images: is truncated: 196 bytes wanted, 189 found; fetch the file again");
    REFUSED(read_one(0), TESS_E_DATA, "images: is truncated"); /* the second opening says it again */
    make("long", 8, 3, DIMS(N, H, W), N * H * W + 1);
    fixture_ok(&source.fixture, open_source("long", NULL));
    REFUSED(read_one(0), TESS_E_DATA, "long: goes on after the 196 bytes its header announces");
    make_images("images.gz");
    damage("images.gz", -12, -1);
    fixture_ok(&source.fixture, open_source("images.gz", NULL));
    REFUSED(read_one(0), TESS_E_DATA, "images.gz: ", "fetch the file again");
    make_images("images.gz");
    damage("images.gz", 0, 150);
    int status = open_source("images.gz", NULL);
    REFUSED(status == TESS_OK ? read_one(0) : status, TESS_E_DATA, "images.gz: ", "fetch the file again");
    make_images("images");
    damage("images", 9, -1);
    REFUSED(open_source("images", NULL), TESS_E_DATA, "images: is truncated: 16 bytes wanted, 9 found");
    make_images("images");
    make_labels("labels");
    damage("labels", -2, -1);
    REFUSED(open_source("images", "labels"), TESS_E_DATA, "labels: is truncated: 20 bytes wanted, 18 found");
    make("labels", 8, 1, DIMS(N), N + 3);
    REFUSED(open_source("images", "labels"), TESS_E_DATA, "labels: goes on after the 20 bytes");
}
END_TEST

/* A header may promise anything: memory is had for what is there. */
START_TEST(headers_are_not_believed)
{
    make("huge", 8, 3, DIMS(0x7fffffff, 16, 16), 100);
    fixture_ok(&source.fixture, open_source("huge", NULL));
    REFUSED(read_one(0), TESS_E_DATA, "huge: is truncated: 549755813648 bytes wanted, 116 found");
    ck_assert_int_lt(tessi_base_memory_peak(), (int64_t)1 << 28);
    make("huger", 8, 3, DIMS(0xffffffff, 0xffffffff, 0xffffffff), 100);
    REFUSED(open_source("huger", NULL), TESS_E_DATA, "huger: announces images of 4294967295 x 4294967295 x 1");
    make("huge", 8, 3, DIMS(0xffffffff, 65536, 65536), 100);
    REFUSED(open_source("huge", NULL), TESS_E_DATA, "huge: announces 4294967295 images of 4294967296 bytes");
}
END_TEST

START_TEST(memory_runs_out)
{
    int failures = 0;
    make_images("images.gz");
    make_labels("labels");
    for (int64_t n = 1;; n++, failures++) {
        tessi_base_memory_fail_at(n);
        int status = open_source("images.gz", "labels");
        if (status == TESS_OK)
            status = read_one(3);
        tessi_base_memory_fail_at(0);
        if (status == TESS_OK)
            break;
        ck_assert_int_eq(status, TESS_E_MEMORY);
    }
    ck_assert_int_ge(failures, 3); /* labels, pixels, the image */
    as_written(1, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("idx");
    TCase *t = tcase_create("idx");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, source_setup, source_teardown);
    tcase_add_test(t, reads_what_was_written);
    tcase_add_test(t, is_read_by_many_threads);
    tcase_add_test(t, fingerprint_is_of_the_bytes);
    tcase_add_test(t, missing_files);
    tcase_add_test(t, mislabelled_files);
    tcase_add_test(t, damaged_files);
    tcase_add_test(t, headers_are_not_believed);
    tcase_add_test(t, memory_runs_out);
    suite_add_tcase(s, t);
    return suite_run(s);
}
