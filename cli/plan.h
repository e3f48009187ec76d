/* Shared by `run` and `plan`: their arguments, and the plan as a table. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_PLAN_H
#define TESSI_CLI_PLAN_H

#include "cli/flags.h"
#include "core/flow/pipeline.h"

#define CLI_MAX_OVERRIDES 256
#define CLI_MAX_FORCES 64

struct cli_options {
    struct tessi_pipeline_options options;
    const char *override[CLI_MAX_OVERRIDES], *force[CLI_MAX_FORCES];
    int64_t seed; /* -1: the pipeline's */
    uint64_t seed_given;
    int dry, json, parameters;
    int64_t ranks;         /* --ranks: processes to start on this machine; 0: none */
    int64_t patience;      /* --patience: seconds that the work of a rank may stand still; 0: for ever */
    const char *transport; /* --transport: what the ranks are joined over, a component of kind transport/1; NULL: what fits */
    const char *stage; /* stage that `why` is asked about: the word behind the pipeline */
};

/* Flags of both, over struct cli_options. */
#define CLI_OPTION(member) .offset = offsetof(struct cli_options, member)
#define CLI_PIPELINE_FLAGS(force_help)                                                                                                     \
    {.name = "--until", .value = "STAGE", .help = "this stage and what it needs", .type = CLI_TEXT, CLI_OPTION(options.until)},            \
        {.name = "--force", .value = "STAGE", .help = force_help, .type = CLI_EACH, .take = cli_options_force},                            \
        {.name = "--seed",                                                                                                                 \
         .value = "N",                                                                                                                     \
         .help = "instead of the pipeline's seed",                                                                                         \
         .type = CLI_INTEGER,                                                                                                              \
         CLI_OPTION(seed),                                                                                                                 \
         .lo = 0,                                                                                                                          \
         .hi = INT64_MAX},                                                                                                                 \
    {                                                                                                                                      \
        .name = "--set", .value = "key=value", .help = "the same as key=value", .type = CLI_EACH, .take = cli_options_set                  \
    }
int cli_options_set(void *options, const char *verb, const char *value);
int cli_options_force(void *options, const char *verb, const char *value);

/* P.yaml, key=value and the verb's flags. 0, or the exit code after a message. */
int cli_options_read(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, struct cli_options *w);
/* Reads the arguments of a verb that takes a stage's name behind the pipeline, otherwise as cli_options_read. */
int cli_options_read_stage(struct cli_globals *g, const struct cli_verb *verb, int argc, char **argv, struct cli_options *w);
/* Runtime and pipeline; both may be half there on failure and are freed by the caller. */
int cli_options_open(struct tess_context *ctx, const struct cli_globals *g, const struct cli_options *w, struct tessi_runtime **r,
                  struct tessi_pipeline **p) TESS_CHECKED;
/* Takes the one word of a verb that has a folder, WORKDIR: 0, or the exit code after a message. */
int cli_take_workdir(const char **workdir, const char *verb, const char *word);
/* "1.5 GiB", "-" for 0; "4 min 05 s", "unknown" for a negative time. Return `text`. */
const char *cli_bytes(double bytes, char *text, size_t capacity);
const char *cli_duration(double seconds, char *text, size_t capacity);
void cli_plan_show(const struct tessi_pipeline *p, int json, int parameters);

#endif
