/* Implementation of install_fixture.h. SPDX-License-Identifier: MIT */
#include "tests/support/install_fixture.h"
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[PATH_MAX];

const char *install_prefix(void)
{
    return TEST_BUILD "/tests/install/prefix";
}

static void put_in_front(const char *name, const char *path)
{
    static char text[1 << 14];
    const char *before = getenv(name);
    snprintf(text, sizeof text, "%s%s%s", path, before && *before ? ":" : "", before ? before : "");
    ck_assert_int_eq(setenv(name, text, 1), 0);
}

void install_enter(void)
{
    snprintf(folder, sizeof folder, "%s/tessera-install-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    put_in_front("PATH", TEST_BUILD "/tests/install/prefix/bin");
    ck_assert_int_eq(setenv("PKG_CONFIG_PATH", TEST_INSTALLED_PC, 1), 0);
    ck_assert_int_eq(setenv("CC", TEST_CC, 1), 0);
    ck_assert_int_eq(setenv("CFLAGS", "-O1 " TEST_SANITIZE, 1), 0);
    unsetenv("TESSERA_PLUGIN_PATH");
    unsetenv("TESSERA_INJECT");
    unsetenv("MAKEFLAGS");
    unsetenv("MAKELEVEL");
}

void install_leave(void)
{
    char command[PATH_MAX + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
}

/* End of the text, as long as fits into a message of Check. */
static const char *end_of(const char *text)
{
    size_t length = strlen(text), most = 3000;
    return length > most ? text + length - most : text;
}

static const char *run_shell(int code, const char *command)
{
    static char text[1 << 18], line[1 << 14];
    ck_assert_int_lt(snprintf(line, sizeof line, "exec 2>&1; %s", command), (int)sizeof line);
    FILE *f = popen(line, "r");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    int how = pclose(f);
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == code, "%s\nended with %d, not %d:\n%s", command,
                  WIFEXITED(how) ? WEXITSTATUS(how) : -WTERMSIG(how), code, end_of(text));
    return text;
}

const char *install_shell(const char *format, ...)
{
    static char command[1 << 13];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    return run_shell(0, command);
}

const char *install_shell_ends(int code, const char *format, ...)
{
    static char command[1 << 13];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    return run_shell(code, command);
}

void install_says(const char *text, const char *words)
{
    ck_assert_msg(strstr(text, words) != NULL, "wanted `%s` in:\n%s", words, end_of(text));
}

void install_says_not(const char *text, const char *words)
{
    ck_assert_msg(strstr(text, words) == NULL, "wanted no `%s` in:\n%s", words, end_of(text));
}
