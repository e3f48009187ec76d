/* The cache's lock, taken alone, says that no run relies on what it found; a key's lock, that nobody of another version computes it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/gc.h"
#include "core/base/context.h"
#include "core/base/files.h"
#include "core/base/lock.h"
#include "core/flow/cache_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct gc {
    struct tess_context *ctx;
    const struct tessi_gc_options *o;
    struct tessi_inventory *v;
    struct tessi_gc *out;
};

static int gc_remove(struct gc *g, const struct tessi_inventory_file *f, const char *why)
{
    if (!g->o->dry && unlink(f->path) != 0 && errno != ENOENT)
        return g->ctx->fail(g->ctx, TESS_E_CREATE, "%s: cannot be removed: %s", f->path, strerror(errno));
    g->out->files++;
    g->out->bytes += f->bytes;
    if (g->o->removed)
        g->o->removed(g->o->user, f, why);
    return TESS_OK;
}

/* Tries a lock; a dry run only looks whether somebody has it. *lock is to be dropped. */
static int gc_try(const struct gc *g, const char *path, int *lock, int *held, char *holder, size_t capacity)
{
    *lock = -1;
    if (!g->o->dry)
        return tessi_base_lock_try(g->ctx, path, lock, held, holder, capacity);
    *held = tessi_base_lock_look(path, holder, capacity) == 1;
    return TESS_OK;
}

/* Removes a file of a key, unless somebody holds the key's lock. */
static int gc_remove_keyed(struct gc *g, const struct tessi_inventory_file *f, const char *why)
{
    char *path = NULL, holder[256];
    int lock = -1, held = 0;
    TESS_TRY(tessi_base_format(g->ctx, &path, "%s/%s.lock", g->v->cache, f->key));
    int status = gc_try(g, path, &lock, &held, holder, sizeof holder);
    if (status == TESS_OK && held)
        g->out->kept++;
    else if (status == TESS_OK)
        status = gc_remove(g, f, why);
    tessi_base_lock_drop(path, lock);
    tess_free(path);
    return status;
}

/* Removes a partial file whose lock can be taken: its writer is dead. */
static int gc_partial(struct gc *g, const struct tessi_inventory_file *f)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), status = TESS_OK;
    if (fd < 0)
        return TESS_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        status = gc_remove(g, f, "its writer is dead");
    else
        g->out->kept++;
    close(fd);
    return status;
}

/* Removes a lock's file that nobody holds. */
static int gc_lock(struct gc *g, const struct tessi_inventory_file *f)
{
    char holder[256];
    int lock = -1, held = 0, status = TESS_OK;
    if (tessi_base_is_file(f->path))
        status = gc_try(g, f->path, &lock, &held, holder, sizeof holder);
    if (status == TESS_OK && (lock >= 0 || (g->o->dry && !held)))
        status = gc_remove(g, f, "left by a process that was killed");
    if (lock >= 0)
        close(lock);
    g->out->kept += held;
    return status;
}

static int gc_has_result(const struct tessi_inventory *v, const char *key)
{
    for (int64_t i = 0; i < v->files; i++)
        if (v->file[i].kind == TESSI_FILE_RESULT && strcmp(v->file[i].key, key) == 0)
            return 1;
    return 0;
}

static int gc_file(struct gc *g, const struct tessi_inventory_file *f)
{
    const char *name = strrchr(f->path, '/') + 1;
    if (g->o->now - f->time < g->o->older_than)
        return TESS_OK;
    if (f->kind == TESSI_FILE_PARTIAL)
        return gc_partial(g, f);
    if (g->out->held)
        return TESS_OK;
    if (f->kind == TESSI_FILE_CHECKPOINT && gc_has_result(g->v, f->key))
        return gc_remove_keyed(g, f, "its stage is done");
    if (f->kind == TESSI_FILE_CHECKPOINT && !f->referred)
        return gc_remove_keyed(g, f, "no run will resume from it");
    if ((f->kind == TESSI_FILE_RESULT || f->kind == TESSI_FILE_LIST) && !f->referred)
        return gc_remove_keyed(g, f, "no run refers to it");
    if (f->kind == TESSI_FILE_LOCK && (*name != '.' || strncmp(f->path, g->v->cache, strlen(g->v->cache)) != 0))
        return gc_lock(g, f);
    return TESS_OK;
}

/* Keeps runs out of the cache while it is tidied, where there is one; a dry run only looks whether one works with it. */
static int gc_enter(struct gc *g, const char *cache, int *lock)
{
    struct tessi_gc *out = g->out;
    int known;
    if (access(cache, F_OK) != 0)
        return TESS_OK;
    if (g->o->dry) {
        TESS_TRY(tessi_flow_cache_look(g->ctx, cache, &out->held, out->holder, sizeof out->holder));
        known = out->held >= 0;
    } else {
        TESS_TRY(tessi_flow_cache_take(g->ctx, cache, lock, &out->held, out->holder, sizeof out->holder));
        known = *lock >= 0 || out->held;
    }
    if (known)
        return TESS_OK;
    return g->ctx->fail(g->ctx, TESS_E_CREATE,
                        "%s: its file system has no locks, so no one can tell whether a run is at work there; remove files by hand when "
                        "there is none",
                        cache);
}

int tessi_flow_gc(struct tess_context *ctx, const struct tessi_gc_options *o, struct tessi_gc *out)
{
    struct tessi_inventory v;
    struct gc g = {ctx, o, &v, out};
    char *cache = NULL;
    int lock = -1;
    int here = !o->workdir || !*o->workdir || strcmp(o->workdir, ".") == 0;
    *out = (struct tessi_gc){.files = 0};
    TESS_TRY(tessi_base_format(ctx, &cache, "%s%sruns/.cache", here ? "" : o->workdir, here ? "" : "/"));
    int status = gc_enter(&g, cache, &lock);
    if (status == TESS_OK) {
        status = tessi_flow_inventory(ctx, o->workdir, &v);
        for (int64_t i = 0; i < v.files && status == TESS_OK; i++)
            status = gc_file(&g, &v.file[i]);
        tessi_flow_inventory_free(&v);
    }
    tessi_flow_cache_leave(cache, lock);
    tess_free(cache);
    return status;
}
