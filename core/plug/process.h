/* State of the process and of the thread that a plugin has to leave as it is: results, files, signals and messages of the whole program
 * depend on it. SPDX-License-Identifier: MIT */
#ifndef TESSI_PROCESS_H
#define TESSI_PROCESS_H

#include <limits.h>
#include <stdint.h>
#include <stddef.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#define TESSI_PROCESS_LIMITS 16

struct tessi_process {
    void (*handler[NSIG])(int);
    sigset_t blocked;
    char locale[256], folder[PATH_MAX];
    unsigned mask; /* permissions that new files do not get */
    uint64_t environment;
    struct rlimit limit[TESSI_PROCESS_LIMITS];
    int timer[3]; /* 1: set; real, virtual, profiling */
    struct {
        int open;
        dev_t device;
        ino_t inode;
    } standard[3]; /* stdin, stdout, stderr */
    uid_t user;
    gid_t group;
    pid_t process, session;
};

/* Reads the state. Changes nothing, not even for a moment, so that other threads may run. */
void tessi_plug_process_look(struct tessi_process *p);
/* 1 where the state is another than `before`, with a verb and its object in `text`: "changes the current folder". How numbers are rounded
 * is the thread's: see below. */
int tessi_plug_process_changed(const struct tessi_process *before, char *text, size_t capacity);
struct tess_context;
struct tess_instance;
/* Checks the process after a call of the component's function, on one thread: TESS_E_PLUGIN where it is another than `before`. A second
 * process that came back from the call ends here. */
int tessi_plug_instance_left(struct tess_context *ctx, const struct tess_instance *i, const char *kind, const char *function,
                             const struct tessi_process *before) __attribute__((warn_unused_result));
/* 1 where the thread computes otherwise than it began: another rounding, the smallest numbers as 0, traps. Words likewise; afterwards it
 * computes as it began. Costs a few nanoseconds. [any thread] */
int tessi_plug_numbers_changed(char *text, size_t capacity);

#endif
