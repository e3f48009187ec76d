/* Locks between processes (flock), and who holds them. A lock left by a killed process holds nothing. Where a file system has no locks
 * nobody is kept out: lock is -1, and every function takes that. SPDX-License-Identifier: MIT */
#ifndef TESSI_LOCK_H
#define TESSI_LOCK_H

#include <tessera/base.h>

/* Tries to take the lock exclusively; otherwise *lock = -1, *held says whether somebody has it, and `holder` who ("process 12 of ann on
 * host", "" if unknown). */
int tessi_base_lock_try(struct tess_context *ctx, const char *path, int *lock, int *held, char *holder, size_t capacity) TESS_CHECKED;
/* Takes the lock exclusively, waiting for it. waiting(user, holder) is called between two tries; a status other than TESS_OK ends the
 * waiting with it. */
int tessi_base_lock_take(struct tess_context *ctx, const char *path,
                         int (*waiting)(void *user, struct tess_context *ctx, const char *holder), void *user, int *lock) TESS_CHECKED;
/* Turns an exclusive lock into a shared one: 1, or 0 when another process came between (close it and begin again). */
int tessi_base_lock_share(int lock, const char *path);
/* Takes a shared lock, with the processes that have it; -1 when that cannot be. */
int tessi_base_lock_join(const char *path);
/* Looks whether any process has the lock, exclusively or shared: 1 with `holder` as in tessi_base_lock_try, 0 for none, -1 where that
 * cannot be told. Nothing is written, made or removed, so a folder that may only be read will do. */
int tessi_base_lock_look(const char *path, char *holder, size_t capacity);
/* 1 while a process has the lock exclusively; looking does not take it. */
int tessi_base_lock_held(const char *path);
/* Writes this process as the holder of an exclusive lock, and `text` after it. */
void tessi_base_lock_sign(int lock, const char *text);
/* Reads the holder into `text`; returns the text written after it. */
const char *tessi_base_lock_read(int lock, char *text, size_t capacity);
/* Releases the lock; the last holder removes the file. */
void tessi_base_lock_drop(const char *path, int lock);
/* Removes each file *.lock of a folder that no process holds: what killed ones left. */
void tessi_base_lock_sweep_folder(const char *folder);

#endif
