/* Shared by the plugin of source/1 `folder` and the file with its functions: its parameters and where they go.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_FOLDER_FOLDER_TABLE_H
#define PLUGINS_SOURCES_FOLDER_FOLDER_TABLE_H

#include <tessera/plugin.h>
#include <tessera/kind/source.h>

#include "plugins/sources/folder/folder_list.h"
#include "plugins/sources/pictures/picture.h"

enum { LABELS_NONE, LABELS_FOLDERS };

struct folder {
    const char *path, *extensions;
    int32_t recursive, labels, tolerant;
    int64_t part_first, part_count; /* items whose contents are wanted of a fingerprint; 0: all */
    struct picture_options options;
    struct folder_list list;
    int64_t classes, name_capacity, run_capacity;
    char **class_name; /* in the order of their bytes */
    struct folder_run { /* the images from `first` to the next run's are of one class */
        int64_t first, label;
    } * run;
    char remark[1200];
};

static const struct tess_param params[] = {
    {.name = "path",
     .help = "folder of images, or one image",
     .type = TESS_STR,
     .flags = TESS_REQUIRED | TESS_PATH,
     .offset = offsetof(struct folder, path)},
    {.name = "recursive", .help = "the folders in it, too", .type = TESS_BOOL, .offset = offsetof(struct folder, recursive), .def = 1},
    {.name = "extensions",
     .help = "what names of images end in, with blanks between; others are passed by",
     .type = TESS_STR,
     .offset = offsetof(struct folder, extensions),
     .text = PICTURE_EXTENSIONS},
    {.name = "labels",
     .help = "none, or the folder below `path` that an image lies in: its class",
     .type = TESS_ENUM,
     .offset = offsetof(struct folder, labels),
     .text = "none|folders"},
    PICTURE_PARAMS(struct folder, options),
    {.name = NULL}};

#define FOLDER_PLUGIN(open, close, module)                                                                                                 \
    PICTURE_SOURCE("tessera-folder", "0.3.0", "folder", "images in a folder: JPEG, PNG, WebP and what else libvips reads", struct folder,  \
                   open, close, module, "source: {use: folder, path: photographs}")

#endif
