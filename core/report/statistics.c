/* See statistics.h. The quantile is found by Newton's method on the distribution function, which is an incomplete beta integral, kept
 * within a bracket so that it converges for every number of degrees of freedom. SPDX-License-Identifier: MIT */
#include "core/report/statistics.h"

#include <float.h>
#include <math.h>

#define STEPS_MAX 300
#define PI 3.14159265358979323846
#define LARGE_FREEDOM 1e5 /* from here on a quantile is the normal one and a series in 1 / freedom */

/* Continued fraction of the incomplete beta integral (NIST Digital Library of Mathematical Functions, 8.17.22), by Lentz's method as
 * modified by Thompson and Barnett. */
static double statistics_beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0), f;
    d = 1.0 / (fabs(d) < tiny ? tiny : d);
    f = d;
    for (int m = 1; m < 2000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int k = 0; k < 2; k++) {
            double term = k ? odd : even;
            d = 1.0 + term * d;
            c = 1.0 + term / c;
            d = 1.0 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            f *= c * d;
        }
        if (fabs(c * d - 1.0) < 1e-15)
            break;
    }
    return f;
}

/* Logarithm of gamma(a + 1/2) / gamma(a); for large a by its asymptotic series, as the difference of two large numbers has few digits. */
static double statistics_gamma_ratio(double a)
{
    if (a < 100.0)
        return lgamma(a + 0.5) - lgamma(a);
    return 0.5 * log(a) - 1.0 / (8.0 * a) + 1.0 / (192.0 * a * a * a) - 1.0 / (640.0 * pow(a, 5.0));
}

/* Density at x of T, or of the normal distribution where `freedom` is infinite. */
static double statistics_density(double x, double freedom)
{
    if (isinf(freedom))
        return exp(-0.5 * x * x) / sqrt(2.0 * PI);
    return exp(statistics_gamma_ratio(0.5 * freedom) - 0.5 * (freedom + 1.0) * log1p(x * x / freedom)) / sqrt(freedom * PI);
}

/* P(T > x) for x >= 0: half of the regularised incomplete beta function I_y(freedom / 2, 1 / 2) at y = freedom / (freedom + x^2), whose
 * leading factor is x times the density. */
static double statistics_tail(double x, double freedom)
{
    double a = 0.5 * freedom, y = freedom / (freedom + x * x), rest = x * x / (freedom + x * x);
    if (isinf(freedom))
        return 0.5 * erfc(x / sqrt(2.0));
    double front = x * statistics_density(x, freedom);
    if (y < (a + 1.0) / (a + 2.5))
        return 0.5 * front / a * statistics_beta_fraction(y, a, 0.5);
    return 0.5 - front * statistics_beta_fraction(rest, 0.5, a);
}

/* Quantile for many degrees of freedom from the normal one, z (Abramowitz and Stegun, 26.7.5). */
static double statistics_expand(double z, double freedom)
{
    double q = z * z;
    return z * (1.0 + (q + 1.0) / (4.0 * freedom) + ((5.0 * q + 16.0) * q + 3.0) / (96.0 * freedom * freedom));
}

double tessi_report_student(double p, double freedom)
{
    double tail = p < 0.5 ? p : 1.0 - p, low = 0.0, high = 1.0, x;
    if (!(tail > 0.0) || !(freedom > 0.0))
        return NAN;
    if (freedom > LARGE_FREEDOM && !isinf(freedom))
        return statistics_expand(tessi_report_student(p, INFINITY), freedom);
    if (!(tail < 0.5))
        return 0.0;
    while (statistics_tail(high, freedom) > tail && high < DBL_MAX / 4)
        high *= 2.0;
    x = 0.5 * high;
    for (int i = 0; i < STEPS_MAX && high - low > 4 * DBL_EPSILON * high; i++) {
        double above = statistics_tail(x, freedom) - tail, next;
        *(above > 0.0 ? &low : &high) = x;
        next = x + above / statistics_density(x, freedom);
        if (!(next > low && next < high))
            next = 0.5 * (low + high);
        if (fabs(next - x) <= 2 * DBL_EPSILON * x)
            break;
        x = next;
    }
    return p < 0.5 ? -x : x;
}

struct tessi_report_mean tessi_report_mean_of(const double *value, int64_t n, double standard_error)
{
    struct tessi_report_mean m = {.n = n, .error = -1, .half = -1};
    double sum = 0.0, square = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += value[i] - value[0]; /* equal values have no deviation, not one of rounding */
    m.mean = n ? value[0] + sum / (double)n : 0.0;
    for (int64_t i = 0; i < n; i++)
        square += (value[i] - m.mean) * (value[i] - m.mean);
    if (n > 1) {
        m.deviation = sqrt(square / (double)(n - 1));
        m.error = m.deviation / sqrt((double)n);
        m.half = m.error > 0.0 ? m.error * tessi_report_student(0.975, (double)(n - 1)) : m.error;
    } else if (n == 1 && standard_error >= 0.0) {
        m.error = standard_error;
        m.half = standard_error * tessi_report_student(0.975, INFINITY);
    }
    return m;
}

/* Variance of the difference and its degrees of freedom: 0 where nothing is known of the scatter of one. */
static int statistics_variance(const struct tessi_report_mean *a, const struct tessi_report_mean *b, double *variance, double *freedom)
{
    double va = a->error * a->error, vb = b->error * b->error, fa = a->n > 1 ? (double)(a->n - 1) : INFINITY;
    double fb = b->n > 1 ? (double)(b->n - 1) : INFINITY;
    int alone = a->error < 0.0 || b->error < 0.0;
    const struct tessi_report_mean *repeated = a->error < 0.0 ? b : a;
    if (alone && repeated->n < 2)
        return 0;
    if (alone) { /* one estimate of the deviation for both */
        *variance = repeated->deviation * repeated->deviation * (1.0 + 1.0 / (double)repeated->n);
        *freedom = (double)(repeated->n - 1);
        return 1;
    }
    *variance = va + vb;
    double below = va * va / fa + vb * vb / fb;
    *freedom = below > 0.0 ? *variance * *variance / below : INFINITY;
    return 1;
}

int tessi_report_compare(const struct tessi_report_mean *a, const struct tessi_report_mean *b, double *difference, double *half)
{
    double variance, freedom;
    *difference = a->mean - b->mean;
    *half = -1;
    int equal = !(a->mean < b->mean) && !(a->mean > b->mean);
    if (!a->n || !b->n)
        return TESSI_REPORT_UNKNOWN;
    if (!statistics_variance(a, b, &variance, &freedom))
        return equal ? TESSI_REPORT_WITHIN : TESSI_REPORT_UNKNOWN;
    *half = variance > 0.0 ? sqrt(variance) * tessi_report_student(0.975, freedom) : 0.0;
    return equal || fabs(*difference) <= *half ? TESSI_REPORT_WITHIN : TESSI_REPORT_APART;
}
