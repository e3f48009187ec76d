/* Intervals by bootstrap: draws, percentiles, the known error of a mean; and what each metric says of a resample against the metric of rows
 * that are copied as often as the resample has them, or against its definition where copies do not count (docs/metrics.md, "Intervals").
 *
 * SPDX-License-Identifier: MIT */
#include "kit/metric/bootstrap.h"
#include "kit/metric/mean_error.h"
#include "kit/metric/row_values.h"
#include "tests/support/metric_case.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct tess_test_host *host;
static struct tess_context *ctx;

static void open_host(void)
{
    unsetenv("TESSERA_PLUGIN_PATH");
    ck_assert_int_eq(tess_test_host_open(NULL, &host), TESS_OK);
    ctx = tess_test_context(host);
}

static void close_host(void)
{
    ck_assert_int_eq(tess_test_host_close(host), 0);
}

static void ok(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, tess_test_message(host));
}

/* ---- draws and percentiles ---- */

static int tasks_rising(void *to, struct tess_context *c, int64_t n, int (*task)(void *user, struct tess_context *c, int64_t i), void *user)
{
    (void)to;
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(task(user, c, i));
    return TESS_OK;
}

static int tasks_falling(void *to, struct tess_context *c, int64_t n, int (*task)(void *user, struct tess_context *c, int64_t i),
                         void *user)
{
    (void)to;
    for (int64_t i = n - 1; i >= 0; i--)
        TESS_TRY(task(user, c, i));
    return TESS_OK;
}

START_TEST(draws_have_all_rows_and_depend_on_nothing_else)
{
    enum { R = 7, IMAGES = 30, SAMPLES = 11 };
    const int64_t rows[TESS_METRIC_SETS] = {IMAGES, SAMPLES, 5};
    const struct bootstrap b = {R, 3}, other = {R, 4};
    struct tess_metric_resamples r = {.size = sizeof r, .parallel = tasks_rising}, s = {.size = sizeof s, .parallel = tasks_falling};
    ok(bootstrap_draw(ctx, &b, rows, &r));
    ok(bootstrap_draw(ctx, &b, rows, &s));
    ck_assert_int_eq(r.count, R);
    ck_assert_ptr_null(r.times[TESS_METRIC_TRAINING]);
    for (int set = 0; set < 2; set++) {
        ck_assert_int_eq(memcmp(r.times[set], s.times[set], (size_t)(R * rows[set]) * sizeof(uint16_t)), 0);
        for (int64_t k = 0, i = 0, all = 0; k < R; k++, all = 0) {
            for (int64_t j = 0; j < rows[set]; j++)
                all += r.times[set][i++];
            ck_assert_int_eq(all, rows[set]);
        }
    }
    ck_assert_int_ne(memcmp(r.times[0], r.times[0] + IMAGES, IMAGES * sizeof(uint16_t)), 0);
    bootstrap_close(&s);
    ok(bootstrap_draw(ctx, &other, rows, &s));
    ck_assert_int_ne(memcmp(r.times[0], s.times[0], R * IMAGES * sizeof(uint16_t)), 0);
    bootstrap_close(&r);
    bootstrap_close(&s);
}
END_TEST

START_TEST(percentiles_and_deviation)
{
    double value[41], infinite[3] = {INFINITY, 2.0, 1.0}, broken[2] = {1.0, NAN};
    struct tess_metric_value v = TESS_METRIC_VALUE("x", 20.0, "", TESS_METRIC_LOWER);
    for (int i = 0; i < 41; i++)
        value[i] = (double)((i * 17) % 41);
    bootstrap_interval(value, 41, &v);
    ck_assert_double_eq_tol(v.low, 1.0, 1e-12);
    ck_assert_double_eq_tol(v.high, 39.0, 1e-12);
    ck_assert_double_eq_tol(v.standard_error, sqrt(41.0 * 42.0 / 12.0), 1e-12); /* variance of 0 .. n - 1: n (n + 1) / 12 */
    bootstrap_interval(broken, 2, &v);
    ck_assert_double_eq_tol(v.low, 1.0, 1e-12); /* left as it was */
    bootstrap_interval(infinite, 3, &v);
    ck_assert(isinf(v.high) && v.standard_error < 0.0);
}
END_TEST

