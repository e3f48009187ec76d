/* Fixture of the judge's suites: a runtime for all tests of a case, and the verdicts of a run as text. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_JUDGE_FIXTURE_H
#define TESTS_SUPPORT_JUDGE_FIXTURE_H

#include "core/judge/judge.h"

/* Path of a plugin of tests/judge/broken. */
#define BROKEN(name) TEST_BUILD "/tests/judge/broken/.libs/" name ".so"

struct verdicts {
    int64_t count;
    char failed[16384]; /* "quantizer/farthest nearest: ...", a line each */
    char skipped[16384];
};

/* Opens and frees the runtime, with its backend: opening takes longer than most tests, so once in a case. */
void judge_runtime_open(void);
void judge_runtime_close(void);
struct tessi_runtime *judge_runtime(void);

/* Runs the judge; `message` has TESSI_MESSAGE_CAPACITY bytes. Returns the status. */
int judge_verdicts(const struct tessi_judge_options *o, struct verdicts *v, struct tessi_judge_report *report, char *message);

#endif
