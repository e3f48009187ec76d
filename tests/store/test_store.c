/* Artefacts: what is written is read, in every type and shape; the digest is of the content alone; archives keep to their size;
 * others can read them. SPDX-License-Identifier: MIT */
#include "core/base/host.h"
#include "core/base/inject.h"
#include "core/base/workers.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define D(...) (&(struct tess_dataset){.size = sizeof(struct tess_dataset), __VA_ARGS__})

static struct tess_tensor over(void *data, int32_t dtype, int32_t rank, int64_t a, int64_t b, int64_t c)
{
    return tess_tensor_over(data, dtype, rank, (int64_t[]){a, b, c});
}

static void check_verified(const struct tess_artefact *a, const char *digest)
{
    store_ok(tessi_store_artefact_verify(C, a));
    ck_assert_str_eq(tess_artefact_digest(a), digest);
}

/* Values of a dtype below `bits` bits. */
static void fill(void *data, int32_t dtype, int64_t n, int bits)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t x = bits < 32 ? store_number((uint64_t)i) & ((1u << bits) - 1) : store_number((uint64_t)i);
        if (dtype == TESS_U8)
            ((uint8_t *)data)[i] = (uint8_t)x;
        else if (dtype == TESS_U16)
            ((uint16_t *)data)[i] = (uint16_t)x;
        else if (dtype == TESS_I32)
            ((int32_t *)data)[i] = (int32_t)x;
        else
            ((float *)data)[i] = i % 97 == 0 ? -INFINITY : (float)(int32_t)x * 1e-5f;
    }
}

START_TEST(types_and_shapes)
{
    static const int32_t dtypes[] = {TESS_U8, TESS_U16, TESS_I32, TESS_F32};
    static const int64_t shapes[][TESS_MAX_RANK] = {{1},         {7},           {0, 3},          {3, 0},         {200000},
                                                    {300, 7, 7}, {3, 40000, 3}, {2, 3, 4, 5, 6}, {9000, 2, 2, 2}};
    static const int32_t ranks[] = {0, 1, 2, 2, 1, 3, 3, 5, 4};
    static int32_t data[400000];
    char name[64], digest[TESS_DIGEST_TEXT];
    struct tess_artefact *a = store_create("t.h5", "images");
    for (size_t k = 0; k < 4 * 9 * 2; k++) {
        struct tess_tensor t = tess_tensor_over(data, dtypes[k % 4], ranks[k / 8], shapes[k / 8]);
        fill(data, t.dtype, tess_tensor_count(&t), 32);
        snprintf(name, sizeof name, "%s/%zu", k % 2 ? "a" : "a/b", k);
        store_ok(tess_artefact_put(C, a, name, &t, D(.compress = k / 4 % 2)));
    }
    store_finish(a, digest);
    a = store_open("t.h5");
    check_verified(a, digest);
    for (size_t k = 0; k < 4 * 9 * 2; k++) {
        struct tess_tensor t = tess_tensor_over(data, dtypes[k % 4], ranks[k / 8], shapes[k / 8]), shape, got;
        fill(data, t.dtype, tess_tensor_count(&t), 32);
        snprintf(name, sizeof name, "/%s/%zu", k % 2 ? "a" : "a/b", k);
        ck_assert(tess_artefact_has(a, name));
        store_ok(tess_artefact_shape(C, a, name, &shape));
        ck_assert(tess_tensor_same_shape(&shape, &t) && !shape.data);
        store_ok(tess_artefact_load(C, a, name, t.dtype, &got));
        ck_assert_int_eq(memcmp(got.data, data, tess_tensor_bytes(&t)), 0);
        tess_free(got.data);
        if (t.dtype == TESS_U8 || t.dtype == TESS_U16) {
            store_ok(tess_artefact_load(C, a, name, TESS_I32, &got));
            int64_t equal = 0;
            for (int64_t i = 0; i < tess_tensor_count(&t); i++)
                equal += ((int32_t *)got.data)[i] == (t.dtype == TESS_U8 ? ((uint8_t *)data)[i] : ((uint16_t *)data)[i]);
            ck_assert_int_eq(equal, tess_tensor_count(&t));
            tess_free(got.data);
        } else
            store_fails(tess_artefact_load(C, a, name, t.dtype == TESS_F32 ? TESS_I32 : TESS_U16, &got), TESS_E_DATA, name, NULL);
    }
    tessi_store_artefact_close(a);
}
END_TEST

