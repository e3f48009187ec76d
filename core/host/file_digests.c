/* Digests of files, with a memory: the digest of a folder of images covers all its bytes, and reading gigabytes for every plan would be
 * slow.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/inject.h"
#include "core/host/file_digests.h"
#include "core/host/runtime.h"
#include "core/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- witnesses ----------------------------------------------------------------------------------------------------- */

/* A record in the list; the path follows, with its end. */
struct witness_record {
    struct tessi_place at;
    char digest[TESS_DIGEST_TEXT];
    uint8_t lately, confirmed;
    uint32_t path;
};

void tessi_host_witness_free(struct tessi_witness *w)
{
    tessi_base_spool_free(&w->records);
    *w = (struct tessi_witness){.count = 0};
}

struct tessi_witness *tessi_host_witness_set(const struct tess_context *ctx, struct tessi_witness *w)
{
    struct tessi_runtime *r = tessi_base_runtime_of(ctx);
    struct tessi_witness *before = r ? r->witness : NULL;
    if (r)
        r->witness = w;
    return before;
}

/* Lets a list go on in a file beside the table of digests. */
static int witness_into(struct tess_context *ctx, const struct tessi_runtime *r, struct tessi_witness *w)
{
    char *folder = NULL;
    TESS_TRY(tessi_host_file_digests_folder(ctx, r->files, &folder));
    int status = tessi_base_spool_into(ctx, &w->records, folder);
    tess_free(folder);
    return status;
}

static int write_down(struct tess_context *ctx, const char *path, const struct tessi_place *at, const char *digest, int64_t now)
{
    struct tessi_runtime *r = tessi_base_runtime_of(ctx);
    struct tessi_witness *w = r ? r->witness : NULL;
    struct witness_record record = {.at = *at, .lately = (uint8_t)tessi_host_place_lately(at, now), .path = (uint32_t)strlen(path) + 1};
    if (!w)
        return TESS_OK;
    if (w->count == 0)
        TESS_TRY(witness_into(ctx, r, w));
    memcpy(record.digest, digest, TESS_DIGEST_TEXT);
    TESS_TRY(tessi_base_spool_add(ctx, &w->records, &record, sizeof record));
    w->count++;
    return tessi_base_spool_add(ctx, &w->records, path, record.path);
}

int tessi_host_witness_next(struct tess_context *ctx, struct tessi_witness_walk *walk, int *more)
{
    struct witness_record record;
    walk->reader.spool = &walk->w->records;
    walk->record = walk->reader.at;
    *more = walk->record < tessi_base_spool_bytes(&walk->w->records);
    if (!*more)
        return TESS_OK;
    TESS_TRY(tessi_base_spool_next(ctx, &walk->reader, &record, sizeof record));
    TESS_TRY(tess_reserve(ctx, &walk->path, &walk->capacity, record.path, 1, "the path of a file"));
    TESS_TRY(tessi_base_spool_next(ctx, &walk->reader, walk->path, record.path));
    walk->seen = (struct tessi_seen){.path = walk->path, .at = record.at, .lately = record.lately, .confirmed = record.confirmed};
    memcpy(walk->seen.digest, record.digest, TESS_DIGEST_TEXT);
    return TESS_OK;
}

void tessi_host_witness_walk_close(struct tessi_witness_walk *walk)
{
    tess_free(walk->path);
    walk->path = NULL;
    walk->capacity = 0;
}

/* ---- one file ------------------------------------------------------------------------------------------------------ */

static int file_digests_open_file(struct tess_context *ctx, const char *path, int *fd, struct tessi_place *at)
{
    *fd = tessi_base_inject(TESSI_AT_OPEN) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0 && tessi_host_place_of(*fd, at) == 0)
        return TESS_OK;
    int error = errno;
    if (*fd >= 0)
        close(*fd);
    return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s", path, strerror(error));
}

/* Adds the bytes of a file to `own`, and to `d` where that is not NULL. */
static int add_bytes(struct tess_context *ctx, struct tess_digest *own, struct tess_digest *d, int fd, const char *path)
{
    uint8_t piece[65536];
    ssize_t got;
    do {
        got = tessi_base_inject(TESSI_AT_READ) ? -1 : read(fd, piece, sizeof piece);
        if (got > 0)
            tess_digest_add(own, piece, (size_t)got);
        if (got > 0 && d)
            tess_digest_add(d, piece, (size_t)got);
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno)) : TESS_OK;
}

