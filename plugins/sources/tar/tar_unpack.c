/* See tar_unpack.h. Gzip files are read by zlib, as libarchive 3.6 does not compare their checksums; the others by libarchive.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/tar/tar_unpack.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

enum { UNPACK_PIECE = 1 << 16 };

struct tar_unpack {
    const char *path;
    int32_t packing;
    int ended; /* 1: there is nothing more to read */
    int64_t at;
    gzFile gz;         /* a gzip file; NULL for the other compressions */
    struct archive *a; /* a file of another compression; NULL for gzip */
    uint8_t piece[UNPACK_PIECE];
};

static const char *const unpack_names[] = {"tar", "gzip", "bzip2", "xz", "zstd", "lz4"};

static int unpack_damaged(struct tess_context *ctx, const struct tar_unpack *u, const char *why)
{
    char shown[200];
    (void)tess_shown_text(why && *why ? why : "no reason given", shown, sizeof shown);
    return ctx->fail(ctx, TESS_E_DATA, "%s: is damaged or truncated: %s stops behind %lld bytes of the archive: %s; fetch it again",
                     u->path, unpack_names[u->packing], (long long)u->at, shown);
}

/* ---- opening --------------------------------------------------------------------------------------------------------- */

static int unpack_open_gzip(struct tess_context *ctx, struct tar_unpack *u, int fd)
{
    int own = dup(fd);
    u->gz = own >= 0 ? gzdopen(own, "rb") : NULL;
    if (u->gz)
        return TESS_OK;
    if (own >= 0)
        close(own);
    return ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory or descriptor to read it", u->path);
}

static int unpack_filter(struct archive *a, int32_t packing)
{
    switch (packing) {
    case PACKING_BZIP2:
        return archive_read_support_filter_bzip2(a);
    case PACKING_XZ:
        return archive_read_support_filter_xz(a);
    case PACKING_ZSTD:
        return archive_read_support_filter_zstd(a);
    default:
        return archive_read_support_filter_lz4(a);
    }
}

static int unpack_open_filter(struct tess_context *ctx, struct tar_unpack *u, int fd)
{
    struct archive_entry *entry;
    u->a = archive_read_new();
    if (!u->a || archive_read_support_format_raw(u->a) != ARCHIVE_OK)
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to read it", u->path);
    if (unpack_filter(u->a, u->packing) != ARCHIVE_OK) /* ARCHIVE_WARN: it would start a program */
        return ctx->fail(ctx, TESS_E_DATA, "%s: is compressed by %s, which the libarchive here does not know; `%s -d` it first", u->path,
                         unpack_names[u->packing], unpack_names[u->packing]);
    int status = archive_read_open_fd(u->a, fd, UNPACK_PIECE);
    if (status == ARCHIVE_OK)
        status = archive_read_next_header(u->a, &entry);
    u->ended = status == ARCHIVE_EOF;
    return status == ARCHIVE_OK || u->ended ? TESS_OK : unpack_damaged(ctx, u, archive_error_string(u->a));
}

int tar_unpack_open(struct tess_context *ctx, const char *path, int fd, int32_t packing, struct tar_unpack **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof **out, "a compressed archive", &memory));
    struct tar_unpack *u = memory;
    *u = (struct tar_unpack){.path = path, .packing = packing};
    int status = lseek(fd, 0, SEEK_SET) == 0 ? TESS_OK : ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (status == TESS_OK)
        status = packing == PACKING_GZIP ? unpack_open_gzip(ctx, u, fd) : unpack_open_filter(ctx, u, fd);
    if (status == TESS_OK)
        *out = u;
    else
        tar_unpack_close(u);
    return status;
}

void tar_unpack_close(struct tar_unpack *u)
{
    if (!u)
        return;
    if (u->gz)
        (void)gzclose(u->gz);
    if (u->a)
        (void)archive_read_free(u->a);
    tess_free(u);
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

/* Reads by zlib; a file that breaks off is no error of gzread, which gives what there was. */
static int unpack_gzip(struct tess_context *ctx, struct tar_unpack *u, void *to, size_t bytes, size_t *got)
{
    unsigned wanted = bytes < 1U << 30 ? (unsigned)bytes : 1U << 30;
    int error, n = gzread(u->gz, to, wanted);
    *got = n > 0 ? (size_t)n : 0;
    if (*got == wanted)
        return TESS_OK;
    const char *why = gzerror(u->gz, &error);
    u->ended = 1;
    u->at += (int64_t)*got;
    if (error == Z_ERRNO)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", u->path, strerror(errno));
    if (error == Z_MEM_ERROR)
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to read it", u->path);
    if (error != Z_OK && error != Z_STREAM_END)
        return unpack_damaged(ctx, u, strncmp(why, "<fd:", 4) == 0 && strchr(why, ' ') ? strchr(why, ' ') + 1 : why);
    u->at -= (int64_t)*got;
    return TESS_OK;
}

static int unpack_filtered(struct tess_context *ctx, struct tar_unpack *u, void *to, size_t bytes, size_t *got)
{
    la_ssize_t n = archive_read_data(u->a, to, bytes);
    *got = n > 0 ? (size_t)n : 0;
    u->ended = n <= 0;
    if (n >= 0)
        return TESS_OK;
    if (archive_errno(u->a) == EIO)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", u->path, strerror(EIO));
    if (archive_errno(u->a) == ENOMEM)
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to read it", u->path);
    return unpack_damaged(ctx, u, archive_error_string(u->a));
}

int tar_unpack_read(struct tess_context *ctx, struct tar_unpack *u, void *to, size_t bytes, size_t *got)
{
    *got = 0;
    while (*got < bytes && !u->ended) {
        size_t n;
        uint8_t *at = (uint8_t *)to + *got;
        TESS_TRY(u->gz ? unpack_gzip(ctx, u, at, bytes - *got, &n) : unpack_filtered(ctx, u, at, bytes - *got, &n));
        *got += n;
        u->at += (int64_t)n;
    }
    return TESS_OK;
}

int tar_unpack_skip(struct tess_context *ctx, struct tar_unpack *u, int64_t bytes)
{
    while (bytes > 0) {
        size_t got, n = bytes < UNPACK_PIECE ? (size_t)bytes : (size_t)UNPACK_PIECE;
        TESS_TRY(tar_unpack_read(ctx, u, u->piece, n, &got));
        if (got < n)
            return unpack_damaged(ctx, u, "it ends there");
        bytes -= (int64_t)n;
    }
    return TESS_OK;
}
