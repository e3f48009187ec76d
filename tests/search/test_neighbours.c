/* The k nearest of a pool against brute force that spells it out: among near and far vectors, equals, vectors far from the origin and such
 * as overflow; in blocks of any size, on any number of threads and any backend, in one go or in two. SPDX-License-Identifier: MIT */
#include "tests/support/ranks_fixture.h"
#include "tests/support/suite.h"

#include <tessera/neighbours.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Queries for more than one tile, values for more than one product, and more vectors than a worker takes at once. */
enum { Q = 70, D = 1500, P = 700, K = 7 };

static float query[Q * D], pool[P * D];
static char message[512];

static void fill(float *to, int n, const char *purpose, float offset, float spread)
{
    struct tess_stream s = {.seed = 4, .purpose = tess_purpose(purpose)};
    tess_random_normal(&s, 0, n * D, to);
    for (int i = 0; i < n * D; i++)
        to[i] = offset + spread * to[i];
}

static double square_of(const float *a, const float *b)
{
    double sum = 0.0;
    for (int j = 0; j < D; j++)
        sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return sum;
}

/* Brute-force neighbours of query q: the rank of vector p is the number of pool vectors that come before it. */
static void spelt_out(int q, int32_t *index, double *square)
{
    static double all[P];
    for (int p = 0; p < P; p++)
        all[p] = square_of(query + q * D, pool + p * D);
    for (int p = 0; p < P; p++) {
        int before = 0;
        for (int o = 0; o < P && before < K; o++)
            before += all[o] < all[p] || (all[o] == all[p] && o < p);
        if (before < K) {
            index[before] = p;
            square[before] = all[p];
        }
    }
}

struct attempt {
    int threads, block, pieces, neighbours; /* pieces: searches that continue one another */
};

static int search(struct tess_context *ctx, const struct attempt *a, int32_t *index, double *square)
{
    struct tess_tensor queries = tess_tensor_over(query, TESS_F32, 2, DIMS(Q, D));
    struct tess_neighbours_options o = {.size = sizeof o,
                                        .neighbours = a->neighbours ? a->neighbours : K,
                                        .block = a->block,
                                        .queries = &queries,
                                        .index = index,
                                        .square = square};
    int pieces = a->pieces ? a->pieces : 1, status = TESS_OK;
    for (int i = 0; i < pieces; i++) {
        struct tess_neighbours *s = NULL;
        TESS_TRY(tess_neighbours_new(ctx, &o, &s));
        for (int p = P * i / pieces, end = P * (i + 1) / pieces; p < end && status == TESS_OK; p += a->block)
            status = tess_neighbours_add(ctx, s, p, end - p < a->block ? end - p : a->block, pool + p * D);
        tess_neighbours_free(s);
        TESS_TRY(status);
        o.goes_on = 1;
    }
    return TESS_OK;
}

static int attempt(const struct attempt *a, int32_t *index, double *square)
{
    struct fixture b;
    fixture_open(&b, a->threads ? a->threads : 1, 1, 1, 0);
    int status = search(&b.context.context, a, index, square);
    snprintf(message, sizeof message, "%s", tessi_base_context_message(&b.context.context));
    fixture_close(&b);
    return status;
}
#define ATTEMPT(index, square, ...) attempt(&(struct attempt){__VA_ARGS__}, index, square)

/* Brute force, and from there the same bits whatever the blocks, threads and pieces. */
static void is_brute_force(void)
{
    static int32_t want[Q * K], got[Q * K], again[Q * K];
    static double want_square[Q * K], square[Q * K], square_again[Q * K];
    static const struct attempt other[] = {
        {.block = P}, {.block = 1}, {.block = 131, .threads = 3}, {.block = 300, .threads = 2, .pieces = 3}};
    ck_assert_msg(ATTEMPT(got, square, .block = 257) == TESS_OK, "%s", message);
    for (int q = 0; q < Q; q++)
        spelt_out(q, want + q * K, want_square + q * K);
    for (int i = 0; i < Q * K; i++) {
        ck_assert_msg(got[i] == want[i], "query %d: neighbour %d is %d, not %d", i / K, i % K, want[i], got[i]);
        ck_assert_double_le(fabs(square[i] - want_square[i]), 1e-12 * want_square[i]);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        ck_assert_msg(attempt(&other[i], again, square_again) == TESS_OK, "%s", message);
        ck_assert_msg(memcmp(got, again, sizeof got) == 0 && memcmp(square, square_again, sizeof square) == 0, "attempt %zu differs", i);
    }
}

