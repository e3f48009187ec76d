/* A sum over the microbatches of all ranks. The floats are cut into segments, each with a rank that adds it: it receives that segment of
 * every node, adds them in the order of the tree, and sends the sum to all others. So a rank sends its nodes once, and a share of the
 * result to each other: for ranks of one node each, 2 x floats x (1 - 1 / ranks), the least that a sum on all ranks needs.
 *
 * Each exchange waits for the slowest message, so sums that stand ready go together. Ranks must choose the same ones: with its share of the
 * results each tells how many more it has ready, and the least of these numbers go next. SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"
#include "core/ranks/ranks_private.h"

#include <assert.h>
#include <string.h>

#define SEGMENT_FLOATS 1024             /* smallest segment that is worth a message of its own */
#define GROUP_FLOATS ((int64_t)2 << 20) /* sums that go together, unless one is larger: what is received for them has to be kept */
enum { GROUP_MAX = 64 };

/* Sums that go together. */
struct group {
    int n;
    struct tessi_ranks_sum *sum[GROUP_MAX];
    int64_t scratch[GROUP_MAX + 1]; /* where the scratch memory has what comes from other ranks for each */
};

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

/* Sums of other ranks that this one receives, for a sum of its own segment. */
static int sum_others(const struct tessi_ranks *r, const struct tessi_ranks_sum *s)
{
    struct tessi_tree_node node[TESSI_TREE_NODES];
    int others = 0;
    for (int k = 0; k < r->place.ranks; k++)
        others += k == r->place.rank ? 0 : sum_nodes(r, s, k, node);
    return others;
}

/* Sends this rank's nodes to the owners, and receives those of the others for its own segment, in order, into the scratch memory. */
static int sum_spread(struct tess_context *ctx, struct tessi_ranks *r, const struct tessi_ranks_sum *s, float *scratch, int64_t *n)
{
    struct tessi_tree_node node[TESSI_TREE_NODES];
    struct cut c = sum_cut(r, s->floats);
    int64_t first, own, length = sum_segment(c, r->place.rank, &own);
    int mine = sum_nodes(r, s, r->place.rank, node);
    for (int k = 0; k < r->place.ranks; k++) {
        if (k == r->place.rank)
            continue;
        int64_t theirs = sum_segment(c, k, &first);
        for (int i = 0; i < mine; i++)
            TESS_TRY(tessi_ranks_message(ctx, r, n, k, 0, s->part[i] + first, theirs * (int64_t)sizeof(float)));
        for (int i = sum_nodes(r, s, k, node); length && i > 0; i--, scratch += length)
            TESS_TRY(tessi_ranks_message(ctx, r, n, k, 1, scratch, length * (int64_t)sizeof(float)));
    }
    return TESS_OK;
}

/* Adds the segment of this rank over all nodes. */
static void sum_add(struct tessi_ranks *r, const struct tessi_ranks_sum *s, float *scratch)
{
    struct tessi_tree_node node[TESSI_TREE_NODES];
    struct tessi_tree_stack stack = {.leaves = s->microbatches};
    struct cut c = sum_cut(r, s->floats);
    int64_t own, length = sum_segment(c, r->place.rank, &own), used = 0;
    for (int k = 0; length && k < r->place.ranks; k++) {
        int nodes = sum_nodes(r, s, k, node), mine = k == r->place.rank;
        for (int i = 0; i < nodes; i++, used += mine ? 0 : length)
            tessi_ranks_tree_push(&stack, node[i], mine ? s->part[i] + own : scratch + used, length);
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
static int sum_share(struct tess_context *ctx, struct tessi_ranks *r, const struct tessi_ranks_sum *s, int64_t *n)
{
    struct cut c = sum_cut(r, s->floats);
    int64_t first, own, length = sum_segment(c, r->place.rank, &own);
    for (int k = 0; k < r->place.ranks; k++) {
        if (k == r->place.rank)
            continue;
        int64_t theirs = sum_segment(c, k, &first);
        TESS_TRY(tessi_ranks_message(ctx, r, n, k, 0, s->result + own, length * (int64_t)sizeof(float)));
        TESS_TRY(tessi_ranks_message(ctx, r, n, k, 1, s->result + first, theirs * (int64_t)sizeof(float)));
    }
    return TESS_OK;
}

/* ---- several at once ----------------------------------------------------------------------------------------------- */

/* The sum of `job`, and of those behind it as many as all ranks have ready and GROUP_FLOATS allow. */
static void group_choose(const struct tessi_ranks *r, struct tessi_ranks_job *job, struct group *g)
{
    int64_t floats = 0, own;
    for (g->n = 0;; job = job->next) {
        struct tessi_ranks_sum *s = (struct tessi_ranks_sum *)(void *)job;
        floats += s->floats;
        if (g->n && floats > GROUP_FLOATS)
            break;
        g->scratch[g->n + 1] = g->scratch[g->n] + sum_segment(sum_cut(r, s->floats), r->place.rank, &own) * sum_others(r, s);
        g->sum[g->n++] = s;
        if (g->n > r->agreed) /* there may be no job behind it yet */
            break;
    }
}

static int group_spread(struct tess_context *ctx, struct tessi_ranks *r, const struct group *g)
{
    int64_t n = 0;
    TESS_TRY(tess_reserve(ctx, &r->scratch, &r->scratch_capacity, g->scratch[g->n] + 16, sizeof(float), "sums of other ranks"));
    for (int i = 0; i < g->n; i++)
        TESS_TRY(sum_spread(ctx, r, g->sum[i], r->scratch + g->scratch[i], &n));
    return tessi_ranks_exchange(ctx, r, n);
}

/* Results to all, and the number of sums that stand ready behind them. */
static int group_share(struct tess_context *ctx, struct tessi_ranks *r, const struct group *g)
{
    int64_t n = 0;
    for (int i = 0; i < g->n; i++)
        TESS_TRY(sum_share(ctx, r, g->sum[i], &n));
    r->ready[r->place.rank] = tessi_ranks_ready_behind(r, &g->sum[g->n - 1]->job, GROUP_MAX);
    for (int k = 0; k < r->place.ranks; k++) {
        if (k == r->place.rank)
            continue;
        TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 0, &r->ready[r->place.rank], sizeof *r->ready));
        TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 1, &r->ready[k], sizeof *r->ready));
    }
    TESS_TRY(tessi_ranks_exchange(ctx, r, n));
    r->agreed = GROUP_MAX;
    for (int k = 0; k < r->place.ranks; k++)
        r->agreed = r->ready[k] < r->agreed ? r->ready[k] : r->agreed;
    r->agreed = r->agreed > 0 ? r->agreed - 1 : 0; /* behind the next, which goes in any case */
    return TESS_OK;
}

static int sum_reserve(struct tess_context *ctx, struct tessi_ranks *r)
{
    void *memory;
    if (r->ready)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)r->place.ranks * sizeof *r->ready, "sums of ranks", &memory));
    r->ready = memory;
    return TESS_OK;
}

int tessi_ranks_sum_run(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job)
{
    struct tessi_ranks_sum *first = (struct tessi_ranks_sum *)(void *)job;
    struct group g = {.n = 0};
    if (first->carried)
        return TESS_OK;
    TESS_TRY(sum_reserve(ctx, r));
    group_choose(r, job, &g);
    TESS_TRY(group_spread(ctx, r, &g));
    for (int i = 0; i < g.n; i++)
        sum_add(r, g.sum[i], r->scratch + g.scratch[i]);
    TESS_TRY(group_share(ctx, r, &g));
    for (int i = 1; i < g.n; i++)
        g.sum[i]->carried = 1;
    return TESS_OK;
}
