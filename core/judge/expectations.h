/* Tests that are expected to fail, with the reasons: a text file, a line each, `KIND/NAME TEST: reason`; empty lines and those that begin
 * with # are left out. SPDX-License-Identifier: MIT */
#ifndef TESSI_EXPECTATIONS_H
#define TESSI_EXPECTATIONS_H

#include <tessera/base.h>

struct expectations;

/* Reads `path`; NULL: PLUGIN.expect beside `plugin`, PLUGIN.so, or one folder up where that lies in .libs; *out stays NULL where there is
 * no such file. TESS_E_USAGE, with the line, for a line that is none. */
int judge_expectations_read(struct tess_context *ctx, const char *path, const char *plugin, struct expectations **out) TESS_CHECKED;
void judge_expectations_free(struct expectations *e);
/* Reason why a test is expected to fail; NULL: it is not. NULL for e is fine. */
const char *judge_expectations_find(const struct expectations *e, const char *component, const char *test);
const char *judge_expectations_path(const struct expectations *e);
/* Component and test of the i-th line; returns the line's number, 0 past the end. */
int judge_expectations_at(const struct expectations *e, int64_t i, const char **component, const char **test);

#endif