/* The bootstrap's error of a mean is the known one, deviation over the root of n (over n, not n - 1: the sample is its population). */
START_TEST(error_of_a_mean_is_the_known_one)
{
    enum { R = 4000, N = 60 };
    const int64_t rows[TESS_METRIC_SETS] = {N, 0, 0};
    const struct bootstrap b = {R, 11};
    struct tess_metric_resamples r = {.size = sizeof r, .parallel = tasks_rising};
    struct tess_metric_value v = TESS_METRIC_VALUE("x", 0.0, "", TESS_METRIC_LOWER);
    double value[N], mean[R];
    for (int i = 0; i < N; i++)
        value[i] = sin(1.7 * i) + 0.01 * i;
    ok(bootstrap_draw(ctx, &b, rows, &r));
    for (int k = 0; k < R; k++)
        mean[k] = row_values_mean(value, N, r.times[0] + k * N);
    bootstrap_interval(mean, R, &v);
    const struct mean_error e = mean_error_of(value, N);
    double known = e.standard_error * sqrt((N - 1.0) / N);
    ck_assert_double_eq_tol(v.standard_error, known, 0.04 * known); /* standard error of this estimate: 1 / sqrt(2 R), 1.1 % */
    ck_assert_double_eq_tol(v.low, e.mean - 1.96 * known, 0.15 * known);
    ck_assert_double_eq_tol(v.high, e.mean + 1.96 * known, 0.15 * known);
    bootstrap_close(&r);
}
END_TEST

/* ---- metrics of sets ---- */

enum { IMAGES = 40, SAMPLES = 33, TRAINED = 25, D = 6 };

static void vectors(int64_t n, double shift, float *x)
{
    for (int64_t i = 0; i < n * D; i++)
        x[i] = (float)(sin(0.7 * (double)(i % D + 1) * (double)(i / D + 1) + shift) + 0.4 * cos(1.3 * (double)i + shift) + 0.1 * shift);
}

static float images[IMAGES * D], samples[SAMPLES * D], trained[TRAINED * D];
static uint16_t drawn[2][IMAGES];

/* A resample by formula: the sum over a set is its number of rows. */
static void set_up_sets(void)
{
    const int64_t rows[2] = {IMAGES, SAMPLES};
    vectors(IMAGES, 0.0, images);
    vectors(SAMPLES, 1.0, samples);
    vectors(TRAINED, 2.0, trained);
    memset(drawn, 0, sizeof drawn);
    for (int set = 0; set < 2; set++)
        for (int64_t i = 0; i < rows[set]; i++)
            drawn[set][(i * i * 7 + i + set) % rows[set]]++;
}

static int64_t copies(const float *x, int64_t n, const uint16_t *times, float *to)
{
    int64_t all = 0;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < times[i]; k++)
            memcpy(to + all++ * D, x + i * D, D * sizeof *x);
    return all;
}

static void measure_sets(struct metric_case *m, const char *config, const float *a, const float *b, int64_t resamples,
                         struct metric_values *v)
{
    const struct tess_metric_shape shape = {
        .size = sizeof shape, .rows = {IMAGES, SAMPLES, TRAINED}, .features = D, .resamples = resamples};
    metric_case_open(m, ctx, config, &shape);
    metric_case_features(m, TESS_METRIC_IMAGES, a, IMAGES, D, 16);
    metric_case_features(m, TESS_METRIC_SAMPLES, b, SAMPLES, D, 16);
    if (m->ops->uses_training)
        metric_case_features(m, TESS_METRIC_TRAINING, trained, TRAINED, D, 16);
    metric_case_finish(m, v);
}

static double resampled(const char *config, const char *name)
{
    const uint16_t *const times[2] = {drawn[0], drawn[1]};
    struct metric_values v;
    struct metric_case m;
    measure_sets(&m, config, images, samples, 1, &v);
    double value = metric_case_resampled(&m, times, name);
    metric_case_close(&m);
    return value;
}

static const char *const by_copies[][2] = {{"{use: frechet}", "frechet distance"}, {"{use: memorisation}", "memorisation"}};

START_TEST(resamples_are_copied_rows)
{
    static float a[IMAGES * D], b[SAMPLES * D];
    struct metric_values v;
    struct metric_case m;
    set_up_sets();
    ck_assert_int_eq(copies(images, IMAGES, drawn[0], a), IMAGES);
    ck_assert_int_eq(copies(samples, SAMPLES, drawn[1], b), SAMPLES);
    measure_sets(&m, by_copies[_i][0], a, b, 0, &v);
    metric_case_close(&m);
    ck_assert_double_eq_tol(resampled(by_copies[_i][0], by_copies[_i][1]), metric_value_named(&v, by_copies[_i][1]), 1e-11);
}
END_TEST

/* Many wide vectors go by covariances where few go by factors: the distance of copied rows all the same, also where a feature is there
 * twice, so that a covariance has not full rank. */
