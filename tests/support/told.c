/* See told.h. SPDX-License-Identifier: MIT */
#include "tests/support/told.h"

#include "tests/support/command_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

void told(int code, const char *place, const char *words, const char *line)
{
    char wanted[128];
    const struct command_result *r = command_ends(code, words, "%s", line);
    snprintf(wanted, sizeof wanted, "tessera: %s: ", place);
    ck_assert_msg(strncmp(r->err, wanted, strlen(wanted)) == 0, "%s\nwanted it at %s\nfound %s", line, wanted, r->err);
    ck_assert_msg(strchr(r->err, '\n') == r->err + strlen(r->err) - 1, "not one line: %s", r->err);
    ck_assert_str_eq(r->out, "");
}
