/* Thinning a line to what can be seen (svg.h). SPDX-License-Identifier: MIT */
#include "core/report/svg.h"

#include <math.h>
#include <string.h>

/* ---- the extremes of each pixel's column ---- */

static void thin_keep(double *x, double *y, int64_t *kept, double px, double py)
{
    x[*kept] = px;
    y[(*kept)++] = py;
}

/* Writes first, lower, upper and last of x[first .. end) behind the kept ones, in their order, each once. */
static void thin_column(double *x, double *y, int64_t *kept, int64_t first, int64_t end)
{
    int64_t low = first, high = first, last = end - 1;
    for (int64_t i = first; i < end; i++) {
        low = y[i] < y[low] ? i : low;
        high = y[i] > y[high] ? i : high;
    }
    int64_t a = low < high ? low : high, b = low < high ? high : low, at[4] = {first, a, b, last};
    double px[4], py[4];
    for (int i = 0; i < 4; i++) {
        px[i] = x[at[i]];
        py[i] = y[at[i]];
    }
    for (int i = 0; i < 4; i++)
        if (i == 0 || at[i] != at[i - 1])
            thin_keep(x, y, kept, px[i], py[i]);
}

static int64_t thin_columns(int64_t n, double *x, double *y)
{
    int64_t kept = 0;
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && floor(x[end]) <= floor(x[i]) && floor(x[end]) >= floor(x[i]);)
            end++;
        thin_column(x, y, &kept, i, end);
    }
    return kept;
}

/* ---- Douglas and Peucker ---- */

static double thin_distance(const double *x, const double *y, int64_t a, int64_t b, int64_t i)
{
    double dx = x[b] - x[a], dy = y[b] - y[a], length = hypot(dx, dy);
    if (length <= 0.0)
        return hypot(x[i] - x[a], y[i] - y[a]);
    return fabs((x[i] - x[a]) * dy - (y[i] - y[a]) * dx) / length;
}

enum { THIN_AHEAD = 64 };

/* The end of the next piece that begins at `a` and that a straight line stands for: the farthest point splits, as long as one is too far.
 */
static int64_t thin_piece(const double *x, const double *y, int64_t a, int64_t b, double tolerance)
{
    while (b > a + 1) {
        int64_t far = a + 1;
        double most = -1.0;
        for (int64_t i = a + 1; i < b; i++) {
            double d = thin_distance(x, y, a, b, i);
            if (d > most) {
                most = d;
                far = i;
            }
        }
        if (most <= tolerance)
            break;
        b = far;
    }
    return b;
}

int64_t tessi_report_svg_thin(int64_t n, double *x, double *y, double tolerance)
{
    n = thin_columns(n, x, y);
    int64_t kept = 0;
    for (int64_t a = 0, first = 0; a < n; a = first) {
        thin_keep(x, y, &kept, x[a], y[a]);
        if (a == n - 1)
            break;
        int64_t ahead = a + THIN_AHEAD < n - 1 ? a + THIN_AHEAD : n - 1;
        first = thin_piece(x, y, a, ahead, tolerance);
    }
    return kept;
}
