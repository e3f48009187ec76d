/* A run decides by what it finds in the cache, hours before it reads it. So results are removed only while no run is at work.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/cache_lock.h"
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/base/lock.h"
#include "core/base/log.h"

#include <time.h>

int tessi_flow_cache_take(struct tess_context *ctx, const char *cache, int *lock, int *held, char *holder, size_t capacity)
{
    char *path = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/.lock", cache));
    int status = tessi_base_lock_try(ctx, path, lock, held, holder, capacity);
    if (status == TESS_OK)
        tessi_base_lock_sign(*lock, "");
    tess_free(path);
    return status;
}

int tessi_flow_cache_look(struct tess_context *ctx, const char *cache, int *held, char *holder, size_t capacity)
{
    char *path = NULL;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/.lock", cache));
    *held = tessi_base_lock_look(path, holder, capacity);
    tess_free(path);
    return TESS_OK;
}

/* Tries once: 1 joined, or there are no locks here; 0 to be tried again. */
static int cache_lock_try_join(struct tess_context *ctx, const char *path, int *lock)
{
    struct tessi_context own;
    char holder[256];
    int held;
    *lock = tessi_base_lock_join(path);
    if (*lock >= 0)
        return 1;
    tessi_base_context_init(&own, ctx->host);
    if (tessi_base_lock_try(&own.context, path, lock, &held, holder, sizeof holder) != TESS_OK)
        return 1; /* a cache that only others may write to */
    if (held)
        return 0;
    if (*lock < 0 || tessi_base_lock_share(*lock, path))
        return 1;
    tessi_base_lock_drop(path, *lock);
    return 0;
}

int tessi_flow_cache_join(struct tess_context *ctx, const char *cache, int *lock)
{
    char *path = NULL;
    int status;
    TESS_TRY(tessi_base_format(ctx, &path, "%s/.lock", cache));
    while ((status = cache_lock_try_join(ctx, path, lock)) == 0) {
        if (tessi_base_signals_stopping()) {
            status = ctx->fail(ctx, TESS_E_STOPPED, "stopped before the first stage, while the cache was tidied");
            break;
        }
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    tess_free(path);
    return status == 1 ? TESS_OK : status;
}

void tessi_flow_cache_leave(const char *cache, int lock)
{
    struct tessi_context own;
    char *path = NULL;
    tessi_base_context_init(&own, NULL);
    if (lock >= 0 && tessi_base_format(&own.context, &path, "%s/.lock", cache) == TESS_OK)
        tessi_base_lock_drop(path, lock);
    tess_free(path);
}
