/* The digest table as a file, for this machine alone: records in its own byte order, sorted by place, behind one line that says so. The
 * records stay in the file, of which every 64th is known in memory; those remembered since are in memory until they are merged into it.
 * A table that does not look right is taken for empty, and a failure to write it is ignored.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/aside.h"
#include "core/base/context.h"
#include "core/base/inject.h"
#include "core/base/spool.h"
#include "core/host/digest_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDS_MAX (1 << 24)

enum { GROUP = 64, FRESH_MAX = 1 << 14, DIGEST_BYTES = 32 };

struct record {
    struct tessi_place at;
    uint64_t what;
    uint8_t digest[DIGEST_BYTES];
};

static const struct {
    char text[24];
    uint64_t order, record;
} head = {"tessera file digests 3\n", 0x0102030405060708, sizeof(struct record)};

struct tessi_file_digests {
    char *path;
    int has_file, fd;     /* the file, or one without a name that has more, open for reading */
    int unsaved;          /* 1: it is that one */
    int64_t saved;        /* number of its records */
    struct record *group; /* its records 0, 64, 128, ... */
    struct record *fresh; /* records that are not in the file, or are there as they were, in the order they came */
    int64_t count, capacity;
    int64_t *slot;   /* table of 1 + the place in `fresh`, by hash; 0: empty */
    int64_t slots;   /* a power of two */
    int64_t save_at; /* number of fresh records at which they are merged */
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

/* ---- the file ------------------------------------------------------------------------------------------------------ */

/* Reads records `first` to first + n - 1 of the file; 0 where that fails. */
static int digest_table_read(const struct tessi_file_digests *t, int64_t first, int64_t n, struct record *to)
{
    size_t bytes = (size_t)n * sizeof *to;
    off_t at = (off_t)(sizeof head + (size_t)first * sizeof *to);
    for (char *here = (char *)to; bytes;) {
        ssize_t got = pread(t->fd, here, bytes, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        here += got;
        at += got;
        bytes -= (size_t)got;
    }
    return 1;
}

static void digest_table_forget_file(struct tessi_file_digests *t)
{
    if (t->has_file)
        close(t->fd);
    tess_free(t->group);
    t->group = NULL;
    t->has_file = t->unsaved = 0;
    t->saved = 0;
}

/* Takes a file, -1: none, and reads every 64th record of it. */
static void digest_table_load(struct tessi_file_digests *t, int fd)
{
    struct stat about;
    char front[sizeof head];
    struct tessi_context own;
    void *memory = NULL;
    tessi_base_context_init(&own, NULL);
    digest_table_forget_file(t);
    t->fd = fd;
    t->has_file = fd >= 0;
    if (!t->has_file)
        return;
    size_t bytes = fstat(t->fd, &about) == 0 && about.st_size > (off_t)sizeof head ? (size_t)about.st_size - sizeof head : 0;
    t->saved = (int64_t)(bytes / sizeof(struct record));
    int good = bytes && bytes % sizeof(struct record) == 0 && t->saved <= RECORDS_MAX &&
               pread(t->fd, front, sizeof front, 0) == sizeof front && memcmp(front, &head, sizeof head) == 0 &&
               tess_alloc(&own.context, (size_t)(t->saved / GROUP + 1) * sizeof(struct record), "digests of files", &memory) == TESS_OK;
    t->group = memory;
    for (int64_t i = 0; good && i < t->saved; i += GROUP)
        good = digest_table_read(t, i, 1, &t->group[i / GROUP]);
    if (!good)
        digest_table_forget_file(t);
}

int tessi_host_file_digests_open(struct tess_context *ctx, const char *path, struct tessi_file_digests **out)
{
    size_t length = strlen(path) + 1;
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_file_digests) + length, "digests of files", &memory));
    *out = memory;
    (*out)->path = (char *)(*out + 1);
    (*out)->save_at = FRESH_MAX;
    memcpy((*out)->path, path, length);
    digest_table_load(*out, open(path, O_RDONLY | O_CLOEXEC));
    return TESS_OK;
}

void tessi_host_file_digests_close(struct tessi_file_digests *t)
{
    if (!t)
        return;
    digest_table_forget_file(t);
    tess_free(t->fresh);
    tess_free(t->slot);
    tess_free(t);
}

int tessi_host_file_digests_folder(struct tess_context *ctx, const struct tessi_file_digests *t, char **out)
{
    const char *slash = t ? strrchr(t->path, '/') : NULL;
    *out = NULL;
    return t ? tess_copy_bytes(ctx, slash ? t->path : ".", slash ? (size_t)(slash - t->path) : 1, out) : TESS_OK;
}

/* ---- places of fresh records ---------------------------------------------------------------------------------------- */

