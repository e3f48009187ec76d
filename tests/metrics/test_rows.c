/* Metrics of classes, of codes and of perceptual distances by closed forms; the same results however rows are cut; errors of shares; what a
 * resample gives; rows and bytes that are refused.
 *
 * SPDX-License-Identifier: MIT */
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

static void refuses(int status, int wanted, const char *words)
{
    ck_assert_msg(status == wanted, "status %d, not %d: %s", status, wanted, tess_test_message(host));
    ck_assert_msg(strstr(tess_test_message(host), words) != NULL, "wanted `%s` in: %s", words, tess_test_message(host));
    tess_forget(ctx);
}

/* ---- classes ---- */

enum { CLASSES = 4, IMAGES = 8, SAMPLES = 6 };
static const int32_t label[2][IMAGES] = {{0, 1, 2, 3, 0, 1, -1, -1}, {0, 0, 1, -1, 3, 2}};
static const int32_t taken[2][IMAGES] = {{0, 1, 2, 2, 0, 3, 1, 1}, {0, 0, 1, 1, 3, 0}};
static const int32_t made[IMAGES] = {0, 1, 3, 2, 1, 3, 1, 1};

static void scores_of(const int32_t *class, int64_t n, float *score)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < CLASSES; k++)
            score[i * CLASSES + k] = k == class[i] ? 2.0f : (float)k * 0.3f;
}

static void add_classes(struct metric_case *m, int32_t set, int64_t first, int64_t n)
{
    float score[IMAGES * CLASSES], made_score[IMAGES * CLASSES];
    const int64_t dim[2] = {n, CLASSES};
    scores_of(taken[set] + first, n, score);
    scores_of(made + first, n, made_score);
    const struct tess_tensor a = tess_tensor_over(score, TESS_F32, 2, dim), b = tess_tensor_over(made_score, TESS_F32, 2, dim);
    const struct tess_tensor l = tess_tensor_over((void *)(uintptr_t)(label[set] + first), TESS_I32, 1, &n);
    metric_case_add(m, &(struct tess_metric_rows){.size = sizeof(struct tess_metric_rows),
                                                  .set = set,
                                                  .first = first,
                                                  .count = n,
                                                  .scores = &a,
                                                  .made_scores = set ? NULL : &b,
                                                  .labels = &l});
}

static void measure_classes(struct metric_case *m, int64_t block, struct metric_values *v)
{
    const int64_t rows[2] = {IMAGES, SAMPLES};
    const struct tess_metric_shape shape = {.size = sizeof shape, .rows = {IMAGES, SAMPLES}, .classes = CLASSES, .resamples = 1};
    metric_case_open(m, ctx, "{use: classifier}", &shape);
    for (int32_t set = 0; set < 2; set++)
        for (int64_t i = 0; i < rows[set]; i += block)
            add_classes(m, set, i, rows[set] - i < block ? rows[set] - i : block);
    metric_case_finish(m, v);
}

static void near(double found, double wanted)
{
    ck_assert_double_eq_tol(found, wanted, 1e-12);
}

START_TEST(classes_are_counted)
{
    struct metric_values v;
    struct metric_case m;
    measure_classes(&m, (const int64_t[]){1, 3, 8}[_i], &v);
    near(metric_value_named(&v, "accuracy of images"), 100.0 * 4 / 6);
    near(metric_error_named(&v, "accuracy of images"), 100.0 * sqrt(4.0 / 6 * 2.0 / 6 / 5));
    near(metric_value_named(&v, "accuracy of reconstructions"), 100.0 * 2 / 6);
    near(metric_value_named(&v, "agreement of reconstructions"), 100.0 * 6 / 8);
    near(metric_value_named(&v, "accuracy of samples"), 100.0 * 4 / 5);
    double entropy = -0.5 * log2(0.5) - 1.0 / 3 * log2(1.0 / 3) - 1.0 / 6 * log2(1.0 / 6),
           square = 0.5 + pow(log2(3.0), 2.0) / 3 + pow(log2(6.0), 2.0) / 6;
    near(metric_value_named(&v, "class entropy of samples"), entropy);
    near(metric_error_named(&v, "class entropy of samples"), sqrt((square - entropy * entropy) / 5));
    near(metric_value_named(&v, "class distance of samples"),
         0.5 * (fabs(0.25 - 0.5) + fabs(0.375 - 1.0 / 3) + fabs(0.25 - 0.0) + fabs(0.125 - 1.0 / 6)));
    ck_assert_float_eq(metric_list_named(&v, "classes of images")[1], 0.375f);
    ck_assert_float_eq(metric_list_named(&v, "classes of reconstructions")[0], 0.125f);
    ck_assert_float_eq(metric_list_named(&v, "classes of samples")[0], 0.5f);
    metric_case_close(&m);
}
END_TEST

