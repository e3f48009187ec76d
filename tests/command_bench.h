/* The built program, run as a user runs it: what it printed and how it ended.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_TESTS_COMMAND_BENCH_H
#define TESSERA_TESTS_COMMAND_BENCH_H

#include <sys/types.h>

struct command_result {
    int code;          /* its exit code; -N when signal N ended it */
    char out[1 << 16]; /* what it wrote to stdout, and to stderr; cut when longer */
    char err[1 << 16];
};

struct command_limits {
    long file_bytes; /* no file may grow larger than this; 0: as large as it likes */
};

/* Starts `tessera` with the words of `line` (split at blanks; no quoting) in the current folder, its output going to the files `out` and
 * `err` there. The caller waits with command_wait. */
pid_t command_start(const char *line, const struct command_limits *limits);

/* How it ended: into a static buffer, overwritten by the next call. */
const struct command_result *command_wait(pid_t child);

/* Both. `format` is printf's. */
const struct command_result *command(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and the test fails when it did not end with `code`, or its stderr has not the words. */
const struct command_result *command_ends(int code, const char *words, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A command again and again until it ends: each time killed (SIGKILL) some while after it was asked for a checkpoint (SIGUSR1) or, every
 * fourth time, asked to stop (SIGTERM) in peace, which leaves one on the slowest machine; later each time, `pace` in microseconds. `line` has one %d, for its threads, which are 1, 2, 4 in
 * turn; every other time it is `other`, unless that is NULL. Fails the test where it ends in any other way. */
struct command_kills {
    int killed, resumed; /* how often it did not come to the end, and said that it goes on from a step */
};
struct command_kills command_killed_until_it_ends(const char *line, const char *other, unsigned pace);

#endif
