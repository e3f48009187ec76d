/* Rows that an import has read so far, in the order of its rows: a list in memory that, once it is long or a checkpoint wants it, lies in a
 * file beside the checkpoint. Records are appended and never written again, so a checkpoint costs what came since the last one. Compiled
 * into the stage that imports.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_IMPORT_ROWS_H
#define PLUGINS_STAGES_IMPORT_ROWS_H

#include <tessera/base.h>

enum { IMPORT_ROWS_MEMORY = 64 << 20 }; /* bytes kept in memory at most, but for one record */

struct import_rows {
    char *path;
    int fd;           /* -1: nothing is in a file yet */
    int64_t written;  /* bytes in the file */
    uint64_t sum;     /* checksum of all records */
    uint8_t *buffer;  /* what came after them; once all is written, what was read ahead */
    size_t used, capacity;
    int64_t at, ahead; /* reading: where the next record begins, and which byte of the file stands first in the buffer */
    uint64_t sum_read;
};

/* One image: its row, or why there is none. */
struct import_record {
    const char *name, *reason; /* "": none; borrowed */
    int64_t label;
    const uint8_t *row;        /* row_bytes of it; with a reason there is none */
    int64_t row_bytes;
};

/* `path` is of the file, which is made when it is needed. Start from zeroed memory; close in any case. */
int import_rows_open(struct tess_context *ctx, struct import_rows *r, const char *path) TESS_CHECKED;
void import_rows_close(struct import_rows *r);
int import_rows_add(struct tess_context *ctx, struct import_rows *r, const struct import_record *record) TESS_CHECKED;
/* All records are in the file and on the disk: bytes `written`, of `sum`. */
int import_rows_sync(struct tess_context *ctx, struct import_rows *r) TESS_CHECKED;
/* Goes on behind the first `bytes` of the file of an earlier run. *found 0: it is not there, or shorter. */
int import_rows_resume(struct tess_context *ctx, struct import_rows *r, int64_t bytes, uint64_t sum, int *found) TESS_CHECKED;

/* From the first record on; nothing is added from here. */
int import_rows_rewind(struct tess_context *ctx, struct import_rows *r) TESS_CHECKED;
/* The next record: its texts into `text` (`room` bytes), the row, where there is one, to `row`. */
int import_rows_next(struct tess_context *ctx, struct import_rows *r, char *text, size_t capacity, uint8_t *row, int64_t row_bytes,
                     struct import_record *out) TESS_CHECKED;
/* After the last: TESS_E_DATA where what was read is not what was added. */
int import_rows_check(struct tess_context *ctx, const struct import_rows *r) TESS_CHECKED;

#endif
