/* Locks between runs that share a cache. The file's lock goes with its process, however that ends; the file itself means
 * nothing, so whoever holds the lock removes it, and whoever locked a removed file tries again.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/call.h"
#include "core/base/inject.h"
#include "core/flow/files.h"

#include <errno.h>
#include <fcntl.h>
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

int tessi_lock_take(struct tess_call *c, const char *path, int (*waiting)(void *user, struct tess_call *c), void *user, int *lock)
{
    *lock = -1;
    for (;;) {
        int fd = tessi_inject(TESSI_AT_OPEN) ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0)
            return tessi_cannot_write(c, TESS_E_CREATE, path, errno);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            if (is_current(fd, path)) {
                *lock = fd;
                (void)tessi_inject(TESSI_AT_LOCKED);
                return TESS_OK;
            }
            close(fd);
            continue;
        }
        int error = errno;
        close(fd);
        /* A file system without locks: two runs may do the same work, and the later one replaces an equal result. */
        if (error != EWOULDBLOCK && error != EINTR)
            return TESS_OK;
        TESS_TRY(waiting(user, c));
        nanosleep(&(struct timespec){0, 100000000}, NULL);
    }
}

void tessi_lock_drop(const char *path, int lock)
{
    if (lock < 0)
        return;
    (void)unlink(path);
    close(lock);
}
