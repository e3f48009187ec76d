/* A process that verifies: it takes the next file, the index first, until there is none, and notes what it finds on the board.
 * SPDX-License-Identifier: MIT */
#include "core/archive/verify_board.h"
#include "core/archive/verify_private.h"
#include "core/base/context.h"

#include <stdio.h>
#include <string.h>

/* ---- the board ----------------------------------------------------------------------------------------------------------- */

void tessi_archive_verify_note(void *user, const struct tessi_archive_fault *fault)
{
    struct tessi_archive_verifying *v = user;
    long long i = atomic_fetch_add(&v->board->faults, 1);
    if (i >= 0 && i < TESSI_ARCHIVE_FAULTS)
        v->board->fault[i] = *fault;
}

static void verify_progress(void *user, int64_t rows)
{
    struct tessi_archive_verifying *v = user;
    (void)atomic_fetch_add(&v->board->done, rows);
    (void)atomic_fetch_add(&v->board->seat[v->own].steps, 1);
}

static void verify_fault_text(struct tessi_archive_verifying *v, const struct tessi_archive_fault *where, const char *text)
{
    struct tessi_archive_fault f = *where;
    size_t length = strlen(v->o->path);
    f.archive_row = -1;
    if (length && strncmp(text, v->o->path, length) == 0 && strstr(text + length, ": ")) /* the message's own path */
        text = strstr(text + length, ": ") + 2;
    (void)snprintf(f.text, sizeof f.text, "%s", text);
    tessi_archive_verify_note(v, &f);
}

/* ---- a process ----------------------------------------------------------------------------------------------------------- */

/* Verifies one open file, and notes a failure as a fault. */
static void verify_one(struct tessi_archive_verifying *v, const struct tess_artefact *a, const struct tessi_archive_fault *where)
{
    const struct tessi_archive_sink sink = {.user = v, .fault = tessi_archive_verify_note, .progress = verify_progress, .deep = v->o->deep};
    struct tessi_context own;
    int64_t skipped = 0;
    tessi_base_context_init(&own, NULL);
    if (tessi_archive_verify_file(&own.context, a, where, &sink, &skipped) != TESS_OK)
        verify_fault_text(v, where, tessi_base_context_message(&own.context));
    (void)atomic_fetch_add(&v->board->skipped, skipped);
}

static void verify_shard(struct tessi_archive_verifying *v, const struct tess_artefact *index, int64_t i, int64_t first_row)
{
    struct tessi_archive_fault where = {.shard = i, .archive_row = first_row};
    struct tessi_context own;
    struct tess_artefact *part;
    const char *digest;
    int64_t rows;
    (void)snprintf(where.file, sizeof where.file, "%s", tessi_store_part_name(index, i, &rows, &digest));
    tessi_base_context_init(&own, NULL);
    if (tessi_store_part_acquire(&own.context, index, i, &part) != TESS_OK) {
        verify_fault_text(v, &where, tessi_base_context_message(&own.context));
        return;
    }
    verify_one(v, part, &where);
    if (tessi_store_part_same(&own.context, index, i, part) != TESS_OK)
        verify_fault_text(v, &where, tessi_base_context_message(&own.context));
    tessi_store_part_release(index, i);
}

/* The sums of the index, once every shard was verified, by whichever process ended the last: a shard that is still at work elsewhere may
 * have a fault, which would be told here once more. */
static void verify_sums(struct tessi_archive_verifying *v, const struct tess_artefact *index, const struct tessi_archive_fault *where)
{
    struct tessi_context own;
    struct tessi_archive_seat *seat = &v->board->seat[v->own];
    (void)snprintf(seat->file, sizeof seat->file, "%s", where->file);
    atomic_store(&seat->task, 0);
    tessi_base_context_init(&own, NULL);
    if (atomic_load(&v->board->faults) == 0 && tessi_store_parts_check_sums(&own.context, index) != TESS_OK)
        verify_fault_text(v, where, tessi_base_context_message(&own.context));
}

static void verify_take_tasks(struct tessi_archive_verifying *v, const struct tess_artefact *a, const struct tessi_archive_fault *where)
{
    int64_t shards = tessi_store_parts_count(a), row = 0, next = 0, rows;
    struct tessi_archive_seat *seat = &v->board->seat[v->own];
    const char *digest;
    for (int64_t i; (i = atomic_fetch_add(&v->board->next, 1)) <= shards;) {
        for (; next < i - 1; next++, row += rows)
            (void)tessi_store_part_name(a, next, &rows, &digest);
        (void)snprintf(seat->file, sizeof seat->file, "%s", i ? tessi_store_part_name(a, i - 1, &rows, &digest) : where->file);
        atomic_store(&seat->task, i);
        if (i == 0)
            verify_one(v, a, where);
        else
            verify_shard(v, a, i - 1, row);
        if (atomic_fetch_add(&v->board->finished, 1) == shards && shards) /* the last to end, not to begin: faults of all are known */
            verify_sums(v, a, where);
        atomic_store(&seat->task, TESSI_ARCHIVE_ENDED);
    }
}

int tessi_archive_verify_process(void *user)
{
    struct tessi_archive_verifying *v = user;
    struct tessi_archive_fault where = {.shard = -1, .archive_row = 0};
    struct tessi_context own;
    struct tess_artefact *a;
    tessi_base_context_init(&own, NULL);
    (void)snprintf(where.file, sizeof where.file, "%s", v->o->path);
    int status = tessi_store_artefact_open(&own.context, v->o->path, &a);
    if (status != TESS_OK) {
        (void)snprintf(where.file, sizeof where.file, "%s%s", v->o->path, tessi_archive_is_folder(v->o->path) ? "/" TESSI_STORE_INDEX : "");
        if (!atomic_load(&v->board->opened))
            verify_fault_text(v, &where, tessi_base_context_message(&own.context));
        return status;
    }
    (void)snprintf(where.file, sizeof where.file, "%s", tess_artefact_path(a));
    atomic_store(&v->board->shards, tessi_store_parts_count(a));
    atomic_store(&v->board->rows_in_all, tess_attrs_i64_or(tess_artefact_attrs(a), "count", 0));
    atomic_store(&v->board->items, tess_attrs_i64_or(tess_artefact_attrs(a), "items", -1));
    atomic_store(&v->board->opened, 1);
    verify_take_tasks(v, a, &where);
    tessi_store_artefact_close(a);
    return TESS_OK;
}
