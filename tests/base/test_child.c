/* A task in a process of its own: what it said, and how it ended. No limit here is one that a slow machine would reach: a task that is to
 * be late never ends. SPDX-License-Identifier: MIT */
#include "core/base/child.h"
#include "core/base/context.h"
#include "tests/support/suite.h"

#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENOUGH 600.0
#define SHORT 0.05

static struct tessi_child child;

static const struct tessi_child *run(int (*task)(void *user), void *user, double seconds)
{
    struct tessi_context context;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_base_child_run(&context.context, task, user, seconds, &child), TESS_OK);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    return &child;
}

static void ended(int how, int value, const char *words)
{
    char text[200];
    ck_assert_int_eq(child.how, how);
    ck_assert_int_eq(child.value, value);
    ck_assert_str_eq(tessi_base_child_words(&child, text, sizeof text), words);
}

static int talk(void *user)
{
    tessi_base_child_say("%s, ", (const char *)user);
    tessi_base_child_say("and %d more", 7);
    printf("to stdout\n");
    fprintf(stderr, "to stderr\n");
    return -5;
}

START_TEST(what_a_task_says_and_writes_is_kept_apart)
{
    char word[] = "one";
    printf("of the parent, not yet written ");
    run(talk, word, ENOUGH);
    ended(TESSI_CHILD_RETURNED, -5, "came back with -5");
    ck_assert_str_eq(child.said.text, "one, and 7 more");
    ck_assert_uint_eq(child.said.bytes, strlen("one, and 7 more"));
    ck_assert_str_eq(child.out.text, "to stdout\n");
    ck_assert_str_eq(child.err.text, "to stderr\n");
    tessi_base_child_say("nobody hears this");
}
END_TEST

static int talk_much(void *user)
{
    (void)user;
    for (int i = 0; i < 100000; i++)
        printf("0123456789");
    tessi_base_child_say("done");
    return 3;
}

START_TEST(more_than_a_pipe_holds_is_counted)
{
    run(talk_much, NULL, ENOUGH);
    ended(TESSI_CHILD_RETURNED, 3, "came back with 3");
    ck_assert_uint_eq(child.out.bytes, 1000000);
    ck_assert_uint_eq(strlen(child.out.text), sizeof child.out.text - 1);
    ck_assert_str_eq(child.said.text, "done");
}
END_TEST

static int end(void *user)
{
    tessi_base_child_say("before");
    _exit(*(int *)user);
}

static int end_by(void *user)
{
    raise(*(int *)user);
    pause();
    return 0;
}

START_TEST(the_end_of_a_process_is_told)
{
    int value = 0;
    run(end, &value, ENOUGH);
    ended(TESSI_CHILD_EXITED, 0, "ended the process with status 0");
    ck_assert_str_eq(child.said.text, "before");
    value = 3;
    run(end, &value, ENOUGH);
    ended(TESSI_CHILD_EXITED, 3, "ended the process with status 3");
    value = SIGSEGV;
    run(end_by, &value, ENOUGH);
    ended(TESSI_CHILD_KILLED, SIGSEGV, "was killed by signal 11 (Segmentation fault)");
    signal(SIGTERM, SIG_IGN); /* the ignored signal, which the child must not inherit */
    value = SIGTERM;
    run(end_by, &value, ENOUGH);
    ended(TESSI_CHILD_KILLED, SIGTERM, "was killed by signal 15 (Terminated)");
    signal(SIGTERM, SIG_DFL);
}
END_TEST

static int wait_for_ever(void *user)
{
    int close_all = *(int *)user;
    for (int fd = 0; close_all && fd < 64; fd++)
        close(fd);
    pause();
    return 0;
}

