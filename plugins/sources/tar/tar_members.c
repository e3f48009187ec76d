/* See tar_members.h. libarchive reads headers in all dialects (ustar, GNU, pax). It is given the file by calls that skip what is not
 * wanted, so that of each member one block is read; of a compressed file it is given all, decompressed. The place of a member's bytes is
 * where libarchive stands behind its header.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plugins/sources/tar/tar_members.h"
#include "plugins/sources/tar/tar_unpack.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

enum { BLOCK = 512, PIECE = 8 * BLOCK };

/* A file on its way through libarchive. */
struct reader {
    const char *path;
    struct archive *a;
    int fd, error;
    int status;        /* status of decompressing, whose message is in the context */
    int64_t at, bytes; /* bytes: of the file; of a compressed one as many as can be */
    struct tess_context *ctx;
    struct tar_unpack *unpack; /* NULL: the file is plain */
    int64_t furthest;          /* end of the members' bytes */
    int64_t behind;            /* end of the last member, header or bytes */
    int64_t seen;              /* bytes that libarchive had taken of the archive when it found no more members */
    int64_t got;               /* bytes in `piece`, which end at `at` */
    uint8_t piece[PIECE];
};

static ssize_t members_read_at(int fd, void *to, size_t bytes, int64_t at)
{
    ssize_t got;
    do
        got = pread(fd, to, bytes, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Decompresses the next piece; -1: r->status is set. */
static ssize_t members_unpack(struct reader *r)
{
    size_t got;
    r->status = tar_unpack_read(r->ctx, r->unpack, r->piece, sizeof r->piece, &got);
    if (r->status != TESS_OK)
        return -1;
    return (ssize_t)got;
}

static la_ssize_t members_read(struct archive *a, void *user, const void **to)
{
    struct reader *r = user;
    ssize_t got = r->unpack ? members_unpack(r) : members_read_at(r->fd, r->piece, sizeof r->piece, r->at);
    if (got < 0) {
        r->error = r->unpack ? 0 : errno;
        archive_set_error(a, r->error, "cannot be read");
        return ARCHIVE_FATAL;
    }
    *to = r->piece;
    r->at += got;
    r->got = got;
    return got;
}

static la_int64_t members_skip(struct archive *a, void *user, la_int64_t bytes)
{
    struct reader *r = user;
    (void)a;
    int64_t left = r->bytes - r->at, n = bytes < left ? bytes : left;
    if (r->unpack)
        return 0;
    r->at += n > 0 ? n : 0;
    r->got = 0;
    return n > 0 ? n : 0;
}

/* Looks at the first block: that of a tar file has a mark, or at least the checksum that libarchive verifies. */
static int members_front(struct reader *r, int32_t *packing)
{
    uint8_t front[BLOCK];
    ssize_t got = members_read_at(r->fd, front, sizeof front, 0);
    if (got < 0)
        return r->ctx->fail(r->ctx, TESS_E_IO, "%s: cannot be read: %s", r->path, strerror(errno));
    *packing = packing_of(front, (size_t)got);
    if (*packing == PACKING_NONE && got < BLOCK)
        return r->ctx->fail(r->ctx, TESS_E_DATA, "%s: is no tar file: it has %lld bytes, and the shortest has 512; fetch it again", r->path,
                            (long long)got);
    if (*packing == PACKING_NONE)
        return TESS_OK;
    r->bytes = INT64_MAX;
    return tar_unpack_open(r->ctx, r->path, r->fd, *packing, &r->unpack);
}

/* ---- members ------------------------------------------------------------------------------------------------------- */

static int member_type(struct archive_entry *e)
{
    if (archive_entry_hardlink(e) || archive_entry_filetype(e) == AE_IFLNK)
        return MEMBER_LINK;
    if (archive_entry_filetype(e) == AE_IFDIR)
        return MEMBER_FOLDER;
    return archive_entry_filetype(e) == AE_IFREG && archive_entry_sparse_count(e) == 0 ? MEMBER_FILE : MEMBER_SPECIAL;
}

static int members_damaged(const struct reader *r)
{
    struct tess_context *ctx = r->ctx;
    const char *why = r->a ? archive_error_string(r->a) : NULL;
    char shown[200];
    (void)tess_shown_text(why ? why : "no reason given", shown, sizeof shown);
    if (r->status != TESS_OK)
        return r->status;
    if (r->error)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", r->path, strerror(r->error));
    if (!r->a || archive_errno(r->a) == ENOMEM)
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to read its headers", r->path);
    return ctx->fail(ctx, TESS_E_DATA, "%s: is damaged, or no tar file: at byte %lld: %s; fetch it again", r->path,
                     (long long)archive_read_header_position(r->a), shown);
}

int tar_member_read(struct tess_context *ctx, const struct tar_member *m, void *to)
{
    const struct reader *r = m->from;
    la_ssize_t got = archive_read_data(r->a, to, (size_t)m->size);
    (void)ctx;
    return got == (la_ssize_t)m->size ? TESS_OK : members_damaged(r);
}

static int members_truncated(const struct reader *r, const char *name, int64_t size, int64_t offset, int64_t bytes)
{
    char shown[200];
    (void)tess_shown_text(name, shown, sizeof shown);
    return r->ctx->fail(r->ctx, TESS_E_DATA, "%s: is truncated: member `%s` of %lld bytes begins at byte %lld of %lld; fetch it again",
                        r->path, shown, (long long)size, (long long)offset, (long long)bytes);
}

static int members_one(struct reader *r, struct archive_entry *e, struct tar_member *m)
{
    m->name = archive_entry_pathname(e);
    m->type = member_type(e);
    m->offset = archive_filter_bytes(r->a, 0);
    m->size = archive_entry_size(e);
    m->from = r;
    if (!m->name)
        return r->ctx->fail(r->ctx, TESS_E_DATA, "%s: the member at byte %lld has no name that can be read; write the file again", r->path,
                            (long long)archive_read_header_position(r->a));
    if (m->type == MEMBER_FILE && (m->size < 0 || m->offset < 0 || m->offset > r->bytes || m->size > r->bytes - m->offset))
        return members_truncated(r, m->name, m->size, m->offset, r->bytes);
    r->behind = m->offset + (m->type == MEMBER_FILE ? m->size : 0);
    if (m->type == MEMBER_FILE && r->behind > r->furthest)
        r->furthest = r->behind;
    return TESS_OK;
}

static int members_all(struct reader *r, int (*each)(void *user, struct tess_context *ctx, const struct tar_member *m), void *user)
{
    for (;;) {
        struct archive_entry *entry;
        struct tar_member m;
        int status = archive_read_next_header(r->a, &entry);
        r->seen = archive_filter_bytes(r->a, 0);
        if (status == ARCHIVE_EOF)
            return TESS_OK;
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return members_damaged(r);
        TESS_TRY(members_one(r, entry, &m));
        TESS_TRY(each(user, r->ctx, &m));
    }
}

/* 1 where the piece has another byte than zero at or behind `from`, a place in the archive. */
static int members_piece_has(const struct reader *r, int64_t from)
{
    const int64_t begin = r->at - r->got;
    for (int64_t i = from > begin ? from - begin : 0; i < r->got; i++)
        if (r->piece[i])
            return 1;
    return 0;
}

/* Reads what is behind the mark: a compressed file to its end, where its checksums are compared, a plain one up to the first byte that is
 * not zero. *more: 1 where there is one. */
static int members_rest(struct reader *r, int *more)
{
    const void *piece;
    la_ssize_t got = 1;
    *more = members_piece_has(r, r->seen);
    while ((r->unpack || !*more) && (got = members_read(r->a, r, &piece)) > 0)
        *more = *more || members_piece_has(r, r->seen);
    if (got < 0)
        return members_damaged(r);
    if (r->unpack && r->at < r->furthest)
        return r->ctx->fail(r->ctx, TESS_E_DATA,
                            "%s: is truncated: it holds %lld bytes of an archive, and a member ends at %lld; fetch it again", r->path,
                            (long long)r->at, (long long)r->furthest);
    return TESS_OK;
}

/* Tells how the file ends: libarchive stops behind a block of zeros, the mark, or where the file stops. */
static int members_end(const struct reader *r, int more)
{
    if (r->seen < (r->behind + BLOCK - 1) / BLOCK * BLOCK + BLOCK)
        return TAR_CUT;
    return more ? TAR_GOES_ON : TAR_ENDS;
}

static int members_open(struct reader *r)
{
    r->a = archive_read_new();
    if (r->a && archive_read_support_format_tar(r->a) == ARCHIVE_OK && archive_read_set_skip_callback(r->a, members_skip) == ARCHIVE_OK &&
        archive_read_open(r->a, r, NULL, members_read, NULL) == ARCHIVE_OK)
        return TESS_OK;
    return members_damaged(r);
}

int tar_members(struct tess_context *ctx, const char *path, int fd, int64_t file_bytes,
                int (*each)(void *user, struct tess_context *ctx, const struct tar_member *m), void *user, int32_t *packing, int *end)
{
    struct reader r = {.path = path, .ctx = ctx, .fd = fd, .bytes = file_bytes};
    /* libarchive converts names of pax headers, which are UTF-8, to the thread's locale. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = utf8 ? uselocale(utf8) : (locale_t)0;
    int more = 0, status = members_front(&r, packing);
    if (status == TESS_OK)
        status = members_open(&r);
    if (status == TESS_OK)
        status = members_all(&r, each, user);
    if (status == TESS_OK)
        status = members_rest(&r, &more);
    *end = status == TESS_OK ? members_end(&r, more) : TAR_ENDS;
    if (r.a)
        (void)archive_read_free(r.a);
    tar_unpack_close(r.unpack);
    if (utf8) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    return status;
}
