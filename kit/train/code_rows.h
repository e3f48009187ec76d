/* Rows of an archive of codes for training, in memory that does not grow with the archive: small ones are held as they are stored (one or
 * two bytes a code), of large ones each row is read when it is wanted. SPDX-License-Identifier: MIT */
#ifndef KIT_TRAIN_CODE_ROWS_H
#define KIT_TRAIN_CODE_ROWS_H

#include "kit/infer/codes.h"

#define CODE_ROWS_MEMORY ((int64_t)64 << 20) /* bytes up to which an archive is held */

struct code_rows {
    const struct tess_artefact *from; /* borrowed: stays open while rows are read */
    struct tess_tensor shape, held;   /* the dataset; held.data: NULL where rows are read from the file */
    int64_t tokens;                   /* codes of a row */
};

/* Opens the rows of /codes, whose codes must be those of `m`: all of them are looked at once, a block at a time. Archives of at most
 * `memory` bytes are held. TESS_E_DATA for a code out of range, or a map of another size. Closed by code_rows_close, also after a failure.
 */
int code_rows_open(struct tess_context *ctx, const struct tess_artefact *from, const struct code_maps *m, int64_t memory,
                   struct code_rows *out) TESS_CHECKED;
void code_rows_close(struct code_rows *r);
/* Row `row` into `to`, r->tokens codes. [any thread] */
int code_rows_read(struct tess_context *ctx, const struct code_rows *r, int64_t row, int32_t *to) TESS_CHECKED;
/* Bytes that an archive of these attributes will take, for the plan. */
int64_t code_rows_bytes(const struct tess_attrs *f, int64_t memory);

#endif
