/* The pool: threads sleep until a loop is posted, take indices from one counter in order, and sleep again. The caller works
 * too, as worker 0. Every worker takes part in every loop, if only to see that nothing is left; so when the last has
 * reported, no thread can still touch the loop's state and the next may be posted. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* sched_getaffinity */
#include "core/base/host.h"
#include "core/base/inject.h"
#include "core/base/pulse.h"
#include "core/base/workers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

_Atomic uint64_t tessi_base_pulses;
_Atomic int tessi_base_loops;

struct worker {
    struct tessi_workers *pool;
    int number;
    pthread_t thread;
};

struct tessi_workers {
    int threads, started; /* workers asked for, and threads made (without the caller) */
    int ready;            /* 1: mutex and conditions exist */
    pthread_mutex_t mutex;
    pthread_cond_t posted, finished;
    uint64_t loop; /* number of the loop posted last */
    int busy;      /* number of threads that have not finished that loop */
    int closing;
    void (*task)(void *user, int worker, int64_t i);
    void *user;
    int64_t n;
    _Atomic int64_t next;
    struct worker *worker;
};

static void workers_work(struct tessi_workers *w, int number)
{
    for (;;) {
        int64_t i = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed);
        if (i >= w->n)
            return;
        w->task(w->user, number, i);
        tessi_base_pulse();
    }
}

static void *thread_main(void *argument)
{
    struct worker *self = argument;
    struct tessi_workers *w = self->pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        while (w->loop == seen && !w->closing)
            pthread_cond_wait(&w->posted, &w->mutex);
        if (w->closing)
            break;
        seen = w->loop;
        pthread_mutex_unlock(&w->mutex);
        workers_work(w, self->number);
        pthread_mutex_lock(&w->mutex);
        if (--w->busy == 0)
            pthread_cond_signal(&w->finished);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* Signals are for the thread that called the library; a crash could not be told of otherwise. */
int tessi_base_thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    sigset_t all, old;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        (void)sigdelset(&all, crashes[i]);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = tessi_base_inject(TESSI_AT_THREAD) ? errno : pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

/* Where the system refuses a thread, for a limit on processes or want of memory, those there are do the work: results do not depend on
 * their number. */
static void start_threads(struct tessi_workers *w)
{
    int error = 0;
    while (!error && w->started < w->threads - 1) {
        struct worker *worker = &w->worker[w->started];
        *worker = (struct worker){.pool = w, .number = w->started + 1};
        error = tessi_base_thread_start(&worker->thread, thread_main, worker);
        w->started += !error;
    }
    w->threads = w->started + 1;
}

int tessi_base_workers_new(struct tess_context *ctx, int threads, struct tessi_workers **out)
{
    *out = NULL;
    if (threads < 1)
        return ctx->fail(ctx, TESS_E_VALUE, "%d threads were asked for; use at least 1", threads);
    struct tessi_workers *w = NULL;
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof *w, "the worker pool", &memory));
    w = memory;
    w->threads = threads;
    int status = TESS_OK;
    if (threads > 1) {
        status = tess_alloc(ctx, (size_t)(threads - 1) * sizeof *w->worker, "the worker pool", &memory);
        if (status != TESS_OK)
            goto done;
        w->worker = memory;
        pthread_mutex_init(&w->mutex, NULL);
        pthread_cond_init(&w->posted, NULL);
        pthread_cond_init(&w->finished, NULL);
        w->ready = 1;
        start_threads(w);
    }
done:
    if (status != TESS_OK)
        tessi_base_workers_free(w);
    else
        *out = w;
    return status;
}

void tessi_base_workers_free(struct tessi_workers *w)
{
    if (!w)
        return;
    if (w->ready) {
        pthread_mutex_lock(&w->mutex);
        w->closing = 1;
        pthread_cond_broadcast(&w->posted);
        pthread_mutex_unlock(&w->mutex);
        for (int i = 0; i < w->started; i++)
            pthread_join(w->worker[i].thread, NULL);
        pthread_cond_destroy(&w->posted);
        pthread_cond_destroy(&w->finished);
        pthread_mutex_destroy(&w->mutex);
    }
    tess_free(w->worker);
    tess_free(w);
}

int tessi_base_workers_count(const struct tessi_workers *w)
{
    return w->threads;
}

int tessi_base_workers_of(const struct tess_context *ctx)
{
    const struct tessi_runtime *r = tessi_base_runtime_of(ctx);
    return r && r->workers ? r->workers->threads : 1;
}

static void workers_loop(struct tessi_workers *w, int64_t n, void (*task)(void *user, int worker, int64_t i), void *user)
{
    pthread_mutex_lock(&w->mutex);
    assert(w->busy == 0);
    w->task = task;
    w->user = user;
    w->n = n;
    atomic_store_explicit(&w->next, 0, memory_order_relaxed);
    w->busy = w->started;
    w->loop++;
    pthread_cond_broadcast(&w->posted);
    pthread_mutex_unlock(&w->mutex);

    workers_work(w, 0);

    pthread_mutex_lock(&w->mutex);
    while (w->busy)
        pthread_cond_wait(&w->finished, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
}

void tessi_base_workers_run(struct tessi_workers *w, int64_t n, void (*task)(void *user, int worker, int64_t i), void *user)
{
    atomic_fetch_add_explicit(&tessi_base_loops, 1, memory_order_relaxed);
    if (w->threads > 1)
        workers_loop(w, n, task, user);
    else
        for (int64_t i = 0; i < n; i++, tessi_base_pulse())
            task(user, 0, i);
    atomic_fetch_sub_explicit(&tessi_base_loops, 1, memory_order_relaxed);
}

int tessi_base_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}
