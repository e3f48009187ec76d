/* Rows that an import has read so far, in the order of its rows: a list in memory that, once it is long or a checkpoint wants it, lies in a
 * file beside the checkpoint. Records are appended and never written again, so a checkpoint costs what came since the last one. Compiled
 * into the stage that imports.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_IMPORT_ROWS_H
#define PLUGINS_STAGES_IMPORT_ROWS_H

#include <tessera/base.h>

enum { IMPORT_ROWS_MEMORY = 64 << 20 }; /* limit of the bytes kept in memory, but for one record */

struct import_rows {
    char *path;
    int fd;           /* -1: there is no file yet */
    int64_t written;  /* bytes in the file */
    uint64_t sum;     /* checksum of all records */
    uint8_t *buffer;  /* records not in the file yet; when reading, bytes read ahead */
    size_t used, capacity;
    int64_t at, ahead; /* reading: offset of the next record, and offset in the file of the buffer's first byte */
    uint64_t sum_read;
};

/* Record of one image: its row, or the reason why there is none. */
struct import_record {
    const char *name, *reason; /* reason "": none; borrowed */
    int64_t label;
    const uint8_t *row;        /* row_bytes of it; with a reason there is none */
    int64_t row_bytes;
};

/* Opens a list whose file, made when it is needed, is `path`. Start from zeroed memory; close in any case. */
int import_rows_open(struct tess_context *ctx, struct import_rows *r, const char *path) TESS_CHECKED;
void import_rows_close(struct import_rows *r);
int import_rows_add(struct tess_context *ctx, struct import_rows *r, const struct import_record *record) TESS_CHECKED;
/* Writes all records to the file and the disk: then it has `written` bytes, of checksum `sum`. */
int import_rows_sync(struct tess_context *ctx, struct import_rows *r) TESS_CHECKED;
/* Resumes behind the first `bytes` of the file of an earlier run. *found 0: the file is not there, or shorter. */
int import_rows_resume(struct tess_context *ctx, struct import_rows *r, int64_t bytes, uint64_t sum, int *found) TESS_CHECKED;

/* Begins reading at the first record; nothing can be added from here on. */
int import_rows_rewind(struct tess_context *ctx, struct import_rows *r) TESS_CHECKED;
/* Reads the next record: its texts into `text` (`capacity` bytes), its row, where there is one, to `row`. */
int import_rows_next(struct tess_context *ctx, struct import_rows *r, char *text, size_t capacity, uint8_t *row, int64_t row_bytes,
                     struct import_record *out) TESS_CHECKED;
/* Checks, after the last record, that what was read is what was added; TESS_E_DATA otherwise. */
int import_rows_check(struct tess_context *ctx, const struct import_rows *r) TESS_CHECKED;

#endif