/* _i bits: stored in that many, read back, and the same digest whatever dtype they were handed in as. */
START_TEST(precisions)
{
    static int32_t wide[30000], back[30000];
    static uint16_t narrow[30000];
    char digest[TESS_DIGEST_TEXT], other[TESS_DIGEST_TEXT];
    struct tess_tensor t = over(wide, TESS_I32, 3, 10000, 3, 1), shape;
    int32_t bits;
    int64_t stored;
    fill(wide, TESS_I32, 30000, _i);
    wide[0] = (int32_t)((1u << _i) - 1);
    struct tess_artefact *a = store_create("t.h5", "codes");
    store_ok(tess_artefact_put(C, a, "codes", &t, D(.bits = _i)));
    store_finish(a, digest);
    a = store_open("t.h5");
    check_verified(a, digest);
    ck_assert_str_eq(tessi_store_artefact_dataset_at(a, 0, &shape, &bits, &stored), "codes");
    ck_assert_int_eq(bits, _i);
    ck_assert_int_eq(shape.dtype, _i <= 8 ? TESS_U8 : _i <= 16 ? TESS_U16 : TESS_I32);
    ck_assert(stored >= 30000 * _i / 8 && stored < 30000 * _i / 8 + 64);
    t.data = back;
    store_ok(tess_artefact_read(C, a, "codes", 0, &t));
    ck_assert_int_eq(memcmp(wide, back, sizeof wide), 0);
    tessi_store_artefact_close(a);

    for (int i = 0; i < 30000; i++)
        narrow[i] = (uint16_t)wide[i];
    if (_i <= 16) {
        a = store_create("u.h5", "codes");
        t = over(narrow, TESS_U16, 3, 10000, 3, 1);
        store_ok(tess_artefact_put(C, a, "codes", &t, D(.bits = _i, .compress = 1)));
        store_finish(a, other);
        ck_assert_str_eq(digest, other);
    }

    wide[29999] = _i % 2 ? -1 : _i < 31 ? (int32_t)(1u << _i) : -5;
    a = store_create("v.h5", "codes");
    t = over(wide, TESS_I32, 3, 10000, 3, 1);
    store_fails(tess_artefact_put(C, a, "codes", &t, D(.bits = _i)), TESS_E_VALUE, "/codes", "row 9999", NULL);
    store_fails(tessi_store_artefact_finish(C, a, NULL, other), TESS_E_IO, "earlier", NULL);
    ck_assert(!store_exists("v.h5") && !store_unfinished("v.h5"));
}
END_TEST

START_TEST(rows)
{
    static uint16_t data[5000 * 70], back[5000 * 70];
    static int32_t wide[100 * 70];
    char digest[4][TESS_DIGEST_TEXT];
    fill(data, TESS_U16, 5000 * 70, 16);
    for (int logit_graph = 0; logit_graph < 4; logit_graph++) {
        struct tess_artefact *a = store_create("t.h5", "images");
        struct tess_tensor t = over(NULL, TESS_U16, 3, 5000, 7, 10), small = over(data, TESS_U16, 1, 10, 1, 1);
        static const int64_t steps[] = {5000, 1, 37, 4999};
        if (logit_graph == 2)
            store_ok(tess_artefact_put(C, a, "small", &small, NULL));
        store_ok(tess_artefact_begin(C, a, "x", &t, D(.compress = logit_graph == 1)));
        for (int64_t row = 0; row < 5000; row += steps[logit_graph]) {
            struct tess_tensor some =
                over(data + row * 70, TESS_U16, 3, 5000 - row < steps[logit_graph] ? 5000 - row : steps[logit_graph], 7, 10);
            store_ok(tess_artefact_append(C, a, "x", &some));
        }
        if (logit_graph != 2)
            store_ok(tess_artefact_put(C, a, "small", &small, NULL));
        store_finish(a, digest[logit_graph]);
        ck_assert_str_eq(digest[logit_graph], digest[0]);
    }
    struct tess_artefact *a = store_open("t.h5");
    for (int64_t i = 0; i < 300; i++) {
        int64_t first = store_number((uint64_t)i) % 5000, n = store_number((uint64_t)i + 1000) % 100;
        n = first + n > 5000 ? 5000 - first : n;
        struct tess_tensor t = over(back, TESS_U16, 3, n, 7, 10), w = over(wide, TESS_I32, 3, n, 7, 10);
        store_ok(tess_artefact_read(C, a, "x", first, &t));
        ck_assert_int_eq(memcmp(back, data + first * 70, (size_t)n * 140), 0);
        store_ok(tess_artefact_read(C, a, "x", first, &w));
        int64_t equal = 0;
        for (int64_t k = 0; k < n * 70; k++)
            equal += wide[k] == data[first * 70 + k];
        ck_assert_int_eq(equal, n * 70);
    }
    struct tess_tensor t = over(back, TESS_U16, 3, 2, 7, 10);
    store_fails(tess_artefact_read(C, a, "x", 4999, &t), TESS_E_DATA, "5000 rows", NULL);
    store_fails(tess_artefact_read(C, a, "x", -1, &t), TESS_E_DATA, "5000 rows", NULL);
    t = over(back, TESS_U16, 3, 2, 10, 7);
    store_fails(tess_artefact_read(C, a, "x", 0, &t), TESS_E_DATA, "(2, 10, 7)", NULL);
    store_fails(tess_artefact_read(C, a, "y", 0, &t), TESS_E_DATA, "t.h5", "/y", NULL);
    tessi_store_artefact_close(a);
}
END_TEST

