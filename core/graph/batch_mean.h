/* Means over a batch inside a graph of one microbatch, from the side of who runs it. SPDX-License-Identifier: MIT */
#ifndef TESSI_BATCH_MEAN_H
#define TESSI_BATCH_MEAN_H

#include "core/graph/node.h"

/* Before a first half: each microbatch has its own values. */
void tessi_graph_batch_means_forget(struct tess_graph *g);
/* After it: the means, of the summed totals. */
void tessi_graph_batch_means_take(struct tess_graph *g, const float *sums, int64_t microbatches);

#endif