START_TEST(classes_are_drawn_as_rows)
{
    static const uint16_t images[IMAGES] = {0, 0, 0, 4, 0, 0, 0, 4}, samples[SAMPLES] = {3, 0, 0, 0, 0, 3},
                          none[SAMPLES] = {0, 0, 0, 6, 0, 0};
    const uint16_t *const times[2] = {images, samples}, *const unlabelled[2] = {images, none};
    struct metric_values v;
    struct metric_case m;
    measure_classes(&m, 3, &v);
    near(metric_case_resampled(&m, times, "accuracy of images"), 0.0);
    near(metric_case_resampled(&m, times, "agreement of reconstructions"), 100.0);
    near(metric_case_resampled(&m, times, "accuracy of samples"), 50.0);
    near(metric_case_resampled(&m, times, "class entropy of samples"), 0.0);
    near(metric_case_resampled(&m, times, "class distance of samples"), 1.0);
    ck_assert(isnan(metric_case_resampled(&m, unlabelled, "accuracy of samples")));
    metric_case_close(&m);
}
END_TEST

/* ---- codes ---- */

enum { LEVELS = 2, TOKENS = 8, MAPS = 3 };
static const int32_t codes[MAPS * TOKENS] = {0, 0, 1, 0, 2, 0, 3, 0, /* level 1: 0 .. 3 evenly; level 2: 0 alone but for two */
                                             0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 1, 0, 2, 4, 3, 4};

static void measure_codes(struct metric_case *m, int64_t block, int64_t resamples, struct metric_values *v)
{
    const struct tess_metric_shape shape = {
        .size = sizeof shape, .rows = {MAPS, MAPS}, .resamples = resamples, .depth = LEVELS, .level_size = {4, 5}};
    metric_case_open(m, ctx, "{use: uniformity}", &shape);
    for (int32_t set = 0; set < 2; set++)
        for (int64_t i = 0; i < MAPS; i += block) {
            int64_t n = MAPS - i < block ? MAPS - i : block;
            const struct tess_tensor t =
                tess_tensor_over((void *)(uintptr_t)(codes + i * TOKENS), TESS_I32, 2, (const int64_t[]){n, TOKENS});
            metric_case_add(
                m, &(struct tess_metric_rows){.size = sizeof(struct tess_metric_rows), .set = set, .first = i, .count = n, .codes = &t});
        }
    metric_case_finish(m, v);
}

START_TEST(codes_are_counted_level_by_level)
{
    double entropy = -5.0 / 6 * log2(5.0 / 6) - 1.0 / 6 * log2(1.0 / 6);
    struct metric_values v;
    struct metric_case m;
    measure_codes(&m, 1 + _i, _i, &v);
    ck_assert_int_eq(v.count, 16);
    near(metric_value_named(&v, "code usage, level 1"), 100.0);
    near(metric_value_named(&v, "code perplexity, level 1"), 4.0);
    near(metric_value_named(&v, "code uniformity, level 1"), 1.0);
    near(metric_value_named(&v, "divergence from uniform codes, level 1"), 0.0);
    near(metric_value_named(&v, "code usage, samples, level 2"), 40.0);
    near(metric_value_named(&v, "code perplexity, level 2"), exp2(entropy));
    near(metric_value_named(&v, "code uniformity, level 2"), entropy / log2(5.0));
    near(metric_value_named(&v, "divergence from uniform codes, samples, level 2"), log2(5.0) - entropy);
    if (_i) {
        static const uint16_t first[MAPS] = {3, 0, 0};
        near(metric_case_resampled(&m, (const uint16_t *const[]){first, first}, "code usage, level 2"), 20.0);
        near(metric_case_resampled(&m, (const uint16_t *const[]){first, first}, "divergence from uniform codes, level 2"), log2(5.0));
    }
    metric_case_close(&m);
}
END_TEST

