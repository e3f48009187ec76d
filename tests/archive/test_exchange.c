/* Exports, read back by their formats' rules, and imports of what other programs write. SPDX-License-Identifier: MIT */
#include "core/archive/archive.h"
#include "kit/archive/code_arrays.h"
#include "tests/support/archive_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int exported(const char *from, const char *to, int format)
{
    char in[256], out[256];
    snprintf(in, sizeof in, "%s", store_path(from));
    snprintf(out, sizeof out, "%s", store_path(to));
    return tessi_archive_export(C, &(struct tessi_archive_export){.from = in, .to = out, .format = format});
}

static long file_read(const char *name, uint8_t *to, long capacity)
{
    FILE *f = fopen(store_path(name), "rb");
    ck_assert_ptr_nonnull(f);
    long n = (long)fread(to, 1, (size_t)capacity, f);
    fclose(f);
    return n;
}

static uint8_t bytes[1 << 20];

/* HDF5 for readers that know little of it: the same content, in whole bytes without filters of HDF5's own. */
START_TEST(portable)
{
    const struct archive_shard s = {.codebook_size = 1000, .height = 16, .width = 16};
    struct tess_tensor shape;
    struct tess_artefact *a, *b;
    struct tessi_archive_counts counts;
    int32_t bits;
    int64_t stored, i = 0;
    const char *name;
    char path[256];
    store_setup();
    archive_setup("a", 3, &s);
    store_ok(exported("a", "o.h5", TESSI_ARCHIVE_HDF5));
    snprintf(path, sizeof path, "%s", store_path("o.h5"));
    store_ok(tessi_archive_verify(C, &(struct tessi_archive_verify){.path = path, .processes = 1, .deep = 1}, &counts));
    ck_assert(counts.faults == 0 && counts.rows == 64);
    store_ok(tessi_store_artefact_open(C, store_path("o.h5"), &a));
    for (; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)) && strcmp(name, "codes") != 0;)
        i++;
    ck_assert(name && bits == 16 && shape.dtype == TESS_U16);
    store_ok(tessi_store_artefact_open(C, store_path("a"), &b));
    int32_t one[256], other[256];
    for (int64_t row = 0; row < 64; row += 7) {
        struct tess_tensor t = tess_tensor_over(one, TESS_I32, 3, (int64_t[]){1, 16, 16});
        store_ok(tess_artefact_read(C, a, "codes", row, &t));
        t.data = other;
        store_ok(tess_artefact_read(C, b, "codes", row, &t));
        ck_assert_int_eq(memcmp(one, other, sizeof one), 0);
    }
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
    store_teardown();
}
END_TEST

/* Item of a row of the archive without crops. */
static int64_t item_of(int64_t row)
{
    int64_t item = 0;
    for (;; item++)
        if (!archive_is_skipped(item) && row-- == 0)
            return item;
}

START_TEST(npy)
{
    const struct archive_shard s = {.codebook_size = 1000, .depth = 2};
    const int64_t sizes[2] = {1000, 1000};
    int32_t row[32], label[64];
    struct code_arrays a = {.files = 0};
    store_setup();
    archive_setup("a", 3, &s);
    store_ok(exported("a", "o.npy", TESSI_ARCHIVE_NPY));
    long n = file_read("o.npy", bytes, sizeof bytes);
    ck_assert_int_eq(n, 128 + 64 * 32 * 2);
    ck_assert_ptr_nonnull(strstr((char *)bytes + 10, "'descr': '<u2', 'fortran_order': False, 'shape': (64, 4, 4, 2)"));
    store_ok(code_arrays_open(C, &a, store_path("o.npy"), 32));
    ck_assert(a.items == 64 && a.views == 1);
    for (int64_t i = 0; i < 64; i++) {
        store_ok(code_arrays_read(C, &a, 0, i, 2, sizes, row));
        for (int64_t k = 0; k < 32; k++)
            ck_assert_int_eq(row[k], archive_code(&s, item_of(i), k));
    }
    const int64_t small[2] = {1000, 3};
    store_fails(code_arrays_read(C, &a, 0, 0, 2, small, row), TESS_E_DATA, "o.npy", "map 0", "codes 0 to 2 at that level", NULL);
    code_arrays_close(&a);
    store_fails(code_arrays_open(C, &a, store_path("o.npy"), 33), TESS_E_DATA, "no whole number of maps of 33", NULL);
    code_arrays_close(&a);
    store_ok(code_arrays_labels(C, store_path("o.labels.npy"), 64, 5, label));
    ck_assert_int_eq(label[10], item_of(10) % 5);
    store_fails(code_arrays_labels(C, store_path("o.labels.npy"), 63, 5, label), TESS_E_DATA, "64 labels for 63 images", NULL);
    store_teardown();
}
END_TEST

