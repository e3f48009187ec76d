/* A stage's own loops on the host's threads. A worker keeps its first failure, which is the lowest of those it was handed, and takes nothing
 * more; so all that lies below the lowest failure is done, and which failure is told depends on no thread.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/flow_private.h"

struct hand {
    struct tessi_call call;
    int64_t failed; /* the i that did; -1: none */
    int status;
};

struct loop {
    int (*task)(void *user, struct tess_call *c, int32_t worker, int64_t i);
    void *user;
    struct hand *hand;
};

static void one(void *user, int worker, int64_t i)
{
    struct loop *l = user;
    struct hand *h = &l->hand[worker];
    if (h->failed >= 0)
        return;
    h->status = l->task(l->user, &h->call.call, worker, i);
    if (h->status != TESS_OK)
        h->failed = i;
}

int32_t tess_stage_workers(const struct tess_stage_run *r)
{
    return tessi_workers_count(tessi_runtime_of(r->c)->workers);
}

int tess_stage_parallel(struct tess_call *c, struct tess_stage_run *r, int64_t n,
                        int (*task)(void *user, struct tess_call *c, int32_t worker, int64_t i), void *user)
{
    struct tessi_runtime *runtime = tessi_runtime_of(r->c);
    int workers = tess_stage_workers(r);
    void *memory;
    TESS_TRY(tess_alloc(c, (size_t)workers * sizeof(struct hand), "a loop of the stage", &memory));
    struct loop l = {task, user, memory};
    for (int w = 0; w < workers; w++) {
        tessi_call_init(&l.hand[w].call, &runtime->host);
        l.hand[w].failed = -1;
    }
    tessi_workers_run(runtime->workers, n, one, &l);
    struct hand *first = NULL;
    for (int w = 0; w < workers; w++)
        if (l.hand[w].failed >= 0 && (!first || l.hand[w].failed < first->failed))
            first = &l.hand[w];
    int status = first ? first->status : TESS_OK;
    if (first)
        (void)c->fail(c, status, "%s", *first->call.message ? first->call.message : "a part of it failed and gave no reason");
    tess_free(memory);
    return status;
}
