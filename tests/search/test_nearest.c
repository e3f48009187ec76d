/* The nearest row against brute force in double, over inputs made to break the bound that spares it: near ties, duplicates, a large common
 * offset, scales from subnormal to where f32 overflows, rows that are not finite; for every backend, with operands in bf16 and in f32, with
 * every table of kernels. Codes are to be the same and not nearly so; what is said to lie beyond is held against every other row.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/registry.h"
#include "core/kernels/kernels.h"
#include "core/search/nearest.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 150, MAX_CODES = 2100, MAX_D = 300 };

static const char *const tables[] = {"portable", "avx2", "avx512"};
static const int32_t operands[] = {TESS_F32, TESS_BF16};
static const char *backend;

static float x[ROWS * MAX_D], codebook[MAX_CODES * MAX_D];

enum { NORMAL, NEAR_TIES, DUPLICATES, OFFSET, TINY, SUBNORMAL, LARGE, HUGE_VALUES, MIXED, ZEROS, ONE_LONG_ROW, NOT_FINITE_ROWS, KINDS };
static const char *const kinds[] = {"normal", "near ties", "duplicates",  "offset", "tiny",         "subnormal",
                                    "large",  "huge",      "mixed scales", "zeros",  "one long row", "rows not finite"};

static float scale_of(int kind, int64_t i)
{
    static const float mixed[] = {1.0f, 1e-20f, 1e15f, 1e-30f, 1e18f, 0.0f};
    return kind == TINY          ? 1e-19f
           : kind == SUBNORMAL   ? 1e-41f
           : kind == LARGE       ? 1e17f
           : kind == HUGE_VALUES ? 6e37f
           : kind == MIXED       ? mixed[i % 6]
           : kind == ZEROS       ? 0.0f
                                 : 1.0f;
}

static void fill(int kind, int64_t k, int64_t d)
{
    struct tess_stream a = {.seed = 3, .purpose = tess_purpose("vectors")}, b = {.seed = 3, .purpose = tess_purpose("book")};
    tess_random_normal(&a, 0, ROWS * d, x);
    tess_random_normal(&b, 0, k * d, codebook);
    for (int64_t i = 0; i < ROWS * d; i++)
        x[i] = x[i] * scale_of(kind, i / d) + (kind == OFFSET ? 3000.0f : 0.0f);
    for (int64_t i = 0; i < k * d; i++)
        codebook[i] = codebook[i] * scale_of(kind, i / d) + (kind == OFFSET ? 3000.0f : 0.0f);
    for (int64_t j = 1; j < k; j++) {
        float *row = codebook + j * d;
        if (kind == DUPLICATES || (kind == NEAR_TIES && j % 3))
            memcpy(row, codebook + (kind == DUPLICATES ? j % 7 : j % 5) * d, (size_t)d * sizeof *row);
        if (kind == NEAR_TIES && j % 3) /* rows that differ by one ulp in one value */
            row[j % d] = nextafterf(row[j % d], j % 2 ? INFINITY : -INFINITY);
        if (kind == ONE_LONG_ROW && j == k / 2)
            row[0] = 1e9f;
        if (kind == NOT_FINITE_ROWS && j % 4 == 1)
            row[j % d] = j % 8 == 1 ? NAN : INFINITY;
    }
    for (int64_t i = 0; i < ROWS && kind == NEAR_TIES; i++) /* vectors on rows, and between two */
        for (int64_t j = 0; j < d; j++)
            x[i * d + j] = i % 2 ? codebook[i * 7 % k * d + j] : 0.5f * (codebook[i * 7 % k * d + j] + codebook[i * 5 % k * d + j]);
}

struct answer {
    int32_t code;
    double square, second;
};

static struct answer brute_force(int64_t i, int64_t k, int64_t d)
{
    struct answer best = {-1, INFINITY, INFINITY};
    for (int64_t j = 0; j < k; j++) {
        double square = tessi_kernels()->square_distance(d, x + i * d, codebook + j * d);
        if (square < best.square)
            best = (struct answer){(int32_t)j, square, best.square};
        else if (square < best.second)
            best.second = square;
    }
    return best;
}

struct found {
    int32_t code[ROWS];
    double square[ROWS], beyond[ROWS];
};

/* All of it, then codes alone, of rows in reverse: what is asked beside must not change them. */
static void search(struct fixture *b, int32_t operand, int64_t k, int64_t d, struct found *all, int32_t *alone)
{
    struct tessi_nearest s;
    int32_t list[ROWS];
    fixture_ok(b, tessi_search_nearest_plan(&b->context.context, b->runtime, ROWS, k, d, operand, &s));
    ck_assert_int_eq(s.operands, operand);
    char *ready = aligned_alloc(64, (s.ready_bytes + 63) / 64 * 64), *scratch = aligned_alloc(64, (s.scratch_bytes + 63) / 64 * 64);
    memset(ready, 0xff, s.ready_bytes); /* NaN: nothing left over may count */
    memset(scratch, 0xff, s.scratch_bytes);
    ck_assert_int_eq(tessi_search_nearest_ready(&s, codebook, ready), TESS_OK);
    fixture_ok(b, tessi_search_nearest_find(&s, &b->context.context, codebook, ready, x, NULL, ROWS, scratch,
                                   &(struct tessi_nearest_found){.code = all->code, .square = all->square, .beyond = all->beyond}));
    for (int i = 0; i < ROWS; i++)
        list[i] = ROWS - 1 - i;
    memset(alone, 0, ROWS * sizeof *alone);
    fixture_ok(b, tessi_search_nearest_find(&s, &b->context.context, codebook, ready, x, list, ROWS - 3, scratch,
                                   &(struct tessi_nearest_found){.code = alone}));
    free(ready);
    free(scratch);
    tessi_search_nearest_drop(&s);
}

