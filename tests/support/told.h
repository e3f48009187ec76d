/* Assertion on the program's one-line error message. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TOLD_H
#define TESTS_SUPPORT_TOLD_H

/* `line` (of command_fixture.h) ends with `code`, one line on stderr which begins with "tessera: PLACE: " and has the words, and nothing on
 * stdout. */
void told(int code, const char *place, const char *words, const char *line);

#endif
