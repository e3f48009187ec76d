/* Accounting behind tess_alloc, and failures on demand for tests. SPDX-License-Identifier: MIT */
#ifndef TESSI_MEMORY_H
#define TESSI_MEMORY_H

#include <tessera/base.h>

/* Bytes asked of tess_alloc and not yet freed; the most there have been at once. [any thread] */
int64_t tessi_memory_in_use(void);
int64_t tessi_memory_peak(void);
/* For tests: the n-th tess_alloc from now on fails (1 is the next), once. 0: none. */
void tessi_memory_fail_at(int64_t n);

#endif
