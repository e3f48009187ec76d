/* The last sentence of a process that crashes, that a plugin ends by `exit` or one of its kin, or that Ctrl-C ends in the middle of a
 * plugin: whose code it was in. The signal ends it all the same, as the shell, a sweep or a job's record expect.
 *
 * The handler calls what is not promised to work in one (dladdr, snprintf; malloc, to read the function's name). The process is lost in any
 * case: where the handler crashes itself, or waits for a lock that the crash left closed until an alarm comes, it says what it knows by
 * then.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* RTLD_NEXT, the registers' names */
#include "cli/cli.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/plug/blame.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define EXIT_PLUGIN 69
#define FRAMES 64
#define SECONDS 3
#define OWN_FRAMES 2 /* frames of `tell_call` and of the function that it tells of */

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { WATCHING, OVER, TELLING }; /* OVER: the program is at its end by itself, or somebody else tells of a crash */
static atomic_int state = WATCHING;
static pid_t watched; /* a child that a plugin forks may end as it likes */

static struct tessi_blamed blamed; /* found so far by the thread that tells */
static int blamed_signal;
static _Thread_local int telling; /* 1 in that thread */

/* 1 for the thread that tells; another that crashes meanwhile waits, as its end would be that of the process. */
static int to_tell(void)
{
    int before = WATCHING;
    if (atomic_compare_exchange_strong(&state, &before, TELLING)) {
        telling = 1;
        return 1;
    }
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
    int n, from = 0, count = 0;
    frame[count++] = address;
#ifdef __x86_64__
    Dl_info about;
    if (dladdr(address, &about) == 0) { /* whoever unwinds the stack would read there */
        frame[count++] = call_before(*(void *const *)(uintptr_t)at->uc_mcontext.gregs[REG_RSP]);
        return count;
    }
#endif
    n = backtrace(all, FRAMES);
    while (from < n && all[from] != address)
        from++;
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

/* "code of the program itself, tess_alloc, called by plugin `mine` (./mine.so)" */
static void whose_crash(const struct tessi_blamed *b, char *text, size_t capacity)
{
    char path[1024];
    if (b->plugin) {
        whose(b, text, capacity);
        return;
    }
    snprintf(text, capacity, "code of the program itself%s%s", *b->function ? ", " : "", b->function);
    if (!b->caller)
        return;
    (void)tess_shown_text(b->caller_path, path, sizeof path);
    tessi_base_add(text, capacity, ", called by plugin `%s` (%s)", b->caller->id, path);
}

static void tell_crash(void)
{
    char who[1400], text[1600];
    whose_crash(&blamed, who, sizeof who);
    snprintf(text, sizeof text, "tessera: ended by signal %d (%s) in %s", blamed_signal, strsignal(blamed_signal), who);
    put(text);
    advise(&blamed, text, sizeof text);
    put(text);
}

/* The handler crashed, or has waited long enough: says what is known. */
static void on_late(int number)
{
    (void)number;
    telling = 0;
    tell_crash();
    (void)signal(blamed_signal, SIG_DFL);
    (void)raise(blamed_signal);
}

/* 1 for the thread that crashes in a handler of the process's end. */
static int is_end(void)
{
    int over = OVER;
    return getpid() == watched && atomic_compare_exchange_strong(&state, &over, TELLING);
}

static void on_crash(int number, siginfo_t *info, void *at)
{
    void *frame[FRAMES];
    const char *path;
    const struct sigaction late = {.sa_handler = on_late};
    if (telling)
        on_late(number);
    const int end = is_end();
    if ((info->si_code > 0 || info->si_pid == getpid()) && (end || to_tell())) {
        telling = 1;
        blamed_signal = number;
        (void)sigaction(SIGALRM, &late, NULL);
        (void)alarm(SECONDS);
        tessi_plug_blame(frame, crash_frames(at, frame), &blamed);
        if (!end || (blamed.plugin ? !blamed.own : tessi_plug_blame_suspect(&path) != NULL))
            tell_crash();
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

/* Ends the process where a plugin called a function that would end it, or one of its threads, after saying so; returns where it was
 * somebody else. `call` as in "exit(0)", `does` what that does. */
__attribute__((noinline)) static void tell_call(const char *call, const char *does)
{
    void *frame[FRAMES];
    struct tessi_blamed b;
    char who[1400];
    const int end = atomic_load(&state) == OVER;
    if (!is_watched() || (!end && !to_tell()))
        return;
    int n = backtrace(frame, FRAMES);
    for (int i = 0; i < n; i++)
        frame[i] = call_before(frame[i]);
    tessi_plug_blame(frame + OWN_FRAMES, n > OWN_FRAMES ? n - OWN_FRAMES : 0, &b);
    telling = 0;
    if (!b.plugin || (end && b.own)) {
        atomic_store(&state, end ? OVER : WATCHING);
        return;
    }
    whose(&b, who, sizeof who);
    (void)fflush(NULL);
    fprintf(stderr, "tessera: %s: called %s, which %s; a plugin returns a code, with a message through the context's `fail`\n", who, call,
            does);
    (void)fflush(stderr);
    leave(EXIT_PLUGIN);
}

__attribute__((always_inline)) static inline void tell_call_of_exit(const char *name, int status)
{
    char call[64];
    snprintf(call, sizeof call, "%s(%d)", name, status);
    tell_call(call, "ends the whole program");
}

/* The C library's function for the program and all that it loads. A handler by `on_exit` would come too late: threads that call `exit` at
 * once free its list of handlers twice in glibc before 2.41, and libraries that were loaded since have theirs in front. */
__attribute__((visibility("default"))) void exit(int status)
{
    void (*real)(int) = NULL;
    void *found = dlsym(RTLD_NEXT, "exit");
    tell_call_of_exit("exit", status);
    atomic_store(&state, OVER);
    memcpy(&real, &found, sizeof real);
    if (real)
        real(status);
    leave(status);
}

__attribute__((visibility("default"))) void quick_exit(int status)
{
    tell_call_of_exit("quick_exit", status);
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

/* ---- other programs, and the ends of threads -------------------------------------------------------------------------- */

static void *real_exec, *real_execp, *real_thread_exit; /* of the C library; looked for before anybody forks */

static void find_real(void)
{
    real_exec = dlsym(RTLD_NEXT, "execve");
    real_execp = dlsym(RTLD_NEXT, "execvpe");
    real_thread_exit = dlsym(RTLD_NEXT, "pthread_exit");
}

__attribute__((always_inline)) static inline int call_exec(void *found, const char *file, char *const argv[], char *const envp[])
{
    int (*real)(const char *, char *const *, char *const *) = NULL;
    tell_call("a function of the family `exec`", "puts another program in the place of this one");
    memcpy(&real, &found, sizeof real);
    if (real)
        return real(file, argv, envp);
    errno = ENOSYS;
    return -1;
}

extern char **environ;
enum { ARGUMENTS = 1024 };

__attribute__((visibility("default"))) int execve(const char *path, char *const argv[], char *const envp[])
{
    return call_exec(real_exec, path, argv, envp);
}

__attribute__((visibility("default"))) int execv(const char *path, char *const argv[])
{
    return call_exec(real_exec, path, argv, environ);
}

__attribute__((visibility("default"))) int execvp(const char *file, char *const argv[])
{
    return call_exec(real_execp, file, argv, environ);
}

/* The arguments from `first` to the NULL at their end, in `list`; of those beyond ARGUMENTS nothing is left. */
static void exec_arguments(const char *first, va_list rest, char *list[ARGUMENTS + 1])
{
    int n = 0;
    for (const char *next = first; next && n < ARGUMENTS; next = va_arg(rest, const char *))
        list[n++] = (char *)(uintptr_t)next;
    list[n] = NULL;
}

__attribute__((visibility("default"))) int execl(const char *path, const char *first, ...)
{
    char *list[ARGUMENTS + 1];
    va_list rest;
    va_start(rest, first);
    exec_arguments(first, rest, list);
    va_end(rest);
    return call_exec(real_exec, path, list, environ);
}

__attribute__((visibility("default"))) int execlp(const char *file, const char *first, ...)
{
    char *list[ARGUMENTS + 1];
    va_list rest;
    va_start(rest, first);
    exec_arguments(first, rest, list);
    va_end(rest);
    return call_exec(real_execp, file, list, environ);
}

/* A thread that is the plugin's own may end so: there the program is not on the stack. */
__attribute__((visibility("default"))) void pthread_exit(void *value)
{
    void (*real)(void *) = NULL;
    void *frame[FRAMES], *found = real_thread_exit ? real_thread_exit : dlsym(RTLD_NEXT, "pthread_exit");
    int n = is_watched() ? backtrace(frame, FRAMES) : 0;
    if (tessi_plug_blame_is_called(frame, n))
        tell_call("pthread_exit", "ends a thread of the program");
    memcpy(&real, &found, sizeof real);
    if (real)
        real(value);
    leave(EXIT_PLUGIN);
}

void cli_last_words(void)
{
    find_real();
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
