/* Reasons why a stage will run, down to the parameter, file, plugin or version behind it, by comparing with earlier results in the cache.
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_WHY_H
#define TESSI_WHY_H

#include "core/flow/change.h"

/* An earlier result: a file of the cache, or of the run's folder. */
struct tessi_result {
    char *path, *key, *digest, *use, *stage;
    char *run, *run_id; /* name of the run that computed it, and its name in that run's log; NULL: not told */
    int64_t time;       /* time of the file in nanoseconds */
};

/* A stage on the way from the one that was asked about to the causes, compared with an earlier result of it. */
struct tessi_why_step {
    int64_t stage;  /* index among all stages of the pipeline */
    int64_t reader; /* the step that reads it; -1: the stage that was asked about */
    const char *port;
    int32_t state;                      /* state of the stage: TESSI_CACHED ... */
    int32_t repeated;                   /* 1: told by an earlier step; nothing below is set */
    const struct tessi_result *earlier; /* NULL: no result of it is known */
    struct tessi_changes changes;
};

struct tessi_why_other {
    const struct tessi_result *result;
    struct tessi_changes changes;
};

struct tessi_why {
    int64_t stage;
    const struct tessi_result *cached; /* result of the stage, where it is cached; then there are no steps */
    struct tessi_result *result;       /* all results that were found, by path */
    int64_t results, result_capacity;
    struct tessi_why_step *step;
    int64_t steps, step_capacity;
    struct tessi_why_other
        *other; /* results of the same stage plugin with other values, nearest first, but for the one of the first step */
    int64_t others;
};

/* Explains the stage of that name. TESS_E_USAGE: there is none. Files that cannot be read are passed by. Freed in any case. */
int tessi_flow_why(struct tess_context *ctx, const struct tessi_pipeline *p, const char *stage, struct tessi_why *out) TESS_CHECKED;
void tessi_flow_why_free(struct tessi_why *w);
/* Name and plugin of the stage of a step. */
const char *tessi_flow_why_stage(const struct tessi_pipeline *p, int64_t stage, const char **use);
/* 1 where the change is a cause by itself: not an input that a further step explains. */
int tessi_flow_why_is_cause(const struct tessi_pipeline *p, const struct tessi_why *w, int64_t step, const struct tessi_change *c);

#endif
