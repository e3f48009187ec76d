/* Trouble at named points, for tests: a process that is killed at its third checkpoint, a disk that is full at the seventh write. After so
 * many milliseconds a busy machine is elsewhere; the third checkpoint is the same on all of them.
 *
 * A plan is a list with commas: ACTION@POINT:N at the N-th passage of the point, counted from 1 over the whole process, or N+ at that one
 * and all after it. Actions are
 *   kill, term, int, hup, pipe, usr1   that signal, sent by the process to itself
 *   pause                              SIGSTOP: whoever started the process does something meanwhile, then sends SIGCONT
 *   hang                               the thread goes no further
 *   fail, or an error such as EIO      what is done at the point fails; `fail` is with the error usual there
 * and the word `count` alone has the passages of all points printed to stderr when the process ends.
 * The program takes its plan from TESSERA_INJECT, and rank N of `--ranks` from TESSERA_INJECT_N. Without a plan a point costs one branch,
 * always taken the same way. SPDX-License-Identifier: MIT */
#ifndef TESSI_INJECT_H
#define TESSI_INJECT_H

#include <stdint.h>

enum tessi_point {                      /* name of the point in a plan, errno of `fail`: meaning */
                   TESSI_AT_ALLOC,      /* alloc, ENOMEM: tess_alloc is called */
                   TESSI_AT_OPEN,       /* open, EMFILE: a file is to be opened or created */
                   TESSI_AT_READ,       /* read, EIO: bytes are to be read from a file */
                   TESSI_AT_WRITE,      /* write, ENOSPC: bytes are to be written to a file */
                   TESSI_AT_SYNC,       /* sync, EIO: a complete file is to be synced to the disk */
                   TESSI_AT_RENAME,     /* rename, EACCES: a complete file is to get its final name */
                   TESSI_AT_LOCK,       /* lock, ENOLCK: a file is to be locked */
                   TESSI_AT_THREAD,     /* thread, EAGAIN: a thread is to be started */
                   TESSI_AT_RENAMED,    /* renamed: a file has its final name; here and below nothing can fail */
                   TESSI_AT_WAITING,    /* waiting: a run found the lock taken, and waits */
                   TESSI_AT_LOCKED,     /* locked: a run has the lock of a key */
                   TESSI_AT_FULL,       /* full: a run waits for room on the disk */
                   TESSI_AT_STAGE,      /* stage: a stage begins to be computed */
                   TESSI_AT_STEP,       /* step: a stage reported progress */
                   TESSI_AT_CHECKPOINT, /* checkpoint: a checkpoint is on the disk */
                   TESSI_AT_REPORT,     /* report: a sweep hears that a stage has ended */
                   TESSI_AT_WORD,       /* word: a rank was told what to do next, or told the others */
                   TESSI_POINTS
};

/* Sets the plan; NULL or empty: none. Counting starts over. Returns what is wrong with the text, NULL when nothing is. [before threads
 * start] */
const char *tessi_base_inject_plan(const char *text);
int64_t tessi_base_inject_passages(enum tessi_point point);
/* Has the processes forked from here on count together with this one; nothing where there is no plan. */
void tessi_base_inject_share(void);

/* 1 where there is a plan; for tessi_base_inject alone. */
extern int tessi_inject_planned;
int tessi_base_inject_passed(enum tessi_point point);

/* Counts a passage of the point: 0, or -1 with errno set where the operation here is to fail. [any thread] */
static inline int tessi_base_inject(enum tessi_point point)
{
    return __builtin_expect(tessi_inject_planned, 0) ? tessi_base_inject_passed(point) : 0;
}

#endif
