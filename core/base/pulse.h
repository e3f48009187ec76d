/* Pulse of the process: a count that goes on as long as its work does, so that one which hangs can be told from one that computes for long.
 * Every task of the workers, every operation of a graph, every allocation and every report of progress counts. SPDX-License-Identifier: MIT
 */
#ifndef TESSI_PULSE_H
#define TESSI_PULSE_H

#include <stdatomic.h>
#include <stdint.h>

extern _Atomic uint64_t tessi_base_pulses;
extern _Atomic int tessi_base_loops; /* loops that workers are at */

/* Counts. [any thread] */
static inline void tessi_base_pulse(void)
{
    atomic_fetch_add_explicit(&tessi_base_pulses, 1, memory_order_relaxed);
}

#endif
