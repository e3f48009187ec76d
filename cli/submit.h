/* Work that `tessera submit` gives to the queue, planned first. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_SUBMIT_H
#define TESSI_CLI_SUBMIT_H

#include "cli/plan.h"

struct submit_planned {
    char name[300]; /* name of the pipeline or the sweep */
    double seconds; /* time of all that will be computed, by the rates seen on this machine; negative: not known */
    int sweeps;     /* 1: it is a sweep */
};

/* Plans P.yaml and key=value, so that mistakes in them are told now and not in the queue: a sweep, with all its variants, where the file
 * has one or a key has several values, or else a pipeline. TESS_E_USAGE without a message where it was told already. */
int cli_submit_plan(struct tess_context *ctx, const struct cli_globals *g, int words, const char *const *word,
                    struct submit_planned *out) TESS_CHECKED;

#endif
