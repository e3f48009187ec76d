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

/* Attributes of any checkpoint, by the host: how far the work was, as the stage had told. */
#define TESSI_PROGRESS_DONE "progress_done"
#define TESSI_PROGRESS_TOTAL "progress_total"
#define TESSI_PROGRESS_UNIT "progress_unit"

/* The connection of a stage's port: to another stage, a file, or nothing. */
struct tessi_input {
    const struct tess_port *port;
    const struct tessi_config *at; /* where the pipeline says so; NULL: not connected */
    int64_t stage;               /* index of the stage, or -1 */
    char *file;                  /* path of an artefact from outside, or NULL */
    struct tess_attrs *file_attrs;
    char file_digest[TESS_DIGEST_TEXT];
};

/* A checkpoint of a stage, and the step it is of; -1: it counts none. */
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
    uint64_t seed;            /* 0 where it draws nothing */
    int own_seed;             /* the pipeline says it for this stage */
    const char *numeric_mode; /* the runtime's; "any" where the result does not depend on it */
    int wanted, forced;
    int64_t inputs; /* ports of the plugin */
    struct tessi_input *input;
    struct tess_attrs *attrs; /* planned; what the artefact says once there is one */
    int differs;              /* they are fewer than those which later stages were planned from, or it was itself planned again */
    struct tess_cost cost;
    int64_t steps;
    int64_t output_bytes, checkpoint_bytes; /* on the disk, as far as the plan knows */
    char *plugins;                 /* "stage/1 encode, tessera-stages 0.1.0; ..." */
    char files[TESS_DIGEST_TEXT];  /* what it reads from outside the pipeline; "" for nothing */
    struct tessi_witness witness;  /* those files as they were then */
    char key[TESS_DIGEST_TEXT];    /* "": not known before its inputs are */
    char digest[TESS_DIGEST_TEXT]; /* content of its artefact; "": not known */
    int32_t state;
    int32_t outcome;
    struct tessi_kept checkpoint; /* while it is computed: the last on the disk */
    double seconds;
    char warning[512]; /* "": none */
    char *reason;                  /* NULL: none */
    int64_t done, total;           /* progress of its checkpoint; total 0: there is none, or it does not say */
    char unit[24];
    int64_t recorded;              /* bytes that planning it took, and so will running it */
    char *cached; /* RUNS/.cache/KEY.h5, once the key is known; may not be there */
    char *path;   /* RUNS/NAME/STAGE.h5 */
    int64_t pictures;
    char **picture; /* their files, once exported */
};

struct tessi_pipeline {
    struct tessi_runtime *runtime;
    void (*graph_sealed)(void *user, const char *stage, const struct tess_graph *g); /* of its options */
    void *graph_user;
    struct tessi_config *root;
    char *source; /* the YAML's path */
    char *name, *folder, *cache;
    uint64_t seed;
    int64_t checkpoint_seconds;
    int64_t held;  /* bytes of the process once all is planned, before anything is computed */
    int64_t count; /* all stages, each after those it reads */
    struct tessi_stage *stage;
    int64_t views, *view; /* the wanted ones */
    int lock;             /* descriptor of the lock on the run's folder, while it runs; -1: none */
};

/* ---- stages (stages.c): names, edges, order, ports ------------------------------------------------------------------ */

