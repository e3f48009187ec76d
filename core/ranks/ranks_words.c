/* Words of rank 0, and a stage that all ranks run. SPDX-License-Identifier: MIT */
#include "core/base/inject.h"
#include "core/ranks/ranks_private.h"

#include <stdio.h>

int tessi_ranks_say(struct tess_context *ctx, struct tessi_ranks *r, int32_t kind, int32_t status)
{
    if (!r)
        return TESS_OK;
    r->word.kind = kind;
    r->word.status = status;
    (void)tessi_base_inject(TESSI_AT_WORD);
    return tessi_ranks_broadcast(ctx, r, &r->word, sizeof r->word);
}

int tessi_ranks_hear(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_word *out)
{
    if (!r->unheard)
        TESS_TRY(tessi_ranks_broadcast(ctx, r, &r->word, sizeof r->word));
    r->unheard = r->word.kind == TESSI_WORD_END;
    (void)tessi_base_inject(TESSI_AT_WORD);
    *out = r->word;
    return TESS_OK;
}

/* ---- a stage on all ranks ------------------------------------------------------------------------------------------ */

void tessi_ranks_enter_stage(struct tessi_ranks *r, int64_t stage, const char *key)
{
    if (!r)
        return;
    if (r->place.rank == 0) {
        r->word.stage = stage;
        snprintf(r->word.key, sizeof r->word.key, "%s", key);
    }
    r->at_work = 1;
    r->inside = r->place.rank > 0;
}

void tessi_ranks_leave_stage(struct tessi_ranks *r)
{
    if (r)
        r->at_work = r->inside = 0;
}

int tessi_ranks_part(struct tess_context *ctx, struct tessi_ranks *r)
{
    if (!tessi_ranks_together(r))
        return TESS_OK;
    tessi_ranks_leave_stage(r);
    return r->place.rank == 0 ? TESS_OK : ctx->fail(ctx, TESS_E_STOPPED, "rank 0 does the rest of the stage");
}

int tessi_ranks_together(const struct tessi_ranks *r)
{
    return r && r->place.ranks > 1 && r->at_work;
}

static int words_lead(struct tess_context *ctx, struct tessi_ranks *r, int32_t kind, int64_t piece)
{
    if (!r->inside)
        TESS_TRY(tessi_ranks_say(ctx, r, TESSI_WORD_STAGE, TESS_OK));
    r->inside = 1;
    r->word.piece = piece;
    r->traffic.pieces++;
    return tessi_ranks_say(ctx, r, kind, TESS_OK);
}

static int words_follow(struct tess_context *ctx, struct tessi_ranks *r, int32_t kind, int64_t *piece)
{
    struct tessi_ranks_word word;
    TESS_TRY(tessi_ranks_hear(ctx, r, &word));
    if (word.kind == TESSI_WORD_END || word.kind == TESSI_WORD_STAGE) {
        r->unheard = 1; /* it is for whoever called the stage */
        return ctx->fail(ctx, TESS_E_STOPPED, "rank 0 has left the stage");
    }
    *piece = word.piece;
    return word.kind == kind
               ? TESS_OK
               : ctx->fail(ctx, TESS_E_DATA,
                           "rank %d does not come to the same work as rank 0 (wanted word %d, found %d); do both see the same "
                           "files and checkpoint?",
                           (int)r->place.rank, (int)kind, (int)word.kind);
}

int tessi_ranks_meet(struct tess_context *ctx, struct tessi_ranks *r, int32_t kind, int64_t *piece)
{
    return r->place.rank == 0 ? words_lead(ctx, r, kind, *piece) : words_follow(ctx, r, kind, piece);
}

int tessi_ranks_meet_at(struct tess_context *ctx, struct tessi_ranks *r, int64_t piece)
{
    int64_t found = piece;
    TESS_TRY(tessi_ranks_meet(ctx, r, TESSI_WORD_SHARE, &found));
    return found == piece
               ? TESS_OK
               : ctx->fail(ctx, TESS_E_DATA,
                           "rank %d has other data than rank 0 in a piece of work that they share: a file changed meanwhile, or is "
                           "not the same on both machines; run again",
                           (int)r->place.rank);
}
