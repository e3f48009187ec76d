/* Threads: a fixed pool of workers that runs a counted loop, and how a thread is started. SPDX-License-Identifier: MIT */
#ifndef TESSI_WORKERS_H
#define TESSI_WORKERS_H

#include <tessera/base.h>

#include <pthread.h>

struct tessi_workers;

/* Creates a pool of `threads` workers, the caller being worker 0; 1 makes no thread. Fewer where the system refuses one
 * (tessi_base_workers_count). */
int tessi_base_workers_new(struct tess_context *ctx, int threads, struct tessi_workers **out) TESS_CHECKED;
void tessi_base_workers_free(struct tessi_workers *w);
int tessi_base_workers_count(const struct tessi_workers *w);
/* Runs task(user, worker, i) for i in [0, n), each once, handed out in order; returns when all are done. Not re-entrant. */
void tessi_base_workers_run(struct tessi_workers *w, int64_t n, void (*task)(void *user, int worker, int64_t i), void *user);
/* Number of threads that the host of a context has for work; 1 without one. */
int tessi_base_workers_of(const struct tess_context *ctx);
/* Starts a thread that takes no signals but those of its own crash. 0, or the system's error where it refuses one. */
int tessi_base_thread_start(pthread_t *thread, void *(*run)(void *argument), void *argument);
/* Number of processors this process may use. */
int tessi_base_processors(void);

#endif
