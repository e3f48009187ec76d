/* Files that archives are made of, and rows of them on their way into other files. SPDX-License-Identifier: MIT */
#ifndef TESSI_ARCHIVE_PIECES_H
#define TESSI_ARCHIVE_PIECES_H

#include "core/archive/archive.h"

#include <stddef.h>

/* A file of an archive. */
struct tessi_archive_piece {
    char *path;
    char digest[65];
    int64_t first_item, items; /* range of the piece's items; first_item -1: it says none */
    int64_t rows, train, skipped;
};
struct tessi_archive_pieces {
    struct tessi_archive_piece *piece;
    int64_t count, capacity;
    int ranges; /* 1: all say their ranges */
};
/* Appends the files of an archive: the shards of an index, the shards that lie in a folder that has no index yet, or the one file. Opens
 * each, and compares its attributes with those of the first piece but for counts and ranges. TESS_E_DATA says how they differ. */
int tessi_archive_pieces_add(struct tess_context *ctx, struct tessi_archive_pieces *p, const char *path) TESS_CHECKED;
/* Checks that the bytes of all are those that were written (tessi_store_artefact_check_bytes). */
int tessi_archive_pieces_check(struct tess_context *ctx, const struct tessi_archive_pieces *p) TESS_CHECKED;
void tessi_archive_pieces_free(struct tessi_archive_pieces *p);

/* Rows of a piece. */
struct tessi_archive_span {
    const struct tessi_archive_piece *piece;
    int64_t first, rows;
};
/* Spans that make a file, and the pieces whose skipped items it lists; both have memory for all pieces, freed by tess_free(s->span). */
struct tessi_archive_spans {
    struct tessi_archive_span *span;
    const struct tessi_archive_piece **skipped;
    int64_t count, skippeds;
};
int tessi_archive_spans_open(struct tess_context *ctx, const struct tessi_archive_pieces *p, struct tessi_archive_spans *s) TESS_CHECKED;
/* The spans of rows first .. first + rows - 1 of all pieces one after the other. */
void tessi_archive_spans_take(const struct tessi_archive_pieces *p, int64_t first, int64_t rows, struct tessi_archive_spans *s);
/* Sum of a member of all pieces. */
#define TESSI_ARCHIVE_TOTAL(p, member) tessi_archive_total(p, offsetof(struct tessi_archive_piece, member))
int64_t tessi_archive_total(const struct tessi_archive_pieces *p, size_t offset);

/* ---- the folder of a new archive (folder.c) ---- */

/* Makes a folder, or checks that it is what the same command left, killed or not: an index, if any, of n shards, and no shards beyond them.
 * *there (closed by the caller, NULL: none) receives that index. TESS_E_CREATE: the folder is another archive. */
int tessi_archive_folder_begin(struct tess_context *ctx, const char *folder, int64_t n, struct tess_artefact **there) TESS_CHECKED;
/* Checks that shard i of the index that was there has this content. TESS_E_CREATE: the folder is another archive. Of no index: TESS_OK. */
int tessi_archive_folder_expect(struct tess_context *ctx, const char *folder, const struct tess_artefact *there, int64_t i,
                                const char *digest) TESS_CHECKED;
/* Writes the index of its n shards. */
int tessi_archive_folder_finish(struct tess_context *ctx, const char *folder, int64_t n) TESS_CHECKED;
/* Path of its i-th shard, freed with tess_free; makes that shard a link to a piece, or a copy. */
int tessi_archive_shard_path(struct tess_context *ctx, const char *folder, int64_t i, char **out) TESS_CHECKED;
int tessi_archive_link_shard(struct tess_context *ctx, const struct tessi_archive_piece *piece, const char *folder, int64_t i) TESS_CHECKED;

/* Description of a file made of rows of pieces. */
struct tessi_archive_write {
    const char *path;
    const struct tessi_archive_span *span; /* rows in order */
    int64_t spans;
    const struct tessi_archive_piece *const *skipped; /* pieces whose skipped items are listed */
    int64_t skippeds;
    int64_t train, first_item, items; /* first_item -1: no range is said */
    struct tessi_log *log;            /* for its progress; NULL: none */
    int portable;                     /* 1: for readers that know little of HDF5 */
};
/* Writes all rows of the pieces as one file, in their order. */
int tessi_archive_write_file(struct tess_context *ctx, const struct tessi_archive_pieces *p, const char *path, int portable,
                             struct tessi_log *log) TESS_CHECKED;
/* Writes it, a block of rows at a time. Metrics and pictures are left out; provenance says the program alone. */
int tessi_archive_write(struct tess_context *ctx, const struct tessi_archive_write *w) TESS_CHECKED;
/* Content digest of the file that it would write: it is written beside its place, and removed. */
int tessi_archive_write_digest(struct tess_context *ctx, const struct tessi_archive_write *w, char digest[65]) TESS_CHECKED;

/* Makes the n-th shard's name, "shard-000000.h5", in text. */
enum { TESSI_ARCHIVE_SHARD_NAME = 32 };
const char *tessi_archive_shard_name(int64_t n, char text[TESSI_ARCHIVE_SHARD_NAME]);
/* 1 for such a name. */
int tessi_archive_is_shard_name(const char *name);

#endif
