/* A list of bytes that grows at its end: in memory while it is short, beyond that in a temporary file that has no name, so that a list of
 * a million records costs no more memory than one of a hundred. Nothing of it outlives the process. SPDX-License-Identifier: MIT */
#ifndef TESSI_SPOOL_H
#define TESSI_SPOOL_H

#include <tessera/base.h>

/* Opens a file without a name in the folder, or in the nearest one above that is there, for reading and writing; -1: none can be made. */
int tessi_base_nameless_file(const char *folder);

/* Zeroed memory is an empty list that stays in memory. */
struct tessi_spool {
    char *folder; /* where the file is made once it is needed, a copy; NULL: all stays in memory */
    int has_file, fd;
    char *buffer; /* the last bytes, those behind `written` */
    int64_t used, capacity, written;
};

enum { TESSI_SPOOL_MEMORY = 1 << 18 }; /* bytes kept in memory where there is a folder */

/* Sets the folder of a list that has none yet; it need not exist before the list is long. */
int tessi_base_spool_into(struct tess_context *ctx, struct tessi_spool *s, const char *folder) TESS_CHECKED;
void tessi_base_spool_free(struct tessi_spool *s);
/* Appends bytes. TESS_E_IO names the folder, which may be full. Where no file can be made there, the list stays in memory. */
int tessi_base_spool_add(struct tess_context *ctx, struct tessi_spool *s, const void *bytes, size_t count) TESS_CHECKED;
int64_t tessi_base_spool_bytes(const struct tessi_spool *s);
/* Reads, or writes anew, bytes that are there. Reads may be many at a time. */
int tessi_base_spool_read(struct tess_context *ctx, const struct tessi_spool *s, int64_t at, void *to, size_t count) TESS_CHECKED;
int tessi_base_spool_put(struct tess_context *ctx, struct tessi_spool *s, int64_t at, const void *bytes, size_t count) TESS_CHECKED;

/* A reader that goes from the first byte to the last, with a block of them in memory. */
struct tessi_spool_reader {
    const struct tessi_spool *spool;
    int64_t at, first, held; /* next byte; the block's first and number */
    char block[8192];
};
/* Reads the next bytes, of which there must be as many. */
int tessi_base_spool_next(struct tess_context *ctx, struct tessi_spool_reader *r, void *to, size_t count) TESS_CHECKED;

#endif
