/* Weights as the products of a sealed graph read them (pack.c). SPDX-License-Identifier: MIT */
#ifndef TESSI_PACK_H
#define TESSI_PACK_H

#include "core/graph/node.h"
#include "core/graph/weight_store.h"

/* 1 where a pack is the weight rounded and no more, which the store has for all graphs. */
static inline int tessi_graph_pack_is_rounded(const struct tessi_pack *p)
{
    return p->is_bf16 && !p->kernel && !p->make;
}

/* Allocates the memory of the graph's packs. */
int tessi_graph_pack_reserve(struct tess_context *ctx, struct tess_graph *g) TESS_CHECKED;
/* Makes the packs of a graph, where values have changed since. */
void tessi_graph_pack(struct tess_graph *g);
/* The bytes of pack i, as the kernels read them. */
const void *tessi_graph_pack_at(const struct tess_graph *g, int64_t i);

#endif