static void at(float offset, float spread)
{
    fill(query, Q, "queries", offset, spread);
    fill(pool, P, "pool", offset, spread);
}

START_TEST(as_brute_force)
{
    at(0.0f, 1.0f);
    for (int i = 0; i < P * D; i++)
        pool[i] = 0.999f * query[i / D % Q * D + i % D] + 0.03f * pool[i]; /* ten near each query, about as far as one another */
    is_brute_force();
}
END_TEST

/* Products of f32 tell nothing here: 1e4 is a thousand times the distances. */
START_TEST(far_from_the_origin)
{
    at(1e4f, 1.0f);
    for (int j = 0; j < D; j++)
        query[j] = -1e4f; /* an outlying query, so subtracting the mean is no help */
    is_brute_force();
}
END_TEST

START_TEST(no_product_can_be_trusted)
{
    at(0.0f, 1e25f);
    is_brute_force();
}
END_TEST

START_TEST(of_equals_the_lowest)
{
    static int32_t index[Q * K];
    static double square[Q * K];
    at(0.0f, 1.0f);
    for (int p = 0; p < P; p++) /* ten of each */
        memcpy(pool + p * D, query + p % Q * D, D * sizeof *pool);
    is_brute_force();
    ck_assert_msg(ATTEMPT(index, square, .block = 64, .threads = 2) == TESS_OK, "%s", message);
    for (int i = 0; i < Q * K; i++) {
        ck_assert_int_eq(index[i], i / K + i % K * Q);
        ck_assert(square[i] == 0.0);
    }
}
END_TEST

START_TEST(fewer_than_are_wanted)
{
    static int32_t index[Q * (P + 3)];
    static double square[Q * (P + 3)];
    at(0.0f, 1.0f);
    ck_assert_msg(ATTEMPT(index, square, .block = 90, .neighbours = P + 3) == TESS_OK, "%s", message);
    for (int q = 0; q < Q; q++) {
        const int32_t *row = index + q * (P + 3);
        const double *squares = square + q * (P + 3);
        for (int i = 0; i < P; i++)
            ck_assert(row[i] >= 0 && squares[i] <= squares[i + 1]);
        for (int i = P; i < P + 3; i++)
            ck_assert(row[i] == -1 && isinf(squares[i]));
    }
}
END_TEST

START_TEST(every_backend)
{
    char name[BENCH_BACKENDS][64];
    int n = fixture_backends(name);
    ck_assert_int_gt(n, 0);
    at(3.0f, 1.0f);
    for (int i = 0; i < n; i++) {
        fixture_backend = name[i];
        is_brute_force();
    }
    fixture_backend = NULL;
}
END_TEST

/* Balls around the pool's vectors that a query lies in, against brute force: radii around the distances, and such as have the query on
 * their border. */
START_TEST(balls_are_counted)
{
    static int32_t index[Q];
    static double square[Q], radius[P];
    static int64_t inside[Q];
    static const float spread[] = {1.0f, 1.0f, 1e25f};
    struct fixture b;
    at(_i == 1 ? 1e4f : 0.0f, spread[_i]);
    for (int p = 0; p < P; p++) {
        memcpy(pool + p * D, query + p % Q * D, (size_t)(p % 3 ? 0 : D) * sizeof *pool);
        double near = square_of(query + (p * 7 + 1) % Q * D, pool + p * D);
        radius[p] = near * (p % 4 == 0 ? 1.0 : p % 4 == 1 ? 0.99 : p % 4 == 2 ? 1.01 : 0.0);
    }
    fixture_open(&b, 2, 1, 1, 0);
    const struct tess_tensor queries = tess_tensor_over(query, TESS_F32, 2, DIMS(Q, D));
    for (int pass = 0; pass < 4; pass++) {
        int open = pass % 2, block = pass < 2 ? 131 : P;
        struct tess_neighbours *s = NULL;
        const struct tess_neighbours_options o = {.size = sizeof o,
                                                  .neighbours = 1,
                                                  .block = block,
                                                  .queries = &queries,
                                                  .index = index,
                                                  .square = square,
                                                  .radius = radius,
                                                  .inside = inside,
                                                  .open = open};
        ck_assert_int_eq(tess_neighbours_new(&b.context.context, &o, &s), TESS_OK);
        for (int p = 0; p < P; p += block)
            ck_assert_int_eq(tess_neighbours_add(&b.context.context, s, p, P - p < block ? P - p : block, pool + p * D), TESS_OK);
        tess_neighbours_free(s);
        for (int q = 0; q < Q; q++) {
            int64_t want = 0, least = 0, most = 0;
            for (int p = 0; p < P; p++) {
                double d = square_of(query + q * D, pool + p * D), slack = 1e-12 * d;
                want += open ? d < radius[p] : d <= radius[p];
                least += d < radius[p] - slack;
                most += d <= radius[p] + slack;
            }
            ck_assert_msg(inside[q] >= least && inside[q] <= most, "query %d lies in %lld, not %lld", q, (long long)inside[q],
                          (long long)want);
            ck_assert(most - least <= P / 4);
        }
    }
    fixture_close(&b);
}
END_TEST