int tess_digest_add_file(struct tess_context *ctx, struct tess_digest *d, const char *path)
{
    char text[TESS_DIGEST_TEXT];
    struct tess_digest own;
    struct tessi_place at;
    int64_t now = tessi_host_file_clock();
    int fd, is_all = d->bytes == 0; /* where nothing was added before, both digests are one */
    TESS_TRY(file_digests_open_file(ctx, path, &fd, &at));
    tess_digest_start(&own);
    int status = add_bytes(ctx, &own, is_all ? NULL : d, fd, path);
    close(fd);
    if (is_all)
        *d = own;
    tess_digest_end(&own, text);
    return status == TESS_OK ? write_down(ctx, path, &at, text, now) : status;
}

/* ---- one file, beside other work ------------------------------------------------------------------------------------ */

int tessi_host_digesting_open(struct tess_context *ctx, const char *path, struct tessi_digesting *f)
{
    *f = (struct tessi_digesting){.path = path, .fd = -1, .now = tessi_host_file_clock()};
    return file_digests_open_file(ctx, path, &f->fd, &f->at);
}

int tessi_host_digesting_read(struct tess_context *ctx, struct tessi_digesting *f)
{
    uint8_t piece[65536];
    struct tess_digest d;
    ssize_t got = 0;
    tess_digest_start(&d);
    do {
        if (atomic_load_explicit(&f->stop, memory_order_relaxed))
            return TESS_E_STOPPED;
        got = tessi_base_inject(TESSI_AT_READ) ? -1 : read(f->fd, piece, sizeof piece);
        if (got > 0)
            tess_digest_add(&d, piece, (size_t)got);
    } while (got > 0 || (got < 0 && errno == EINTR));
    tess_digest_end(&d, f->digest);
    return got < 0 ? ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", f->path, strerror(errno)) : TESS_OK;
}

int tessi_host_digesting_record(struct tess_context *ctx, const struct tessi_digesting *f)
{
    return write_down(ctx, f->path, &f->at, f->digest, f->now);
}

