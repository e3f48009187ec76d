/* Layout of values in a file: the rows of a chunk; and any flipped bit of a file is noticed, or changes nothing that a reader finds
 * in it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- chunks -------------------------------------------------------------------------------------------------------- */

static int64_t waste(int64_t rows, int64_t chunk)
{
    return (chunk - rows % chunk) % chunk;
}

/* Rows of a chunk by the header's definition, every number tried. */
static int64_t chunk_by_definition(int64_t rows, int64_t row_bytes, int64_t least, int64_t max)
{
    int64_t best = 0;
    if (rows * row_bytes <= least || rows == 1)
        return rows;
    for (int64_t n = 1; n <= rows && n * row_bytes <= max; n++)
        if (n * row_bytes >= least && (!best || waste(rows, n) <= waste(rows, best)))
            best = n;
    return best ? best : max / row_bytes > 1 ? max / row_bytes < rows ? max / row_bytes : rows : 1;
}

START_TEST(chunks_waste_least)
{
    static const int64_t row_of[] = {1, 2, 3, 4, 7, 16, 49, 98, 127, 784, 1000, 4096, 16383, 16384, 16385, 65535, 65536, 65537, 196608};
    for (int by_row = 0; by_row < 2; by_row++) {
        int64_t least = by_row ? 16 << 10 : 256 << 10, max = by_row ? 32 << 10 : 1 << 20;
        for (size_t k = 0; k < sizeof row_of / sizeof *row_of; k++)
            for (int64_t i = 0; i < 60; i++) {
                int64_t edge = (i % 3 == 0 ? least : max) / row_of[k];
                int64_t rows = i < 24 ? 1 + i : edge * (i % 4 + 1) / 2 + (i % 7) - 3;
                if (rows < 1)
                    continue;
                int64_t found = tessi_store_chunk_rows(rows, row_of[k], by_row), wanted = chunk_by_definition(rows, row_of[k], least, max);
                ck_assert_msg(found == wanted, "%lld rows of %lld bytes: chunks of %lld, not of %lld", (long long)rows,
                              (long long)row_of[k], (long long)found, (long long)wanted);
            }
    }
}
END_TEST

/* Datasets that may be read row by row have small chunks, others large ones. */
START_TEST(codes_are_in_small_chunks)
{
    enum { ROWS = 40000, ROW = 64 };
    int32_t *codes = malloc(ROWS * ROW * sizeof *codes);
    for (int64_t i = 0; i < ROWS * ROW; i++)
        codes[i] = (int32_t)(store_number((uint64_t)i) % 1000);
    struct tess_tensor t = tess_tensor_over(codes, TESS_I32, 2, (int64_t[]){ROWS, ROW});
    struct tess_artefact *a = store_create("c.h5", "other");
    for (int by_row = 0; by_row < 2; by_row++)
        store_ok(tess_artefact_put(C, a, by_row ? "rows" : "whole", &t,
                                   &(struct tess_dataset){.size = sizeof(struct tess_dataset), .bits = 10, .by_row = by_row}));
    store_finish(a, NULL);
    hid_t file = H5Fopen(store_path("c.h5"), H5F_ACC_RDONLY, H5P_DEFAULT);
    int64_t stored[2];
    for (int by_row = 0; by_row < 2; by_row++) {
        hsize_t chunk[2];
        hid_t d = H5Dopen2(file, by_row ? "rows" : "whole", H5P_DEFAULT), p = H5Dget_create_plist(d);
        ck_assert_int_eq(H5Pget_chunk(p, 2, chunk), 2);
        int64_t bytes = (int64_t)chunk[0] * ROW * 2;
        ck_assert_msg(bytes >= (by_row ? 16 << 10 : 256 << 10) && bytes <= (by_row ? 32 << 10 : 1 << 20), "%lld", (long long)bytes);
        stored[by_row] = (int64_t)H5Dget_storage_size(d);
        H5Pclose(p);
        H5Dclose(d);
    }
    H5Fclose(file);
    ck_assert_int_le(stored[1], stored[0] + stored[0] / 500);
    free(codes);
}
END_TEST

