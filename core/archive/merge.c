/* Merging archives: shards of several machines become one archive, as links or copies under one index, or one file. Splitting: the other
 * way round. Whatever is killed in between, the index comes last and whole: without it a folder is no archive, and the same command ends
 * what was begun.
 *
 * SPDX-License-Identifier: MIT */
#include "core/archive/pieces.h"
#include "core/base/aside.h"
#include "core/base/files.h"

#include <tessera/digest.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RECIPE "encode.yaml" /* the pipeline that an archive is made by, which lies beside its index */
#define LIST "append-"       /* beginning of the names of lists of images that were added */

/* ---- order ---------------------------------------------------------------------------------------------------------------- */

static int merge_by_range(const void *a, const void *b)
{
    const struct tessi_archive_piece *one = a, *other = b;
    if (one->first_item != other->first_item)
        return one->first_item < other->first_item ? -1 : 1;
    return one->items < other->items ? -1 : one->items > other->items;
}

/* Drops a shard that was given twice: same range, same content. */
static void merge_drop_twins(struct tessi_archive_pieces *p)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->count; i++) {
        struct tessi_archive_piece *last = n ? &p->piece[n - 1] : NULL;
        if (last && last->first_item == p->piece[i].first_item && last->items == p->piece[i].items &&
            strcmp(last->digest, p->piece[i].digest) == 0)
            tess_free(p->piece[i].path);
        else
            p->piece[n++] = p->piece[i];
    }
    p->count = n;
}

static int merge_check_ranges(struct tess_context *ctx, const struct tessi_archive_pieces *p)
{
    const struct tessi_archive_piece *a = p->piece;
    if (a[0].first_item != 0)
        return ctx->fail(ctx, TESS_E_DATA,
                         "items 0 to %lld are missing: the first file, %s, begins at item %lld; give the archives that have "
                         "the items before",
                         (long long)a[0].first_item - 1, a[0].path, (long long)a[0].first_item);
    for (int64_t i = 1; i < p->count; i++) {
        int64_t end = a[i - 1].first_item + a[i - 1].items;
        if (a[i].first_item > end)
            return ctx->fail(ctx, TESS_E_DATA,
                             "items %lld to %lld are missing: %s ends before them, %s begins behind them; give the archive "
                             "that has them",
                             (long long)end, (long long)a[i].first_item - 1, a[i - 1].path, a[i].path);
        if (a[i].first_item < end)
            return ctx->fail(ctx, TESS_E_DATA, "items %lld to %lld are in two files, %s and %s, which differ; leave one of the two out",
                             (long long)a[i].first_item,
                             (long long)(end < a[i].first_item + a[i].items ? end : a[i].first_item + a[i].items) - 1, a[i - 1].path,
                             a[i].path);
    }
    return TESS_OK;
}

/* Rows kept for validation come last in an archive. */
static int merge_check_train(struct tess_context *ctx, const struct tessi_archive_pieces *p)
{
    for (int64_t i = 1; i < p->count; i++)
        if (p->piece[i - 1].train < p->piece[i - 1].rows && p->piece[i].train > 0)
            return ctx->fail(ctx, TESS_E_DATA,
                             "%s keeps rows for validation, which come last in an archive, and %s would follow with rows "
                             "for training; give it last, or encode without rows for validation",
                             p->piece[i - 1].path, p->piece[i].path);
    return TESS_OK;
}

static int merge_order(struct tess_context *ctx, struct tessi_archive_pieces *p)
{
    for (int64_t i = 0; i < p->count; i++)
        if ((p->piece[i].first_item >= 0) != (p->piece[0].first_item >= 0))
            return ctx->fail(ctx, TESS_E_DATA, "%s says which items of its source it is of, %s does not: their order is not known",
                             p->piece[p->piece[i].first_item >= 0 ? i : 0].path, p->piece[p->piece[i].first_item >= 0 ? 0 : i].path);
    if (p->ranges) {
        qsort(p->piece, (size_t)p->count, sizeof *p->piece, merge_by_range);
        merge_drop_twins(p);
        TESS_TRY(merge_check_ranges(ctx, p));
    }
    return merge_check_train(ctx, p);
}

/* ---- into a folder -------------------------------------------------------------------------------------------------------- */

/* Carries over the lists of images that the recipe's later shards are of. */
static int merge_lists(struct tess_context *ctx, const char *from, const char *folder)
{
    struct dirent *e;
    int status = TESS_OK;
    DIR *d = opendir(from);
    while (d && status == TESS_OK && (e = readdir(d))) {
        char *path = NULL, *to = NULL;
        size_t length = strlen(e->d_name);
        if (strncmp(e->d_name, LIST, strlen(LIST)) != 0 || length < 4 || strcmp(e->d_name + length - 4, ".txt") != 0)
            continue;
        status = tessi_base_format(ctx, &path, "%s/%s", from, e->d_name);
        if (status == TESS_OK)
            status = tessi_base_format(ctx, &to, "%s/%s", folder, e->d_name);
        if (status == TESS_OK)
            status = tessi_base_link_file(ctx, path, to, NULL);
        tess_free(path);
        tess_free(to);
    }
    if (d)
        (void)closedir(d);
    return status;
}

