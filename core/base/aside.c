/* The writer aside; the names it writes under are in aside_names.c.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* fallocate, sync_file_range */
#include "core/base/aside.h"
#include "core/base/aside_names.h"
#include "core/base/context.h"
#include "core/base/inject.h"
#include "core/base/pulse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 1000
#define BEHIND ((size_t)32 << 20) /* bytes after which the disk is asked to begin */

struct tessi_aside {
    int fd, direct, finished, reserved; /* direct: there is no partial file, the path itself is written */
    size_t behind;                      /* bytes written since the disk was last asked to begin */
    int (*again)(void *user, const char *path, int error);
    void *user;
    char path[PATH_MAX], partial[PATH_MAX];
};

/* ---- opening ------------------------------------------------------------------------------------------------------- */

/* 1 when `fd` is still what `path` names: one who sweeps may have come between making and locking it. */
static int still_named(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int open_aside(struct tess_context *ctx, struct tessi_aside *a)
{
    for (int tries = 0; tries < TRIES; tries++) {
        int error = tessi_base_aside_name_new(a->path, a->partial);
        a->fd = error || tessi_base_inject(TESSI_AT_OPEN) ? -1 : open(a->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (a->fd < 0 && !error && errno == EEXIST)
            continue;
        if (a->fd < 0)
            return tessi_base_cannot_write(ctx, TESS_E_CREATE, a->path, error ? error : errno);
        int locked = (tessi_base_inject(TESSI_AT_LOCK) == 0 && flock(a->fd, LOCK_EX | LOCK_NB) == 0) || errno != EWOULDBLOCK;
        if (locked && still_named(a->fd, a->partial))
            return TESS_OK;
        close(a->fd);
    }
    a->fd = -1;
    return ctx->fail(ctx, TESS_E_CREATE, "%s: cannot be written: %d names beside it are taken; remove its files *" TESSI_ASIDE_TAIL,
                     a->path, TRIES);
}

static int open_direct(struct tess_context *ctx, struct tessi_aside *a)
{
    a->direct = 1;
    a->fd = tessi_base_inject(TESSI_AT_OPEN) ? -1 : open(a->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    return a->fd < 0 ? tessi_base_cannot_write(ctx, TESS_E_CREATE, a->path, errno) : TESS_OK;
}

/* 1 for the file that this process's own output goes to: replacing it would leave the process writing to an unlinked file. */
static int is_standard_stream(const struct stat *st)
{
    struct stat own;
    for (int fd = 0; fd <= 2; fd++)
        if (fstat(fd, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino)
            return 1;
    return 0;
}

static int open_place(struct tess_context *ctx, struct tessi_aside *a, const char *path, int seekable)
{
    struct stat place = {0}, target = {0};
    char *real;
    int there = lstat(path, &place) == 0, link = there && S_ISLNK(place.st_mode), resolves = there && stat(path, &target) == 0;
    if (snprintf(a->path, sizeof a->path, "%s", path) >= (int)sizeof a->path)
        return ctx->fail(ctx, TESS_E_CREATE, "%.64s...: this path is too long for a file; choose another place", path);
    if (resolves && S_ISDIR(target.st_mode))
        return ctx->fail(ctx, TESS_E_CREATE, "%s: is a folder, the name of a file was wanted; choose another name", path);
    if (resolves && (!S_ISREG(target.st_mode) || (link && is_standard_stream(&target)))) {
        if (seekable)
            return ctx->fail(ctx, TESS_E_CREATE, "%s: is a device or a pipe, the name of a file was wanted; choose another name", path);
        return open_direct(ctx, a);
    }
    if (link && resolves && (real = realpath(path, NULL))) {
        (void)snprintf(a->path, sizeof a->path, "%s", real);
        free(real);
    }
    tessi_base_aside_sweep(a->path);
    return open_aside(ctx, a);
}

int tessi_base_aside_open(struct tess_context *ctx, const char *path, int seekable, struct tessi_aside **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_aside), "a file to be written", &memory));
    struct tessi_aside *a = memory;
    a->fd = -1;
    int status = open_place(ctx, a, path, seekable);
    if (status != TESS_OK)
        tess_free(a);
    else
        *out = a;
    return status;
}

int tessi_base_aside_descriptor(const struct tessi_aside *a)
{
    return a->fd;
}

const char *tessi_base_aside_name(const struct tessi_aside *a)
{
    return a->partial;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

void tessi_base_aside_when_full(struct tessi_aside *a, int (*again)(void *user, const char *path, int error), void *user)
{
    a->again = again;
    a->user = user;
}

/* 1 when a write that failed is to be tried again. */
static int aside_again(const struct tessi_aside *a, int error)
{
    if (error == EINTR)
        return 1;
    return (error == ENOSPC || error == EDQUOT) && a->again && a->again(a->user, a->path, error);
}

/* Has the disk begin with what was written so far, so that the sync at the end does not wait for all of a large file. */
static void aside_begin_sync(struct tessi_aside *a, size_t put)
{
    a->behind += put;
    if (a->behind < BEHIND || a->direct)
        return;
    (void)sync_file_range(a->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    a->behind = 0;
}

/* Writes all bytes at offset `at`; at < 0: at the end of the bytes written before. */
static int write_all(struct tessi_aside *a, const char *here, size_t count, off_t at)
{
    while (count) {
        tessi_base_pulse();
        ssize_t put = tessi_base_inject(TESSI_AT_WRITE) ? -1 : at < 0 ? write(a->fd, here, count) : pwrite(a->fd, here, count, at);
        if (put < 0 && aside_again(a, errno))
            continue;
        if (put < 0)
            return errno;
        here += put;
        count -= (size_t)put;
        at += at < 0 ? 0 : put;
        aside_begin_sync(a, (size_t)put);
    }
    return 0;
}

int tessi_base_aside_put(struct tess_context *ctx, struct tessi_aside *a, const void *bytes, size_t count)
{
    int error = write_all(a, bytes, count, -1);
    return error ? tessi_base_cannot_write(ctx, TESS_E_IO, a->path, error) : TESS_OK;
}

int tessi_base_aside_write_at(struct tessi_aside *a, const void *bytes, size_t count, off_t at)
{
    return write_all(a, bytes, count, at);
}

int tessi_base_aside_reserve(struct tessi_aside *a, int64_t bytes)
{
    if (bytes <= 0)
        return 0;
    a->reserved = 1;
    if (tessi_base_inject(TESSI_AT_WRITE) == 0 && fallocate(a->fd, FALLOC_FL_KEEP_SIZE, 0, bytes) == 0)
        return 0;
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? errno : 0;
}

/* Releases preallocated blocks behind the file's end, by cutting it where it ends. */
static void give_back(struct tessi_aside *a)
{
    struct stat st;
    if (a->reserved && fstat(a->fd, &st) == 0)
        (void)!ftruncate(a->fd, st.st_size);
}

/* Syncs a folder's entries. A file system that cannot do that, or a folder that may not be opened, is no failure. */
static int sync_folder(const char *path)
{
    char folder[PATH_MAX];
    (void)tessi_base_aside_split(path, folder, sizeof folder);
    int fd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int error = fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EBADF ? errno : 0;
    close(fd);
    return error;
}

int tessi_base_aside_finish(struct tess_context *ctx, struct tessi_aside *a)
{
    int error = 0;
    give_back(a);
    if (!a->direct && (tessi_base_inject(TESSI_AT_SYNC) || fsync(a->fd) != 0 || tessi_base_inject(TESSI_AT_RENAME) ||
                       rename(a->partial, a->path) != 0))
        error = errno;
    if (error == ENOENT)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be written: %s was removed meanwhile; run again", a->path, a->partial);
    if (error)
        return tessi_base_cannot_write(ctx, TESS_E_IO, a->path, error);
    a->finished = 1;
    (void)tessi_base_inject(TESSI_AT_RENAMED);
    error = a->direct ? 0 : sync_folder(a->path);
    return error ? tessi_base_cannot_write(ctx, TESS_E_IO, a->path, error) : TESS_OK;
}

void tessi_base_aside_close(struct tessi_aside *a)
{
    if (!a)
        return;
    if (!a->finished && !a->direct)
        (void)unlink(a->partial);
    close(a->fd);
    tess_free(a);
}

int tessi_base_write_text(struct tess_context *ctx, const char *path, const char *text, size_t bytes)
{
    struct tessi_aside *a = NULL;
    int status = tessi_base_aside_open(ctx, path, 0, &a);
    if (status == TESS_OK)
        status = tessi_base_aside_put(ctx, a, text, bytes);
    if (status == TESS_OK)
        status = tessi_base_aside_finish(ctx, a);
    tessi_base_aside_close(a);
    return status;
}

/* ---- links --------------------------------------------------------------------------------------------------------- */

static int copy_file(struct tess_context *ctx, const char *from, const char *path, const struct stat *about)
{
    char block[65536];
    struct tessi_aside *a = NULL;
    const struct timespec times[2] = {about->st_atim, about->st_mtim};
    ssize_t n = 1;
    int source = tessi_base_inject(TESSI_AT_OPEN) ? -1 : open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", from, strerror(errno));
    int status = tessi_base_aside_open(ctx, path, 1, &a);
    while (status == TESS_OK && n > 0) {
        n = tessi_base_inject(TESSI_AT_READ) ? -1 : read(source, block, sizeof block);
        status = n < 0 ? ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", from, strerror(errno))
                       : tessi_base_aside_put(ctx, a, block, (size_t)n);
    }
    if (status == TESS_OK) {
        (void)futimens(a->fd, times);
        status = tessi_base_aside_finish(ctx, a);
    }
    tessi_base_aside_close(a);
    close(source);
    return status;
}

static int is_linked(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int is_copied(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* 1 where a file of the folder is this one, under whatever name. */
static int is_in_folder(const struct stat *file, const char *folder)
{
    struct stat about;
    int found = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && !found && (e = readdir(d));)
        found = fstatat(dirfd(d), e->d_name, &about, 0) == 0 && is_linked(file, &about);
    if (d)
        (void)closedir(d);
    return found;
}

int tessi_base_not_over(struct tess_context *ctx, const char *output, const char *input)
{
    struct stat a, b;
    if (!output || !input || stat(output, &a) != 0 || stat(input, &b) != 0 || !S_ISREG(a.st_mode))
        return TESS_OK;
    if (S_ISDIR(b.st_mode) && is_in_folder(&a, input))
        return ctx->fail(ctx, TESS_E_USAGE,
                         "-o %s: is a file of the folder %s, which is read; give another name, or remove that file first", output, input);
    if (!is_linked(&a, &b))
        return TESS_OK;
    if (strcmp(output, input) == 0)
        return ctx->fail(ctx, TESS_E_USAGE, "-o %s: is the file that is read; give another name", output);
    return ctx->fail(ctx, TESS_E_USAGE, "-o %s: is another name of %s, which is read; give another", output, input);
}

/* Makes the link under a partial name: 0, or the system's error. A link has no lock, so another writer may take one for dead and remove it
 * before it is renamed. */
static int link_aside(const char *target, const char *path, int *linked)
{
    char aside[PATH_MAX];
    int error = ENOENT;
    for (int tries = 0; error == ENOENT && tries < TRIES; tries++) {
        error = tessi_base_aside_name_new(path, aside);
        *linked = !error && link(target, aside) == 0;
        if (!*linked)
            return error ? error : errno;
        error = tessi_base_inject(TESSI_AT_RENAME) || rename(aside, path) != 0 ? errno : 0;
        if (error)
            (void)unlink(aside);
    }
    return error;
}

int tessi_base_link_file(struct tess_context *ctx, const char *target, const char *path, int *changed)
{
    struct stat a, b;
    int linked = 0, status = TESS_OK;
    if (changed)
        *changed = 0;
    if (stat(target, &a) != 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", target, strerror(errno));
    /* rename() between two names of one file does nothing and would leave the partial one. */
    int there = lstat(path, &b) == 0;
    if (there && is_linked(&a, &b))
        return TESS_OK;
    tessi_base_aside_sweep(path);
    int error = link_aside(target, path, &linked);
    if (linked && error)
        return tessi_base_cannot_write(ctx, TESS_E_CREATE, path, error);
    if (linked)
        (void)tessi_base_inject(TESSI_AT_RENAMED);
    if (linked)
        (void)sync_folder(path);
    else if (there && is_copied(&a, &b))
        return TESS_OK;
    else
        status = copy_file(ctx, target, path, &a);
    if (changed)
        *changed = 1;
    return status;
}
