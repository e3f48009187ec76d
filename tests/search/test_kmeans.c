/* k-means against a Lloyd's iteration that spells it out: the same centres, bit for bit, with and without sparing vectors the search, on
 * any number of threads, from memory or read piece by piece; seedings; what becomes of empty centres; what is refused.
 *
 * SPDX-License-Identifier: MIT */
#include "core/search/kmeans_private.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <tessera/kmeans.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* More vectors than are read at once; columns for three workers. */
enum { P = 9000, D = 35, K = 24, ITERATIONS = 12 };

static float pool[P * D];
static struct tess_tensor vectors;

/* Around `groups` places, `spread` wide; 0 groups: around one. */
static void make_pool(int groups, float spread)
{
    struct tess_stream s = {.seed = 8, .purpose = tess_purpose("pool")}, at = {.seed = 8, .purpose = tess_purpose("places")};
    float place[64 * D];
    tess_random_normal(&s, 0, P * D, pool);
    tess_random_normal(&at, 0, 64 * D, place);
    for (int i = 0; i < P * D; i++)
        pool[i] = spread * pool[i] + (groups ? 10.0f * place[i / D * 7 % groups * D + i % D] : 0.0f);
    vectors = tess_tensor_over(pool, TESS_F32, 2, DIMS(P, D));
}

static double square_distance(const float *a, const float *b)
{
    double s = 0.0;
    for (int j = 0; j < D; j++)
        s += pow((double)a[j] - (double)b[j], 2.0);
    return s;
}

/* Every vector against every centre, sums in double in the vectors' order. */
static void spelt_out(float *centres, int iterations, double *objective)
{
    for (int n = 0; n < iterations; n++) {
        static double sum[K * D];
        int count[K] = {0};
        memset(sum, 0, sizeof sum);
        *objective = 0.0;
        for (int i = 0; i < P; i++) {
            int best = 0;
            for (int k = 1; k < K; k++)
                if (square_distance(pool + i * D, centres + k * D) < square_distance(pool + i * D, centres + best * D))
                    best = k;
            *objective += square_distance(pool + i * D, centres + best * D) / P;
            count[best]++;
            for (int j = 0; j < D; j++)
                sum[best * D + j] += (double)pool[i * D + j];
        }
        for (int k = 0; k < K; k++)
            for (int j = 0; j < D && count[k]; j++)
                centres[k * D + j] = (float)(sum[k * D + j] / count[k]);
    }
}

static int reads;

static int read_piece(void *user, struct tess_context *ctx, int64_t first, int64_t n, float *to)
{
    (void)user;
    (void)ctx;
    reads++;
    memcpy(to, pool + first * D, (size_t)(n * D) * sizeof(float));
    return TESS_OK;
}

static double objectives[400];

static int keep(void *user, int64_t iteration, double objective)
{
    (void)user;
    objectives[iteration] = objective;
    return 0;
}

struct attempt {
    int threads, outside;
    struct tess_kmeans_options o;
    const struct tess_tensor *instead; /* tensor given in place of the right centres */
};

/* Gives the status; the message stays in `message`. */
static char message[512];
static int attempt(const struct attempt *a, float *centres, struct tess_kmeans_report *report)
{
    struct fixture b;
    struct tess_kmeans_options o = a->o;
    struct tess_tensor t = tess_tensor_over(centres, TESS_F32, 2, DIMS(o.codebook_size ? o.codebook_size : K, D));
    t = a->instead ? *a->instead : t;
    struct tess_pool inside = tess_pool_of(&vectors), outside = {.size = sizeof outside, .count = P, .width = D, .read = read_piece};
    o.size = sizeof o;
    o.codebook_size = o.codebook_size ? o.codebook_size : K;
    fixture_open(&b, a->threads ? a->threads : 1, 1, 1, 0);
    int status = tess_kmeans(&b.context.context, a->outside ? &outside : &inside, &o, &t, report);
    snprintf(message, sizeof message, "%s", tessi_base_context_message(&b.context.context));
    fixture_close(&b);
    return status;
}
#define ATTEMPT(centres, report, ...) attempt(&(struct attempt){__VA_ARGS__}, centres, report)

