/* Batches whose microbatches lie on several ranks, forward alone: each rank computes its share, and all get all outputs. A number made of
 * the batch's inputs is compared first, so that ranks which have read other data, or are elsewhere, are told and make no result.
 * SPDX-License-Identifier: MIT */
#include "core/graph/graph_microbatch.h"
#include "core/graph/node.h"

#include <string.h>

/* Number of `count` bytes that any change of one of them changes. */
static uint64_t shared_number(uint64_t number, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    uint64_t word = 0;
    for (; count >= 8; count -= 8, at += 8) {
        memcpy(&word, at, 8);
        number = (number ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        number ^= number >> 32;
    }
    word = count;
    if (count)
        memcpy(&word, at, count);
    number = (number ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return number ^ number >> 32;
}

/* Number of a batch: its place, and the inputs of its samples. */
static int64_t shared_piece(const struct tess_graph *g, const struct tess_batch *b)
{
    const int64_t place[4] = {b->samples, b->step, b->first, g->buffers};
    uint64_t number = shared_number(1, place, sizeof place);
    for (int32_t i = 0; i < b->inputs; i++) {
        const struct tess_tensor *one = &g->input[i].node->shape;
        number = shared_number(number, b->in[i].data, tess_tensor_bytes(one) / (size_t)g->microbatch * (size_t)b->samples);
    }
    return (int64_t)number;
}

static int shared_gather(struct tess_context *ctx, const struct tess_graph *g, struct tessi_ranks *ranks, const struct tess_batch *b)
{
    int64_t microbatches = (b->samples + g->microbatch - 1) / g->microbatch;
    for (int32_t i = 0; i < b->outputs; i++) {
        int64_t bytes = (int64_t)tess_tensor_bytes(&g->output[i].node->shape);
        if (b->out[i].data)
            TESS_TRY(tessi_ranks_gather_cut(ctx, ranks, b->out[i].data, microbatches, bytes, bytes / g->microbatch * b->samples));
    }
    return TESS_OK;
}

int tess_graph_run_shared(struct tess_context *ctx, struct tess_graph *g, const struct tess_batch *b)
{
    struct tessi_ranks *ranks = g ? g->runtime->ranks : NULL;
    if (!tessi_ranks_together(ranks) || !b || b->samples <= g->microbatch || g->cache)
        return tess_graph_run(ctx, g, b);
    TESS_TRY(tessi_graph_batch_check(ctx, g, b, 0));
    TESS_TRY(tessi_ranks_meet_at(ctx, ranks, shared_piece(g, b)));
    struct tessi_ranks *before = g->ranks;
    tessi_graph_over_ranks(g, ranks);
    int status = tess_graph_run(ctx, g, b);
    tessi_graph_over_ranks(g, before);
    return status == TESS_OK ? shared_gather(ctx, g, ranks, b) : status;
}