struct shared {
    const struct tess_artefact *a;
    const uint16_t *data;
    _Atomic int wrong;
};

static void read_a_row(void *user, int worker, int64_t i)
{
    struct shared *s = user;
    struct tessi_context context;
    uint16_t row[70];
    int64_t first = store_number((uint64_t)i) % 5000;
    struct tess_tensor t = over(row, TESS_U16, 3, 1, 7, 10);
    (void)worker;
    tessi_base_context_init(&context, NULL);
    if (tess_artefact_read(&context.context, s->a, i % 2 ? "x" : "y", first, &t) != TESS_OK ||
        memcmp(row, s->data + first * 70, sizeof row) != 0)
        s->wrong++;
}

/* A dataset that ends early is the one that was never meant to be longer: small, of several chunks, packed. */
START_TEST(ends_early)
{
    static uint8_t data[4000 * 70];
    static const int64_t kept[] = {1, 37, 2999, 4000};
    fill(data, TESS_U8, 4000 * 70, 5);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        for (int32_t bits = 0; bits <= 5; bits += 5) {
            char early[TESS_DIGEST_TEXT], whole[TESS_DIGEST_TEXT];
            struct tess_artefact *a = store_create("t.h5", "images");
            struct tess_tensor max = over(NULL, TESS_U8, 3, 4000, 7, 10), t = over(data, TESS_U8, 3, kept[i], 7, 10), back;
            store_ok(tess_artefact_begin(C, a, "x", &max, D(.bits = bits, .may_end = 1)));
            store_ok(tess_artefact_append(C, a, "x", &t));
            store_ok(tess_artefact_end(C, a, "x"));
            store_finish(a, early);
            a = store_create("u.h5", "images");
            store_ok(tess_artefact_put(C, a, "x", &t, D(.bits = bits)));
            store_finish(a, whole);
            ck_assert_str_eq(early, whole);
            a = store_open("t.h5");
            check_verified(a, whole);
            store_ok(tess_artefact_load(C, a, "x", TESS_U8, &back));
            ck_assert(tess_tensor_same_shape(&t, &back));
            ck_assert_int_eq(memcmp(back.data, data, tess_tensor_bytes(&t)), 0);
            tess_free(back.data);
            tessi_store_artefact_close(a);
        }
    struct tess_artefact *a = store_create("t.h5", "images");
    struct tess_tensor max = over(NULL, TESS_U8, 3, 4000, 7, 10);
    store_ok(tess_artefact_begin(C, a, "x", &max, D(.may_end = 1)));
    store_fails(tess_artefact_end(C, a, "x"), TESS_E_INTERNAL, "/x cannot end: it has no rows", NULL);
    store_fails(tess_artefact_end(C, a, "y"), TESS_E_INTERNAL, "/y cannot end: it has no rows", NULL);
    tessi_store_artefact_close(a);
}
END_TEST

START_TEST(threads)
{
    static uint16_t data[5000 * 70];
    struct tessi_workers *workers;
    fill(data, TESS_U16, 5000 * 70, 12);
    struct tess_artefact *a = store_create("t.h5", "images");
    struct tess_tensor t = over(data, TESS_U16, 3, 5000, 7, 10);
    store_ok(tess_artefact_put(C, a, "x", &t, D(.bits = 12)));
    store_ok(tess_artefact_put(C, a, "y", &t, NULL));
    store_finish(a, NULL);
    struct shared s = {.a = store_open("t.h5"), .data = data};
    store_ok(tessi_base_workers_new(C, 4, &workers));
    tessi_base_workers_run(workers, 4000, read_a_row, &s);
    tessi_base_workers_free(workers);
    ck_assert_int_eq(s.wrong, 0);
    tessi_store_artefact_close((struct tess_artefact *)(uintptr_t)s.a);
}
END_TEST

