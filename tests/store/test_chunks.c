/* Chunks read without HDF5 are what HDF5 reads: every precision, shape and filter; by many threads at once; and damage is told as HDF5
 * tells it. SPDX-License-Identifier: MIT */
#include "core/base/inject.h"
#include "core/base/memory.h"
#include "core/base/workers.h"
#include "core/store/store_private.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define D(...) (&(struct tess_dataset){.size = sizeof(struct tess_dataset), __VA_ARGS__})

/* ---- the codecs ---------------------------------------------------------------------------------------------------- */

/* Fletcher's checksum as HDF5 defines it: sums of 16 bits with the carry added, folded after at most 360 words. */
static uint32_t checksum_by_definition(const unsigned char *data, size_t bytes)
{
    uint32_t s1 = 0, s2 = 0;
    size_t words = bytes / 2;
    while (words) {
        size_t n = words > 360 ? 360 : words;
        words -= n;
        for (; n; n--, data += 2) {
            s1 += (uint32_t)data[0] << 8 | data[1];
            s2 += s1;
        }
        s1 = (s1 & 0xffff) + (s1 >> 16);
        s2 = (s2 & 0xffff) + (s2 >> 16);
    }
    if (bytes % 2) {
        s1 += (uint32_t)*data << 8;
        s2 += s1;
        s1 = (s1 & 0xffff) + (s1 >> 16);
        s2 = (s2 & 0xffff) + (s2 >> 16);
    }
    s1 = (s1 & 0xffff) + (s1 >> 16);
    s2 = (s2 & 0xffff) + (s2 >> 16);
    return s2 << 16 | s1;
}

START_TEST(checksums)
{
    enum { BYTES = 300001 };
    unsigned char *data = malloc(BYTES);
    for (int kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < BYTES; i++)
            data[i] = (unsigned char)(kind == 0 ? 0 : kind == 1 ? 255 : kind == 2 ? store_number(i) : i + 1 == BYTES);
        for (size_t n = 0; n < BYTES; n += n < 1500 ? 1 : 33331)
            ck_assert_uint_eq(tessi_store_fletcher32(data, n), checksum_by_definition(data, n));
        ck_assert_uint_eq(tessi_store_fletcher32(data, BYTES), checksum_by_definition(data, BYTES));
    }
    free(data);
}
END_TEST

/* Bits first * precision on, the highest first. */
static uint32_t bits_by_definition(const unsigned char *packed, int64_t i, int precision)
{
    uint32_t value = 0;
    for (int64_t bit = i * precision; bit < (i + 1) * precision; bit++)
        value = value << 1 | (packed[bit / 8] >> (7 - bit % 8) & 1);
    return value;
}

START_TEST(unpacking)
{
    enum { COUNT = 70 };
    unsigned char packed[COUNT * 4 + 8];
    union {
        uint8_t u8[COUNT];
        uint16_t u16[COUNT];
        uint32_t u32[COUNT];
    } to;
    for (size_t i = 0; i < sizeof packed; i++)
        packed[i] = (unsigned char)store_number(i);
    for (int precision = 1; precision < 32; precision++)
        for (int64_t first = 0; first < 12; first++)
            for (int64_t n = 0; n + first <= COUNT; n += n < 9 ? 1 : 13) {
                size_t size = precision <= 8 ? 1 : precision <= 16 ? 2 : 4;
                tessi_store_unpack(packed, first, n, precision, size, &to);
                for (int64_t i = 0; i < n; i++) {
                    uint32_t found = size == 1 ? to.u8[i] : size == 2 ? to.u16[i] : to.u32[i];
                    ck_assert_uint_eq(found, bits_by_definition(packed, first + i, precision));
                }
            }
}
END_TEST

/* ---- datasets ------------------------------------------------------------------------------------------------------ */

enum { ROWS = 700, ROW = 60 };

