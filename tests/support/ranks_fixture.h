/* Several ranks of one test, each a process, over transport/1 `local`. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_RANKS_FIXTURE_H
#define TESTS_SUPPORT_RANKS_FIXTURE_H

#include "core/ranks/ranks.h"
#include "tests/support/graphs.h"

enum { RANKS_FIXTURE_MAX = 8 };

/* End of each rank: its exit status, 0 where `body` returned and all its assertions held; -N where signal N ended it. */
struct ranks_ends {
    int code[RANKS_FIXTURE_MAX];
};

/* Runs body(rank, transport, user) in n processes of this one; `transport` is the text of a component of kind transport/1 to join. The
 * processes have the parent's memory as it was, and their own assertions. */
struct ranks_ends ranks_fixture_run(int n, void (*body)(int rank, const char *transport, void *user), void *user);
/* The same, and fails the test where one did not end with 0. */
void ranks_fixture_all(int n, void (*body)(int rank, const char *transport, void *user), void *user);
/* Joins the ranks with the fixture's runtime. */
struct tessi_ranks *ranks_fixture_join(struct fixture *b, const char *transport);
/* Leaves them, and closes the fixture. */
void ranks_fixture_leave(struct fixture *b, int status);

#endif
