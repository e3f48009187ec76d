/* Verifying an archive in processes of their own. Each takes the next file, the index first, until there is none; what it finds it notes on
 * a board, memory that all share. One that a hostile file crashes, or has spin, costs that file: it is named, and another process takes its
 * place. The parent opens no file, and believes no more of the board than that it is a board.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "core/archive/pieces.h"
#include "core/archive/verify_board.h"
#include "core/base/clock.h"
#include "core/base/context.h"
#include "core/base/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SPIN_SECONDS 300 /* a process that reads nothing for so long is given up */

/* ---- the parent ---------------------------------------------------------------------------------------------------------- */

static int verify_start(struct tess_context *ctx, struct tessi_archive_verifying *v, int seat)
{
    v->own = seat;
    atomic_store(&v->board->seat[seat].task, TESSI_ARCHIVE_ENDED);
    v->heard[seat] = tessi_base_seconds();
    v->started++;
    return tessi_base_child_begin(ctx, tessi_archive_verify_process, v, &v->child[seat]);
}

/* Notes that a process ended before its task did. */
static void verify_died(struct tessi_archive_verifying *v, int seat, const char *how)
{
    long long task = atomic_load(&v->board->seat[seat].task);
    struct tessi_archive_fault f = {.shard = task > 0 ? task - 1 : -1, .archive_row = -1};
    if (task >= 0)
        (void)snprintf(f.file, sizeof f.file, "%.*s", (int)sizeof f.file - 1, v->board->seat[seat].file);
    else
        (void)snprintf(f.file, sizeof f.file, "%s%s", v->o->path, tessi_archive_is_folder(v->o->path) ? "/" TESSI_STORE_INDEX : "");
    (void)snprintf(f.text, sizeof f.text, "reading it %s: it is damaged, or made to harm", how);
    tessi_archive_verify_note(v, &f);
}

/* Hears of the process at a seat; 0: it works on. */
static int verify_hear(struct tessi_archive_verifying *v, int seat)
{
    struct tessi_child end;
    char words[200], how[240];
    int64_t steps = atomic_load(&v->board->seat[seat].steps) + atomic_load(&v->board->seat[seat].task);
    double now = tessi_base_seconds();
    if (steps != v->steps[seat])
        v->heard[seat] = now;
    v->steps[seat] = steps;
    if (tessi_base_child_ended(v->child[seat], 0.02, &end)) {
        (void)snprintf(how, sizeof how, "ended its process, which %s", tessi_base_child_words(&end, words, sizeof words));
        if (end.how != TESSI_CHILD_RETURNED)
            verify_died(v, seat, how);
    } else if (now - v->heard[seat] > SPIN_SECONDS) {
        tessi_base_child_kill(v->child[seat]);
        verify_died(v, seat, "came to no end");
    } else {
        return 0;
    }
    v->child[seat] = NULL;
    return 1;
}

/* Number of processes that have something to do: one until the index is open. */
static int verify_wanted(const struct tessi_archive_verifying *v)
{
    int64_t left = atomic_load(&v->board->shards) + 1 - atomic_load(&v->board->next);
    if (!atomic_load(&v->board->opened))
        return v->started ? 0 : 1;
    if (v->started >
        atomic_load(&v->board->shards) + 2 * TESSI_ARCHIVE_SEATS) /* each but the first few was to replace one that had died at a task */
        return 0;
    return left < 1                                ? 0
           : left < v->o->processes                ? (int)left
           : v->o->processes < TESSI_ARCHIVE_SEATS ? v->o->processes
                                                   : TESSI_ARCHIVE_SEATS;
}

static void verify_show(const struct tessi_archive_verifying *v)
{
    if (v->o->log && atomic_load(&v->board->opened))
        tessi_base_progress(v->o->log, atomic_load(&v->board->done), atomic_load(&v->board->rows_in_all), "rows", NULL, 0);
}

