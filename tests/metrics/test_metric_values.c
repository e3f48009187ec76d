/* Metrics on features by formula: the values of the field's packages on the same vectors (torch-fidelity 0.4.0, clean-fid 0.1.35, prdc 0.2)
 * and, where those lose digits, of the singular values in double; a set against itself; the same bits however the rows are cut; states as
 * bytes; what cannot be judged.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/metric_case.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/kind/metric.h>
#include <tessera/test.h>

static struct tess_test_host *host;
static struct tess_context *ctx;

static void ok(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, tess_test_message(host));
}

static void open_host(void)
{
    unsetenv("TESSERA_PLUGIN_PATH");
    ok(tess_test_host_open(NULL, &host));
    ctx = tess_test_context(host);
}

static void close_host(void)
{
    ck_assert_int_eq(tess_test_host_close(host), 0);
}

/* ---- features by formula ---- */

static float *vectors(int made, int64_t n, int64_t d)
{
    float *x = malloc((size_t)(n * d) * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (int64_t i = 1; i <= n; i++)
        for (int64_t j = 1; j <= d; j++) {
            double a = (double)i, b = (double)j;
            x[(i - 1) * d + j - 1] = (float)(made ? 0.9 * sin(0.71 * a * b + 0.9 * b) + 0.5 * cos(1.1 * a) + 0.1
                                                  : sin(0.7 * a * b + 0.3 * a) + 0.5 * cos(1.3 * a + 0.2 * b));
        }
    return x;
}

/* ---- a metric at work ---- */

/* Blocks of `block` rows, merged one after the other. */
static void judge_sets(const char *config, const float *const x[TESS_METRIC_SETS], const int64_t n[TESS_METRIC_SETS], int64_t d,
                       int64_t block, struct metric_values *v)
{
    const struct tess_metric_shape shape = {.size = sizeof shape, .rows = {n[0], n[1], n[2]}, .features = d};
    struct metric_case m;
    metric_case_open(&m, ctx, config, &shape);
    for (int32_t set = 0; set < TESS_METRIC_SETS; set++)
        metric_case_features(&m, set, x[set], n[set], d, block);
    metric_case_finish(&m, v);
    metric_case_close(&m);
}

static void judge(const char *config, const float *real, int64_t n, const float *made, int64_t k, int64_t d, int64_t block,
                  struct metric_values *v)
{
    judge_sets(config, (const float *const[]){real, made, NULL}, (const int64_t[]){n, k, 0}, d, block, v);
}

/* ---- values of others ---- */

static const struct {
    int64_t n, m, d;
    double frechet, kernel, recall3, density3, recall5, density5;
} known[] = {
    {40, 50, 8, 0.21643738160361536, -0.08166903958628158, 0.975, 1.7133333333333332, 1.0, 1.684},
    {7, 6, 2, 0.14613849095194142, -0.5651817473198504, 1.0, 1.1111111111111112, NAN, NAN},
    {12, 15, 20, 15.945567717703439, 0.021303615366388584, 0.5833333333333334, 1.8666666666666665, 0.5833333333333334, 1.44},
};

START_TEST(metrics_have_the_values_of_others)
{
    int64_t n = known[_i].n, k = known[_i].m, d = known[_i].d;
    float *real = vectors(0, n, d), *made = vectors(1, k, d);
    struct metric_values v;
    judge("{use: frechet}", real, n, made, k, d, 256, &v);
    ck_assert_double_eq_tol(metric_value_named(&v, "frechet distance"), known[_i].frechet, 1e-9 * known[_i].frechet);
    judge("{use: kernel}", real, n, made, k, d, 256, &v);
    ck_assert_double_eq_tol(metric_value_named(&v, "kernel distance"), known[_i].kernel, 1e-12);
    for (int border = 0; border < 2; border++) {
        judge(border ? "{use: precision-recall, border: open}" : "{use: precision-recall}", real, n, made, k, d, 256, &v);
        ck_assert_double_eq(metric_value_named(&v, "precision"), 1.0);
        ck_assert_double_eq_tol(metric_value_named(&v, "recall"), known[_i].recall3, 1e-15);
        judge(border ? "{use: density-coverage, neighbours: 3, border: closed}" : "{use: density-coverage, neighbours: 3}", real, n, made,
              k, d, 256, &v);
        ck_assert_double_eq_tol(metric_value_named(&v, "density"), known[_i].density3, 1e-15);
        ck_assert_double_eq(metric_value_named(&v, "coverage"), 1.0);
    }
    if (isfinite(known[_i].recall5)) {
        judge("{use: precision-recall, neighbours: 5}", real, n, made, k, d, 256, &v);
        ck_assert_double_eq_tol(metric_value_named(&v, "recall"), known[_i].recall5, 1e-15);
        judge("{use: density-coverage}", real, n, made, k, d, 256, &v);
        ck_assert_double_eq_tol(metric_value_named(&v, "density"), known[_i].density5, 1e-15);
    }
    free(real);
    free(made);
}
END_TEST

static double to_nearest(const float *x, const float *all, int64_t n, int64_t d)
{
    double least = INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double square = 0.0;
        for (int64_t j = 0; j < d; j++)
            square += ((double)x[j] - (double)all[i * d + j]) * ((double)x[j] - (double)all[i * d + j]);
        least = square < least ? square : least;
    }
    return least;
}

