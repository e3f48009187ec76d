/* Declarations shared by the files of core/flow: a pipeline's stages, and one execution of a stage. SPDX-License-Identifier: MIT */
#ifndef TESSI_FLOW_PRIVATE_H
#define TESSI_FLOW_PRIVATE_H

#include "core/base/attributes_private.h"
#include "core/flow/pipeline.h"
#include "core/host/file_digests.h"
#include "core/config/config.h"
#include "core/store/store.h"

/* Name under which a stage's fingerprint stands among the inputs of its provenance. No port has a blank in its name. */
#define TESSI_FILES_INPUT "files read"

/* Attributes that the host adds to each checkpoint: the progress that the stage reported last. */
#define TESSI_PROGRESS_DONE "progress_done"
#define TESSI_PROGRESS_TOTAL "progress_total"
#define TESSI_PROGRESS_UNIT "progress_unit"

/* The connection of a stage's port: to another stage, a file, or nothing. */
struct tessi_input {
    const struct tess_port *port;
    const struct tessi_config *at; /* node of the pipeline that connects the port; NULL: not connected */
    int64_t stage;                 /* index of the stage, or -1 */
    char *file;                    /* path of an artefact from outside, or NULL */
    struct tess_attrs *file_attrs;
    char file_digest[TESS_DIGEST_TEXT];
};

/* Checkpoint of a stage: whether there is one, and its training step; -1: it counts none. */
struct tessi_kept {
    int there;
    int64_t step;
};

struct tessi_stage {
    const char *name;
    struct tessi_config *config;
    const struct tess_component *component;
    struct tess_instance *instance;
    const struct tess_stage_1 *ops;
    uint64_t seed;            /* seed of the stage; 0 where it draws nothing */
    int own_seed;             /* 1: the pipeline sets the seed for this stage */
    const char *numeric_mode; /* numeric mode of the runtime; "any" where the result does not depend on it */
    int wanted, forced;
    int64_t inputs; /* number of ports of the plugin */
    struct tessi_input *input;
    struct tess_attrs *attrs; /* attributes of the output: as planned, or the artefact's own once there is one */
    int differs;              /* 1: later stages were planned from other attributes and are planned again: a bound is now known */
    struct tess_cost cost;
    int64_t steps;
    int64_t output_bytes, checkpoint_bytes; /* disk space of the artefact and of a checkpoint, as planned; 0: not known */
    int32_t portable;                       /* 1: the artefact is written for readers that know little of HDF5 */
    char *plugins;                          /* plugins that have a part in the result: "stage/1 encode, tessera-stages 0.1.0; ..." */
    char files[TESS_DIGEST_TEXT];           /* digest of the files read from outside the pipeline; "": none */
    struct tessi_witness witness;           /* files read from outside, as they were when they were digested */
    char key[TESS_DIGEST_TEXT];             /* cache key; "": not known before its inputs are */
    char identity[TESS_DIGEST_TEXT];        /* digest of all that the key has, with the inputs' identities in place of their contents */
    char digest[TESS_DIGEST_TEXT];          /* content digest of its artefact; "": not known */
    int32_t state;
    int32_t outcome;
    char busy[256];               /* process that computes it, where it was left for that; "": none */
    double seconds_predicted;     /* time of what is left to be done; negative: not known; 0 where it is cached */
    struct tessi_kept checkpoint; /* last checkpoint on the disk, while the stage is computed */
    double seconds;
    double flops_done;   /* FLOP of its execution here, as planned; 0: the plan tells none */
    char warning[512];   /* warnings of the run, or those that the cached result was made with; "": none */
    char *record;        /* record of the stage's result for the log (stage_record.h); NULL until the result is published */
    char *reason;        /* why it will run; NULL: none */
    int64_t done, total; /* progress of its checkpoint; total 0: there is none, or it does not say */
    char unit[24];
    int64_t recorded; /* memory in bytes that planning took, and so will running */
    char *cached;     /* path in the cache, RUNS/.cache/KEY.h5, once the key is known; the file may not exist */
    char *path;       /* path in the run's folder, RUNS/NAME/STAGE.h5 */
    int64_t pictures;
    char **picture; /* files of the pictures, once exported */
};

