/* Locks between runs that share a cache or a folder. The file's lock goes with its process, however that ends; the file itself means
 * nothing, so whoever holds the lock alone removes it, and whoever locked a removed file tries again. What is in the file says who holds
 * it, to those who wait.
 *
 * Several users may share a cache: the file is open to all who reach it, and one that another version left closed is locked as it is.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/inject.h"
#include "core/base/lock.h"
#include "core/base/pulse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int is_current(int fd, const char *path)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* Opens a lock's file that is there: a descriptor, or -1. */
static int lock_open_there(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    return fd < 0 && (errno == EACCES || errno == EROFS) ? open(path, O_RDONLY | O_CLOEXEC) : fd;
}

/* Opens the lock's file: a descriptor, or -1 with errno. A system may forbid to make (O_CREAT) what another user has made already, so that
 * is tried alone. */
static int lock_open_file(const char *path, int *made)
{
    *made = 0;
    for (int tries = 0; tries < 100; tries++) {
        int fd = tessi_base_inject(TESSI_AT_OPEN) ? -1 : open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *made = 1;
            (void)fchmod(fd, 0666); /* whatever the umask: the file holds nothing that others may not know */
            return fd;
        }
        if (errno != EEXIST)
            return -1;
        fd = lock_open_there(path);
        if (fd >= 0 || errno != ENOENT)
            return fd;
    }
    return -1;
}

static void user_name(char *name, size_t capacity)
{
    struct passwd entry, *found = NULL;
    char memory[4096];
    if (getpwuid_r(geteuid(), &entry, memory, sizeof memory, &found) == 0 && found)
        (void)snprintf(name, capacity, "%s", found->pw_name);
    else
        (void)snprintf(name, capacity, "user %ld", (long)geteuid());
}

void tessi_base_lock_sign(int fd, const char *text)
{
    char user[64], host[128] = "", line[256];
    if (fd < 0)
        return;
    user_name(user, sizeof user);
    (void)gethostname(host, sizeof host - 1);
    int n = snprintf(line, sizeof line, "process %ld of %s on %s\n", (long)getpid(), user, host);
    /* The holder's line is for messages of others; a full disk is no failure. */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, line, (size_t)n, 0) == n)
        (void)!pwrite(fd, text, strlen(text), n);
}

const char *tessi_base_lock_read(int fd, char *text, size_t capacity)
{
    ssize_t n = pread(fd, text, capacity - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    char *end = strchr(text, '\n');
    if (!end)
        return strcpy(text, ""); /* holder not written yet */
    *end = '\0';
    return end + 1;
}

int tessi_base_lock_try(struct tess_context *ctx, const char *path, int *lock, int *held, char *holder, size_t capacity)
{
    *lock = -1;
    *held = 0;
    *holder = '\0';
    for (;;) {
        int made, fd = lock_open_file(path, &made);
        if (fd < 0)
            return tessi_base_cannot_write(ctx, TESS_E_CREATE, path, errno);
        if (tessi_base_inject(TESSI_AT_LOCK) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            if (is_current(fd, path)) {
                *lock = fd;
                (void)tessi_base_inject(TESSI_AT_LOCKED);
                return TESS_OK;
            }
            close(fd);
            continue;
        }
        int error = errno;
        *held = error == EWOULDBLOCK;
        if (*held)
            (void)tessi_base_lock_read(fd, holder, capacity);
        if (made && error != EWOULDBLOCK)
            (void)unlink(path); /* no locks here, so it is of no use */
        close(fd);
        if (error != EINTR)
            return TESS_OK;
    }
}

int tessi_base_lock_take(struct tess_context *ctx, const char *path,
                         int (*waiting)(void *user, struct tess_context *ctx, const char *holder), void *user, int *lock)
{
    char holder[256];
    for (int held = 1; held;) {
        TESS_TRY(tessi_base_lock_try(ctx, path, lock, &held, holder, sizeof holder));
        if (held) {
            TESS_TRY(waiting(user, ctx, *holder ? holder : "another run"));
            (void)tessi_base_inject(TESSI_AT_WAITING);
            tessi_base_pulse();
            nanosleep(&(struct timespec){0, 100000000}, NULL);
        }
    }
    tessi_base_lock_sign(*lock, "");
    return TESS_OK;
}

int tessi_base_lock_share(int lock, const char *path)
{
    return flock(lock, LOCK_SH | LOCK_NB) == 0 && is_current(lock, path);
}

int tessi_base_lock_join(const char *path)
{
    int fd = lock_open_there(path); /* one that is made here says nothing of those to be joined */
    if (fd >= 0 && tessi_base_lock_share(fd, path))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int tessi_base_lock_look(const char *path, char *holder, size_t capacity)
{
    *holder = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    int taken = flock(fd, LOCK_EX | LOCK_NB) == 0, held = !taken && errno == EWOULDBLOCK;
    if (held)
        (void)tessi_base_lock_read(fd, holder, capacity);
    close(fd);
    return taken ? 0 : held ? 1 : -1;
}

int tessi_base_lock_held(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    return held;
}

void tessi_base_lock_drop(const char *path, int lock)
{
    if (lock < 0)
        return;
    if (flock(lock, LOCK_EX | LOCK_NB) == 0 && is_current(lock, path))
        (void)unlink(path);
    close(lock);
}

/* Removes a lock's file that nobody holds. */
static void lock_sweep(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && tessi_base_inject(TESSI_AT_LOCK) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_current(fd, path))
        (void)unlink(path);
    if (fd >= 0)
        close(fd);
}

void tessi_base_lock_sweep_folder(const char *folder)
{
    static const char tail[] = ".lock";
    char path[PATH_MAX];
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n > sizeof tail && strcmp(e->d_name + n + 1 - sizeof tail, tail) == 0 &&
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < (int)sizeof path)
            lock_sweep(path);
    }
    if (d)
        closedir(d);
}
