/* Pipelines: a DAG of stages read from YAML, planned from attributes, run through the cache. SPDX-License-Identifier: MIT */
#ifndef TESSI_PIPELINE_H
#define TESSI_PIPELINE_H

#include <tessera/kind/stage.h>
#include "core/host/runtime.h"

struct tess_graph;
struct tessi_pipeline;

struct tessi_pipeline_options {
    const char *path;                 /* path of the YAML file */
    int64_t overrides;                /* number of overrides: "tokenizer.steps=200", "K=64" (a name under params), "seed=3" */
    const char *const *override;
    const char *workdir;              /* folder that runs/ is in; NULL: the current folder */
    const char *until;                /* last stage to run (with those it needs); NULL: all */
    int64_t forces;                   /* number of stages to compute though cached */
    const char *const *force;
    int64_t checkpoint_seconds;       /* seconds between checkpoints; 0: 60 */
    /* Called with each graph that a stage seals while it is planned; NULL: nobody asks. */
    void (*graph_sealed)(void *user, const char *stage, const struct tess_graph *g);
    void *graph_user;
    /* Called once for a stage that waits for room on the disk, with a message for the user. [any thread] NULL: nobody asks; the log has it.
     */
    void (*waits)(void *user, const char *message);
    void *waits_user;
    const uint64_t *seed;             /* seed in place of the pipeline's; NULL: the pipeline's */
    int anonymous;                    /* 1: results do not tell which run computed them, so that their bytes depend on no run */
};

/* State of a stage: cached, or why it will run. */
enum { TESSI_CACHED = 0, TESSI_NEW = 1, TESSI_CHANGED = 2, TESSI_INPUT_RUNS = 3, TESSI_FORCED = 4 };

enum { TESSI_LEFT = 0, TESSI_WAS_CACHED = 1, TESSI_COMPUTED = 2 };

struct tessi_stage_view {
    const char *name, *use;
    int32_t state;
    const char *reason;      /* why it will run: "steps: 1000 -> 500", "input `codes` will be computed" */
    const char *parameters;  /* parameters with all defaults, as flow-style YAML */
    const struct tessi_config *values; /* the tree of `parameters` */
    struct tess_cost cost;
    int64_t steps;
    int64_t memory;          /* memory of the whole process in bytes while the stage is at work, at most */
    int64_t output_bytes, checkpoint_bytes; /* disk space of its result and of one checkpoint, as planned; 0: not known */
    double seconds_predicted; /* time of what is left to be done, by the rates seen on this machine; 0 where it is cached; < 0: not known */
    int64_t done, total;     /* progress of the checkpoint that it resumes from; total 0: it starts from the beginning */
    const char *path;        /* path of the artefact in the run's folder */
    const char *identity;    /* digest of all that decides the result, before anything is computed: equal identities, equal results */
    const char *key;         /* cache key; "": not known before its inputs are */
    const char *cached;      /* path in the cache, RUNS/.cache/KEY.h5; its lock is RUNS/.cache/KEY.lock. NULL: key not known */
    const char *files;       /* digest of the files that it reads from outside the pipeline; "": none */
    const char *busy;        /* process that computes the stage, where tessi_flow_pipeline_stage_run left it to that; NULL: none */
    int32_t outcome;         /* set by tessi_flow_pipeline_run; TESSI_LEFT before it */
    double seconds;          /* duration of its run */
    const char *warning;     /* warnings of its run, or of the run that its cached result is of; NULL or "": none */
    int64_t pictures;        /* number of picture files in the run's folder, once it has run */
    const char *const *picture;
};

/* Loads (extends, overrides, interpolation), checks every key, opens stages, orders the DAG (a cycle names its stages), plans all from
 * attributes, and looks up the cache; a damaged artefact there is TESS_E_DATA. Computes nothing. The pipeline's backend is chosen unless
 * the runtime has one. */
int tessi_flow_pipeline_open(struct tess_context *ctx, struct tessi_runtime *r, const struct tessi_pipeline_options *o,
                        struct tessi_pipeline **out) TESS_CHECKED;
