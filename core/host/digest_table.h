/* Digests remembered between runs: of files' bytes and of artefacts' contents, by where a file lies, its size and its times.
 *
 * As in Git's index, a file of the same place, size and times is taken for unchanged: device and inode, nanoseconds of the last change of
 * content (mtime) and of the inode (ctime), which no program can set back. One changed so lately that a later change could have the same
 * times is not remembered. What is remembered saves reading and decides nothing: without it the digests are the same.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_DIGEST_TABLE_H
#define TESSI_DIGEST_TABLE_H

#include <tessera/digest.h>

/* Content of a digest: a file's bytes, an artefact's content, or the tensors of a file of weights. */
enum { TESSI_OF_BYTES = 0, TESSI_OF_CONTENT = 1, TESSI_OF_TENSORS = 2 };

struct tessi_place {
    uint64_t device, inode;
    int64_t size, changed, touched; /* bytes; mtime and ctime in nanoseconds */
};

/* Reads size, times and inode of an open file: 0, or -1 with errno. */
int tessi_host_place_of(int fd, struct tessi_place *out);
int tessi_host_place_same(const struct tessi_place *a, const struct tessi_place *b);
/* 1 where the file changed within the two seconds before `now`, so that another change could have left the same times. */
int tessi_host_place_lately(const struct tessi_place *at, int64_t now);

struct tessi_file_digests;

/* Opens the table in `path`; a missing or malformed one is empty. */
int tessi_host_file_digests_open(struct tess_context *ctx, const char *path, struct tessi_file_digests **out) TESS_CHECKED;
/* The folder that the table is in, a copy; NULL for no table. */
int tessi_host_file_digests_folder(struct tess_context *ctx, const struct tessi_file_digests *t, char **out) TESS_CHECKED;
/* Saves the table when there is something new; its folder must exist. A failure to save is ignored. NULL is fine. [one thread] */
void tessi_host_file_digests_save(struct tessi_file_digests *t);
void tessi_host_file_digests_close(struct tessi_file_digests *t);
/* 1 when the table has the digest of a file of this place. A NULL table has none. [many threads, as long as nothing is remembered] */
int tessi_host_file_digests_find(const struct tessi_file_digests *t, int what, const struct tessi_place *at, char digest[TESS_DIGEST_TEXT]);
/* Adds a digest to the table, unless the file changed in the last two seconds or memory is short. Many new ones go into a file without a
 * name. `now`: time of tessi_host_file_clock before the file was read. NULL is fine. [one thread] */
void tessi_host_file_digests_remember(struct tessi_file_digests *t, int what, const struct tessi_place *at, const char *digest,
                                      int64_t now);
/* Time in nanoseconds, by the clock of file times. */
int64_t tessi_host_file_clock(void);

#endif
