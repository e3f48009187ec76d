/* Implementation of command_bench.h.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/command_bench.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS = 32, LINE = 1024 };

static void send_to(const char *name, int fd)
{
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0 || dup2(file, fd) < 0)
        _exit(126);
    close(file);
}

static void become(const char *line, const struct command_limits *limits)
{
    char text[LINE], name[] = "tessera", *word[WORDS + 2] = {name}, *next;
    int n = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *at = strtok_r(text, " ", &next); at && n <= WORDS; at = strtok_r(NULL, " ", &next))
        word[n++] = at;
    send_to("out", STDOUT_FILENO);
    send_to("err", STDERR_FILENO);
    if (limits && limits->file_bytes) {
        signal(SIGXFSZ, SIG_IGN); /* inherited: a write too many is an error as it is on a full disk */
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){(rlim_t)limits->file_bytes, (rlim_t)limits->file_bytes});
    }
    execv(PROGRAM, word);
    _exit(127);
}

pid_t command_start(const char *line, const struct command_limits *limits)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        become(line, limits);
    return child;
}

static void read_back(const char *name, char *text, size_t room)
{
    FILE *f = fopen(name, "r");
    text[f ? fread(text, 1, room - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
}

const struct command_result *command_wait(pid_t child)
{
    static struct command_result r;
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    r.code = WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
    read_back("out", r.out, sizeof r.out);
    read_back("err", r.err, sizeof r.err);
    return &r;
}

const struct command_result *command(const char *format, ...)
{
    char line[LINE];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    return command_wait(command_start(line, NULL));
}

const struct command_result *command_ends(int code, const char *words, const char *format, ...)
{
    char line[LINE];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    const struct command_result *r = command_wait(command_start(line, NULL));
    ck_assert_msg(r->code == code && strstr(r->err, words), "tessera %s\nwanted %d: %s\nfound  %d: %s", line, code, words, r->code, r->err);
    return r;
}

struct command_kills command_killed_until_it_ends(const char *line, const char *other, unsigned pace)
{
    char full[900];
    struct command_kills kills = {0, 0};
    int code = -SIGKILL;
    for (unsigned tries = 0; tries < 200 && code != 0; tries++) {
        int asked = tries % 4 == 3 ? SIGTERM : SIGUSR1;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(full, sizeof full, other && tries % 2 ? other : line, 1 << tries % 3);
#pragma GCC diagnostic pop
        pid_t child = command_start(full, NULL);
        usleep(60000 + tries * 7919 % 97 * 2 * pace + tries * tries * 500); /* it ends on any machine */
        kill(child, asked);
        if (asked == SIGUSR1) {
            usleep(tries * 104729 % 89 * pace);
            kill(child, SIGKILL);
        }
        const struct command_result *r = command_wait(child);
        code = r->code; /* by what it was asked with: before it heeds signals */
        ck_assert_msg(code == 0 || code == -asked || code == (asked == SIGTERM ? 75 : -SIGKILL), "%d %s", code, r->err);
        kills.killed += code != 0;
        kills.resumed += strstr(r->err, "goes on from step") != NULL;
    }
    ck_assert_int_eq(code, 0);
    return kills;
}
