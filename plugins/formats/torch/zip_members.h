/* The list of members in a ZIP archive whose members are stored as they are, as torch.save writes it: each is a range of the file.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_TORCH_ZIP_MEMBERS_H
#define PLUGINS_FORMATS_TORCH_ZIP_MEMBERS_H

#include <tessera/base.h>

struct zip_member {
    const char *name;
    int64_t offset, bytes; /* offset: place in the file of the header in front of its bytes */
    uint32_t sum;          /* CRC-32 of its bytes */
    int32_t plain;         /* stored, and not encrypted */
};

struct zip_members {
    struct zip_member *member; /* by name */
    int64_t count;
    int32_t has_sums; /* 0: the writer was told to leave the sums out, each of them is 0 */
    int64_t end;      /* place in the file behind all members: where the list of them begins */
    char *names;
};

enum { ZIP_MEMBERS_MAX = 1 << 17, ZIP_LIST_MAX = 32 << 20 };

/* Reads the list; TESS_E_DATA for anything but a whole archive in one part. Start from zeroed memory; free in any case. */
int zip_members_read(struct tess_context *ctx, const char *path, int fd, int64_t file_bytes, struct zip_members *out) TESS_CHECKED;
void zip_members_free(struct zip_members *z);
/* The member of a name, or NULL. */
const struct zip_member *zip_member_find(const struct zip_members *z, const char *name);
/* Place of a member's bytes, all of which are in front of the list; TESS_E_DATA for a member that is compressed or encrypted. */
int zip_member_place(struct tess_context *ctx, const char *path, int fd, const struct zip_members *z, const struct zip_member *m,
                     int64_t *offset) TESS_CHECKED;

#endif
