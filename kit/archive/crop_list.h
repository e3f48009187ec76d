/* Crops that an archive tells, for another tokenizer that is to be given the very same parts of the same pictures. A picture is found by
 * its number where the archive has it under that number, else by its name; memory does not grow with the archive until names are needed,
 * and then by 16 bytes a picture.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_ARCHIVE_CROP_LIST_H
#define KIT_ARCHIVE_CROP_LIST_H

#include "kit/archive/content.h"
#include "kit/archive/crops.h"

#include <tessera/artefact.h>

enum { CROP_LIST_BLOCK = 1024, CROP_LIST_NAME = sizeof((struct tess_image *)0)->name };

/* Name of a picture in a table that is sorted by the hash. */
struct crop_list_name {
    uint64_t hash;
    int64_t row; /* the picture's first row, or its place in /skipped */
};
struct crop_list_names {
    struct crop_list_name *name;
    int64_t count, capacity;
    int known; /* 1: the table was made */
};

struct crop_list {
    const struct tess_artefact *archive; /* borrowed; NULL: there is no list */
    int64_t rows, skipped;
    int named, flipped, content, skipped_content; /* 1: the archive has such a dataset */
    struct crop_list_names of_rows, of_skipped;
    int32_t item[CROP_LIST_BLOCK]; /* pictures of rows `first` to first + loaded - 1 */
    int64_t first, loaded;
};

/* Rows of a picture. */
struct crop_list_found {
    int64_t first, rows; /* rows 0: the archive has none of this picture; `first` -1: nor does it say why */
    uint8_t content[ARCHIVE_CONTENT];
    int has_content;
    char reason[sizeof((struct tess_image *)0)->reason]; /* reason of a picture that was left out; "" where it has rows */
};

/* Begins with an archive that has boxes; TESS_E_USAGE where it has none, TESS_E_DATA where its datasets contradict each other. The list
 * starts zeroed, and is closed in any case. [one thread] */
int crop_list_open(struct tess_context *ctx, const struct tess_artefact *archive, struct crop_list *list) TESS_CHECKED;
void crop_list_close(struct crop_list *list);
/* Finds the picture of number `item` and of this name; for pictures without names `name` is NULL. [one thread at a time] */
int crop_list_find(struct tess_context *ctx, struct crop_list *list, int64_t item, const char *name,
                   struct crop_list_found *out) TESS_CHECKED;
/* Reads the boxes of n rows, each checked to lie within a picture of ih x iw pixels. [any thread] */
int crop_list_boxes(struct tess_context *ctx, const struct crop_list *list, int64_t first, int64_t n, int64_t ih, int64_t iw,
                    struct crop_box *box) TESS_CHECKED;
/* Rows of a picture on average, rounded up; of an archive's attributes. */
int64_t crop_list_views(const struct tess_attrs *archive);

#endif
