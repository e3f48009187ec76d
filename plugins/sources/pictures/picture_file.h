/* Image files of sources that name them one by one: read whole, decoded, digested. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_SOURCES_PICTURES_PICTURE_FILE_H
#define PLUGINS_SOURCES_PICTURES_PICTURE_FILE_H

#include "plugins/sources/pictures/name_table.h"
#include "plugins/sources/pictures/picture.h"

/* Sets the name of an image from its path within the source, as UTF-8. A longer one is the beginning of its digest, `...` and its end, so
 * that two with the same end differ. */
void picture_name(struct tess_image *out, const char *name);
/* Fails with TESS_E_ITEM: "PATH: WHY" and the system's text of `error`, where that is not 0; out->reason is that without the path. */
int picture_item(struct tess_context *ctx, struct tess_image *out, const char *path, const char *why, int error) TESS_CHECKED;
/* 1 for a system error that keeps this file alone from being opened. Lack of descriptors or memory, or a failing disk, is none. */
int picture_is_of_the_file(int error);

/* Reads and decodes a file; a file that is missing or may not be read, or has no image, is TESS_E_ITEM with out->reason. [any thread] */
int picture_read_file(struct tess_context *ctx, const char *path, const struct picture_options *o, struct tess_image *out) TESS_CHECKED;
/* Adds the digest of a file's bytes through the host's memory of them (source/1, `content`). [one thread] */
int picture_file_content(struct tess_context *ctx, const char *path, struct tess_digest *d) TESS_CHECKED;
/* Advises the system that a file will be read; one that cannot be opened is passed over. [any thread] */
void picture_file_soon(const char *path);
/* Files of a source by number: their names, and the paths they are read from. */
struct picture_files {
    int64_t count;
    const char *(*name)(const void *user, int64_t i, char *text); /* `text` has NAME_TABLE_TEXT bytes */
    int (*path)(const void *user, struct tess_context *ctx, int64_t i, char **out);
    const void *user;
    int64_t first, part; /* files whose content is wanted, by source/1, `part`; part 0: all */
};
/* Adds the files' names, and then the digests of those that are wanted; `tolerant`: "cannot be opened" behind the name of one of these
 * which cannot. Memory does not depend on their number, but for a bit each. [one thread] */
int picture_files_fingerprint(struct tess_context *ctx, struct tess_digest *d, const struct picture_files *f, int tolerant) TESS_CHECKED;

#endif
