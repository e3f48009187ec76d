/* Implementation of command_fixture.h.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/command_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <dirent.h>
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

static void send_to(const char *name, const char *tag, int fd)
{
    char path[64];
    snprintf(path, sizeof path, "%s%s", name, tag ? tag : "");
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0 || dup2(file, fd) < 0)
        _exit(126);
    close(file);
}

static void limit(int resource, long max)
{
    if (max > 0 && setrlimit((__rlimit_resource_t)resource, &(struct rlimit){(rlim_t)max, (rlim_t)max}) != 0)
        _exit(125);
}

static void take_limits(const struct command_limits *l)
{
    enum { NOBODY = 65534 };
    if (l->inject)
        setenv("TESSERA_INJECT", l->inject, 1);
    if (l->file_bytes)
        signal(SIGXFSZ, SIG_IGN); /* inherited: a write too many is an error as it is on a full disk */
    if (l->processes && geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        _exit(125);
    limit(RLIMIT_FSIZE, l->file_bytes);
    limit(RLIMIT_AS, l->address_bytes);
    limit(RLIMIT_NOFILE, l->descriptors);
    limit(RLIMIT_NPROC, l->processes);
}

static void become(const char *line, const struct command_limits *limits)
{
    char text[LINE], name[] = "tessera", *word[WORDS + 2] = {name}, *next;
    int n = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *at = strtok_r(text, " ", &next); at && n <= WORDS; at = strtok_r(NULL, " ", &next))
        word[n++] = at;
    send_to("out", limits ? limits->tag : NULL, STDOUT_FILENO);
    send_to("err", limits ? limits->tag : NULL, STDERR_FILENO);
    unsetenv("TESSERA_INJECT");
    if (limits)
        take_limits(limits);
    execv(TEST_PROGRAM, word);
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