struct tessi_pipeline {
    struct tessi_runtime *runtime;
    void (*waits)(void *user, const char *message); /* callback of the pipeline's options, with waits_user */
    void *waits_user;
    void (*graph_sealed)(void *user, const char *stage, const struct tess_graph *g); /* callback of the pipeline's options */
    void *graph_user;
    struct tessi_config *root;
    char *source;    /* path of the YAML file */
    char *overrides; /* overrides of the command line, a JSON array of texts, for the log */
    char *name, *folder, *cache;
    uint64_t seed;
    int64_t checkpoint_seconds;
    int64_t held;  /* memory of the process in bytes once all is planned, before anything is computed */
    int64_t count; /* number of stages; each comes after those it reads */
    struct tessi_stage *stage;
    int64_t views, *view; /* indices of the wanted stages */
    int anonymous;        /* 1: the provenance of results leaves out the run */
    int leaves_busy;      /* 1: a stage that another process computes is left, not waited for */
    double began;         /* time at which it began to run, by tessi_base_seconds */
    int cache_lock;       /* descriptor of the shared lock on the cache, while it runs; -1: none */
    int lock;             /* descriptor of the lock on the run's folder, while it runs; -1: none */
};

/* ---- stages (stages.c): names, edges, order, ports ------------------------------------------------------------------ */

