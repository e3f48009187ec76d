/* Rows that a stage has made so far, in their order: a list in memory that, once it is long or a checkpoint wants it, lies in a file beside
 * the checkpoint. Records are appended and never written again, so a checkpoint costs what came since the last one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_ARCHIVE_ROWS_H
#define KIT_ARCHIVE_ROWS_H

#include <tessera/base.h>

struct archive_rows {
    char *path;
    int fd;          /* -1: there is no file yet */
    int64_t written; /* bytes in the file */
    uint64_t sum;    /* checksum of all records */
    size_t limit;    /* largest buffer in bytes, but for one record */
    uint8_t *buffer; /* records not in the file yet; when reading, bytes read ahead */
    size_t used, capacity;
    int64_t at, ahead; /* reading: offset of the next record, and offset in the file of the buffer's first byte */
    uint64_t sum_read;
};

/* Record of one image: its row, or the reason why there is none. */
struct archive_record {
    const char *name, *reason; /* reason "": none; borrowed */
    int64_t label;
    const uint8_t *row; /* row_bytes of it; with a reason there is none */
    int64_t row_bytes;
};

/* Opens a list whose file, made when it is needed, is `path`; at most `limit` bytes are kept in memory, but for one record. Start from
 * zeroed memory; close in any case. */
int archive_rows_open(struct tess_context *ctx, struct archive_rows *r, const char *path, size_t limit) TESS_CHECKED;
void archive_rows_close(struct archive_rows *r);
int archive_rows_add(struct tess_context *ctx, struct archive_rows *r, const struct archive_record *record) TESS_CHECKED;
/* Writes all records to the file and the disk: then it has `written` bytes, of checksum `sum`. */
int archive_rows_sync(struct tess_context *ctx, struct archive_rows *r) TESS_CHECKED;
/* Resumes behind the first `bytes` of the file of an earlier run. *found 0: the file is not there, or shorter. */
int archive_rows_resume(struct tess_context *ctx, struct archive_rows *r, int64_t bytes, uint64_t sum, int *found) TESS_CHECKED;

/* Begins reading at the first record; nothing can be added from here on. */
int archive_rows_rewind(struct tess_context *ctx, struct archive_rows *r) TESS_CHECKED;
/* Reads the next record: its texts into `text` (`capacity` bytes), its row, where there is one, to `row`. */
int archive_rows_next(struct tess_context *ctx, struct archive_rows *r, char *text, size_t capacity, uint8_t *row, int64_t row_bytes,
                      struct archive_record *out) TESS_CHECKED;
/* Checks, after the last record, that what was read is what was added; TESS_E_DATA otherwise. */
int archive_rows_check(struct tess_context *ctx, const struct archive_rows *r) TESS_CHECKED;

#endif
