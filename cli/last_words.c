/* The last sentence of a process that crashes, that a plugin ends by `exit` or one of its kin, or that Ctrl-C ends in the middle of a
 * plugin: whose code it was in. The signal ends it all the same, as the shell, a sweep or a job's record expect.
 *
 * The handler calls what is not promised to work in one (dladdr, snprintf; malloc, to read the function's name). The process is lost in any
 * case, so it says the plugin first and the function then, and an alarm ends it where that never comes.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* RTLD_NEXT, the registers' names */
#include "cli/cli.h"
#include "core/base/log.h"
#include "core/plug/blame.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define EXIT_PLUGIN 69
#define FRAMES 64
#define SECONDS 5
#define OWN_FRAMES 2 /* frames of `exit` and of the function that it calls */

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { WATCHING, OVER, TELLING }; /* OVER: the program is at its end by itself, or somebody else tells of a crash */
static atomic_int state = WATCHING;
static pid_t watched; /* a child that a plugin forks may end as it likes */

/* 1 for the thread that tells; another that crashes meanwhile waits, as its end would be that of the process. */
static int to_tell(void)
{
    int before = WATCHING;
    if (atomic_compare_exchange_strong(&state, &before, TELLING))
        return 1;
    if (before == TELLING)
        (void)sleep(SECONDS + 1);
    return 0;
}

static void put(const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = write(STDERR_FILENO, text, left);
        if (n <= 0)
            return;
        text += n;
        left -= (size_t)n;
    }
}

