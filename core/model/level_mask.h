/* Mask on logits: codes that a level does not have get logits so low that they are never drawn. SPDX-License-Identifier: MIT */
#ifndef TESSI_LEVEL_MASK_H
#define TESSI_LEVEL_MASK_H

#include <tessera/graph.h>
#include <tessera/levels.h>

/* logits (N, P, K) f32, positions (N, P) i32 or NULL: token p is the p-th -> the same, and -1e9 for code k of a token whose level,
 * token % depth, has no more than k codes. Gives `logits` itself where every level has K. */
struct tess_node *tessi_model_level_mask(struct tess_graph *g, struct tess_node *logits, struct tess_node *positions, int64_t depth,
                                         const int64_t *level_size);

#endif
