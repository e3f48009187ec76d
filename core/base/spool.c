/* See spool.h. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* O_TMPFILE */
#include "core/base/spool.h"
#include "core/base/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int tessi_base_spool_into(struct tess_context *ctx, struct tessi_spool *s, const char *folder)
{
    return s->folder || !folder ? TESS_OK : tess_copy_text(ctx, folder, &s->folder);
}

void tessi_base_spool_free(struct tessi_spool *s)
{
    if (s->has_file)
        close(s->fd);
    tess_free(s->folder);
    tess_free(s->buffer);
    *s = (struct tessi_spool){.folder = NULL};
}

int64_t tessi_base_spool_bytes(const struct tessi_spool *s)
{
    return s->written + s->used;
}

/* ---- the file ------------------------------------------------------------------------------------------------------- */

/* Where the file system knows no files without a name, it is one that loses its name at once. */
int tessi_base_nameless_file(const char *folder)
{
    char path[4096];
    if (tessi_base_inject(TESSI_AT_OPEN) || snprintf(path, sizeof path, "%s", folder) >= (int)sizeof path)
        return -1;
    int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    while (fd < 0 && errno == ENOENT && strcmp(path, "/") != 0 && strcmp(path, ".") != 0) {
        char *slash = strrchr(path, '/');
        if (!slash)
            (void)strcpy(path, ".");
        else
            slash[slash == path] = '\0';
        fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    }
    if (fd >= 0 || snprintf(path, sizeof path, "%s/.spool-XXXXXX", folder) >= (int)sizeof path)
        return fd;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

static int spool_cannot(struct tess_context *ctx, const struct tessi_spool *s, const char *what)
{
    return ctx->fail(ctx, TESS_E_IO, "%s: a temporary list in it cannot be %s: %s; %s, then run again", s->folder, what, strerror(errno),
                     errno == ENOSPC || errno == EDQUOT ? "make room" : "look at the disk");
}

static int spool_write(struct tess_context *ctx, const struct tessi_spool *s, const char *from, int64_t count, int64_t at)
{
    while (count) {
        ssize_t n = tessi_base_inject(TESSI_AT_WRITE) ? -1 : pwrite(s->fd, from, (size_t)count, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return spool_cannot(ctx, s, "written");
        from += n;
        at += n;
        count -= n;
    }
    return TESS_OK;
}

/* Moves what is in memory to the file, where there can be one. */
static int spool_flush(struct tess_context *ctx, struct tessi_spool *s)
{
    if (!s->has_file) {
        s->fd = tessi_base_nameless_file(s->folder);
        s->has_file = s->fd >= 0;
    }
    if (!s->has_file)
        return TESS_OK;
    TESS_TRY(spool_write(ctx, s, s->buffer, s->used, s->written));
    s->written += s->used;
    s->used = 0;
    return TESS_OK;
}

/* ---- adding and reading ------------------------------------------------------------------------------------------------ */

int tessi_base_spool_add(struct tess_context *ctx, struct tessi_spool *s, const void *bytes, size_t count)
{
    if (s->folder && s->used + (int64_t)count > TESSI_SPOOL_MEMORY)
        TESS_TRY(spool_flush(ctx, s));
    TESS_TRY(tess_reserve(ctx, &s->buffer, &s->capacity, s->used + (int64_t)count, 1, "a temporary list"));
    memcpy(s->buffer + s->used, bytes, count);
    s->used += (int64_t)count;
    return TESS_OK;
}

int tessi_base_spool_read(struct tess_context *ctx, const struct tessi_spool *s, int64_t at, void *to, size_t count)
{
    char *here = to;
    while (count && at < s->written) {
        size_t there = (size_t)(s->written - at);
        ssize_t n = tessi_base_inject(TESSI_AT_READ) ? -1 : pread(s->fd, here, there < count ? there : count, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return spool_cannot(ctx, s, "read");
        here += n;
        at += n;
        count -= (size_t)n;
    }
    if (count)
        memcpy(here, s->buffer + (at - s->written), count);
    return TESS_OK;
}

int tessi_base_spool_put(struct tess_context *ctx, struct tessi_spool *s, int64_t at, const void *bytes, size_t count)
{
    int64_t before = at < s->written ? s->written - at : 0, n = before < (int64_t)count ? before : (int64_t)count;
    if (n)
        TESS_TRY(spool_write(ctx, s, bytes, n, at));
    if (n < (int64_t)count)
        memcpy(s->buffer + (at + n - s->written), (const char *)bytes + n, count - (size_t)n);
    return TESS_OK;
}

int tessi_base_spool_next(struct tess_context *ctx, struct tessi_spool_reader *r, void *to, size_t count)
{
    for (char *here = to; count;) {
        if (r->at >= r->first + r->held) {
            int64_t left = tessi_base_spool_bytes(r->spool) - r->at, n = left < (int64_t)sizeof r->block ? left : (int64_t)sizeof r->block;
            TESS_TRY(tessi_base_spool_read(ctx, r->spool, r->at, r->block, (size_t)n));
            r->first = r->at;
            r->held = n;
        }
        size_t there = (size_t)(r->first + r->held - r->at), n = there < count ? there : count;
        memcpy(here, r->block + (r->at - r->first), n);
        here += n;
        r->at += (int64_t)n;
        count -= n;
    }
    return TESS_OK;
}
