/* Planning and running a sweep: the stages that its variants have in common are planned and computed once.
 *
 * A plan knows each variant's stages by their identities, so two variants that share a stage share one entry. Stages then run in child
 * processes of this program, several side by side within the memory that the plan says they take; what a child does ends with the child, so
 * a crash is a failed variant. Whoever else runs the same sweep, in this machine or over a shared folder, is met at the locks of the cache:
 * a stage that another process computes is passed over, and taken from the cache when it is there.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_SWEEP_RUN_H
#define TESSI_SWEEP_RUN_H

#include "core/base/log.h"
#include "core/sweep/sweep.h"

struct tessi_sweep_settings {
    const char *workdir;     /* folder that runs/ is in; NULL: the current folder */
    const char *plugin_path; /* these three as in struct tessi_runtime_options */
    const char *backend;
    int threads;           /* threads of all stages at work together; 0: all processors */
    int64_t jobs;          /* stages side by side, from 1 */
    int64_t memory;        /* bytes that stages at work may take together; 0: what the machine has available */
    int64_t shard, shards; /* which part of the variants comes first, 1 .. shards; 0: no parts */
    int fail_fast;         /* 1: the first failure stops all others */
    int64_t checkpoint_seconds;
    struct tessi_log *log; /* for the user */
};

/* A stage that one variant or several have. */
struct tessi_sweep_stage {
    char *name, *use; /* in the first variant that has it */
    char *identity;
    int cached;           /* 1: in the cache when it was planned */
    int64_t memory;       /* bytes of a process while it is at work */
    double seconds;       /* predicted; < 0: not known */
    char *files;          /* digest of the files that it reads from outside; "": none */
    int64_t needs, *need; /* stages it reads */
    int64_t users;        /* number of variants that have it */
};

/* A variant as planned. */
struct tessi_sweep_planned {
    int status; /* TESS_OK, or why it cannot be planned, with a message: it is a failed variant */
    const char *message;
    char *folder;
    int settled; /* 1: its folder has all results and is as a run leaves it */
    int64_t stages;
    int64_t *stage; /* indices of its stages, by their order in the pipeline */
    int64_t outsides; /* artefacts that its stages read from outside the pipeline: paths and places in turn */
    char **outside;
};

struct tessi_sweep_plan {
    const struct tessi_sweep *sweep;
    int64_t stages;
    struct tessi_sweep_stage *stage;
    struct tessi_sweep_planned *variant; /* by the sweep's variants */
    double began;                        /* time at which planning began, by tessi_base_seconds */
};

/* Plans all variants, in child processes. Variants of which all stages are those of an earlier one become duplicates of the sweep; remarks
 * are added to its notes. A mistake that a run refuses as well (a key that nobody knows, a name nobody uses) is the failure of the whole; a
 * value that a variant cannot have is that variant's, unless it is every variant's. TESS_E_STOPPED when asked to stop. */
int tessi_sweep_plan(struct tess_context *ctx, struct tessi_sweep *s, const struct tessi_sweep_settings *o,
                     struct tessi_sweep_plan *out) TESS_CHECKED;

/* Runs what is not done, and tells so on the log as it happens. Writes sweep.yaml, and outcome.yaml for each variant. TESS_OK: all variants
 * are done. TESS_E_FAILED: some failed, and the message says how many. TESS_E_STOPPED: asked to stop. [one thread, in a process that has no
 * other] */
int tessi_sweep_run(struct tess_context *ctx, const struct tessi_sweep_plan *p, const struct tessi_sweep_settings *o) TESS_CHECKED;

#endif
