/* Words of rank 0. SPDX-License-Identifier: MIT */
#include "core/ranks/ranks_private.h"

#include <stdio.h>

void tessi_ranks_set_stage(struct tessi_ranks *r, int64_t stage, const char *key)
{
    if (!r)
        return;
    r->word.stage = stage;
    snprintf(r->word.key, sizeof r->word.key, "%s", key);
}

int tessi_ranks_say(struct tess_context *ctx, struct tessi_ranks *r, int32_t kind, int32_t status)
{
    if (!r)
        return TESS_OK;
    r->word.kind = kind;
    r->word.status = status;
    return tessi_ranks_broadcast(ctx, r, &r->word, sizeof r->word);
}

int tessi_ranks_hear(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_word *out)
{
    if (r->word.kind != TESSI_WORD_END)
        TESS_TRY(tessi_ranks_broadcast(ctx, r, &r->word, sizeof r->word));
    *out = r->word;
    return TESS_OK;
}