START_TEST(lloyd_is_what_it_says)
{
    float want[K * D], got[K * D];
    double objective;
    struct tess_kmeans_report r;
    make_pool(_i % 2 ? 20 : 0, _i % 2 ? 0.5f : 1.0f);
    fixture_backend = _i > 1 ? "openblas" : NULL; /* openblas, which every build has, beside the preferred backend */
    memcpy(want, pool, sizeof want);
    spelt_out(want, ITERATIONS, &objective);
    for (int variant = 0; variant < 8; variant++) {
        memcpy(got, pool, sizeof got);
        ck_assert_int_eq(ATTEMPT(got, &r, .threads = 1 + variant % 4, .outside = variant > 3,
                                 .o = {.seeding = TESS_SEED_GIVEN, .iterations = ITERATIONS, .plain = variant % 2, .stop = keep}),
                         TESS_OK);
        ck_assert_msg(memcmp(want, got, sizeof got) == 0, "variant %d", variant);
        ck_assert(fabs(r.objective - objective) < 1e-9 * objective);
        ck_assert_int_eq(r.assigned + r.spared, r.iterations * P);
        ck_assert(variant % 2 ? r.spared == 0 : r.spared > 0);
        for (int64_t i = 2; i <= r.iterations; i++)
            ck_assert_msg(objectives[i] <= objectives[i - 1] * (1.0 + 1e-12), "iteration %lld", (long long)i);
    }
    ck_assert_int_gt(reads, 0);
}
END_TEST

/* Stopped anywhere and begun again from the centres there were, it goes on to the same bits: also while empty centres are given vectors. */
START_TEST(it_can_be_taken_up_anywhere)
{
    float whole[K * D], parts[K * D];
    struct tess_kmeans_report r;
    make_pool(_i ? 20 : 0, _i ? 0.5f : 1.0f);
    for (int k = 0; k < K; k++)
        memcpy(whole + k * D, pool + (_i ? 0 : k * D), D * sizeof(float)); /* all alike at first, or not */
    memcpy(parts, whole, sizeof whole);
    ck_assert_int_eq(ATTEMPT(whole, &r, .o = {.seeding = TESS_SEED_GIVEN, .tolerance = 1e-4}), TESS_OK);
    int64_t iterations = r.iterations, done = 0;
    double objective = r.objective;
    ck_assert(r.converged && iterations > 5);
    for (int64_t n = 1; done < iterations; n = n % 3 + 1) {
        ck_assert_int_eq(ATTEMPT(parts, &r, .threads = 3, .o = {.seeding = TESS_SEED_GIVEN, .iterations = n, .tolerance = 1e-4}), TESS_OK);
        done += r.iterations;
        ck_assert_int_eq(r.converged, done == iterations);
    }
    ck_assert(done == iterations && r.objective == objective && memcmp(whole, parts, sizeof whole) == 0);
}
END_TEST

START_TEST(it_ends_when_nothing_moves)
{
    float one[K * D], two[K * D];
    struct tess_kmeans_report r;
    make_pool(K, 0.1f);
    ck_assert_int_eq(ATTEMPT(one, &r, .o = {.seed = 3}), TESS_OK);
    ck_assert(r.converged && r.iterations < 100 && r.shift == 0.0);
    ck_assert(r.objective < 1.0); /* no centre stands between two places */
    memcpy(two, one, sizeof two);
    ck_assert_int_eq(ATTEMPT(two, &r, .o = {.seeding = TESS_SEED_GIVEN}), TESS_OK);
    ck_assert(r.iterations == 1 && memcmp(one, two, sizeof one) == 0);
    ck_assert_int_eq(ATTEMPT(two, &r, .o = {.seed = 3, .tolerance = 10.0}), TESS_OK);
    ck_assert(r.converged && r.iterations < 4);
}
END_TEST