/* Writes one dataset, and reads it by HDF5. */
static void write_and_read(int32_t dtype, int32_t bits, int compress, int by_row, void *by_hdf5)
{
    static int32_t data[ROWS * ROW];
    for (int64_t i = 0; i < ROWS * ROW; i++) {
        uint32_t x = store_number((uint64_t)(i + bits)), mask = bits ? (1u << bits) - 1 : UINT32_MAX;
        x = i % 7 == 0 ? mask : i % 11 == 0 ? 0 : i / ROW % 3 == 1 ? x & mask & 3 : x & mask;
        if (dtype == TESS_U8)
            ((uint8_t *)data)[i] = (uint8_t)x;
        else if (dtype == TESS_U16)
            ((uint16_t *)data)[i] = (uint16_t)x;
        else
            data[i] = (int32_t)x;
    }
    struct tess_tensor t = tess_tensor_over(data, dtype, 3, (int64_t[]){ROWS, 6, ROW / 6});
    struct tess_artefact *a = store_create("t.h5", "other");
    store_ok(tess_artefact_put(C, a, "x", &t, D(.bits = bits, .compress = compress, .by_row = by_row)));
    store_finish(a, NULL);
    hid_t file = H5Fopen(store_path("t.h5"), H5F_ACC_RDONLY, H5P_DEFAULT), d = H5Dopen2(file, "x", H5P_DEFAULT), type = H5Dget_type(d);
    ck_assert(H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, by_hdf5) >= 0);
    H5Tclose(type);
    H5Dclose(d);
    H5Fclose(file);
}

static void compare_rows(struct tess_artefact *a, const char *by_hdf5, int64_t first, int64_t n)
{
    static char here[ROWS * ROW * 4];
    struct tess_tensor t;
    store_ok(tess_artefact_shape(C, a, "x", &t));
    size_t row = tess_tensor_bytes(&t) / ROWS;
    t.dim[0] = n;
    t.data = here;
    memset(here, 0xa5, (size_t)n * row);
    store_ok(tess_artefact_read(C, a, "x", first, &t));
    ck_assert_int_eq(memcmp(here, by_hdf5 + (size_t)first * row, (size_t)n * row), 0);
}

START_TEST(every_precision_is_what_hdf5_reads)
{
    static char by_hdf5[ROWS * ROW * 4];
    for (int32_t bits = 0; bits < 32; bits++)
        for (int how = 0; how < 4; how++) {
            int32_t dtype = bits ? TESS_I32 : how % 2 ? TESS_F32 : TESS_I32;
            write_and_read(dtype, bits, how % 2, how / 2, by_hdf5);
            struct tess_artefact *a = store_open("t.h5");
            compare_rows(a, by_hdf5, 0, ROWS);
            compare_rows(a, by_hdf5, 1, ROWS - 1);
            for (int i = 0; i < 40; i++)
                compare_rows(a, by_hdf5, (int64_t)(store_number((uint64_t)i) % (ROWS - 3)), 1 + i % 3);
            int64_t done;
            struct tessi_entry *e = tessi_store_entry_find(a, "x");
            static char here[ROWS * ROW * 4];
            store_ok(tessi_store_chunks_read(C, a, e, 3, 5, here, &done)); /* the rows were not read by HDF5 */
            ck_assert_int_eq(done, e->chunked ? 5 : 0);
            ck_assert(e->chunked || bits == 8 || !bits); /* a small dataset that is not packed lies in one piece */
            tessi_store_artefact_close(a);
        }
}
END_TEST

/* Labels, which have one dimension, and rows so long that each is a chunk by itself are read so as well. */
START_TEST(one_dimension_and_chunks_of_one_row)
{
    enum { LONG = 40000, COUNT = 5 * LONG };
    static int32_t data[COUNT], here[COUNT];
    for (int64_t i = 0; i < COUNT; i++)
        data[i] = (int32_t)(store_number((uint64_t)i) % 1000);
    const struct tess_tensor shape[2] = {tess_tensor_over(data, TESS_I32, 1, (int64_t[]){COUNT}),
                                         tess_tensor_over(data, TESS_I32, 2, (int64_t[]){5, LONG})};
    for (int k = 0; k < 2; k++) {
        struct tess_artefact *a = store_create("t.h5", "other");
        store_ok(tess_artefact_put(C, a, "x", &shape[k], D(.bits = 10, .compress = 1, .by_row = k)));
        store_finish(a, NULL);
        a = store_open("t.h5");
        struct tessi_entry *e = tessi_store_entry_find(a, "x");
        struct tess_tensor t = shape[k];
        t.dim[0] = k ? 3 : 1000;
        t.data = here;
        store_ok(tess_artefact_read(C, a, "x", 1, &t));
        ck_assert_int_eq(tessi_store_chunks_raw(e), 1);
        for (int64_t i = 0; i < tess_tensor_count(&t); i++)
            ck_assert_int_eq(here[i], data[(k ? LONG : 1) + i]);
        tessi_store_artefact_close(a);
    }
}
END_TEST

