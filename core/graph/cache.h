/* Keys and values kept from run to run: what a graph does with its cache. SPDX-License-Identifier: MIT */
#ifndef TESSI_CACHE_H
#define TESSI_CACHE_H

#include <tessera/graph.h>

enum { LAYERS_MAX = 1024 };

struct tess_cache {
    const struct tess_graph *graph; /* graph recorded over the cache; NULL: none yet */
    int64_t rows, tokens, layers;
    int64_t width[LAYERS_MAX];  /* channels C of each layer */
    size_t at[LAYERS_MAX];      /* byte offset of each layer in `memory` */
    int32_t stored;             /* dtype, set when the graph is sealed */
    char *memory;
    int32_t *ready;             /* (layers, rows) */
};

/* Memory of a cache that a sealed graph was recorded over; 0 for NULL. */
int64_t tessi_graph_cache_bytes(const struct tess_cache *k);
/* Allocates the memory of the keys and values on the first call; does nothing afterwards, and for NULL. */
int tessi_graph_cache_reserve(struct tess_context *ctx, struct tess_cache *k) TESS_CHECKED;

/* Bytes of the keys, or of the values, of one layer. */
size_t tessi_graph_cache_half(const struct tess_cache *k, int64_t layer);

#endif
