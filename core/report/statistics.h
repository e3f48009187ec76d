/* Means over repetitions, and which differences are more than noise.
 *
 * The 95 % interval of a mean over n >= 2 repetitions is mean +- t(0.975, n - 1) s / sqrt(n), s the sample deviation (over n - 1). The
 * interval of a difference of two means is Welch's: (a - b) +- t(0.975, nu) sqrt(va + vb), with va = sa^2 / na, vb likewise and
 *     nu = (va + vb)^2 / (va^2 / (na - 1) + vb^2 / (nb - 1)),
 * which does not assume equal deviations. A single value (n = 1) has the variance of its own standard error, with infinite degrees of
 * freedom; without one it is taken to scatter as the other's n repetitions do, and the interval is that of a prediction, with variance
 * s^2 (1 + 1 / n) and n - 1 degrees of freedom. Two single values without standard errors cannot be told apart or together. No correction
 * for many comparisons is made.
 *
 * Sources: Student, "The Probable Error of a Mean"; Welch, "The Generalization of Student's Problem when Several Different Population
 * Variances are Involved". [any thread] SPDX-License-Identifier: MIT */
#ifndef TESSI_STATISTICS_H
#define TESSI_STATISTICS_H

#include <stdint.h>

struct tessi_report_mean {
    int64_t n; /* number of values; 0: there is none, and nothing below counts */
    double mean;
    double deviation; /* sample deviation over n - 1; n = 1: 0 */
    double error;     /* standard error of the mean: s / sqrt(n); n = 1: the value's own; < 0: not known */
    double half;      /* half width of the 95 % interval; < 0: not known (n = 1 without a standard error) */
};

/* Quantile of Student's t distribution: P(T <= x) = p for `freedom` > 0 degrees of freedom, also fractional or infinite; 0 < p < 1.
 * Relative error below 1e-11. */
double tessi_report_student(double p, double freedom);
/* Mean of n values; `standard_error` is that of a single one (tessi_report_metric_error), used where n is 1 (< 0: none). */
struct tessi_report_mean tessi_report_mean_of(const double *value, int64_t n, double standard_error);

enum { TESSI_REPORT_UNKNOWN = 0, TESSI_REPORT_WITHIN = 1, TESSI_REPORT_APART = 2 };

/* Difference a - b with the half width of its 95 % interval. Within noise: the interval has 0 in it (equal values are, whatever is known of
 * their errors); else apart; unknown where nothing is known of the scatter, and *half is -1. */
int tessi_report_compare(const struct tessi_report_mean *a, const struct tessi_report_mean *b, double *difference, double *half);

#endif
