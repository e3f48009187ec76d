/* See prior_runs.h. SPDX-License-Identifier: MIT */
#include "tests/support/prior_runs.h"

#include "tests/support/command_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *prior_runs_found(const char *file, const char *words)
{
    const char *at = strstr(command_ends(0, "", "inspect %s", file)->out, words);
    ck_assert_msg(at != NULL, "%s has no %s", file, words);
    return at + strlen(words);
}

static const char *prior_runs_in(const char *workdir, const char *stage, const char *words)
{
    char path[128];
    snprintf(path, sizeof path, "%s/runs/small/%s.h5", workdir, stage);
    return prior_runs_found(path, words);
}

double prior_runs_bound(const char *workdir)
{
    return strtod(prior_runs_in(workdir, "metrics", "prior's bound"), NULL);
}

double prior_runs_entropy(const char *workdir)
{
    return strtod(prior_runs_in(workdir, "codes", "order-0 entropy"), NULL);
}

void prior_runs_digest(const char *workdir, const char *stage, char text[PRIOR_RUNS_DIGEST])
{
    const char *at = prior_runs_in(workdir, stage, "digest");
    snprintf(text, PRIOR_RUNS_DIGEST, "%.*s", (int)strcspn(at, "\n"), at);
}

void prior_runs_same(const char *one, const char *two, const char *const *stage)
{
    char a[PRIOR_RUNS_DIGEST], b[PRIOR_RUNS_DIGEST];
    for (; *stage; stage++) {
        prior_runs_digest(one, *stage, a);
        prior_runs_digest(two, *stage, b);
        ck_assert_msg(strcmp(a, b) == 0, "%s differs between %s and %s", *stage, one, two);
    }
}
