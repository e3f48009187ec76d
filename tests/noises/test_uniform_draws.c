/* Frequencies of the draws of noise `uniform` against probabilities multiplied out, by chi-square with fixed keys.
 * SPDX-License-Identifier: MIT */
#include "tests/support/suite.h"
#include "tests/support/uniform_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { K = 5, T = 6, DRAWS = 20000 };

/* ---- forwards ---- */

START_TEST(corruption_follows_the_chain)
{
    struct noise n;
    double bar[T + 1];
    struct tess_stream s = {.seed = 3, .purpose = tess_purpose("corrupt")};
    noise_open(&n, "uniform", "steps: 6", 1, 0);
    uniform_schedule(UNIFORM_COSINE, 0.008, 0.001, T, bar);
    ck_assert(n.ops->steps(n.self) == T && n.ops->vocabulary(n.self, K) == K && n.ops->needs_time == 1);
    for (int t = 1; t <= T; t++) {
        int64_t count[K * K] = {0};
        const int32_t x0[2] = {1, 4};
        double p[K * K];
        matrix q;
        chain(bar, K, 0, t, q);
        s.step = (uint32_t)t;
        for (int i = 0; i < DRAWS; i++) {
            int32_t xt[2];
            s.sample = (uint32_t)i;
            fixture_ok(&n.fixture, n.ops->corrupt(n.self, &n.fixture.context.context, &s, 2, K, t, x0, xt));
            count[xt[0] * K + xt[1]]++;
        }
        for (int i = 0; i < K * K; i++)
            p[i] = q[x0[0]][i / K] * q[x0[1]][i % K];
        noise_fits("corrupt", count, p, K * K);
    }
    int32_t xt[2];
    for (int t = 0; t <= T + 1; t += T + 1) {
        ck_assert_int_eq(n.ops->corrupt(n.self, &n.fixture.context.context, &s, 2, K, t, (const int32_t[]){0, 0}, xt), TESS_E_INTERNAL);
        ck_assert_ptr_nonnull(strstr(tessi_base_context_message(&n.fixture.context.context), "is outside 1 .. 6"));
        tessi_base_context_clear(&n.fixture.context.context);
    }
    noise_close(&n);
}
END_TEST

START_TEST(a_token_does_not_see_those_after_it)
{
    struct noise n;
    int32_t x0[333] = {0}, longer[333], shorter[333], start[2][333];
    int64_t count[K] = {0};
    const double flat[K] = {0.2, 0.2, 0.2, 0.2, 0.2};
    struct tess_stream s = {.seed = 9, .purpose = tess_purpose("corrupt"), .sample = 6};
    noise_open(&n, "uniform", "steps: 3", 1, 0);
    fixture_ok(&n.fixture, n.ops->corrupt(n.self, &n.fixture.context.context, &s, 333, K, 2, x0, longer));
    fixture_ok(&n.fixture, n.ops->start(n.self, &n.fixture.context.context, &s, 333, K, start[0]));
    for (int64_t tokens = 0; tokens <= 333; tokens += 37) {
        fixture_ok(&n.fixture, n.ops->corrupt(n.self, &n.fixture.context.context, &s, tokens, K, 2, x0, shorter));
        fixture_ok(&n.fixture, n.ops->start(n.self, &n.fixture.context.context, &s, tokens, K, start[1]));
        ck_assert(memcmp(longer, shorter, (size_t)tokens * sizeof *shorter) == 0);
        ck_assert(memcmp(start[0], start[1], (size_t)tokens * sizeof *shorter) == 0);
    }
    for (int i = 0; i < 333; i++)
        count[start[0][i]]++;
    noise_fits("start", count, flat, K);
    noise_close(&n);
}
END_TEST

/* ---- and back ---- */