/* Empties the table of places in `fresh`, whose order has changed. */
static void digest_table_drop_slots(struct tessi_file_digests *t)
{
    tess_free(t->slot);
    t->slot = NULL;
    t->slots = 0;
}

static uint64_t digest_table_hash(const struct record *r)
{
    uint64_t h = (r->at.inode * 2 + r->what + r->at.device * 0x100000001b3u) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

/* Place in `slot` of a record, or the empty one where it would be. */
static int64_t digest_table_slot(const struct tessi_file_digests *t, const struct record *wanted)
{
    int64_t at = (int64_t)(digest_table_hash(wanted) & (uint64_t)(t->slots - 1));
    while (t->slot[at] && digest_table_by_place(&t->fresh[t->slot[at] - 1], wanted) != 0)
        at = (at + 1) & (t->slots - 1);
    return at;
}

/* Makes `slot` anew, at most half full. */
static int digest_table_make_slots(struct tess_context *ctx, struct tessi_file_digests *t)
{
    int64_t slots = 128;
    void *memory;
    while (slots < 4 * (t->count + 1))
        slots *= 2;
    TESS_TRY(tess_alloc(ctx, (size_t)slots * sizeof *t->slot, "digests of files", &memory));
    digest_table_drop_slots(t);
    t->slot = memory;
    t->slots = slots;
    for (int64_t i = 0; i < t->count; i++)
        t->slot[digest_table_slot(t, &t->fresh[i])] = i + 1;
    return TESS_OK;
}

/* ---- merging -------------------------------------------------------------------------------------------------------- */

/* The file's records one after the other, and a block of records on their way into the new file. */
struct merge {
    const struct tessi_file_digests *t;
    int (*put)(struct tess_context *ctx, const struct merge *m, const void *bytes, size_t count);
    struct tessi_aside *aside;
    int fd;
    int64_t next, first, held; /* next record of the file; those in `in` */
    int64_t used;              /* records in `out` */
    struct record in[GROUP], out[GROUP];
};

static int merge_put_aside(struct tess_context *ctx, const struct merge *m, const void *bytes, size_t count)
{
    return tessi_base_aside_put(ctx, m->aside, bytes, count);
}

static int merge_put_nameless(struct tess_context *ctx, const struct merge *m, const void *bytes, size_t count)
{
    const char *here = bytes;
    while (count) {
        ssize_t n = tessi_base_inject(TESSI_AT_WRITE) ? -1 : write(m->fd, here, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ctx->fail(ctx, TESS_E_IO, "digests of files cannot be written: %s", strerror(errno));
        here += n;
        count -= (size_t)n;
    }
    return TESS_OK;
}

/* The file's next record; NULL behind the last, or where it cannot be read. */
static const struct record *merge_next(struct merge *m)
{
    if (m->next >= m->first + m->held) {
        int64_t left = m->t->saved - m->next, n = left < GROUP ? left : GROUP;
        if (n < 1 || !digest_table_read(m->t, m->next, n, m->in))
            return NULL;
        m->first = m->next;
        m->held = n;
    }
    return &m->in[m->next - m->first];
}

static int merge_put(struct tess_context *ctx, struct merge *m, const struct record *r)
{
    if (r)
        m->out[m->used++] = *r;
    if (r && m->used < GROUP)
        return TESS_OK;
    int64_t n = m->used;
    m->used = 0;
    return n ? m->put(ctx, m, m->out, (size_t)n * sizeof *m->out) : TESS_OK;
}

/* Writes the records of the file and the fresh ones, which are sorted and replace those of the same place. */
static int merge_all(struct tess_context *ctx, struct merge *m)
{
    const struct record *old = merge_next(m);
    TESS_TRY(m->put(ctx, m, &head, sizeof head));
    for (int64_t i = 0; i < m->t->count || old;) {
        int order = !old ? 1 : i == m->t->count ? -1 : digest_table_by_place(old, &m->t->fresh[i]);
        TESS_TRY(merge_put(ctx, m, order < 0 ? old : &m->t->fresh[i]));
        i += order >= 0;
        if (order <= 0) {
            m->next++;
            old = merge_next(m);
        }
    }
    return merge_put(ctx, m, NULL);
}

static void digest_table_sort(struct tessi_file_digests *t)
{
    if (t->count)
        qsort(t->fresh, (size_t)t->count, sizeof *t->fresh, digest_table_by_place);
    digest_table_drop_slots(t);
}

/* Takes the file that all records were written to, or goes on with those there are. */
static void digest_table_merged(struct tessi_file_digests *t, int fd)
{
    struct tessi_context own;
    tessi_base_context_init(&own, NULL);
    t->save_at = fd >= 0 ? FRESH_MAX : 2 * t->count + FRESH_MAX;
    if (fd < 0) {
        if (digest_table_make_slots(&own.context, t) != TESS_OK)
            t->count = 0; /* without their places they are not found */
        return;
    }
    tess_free(t->fresh);
    t->fresh = NULL;
    t->count = t->capacity = 0;
    digest_table_load(t, fd);
}

/* Moves the fresh records out of memory, into a file without a name. */
static void digest_table_spill(struct tessi_file_digests *t)
{
    struct tessi_context own;
    struct merge m = {.t = t, .put = merge_put_nameless, .fd = -1};
    char *folder = NULL;
    tessi_base_context_init(&own, NULL);
    if (tessi_host_file_digests_folder(&own.context, t, &folder) == TESS_OK)
        m.fd = tessi_base_nameless_file(folder);
    tess_free(folder);
    digest_table_sort(t);
    int good = m.fd >= 0 && merge_all(&own.context, &m) == TESS_OK;
    if (m.fd >= 0 && !good)
        close(m.fd);
    digest_table_merged(t, good ? m.fd : -1);
    t->unsaved = t->unsaved || good;
}

void tessi_host_file_digests_save(struct tessi_file_digests *t)
{
    struct tessi_context own;
    struct merge m = {.t = t, .put = merge_put_aside};
    tessi_base_context_init(&own, NULL);
    if (!t || (!t->count && !t->unsaved))
        return;
    digest_table_sort(t);
    int status = tessi_base_aside_open(&own.context, t->path, 1, &m.aside);
    if (status == TESS_OK)
        status = merge_all(&own.context, &m);
    if (status == TESS_OK)
        status = tessi_base_aside_finish(&own.context, m.aside);
    tessi_base_aside_close(m.aside);
    digest_table_merged(t, status == TESS_OK ? open(t->path, O_RDONLY | O_CLOEXEC) : -1);
}

/* ---- records ------------------------------------------------------------------------------------------------------- */

static int digest_table_make_space(struct tessi_file_digests *t)
{
    struct tessi_context own;
    tessi_base_context_init(&own, NULL);
    return t->saved + t->count < RECORDS_MAX && (t->slots > 2 * t->count || digest_table_make_slots(&own.context, t) == TESS_OK) &&
           tess_reserve(&own.context, &t->fresh, &t->capacity, t->count + 1, sizeof *t->fresh, "digests of files") == TESS_OK;
}

/* Finds a record in the file, by a search among every 64th and then among those 64. */
static int digest_table_find_saved(const struct tessi_file_digests *t, const struct record *wanted, struct record *out)
{
    struct record group[GROUP];
    int64_t low = 0, high = (t->saved + GROUP - 1) / GROUP;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (digest_table_by_place(&t->group[middle], wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    int64_t first = (low - 1) * GROUP, n = t->saved - first < GROUP ? t->saved - first : GROUP;
    if (low == 0 || !digest_table_read(t, first, n, group))
        return 0;
    const struct record *r = bsearch(wanted, group, (size_t)n, sizeof *group, digest_table_by_place);
    if (r)
        *out = *r;
    return r != NULL;
}

static void digest_table_text(const uint8_t *digest, char text[TESS_DIGEST_TEXT])
{
    for (int i = 0; i < 2 * DIGEST_BYTES; i++)
        text[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
    text[2 * DIGEST_BYTES] = '\0';
}

static void digest_table_bytes(const char *text, uint8_t digest[DIGEST_BYTES])
{
    char whole[TESS_DIGEST_TEXT] = {0};
    (void)snprintf(whole, sizeof whole, "%s", text);
    for (int i = 0; i < DIGEST_BYTES; i++) {
        char pair[3] = {whole[2 * i], whole[2 * i + 1], '\0'};
        digest[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
}

int tessi_host_file_digests_find(const struct tessi_file_digests *t, int what, const struct tessi_place *at, char digest[TESS_DIGEST_TEXT])
{
    const struct record wanted = {.at = *at, .what = (uint64_t)what};
    struct record found;
    int64_t slot = t && t->slots ? t->slot[digest_table_slot(t, &wanted)] : 0;
    if (slot)
        found = t->fresh[slot - 1];
    else if (!t || !digest_table_find_saved(t, &wanted, &found))
        return 0;
    if (!tessi_host_place_same(&found.at, at))
        return 0;
    digest_table_text(found.digest, digest);
    return 1;
}

void tessi_host_file_digests_remember(struct tessi_file_digests *t, int what, const struct tessi_place *at, const char *digest, int64_t now)
{
    struct record new = {.at = *at, .what = (uint64_t)what};
    if (!t || tessi_host_place_lately(at, now) || !digest_table_make_space(t))
        return;
    int64_t slot = digest_table_slot(t, &new);
    if (!t->slot[slot])
        t->slot[slot] = ++t->count;
    digest_table_bytes(digest, new.digest);
    t->fresh[t->slot[slot] - 1] = new;
    if (t->count >= t->save_at)
        digest_table_spill(t);
}
