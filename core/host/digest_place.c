/* Places of files: where a file lies, its size and its times. SPDX-License-Identifier: MIT */
#include "core/host/digest_table.h"

#include <sys/stat.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define GRACE (2 * SECOND) /* resolution of the coarsest file times of file systems in use */

int tessi_host_place_same(const struct tessi_place *a, const struct tessi_place *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->changed == b->changed && a->touched == b->touched;
}

int tessi_host_place_lately(const struct tessi_place *at, int64_t now)
{
    return at->changed >= now - GRACE || at->touched >= now - GRACE;
}

static int64_t digest_table_nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

int tessi_host_place_of(int fd, struct tessi_place *out)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return -1;
    *out = (struct tessi_place){(uint64_t)about.st_dev, (uint64_t)about.st_ino, (int64_t)about.st_size,
                                digest_table_nanoseconds(about.st_mtim), digest_table_nanoseconds(about.st_ctim)};
    return 0;
}

int64_t tessi_host_file_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return digest_table_nanoseconds(now);
}
