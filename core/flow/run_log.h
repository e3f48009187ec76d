/* The keys that a run's log says it is about. SPDX-License-Identifier: MIT */
#ifndef TESSI_RUN_LOG_H
#define TESSI_RUN_LOG_H

#include <tessera/base.h>

/* Calls take(user, key) for cache keys in log.jsonl: the last one of each stage (a run that was stopped before a stage, or did not want it,
 * leaves that stage's key as it was), and all of runs that never ended (killed, or at work). A log that is not there has none. TESS_E_IO
 * where it cannot be read. */
int tessi_flow_run_log_keys(struct tess_context *ctx, const char *path, int (*take)(void *user, const char *key), void *user) TESS_CHECKED;

#endif
