/* Index of the samples in tar files: where each image lies, and its label. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_TAR_TAR_INDEX_H
#define PLUGINS_SOURCES_TAR_TAR_INDEX_H

#include "plugins/sources/pictures/name_table.h"
#include "plugins/sources/tar/tar_shards.h"
#include "kit/format/steady_file.h"

enum { TAR_LABELS_CLS, TAR_LABELS_JSON, TAR_LABELS_NONE };

/* Defects of a label, which are those of its sample alone: `label` is -2 - WHY then. */
enum { TAR_LABEL_NO_TEXT, TAR_LABEL_LONG, TAR_LABEL_NO_JSON, TAR_LABEL_JSON_LONG, TAR_LABEL_KEY_LONG, TAR_LABEL_DEFECTS };

enum { TAR_IMAGE_MAX = 1 << 30 }; /* bytes of an image; of a larger one the size is one more */

/* Members that are not read, or not as they might be, with an example each. */
enum { TAR_NO_IMAGE, TAR_LINK, TAR_SPECIAL, TAR_LEADS_OUT, TAR_MEMBER_TWICE, TAR_SAMPLE_TWICE, TAR_NO_END, TAR_MORE, TAR_REMARKS };
struct tar_remark {
    int64_t count;
    char name[128];
};

struct tar_index {
    const char *images; /* endings of images, the one to be preferred first */
    int32_t labels;
    const char *label_key;
    struct tar_shards shards;
    struct tar_place { /* a shard as it was read */
        int64_t first; /* item */
        struct steady_file steady;
        int32_t packing; /* PACKING_NONE: images lie in the file as they are */
    } * place; /* places of the shards, and one past the last */
    int64_t count, offset_capacity, size_capacity, label_capacity, text_capacity, text_bytes;
    int64_t *offset;        /* byte of its shard, decompressed, that an image begins at */
    int32_t *size;          /* bytes of an image */
    struct name_table name; /* SHARD/MEMBER of each */
    int64_t *label;         /* where its label begins in `text`, -1: it has none, less: its defect; NULL once the labels are made */
    char *text;
    struct tar_remark remark[TAR_REMARKS];
};

/* Reads the headers of all shards, from the first to the last; nothing of a member but labels is read, and of a compressed shard all.
 * Members whose names are equal up to the first dot of the base name are one sample, as WebDataset has it. TESS_E_DATA for a shard that is
 * damaged or truncated.
 * Set the first three members before; free it in any case. */
int tar_index_make(struct tess_context *ctx, const char *pattern, struct tar_index *x) TESS_CHECKED;
void tar_index_free(struct tar_index *x);
void tar_index_free_labels(struct tar_index *x);
/* The defect of a label below -1, in words. */
const char *tar_label_defect(int64_t label);
/* The shard of item i. */
int64_t tar_index_shard(const struct tar_index *x, int64_t i);

#endif
