/* See steady_file.h. SPDX-License-Identifier: MIT */
#include "kit/format/steady_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct steady_file steady_of(const struct stat *about)
{
    return (struct steady_file){(int64_t)about->st_size, (uint64_t)about->st_dev, (uint64_t)about->st_ino, (int64_t)about->st_mtim.tv_sec,
                                (int64_t)about->st_mtim.tv_nsec};
}

int steady_open(struct tess_context *ctx, const char *path, struct steady_file *f, int *fd)
{
    struct stat about;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; check the path, and see datasets/README.md", path, strerror(errno));
    if (fstat(*fd, &about) == 0 && S_ISREG(about.st_mode)) {
        *f = steady_of(&about);
        return TESS_OK;
    }
    close(*fd);
    *fd = -1;
    return ctx->fail(ctx, TESS_E_DATA, "%s: is no regular file, and images are read from it in any order; write it to one first", path);
}

int steady_read_at(struct tess_context *ctx, const char *path, int fd, int64_t offset, size_t bytes, void *to)
{
    for (size_t have = 0; have < bytes;) {
        ssize_t got = pread(fd, (char *)to + have, bytes - have, (off_t)offset + (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, got < 0 ? strerror(errno) : "it became shorter");
        have += (size_t)got;
    }
    return TESS_OK;
}

int steady_same(struct tess_context *ctx, const char *path, const struct steady_file *f, int fd)
{
    struct stat about = {0};
    int known = fstat(fd, &about) == 0;
    struct steady_file now = steady_of(&about);
    if (known && now.bytes == f->bytes && now.device == f->device && now.inode == f->inode && now.seconds == f->seconds &&
        now.nanoseconds == f->nanoseconds)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_IO, "%s: changed since it was opened; run again when nothing writes there", path);
}

int steady_reopen(struct tess_context *ctx, const char *path, const struct steady_file *f, int *fd)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s; run again when it is there", path, strerror(errno));
    int status = steady_same(ctx, path, f, *fd);
    if (status != TESS_OK) {
        close(*fd);
        *fd = -1;
    }
    return status;
}

int steady_read(struct tess_context *ctx, const char *path, const struct steady_file *f, int64_t offset, size_t bytes, void *to)
{
    int fd;
    TESS_TRY(steady_reopen(ctx, path, f, &fd));
    int status = steady_read_at(ctx, path, fd, offset, bytes, to);
    close(fd);
    return status;
}

void steady_soon(const char *path, int64_t offset, int64_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, (off_t)offset, (off_t)bytes, POSIX_FADV_WILLNEED);
    close(fd);
}