static void *crash_address(const ucontext_t *at)
{
#if defined __x86_64__
    return (void *)(uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined __aarch64__
    return (void *)(uintptr_t)at->uc_mcontext.pc;
#else
    (void)at;
    return NULL;
#endif
}

/* An address within the call that returns to `to`: `to` itself may be in the next function, where the call was not expected to return. */
static void *call_before(void *to)
{
    return (char *)to - 1;
}

/* Addresses of the crash and of the calls that led to it; those of the handler stand before them. A jump to nowhere is in no file, and its
 * caller's address is the next thing on the stack. */
static int crash_frames(const ucontext_t *at, void *frame[FRAMES])
{
    void *address = crash_address(at), *all[FRAMES];
    int n = backtrace(all, FRAMES), from = 0, count = 0;
    while (from < n && all[from] != address)
        from++;
    frame[count++] = address;
#ifdef __x86_64__
    if ((uintptr_t)address < 4096)
        frame[count++] = call_before(*(void *const *)(uintptr_t)at->uc_mcontext.gregs[REG_RSP]);
#endif
    for (from = from < n ? from + 1 : n < 2 ? n : 2; from < n && count < FRAMES; from++)
        frame[count++] = call_before(all[from]);
    return count;
}

/* "plugin `mine` (./mine.so), mine_record"; the function where its name is known. */
static void whose(const struct tessi_blamed *b, char *text, size_t capacity)
{
    char path[1024];
    (void)tess_shown_text(b->path, path, sizeof path);
    snprintf(text, capacity, "plugin `%s` (%s)%s%s", b->plugin->id, path, *b->function ? ", " : "", b->function);
}

static void advise(const struct tessi_blamed *b, char *text, size_t capacity)
{
    char shown[1024];
    const char *path = b->path;
    if (b->own || (!b->plugin && !tessi_plug_blame_suspect(&path))) {
        snprintf(text, capacity, "; that is a defect of tessera\n");
        return;
    }
    (void)tess_shown_text(path, shown, sizeof shown);
    if (b->plugin)
        snprintf(text, capacity, "; `tessera check %s` tests each of its functions\n", shown);
    else
        snprintf(text, capacity,
                 "; that is a defect of tessera, or of a plugin that wrote where it must not, which `tessera check %s` finds out\n", shown);
}

static void on_crash(int number, siginfo_t *info, void *at)
{
    void *frame[FRAMES];
    struct tessi_blamed b;
    char who[1400], text[1600];
    if ((info->si_code > 0 || info->si_pid == getpid()) && to_tell()) {
        (void)signal(SIGALRM, SIG_DFL);
        (void)alarm(SECONDS);
        tessi_plug_blame(frame, crash_frames(at, frame), &b);
        if (b.plugin)
            whose(&b, who, sizeof who);
        else
            snprintf(who, sizeof who, "code of the program itself%s%s", *b.function ? ", " : "", b.function);
        snprintf(text, sizeof text, "tessera: ended by signal %d (%s) in %s", number, strsignal(number), who);
        put(text);
        advise(&b, text, sizeof text);
        put(text);
        (void)alarm(0);
    }
    (void)signal(number, SIG_DFL);
    if (info->si_code <= 0)
        (void)raise(number); /* one that was sent does not come again by itself */
}

/* 1 in the process itself, where the handlers are in place: a child that runs code on trial puts them out, and tells of its end itself. */
static int is_watched(void)
{
    struct sigaction now;
    return getpid() == watched && sigaction(crashes[0], NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_crash;
}

/* Ctrl-C that ends the process at once: a plugin that hangs is named, of the program itself there is nothing to tell. */
static void tell_interrupt(const void *at)
{
    void *frame[FRAMES];
    struct tessi_blamed b;
    char who[1400], text[1600];
    if (!to_tell())
        return;
    tessi_plug_blame(frame, crash_frames(at, frame), &b);
    if (!b.plugin || b.own)
        return;
    whose(&b, who, sizeof who);
    snprintf(text, sizeof text, "tessera: interrupted in %s\n", who);
    put(text);
}

/* A verb that stops at a checkpoint catches the signal itself, and comes to this when it is pressed again. */
static void on_interrupt(int number, siginfo_t *info, void *at)
{
    (void)info;
    tell_interrupt(at);
    (void)raise(number);
}

/* Ends the process with no function of the C library, whose own are below. */
static _Noreturn void leave(int status)
{
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

/* Ends the process where a plugin called the function of this name, after saying so; returns where it was somebody else. */
static void tell_call_of_exit(const char *name, int status)
{
    void *frame[FRAMES];
    struct tessi_blamed b;
    char who[1400];
    if (atomic_load(&state) == OVER || !is_watched() || !to_tell())
        return;
    int n = backtrace(frame, FRAMES);
    for (int i = 0; i < n; i++)
        frame[i] = call_before(frame[i]);
    tessi_plug_blame(frame + OWN_FRAMES, n > OWN_FRAMES ? n - OWN_FRAMES : 0, &b);
    if (!b.plugin) {
        atomic_store(&state, OVER);
        return;
    }
    whose(&b, who, sizeof who);
    (void)fflush(NULL);
    fprintf(stderr,
            "tessera: %s: called %s(%d), which ends the whole program; a plugin returns a code, with a message through the "
            "context's `fail`\n",
            who, name, status);
    (void)fflush(stderr);
    leave(EXIT_PLUGIN);
}

/* The C library's function for the program and all that it loads. A handler by `on_exit` would come too late: threads that call `exit` at
 * once free its list of handlers twice in glibc before 2.41, and libraries that were loaded since have theirs in front. */
__attribute__((visibility("default"))) void exit(int status)
{
    void (*real)(int) = NULL;
    void *found = dlsym(RTLD_NEXT, "exit");
    tell_call_of_exit("exit", status);
    memcpy(&real, &found, sizeof real);
    if (real)
        real(status);
    leave(status);
}

/* Functions that end the process without its handlers. Builds with sanitizers or coverage have replacements of their own. */
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ && !defined _exit
__attribute__((visibility("default"))) void _exit(int status)
{
    tell_call_of_exit("_exit", status);
    leave(status);
}

__attribute__((visibility("default"))) void _Exit(int status)
{
    tell_call_of_exit("_Exit", status);
    leave(status);
}
#endif

void cli_last_words(void)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    return; /* sanitizers tell more of a crash */
#endif
    void *frame[2];
    struct sigaction action, before;
    watched = getpid();
    (void)backtrace(frame, 2); /* it loads a library the first time */
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        (void)sigaction(crashes[i], &action, NULL);
    tessi_base_signals_tell(tell_interrupt);
    action.sa_sigaction = on_interrupt;
    action.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER);
    if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
        (void)sigaction(SIGINT, &action, NULL);
}

void cli_last_words_over(void)
{
    atomic_store(&state, OVER);
}
