/* See mean_error.h. SPDX-License-Identifier: MIT */
#include "kit/metric/mean_error.h"

#include <math.h>

struct mean_error mean_error_of(const double *value, int64_t n)
{
    struct mean_error e = {0.0, -1.0};
    double square = 0.0;
    for (int64_t i = 0; i < n; i++)
        e.mean += value[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        square += (value[i] - e.mean) * (value[i] - e.mean);
    if (n > 1) /* (12.3) */
        e.standard_error = sqrt(square / (double)(n - 1) / (double)n);
    return e;
}

struct mean_error mean_error_of_groups(const double *sum, const double *count, int64_t n)
{
    struct mean_error e = {0.0, -1.0};
    double values = 0.0, square = 0.0;
    int64_t groups = 0;
    for (int64_t i = 0; i < n; i++) {
        e.mean += sum[i];
        values += count[i];
        groups += count[i] > 0.0 ? 1 : 0;
    }
    if (values == 0.0)
        return e;
    e.mean /= values;
    for (int64_t i = 0; i < n; i++)
        square += (sum[i] - e.mean * count[i]) * (sum[i] - e.mean * count[i]);
    if (groups > 1) /* (12.4) */
        e.standard_error = sqrt((double)n / (double)(n - 1) * square) / values;
    return e;
}
