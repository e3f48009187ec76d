/* Where this installation's files are, also when its prefix was moved. SPDX-License-Identifier: MIT */
#ifndef TESSI_INSTALLED_H
#define TESSI_INSTALLED_H

#include <stddef.h>

/* `configured`, an absolute path that configure was told, as it is seen from the file that holds this code: the program, which was
 * installed in its bindir, or libtessera, in its libdir. 1 when that is a folder; 0 otherwise, with `configured` itself in `path`. [any
 * thread] */
int tessi_plug_installed(const char *configured, char *path, size_t capacity);

/* Path of `target` in an installation that was moved. At configure time the reference folder was `planned`; now it is `here`. The relative
 * path from `planned` to `target` is followed from `here`. All three are absolute and without "..". 0 when `here` has too few folders to go
 * up, or the path does not fit into `capacity` bytes. */
int tessi_plug_moved(const char *here, const char *planned, const char *target, char *path, size_t capacity);

/* Path of the file that holds this code, without links. 0 when it cannot be told. `program` gets 1 for the program, 0 for libtessera. */
int tessi_plug_own_file(char *path, size_t capacity, int *program);

/* A plugin that was linked with libtessera names it as a library that it needs, and its own path to it may lead nowhere. The program, which
 * holds the library's functions itself, opens the libtessera beside it once, and the loader is content. Nothing happens where there is
 * none. */
void tessi_plug_offer_library(void);

#endif
