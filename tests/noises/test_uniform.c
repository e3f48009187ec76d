/* Uniform diffusion's closed forms, in f64, against brute force, golden values and central differences. What the plugin makes of them is
 * the subject of test_uniform_loss.c and test_uniform_draws.c. SPDX-License-Identifier: MIT */
#include "tests/support/golden.h"
#include "tests/support/suite.h"
#include "tests/support/uniform_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the schedule ---- */

START_TEST(the_schedule_is_the_cosine)
{
    static double bar[4001];
    uniform_schedule(UNIFORM_COSINE, 0.008, 0.001, 4000, bar);
    double first = pow(cos(0.008 / 1.008 * M_PI / 2), 2);
    for (int t = 0; t < 4000; t++)
        near("alpha-bar", bar[t], pow(cos((t / 4000.0 + 0.008) / 1.008 * M_PI / 2), 2) / first, 1e-12);
    near("clipped", bar[4000] / bar[3999], 0.001, 1e-12);
    /* values known of the published code, which takes the root */
    uniform_schedule(UNIFORM_COSINE_ROOT, 0.008, 0.001, 4000, bar);
    near("first", bar[1], 0.9999950671, 1e-10);
    near("middle", bar[2000], 0.7027, 1e-4);
    ck_assert(fabs(bar[3999] - 3.896e-4) < 1e-7 && fabs(bar[4000] - 1.232e-5) < 1e-8);
    near("last", bar[4000] / bar[3999], 0.0316228, 1e-7);
    ck_assert(uniform_prior(bar[4000], 1024) > 7.6e-8 && uniform_prior(bar[4000], 1024) < 7.8e-8);
}
END_TEST

START_TEST(time_passes_evenly_within_a_step)
{
    double bar[LONGEST + 1];
    uniform_schedule(UNIFORM_COSINE, 0.008, 0.001, LONGEST, bar);
    for (int t = 0; t <= LONGEST; t++)
        ck_assert(uniform_bar(bar, LONGEST, t) == bar[t]);
    for (int t = 0; t < LONGEST; t++) {
        double half = uniform_bar(bar, LONGEST, t + 0.5), third = uniform_bar(bar, LONGEST, t + 1.0 / 3.0);
        near("half", half * half, bar[t] * bar[t + 1], 1e-14);
        near("third", third * third * third, bar[t] * bar[t] * bar[t + 1], 1e-14);
    }
    ck_assert(uniform_bar(bar, LONGEST, LONGEST + 1e-9) == bar[LONGEST]);
    near("just below", uniform_bar(bar, LONGEST, 7.0 - 1e-12), bar[7], 1e-11);
}
END_TEST

/* ---- closed forms against the matrices, in f64 ---- */

static void check_token(const struct uniform_step *s, matrix early, matrix late, int x, int z, uint32_t which)
{
    int codebook_size = (int)s->codebook_size;
    double logits[MAX], p[MAX], q[MAX], step[MAX], d[MAX];
    some_logits(which, codebook_size, logits);
    softmax(logits, codebook_size, p);
    posterior(early, late, codebook_size, x, z, q);
    model(early, late, codebook_size, s->model, x, p, step);
    for (int k = 0; k < codebook_size; k++) {
        near("posterior", uniform_posterior(s, k, x, z), q[k], 1e-13);
        near("model", uniform_model(s, k, x, p[k], p[x]), step[k], 1e-12);
    }
    double stay, predicted, kl = divergence(q, step, codebook_size);
    uniform_parts(s, p[x], 1.0 - p[x], &stay, &predicted);
    near("stay", stay, step[x], 1e-12);
    for (int k = 0; k < codebook_size; k++)
        if (k != x)
            near("parts", predicted * p[k] / (1.0 - p[x]) + (1.0 - stay - predicted) / (codebook_size - 1), step[k], 1e-11);
    near("divergence", uniform_divergence(s, x, z, p, log(p[z])), kl, 1e-12);
    uniform_gradient(s, x, z, p, d);
    for (int k = 0; k < codebook_size; k++) {
        double moved[MAX];
        memcpy(moved, logits, sizeof moved);
        moved[k] = logits[k] + 1e-5;
        double up = divergence_of(early, late, codebook_size, s->model, x, z, moved);
        moved[k] = logits[k] - 1e-5;
        double down = divergence_of(early, late, codebook_size, s->model, x, z, moved);
        near("gradient", d[k], (up - down) / 2e-5, 1e-8);
    }
}

START_TEST(closed_forms_are_the_matrices)
{
    int codebook_size = _i;
    for (int o = 0; o < 4; o++)
        for (int steps = 1; steps <= LONGEST; steps += steps < 3 ? 1 : 3) {
            double bar[LONGEST + 1];
            uniform_schedule(o & 1, 0.008, 0.001, steps, bar);
            for (int t = 1; t <= steps; t++)
                for (int s = 0; s < t; s++) {
                    struct uniform_step step = uniform_step_of(bar[s], bar[t], codebook_size, o >> 1);
                    matrix early, late, whole;
                    chain(bar, codebook_size, 0, s, early);
                    chain(bar, codebook_size, s, t, late);
                    chain(bar, codebook_size, 0, t, whole);
                    for (int x = 0; x < codebook_size; x++)
                        for (int z = 0; z < codebook_size; z++) {
                            near("marginal", x == z ? step.same : step.other, whole[z][x], 1e-13);
                            check_token(&step, early, late, x, z, (uint32_t)(x + 3 * z + t + s));
                        }
                }
            matrix last;
            double flat[MAX];
            chain(bar, codebook_size, 0, steps, last);
            for (int k = 0; k < codebook_size; k++)
                flat[k] = 1.0 / codebook_size;
            near("prior", uniform_prior(bar[steps], codebook_size), divergence(last[0], flat, codebook_size), 1e-13);
        }
}
END_TEST

