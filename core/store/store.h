/* Opening, finishing and checking artefacts: the host's side of <tessera/artefact.h>. The rest of HDF5 stays behind this header.
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_STORE_H
#define TESSI_STORE_H

#include <tessera/artefact.h>

#include <stdio.h>

/* The attributes that are written under /provenance. All strings borrowed; NULL leaves one out. */
struct tessi_provenance {
    const char *stage;      /* name of the stage in the pipeline */
    const char *plugin;     /* "stage/1 train-autoencoder, tessera-stages 0.1.0" */
    const char *parameters; /* parameters with all defaults, as flow-style YAML */
    const char *key;        /* cache key */
    const char *numeric_mode;
    const char *tool; /* "tessera 0.1.0" */
    uint64_t seed;
    int64_t epoch;            /* the results' epoch; 0 leaves it out */
    const char *warning;      /* warnings of its making; NULL: none */
    const char *imported;     /* an import's tensors taken, left and assumed, a line each; NULL: no import */
    int64_t abi;              /* major version of the plugin boundary; 0 leaves it out */
    const char *run, *run_id; /* name of the run that computed it, and of that run in its log */
    const char *files;        /* files read from outside the pipeline, a line each (core/flow/file_list.h) */
    int64_t inputs;           /* number of inputs; below, their ports and content digests */
    const char *const *input_port, *const *input_digest;
};

/* Creates an artefact in a partial file (removing those that kills have left), with its kind and an empty set of attributes. TESS_E_CREATE
 * / TESS_E_IO say what to do. */
int tessi_store_artefact_create(struct tess_context *ctx, const char *path, const char *kind, struct tess_artefact **out) TESS_CHECKED;
/* Creates an artefact for readers that know little of HDF5: the metadata of HDF5 1.8, whole bytes, shuffle and deflate alone. */
int tessi_store_artefact_create_portable(struct tess_context *ctx, const char *path, const char *kind,
                                         struct tess_artefact **out) TESS_CHECKED;
/* Creates an artefact that is never finished: it takes all that is put into it, checks it, and drops rows. For a process whose results
 * another one writes. Its file has no name, so that a process that is killed leaves nothing. */
int tessi_store_artefact_create_dropping(struct tess_context *ctx, const char *path, const char *kind,
                                         struct tess_artefact **out) TESS_CHECKED;
/* Writes attributes, digest and provenance, closes, fsyncs, renames to PATH, fsyncs the folder; the artefact is freed in any case,
 * and on failure the partial file is removed. `digest` (may be NULL) receives the content digest. */
int tessi_store_artefact_finish(struct tess_context *ctx, struct tess_artefact *a, const struct tessi_provenance *p,
                                char digest[65]) TESS_CHECKED;
/* Content digest of what was written so far: that of the file, were it finished now. */
int tessi_store_artefact_digest_written(struct tess_context *ctx, const struct tess_artefact *a, char digest[65]) TESS_CHECKED;
/* Sets the function called when the disk is full, and reserves disk space: as tessi_base_aside_when_full and tessi_base_aside_reserve
 * (aside.h). */
void tessi_store_artefact_when_full(struct tess_artefact *a, int (*again)(void *user, const char *path, int error), void *user);
int tessi_store_artefact_reserve(struct tess_artefact *a, int64_t bytes);
/* Removes the file PATH, if it is there, and what kills may have left of it. */
void tessi_store_artefact_remove(const char *path);
/* Drops an unfinished artefact and its partial file, or closes one opened for reading. NULL is fine. */
void tessi_store_artefact_close(struct tess_artefact *a);
/* Opens for reading; checks that it is a tessera artefact, complete, of this format version. A folder stands for its file index.h5, an
 * artefact in parts (below). TESS_E_IO: missing or unreadable; TESS_E_DATA: not one, truncated, damaged. External links, soft links out
 * of the file and unknown filters are refused. */