/* Two large datasets whose rows come in turn, and a third, begun and ended between them; gives the file's bytes. */
static char *interleaved(const char *name, size_t *bytes)
{
    enum { N = 3000, ROW = 700, STEP = 130 };
    static float data[N * ROW];
    struct tess_tensor all = over(data, TESS_F32, 2, N, ROW, 1), short_ = over(data, TESS_F32, 2, N - 1, ROW, 1);
    struct tess_artefact *a = store_create(name, "images");
    fill(data, TESS_F32, N * ROW, 32);
    store_ok(tess_artefact_begin(C, a, "x", &all, NULL));
    store_ok(tess_artefact_begin(C, a, "y", &all, D(.may_end = 1)));
    for (int64_t done = 0; done < N; done += STEP) {
        struct tess_tensor t = over(data + done * ROW, TESS_F32, 2, N - done < STEP ? N - done : STEP, ROW, 1);
        store_ok(tess_artefact_append(C, a, "x", &t));
        if (done == 10 * STEP)
            store_ok(tess_artefact_put(C, a, "z", &short_, NULL));
        if (done < N / 2)
            store_ok(tess_artefact_append(C, a, "y", &t));
    }
    store_ok(tess_artefact_end(C, a, "y"));
    store_finish(a, NULL);
    a = store_open(name);
    store_ok(tessi_store_artefact_verify(C, a));
    tessi_store_artefact_close(a);
    *bytes = (size_t)store_size(name);
    char *file = malloc(*bytes);
    FILE *f = fopen(store_path(name), "rb");
    ck_assert(f && fread(file, 1, *bytes, f) == *bytes);
    fclose(f);
    return file;
}

/* A file has the same bytes whether its values are digested beside being written or not, and where no thread is to be had. What is given
 * up in the middle leaves nothing at work. */
START_TEST(digested_beside_writing)
{
    struct tessi_runtime host = {.host = {.size = sizeof host.host, .service = tessi_base_host_service}};
    size_t bytes, same;
    char *want = interleaved("one.h5", &bytes), *got;
    store_ok(tessi_base_workers_new(C, 2, &host.workers));
    C->host = &host.host;
    got = interleaved("two.h5", &same);
    ck_assert(same == bytes && memcmp(got, want, bytes) == 0);
    free(got);
    ck_assert_ptr_null(tessi_base_inject_plan("fail@thread:1+"));
    got = interleaved("refused.h5", &same);
    ck_assert(same == bytes && memcmp(got, want, bytes) == 0);
    ck_assert_ptr_null(tessi_base_inject_plan(NULL));
    free(got);
    static float data[3 << 20];
    struct tess_tensor t = over(data, TESS_F32, 2, 3000, 1000, 1), all = over(data, TESS_F32, 2, 4000, 1000, 1);
    struct tess_artefact *a = store_create("gone.h5", "images");
    store_ok(tess_artefact_begin(C, a, "x", &all, NULL));
    store_ok(tess_artefact_append(C, a, "x", &t));
    tessi_store_artefact_close(a);
    free(want);
    C->host = NULL;
    tessi_base_workers_free(host.workers);
}
END_TEST

START_TEST(everything)
{
    char digest[TESS_DIGEST_TEXT];
    store_everything("t.h5", digest);
    ck_assert(store_exists("t.h5") && !store_unfinished("t.h5"));
    struct tess_artefact *a = store_open("t.h5");
    check_verified(a, digest);
    ck_assert_str_eq(tess_artefact_kind(a), "codes");
    ck_assert_str_eq(tess_artefact_path(a), store_path("t.h5"));

    const struct tess_attrs *f = tess_artefact_attrs(a);
    ck_assert_int_eq(tess_attrs_i64_or(f, "count", 0), 3000);
    ck_assert_double_eq(tess_attrs_f64_or(f, "beta", 0), 0.25);
    ck_assert_str_eq(tess_attrs_text_or(f, "tokenizer", ""), "{use: conv, channels: 32}");
    ck_assert_str_eq(tess_attrs_text_or(f, "empty", "?"), "");

    static const char *const paths[] = {"codes", "names", "pictures/ape", "pictures/zebra", "weights/encoder/w", "weights/scale"};
    struct tess_tensor shape;
    int32_t bits;
    int64_t stored;
    for (int64_t i = 0; i < 6; i++)
        ck_assert_str_eq(tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored), paths[i]);
    ck_assert_ptr_null(tessi_store_artefact_dataset_at(a, 6, &shape, &bits, &stored));
    store_fails(tess_artefact_shape(C, a, "names", &shape), TESS_E_DATA, "strings", NULL);

    struct tess_metric_value v;
    ck_assert_int_eq(tessi_store_artefact_metric(a, 0, &v), 1);
    ck_assert(strcmp(v.name, "psnr") == 0 && strcmp(v.unit, "dB") == 0);
    ck_assert_double_eq(v.value, 20.625);
    ck_assert_int_eq(tessi_store_artefact_metric(a, 1, &v), 1);
    ck_assert_str_eq(v.name, "mse");
    ck_assert_int_eq(tessi_store_artefact_metric(a, 2, &v), 0);
    ck_assert_int_eq(tessi_store_artefact_metric(a, -1, &v), 0);
    ck_assert_str_eq(tessi_store_artefact_picture_at(a, 0), "zebra");
    ck_assert_str_eq(tessi_store_artefact_picture_at(a, 1), "ape");
    ck_assert_ptr_null(tessi_store_artefact_picture_at(a, 2));

    ck_assert_str_eq(tessi_store_artefact_provenance(a, "seed"), "18446744073709551615");
    ck_assert_str_eq(tessi_store_artefact_provenance(a, "input.model"), "11ee");
    ck_assert_str_eq(tessi_store_artefact_provenance(a, "parameters"), "{batch: 64}");
    ck_assert_str_eq(tessi_store_artefact_provenance(a, "digest"), digest);
    const char *name, *value;
    for (int64_t i = 0; (name = tessi_store_artefact_provenance_at(a, i, &value)); i++)
        ck_assert_msg(!strchr(name, '/'), "netCDF copies no attribute called %s", name);
    ck_assert_ptr_null(tessi_store_artefact_provenance(a, "input.other"));
    tessi_store_artefact_close(a);
}
END_TEST

