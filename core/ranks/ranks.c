/* The carrier, its queue, and who has failed. SPDX-License-Identifier: MIT */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/ranks/ranks_private.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define IDLE_NANOSECONDS 500000000 /* time between two signs of life where there is nothing to carry */
#define JOIN_NANOSECONDS 100000000 /* time between two looks for a request to stop */

int tessi_ranks_rank(const struct tessi_ranks *r)
{
    return r ? (int)r->place.rank : 0;
}

int tessi_ranks_size(const struct tessi_ranks *r)
{
    return r ? (int)r->place.ranks : 1;
}

const char *tessi_ranks_host(const struct tessi_ranks *r)
{
    return r ? r->place.host : "";
}

void tessi_ranks_share(int64_t n, int size, int rank, int64_t *first, int64_t *end)
{
    *first = n * rank / size;
    *end = n * (rank + 1) / size;
}

/* ---- the carrier --------------------------------------------------------------------------------------------------- */

/* Keeps the first failure; called by the carrier, which alone has it, without the lock. */
static void ranks_fail(struct tessi_ranks *r, int status)
{
    const char *message = tessi_base_context_message(&r->context.context);
    pthread_mutex_lock(&r->lock);
    r->failed = status < 0 ? status : TESS_E_INTERNAL;
    snprintf(r->message, sizeof r->message, "%s", *message ? message : "the transport failed and gave no reason");
    pthread_mutex_unlock(&r->lock);
    if (r->place.rank == 0)
        tessi_base_signals_request_stop(); /* a stage that runs here alone waits for no job */
}

/* Ends all jobs of the queue; with the lock held. */
static void ranks_drop_jobs(struct tessi_ranks *r)
{
    for (; r->first; r->first = r->first->next)
        r->first->done = 1;
    r->last = NULL;
    pthread_cond_broadcast(&r->finished);
}

/* Waits for the condition, at most so long: ETIMEDOUT then; with the lock held. */
static int ranks_wait(struct tessi_ranks *r, pthread_cond_t *condition, long nanoseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += nanoseconds;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return pthread_cond_timedwait(condition, &r->lock, &until);
}

/* Waits until there is something to do, or for as long as peers may be left without a sign of life; with the lock held. */
static void ranks_idle(struct tessi_ranks *r)
{
    if (ranks_wait(r, &r->work, IDLE_NANOSECONDS) != ETIMEDOUT && !atomic_load(&r->aborting))
        return;
    char text[TESSI_MESSAGE_CAPACITY];
    int hangs = !r->closing && !atomic_load(&r->aborting) && tessi_ranks_hangs(r, text, sizeof text);
    pthread_mutex_unlock(&r->lock);
    if (hangs && !atomic_exchange(&r->aborting, 1))
        r->ops->abort(r->self, TESS_E_FAILED, text);
    int status = r->ops->alive(r->self, &r->context.context);
    if (status != TESS_OK)
        ranks_fail(r, status);
    if (hangs && r->watch.hangs)
        r->watch.hangs(r->watch.user, text);
    pthread_mutex_lock(&r->lock);
}

/* Does the first job of the queue; with the lock held. */
static void ranks_carry(struct tessi_ranks *r)
{
    struct tessi_ranks_job *job = r->first;
    pthread_mutex_unlock(&r->lock);
    int status = job->run(&r->context.context, r, job);
    if (status != TESS_OK)
        ranks_fail(r, status);
    pthread_mutex_lock(&r->lock);
    tessi_ranks_awake(r);
    r->first = job->next;
    r->last = r->first ? r->last : NULL;
    job->done = 1;
    pthread_cond_broadcast(&r->finished);
}

