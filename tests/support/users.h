/* Precondition of tests that run the program as another user. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_USERS_H
#define TESTS_SUPPORT_USERS_H

#include <stdbool.h>

/* True where other users can reach the program and its plugins; false where a folder above the build is closed to them, as /root is. Where
 * false, the caller skips the part of the test named `test` that runs as another user, and a line on stderr says so. */
bool users_reach_the_build(const char *test);

#endif
