/* The tree of sums over the microbatches of a batch, where the microbatches lie on several ranks: nodes 2 j and 2 j + 1 of a level are
 * added into node j of the next, a last node without a partner moves up as it is. A rank has a run of microbatches, the nodes that lie
 * wholly in it are summed there, and the sums of all ranks' nodes, put in order, are added to the root by the same rule; so the bits are
 * those of one process, whatever the number of ranks. SPDX-License-Identifier: MIT */
#ifndef TESSI_RANKS_TREE_H
#define TESSI_RANKS_TREE_H

#include <stdint.h>

enum { TESSI_TREE_NODES = 48 }; /* nodes that a run of at most 2^20 microbatches needs, and levels of the tree */

/* A node: leaves first .. end - 1. */
struct tessi_tree_node {
    int64_t first, end;
};

/* Sums of nodes in order, from the left, that wait for those to their right. */
struct tessi_tree_stack {
    int64_t leaves; /* number of leaves of the tree */
    int depth;
    struct tessi_tree_node node[TESSI_TREE_NODES];
    float *sum[TESSI_TREE_NODES];
};

/* 1 where both nodes, of which `right` begins where `left` ends, are added in a tree of `leaves`. */
int tessi_ranks_tree_adds(int64_t leaves, struct tessi_tree_node left, struct tessi_tree_node right);
/* Nodes of the tree over `leaves` leaves that make up leaves first .. end - 1, the fewest, in order; returns their number. */
int tessi_ranks_tree_nodes(int64_t leaves, int64_t first, int64_t end, struct tessi_tree_node out[TESSI_TREE_NODES]);
/* Adds the sum of the next node, `n` floats, to those it belongs to; the memory of one of the two is written, which stays the caller's. */
void tessi_ranks_tree_push(struct tessi_tree_stack *s, struct tessi_tree_node node, float *sum, int64_t n);

#endif
