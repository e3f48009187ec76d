/* See rows.h. A record is a head, the texts, the row. The file is of this machine and this run alone: numbers lie as they do in
 * memory.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/archive/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct head {
    uint32_t name, reason; /* bytes of texts */
    int64_t label;
    int64_t row; /* bytes; 0: there is a reason instead */
};

int archive_rows_open(struct tess_context *ctx, struct archive_rows *r, const char *path, size_t limit)
{
    r->fd = -1;
    r->limit = limit;
    return tess_copy_text(ctx, path, &r->path);
}

void archive_rows_close(struct archive_rows *r)
{
    if (r->path && r->fd >= 0)
        close(r->fd);
    tess_free(r->path);
    tess_free(r->buffer);
}

/* ---- adding -------------------------------------------------------------------------------------------------------- */

/* Checksum of bytes, eight at a time: a change anywhere changes it. */
static uint64_t archive_rows_sum_of(uint64_t sum, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    for (uint64_t word; count; count -= count < 8 ? count : 8, at += 8) {
        word = 0;
        memcpy(&word, at, count < 8 ? count : 8);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 32;
    }
    return sum;
}

static int archive_rows_cannot(struct tess_context *ctx, const struct archive_rows *r, const char *what)
{
    int error = errno;
    return ctx->fail(ctx, error == ENOSPC || error == EDQUOT || error == EFBIG ? TESS_E_IO : TESS_E_CREATE,
                     "%s: cannot be %s: %s; %s, then run again to go on", r->path, what, strerror(error),
                     error == ENOSPC || error == EDQUOT ? "make room: until the stage is done its rows take their space twice"
                                                        : "look at the folder of the run");
}

static int archive_rows_put(struct tess_context *ctx, struct archive_rows *r, const void *bytes, size_t count)
{
    if (r->fd < 0) {
        r->fd = open(r->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (r->fd < 0)
            return archive_rows_cannot(ctx, r, "made");
    }
    for (const char *here = bytes; count;) {
        ssize_t n = pwrite(r->fd, here, count, (off_t)r->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return archive_rows_cannot(ctx, r, "written");
        here += n;
        r->written += n;
        count -= (size_t)n;
    }
    return TESS_OK;
}

static int archive_rows_flush(struct tess_context *ctx, struct archive_rows *r)
{
    int64_t before = r->written;
    if (!r->used)
        return TESS_OK;
    int status = archive_rows_put(ctx, r, r->buffer, r->used);
    if (status == TESS_OK)
        r->used = 0;
    else
        r->written = before; /* to be tried again as a whole */
    return status;
}

enum { ROWS_DOUBLED = 8 << 20 };

/* Makes room for `count` more bytes: twice the present memory while that is little, then all that may be, whose pages come as they are
 * written; so there is no time at which a large list is there twice. What goes past the limit is written to the file. */
static int archive_rows_make_space(struct tess_context *ctx, struct archive_rows *r, size_t count)
{
    size_t capacity = r->capacity ? r->capacity : 1 << 16;
    void *memory;
    if (r->used + count > r->limit)
        TESS_TRY(archive_rows_flush(ctx, r));
    while (capacity < r->used + count)
        capacity *= 2;
    if (capacity > ROWS_DOUBLED && capacity < r->limit)
        capacity = r->limit;
    if (capacity == r->capacity)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, capacity, "rows of a stage", &memory));
    if (r->used)
        memcpy(memory, r->buffer, r->used);
    tess_free(r->buffer);
    r->buffer = memory;
    r->capacity = capacity;
    return TESS_OK;
}

static void archive_rows_keep(struct archive_rows *r, const void *bytes, size_t count)
{
    memcpy(r->buffer + r->used, bytes, count);
    r->used += count;
    r->sum = archive_rows_sum_of(r->sum, bytes, count);
}

int archive_rows_add(struct tess_context *ctx, struct archive_rows *r, const struct archive_record *record)
{
    const struct head head = {.name = (uint32_t)strlen(record->name),
                              .reason = (uint32_t)strlen(record->reason),
                              .label = record->label,
                              .row = *record->reason ? 0 : record->row_bytes};
    TESS_TRY(archive_rows_make_space(ctx, r, sizeof head + head.name + head.reason + (size_t)head.row));
    archive_rows_keep(r, &head, sizeof head);
    archive_rows_keep(r, record->name, head.name);
    archive_rows_keep(r, record->reason, head.reason);
    if (head.row)
        archive_rows_keep(r, record->row, (size_t)head.row);
    return TESS_OK;
}

