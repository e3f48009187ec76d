/* Collective calls: each is a job that its caller waits for. SPDX-License-Identifier: MIT */
#include "core/ranks/ranks_private.h"

#include <string.h>

struct call {
    struct tessi_ranks_job job; /* first */
    void *data, *all;
    int64_t n, bytes;
    double seconds;
};

static int calls_run(struct tess_context *ctx, struct tessi_ranks *r, struct call *c,
                     int (*run)(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job))
{
    c->job.run = run;
    tessi_ranks_job_start(r, &c->job, 1);
    return tessi_ranks_job_wait(ctx, r, &c->job);
}

static struct call *calls_of(struct tessi_ranks_job *job)
{
    return (struct call *)(void *)job;
}

static int calls_broadcast(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job)
{
    return r->ops->broadcast(r->self, ctx, 0, calls_of(job)->data, calls_of(job)->bytes);
}

int tessi_ranks_broadcast(struct tess_context *ctx, struct tessi_ranks *r, void *data, int64_t bytes)
{
    struct call c = {.data = data, .bytes = bytes};
    return tessi_ranks_size(r) == 1 || bytes == 0 ? TESS_OK : calls_run(ctx, r, &c, calls_broadcast);
}

static int calls_gather(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job)
{
    const struct call *c = calls_of(job);
    int64_t n = 0, first, end, own, own_end;
    tessi_ranks_share(c->n, r->place.ranks, r->place.rank, &own, &own_end);
    for (int k = 0; k < r->place.ranks; k++) {
        if (k == r->place.rank)
            continue;
        tessi_ranks_share(c->n, r->place.ranks, k, &first, &end);
        TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 0, (char *)c->data + own * c->bytes, (own_end - own) * c->bytes));
        TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 1, (char *)c->data + first * c->bytes, (end - first) * c->bytes));
    }
    return tessi_ranks_exchange(ctx, r, n);
}

int tessi_ranks_gather(struct tess_context *ctx, struct tessi_ranks *r, void *data, int64_t n, int64_t bytes)
{
    struct call c = {.data = data, .n = n, .bytes = bytes};
    return tessi_ranks_size(r) == 1 ? TESS_OK : calls_run(ctx, r, &c, calls_gather);
}

static int calls_collect(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job)
{
    const struct call *c = calls_of(job);
    int64_t n = 0;
    if (r->place.rank != 0)
        TESS_TRY(tessi_ranks_message(ctx, r, &n, 0, 0, c->data, c->bytes));
    for (int k = 1; r->place.rank == 0 && k < r->place.ranks; k++)
        TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 1, (char *)c->all + k * c->bytes, c->bytes));
    return tessi_ranks_exchange(ctx, r, n);
}

int tessi_ranks_collect(struct tess_context *ctx, struct tessi_ranks *r, const void *data, int64_t bytes, void *all)
{
    struct call c = {.data = (void *)(uintptr_t)data, .all = all, .bytes = bytes};
    if (tessi_ranks_rank(r) == 0)
        memcpy(all, data, (size_t)bytes);
    return tessi_ranks_size(r) == 1 ? TESS_OK : calls_run(ctx, r, &c, calls_collect);
}

static int calls_barrier(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job)
{
    return r->ops->barrier(r->self, ctx, calls_of(job)->seconds);
}

int tessi_ranks_barrier(struct tess_context *ctx, struct tessi_ranks *r, double seconds)
{
    struct call c = {.seconds = seconds};
    return tessi_ranks_size(r) == 1 ? TESS_OK : calls_run(ctx, r, &c, calls_barrier);
}
