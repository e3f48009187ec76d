/* Requests from outside, kept as flags that the loops look at between two steps.
 *
 * Handlers run on a stack of their own. Generated code of a backend may point the stack's register at ordinary memory while it computes, where
 * what the system saves for a handler would overwrite what lies below. Workers take no signals, so there is one such stack.
 * SPDX-License-Identifier: MIT */
#include "core/base/log.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static atomic_int stopping, checkpoint;
static _Alignas(64) char handlers_stack[256 * 1024]; /* the registers that the system saves there take some 12 KiB */

static void on_signal(int number)
{
    if (number == SIGUSR1) {
        atomic_store(&checkpoint, 1);
        return;
    }
    /* Whoever presses Ctrl-C twice means it. */
    if (atomic_exchange(&stopping, 1) && number == SIGINT) {
        (void)signal(SIGINT, SIG_DFL);
        (void)raise(SIGINT);
    }
}

void tessi_signals_catch(void)
{
    struct sigaction action;
    stack_t stack = {.ss_sp = handlers_stack, .ss_size = sizeof handlers_stack};
    (void)sigaltstack(&stack, NULL);
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGUSR1, &action, NULL);
}

int tessi_signals_stopping(void)
{
    return atomic_load(&stopping);
}

int tessi_signals_checkpoint(void)
{
    return atomic_exchange(&checkpoint, 0);
}

void tessi_signals_request_stop(void)
{
    atomic_store(&stopping, 1);
}
