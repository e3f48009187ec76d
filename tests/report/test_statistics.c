/* Student's quantiles against tables and SciPy, means, and which differences are noise. SPDX-License-Identifier: MIT */
#include "core/report/collect.h"
#include "core/report/statistics.h"
#include "tests/support/suite.h"

#include <math.h>

/* scipy.stats.t.ppf of SciPy 1.17; those of 1 and 2 degrees of freedom have closed forms, tan(pi (p - 1/2)) and
 * (2 p - 1) sqrt(2 / (4 p (1 - p))). */
static const struct {
    double freedom, p, quantile;
} quantiles[] = {
    {0.5, 0.975, 164.5576734804882},     {1, 0.975, 12.70620473617469},          {2, 0.975, 4.302652729749462},
    {2.5, 0.975, 3.574654842003682},     {3, 0.6, 0.2766706623326898},           {3, 0.9, 1.637744353696209},
    {3, 0.95, 2.353363434801823},        {3, 0.975, 3.182446305283708},          {3, 0.999, 10.21453185240738},
    {4, 0.975, 2.776445105197793},       {7.3, 0.975, 2.345066736547703},        {10, 0.975, 2.228138851986274},
    {30, 0.6, 0.2556053649519128},       {30, 0.9, 1.310415025391396},           {30, 0.95, 1.697260886593957},
    {30, 0.975, 2.042272456301238},      {30, 0.999, 3.385184866829305},         {120, 0.975, 1.97993040508244},
    {10000.0, 0.975, 1.960201239890626}, {10000000.0, 0.975, 1.959964221767205},
};

START_TEST(student)
{
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        double found = tessi_report_student(quantiles[i].p, quantiles[i].freedom);
        ck_assert_msg(fabs(found - quantiles[i].quantile) <= 1e-11 * fabs(quantiles[i].quantile), "%g, %g: %.16g, not %.16g",
                      quantiles[i].freedom, quantiles[i].p, found, quantiles[i].quantile);
        ck_assert_double_eq_tol(tessi_report_student(1 - quantiles[i].p, quantiles[i].freedom), -found, 1e-9 * fabs(found));
    }
    ck_assert_double_eq_tol(tessi_report_student(0.975, 1), tan(3.14159265358979323846 * 0.475), 1e-9);
    ck_assert_double_eq(tessi_report_student(0.5, 3), 0);
    ck_assert(isnan(tessi_report_student(1, 3)) && isnan(tessi_report_student(0.5, 0)));
}
END_TEST

START_TEST(means)
{
    struct tessi_report_mean m = tessi_report_mean_of((const double[]){20.1, 20.5, 20.3}, 3, 0.7);
    ck_assert_double_eq_tol(m.mean, 20.3, 1e-12);
    ck_assert_double_eq_tol(m.deviation, 0.2, 1e-12);
    ck_assert_double_eq_tol(m.half, 4.302652729749464 * 0.2 / sqrt(3), 1e-12);
    m = tessi_report_mean_of((const double[]){5}, 1, 0.5);
    ck_assert_double_eq(m.mean, 5);
    ck_assert_double_eq_tol(m.half, 0.5 * 1.959963984540054, 1e-12);
    m = tessi_report_mean_of((const double[]){5}, 1, -1);
    ck_assert(m.n == 1 && m.half < 0 && m.error < 0);
    m = tessi_report_mean_of((const double[]){5, 5}, 2, -1);
    ck_assert_double_eq(m.half, 0);
    m = tessi_report_mean_of((const double[]){0.1, 0.1, 0.1}, 3, -1); /* the sum of which is not 0.3 */
    ck_assert_double_eq(m.half, 0);
    ck_assert_double_eq(m.mean, 0.1);
    ck_assert_int_eq(tessi_report_mean_of(NULL, 0, -1).n, 0);
    const struct tessi_report_metric told = {.standard_error = 0.3, .low = 4, .high = 6},
                                     interval = {.standard_error = -1, .low = 4, .high = 6};
    const struct tessi_report_metric none = {.standard_error = -1, .low = 1, .high = 0};
    ck_assert_double_eq(tessi_report_metric_error(&told), 0.3);
    ck_assert_double_eq_tol(tessi_report_metric_error(&interval), 1 / 1.959963984540054, 1e-12);
    ck_assert(tessi_report_metric_error(&none) < 0);
}
END_TEST

/* Welch's example values: scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(). */
START_TEST(comparisons)
{
    const double a[] = {20.1, 20.5, 20.3}, b[] = {19.2, 20.4, 19.9, 18.7};
    struct tessi_report_mean ma = tessi_report_mean_of(a, 3, -1), mb = tessi_report_mean_of(b, 4, -1), one, other;
    double d, half;
    ck_assert_int_eq(tessi_report_compare(&ma, &mb, &d, &half), TESSI_REPORT_WITHIN);
    ck_assert_double_eq_tol(d, 0.75, 1e-12);
    ck_assert_double_eq_tol(half, 1.147274690626384, 1e-9);
    ck_assert_int_eq(tessi_report_compare(&mb, &ma, &d, &half), TESSI_REPORT_WITHIN);
    ck_assert_double_eq_tol(d, -0.75, 1e-12);
    /* A single run beside repeated ones: its own standard error, else the others' scatter. */
    one = tessi_report_mean_of((const double[]){21}, 1, -1);
    ck_assert_int_eq(tessi_report_compare(&one, &ma, &d, &half), TESSI_REPORT_WITHIN);
    ck_assert_double_eq_tol(half, 4.302652729749464 * 0.2 * sqrt(1 + 1.0 / 3), 1e-12);
    ck_assert_int_eq(tessi_report_compare(&ma, &one, &d, &half), TESSI_REPORT_WITHIN);
    one = tessi_report_mean_of((const double[]){21}, 1, 0.01);
    ck_assert_int_eq(tessi_report_compare(&one, &ma, &d, &half), TESSI_REPORT_APART);
    /* Two runs: their standard errors, or nothing is known. */
    one = tessi_report_mean_of((const double[]){3.0}, 1, 0.1);
    other = tessi_report_mean_of((const double[]){3.2}, 1, 0.1);
    ck_assert_int_eq(tessi_report_compare(&one, &other, &d, &half), TESSI_REPORT_WITHIN);
    ck_assert_double_eq_tol(half, 1.959963984540054 * sqrt(0.02), 1e-12);
    other = tessi_report_mean_of((const double[]){3.3}, 1, 0.1);
    ck_assert_int_eq(tessi_report_compare(&one, &other, &d, &half), TESSI_REPORT_APART);
    other = tessi_report_mean_of((const double[]){3.3}, 1, -1);
    ck_assert_int_eq(tessi_report_compare(&one, &other, &d, &half), TESSI_REPORT_UNKNOWN);
    ck_assert(half < 0);
    other.mean = 3.0;
    ck_assert_int_eq(tessi_report_compare(&one, &other, &d, &half), TESSI_REPORT_WITHIN);
    /* Repetitions that do not scatter: any difference is one. */
    one = tessi_report_mean_of((const double[]){3, 3}, 2, -1);
    other = tessi_report_mean_of((const double[]){3.001, 3.001}, 2, -1);
    ck_assert_int_eq(tessi_report_compare(&one, &other, &d, &half), TESSI_REPORT_APART);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("statistics");
    TCase *t = tcase_create("statistics");
    tcase_add_test(t, student);
    tcase_add_test(t, means);
    tcase_add_test(t, comparisons);
    suite_add_tcase(s, t);
    return suite_run(s);
}