/* ---- every bit ----------------------------------------------------------------------------------------------------- */

struct seen {
    struct tess_digest d;
    int bad;
};

static void see_attributes(hid_t object, struct seen *s)
{
    int n = H5Aget_num_attrs(object);
    s->bad |= n < 0;
    for (int i = 0; i < n; i++) {
        char name[256];
        hid_t a = H5Aopen_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, (hsize_t)i, H5P_DEFAULT, H5P_DEFAULT);
        hid_t type = a < 0 ? -1 : H5Aget_type(a);
        size_t bytes = type < 0 ? 0 : (size_t)H5Aget_storage_size(a);
        char *value = calloc(1, bytes + 1);
        s->bad |= type < 0 || H5Aget_name(a, sizeof name, name) < 0 || H5Tdetect_class(type, H5T_VLEN) > 0 ||
                  H5Tis_variable_str(type) > 0 || H5Aread(a, type, value) < 0;
        if (!s->bad) {
            tess_digest_add_text(&s->d, name);
            tess_digest_add(&s->d, value, bytes);
        }
        free(value);
        if (type >= 0)
            H5Tclose(type);
        if (a >= 0)
            H5Aclose(a);
    }
}

static void see_values(hid_t dataset, struct seen *s)
{
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    hssize_t n = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
    size_t bytes = type < 0 || n < 0 ? 0 : (size_t)n * H5Tget_size(type);
    char *values = bytes < 1 << 24 ? calloc(1, bytes + 1) : NULL;
    s->bad |= type < 0 || n < 0 || !values || H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0;
    if (!s->bad) {
        hsize_t dims[H5S_MAX_RANK];
        int rank = H5Sget_simple_extent_dims(space, dims, NULL);
        for (int i = 0; i < rank; i++)
            tess_digest_add(&s->d, &dims[i], sizeof dims[i]);
        tess_digest_add(&s->d, values, bytes);
    }
    free(values);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
}

static herr_t see_object(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    struct seen *s = user;
    (void)info;
    hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    s->bad |= object < 0;
    if (object < 0)
        return -1;
    tess_digest_add_text(&s->d, name);
    see_attributes(object, s);
    if (H5Iget_type(object) == H5I_DATASET)
        see_values(object, s);
    H5Oclose(object);
    return s->bad ? -1 : 0;
}

/* All that a reader finds in a file: names, attributes, shapes, values. Not 1: something cannot be read. */
static int all_there_is(const char *path, char text[TESS_DIGEST_TEXT])
{
    struct seen s = {.bad = 0};
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), root = file < 0 ? -1 : H5Gopen2(file, "/", H5P_DEFAULT);
    tess_digest_start(&s.d);
    s.bad = root < 0;
    if (!s.bad)
        see_attributes(root, &s);
    if (!s.bad && H5Lvisit(file, H5_INDEX_NAME, H5_ITER_INC, see_object, &s) < 0)
        s.bad = 1;
    if (root >= 0)
        H5Gclose(root);
    if (file >= 0)
        H5Fclose(file);
    tess_digest_end(&s.d, text);
    return !s.bad;
}

static int verified(const char *path)
{
    struct tess_artefact *a;
    tessi_base_context_clear(C);
    int status = tessi_store_artefact_open(C, path, &a);
    if (status == TESS_OK) {
        status = tessi_store_artefact_verify(C, a);
        tessi_store_artefact_close(a);
    }
    return status == TESS_OK;
}