/* Every seeding gives vectors of the pool, none twice, the same on any threads; k-means++ and its approximation find the places. */
START_TEST(seeds)
{
    float seed[K * D], again[K * D];
    struct tess_kmeans_report r;
    make_pool(K, 0.01f);
    for (int kind = TESS_SEED_AFKMC2; kind <= TESS_SEED_RANDOM; kind++) {
        ck_assert_int_eq(ATTEMPT(seed, &r, .threads = 1, .o = {.seeding = kind, .seed = 5, .iterations = 1}), TESS_OK);
        double objective = r.objective;
        ck_assert_int_eq(ATTEMPT(again, &r, .threads = 3, .outside = 1, .o = {.seeding = kind, .seed = 5, .iterations = 1}), TESS_OK);
        ck_assert_msg(memcmp(seed, again, sizeof seed) == 0, "seeding %d", kind);
        ck_assert_int_eq(ATTEMPT(again, &r, .o = {.seeding = kind, .seed = 6, .iterations = 1}), TESS_OK);
        ck_assert(memcmp(seed, again, sizeof seed) != 0);
        if (kind != TESS_SEED_RANDOM)
            ck_assert_msg(objective < 1.0, "seeding %d: %g", kind, objective);
    }
}
END_TEST

enum { FEW = 64, TRIES = 100 };
static float few[FEW];

static int read_few(void *user, struct tess_context *ctx, int64_t first, int64_t n, float *to)
{
    (void)user;
    (void)ctx;
    memcpy(to, few + first, (size_t)n * sizeof(float));
    return TESS_OK;
}

/* Numbers close together and one far away, at `place`: in how many of the tries one of two centres is that one. */
static int found_far_one(int kind, int64_t chain, int place)
{
    struct fixture b;
    struct tess_kmeans_report r;
    struct tess_pool from = {.size = sizeof from, .count = FEW, .width = 1, .read = read_few};
    float centre[2];
    int found = 0;
    fixture_open(&b, 1, 1, 1, 0);
    for (int i = 0; i < FEW; i++)
        few[i] = i == place ? 1000.0f : 0.001f * (float)i;
    for (int seed = 0; seed < TRIES; seed++) {
        struct tess_kmeans_options o = {.seeding = kind, .chain = chain, .seed = (uint64_t)seed, .iterations = 1, .codebook_size = 2};
        struct tess_tensor t = tess_tensor_over(centre, TESS_F32, 2, DIMS(2, 1));
        o.size = sizeof o;
        fixture_ok(&b, tess_kmeans(&b.context.context, &from, &o, &t, &r));
        found += centre[0] > 999.0f || centre[1] > 999.0f;
    }
    fixture_close(&b);
    return found;
}

/* k-means++ finds it always; of the approximation's candidates one in two is it, so that a chain of n misses it once in 2^n. */
START_TEST(seeds_are_drawn_by_distance)
{
    for (int place = 0; place < FEW; place += FEW - 1) {
        ck_assert_int_eq(found_far_one(TESS_SEED_PLUSPLUS, 0, place), TRIES);
        int one = found_far_one(TESS_SEED_AFKMC2, 1, place), four = found_far_one(TESS_SEED_AFKMC2, 4, place);
        ck_assert_msg(one > TRIES / 3 && one < TRIES * 2 / 3 && four > TRIES * 4 / 5, "%d and %d of %d", one, four, TRIES);
        ck_assert_int_lt(found_far_one(TESS_SEED_RANDOM, 0, place), TRIES / 5);
    }
}
END_TEST

/* ---- seedings by definition ---------------------------------------------------------------------------------------- */

/* Vectors of whole numbers, so that squared distances and their sums are exact in any order. More than are read at once. */
enum { MANY = 5000, WIDE = 3, SEEDS = 14, CHAIN = 7 };
static float whole_numbers[MANY * WIDE];

static int read_whole(void *user, struct tess_context *ctx, int64_t first, int64_t n, float *to)
{
    (void)user;
    (void)ctx;
    ck_assert(first >= 0 && n > 0 && first + n <= MANY);
    memcpy(to, whole_numbers + first * WIDE, (size_t)(n * WIDE) * sizeof(float));
    return TESS_OK;
}

static double uniform(const char *purpose, int64_t step, uint64_t i)
{
    const struct tess_stream s = {.seed = 9, .purpose = tess_purpose(purpose), .step = (uint32_t)step};
    uint32_t u[2];
    tess_random_u32(&s, 2 * i, 2, u);
    return ((double)u[0] + (double)u[1] * 0x1p-32) * 0x1p-32;
}

