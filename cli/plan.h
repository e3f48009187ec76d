/* What `run` and `plan` share: their arguments, and the plan as a table. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_PLAN_H
#define TESSI_CLI_PLAN_H

#include "cli/cli.h"
#include "core/flow/pipeline.h"

#define CLI_MAX_OVERRIDES 256
#define CLI_MAX_FORCES 64

struct cli_options {
    struct tessi_pipeline_options options;
    const char *override[CLI_MAX_OVERRIDES], *force[CLI_MAX_FORCES];
    uint64_t seed;
    int dry, json, parameters;
};

/* P.yaml, key=value and flags; `running`: those of `run` alone are allowed. 0, or the exit code after a message. */
int cli_options_read(struct cli_globals *g, int argc, char **argv, int running, struct cli_options *w);
/* Runtime and pipeline; both may be half there on failure and are freed by the caller. */
int cli_options_open(struct tess_context *ctx, const struct cli_globals *g, const struct cli_options *w, struct tessi_runtime **r,
                  struct tessi_pipeline **p) TESS_CHECKED;
void cli_plan_show(const struct tessi_pipeline *p, int json, int parameters);

#endif
