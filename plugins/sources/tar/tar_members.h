/* Members of one tar file, by their headers alone, through libarchive. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_TAR_TAR_MEMBERS_H
#define PLUGINS_SOURCES_TAR_TAR_MEMBERS_H

#include <tessera/base.h>

enum { MEMBER_FILE, MEMBER_FOLDER, MEMBER_LINK, MEMBER_SPECIAL };

enum { TAR_ENDS, TAR_CUT, TAR_GOES_ON }; /* how a file ends: with its mark, without it, with something else behind the mark */

struct tar_member {
    const char *name; /* until the next call */
    int type;
    int64_t offset, size; /* bytes of the file, decompressed */
    void *from;           /* for tar_member_read */
};

/* Calls `each` for every member of the open file, in order. TESS_E_DATA where the file is no tar file, damaged or truncated; else the first
 * status of `each` that is not TESS_OK. *packing: how the file is compressed, PACKING_NONE: not at all; a compressed one is read to its
 * last byte. *end: TAR_ENDS, TAR_CUT or TAR_GOES_ON. [any thread] */
int tar_members(struct tess_context *ctx, const char *path, int fd, int64_t file_bytes,
                int (*each)(void *user, struct tess_context *ctx, const struct tar_member *m), void *user, int32_t *packing,
                int *end) TESS_CHECKED;
/* Reads all bytes of a member of type MEMBER_FILE, at most once, before `each` returns. */
int tar_member_read(struct tess_context *ctx, const struct tar_member *m, void *to) TESS_CHECKED;

#endif