static void read_back(const char *name, const char *tag, char *text, size_t capacity)
{
    char path[64];
    snprintf(path, sizeof path, "%s%s", name, tag);
    FILE *f = fopen(path, "r");
    text[f ? fread(text, 1, capacity - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
}

static void wait_for(pid_t child, const char *tag, struct command_result *r)
{
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    r->code = WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
    read_back("out", tag, r->out, sizeof r->out);
    read_back("err", tag, r->err, sizeof r->err);
}

const struct command_result *command_wait(pid_t child)
{
    static struct command_result r;
    wait_for(child, "", &r);
    return &r;
}

const struct command_result *command_wait_tagged(pid_t child, const char *tag)
{
    static struct command_result r;
    wait_for(child, tag, &r);
    return &r;
}

void command_paused(pid_t child)
{
    int how;
    ck_assert_int_eq(waitpid(child, &how, WUNTRACED), child);
    ck_assert_msg(WIFSTOPPED(how), "it ended (%d) and did not come to its pause", how);
}

void command_resume(pid_t child)
{
    ck_assert_int_eq(kill(child, SIGCONT), 0);
}

void command_said(pid_t child, const char *tag, const char *words)
{
    static char err[65536];
    for (siginfo_t ended = {0};; usleep(20000)) {
        ck_assert_int_eq(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        read_back("err", tag, err, sizeof err);
        if (strstr(err, words))
            return;
        ck_assert_msg(ended.si_pid == 0, "it ended without `%s`: %s", words, err);
    }
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

const struct command_result *command_within(const struct command_limits *limits, const char *format, ...)
{
    char line[LINE];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    return command_wait(command_start(line, limits));
}

int command_has(const char *plugin)
{
    return command("plugins %s", plugin)->code == 0;
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

/* ---- storms -------------------------------------------------------------------------------------------------------- */

/* The k-th way to end an attempt. A checkpoint at nearly every step lets each go further than the one before; the points lie further on
 * from round to round, for the stages that have no checkpoint. */
enum { ENDS = 8 };
static int choose_end(unsigned k, unsigned round, char *plan, size_t capacity)
{
    static const struct {
        const char *often, *action;
        unsigned n;
    } end[ENDS] = {{"usr1@step:1+", "kill@checkpoint", 2}, {"usr1@step:2+", "kill@write", 90}, {"usr1@step:1+", "term@step", 5},
                   {"usr1@step:1+", "kill@renamed", 4},    {"usr1@step:3+", "kill@step", 9},   {"usr1@step:1+", "kill@sync", 6},
                   {"usr1@step:2+", "kill@rename", 5},     {"usr1@step:1+", "kill@read", 60}};
    k %= ENDS;
    snprintf(plan, capacity, "%s,%s:%u", end[k].often, end[k].action, end[k].n * (1 + round) * (1 + round));
    return *end[k].action == 't' ? 75 : -SIGKILL;
}

static void write_line(char *line, size_t capacity, const char *format, unsigned tries)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(line, capacity, format, 1 << tries % 3);
#pragma GCC diagnostic pop
}

static void count_end(const struct command_result *r, int asked, struct command_kills *kills)
{
    ck_assert_msg(r->code == 0 || r->code == asked, "wanted %d or 0, found %d: %s", asked, r->code, r->err);
    kills->killed += r->code != 0;
    kills->resumed += strstr(r->err, "resuming at step") != NULL;
}

enum { MAX_TRIES = 400 };

struct command_kills command_killed_until_it_ends(const char *line, const char *other)
{
    char full[LINE], plan[64];
    struct command_kills kills = {0, 0};
    int code = -SIGKILL;
    for (unsigned tries = 0; tries < MAX_TRIES && code != 0; tries++) {
        int asked = choose_end(tries, tries / ENDS, plan, sizeof plan);
        write_line(full, sizeof full, other && tries % 2 ? other : line, tries);
        const struct command_result *r = command_within(&(struct command_limits){.inject = plan}, "%s", full);
        count_end(r, asked, &kills);
        code = r->code;
    }
    ck_assert_int_eq(code, 0);
    return kills;
}

struct command_kills command_twins_killed_until_they_end(const char *line, const char *other)
{
    char full[LINE], plan[2][64];
    struct command_kills kills = {0, 0};
    int both = 0;
    for (unsigned tries = 0; tries < MAX_TRIES && !both; tries++) {
        unsigned round = tries / ENDS; /* in one round, one process often finishes while the other is killed */
        int asked[2] = {choose_end(tries, round + tries % 3 % 2, plan[0], sizeof plan[0]),
                        choose_end(tries * 3 + 5, round + tries % 3 / 2, plan[1], sizeof plan[1])};
        pid_t child[2];
        for (int i = 0; i < 2; i++) {
            write_line(full, sizeof full, i ? other : line, tries + (unsigned)i);
            child[i] = command_start(full, &(struct command_limits){.inject = plan[i], .tag = i ? "2" : NULL});
        }
        const struct command_result *r = command_wait(child[0]), *r2 = command_wait_tagged(child[1], "2");
        count_end(r, asked[0], &kills);
        count_end(r2, asked[1], &kills);
        both = r->code == 0 && r2->code == 0;
    }
    ck_assert(both);
    return kills;
}

void command_digest(const char *workdir, const char *stage, char digest[COMMAND_DIGEST])
{
    const struct command_result *r = command_ends(0, "", "inspect %s/runs/small/%s.h5", workdir, stage);
    const char *at = strstr(r->out, "digest");
    ck_assert_ptr_nonnull(at);
    snprintf(digest, COMMAND_DIGEST, "%.*s", (int)strcspn(at, "\n"), at);
}

static void nothing_unfinished(const char *workdir, const char *folder)
{
    char path[256];
    snprintf(path, sizeof path, "%s/runs/%s", workdir, folder);
    DIR *d = opendir(path);
    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        ck_assert_msg(!strstr(e->d_name, ".partial") && !strstr(e->d_name, ".lock") && !strstr(e->d_name, "checkpoint"), "%s is left in %s",
                      e->d_name, path);
    closedir(d);
}

void command_same_and_whole(const char *const *stage, const char *one, const char *two, const char *after)
{
    char first[COMMAND_DIGEST], second[COMMAND_DIGEST];
    for (; *stage; stage++) {
        command_digest(one, *stage, first);
        command_digest(two, *stage, second);
        ck_assert_msg(strcmp(first, second) == 0, "%s of %s differs from that of %s %s", *stage, two, one, after);
    }
    nothing_unfinished(two, ".cache");
    nothing_unfinished(two, "small");
}

int command_stopped_until_it_ends(const char *line, int first)
{
    char plan[64];
    for (int stopped = 0; stopped < MAX_TRIES; stopped++) {
        snprintf(plan, sizeof plan, "term@step:%d", first * (stopped + 1));
        const struct command_result *r = command_within(&(struct command_limits){.inject = plan}, "%s", line);
        if (r->code == 0)
            return stopped;
        ck_assert_msg(r->code == 75, "%d %s", r->code, r->err);
    }
    ck_abort_msg("%s does not end", line);
}
