/* Kind "stage/1": one step of a pipeline. Reads artefacts, writes one artefact.
 *
 * Planning sees only attributes: from the attributes of its inputs a stage says the attributes of its output and what the work will cost,
 * so a whole pipeline is checked before anything is computed. Running must give the attributes that were planned; where it cannot know how
 * many rows there will be, it plans them as the most there can be (attributes.h).
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_STAGE_H
#define TESSERA_STAGE_H

#include <tessera/artefact.h>
#include <tessera/digest.h>
#include <tessera/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_port {
    const char *name; /* key under `in:`; NULL ends the table */
    const char *kind; /* kind of artefact it takes: "images"; "codes|samples" for several */
    int32_t optional;
    const char *help;
};

struct tess_stage_plan {
    uint32_t size;
    const struct tess_attrs *const *in; /* attributes of the inputs, by port, in the table's order; NULL where not given */
    struct tess_attrs *out;             /* to be filled: attributes of the output */
    uint64_t seed;
    struct tess_cost *cost;             /* to be filled: parameters, bytes; flops of the whole stage */
    int64_t steps;                      /* units of work, for progress and estimates */
    int64_t output_bytes;               /* disk space of the artefact, at least; reserved before the work; 0: not known */
    int64_t checkpoint_bytes;           /* disk space of a checkpoint */
    int32_t portable; /* 1: the artefact is for readers that know little of HDF5: metadata of 1.8, whole bytes, shuffle and deflate alone */
};

struct tess_stage_run; /* one execution; the functions below */

/* Dependences of a stage's result beyond parameters, inputs and files. */
#define TESS_DEPENDS_SEED ((uint64_t)1)    /* the seed: the stage draws random numbers */
#define TESS_DEPENDS_NUMERIC ((uint64_t)2) /* backend, precision and processor: the bits of floating-point results differ with them */
#define TESS_DEPENDS_NO_FILES ((uint64_t)4) /* not on files from outside the pipeline: `fingerprint` is not asked */

struct tess_stage_1 {
    uint32_t size;
    const struct tess_port *ports;
    const char *output; /* kind of the artefact it writes */
    /* Checks parameters against the inputs' attributes; records its graphs to know their cost. Computes nothing. [one thread] */
    int (*plan)(void *self, struct tess_context *ctx, struct tess_stage_plan *p);
    /* Adds the data read from outside the pipeline (files of a source) to the cache key, and what it has kept of it since it was opened.
     * Files digested by tess_digest_add_files must stay as they are until it has run, or nothing is kept of that. NULL: nothing. */
    int (*fingerprint)(void *self, struct tess_context *ctx, struct tess_digest *d);
    int (*run)(void *self, struct tess_context *ctx, struct tess_stage_run *r);
    /* Bits TESS_DEPENDS_* that hold with these parameters. What the result does not depend on is in no key, and another seed or backend
     * finds the result in the cache; the seed it is given is then 0. NULL: both bits. */
    uint64_t (*depends)(void *self);
    uint32_t port_stride; /* sizeof(struct tess_port) as compiled, so that rows may grow; 0: the rows above, up to `help` */
};

/* Inputs by port name (NULL where not given) and the output; borrowed for the run. */
TESS_EXPORT const struct tess_artefact *tess_stage_input(const struct tess_stage_run *r, const char *port);
TESS_EXPORT struct tess_artefact *tess_stage_output(struct tess_stage_run *r);
TESS_EXPORT uint64_t tess_stage_seed(const struct tess_stage_run *r);
/* Terminal line (rate, ETA, a metric) and now and then a JSON line in the log. `metric` NULL: none. Cheap: call it each step. */
TESS_EXPORT void tess_stage_progress(struct tess_stage_run *r, int64_t done, int64_t total, const char *unit, const char *metric,
                                     double value);
/* A sentence for the user and the log ("41 of 256 codes used: ..."). */
TESS_EXPORT void tess_stage_note(struct tess_stage_run *r, const char *format, ...) TESS_PRINTF(2, 3);
/* A warning for the user and the log: the result can be made, but is probably wrong ("diverged: ..."). Repeated in the run's table. */
TESS_EXPORT void tess_stage_warn(struct tess_stage_run *r, const char *format, ...) TESS_PRINTF(2, 3);
/* task(user, c, worker, i) for i in [0, n), each once, handed out in order, on all threads of the host; each worker, 0 up to
 * tess_stage_workers, has a context of its own. A failure ends the loop; of several the one of the lowest i is told, however many
 * threads there are. Not from within a task. */
