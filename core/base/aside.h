/* Files that appear whole or not at all: the one way in which anything here writes a file.
 *
 * A file is written under a name of its own beside the place it is for, PATH.PROCESS.NUMBER.partial, synced, renamed, and its folder is
 * synced. So a reader meets the old file or the new one; several writers of one place, in one process or many, do not meet, and the
 * last to finish is the one that stays. The writer holds a lock (flock) on its file: what a killed one left is told by that and removed by
 * the next writer of the same place. SPDX-License-Identifier: MIT */
#ifndef TESSI_ASIDE_H
#define TESSI_ASIDE_H

#include <tessera/base.h>
#include <sys/types.h>

struct tessi_aside;

/* Starts the file. A link is followed, so that it stays one. A device or a pipe (/dev/stdout) is written to as it is, unless `seekable` is
 * asked for: then anything but a file is TESS_E_CREATE, as is a place that cannot be written to. [one thread an object] */
int tessi_base_aside_open(struct tess_context *ctx, const char *path, int seekable, struct tessi_aside **out) TESS_CHECKED;
/* Behind what was put before. TESS_E_IO. */
int tessi_base_aside_put(struct tess_context *ctx, struct tessi_aside *a, const void *bytes, size_t count) TESS_CHECKED;
/* At a place of the file; 0 or the system's error number. Of a seekable one. */
int tessi_base_aside_write_at(struct tessi_aside *a, const void *bytes, size_t count, off_t at);
/* Synced and renamed: from here on it is there. TESS_E_IO where that fails, and the file is as it was before. */
int tessi_base_aside_finish(struct tess_context *ctx, struct tessi_aside *a) TESS_CHECKED;
/* Removes it unless it was finished. NULL is fine. */
void tessi_base_aside_close(struct tessi_aside *a);
int tessi_base_aside_descriptor(const struct tessi_aside *a);
const char *tessi_base_aside_name(const struct tessi_aside *a); /* the file aside */
/* Who is asked when the disk is full: 1 to try again, 0 to give up. Without it writing fails at once. */
void tessi_base_aside_when_full(struct tessi_aside *a, int (*again)(void *user, const char *path, int error), void *user);
/* Blocks for `bytes` of a file are had now, where the file system can do that; what is not used is given back. 0, or the error. */
int tessi_base_aside_reserve(struct tessi_aside *a, int64_t bytes);
/* Removes what killed writers of PATH left. */
void tessi_base_aside_sweep(const char *path);
/* 1 when there is an unfinished one of PATH; its name (cut where there is no room). */
int tessi_base_aside_left(const char *path, char *name, size_t capacity);

/* TESS_E_USAGE when `output` is the file `input` under whatever name: by device and inode, also through links. NULL for either is fine. */
int tessi_base_not_over(struct tess_context *ctx, const char *output, const char *input) TESS_CHECKED;

/* A whole file of these bytes. */
int tessi_base_write_text(struct tess_context *ctx, const char *path, const char *text, size_t bytes) TESS_CHECKED;
/* `path` becomes another name of `target`, at once: a hard link, or a copy of equal time where the file system has none. *changed
 * (may be NULL): it was not so before. */
int tessi_base_link_file(struct tess_context *ctx, const char *target, const char *path, int *changed) TESS_CHECKED;

#endif
