/* Trouble at named points: plans as they are read, and what comes of them in a process. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/inject.h"
#include "core/base/log.h"
#include "core/base/memory.h"
#include "core/base/workers.h"
#include "tests/support/suite.h"

#include <check.h>
#undef fail /* Check's old macro, in the way of a call's fail */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void no_plan(void)
{
    (void)tessi_base_inject_plan(NULL);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}

static void plan(const char *text)
{
    const char *wrong = tessi_base_inject_plan(text);
    ck_assert_msg(!wrong, "%s: %s", text, wrong);
}

START_TEST(plans_are_read_or_refused)
{
    static const char *const good[] = {"",      "kill@alloc:1",    "EIO@read:2+", "usr1@step:1+,term@write:40,fail@rename:2",
                                       "count", "count,hup@sync:9"};
    static const char *const bad[] = {"kill",
                                      "kill@",
                                      "kill@alloc",
                                      "kill@alloc:",
                                      "kill@alloc:0",
                                      "kill@alloc:-1",
                                      "kill@alloc:1x",
                                      "kil@alloc:1",
                                      "kill@nowhere:1",
                                      "fail@step:1",
                                      "EIO@checkpoint:1",
                                      "kill@alloc:1++",
                                      "count1",
                                      "@:",
                                      "kill@alloc:111111111111111111111111111111111111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        plan(good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(tessi_base_inject_plan(bad[i]), "`%s` is taken for a plan", bad[i]);
        ck_assert_int_eq(tessi_inject_planned, 0);
    }
    char many[17 * 13 + 1] = "";
    for (int i = 0; i < 17; i++)
        strcat(many, "kill@step:99,");
    ck_assert_ptr_nonnull(tessi_base_inject_plan(many));
    many[16 * 13] = '\0';
    plan(many);
}
END_TEST

START_TEST(nth_passage_fails_and_those_after_it)
{
    plan("fail@write:3,EIO@read:2+,ENOSPC@read:4");
    for (int i = 1; i <= 5; i++) {
        errno = 0;
        ck_assert_int_eq(tessi_base_inject(TESSI_AT_WRITE), i == 3 ? -1 : 0);
        ck_assert_int_eq(errno, i == 3 ? ENOSPC : 0);
        ck_assert_int_eq(tessi_base_inject(TESSI_AT_READ), i >= 2 ? -1 : 0);
        ck_assert(i < 2 || errno == (i == 4 ? ENOSPC : EIO));
    }
    ck_assert_int_eq(tessi_base_inject_passages(TESSI_AT_READ), 5);
    ck_assert_int_eq(tessi_base_inject_passages(TESSI_AT_SYNC), 0);
    plan("");
    ck_assert_int_eq(tessi_base_inject(TESSI_AT_READ), 0);
    ck_assert_int_eq(tessi_base_inject_passages(TESSI_AT_READ), 0); /* nothing is counted without a plan */
}
END_TEST

static void count_run(void *user, int worker, int64_t i)
{
    (void)worker;
    ((int *)user)[i]++;
}

START_TEST(allocations_and_threads_fail)
{
    struct tessi_context context;
    struct tessi_workers *w = NULL;
    void *memory;
    tessi_base_context_init(&context, NULL);
    plan("fail@alloc:2,fail@thread:2");
    ck_assert_int_eq(tess_alloc(&context.context, 1, "one", &memory), TESS_OK);
    tess_free(memory);
    ck_assert_int_eq(tess_alloc(&context.context, 1, "another", &memory), TESS_E_MEMORY);
    tessi_base_context_clear(&context.context);
    ck_assert_int_eq(tessi_base_workers_new(&context.context, 4, &w), TESS_OK); /* with those there are */
    ck_assert_int_eq(tessi_base_workers_count(w), 2);
    int ran[100] = {0};
    tessi_base_workers_run(w, 100, count_run, ran);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(ran[i], 1);
    tessi_base_workers_free(w);
    plan("fail@thread:1+");
    ck_assert_int_eq(tessi_base_workers_new(&context.context, 4, &w), TESS_OK);
    ck_assert_int_eq(tessi_base_workers_count(w), 1);
    tessi_base_workers_run(w, 100, count_run, ran);
    ck_assert_int_eq(ran[99], 2);
    tessi_base_workers_free(w);
}
END_TEST

/* Exit of a child that passes the point `step` ten times under the plan `text`; its exit code is the passage at which a signal was heeded,
 * 0 when none was. */
static int child_ends(const char *text)
{
    int how;
    pid_t child = fork();
    if (child == 0) {
        plan(text);
        tessi_base_signals_catch();
        for (int i = 1; i <= 10; i++) {
            (void)tessi_base_inject(TESSI_AT_STEP);
            if (tessi_base_signals_checkpoint() || tessi_base_signals_stopping())
                _exit(i);
        }
        _exit(0);
    }
    while (waitpid(child, &how, WUNTRACED) == child && WIFSTOPPED(how))
        kill(child, SIGCONT);
    return how;
}

START_TEST(signals_come_at_the_passage)
{
    int how = child_ends("kill@step:4");
    ck_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    how = child_ends("term@step:6");
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 6);
    how = child_ends("usr1@step:7");
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 7);
    how = child_ends("pause@step:2,pause@step:3,int@step:9");
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 9);
    how = child_ends("kill@step:11");
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}
END_TEST

static void pass(void *user, int worker, int64_t i)
{
    (void)user;
    (void)worker;
    (void)i;
    (void)tessi_base_inject(TESSI_AT_STEP);
}

/* Workers take no signals: one that a worker's passage sends comes to the caller. */
START_TEST(a_worker_sends_it_to_the_caller)
{
    struct tessi_context context;
    struct tessi_workers *w = NULL;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_base_workers_new(&context.context, 4, &w), TESS_OK);
    tessi_base_signals_catch();
    plan("usr1@step:500");
    tessi_base_workers_run(w, 1000, pass, NULL);
    ck_assert_int_eq(tessi_base_inject_passages(TESSI_AT_STEP), 1000);
    tessi_base_workers_free(w);
    ck_assert_int_eq(tessi_base_signals_checkpoint(), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inject");
    TCase *t = tcase_create("inject");
    tcase_add_checked_fixture(t, NULL, no_plan);
    tcase_add_test(t, plans_are_read_or_refused);
    tcase_add_test(t, nth_passage_fails_and_those_after_it);
    tcase_add_test(t, allocations_and_threads_fail);
    tcase_add_test(t, signals_come_at_the_passage);
    tcase_add_test(t, a_worker_sends_it_to_the_caller);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
