/* Codes that other programs wrote as NPY files: one array of all images, (N, ...), or a folder with a file an image, in the order of the
 * numbers in their names. What an image has beyond the tokens of one map are further maps of it, such as ten crops.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_ARCHIVE_CODE_ARRAYS_H
#define KIT_ARCHIVE_CODE_ARRAYS_H

#include "kit/format/npy_header.h"

struct code_array {
    char *path, *name; /* name: within `path` */
    int64_t rows;      /* maps in it */
};
struct code_arrays {
    struct code_array *file;
    int64_t files, capacity;
    int folder;          /* 1: a file is an item; 0: a row of the first dimension of the one file is */
    int64_t tokens;      /* codes of a map */
    int64_t items, rows; /* rows: maps in all */
    int64_t views;       /* maps of an item; -1: files differ */
    /* The file that is open. */
    int64_t at;
    int fd;
    struct npy_header header;
    int given;      /* 1: the header of the one file was given */
    uint8_t *bytes; /* numbers of a map as they are in the file */
};

/* Lists the files below `path` and reads their headers: integers, each file a whole number of maps of `tokens` codes. TESS_E_IO,
 * TESS_E_DATA name the file. Start from zeroed memory; close in any case. [one thread] */
int code_arrays_open(struct tess_context *ctx, struct code_arrays *a, const char *path, int64_t tokens) TESS_CHECKED;
/* Opens codes of one file of another format, in which an array lies as `header` says. */
int code_arrays_open_given(struct tess_context *ctx, struct code_arrays *a, const char *path, const struct npy_header *header,
                           int64_t tokens) TESS_CHECKED;
void code_arrays_close(struct code_arrays *a);
/* Reads map `row` of file `file` as i32, tokens of them. TESS_E_DATA names file and map where a number is below 0 or at least
 * level_size[i % depth]. */
int code_arrays_read(struct tess_context *ctx, struct code_arrays *a, int64_t file, int64_t row, int64_t depth, const int64_t *level_size,
                     int32_t *to) TESS_CHECKED;
/* Reads an array of `n` integers from an NPY file, such as labels: (n), or n numbers of any shape. Each must be at least 0 and below `end`.
 */
int code_arrays_labels(struct tess_context *ctx, const char *path, int64_t n, int64_t end, int32_t *to) TESS_CHECKED;

#endif
