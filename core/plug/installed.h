/* Paths of this installation's files, also when its prefix was moved. SPDX-License-Identifier: MIT */
#ifndef TESSI_INSTALLED_H
#define TESSI_INSTALLED_H

#include <stddef.h>

/* Locates an installed folder. `configured` is its absolute path as configure was told; the result has the same position relative to the
 * file that holds this code: the program, installed in bindir, or libtessera, in libdir. 1 when that is a folder; 0 otherwise, with
 * `configured` itself in `path`. [any thread] */
int tessi_plug_installed(const char *configured, char *path, size_t capacity);

/* Translates the path `target` to a moved installation: `here` is the present folder of a file whose folder was to be `planned`, and the
 * result lies relative to `here` as `target` does to `planned`. All three are absolute and without "..". 0 when `here` is not deep enough,
 * or the result does not fit. */
int tessi_plug_moved(const char *here, const char *planned, const char *target, char *path, size_t capacity);

/* Path of the file that holds this code, without links. 0 when it cannot be told. `program` gets 1 for the program, 0 for libtessera. */
int tessi_plug_own_file(char *path, size_t capacity, int *program);

/* Loads libtessera for the plugins that were linked with it. The program holds the library's functions itself; it opens the libtessera
 * beside it once, so that the loader finds the library whose path in a plugin may lead nowhere. No effect where there is none. */
void tessi_plug_offer_library(void);

#endif
