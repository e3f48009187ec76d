/* What is in a file, remembered: a folder of images is named by all its bytes, and reading gigabytes for every plan would be long. As in
 * Git's index, a file of the same place, size and times is taken for unchanged: device and inode, nanoseconds of the last change of content
 * (mtime) and of the inode (ctime), which no program can set back. One changed so lately that a later change could have the same times is
 * not remembered. What is remembered saves reading and decides nothing: without it the digests are the same.
 *
 * The table is a help to this machine alone: records in its own byte order behind one line that says so. One that does not look right is
 * taken for none, one that cannot be written is not missed.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/aside.h"
#include "core/base/inject.h"
#include "core/plug/file_digests.h"
#include "core/plug/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define GRACE (2 * SECOND) /* the coarsest times of a file system in use */
#define RECORDS_MOST (1 << 22)

struct record {
    uint64_t device, inode;
    int64_t size, changed, touched; /* mtime and ctime, nanoseconds */
    char digest[TESS_DIGEST_TEXT + 7];
};

static const struct {
    char text[24];
    uint64_t order, record;
} head = {"tessera file digests 1\n", 0x0102030405060708, sizeof(struct record)};

struct tessi_file_digests {
    char *path;
    struct record *known; /* sorted by place */
    int64_t count;
    struct record *fresh; /* this process's own */
    int64_t fresh_count, fresh_room;
};

static int by_place(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int same(const struct record *a, const struct record *b)
{
    return by_place(a, b) == 0 && a->size == b->size && a->changed == b->changed && a->touched == b->touched;
}

/* ---- the table ----------------------------------------------------------------------------------------------------- */

static void load(struct tessi_file_digests *t)
{
    struct stat about;
    char front[sizeof head];
    FILE *f = fopen(t->path, "rb");
    if (!f)
        return;
    size_t bytes = fstat(fileno(f), &about) == 0 && about.st_size > (off_t)sizeof head ? (size_t)about.st_size - sizeof head : 0;
    struct tessi_call own;
    void *memory = NULL;
    tessi_call_init(&own, NULL);
    if (bytes && bytes % sizeof(struct record) == 0 && fread(front, 1, sizeof front, f) == sizeof front &&
        memcmp(front, &head, sizeof head) == 0 && tess_alloc(&own.call, bytes, "digests of files", &memory) == TESS_OK &&
        fread(memory, 1, bytes, f) == bytes) {
        t->known = memory;
        t->count = (int64_t)(bytes / sizeof(struct record));
        for (int64_t i = 0; i < t->count; i++)
            t->known[i].digest[TESS_DIGEST_TEXT - 1] = '\0';
        qsort(t->known, (size_t)t->count, sizeof *t->known, by_place);
    } else {
        tess_free(memory);
    }
    fclose(f);
}

int tessi_file_digests_open(struct tess_call *c, const char *path, struct tessi_file_digests **out)
{
    size_t length = strlen(path) + 1;
    void *memory;
    TESS_TRY(tess_alloc(c, sizeof(struct tessi_file_digests) + length, "digests of files", &memory));
    *out = memory;
    (*out)->path = (char *)(*out + 1);
    memcpy((*out)->path, path, length);
    load(*out);
    return TESS_OK;
}

void tessi_file_digests_close(struct tessi_file_digests *t)
{
    if (!t)
        return;
    tess_free(t->known);
    tess_free(t->fresh);
    tess_free(t);
}

/* Known and fresh in one list, the fresh one of two. */
static int64_t merge(struct tessi_file_digests *t, struct record *all)
{
    int64_t n = t->fresh_count;
    qsort(t->fresh, (size_t)n, sizeof *t->fresh, by_place);
    memcpy(all, t->fresh, (size_t)n * sizeof *all);
    for (int64_t i = 0; i < t->count && n < RECORDS_MOST; i++)
        if (!bsearch(&t->known[i], t->fresh, (size_t)t->fresh_count, sizeof *t->fresh, by_place))
            all[n++] = t->known[i];
    return n;
}

void tessi_file_digests_save(struct tessi_file_digests *t)
{
    struct tessi_call own;
    struct tessi_aside *to = NULL;
    void *memory = NULL;
    tessi_call_init(&own, NULL);
    if (!t || !t->fresh_count)
        return;
    int status = tess_alloc(&own.call, (size_t)(t->count + t->fresh_count) * sizeof(struct record), "digests of files", &memory);
    int64_t n = status == TESS_OK ? merge(t, memory) : 0;
    if (status == TESS_OK)
        status = tessi_aside_open(&own.call, t->path, 1, &to);
    if (status == TESS_OK)
        status = tessi_aside_put(&own.call, to, &head, sizeof head);
    if (status == TESS_OK)
        status = tessi_aside_put(&own.call, to, memory, (size_t)n * sizeof(struct record));
    if (status == TESS_OK)
        status = tessi_aside_finish(&own.call, to);
    tessi_aside_close(to);
    tess_free(memory);
    if (status == TESS_OK)
        t->fresh_count = 0;
}

static int remember(struct tess_call *c, struct tessi_file_digests *t, const struct record *r)
{
    if (t->fresh_count == t->fresh_room) {
        int64_t room = t->fresh_room ? 2 * t->fresh_room : 256;
        void *memory;
        TESS_TRY(tess_alloc(c, (size_t)room * sizeof *t->fresh, "digests of files", &memory));
        if (t->fresh_count)
            memcpy(memory, t->fresh, (size_t)t->fresh_count * sizeof *t->fresh);
        tess_free(t->fresh);
        t->fresh = memory;
        t->fresh_room = room;
    }
    t->fresh[t->fresh_count++] = *r;
    return TESS_OK;
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static int look(int fd, struct record *r)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return -1;
    r->device = (uint64_t)about.st_dev;
    r->inode = (uint64_t)about.st_ino;
    r->size = (int64_t)about.st_size;
    r->changed = nanoseconds(about.st_mtim);
    r->touched = nanoseconds(about.st_ctim);
    return 0;
}

struct file {
    struct record record;
    int read; /* it was, and may be remembered */
};

struct files {
    const struct tessi_file_digests *table; /* NULL: nothing is remembered */
    const char *const *path;
    struct file *file;
    struct tessi_call *call; /* of each worker, with its first failure */
    int64_t *failed;         /* the file that was; -1: none */
    int64_t now;
};

static int digest_of(struct tess_call *c, const struct files *all, const char *path, struct file *f)
{
    struct tess_digest d;
    struct record before = {0}, after;
    int fd = tessi_inject(TESSI_AT_OPEN) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || look(fd, &before) != 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return c->fail(c, TESS_E_IO, "%s: cannot be opened: %s", path, strerror(error));
    }
    f->record = before;
    const struct tessi_file_digests *t = all->table;
    const struct record *known =
        t && t->count ? bsearch(&before, t->known, (size_t)t->count, sizeof *t->known, by_place) : NULL;
    if (known && same(known, &before)) {
        close(fd);
        f->record = *known;
        return TESS_OK;
    }
    tess_digest_start(&d);
    int status = tess_digest_add_file(c, &d, path);
    tess_digest_end(&d, f->record.digest);
    after = before;
    f->read = status == TESS_OK && look(fd, &after) == 0 && same(&before, &after) && before.changed < all->now - GRACE &&
              before.touched < all->now - GRACE;
    close(fd);
    return status;
}

