/* Means with their standard errors. SPDX-License-Identifier: MIT */
#ifndef KIT_METRIC_MEAN_ERROR_H
#define KIT_METRIC_MEAN_ERROR_H

#include <stdint.h>

struct mean_error {
    double mean;
    double standard_error; /* -1 where there are fewer than two values */
};

/* Mean of n independent values; its error is their sample deviation (over n - 1) over the root of n, (12.3). n >= 1. */
struct mean_error mean_error_of(const double *value, int64_t n);

/* Mean of values that come in n independent groups, of which group i has count[i] (0 is legal) with the sum sum[i]: m = S / N over the
 * totals S and N. Values of a group may depend on each other: the error is that of a ratio of sums, (12.4). Without any value the mean is
 * 0. */
struct mean_error mean_error_of_groups(const double *sum, const double *count, int64_t n);

#endif
