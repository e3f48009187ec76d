/* Monotonic clock in seconds, from an arbitrary start: for durations. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLOCK_H
#define TESSI_CLOCK_H

#include <time.h>

static inline double tessi_base_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
