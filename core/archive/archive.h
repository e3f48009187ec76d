/* Archives of codes: artefacts of kind `codes`, one file or many shards under an index (docs/archives.md). Here are the works on whole
 * archives that `tessera archive` does; encoding is the flow's. SPDX-License-Identifier: MIT */
#ifndef TESSI_ARCHIVE_H
#define TESSI_ARCHIVE_H

#include "core/base/log.h"
#include "core/store/store.h"

/* Datasets that have a row each a row of codes; NULL ends. */
extern const char *const tessi_archive_joined[];
/* Writes the index PATH of n finished shards in its folder, in order: the datasets of a row each (codes, labels, names, ...) joined,
 * `/skipped` gathered, `count`, `train_count` and `items` summed, and ranges of items (`first_item`, `items`), where the shards say them,
 * in one piece. Everything else must be the same in all. The bytes depend on the shards alone. TESS_E_DATA names the shard that does not
 * fit. `digest` (may be NULL) receives the index's content digest. */
int tessi_archive_write_index(struct tess_context *ctx, const char *path, const char *const *file, int64_t n, char digest[65]) TESS_CHECKED;
/* 1 for a folder, which an archive of shards is. */
int tessi_archive_is_folder(const char *path);

/* Number of items that an archive of codes accounts for: its attribute `items`, else its rows and the `skipped` items. */
int64_t tessi_archive_items(const struct tess_attrs *attrs, int64_t skipped);

/* ---- verifying (verify.c) ---------------------------------------------------------------------------------------------- */

enum { TESSI_ARCHIVE_NAME = 256, TESSI_ARCHIVE_TEXT = 512 };

struct tessi_archive_fault {
    int64_t shard;                 /* number of the shard; -1: the index, or the archive's one file */
    char file[TESSI_ARCHIVE_NAME]; /* name in the archive's folder, or the archive's path */
    char dataset[64];              /* "" where the fault is none of a dataset */
    int64_t first, rows;           /* rows of the dataset, counted in the shard; rows 0: none in particular */
    int64_t archive_row;           /* number in the archive of the first of them; -1: not known */
    char text[TESSI_ARCHIVE_TEXT]; /* the fault, and what to do */
};

struct tessi_archive_counts {
    int64_t shards, rows, items, skipped, bytes; /* counts of the whole archive, as far as it could be read; size of its files */
    int64_t faults, faulty;                      /* number of faults, and of files that have any */
    double seconds;
};

struct tessi_archive_verify {
    const char *path;                                                   /* a folder or a file */
    int processes;                                                      /* shards looked at side by side; at least 1 */
    int deep;                                                           /* 1: contents are decoded and digested, sums or not */
    struct tessi_log *log;                                              /* for its progress; NULL: none */
    void (*fault)(void *user, const struct tessi_archive_fault *fault); /* called for each fault, ordered by shard, at the end */
    void *user;
};
/* Reads every file whole, in child processes that a hostile file may crash: digests, checksums, attributes against datasets, codes below
 * the codebook size of their level, labels below `classes`, the index against its shards (missing, foreign, swapped), rows and skipped
 * items against ranges of items. TESS_OK where the archive was looked at, whatever was found: see `out`. [one thread] */
int tessi_archive_verify(struct tess_context *ctx, const struct tessi_archive_verify *o, struct tessi_archive_counts *out) TESS_CHECKED;

/* ---- merging and splitting (merge.c, split.c) --------------------------------------------------------------------------- */

struct tessi_archive_merge {
    const char *const *from; /* archives: folders with or without an index, or files */
    int64_t froms;
    const char *to;        /* a name that ends in .h5 is one file, any other a new folder */
    struct tessi_log *log; /* for its progress; NULL: none */
    struct tessi_archive_counts *out;
};
/* Makes one archive: shards in the order of their ranges of items, as links where the file system has them, or all rows in one file. The
 * index comes last, so that a kill leaves no archive, and the same call ends it; where it is the index of these shards, what is lost of
 * them is linked again. TESS_E_DATA: the archives are not of one making, items are missing, or are in two files that differ. TESS_E_CREATE:
 * `to` is another archive. */
int tessi_archive_merge(struct tess_context *ctx, const struct tessi_archive_merge *m) TESS_CHECKED;

struct tessi_archive_split {
    const char *from, *to; /* an archive; a new folder */
    int64_t rows, parts;   /* rows of a shard, or number of shards: the other is 0 */
    struct tessi_log *log; /* for its progress; NULL: none */
    int64_t *shards;
    int *without_ranges; /* 1: the shards do not say their ranges of items, which are not known */
};
/* Cuts an archive into shards. One that is a shard of `from` becomes a link; the others are written anew. Where items were skipped it is
 * not known between which rows, so cuts within a shard lose the ranges, and the first shard lists what was skipped. Where `to` has an index
 * already its shards are compared, and only those that were lost are written; TESS_E_CREATE: it is another archive. */
int tessi_archive_split(struct tess_context *ctx, const struct tessi_archive_split *o) TESS_CHECKED;

/* ---- exporting (export.c) ----------------------------------------------------------------------------------------------- */

enum { TESSI_ARCHIVE_NPY, TESSI_ARCHIVE_SAFETENSORS, TESSI_ARCHIVE_TAR, TESSI_ARCHIVE_PNG, TESSI_ARCHIVE_HDF5 };

struct tessi_archive_export {
    const char *from, *to;
    int format;
    struct tessi_log *log; /* for its progress; NULL: none */
};
/* Writes the codes for other programs, a block at a time, to a file, or for PNG to a folder, that has its name once it is complete. The
 * same archive makes the same bytes. TESS_E_DATA names a row with a code out of range. */
int tessi_archive_export(struct tess_context *ctx, const struct tessi_archive_export *o) TESS_CHECKED;

#endif
