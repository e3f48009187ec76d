/* Keys and values kept from run to run: what a graph does with its cache. SPDX-License-Identifier: MIT */
#ifndef TESSI_CACHE_H
#define TESSI_CACHE_H

#include <tessera/graph.h>

/* Memory of a cache that a sealed graph was recorded over; 0 for NULL. */
int64_t tessi_cache_bytes(const struct tess_cache *k);
/* Has that memory, once. NULL is fine. */
int tessi_cache_reserve(struct tess_call *c, struct tess_cache *k) TESS_CHECKED;

#endif
