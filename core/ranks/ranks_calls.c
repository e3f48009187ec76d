/* Collective calls: each is a job that its caller waits for. SPDX-License-Identifier: MIT */
#include "core/ranks/ranks_private.h"

#include <string.h>

struct call {
    struct tessi_ranks_job job; /* first */
    void *data, *all;
    int64_t n, bytes, whole; /* items, bytes of each, and of all together */
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

/* Bytes of a rank's share of the items; *first: where they begin. */
static int64_t calls_share(const struct tessi_ranks *r, const struct call *c, int rank, int64_t *first)
{
    int64_t begin, end;
    tessi_ranks_share(c->n, r->place.ranks, rank, &begin, &end);
    begin = begin * c->bytes < c->whole ? begin * c->bytes : c->whole;
    end = end * c->bytes < c->whole ? end * c->bytes : c->whole;
    *first = begin;
    return end - begin;
}

static int calls_gather(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job)
{
    const struct call *c = calls_of(job);
    int64_t n = 0, first, own, mine = calls_share(r, c, r->place.rank, &own);
    for (int k = 0; k < r->place.ranks; k++) {
        if (k == r->place.rank)
            continue;
        int64_t theirs = calls_share(r, c, k, &first);
        TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 0, (char *)c->data + own, mine));
        TESS_TRY(tessi_ranks_message(ctx, r, &n, k, 1, (char *)c->data + first, theirs));
    }
    return tessi_ranks_exchange(ctx, r, n);
}

int tessi_ranks_gather_cut(struct tess_context *ctx, struct tessi_ranks *r, void *data, int64_t n, int64_t bytes, int64_t whole)
{
    struct call c = {.data = data, .n = n, .bytes = bytes, .whole = whole};
    return tessi_ranks_size(r) == 1 ? TESS_OK : calls_run(ctx, r, &c, calls_gather);
}

int tessi_ranks_gather(struct tess_context *ctx, struct tessi_ranks *r, void *data, int64_t n, int64_t bytes)
{
    return tessi_ranks_gather_cut(ctx, r, data, n, bytes, n * bytes);
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
