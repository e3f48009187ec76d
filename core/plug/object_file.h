/* A shared object as a file, before any loader sees it. SPDX-License-Identifier: MIT */
#ifndef TESSI_OBJECT_FILE_H
#define TESSI_OBJECT_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Extent of the check of a file. */
enum {
    TESSI_LOADABLE = 0, /* checks its headers: a complete shared object for this machine */
    TESSI_EXPORTING = 1 /* checks also that it exports a description for this program, tess_plugin_1 */
};

/* Checks a shared object to the extent `how`: 1, or 0 and the reason, without the path: wanted, found. A loader maps a file by what its
 * headers say: one that is cut off ends the process when the missing part is touched, and a pipe is waited for for ever. Nothing of the
 * file is run or mapped. */
int tessi_plug_object_check(const char *path, int how, char *why, size_t capacity);
/* Calls `each` with every symbol that the file defines for others, in the table's order, but for the marks that the address sanitizer puts
 * beside exported variables; `once` is 0 for one that many files may define, weak or unique. 0 where that cannot be read. */
int tessi_plug_object_exports(const char *path, void (*each)(void *user, const char *name, int once), void *user);
/* Name of the function, exported or not, that has the byte at `offset` from the address which the file is loaded at. 1, or 0 and "" where
 * the file names none. */
int tessi_plug_object_function(const char *path, uint64_t offset, char *name, size_t capacity);

#endif
