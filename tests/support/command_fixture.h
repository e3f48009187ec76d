/* The built program, run as a user runs it: what it printed and how it ended.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_COMMAND_FIXTURE_H
#define TESTS_SUPPORT_COMMAND_FIXTURE_H

#include <sys/types.h>

struct command_result {
    int code;          /* exit code of the command; -N when signal N ended it */
    char out[1 << 16]; /* stdout and stderr of the command; cut when longer */
    char err[1 << 16];
};

struct command_limits {
    long file_bytes;    /* no file may grow larger than this; 0 here and below: no limit of ours */
    long address_bytes; /* addresses the process may have, all told */
    int descriptors;    /* files open at once */
    int processes;      /* processes and threads of a user, who is not root: the program then runs as nobody */
    const char *inject; /* trouble at named points (core/base/inject.h); NULL: none */
    const char *tag;    /* behind the names of the files `out` and `err`, for two at once; NULL: nothing */
};

/* Starts `tessera` with the words of `line` (split at blanks; no quoting) in the current folder, its output going to the files `out` and
 * `err` there. The caller waits with command_wait. */
pid_t command_start(const char *line, const struct command_limits *limits);

/* Waits for the child; its exit code and output, in a static buffer that the next call of the same function overwrites. */
const struct command_result *command_wait(pid_t child);
const struct command_result *command_wait_tagged(pid_t child, const char *tag);

/* Returns when it has stopped at a `pause` of its plan; fails the test when it ended before. It goes on with command_resume. */
void command_paused(pid_t child);
void command_resume(pid_t child);
/* Returns when it has written `words` to stderr, and still runs or has ended; fails the test when it ended without them. */
void command_said(pid_t child, const char *tag, const char *words);

/* Starts a command and waits for it; `format` is printf's. */
const struct command_result *command(const char *format, ...) __attribute__((format(printf, 1, 2)));
const struct command_result *command_within(const struct command_limits *limits, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* 1 where the program has the plugin, "source/folder". */
int command_has(const char *plugin);

/* Runs a command; the test fails when it did not end with `code`, or its stderr has not the words. */
const struct command_result *command_ends(int code, const char *words, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A command again and again until it ends: killed (SIGKILL), or asked to stop in peace, at points that lie the further on the more often
 * it was tried, with checkpoints at every step or two. `line` has one %d, for its threads, which are 1, 2, 4 in turn; every other time it
 * is `other`, unless that is NULL. Fails the test where it ends in any other way. */
struct command_kills {
    int killed, resumed; /* number of runs that did not finish; number of runs that reported resuming at a step */
};
struct command_kills command_killed_until_it_ends(const char *line, const char *other);

/* Two at once, again and again until both end in the same round: each time one of them, or both, are killed or stopped so. */
struct command_kills command_twins_killed_until_they_end(const char *line, const char *other);

/* The digest of the small pipeline's stage in WORKDIR/runs/small, as `inspect` tells it. */
enum { COMMAND_DIGEST = 96 };
void command_digest(const char *workdir, const char *stage, char digest[COMMAND_DIGEST]);

/* Fails the test where one of the stages (NULL ends) has another digest in `two` than in `one`, or where something unfinished lies in
 * `two`: files on their way, checkpoints. */
void command_same_and_whole(const char *const *stage, const char *one, const char *two, const char *after);

/* A command that is asked to stop at step `first`, 2 `first`, 3 `first` ... of its own until it ends; how often it stopped. */
int command_stopped_until_it_ends(const char *line, int first);

#endif
