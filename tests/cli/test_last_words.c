/* A plugin that crashes, hangs or ends the process: the program cannot go on, and its last words name plugin, file and function; its exit
 * status is that of the signal, and 69 where the plugin called `exit` or `_exit`. SPDX-License-Identifier: MIT */
#include "tests/support/paths.h"
#include "tests/support/plug_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static struct plug_fixture fixture;
static char said[1 << 14];

static void setup(void)
{
    plug_start(&fixture);
    plug_add(&fixture, "", "ends");
    plug_write(&fixture, "ends.yaml",
               "tessera: 1\nparams: {how: crash, where: open}\nstages:\n"
               "  images: {use: import, source: {use: ends, how: \"${how}\", where: \"${where}\"}}\n");
}

static void teardown(void)
{
    plug_end(&fixture);
}

/* Runs the pipeline and gives the shell's word for how it ended: 128 and the signal, or the exit code. */
static int ends(const char *verb, const char *how, const char *where)
{
    char command[2048];
    snprintf(command, sizeof command, "cd '%s' && { '%s' %s ends.yaml -j4 --no-color --plugin-path . how=%s where=%s; } 2>&1",
             fixture.folder, TEST_PROGRAM, verb, how, where);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    size_t n = fread(said, 1, sizeof said - 1, f);
    said[n] = '\0';
    int status = pclose(f);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void check_said(const char *wanted)
{
    ck_assert_msg(strstr(said, wanted) != NULL, "wanted \"%s\" in\n%s", wanted, said);
}

START_TEST(a_crash_names_plugin_and_function)
{
    static const struct {
        const char *verb, *how, *where, *words;
        int code;
    } of[] = {{"plan", "crash", "open", "ended by signal 11 (Segmentation fault) in plugin `ends` (./ends.so), ends_here; `tessera check ",
               128 + SIGSEGV},
              {"plan", "nowhere", "count", "(Segmentation fault) in plugin `ends` (./ends.so), ends_here", 128 + SIGSEGV},
              {"plan", "abort", "count", "ended by signal 6 (Aborted) in plugin `ends` (./ends.so), ends_here", 128 + SIGABRT},
              {"run", "crash", "read", "in plugin `ends` (./ends.so), ends_here", 128 + SIGSEGV},
              {"run", "crash", "worker", "in plugin `ends` (./ends.so), ends_here", 128 + SIGSEGV},
#ifdef __x86_64__
              {"plan", "wild", "open", "(Segmentation fault) in plugin `ends` (./ends.so), ends_here", 128 + SIGSEGV},
#endif
              {"plan", "twice", "open", "ended by signal 6 (Aborted) in plugin `ends` (./ends.so)", 128 + SIGABRT},
              {"plan", "host", "open", ", called by plugin `ends` (./ends.so)", 128 + SIGSEGV},
              {"plan", "at-end", "open", "(Segmentation fault) in plugin `ends` (./ends.so), crash_at_end", 128 + SIGSEGV}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        int code = ends(of[i].verb, of[i].how, of[i].where);
        check_said(of[i].words);
        ck_assert_msg(code == of[i].code, "%s %s: ended with %d", of[i].how, of[i].where, code);
    }
}
END_TEST

/* A run that a plugin ended with exit(0) is none that succeeded. */
START_TEST(a_call_of_exit_is_no_success)
{
    static const char *const where[] = {"open", "count", "read", "worker"};
    for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
        ck_assert_int_eq(ends("run", "exit", where[i]), 69);
        check_said("plugin `ends` (./ends.so), ends_here: called exit(0), which ends the whole program");
        ck_assert_int_eq(ends("run", "at-once", where[i]), 69);
        check_said("plugin `ends` (./ends.so), ends_here: called _exit(0), which ends the whole program");
    }
}
END_TEST

/* Nor one whose place another program took, or whose threads ended. */
START_TEST(other_ways_to_be_gone)
{
    static const struct {
        const char *how, *words;
    } of[] = {{"quick", "ends_here: called quick_exit(0), which ends the whole program"},
              {"exec", "ends_here: called a function of the family `exec`, which puts another program in the place of this one"},
              {"exec-list", "ends_here: called a function of the family `exec`"},
              {"thread", "ends_here: called pthread_exit, which ends a thread of the program"},
              {"leave-at-end", "leave_at_end: called _exit(0), which ends the whole program"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        for (int worker = 0; worker <= 1; worker++) {
            int code = ends("run", of[i].how, worker ? "worker" : "open");
            check_said(of[i].words);
            ck_assert_msg(code == 69, "%s: ended with %d", of[i].how, code);
        }
}
END_TEST

START_TEST(a_child_of_a_plugin_ends_as_it_likes)
{
    ck_assert_int_eq(ends("run", "fork", "open"), 0);
    ck_assert_msg(strstr(said, "called _exit") == NULL, "%s", said);
}
END_TEST

/* A plugin that hangs is named when Ctrl-C is pressed again. */
START_TEST(an_interrupt_names_who_was_at_work)
{
    ck_assert_int_eq(ends("plan", "hang", "open"), 128 + SIGINT);
    check_said("tessera: interrupted in plugin `ends` (./ends.so), ends_here");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("last words");
    TCase *t = tcase_create("last words");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ /* the sanitizers tell of crashes themselves */
    tcase_add_test(t, a_crash_names_plugin_and_function);
    tcase_add_test(t, a_call_of_exit_is_no_success);
    tcase_add_test(t, other_ways_to_be_gone);
    tcase_add_test(t, a_child_of_a_plugin_ends_as_it_likes);
    tcase_add_test(t, an_interrupt_names_who_was_at_work);
#endif
    suite_add_tcase(s, t);
    return suite_run(s);
}
