/* Files of others' formats on their way to the disk, as artefacts go it (disk.c). SPDX-License-Identifier: MIT */
#include "core/base/call.h"
#include "core/base/inject.h"
#include "core/store/store_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct tessi_aside {
    struct tessi_disk disk;
    char *path, *partial; /* in the same block */
    int finished;
};

int tessi_aside_open(struct tess_call *c, const char *path, struct tessi_aside **out)
{
    static const char tail[] = ".partial";
    size_t bytes = strlen(path) + 1;
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(c, sizeof(struct tessi_aside) + 2 * bytes + sizeof tail, "a file to be written", &memory));
    struct tessi_aside *a = memory;
    a->path = (char *)(a + 1);
    a->partial = a->path + bytes;
    memcpy(a->path, path, bytes);
    (void)snprintf(a->partial, bytes + sizeof tail, "%s%s", path, tail);
    int status = tessi_disk_create(c, &a->disk, a->partial);
    if (status != TESS_OK) {
        tess_free(a);
        return status;
    }
    *out = a;
    return TESS_OK;
}

int tessi_aside_put(struct tess_call *c, struct tessi_aside *a, const void *bytes, size_t count)
{
    for (const char *here = bytes; count;) {
        ssize_t put = tessi_inject(TESSI_AT_WRITE) ? -1 : write(a->disk.fd, here, count);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return tessi_cannot_write(c, TESS_E_IO, a->path, errno);
        here += put;
        count -= (size_t)put;
    }
    return TESS_OK;
}

int tessi_aside_finish(struct tess_call *c, struct tessi_aside *a)
{
    TESS_TRY(tessi_disk_publish(c, &a->disk, a->partial, a->path));
    a->finished = 1;
    return TESS_OK;
}

void tessi_aside_close(struct tessi_aside *a)
{
    if (!a)
        return;
    if (!a->finished)
        (void)unlink(a->partial);
    tessi_disk_close(&a->disk);
    tess_free(a);
}
