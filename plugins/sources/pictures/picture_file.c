/* See picture_file.h. SPDX-License-Identifier: MIT */
#include "plugins/sources/pictures/picture_file.h"
#include "kit/image/image_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((off_t)1 << 30)

void picture_name(struct tess_image *out, const char *name)
{
    image_name(name, out->name);
}

int picture_item(struct tess_context *ctx, struct tess_image *out, const char *path, const char *why, int error)
{
    (void)snprintf(out->reason, sizeof out->reason, "%s%s", why, error ? strerror(error) : "");
    return ctx->fail(ctx, TESS_E_ITEM, "%s: %s", path, out->reason);
}

int picture_is_of_the_file(int error)
{
    return error == ENOENT || error == EACCES || error == EPERM || error == ELOOP || error == ENOTDIR || error == ENAMETOOLONG ||
           error == ENXIO || error == ENODEV || error == EISDIR;
}

static int file_fill(struct tess_context *ctx, const char *path, int fd, char *to, size_t bytes)
{
    for (size_t have = 0; have < bytes;) {
        ssize_t got = read(fd, to + have, bytes - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; look at the disk, then run again", path, strerror(errno));
        if (got == 0)
            return ctx->fail(ctx, TESS_E_IO, "%s: became shorter while it was read; run again when nothing writes there", path);
        have += (size_t)got;
    }
    return TESS_OK;
}

/* Reads all of an open file; gives its bytes, freed with tess_free, and their number. */
static int file_read_whole(struct tess_context *ctx, const char *path, int fd, struct tess_image *im, void **out, size_t *bytes)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode) || about.st_size < 1 || about.st_size > FILE_MAX)
        return picture_item(ctx, im, path,
                            !S_ISREG(about.st_mode) ? "is no regular file"
                            : about.st_size < 1     ? "is empty"
                                                    : "is larger than 1 GiB",
                            0);
    *bytes = (size_t)about.st_size;
    TESS_TRY(tess_alloc(ctx, *bytes, path, out));
    return file_fill(ctx, path, fd, *out, *bytes);
}

int picture_read_file(struct tess_context *ctx, const char *path, const struct picture_options *o, struct tess_image *out)
{
    void *bytes = NULL;
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = errno;
    int status = fd >= 0                         ? file_read_whole(ctx, path, fd, out, &bytes, &size)
                 : picture_is_of_the_file(error) ? picture_item(ctx, out, path, "cannot be opened: ", error)
                                                 : ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s", path, strerror(error));
    if (fd >= 0)
        close(fd);
    if (status == TESS_OK)
        status = picture_decode(ctx, path, bytes, size, o, out);
    tess_free(bytes);
    return status;
}

int picture_file_content(struct tess_context *ctx, const char *path, struct tess_digest *d)
{
    if (access(path, R_OK) != 0 && picture_is_of_the_file(errno))
        return ctx->fail(ctx, TESS_E_ITEM, "%s: cannot be opened: %s", path, strerror(errno));
    return tess_digest_add_files(ctx, d, 1, &path);
}

void picture_file_soon(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
    close(fd);
}

/* ---- many files ---------------------------------------------------------------------------------------------------- */

enum { FILES_BLOCK = 1024 };

/* 1 for a file that cannot be opened for a reason of its own. */
static int file_is_bad(struct tess_context *ctx, const struct picture_files *f, int64_t i, int *bad)
{
    char *path;
    TESS_TRY(f->path(f->user, ctx, i, &path));
    *bad = access(path, R_OK) != 0 && picture_is_of_the_file(errno);
    tess_free(path);
    return TESS_OK;
}

/* Number of the file behind the last one whose content is wanted. */
static int64_t files_end(const struct picture_files *f)
{
    return f->part ? f->first + f->part : f->count;
}

/* Adds the names, and notes which files are left out: a bit each. */
static int files_add_names(struct tess_context *ctx, struct tess_digest *d, const struct picture_files *f, int tolerant, uint8_t *left_out)
{
    char text[NAME_TABLE_TEXT];
    for (int64_t i = 0; i < f->count; i++) {
        int bad = 0;
        tess_digest_add_text(d, f->name(f->user, i, text));
        if (tolerant && i >= f->first && i < files_end(f))
            TESS_TRY(file_is_bad(ctx, f, i, &bad));
        if (bad)
            tess_digest_add_text(d, "cannot be opened");
        left_out[i / 8] = (uint8_t)(left_out[i / 8] | bad << i % 8);
    }
    return TESS_OK;
}

/* Adds the digests of a block of files from *next on. */
static int files_add_block(struct tess_context *ctx, struct tess_digest *d, const struct picture_files *f, const uint8_t *left_out,
                           int64_t *next)
{
    char *path[FILES_BLOCK] = {NULL};
    int64_t n = 0;
    int status = TESS_OK;
    for (; *next < files_end(f) && n < FILES_BLOCK && status == TESS_OK; ++*next) {
        if (left_out[*next / 8] >> *next % 8 & 1)
            continue;
        status = f->path(f->user, ctx, *next, &path[n]);
        n += status == TESS_OK;
    }
    if (status == TESS_OK)
        status = tess_digest_add_files(ctx, d, n, (const char *const *)path);
    while (n > 0)
        tess_free(path[--n]);
    return status;
}

int picture_files_fingerprint(struct tess_context *ctx, struct tess_digest *d, const struct picture_files *f, int tolerant)
{
    void *left_out;
    TESS_TRY(tess_alloc(ctx, (size_t)f->count / 8 + 1, "files that cannot be opened", &left_out));
    int status = files_add_names(ctx, d, f, tolerant, left_out);
    for (int64_t next = f->first; next < files_end(f) && status == TESS_OK;)
        status = files_add_block(ctx, d, f, left_out, &next);
    tess_free(left_out);
    return status;
}