static void *ranks_main(void *argument)
{
    struct tessi_ranks *r = argument;
    r->place.size = sizeof r->place;
    int status = r->ops->join(r->self, &r->context.context, &r->place);
    if (status != TESS_OK)
        ranks_fail(r, status);
    pthread_mutex_lock(&r->lock);
    r->joined = 1;
    pthread_cond_broadcast(&r->finished);
    int met = status == TESS_OK;
    while (!r->closing || (r->first && !r->failed)) {
        if (r->failed) {
            ranks_drop_jobs(r);
            if (!r->closing)
                pthread_cond_wait(&r->work, &r->lock);
        } else if (r->first && atomic_load(&r->first->ready)) {
            ranks_carry(r);
        } else {
            ranks_idle(r);
        }
    }
    ranks_drop_jobs(r);
    pthread_mutex_unlock(&r->lock);
    if (met && !r->failed && atomic_load(&r->aborting) && r->ops->alive(r->self, &r->context.context) != TESS_OK)
        ranks_fail(r, TESS_E_FAILED); /* the abort is told */
    status = r->failed ? r->failed : r->leave_status;
    if (met)
        r->ops->leave(r->self, status);
    return NULL;
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

/* Waits until the ranks have met, and no longer than they may take. */
static void ranks_await(struct tessi_ranks *r, const struct tessi_ranks_joining *joining)
{
    char text[256];
    double begun = tessi_base_seconds();
    pthread_mutex_lock(&r->lock);
    while (!r->joined) {
        if (ranks_wait(r, &r->finished, JOIN_NANOSECONDS) != ETIMEDOUT || !joining || r->failed) /* a failure asks for a stop, too */
            continue;
        if (tessi_base_signals_stopping())
            joining->late(TESS_E_STOPPED, "stopped while the ranks were to meet");
        if (joining->patience > 0.0 && tessi_base_seconds() - begun > joining->patience) {
            snprintf(text, sizeof text,
                     "the ranks have not met for %.0f s: one of them has not started, or ended before, and its own message tells why "
                     "(`--patience SECONDS` gives them longer)",
                     tessi_base_seconds() - begun);
            joining->late(TESS_E_FAILED, text);
        }
    }
    pthread_mutex_unlock(&r->lock);
}

static int ranks_start(struct tess_context *ctx, struct tessi_ranks *r, const struct tessi_ranks_joining *joining)
{
    pthread_condattr_t monotonic;
    sigset_t all, old;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->work, &monotonic);
    pthread_cond_init(&r->finished, NULL);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all); /* signals are for the thread that called the library */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r->started = pthread_create(&r->thread, NULL, ranks_main, r) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!r->started)
        return ctx->fail(ctx, TESS_E_MEMORY, "the system starts no thread for messages between ranks; see `ulimit -u`");
    ranks_await(r, joining);
    if (r->failed)
        return ctx->fail(ctx, r->failed, "%s", r->message);
    if (r->place.ranks < 1 || r->place.ranks > TESS_RANKS_MAX || r->place.rank < 0 || r->place.rank >= r->place.ranks)
        return ctx->fail(ctx, TESS_E_PLUGIN, "the transport says that this is rank %d of %d; it must be 0 .. %d", (int)r->place.rank,
                         (int)r->place.ranks, TESS_RANKS_MAX - 1);
    return TESS_OK;
}

int tessi_ranks_open(struct tess_context *ctx, const struct tess_transport_1 *ops, void *self, const struct tessi_ranks_joining *joining,
                     struct tessi_ranks **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_ranks), "the ranks", &memory));
    struct tessi_ranks *r = memory;
    r->ops = ops;
    r->self = self;
    tessi_base_context_init(&r->context, ctx->host);
    int status = ranks_start(ctx, r, joining);
    if (status != TESS_OK) {
        tessi_ranks_close(r, status);
        return status;
    }
    *out = r;
    return TESS_OK;
}

void tessi_ranks_close(struct tessi_ranks *r, int status)
{
    if (!r)
        return;
    if (r->started) {
        pthread_mutex_lock(&r->lock);
        r->closing = 1;
        r->leave_status = status;
        pthread_cond_signal(&r->work);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
    }
    pthread_cond_destroy(&r->work);
    pthread_cond_destroy(&r->finished);
    pthread_mutex_destroy(&r->lock);
    tess_free(r->list);
    tess_free(r->scratch);
    tess_free(r->ready);
    tess_free(r);
}