void tessi_host_digesting_close(struct tessi_digesting *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

/* ---- many files ---------------------------------------------------------------------------------------------------- */

enum { BLOCK = 4096 }; /* files whose digests are in memory at a time */

struct file {
    struct tessi_place at;
    char digest[TESS_DIGEST_TEXT];
    int read; /* 1: the file was read, and did not change meanwhile */
};

struct files {
    const struct tessi_file_digests *table; /* NULL: nothing is remembered */
    const char *const *path;
    struct file *file;
    struct tessi_context *context; /* contexts, one for each worker, with its first failure */
    int64_t *failed;         /* index of the file that failed first, by worker; -1: none */
};

static int digest_of(struct tess_context *ctx, const struct files *all, const char *path, struct file *f)
{
    struct tess_digest d;
    struct tessi_place after;
    int fd;
    TESS_TRY(file_digests_open_file(ctx, path, &fd, &f->at));
    if (tessi_host_file_digests_find(all->table, TESSI_OF_BYTES, &f->at, f->digest)) {
        close(fd);
        return TESS_OK;
    }
    tess_digest_start(&d);
    int status = add_bytes(ctx, &d, NULL, fd, path);
    tess_digest_end(&d, f->digest);
    f->read = status == TESS_OK && tessi_host_place_of(fd, &after) == 0 && tessi_host_place_same(&f->at, &after);
    close(fd);
    return status;
}

static void file_digests_one(void *user, int worker, int64_t i)
{
    struct files *all = user;
    if (all->failed[worker] < 0 && digest_of(&all->context[worker].context, all, all->path[i], &all->file[i]) != TESS_OK)
        all->failed[worker] = i;
}

/* Passes on the failure of the first file that failed, whichever worker met it. */
static int first_failure(struct tess_context *ctx, const struct files *all, int workers)
{
    int first = -1;
    for (int w = 0; w < workers; w++)
        if (all->failed[w] >= 0 && (first < 0 || all->failed[w] < all->failed[first]))
            first = w;
    return first < 0 ? TESS_OK : tessi_base_context_pass(ctx, &all->context[first].context);
}

static int file_digests_read_all(struct tess_context *ctx, struct tess_digest *d, struct files *all, int64_t n, int workers)
{
    struct tessi_runtime *r = tessi_base_runtime_of(ctx);
    int64_t now = tessi_host_file_clock();
    for (int w = 0; w < workers; w++) {
        tessi_base_context_init(&all->context[w], ctx->host);
        all->failed[w] = -1;
    }
    if (r && r->workers && n > 1)
        tessi_base_workers_run(r->workers, n, file_digests_one, all);
    for (int64_t i = 0; !(r && r->workers && n > 1) && i < n; i++)
        file_digests_one(all, 0, i);
    TESS_TRY(first_failure(ctx, all, workers));
    for (int64_t i = 0; i < n; i++) {
        const struct file *f = &all->file[i];
        tess_digest_add_text(d, f->digest);
        if (f->read && r)
            tessi_host_file_digests_remember(r->files, TESSI_OF_BYTES, &f->at, f->digest, now);
        TESS_TRY(write_down(ctx, all->path[i], &f->at, f->digest, now));
    }
    return TESS_OK;
}

int tess_digest_add_files(struct tess_context *ctx, struct tess_digest *d, int64_t n, const char *const *path)
{
    struct tessi_runtime *r = tessi_base_runtime_of(ctx);
    int workers = r && r->workers ? tessi_base_workers_count(r->workers) : 1;
    void *file = NULL, *call = NULL, *failed = NULL;
    int status = tess_alloc(ctx, (size_t)(n < BLOCK ? n + 1 : BLOCK) * sizeof(struct file), "digests of files", &file);
    if (status == TESS_OK)
        status = tess_alloc(ctx, (size_t)workers * sizeof(struct tessi_context), "digests of files", &call);
    if (status == TESS_OK)
        status = tess_alloc(ctx, (size_t)workers * sizeof(int64_t), "digests of files", &failed);
    for (int64_t i = 0; i < n && status == TESS_OK; i += BLOCK) {
        struct files all = {r ? r->files : NULL, path + i, file, call, failed};
        memset(file, 0, (size_t)(n < BLOCK ? n + 1 : BLOCK) * sizeof(struct file));
        status = file_digests_read_all(ctx, d, &all, n - i < BLOCK ? n - i : BLOCK, workers);
    }
    tess_free(file);
    tess_free(call);
    tess_free(failed);
    return status;
}

/* Makes the digest, and remembers it where the file did not change meanwhile. */
static int make_content(struct tess_context *ctx, const char *path, int what, const struct tessi_place *at,
                        int (*content)(struct tess_context *ctx, const char *path, char digest[TESS_DIGEST_TEXT]),
                        char digest[TESS_DIGEST_TEXT])
{
    struct tessi_runtime *r = tessi_base_runtime_of(ctx);
    struct tessi_place after;
    int64_t now = tessi_host_file_clock();
    int fd;
    TESS_TRY(content(ctx, path, digest));
    TESS_TRY(file_digests_open_file(ctx, path, &fd, &after));
    close(fd);
    if (r && tessi_host_place_same(at, &after))
        tessi_host_file_digests_remember(r->files, what, at, digest, now);
    return TESS_OK;
}

int tessi_host_digest_add_content(struct tess_context *ctx, struct tess_digest *d, const char *path, int what,
                                  int (*content)(struct tess_context *ctx, const char *path, char digest[TESS_DIGEST_TEXT]))
{
    const struct tessi_runtime *r = tessi_base_runtime_of(ctx);
    char digest[TESS_DIGEST_TEXT];
    struct tess_digest bytes;
    struct tessi_place at;
    int fd;
    tess_digest_start(&bytes);
    TESS_TRY(tess_digest_add_files(ctx, &bytes, 1, &path));
    TESS_TRY(file_digests_open_file(ctx, path, &fd, &at));
    close(fd);
    if (!tessi_host_file_digests_find(r ? r->files : NULL, what, &at, digest))
        TESS_TRY(make_content(ctx, path, what, &at, content, digest));
    tess_digest_add_text(d, digest);
    return TESS_OK;
}

/* ---- files as they were -------------------------------------------------------------------------------------------- */

static int is_as_it_was(const struct tessi_seen *seen)
{
    struct tessi_context own;
    struct tess_digest d;
    struct tessi_place at;
    char digest[TESS_DIGEST_TEXT];
    int fd;
    tessi_base_context_init(&own, NULL);
    if (file_digests_open_file(&own.context, seen->path, &fd, &at) != TESS_OK)
        return 0;
    int same = tessi_host_place_same(&at, &seen->at);
    if (same && seen->lately) {
        tess_digest_start(&d);
        same = add_bytes(&own.context, &d, NULL, fd, seen->path) == TESS_OK;
        tess_digest_end(&d, digest);
        same = same && strcmp(digest, seen->digest) == 0;
    }
    close(fd);
    return same;
}

static int file_digests_check(struct tess_context *ctx, const struct tessi_seen *seen)
{
    if (is_as_it_was(seen))
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                   "%s: changed while there was work with it, and may have been read as it is now or as it was; nothing of that is kept: "
                   "run again when it is at rest",
                   seen->path);
}