/* Something of everything; `parameters` are the longest text there is. */
static void make_small(const char *name, const char *parameters)
{
    static const char *const names[] = {"ankle boot", "", "träger", "x"}, *const ports[] = {"images"}, *const inputs[] = {"00ff"};
    int32_t codes[32];
    float weights[24];
    uint8_t picture[4 * 5 * 3];
    for (uint64_t i = 0; i < 32; i++)
        codes[i] = (int32_t)(store_number(i) % 1000);
    for (uint64_t i = 0; i < 24; i++)
        weights[i] = (float)store_number(i) * 1e-9f;
    for (uint64_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)store_number(i);
    struct tess_artefact *a = store_create(name, "codes");
    struct tess_dataset packed = {.size = sizeof packed, .bits = 10, .labels = "image y x", .by_row = 1},
                        plain = {.size = sizeof plain, .unit = "none"};
    struct tess_tensor t = tess_tensor_over(codes, TESS_I32, 3, (int64_t[]){8, 2, 2});
    store_ok(tess_artefact_put(C, a, "codes", &t, &packed));
    t = tess_tensor_over(weights, TESS_F32, 2, (int64_t[]){4, 6});
    plain.labels = "code channel";
    store_ok(tess_artefact_put(C, a, "weights/encoder/w", &t, &plain));
    t = tess_tensor_over(picture, TESS_U8, 3, (int64_t[]){4, 5, 3});
    store_ok(tess_artefact_put_picture(C, a, "zebra", &t));
    store_ok(tess_artefact_put_strings(C, a, "names", 4, names));
    struct tess_metric_value v = TESS_METRIC_VALUE("psnr", 20.625, "dB", TESS_METRIC_HIGHER);
    v.standard_error = 0.25;
    v.low = 20.125;
    v.high = 21.0;
    store_ok(tess_artefact_put_metric_value(C, a, &v));
    store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), "count", 8));
    store_ok(tess_attrs_set_f64(C, tess_artefact_describe(a), "beta", 0.25));
    store_ok(tess_attrs_set_text(C, tess_artefact_describe(a), "tokenizer", "{use: conv, channels: 32}"));
    const struct tessi_provenance about = {.stage = "codes",
                                           .plugin = "stage/1 encode",
                                           .parameters = parameters,
                                           .key = "abc",
                                           .numeric_mode = "f32",
                                           .tool = "tessera",
                                           .seed = 7,
                                           .inputs = 1,
                                           .input_port = ports,
                                           .input_digest = inputs};
    store_ok(tessi_store_artefact_finish(C, a, &about, NULL));
}

/* Flips `mask` of byte `at`; fails the test where that goes unnoticed and a reader finds something else. */
static void flip(int file, const char *path, const char *whole, int64_t at, unsigned char mask)
{
    unsigned char was, is;
    char found[TESS_DIGEST_TEXT];
    ck_assert_int_eq(pread(file, &was, 1, at), 1);
    is = was ^ mask;
    ck_assert_int_eq(pwrite(file, &is, 1, at), 1);
    if (verified(path)) {
        int readable = all_there_is(path, found);
        ck_assert_msg(readable && strcmp(found, whole) == 0, "byte %lld with %02x flipped: verified, and %s", (long long)at, mask,
                      readable ? "it says something else" : "it cannot be read");
    }
    ck_assert_int_eq(pwrite(file, &was, 1, at), 1);
}

START_TEST(no_bit_can_be_another)
{
    char whole[TESS_DIGEST_TEXT];
    make_small("small.h5", "{batch: 64}");
    const char *path = store_path("small.h5");
    char own[512];
    snprintf(own, sizeof own, "%s", path);
    ck_assert(verified(own) && all_there_is(own, whole));
    int file = open(own, O_RDWR);
    for (int64_t at = 0; at < store_size("small.h5"); at++) {
        flip(file, own, whole, at, (unsigned char)(1 << at % 8));
        flip(file, own, whole, at, 0xff);
    }
    close(file);
    ck_assert(verified(own));
}
END_TEST

/* A text of more than an object's header holds lies elsewhere in the file. */
START_TEST(no_bit_of_a_long_text_can_be_another)
{
    enum { LONG = 100000 };
    char whole[TESS_DIGEST_TEXT], own[512], *text = malloc(LONG + 1);
    for (int i = 0; i < LONG; i++)
        text[i] = (char)('a' + store_number((uint64_t)i) % 26);
    text[LONG] = '\0';
    make_small("long.h5", text);
    snprintf(own, sizeof own, "%s", store_path("long.h5"));
    ck_assert(verified(own) && all_there_is(own, whole));
    int file = open(own, O_RDWR);
    for (int64_t at = 0; at < store_size("long.h5"); at += 61)
        flip(file, own, whole, at, (unsigned char)(1 << at % 8));
    close(file);
    free(text);
}
END_TEST

