/* A task in a process of its own, for code that may crash, hang, exit or write where it should not. SPDX-License-Identifier: MIT */
#ifndef TESSI_CHILD_H
#define TESSI_CHILD_H

#include <tessera/base.h>

/* End of a child process. */
enum {
    TESSI_CHILD_RETURNED = 0, /* the task returned; `value` is what it returned */
    TESSI_CHILD_EXITED = 1,   /* the task ended the process itself; `value` is the exit status */
    TESSI_CHILD_KILLED = 2,   /* the process was killed; `value` is the signal */
    TESSI_CHILD_LATE = 3      /* the task was not done in time, and was killed */
};

struct tessi_child_text {
    char text[4000]; /* the first bytes of the text, ended by '\0' */
    size_t bytes;    /* length of the whole text, kept or not */
};

struct tessi_child {
    int how, value;
    double seconds;                         /* time limit that the child was run with */
    struct tessi_child_text said, out, err; /* texts given to tessi_base_child_say, written to stdout, and written to stderr */
};

/* Forks, and runs `task` in the child: a group of processes of its own, stdin empty, signals as a new program has them, no core dump,
 * killed with its parent. What it leaves running in its group is killed. Buffers of the parent's streams are not written by it, and no
 * function of `atexit` runs after it. It may fork: what it reports is kept up to its own end. TESS_E_MEMORY when no process or pipe can be
 * had. [one thread: another's locks would stay locked in the child] */
int tessi_base_child_run(struct tess_context *ctx, int (*task)(void *user), void *user, double seconds,
                         struct tessi_child *out) TESS_CHECKED;
/* A child at work beside its parent and others: begin, then ask until it has ended. As tessi_base_child_run but for the time limit. */
struct tessi_child_process;
int tessi_base_child_begin(struct tess_context *ctx, int (*task)(void *user), void *user, struct tessi_child_process **out) TESS_CHECKED;
/* Reads what the child says, for at most `seconds`: 1 once it has ended, after which `p` is freed and *out says how. */
int tessi_base_child_ended(struct tessi_child_process *p, double seconds, struct tessi_child *out);
/* Kills the child and frees `p`. NULL is fine. */
void tessi_base_child_kill(struct tessi_child_process *p);
/* Appends to the report `said`; for the task, without effect in any other process. */
void tessi_base_child_say(const char *format, ...) TESS_PRINTF(1, 2);
/* Words for the end of a child, to follow "it": "was killed by signal 11 (Segmentation fault)", "took more than 10 s". */
const char *tessi_base_child_words(const struct tessi_child *c, char *text, size_t capacity);

#endif
