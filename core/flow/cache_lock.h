/* The lock of the cache: shared by the runs that work with it, taken alone by whoever removes results. SPDX-License-Identifier: MIT */
#ifndef TESSI_CACHE_LOCK_H
#define TESSI_CACHE_LOCK_H

#include <tessera/base.h>

/* Joins the runs that use the cache, waiting for one who tidies it. *lock is -1 where the file system has no locks. TESS_E_STOPPED. */
int tessi_flow_cache_join(struct tess_context *ctx, const char *cache, int *lock) TESS_CHECKED;
/* Takes the cache alone: *lock < 0 where that cannot be, *held: somebody uses it, and `holder` who. */
int tessi_flow_cache_take(struct tess_context *ctx, const char *cache, int *lock, int *held, char *holder, size_t capacity) TESS_CHECKED;
/* Looks whether somebody uses the cache, and changes nothing: *held 1 and `holder` who, 0, or -1 where that cannot be told. */
int tessi_flow_cache_look(struct tess_context *ctx, const char *cache, int *held, char *holder, size_t capacity) TESS_CHECKED;
void tessi_flow_cache_leave(const char *cache, int lock);

#endif