/* ---- damage -------------------------------------------------------------------------------------------------------- */

static void flip(int64_t at)
{
    FILE *f = fopen(store_path("t.h5"), "r+b");
    ck_assert_int_eq(fseek(f, (long)at, SEEK_SET), 0);
    int byte = getc(f);
    ck_assert(fseek(f, (long)at, SEEK_SET) == 0 && putc(byte ^ 1, f) >= 0);
    fclose(f);
}

/* A flipped bit in any chunk is found by every read of it, and by none of another. */
START_TEST(damage)
{
    static char by_hdf5[ROWS * ROW * 4], here[ROW * 4];
    int64_t refused = 0, row = 250;
    for (int compress = 0; compress < 2; compress++) {
        write_and_read(TESS_I32, 10, compress, 1, by_hdf5);
        struct tess_tensor t = tess_tensor_over(here, TESS_U16, 3, (int64_t[]){1, 6, ROW / 6});
        for (int64_t at = 700; at < store_size("t.h5"); at += 499) {
            struct tess_artefact *a;
            flip(at);
            if (tessi_store_artefact_open(C, store_path("t.h5"), &a) == TESS_OK) {
                int status = tess_artefact_read(C, a, "x", row, &t);
                if (status == TESS_OK)
                    ck_assert_int_eq(memcmp(here, by_hdf5 + row * ROW * 2, ROW * 2), 0);
                else
                    store_fails(status, TESS_E_DATA, "/x cannot be read", "damaged", NULL);
                refused += status != TESS_OK;
                ck_assert(tess_artefact_read(C, a, "x", row, &t) == status); /* the second reading gives it too */
                tessi_store_artefact_close(a);
            }
            tessi_base_context_clear(C);
            flip(at);
        }
    }
    ck_assert_int_ge(refused, 40);
}
END_TEST

/* A chunk that changes on the disk after HDF5 said where it is. */
START_TEST(damage_later)
{
    static char by_hdf5[ROWS * ROW * 4], here[ROW * 4];
    struct tess_tensor t = tess_tensor_over(here, TESS_U16, 3, (int64_t[]){1, 6, ROW / 6});
    int found = 0;
    write_and_read(TESS_I32, 10, 0, 1, by_hdf5);
    struct tess_artefact *a = store_open("t.h5");
    compare_rows(a, by_hdf5, 0, ROWS);
    tessi_store_chunk_cache_free(a->own_cache); /* all places empty again */
    store_ok(tessi_store_chunk_cache_new(C, &a->own_cache));
    a->cache = a->own_cache;
    for (int64_t at = 4096; at < store_size("t.h5") - 4096; at += 1024)
        flip(at);
    for (int64_t row = 0; row < ROWS; row += 50)
        if (tess_artefact_read(C, a, "x", row, &t) != TESS_OK) {
            found++;
            store_fails(TESS_E_DATA, TESS_E_DATA, "/x cannot be read", "damaged", NULL);
        }
    ck_assert_int_ge(found, 10);
    tessi_store_artefact_close(a);
}
END_TEST

/* A file that is cut off while it is open: what is left can be read, the rest is refused. */
START_TEST(cut_off_later)
{
    static char by_hdf5[ROWS * ROW * 4], here[ROW * 4];
    struct tess_tensor t = tess_tensor_over(here, TESS_U16, 3, (int64_t[]){1, 6, ROW / 6});
    int found = 0;
    write_and_read(TESS_I32, 10, 0, 1, by_hdf5);
    struct tess_artefact *a = store_open("t.h5");
    compare_rows(a, by_hdf5, 0, ROWS);
    tessi_store_chunk_cache_free(a->own_cache); /* all places empty again */
    store_ok(tessi_store_chunk_cache_new(C, &a->own_cache));
    a->cache = a->own_cache;
    ck_assert_int_eq(truncate(store_path("t.h5"), store_size("t.h5") / 2), 0);
    for (int64_t row = 0; row < ROWS; row += 50) {
        int status = tess_artefact_read(C, a, "x", row, &t);
        if (status == TESS_OK)
            ck_assert_int_eq(memcmp(here, by_hdf5 + row * ROW * 2, ROW * 2), 0);
        else
            store_fails(status, TESS_E_DATA, "/x cannot be read: the file was cut off after it was opened", NULL);
        found += status != TESS_OK;
    }
    ck_assert(found >= 5 && found < ROWS / 50);
    tessi_store_artefact_close(a);
}
END_TEST

