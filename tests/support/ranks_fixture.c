/* Implementation of ranks_fixture.h. SPDX-License-Identifier: MIT */
#include "tests/support/ranks_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int fd[RANKS_FIXTURE_MAX][RANKS_FIXTURE_MAX];

static void open_sockets(int n)
{
    for (int a = 0; a < n; a++)
        for (int b = 0; b <= a; b++) {
            int pair[2] = {-1, -1};
            ck_assert(a == b || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
            fd[a][b] = pair[0];
            fd[b][a] = pair[1];
        }
}

/* Closes the sockets of all ranks but one; -1: of all. */
static void close_sockets(int n, int but)
{
    for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++)
            if (a != but && a != b)
                (void)close(fd[a][b]);
}

static void become(int n, int rank, void (*body)(int rank, const char *transport, void *user), void *user)
{
    char text[256];
    int used = snprintf(text, sizeof text, "{use: local, rank: %d, silence: 3600, sockets: \"", rank);
    close_sockets(n, rank);
    for (int b = 0; b < n; b++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%d", b ? " " : "", fd[rank][b]);
    snprintf(text + used, sizeof text - (size_t)used, "\"}");
    body(rank, text, user);
    _exit(0);
}

struct ranks_ends ranks_fixture_run(int n, void (*body)(int rank, const char *transport, void *user), void *user)
{
    struct ranks_ends ends = {{0}};
    pid_t pid[RANKS_FIXTURE_MAX];
    open_sockets(n);
    for (int rank = 0; rank < n; rank++) {
        pid[rank] = fork();
        ck_assert_int_ge(pid[rank], 0);
        if (pid[rank] == 0)
            become(n, rank, body, user);
    }
    close_sockets(n, -1);
    for (int rank = 0; rank < n; rank++) {
        int how;
        ck_assert_int_eq(waitpid(pid[rank], &how, 0), pid[rank]);
        ends.code[rank] = WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
    }
    return ends;
}

void ranks_fixture_all(int n, void (*body)(int rank, const char *transport, void *user), void *user)
{
    struct ranks_ends ends = ranks_fixture_run(n, body, user);
    for (int rank = 0; rank < n; rank++)
        ck_assert_msg(ends.code[rank] == 0, "rank %d of %d ended with %d", rank, n, ends.code[rank]);
}

struct tessi_ranks *ranks_fixture_join(struct fixture *b, const char *transport)
{
    fixture_ok(b, tessi_host_runtime_join(&b->context.context, b->runtime, transport, NULL));
    return b->runtime->ranks;
}

void ranks_fixture_leave(struct fixture *b, int status)
{
    tessi_ranks_close(b->runtime->ranks, status);
    b->runtime->ranks = NULL;
    fixture_close(b);
}
