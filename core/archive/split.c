/* Splitting an archive into shards of a number of rows, or a number of shards. A shard that is one of the old is a link to it.
 * SPDX-License-Identifier: MIT */
#include "core/archive/pieces.h"
#include "core/base/files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Cuts of an archive: piece k has rows cut[k] .. cut[k + 1] - 1. */
struct cuts {
    int64_t *cut, count;
    int at_shards; /* 1: every cut is between two shards */
};

/* Number of the shard that begins at a row, or -1. Of shards without rows that begin there the first. */
static int64_t split_shard_at(const struct tessi_archive_pieces *p, int64_t row)
{
    int64_t at = 0;
    for (int64_t i = 0; i < p->count; at += p->piece[i].rows, i++)
        if (at == row)
            return i;
    return at == row ? p->count : -1;
}

static int split_cut(struct tess_context *ctx, const struct tessi_archive_split *o, const struct tessi_archive_pieces *p, struct cuts *c)
{
    int64_t rows = TESSI_ARCHIVE_TOTAL(p, rows), per = o->rows ? o->rows : 1;
    void *memory;
    c->count = o->parts ? o->parts : (rows + per - 1) / per;
    if (c->count < 1 || c->count > rows || c->count > 1 << 16)
        return ctx->fail(ctx, TESS_E_VALUE, "%s: %lld rows make no %lld shards; 1 to %lld are possible", o->from, (long long)rows,
                         (long long)c->count, (long long)(rows < 1 << 16 ? rows : 1 << 16));
    TESS_TRY(tess_alloc(ctx, (size_t)(c->count + 1) * sizeof *c->cut, "shards", &memory));
    c->cut = memory;
    for (int64_t k = 0; k <= c->count; k++)
        c->cut[k] = o->rows ? (k * o->rows < rows ? k * o->rows : rows) : k * rows / c->count;
    if (o->parts && o->parts <= p->count) /* whole shards, as nearly equal in number as they can be */
        for (int64_t k = 0, i = 0, at = 0; k < c->count; c->cut[k++] = at)
            for (; i < k * p->count / c->count; at += p->piece[i++].rows)
                ;
    c->at_shards = 1;
    for (int64_t k = 0; k <= c->count; k++)
        c->at_shards &= split_shard_at(p, c->cut[k]) >= 0;
    return TESS_OK;
}

static int split_check_train(struct tess_context *ctx, const struct tessi_archive_split *o, const struct tessi_archive_pieces *p,
                             const struct cuts *c)
{
    int64_t train = TESSI_ARCHIVE_TOTAL(p, train);
    if (c->cut[c->count - 1] < train)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_VALUE,
                     "%s: its last %lld rows are kept for validation, and the last shard would have no others; make the "
                     "shards larger",
                     o->from, (long long)(c->cut[c->count] - train));
}

/* Links shard k, which is one of the old. Where an index is there it has to say so, and the link is made only where the file was lost. */
static int split_link(struct tess_context *ctx, const struct tessi_archive_split *o, const struct tessi_archive_piece *piece, int64_t k,
                      const char *path, const struct tess_artefact *there)
{
    TESS_TRY(tessi_archive_folder_expect(ctx, o->to, there, k, piece->digest));
    return there && tessi_base_is_file(path) ? TESS_OK : tessi_archive_link_shard(ctx, piece, o->to, k);
}

/* Writes shard k. Where an index is there its content has to be the same, and it is written only where the file was lost. */
static int split_write(struct tess_context *ctx, const struct tessi_archive_split *o, const struct tessi_archive_write *w, int64_t k,
                       const struct tess_artefact *there)
{
    char digest[65];
    if (there) {
        TESS_TRY(tessi_archive_write_digest(ctx, w, digest));
        TESS_TRY(tessi_archive_folder_expect(ctx, o->to, there, k, digest));
    }
    return there && tessi_base_is_file(w->path) ? TESS_OK : tessi_archive_write(ctx, w);
}