/* Builds p->stage from p->root in order of execution, with seeds; no instance yet. */
int tessi_flow_stages_order(struct tess_context *ctx, struct tessi_pipeline *p) TESS_CHECKED;
/* Opens the stage's component, from its config alone. */
int tessi_flow_stage_instance(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;
/* Opens the stage's component and connects its ports. */
int tessi_flow_stage_open(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;
void tessi_flow_stage_close(struct tessi_stage *s);
/* Bits TESS_DEPENDS_* of an open stage (kind/stage.h). */
uint64_t tessi_flow_depends(const struct tessi_stage *s);
/* Puts "FILE:LINE:COLUMN: stage `x`" in front of the context's message; returns `status`. */
int tessi_flow_stage_blame(struct tess_context *ctx, const struct tessi_stage *s, int status);
/* Plans a stage: attributes, cost and steps from the attributes of its inputs (pipeline.c). */
int tessi_flow_stage_plan(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;
/* Notes parameters of a training that contradict each other (advice.c); called after the stage is planned. */
void tessi_flow_stage_advise(const struct tessi_pipeline *p, const struct tessi_stage *s);
int tessi_flow_seed_read(struct tess_context *ctx, const struct tessi_config *at, uint64_t *out) TESS_CHECKED;
/* 1 when `kind` is one of "codes|samples". */
int tessi_flow_kind_fits(const char *kinds, const char *kind);

/* ---- cache (key.c, cache.c, reason.c) ------------------------------------------------------------------------------- */

/* Content digest of an input; "" when its stage has not been computed. */
const char *tessi_flow_input_digest(const struct tessi_pipeline *p, const struct tessi_input *in);
/* Computes the stage's cache key when all inputs are known; plugins and files are listed once. */
int tessi_flow_stage_key(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;
/* Computes the stage's identity, after those of the stages it reads and once plugins and files are listed. */
void tessi_flow_stage_identity(const struct tessi_pipeline *p, struct tessi_stage *s);
/* Digests the stage's outside files into s->files and s->witness (sources.c). */
int tessi_flow_sources_read(struct tess_context *ctx, struct tessi_stage *s) TESS_CHECKED;
/* Checks that the files and inputs a run reads are as they were when it was planned and opened. TESS_E_DATA names one that changed. */
int tessi_flow_sources_check(struct tess_context *ctx, const struct tess_stage_run *r) TESS_CHECKED;
/* Looks for a complete artefact of the stage's key: *found = 1, and attributes and digest become its own. One that is damaged or carries
 * another key is TESS_E_DATA. Where the cache has none, an intact one in the run's folder will do. */
int tessi_flow_cache_find(struct tess_context *ctx, struct tessi_stage *s, int *found) TESS_CHECKED;
/* Name of the first planned attribute that is not among those found, or differs; NULL where all agree. */
const char *tessi_flow_attrs_missing(const struct tess_attrs *planned, const struct tess_attrs *found);
/* Replaces the stage's attributes by those found, which agree with the plan. */
int tessi_flow_stage_take(struct tess_context *ctx, struct tessi_stage *s, const struct tess_attrs *found) TESS_CHECKED;
/* Determines state and reason of a stage that is not cached, and its checkpoint's progress, where there is one. */
int tessi_flow_stage_reason(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;
/* Memory of the whole process in bytes while the stage is at work, as planned. */
int64_t tessi_flow_stage_memory(const struct tessi_pipeline *p, const struct tessi_stage *s);

/* ---- times (predict.c) --------------------------------------------------------------------------------------------------- */

/* Pace of a stage's progress, by the longest of its phases; a phase ends where the total changes or the count goes back. */
struct tessi_pace {
    int64_t first, last, total;   /* counts of the present phase at its first and latest report */
    double first_time, last_time; /* monotonic times of both */
    double longest_seconds;       /* time between first and last report of the longest phase that has ended */
    double longest_share;         /* part of that phase's total that was done between both */
};
void tessi_flow_pace_note(struct tessi_pace *k, int64_t done, int64_t total, double now);
/* Part of a stage's work that an execution did, 0 to 1: less than 1 where it resumed from a checkpoint. */
double tessi_flow_share_done(const struct tess_stage_run *r);

/* ---- execution (execute.c, stage_run.c, resolved.c) --------------------------------------------------------------------- */

/* The ranks of the context's runtime; NULL where there is one process. */
struct tessi_ranks *tessi_flow_ranks(const struct tess_context *ctx);

struct tess_stage_run {
    struct tess_context *ctx;
    struct tessi_stage *stage;
    struct tessi_log *log;
    const char *name, *key;
    uint64_t seed;
    int64_t inputs;
    const struct tess_port **port;
    struct tess_artefact **input; /* artefacts of the inputs, by port; NULL where not connected */
    struct tessi_place *place;    /* sizes and times of the inputs' files when they were opened */
    struct tess_artefact *output;
    char *checkpoint;              /* path of the checkpoint */
    struct tess_artefact *resumed; /* checkpoint to resume from; NULL: the stage starts over */
    const struct tessi_pipeline *pipeline;
    int waited, gave_up;                         /* waited: number of waits for disk space; gave_up: 1, until a stop was asked for */
    double waited_seconds;                       /* length of all of them */
    int follows;                                 /* 1: on a rank that follows rank 0 through the stage */
    double interval, last_checkpoint, last_line; /* seconds between checkpoints; monotonic times of the last of each */
    int64_t done, total;                         /* progress reported last; total 0: none yet */
    char unit[24];
    int64_t resumed_done, resumed_total; /* progress of the checkpoint it resumed from; total 0: none, or it did not say */
    struct tessi_pace pace;
};

/* Takes the lock of the stage's key, in the file `path`, waiting for another process that has it; with p->leaves_busy it says in s->busy
 * who has it instead. TESS_E_STOPPED (execute_lock.c). */
int tessi_flow_stage_lock(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s, const char *path,
                          int *lock) TESS_CHECKED;
/* Logs that the stage waited for `text` so many seconds; nothing where they are 0. */
void tessi_flow_log_waited(const struct tessi_pipeline *p, const struct tessi_stage *s, double seconds, const char *text);
/* Fails for a stop, with a message that says where it was, and where the same command will resume (execute.c). */
int tessi_flow_stage_stopped(struct tess_context *ctx, const struct tessi_stage *s) TESS_CHECKED;

/* Opens the checkpoint of an earlier execution, if there is one. A damaged one is a warning; one that cannot be read for now is the end, as
 * the next would be written over it. */
int tessi_flow_stage_find_checkpoint(struct tess_context *ctx, struct tess_stage_run *r) TESS_CHECKED;

/* An execution of a stage whose key is known, with nothing opened, its checkpoints timed from now on. */
struct tess_stage_run tessi_flow_stage_run_new(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s);
/* Opens inputs and checkpoint of an execution, which fill and release the struct (execute.c). */
int tessi_flow_stage_run_open(struct tess_context *ctx, const struct tessi_pipeline *p, struct tess_stage_run *r) TESS_CHECKED;
void tessi_flow_stage_run_close(struct tess_stage_run *r);
/* Plans a stage again whose inputs are there, where it was planned from an upper bound. */
int tessi_flow_stage_plan_again(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;
/* Runs the stage's own work, between two checks of its outside files and inputs. */
int tessi_flow_stage_work(struct tess_context *ctx, struct tessi_pipeline *p, struct tess_stage_run *r) TESS_CHECKED;

/* Finishes the artefact of an execution: provenance, then the file under its own name (finish.c). */
int tessi_flow_stage_finish(struct tess_context *ctx, const struct tessi_pipeline *p, struct tess_stage_run *r) TESS_CHECKED;

/* Text of the pipeline with every default, to be run again; to be freed with free. */
int tessi_flow_resolved_text(struct tess_context *ctx, const struct tessi_pipeline *p, char **text, size_t *bytes) TESS_CHECKED;

#endif
