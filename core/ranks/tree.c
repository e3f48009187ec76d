/* Implementation of tree.h. SPDX-License-Identifier: MIT */
#include "core/ranks/tree.h"

#include "core/kernels/kernels.h"

#include <assert.h>

/* A left node is always full: 2^l leaves, l its level. The right one is as large, or the last, smaller, which has moved up to that level.
 */
int tessi_ranks_tree_adds(int64_t leaves, struct tessi_tree_node left, struct tessi_tree_node right)
{
    int64_t size = left.end - left.first, other = right.end - right.first;
    return left.end == right.first && left.first % (2 * size) == 0 && (other == size || (other < size && right.end == leaves));
}

int tessi_ranks_tree_nodes(int64_t leaves, int64_t first, int64_t end, struct tessi_tree_node out[TESSI_TREE_NODES])
{
    int n = 0;
    for (int64_t i = first; i < end; i++) {
        struct tessi_tree_node node = {i, i + 1};
        while (n && tessi_ranks_tree_adds(leaves, out[n - 1], node))
            node.first = out[--n].first;
        assert(n < TESSI_TREE_NODES);
        out[n++] = node;
    }
    return n;
}

void tessi_ranks_tree_push(struct tessi_tree_stack *s, struct tessi_tree_node node, float *sum, int64_t n)
{
    while (s->depth && tessi_ranks_tree_adds(s->leaves, s->node[s->depth - 1], node)) {
        s->depth--;
        tessi_kernels()->accumulate(n, sum, s->sum[s->depth]); /* a + b == b + a, bit for bit */
        node.first = s->node[s->depth].first;
        sum = s->sum[s->depth];
    }
    assert(s->depth < TESSI_TREE_NODES);
    s->node[s->depth] = node;
    s->sum[s->depth++] = sum;
}