START_TEST(wide_resamples_are_copied_rows)
{
    enum { WIDE = 130, ROWS = 300 };
    static float set[2][ROWS * WIDE], copied[2][ROWS * WIDE];
    static uint16_t times[2][ROWS];
    const struct tess_metric_shape shape = {.size = sizeof shape, .rows = {ROWS, ROWS, 0}, .features = WIDE, .resamples = 1};
    const struct tess_stream s = {.seed = 5};
    struct metric_values v;
    struct metric_case m;
    memset(times, 0, sizeof times);
    for (int k = 0; k < 2; k++) {
        int64_t n = 0;
        tess_random_normal(&s, (uint64_t)(k * ROWS * WIDE), ROWS * WIDE, set[k]);
        for (int64_t i = 0; k && i < ROWS * WIDE; i++)
            set[k][i] = 1.5F * set[k][i] + 0.1F;
        for (int64_t i = 0; _i && i < ROWS; i++)
            set[k][i * WIDE + 7] = set[k][i * WIDE + 3];
        for (int64_t i = 0; i < ROWS; i++)
            times[k][i % 4 == 3 ? i - 1 - k : i]++; /* 225 rows, more than features: a covariance has full rank unless a feature is twice */
        for (int64_t i = 0; i < ROWS; i++)
            for (int c = 0; c < times[k][i]; c++)
                memcpy(copied[k] + n++ * WIDE, set[k] + i * WIDE, WIDE * sizeof(float));
        ck_assert_int_eq(n, ROWS);
    }
    metric_case_open(&m, ctx, "{use: frechet}", &shape);
    metric_case_features(&m, TESS_METRIC_IMAGES, copied[0], ROWS, WIDE, 64);
    metric_case_features(&m, TESS_METRIC_SAMPLES, copied[1], ROWS, WIDE, 64);
    metric_case_finish(&m, &v);
    metric_case_close(&m);
    metric_case_open(&m, ctx, "{use: frechet}", &shape);
    metric_case_features(&m, TESS_METRIC_IMAGES, set[0], ROWS, WIDE, 64);
    metric_case_features(&m, TESS_METRIC_SAMPLES, set[1], ROWS, WIDE, 64);
    const double value = metric_case_resampled(&m, (const uint16_t *[]){times[0], times[1]}, "frechet distance");
    metric_case_close(&m);
    const double wanted = metric_value_named(&v, "frechet distance");
    ck_assert_double_eq_tol(value / wanted, 1.0, 1e-6);
}
END_TEST

static double polynomial(const float *x, const float *y)
{
    double product = 0.0;
    for (int k = 0; k < D; k++)
        product += (double)x[k] * (double)y[k];
    return pow(product / D + 1.0, 3.0);
}

/* The mean of the kernel over pairs of drawn vectors, without those of a vector with itself. */
static double pairs_mean(const float *x, int64_t n, const uint16_t *tx, const float *y, int64_t m, const uint16_t *ty)
{
    double sum = 0.0, count = 0.0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m; j++)
            if (x != y || i != j) {
                sum += tx[i] * ty[j] * polynomial(x + i * D, y + j * D);
                count += tx[i] * ty[j];
            }
    return sum / count;
}

START_TEST(kernel_leaves_pairs_of_one_vector_out)
{
    set_up_sets();
    double direct = pairs_mean(images, IMAGES, drawn[0], images, IMAGES, drawn[0]) +
                    pairs_mean(samples, SAMPLES, drawn[1], samples, SAMPLES, drawn[1]) -
                    2.0 * pairs_mean(images, IMAGES, drawn[0], samples, SAMPLES, drawn[1]);
    ck_assert_double_eq_tol(resampled("{use: kernel}", "kernel distance"), direct, 1e-12);
    ck_assert(isnan(resampled("{use: kernel, subsets: 3, subset: 20}", "kernel distance")));
}
END_TEST

static double square_distance(const float *x, const float *y)
{
    double sum = 0.0;
    for (int k = 0; k < D; k++)
        sum += ((double)x[k] - (double)y[k]) * ((double)x[k] - (double)y[k]);
    return sum;
}

/* Squared distance of x[i] to its third nearest neighbour among the others. */
static double third_nearest(const float *x, int64_t n, int64_t i)
{
    double least[3] = {INFINITY, INFINITY, INFINITY};
    for (int64_t j = 0; j < n; j++) {
        double square = j == i ? INFINITY : square_distance(x + i * D, x + j * D);
        for (int k = 0; k < 3; k++)
            if (square < least[k]) {
                double other = least[k];
                least[k] = square;
                square = other;
            }
    }
    return least[2];
}

/* Balls of `centre` that each point lies in, summed over the drawn points; `once`: each point counts once at most. */
static double balls(const float *point, int64_t n, const uint16_t *times, const float *centre, int64_t m, int once)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        int in = 0;
        for (int64_t j = 0; j < m; j++)
            in += square_distance(point + i * D, centre + j * D) <= third_nearest(centre, m, j);
        sum += times[i] * (once && in > 1 ? 1 : in);
    }
    return sum / (double)n;
}

