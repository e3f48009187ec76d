/* The line at the end of an artefact's file: a checksum of all bytes before it. HDF5 reads no further than its own end, so the line is in
 * nobody's way, and it covers what HDF5 has no checksums for, or leaves unused. A program that changes the file through HDF5 cuts the line
 * off; a file without it is as good, and only takes longer to verify.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/inject.h"
#include "core/base/xxh64.h"
#include "core/store/store_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#define LINE_FRONT "tessera: XXH64 of all bytes before this line = "

enum { LINE = 64, BLOCK = 1 << 18 };

int64_t tessi_store_promised_end(const struct tessi_disk *d)
{
    unsigned char head[48];
    uint64_t end = 0;
    if (pread(d->fd, head, sizeof head, 0) != (ssize_t)sizeof head || (head[8] != 2 && head[8] != 3) || head[9] != 8)
        return -1;
    for (int i = 7; i >= 0; i--)
        end = end << 8 | head[28 + i];
    return end > INT64_MAX ? -1 : (int64_t)end;
}

/* ---- the sum --------------------------------------------------------------------------------------------------------------- */

static int file_sum_cannot(struct tess_context *ctx, const struct tess_artefact *a, int error)
{
    return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; look at the disk", a->path, error ? strerror(error) : "it became shorter");
}

/* Sums the first `bytes` bytes of the file. `step` (may be NULL) is called now and then. */
static int file_sum_of(struct tess_context *ctx, const struct tess_artefact *a, int64_t bytes, void (*step)(void *user), void *user,
                       uint64_t *sum)
{
    struct tessi_xxh64 x;
    void *block;
    int status = TESS_OK;
    TESS_TRY(tess_alloc(ctx, BLOCK, "a block of a file", &block));
    tessi_base_xxh64_start(&x);
    for (int64_t at = 0; at < bytes && status == TESS_OK;) {
        size_t n = bytes - at < BLOCK ? (size_t)(bytes - at) : BLOCK;
        ssize_t got = tessi_base_inject(TESSI_AT_READ) ? -1 : pread(a->disk.fd, block, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            status = file_sum_cannot(ctx, a, got < 0 ? errno : 0);
            continue;
        }
        tessi_base_xxh64_add(&x, block, (size_t)got);
        at += got;
        if (step)
            step(user);
    }
    tess_free(block);
    *sum = tessi_base_xxh64_end(&x);
    return status;
}

static void file_sum_line(uint64_t sum, char line[LINE + 1])
{
    (void)snprintf(line, LINE + 1, LINE_FRONT "%016" PRIx64 "\n", sum);
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------- */

int tessi_store_file_sum_write(struct tess_context *ctx, struct tess_artefact *a)
{
    char line[LINE + 1];
    struct stat st;
    uint64_t sum;
    if (fstat(a->disk.fd, &st) != 0)
        return file_sum_cannot(ctx, a, errno);
    TESS_TRY(file_sum_of(ctx, a, (int64_t)st.st_size, NULL, NULL, &sum));
    file_sum_line(sum, line);
    int error = tessi_base_aside_write_at(a->disk.aside, line, LINE, st.st_size);
    return error ? tessi_base_cannot_write(ctx, TESS_E_IO, a->path, error) : TESS_OK;
}

/* ---- checking ------------------------------------------------------------------------------------------------------------------ */

/* The line at the end, or what there is instead: *bytes behind HDF5's own end. */
static int file_sum_read(struct tess_context *ctx, const struct tess_artefact *a, char line[LINE + 1], int64_t *end, int64_t *bytes)
{
    struct stat st;
    memset(line, 0, LINE + 1);
    *end = tessi_store_promised_end(&a->disk);
    if (fstat(a->disk.fd, &st) != 0)
        return file_sum_cannot(ctx, a, errno);
    *bytes = *end < 0 ? 0 : (int64_t)st.st_size - *end;
    if (*bytes == LINE && pread(a->disk.fd, line, LINE, (off_t)*end) < 0)
        return file_sum_cannot(ctx, a, errno);
    return TESS_OK;
}

static int file_sum_is_line(const char *line)
{
    size_t front = sizeof LINE_FRONT - 1;
    return strncmp(line, LINE_FRONT, front) == 0 && strspn(line + front, "0123456789abcdef") == 16 && line[LINE - 1] == '\n';
}

int tessi_store_file_sum_expect(struct tess_context *ctx, const struct tess_artefact *a)
{
    char line[LINE + 1];
    int64_t end, bytes;
    TESS_TRY(file_sum_read(ctx, a, line, &end, &bytes));
    if (bytes <= 0 || (bytes == LINE && file_sum_is_line(line)))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                     "%s: is truncated, or was changed at its end: the line with its checksum is damaged; copy it again, or delete it "
                     "and run again what writes it",
                     a->path);
}

int tessi_store_file_sum_check(struct tess_context *ctx, const struct tess_artefact *a, void (*step)(void *user), void *user, int *found)
{
    char line[LINE + 1], own[LINE + 1];
    int64_t end, bytes;
    uint64_t sum;
    *found = TESSI_SUM_NONE;
    TESS_TRY(file_sum_read(ctx, a, line, &end, &bytes));
    if (bytes <= 0)
        return TESS_OK;
    *found = TESSI_SUM_DIFFERS;
    if (bytes != LINE || !file_sum_is_line(line))
        return TESS_OK;
    (void)posix_fadvise(a->disk.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    TESS_TRY(file_sum_of(ctx, a, end, step, user, &sum));
    file_sum_line(sum, own);
    *found = memcmp(line, own, LINE) == 0 ? TESSI_SUM_SAME : TESSI_SUM_DIFFERS;
    return TESS_OK;
}