/* Long attributes lie elsewhere in the file; many keep their order. */
START_TEST(many_attrs)
{
    static char text[100001];
    char name[32], digest[TESS_DIGEST_TEXT];
    memset(text, 'x', sizeof text - 1);
    struct tess_artefact *a = store_create("t.h5", "metrics");
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "f%d", i * 7 % 200);
        store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), name, i));
        store_ok(tess_artefact_put_metric(C, a, name, i, NULL));
    }
    store_ok(tess_attrs_set_text(C, tess_artefact_describe(a), "long", text));
    store_finish(a, digest);
    a = store_open("t.h5");
    check_verified(a, digest);
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(a), "long", ""), text);
    for (int i = 0; i < 200; i++) {
        struct tess_metric_value v;
        snprintf(name, sizeof name, "f%d", i * 7 % 200);
        ck_assert_int_eq(tess_attrs_i64_or(tess_artefact_attrs(a), name, -1), i);
        ck_assert_int_eq(tessi_store_artefact_metric(a, i, &v), 1);
        ck_assert_str_eq(v.name, name);
        ck_assert_int_eq((int)v.value, i);
    }
    tessi_store_artefact_close(a);
}
END_TEST

static void small(const char *kind, const char *name, float value, int64_t attr, double metric, const char *unit,
                  char digest[TESS_DIGEST_TEXT])
{
    struct tess_artefact *a = store_create("t.h5", kind);
    struct tess_tensor t = over(&value, TESS_F32, 1, 1, 1, 1);
    store_ok(tess_artefact_put(C, a, name, &t, NULL));
    store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), "n", attr));
    store_ok(tess_artefact_put_metric(C, a, "f", metric, unit));
    store_finish(a, digest);
}

START_TEST(digest_is_the_content)
{
    char digest[8][TESS_DIGEST_TEXT];
    small("a", "x", 1, 2, 3, "dB", digest[0]);
    small("b", "x", 1, 2, 3, "dB", digest[1]);
    small("a", "y", 1, 2, 3, "dB", digest[2]);
    small("a", "x", 2, 2, 3, "dB", digest[3]);
    small("a", "x", 1, 3, 3, "dB", digest[4]);
    small("a", "x", 1, 2, 4, "dB", digest[5]);
    small("a", "x", 1, 2, 3, "", digest[6]);
    small("a", "x", 1, 2, 3, "dB", digest[7]);
    for (int i = 0; i < 7; i++)
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(digest[i], digest[k]);
    ck_assert_str_eq(digest[0], digest[7]);
    /* Worked out with Python's hashlib from the description in core/store/artefact_digest.c. */
    ck_assert_str_eq(digest[0], "de1affc2a4e2f694c1d97b25e95bf5f2941bef050156304bf7b040e9f68d374f");
}
END_TEST

static void one_metric(struct tess_metric_value v, char digest[TESS_DIGEST_TEXT], struct tess_metric_value *read)
{
    struct tess_artefact *a = store_create("t.h5", "metrics");
    store_ok(tess_artefact_put_metric_value(C, a, &v));
    store_finish(a, digest);
    a = store_open("t.h5");
    check_verified(a, digest);
    ck_assert_int_eq(tessi_store_artefact_metric(a, 0, read), 1);
    read->name = read->unit = NULL;
    tessi_store_artefact_close(a);
}

