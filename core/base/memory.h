/* Accounting behind tess_alloc, and failures on demand for tests. SPDX-License-Identifier: MIT */
#ifndef TESSI_MEMORY_H
#define TESSI_MEMORY_H

#include <tessera/base.h>

/* Bytes asked of tess_alloc and not yet freed; the most there have been at once. [any thread] */
int64_t tessi_base_memory_in_use(void);
int64_t tessi_base_memory_peak(void);
/* The peak starts over at what is in use. */
void tessi_base_memory_peak_restart(void);
/* Bytes of the process that lie in the machine's memory, its program and libraries among them; where the system does not say, the most
 * there have been. */
int64_t tessi_base_memory_resident(void);
/* Returns freed memory to the system, where the C library keeps it for later. */
void tessi_base_memory_trim(void);
/* Up to the next multiple of 64, the alignment of tess_alloc: where several things share one block, each begins at one. */
static inline size_t tessi_base_aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}
/* For tests: the n-th tess_alloc from now on fails (1 is the next), once. 0: none. */
void tessi_base_memory_fail_at(int64_t n);
/* How many are still to come before it; 0: it has failed, or none was to. */
int64_t tessi_base_memory_fail_left(void);

#endif
