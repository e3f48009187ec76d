/* State of an encoding, shared by its files: pictures are read a group at a time on all threads (encode_read.c), encoded, and kept as a
 * list of rows beside the checkpoint (encode_run.c); the list becomes the archive (encode_result.c).
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_ENCODE_ENCODE_WORK_H
#define PLUGINS_STAGES_ENCODE_ENCODE_WORK_H

#include "kit/archive/content.h"
#include "kit/archive/crop_list.h"
#include "kit/archive/crops.h"
#include "kit/archive/rows.h"
#include "kit/archive/selection.h"
#include "kit/infer/common.h"

#include <pthread.h>

enum { FLIP_NONE, FLIP_BOTH };

struct encode_stage {
    int64_t batch, limit, offset, first_item, items, crop_count, expect_count;
    int32_t flip, crops, skip_bad, portable;
    struct tess_instance *source; /* NULL: the images are an artefact's */
    struct image_fit to;
    const char *select, *expect_tokenizer;
};

/* Rows of the archive of an artefact's images: training images, with flips the same mirrored (docs/models.md, (24.5)), then those kept for
 * validation. In a shard, which is of images `first` and on, a mirrored image follows its own; else the rows would depend on where shards
 * begin. */
struct encode_layout {
    int64_t train, flipped, count; /* images for training, mirrored ones, rows in all */
    int64_t first, images;         /* first image, and their number */
    int64_t place;                 /* number of the shard's first row among all rows */
    int paired, flipped_rows;      /* 1: of a shard; 1: rows may be mirrored */
};

/* Row beside its codes, as in the list of rows. */
struct encode_about {
    float error;
    int32_t item; /* number of its picture in the archive */
    struct crop_box box;
    uint8_t content[ARCHIVE_CONTENT];
};

/* A picture on its way: its rows as bytes, their boxes, and its name; or the reason why it has none. */
struct encode_slot {
    int read;
    int64_t label, rows, capacity, boxes;
    uint8_t *bytes;
    struct crop_box *box;
    int64_t given; /* where crops are an archive's: its first row there, and its content */
    uint8_t content[ARCHIVE_CONTENT];
    int has_content;
    char name[sizeof((struct tess_image *)0)->name], reason[sizeof((struct tess_image *)0)->reason];
};

/* Limits: pictures told by name; bytes of rows kept in memory; rows that pass by at a time at the end. */
enum { ENCODE_NAMED = 10, ENCODE_MEMORY = 1 << 18, ENCODE_BLOCK = 1024 };

/* Numbers that a checkpoint has, beside the list of rows. */
struct encode_progress {
    int64_t done, rows, bad;       /* items done; rows and bad items among them */
    int64_t name_width, bad_width; /* length of the longest name, and of the longest "NAME: REASON" */
};

struct encode_work {
    const struct encode_stage *s;
    struct tess_stage_run *run;
    struct tess_tokenizer tokenizer;
    struct code_maps maps;
    struct stage_graph encode, codebook;
    /* Origin of the images: a source, or an artefact. */
    const struct tess_source_1 *source;
    void *self;
    struct archive_selection selection;
    struct stage_images images;
    struct encode_layout layout;
    int64_t items, first_item, classes; /* items to do, and number of the first in the archive */
    struct crop_rule crop;
    /* Crops of another archive. */
    int given;                                    /* 1: there are any */
    int64_t given_rows, given_items, given_views; /* rows and pictures of that archive; rows of a picture, about */
    struct crop_list list;
    pthread_mutex_t listing; /* lock of `list` */
    int64_t given_last;      /* row there of the picture that was kept last */
    int given_noted;
    /* A group. */
    struct image_fit_worker *worker;
    int32_t workers;
    struct encode_slot *slot;
    int64_t group;
    int shared;                             /* 1: pictures are dealt to ranks */
    struct tess_tensor batch, codes, error; /* images of a batch; codes (i32) and errors of a group */
    int64_t capacity;                       /* rows that codes and error have memory for */
    /* The list. */
    struct archive_rows rows;
    struct encode_progress at;
    uint8_t *record; /* payload of a row: its codes at their width, then a struct encode_about */
    char last_skipped[sizeof((struct encode_slot *)0)->name + sizeof((struct encode_slot *)0)->reason + 8];
};

