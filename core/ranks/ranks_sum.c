/* A sum over the microbatches of all ranks. The floats are cut into segments, each with a rank that adds it: it receives that segment of
 * every node, adds them in the order of the tree, and sends the sum to all others. So a rank sends its nodes once, and a share of the
 * result to each other: for ranks of one node each, 2 x floats x (1 - 1 / ranks), the least that a sum on all ranks needs.
 * SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"
#include "core/ranks/ranks_private.h"

#include <assert.h>
#include <string.h>

#define SEGMENT_FLOATS 1024 /* smallest segment that is worth a message of its own */

struct cut {
    int64_t floats;
    int owners;
};

static struct cut sum_cut(const struct tessi_ranks *r, int64_t floats)
{
    int64_t owners = floats / SEGMENT_FLOATS;
    owners = owners < 1 ? 1 : owners < r->place.ranks ? owners : r->place.ranks;
    return (struct cut){floats, (int)owners};
}

/* Segment of an owner, in multiples of 16 floats but for the end; empty for a rank that owns none. */
static int64_t sum_segment(struct cut c, int owner, int64_t *first)
{
    int64_t blocks = (c.floats + 15) / 16;
    *first = owner < c.owners ? blocks * owner / c.owners * 16 : c.floats;
    int64_t end = owner < c.owners ? blocks * (owner + 1) / c.owners * 16 : c.floats;
    return (end < c.floats ? end : c.floats) - *first;
}

static int sum_nodes(const struct tessi_ranks *r, const struct tessi_ranks_sum *s, int rank, struct tessi_tree_node *out)
{
    int64_t first, end;
    tessi_ranks_share(s->microbatches, r->place.ranks, rank, &first, &end);
    return tessi_ranks_tree_nodes(s->microbatches, first, end, out);
}

/* Sends this rank's nodes to the owners, and receives those of the others for its own segment, in order, into the scratch memory. */
static int sum_spread(struct tess_context *ctx, struct tessi_ranks *r, const struct tessi_ranks_sum *s, struct cut c)
{
    struct tessi_tree_node node[TESSI_TREE_NODES];
    int64_t n = 0, first, own, length = sum_segment(c, r->place.rank, &own), used = 0;
    int mine = sum_nodes(r, s, r->place.rank, node), others = 0;
    for (int k = 0; k < r->place.ranks; k++)
        others += k == r->place.rank ? 0 : sum_nodes(r, s, k, node);
    TESS_TRY(tess_reserve(ctx, &r->scratch, &r->scratch_capacity, length * others + 16, sizeof(float), "sums of other ranks"));
    for (int k = 0; k < r->place.ranks; k++) {
        if (k == r->place.rank)
            continue;
        int64_t theirs = sum_segment(c, k, &first);
        for (int i = 0; i < mine; i++)
            TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 0, s->part[i] + first, theirs * (int64_t)sizeof(float)));
        for (int i = sum_nodes(r, s, k, node); length && i > 0; i--, used += length)
            TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 1, r->scratch + used, length * (int64_t)sizeof(float)));
    }
    return tessi_ranks_exchange(ctx, r, n);
}

/* Adds the segment of this rank over all nodes. */
static void sum_add(struct tessi_ranks *r, const struct tessi_ranks_sum *s, struct cut c)
{
    struct tessi_tree_node node[TESSI_TREE_NODES];
    struct tessi_tree_stack stack = {.leaves = s->microbatches};
    int64_t own, length = sum_segment(c, r->place.rank, &own), used = 0;
    for (int k = 0; length && k < r->place.ranks; k++) {
        int nodes = sum_nodes(r, s, k, node), mine = k == r->place.rank;
        for (int i = 0; i < nodes; i++, used += mine ? 0 : length)
            tessi_ranks_tree_push(&stack, node[i], mine ? s->part[i] + own : r->scratch + used, length);
    }
    if (!length)
        return;
    assert(stack.depth == 1); /* the tree has one root */
    if (s->scale != 1.0f)
        tessi_kernels()->affine(length, s->scale, 0.0f, stack.sum[0], s->result + own);
    else if (stack.sum[0] != s->result + own)
        memcpy(s->result + own, stack.sum[0], (size_t)length * sizeof(float));
}

/* Each owner's segment to all. */
static int sum_share(struct tess_context *ctx, struct tessi_ranks *r, const struct tessi_ranks_sum *s, struct cut c)
{
    int64_t n = 0, first, own, length = sum_segment(c, r->place.rank, &own);
    for (int k = 0; k < r->place.ranks; k++) {
        if (k == r->place.rank)
            continue;
        int64_t theirs = sum_segment(c, k, &first);
        TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 0, s->result + own, length * (int64_t)sizeof(float)));
        TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 1, s->result + first, theirs * (int64_t)sizeof(float)));
    }
    return tessi_ranks_exchange(ctx, r, n);
}

int tessi_ranks_sum_run(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job)
{
    const struct tessi_ranks_sum *s = (const struct tessi_ranks_sum *)(const void *)job;
    struct cut c = sum_cut(r, s->floats);
    TESS_TRY(sum_spread(ctx, r, s, c));
    sum_add(r, s, c);
    return sum_share(ctx, r, s, c);
}
