/* Numbers as a table shows them: as many digits as the interval leaves meaning to. SPDX-License-Identifier: MIT */
#include "core/report/table_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LARGEST 1e7   /* from here on with an exponent */
#define SMALLEST 1e-3 /* below it, with an exponent */

/* Decimals that show `half` with two digits. */
static int numbers_decimals(double half)
{
    int d = 1 - (int)floor(log10(half));
    if (half * pow(10, d) >= 99.5) /* would be rounded to three digits */
        d--;
    return d < 0 ? 0 : d;
}

/* Four digits of a value, or a whole number whole. */
static void numbers_plain(double value, char *text, size_t capacity)
{
    double size = fabs(value);
    if (!isfinite(value) || (value == floor(value) && size < LARGEST))
        (void)snprintf(text, capacity, "%.0f", value);
    else if (size >= LARGEST || size < SMALLEST)
        (void)snprintf(text, capacity, "%.3e", value);
    else {
        int d = 3 - (int)floor(log10(size));
        (void)snprintf(text, capacity, "%.*f", d < 0 ? 0 : d, value);
    }
}

void tessi_report_mean_text(const struct tessi_report_mean *m, const char *sign, char *text, size_t capacity)
{
    if (m->n == 0) {
        (void)snprintf(text, capacity, "-");
        return;
    }
    if (!(m->half > 0) || !isfinite(m->half) || !isfinite(m->mean)) {
        numbers_plain(m->mean, text, capacity);
        return;
    }
    double size = fabs(m->mean) > m->half ? fabs(m->mean) : m->half;
    if (size < LARGEST && size >= SMALLEST) {
        int d = numbers_decimals(m->half);
        (void)snprintf(text, capacity, "%.*f %s %.*f", d, m->mean, sign, d, m->half);
        return;
    }
    int exponent = (int)floor(log10(size));
    double unit = pow(10, exponent);
    int d = numbers_decimals(m->half / unit);
    d = d > 8 ? 8 : d;
    (void)snprintf(text, capacity, "(%.*f %s %.*f)e%d", d, m->mean / unit, sign, d, m->half / unit, exponent);
}

void tessi_report_difference_text(const struct tessi_report_cell *c, char *text, size_t capacity)
{
    char digits[60];
    double size = fabs(c->difference);
    if (c->half > 0 && isfinite(c->half) && (size > c->half ? size : c->half) >= SMALLEST && size < LARGEST) {
        (void)snprintf(text, capacity, "%+.*f", numbers_decimals(c->half), c->difference);
        return;
    }
    numbers_plain(size, digits, sizeof digits);
    (void)snprintf(text, capacity, "%s%s", c->difference < 0 ? "-" : "+", digits);
}