/* 1 where a source was compiled with this member and has it. */
#define ENCODE_SOURCE_HAS(ops, member) (TESS_HAS(ops, member) && (ops)->member)

/* ---- encode_plan.c ---- */

int encode_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p) TESS_CHECKED;
/* Counts what is to be encoded: items of the source, or rows of the artefact with these attributes. */
int encode_measure(struct tess_context *ctx, struct encode_work *k, const struct tess_attrs *images) TESS_CHECKED;

/* 1 where rows are of pictures of a source: item after item, with what is known of each. */
int encode_is_archive(const struct encode_stage *s);
int32_t encode_code_dtype(const struct encode_work *k);   /* dtype of codes in the list of rows */
int64_t encode_record_bytes(const struct encode_work *k); /* bytes of a row's payload */
int64_t encode_views(const struct encode_work *k);        /* rows of an item at most; where items differ, an estimate */
int encode_views_differ(const struct encode_work *k);     /* 1 where nobody knows an item's rows before it was looked at */
int encode_is_flipped(const struct encode_layout *l, int64_t row);
int64_t encode_image_of(const struct encode_layout *l, int64_t row); /* number of the image that a row holds the codes of */
int encode_count_rows(struct tess_context *ctx, const struct encode_stage *s, const struct tess_attrs *images,
                      struct encode_layout *l) TESS_CHECKED;
/* Opens the source and counts the items to do. */
int encode_count_items(struct tess_context *ctx, const struct encode_stage *s, struct encode_work *k) TESS_CHECKED;
int encode_describe(struct tess_context *ctx, const struct encode_work *k, const struct tess_attrs *images, int64_t count, int64_t train,
                    int at_most, struct tess_attrs *f) TESS_CHECKED;
/* 1 where the archive includes the codebook: one code stands for one vector, and the codebook is small enough to be looked at. */
int encode_shows_codebook(const struct tess_tokenizer *t);

/* ---- encode_read.c ---- */

int encode_read_open(struct tess_context *ctx, struct encode_work *k) TESS_CHECKED;
void encode_read_close(struct encode_work *k);
/* Reads the next items into the slots, at most a group, on all threads; *n is their number. */
int encode_read_group(struct tess_context *ctx, struct encode_work *k, int64_t *n) TESS_CHECKED;

/* Makes space for `rows` rows in a slot, and for their boxes. */
int encode_reserve_rows(struct tess_context *ctx, const struct encode_work *k, struct encode_slot *slot, int64_t rows) TESS_CHECKED;

/* ---- encode_given.c ---- */

/* Takes from an archive's attributes what planning wants of its crops; NULL: there is no such archive. */
void encode_given_describe(struct encode_work *k, const struct tess_attrs *archive);
/* Checks the parameters, and that the source has as many items as that archive. */
int encode_given_check(struct tess_context *ctx, const struct encode_work *k) TESS_CHECKED;
int encode_given_count(struct tess_context *ctx, const struct encode_work *k) TESS_CHECKED;
/* Fills a slot with the rows of worker->image that the archive tells. [any thread] */
int encode_given_take(struct tess_context *ctx, struct encode_work *k, int64_t item, struct image_fit_worker *worker,
                      struct encode_slot *slot) TESS_CHECKED;
/* Checks the content of the next item against the archive's; notes where items come in another order. [one thread] */
int encode_given_same(struct tess_context *ctx, struct encode_work *k, const struct encode_slot *slot,
                      const uint8_t content[ARCHIVE_CONTENT]) TESS_CHECKED;

/* ---- encode_run.c ---- */

/* Reads and encodes all items, from the stage's checkpoint where there is one. */
int encode_all(struct tess_context *ctx, struct encode_work *k) TESS_CHECKED;

/* ---- encode_result.c ---- */

/* Writes the list of rows as the artefact, a block at a time. `images`: NULL where they are of a source. */
int encode_write(struct tess_context *ctx, struct encode_work *k, const struct tess_artefact *images) TESS_CHECKED;

#endif
