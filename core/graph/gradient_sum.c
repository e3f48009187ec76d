/* The weights' gradients of a batch: each weight's is summed over the microbatches as the backward passes bring it, in a binary tree fixed
 * by the microbatches' numbers. Microbatch 2 j and 2 j + 1 of a level are added into j of the next; a last one without a partner moves up
 * as it is.
 *
 * Microbatches give a weight's gradient in the order of their numbers; the one before is waited for, which is seldom long, as all run
 * through the same operations. What is summed so far are then the subtrees that the binary digits of the number of microbatches given stand
 * for, so there are as many blocks as that number has ones at most, whoever computes: one for two microbatches, two for four, three for
 * eight. A rank has the subtrees of its share of the microbatches; they are added to those of the others weight by weight
 * (gradient_ranks.c). SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"
#include "core/graph/node.h"
#include "core/graph/overlay.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { LEVELS = 64 };

/* Place of a microbatch's gradient on the stack of subtrees: those below it, and how many of them it is added to, one after the other. */
struct turn {
    int32_t below, adds;
};

struct tessi_gradient_sum {
    const struct tess_weights *weights;
    int64_t microbatches, first, end; /* microbatches of the batch being run, and this process's share of them */
    int levels;
    float *level[LEVELS];
    struct turn *turn;      /* turns of the share's microbatches */
    _Atomic int64_t *given; /* number of the microbatch whose gradient of this weight is next */
    atomic_int failed;
    struct tessi_overlay *overlay; /* activations in this memory; NULL: there are none */
    struct tessi_ranks *ranks;
    struct tessi_gradient_ranks *spans; /* NULL: one process */
};

static int gradient_sum_ones(int64_t x)
{
    return __builtin_popcountll((unsigned long long)x);
}

int tessi_graph_gradient_levels(int64_t microbatches)
{
    int max = 1;
    for (int64_t s = 0; s < microbatches; s += 2)
        max = gradient_sum_ones(s) + 1 > max ? gradient_sum_ones(s) + 1 : max;
    return max;
}

/* Plans the turns of the share's microbatches; returns the number of blocks that they need. */
static int gradient_sum_turns(struct tessi_gradient_sum *t, int64_t microbatches)
{
    struct tessi_tree_node stack[TESSI_TREE_NODES];
    int depth = 0, max = 1;
    t->microbatches = microbatches;
    tessi_ranks_share(microbatches, tessi_ranks_size(t->ranks), tessi_ranks_rank(t->ranks), &t->first, &t->end);
    for (int64_t i = t->first; i < t->end; i++) {
        struct tessi_tree_node node = {i, i + 1};
        struct turn *turn = &t->turn[i - t->first];
        *turn = (struct turn){.below = depth};
        for (; depth && tessi_ranks_tree_adds(microbatches, stack[depth - 1], node); turn->adds++)
            node.first = stack[--depth].first;
        stack[depth++] = node;
        max = turn->adds == 0 && turn->below + 1 > max ? turn->below + 1 : max;
    }
    return max;
}

static int gradient_sum_reserve(struct tess_context *ctx, const struct tess_graph *g, struct tessi_gradient_sum *t)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)g->microbatches * sizeof *t->turn, "gradients", &memory));
    t->turn = memory;
    t->levels = gradient_sum_turns(t, g->microbatches);
    int fewer = tessi_graph_gradient_levels(g->microbatches); /* a batch of fewer microbatches may need as many as any */
    t->levels = t->levels < fewer && !g->ranks ? fewer : t->levels;
    TESS_TRY(tess_alloc(ctx, (size_t)(t->weights->count + 1) * sizeof *t->given, "gradients", &memory));
    t->given = memory;
    for (int i = 0; i < t->levels; i++) { /* zeroed: what no operation writes stays zero */
        TESS_TRY(tess_alloc(ctx, (size_t)t->weights->trained * sizeof(float) + 64, "gradients", &memory));
        t->level[i] = memory;
    }
    return g->ranks ? tessi_graph_gradient_ranks_new(ctx, g, &t->spans) : TESS_OK;
}

int tessi_graph_gradient_sum_new(struct tess_context *ctx, const struct tess_graph *g, struct tessi_gradient_sum **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_gradient_sum), "gradients", &memory));
    struct tessi_gradient_sum *t = memory;
    t->weights = g->weights;
    t->ranks = g->ranks;
    t->overlay = g->ranks ? NULL : g->overlay;
    int status = gradient_sum_reserve(ctx, g, t);
    if (status != TESS_OK) {
        tessi_graph_gradient_sum_free(t);
        return status;
    }
    *out = t;
    return TESS_OK;
}

void tessi_graph_gradient_sum_free(struct tessi_gradient_sum *t)
{
    if (!t)
        return;
    tessi_graph_gradient_ranks_free(t->spans);
    for (int i = 0; i < t->levels; i++)
        tess_free(t->level[i]);
    tess_free(t->given);
    tess_free(t->turn);
    tess_free(t);
}

