/* A shared object as a file, before any loader sees it. SPDX-License-Identifier: MIT */
#ifndef TESSI_OBJECT_FILE_H
#define TESSI_OBJECT_FILE_H

#include <stddef.h>

/* How closely a file is looked at. */
enum {
    TESSI_LOADABLE = 0, /* its headers: a shared object of this machine, and whole */
    TESSI_EXPORTING = 1 /* also that it exports a description for this program, tess_plugin_1 */
};

/* 1 when `path` is that; 0 and the reason, without the path: wanted, found. A loader maps a file by what its headers say: one that is cut
 * off ends the process when the missing part is touched, and a pipe is waited for for ever. Nothing of the file is run or mapped. */
int tessi_plug_object_check(const char *path, int how, char *why, size_t capacity);
/* Calls `each` with every symbol that the file defines for others, in the table's order. 0 where that cannot be read. */
int tessi_plug_object_exports(const char *path, void (*each)(void *user, const char *name), void *user);

#endif