/* Makes one shard of the new archive. */
static int split_shard(struct tess_context *ctx, const struct tessi_archive_split *o, const struct tessi_archive_pieces *p,
                       const struct cuts *c, struct tessi_archive_spans *s, int64_t k, const struct tess_artefact *there)
{
    int64_t rows = c->cut[k + 1] - c->cut[k], train = TESSI_ARCHIVE_TOTAL(p, train) - c->cut[k], begin = split_shard_at(p, c->cut[k]);
    int64_t end = k + 1 == c->count ? p->count : split_shard_at(p, c->cut[k + 1]);
    int exact = p->ranges &&
                (c->at_shards || (TESSI_ARCHIVE_TOTAL(p, items) == TESSI_ARCHIVE_TOTAL(p, rows) && TESSI_ARCHIVE_TOTAL(p, skipped) == 0));
    struct tessi_archive_write w = {.train = train < rows ? train : rows, .first_item = -1, .log = o->log};
    char *path = NULL;
    tessi_archive_spans_take(p, c->cut[k], rows, s);
    s->skippeds = 0;
    TESS_TRY(tessi_archive_shard_path(ctx, o->to, k, &path));
    if (c->at_shards && end == begin + 1) {
        int status = split_link(ctx, o, &p->piece[begin], k, path, there);
        tess_free(path);
        return status;
    }
    for (int64_t i = c->at_shards ? begin : 0; i < (c->at_shards ? end : k ? 0 : p->count); i++) {
        s->skipped[s->skippeds++] = &p->piece[i];
        w.items += p->piece[i].items;
    }
    w.first_item = !exact ? -1 : c->at_shards ? p->piece[begin].first_item : p->piece[0].first_item + c->cut[k];
    w.items = c->at_shards ? w.items : rows;
    w.span = s->span;
    w.spans = s->count;
    w.skipped = s->skipped;
    w.skippeds = s->skippeds;
    w.path = path;
    int status = split_write(ctx, o, &w, k, there);
    tess_free(path);
    return status;
}

static int split_pieces(struct tess_context *ctx, const struct tessi_archive_split *o, const struct tessi_archive_pieces *p, struct cuts *c,
                        struct tessi_archive_spans *s)
{
    struct tess_artefact *there;
    TESS_TRY(split_cut(ctx, o, p, c));
    TESS_TRY(split_check_train(ctx, o, p, c));
    if (!c->at_shards || c->count < p->count) /* some are written */
        TESS_TRY(tessi_archive_pieces_check(ctx, p));
    TESS_TRY(tessi_archive_spans_open(ctx, p, s));
    TESS_TRY(tessi_archive_folder_begin(ctx, o->to, c->count, &there));
    int status = TESS_OK, done = there != NULL;
    for (int64_t k = 0; k < c->count && status == TESS_OK; k++)
        status = split_shard(ctx, o, p, c, s, k, there);
    tessi_store_artefact_close(there);
    TESS_TRY(status);
    *o->shards = c->count;
    *o->without_ranges = p->ranges && !c->at_shards &&
                         (TESSI_ARCHIVE_TOTAL(p, items) != TESSI_ARCHIVE_TOTAL(p, rows) || TESSI_ARCHIVE_TOTAL(p, skipped) != 0);
    if (done && o->log)
        tessi_base_log_note(o->log, "nothing to do: %s is complete", o->to);
    return done ? TESS_OK : tessi_archive_folder_finish(ctx, o->to, c->count);
}

int tessi_archive_split(struct tess_context *ctx, const struct tessi_archive_split *o)
{
    struct tessi_archive_pieces p = {.piece = NULL};
    struct cuts c = {.cut = NULL};
    struct tessi_archive_spans s = {.span = NULL};
    struct stat to, from;
    if (stat(o->to, &to) == 0 && stat(o->from, &from) == 0 && to.st_ino == from.st_ino && to.st_dev == from.st_dev)
        return ctx->fail(ctx, TESS_E_USAGE, "%s: is the archive to split; give a new name for the result", o->to);
    int status = tessi_archive_pieces_add(ctx, &p, o->from);
    if (status == TESS_OK)
        status = split_pieces(ctx, o, &p, &c, &s);
    tess_free(c.cut);
    tess_free(s.span);
    tessi_archive_pieces_free(&p);
    return status;
}