/* Files an image, as programs write them that make ten crops of each: in the order of their numbers, not of their names' bytes. */
START_TEST(files_by_number)
{
    struct code_arrays a = {.files = 0};
    int32_t row[4];
    const int64_t size = 100;
    store_setup();
    archive_folder("f");
    for (int i = 0; i < 12; i++) {
        char name[32];
        snprintf(name, sizeof name, "f/%d.npy", i);
        FILE *f = fopen(store_path(name), "wb");
        char header[129];
        snprintf(header, sizeof header, "%-117s\n", "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 2, 4), }");
        fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, f);
        fwrite(header, 1, 118, f);
        for (int64_t k = 0; k < 8; k++) {
            int64_t code = i * 8 + k;
            fwrite(&code, sizeof code, 1, f);
        }
        fclose(f);
    }
    store_ok(code_arrays_open(C, &a, store_path("f"), 4));
    ck_assert(a.items == 12 && a.rows == 24 && a.views == 2);
    store_ok(code_arrays_read(C, &a, 11, 1, 1, &size, row));
    ck_assert_int_eq(row[3], 11 * 8 + 7);
    code_arrays_close(&a);
    store_teardown();
}
END_TEST

/* Value of an octal field of a tar header. */
static long octal(const uint8_t *at)
{
    return strtol((const char *)at, NULL, 8);
}

START_TEST(tar)
{
    const struct archive_shard s = {0};
    store_setup();
    archive_setup("a", 2, NULL);
    store_ok(exported("a", "o.tar", TESSI_ARCHIVE_TAR));
    long n = file_read("o.tar", bytes, sizeof bytes), at = 0, rows = 0;
    ck_assert_int_eq(n % 10240, 0);
    while (bytes[at]) {
        char want[40];
        static const char *const endings[] = {"npy", "cls", "txt"};
        for (int k = 0; k < 3; k++) {
            unsigned sum = 8 * ' ';
            long size = octal(bytes + at + 124);
            for (int i = 0; i < 512; i++)
                sum += i < 148 || i >= 156 ? bytes[at + i] : 0;
            ck_assert_int_eq(octal(bytes + at + 148), sum);
            snprintf(want, sizeof want, "%09ld.%s", rows, endings[k]);
            ck_assert_str_eq((char *)bytes + at, want);
            if (k == 0)
                for (int i = 0; i < 16; i++)
                    ck_assert_int_eq(bytes[at + 512 + 128 + i], archive_code(&s, item_of(rows), i));
            at += 512 + (size + 511) / 512 * 512;
        }
        rows++;
    }
    ck_assert_int_eq(rows, 43);
    store_teardown();
}
END_TEST

START_TEST(others)
{
    struct tess_tensor picture;
    const struct archive_shard s = {.codebook_size = 70000};
    store_setup();
    archive_setup("a", 1, &s);
    store_ok(exported("a", "o.safetensors", TESSI_ARCHIVE_SAFETENSORS));
    long n = file_read("o.safetensors", bytes, sizeof bytes), header = bytes[0] | bytes[1] << 8;
    ck_assert_ptr_nonnull(strstr((char *)bytes + 8, "\"codes\":{\"dtype\":\"I32\",\"shape\":[21,4,4],\"data_offsets\":[0,1344]}"));
    ck_assert_int_eq(n, 8 + header + 21 * 16 * 4 + 21 * 4 + 70000 * 2 * 4);
    int32_t code;
    memcpy(&code, bytes + 8 + header + 4 * 17, sizeof code);
    ck_assert_int_eq(code, archive_code(&s, item_of(1), 1));
    store_ok(exported("a", "png", TESSI_ARCHIVE_PNG));
    store_ok(tessi_store_png_read(C, store_path("png/00000/000000002.png"), &picture));
    const uint8_t *p = (const uint8_t *)picture.data + 3 * 5;
    ck_assert_int_eq(p[0] * 65536 + p[1] * 256 + p[2], archive_code(&s, item_of(2), 5));
    tess_free(picture.data);
    ck_assert(!store_exists("png.partial"));
    store_ok(exported("a", "png", TESSI_ARCHIVE_PNG)); /* it is there already */
    archive_write_shard("other.h5", &(struct archive_shard){.items = 20});
    store_fails(exported("other.h5", "png", TESSI_ARCHIVE_PNG), TESS_E_CREATE, "is there already", NULL);
    archive_write_shard("wrong.h5", &(struct archive_shard){.items = 20, .wrong_code = 1});
    archive_flip_code("other.h5"); /* so small a dataset has no checksum of its own */
    for (int f = TESSI_ARCHIVE_NPY; f <= TESSI_ARCHIVE_HDF5; f++)
        store_fails(exported("other.h5", "w", f), TESS_E_DATA, "it was changed or damaged", NULL);
    for (int f = TESSI_ARCHIVE_NPY; f <= TESSI_ARCHIVE_HDF5; f++) {
        store_fails(exported("wrong.h5", "w", f), TESS_E_DATA, "row 3 has code 41", NULL);
        ck_assert(!store_exists("w") && !store_exists("w.partial") && !store_unfinished("w"));
    }
    store_teardown();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("archive exchange");
    TCase *c = tcase_create("exchange");
    tcase_set_timeout(c, 20);
    tcase_add_test(c, portable);
    tcase_add_test(c, npy);
    tcase_add_test(c, files_by_number);
    tcase_add_test(c, tar);
    tcase_add_test(c, others);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