int tessi_store_artefact_open(struct tess_context *ctx, const char *path, struct tess_artefact **out) TESS_CHECKED;
/* Descriptor of the open file, for fstat; owned by the artefact. */
int tessi_store_artefact_descriptor(const struct tess_artefact *a);
/* Computes the content digest again and compares, of all parts as well. TESS_E_DATA with both digests and what to do. */
int tessi_store_artefact_verify(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;
/* Checks that what the artefact holds is what was written, of all parts as well: by the sum of each file's bytes, else by its digest. For
 * whoever makes something new of it: a small dataset has no checksum of its own in HDF5. TESS_E_DATA names the file. */
int tessi_store_artefact_check_bytes(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;
/* Verifies one file: of an artefact in parts the index alone. */
int tessi_store_artefact_verify_file(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;
/* Properties of a dataset for a copy of it: precision, filters, kind of chunks, and its texts. `dataset` points into the struct: set
 * dataset.labels and dataset.unit again where the struct was moved. All zero where there is no such dataset in the file itself. */
struct tessi_store_how {
    struct tess_dataset dataset;
    char labels[128], unit[64];
};
int tessi_store_dataset_how(struct tess_context *ctx, const struct tess_artefact *a, const char *name,
                            struct tessi_store_how *out) TESS_CHECKED;
/* Functions told of what is in a file as it is read. Rows pass by dataset after dataset, in order; values in their stored dtype, borrowed.
 */
struct tessi_examiner {
    void *user;
    void (*rows)(void *user, const char *name, int64_t first, const struct tess_tensor *rows);
    void (*damaged)(void *user, const char *name, int64_t first, int64_t rows, const char *why); /* rows that cannot be read */
    int (*wants)(void *user,
                 const char *name); /* NULL: all datasets are read, and the digest compared; else those it returns 1 for alone */
};
/* Reads all datasets of a file, those joined of parts left out, past what is damaged; *damaged is the number of rows that cannot be read.
 * Where there are none, compares the content's digest and the provenance's sum as tessi_store_artefact_verify does. */
int tessi_store_artefact_examine(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_examiner *x,
                                 int64_t *damaged) TESS_CHECKED;
/* Compares the file's bytes with the sum that its last line has (file_sum.c), as fast as they can be read. `step` (may be NULL) is called
 * now and then. TESSI_SUM_NONE: there is no such line, so nothing was read. */
enum { TESSI_SUM_NONE, TESSI_SUM_SAME, TESSI_SUM_DIFFERS };
int tessi_store_file_sum_check(struct tess_context *ctx, const struct tess_artefact *a, void (*step)(void *user), void *user,
                               int *found) TESS_CHECKED;
/* Checks that attributes and datasets are what the artefact's kind promises (artefact_check.c has the table): to be asked before a stage
 * gets it. Reads no values. TESS_E_DATA names the file, the attribute, the dataset, what was wanted and what was found. */
int tessi_store_artefact_check_attrs(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;
/* A provenance attribute ("key", "parameters", "input.images"), or NULL. Valid until close. */
const char *tessi_store_artefact_provenance(const struct tess_artefact *a, const char *name);
/* Name and value of the i-th provenance attribute in the order written; NULL past the end. */
const char *tessi_store_artefact_provenance_at(const struct tess_artefact *a, int64_t i, const char **value);
/* The i-th dataset: its path (in name order), shape, precision in bits (0 for reals) and stored bytes; NULL past the end. A dataset of
 * strings has dtype 0 and 8 bits for each byte of its width. */
const char *tessi_store_artefact_dataset_at(const struct tess_artefact *a, int64_t i, struct tess_tensor *shape, int32_t *bits,
                                            int64_t *stored);
/* The n strings of a dataset, each freed with tess_free; entries before a failure are set, those after it NULL. TESS_E_DATA where it has no
 * n strings. */
int tessi_store_artefact_strings(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int64_t n,
                                 char **out) TESS_CHECKED;
/* The i-th metric in the order written: 1 where there is one, 0 past the end. Its texts are borrowed. */
int tessi_store_artefact_metric(const struct tess_artefact *a, int64_t i, struct tess_metric_value *out);
/* Prints two members of an artefact's JSON object, `"metrics":[...],"pictures":[...]`: for each metric an object with `name`, `value`,
 * `unit`, `better`, `standard_error` and `interval`, null where it has none; for each picture its name. */
void tessi_store_artefact_results_json(FILE *to, const struct tess_artefact *a);
/* The i-th picture, in the order written; NULL past the end. */
const char *tessi_store_artefact_picture_at(const struct tess_artefact *a, int64_t i);
/* The layout of a picture's tiles; all zero where it has none, or one that its own size contradicts. `rows` (capacity bytes) receives the
 * names of its lines, "original|reconstruction", or "". */
int tessi_store_artefact_tiles(struct tess_context *ctx, const struct tess_artefact *a, const char *picture, struct tess_tiles *out,
                               char *rows, size_t capacity) TESS_CHECKED;

/* ---- artefacts in parts ----------------------------------------------------------------------------------------------- */

/* An artefact in parts is an index file and the files it lists, its parts, in the same folder. Joined datasets are the parts' datasets of
 * that name one after the other along the first dimension; all else is the index's own. Shape, has, name_at, read, load, strings, copy
 * and copy_rows see joined datasets as any other. Parts are opened at their first use, a bounded number at a time; a part that is
 * missing, shorter, or another than the index was made of is refused with a sentence naming it. [any thread] */

#define TESSI_STORE_INDEX "index.h5" /* name of the index in an archive's folder */

/* Number of parts; 0: the artefact is one file. */
int64_t tessi_store_parts_count(const struct tess_artefact *a);
/* Name of the i-th part in the index's folder, its number of rows and its content digest, as the index has them. Borrowed. */
const char *tessi_store_part_name(const struct tess_artefact *a, int64_t i, int64_t *rows, const char **digest);
/* 1 where the i-th dataset of tessi_store_artefact_dataset_at lies in parts; its stored bytes are then unknown, -1. */
int tessi_store_dataset_joined(const struct tess_artefact *a, int64_t i);
/* Opens the i-th part, or finds it open, and checks it against the index. It stays open until it is released. */
int tessi_store_part_acquire(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, struct tess_artefact **part) TESS_CHECKED;
void tessi_store_part_release(const struct tess_artefact *a, int64_t i);
/* Checks that the parts that were opened so far are the files they were then. TESS_E_DATA names the one that is not. */
int tessi_store_parts_unchanged(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;

/* Compares the datasets that index and part both have of their own (/codebook). TESS_E_DATA names one that differs. */
int tessi_store_part_same(struct tess_context *ctx, const struct tess_artefact *a, int64_t i,
                          const struct tess_artefact *part) TESS_CHECKED;
/* Compares the attributes that are sums with those of all parts, each of which is opened. */
int tessi_store_parts_check_sums(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;
/* Verifies every part by `verify` (tessi_store_artefact_verify_file, or what remembers that it was done), then that the parts agree with
 * the index in what it says once, and in its sums. */
int tessi_store_parts_verify(struct tess_context *ctx, const struct tess_artefact *a,
                             int (*verify)(struct tess_context *ctx, const struct tess_artefact *part)) TESS_CHECKED;

/* Description of an index to write. Lists end with NULL; a list or text that is NULL is empty. */
struct tessi_parts_options {
    const char *path;        /* path of the index; the parts are in its folder */
    const char *const *file; /* names of the parts, in order, without folders */
    int64_t files;
    const char *const *joined;                 /* datasets of one row each a row of the part, the first of which every part with rows has */
    const char *const *gathered;               /* datasets of any number of rows, in some parts or in all */
    const char *const *summed;                 /* integer attributes that are sums over the parts */
    const char *start, *length;                /* integer attributes that say each part's range; the ranges must follow each other */
    const struct tessi_provenance *provenance; /* NULL: none */
};
/* Writes the index of finished parts. Kind and attributes are those of the first part but for the sums, and must be the same in all;
 * datasets that are not joined are copied from it, and must be equal in all. Metrics and pictures are left out. The bytes depend on the
 * parts' contents and `provenance` alone. TESS_E_DATA names the part that does not fit. `digest` as in tessi_store_artefact_finish. */
int tessi_store_parts_write(struct tess_context *ctx, const struct tessi_parts_options *o, char digest[65]) TESS_CHECKED;

/* Writes a u8 (H, W, 1 or 3) picture as PNG, to a partial file that is then renamed. */
int tessi_store_png_write(struct tess_context *ctx, const char *path, const struct tess_tensor *picture) TESS_CHECKED;
/* The bytes of such a picture as PNG with a palette of at most `colours` (1 to 256) colours and as few bits a pixel as they need: exact
 * where the picture has no more, else the nearest of a median cut. Freed with tess_free(*bytes). */
int tessi_store_png_indexed(struct tess_context *ctx, const struct tess_tensor *picture, int32_t colours, void **bytes,
                            size_t *count) TESS_CHECKED;
/* Reads a PNG as u8 (H, W, 1 or 3), transparency dropped; freed with tess_free(picture->data). TESS_E_IO: missing; TESS_E_DATA: not one. */
int tessi_store_png_read(struct tess_context *ctx, const char *path, struct tess_tensor *picture) TESS_CHECKED;

#endif
