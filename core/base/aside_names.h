/* Names of partial files, BASE.MACHINE.PROCESS.NUMBER.partial beside the file BASE. SPDX-License-Identifier: MIT */
#ifndef TESSI_ASIDE_NAMES_H
#define TESSI_ASIDE_NAMES_H

#include <stddef.h>

#define TESSI_ASIDE_TAIL ".partial"

/* Splits a path into "FOLDER/" (or "") and its last part, which is returned. */
const char *tessi_base_aside_split(const char *path, char *folder, size_t capacity);
/* Builds, in PATH_MAX bytes, the name of a partial file of `path` that no other writer has: 0, or the system's error number. */
int tessi_base_aside_name_new(const char *path, char *name);
/* 1 for the name, without a folder, of a partial file, of whatever writer. */
int tessi_base_aside_named(const char *name);
/* 1 for a folder with nothing in it but hidden files and partial files of the file `base`: a process that writes it, or was killed at it,
 * was the first. */
int tessi_base_aside_alone(const char *folder, const char *base);

#endif
