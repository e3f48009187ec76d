/* A sweep of the small stages of tests/flow, which leave a line for each execution, run by the program; what is expected of any that was
 * finished, whatever came between. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_SWEEP_FIXTURE_H
#define TESTS_SUPPORT_SWEEP_FIXTURE_H

#include "tests/support/command_fixture.h"
#include "tests/support/flow_fixture.h"
#include "tests/support/paths.h"

#define SWEEP_COMMAND "sweep p.yaml --plugin-path " TEST_FLOW_PLUGINS " --backend flow-one "

/* 4 variants of 4 stages, 16 in all; distinct: one, two and walk for each seed (6), sum for each variant (4). */
enum { SWEEP_MAKES = 4, SWEEP_ADDS = 4, SWEEP_WALKS = 2, SWEEP_VARIANTS = 4 };

/* A new folder with the sweep as p.yaml; flow_end removes it. */
void sweep_start(void);
/* Number of times that a text has a word. */
int sweep_count(const char *text, const char *word);
/* Fails the test unless each distinct stage was executed once, by the trace; the slow ones may have been resumed. */
void sweep_expect_once(const char *trace);
/* Fails the test unless the command ended with `code`; gives `r` back. */
const struct command_result *sweep_expect(const struct command_result *r, int code);
void sweep_expect_told(const char *text, const char *words);
/* Fails the test where a result of the sweep has another digest in the folder `two` than in `one`. */
void sweep_expect_same(const char *one, const char *two);
/* Number of partial files and checkpoints in the cache of the folder `wild`. */
int sweep_left_behind(void);

#endif
