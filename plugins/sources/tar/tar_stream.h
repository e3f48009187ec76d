/* Images of compressed tar files, which can be read in order only: one file is open and read on, and images that are passed by on the way
 * to one are kept for the threads that will ask for them. An image that lies behind begins its file again. So reading in order, as an
 * encoding does, decompresses each file once, and once more whatever lies before the place where it resumes; any other order is right,
 * and slow.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_TAR_TAR_STREAM_H
#define PLUGINS_SOURCES_TAR_TAR_STREAM_H

#include "plugins/sources/tar/tar_index.h"
#include "plugins/sources/tar/tar_unpack.h"

#include <pthread.h>

enum { TAR_KEPT = 256, TAR_KEPT_BYTES = 64 << 20 }; /* images that are kept, at most */

struct tar_stream {
    pthread_mutex_t lock; /* held for every access to the members below */
    struct tar_unpack *unpack;
    int fd;
    int64_t shard, next, at; /* file; the first item at or behind byte `at` of it, decompressed */
    struct {
        int64_t item; /* number + 1; 0: none */
        void *bytes;
    } kept[TAR_KEPT]; /* image i, if any, at i modulo TAR_KEPT */
    int64_t kept_bytes;
};

void tar_stream_open(struct tar_stream *s);
void tar_stream_close(struct tar_stream *s);
/* Reads the bytes of item i, of which there are x->size[i], of a compressed file. TESS_E_DATA where it is damaged, TESS_E_IO where it is
 * no longer what it was. [any thread, many at once] */
int tar_stream_read(struct tess_context *ctx, struct tar_stream *s, const struct tar_index *x, int64_t i, void *to) TESS_CHECKED;

#endif
