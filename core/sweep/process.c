/* Children are forked, not started anew: they have the variants at hand, and the parent has no threads that a fork would lose. A child
 * talks in records, each with its length in front, so one that is cut short by the child's death is not taken for a whole one.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2 */
#include "core/sweep/process.h"

#include "core/base/log.h"
#include "core/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- records ------------------------------------------------------------------------------------------------------- */

void tessi_sweep_put_i64(FILE *to, int64_t value)
{
    (void)fwrite(&value, 1, sizeof value, to);
}

void tessi_sweep_put_f64(FILE *to, double value)
{
    (void)fwrite(&value, 1, sizeof value, to);
}

void tessi_sweep_put_text(FILE *to, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    tessi_sweep_put_i64(to, (int64_t)length);
    if (length)
        (void)fwrite(text, 1, length, to);
    putc('\0', to);
}

static const char *process_take(struct tessi_sweep_record *r, size_t bytes)
{
    const char *at = r->at;
    if (r->broken || (size_t)(r->end - r->at) < bytes) {
        r->broken = 1;
        return NULL;
    }
    r->at += bytes;
    return at;
}

int64_t tessi_sweep_get_i64(struct tessi_sweep_record *r)
{
    int64_t value = 0;
    const char *at = process_take(r, sizeof value);
    if (at)
        memcpy(&value, at, sizeof value);
    return value;
}

double tessi_sweep_get_f64(struct tessi_sweep_record *r)
{
    double value = 0;
    const char *at = process_take(r, sizeof value);
    if (at)
        memcpy(&value, at, sizeof value);
    return value;
}

const char *tessi_sweep_get_text(struct tessi_sweep_record *r)
{
    int64_t length = tessi_sweep_get_i64(r);
    const char *at = length >= 0 ? process_take(r, (size_t)length + 1) : NULL;
    return at ? at : "";
}

/* ---- the child's side ---------------------------------------------------------------------------------------------- */

static void process_child(int (*task)(void *user, int in, int out), void *user, int end, int in, int out, pid_t parent)
{
    (void)signal(SIGINT, SIG_IGN);
    tessi_base_signals_catch();
    (void)prctl(PR_SET_PDEATHSIG, end);
    if (getppid() != parent) /* the process died before the line above */
        _exit(127);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO); /* the output is the parent's */
    int code = task(user, in, out);
    (void)fflush(NULL);
    _exit(code);
}

static int process_write(int fd, const void *bytes, size_t count)
{
    for (const char *at = bytes; count > 0;) {
        ssize_t n = write(fd, at, count);
        if (n < 0 && errno != EINTR)
            return -1;
        at += n > 0 ? n : 0;
        count -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

void tessi_sweep_child_send(int out, void (*print)(FILE *to, const void *what), const void *what)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        _exit(126);
    tessi_sweep_put_i64(to, 0);
    print(to, what);
    if (fclose(to) != 0)
        _exit(126);
    int64_t length = (int64_t)(bytes - sizeof length);
    memcpy(text, &length, sizeof length);
    if (process_write(out, text, bytes) != 0)
        _exit(125); /* there is no parent to hear it */
    free(text);
}

int tessi_sweep_child_told(int in, int64_t *out)
{
    size_t have = 0;
    while (have < sizeof *out) {
        ssize_t n = read(in, (char *)out + have, sizeof *out - have);
        if (n == 0 || (n < 0 && errno != EINTR) || (n < 0 && tessi_base_signals_stopping()))
            return 0;
        have += n > 0 ? (size_t)n : 0;
    }
    return 1;
}

/* ---- the parent's side --------------------------------------------------------------------------------------------- */

int tessi_sweep_child_start(struct tess_context *ctx, int (*task)(void *user, int in, int out), void *user, int end,
                            const struct tessi_sweep_child *others, int64_t n, struct tessi_sweep_child *out)
{
    int to[2] = {-1, -1}, from[2] = {-1, -1};
    pid_t parent = getpid();
    memset(out, 0, sizeof *out);
    (void)fflush(NULL);
    int ready = pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0;
    pid_t pid = ready ? fork() : -1;
    if (pid == 0) {
        close(to[1]);
        close(from[0]);
        for (int64_t i = 0; i < n; i++)
            if (others[i].pid) {
                close(others[i].to);
                close(others[i].from);
            }
        process_child(task, user, end, to[0], from[1], parent);
    }
    int error = errno;
    for (int i = 0; i < 2; i++) {
        if (to[i] >= 0 && (pid < 0 || i == 0))
            close(to[i]);
        if (from[i] >= 0 && (pid < 0 || i == 1))
            close(from[i]);
    }
    if (pid < 0)
        return ctx->fail(ctx, TESS_E_MEMORY, "no process could be started for a stage: %s; see `ulimit -u`", strerror(error));
    (void)fcntl(from[0], F_SETFL, O_NONBLOCK);
    out->pid = pid;
    out->to = to[1];
    out->from = from[0];
    return TESS_OK;
}

int tessi_sweep_child_tell(const struct tessi_sweep_child *c, int64_t number)
{
    return process_write(c->to, &number, sizeof number);
}

int tessi_sweep_child_wait(const struct tessi_sweep_child *c)
{
    struct pollfd from = {.fd = c->from, .events = POLLIN};
    while (!tessi_base_signals_stopping())
        if (poll(&from, 1, 500) > 0)
            return 1;
    return 0;
}

int tessi_sweep_child_read(struct tess_context *ctx, struct tessi_sweep_child *c, int *more)
{
    char piece[16384];
    ssize_t n = read(c->from, piece, sizeof piece);
    *more = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    if (n <= 0)
        return TESS_OK;
    if (c->taken == c->count)
        c->taken = c->count = 0;
    if (c->count + (size_t)n > c->capacity) {
        void *memory;
        size_t capacity = 2 * (c->count + (size_t)n);
        TESS_TRY(tess_alloc(ctx, capacity, "a child's report", &memory));
        if (c->count)
            memcpy(memory, c->bytes, c->count);
        tess_free(c->bytes);
        c->bytes = memory;
        c->capacity = capacity;
    }
    memcpy(c->bytes + c->count, piece, (size_t)n);
    c->count += (size_t)n;
    return TESS_OK;
}

int tessi_sweep_child_next(struct tessi_sweep_child *c, struct tessi_sweep_record *out)
{
    int64_t length;
    if (c->count - c->taken < sizeof length)
        return 0;
    memcpy(&length, c->bytes + c->taken, sizeof length);
    if (length < 0 || c->count - c->taken - sizeof length < (size_t)length)
        return 0;
    *out = (struct tessi_sweep_record){.at = c->bytes + c->taken + sizeof length, .end = c->bytes + c->taken + sizeof length + length};
    c->taken += sizeof length + (size_t)length;
    return 1;
}

void tessi_sweep_child_end(struct tessi_sweep_child *c, char *how, size_t capacity)
{
    int status = 0;
    close(c->to);
    close(c->from);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    *how = '\0';
    if (WIFSIGNALED(status))
        tessi_base_add(how, capacity, "its process was killed by signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
                       WTERMSIG(status) == SIGKILL ? "; the system does that where memory is short: see --memory" : "");
    else if (WEXITSTATUS(status))
        tessi_base_add(how, capacity, "its process ended with status %d", WEXITSTATUS(status));
    tess_free(c->bytes);
    memset(c, 0, sizeof *c);
}