/* Share of pairs in which the sample is the nearer, and its error, by definition; copies give 1, the held-out images themselves 1/2. */
START_TEST(memorisation_by_definition)
{
    enum { TRAINED = 61, HELD = 40, MADE = 50, D = 8 };
    float *trained = vectors(0, TRAINED + HELD, D), *held = trained + TRAINED * D, *made = vectors(1, MADE, D);
    double of_made[MADE] = {0.0}, of_held[HELD] = {0.0}, mean = 0.0, square[2] = {0.0, 0.0};
    struct metric_values v;
    for (int s = 0; s < MADE; s++)
        for (int i = 0; i < HELD; i++) {
            double a = to_nearest(made + s * D, trained, TRAINED, D), b = to_nearest(held + i * D, trained, TRAINED, D);
            double nearer = a < b ? 1.0 : a > b ? 0.0 : 0.5;
            of_made[s] += nearer / HELD;
            of_held[i] += nearer / MADE;
            mean += nearer / (HELD * MADE);
        }
    for (int s = 0; s < MADE; s++)
        square[0] += pow(of_made[s] - mean, 2.0) / (MADE - 1) / MADE;
    for (int i = 0; i < HELD; i++)
        square[1] += pow(of_held[i] - mean, 2.0) / (HELD - 1) / HELD;
    judge_sets("{use: memorisation}", (const float *const[]){held, made, trained}, (const int64_t[]){HELD, MADE, TRAINED}, D, 17, &v);
    ck_assert_double_eq_tol(metric_value_named(&v, "memorisation"), mean, 1e-12);
    ck_assert_double_eq_tol(v.error[0], sqrt(square[0] + square[1]), 1e-12);
    judge_sets("{use: memorisation}", (const float *const[]){held, trained, trained}, (const int64_t[]){HELD, 20, TRAINED}, D, 256, &v);
    ck_assert_double_eq_tol(metric_value_named(&v, "memorisation"), 1.0, 1e-12);
    judge_sets("{use: memorisation}", (const float *const[]){held, held, trained}, (const int64_t[]){HELD, HELD, TRAINED}, D, 256, &v);
    ck_assert_double_eq_tol(metric_value_named(&v, "memorisation"), 0.5, 1e-15);
    free(trained);
    free(made);
}
END_TEST

START_TEST(a_set_is_itself)
{
    int64_t n = known[_i].n, d = known[_i].d;
    float *real = vectors(0, n, d);
    struct metric_values v;
    judge("{use: frechet}", real, n, real, n, d, 5, &v);
    ck_assert_double_lt(metric_value_named(&v, "frechet distance"), 1e-13 * (double)d);
    judge("{use: density-coverage, neighbours: 3}", real, n, real, n, d, 5, &v);
    ck_assert_double_eq_tol(metric_value_named(&v, "density"), 1.0, 1e-15);
    judge("{use: density-coverage, neighbours: 3, border: closed}", real, n, real, n, d, 5, &v);
    ck_assert_double_eq_tol(metric_value_named(&v, "density"), 4.0 / 3.0, 1e-15);
    ck_assert_double_eq(metric_value_named(&v, "coverage"), 1.0);
    judge("{use: precision-recall, neighbours: 3}", real, n, real, n, d, 5, &v);
    ck_assert_double_eq(metric_value_named(&v, "precision") + metric_value_named(&v, "recall"), 2.0);
    free(real);
}
END_TEST

