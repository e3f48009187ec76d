/* The weights' gradients of a batch: each weight's is summed over the microbatches as the backward passes bring it, in a binary tree fixed
 * by the microbatches' numbers. Microbatch 2 j and 2 j + 1 of a level are added into j of the next; a last one without a partner moves up
 * as it is.
 *
 * Microbatches give a weight's gradient in the order of their numbers; the one before is waited for, which is seldom long, as all run
 * through the same operations. What is summed so far are then the subtrees that the binary digits of the number of microbatches given stand
 * for, so there are as many blocks as that number has ones at most, whoever computes: one for two microbatches, two for four, three for
 * eight. SPDX-License-Identifier: MIT */
#include "core/kernels/kernels.h"
#include "core/graph/node.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum { LEVELS = 64 };

struct tessi_gradient_sum {
    const struct tess_weights *weights;
    int64_t microbatches; /* microbatches of the batch being run */
    int levels;
    float *level[LEVELS];
    _Atomic int64_t *given; /* microbatches that have given this weight's gradient */
    atomic_int failed;
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

int tessi_graph_gradient_sum_new(struct tess_context *ctx, const struct tess_weights *weights, int64_t microbatches,
                                 struct tessi_gradient_sum **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_gradient_sum), "gradients", &memory));
    struct tessi_gradient_sum *t = memory;
    t->weights = weights;
    t->levels = tessi_graph_gradient_levels(microbatches);
    int status = tess_alloc(ctx, (size_t)(weights->count + 1) * sizeof *t->given, "gradients", &memory);
    t->given = status == TESS_OK ? memory : NULL;
    for (int i = 0; i < t->levels && status == TESS_OK; i++) { /* zeroed: what no operation writes stays zero */
        status = tess_alloc(ctx, (size_t)weights->trained * sizeof(float) + 64, "gradients", &memory);
        t->level[i] = status == TESS_OK ? memory : NULL;
    }
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
    for (int i = 0; i < t->levels; i++)
        tess_free(t->level[i]);
    tess_free(t->given);
    tess_free(t);
}

void tessi_graph_gradient_sum_start(struct tessi_gradient_sum *t, int64_t microbatches)
{
    t->microbatches = microbatches;
    atomic_store(&t->failed, 0);
    for (int64_t i = 0; i < t->weights->count; i++)
        atomic_store_explicit(&t->given[i], 0, memory_order_relaxed);
}

void tessi_graph_gradient_sum_fail(struct tessi_gradient_sum *t)
{
    atomic_store(&t->failed, 1);
}

/* Waits until every microbatch before this one has given the weight's gradient, or one of them has failed. */
static int wait_for_turn(struct tessi_gradient_sum *t, int64_t microbatch, int64_t weight)
{
    for (int i = 0; atomic_load_explicit(&t->given[weight], memory_order_acquire) != microbatch; i++) {
        if (atomic_load_explicit(&t->failed, memory_order_relaxed))
            return 0;
        if (i > 1000)
            sched_yield();
    }
    return 1;
}

float *tessi_graph_gradient_sum_place(struct tessi_gradient_sum *t, int64_t microbatch, int64_t weight)
{
    return microbatch % 2 == 0 && wait_for_turn(t, microbatch, weight)
               ? t->level[gradient_sum_ones(microbatch)] + t->weights->item[weight].offset
               : NULL;
}

void tessi_graph_gradient_sum_give(struct tessi_gradient_sum *t, int64_t microbatch, int64_t weight, const float *gradient)
{
    const struct tessi_kernels *k = tessi_kernels();
    int64_t at = t->weights->item[weight].offset, n = tess_tensor_count(&t->weights->item[weight].shape);
    int level = gradient_sum_ones(microbatch), last = microbatch == t->microbatches - 1;
    assert(microbatch < t->microbatches && level - (int)(microbatch % 2) < t->levels); /* an odd one joins the level below */
    if (!wait_for_turn(t, microbatch, weight))
        return;
    if (microbatch % 2 == 1)
        k->accumulate(n, gradient, t->level[--level] + at);
    else if (gradient != t->level[level] + at)
        memcpy(t->level[level] + at, gradient, (size_t)n * sizeof(float));
    /* carries: this subtree is as large as the one before it; after the last microbatch, whatever is there */
    for (int64_t rest = microbatch >> 1; level > 0 && (last || (microbatch % 2 == 1 && (rest & 1))); rest >>= 1, level--)
        k->accumulate(n, t->level[level] + at, t->level[level - 1] + at);
    assert(!last || level == 0); /* the tree has one root */
    if (last && t->microbatches > 1)
        k->affine(n, 1.0f / (float)t->microbatches, 0.0f, t->level[0] + at, t->level[0] + at);
    atomic_store_explicit(&t->given[weight], microbatch + 1, memory_order_release);
}

float *tessi_graph_gradient_sum_result(struct tessi_gradient_sum *t)
{
    return t->level[0];
}
