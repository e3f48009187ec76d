/* Worker threads: a fixed pool that runs a counted loop. SPDX-License-Identifier: MIT */
#ifndef TESSI_WORKERS_H
#define TESSI_WORKERS_H

#include <tessera/base.h>

struct tessi_workers;

/* Creates a pool of `threads` workers, the caller being worker 0; 1 makes no thread. Fewer where the system refuses one
 * (tessi_base_workers_count). */
int tessi_base_workers_new(struct tess_context *ctx, int threads, struct tessi_workers **out) TESS_CHECKED;
void tessi_base_workers_free(struct tessi_workers *w);
int tessi_base_workers_count(const struct tessi_workers *w);
/* Runs task(user, worker, i) for i in [0, n), each once, handed out in order; returns when all are done. Not re-entrant. */
void tessi_base_workers_run(struct tessi_workers *w, int64_t n, void (*task)(void *user, int worker, int64_t i), void *user);
/* Number of processors this process may use. */
int tessi_base_processors(void);

#endif
