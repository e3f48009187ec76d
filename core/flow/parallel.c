/* A stage's own loops on the host's threads, and dealt to ranks. A worker keeps its first failure, which is the lowest of those it was
 * handed, and takes nothing more; so all that lies below the lowest failure is done, and which failure is told depends on no thread.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/flow_private.h"
#include "core/ranks/ranks.h"

#include <stdio.h>

struct worker_state {
    struct tessi_context context;
    int64_t failed; /* index i of the worker's first failure; -1: none */
    int status;
};

struct loop {
    int (*task)(void *user, struct tess_context *ctx, int32_t worker, int64_t i);
    void *user;
    struct worker_state *worker_state;
};

static void parallel_one(void *user, int worker, int64_t i)
{
    struct loop *l = user;
    struct worker_state *h = &l->worker_state[worker];
    if (h->failed >= 0)
        return;
    h->status = l->task(l->user, &h->context.context, worker, i);
    if (h->status != TESS_OK)
        h->failed = i;
}

int32_t tess_stage_workers(const struct tess_stage_run *r)
{
    const struct tessi_runtime *runtime = tessi_base_runtime_of(r->ctx);
    return runtime && runtime->workers ? tessi_base_workers_count(runtime->workers) : 1;
}

int tess_stage_parallel(struct tess_context *ctx, struct tess_stage_run *r, int64_t n,
                        int (*task)(void *user, struct tess_context *ctx, int32_t worker, int64_t i), void *user)
{
    struct tessi_runtime *runtime;
    TESS_TRY(tessi_base_runtime_need(r->ctx, &runtime));
    int workers = tess_stage_workers(r);
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)workers * sizeof(struct worker_state), "a loop of the stage", &memory));
    struct loop l = {task, user, memory};
    for (int w = 0; w < workers; w++) {
        tessi_base_context_init(&l.worker_state[w].context, &runtime->host);
        l.worker_state[w].failed = -1;
    }
    tessi_base_workers_run(runtime->workers, n, parallel_one, &l);
    struct worker_state *first = NULL;
    for (int w = 0; w < workers; w++)
        if (l.worker_state[w].failed >= 0 && (!first || l.worker_state[w].failed < first->failed))
            first = &l.worker_state[w];
    int status = first ? first->status : TESS_OK;
    if (first)
        (void)ctx->fail(ctx, status, "%s", *first->context.message ? first->context.message : "a part of it failed and gave no reason");
    tess_free(memory);
    return status;
}

/* ---- dealt to ranks ------------------------------------------------------------------------------------------------ */

struct dealt {
    int (*task)(void *user, struct tess_context *ctx, int32_t worker, int64_t i);
    void *user;
    int64_t first; /* first item of this rank's share */
};

struct dealt_end { /* end of a rank's share */
    int64_t status;
    char message[TESSI_MESSAGE_CAPACITY];
};

static int dealt_one(void *user, struct tess_context *ctx, int32_t worker, int64_t i)
{
    const struct dealt *d = user;
    return d->task(d->user, ctx, worker, d->first + i);
}

/* Tells all ranks how this one's share ended. Fails with the first failure in the order of ranks, which is that of the items: on rank 0,
 * which tells it as one process would; the others leave the stage. */
static int dealt_agree(struct tess_context *ctx, struct tessi_ranks *ranks, int status)
{
    void *memory;
    int n = tessi_ranks_size(ranks);
    TESS_TRY(tess_alloc(ctx, (size_t)n * sizeof(struct dealt_end), "a loop of the ranks", &memory));
    struct dealt_end *end = memory, *own = &end[tessi_ranks_rank(ranks)];
    own->status = status;
    if (status != TESS_OK)
        snprintf(own->message, sizeof own->message, "%s", tess_message(ctx));
    tess_forget(ctx);
    status = tessi_ranks_gather(ctx, ranks, end, n, sizeof *end);
    for (int k = 0; k < n && status == TESS_OK; k++)
        if (end[k].status != TESS_OK)
            status = ctx->fail(ctx, tessi_ranks_rank(ranks) == 0 ? (int)end[k].status : TESS_E_STOPPED, "%s", end[k].message);
    tess_free(memory);
    return status;
}

int tess_stage_dealt(struct tess_context *ctx, struct tess_stage_run *r, int64_t n,
                     int (*task)(void *user, struct tess_context *ctx, int32_t worker, int64_t i), void *user)
{
    struct tessi_ranks *ranks = tessi_flow_ranks(ctx);
    struct dealt d = {.task = task, .user = user};
    int64_t end;
    if (!tessi_ranks_together(ranks))
        return tess_stage_parallel(ctx, r, n, task, user);
    TESS_TRY(tessi_ranks_meet_at(ctx, ranks, n));
    tessi_ranks_share(n, tessi_ranks_size(ranks), tessi_ranks_rank(ranks), &d.first, &end);
    return dealt_agree(ctx, ranks, tess_stage_parallel(ctx, r, end - d.first, dealt_one, &d));
}
