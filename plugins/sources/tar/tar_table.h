/* Shared by the plugin of source/1 `tar` and the file with its functions: its parameters and where they go.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_TAR_TAR_TABLE_H
#define PLUGINS_SOURCES_TAR_TAR_TABLE_H

#include "plugins/sources/pictures/labels.h"
#include "plugins/sources/pictures/picture.h"
#include "plugins/sources/tar/tar_index.h"
#include "plugins/sources/tar/tar_stream.h"

struct tar {
    const char *path, *image, *label;
    int32_t labels;
    struct picture_options options;
    struct tar_index index;
    struct tar_stream stream; /* the compressed file that is being read */
    struct labels classes;
    char remark[1600];
};

static const struct tess_param params[] = {
    {.name = "path",
     .help = "a tar file, plain or compressed, a folder of such files, or a pattern with {000..099}, {a,b}, * or ?",
     .type = TESS_STR,
     .flags = TESS_REQUIRED | TESS_PATH,
     .offset = offsetof(struct tar, path)},
    {.name = "image",
     .help = "what names of images end in behind their first dot; of several in a sample the first of these counts",
     .type = TESS_STR,
     .offset = offsetof(struct tar, image),
     .text = PICTURE_EXTENSIONS},
    {.name = "labels",
     .help = "where a sample's label is: its member .cls, a key of its member .json, or nowhere",
     .type = TESS_ENUM,
     .offset = offsetof(struct tar, labels),
     .text = "cls|json|none"},
    {.name = "label", .help = "that key, with `labels: json`", .type = TESS_STR, .offset = offsetof(struct tar, label), .text = "label"},
    PICTURE_PARAMS(struct tar, options),
    {.name = NULL}};

#define TAR_PLUGIN(open, close, module)                                                                                                    \
    PICTURE_SOURCE("tessera-tar", "0.1.0", "tar", "images in tar files, WebDataset's shards among them, read where they lie", struct tar,  \
                   open, close, module, "source: {use: tar, path: \"shards/train-{000..127}.tar\"}")

#endif