/* More rows than twice the features, so that factors are reduced on the way. */
START_TEST(blocks_show_nowhere_but_in_the_last_digits)
{
    static const char *const config[] = {"{use: frechet}", "{use: kernel}", "{use: kernel, subsets: 5, subset: 20}",
                                         "{use: precision-recall}", "{use: density-coverage}"};
    float *real = vectors(0, 90, 6), *made = vectors(1, 70, 6);
    struct metric_values whole, cut;
    judge(config[_i], real, 90, made, 70, 6, 1000, &whole);
    for (int64_t block = 1; block < 40; block += 6) {
        judge(config[_i], real, 90, made, 70, 6, block, &cut);
        ck_assert_int_eq(cut.count, whole.count);
        for (int k = 0; k < cut.count; k++)
            ck_assert_double_eq_tol(cut.value[k], whole.value[k], (_i == 0 ? 1e-12 : 1e-300));
    }
    free(real);
    free(made);
}
END_TEST

/* ---- what cannot be judged, and what was not kept ---- */

static void refuses(int status, int wanted, const char *words)
{
    ck_assert_msg(status == wanted, "status %d, not %d: %s", status, wanted, tess_test_message(host));
    ck_assert_msg(strstr(tess_test_message(host), words) != NULL, "wanted `%s` in: %s", words, tess_test_message(host));
    tess_forget(ctx);
}

START_TEST(too_few_and_too_strange_are_refused)
{
    static const char *const config[] = {"{use: frechet}", "{use: kernel}", "{use: precision-recall}", "{use: density-coverage}"};
    struct tess_metric_shape shape = {.size = sizeof shape, .rows = {1, 1}, .features = 3};
    struct tess_instance *i;
    float odd[6] = {1.0f, 2.0f, 3.0f, 4.0f, NAN, 6.0f};
    char junk[40] = {1};
    void *state = NULL;
    ok(tess_instance_open(ctx, "metric/1", config[_i], "test", &i));
    const struct tess_metric_1 *m = tess_instance_ops(i, "metric/1");
    void *self = tess_instance_self(i);
    refuses(m->check(self, ctx, &shape), TESS_E_VALUE, "give");
    ok(m->open(self, ctx, &shape, &state));
    struct tess_tensor t = tess_tensor_over(odd, TESS_F32, 2, (const int64_t[]){2, 3});
    refuses(m->accumulate(
                self, ctx, state,
                &(struct tess_metric_rows){.size = sizeof(struct tess_metric_rows), .set = 1, .first = 10, .count = 2, .features = &t}),
            TESS_E_FAILED, "features of sample 11 are not finite");
    refuses(m->unpack(self, ctx, state, junk, sizeof junk), TESS_E_DATA, "that were kept");
    refuses(m->unpack(self, ctx, state, junk, 3), TESS_E_DATA, "that were kept");
    m->close(self, state);
    m->close(self, NULL);
    tess_instance_close(i);
}
END_TEST

/* ---- reconstructions ---- */

/* Images by formula, 13 x 12 x 2, and what was made of them; a channel's similarity by the definition's plain sums. */
enum { H = 13, W = 12, C = 2, N = 3 };

static void pictures(uint8_t *image, float *made)
{
    for (int i = 0; i < N * H * W * C; i++) {
        image[i] = (uint8_t)(128.0 + 100.0 * sin(0.37 * i) * cos(0.011 * i));
        made[i] = (float)((double)image[i] / 255.0 + 0.05 * sin(1.7 * i));
    }
}

static double similarity(const uint8_t *image, const float *made)
{
    double g[11], total = 0.0, sum = 0.0, places = 0.0;
    for (int i = 0; i < 11; i++)
        sum += g[i] = exp(-(i - 5) * (i - 5) / (2.0 * 1.5 * 1.5));
    for (int c = 0; c < C; c++)
        for (int y = 0; y + 11 <= H; y++)
            for (int x = 0; x + 11 <= W; x++, places++) {
                double ma = 0.0, mb = 0.0, va = 0.0, vb = 0.0, cov = 0.0;
                for (int pass = 0; pass < 2; pass++)
                    for (int v = 0; v < 11; v++)
                        for (int u = 0; u < 11; u++) {
                            int at = ((y + v) * W + x + u) * C + c;
                            double w = g[v] * g[u] / sum / sum, a = image[at] / 255.0, b = (double)made[at];
                            if (pass == 0) {
                                ma += w * a;
                                mb += w * b;
                            } else {
                                va += w * (a - ma) * (a - ma);
                                vb += w * (b - mb) * (b - mb);
                                cov += w * (a - ma) * (b - mb);
                            }
                        }
                total += (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4));
            }
    return total / places;
}