/* Carries the recipe over where all archives that have one have the same. */
static int merge_recipe(struct tess_context *ctx, const char *const *from, int64_t n, const char *folder)
{
    char *to = NULL, *first = NULL, one[65] = "", other[65];
    const char *whose = NULL;
    int status = TESS_OK, same = 1;
    for (int64_t i = 0; i < n && status == TESS_OK; i++) {
        struct tess_digest d;
        char *path = NULL;
        status = tessi_base_format(ctx, &path, "%s/" RECIPE, from[i]);
        if (status == TESS_OK && tessi_base_is_file(path)) {
            tess_digest_start(&d);
            status = tess_digest_add_file(ctx, &d, path);
            tess_digest_end(&d, other);
            same = same && (!first || strcmp(one, other) == 0);
            if (!first) {
                memcpy(one, other, sizeof one);
                first = path;
                whose = from[i];
                continue;
            }
        }
        tess_free(path);
    }
    if (status == TESS_OK && first && same)
        status = tessi_base_format(ctx, &to, "%s/" RECIPE, folder);
    if (to)
        status = merge_lists(ctx, whose, folder);
    if (to && status == TESS_OK)
        status = tessi_base_link_file(ctx, first, to, NULL);
    tess_free(first);
    tess_free(to);
    return status;
}

/* Compares the shards of an index that is there with those that are to be merged, and makes a link where one of the files was lost. */
static int merge_is_there(struct tess_context *ctx, const struct tessi_archive_merge *m, const struct tessi_archive_pieces *p,
                          const struct tess_artefact *there)
{
    for (int64_t i = 0; i < p->count; i++)
        TESS_TRY(tessi_archive_folder_expect(ctx, m->to, there, i, p->piece[i].digest));
    for (int64_t i = 0; i < p->count; i++) {
        char *path = NULL;
        TESS_TRY(tessi_archive_shard_path(ctx, m->to, i, &path));
        int status = tessi_base_is_file(path) ? TESS_OK : tessi_archive_link_shard(ctx, &p->piece[i], m->to, i);
        tess_free(path);
        TESS_TRY(status);
    }
    if (m->log)
        tessi_base_log_note(m->log, "nothing to do: %s is complete", m->to);
    return TESS_OK;
}

static int merge_into_folder(struct tess_context *ctx, const struct tessi_archive_merge *m, const struct tessi_archive_pieces *p)
{
    struct tess_artefact *there;
    TESS_TRY(tessi_archive_folder_begin(ctx, m->to, p->count, &there));
    if (there) {
        int status = merge_is_there(ctx, m, p, there);
        tessi_store_artefact_close(there);
        return status;
    }
    for (int64_t i = 0; i < p->count; i++) {
        TESS_TRY(tessi_archive_link_shard(ctx, &p->piece[i], m->to, i));
        if (m->log)
            tessi_base_progress(m->log, i + 1, p->count, "shards", NULL, 0);
    }
    TESS_TRY(merge_recipe(ctx, m->from, m->froms, m->to));
    return tessi_archive_folder_finish(ctx, m->to, p->count);
}

/* ---- into a file ------------------------------------------------------------------------------------------------------------ */

int tessi_archive_write_file(struct tess_context *ctx, const struct tessi_archive_pieces *p, const char *path, int portable,
                             struct tessi_log *log)
{
    struct tessi_archive_spans s;
    TESS_TRY(tessi_archive_pieces_check(ctx, p));
    TESS_TRY(tessi_archive_spans_open(ctx, p, &s));
    tessi_archive_spans_take(p, 0, TESSI_ARCHIVE_TOTAL(p, rows), &s);
    for (int64_t i = 0; i < p->count; i++)
        s.skipped[s.skippeds++] = &p->piece[i];
    const struct tessi_archive_write w = {.path = path,
                                          .span = s.span,
                                          .spans = s.count,
                                          .skipped = s.skipped,
                                          .skippeds = s.skippeds,
                                          .train = TESSI_ARCHIVE_TOTAL(p, train),
                                          .first_item = p->ranges ? p->piece[0].first_item : -1,
                                          .items = TESSI_ARCHIVE_TOTAL(p, items),
                                          .log = log,
                                          .portable = portable};
    int status =
        s.count ? tessi_archive_write(ctx, &w) : ctx->fail(ctx, TESS_E_DATA, "%s: would have no rows: all items were skipped", path);
    tess_free(s.span);
    return status;
}

static int merge_pieces(struct tess_context *ctx, const struct tessi_archive_merge *m, struct tessi_archive_pieces *p)
{
    size_t length = strlen(m->to);
    struct stat to, from;
    for (int64_t i = 0; i < m->froms; i++) {
        if (stat(m->to, &to) == 0 && stat(m->from[i], &from) == 0 && to.st_ino == from.st_ino && to.st_dev == from.st_dev)
            return ctx->fail(ctx, TESS_E_USAGE, "%s: is one of the archives to merge; give a new name for the result", m->to);
        TESS_TRY(tessi_base_not_over(ctx, m->to, m->from[i])); /* a shard of one */
        TESS_TRY(tessi_archive_pieces_add(ctx, p, m->from[i]));
    }
    TESS_TRY(merge_order(ctx, p));
    m->out->shards = p->count;
    m->out->rows = TESSI_ARCHIVE_TOTAL(p, rows);
    m->out->items = TESSI_ARCHIVE_TOTAL(p, items);
    m->out->skipped = TESSI_ARCHIVE_TOTAL(p, skipped);
    return length > 3 && strcmp(m->to + length - 3, ".h5") == 0 ? tessi_archive_write_file(ctx, p, m->to, 0, m->log)
                                                                : merge_into_folder(ctx, m, p);
}

int tessi_archive_merge(struct tess_context *ctx, const struct tessi_archive_merge *m)
{
    struct tessi_archive_pieces p = {.piece = NULL};
    memset(m->out, 0, sizeof *m->out);
    int status = merge_pieces(ctx, m, &p);
    tessi_archive_pieces_free(&p);
    return status;
}
