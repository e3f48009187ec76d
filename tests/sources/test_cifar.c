/* The `cifar` source: made files of both sets, whole folders and single files; every label and pixel in its place; sizes and labels that
 * cannot be.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/source_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AREA = 1024 };

/* Image i of all files has pixels of a pattern of its own, label i % 10, or coarse i % 20 and fine i % 100. */
static uint8_t value(int64_t i, int64_t channel, int64_t p)
{
    return (uint8_t)((uint64_t)(i * 3 * AREA + channel * AREA + p) * 2654435761u >> 9);
}

static void make(const char *name, int hundred, int64_t first, int64_t n, long more)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", source.folder, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    for (int64_t i = first; i < first + n; i++) {
        if (hundred)
            fputc((int)(i % 20), f);
        fputc((int)(hundred ? i % 100 : i % 10), f);
        for (int64_t channel = 0; channel < 3; channel++)
            for (int64_t p = 0; p < AREA; p++)
                fputc(value(i, channel, p), f);
    }
    for (; more > 0; more--)
        fputc(255, f);
    ck_assert_int_eq(fclose(f), 0);
    if (more < 0)
        ck_assert_int_eq(truncate(path, (off_t)(n * (3 * AREA + 1 + hundred) + more)), 0);
}

static int open_source(const char *name, const char *more)
{
    char config_text[256];
    snprintf(config_text, sizeof config_text, "{use: cifar, path: %s/%s%s}", source.folder, name, more);
    return source_open(config_text);
}

static void refused(int status, int code, const char *words)
{
    const char *message = tessi_base_context_message(source.ctx);
    ck_assert_msg(status == code && strstr(message, words), "wanted %d: %s\nfound  %d: %s", code, words, status, message);
    tessi_base_context_clear(source.ctx);
}

/* `n` images from number `first` on, labels being numbers modulo `classes`. */
static void holds(int64_t first, int64_t n, int64_t classes)
{
    struct tess_image im = {.size = sizeof im};
    int64_t h, w, ch;
    source.ops->shape(source.self, &h, &w, &ch);
    ck_assert(h == 32 && w == 32 && ch == 3 && source.ops->names(source.self) == 0);
    ck_assert_int_eq(source.ops->labels(source.self), classes);
    ck_assert_int_eq(source.ops->count(source.self), n);
    for (int64_t k = 0; k < n; k++) {
        int64_t i = k * 7 % n;
        fixture_ok(&source.fixture, source.ops->read(source.self, source.ctx, i, &im));
        ck_assert_int_eq(im.label, (first + i) % classes);
        for (int64_t p = 0; p < AREA; p++)
            for (int64_t channel = 0; channel < 3; channel++)
                ck_assert_int_eq(im.pixels[3 * p + channel], value(first + i, channel, p));
    }
    tess_image_free(&im);
}

START_TEST(ten_classes)
{
    char name[32];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "data_batch_%d.bin", i + 1);
        make(name, 0, 4 * i, 4, 0);
    }
    make("test_batch.bin", 0, 20, 3, 0);
    fixture_ok(&source.fixture, open_source(".", ""));
    holds(0, 20, 10);
    fixture_ok(&source.fixture, open_source(".", ", part: test"));
    holds(20, 3, 10);
    fixture_ok(&source.fixture, open_source(".", ", part: all"));
    holds(0, 23, 10);
    fixture_ok(&source.fixture, open_source("data_batch_3.bin", ""));
    holds(8, 4, 10);
    ck_assert_str_eq(source_content(1), source_content(1));
    ck_assert_str_ne(source_content(1), source_content(2));
}
END_TEST

START_TEST(hundred_classes)
{
    make("train.bin", 1, 0, 105, 0);
    make("test.bin", 1, 105, 4, 0);
    fixture_ok(&source.fixture, open_source(".", ", set: cifar-100"));
    holds(0, 105, 100);
    fixture_ok(&source.fixture, open_source(".", ", set: cifar-100, part: all, labels: coarse"));
    holds(0, 109, 20);
}
END_TEST

START_TEST(what_cannot_be)
{
    char path[128];
    struct tess_image im = {.size = sizeof im};
    refused(open_source(".", ""), TESS_E_IO, "/data_batch_1.bin: cannot be read: No such file or directory; check the path");
    refused(open_source("nowhere", ""), TESS_E_IO, "nowhere/data_batch_1.bin: cannot be read");
    refused(open_source(".", ", labels: coarse"), TESS_E_VALUE, "CIFAR-10 has no coarse labels");
    make("cut.bin", 0, 0, 4, -1);
    refused(open_source("cut.bin", ""), TESS_E_DATA, "cut.bin: has 12291 bytes, and records of CIFAR-10 have 3073; fetch the file again");
    make("long.bin", 0, 0, 4, 1);
    refused(open_source("long.bin", ""), TESS_E_DATA, "long.bin: has 12293 bytes");
    make("empty.bin", 0, 0, 0, 0);
    refused(open_source("empty.bin", ""), TESS_E_DATA, "empty.bin: has 0 bytes");
    make("other.bin", 1, 0, 4, 0);
    refused(open_source("other.bin", ""), TESS_E_DATA, "or set `set`");
    make("label.bin", 0, 0, 2, 3073);
    fixture_ok(&source.fixture, open_source("label.bin", ""));
    fixture_ok(&source.fixture, source.ops->read(source.self, source.ctx, 1, &im));
    refused(source.ops->read(source.self, source.ctx, 2, &im), TESS_E_ITEM, "label.bin: record 2 has label 255 of 10 classes");
    ck_assert_str_eq(im.reason, "has label 255 of 10 classes");
    ck_assert_str_eq(im.name, "2");
    make("label.bin", 0, 0, 1, 0); /* shorter, while it is open */
    refused(source.ops->read(source.self, source.ctx, 1, &im), TESS_E_IO, "label.bin: became shorter since it was opened; run again");
    make("label.bin", 0, 0, 9, 0);
    refused(source.ops->read(source.self, source.ctx, 1, &im), TESS_E_IO, "label.bin: became longer since it was opened; run again");
    make("label.bin", 0, 0, 3, 0);
    fixture_ok(&source.fixture, open_source("label.bin", ""));
    fixture_ok(&source.fixture, source.ops->read(source.self, source.ctx, 0, &im));
    snprintf(path, sizeof path, "%s/label.bin", source.folder);
    ck_assert_int_eq(unlink(path), 0); /* the source keeps the file open */
    fixture_ok(&source.fixture, source.ops->read(source.self, source.ctx, 1, &im));
    tess_image_free(&im);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cifar");
    TCase *t = tcase_create("cifar");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, source_setup, source_teardown);
    tcase_add_test(t, ten_classes);
    tcase_add_test(t, hundred_classes);
    tcase_add_test(t, what_cannot_be);
    suite_add_tcase(s, t);
    return suite_run(s);
}
