/* Runs a task in a child process, with three pipes from it: its report (tessi_base_child_say), its stdout, its stderr. The report ends with
 * a mark that the task returned, which `exit` from within it cannot leave.
 *
 * The end of a pipe does not tell the end of the child, for a process that it started may hold the pipe open, and it may close it and go
 * on; so both are watched, and what is in the pipes when the child has ended is all that is read.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2 */
#include "core/base/child.h"
#include "core/base/clock.h"
#include "core/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAID, OUT, ERR, PIPES };

/* End mark of the report: the task returned, and its value. */
struct mark {
    char text[12];
    int32_t value;
};
static const char mark_text[12] = "\0came back\1";

static int said_to = -1; /* in a child: descriptor of the report's pipe; else -1 */

/* ---- the child's side ---------------------------------------------------------------------------------------------- */

static void child_put(int fd, const void *bytes, size_t count)
{
    for (const char *at = bytes; count > 0;) {
        ssize_t n = write(fd, at, count);
        if (n < 0 && errno != EINTR)
            return;
        at += n > 0 ? n : 0;
        count -= n > 0 ? (size_t)n : 0;
    }
}

void tessi_base_child_say(const char *format, ...)
{
    char text[4000];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (said_to >= 0 && length > 0)
        child_put(said_to, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

static void as_a_new_program(void)
{
    sigset_t none;
    for (int s = 1; s < NSIG; s++)
        (void)signal(s, SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    (void)setpgid(0, 0);
}

static void child_main(int (*task)(void *user), void *user, const int to[PIPES], pid_t parent)
{
    struct mark mark;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    as_a_new_program();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(to[OUT], STDOUT_FILENO) < 0 ||
        dup2(to[ERR], STDERR_FILENO) < 0)
        _exit(127);
    said_to = to[SAID];
    mark.value = task(user);
    (void)fflush(stdout); /* the parent's part of the buffer was written before the fork */
    memcpy(mark.text, mark_text, sizeof mark.text);
    child_put(said_to, &mark, sizeof mark);
    _exit(0);
}

/* ---- the parent's side --------------------------------------------------------------------------------------------- */

struct watch {
    pid_t pid;
    struct pollfd from[PIPES]; /* fd -1: at its end */
    struct tessi_child *out;
    struct mark tail; /* the last bytes of the report */
};

static void keep_tail(struct watch *w, const char *bytes, size_t n)
{
    char *tail = (char *)&w->tail;
    size_t all = sizeof w->tail;
    if (n >= all) {
        memcpy(tail, bytes + n - all, all);
        return;
    }
    memmove(tail, tail + n, all - n);
    memcpy(tail + all - n, bytes, n);
}

static void take(struct tessi_child_text *t, const char *bytes, size_t n)
{
    size_t space = t->bytes < sizeof t->text - 1 ? sizeof t->text - 1 - t->bytes : 0;
    memcpy(t->text + (t->bytes < sizeof t->text ? t->bytes : 0), bytes, n < space ? n : space);
    t->bytes += n;
}

/* Reads the bytes that one pipe has now; 0: no more for now. */
static int child_read(struct watch *w, int i)
{
    struct tessi_child_text *const to[PIPES] = {&w->out->said, &w->out->out, &w->out->err};
    char piece[4096];
    if (w->from[i].fd < 0)
        return 0;
    ssize_t n = read(w->from[i].fd, piece, sizeof piece);
    if (n > 0) {
        if (i == SAID)
            keep_tail(w, piece, (size_t)n);
        take(to[i], piece, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(w->from[i].fd);
        w->from[i].fd = -1;
    }
    return n > 0;
}

/* Waits for something to read, or some milliseconds: longer where the end of the pipes will tell the end of the child. */
static void child_wait(struct watch *w, double left)
{
    int open_ones = 0, most = (int)(left * 1000) + 1;
    for (int i = 0; i < PIPES; i++)
        open_ones += w->from[i].fd >= 0;
    int wait = open_ones == PIPES ? 50 : open_ones ? 5 : 1;
    if (poll(w->from, PIPES, wait < most ? wait : most) > 0)
        for (int i = 0; i < PIPES; i++)
            if (w->from[i].revents)
                (void)child_read(w, i);
}

/* Reads from the child for at most `seconds`, or until it has ended: 1, and its wait status. */
static int child_follow(struct watch *w, double seconds, int *status)
{
    double end = tessi_base_seconds() + seconds;
    pid_t got = 0;
    while ((got = waitpid(w->pid, status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
        double left = end - tessi_base_seconds();
        if (left <= 0)
            return 0;
        child_wait(w, left);
    }
    return 1;
}

/* Kills what is left of the child's group, and of the child where it has not ended; reads the rest of the pipes. */
static void child_reap(struct watch *w, int ended, int status)
{
    (void)kill(-w->pid, SIGKILL); /* the whole group: the child and the processes that it started */
    if (!ended) {
        (void)kill(w->pid, SIGKILL);
        while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    for (int i = 0; i < PIPES; i++)
        for (int pieces = 0; pieces < 64 && child_read(w, i); pieces++)
            ;
    for (int i = 0; i < PIPES; i++)
        if (w->from[i].fd >= 0)
            close(w->from[i].fd);
    w->out->how = !ended ? TESSI_CHILD_LATE : WIFSIGNALED(status) ? TESSI_CHILD_KILLED : TESSI_CHILD_EXITED;
    w->out->value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* Takes the end mark off the report. */
static void child_came_back(struct watch *w)
{
    struct tessi_child *out = w->out;
    int whole = out->said.bytes >= sizeof w->tail && memcmp(w->tail.text, mark_text, sizeof w->tail.text) == 0;
    if (whole && out->how == TESSI_CHILD_EXITED) {
        out->how = TESSI_CHILD_RETURNED;
        out->value = w->tail.value;
    }
    if (whole)
        out->said.bytes -= sizeof w->tail;
    struct tessi_child_text *const texts[PIPES] = {&out->said, &out->out, &out->err};
    for (int i = 0; i < PIPES; i++)
        texts[i]->text[texts[i]->bytes < sizeof texts[i]->text ? texts[i]->bytes : sizeof texts[i]->text - 1] = '\0';
}

static int child_pipes(int from[PIPES], int to[PIPES])
{
    for (int i = 0; i < PIPES; i++)
        from[i] = to[i] = -1;
    for (int i = 0; i < PIPES; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            return -1;
        from[i] = ends[0];
        to[i] = ends[1];
        if (fcntl(from[i], F_SETFL, O_NONBLOCK) != 0)
            return -1;
    }
    return 0;
}

static void child_close(int fd[PIPES])
{
    for (int i = 0; i < PIPES; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

static int child_fork(struct tess_context *ctx, int (*task)(void *user), void *user, struct tessi_child *out, struct watch *w)
{
    int from[PIPES], to[PIPES];
    pid_t parent = getpid();
    memset(out, 0, sizeof *out);
    *w = (struct watch){.out = out};
    (void)fflush(NULL);
    int ready = child_pipes(from, to);
    w->pid = ready == 0 ? fork() : -1;
    if (w->pid < 0) {
        int error = errno;
        child_close(from);
        child_close(to);
        return ctx->fail(ctx, TESS_E_MEMORY, "a process could not be had: %s", strerror(error));
    }
    if (w->pid == 0) {
        child_close(from);
        child_main(task, user, to, parent);
    }
    (void)setpgid(w->pid, w->pid); /* whoever of the two comes first */
    child_close(to);
    for (int i = 0; i < PIPES; i++)
        w->from[i] = (struct pollfd){.fd = from[i], .events = POLLIN};
    return TESS_OK;
}

int tessi_base_child_run(struct tess_context *ctx, int (*task)(void *user), void *user, double seconds, struct tessi_child *out)
{
    struct watch w;
    int status = 0;
    TESS_TRY(child_fork(ctx, task, user, out, &w));
    out->seconds = seconds;
    int ended = child_follow(&w, seconds, &status);
    child_reap(&w, ended, status);
    child_came_back(&w);
    return TESS_OK;
}

struct tessi_child_process {
    struct watch watch;
    struct tessi_child end;
};

int tessi_base_child_begin(struct tess_context *ctx, int (*task)(void *user), void *user, struct tessi_child_process **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_child_process), "a process", &memory));
    struct tessi_child_process *p = memory;
    int status = child_fork(ctx, task, user, &p->end, &p->watch);
    if (status != TESS_OK)
        tess_free(p);
    else
        *out = p;
    return status;
}

int tessi_base_child_ended(struct tessi_child_process *p, double seconds, struct tessi_child *out)
{
    int status = 0;
    if (!child_follow(&p->watch, seconds, &status))
        return 0;
    child_reap(&p->watch, 1, status);
    child_came_back(&p->watch);
    *out = p->end;
    tess_free(p);
    return 1;
}

void tessi_base_child_kill(struct tessi_child_process *p)
{
    if (p)
        child_reap(&p->watch, 0, 0);
    tess_free(p);
}

const char *tessi_base_child_words(const struct tessi_child *c, char *text, size_t capacity)
{
    *text = '\0';
    if (c->how == TESSI_CHILD_RETURNED)
        tessi_base_add(text, capacity, "came back with %d", c->value);
    else if (c->how == TESSI_CHILD_EXITED)
        tessi_base_add(text, capacity, "ended the process with status %d", c->value);
    else if (c->how == TESSI_CHILD_KILLED)
        tessi_base_add(text, capacity, "was killed by signal %d (%s)", c->value, strsignal(c->value));
    else
        tessi_base_add(text, capacity, "took more than %g s", c->seconds);
    return text;
}
