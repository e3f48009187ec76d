/* Files that appear whole or not at all: the one way in which anything here writes a file.
 *
 * A file is written under a name of its own beside the place it is for, PATH.MACHINE.PROCESS.NUMBER.partial, synced, renamed, and its
 * folder is synced. So a reader meets the old file or the new one; several writers of one place, in one process or many, do not meet, and
 * the last to finish is the one that stays. The writer holds a lock (flock) on its file: what a killed one left is told by that, or by the
 * process's number where there are no locks, and removed by the next writer of the same place or who sweeps the folder.
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_ASIDE_H
#define TESSI_ASIDE_H

#include <tessera/base.h>
#include <sys/types.h>

struct tessi_aside;

/* Starts the file. A link is followed, so that it stays one. A device or a pipe (/dev/stdout) is written to as it is, unless `seekable` is
 * asked for: then anything but a file is TESS_E_CREATE, as is a place that cannot be written to. [one thread an object] */
int tessi_base_aside_open(struct tess_context *ctx, const char *path, int seekable, struct tessi_aside **out) TESS_CHECKED;
/* Appends bytes. TESS_E_IO. */
int tessi_base_aside_put(struct tess_context *ctx, struct tessi_aside *a, const void *bytes, size_t count) TESS_CHECKED;
/* Writes bytes at an offset of a seekable file; returns 0 or the system's error number. */
int tessi_base_aside_write_at(struct tessi_aside *a, const void *bytes, size_t count, off_t at);
/* Syncs the file and renames it to its final name. TESS_E_IO where that fails; the file of that name is then as it was before. */
int tessi_base_aside_finish(struct tess_context *ctx, struct tessi_aside *a) TESS_CHECKED;
/* Removes the partial file unless it was finished, and frees the writer. NULL is fine. */
void tessi_base_aside_close(struct tessi_aside *a);
int tessi_base_aside_descriptor(const struct tessi_aside *a);
const char *tessi_base_aside_name(const struct tessi_aside *a); /* name of the partial file */
/* Sets the function to call when the disk is full: 1 to try again, 0 to give up. Without it writing fails at once. */
void tessi_base_aside_when_full(struct tessi_aside *a, int (*again)(void *user, const char *path, int error), void *user);
/* Preallocates blocks for `bytes` of the file, where the file system can; unused ones are released. Returns 0, or the error. */
int tessi_base_aside_reserve(struct tessi_aside *a, int64_t bytes);
/* Removes the partial files of PATH that killed writers left; of all files in a folder. */
void tessi_base_aside_sweep(const char *path);
void tessi_base_aside_sweep_folder(const char *folder);
/* 1 when there is a partial file of PATH; its name (cut to `capacity`). */
int tessi_base_aside_left(const char *path, char *name, size_t capacity);

/* TESS_E_USAGE when `output` is the file `input`, or a file of the folder `input`, under whatever name: by device and inode, also through
 * links. NULL for either is fine. */
int tessi_base_not_over(struct tess_context *ctx, const char *output, const char *input) TESS_CHECKED;

/* Writes a whole file of `bytes` bytes of text. */
int tessi_base_write_text(struct tess_context *ctx, const char *path, const char *text, size_t bytes) TESS_CHECKED;
/* Makes `path` another name of `target`, atomically: a hard link, or a copy of equal time where the file system has none. *changed
 * (may be NULL): it was not so before. */
int tessi_base_link_file(struct tess_context *ctx, const char *target, const char *path, int *changed) TESS_CHECKED;

#endif
