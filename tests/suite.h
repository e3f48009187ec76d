/* The end of every test program's main. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Runs the suite, and frees it: how many of its tests failed. */
static inline int suite_failures(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}

/* The same as an exit status. */
static inline int suite_run(Suite *s)
{
    return suite_failures(s) ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
