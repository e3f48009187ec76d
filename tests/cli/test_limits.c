/* The built program under the limits of a batch system: how many threads each verb starts, and that one which can have no more addresses or
 * threads works or says so. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pseudo-terminals, limits of another process */

#include "tests/support/command_fixture.h"
#include "tests/support/small_pipeline.h"
#include "tests/support/suite.h"
#include "tests/support/users.h"
#include "tests/support/paths.h"

#include <check.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void setup(void)
{
    ck_assert_int_eq(chmod(small_folder_enter(), 0777), 0);
}

static void teardown(void)
{
    small_folder_leave();
}

/* ---- threads ------------------------------------------------------------------------------------------------------- */

static void threads_are(int wanted, const char *line)
{
    int now = -1, started = -1;
    char path[4096];
    ck_assert_ptr_nonnull(getcwd(path, sizeof path - 16));
    strcat(path, "/threads");
    setenv("TESSERA_TEST_THREADS", path, 1);
    setenv("LD_PRELOAD", TEST_COUNT_THREADS, 1);
    pid_t child = command_start(line, NULL);
    unsetenv("LD_PRELOAD");
    const struct command_result *r = command_wait(child);
    ck_assert_msg(r->code == 0, "tessera %s: %s", line, r->err);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f && fscanf(f, "%d %d", &now, &started) == 2, "tessera %s counted nothing", line);
    fclose(f);
    ck_assert_msg(now == 1 && started == wanted, "tessera %s: wanted %d threads started and 1 left, found %d and %d", line, wanted, started,
                  now);
}

/* Workers are the parallelism: threads but the first. No library has threads of its own. */
START_TEST(no_verb_starts_a_thread_that_is_no_worker)
{
    threads_are(0, "plugins");
    threads_are(0, "plugins --why");
    threads_are(0, "--threads 1 plan small.yaml");
    threads_are(0, "--threads 1 --backend openblas plan small.yaml");
    threads_are(0, "--threads 1 run small.yaml");
    threads_are(0, "--threads 1 --backend openblas run small.yaml seed=4");
    threads_are(2, "--threads 3 --backend openblas run small.yaml seed=5");
    threads_are(2, "--threads 3 run small.yaml seed=6");
    threads_are(0, "inspect runs/small/codes.h5");
    threads_are(0, "--threads 1 view runs/small/codes.h5 -o view.png");
}
END_TEST

/* ---- addresses ----------------------------------------------------------------------------------------------------- */

struct limit {
    int what;
    rlim_t max;
    int as_nobody; /* the superuser may have any number of processes */
};

static void become(const char *line)
{
    char text[256], name[] = "tessera", *word[16] = {name}, *next;
    int n = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *at = strtok_r(text, " ", &next); at && n < 15; at = strtok_r(NULL, " ", &next))
        word[n++] = at;
    execv(TEST_PROGRAM, word);
    _exit(126);
}

/* Exit code of the program; its words are in `err`. A process that waits in a loop is killed for the processor's time it took. */
static int under(const struct limit *l, const char *line, char *err, size_t capacity)
{
    int how;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        setrlimit(RLIMIT_CPU, &(struct rlimit){60, 60});
        if (!freopen("out", "w", stdout) || !freopen("err", "w", stderr))
            _exit(125);
        if (l->as_nobody && geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(54321) != 0 || setuid(54321) != 0))
            _exit(125);
        setrlimit((__rlimit_resource_t)l->what, &(struct rlimit){l->max, l->max});
        become(line);
    }
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    FILE *f = fopen("err", "r");
    err[f ? fread(err, 1, capacity - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how);
}

/* Fine, or not and said. 127 is the dynamic linker's, before the program begins. 1: fine. */
static int works_or_says_so(const struct limit *l, const char *line)
{
    char err[8192];
    int code = under(l, line, err, sizeof err);
    ck_assert_msg(code == 0 || code == 127 || (code > 0 && code < 125 && strstr(err, "tessera: ")),
                  "tessera %s, limit %lld: ended with %d: %s", line, (long long)l->max, code, err);
    return code == 0;
}

START_TEST(want_of_addresses_is_said)
{
    int plugins = 0, plans = 0, runs = 0;
    for (rlim_t mib = 40; mib <= 640; mib += mib < 200 ? 20 : 110) {
        const struct limit l = {RLIMIT_AS, mib << 20, 0};
        plugins += works_or_says_so(&l, "plugins");
        plans += works_or_says_so(&l, "--threads 1 --backend openblas plan small.yaml");
        runs += works_or_says_so(&l, "--threads 1 --backend openblas run small.yaml");
        works_or_says_so(&l, "--threads 1 run small.yaml seed=7");
        works_or_says_so(&l, "--threads 4 --backend openblas run small.yaml seed=8");
    }
    ck_assert_int_gt(plugins, 0);
    ck_assert_int_gt(plans, 0);
    ck_assert_int_gt(runs, 0);
}
END_TEST

START_TEST(one_thread_needs_no_other)
{
    const struct limit l = {RLIMIT_NPROC, 1, 1};
    char err[8192];
    if (geteuid() == 0 && !users_reach_the_build("one_thread_needs_no_other"))
        return;
    ck_assert(works_or_says_so(&l, "plugins"));
    ck_assert(works_or_says_so(&l, "--threads 1 --backend openblas plan small.yaml"));
    ck_assert(works_or_says_so(&l, "--threads 1 --backend openblas run small.yaml"));
    ck_assert(works_or_says_so(&l, "--threads 1 run small.yaml seed=7"));
    if (geteuid() == 0) { /* else this user's other processes have used the limit up or not, who knows */
        int code = under(&l, "--threads 4 --backend openblas run small.yaml seed=8", err, sizeof err);
        ck_assert_msg(code == 0 && strstr(err, "1 of 4 threads: the system starts no more of them"), "%d: %s", code, err);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tests = tcase_create("limits");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 600);
    if (suite_limits_addresses("limits")) { /* nor could a library be loaded before a sanitizer's, or one thread be all */
        tcase_add_test(tests, no_verb_starts_a_thread_that_is_no_worker);
        tcase_add_test(tests, want_of_addresses_is_said);
        tcase_add_test(tests, one_thread_needs_no_other);
    }
    return suite_run(suite);
}
