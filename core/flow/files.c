/* Paths, folders, and files that appear whole or not at all. SPDX-License-Identifier: MIT */
#include "core/base/call.h"
#include "core/base/inject.h"
#include "core/flow/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int tessi_format(struct tess_call *c, char **out, const char *format, ...)
{
    va_list list, again;
    void *memory;
    *out = NULL;
    va_start(list, format);
    va_copy(again, list);
    int bytes = vsnprintf(NULL, 0, format, list);
    va_end(list);
    int status = tess_alloc(c, (size_t)(bytes < 0 ? 0 : bytes) + 1, "a string", &memory);
    if (status == TESS_OK) {
        vsnprintf(memory, (size_t)bytes + 1, format, again);
        *out = memory;
    }
    va_end(again);
    return status;
}

int tessi_path_absolute(struct tess_call *c, const char *path, char **out)
{
    char here[PATH_MAX];
    *out = NULL;
    if (*path == '/')
        return tessi_format(c, out, "%s", path);
    if (!getcwd(here, sizeof here))
        return c->fail(c, TESS_E_IO, "the current folder cannot be had: %s", strerror(errno));
    return tessi_format(c, out, "%s/%s", here, path);
}

int tessi_path_beside(struct tess_call *c, const char *file, const char *path, char **out)
{
    const char *slash = strcmp(file, "command line") == 0 ? NULL : strrchr(file, '/');
    if (*path == '/' || !slash)
        return tessi_format(c, out, "%s", path);
    return tessi_format(c, out, "%.*s/%s", (int)(slash - file), file, path);
}

int tessi_is_file(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

int tessi_make_folder(struct tess_call *c, const char *path)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof part)
        return c->fail(c, TESS_E_CREATE, "%.64s...: this path is too long for a folder", path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        struct stat about;
        if (mkdir(part, 0777) != 0 && !(stat(part, &about) == 0 && S_ISDIR(about.st_mode)))
            return c->fail(c, TESS_E_CREATE, "%s: the folder cannot be made: %s; choose another with --workdir", part, strerror(errno));
    }
    return TESS_OK;
}

static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

static int put_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t done = tessi_inject(TESSI_AT_WRITE) ? -1 : write(fd, bytes, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return 0;
        bytes += done;
        n -= (size_t)done;
    }
    return 1;
}

/* Ends writing `aside`: synced, closed and renamed when `ok`, removed otherwise. */
static int end_writing(struct tess_call *c, int fd, const char *aside, const char *path, int ok)
{
    ok = ok && tessi_inject(TESSI_AT_SYNC) == 0 && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && ok) {
        ok = 0;
        error = errno;
    }
    if (ok && (tessi_inject(TESSI_AT_RENAME) || rename(aside, path) != 0)) {
        ok = 0;
        error = errno;
    }
    if (!ok) {
        (void)unlink(aside);
        return tessi_cannot_write(c, TESS_E_IO, path, error);
    }
    (void)tessi_inject(TESSI_AT_RENAMED);
    sync_folder(path);
    return TESS_OK;
}

static int start_writing(struct tess_call *c, const char *path, char **aside, int *fd)
{
    *fd = -1;
    TESS_TRY(tessi_format(c, aside, "%s.%ld.new", path, (long)getpid()));
    *fd = tessi_inject(TESSI_AT_OPEN) ? -1 : open(*aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (*fd < 0)
        return tessi_cannot_write(c, TESS_E_CREATE, path, errno);
    return TESS_OK;
}

int tessi_write_text(struct tess_call *c, const char *path, const char *text, size_t bytes)
{
    char *aside = NULL;
    int fd, status = start_writing(c, path, &aside, &fd);
    if (status == TESS_OK)
        status = end_writing(c, fd, aside, path, put_all(fd, text, bytes));
    tess_free(aside);
    return status;
}

static int copy_file(struct tess_call *c, const char *from, const char *path, const struct stat *about)
{
    char *aside = NULL, block[65536];
    const struct timespec times[2] = {about->st_atim, about->st_mtim};
    int fd = -1, ok = 1;
    int source = tessi_inject(TESSI_AT_OPEN) ? -1 : open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0)
        return c->fail(c, TESS_E_IO, "%s: cannot be read: %s", from, strerror(errno));
    int status = start_writing(c, path, &aside, &fd);
    while (status == TESS_OK && ok) {
        ssize_t n = tessi_inject(TESSI_AT_READ) ? -1 : read(source, block, sizeof block);
        if (n == 0)
            break;
        ok = n > 0 && put_all(fd, block, (size_t)n);
    }
    if (status == TESS_OK) {
        (void)futimens(fd, times);
        status = end_writing(c, fd, aside, path, ok);
    }
    close(source);
    tess_free(aside);
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

int tessi_link_file(struct tess_call *c, const char *target, const char *path, int *changed)
{
    struct stat a, b;
    char *aside = NULL;
    if (changed)
        *changed = 0;
    if (stat(target, &a) != 0)
        return c->fail(c, TESS_E_IO, "%s: cannot be read: %s", target, strerror(errno));
    /* rename() between two names of one file does nothing and would leave the aside one. */
    int there = stat(path, &b) == 0;
    if (there && is_linked(&a, &b))
        return TESS_OK;
    TESS_TRY(tessi_format(c, &aside, "%s.%ld.new", path, (long)getpid()));
    (void)unlink(aside);
    int status = TESS_OK;
    if (link(target, aside) == 0) {
        if (tessi_inject(TESSI_AT_RENAME) || rename(aside, path) != 0) {
            status = tessi_cannot_write(c, TESS_E_CREATE, path, errno);
            (void)unlink(aside);
        }
        (void)tessi_inject(TESSI_AT_RENAMED);
        sync_folder(path);
    } else if (there && is_copied(&a, &b)) {
        goto done;
    } else {
        status = copy_file(c, target, path, &a);
    }
    if (changed)
        *changed = 1;
done:
    tess_free(aside);
    return status;
}
