/* Accounting behind tess_alloc, and failures on demand for tests. SPDX-License-Identifier: MIT */
#ifndef TESSI_MEMORY_H
#define TESSI_MEMORY_H

#include <tessera/base.h>

/* Bytes allocated by tess_alloc and not yet freed, and the peak of that number. [any thread] */
int64_t tessi_base_memory_in_use(void);
int64_t tessi_base_memory_peak(void);
/* Resets the peak to the bytes in use. */
void tessi_base_memory_peak_restart(void);
/* Resident memory of the process in bytes, its program and libraries among them; where the system does not say, the most
 * there have been. */
int64_t tessi_base_memory_resident(void);
/* Memory in bytes that processes may still take: what the system has available, or the control group leaves. INT64_MAX: not known. */
int64_t tessi_base_memory_available(void);
/* Size of a page of memory in bytes. */
int64_t tessi_base_memory_page(void);
/* Gives the whole pages of a span within an allocation back to the system; what they held is lost, and they read as anything. */
void tessi_base_memory_give_back(void *from, size_t bytes);
/* Returns freed memory to the system, where the C library keeps it for later. */
void tessi_base_memory_trim(void);
/* Rounds up to a multiple of 64, the alignment of tess_alloc: where several arrays share one block, each begins at one. */
static inline size_t tessi_base_aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}
/* Makes the n-th tess_alloc from now on fail (1 is the next), once; 0: none. For tests. */
void tessi_base_memory_fail_at(int64_t n);
/* Number of allocations still to come before the failing one; 0: it has failed, or none was to. */
int64_t tessi_base_memory_fail_left(void);

#endif