int tessi_ranks_failed(struct tessi_ranks *r, int *status, const char **message)
{
    if (!r)
        return 0;
    pthread_mutex_lock(&r->lock);
    int failed = r->failed;
    pthread_mutex_unlock(&r->lock);
    if (failed && status)
        *status = failed;
    if (failed && message)
        *message = r->message; /* never written again */
    return failed != TESS_OK || atomic_load(&r->aborting);
}

int tessi_ranks_lost(struct tessi_ranks *r)
{
    int status = TESS_OK;
    return r && tessi_ranks_failed(r, &status, NULL) && status != TESS_OK && !atomic_load(&r->aborting);
}

void tessi_ranks_abort(struct tessi_ranks *r, int status, const char *reason)
{
    if (!r || atomic_exchange(&r->aborting, 1))
        return;
    r->ops->abort(r->self, status, reason);
    pthread_mutex_lock(&r->lock);
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
}

/* ---- jobs ---------------------------------------------------------------------------------------------------------- */

void tessi_ranks_job_start(struct tessi_ranks *r, struct tessi_ranks_job *job, int ready)
{
    job->next = NULL;
    job->done = 0;
    atomic_store(&job->ready, ready);
    pthread_mutex_lock(&r->lock);
    if (r->last)
        r->last->next = job;
    else
        r->first = job;
    r->last = job;
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
}

void tessi_ranks_job_ready(struct tessi_ranks *r, struct tessi_ranks_job *job)
{
    atomic_store(&job->ready, 1);
    pthread_mutex_lock(&r->lock);
    if (r->first == job)
        pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
}

int tessi_ranks_job_wait(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job)
{
    double begun = tessi_base_seconds();
    pthread_mutex_lock(&r->lock);
    while (!job->done)
        pthread_cond_wait(&r->finished, &r->lock);
    r->traffic.seconds += tessi_base_seconds() - begun;
    int failed = r->failed;
    pthread_mutex_unlock(&r->lock);
    return failed ? ctx->fail(ctx, failed, "%s", r->message) : TESS_OK;
}

struct tessi_ranks_traffic tessi_ranks_traffic(struct tessi_ranks *r)
{
    struct tessi_ranks_traffic t = {0};
    if (r) {
        pthread_mutex_lock(&r->lock);
        t = r->traffic;
        pthread_mutex_unlock(&r->lock);
    }
    return t;
}

int64_t tessi_ranks_ready_behind(struct tessi_ranks *r, const struct tessi_ranks_job *job, int64_t most)
{
    int64_t n = 0;
    pthread_mutex_lock(&r->lock);
    for (const struct tessi_ranks_job *next = job->next; n < most && next && next->run == job->run && atomic_load(&next->ready); n++)
        next = next->next;
    pthread_mutex_unlock(&r->lock);
    return n;
}

/* ---- messages ------------------------------------------------------------------------------------------------------ */

int tessi_ranks_message(struct tess_context *ctx, struct tessi_ranks *r, int64_t *n, int peer, int receives, void *data, int64_t bytes)
{
    if (bytes == 0)
        return TESS_OK;
    TESS_TRY(tess_reserve(ctx, &r->list, &r->list_capacity, *n + 1, sizeof *r->list, "messages to ranks"));
    r->list[(*n)++] = (struct tess_message){.size = sizeof *r->list, .peer = peer, .receives = receives, .data = data, .bytes = bytes};
    return TESS_OK;
}

int tessi_ranks_exchange(struct tess_context *ctx, struct tessi_ranks *r, int64_t n)
{
    int64_t sent = 0;
    for (int64_t i = 0; i < n; i++)
        sent += r->list[i].receives ? 0 : r->list[i].bytes;
    pthread_mutex_lock(&r->lock);
    r->traffic.bytes += sent;
    r->traffic.exchanges += n > 0;
    pthread_mutex_unlock(&r->lock);
    return n ? r->ops->exchange(r->self, ctx, r->list, n) : TESS_OK;
}
