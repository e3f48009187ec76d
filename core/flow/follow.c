/* The pipeline on ranks other than rank 0. Rank 0 runs it as a process alone would; what it computes by itself the others wait for. When a
 * stage comes to work that ranks share, rank 0 says so: the others then run the same stage from the same inputs and checkpoint, in the
 * shared folder, meet rank 0 at each such piece of work, and leave the stage at its end, or when rank 0 has left it. They write nothing: an
 * output that the stage must have is a file of their own without any rows, and without a name. SPDX-License-Identifier: MIT */
#include "core/base/clock.h"
#include "core/base/files.h"
#include "core/base/memory.h"
#include "core/flow/flow_private.h"
#include "core/ranks/ranks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE 30.0 /* seconds that a file may take to appear on another machine */

/* Finds the result of a stage that rank 0 has computed. A network file system may show it late. */
static int follow_find(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s)
{
    int found = *s->digest != '\0';
    if (found)
        return TESS_OK;
    for (int64_t i = 0; i < s->inputs; i++)
        if (s->input[i].stage >= 0)
            TESS_TRY(follow_find(ctx, p, &p->stage[s->input[i].stage]));
    TESS_TRY(tessi_flow_stage_plan_again(ctx, p, s));
    TESS_TRY(tessi_flow_stage_key(ctx, p, s));
    for (double end = tessi_base_seconds() + PATIENCE;;) {
        TESS_TRY(tessi_flow_cache_find(ctx, s, &found));
        if (found)
            return TESS_OK;
        if (tessi_base_seconds() > end)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    return ctx->fail(ctx, TESS_E_IO,
                     "%s: rank 0 has written it, and this rank cannot see it; all ranks need the same folder, on a shared "
                     "file system (see --workdir)",
                     s->cached);
}

static int follow_stage_run(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s, struct tess_stage_run *r)
{
    const char *folder = getenv("TMPDIR");
    char *path = NULL;
    TESS_TRY(tessi_flow_stage_run_open(ctx, p, r));
    TESS_TRY(tessi_base_format(ctx, &path, "%s/tessera-rank-%d-%.12s.h5", folder && *folder ? folder : "/tmp",
                               tessi_ranks_rank(p->runtime->ranks), s->key));
    int status = tessi_store_artefact_create_dropping(ctx, path, s->ops->output, &r->output);
    tess_free(path);
    if (status != TESS_OK)
        return status;
    tessi_ranks_enter_stage(p->runtime->ranks, s - p->stage, s->key);
    status = tessi_flow_stage_work(ctx, p, r);
    tessi_ranks_leave_stage(p->runtime->ranks);
    return status;
}

/* Runs the stage beside rank 0. */
static int follow_stage(struct tess_context *ctx, struct tessi_pipeline *p, const struct tessi_ranks_word *word)
{
    if (word->stage < 0 || word->stage >= p->count)
        return ctx->fail(ctx, TESS_E_INTERNAL, "rank 0 is at stage %lld of %lld", (long long)word->stage, (long long)p->count);
    struct tessi_stage *s = &p->stage[word->stage];
    for (int64_t i = 0; i < s->inputs; i++)
        if (s->input[i].stage >= 0)
            TESS_TRY(follow_find(ctx, p, &p->stage[s->input[i].stage]));
    TESS_TRY(tessi_flow_stage_plan_again(ctx, p, s));
    TESS_TRY(tessi_flow_stage_key(ctx, p, s));
    if (strcmp(s->key, word->key) != 0)
        return ctx->fail(ctx, TESS_E_DATA, "stage `%s` has the key %.12s here and %.12s on rank 0: the files that it reads differ", s->name,
                         s->key, word->key);
    struct tess_stage_run r = tessi_flow_stage_run_new(ctx, p, s);
    int status = follow_stage_run(ctx, p, s, &r);
    tessi_flow_stage_run_close(&r);
    tessi_base_memory_trim();
    if (status != TESS_OK && status != TESS_E_STOPPED)
        return tessi_flow_stage_blame(ctx, s, status);
    tessi_base_context_clear(ctx);
    return TESS_OK;
}

int tessi_flow_pipeline_follow(struct tess_context *ctx, struct tessi_pipeline *p)
{
    struct tessi_ranks_word word;
    for (;;) {
        TESS_TRY(tessi_ranks_hear(ctx, p->runtime->ranks, &word));
        if (word.kind == TESSI_WORD_END)
            return word.status == TESS_OK ? TESS_OK : ctx->fail(ctx, word.status, "rank 0 has ended the run");
        if (word.kind != TESSI_WORD_STAGE)
            return ctx->fail(
                ctx, TESS_E_DATA,
                "rank %d has come to the end of a stage, and rank 0 has more to do there (word %d); do both see the same files and "
                "checkpoint?",
                tessi_ranks_rank(p->runtime->ranks), (int)word.kind);
        TESS_TRY(follow_stage(ctx, p, &word));
    }
}

/* Keeps the first failure of any rank in place of a stop that it led to, before the words of that. */
static int ranks_blame(struct tess_context *ctx, struct tessi_ranks *ranks, int status)
{
    const char *message = "";
    char stopped[512];
    int failed = TESS_OK;
    if ((status != TESS_OK && status != TESS_E_STOPPED) || !tessi_ranks_failed(ranks, &failed, &message) || failed == TESS_OK)
        return status;
    snprintf(stopped, sizeof stopped, "%.500s", tess_message(ctx));
    tessi_base_context_clear(ctx);
    return ctx->fail(ctx, failed, "%s%s%s", message, *stopped ? "; " : "", stopped);
}

int tessi_flow_ranks_end(struct tess_context *ctx, struct tessi_runtime *r, int status)
{
    struct tessi_ranks *ranks = r ? r->ranks : NULL;
    if (!ranks)
        return status;
    status = ranks_blame(ctx, ranks, status);
    int peaceful = status == TESS_OK || status == TESS_E_STOPPED;
    if (peaceful && tessi_ranks_rank(ranks) == 0) {
        struct tessi_context own; /* a rank that dies at the very end costs nothing */
        tessi_base_context_init(&own, ctx->host);
        if (tessi_ranks_say(&own.context, ranks, TESSI_WORD_END, status) != TESS_OK)
            peaceful = 0;
    }
    if (!peaceful)
        tessi_ranks_abort(ranks, status == TESS_OK ? TESS_E_FAILED : status, tess_message(ctx));
    tessi_ranks_close(ranks, peaceful ? TESS_OK : TESS_E_FAILED);
    r->ranks = NULL;
    return status;
}
