/* An installed Tessera that was moved after it was staged, and a shell in which it is the one in use. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_INSTALL_FIXTURE_H
#define TESTS_SUPPORT_INSTALL_FIXTURE_H

/* Prefix of the installation that the rule in tests/install/local.mk made. */
const char *install_prefix(void);

/* A fresh temporary folder becomes the current one; leaving removes it. Commands find the installed program on their PATH, its .pc files,
 * and the compiler and its flags of this build as CC and CFLAGS; TESSERA_PLUGIN_PATH is unset. */
void install_enter(void);
void install_leave(void);

/* Runs `format` (printf's) by sh, and fails the test unless it ends with 0. What it wrote, stderr too: static, until the next call. */
const char *install_shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* install_shell for a command that must exit with `code`. */
const char *install_shell_ends(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The test fails unless `text` has `words`, or, for the other, when it has. */
void install_says(const char *text, const char *words);
void install_says_not(const char *text, const char *words);

#endif