/* The product of eight factors is taken for more codes than eight, and the ends of f64 are not passed in any schedule there is. */
START_TEST(many_codes_and_many_steps)
{
    enum { CODES = 65536 };
    static double p[CODES], d[CODES];
    const double schedules[][2] = {{0.008, 1e6}, {1e-6, 1e6}, {0.008, 4000}, {1, 1}};
    for (int i = 0; i < 4; i++) {
        int64_t steps = (int64_t)schedules[i][1];
        double *bar = malloc((size_t)(steps + 1) * sizeof *bar);
        uniform_schedule(UNIFORM_COSINE, schedules[i][0], 0.001, steps, bar);
        for (int64_t t = 1; t <= steps; t += t < 3 ? 1 : steps / 3)
            for (int m = 0; m < 4; m++) {
                struct uniform_step s = uniform_step_of(bar[t - 1], bar[t], CODES, m & 1);
                int64_t x = 5, z = m & 2 ? 5 : 9;
                double sum = 0.0, total = 0.0, by_terms = 0.0;
                for (int k = 0; k < CODES; k++)
                    p[k] = m & 2 ? (k == 5 ? 1.0 - 1e-9 : 1e-9 / (CODES - 1)) : 1.0 / CODES;
                double kl = uniform_divergence(&s, x, z, p, log(p[z]));
                uniform_gradient(&s, x, z, p, d);
                for (int64_t k = 0; k < CODES; k++) {
                    double q = uniform_posterior(&s, k, x, z), r = uniform_model(&s, k, x, p[k], p[x]);
                    by_terms += q > 0.0 ? q * log(q / r) : 0.0;
                    total += r;
                    sum += d[k];
                    ck_assert(isfinite(d[k]));
                }
                near("sum of the model", total, 1.0, 1e-6);
                near("divergence", kl, by_terms, 1e-9);
                near("sum of the gradient", sum, 0.0, 1e-9);
            }
        free(bar);
    }
}
END_TEST

START_TEST(the_golden_file_agrees)
{
    struct golden *g = golden_open("uniform.h5");
    int64_t steps = golden_size(g, "steps"), codebook_size = golden_size(g, "classes"), square = codebook_size * codebook_size;
    struct tess_tensor times = golden_read(g, "t", TESS_I32);
    int64_t n = tess_tensor_count(&times);
    double *bar = malloc((size_t)(steps + 1) * sizeof *bar), *want_bar = golden_doubles(g, "alpha_bar", steps + 1);
    double *noised = golden_doubles(g, "q_t_given_0", n * square), *post = golden_doubles(g, "posterior", n * square * codebook_size);
    double *guess = golden_doubles(g, "denoiser_p0", square), *model_step = golden_doubles(g, "model_step", n * square);
    double *kl = golden_doubles(g, "kl", n * square);
    uniform_schedule(UNIFORM_COSINE, golden_number(g, "s"), 0.0, steps, bar); /* the file's is not clipped */
    for (int64_t t = 0; t <= steps; t++)
        near("alpha-bar", bar[t], want_bar[t], 1e-12);
    for (int64_t i = 0; i < n; i++) {
        int32_t t = ((int32_t *)times.data)[i];
        struct uniform_step s = uniform_step_of(bar[t - 1], bar[t], codebook_size, UNIFORM_PLUG_IN);
        for (int64_t x = 0; x < codebook_size; x++) {
            const double *p = guess + x * codebook_size;
            for (int64_t k = 0; k < codebook_size; k++)
                near("model step", uniform_model(&s, k, x, p[k], p[x]), model_step[i * square + x * codebook_size + k], 1e-10);
            for (int64_t z = 0; z < codebook_size; z++) {
                near("noised", x == z ? s.same : s.other, noised[i * square + z * codebook_size + x], 1e-10);
                near("kl", uniform_divergence(&s, x, z, p, log(p[z])), kl[i * square + x * codebook_size + z], 1e-10);
                for (int64_t k = 0; k < codebook_size; k++)
                    near("posterior", uniform_posterior(&s, k, x, z),
                         post[((i * codebook_size + x) * codebook_size + z) * codebook_size + k], 1e-10);
            }
        }
    }
    double *all[] = {bar, want_bar, noised, post, guess, model_step, kl, times.data};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    golden_close(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uniform");
    TCase *t = tcase_create("uniform");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_schedule_is_the_cosine);
    tcase_add_test(t, time_passes_evenly_within_a_step);
    tcase_add_loop_test(t, closed_forms_are_the_matrices, 2, MAX + 1);
    tcase_add_test(t, many_codes_and_many_steps);
    tcase_add_test(t, the_golden_file_agrees);
    suite_add_tcase(s, t);
    return suite_run(s);
}
