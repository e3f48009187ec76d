/* The keys that a run's log says it is about. SPDX-License-Identifier: MIT */
#ifndef TESSI_RUN_LOG_H
#define TESSI_RUN_LOG_H

#include <tessera/base.h>

/* Calls take(user, key) for the cache keys in log.jsonl of the last run, and of runs that never ended (killed, or at work). A log that is
 * not there has none. TESS_E_IO where it cannot be read. */
int tessi_flow_run_log_keys(struct tess_context *ctx, const char *path, int (*take)(void *user, const char *key), void *user) TESS_CHECKED;

#endif