static double square_of(int64_t a, int64_t b)
{
    double sum = 0.0;
    for (int j = 0; j < WIDE; j++)
        sum += pow((double)whole_numbers[a * WIDE + j] - (double)whole_numbers[b * WIDE + j], 2.0);
    return sum;
}

static double square_to_nearest(int64_t i, const int64_t *centre, int centres)
{
    double least = INFINITY;
    for (int k = 0; k < centres; k++)
        least = fmin(least, square_of(i, centre[k]));
    return least;
}

/* First vector at which the running sum of the weights is above `at`. */
static int64_t first_above(const double *weight, double at)
{
    double sum = 0.0;
    for (int64_t i = 0; i < MANY; i++)
        if ((sum += weight[i]) > at)
            return i;
    return MANY - 1;
}

/* k-means++: the next centre is drawn in proportion to the squared distance to the nearest one so far. */
static int64_t next_by_distance(const int64_t *centre, int centres)
{
    static double weight[MANY];
    double sum = 0.0;
    for (int64_t i = 0; i < MANY; i++)
        sum += weight[i] = square_to_nearest(i, centre, centres);
    return first_above(weight, uniform("kmeans.plusplus", centres, 0) * sum);
}

/* AFK-MC2: the end of a chain, whose steps weigh a candidate's squared distance over its probability to be proposed. */
static int64_t next_by_chain(const int64_t *centre, int centres)
{
    static double weight[MANY];
    double sum = 0.0, now = 0.0;
    int64_t at = -1;
    for (int64_t i = 0; i < MANY; i++)
        sum += weight[i] = square_of(i, centre[0]);
    for (uint64_t i = 0; i < CHAIN; i++) {
        double u = uniform("kmeans.afkmc2", centres, 2 * i);
        int64_t candidate =
            u < 0.5 ? (int64_t)(uniform("kmeans.afkmc2", centres, 2 * i + 1) * MANY) : first_above(weight, 2.0 * (u - 0.5) * sum);
        double next = square_to_nearest(candidate, centre, centres) / (0.5 * (weight[candidate] / sum) + 0.5 / MANY);
        if (at < 0 || now <= 0.0 || next >= now || uniform("kmeans.accept", centres, i) < next / now) {
            at = candidate;
            now = next;
        }
    }
    return at;
}

/* Seeds before any iteration are those of the definitions, computed plainly, on any number of threads. */
START_TEST(seeds_by_definition)
{
    const struct tess_stream random = {.seed = 9, .purpose = tess_purpose("kmeans.random")},
                             numbers = {.seed = 4, .purpose = tess_purpose("whole")};
    const struct tess_pool from = {.size = sizeof from, .count = MANY, .width = WIDE, .read = read_whole};
    const struct tess_kmeans_options o = {.size = sizeof o, .seeding = _i, .codebook_size = SEEDS, .chain = CHAIN, .seed = 9};
    float centre[SEEDS * WIDE];
    int64_t want[SEEDS] = {(int64_t)(uniform("kmeans.first", 0, 0) * MANY)};
    uint32_t u[MANY * WIDE];
    tess_random_u32(&numbers, 0, MANY * WIDE, u);
    for (int i = 0; i < MANY * WIDE; i++)
        whole_numbers[i] = (float)(u[i] % 41) - 20.0f;
    for (int k = 0; k < SEEDS; k++)
        if (_i == TESS_SEED_RANDOM)
            want[k] = tess_random_permute(&random, MANY, k);
        else if (k > 0)
            want[k] = (_i == TESS_SEED_PLUSPLUS ? next_by_distance : next_by_chain)(want, k);
    for (int threads = 1; threads <= 3; threads += 2) {
        struct fixture b;
        fixture_open(&b, threads, 1, 1, 0);
        fixture_ok(&b, tessi_search_kmeans_seed(&b.context.context, b.runtime->workers, &from, &o, centre));
        fixture_close(&b);
        for (int k = 0; k < SEEDS; k++)
            ck_assert_msg(memcmp(centre + k * WIDE, whole_numbers + want[k] * WIDE, WIDE * sizeof(float)) == 0, "seed %d", k);
    }
}
END_TEST