START_TEST(what_is_refused)
{
    static int32_t index[Q * K];
    static double square[Q * K];
    at(0.0f, 1.0f);
    ck_assert_int_eq(ATTEMPT(index, square, .block = 0), TESS_E_VALUE);
    ck_assert_ptr_nonnull(strstr(message, "blocks of 0"));
    pool[333 * D + 1400] = NAN;
    ck_assert_int_eq(ATTEMPT(index, square, .block = 100, .threads = 2), TESS_E_DATA);
    ck_assert_ptr_nonnull(strstr(message, "vector 333 of the pool has a value that is not finite"));
    query[12 * D] = INFINITY;
    ck_assert_int_eq(ATTEMPT(index, square, .block = 100), TESS_E_DATA);
    ck_assert_ptr_nonnull(strstr(message, "query "));
    ck_assert_ptr_nonnull(strstr(message, "has a value that is not finite"));
}
END_TEST

/* ---- ranks --------------------------------------------------------------------------------------------------------- */

struct balls {
    int32_t index[Q * K];
    double square[Q * K], radius[P];
    int64_t inside[Q];
};

/* A search with balls, in blocks of which the last is too small to be shared. */
static void search_balls(struct fixture *b, struct balls *out)
{
    enum { BLOCK = 347 };
    struct tess_tensor queries = tess_tensor_over(query, TESS_F32, 2, DIMS(Q, D));
    const struct tess_neighbours_options o = {.size = sizeof o,
                                              .neighbours = K,
                                              .block = BLOCK,
                                              .queries = &queries,
                                              .index = out->index,
                                              .square = out->square,
                                              .radius = out->radius,
                                              .inside = out->inside};
    struct tess_neighbours *s = NULL;
    struct tess_context *ctx = &b->context.context;
    fixture_ok(b, tess_neighbours_new(ctx, &o, &s));
    for (int p = 0; p < P; p += BLOCK)
        fixture_ok(b, tess_neighbours_add(ctx, s, p, P - p < BLOCK ? P - p : BLOCK, pool + p * D));
    tess_neighbours_free(s);
}

static void search_on_ranks(int rank, const char *transport, void *user)
{
    static struct balls found;
    const struct balls *want = user;
    struct fixture b;
    fixture_open(&b, 1 + rank % 2, 1, 1, 0);
    struct tessi_ranks *r = ranks_fixture_join(&b, transport);
    struct tessi_ranks_word word;
    if (rank > 0) /* rank 0 asks the others into the stage */
        fixture_ok(&b, tessi_ranks_hear(&b.context.context, r, &word));
    tessi_ranks_enter_stage(r, 0, "neighbours");
    memcpy(found.radius, want->radius, sizeof found.radius);
    search_balls(&b, &found);
    ck_assert_msg(memcmp(&found, want, sizeof found) == 0, "rank %d differs from one process", rank);
    ck_assert_int_eq(tessi_ranks_traffic(r).pieces, rank == 0 ? 2 : 0);
    ranks_fixture_leave(&b, TESS_OK);
}

START_TEST(ranks_share_the_queries)
{
    static struct balls want;
    struct fixture b;
    at(0.0f, 1.0f);
    for (int p = 0; p < P; p++)
        want.radius[p] = square_of(query + p % Q * D, pool + p * D);
    fixture_open(&b, 2, 1, 1, 0);
    search_balls(&b, &want);
    fixture_close(&b);
    for (int n = 2; n <= 5; n++)
        ranks_fixture_all(n, search_on_ranks, &want);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("neighbours");
    TCase *t = tcase_create("neighbours");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, as_brute_force);
    tcase_add_test(t, far_from_the_origin);
    tcase_add_test(t, no_product_can_be_trusted);
    tcase_add_test(t, of_equals_the_lowest);
    tcase_add_test(t, fewer_than_are_wanted);
    tcase_add_test(t, every_backend);
    tcase_add_loop_test(t, balls_are_counted, 0, 3);
    tcase_add_test(t, what_is_refused);
    tcase_add_test(t, ranks_share_the_queries);
    suite_add_tcase(s, t);
    return suite_run(s);
}
