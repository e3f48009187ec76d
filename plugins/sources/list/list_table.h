/* Shared by the plugin of source/1 `list` and the file with its functions: its parameters and where they go.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_LIST_LIST_TABLE_H
#define PLUGINS_SOURCES_LIST_LIST_TABLE_H

#include "plugins/sources/list/list_lines.h"
#include "plugins/sources/pictures/labels.h"
#include "plugins/sources/pictures/name_table.h"
#include "plugins/sources/pictures/picture.h"

struct list {
    const char *path, *root, *image, *label;
    int32_t format, tolerant;
    int64_t part_first, part_count; /* items whose contents are wanted of a fingerprint; 0: all */
    struct picture_options options;
    struct list_lines lines; /* paths below `folder`, labels; empty once the list is open */
    struct name_table name;
    struct labels labels;
    char *folder; /* `root`, or the list's, without a slash at its end */
    char remark[400];
};

static const struct tess_param params[] = {
    {.name = "path",
     .help = "file with a path a line, a tab and a label; CSV with a first line of names; or JSON lines",
     .type = TESS_STR,
     .flags = TESS_REQUIRED | TESS_PATH,
     .offset = offsetof(struct list, path)},
    {.name = "root",
     .help = "folder that all paths are in; that of the list where it is not set",
     .type = TESS_STR,
     .flags = TESS_PATH,
     .offset = offsetof(struct list, root)},
    {.name = "format",
     .help = "of the list; auto: by the end of its name, .csv, .tsv, .jsonl, else text",
     .type = TESS_ENUM,
     .offset = offsetof(struct list, format),
     .text = "auto|text|csv|tsv|jsonl"},
    {.name = "image",
     .help = "column or key of the paths; else the first called path, file_name, filename, file or image",
     .type = TESS_STR,
     .offset = offsetof(struct list, image)},
    {.name = "label",
     .help = "column or key of the labels; else the first called label or class",
     .type = TESS_STR,
     .offset = offsetof(struct list, label)},
    PICTURE_PARAMS(struct list, options),
    {.name = NULL}};

#define LIST_PLUGIN(open, close, module)                                                                                                   \
    PICTURE_SOURCE("tessera-list", "0.1.0", "list", "images that a file lists, with labels: text, CSV or JSON lines", struct list, open,   \
                   close, module, "source: {use: list, path: train.csv}")

#endif
