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
/* 1 for that of a partial file of the file `base`; NULL: of any. */
int tessi_base_aside_is_of(const char *name, const char *base);

#endif