int archive_rows_sync(struct tess_context *ctx, struct archive_rows *r)
{
    TESS_TRY(archive_rows_flush(ctx, r));
    return r->fd < 0 || fdatasync(r->fd) == 0 ? TESS_OK : archive_rows_cannot(ctx, r, "written");
}

int archive_rows_resume(struct tess_context *ctx, struct archive_rows *r, int64_t bytes, uint64_t sum, int *found)
{
    int fd = open(r->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    *found = fd >= 0 && lseek(fd, 0, SEEK_END) >= (off_t)bytes;
    if (fd < 0 && errno != ENOENT)
        return archive_rows_cannot(ctx, r, "opened");
    if (*found) {
        r->fd = fd;
        r->written = bytes;
        r->sum = sum;
        return ftruncate(fd, (off_t)bytes) == 0 ? TESS_OK : archive_rows_cannot(ctx, r, "cut to its checkpoint");
    }
    if (fd >= 0)
        close(fd);
    return TESS_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

int archive_rows_rewind(struct tess_context *ctx, struct archive_rows *r)
{
    if (r->fd >= 0)
        TESS_TRY(archive_rows_flush(ctx, r));
    if (r->fd >= 0 && !r->capacity)
        TESS_TRY(archive_rows_make_space(ctx, r, 1 << 20));
    r->at = r->ahead = 0;
    r->sum_read = 0;
    return TESS_OK;
}

static int look_ahead(struct tess_context *ctx, struct archive_rows *r)
{
    ssize_t n;
    do
        n = r->fd < 0 ? 0 : pread(r->fd, r->buffer, r->capacity, (off_t)r->at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; look at the disk, then run again", r->path, strerror(errno));
    if (n == 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: breaks off; delete it to start over", r->path);
    r->ahead = r->at;
    r->used = (size_t)n;
    return TESS_OK;
}

static int archive_rows_take(struct tess_context *ctx, struct archive_rows *r, void *to, size_t count)
{
    for (uint8_t *here = to; count;) {
        if (r->at >= r->ahead + (int64_t)r->used)
            TESS_TRY(look_ahead(ctx, r));
        size_t there = (size_t)(r->ahead + (int64_t)r->used - r->at), n = count < there ? count : there;
        memcpy(here, r->buffer + (r->at - r->ahead), n);
        here += n;
        r->at += (int64_t)n;
        count -= n;
    }
    return TESS_OK;
}

static int take_summed(struct tess_context *ctx, struct archive_rows *r, void *to, size_t count)
{
    TESS_TRY(archive_rows_take(ctx, r, to, count));
    r->sum_read = archive_rows_sum_of(r->sum_read, to, count);
    return TESS_OK;
}

static int archive_rows_damaged(struct tess_context *ctx, const struct archive_rows *r)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: is not what was written; look at the disk, and delete it to start over", r->path);
}

int archive_rows_next(struct tess_context *ctx, struct archive_rows *r, char *text, size_t capacity, uint8_t *row, int64_t row_bytes,
                      struct archive_record *out)
{
    struct head head;
    TESS_TRY(take_summed(ctx, r, &head, sizeof head));
    if ((size_t)head.name + head.reason + 2 > capacity || (head.row && head.row != row_bytes) || !head.row != (head.reason > 0))
        return archive_rows_damaged(ctx, r);
    char *reason = text + head.name + 1;
    TESS_TRY(take_summed(ctx, r, text, head.name));
    TESS_TRY(take_summed(ctx, r, reason, head.reason));
    text[head.name] = reason[head.reason] = '\0';
    if (head.row)
        TESS_TRY(take_summed(ctx, r, row, (size_t)head.row));
    *out =
        (struct archive_record){.name = text, .reason = reason, .label = head.label, .row = head.row ? row : NULL, .row_bytes = head.row};
    return TESS_OK;
}

int archive_rows_check(struct tess_context *ctx, const struct archive_rows *r)
{
    return r->sum_read == r->sum ? TESS_OK : archive_rows_damaged(ctx, r);
}