/* A step whose random numbers are those of step 1000 `from` and sample i. */
static struct tess_reverse a_step(const float *logits, const int32_t *x, int32_t *next, int64_t tokens, double from, double to, int i)
{
    struct tess_reverse r = noise_reverse(K, logits, x, next, tokens, from, to);
    r.random.step = (uint32_t)(1000 * from);
    r.random.sample = (uint32_t)i;
    return r;
}

/* Exact distribution after a reverse step from time t to s, both counted in steps. */
static void exact_step(const struct options *o, const double *bar, double t, double s, int x, const double *p, double *out)
{
    struct uniform_step step =
        uniform_step_of(uniform_bar(bar, T, s), uniform_bar(bar, T, t), K, s == 0.0 ? o->first_step : o->step);
    for (int k = 0; k < K; k++)
        out[k] = uniform_model(&step, k, x, p[k], p[x]);
}

START_TEST(a_step_back_is_bayes)
{
    static const double leaps[][2] = {{6, 5}, {3, 2}, {2, 1}, {1, 0}, {6, 2}, {5.5, 1.25}, {4, 0}, {0.7, 0.2}, {0.3, 0}};
    const float logits[2 * K] = {0.3f, -1.0f, 0.9f, 0.1f, -0.4f, 0.0f, 0.5f, -2.0f, 1.5f, 0.2f};
    const int32_t x[2] = {2, 1};
    struct options o = options_of(_i);
    struct noise n;
    double bar[T + 1];
    noise_open(&n, "uniform", settings_of(&o, T), 1, 0);
    uniform_schedule(o.schedule, 0.008, 0.001, T, bar);
    for (size_t l = 0; l < sizeof leaps / sizeof *leaps; l++) {
        int64_t count[K * K] = {0};
        double p[K * K], each[2][K], temperature = l % 2 ? 0.6 : 1.0;
        for (int i = 0; i < 2; i++) {
            double guess[K];
            for (int k = 0; k < K; k++)
                guess[k] = ((double)logits[i * K + k] + (k == x[i] ? o.residual : 0)) / temperature;
            softmax(guess, K, guess);
            exact_step(&o, bar, leaps[l][0], leaps[l][1], x[i], guess, each[i]);
        }
        for (int i = 0; i < K * K; i++)
            p[i] = each[0][i / K] * each[1][i % K];
        for (int i = 0; i < DRAWS; i++) {
            int32_t next[2];
            struct tess_reverse r = a_step(logits, x, next, 2, leaps[l][0] / T, leaps[l][1] / T, i);
            r.temperature = temperature;
            fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
            count[next[0] * K + next[1]]++;
        }
        noise_fits(settings_of(&o, T), count, p, K * K);
    }
    noise_close(&n);
}
END_TEST

/* With a denoiser that knows the codes' probabilities, sampling in any number of steps gives them, but for what the last step had left. */
START_TEST(any_number_of_steps_samples_the_codes)
{
    static const double data[K] = {0.5, 0.25, 0.15, 0.07, 0.03};
    int all = _i;
    struct options o = {0};
    struct noise n;
    double bar[T + 1], exact[K], far = 0.0;
    float logits[40][K][K]; /* logits [step][token x] */
    int64_t count[K] = {0};
    noise_open(&n, "uniform", settings_of(&o, T), 1, 0);
    uniform_schedule(o.schedule, 0.008, 0.001, T, bar);
    for (int k = 0; k < K; k++)
        exact[k] = 1.0 / K;
    for (int s = all; s >= 1; s--) {
        double next[K] = {0}, from = (double)s / all * T, to = (double)(s - 1) / all * T, kept = uniform_bar(bar, T, from);
        for (int x = 0; x < K; x++) {
            double p[K], step[K];
            for (int k = 0; k < K; k++)
                logits[s - 1][x][k] = (float)(p[k] = log(data[k] * ((k == x ? kept : 0.0) + (1.0 - kept) / K)));
            softmax(p, K, p);
            exact_step(&o, bar, from, to, x, p, step);
            for (int k = 0; k < K; k++)
                next[k] += exact[x] * step[k];
        }
        memcpy(exact, next, sizeof exact);
    }
    for (int k = 0; k < K; k++)
        far = fmax(far, fabs(exact[k] - data[k]));
    ck_assert_msg(far < 1e-4, "%d steps: off by %g", all, far);
    for (int i = 0; i < DRAWS; i++) {
        int32_t x[1];
        struct tess_stream random = {.seed = 12, .purpose = tess_purpose("start"), .sample = (uint32_t)i};
        fixture_ok(&n.fixture, n.ops->start(n.self, &n.fixture.context.context, &random, 1, K, x));
        for (int s = all; s >= 1; s--) {
            struct tess_reverse r = a_step(logits[s - 1][x[0]], x, x, 1, (double)s / all, (double)(s - 1) / all, i);
            fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
        }
        count[x[0]]++;
    }
    noise_fits("samples", count, exact, K);
    noise_close(&n);
}
END_TEST