/* A disk that refuses to be read: an error that says so, never other values. */
START_TEST(disk_refuses)
{
    static char by_hdf5[ROWS * ROW * 4], here[ROW * 4];
    struct tess_tensor t = tess_tensor_over(here, TESS_U16, 3, (int64_t[]){1, 6, ROW / 6});
    write_and_read(TESS_I32, 10, 0, 1, by_hdf5);
    struct tess_artefact *a = store_open("t.h5");
    compare_rows(a, by_hdf5, 600, 1);
    ck_assert_ptr_null(tessi_base_inject_plan("EIO@read:1+"));
    store_fails(tess_artefact_read(C, a, "x", 100, &t), TESS_E_IO, "cannot be read", "look at the disk", NULL);
    ck_assert_ptr_null(tessi_base_inject_plan("EINTR@read:1"));
    tessi_store_artefact_close(a);
    a = store_open("t.h5");
    compare_rows(a, by_hdf5, 100, 1);
    ck_assert_ptr_null(tessi_base_inject_plan(NULL));
    tessi_store_artefact_close(a);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------------------------------- */

struct reading {
    const struct tess_artefact *a;
    const char *by_hdf5;
    _Atomic int failures;
};

static void read_one(void *user, int worker, int64_t i)
{
    struct reading *r = user;
    struct tessi_context own;
    char here[3 * ROW * 4];
    int64_t row = store_number((uint64_t)i) % (ROWS - 3), n = 1 + i % 3;
    struct tess_tensor t = tess_tensor_over(here, TESS_U16, 3, (int64_t[]){n, 6, ROW / 6});
    (void)worker;
    tessi_base_context_init(&own, NULL);
    if (tess_artefact_read(&own.context, r->a, "x", row, &t) != TESS_OK ||
        memcmp(here, r->by_hdf5 + row * ROW * 2, (size_t)n * ROW * 2) != 0)
        r->failures++;
}

START_TEST(threads)
{
    static char by_hdf5[ROWS * ROW * 4];
    struct tessi_workers *w;
    write_and_read(TESS_I32, 9, 0, 1, by_hdf5);
    struct tess_artefact *a = store_open("t.h5");
    struct reading r = {.a = a, .by_hdf5 = by_hdf5};
    store_ok(tessi_base_workers_new(C, 4, &w));
    tessi_base_workers_run(w, 20000, read_one, &r);
    tessi_base_workers_free(w);
    ck_assert_int_eq(r.failures, 0);
    tessi_store_artefact_close(a);
}
END_TEST

/* Chunks of rows stay in memory for the next rows; those of a dataset that was read whole do not. */
START_TEST(nothing_stays_of_a_whole_reading)
{
    static char by_hdf5[ROWS * ROW * 4];
    write_and_read(TESS_I32, 10, 1, 1, by_hdf5);
    struct tess_artefact *a = store_open("t.h5");
    compare_rows(a, by_hdf5, 0, ROWS);
    int64_t whole = tessi_base_memory_in_use();
    compare_rows(a, by_hdf5, 0, ROWS);
    ck_assert_int_eq(tessi_base_memory_in_use(), whole);
    compare_rows(a, by_hdf5, 0, ROWS - 1);
    ck_assert_int_gt(tessi_base_memory_in_use(), whole + ROWS * ROW / 2);
    tessi_store_artefact_close(a);
}
END_TEST

int main(void)
{
    (void)H5dont_atexit();
    Suite *s = suite_create("chunks");
    TCase *t = tcase_create("chunks");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, store_setup, store_teardown);
    tcase_add_test(t, checksums);
    tcase_add_test(t, unpacking);
    tcase_add_test(t, every_precision_is_what_hdf5_reads);
    tcase_add_test(t, one_dimension_and_chunks_of_one_row);
    tcase_add_test(t, damage);
    tcase_add_test(t, damage_later);
    tcase_add_test(t, cut_off_later);
    tcase_add_test(t, disk_refuses);
    tcase_add_test(t, threads);
    tcase_add_test(t, nothing_stays_of_a_whole_reading);
    suite_add_tcase(s, t);
    return suite_run(s);
}
