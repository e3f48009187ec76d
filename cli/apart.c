/* A verb in a process of its own, for files that may crash the library that reads them: the command outlives it, and says which file it
 * was. The child goes on as the program would, with the terminal; the parent waits, and ends as the child did.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_DATA 65

/* 1 for the signals that a defect ends a process with; others were sent by somebody. */
static int apart_is_crash(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGABRT || number == SIGFPE || number == SIGILL;
}

static int apart_end(const char *verb, int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    if (apart_is_crash(number)) {
        fprintf(stderr,
                "tessera %s: reading ended its process by signal %d (%s): an input is damaged or made to harm; `tessera archive "
                "verify` finds the file\n",
                verb, number, strsignal(number));
        return EXIT_DATA;
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
    return 128 + number;
}

int cli_apart(const char *verb, int *code)
{
    int status = 0;
    pid_t parent = getpid(), child;
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(127);
        cli_last_words_over(); /* the parent tells of a crash */
        return 1;
    }
    if (child < 0) { /* no process is to be had: in this one, then */
        return 1;
    }
    void (*interrupt)(int) = signal(SIGINT, SIG_IGN); /* Ctrl-C is the child's as well, which ends by it */
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    (void)signal(SIGINT, interrupt);
    *code = apart_end(verb, status);
    return 0;
}