/* Filters of a dataset in their order, and strings as others read them. */
START_TEST(filters_and_strings)
{
    static float values[20000];
    static uint8_t bytes[20000], labels[70000];
    static const char *const names[] = {"one", "\xc3\xa9"};
    static const struct {
        const char *name;
        int filters;
        H5Z_filter_t filter[3];
    } all[] = {{"plain", 1, {H5Z_FILTER_FLETCHER32}},
               {"real", 3, {H5Z_FILTER_SHUFFLE, H5Z_FILTER_DEFLATE, H5Z_FILTER_FLETCHER32}},
               {"bytes", 2, {H5Z_FILTER_DEFLATE, H5Z_FILTER_FLETCHER32}},
               {"names", 0, {0}},
               {"codes", 2, {H5Z_FILTER_NBIT, H5Z_FILTER_FLETCHER32}},
               {"few codes", 0, {0}},
               {"labels", 1, {H5Z_FILTER_FLETCHER32}}}; /* one number a row is not packed */
    const struct tess_dataset compressed = {.size = sizeof compressed, .compress = 1};
    const struct tess_tensor real = tess_tensor_over(values, TESS_F32, 1, (int64_t[]){20000}),
                             byte = tess_tensor_over(bytes, TESS_U8, 1, (int64_t[]){20000});
    struct tess_artefact *a = store_create("f.h5", "other");
    store_ok(tess_artefact_put(C, a, "plain", &real, NULL));
    store_ok(tess_artefact_put(C, a, "real", &real, &compressed));
    store_ok(tess_artefact_put(C, a, "bytes", &byte, &compressed));
    store_ok(tess_artefact_put_strings(C, a, "names", 2, names));
    const struct tess_dataset narrow = {.size = sizeof narrow, .bits = 4};
    const struct tess_tensor codes = tess_tensor_over(bytes, TESS_U8, 2, (int64_t[]){200, 100}),
                             few = tess_tensor_over(bytes, TESS_U8, 2, (int64_t[]){20, 100}),
                             label = tess_tensor_over(labels, TESS_U8, 1, (int64_t[]){70000});
    store_ok(tess_artefact_put(C, a, "codes", &codes, &narrow));
    store_ok(tess_artefact_put(C, a, "few codes", &few, &narrow));
    store_ok(tess_artefact_put(C, a, "labels", &label, &narrow));
    store_finish(a, NULL);
    hid_t file = H5Fopen(store_path("f.h5"), H5F_ACC_RDONLY, H5P_DEFAULT);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        hid_t d = H5Dopen2(file, all[i].name, H5P_DEFAULT), p = H5Dget_create_plist(d), type = H5Dget_type(d);
        H5D_fill_time_t fill = H5D_FILL_TIME_ERROR;
        ck_assert_msg(H5Pget_nfilters(p) == all[i].filters, "%s", all[i].name);
        ck_assert(H5Pget_fill_time(p, &fill) >= 0 && fill == H5D_FILL_TIME_NEVER);
        for (int k = 0; k < all[i].filters; k++)
            ck_assert_int_eq(H5Pget_filter2(p, (unsigned)k, NULL, NULL, NULL, 0, NULL, NULL), all[i].filter[k]);
        if (H5Tget_class(type) == H5T_STRING)
            ck_assert(H5Tget_size(type) == 3 && H5Tget_strpad(type) == H5T_STR_NULLPAD && H5Tget_cset(type) == H5T_CSET_UTF8);
        H5Tclose(type);
        H5Pclose(p);
        H5Dclose(d);
    }
    H5Fclose(file);
}
END_TEST

static herr_t check_no_times(hid_t object, const char *name, const H5O_info_t *info, void *user)
{
    ck_assert_msg(info->atime == 0 && info->mtime == 0 && info->ctime == 0 && info->btime == 0, "/%s has times", name);
    (void)object;
    ++*(int *)user;
    return 0;
}

