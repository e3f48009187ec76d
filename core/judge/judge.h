/* The judge: every promise of a plugin's contract as a test, each run in a process of its own.
 *
 * Tests are in tables, one for all components and one for each kind; nothing here knows an algorithm by name. What a test draws is a
 * function of the seed, the component and the test's name, so that one test alone is repeated exactly. docs/judge.md lists them.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_JUDGE_H
#define TESSI_JUDGE_H

#include "core/host/runtime.h"

enum tessi_judge_outcome {
    TESSI_JUDGE_PASSED = 0,
    TESSI_JUDGE_FAILED = 1,
    TESSI_JUDGE_SKIPPED = 2,  /* the test does not apply to this component, and `text` says why */
    TESSI_JUDGE_EXPECTED = 3, /* failed, and the file of expectations gives the reason, which `text` ends with */
    TESSI_JUDGE_OUTCOMES = 4
};

#define TESSI_JUDGE_LEVELS 10

struct tessi_judge_options {
    const char *what; /* plugin or component to judge: FILE.so, or KIND/NAME of a component that is found */
    int level;        /* effort, 1 .. TESSI_JUDGE_LEVELS: how much is drawn and tried */
    uint64_t seed;
    const char *only;       /* selection of tests: TEST, KIND/NAME or KIND/NAME:TEST; NULL: all */
    const char *expect;     /* file of expectations; NULL: PLUGIN.expect beside PLUGIN.so, where there is one */
    const char *const *set; /* `sets` texts KEY=VALUE: parameters that are the same in all tests */
    int32_t sets;
    int in_process; /* 1: no child processes, for a debugger */
    double seconds; /* time limit of a test; 0: 60 s times the level */
};

struct tessi_judge_result {
    const char *component; /* component judged, "quantizer/ema" */
    const char *test, *asserts;
    enum tessi_judge_outcome outcome;
    const char *text;   /* message in one line: wanted, found; "" where the test passed */
    const char *config; /* parameters that the test failed with, as a pipeline writes them; else "" */
    double seconds;     /* wall-clock time of the test */
};

struct tessi_judge_report {
    char file[4096]; /* path of the plugin's file */
    int64_t count[TESSI_JUDGE_OUTCOMES];
};

/* Runs the tests, and tells `each` of every one when it has ended; the strings are valid until it returns. TESS_OK whatever the tests say:
 * that is in the report. TESS_E_PLUGIN for a file that is refused, TESS_E_USAGE where nothing is called so or no test would run. The
 * context's runtime may have no threads yet. [one thread] */
int tessi_judge_run(struct tess_context *ctx, struct tessi_runtime *r, const struct tessi_judge_options *o,
                    void (*each)(void *user, const struct tessi_judge_result *result), void *user,
                    struct tessi_judge_report *report) TESS_CHECKED;

/* The i-th test for components of `kind` ("quantizer/1"), those for all components first; its name, what it asserts, and the lowest level
 * it is run at. NULL past the end. */
const char *tessi_judge_test_at(const char *kind, int64_t i, const char **asserts, int *level);

#endif