/* ---- distances ---- */

START_TEST(distances_are_averaged)
{
    enum { N = 5 };
    static const float distance[N] = {0.5f, 0.25f, 0.125f, 0.75f, 0.375f};
    static const uint16_t times[N] = {5, 0, 0, 0, 0};
    const struct tess_metric_shape shape = {.size = sizeof shape, .rows = {N, 0}, .resamples = 1};
    struct metric_values v;
    struct metric_case m;
    double square = 0.0;
    metric_case_open(&m, ctx, "{use: lpips}", &shape);
    for (int64_t i = 0, n; i < N; i += n) {
        n = i ? 3 : 2;
        const struct tess_tensor t = tess_tensor_over((void *)(uintptr_t)(distance + i), TESS_F32, 1, &n);
        metric_case_add(&m, &(struct tess_metric_rows){.size = sizeof(struct tess_metric_rows), .first = i, .count = n, .distance = &t});
    }
    metric_case_finish(&m, &v);
    for (int i = 0; i < N; i++)
        square += pow((double)distance[i] - 0.4, 2.0);
    near(metric_value_named(&v, "perceptual distance"), 0.4);
    near(metric_error_named(&v, "perceptual distance"), sqrt(square / (N - 1) / N));
    near(metric_case_resampled(&m, (const uint16_t *const[]){times, NULL}, "perceptual distance"), 0.5);
    metric_case_close(&m);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(rows_and_bytes_that_make_no_sense_are_refused)
{
    static const char *const config[] = {"{use: lpips}", "{use: classifier}", "{use: uniformity}"};
    static const char *const words[] = {"perceptual distance of image 20", "scores of image 20 are not finite",
                                        "code 7 of image 20 is none of the 5"};
    const struct tess_metric_shape shape = {
        .size = sizeof shape, .rows = {1, 0}, .classes = CLASSES, .depth = LEVELS, .level_size = {4, 5}};
    float number[CLASSES] = {NAN, 0.0f, 0.0f, 0.0f};
    int32_t code[LEVELS] = {3, 7}, none = -1;
    const int64_t one = 1, classes[2] = {1, CLASSES}, tokens[2] = {1, LEVELS};
    const struct tess_tensor distance = tess_tensor_over(number, TESS_F32, 1, &one),
                             scores = tess_tensor_over(number, TESS_F32, 2, classes);
    const struct tess_tensor labels = tess_tensor_over(&none, TESS_I32, 1, &one), map = tess_tensor_over(code, TESS_I32, 2, tokens);
    const struct tess_metric_rows rows = {
        .size = sizeof rows, .first = 20, .count = 1, .distance = &distance, .scores = &scores, .labels = &labels, .codes = &map};
    char junk[40] = {1};
    struct metric_case m;
    metric_case_open(&m, ctx, config[_i], &shape);
    int status = m.ops->accumulate(m.self, ctx, m.state, &rows);
    refuses(status, _i == 2 ? TESS_E_VALUE : TESS_E_FAILED, words[_i]);
    refuses(m.ops->unpack(m.self, ctx, m.state, junk, 39), TESS_E_DATA, "that were kept");
    refuses(m.ops->unpack(m.self, ctx, m.state, junk, 3), TESS_E_DATA, "that were kept");
    metric_case_close(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics of classes, codes and distances");
    TCase *c = tcase_create("rows");
    tcase_add_checked_fixture(c, open_host, close_host);
    tcase_add_loop_test(c, classes_are_counted, 0, 3);
    tcase_add_test(c, classes_are_drawn_as_rows);
    tcase_add_loop_test(c, codes_are_counted_level_by_level, 0, 2);
    tcase_add_test(c, distances_are_averaged);
    tcase_add_loop_test(c, rows_and_bytes_that_make_no_sense_are_refused, 0, 3);
    suite_add_tcase(s, c);
    return suite_run(s);
}
