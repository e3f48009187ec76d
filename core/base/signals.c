/* Requests from outside, kept as flags that the loops look at between two steps.
 *
 * Handlers run on a stack of their own. Generated code of a backend may point the stack's register at ordinary memory while it computes,
 * where what the system saves for a handler would overwrite what lies below. Workers take no signals, so there is one such stack.
 *
 * A signal that was ignored when the process began stays so: a shell without job control has its background jobs ignore Ctrl-C, nohup the
 * end of the terminal. SPDX-License-Identifier: MIT */
#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static atomic_int stopping, checkpoint;              /* stopping: the signal that asked first, or REQUESTED */
static _Alignas(64) char handlers_stack[256 * 1024]; /* the registers that the system saves there take some 12 KiB */

#define REQUESTED (-1)
#define CHILDREN 64

static _Atomic pid_t children[CHILDREN]; /* 0: none */
static void (*tell)(const void *at);     /* before the process is interrupted in the middle of its work; NULL: nothing */

static void on_signal(int number, siginfo_t *info, void *at)
{
    int none = 0;
    (void)info;
    if (number == SIGUSR1) {
        atomic_store(&checkpoint, 1);
        return;
    }
    /* Whoever presses Ctrl-C twice means it. */
    if (!atomic_compare_exchange_strong(&stopping, &none, number) && number == SIGINT) {
        for (int i = 0; i < CHILDREN; i++)
            if (atomic_load(&children[i]) > 0)
                (void)kill(atomic_load(&children[i]), SIGKILL);
        if (tell)
            tell(at);
        (void)signal(SIGINT, SIG_DFL);
        (void)raise(SIGINT);
    }
}

void tessi_base_signals_catch(void)
{
    static const int asking[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU, SIGUSR1};
    struct sigaction action, before;
    stack_t stack = {.ss_sp = handlers_stack, .ss_size = sizeof handlers_stack};
    (void)sigaltstack(&stack, NULL);
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_RESTART | SA_ONSTACK | SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof asking / sizeof *asking; i++)
        if (sigaction(asking[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            (void)sigaction(asking[i], &action, NULL);
}

void tessi_base_signals_tell(void (*last)(const void *at))
{
    tell = last;
}

int tessi_base_signals_stopping(void)
{
    return atomic_load(&stopping) != 0;
}

int tessi_base_signals_checkpoint(void)
{
    return atomic_exchange(&checkpoint, 0);
}

void tessi_base_signals_child(pid_t pid, int there)
{
    for (int i = 0; i < CHILDREN; i++) {
        pid_t from = there ? 0 : pid;
        if (atomic_compare_exchange_strong(&children[i], &from, there ? pid : 0))
            return;
    }
}

void tessi_base_signals_request_stop(void)
{
    atomic_store(&stopping, REQUESTED);
}

/* ---- the process --------------------------------------------------------------------------------------------------- */

static void (*pipe_before)(int);

void tessi_base_process_start(void)
{
    /* A descriptor that is closed would be the next file's, and what goes to the terminal would be written into that. Reading nothing and
     * writing to nowhere, but for the output, whose loss is told. */
    static const int how[] = {O_RDONLY, O_RDONLY, O_WRONLY};
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", how[fd]);
    /* Errors of a write, with a sentence, in place of a death without one. */
    pipe_before = signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
}

static void die_by(int number)
{
    sigset_t set;
    (void)signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void)raise(number);
}

void tessi_base_process_end(int stopped, int output_error)
{
    if (stopped && atomic_load(&stopping) == SIGINT)
        die_by(SIGINT);
    if (output_error == EPIPE && pipe_before != SIG_IGN)
        die_by(SIGPIPE);
}