static int verify_all(struct tess_context *ctx, struct tessi_archive_verifying *v)
{
    int status = TESS_OK, working = 1;
    while (working && status == TESS_OK) {
        working = 0;
        for (int i = 0; i < TESSI_ARCHIVE_SEATS; i++)
            working += v->child[i] && !verify_hear(v, i);
        int wanted = verify_wanted(v);
        for (int i = 0; i < TESSI_ARCHIVE_SEATS && working < wanted && status == TESS_OK; i++)
            if (!v->child[i]) {
                status = verify_start(ctx, v, i);
                working++;
            }
        verify_show(v);
        if (tessi_base_signals_stopping())
            status = ctx->fail(ctx, TESS_E_STOPPED, "%s: stopped; nothing was changed", v->o->path);
    }
    for (int i = 0; i < TESSI_ARCHIVE_SEATS; i++)
        tessi_base_child_kill(v->child[i]);
    if (status == TESS_OK && atomic_load(&v->board->opened) && atomic_load(&v->board->next) <= atomic_load(&v->board->shards))
        status = ctx->fail(ctx, TESS_E_FAILED, "%s: the processes that verify it ended before all shards were read; run again with `-j 1`",
                           v->o->path);
    return status;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------- */

static int verify_by_shard(const void *a, const void *b)
{
    const struct tessi_archive_fault *one = a, *other = b;
    if (one->shard != other->shard)
        return one->shard < other->shard ? -1 : 1;
    int order = strcmp(one->dataset, other->dataset);
    return order ? order : one->first < other->first ? -1 : one->first > other->first;
}

/* Bytes of the archive's files, by their names alone; *shards is the number of those that are shards. */
static int64_t verify_bytes(const char *path)
{
    struct stat st;
    int64_t bytes = 0;
    char name[4096];
    struct dirent *e;
    DIR *d = opendir(path);
    if (!d)
        return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
    while ((e = readdir(d))) {
        size_t length = strlen(e->d_name);
        if (length > 3 && strcmp(e->d_name + length - 3, ".h5") == 0 &&
            snprintf(name, sizeof name, "%s/%s", path, e->d_name) < (int)sizeof name && stat(name, &st) == 0)
            bytes += (int64_t)st.st_size;
    }
    closedir(d);
    return bytes;
}

static int64_t verify_non_negative(long long value)
{
    return value > 0 ? value : 0;
}

/* Hands the faults out. A child may have written anything to the board: texts are ended, numbers held to their range. */
static void verify_report(const struct tessi_archive_verifying *v, struct tessi_archive_counts *out)
{
    struct tessi_archive_board *b = v->board;
    out->shards = verify_non_negative(atomic_load(&b->shards));
    out->rows = verify_non_negative(atomic_load(&b->rows_in_all));
    out->skipped = verify_non_negative(atomic_load(&b->skipped));
    out->items = atomic_load(&b->items) < 0 ? out->rows + out->skipped : verify_non_negative(atomic_load(&b->items));
    out->faults = verify_non_negative(atomic_load(&b->faults));
    size_t n = out->faults < TESSI_ARCHIVE_FAULTS ? (size_t)out->faults : TESSI_ARCHIVE_FAULTS;
    for (size_t i = 0; i < n; i++) {
        b->fault[i].file[TESSI_ARCHIVE_NAME - 1] = b->fault[i].text[TESSI_ARCHIVE_TEXT - 1] = '\0';
        b->fault[i].dataset[sizeof b->fault[i].dataset - 1] = '\0';
    }
    qsort(b->fault, n, sizeof *b->fault, verify_by_shard);
    for (size_t i = 0; i < n; i++) {
        out->faulty += i == 0 || b->fault[i].shard != b->fault[i - 1].shard;
        if (v->o->fault)
            v->o->fault(v->o->user, &b->fault[i]);
    }
}

/* ---- without an index ------------------------------------------------------------------------------------------------------ */

/* Passes faults of a shard that is verified by itself on to whoever verifies the archive. */
struct verify_relay {
    const struct tessi_archive_verify *o;
    int64_t shard;
    const char *name;
};

static void verify_relay_fault(void *user, const struct tessi_archive_fault *fault)
{
    const struct verify_relay *r = user;
    struct tessi_archive_fault f = *fault;
    f.shard = r->shard;
    f.archive_row = -1;
    (void)snprintf(f.file, sizeof f.file, "%s", r->name);
    if (r->o->fault)
        r->o->fault(r->o->user, &f);
}

/* Number of shards in a folder, by the largest number in their names. */
static int64_t verify_shards_named(const char *path)
{
    int64_t n = 0;
    const struct dirent *e;
    DIR *d = opendir(path);
    while (d && (e = readdir(d)))
        if (tessi_archive_is_shard_name(e->d_name)) {
            long long i = strtoll(e->d_name + strlen("shard-"), NULL, 10);
            n = i >= n ? i + 1 : n;
        }
    if (d)
        closedir(d);
    return n;
}

static int verify_shard_alone(struct tess_context *ctx, const struct tessi_archive_verify *o, int64_t i, struct tessi_archive_counts *out)
{
    char name[TESSI_ARCHIVE_SHARD_NAME], *path = NULL;
    struct verify_relay relay = {.o = o, .shard = i, .name = tessi_archive_shard_name(i, name)};
    struct tessi_archive_verify one = *o;
    struct tessi_archive_counts counts = {.faults = 0};
    TESS_TRY(tessi_archive_shard_path(ctx, o->path, i, &path));
    one.path = path;
    one.fault = verify_relay_fault;
    one.user = &relay;
    int there = tessi_base_is_file(path), status = there ? tessi_archive_verify(ctx, &one, &counts) : TESS_OK;
    tess_free(path);
    out->shards += there;
    out->rows += counts.rows;
    out->items += counts.items;
    out->skipped += counts.skipped;
    out->faults += counts.faults;
    out->faulty += counts.faults > 0;
    return status;
}

/* Verifies the shards of a folder whose index cannot be opened, each by itself. */
static int verify_shards_alone(struct tess_context *ctx, const struct tessi_archive_verify *o, struct tessi_archive_counts *out)
{
    int64_t n = verify_shards_named(o->path);
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(verify_shard_alone(ctx, o, i, out));
    return TESS_OK;
}

int tessi_archive_verify(struct tess_context *ctx, const struct tessi_archive_verify *o, struct tessi_archive_counts *out)
{
    struct tessi_archive_verifying v = {.o = o};
    struct stat st;
    double begin = tessi_base_seconds();
    memset(out, 0, sizeof *out);
    if (stat(o->path, &st) != 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s; check the name", o->path, strerror(errno));
    out->bytes = verify_bytes(o->path);
    v.board = mmap(NULL, sizeof *v.board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (v.board == MAP_FAILED)
        return ctx->fail(ctx, TESS_E_MEMORY, "memory for verifying could not be allocated: %s", strerror(errno));
    int status = verify_all(ctx, &v);
    if (status == TESS_OK)
        verify_report(&v, out);
    if (status == TESS_OK && !atomic_load(&v.board->opened) && tessi_archive_is_folder(o->path))
        status = verify_shards_alone(ctx, o, out);
    (void)munmap(v.board, sizeof *v.board);
    out->seconds = tessi_base_seconds() - begin;
    return status;
}