void tessi_flow_pipeline_free(struct tessi_pipeline *p);
/* Chooses the runtime's backend and precision as opening this pipeline would, and opens its table of remembered files. */
int tessi_flow_pipeline_settle_runtime(struct tess_context *ctx, struct tessi_runtime *r,
                                       const struct tessi_pipeline_options *o) TESS_CHECKED;
/* Digest of the files that one stage reads from outside, as its view has it: opens that stage alone, and plans nothing. */
int tessi_flow_pipeline_files(struct tess_context *ctx, struct tessi_runtime *r, const struct tessi_pipeline_options *o, const char *stage,
                              char digest[TESS_DIGEST_TEXT]) TESS_CHECKED;
/* *path: a file that a stage reads from outside and that changed since the pipeline was opened, freed by tess_free; NULL: none. For a
 * caller that opens the pipeline again where that was why a run failed. */
int tessi_flow_pipeline_changed(struct tess_context *ctx, const struct tessi_pipeline *p, char **path) TESS_CHECKED;
const char *tessi_flow_pipeline_name(const struct tessi_pipeline *p);
const char *tessi_flow_pipeline_folder(const struct tessi_pipeline *p); /* WORKDIR/runs/NAME */
int tessi_flow_pipeline_sweeps(const struct tessi_pipeline *p);         /* 1 where the file has a sweep, of which this is the base */
int64_t tessi_flow_pipeline_count(const struct tessi_pipeline *p);
int64_t tessi_flow_pipeline_held(const struct tessi_pipeline *p); /* memory in bytes before anything is computed */
void tessi_flow_pipeline_stage(const struct tessi_pipeline *p, int64_t i,
                               struct tessi_stage_view *out); /* the i-th wanted stage, in order of execution */
/* The k-th connected port of that stage and what it reads, a stage or a file; 0 when there are no more. */
int tessi_flow_pipeline_input(const struct tessi_pipeline *p, int64_t i, int64_t k, const char **port, const char **from);
/* Runs what is not cached; exports pictures; writes resolved.yaml and log.jsonl. A stage's failure ends the run with its message. */
int tessi_flow_pipeline_run(struct tess_context *ctx, struct tessi_pipeline *p) TESS_CHECKED;

/* ---- ranks: on all of them, over the runtime's ranks; nothing for one process */
/* Compares the ranks: program, plugins, numeric mode, pipeline, the files that stages read and the folder, which must be the same on all.
 * Fails on every rank, with TESS_E_USAGE and the first difference. Before the pipeline is run. */
int tessi_flow_ranks_agree(struct tess_context *ctx, const struct tessi_pipeline *p) TESS_CHECKED;
/* Follows rank 0 through the pipeline, until it ends the run: takes part in what stages compute on all ranks, and writes nothing. The
 * status is that of rank 0. On the other ranks, in place of tessi_flow_pipeline_run. */
int tessi_flow_pipeline_follow(struct tess_context *ctx, struct tessi_pipeline *p) TESS_CHECKED;
/* Ends the run on all ranks with the status of this one, and leaves them. Gives the status of the whole: a rank that has failed makes a run
 * that stopped for that a failure, with its message. */
int tessi_flow_ranks_end(struct tess_context *ctx, struct tessi_runtime *r, int status);

/* *settled: 1 where a run would change nothing: all is cached, and in the run's folder. */
int tessi_flow_pipeline_settled(struct tess_context *ctx, const struct tessi_pipeline *p, int *settled) TESS_CHECKED;

/* tessi_flow_pipeline_run in parts, for a caller that chooses the next stage itself. `begin` enters the run's folder; `end` (or free)
 * leaves it, and records `status`, the status of the whole run. */
int tessi_flow_pipeline_begin(struct tess_context *ctx, struct tessi_pipeline *p) TESS_CHECKED;
int tessi_flow_pipeline_end(struct tess_context *ctx, struct tessi_pipeline *p, int status) TESS_CHECKED;
/* Runs the i-th wanted stage after the stages it reads, which are in the cache or computed as well. A stage that another process computes
 * is waited for, or with `wait` 0 left, and it and the i-th stage stay TESSI_LEFT: the view of the one that is computed has `busy`. */
int tessi_flow_pipeline_stage_run(struct tess_context *ctx, struct tessi_pipeline *p, int64_t i, int wait) TESS_CHECKED;

#endif