/* p->stage from p->root in order of execution, with seeds; no instance yet. */
int tessi_flow_stages_order(struct tess_context *ctx, struct tessi_pipeline *p) TESS_CHECKED;
/* Opens the plugin and connects its ports. */
int tessi_flow_stage_open(struct tess_context *ctx, struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;
void tessi_flow_stage_close(struct tessi_stage *s);
/* "FILE:LINE:COLUMN: stage `x`" in front of the context's message; gives `status`. */
int tessi_flow_stage_blame(struct tess_context *ctx, const struct tessi_stage *s, int status);
/* Attributes, cost and steps from the attributes of its inputs (pipeline.c). */
int tessi_flow_stage_plan(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;
/* Notes of parameters of a training that contradict each other (advice.c); after it is planned. */
void tessi_flow_stage_advise(const struct tessi_pipeline *p, const struct tessi_stage *s);
int tessi_flow_seed_read(struct tess_context *ctx, const struct tessi_config *at, uint64_t *out) TESS_CHECKED;
/* 1 when `kind` is one of "codes|samples". */
int tessi_flow_kind_fits(const char *kinds, const char *kind);

/* ---- cache (key.c, cache.c, reason.c) ------------------------------------------------------------------------------- */

/* Digest of what an input gives; "" when its stage has not been computed. */
const char *tessi_flow_input_digest(const struct tessi_pipeline *p, const struct tessi_input *in);
/* Plugins and files once, then the key when all inputs are known. */
int tessi_flow_stage_key(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;
/* s->files and s->witness (sources.c). */
int tessi_flow_sources_read(struct tess_context *ctx, struct tessi_stage *s) TESS_CHECKED;
/* Its files, a line each, "DIGEST PATH"; NULL where there are none, or too many. Freed by the caller. */
int tessi_flow_sources_list(struct tess_context *ctx, const struct tessi_stage *s, char **out) TESS_CHECKED;
/* The path of the first file that has another digest in such a list; NULL where the list does not tell. */
const char *tessi_flow_sources_changed(const struct tessi_stage *s, const char *list);
/* Checks that the files and inputs a run reads are as they were when it was planned and opened. TESS_E_DATA names one that changed. */
int tessi_flow_sources_check(struct tess_context *ctx, const struct tess_stage_run *r) TESS_CHECKED;
/* Is there a whole artefact of this key? Then *found = 1, and attributes and digest are its own. One that is damaged or carries another
 * key is TESS_E_DATA. Where the cache has none, an intact one in the run's folder will do. */
int tessi_flow_cache_find(struct tess_context *ctx, struct tessi_stage *s, int *found) TESS_CHECKED;
/* The planned attributes must be among those found; where not, the first name that differs, else NULL. */
const char *tessi_flow_attrs_missing(const struct tess_attrs *planned, const struct tess_attrs *found);
/* Attributes found, which keep the plan, become the stage's own. */
int tessi_flow_stage_take(struct tess_context *ctx, struct tessi_stage *s, const struct tess_attrs *found) TESS_CHECKED;
/* State and reason of a stage that is not cached; and how far its checkpoint is, where there is one. */
int tessi_flow_stage_reason(struct tess_context *ctx, const struct tessi_pipeline *p, struct tessi_stage *s) TESS_CHECKED;
/* Bytes of the whole process while the stage is at work, as planned. */
int64_t tessi_flow_stage_memory(const struct tessi_pipeline *p, const struct tessi_stage *s);

/* ---- execution (execute.c, stage_run.c, resolved.c) --------------------------------------------------------------------- */

struct tess_stage_run {
    struct tess_context *ctx;
    struct tessi_stage *stage;
    struct tessi_log *log;
    const char *name, *key;
    uint64_t seed;
    int64_t inputs;
    const struct tess_port **port;
    struct tess_artefact **input; /* NULL where not connected */
    struct tessi_place *place;    /* sizes and times of the inputs' files when they were opened */
    struct tess_artefact *output;
    char *checkpoint;              /* path */
    struct tess_artefact *resumed; /* NULL: the stage starts over */
    int waited, gave_up;           /* for room on the disk; until a stop was asked for */
    double interval, last_checkpoint, last_line; /* seconds; of the monotonic clock */
    int64_t done, total;                         /* as told last; total 0: nothing yet */
    char unit[24];
};

/* Opens the checkpoint of an earlier execution, if there is one. A damaged one is a warning; one that cannot be read for now is the end, as
 * the next would be written over it. */
int tessi_flow_stage_find_checkpoint(struct tess_context *ctx, struct tess_stage_run *r) TESS_CHECKED;

/* The pipeline with every default, to be run again; to be freed with free. */
int tessi_flow_resolved_text(struct tess_context *ctx, const struct tessi_pipeline *p, char **text, size_t *bytes) TESS_CHECKED;

#endif