/* Balls stay those of all rows; the points are drawn anew. */
START_TEST(manifolds_stay_as_they_are)
{
    double covered = 0.0;
    set_up_sets();
    ck_assert_double_eq_tol(resampled("{use: precision-recall}", "precision"), balls(samples, SAMPLES, drawn[1], images, IMAGES, 1), 1e-12);
    ck_assert_double_eq_tol(resampled("{use: precision-recall}", "recall"), balls(images, IMAGES, drawn[0], samples, SAMPLES, 1), 1e-12);
    const char *config = "{use: density-coverage, neighbours: 3, border: closed}";
    ck_assert_double_eq_tol(resampled(config, "density"), balls(samples, SAMPLES, drawn[1], images, IMAGES, 0) / 3.0, 1e-12);
    for (int64_t i = 0; i < IMAGES; i++) {
        int in = 0;
        for (int64_t j = 0; j < SAMPLES; j++)
            in |= square_distance(images + i * D, samples + j * D) <= third_nearest(images, IMAGES, i);
        covered += in * drawn[0][i] / (double)IMAGES;
    }
    ck_assert_double_eq_tol(resampled(config, "coverage"), covered, 1e-12);
}
END_TEST

/* ---- metrics of reconstructions ---- */

enum { N = 5, SIDE = 12, PIXELS = SIDE * SIDE };
static const uint16_t chosen[N] = {2, 0, 1, 2, 0};

static void measure_pairs(struct metric_case *m, const char *config, const uint8_t *image, const float *made, struct metric_values *v)
{
    const struct tess_metric_shape shape = {
        .size = sizeof shape, .rows = {N, 0}, .height = SIDE, .width = SIDE, .channels = 1, .resamples = 1};
    const int64_t dim[4] = {N, SIDE, SIDE, 1};
    const struct tess_tensor a = tess_tensor_over((void *)(uintptr_t)image, TESS_U8, 4, dim);
    const struct tess_tensor b = tess_tensor_over((void *)(uintptr_t)made, TESS_F32, 4, dim);
    metric_case_open(m, ctx, config, &shape);
    metric_case_add(m, &(struct tess_metric_rows){.size = sizeof(struct tess_metric_rows), .count = N, .image = &a, .made = &b});
    metric_case_finish(m, v);
}

START_TEST(reconstructions_are_drawn_as_images)
{
    static const char *const config[][2] = {{"{use: mse}", "MSE"}, {"{use: psnr}", "PSNR"}, {"{use: ssim}", "SSIM"}};
    static uint8_t image[2][N * PIXELS];
    static float made[2][N * PIXELS];
    const uint16_t *const times[2] = {chosen, NULL};
    struct metric_case m, copied;
    struct metric_values v;
    for (int i = 0; i < N * PIXELS; i++) {
        image[0][i] = (uint8_t)(128.0 + 100.0 * sin(0.37 * i) * cos(0.011 * i));
        made[0][i] = (float)(image[0][i] / 255.0 + 0.02 * (1 + i / PIXELS) * sin(1.7 * i));
    }
    for (int i = 0, at = 0; i < N; i++)
        for (int k = 0; k < chosen[i]; k++, at++) {
            memcpy(image[1] + at * PIXELS, image[0] + i * PIXELS, PIXELS);
            memcpy(made[1] + at * PIXELS, made[0] + i * PIXELS, PIXELS * sizeof(float));
        }
    measure_pairs(&copied, config[_i][0], image[1], made[1], &v);
    measure_pairs(&m, config[_i][0], image[0], made[0], &(struct metric_values){.count = 0});
    ck_assert_double_eq_tol(metric_case_resampled(&m, times, config[_i][1]), metric_value_named(&v, config[_i][1]), 1e-12);
    metric_case_close(&copied);
    metric_case_close(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("intervals by bootstrap");
    TCase *c = tcase_create("bootstrap");
    tcase_add_checked_fixture(c, open_host, close_host);
    tcase_add_test(c, draws_have_all_rows_and_depend_on_nothing_else);
    tcase_add_test(c, percentiles_and_deviation);
    tcase_add_test(c, error_of_a_mean_is_the_known_one);
    tcase_add_loop_test(c, wide_resamples_are_copied_rows, 0, 2);
    tcase_add_loop_test(c, resamples_are_copied_rows, 0, 2);
    tcase_add_test(c, kernel_leaves_pairs_of_one_vector_out);
    tcase_add_test(c, manifolds_stay_as_they_are);
    tcase_add_loop_test(c, reconstructions_are_drawn_as_images, 0, 3);
    suite_add_tcase(s, c);
    return suite_run(s);
}
