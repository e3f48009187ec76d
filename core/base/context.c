/* The message of a context. Whoever detects a failure speaks first and is kept; those above only pass the code on or put their
 * place in front. Nothing here allocates, so that a failure for want of memory can still be told.
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tessi_context *context_own(struct tess_context *ctx)
{
    return (struct tessi_context *)(void *)ctx;
}

static int TESS_PRINTF(3, 4) context_keep(struct tess_context *context, int code, const char *format, ...)
{
    struct tessi_context *ctx = context_own(context);
    if (ctx->code == TESS_OK) {
        int front = 0;
        if (code >= 0) /* a plugin's mistake, which would else be taken for success */
            front =
                snprintf(ctx->message, sizeof ctx->message, "a failure that is told with the code %d, wanted a negative TESS_E_: ", code);
        va_list list;
        va_start(list, format);
        if (format)
            (void)vsnprintf(ctx->message + front, sizeof ctx->message - (size_t)front, format, list);
        va_end(list);
        ctx->code = code < 0 ? code : TESS_E_PLUGIN;
    }
    return code < 0 ? code : TESS_E_PLUGIN;
}

void tessi_base_context_init(struct tessi_context *ctx, const struct tess_host *host)
{
    ctx->context = (struct tess_context){.size = sizeof ctx->context, .host = host, .fail = context_keep};
    tessi_base_context_clear(&ctx->context);
}

void tessi_base_context_clear(struct tess_context *context)
{
    struct tessi_context *ctx = context_own(context);
    ctx->code = TESS_OK;
    ctx->message[0] = '\0';
}

const char *tessi_base_context_message(const struct tess_context *ctx)
{
    return ((const struct tessi_context *)(const void *)ctx)->message;
}

const char *tess_message(const struct tess_context *ctx)
{
    return tessi_base_context_message(ctx);
}

void tess_forget(struct tess_context *ctx)
{
    tessi_base_context_clear(ctx);
}

void tess_prepend_message(struct tess_context *context, const char *format, ...)
{
    struct tessi_context *ctx = context_own(context);
    if (ctx->code == TESS_OK)
        return;
    char prefix[512];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(prefix, sizeof prefix, format, list);
    va_end(list);

    size_t front = strlen(prefix);
    if (front > sizeof prefix - 3)
        front = sizeof prefix - 3; /* room for ": " and the end */
    memcpy(prefix + front, ": ", 3);
    front += 2;
    size_t old = strlen(ctx->message);
    if (old > sizeof ctx->message - 1 - front)
        old = sizeof ctx->message - 1 - front;
    memmove(ctx->message + front, ctx->message, old);
    memcpy(ctx->message, prefix, front);
    ctx->message[front + old] = '\0';
}

void tess_append_message(struct tess_context *context, const char *format, ...)
{
    struct tessi_context *ctx = context_own(context);
    if (ctx->code == TESS_OK)
        return;
    char suffix[512];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(suffix, sizeof suffix, format, list);
    va_end(list);

    /* The suffix, the next step, is kept whole; the end of the message is cut for it. */
    size_t back = strlen(suffix), old = strlen(ctx->message);
    if (old > sizeof ctx->message - 1 - back)
        old = sizeof ctx->message - 1 - back;
    memcpy(ctx->message + old, suffix, back + 1);
}

int tessi_base_context_pass(struct tess_context *context, const struct tess_context *from_call)
{
    struct tessi_context *ctx = context_own(context);
    const struct tessi_context *from = (const struct tessi_context *)(const void *)from_call;
    if (from->code != TESS_OK && ctx->code == TESS_OK) {
        ctx->code = from->code;
        memcpy(ctx->message, from->message, sizeof ctx->message);
    }
    return from->code;
}

int tessi_base_exit_code(int status)
{
    switch (status) {
    case TESS_OK:
        return 0;
    case TESS_E_USAGE:
    case TESS_E_VALUE:
    case TESS_E_SHAPE:
        return 2;
    case TESS_E_DATA:
    case TESS_E_ITEM:
        return 65;
    case TESS_E_PLUGIN:
        return 69;
    case TESS_E_CREATE:
        return 73;
    case TESS_E_IO:
        return 74;
    case TESS_E_STOPPED:
        return 75;
    default:
        return 1;
    }
}

#define NAME_ROOM 128

static size_t context_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: insertions, deletions, replacements and swaps of neighbours count one each. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][NAME_ROOM];
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t d = last[j - 1] + (a[i - 1] != b[j - 1]);
            d = context_least(d, context_least(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d = context_least(d, before[j - 2] + 1);
            row[j] = d;
        }
    }
    return rows[n % 3][m];
}

const char *tessi_base_nearest_name(const char *word, const char *const *names, int64_t n)
{
    size_t length = strlen(word);
    if (length >= NAME_ROOM)
        return NULL;
    size_t best = length / 3 > 2 ? length / 3 : 2;
    const char *found = NULL;
    for (int64_t i = 0; i < n; i++) {
        size_t other = strlen(names[i]);
        if (other >= NAME_ROOM)
            continue;
        size_t d = edit_distance(word, length, names[i], other);
        /* A distance of the whole length means that no letter is shared: not a likeness. */
        if (d < (length > other ? length : other) && (d < best || (d == best && !found))) {
            best = d;
            found = names[i];
        }
    }
    return found;
}

int tessi_base_cannot_write(struct tess_context *ctx, int code, const char *path, int error)
{
    const char *todo;
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be written: the disk is full (%s); make room or choose another folder, then run again",
                       path, strerror(error));
    case EFBIG:
        return ctx->fail(ctx, TESS_E_IO,
                       "%s: cannot be written: larger than a file may be here (%s); look at `ulimit -f` and the file system, "
                       "then run again",
                       path, strerror(error));
    case EIO:
        return ctx->fail(ctx, TESS_E_IO, "%s: the disk failed (%s); look at it before running again", path, strerror(error));
    case EACCES:
    case EPERM:
        todo = "choose a folder you may write to";
        break;
    case EROFS:
        todo = "choose a folder on another file system";
        break;
    case ENOENT:
    case ENOTDIR:
        todo = "its folder does not exist: make it first";
        break;
    default:
        todo = "choose another place";
    }
    return ctx->fail(ctx, code, "%s: cannot be written: %s; %s", path, strerror(error), todo);
}

void tess_passed(int status, const char *file, int line)
{
    int kept = errno;
    if (getenv("TESSERA_TRACE"))
        fprintf(stderr, "%s:%d: status %d\n", file, line, status);
    errno = kept;
}