TESS_EXPORT TESS_CHECKED int tess_stage_parallel(struct tess_context *ctx, struct tess_stage_run *r, int64_t n,
                                                 int (*task)(void *user, struct tess_context *ctx, int32_t worker, int64_t i), void *user);
TESS_EXPORT int32_t tess_stage_workers(const struct tess_stage_run *r);
/* 1 when the user or the system asked to stop: write a checkpoint and return TESS_E_STOPPED. */
TESS_EXPORT int tess_stage_stopping(const struct tess_stage_run *r);
/* 1 when a checkpoint is due (time since the last, or asked for by signal). */
TESS_EXPORT int tess_stage_checkpoint_due(const struct tess_stage_run *r);
/* The checkpoint of an interrupted earlier execution of exactly this stage (same cache key), or NULL. Borrowed. */
TESS_EXPORT const struct tess_artefact *tess_stage_resume(struct tess_stage_run *r);
/* Replaces the checkpoint atomically by what `write` puts into the artefact it is given. A full disk is a warning, not the end:
 * the previous checkpoint stays. */
TESS_EXPORT TESS_CHECKED int tess_stage_checkpoint(struct tess_context *ctx, struct tess_stage_run *r,
                                                   int (*write)(void *user, struct tess_context *ctx, struct tess_artefact *a), void *user);
/* Path of the stage's checkpoint, whether there is one or not. Borrowed. What only grows need not be written again with each checkpoint: a
 * file under this path with TESS_CHECKPOINT_ROWS behind it is the stage's own, to be synced before the checkpoint that speaks of it; it
 * goes when the checkpoint goes. */
#define TESS_CHECKPOINT_ROWS ".rows"
TESS_EXPORT const char *tess_stage_checkpoint_path(const struct tess_stage_run *r);

/* ---- several processes, ranks (kind/transport.h). Rank 0 runs every stage. When a stage there comes to work that ranks share (tess_train,
 * tess_graph_run_shared, a sampler, k-means, nearest neighbours, or the functions below), the others are asked in: they run the same stage
 * from its beginning, on the same inputs and checkpoint, and meet rank 0 at each such piece of work. What they write into their output is
 * dropped, they write no checkpoint and are asked by nobody to stop; a stage needs no word of ranks unless it writes files of its own. */
/* 1 on the process whose results count: rank 0, or the only one. */
TESS_EXPORT int tess_stage_leads(const struct tess_stage_run *r);
/* Number of processes that share the stage's work, 1 for a process alone. */
TESS_EXPORT int32_t tess_stage_ranks(const struct tess_stage_run *r);
/* Makes `bytes` of data those of rank 0 on all ranks: progress read from a checkpoint, a number that depends on threads. */
TESS_EXPORT TESS_CHECKED int tess_stage_agree(struct tess_context *ctx, struct tess_stage_run *r, void *data, int64_t bytes);
/* As tess_stage_parallel, with the items dealt to ranks: a rank runs tasks first .. end - 1 of n, its share, and returns once all ranks
 * have run theirs. Of several failures rank 0 has the one of the lowest i, whichever rank it was on; the others then have TESS_E_STOPPED.
 * On one rank it is tess_stage_parallel. */
TESS_EXPORT TESS_CHECKED int tess_stage_dealt(struct tess_context *ctx, struct tess_stage_run *r, int64_t n,
                                              int (*task)(void *user, struct tess_context *ctx, int32_t worker, int64_t i), void *user);
/* n items of `bytes` each in `data`, of which every rank has those of its tasks in tess_stage_dealt: afterwards all ranks have all. */
TESS_EXPORT TESS_CHECKED int tess_stage_gather(struct tess_context *ctx, struct tess_stage_run *r, void *data, int64_t n, int64_t bytes);
/* Sends the other ranks out of the stage, where only rank 0 has more to do: TESS_OK on rank 0, and TESS_E_STOPPED, to be returned, on the
 * others. */
TESS_EXPORT TESS_CHECKED int tess_stage_alone(struct tess_context *ctx, struct tess_stage_run *r);

#ifdef __cplusplus
}
#endif
#endif