START_TEST(empty_centres_are_given_a_vector)
{
    float centres[K * D];
    struct tess_kmeans_report r;
    make_pool(K, 0.1f);
    for (int k = 0; k < K; k++)
        memcpy(centres + k * D, pool, D * sizeof(float)); /* all alike: the first gets every vector */
    ck_assert_int_eq(ATTEMPT(centres, &r, .o = {.seeding = TESS_SEED_GIVEN}), TESS_OK);
    ck_assert_int_ge(r.reseeded, K - 1);
    for (int k = 0; k < K; k++)
        for (int other = 0; other < k; other++)
            ck_assert(memcmp(centres + k * D, centres + other * D, D * sizeof(float)) != 0);
}
END_TEST

START_TEST(vectors_all_alike)
{
    float centres[K * D];
    struct tess_kmeans_report r;
    make_pool(0, 0.0f);
    for (int kind = TESS_SEED_AFKMC2; kind <= TESS_SEED_RANDOM; kind++) {
        ck_assert_int_eq(ATTEMPT(centres, &r, .o = {.seeding = kind, .iterations = 20}), TESS_OK);
        ck_assert(r.objective == 0.0);
    }
}
END_TEST

START_TEST(what_cannot_be_done_is_refused)
{
    static float centres[(P + 1) * D];
    struct tess_kmeans_report r;
    make_pool(0, 1.0f);
    ck_assert_int_eq(ATTEMPT(centres, &r, .o = {.codebook_size = P + 1}), TESS_E_VALUE);
    ck_assert(strstr(message, "9000 vectors cannot be made 9001 codes; give a pool that is larger"));
    pool[1234 * D + 2] = NAN;
    for (int kind = TESS_SEED_AFKMC2; kind <= TESS_SEED_RANDOM; kind++) {
        ck_assert_int_eq(ATTEMPT(centres, &r, .o = {.seeding = kind}), TESS_E_DATA);
        ck_assert(strstr(message, "a vector that is not finite"));
    }
}
END_TEST

START_TEST(options_and_centres_that_do_not_fit)
{
    static float centres[2 * K * D];
    static const struct tess_kmeans_options bad[] = {
        {.seeding = -1}, {.seeding = TESS_SEED_GIVEN + 1}, {.chain = -1}, {.iterations = -1}, {.tolerance = -1e-9}, {.tolerance = NAN}};
    struct tess_kmeans_report r;
    const struct tess_tensor wrong[] = {
        tess_tensor_over(centres, TESS_I32, 2, DIMS(K, D)),     tess_tensor_over(centres, TESS_F32, 1, DIMS(K, D)),
        tess_tensor_over(centres, TESS_F32, 3, DIMS(K, D, 1)),  tess_tensor_over(centres, TESS_F32, 2, DIMS(K + 1, D)),
        tess_tensor_over(centres, TESS_F32, 2, DIMS(K, D - 1)), tess_tensor_over(NULL, TESS_F32, 2, DIMS(K, D))};
    make_pool(0, 1.0f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(ATTEMPT(centres, &r, .o = bad[i]), TESS_E_VALUE);
        ck_assert_str_eq(message, "k-means: an option is out of its range");
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(ATTEMPT(centres, &r, .instead = &wrong[i]) == TESS_E_SHAPE, "%zu", i);
        ck_assert_str_eq(message, "k-means: centres f32 (24, 35) are wanted");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("kmeans");
    TCase *t = tcase_create("kmeans");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, lloyd_is_what_it_says, 0, 4);
    tcase_add_loop_test(t, it_can_be_taken_up_anywhere, 0, 2);
    tcase_add_test(t, it_ends_when_nothing_moves);
    tcase_add_test(t, seeds);
    tcase_add_test(t, seeds_are_drawn_by_distance);
    tcase_add_loop_test(t, seeds_by_definition, TESS_SEED_AFKMC2, TESS_SEED_RANDOM + 1);
    tcase_add_test(t, empty_centres_are_given_a_vector);
    tcase_add_test(t, vectors_all_alike);
    tcase_add_test(t, what_cannot_be_done_is_refused);
    tcase_add_test(t, options_and_centres_that_do_not_fit);
    suite_add_tcase(s, t);
    return suite_run(s);
}