void tessi_graph_gradient_sum_start(struct tessi_gradient_sum *t, int64_t microbatches)
{
    if (microbatches != t->microbatches)
        (void)gradient_sum_turns(t, microbatches);
    atomic_store(&t->failed, 0);
    tessi_graph_overlay_start(t->overlay, t->first, t->end);
    for (int64_t i = 0; i < t->weights->count; i++)
        atomic_store_explicit(&t->given[i], t->first, memory_order_relaxed);
    if (t->spans)
        tessi_graph_gradient_ranks_start(t->spans, microbatches, t->level);
}

void tessi_graph_gradient_sum_fail(struct tessi_gradient_sum *t)
{
    atomic_store(&t->failed, 1);
}

/* Passes some time before looking again for the i-th time. A wait is seldom long where each worker has a processor; where it has not, the
 * one that is waited for needs this one's. */
static void gradient_sum_pause(int i)
{
    if (i > 1000 && i < 1100)
        sched_yield();
    else if (i >= 1100)
        (void)nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}

/* Waits until every microbatch before this one has given the weight's gradient, or one of them has failed. */
static int wait_for_turn(struct tessi_gradient_sum *t, int64_t microbatch, int64_t weight)
{
    for (int i = 0; atomic_load_explicit(&t->given[weight], memory_order_acquire) != microbatch; i++) {
        if (atomic_load_explicit(&t->failed, memory_order_relaxed))
            return 0;
        gradient_sum_pause(i);
    }
    return 1;
}

/* Waits until the memory of the weight's gradient is free of activations, or a microbatch has failed. */
static int wait_for_memory(struct tessi_gradient_sum *t, int64_t weight)
{
    for (int i = 0; !tessi_graph_overlay_is_free(t->overlay, weight); i++) {
        if (atomic_load_explicit(&t->failed, memory_order_relaxed))
            return 0;
        gradient_sum_pause(i);
    }
    return 1;
}

float *tessi_graph_gradient_sum_place(struct tessi_gradient_sum *t, int64_t microbatch, int64_t weight)
{
    const struct turn *turn = &t->turn[microbatch - t->first];
    if (turn->adds || !wait_for_turn(t, microbatch, weight) || !wait_for_memory(t, weight))
        return NULL;
    return t->level[turn->below] + t->weights->item[weight].offset;
}

/* Writes a weight's gradient, unless it was written in place, and zeros behind it up to the next weight's. */
static void gradient_sum_write(struct tessi_gradient_sum *t, int level, int64_t weight, const float *gradient)
{
    const struct tessi_weight *w = &t->weights->item[weight];
    int64_t n = tess_tensor_count(&w->shape), with_padding = (n + 15) / 16 * 16;
    float *to = t->level[level] + w->offset;
    if (gradient != to)
        memcpy(to, gradient, (size_t)n * sizeof(float));
    memset(to + n, 0, (size_t)(with_padding - n) * sizeof(float));
}

void tessi_graph_gradient_sum_give(struct tessi_gradient_sum *t, int64_t microbatch, int64_t weight, const float *gradient)
{
    const struct tessi_kernels *k = tessi_kernels();
    const struct turn *turn = &t->turn[microbatch - t->first];
    int64_t at = t->weights->item[weight].offset, n = tess_tensor_count(&t->weights->item[weight].shape);
    int level = turn->below;
    assert(microbatch >= t->first && microbatch < t->end && level - (turn->adds > 0) < t->levels);
    if (!wait_for_turn(t, microbatch, weight) || (!turn->adds && !wait_for_memory(t, weight)))
        return;
    if (turn->adds)
        k->accumulate(n, gradient, t->level[--level] + at);
    else
        gradient_sum_write(t, level, weight, gradient);
    for (int i = 1; i < turn->adds; i++, level--) /* this subtree is as large as the one before it, or the last */
        k->accumulate(n, t->level[level] + at, t->level[level - 1] + at);
    if (microbatch == t->end - 1 && t->spans)
        tessi_graph_gradient_ranks_given(t->spans, weight);
    else if (microbatch == t->microbatches - 1 && t->microbatches > 1)
        k->affine(n, 1.0f / (float)t->microbatches, 0.0f, t->level[0] + at, t->level[0] + at);
    atomic_store_explicit(&t->given[weight], microbatch + 1, memory_order_release);
}

int tessi_graph_gradient_sum_finish(struct tess_context *ctx, struct tessi_gradient_sum *t)
{
    return t->spans ? tessi_graph_gradient_ranks_finish(ctx, t->spans) : TESS_OK;
}

float *tessi_graph_gradient_sum_block(const struct tessi_gradient_sum *t, int i)
{
    return t->level[i];
}

float *tessi_graph_gradient_sum_result(struct tessi_gradient_sum *t)
{
    return t->level[0];
}