/* Direction, standard error and interval are read back; the last two are content, the direction is not. */
START_TEST(metrics_have_errors)
{
    const struct tess_metric_value plain = TESS_METRIC_VALUE("bound", 2.5, NULL, 0);
    struct tess_metric_value directed = plain, error = plain, interval = plain, other = plain, read;
    char digest[5][TESS_DIGEST_TEXT];
    directed.better = TESS_METRIC_LOWER;
    error.standard_error = 0.125;
    error.better = TESS_METRIC_HIGHER;
    interval.low = 2.75; /* the interval need not hold the value */
    interval.high = 3.0;
    other.low = other.high = 2.75;
    one_metric(plain, digest[0], &read);
    ck_assert(read.better == 0 && read.standard_error < 0.0 && read.low > read.high && read.size == sizeof read);
    one_metric(directed, digest[1], &read);
    ck_assert(read.better == TESS_METRIC_LOWER && read.standard_error < 0.0);
    one_metric(error, digest[2], &read);
    ck_assert(read.better == TESS_METRIC_HIGHER && read.standard_error == 0.125 && read.low > read.high);
    one_metric(interval, digest[3], &read);
    ck_assert(read.value == 2.5 && read.low == 2.75 && read.high == 3.0 && read.standard_error < 0.0);
    one_metric(other, digest[4], &read);
    ck_assert_str_eq(digest[0], digest[1]);
    for (int i = 1; i < 5; i++)
        for (int k = 1; k < i; k++)
            ck_assert_str_ne(digest[i], digest[k]);
    /* Worked out with Python's hashlib from docs/formats.md. */
    ck_assert_str_eq(digest[3], "24d6b2c856985f6cde0492c1609b60c80d950f4ae5b71407c1c75a48c326b3d4");
}
END_TEST

START_TEST(misuse)
{
    static float value[4];
    struct tess_artefact *a = store_create("t.h5", "x");
    struct tess_tensor t = over(value, TESS_F32, 1, 4, 1, 1), two = over(value, TESS_F32, 1, 2, 1, 1),
                       three = over(value, TESS_F32, 1, 3, 1, 1);
    struct tess_tensor codes = over(value, TESS_U8, 1, 4, 1, 1), half = over(value, TESS_BF16, 1, 4, 1, 1);
    static const char *const bad[] = {"", "/", "a//b", "a/", "../b", "a/./b", "metrics/x", "pictures/y", "provenance"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        store_fails(tess_artefact_put(C, a, bad[i], &t, NULL), TESS_E_INTERNAL, "t.h5", NULL);
    store_fails(tess_artefact_put(C, a, "x", &half, NULL), TESS_E_VALUE, "bf16", NULL);
    store_fails(tess_artefact_put(C, a, "x", &t, D(.bits = 4)), TESS_E_VALUE, "bits", NULL);
    store_fails(tess_artefact_put(C, a, "x", &codes, D(.bits = 32)), TESS_E_VALUE, "bits", NULL);
    store_fails(tess_artefact_append(C, a, "x", &t), TESS_E_INTERNAL, "not begun", NULL);
    store_ok(tess_artefact_begin(C, a, "x", &t, NULL));
    store_fails(tess_artefact_put(C, a, "x", &t, NULL), TESS_E_INTERNAL, "twice", NULL);
    store_fails(tess_artefact_append(C, a, "x", &codes), TESS_E_SHAPE, "f32 (4)", "u8 (4)", NULL);
    store_ok(tess_artefact_append(C, a, "x", &two));
    store_fails(tess_artefact_append(C, a, "x", &three), TESS_E_SHAPE, "2 rows more", NULL);
    struct tess_metric_value v = TESS_METRIC_VALUE("m", 1.0, "", 2);
    store_fails(tess_artefact_put_metric_value(C, a, &v), TESS_E_INTERNAL, "direction 2", NULL);
    v.better = 0;
    v.standard_error = NAN;
    store_fails(tess_artefact_put_metric_value(C, a, &v), TESS_E_VALUE, "NaN", NULL);
    store_fails(tess_artefact_put_metric(C, a, "a\n\033[31m", 1, ""), TESS_E_INTERNAL, "no name for a metric", NULL);
    store_fails(tess_artefact_put_metric(C, a, "m", 1, "d\033[31mB"), TESS_E_INTERNAL, "no unit for a metric", NULL);
    ck_assert_str_eq(tess_artefact_digest(a), "");
    store_fails(tessi_store_artefact_finish(C, a, NULL, NULL), TESS_E_INTERNAL, "2 of its 4 rows", NULL);
    ck_assert(!store_exists("t.h5") && !store_unfinished("t.h5"));

    a = store_create("t.h5", "x");
    store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), "format", 7));
    store_fails(tessi_store_artefact_finish(C, a, NULL, NULL), TESS_E_INTERNAL, "format", NULL);
    tessi_store_artefact_close(NULL);
}
END_TEST