static void one(void *user, int worker, int64_t i)
{
    struct files *all = user;
    if (all->failed[worker] < 0 && digest_of(&all->call[worker].call, all, all->path[i], &all->file[i]) != TESS_OK)
        all->failed[worker] = i;
}

/* The failure of the first file that failed, whoever met it. */
static int first_failure(struct tess_call *c, const struct files *all, int workers)
{
    int first = -1;
    for (int w = 0; w < workers; w++)
        if (all->failed[w] >= 0 && (first < 0 || all->failed[w] < all->failed[first]))
            first = w;
    return first < 0 ? TESS_OK : tessi_call_pass(c, &all->call[first].call);
}

static int read_all(struct tess_call *c, struct tess_digest *d, struct files *all, int64_t n, int workers)
{
    struct tessi_runtime *r = tessi_runtime_of(c);
    for (int w = 0; w < workers; w++) {
        tessi_call_init(&all->call[w], c->host);
        all->failed[w] = -1;
    }
    if (r && r->workers)
        tessi_workers_run(r->workers, n, one, all);
    for (int64_t i = 0; !(r && r->workers) && i < n; i++)
        one(all, 0, i);
    TESS_TRY(first_failure(c, all, workers));
    for (int64_t i = 0; i < n; i++) {
        tess_digest_add_text(d, all->file[i].record.digest);
        if (all->file[i].read && r && r->files)
            TESS_TRY(remember(c, r->files, &all->file[i].record));
    }
    return TESS_OK;
}

int tess_digest_add_files(struct tess_call *c, struct tess_digest *d, int64_t n, const char *const *path)
{
    struct tessi_runtime *r = tessi_runtime_of(c);
    int workers = r && r->workers ? tessi_workers_count(r->workers) : 1;
    struct timespec now;
    void *file = NULL, *call = NULL, *failed = NULL;
    clock_gettime(CLOCK_REALTIME, &now);
    int status = tess_alloc(c, (size_t)(n + 1) * sizeof(struct file), "digests of files", &file);
    if (status == TESS_OK)
        status = tess_alloc(c, (size_t)workers * sizeof(struct tessi_call), "digests of files", &call);
    if (status == TESS_OK)
        status = tess_alloc(c, (size_t)workers * sizeof(int64_t), "digests of files", &failed);
    if (status == TESS_OK) {
        struct files all = {r ? r->files : NULL, path, file, call, failed, nanoseconds(now)};
        status = read_all(c, d, &all, n, workers);
    }
    tess_free(file);
    tess_free(call);
    tess_free(failed);
    return status;
}
