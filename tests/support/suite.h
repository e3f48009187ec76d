/* Check for all suites, and the end of every test program's main. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SUITE_H
#define TESTS_SUPPORT_SUITE_H

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Check writes a line to a file whenever an assertion holds, so as to tell the last one before a crash, and reads all of them again: in
 * loops over elements that took more time than the tests. Here an assertion writes its line the first time it holds in a process. */
static inline void suite_mark(_Atomic int *marked, const char *file, int line)
{
    if (!*marked) {
        *marked = 1;
        (_mark_point)(file, line);
    }
}
#define _mark_point(file, line)                                                                                                            \
    __extension__({                                                                                                                        \
        static _Atomic int suite_marked;                                                                                                   \
        suite_mark(&suite_marked, file, line);                                                                                             \
    })

#ifdef __SANITIZE_ADDRESS__
/* The leak checker asks for this by name. HDF5 keeps its free lists to the end of the process: what was freed into them is not lost. */
const char *__lsan_default_suppressions(void);
__attribute__((weak, visibility("default"))) const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5\n";
}
#endif

/* Runs the suite, and frees it: how many of its tests failed. */
static inline int suite_failures(Suite *s)
{
    (void)setenv("XDG_CACHE_HOME", "/dev/null", 1); /* nothing is remembered from one run to the next */
    (void)signal(SIGHUP, SIG_DFL);                  /* under nohup it would be ignored, and by the programs under test too */
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}

/* Runs the suite; gives the exit status. */
static inline int suite_run(Suite *s)
{
    return suite_failures(s) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* True where programs of this build work under an address-space limit (RLIMIT_AS); sanitizers reserve terabytes of addresses, so not with
 * them. Where false, the caller skips the rest of the test named `test`, and a line on stdout says so. */
static inline bool suite_limits_addresses(const char *test)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    printf("%s: left out, a sanitizer wants more addresses than a limit would leave\n", test);
    return false;
#else
    (void)test;
    return true;
#endif
}

/* True in a build with the address sanitizer, which ends a process for what a library does wrong with damaged files; the caller skips the
 * rest of the test named `test`, and a line on stdout says so. */
static inline bool suite_sanitizes_addresses(const char *test)
{
#ifdef __SANITIZE_ADDRESS__
    printf("%s: left out under the address sanitizer\n", test);
    return true;
#else
    (void)test;
    return false;
#endif
}

#endif
