/* Training on several ranks. All make the same steps in lockstep: each fills and runs its share of the microbatches, the graph adds totals
 * and gradients over the ranks with the bits of one process, and then every rank makes the optimiser's step and the stage's reaction
 * itself, to the same weights. Rank 0 leads: it alone resumes, stops, writes checkpoints, and keeps log and curve. SPDX-License-Identifier:
 * MIT */
#include "core/train/loop.h"

#include "core/graph/node.h"

/* State that a training begins with on all ranks. */
struct start {
    int64_t step;
    uint32_t roles; /* bit r: the block of role r follows */
};

static int ranks_blocks(struct tess_context *ctx, struct tessi_train_loop *l, uint32_t roles)
{
    struct tess_weights *w = l->t->weights;
    for (int32_t role = 0; role < TESS_ROLES; role++) {
        float *block;
        if (!(roles >> role & 1))
            continue;
        TESS_TRY(tessi_graph_weights_role(ctx, w, role, &block));
        int64_t n = role == TESS_ROLE_VALUE ? w->kept : w->trained;
        TESS_TRY(tessi_ranks_broadcast(ctx, l->ranks, block, n * (int64_t)sizeof(float)));
    }
    tess_weights_touch(w);
    return TESS_OK;
}

int tessi_train_ranks_begin(struct tess_context *ctx, struct tessi_train_loop *l)
{
    struct start start = {.step = l->step};
    int64_t ranks = tessi_ranks_size(l->ranks), steps = l->t->params->steps;
    if (!l->ranks)
        return TESS_OK;
    if (tessi_ranks_rank(l->ranks) == 0) {
        if (ranks > l->microbatches)
            tess_stage_note(l->run, "%lld of %lld ranks have nothing to do, as a batch has %lld microbatches; set `microbatches: %lld`",
                            (long long)(ranks - l->microbatches), (long long)ranks, (long long)l->microbatches, (long long)ranks);
        for (int32_t role = 0; role < TESS_ROLES; role++)
            start.roles |= l->t->weights->role[role] ? UINT32_C(1) << role : 0;
    }
    TESS_TRY(tessi_ranks_meet(ctx, l->ranks, TESSI_WORD_TRAIN, &steps));
    TESS_TRY(tessi_ranks_broadcast(ctx, l->ranks, &start, sizeof start));
    l->step = start.step;
    return ranks_blocks(ctx, l, start.roles);
}

int tessi_train_ranks_lost(struct tess_context *ctx, struct tessi_train_loop *l, int whole)
{
    struct tessi_context own;
    if (!tessi_ranks_lost(l->ranks) || tessi_ranks_rank(l->ranks) > 0 || !whole)
        return tessi_ranks_lost(l->ranks);
    tessi_base_context_init(&own, ctx->host);
    if (tessi_train_save(&own.context, l) == TESS_OK && l->saved == l->step)
        tess_append_message(ctx, "; the same command resumes at step %lld of %lld", (long long)l->step, (long long)l->t->params->steps);
    return 1;
}

int tessi_train_ranks_step(struct tess_context *ctx, struct tessi_train_loop *l, int *step)
{
    struct tessi_ranks_word word;
    if (tessi_ranks_rank(l->ranks) == 0) {
        int status = tessi_ranks_say(ctx, l->ranks, TESSI_WORD_STEP, TESS_OK);
        if (status != TESS_OK)
            (void)tessi_train_ranks_lost(ctx, l, 1);
        return status;
    }
    TESS_TRY(tessi_ranks_hear(ctx, l->ranks, &word));
    *step = word.kind == TESSI_WORD_STEP;
    return *step || word.kind == TESSI_WORD_END
               ? TESS_OK
               : ctx->fail(ctx, TESS_E_INTERNAL, "rank 0 went on to a stage while step %lld was to be made", (long long)l->step);
}

static int ranks_rows(struct tess_context *ctx, const struct tessi_train_loop *l, const struct tess_tensor *list, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (list[i].data && list[i].rank > 0)
            TESS_TRY(
                tessi_ranks_gather(ctx, l->ranks, list[i].data, l->microbatches, (int64_t)tess_tensor_bytes(&list[i]) / l->microbatches));
    return TESS_OK;
}

int tessi_train_ranks_gather(struct tess_context *ctx, const struct tessi_train_loop *l)
{
    if (!l->ranks)
        return TESS_OK;
    TESS_TRY(ranks_rows(ctx, l, l->in, l->batch.inputs));
    return ranks_rows(ctx, l, l->out, l->batch.outputs);
}

int tessi_train_ranks_leave(struct tess_context *ctx, const struct tessi_train_loop *l)
{
    tessi_base_context_clear(ctx);
    return ctx->fail(ctx, TESS_E_STOPPED, "rank %d has made its share of the training", tessi_ranks_rank(l->ranks));
}
