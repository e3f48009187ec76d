/* Implementation of users.h. SPDX-License-Identifier: MIT */
#include "tests/support/users.h"
#include "tests/support/paths.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool users_reach_the_build(const char *test)
{
    char path[] = TEST_BUILD "/";
    struct stat st;
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (stat(path, &st) != 0 || !(st.st_mode & S_IXOTH)) {
            fprintf(stderr, "%s: left out, other users do not reach what is in %s\n", test, path);
            return false;
        }
        *at = '/';
    }
    return true;
}