/* The archive of the quickstart: all of Fashion-MNIST's training images at K = 256, labels and codebook included. */
START_TEST(archive_size)
{
    int64_t n = 60000, across = 49;
    int bits = _i ? 10 : 8;
    char digest[TESS_DIGEST_TEXT], key[65];
    int32_t *codes = malloc((size_t)(n * across) * sizeof *codes);
    uint8_t *labels = malloc((size_t)n);
    static float codebook[256 * 32];
    ck_assert(codes && labels);
    fill(codes, TESS_I32, n * across, bits);
    fill(codebook, TESS_F32, 256 * 32, 32);
    for (int64_t i = 0; i < n; i++)
        labels[i] = (uint8_t)(store_number((uint64_t)(i + 7)) % 10);
    struct tess_artefact *a = store_create("codes.h5", "codes");
    struct tess_tensor shape = over(NULL, TESS_I32, 3, n, 7, 7), t = over(labels, TESS_U8, 1, n, 1, 1);
    store_ok(tess_artefact_begin(C, a, "codes", &shape, D(.bits = bits, .labels = "image y x")));
    for (int64_t row = 0; row < n; row += 250) {
        struct tess_tensor some = over(codes + row * across, TESS_I32, 3, 250, 7, 7);
        store_ok(tess_artefact_append(C, a, "codes", &some));
    }
    store_ok(tess_artefact_put(C, a, "labels", &t, D(.bits = 4, .compress = 1)));
    t = over(codebook, TESS_F32, 2, 256, 32, 1);
    store_ok(tess_artefact_put(C, a, "codebook", &t, D(.labels = "code channel")));
    static const char *const attrs[] = {"count",        "height",      "width",    "codebook_size", "code_dim",
                                        "image_height", "image_width", "channels", "classes"};
    for (size_t i = 0; i < sizeof attrs / sizeof *attrs; i++)
        store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), attrs[i], 1));
    memset(key, 'a', 64);
    key[64] = '\0';
    store_ok(tess_attrs_set_text(C, tess_artefact_describe(a), "tokenizer", key));
    const char *const ports[] = {"images", "model"}, *const inputs[] = {key, key};
    store_ok(
        tessi_store_artefact_finish(C, a,
                              &(struct tessi_provenance){.stage = "codes",
                                                         .plugin = "stage/1 encode, tessera-stages 0.1.0",
                                                         .parameters = "{use: encode, in: {images: images, model: tokenizer}, batch: 64}",
                                                         .key = key,
                                                         .numeric_mode = "f32, openblas 0.3.21 SkylakeX",
                                                         .tool = "tessera 0.1.0",
                                                         .inputs = 2,
                                                         .input_port = ports,
                                                         .input_digest = inputs},
                              digest));
    double each = 8 * (double)store_size("codes.h5") / (double)(n * across);
    ck_assert_msg(each <= (bits == 8 ? 8.2 : 10.2), "%.3f bits a code", each);
    a = store_open("codes.h5");
    check_verified(a, digest);
    tessi_store_artefact_close(a);
    free(codes);
    free(labels);
}
END_TEST

START_TEST(contact_sheets)
{
    static const uint8_t pixels[3 * 2 * 2] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    struct tess_tensor images = tess_tensor_over((void *)(uintptr_t)pixels, TESS_U8, 4, (int64_t[]){3, 2, 2, 1}), sheet;
    store_ok(tess_contact_sheet(C, &images, 0, 1, 1, &sheet));
    static const uint8_t expected[] = {1,   2,   255, 5,  6,   3,   4,   255, 7,  8,   255, 255, 255,
                                       255, 255, 9,   10, 255, 255, 255, 11,  12, 255, 255, 255};
    ck_assert(sheet.rank == 3 && sheet.dim[0] == 5 && sheet.dim[1] == 5 && sheet.dim[2] == 1);
    ck_assert_int_eq(memcmp(sheet.data, expected, sizeof expected), 0);
    tess_free(sheet.data);
    store_ok(tess_contact_sheet(C, &images, 9, 2, 3, &sheet));
    ck_assert(sheet.dim[0] == 6 && sheet.dim[1] == 3 * 6 + 2 * 2);
    for (int64_t y = 0; y < 6; y++)
        for (int64_t x = 0; x < 22; x++) {
            int64_t image = x / 8, in = x % 8;
            int want = in >= 6 ? 255 : pixels[image * 4 + y / 3 * 2 + in / 3];
            ck_assert_int_eq(((uint8_t *)sheet.data)[y * 22 + x], want);
        }
    tess_free(sheet.data);
    images.dim[0] = 0;
    store_fails(tess_contact_sheet(C, &images, 0, 1, 1, &sheet), TESS_E_SHAPE, "u8 (0, 2, 2, 1)", NULL);
    images.dim[0] = 3;
    store_fails(tess_contact_sheet(C, &images, 0, 1, 0, &sheet), TESS_E_VALUE, "enlarged", NULL);
    store_fails(tess_contact_sheet(C, &images, 0, 1, 60000, &sheet), TESS_E_VALUE, "show fewer", NULL);
}
END_TEST

