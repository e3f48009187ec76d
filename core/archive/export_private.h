/* Parts of exports that formats share: codes as the narrowest unsigned integers, a block of rows at a time. SPDX-License-Identifier: MIT */
#ifndef TESSI_ARCHIVE_EXPORT_PRIVATE_H
#define TESSI_ARCHIVE_EXPORT_PRIVATE_H

#include "core/archive/archive.h"
#include "core/base/aside.h"

struct tessi_archive_exporter {
    const struct tessi_archive_export *o;
    const struct tess_artefact *a;
    struct tess_tensor codes;          /* shape of all codes */
    int64_t codebook_size, depth, row; /* row: codes of one */
    int64_t width;                     /* bytes of a code in the file: 1, 2 or 4 */
    int has_labels, has_names;
};
/* A block of rows: codes of `width` bytes, little-endian, and labels and names where there are any. */
struct tessi_archive_block {
    int64_t first, rows;
    uint8_t *codes;
    const int32_t *label;    /* NULL: none */
    const char *const *name; /* NULL: none */
};
/* Calls `take` for each block, in order. */
int tessi_archive_export_blocks(struct tess_context *ctx, const struct tessi_archive_exporter *x,
                                int (*take)(void *user, struct tess_context *ctx, const struct tessi_archive_block *b),
                                void *user) TESS_CHECKED;
/* Header of an NPY file (version 1.0) of n x dim... integers of `width` bytes, or f32 where width is -4; gives its length. */
enum { TESSI_NPY_HEADER = 128 };
int64_t tessi_archive_npy_header(const struct tess_tensor *shape, int64_t width, char header[TESSI_NPY_HEADER]);

int tessi_archive_export_npy(struct tess_context *ctx, const struct tessi_archive_exporter *x) TESS_CHECKED;
int tessi_archive_export_safetensors(struct tess_context *ctx, const struct tessi_archive_exporter *x) TESS_CHECKED;
int tessi_archive_export_tar(struct tess_context *ctx, const struct tessi_archive_exporter *x) TESS_CHECKED;
int tessi_archive_export_png(struct tess_context *ctx, const struct tessi_archive_exporter *x) TESS_CHECKED;

#endif
