/* Totals over microbatches. Microbatch i is leaf i of a binary tree: nodes 2 j and 2 j + 1 of a level are added into node j of the next, a
 * last node without a partner moves up as it is. Which sums are made depends on the number of microbatches alone; who makes them, and
 * when, on who finishes first. Blocks are recycled, so about workers + log2(microbatches) of them exist. SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"
#include "core/graph/node.h"

#include <assert.h>
#include <pthread.h>

#define LEVELS 24

struct tessi_sums {
    int64_t floats, microbatches;
    float **spare; /* stack of blocks nobody uses */
    int64_t spares;
    float **waiting; /* [level][position]: a finished node whose partner is not */
    int64_t first[LEVELS];
    float *result;
    pthread_mutex_t lock;
};

int tessi_graph_sums_new(struct tess_context *ctx, int64_t floats, int64_t microbatches, struct tessi_sums **out)
{
    void *memory;
    int64_t positions = 0;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_sums), "sums", &memory));
    struct tessi_sums *t = memory;
    t->floats = floats;
    pthread_mutex_init(&t->lock, NULL);
    for (int64_t n = microbatches;; n = (n + 1) / 2) {
        positions += n;
        if (n == 1)
            break;
    }
    int status = tess_alloc(ctx, (size_t)microbatches * sizeof(float *), "sums", &memory);
    if (status == TESS_OK) {
        t->spare = memory;
        status = tess_alloc(ctx, (size_t)positions * sizeof(float *), "sums", &memory);
        t->waiting = status == TESS_OK ? memory : NULL;
    }
    if (status != TESS_OK) {
        tessi_graph_sums_free(t);
        return status;
    }
    *out = t;
    return TESS_OK;
}

static void sum_tree_reclaim(struct tessi_sums *t)
{
    if (t->waiting)
        for (int64_t n = t->microbatches, level = 0; n > 0; n = n > 1 ? (n + 1) / 2 : 0, level++)
            for (int64_t j = 0; j < n; j++)
                if (t->waiting[t->first[level] + j]) {
                    t->spare[t->spares++] = t->waiting[t->first[level] + j];
                    t->waiting[t->first[level] + j] = NULL;
                }
    if (t->result)
        t->spare[t->spares++] = t->result;
    t->result = NULL;
}

void tessi_graph_sums_free(struct tessi_sums *t)
{
    if (!t)
        return;
    if (t->spare) {
        sum_tree_reclaim(t);
        for (int64_t i = 0; i < t->spares; i++)
            tess_free(t->spare[i]);
    }
    pthread_mutex_destroy(&t->lock);
    tess_free(t->spare);
    tess_free(t->waiting);
    tess_free(t);
}

void tessi_graph_sums_start(struct tessi_sums *t, int64_t microbatches)
{
    sum_tree_reclaim(t);
    t->microbatches = microbatches;
    int64_t at = 0, level = 0;
    for (int64_t n = microbatches; n > 0; n = n > 1 ? (n + 1) / 2 : 0) {
        assert(level < LEVELS);
        t->first[level++] = at;
        at += n;
    }
}

float *tessi_graph_sums_take(struct tessi_sums *t)
{
    struct tessi_context context;
    void *memory = NULL;
    pthread_mutex_lock(&t->lock);
    if (t->spares)
        memory = t->spare[--t->spares];
    pthread_mutex_unlock(&t->lock);
    if (!memory) { /* only in the first steps; zeroed: what no operation writes stays zero in every sum */
        tessi_base_context_init(&context, NULL);
        if (tess_alloc(&context.context, (size_t)t->floats * sizeof(float) + 64, "sums", &memory) != TESS_OK)
            return NULL;
    }
    return memory;
}

void tessi_graph_sums_give(struct tessi_sums *t, int64_t microbatch, float *block)
{
    int64_t n = t->microbatches, j = microbatch;
    assert(microbatch >= 0 && microbatch < n && block && !t->result); /* each microbatch once, and none after the last */
    for (int level = 0;; level++, n = (n + 1) / 2, j /= 2) {
        if (n == 1) {
            pthread_mutex_lock(&t->lock);
            t->result = block;
            pthread_mutex_unlock(&t->lock);
            return;
        }
        int64_t partner = j ^ 1;
        assert(level < LEVELS && j < n);
        if (partner >= n)
            continue; /* no partner at this level: moves up */
        pthread_mutex_lock(&t->lock);
        float *other = t->waiting[t->first[level] + partner];
        if (other)
            t->waiting[t->first[level] + partner] = NULL;
        else
            t->waiting[t->first[level] + j] = block;
        pthread_mutex_unlock(&t->lock);
        if (!other)
            return;
        tessi_kernels()->accumulate(t->floats, other, block); /* a + b == b + a, bit for bit */
        pthread_mutex_lock(&t->lock);
        t->spare[t->spares++] = other;
        pthread_mutex_unlock(&t->lock);
    }
}

/* Takes the finished sum of a node out of those that wait: of the last node, which may have moved up, from the level it has come to. */
static float *sum_tree_node(struct tessi_sums *t, struct tessi_tree_node node)
{
    float *found = NULL;
    for (int64_t n = t->microbatches, level = 0; n > 1 && !found; n = (n + 1) / 2, level++)
        if (node.first % ((int64_t)1 << level) == 0 && (node.end - node.first <= (int64_t)1 << level)) {
            float **at = &t->waiting[t->first[level] + (node.first >> level)];
            found = *at;
            *at = NULL;
        }
    assert(found);
    return found;
}

int tessi_graph_sums_over_ranks(struct tess_context *ctx, struct tessi_sums *t, struct tessi_ranks *ranks)
{
    struct tessi_tree_node node[TESSI_TREE_NODES];
    struct tessi_ranks_sum sum = {.job.run = tessi_ranks_sum_run, .microbatches = t->microbatches, .floats = t->floats, .scale = 1.0f};
    int64_t first, end;
    tessi_ranks_share(t->microbatches, tessi_ranks_size(ranks), tessi_ranks_rank(ranks), &first, &end);
    int nodes = tessi_ranks_tree_nodes(t->microbatches, first, end, node);
    if (t->result) { /* one microbatch, which is the whole: the root never waits */
        sum.part[0] = t->result;
    } else {
        for (int i = 0; i < nodes; i++)
            sum.part[i] = sum_tree_node(t, node[i]);
        t->result = nodes ? sum.part[0] : tessi_graph_sums_take(t);
        if (!t->result)
            return ctx->fail(ctx, TESS_E_MEMORY, "no memory for the totals of all ranks");
        for (int i = 1; i < nodes; i++)
            t->spare[t->spares++] = sum.part[i];
    }
    sum.result = t->result;
    tessi_ranks_job_start(ranks, &sum.job, 1);
    return tessi_ranks_job_wait(ctx, ranks, &sum.job);
}

float *tessi_graph_sums_result(struct tessi_sums *t)
{
    return t->result;
}
