/* Sequences dealt to ranks, in whole microbatches, as the last bits of a sequence depend on its place in one. Each rank makes all steps of
 * its own, and ranks tell one another after each call of the denoiser how far they are; tokens travel when a checkpoint wants them, and at
 * the end. SPDX-License-Identifier: MIT */
#include "core/base/host.h"
#include "core/sample/sampler_private.h"

enum { ROUND = 1, GATHER = 2 }; /* pieces of work that ranks come together for */

/* Progress of a rank: steps made of its sequences, and what its last call of the denoiser cost. */
struct round {
    int64_t done, calls, finished;
    double flops;
};

static int64_t ranks_groups(const struct tess_sampler *s)
{
    return (s->state.o.count + s->state.places - 1) / s->state.places;
}

/* Tells all ranks of this one's round; afterwards the sampler's numbers are of all. */
static int ranks_tell(struct tess_context *ctx, struct tess_sampler *s, struct round own)
{
    int ranks = tessi_ranks_size(s->ranks);
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)ranks * sizeof own, "progress of ranks", &memory));
    struct round *all = memory;
    own.done = tessi_sampler_own_done(s);
    own.finished = tessi_sampler_own_finished(s);
    all[tessi_ranks_rank(s->ranks)] = own;
    int status = tessi_ranks_gather(ctx, s->ranks, all, ranks, sizeof own);
    s->all_done = 0;
    s->all_finished = 1;
    for (int k = 0; k < ranks && status == TESS_OK; k++) {
        s->all_done += all[k].done;
        s->all_finished &= all[k].finished != 0;
        s->calls += all[k].calls;
        s->flops += all[k].flops;
    }
    tess_free(memory);
    return status;
}

int tess_sampler_share(struct tess_context *ctx, struct tess_sampler *s)
{
    struct tessi_ranks *ranks = s->state.runtime->ranks;
    struct tessi_sample_state *state = &s->state;
    if (!tessi_ranks_together(ranks) || ranks_groups(s) < 2)
        return TESS_OK;
    TESS_TRY(tessi_ranks_meet_at(ctx, ranks, tessi_sampler_own_done(s)));
    tessi_ranks_share(ranks_groups(s), tessi_ranks_size(ranks), tessi_ranks_rank(ranks), &state->first, &state->end);
    state->first *= state->places;
    state->end = state->end * state->places < state->o.count ? state->end * state->places : state->o.count;
    for (int64_t r = 0; s->next && r < state->places; r++)
        s->next[r] = state->first + r;
    s->ranks = ranks;
    return ranks_tell(ctx, s, (struct round){.done = 0});
}

/* Brings the rows of all sequences to all ranks. */
static int ranks_gather(struct tess_context *ctx, const struct tess_sampler *s)
{
    const struct tess_tensor *const all[] = {&s->state.x, &s->state.left, &s->state.call, &s->state.own};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t whole = all[i]->data ? (int64_t)tess_tensor_bytes(all[i]) : 0, row = whole / s->state.o.count;
        TESS_TRY(tessi_ranks_gather_cut(ctx, s->ranks, all[i]->data, ranks_groups(s), row * s->state.places, whole));
    }
    return TESS_OK;
}

int tess_sampler_gather(struct tess_context *ctx, struct tess_sampler *s)
{
    if (!s->ranks)
        return TESS_OK;
    TESS_TRY(tessi_ranks_meet_at(ctx, s->ranks, GATHER));
    return ranks_gather(ctx, s);
}

/* Begins a round; before it rank 0 may ask for all rows. */
static int ranks_begin(struct tess_context *ctx, const struct tess_sampler *s)
{
    for (int64_t piece = ROUND;;) {
        TESS_TRY(tessi_ranks_meet(ctx, s->ranks, TESSI_WORD_SHARE, &piece));
        if (piece == ROUND)
            return TESS_OK;
        if (piece != GATHER)
            return ctx->fail(ctx, TESS_E_DATA, "rank %d samples, and rank 0 does not; do both see the same files and checkpoint?",
                             tessi_ranks_rank(s->ranks));
        TESS_TRY(ranks_gather(ctx, s));
    }
}

int tess_sampler_advance(struct tess_context *ctx, struct tess_sampler *s)
{
    const struct round before = {.calls = s->calls, .flops = s->flops};
    if (!s->ranks)
        return tessi_sampler_own_advance(ctx, s);
    TESS_TRY(ranks_begin(ctx, s));
    if (!tessi_sampler_own_finished(s))
        TESS_TRY(tessi_sampler_own_advance(ctx, s));
    const struct round own = {.calls = s->calls - before.calls, .flops = s->flops - before.flops};
    s->calls = before.calls;
    s->flops = before.flops;
    return ranks_tell(ctx, s, own);
}
