/* What a test needs that becomes another user. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_USERS_H
#define TESTS_SUPPORT_USERS_H

#include <stdbool.h>

/* Whether other users reach the program and its plugins: not where a folder above the build is closed to them, as /root is. Where not,
 * the test that asks is to leave out what it does as one of them, which is said with its name. */
bool users_reach_the_build(const char *test);

#endif