/* No object of a file has times: the same content is the same bytes at any hour. */
START_TEST(no_object_has_times)
{
    char digest[TESS_DIGEST_TEXT];
    int seen = 0;
    store_everything("t.h5", digest);
    hid_t file = H5Fopen(store_path("t.h5"), H5F_ACC_RDONLY, H5P_DEFAULT);
    ck_assert_int_ge(H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, check_no_times, &seen), 0);
    ck_assert_int_ge(seen, 12);
    H5Fclose(file);
}
END_TEST

/* Codes of 8 bits in 16 are packed from 1024 of them on, of which that saves 1 KiB; fewer lie in one piece. */
START_TEST(packed_where_it_pays)
{
    const struct tess_dataset d = {.size = sizeof d};
    for (int64_t rows = 63; rows <= 65; rows++) {
        const struct tessi_entry e = {.dtype = TESS_U16, .precision = 8, .rank = 2, .dim = {rows, 16}};
        hid_t p = tessi_store_layout(&e, &d);
        ck_assert(p >= 0);
        ck_assert_int_eq(H5Pget_layout(p), rows >= 64 ? H5D_CHUNKED : H5D_CONTIGUOUS);
        if (rows >= 64)
            ck_assert_int_eq(H5Pget_filter2(p, 0, NULL, &(size_t){0}, NULL, 0, NULL, NULL), H5Z_FILTER_NBIT);
        H5Pclose(p);
    }
}
END_TEST

/* A reader's cache holds 64 MiB, and at least two rows; that of a writer a chunk. */
START_TEST(caches_of_chunks)
{
    static const struct {
        int64_t row; /* bytes */
        int use;
        size_t bytes;
        double full_first;
    } wanted[] = {{100, TESSI_CACHE_READ, 64 << 20, 0.75}, {100, TESSI_CACHE_NONE, 0, 1.0}, {40 << 20, TESSI_CACHE_READ, 80 << 20, 0.75}};
    const struct tess_dataset plain = {.size = sizeof plain};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const struct tessi_entry e = {.dtype = TESS_U8, .precision = 8, .rank = 2, .dim = {10, wanted[i].row}};
        hid_t p = tessi_store_layout_cache(&e, wanted[i].use), q = tessi_store_layout_write_cache(&e, &plain);
        size_t slots, bytes;
        double full_first;
        ck_assert(p >= 0 && H5Pget_chunk_cache(p, &slots, &bytes, &full_first) >= 0);
        ck_assert_uint_eq(bytes, wanted[i].bytes);
        ck_assert_double_eq(full_first, wanted[i].full_first);
        ck_assert(q >= 0 && H5Pget_chunk_cache(q, &slots, &bytes, &full_first) >= 0);
        ck_assert_uint_eq(slots, 1);
        ck_assert_int_eq((int64_t)bytes, tessi_store_chunk_rows(10, wanted[i].row, 0) * wanted[i].row);
        ck_assert_double_eq(full_first, 1.0);
        H5Pclose(p);
        H5Pclose(q);
    }
}
END_TEST

int main(void)
{
    (void)H5dont_atexit(); /* files that HDF5 failed to open it fails to close at exit too, with error output */
    Suite *s = suite_create("layout");
    TCase *chunks = tcase_create("chunks"), *t = tcase_create("bits");
    tcase_add_checked_fixture(chunks, store_setup, store_teardown);
    tcase_add_test(chunks, chunks_waste_least);
    tcase_add_test(chunks, codes_are_in_small_chunks);
    tcase_add_test(chunks, filters_and_strings);
    tcase_add_test(chunks, no_object_has_times);
    tcase_add_test(chunks, packed_where_it_pays);
    tcase_add_test(chunks, caches_of_chunks);
    suite_add_tcase(s, chunks);
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, store_setup, store_teardown);
    tcase_add_test(t, no_bit_can_be_another);
    tcase_add_test(t, no_bit_of_a_long_text_can_be_another);
    suite_add_tcase(s, t);
    return suite_run(s);
}
