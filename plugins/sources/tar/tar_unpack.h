/* Bytes of a compressed file, decompressed in order, in bounded memory. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_TAR_TAR_UNPACK_H
#define PLUGINS_SOURCES_TAR_TAR_UNPACK_H

#include "kit/format/packing.h"

#include <tessera/base.h>

struct tar_unpack;

/* Begins at the first byte of the open file of this compression (packing.h), which stays the caller's and is read from nowhere else
 * meanwhile. TESS_E_DATA where libarchive was built without this compression. */
int tar_unpack_open(struct tess_context *ctx, const char *path, int fd, int32_t packing, struct tar_unpack **out) TESS_CHECKED;
void tar_unpack_close(struct tar_unpack *u);
/* Reads the next bytes, *got of them: fewer only at the end. TESS_E_DATA where the file is truncated, or damaged as far as its compression
 * has checksums, which for the last bytes are compared by the read that comes to the end. [one thread at a time] */
int tar_unpack_read(struct tess_context *ctx, struct tar_unpack *u, void *to, size_t bytes, size_t *got) TESS_CHECKED;
/* Passes by so many bytes; TESS_E_DATA where there are fewer. */
int tar_unpack_skip(struct tess_context *ctx, struct tar_unpack *u, int64_t bytes) TESS_CHECKED;

#endif
