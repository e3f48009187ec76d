/* See tar_members.h. libarchive reads headers in all dialects (ustar, GNU, pax). It is given the file by calls that skip what is not
 * wanted, so that of each member one block is read; the place of a member's bytes is where libarchive stands behind its header.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plugins/sources/tar/tar_members.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

enum { BLOCK = 512, PIECE = 8 * BLOCK };

struct reader {
    int fd, error;
    int64_t at, bytes;
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

static la_ssize_t members_read(struct archive *a, void *user, const void **to)
{
    struct reader *r = user;
    ssize_t got = members_read_at(r->fd, r->piece, sizeof r->piece, r->at);
    if (got < 0) {
        r->error = errno;
        archive_set_error(a, errno, "cannot be read");
        return ARCHIVE_FATAL;
    }
    *to = r->piece;
    r->at += got;
    return got;
}

static la_int64_t members_skip(struct archive *a, void *user, la_int64_t bytes)
{
    struct reader *r = user;
    (void)a;
    int64_t left = r->bytes - r->at, n = bytes < left ? bytes : left;
    r->at += n > 0 ? n : 0;
    return n > 0 ? n : 0;
}

/* The program by which a file was compressed; NULL: none that is known. */
static const char *compressed_by(const uint8_t *front, ssize_t n)
{
    static const struct {
        const char *bytes, *program;
        int count;
    } kinds[] = {{"\x1f\x8b", "gzip", 2},
                 {"BZh", "bzip2", 3},
                 {"\xfd"
                  "7zXZ",
                  "xz", 5},
                 {"\x28\xb5\x2f\xfd", "zstd", 4},
                 {"\x04\x22\x4d\x18", "lz4", 4}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (n >= kinds[i].count && memcmp(front, kinds[i].bytes, (size_t)kinds[i].count) == 0)
            return kinds[i].program;
    return NULL;
}

/* Looks at the first block: that of a tar file has a mark, or at least the checksum that libarchive verifies. */
static int members_front(struct tess_context *ctx, const char *path, int fd)
{
    uint8_t front[BLOCK];
    ssize_t got = members_read_at(fd, front, sizeof front, 0);
    const char *program = got > 0 ? compressed_by(front, got) : NULL;
    if (got < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (program)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is compressed, and images are read from it in any order; `%s -d` it first", path, program);
    if (got < BLOCK)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is no tar file: it has %lld bytes, and the shortest has 512; fetch it again", path,
                         (long long)got);
    return TESS_OK;
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

static int members_damaged(struct tess_context *ctx, const char *path, struct archive *a, const struct reader *r)
{
    const char *why = archive_error_string(a);
    char shown[200];
    (void)tess_shown_text(why ? why : "no reason given", shown, sizeof shown);
    if (r->error)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(r->error));
    if (archive_errno(a) == ENOMEM)
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to read its headers", path);
    return ctx->fail(ctx, TESS_E_DATA, "%s: is damaged, or no tar file: at byte %lld: %s; fetch it again", path,
                     (long long)archive_read_header_position(a), shown);
}

static int members_one(struct tess_context *ctx, const char *path, struct archive *a, struct archive_entry *e, int64_t file_bytes,
                       struct tar_member *m)
{
    char shown[200];
    m->name = archive_entry_pathname(e);
    m->type = member_type(e);
    m->offset = archive_filter_bytes(a, 0);
    m->size = archive_entry_size(e);
    if (!m->name)
        return ctx->fail(ctx, TESS_E_DATA, "%s: the member at byte %lld has no name that can be read; write the file again", path,
                         (long long)archive_read_header_position(a));
    (void)tess_shown_text(m->name, shown, sizeof shown);
    if (m->type == MEMBER_FILE && (m->size < 0 || m->offset < 0 || m->offset > file_bytes || m->size > file_bytes - m->offset))
        return ctx->fail(ctx, TESS_E_DATA, "%s: is truncated: member `%s` of %lld bytes begins at byte %lld of %lld; fetch it again", path,
                         shown, (long long)m->size, (long long)m->offset, (long long)file_bytes);
    return TESS_OK;
}

static int members_all(struct tess_context *ctx, const char *path, struct archive *a, struct reader *r,
                       int (*each)(void *user, struct tess_context *ctx, const struct tar_member *m), void *user)
{
    for (;;) {
        struct archive_entry *entry;
        struct tar_member m;
        int status = archive_read_next_header(a, &entry);
        if (status == ARCHIVE_EOF)
            return TESS_OK;
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return members_damaged(ctx, path, a, r);
        TESS_TRY(members_one(ctx, path, a, entry, r->bytes, &m));
        TESS_TRY(each(user, ctx, &m));
    }
}

/* 1 where the last block is zero, as it is behind the last member; what ends elsewhere may have been cut. */
static int members_ended(int fd, int64_t bytes)
{
    uint8_t last[BLOCK];
    if (bytes % BLOCK != 0 || members_read_at(fd, last, sizeof last, bytes - BLOCK) != BLOCK)
        return 0;
    for (int i = 0; i < BLOCK; i++)
        if (last[i])
            return 0;
    return 1;
}

int tar_members(struct tess_context *ctx, const char *path, int fd, int64_t file_bytes,
                int (*each)(void *user, struct tess_context *ctx, const struct tar_member *m), void *user, int *ended)
{
    struct reader r = {.fd = fd, .bytes = file_bytes};
    TESS_TRY(members_front(ctx, path, fd));
    /* libarchive converts names of pax headers, which are UTF-8, to the thread's locale. */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before = utf8 ? uselocale(utf8) : (locale_t)0;
    struct archive *a = archive_read_new();
    int status = a ? TESS_OK : ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to read its headers", path);
    if (status == TESS_OK &&
        (archive_read_support_format_tar(a) != ARCHIVE_OK || archive_read_set_skip_callback(a, members_skip) != ARCHIVE_OK ||
         archive_read_open(a, &r, NULL, members_read, NULL) != ARCHIVE_OK))
        status = members_damaged(ctx, path, a, &r);
    if (status == TESS_OK)
        status = members_all(ctx, path, a, &r, each, user);
    if (a)
        (void)archive_read_free(a);
    if (utf8) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    *ended = members_ended(fd, file_bytes);
    return status;
}
