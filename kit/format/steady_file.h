/* Files that are read in pieces, at any time after they were opened, and have to be what they were then. They are opened for each read:
 * there may be more of them than a process may hold open, and a mapped file that becomes shorter would end the process.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_FORMAT_STEADY_FILE_H
#define KIT_FORMAT_STEADY_FILE_H

#include <tessera/base.h>

struct steady_file {
    int64_t bytes;
    uint64_t device, inode;
    int64_t seconds, nanoseconds; /* time of the file's last change */
};

/* Opens a regular file and takes down how it is; the caller closes *fd. TESS_E_IO where it cannot be opened, TESS_E_DATA for a pipe, a
 * device or a folder. */
int steady_open(struct tess_context *ctx, const char *path, struct steady_file *f, int *fd) TESS_CHECKED;
/* Opens it again; the caller closes *fd. TESS_E_IO where it is not as it was. [any thread] */
int steady_reopen(struct tess_context *ctx, const char *path, const struct steady_file *f, int *fd) TESS_CHECKED;
/* TESS_E_IO where the open file is not as it was. [any thread] */
int steady_same(struct tess_context *ctx, const char *path, const struct steady_file *f, int fd) TESS_CHECKED;
/* Reads bytes of it, TESS_E_IO where it is not as it was. [any thread] */
int steady_read(struct tess_context *ctx, const char *path, const struct steady_file *f, int64_t offset, size_t bytes,
                void *to) TESS_CHECKED;
/* Reads bytes of an open file; one that ends before is TESS_E_IO. [any thread] */
int steady_read_at(struct tess_context *ctx, const char *path, int fd, int64_t offset, size_t bytes, void *to) TESS_CHECKED;
/* Advises the system that these bytes will be read. [any thread] */
void steady_soon(const char *path, int64_t offset, int64_t bytes);

#endif
