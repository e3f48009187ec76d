/* Files of arrays: one, or those of a folder. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_NPY_NPY_FILES_H
#define PLUGINS_SOURCES_NPY_NPY_FILES_H

#include "kit/format/npy_header.h"
#include "kit/format/steady_file.h"
#include "kit/image/layout.h"

enum { NPY_FILES_MAX = 1 << 20 };

struct npy_file {
    char *path;
    const char *name; /* within the folder */
    struct npy_header header;
    struct layout layout;
    int64_t first; /* image */
    struct steady_file steady;
};

struct npy_files {
    int64_t count, capacity, images;
    int32_t folder; /* 1: files of a folder, in the order of their names' bytes */
    struct npy_file *file;
};

/* Opens a file, or all files of a folder that end in .npy, and reads their headers. Free it in any case. */
int npy_files_open(struct tess_context *ctx, const char *path, struct npy_files *f) TESS_CHECKED;
void npy_files_free(struct npy_files *f);
/* The file that image i is in. */
const struct npy_file *npy_files_of(const struct npy_files *f, int64_t i);

#endif