/* ---- what cannot be ---- */

START_TEST(a_diverged_denoiser_is_reported)
{
    struct noise n;
    const float bad[] = {NAN, INFINITY};
    const int32_t x[1] = {2};
    int32_t next[1];
    noise_open(&n, "uniform", "steps: 6", 1, 0);
    for (int k = 0; k < K; k++)
        for (int i = 0; i < 2; i++) {
            float row[K] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f};
            row[k] = bad[i];
            struct tess_reverse r = a_step(row, x, next, 1, 0.5, 0.0, 0);
            ck_assert_int_eq(n.ops->reverse(n.self, &n.fixture.context.context, &r), TESS_E_FAILED);
            ck_assert_ptr_nonnull(
                strstr(tessi_base_context_message(&n.fixture.context.context), "token 0 is not finite; the prior has diverged"));
            tessi_base_context_clear(&n.fixture.context.context);
        }
    for (int only = 0; only < K; only++) /* codes that are ruled out are not drawn */
        for (int i = 0; i < 100; i++) {
            float row[K] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY};
            row[only] = 1.0f;
            struct tess_reverse r = a_step(row, x, next, 1, 0.5, 0.0, i);
            fixture_ok(&n.fixture, n.ops->reverse(n.self, &n.fixture.context.context, &r));
            ck_assert_int_eq(next[0], only);
        }
    noise_close(&n);
}
END_TEST

START_TEST(parameters_that_are_none)
{
    static const char *const bad[][2] = {{"{use: uniform, steps: 0}", "steps"},
                                         {"{use: uniform, clip: 0.7}", "clip"},
                                         {"{use: uniform, offset: -1}", "offset"},
                                         {"{use: uniform, residual: -0.1}", "residual"},
                                         {"{use: uniform, step: exact}", "marginal"},
                                         {"{use: uniform, first_step: exact}", "published"},
                                         {"{use: uniform, schedule: linear}", "cosine-root"},
                                         {"{use: uniform, mask: random}", "mask"}};
    struct fixture b;
    struct tess_instance *i;
    fixture_open(&b, 1, 1, 1, 0);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        ck_assert_int_ne(tess_instance_open(&b.context.context, "noise/1", bad[k][0], "here", &i), TESS_OK);
        const char *message = tessi_base_context_message(&b.context.context);
        ck_assert_msg(strstr(message, bad[k][1]) && strstr(message, "here"), "%s: %s", bad[k][0], message);
        tessi_base_context_clear(&b.context.context);
    }
    fixture_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uniform draws");
    TCase *t = tcase_create("uniform draws");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, corruption_follows_the_chain);
    tcase_add_test(t, a_token_does_not_see_those_after_it);
    tcase_add_loop_test(t, a_step_back_is_bayes, 0, OPTIONS);
    tcase_add_loop_test(t, any_number_of_steps_samples_the_codes, 1, 15);
    tcase_add_test(t, a_diverged_denoiser_is_reported);
    tcase_add_test(t, parameters_that_are_none);
    suite_add_tcase(s, t);
    return suite_run(s);
}
