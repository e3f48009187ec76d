/* An index on its way: what was gathered from the parts (artefact_parts_write.c), and is written (artefact_parts_index.c).
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_STORE_ARTEFACT_PARTS_INDEX_H
#define TESSI_STORE_ARTEFACT_PARTS_INDEX_H

#include "core/store/store_private.h"

/* A joined dataset: what is the largest of the parts' so far. */
struct tessi_parts_joined {
    const char *name;
    int gathered;             /* 1: any number of rows */
    struct tessi_entry shape; /* shape in the first part that has the dataset, widened; rank 0: none has it yet */
    int32_t *length;          /* first dimension in each part */
};

struct tessi_parts_index {
    const struct tessi_parts_options *o;
    struct tess_artefact *first, *a; /* the first part; the index */
    char (*digest)[TESS_DIGEST_TEXT];
    int32_t *rows;
    int64_t *sum, sums, end; /* end: where the next part's range must begin */
    struct tessi_parts_joined *joined;
    int64_t joineds;
    int portable; /* 1: all parts are for readers that know little of HDF5, and so is the index */
};

/* 1 for a dataset that all parts have the same, and the index a copy of. */
int tessi_store_parts_index_shared(const struct tessi_parts_index *x, const struct tessi_entry *e);
/* Writes the index file. `text` and `number` have room for all names, rows and lengths of the table. */
int tessi_store_parts_index_write(struct tess_context *ctx, struct tessi_parts_index *x, const char **text, int32_t *number,
                                  char digest[65]) TESS_CHECKED;

#endif
