/* Batch means in a graph recorded for one microbatch: the runner's side. SPDX-License-Identifier: MIT */
#ifndef TESSI_BATCH_MEAN_H
#define TESSI_BATCH_MEAN_H

#include "core/graph/node.h"

/* Before the first half of a step: each microbatch uses its own values in the means' place. */
void tessi_graph_batch_means_forget(struct tess_graph *g);
/* After the first half: sets the batch means from the summed totals. */
void tessi_graph_batch_means_take(struct tess_graph *g, const float *sums, int64_t microbatches);

#endif