START_TEST(one_that_does_not_end_is_killed)
{
    int value = 0;
    run(wait_for_ever, &value, SHORT);
    ended(TESSI_CHILD_LATE, SIGKILL, "took more than 0.05 s");
    value = 1; /* the child closes its pipes and keeps running */
    run(wait_for_ever, &value, SHORT);
    ended(TESSI_CHILD_LATE, SIGKILL, "took more than 0.05 s");
    value = SIGSTOP;
    run(end_by, &value, SHORT);
    ended(TESSI_CHILD_LATE, SIGKILL, "took more than 0.05 s");
}
END_TEST

static int leave_one_behind(void *user)
{
    int(*ends)[2] = user;
    if (fork() == 0)
        for (;;)
            pause(); /* the grandchild keeps all pipes open */
    (void)ends;
    return 1;
}

/* A child that exits and leaves a grandchild holding its pipes: the run ends with the child, and the grandchild is killed, so that the
 * test's pipe has no writer any more. */
START_TEST(what_it_leaves_running_is_killed)
{
    int ends[2];
    char byte;
    ck_assert_int_eq(pipe(ends), 0);
    run(leave_one_behind, &ends, ENOUGH);
    ended(TESSI_CHILD_RETURNED, 1, "came back with 1");
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}
END_TEST

static int kill_group(void *user)
{
    (void)user;
    kill(0, SIGKILL);
    return 0;
}

START_TEST(its_group_is_its_own)
{
    run(kill_group, NULL, ENOUGH);
    ended(TESSI_CHILD_KILLED, SIGKILL, "was killed by signal 9 (Killed)");
}
END_TEST

static int nothing(void *user)
{
    (void)user;
    return 0;
}

START_TEST(descriptors_are_given_back)
{
    int before = dup(0);
    for (int i = 0; i < 50; i++)
        run(nothing, NULL, ENOUGH);
    int after = dup(0);
    ck_assert_int_eq(after, before + 1);
}
END_TEST

/* No descriptor is left for the pipes: a sentence, and nothing else is taken. */
START_TEST(no_pipes)
{
    struct tessi_context context;
    struct tessi_child_process *p = NULL;
    struct rlimit was, none;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
    int before = dup(0);
    none = (struct rlimit){(rlim_t)before + 3, was.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    int status = tessi_base_child_begin(&context.context, nothing, NULL, &p);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
    ck_assert_int_eq(status, TESS_E_MEMORY);
    ck_assert_ptr_null(p);
    ck_assert_str_eq(tess_message(&context.context), "a process could not be had: Too many open files");
    ck_assert_int_eq(dup(0), before + 1);
}
END_TEST

/* Two at once: one ends by itself and is asked until it has, the other is killed. */
START_TEST(beside_their_parent)
{
    struct tessi_context context;
    struct tessi_child_process *one = NULL, *two = NULL;
    char word[] = "seven";
    int keep = 0;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_base_child_begin(&context.context, wait_for_ever, &keep, &two), TESS_OK);
    ck_assert_int_eq(tessi_base_child_begin(&context.context, talk, word, &one), TESS_OK);
    ck_assert_int_eq(tessi_base_child_ended(two, 0.0, &child), 0);
    while (!tessi_base_child_ended(one, 0.2, &child))
        continue;
    ended(TESSI_CHILD_RETURNED, -5, "came back with -5");
    ck_assert_str_eq(child.said.text, "seven, and 7 more");
    tessi_base_child_kill(two);
    tessi_base_child_kill(NULL);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("child");
    TCase *tests = tcase_create("child");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, what_a_task_says_and_writes_is_kept_apart);
    tcase_add_test(tests, more_than_a_pipe_holds_is_counted);
    tcase_add_test(tests, the_end_of_a_process_is_told);
    tcase_add_test(tests, one_that_does_not_end_is_killed);
    tcase_add_test(tests, what_it_leaves_running_is_killed);
    tcase_add_test(tests, its_group_is_its_own);
    tcase_add_test(tests, descriptors_are_given_back);
    tcase_add_test(tests, no_pipes);
    tcase_add_test(tests, beside_their_parent);
    return suite_run(suite);
}