static void compare(struct fixture *b, int kind, int32_t operand, int64_t k, int64_t d)
{
    static struct found all;
    int32_t alone[ROWS];
    search(b, operand, k, d, &all, alone);
    for (int64_t i = 0; i < ROWS; i++) {
        struct answer want = brute_force(i, k, d);
        const char *told = tess_dtype_name(operand), *table = tessi_kernels_name();
        ck_assert_msg(all.code[i] == want.code, "%s %s %s, %s, K %lld, D %lld, vector %lld: %d, not %d", backend, told, table, kinds[kind],
                      (long long)k, (long long)d, (long long)i, (int)all.code[i], (int)want.code);
        ck_assert_msg(alone[i] == (i < 3 ? 0 : want.code), "%s %s %s, %s, K %lld, D %lld, vector %lld alone: %d, not %d", backend, told,
                      table, kinds[kind], (long long)k, (long long)d, (long long)i, (int)alone[i], (int)want.code);
        ck_assert_msg(all.square[i] == want.square, "%s: %.17g, not %.17g", kinds[kind], all.square[i], want.square);
        ck_assert_msg(all.beyond[i] >= 0.0 && all.beyond[i] <= sqrt(want.second), "%s %s, %s, K %lld, D %lld, vector %lld: %g beyond %g",
                      told, table, kinds[kind], (long long)k, (long long)d, (long long)i, all.beyond[i], sqrt(want.second));
        if (kind == NORMAL && d > 7 && k > 7 && operand == TESS_F32) /* a bound that is worth something */
            ck_assert_msg(all.beyond[i] > 0.999 * sqrt(want.second), "%g of %g", all.beyond[i], sqrt(want.second));
    }
}

/* Around a block of 1024 codes, four and one group of lanes; widths that fill no vector. */
static const int64_t sizes[][2] = {{1, 1},     {2, 3},     {63, 8},    {64, 1},   {257, 33},
                                   {320, 16}, {1023, 64}, {1024, 96}, {1025, 17}, {2100, 5},   {260, 256}};
enum { SIZES = sizeof sizes / sizeof *sizes };

START_TEST(it_is_brute_force)
{
    if (operands[_i % 2] == TESS_BF16 && !fixture_can_bf16(fixture_backend, NULL))
        return;
    struct fixture b;
    int table = _i / 2;
    if (tessi_kernels_use(tables[table]) != 0)
        return;
    fixture_open(&b, 1, 1, 1, 0);
    fixture_ok(&b, tessi_host_runtime_compute(&b.context.context, b.runtime));
    for (int kind = 0; kind < KINDS; kind++)
        for (int n = 0; n < SIZES; n++) {
            fill(kind, sizes[n][0], sizes[n][1]);
            compare(&b, kind, operands[_i % 2], sizes[n][0], sizes[n][1]);
        }
    fixture_close(&b);
}
END_TEST

/* A vector that is not finite, among others; a codebook with no finite row. */
START_TEST(what_has_no_nearest_row)
{
    if (operands[_i % 2] == TESS_BF16 && !fixture_can_bf16(fixture_backend, NULL))
        return;
    struct fixture b;
    static struct found all;
    int32_t alone[ROWS];
    fixture_open(&b, 1, 1, 1, 0);
    fixture_ok(&b, tessi_host_runtime_compute(&b.context.context, b.runtime));
    fill(NORMAL, 70, 20);
    x[4 * 20 + 7] = NAN;
    x[9 * 20] = -INFINITY;
    search(&b, operands[_i % 2], 70, 20, &all, alone);
    for (int i = 0; i < ROWS; i++)
        ck_assert_int_eq(all.code[i], i == 4 || i == 9 ? -1 : brute_force(i, 70, 20).code);
    ck_assert_int_eq(alone[4], -1);
    for (int k = 0; k < 70; k++)
        codebook[k * 20 + k % 20] = k % 2 ? NAN : INFINITY;
    search(&b, operands[_i % 2], 70, 20, &all, alone);
    for (int i = 0; i < ROWS; i++)
        ck_assert_int_eq(all.code[i], -1);
    fixture_close(&b);
}
END_TEST

/* Operand dtype of the search: the one that the backend multiplies fastest, whatever the precision of the run. */
START_TEST(operands_are_the_backends_choice)
{
    struct fixture b;
    struct tessi_nearest s;
    fixture_precision = _i ? "bf16" : "f32";
    fixture_open(&b, 1, 1, 1, 0);
    fixture_precision = NULL;
    fixture_ok(&b, tessi_host_runtime_compute(&b.context.context, b.runtime));
    fixture_ok(&b, tessi_search_nearest_plan(&b.context.context, b.runtime, 10, 20, 30, TESSI_NEAREST_AUTO, &s));
    ck_assert_int_eq(s.operands, tessi_host_runtime_multiplies(b.runtime, TESS_BF16) ? TESS_BF16 : TESS_F32);
    tessi_search_nearest_drop(&s);
    fixture_close(&b);
}
END_TEST

static int test_backend(const char *name)
{
    fixture_backend = backend = name;
    Suite *s = suite_create(name);
    TCase *t = tcase_create("nearest");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, it_is_brute_force, 0, 6);
    tcase_add_loop_test(t, what_has_no_nearest_row, 0, 2);
    tcase_add_loop_test(t, operands_are_the_backends_choice, 0, 2);
    suite_add_tcase(s, t);
    return suite_failures(s);
}

int main(void)
{
    char name[BENCH_BACKENDS][64];
    int failed = 0, backends = fixture_backends(name);
    for (int i = 0; i < backends; i++)
        failed += test_backend(name[i]);
    return failed || !backends ? EXIT_FAILURE : EXIT_SUCCESS;
}
