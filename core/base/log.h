/* Structured log (one JSON object a line) beside the terminal's progress line, and stop requests. SPDX-License-Identifier: MIT */
#ifndef TESSI_LOG_H
#define TESSI_LOG_H

#include <tessera/base.h>
#include <stdio.h>
#include <sys/types.h>

struct tessi_log;

/* Verbosity of the terminal. */
enum { TESSI_QUIET = 0, TESSI_NORMAL = 1, TESSI_VERBOSE = 2 };

/* Creates a log. `terminal` (stderr) may be NULL: nothing is shown. Colour and the one-line progress only when it is a terminal (NO_COLOR
 * honoured); on a pipe a line every ten seconds. */
int tessi_base_log_new(struct tess_context *ctx, FILE *terminal, int level, int colour, struct tessi_log **out) TESS_CHECKED;
void tessi_base_log_free(struct tessi_log *l);
/* Shows nothing more on the terminal. */
void tessi_base_log_hide(struct tessi_log *l);
/* Sets the file that events are appended to, from here on (created when absent). NULL closes it. */
int tessi_base_log_to(struct tess_context *ctx, struct tessi_log *l, const char *path) TESS_CHECKED;

/* Appends an event to the file: {"time":"2026-01-02T03:04:05.678Z","run":"0123456789ab","event":EVENT,...}; the run's name is new for each
 * tessi_base_log_to. The further arguments are the event's members, in pairs of name and value, ended by NULL. A name carries the C type of
 * its value in front: "s:stage" const char *, "i:step" int64_t, "f:loss" double (null unless finite), "j:metrics" const char *, a JSON
 * value as it is to be written. "m:" has no name: const char *, several members as they are to be written, without braces; NULL: none. Not
 * shown on the terminal. */
void tessi_base_log_event(struct tessi_log *l, const char *event, ...);
/* Name of the run in the file, "0123456789ab"; "" where there is no file yet. Valid until the next tessi_base_log_to. */
const char *tessi_base_log_run(const struct tessi_log *l);
/* A line for the user, above the progress line, where it stays, and an event "note" (log_warn: "warning") in the file. */
void tessi_base_log_note(struct tessi_log *l, const char *format, ...) TESS_PRINTF(2, 3);
void tessi_base_log_warn(struct tessi_log *l, const char *format, ...) TESS_PRINTF(2, 3);

/* The progress line of a piece of work: "tokenizer  320/1000 step  41.2/s  ETA 0:16  loss 0.0213". */
void tessi_base_progress_start(struct tessi_log *l, const char *label);
void tessi_base_progress(struct tessi_log *l, int64_t done, int64_t total, const char *unit, const char *metric, double value);
/* Predicts the seconds that are left, for the lines from here on: the ETA by the rate is for work whose units take alike. Such a line has
 * no rate, and no ETA where `seconds` is not above 0. */
void tessi_base_progress_left(struct tessi_log *l, double seconds);
/* Names the parts of the work that go on, for the lines from here on: "tokenizer 45 s, features 12 s". */
void tessi_base_progress_parts(struct tessi_log *l, const char *parts);
void tessi_base_progress_end(struct tessi_log *l);

/* SIGINT, SIGTERM, SIGHUP and SIGXCPU ask for a stop, SIGUSR1 for a checkpoint, unless they were ignored before; a second SIGINT ends the
 * process at once. */
void tessi_base_signals_catch(void);
int tessi_base_signals_stopping(void);
int tessi_base_signals_checkpoint(void); /* 1 once after each SIGUSR1 */
void tessi_base_signals_request_stop(void); /* for tests */
/* Adds a child process, or removes one that has ended, of those that the second SIGINT kills as well; at most 64. */
void tessi_base_signals_child(pid_t pid, int there);
/* Sets the function that a second Ctrl-C calls before it ends the process, in the handler of the signal, with the context (ucontext_t)
 * that it interrupted. */
void tessi_base_signals_tell(void (*last)(const void *at));

/* Called first in a program: makes sure that descriptors 0 to 2 are open, and that a broken pipe or a limit on file size is an error where
 * it is met. */
void tessi_base_process_start(void);
/* Called last in a program. Dies by SIGINT when the work was stopped by one, so that a shell's loop around it ends as well; by SIGPIPE when
 * the output (output_error: errno) had no reader any more, as other programs do. Comes back otherwise. */
void tessi_base_process_end(int stopped, int output_error);

#endif
