/* See inject.h. SPDX-License-Identifier: MIT */
#include "core/base/inject.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RULES 16
#define HANGS (-1) /* in place of a signal */

struct rule {
    int64_t n;
    int point, on;     /* on: 1 at all passages after the n-th too */
    int error, signal; /* errno to set, signal to send or HANGS; one of the two, the other is 0 */
};

int tessi_inject_planned;
static struct rule rule[RULES];
static int rules;
static _Atomic int64_t own_passages[TESSI_POINTS], *passages = own_passages;

static const struct {
    const char *name;
    int error; /* errno that action `fail` sets; 0: nothing can fail at this point */
} points[TESSI_POINTS] = {
    [TESSI_AT_ALLOC] = {"alloc", ENOMEM}, [TESSI_AT_OPEN] = {"open", EMFILE},     [TESSI_AT_READ] = {"read", EIO},
    [TESSI_AT_WRITE] = {"write", ENOSPC}, [TESSI_AT_SYNC] = {"sync", EIO},        [TESSI_AT_RENAME] = {"rename", EACCES},
    [TESSI_AT_LOCK] = {"lock", ENOLCK},   [TESSI_AT_THREAD] = {"thread", EAGAIN}, [TESSI_AT_RENAMED] = {"renamed", 0},
    [TESSI_AT_WAITING] = {"waiting", 0},  [TESSI_AT_LOCKED] = {"locked", 0},      [TESSI_AT_STAGE] = {"stage", 0},
    [TESSI_AT_STEP] = {"step", 0},        [TESSI_AT_FULL] = {"full", 0},          [TESSI_AT_CHECKPOINT] = {"checkpoint", 0},
    [TESSI_AT_REPORT] = {"report", 0},    [TESSI_AT_WORD] = {"word", 0},
};

static const struct {
    const char *name;
    int error, signal;
} actions[] = {
    {"hang", 0, HANGS},    {"kill", 0, SIGKILL},  {"term", 0, SIGTERM},  {"int", 0, SIGINT},    {"hup", 0, SIGHUP},
    {"pipe", 0, SIGPIPE},  {"usr1", 0, SIGUSR1},  {"pause", 0, SIGSTOP}, {"EIO", EIO, 0},       {"ENOSPC", ENOSPC, 0},
    {"EDQUOT", EDQUOT, 0}, {"EACCES", EACCES, 0}, {"ENOENT", ENOENT, 0}, {"EMFILE", EMFILE, 0}, {"ENOMEM", ENOMEM, 0},
    {"EAGAIN", EAGAIN, 0}, {"EINTR", EINTR, 0},   {"EROFS", EROFS, 0},   {"EFBIG", EFBIG, 0},   {"fail", -1, 0},
};

/* ---- the plan ------------------------------------------------------------------------------------------------------ */

static void print_passages(void)
{
    fputs("passages", stderr);
    for (int i = 0; i < TESSI_POINTS; i++)
        fprintf(stderr, " %s %lld", points[i].name, (long long)tessi_base_inject_passages((enum tessi_point)i));
    fputc('\n', stderr);
}

/* Parses one rule, ACTION@POINT:N, of `length` bytes. */
static const char *read_rule(const char *text, size_t length, struct rule *r)
{
    char word[64], *at, *colon, *end;
    size_t action = 0;
    if (length >= sizeof word)
        return "a longer word than any";
    memcpy(word, text, length);
    word[length] = '\0';
    at = strchr(word, '@');
    colon = at ? strchr(at, ':') : NULL;
    if (!colon)
        return "wanted ACTION@POINT:N";
    *at++ = *colon++ = '\0';
    while (action < sizeof actions / sizeof *actions && strcmp(word, actions[action].name) != 0)
        action++;
    for (r->point = 0; r->point < TESSI_POINTS && strcmp(at, points[r->point].name) != 0;)
        r->point++;
    if (action == sizeof actions / sizeof *actions || r->point == TESSI_POINTS)
        return "an action or a point that there is not";
    r->signal = actions[action].signal;
    r->error = actions[action].error < 0 ? points[r->point].error : actions[action].error;
    if (!r->signal && points[r->point].error == 0)
        return "nothing can fail at this point";
    r->n = strtoll(colon, &end, 10);
    r->on = *end == '+';
    return r->n < 1 || strcmp(end, r->on ? "+" : "") != 0 ? "wanted a number from 1 behind the colon" : NULL;
}

const char *tessi_base_inject_plan(const char *text)
{
    static int counting;
    const char *wrong = NULL;
    rules = tessi_inject_planned = 0;
    for (int i = 0; i < TESSI_POINTS; i++)
        atomic_store(&passages[i], 0);
    for (const char *at = text ? text : ""; *at && !wrong; at += strspn(at, ",")) {
        size_t length = strcspn(at, ",");
        tessi_inject_planned = 1;
        if (length == 5 && strncmp(at, "count", length) == 0)
            counting = counting || atexit(print_passages) == 0;
        else
            wrong = rules == RULES ? "more rules than there is room for" : read_rule(at, length, &rule[rules++]);
        at += length;
    }
    if (wrong)
        rules = tessi_inject_planned = 0;
    return wrong;
}

void tessi_base_inject_share(void)
{
    if (!tessi_inject_planned || passages != own_passages)
        return;
    void *memory = mmap(NULL, sizeof own_passages, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    memcpy(memory, (const void *)own_passages, sizeof own_passages);
    passages = memory;
}

int64_t tessi_base_inject_passages(enum tessi_point point)
{
    return atomic_load(&passages[point]);
}

/* ---- a passage ----------------------------------------------------------------------------------------------------- */

/* Sends a signal to this thread, so that it goes no further before the signal has come; to another where this one takes none. */
static void send_signal(int number)
{
    sigset_t blocked;
    if (number == HANGS)
        for (;;)
            (void)pause();
    sigemptyset(&blocked);
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    if (sigismember(&blocked, number) && number != SIGKILL && number != SIGSTOP)
        (void)kill(getpid(), number);
    else
        (void)raise(number);
}

int tessi_base_inject_passed(enum tessi_point point)
{
    int error = 0;
    int64_t n = atomic_fetch_add(&passages[point], 1) + 1;
    for (int i = 0; i < rules; i++) {
        const struct rule *r = &rule[i];
        if (r->point != (int)point || n < r->n || (n > r->n && !r->on))
            continue;
        if (r->signal)
            send_signal(r->signal);
        else
            error = r->error;
    }
    if (error)
        errno = error;
    return error ? -1 : 0;
}