static double pair_metric(const char *config, const char *name, uint8_t *image, float *made)
{
    const struct tess_metric_shape shape = {.size = sizeof shape, .rows = {N, 0}, .height = H, .width = W, .channels = C};
    struct metric_values v;
    struct metric_case m;
    const struct tess_tensor a = tess_tensor_over(image, TESS_U8, 4, (const int64_t[]){N, H, W, C});
    const struct tess_tensor b = tess_tensor_over(made, TESS_F32, 4, (const int64_t[]){N, H, W, C});
    metric_case_open(&m, ctx, config, &shape);
    metric_case_add(&m, &(struct tess_metric_rows){.size = sizeof(struct tess_metric_rows), .count = N, .image = &a, .made = &b});
    metric_case_finish(&m, &v);
    metric_case_close(&m);
    return metric_value_named(&v, name);
}

START_TEST(reconstructions_are_measured_by_their_definitions)
{
    static uint8_t image[N * H * W * C];
    static float made[N * H * W * C];
    double mse = 0.0, ssim = 0.0;
    pictures(image, made);
    for (int i = 0; i < N * H * W * C; i++)
        mse += pow((double)made[i] - image[i] / 255.0, 2.0) / (N * H * W * C);
    for (int i = 0; i < N; i++)
        ssim += similarity(image + i * H * W * C, made + i * H * W * C) / N;
    ck_assert_double_eq_tol(pair_metric("{use: mse}", "MSE", image, made), mse, 1e-15);
    ck_assert_double_eq_tol(pair_metric("{use: psnr}", "PSNR", image, made), -10.0 * log10(mse), 1e-11);
    ck_assert_double_eq_tol(pair_metric("{use: ssim}", "SSIM", image, made), ssim, 1e-12);
    made[5] = 7.0f;
    ck_assert_double_gt(pair_metric("{use: mse}", "MSE", image, made), pair_metric("{use: mse, clamp: true}", "MSE", image, made));
}
END_TEST

START_TEST(small_and_broken_images_are_refused)
{
    static uint8_t image[N * H * W * C];
    static float made[N * H * W * C];
    static const char *const config[] = {"{use: mse}", "{use: ssim}"};
    struct tess_metric_shape shape = {.size = sizeof shape, .rows = {N, 0}, .height = 10, .width = 40, .channels = 1};
    struct tess_instance *i;
    void *state = NULL;
    pictures(image, made);
    made[700] = INFINITY;
    ok(tess_instance_open(ctx, "metric/1", config[_i], "test", &i));
    const struct tess_metric_1 *m = tess_instance_ops(i, "metric/1");
    void *self = tess_instance_self(i);
    if (m->check)
        refuses(m->check(self, ctx, &shape), TESS_E_SHAPE, "smaller than its window");
    ok(m->open(self, ctx, &shape, &state));
    struct tess_tensor a = tess_tensor_over(image, TESS_U8, 4, (const int64_t[]){N, H, W, C});
    struct tess_tensor b = tess_tensor_over(made, TESS_F32, 4, (const int64_t[]){N, H, W, C});
    refuses(m->accumulate(
                self, ctx, state,
                &(struct tess_metric_rows){.size = sizeof(struct tess_metric_rows), .first = 20, .count = N, .image = &a, .made = &b}),
            TESS_E_FAILED, "not finite");
    refuses(m->unpack(self, ctx, state, image, 3), TESS_E_DATA, "that were kept");
    m->close(self, state);
    tess_instance_close(i);
}
END_TEST

static TCase *metric_case(const char *name)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, open_host, close_host);
    return c;
}

int main(void)
{
    Suite *s = suite_create("metric values");
    TCase *sets = metric_case("sets"), *bad = metric_case("bad"), *pairs = metric_case("pairs");
    tcase_add_loop_test(sets, metrics_have_the_values_of_others, 0, 3);
    tcase_add_test(sets, memorisation_by_definition);
    tcase_add_loop_test(sets, a_set_is_itself, 0, 3);
    tcase_add_loop_test(sets, blocks_show_nowhere_but_in_the_last_digits, 0, 5);
    tcase_add_loop_test(bad, too_few_and_too_strange_are_refused, 0, 4);
    tcase_add_loop_test(bad, small_and_broken_images_are_refused, 0, 2);
    tcase_add_test(pairs, reconstructions_are_measured_by_their_definitions);
    suite_add_tcase(s, sets);
    suite_add_tcase(s, bad);
    suite_add_tcase(s, pairs);
    return suite_run(s);
}
