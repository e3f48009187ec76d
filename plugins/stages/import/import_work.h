/* State of an import, shared by its two phases: images are read into a list of rows (import_read.c), and that becomes the artefact
 * (import_result.c).
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_IMPORT_IMPORT_WORK_H
#define PLUGINS_STAGES_IMPORT_IMPORT_WORK_H

#include "kit/infer/common.h"
#include "kit/image/fit.h"
#include "kit/archive/rows.h"

struct import_stage {
    struct tess_instance *source;
    struct image_fit to;
    int64_t limit;
    double split;
    int32_t shuffle, skip_bad;
};

/* Limits: images read at a time, and their bytes; bytes of rows kept in memory; bad images told by name. */
enum { IMPORT_GROUP = 256, IMPORT_GROUP_BYTES = 64 << 20, IMPORT_MEMORY = 64 << 20, IMPORT_NAMED = 10 };
/* Capacity for the texts of one record, and for "NAME: REASON". */
enum { IMPORT_TEXTS = sizeof((struct tess_image *)0)->name + sizeof((struct tess_image *)0)->reason + 8 };

struct import_work {
    const struct import_stage *s;
    const struct tess_source_1 *source;
    void *self;
    int64_t count, train, height, width, channels, classes; /* count and train: numbers of images of the source */
    uint64_t seed;
    struct archive_rows rows;
    int64_t done, kept, kept_train, bad; /* images: read so far; kept, with a row; kept for training; bad */
    int64_t name_bytes, skipped_bytes;   /* lengths of all names of kept images, and of all "NAME: REASON", each with its end */
    char last_skipped[IMPORT_TEXTS];
};

/* 1 where a source was compiled with this member and has it. */
#define IMPORT_SOURCE_HAS(ops, member) (TESS_HAS(ops, member) && (ops)->member)

int64_t import_row_bytes(const struct import_work *k);
/* Reads image i of the source. A bad one is TESS_OK with image->reason where such are to be left out, else TESS_E_ITEM. */
int import_read_image(struct tess_context *ctx, const struct import_work *k, int64_t i, struct tess_image *image) TESS_CHECKED;
/* Reads all images, from the stage's checkpoint where there is one, with checkpoints on the way. */
int import_read(struct tess_context *ctx, struct tess_stage_run *r, struct import_work *k) TESS_CHECKED;
/* Writes the list of rows as data sets; attributes are the caller's. */
int import_write(struct tess_context *ctx, struct tess_stage_run *r, struct import_work *k) TESS_CHECKED;
/* Writes a checkpoint of what has been read, now. */
int import_checkpoint(struct tess_context *ctx, struct tess_stage_run *r, struct import_work *k) TESS_CHECKED;

#endif
