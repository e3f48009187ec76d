/* Finds the plugin that a process was in when it crashed, or when it was ended by a call of `exit`. SPDX-License-Identifier: MIT */
#ifndef TESSI_BLAME_H
#define TESSI_BLAME_H

#include <tessera/plugin.h>

/* Place at which a process crashed, or was ended. */
struct tessi_blamed {
    const struct tess_plugin *plugin; /* NULL: in code of the program itself, or of a library that it called */
    const char *path;                 /* the plugin's file; borrowed from the loader */
    int own;                          /* 1: the plugin is of this program's release */
    char function[200];               /* its name, also of one that is not exported; "" where the file has none */
    const struct tess_plugin *caller; /* where `plugin` is NULL: the user's plugin that called the program; NULL: none is on the stack */
    const char *caller_path;
};

/* Adds an open plugin to those that can be found: `own` where it is of the program's release. A list of the process, for a crash asks no
 * registry; plugins stay loaded. [one thread] */
void tessi_plug_blame_add(const struct tess_plugin *p, int own);
/* Finds the innermost of `n` addresses, of a crash and the calls that led to it, that is in a plugin's file or in the program; libraries
 * that they called are passed by. Allocates nothing before out->plugin, path and own are set. For handlers of signals that end the process.
 */
void tessi_plug_blame(void *const *frame, int n, struct tessi_blamed *out);
/* 1 where the innermost of the addresses in a plugin or the program is a plugin's, and the program called it, directly or not: the thread
 * is the program's. */
int tessi_plug_blame_is_called(void *const *frame, int n);
/* The first plugin of the list that is not of the program's release, NULL where there is none; *path gets its file. */
const struct tess_plugin *tessi_plug_blame_suspect(const char **path);

#endif
