/* The digest table as a file, for this machine alone: records in its own byte order behind one line that says so. A table that does not
 * look right is taken for empty, and a failure to write it is ignored.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/aside.h"
#include "core/base/context.h"
#include "core/host/digest_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define GRACE (2 * SECOND) /* resolution of the coarsest file times of file systems in use */
#define RECORDS_MAX (1 << 22)

struct record {
    struct tessi_place at;
    uint64_t what;
    char digest[TESS_DIGEST_TEXT + 7];
};

static const struct {
    char text[24];
    uint64_t order, record;
} head = {"tessera file digests 2\n", 0x0102030405060708, sizeof(struct record)};

struct tessi_file_digests {
    char *path;
    struct record *known; /* records, sorted by place: those of the file, and those remembered since */
    int64_t count, capacity, sorted;
    int64_t fresh; /* number of records that are not saved */
};

static int digest_table_by_place(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    if (x->at.device != y->at.device)
        return x->at.device < y->at.device ? -1 : 1;
    if (x->at.inode != y->at.inode)
        return x->at.inode < y->at.inode ? -1 : 1;
    return x->what < y->what ? -1 : x->what > y->what;
}

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

/* ---- the file ------------------------------------------------------------------------------------------------------ */

static void digest_table_load(struct tessi_file_digests *t)
{
    struct stat about;
    char front[sizeof head];
    FILE *f = fopen(t->path, "rbe");
    if (!f)
        return;
    size_t bytes = fstat(fileno(f), &about) == 0 && about.st_size > (off_t)sizeof head ? (size_t)about.st_size - sizeof head : 0;
    struct tessi_context own;
    void *memory = NULL;
    tessi_base_context_init(&own, NULL);
    if (bytes && bytes % sizeof(struct record) == 0 && bytes / sizeof(struct record) <= RECORDS_MAX &&
        fread(front, 1, sizeof front, f) == sizeof front && memcmp(front, &head, sizeof head) == 0 &&
        tess_alloc(&own.context, bytes, "digests of files", &memory) == TESS_OK && fread(memory, 1, bytes, f) == bytes) {
        t->known = memory;
        t->count = t->capacity = t->sorted = (int64_t)(bytes / sizeof(struct record));
        for (int64_t i = 0; i < t->count; i++)
            t->known[i].digest[TESS_DIGEST_TEXT - 1] = '\0';
        qsort(t->known, (size_t)t->count, sizeof *t->known, digest_table_by_place);
    } else {
        tess_free(memory);
    }
    fclose(f);
}

int tessi_host_file_digests_open(struct tess_context *ctx, const char *path, struct tessi_file_digests **out)
{
    size_t length = strlen(path) + 1;
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_file_digests) + length, "digests of files", &memory));
    *out = memory;
    (*out)->path = (char *)(*out + 1);
    memcpy((*out)->path, path, length);
    digest_table_load(*out);
    return TESS_OK;
}

void tessi_host_file_digests_close(struct tessi_file_digests *t)
{
    if (!t)
        return;
    tess_free(t->known);
    tess_free(t);
}

void tessi_host_file_digests_save(struct tessi_file_digests *t)
{
    struct tessi_context own;
    struct tessi_aside *to = NULL;
    tessi_base_context_init(&own, NULL);
    if (!t || !t->fresh)
        return;
    int status = tessi_base_aside_open(&own.context, t->path, 1, &to);
    if (status == TESS_OK)
        status = tessi_base_aside_put(&own.context, to, &head, sizeof head);
    if (status == TESS_OK)
        status = tessi_base_aside_put(&own.context, to, t->known, (size_t)t->count * sizeof *t->known);
    if (status == TESS_OK)
        status = tessi_base_aside_finish(&own.context, to);
    tessi_base_aside_close(to);
    if (status == TESS_OK)
        t->fresh = 0;
}

/* ---- records ------------------------------------------------------------------------------------------------------- */

static struct record *digest_table_find(const struct tessi_file_digests *t, const struct record *wanted)
{
    struct record *r = t->sorted ? bsearch(wanted, t->known, (size_t)t->sorted, sizeof *t->known, digest_table_by_place) : NULL;
    for (int64_t i = t->sorted; i < t->count && !r; i++)
        r = digest_table_by_place(&t->known[i], wanted) == 0 ? &t->known[i] : NULL;
    return r;
}

int tessi_host_file_digests_find(const struct tessi_file_digests *t, int what, const struct tessi_place *at, char digest[TESS_DIGEST_TEXT])
{
    const struct record wanted = {.at = *at, .what = (uint64_t)what};
    const struct record *r = t ? digest_table_find(t, &wanted) : NULL;
    if (!r || !tessi_host_place_same(&r->at, at))
        return 0;
    memcpy(digest, r->digest, TESS_DIGEST_TEXT);
    return 1;
}

static int digest_table_make_space(struct tessi_file_digests *t)
{
    struct tessi_context own;
    tessi_base_context_init(&own, NULL);
    return t->count < RECORDS_MAX &&
           tess_reserve(&own.context, &t->known, &t->capacity, t->count + 1, sizeof *t->known, "digests of files") == TESS_OK;
}

void tessi_host_file_digests_remember(struct tessi_file_digests *t, int what, const struct tessi_place *at, const char *digest, int64_t now)
{
    struct record new = {.at = *at, .what = (uint64_t)what};
    if (!t || tessi_host_place_lately(at, now))
        return;
    struct record *r = digest_table_find(t, &new);
    if (!r && !digest_table_make_space(t))
        return;
    r = r ? r : &t->known[t->count++];
    (void)snprintf(new.digest, sizeof new.digest, "%s", digest);
    *r = new;
    t->fresh++;
    if (t->count - t->sorted < 64 + t->sorted / 16)
        return;
    qsort(t->known, (size_t)t->count, sizeof *t->known, digest_table_by_place);
    t->sorted = t->count;
}
