/* Names of partial files, and the removal of those whose writer is dead. A name carries the machine, the process and a number, and a lock
 * on the file says that the process lives. The lock decides where there are locks, for process numbers are used again. File systems without
 * locks exist: there a file is known to be dead that a process of this machine wrote which is no more; others stay.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core/base/aside.h"
#include "core/base/aside_names.h"
#include "core/base/inject.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <tessera/random.h>
#include <unistd.h>

#define BASE_MAX 200 /* bytes kept of a file's name in the name of its partial file; a file system takes 255 */
#define MACHINE_DIGITS 8

/* ---- machines ------------------------------------------------------------------------------------------------------ */

static char machine_name[MACHINE_DIGITS + 1];

/* Names the machine since its start, and the space that process numbers are of: containers on one machine have spaces of their own. */
static void name_machine(void)
{
    char text[512] = "", space[128] = "";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    size_t n = f ? fread(text, 1, 64, f) : 0;
    if (f)
        (void)fclose(f);
    if (readlink("/proc/self/ns/pid", space, sizeof space - 1) < 0)
        (void)gethostname(space, sizeof space - 1);
    (void)snprintf(text + n, sizeof text - n, " %s", space);
    (void)snprintf(machine_name, sizeof machine_name, "%0*x", MACHINE_DIGITS, (unsigned)tess_purpose(text));
}

static const char *machine(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, name_machine);
    return machine_name;
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

const char *tessi_base_aside_split(const char *path, char *folder, size_t capacity)
{
    const char *slash = strrchr(path, '/');
    (void)snprintf(folder, capacity, "%.*s", slash ? (int)(slash - path) + 1 : 0, path);
    return slash ? slash + 1 : path;
}

int tessi_base_aside_name_new(const char *path, char *name)
{
    static atomic_uint number;
    char folder[PATH_MAX];
    const char *base = tessi_base_aside_split(path, folder, sizeof folder);
    int n = snprintf(name, PATH_MAX, "%s%.*s.%s.%ld.%u" TESSI_ASIDE_TAIL, folder, BASE_MAX, base, machine(), (long)getpid(),
                     atomic_fetch_add(&number, 1));
    return n < PATH_MAX ? 0 : ENAMETOOLONG;
}

/* Steps back over the characters of a set and the dot in front of them: where the dot is, or NULL. */
static const char *back_over(const char *name, const char *end, int (*is_of)(int c))
{
    const char *at = end;
    while (at > name && is_of((unsigned char)at[-1]))
        at--;
    return at < end && at > name && at[-1] == '.' ? at - 1 : NULL;
}

/* End of a partial file's name, from ".MACHINE.PROCESS.NUMBER.partial" on; NULL for the name of another file. */
static const char *tail_of(const char *name)
{
    size_t length = strlen(name), tail = sizeof TESSI_ASIDE_TAIL - 1;
    const char *at = length > tail ? name + length - tail : name;
    if (strcmp(at, TESSI_ASIDE_TAIL) != 0)
        return NULL;
    at = back_over(name, at, isdigit);
    at = at ? back_over(name, at, isdigit) : NULL;
    const char *end = at;
    at = at ? back_over(name, at, isxdigit) : NULL;
    return at && end - at == MACHINE_DIGITS + 1 ? at : NULL;
}

int tessi_base_aside_named(const char *name)
{
    return tail_of(name) != NULL;
}

/* 1 where `name` is that of a partial file for `base`; NULL: for any */
static int is_aside_of(const char *name, const char *base)
{
    const char *tail = tail_of(name);
    return tail && (!base || (strnlen(base, BASE_MAX) == (size_t)(tail - name) && strncmp(name, base, (size_t)(tail - name)) == 0));
}

int tessi_base_aside_alone(const char *folder, const char *base)
{
    int alone = 1;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        alone = alone && (*e->d_name == '.' || is_aside_of(e->d_name, base));
    if (d)
        (void)closedir(d);
    return alone;
}

/* Calls look(user, path) for each partial file in a folder ("x/", or "" for this one), for `base` alone where it is told, until that
 * returns 1. */
static int each_aside(const char *folder, const char *base, int (*look)(void *user, const char *path), void *user)
{
    char path[2 * PATH_MAX];
    DIR *d = opendir(*folder ? folder : ".");
    int found = 0;
    for (struct dirent *e; d && !found && (e = readdir(d));)
        if (is_aside_of(e->d_name, base)) {
            (void)snprintf(path, sizeof path, "%s%s", folder, e->d_name);
            found = look(user, path);
        }
    if (d)
        closedir(d);
    return found;
}

struct text {
    char *at;
    size_t capacity;
};

static int take_name(void *user, const char *path)
{
    const struct text *t = user;
    (void)snprintf(t->at, t->capacity, "%s", path);
    return 1;
}

int tessi_base_aside_left(const char *path, char *name, size_t capacity)
{
    char folder[PATH_MAX];
    const char *base = tessi_base_aside_split(path, folder, sizeof folder);
    return each_aside(folder, base, take_name, &(struct text){name, capacity});
}

/* ---- dead writers -------------------------------------------------------------------------------------------------- */

/* 1 where the name is of a process of this machine that is no more */
static int process_is_gone(const char *path)
{
    const char *slash = strrchr(path, '/'), *tail = tail_of(slash ? slash + 1 : path);
    if (!tail || strncmp(tail + 1, machine(), MACHINE_DIGITS) != 0)
        return 0;
    long process = strtol(tail + MACHINE_DIGITS + 2, NULL, 10);
    return process > 0 && process <= INT_MAX && kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

/* Removes a partial file whose writer is dead: its lock can be taken, or there are no locks and no such process. */
static int remove_dead(void *user, const char *path)
{
    (void)user;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return 0;
    int locked = tessi_base_inject(TESSI_AT_LOCK) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (locked || (errno != EWOULDBLOCK && process_is_gone(path)))
        (void)unlink(path);
    close(fd);
    return 0;
}

void tessi_base_aside_sweep(const char *path)
{
    char folder[PATH_MAX];
    const char *base = tessi_base_aside_split(path, folder, sizeof folder);
    (void)each_aside(folder, base, remove_dead, NULL);
}

void tessi_base_aside_sweep_folder(const char *folder)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/", folder) < (int)sizeof path)
        (void)each_aside(path, NULL, remove_dead, NULL);
}