START_TEST(png)
{
    static uint8_t pixels[37 * 21 * 3];
    struct tess_tensor t, back;
    fill(pixels, TESS_U8, sizeof pixels, 8);
    for (int64_t channels = 1; channels <= 3; channels += 2) {
        t = over(pixels, TESS_U8, 3, 37, 21, channels);
        store_ok(tessi_store_png_write(C, store_path("p.png"), &t));
        ck_assert(!store_unfinished("p.png"));
        store_ok(tessi_store_png_read(C, store_path("p.png"), &back));
        ck_assert(tess_tensor_same_shape(&t, &back));
        ck_assert_int_eq(memcmp(back.data, pixels, tess_tensor_bytes(&t)), 0);
        tess_free(back.data);
    }
    for (int64_t bytes = store_size("p.png") - 1; bytes >= 0; bytes -= 61) {
        store_copy("p.png", "cut.png", bytes);
        store_fails(tessi_store_png_read(C, store_path("cut.png"), &back), TESS_E_DATA, "cut.png", NULL);
    }
    store_fails(tessi_store_png_read(C, store_path("none.png"), &back), TESS_E_IO, "none.png", NULL);
    store_fails(tessi_store_png_write(C, store_path("none/p.png"), &t), TESS_E_CREATE, "make it first", NULL);
    t.dim[2] = 2;
    store_fails(tessi_store_png_write(C, store_path("q.png"), &t), TESS_E_SHAPE, "(37, 21, 2)", NULL);
}
END_TEST

/* Skipped, with a word, where there is no Python with h5py. */
START_TEST(h5py)
{
    static const char *const pythons[] = {"/usr/bin/python3", "python3"};
    char command[2048], digest[TESS_DIGEST_TEXT];
    const char *source = getenv("srcdir"), *python = NULL;
    for (size_t i = 0; i < 2 && !python; i++) {
        snprintf(command, sizeof command, "%s -c 'import h5py' >/dev/null 2>&1", pythons[i]);
        python = system(command) == 0 ? pythons[i] : NULL;
    }
    if (!python) {
        fputs("no python3 with h5py: that artefacts can be read there is not tested\n", stderr);
        return;
    }
    static uint8_t images[300 * 28 * 28];
    fill(images, TESS_U8, sizeof images, 8);
    store_everything("a.h5", digest);
    struct tess_artefact *a = store_create("b.h5", "images");
    struct tess_tensor t = over(images, TESS_U8, 3, 300, 28, 28), none = over(images, TESS_I32, 2, 0, 3, 1);
    store_ok(tess_artefact_put(C, a, "images", &t, D(.compress = 1, .labels = "image y x")));
    store_ok(tess_artefact_put(C, a, "none", &none, D(.bits = 3)));
    store_finish(a, digest);
    snprintf(command, sizeof command, "%s '%s/tests/read_with_h5py.py' '%s' '%s' >/dev/null", python, source ? source : ".",
             store_path("a.h5"), store_path("b.h5"));
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *t = tcase_create("artefacts");
    tcase_add_checked_fixture(t, store_setup, store_teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, types_and_shapes);
    tcase_add_loop_test(t, precisions, 1, 32);
    tcase_add_test(t, rows);
    tcase_add_test(t, ends_early);
    tcase_add_test(t, threads);
    tcase_add_test(t, digested_beside_writing);
    tcase_add_test(t, everything);
    tcase_add_test(t, many_attrs);
    tcase_add_test(t, digest_is_the_content);
    tcase_add_test(t, metrics_have_errors);
    tcase_add_test(t, misuse);
    tcase_add_loop_test(t, archive_size, 0, 2);
    tcase_add_test(t, contact_sheets);
    tcase_add_test(t, png);
    tcase_add_test(t, h5py);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