int tessi_host_witness_check(struct tess_context *ctx, const struct tessi_witness *w)
{
    struct tessi_witness_walk walk = {.w = w};
    int more = 1, status = TESS_OK;
    while (status == TESS_OK && more) {
        status = tessi_host_witness_next(ctx, &walk, &more);
        if (status == TESS_OK && more && !walk.seen.confirmed)
            status = file_digests_check(ctx, &walk.seen);
    }
    tessi_host_witness_walk_close(&walk);
    return status;
}

int tessi_host_witness_changed(struct tess_context *ctx, const struct tessi_witness *w, char **path)
{
    struct tessi_witness_walk walk = {.w = w};
    int more = 1, status = TESS_OK;
    *path = NULL;
    while (status == TESS_OK && more && !*path) {
        status = tessi_host_witness_next(ctx, &walk, &more);
        if (status == TESS_OK && more && !walk.seen.confirmed && !is_as_it_was(&walk.seen))
            status = tess_copy_text(ctx, walk.seen.path, path);
    }
    tessi_host_witness_walk_close(&walk);
    return status;
}

/* Checks the file of the last step, and marks it as confirmed. */
static int witness_confirm_step(struct tess_context *ctx, struct tessi_witness *w, const struct tessi_witness_walk *walk)
{
    const uint8_t confirmed = 1;
    TESS_TRY(file_digests_check(ctx, &walk->seen));
    return tessi_base_spool_put(ctx, &w->records, walk->record + (int64_t)offsetof(struct witness_record, confirmed), &confirmed, 1);
}

int tessi_host_witness_confirm(struct tess_context *ctx, const char *path)
{
    struct tessi_runtime *r = tessi_base_runtime_of(ctx);
    struct tessi_witness_walk walk = {.w = r ? r->expected : NULL};
    int more = walk.w != NULL, status = TESS_OK;
    while (status == TESS_OK && more) {
        status = tessi_host_witness_next(ctx, &walk, &more);
        if (status == TESS_OK && more && strcmp(walk.seen.path, path) == 0)
            status = witness_confirm_step(ctx, r->expected, &walk);
    }
    tessi_host_witness_walk_close(&walk);
    return status;
}

/* ---- artefacts ----------------------------------------------------------------------------------------------------- */

/* Verifies one file, unless it is remembered. */
static int check_artefact_file(struct tess_context *ctx, const struct tess_artefact *a)
{
    struct tessi_runtime *r = tessi_base_runtime_of(ctx);
    struct tessi_place before, after;
    char digest[TESS_DIGEST_TEXT];
    int64_t now = tessi_host_file_clock();
    int fd = tessi_store_artefact_descriptor(a);
    if (!r || !r->files || tessi_host_place_of(fd, &before) != 0)
        return tessi_store_artefact_verify_file(ctx, a);
    if (tessi_host_file_digests_find(r->files, TESSI_OF_CONTENT, &before, digest) && strcmp(digest, tess_artefact_digest(a)) == 0)
        return TESS_OK;
    TESS_TRY(tessi_store_artefact_verify_file(ctx, a));
    if (tessi_host_place_of(fd, &after) == 0 && tessi_host_place_same(&before, &after))
        tessi_host_file_digests_remember(r->files, TESSI_OF_CONTENT, &before, tess_artefact_digest(a), now);
    return TESS_OK;
}

int tessi_host_artefact_check(struct tess_context *ctx, const struct tess_artefact *a)
{
    TESS_TRY(check_artefact_file(ctx, a));
    return tessi_store_parts_verify(ctx, a, check_artefact_file);
}
