/* A plugin's file opened for the first time: in a process of its own. SPDX-License-Identifier: MIT */
#ifndef TESSI_TRIAL_H
#define TESSI_TRIAL_H

#include <tessera/digest.h>
#include <tessera/plugin.h>

/* Time limit of loading, unless the caller sets one; a library that is large and on a slow disk takes seconds. */
#define TESSI_TRIAL_SECONDS 20.0

/* Loads `path` in a child process and checks it there, as tessi_plug_plugin_open does here afterwards. *good 0: `why` says, without the
 * path, what became of the child: it crashed, ended, took too long, wrote to stdout, or left the process other than it was. TESS_E_MEMORY
 * when no process can be had, which says nothing about the file. */
int tessi_plug_trial(struct tess_context *ctx, const char *path, const struct tess_host *host, double seconds, int *good, char *why,
                     size_t capacity) TESS_CHECKED;
/* Digest of a file's bytes. 0: it cannot be read, `why` says the reason and the digest is "". */
int tessi_plug_file_digest(const char *path, char digest[TESS_DIGEST_TEXT], char *why, size_t capacity);

/* List of the files that passed a trial, kept in the user's cache folder ($XDG_CACHE_HOME/tessera, else ~/.cache/tessera) by their digest,
 * with every other file that was loaded with them: the program, its libraries, those that the plugin needs. A file that was refused is
 * tried again each time, so that whatever was wrong with it or with its libraries, mending it is enough. */
struct tessi_passed;
int tessi_plug_passed_open(struct tess_context *ctx, struct tessi_passed **out) TESS_CHECKED; /* reads nothing yet */
/* 1: a file of this digest passed, and nothing that it was loaded with has changed since. */
int tessi_plug_passed_has(struct tessi_passed *p, const char *digest);
/* Adds a digest to the list, with the files loaded now but for `without`, the registry's other files; a failure is ignored. */
void tessi_plug_passed_add(struct tessi_passed *p, const char *digest, int (*without)(void *user, const char *path), void *user);
/* Saves new entries to the file. */
void tessi_plug_passed_save(struct tessi_passed *p);
/* Saves new entries and frees the list. NULL is fine. */
void tessi_plug_passed_close(struct tessi_passed *p);

#endif
