/* The ranks: the processes that run one pipeline together, over a component of kind transport/1.
 *
 * One thread of each rank, the carrier, is the only one that calls the transport. Whoever wants something carried hands it a job; jobs are
 * done in the order they were handed over, which is the same on all ranks. A job may be handed over before its data are there and be
 * declared ready later, so that gradients travel while others are still computed. Without jobs the carrier keeps the peers informed that
 * this process lives.
 *
 * A failure of the transport, a dead rank or an abort, is the end of all jobs: each fails with the first failure's message. On rank 0 it
 * also asks the process to stop (signals of core/base/log.h), as a stage that runs there alone waits for no job.
 *
 * A NULL struct tessi_ranks * is a process on its own: rank 0 of 1. SPDX-License-Identifier: MIT */
#ifndef TESSI_RANKS_H
#define TESSI_RANKS_H

#include <tessera/kind/transport.h>

#include "core/base/context.h"
#include "core/ranks/tree.h"

#include <stdatomic.h>

struct tessi_ranks;

/* The end of waiting for ranks that do not meet: MPI waits for ever for one that ended before it joined. */
struct tessi_ranks_joining {
    double patience; /* seconds that they have; 0: for ever */
    /* Ends the process, as the transport is still at work: with TESS_E_FAILED after that time, with TESS_E_STOPPED on a request to stop. */
    void (*late)(int status, const char *message);
};

/* Joins the ranks and starts the carrier; ops and self are the transport's, borrowed until close; joining may be NULL: for ever. */
int tessi_ranks_open(struct tess_context *ctx, const struct tess_transport_1 *ops, void *self, const struct tessi_ranks_joining *joining,
                     struct tessi_ranks **out) TESS_CHECKED;
/* Leaves the ranks; `status` TESS_OK waits for the others to leave. NULL is fine. */
void tessi_ranks_close(struct tessi_ranks *r, int status);
int tessi_ranks_rank(const struct tessi_ranks *r);
int tessi_ranks_size(const struct tessi_ranks *r);
const char *tessi_ranks_host(const struct tessi_ranks *r); /* name of this machine */
/* 1 once the transport has failed, or an abort was made here; *status and *message (may be NULL) are of the first failure. [any thread] */
int tessi_ranks_failed(struct tessi_ranks *r, int *status, const char **message);
/* 1 once another rank has failed or is gone, and this one has made no abort. [any thread] */
int tessi_ranks_lost(struct tessi_ranks *r);
/* Ends the run on all ranks. [any thread] */
void tessi_ranks_abort(struct tessi_ranks *r, int status, const char *reason);

/* The run of n items, microbatches or rows, that is `rank`'s share: first .. end - 1, in order of ranks; sizes differ by one at most. */
void tessi_ranks_share(int64_t n, int size, int rank, int64_t *first, int64_t *end);

/* ---- collective calls: by all ranks, in the same order; each waits for its end. With one rank they do nothing. [one thread] */
/* The bytes of rank 0 to all. */
int tessi_ranks_broadcast(struct tess_context *ctx, struct tessi_ranks *r, void *data, int64_t bytes) TESS_CHECKED;
/* n items of `bytes` each, of which every rank has its share in `data`: afterwards all have all. */
int tessi_ranks_gather(struct tess_context *ctx, struct tessi_ranks *r, void *data, int64_t n, int64_t bytes) TESS_CHECKED;
/* The same of n items that are `whole` bytes together, so that the last ones may be shorter, or empty. */
int tessi_ranks_gather_cut(struct tess_context *ctx, struct tessi_ranks *r, void *data, int64_t n, int64_t bytes,
                           int64_t whole) TESS_CHECKED;
/* `bytes` of each rank to rank 0: there `all` has them in order of ranks; elsewhere it may be NULL. */
int tessi_ranks_collect(struct tess_context *ctx, struct tessi_ranks *r, const void *data, int64_t bytes, void *all) TESS_CHECKED;
int tessi_ranks_barrier(struct tess_context *ctx, struct tessi_ranks *r, double seconds) TESS_CHECKED;

/* ---- words of rank 0 (ranks_words.c): what the others, who follow it through the pipeline, are to do next */
enum {
    TESSI_WORD_STAGE = 1, /* run stage `stage`, whose key is `key`, with rank 0 */
    TESSI_WORD_TRAIN = 2, /* within it: begin the training */
    TESSI_WORD_STEP = 3,  /* make the next step of that training */
    TESSI_WORD_SHARE = 4, /* within the stage: do your share of the piece of work `piece` */
    TESSI_WORD_END = 5    /* the run has ended, with `status` */
};
struct tessi_ranks_word {
    int32_t kind, status;
    int64_t stage, piece;
    char key[72];
};
/* Says a word to all other ranks; by rank 0. With one rank it does nothing. */
int tessi_ranks_say(struct tess_context *ctx, struct tessi_ranks *r, int32_t kind, int32_t status) TESS_CHECKED;
/* The next word of rank 0; by the others. A word of the end is heard again by later calls. */
int tessi_ranks_hear(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_word *out) TESS_CHECKED;

/* ---- one stage on all ranks (ranks_words.c). All run the same stage in the same way, up to pieces of work that they share: rank 0 goes
 * ahead, and asks the others into the stage when it comes to the first piece; before each it says which it is, so that ranks that went
 * different ways are noticed, and none waits for a rank that has left. [one thread] */
/* Rank 0: the stage that it is at work on, from here on until tessi_ranks_leave_stage. Others: the stage that they were asked into. */
void tessi_ranks_enter_stage(struct tessi_ranks *r, int64_t stage, const char *key);
void tessi_ranks_leave_stage(struct tessi_ranks *r);
/* Rank 0 does the rest of the stage alone; the others leave it with the TESS_E_STOPPED that this gives them. */
int tessi_ranks_part(struct tess_context *ctx, struct tessi_ranks *r) TESS_CHECKED;
/* 1 where there are several ranks, and a stage is at work that they share. */
int tessi_ranks_together(const struct tessi_ranks *r);
/* Comes together for a piece of work. *piece is rank 0's own and tells which one, or which of several; the others are given it. They fail
 * with TESS_E_STOPPED where rank 0 has left the stage, and with TESS_E_DATA where it is at something else than `kind`. */
int tessi_ranks_meet(struct tess_context *ctx, struct tessi_ranks *r, int32_t kind, int64_t *piece) TESS_CHECKED;
/* The same for the piece of work `piece`; TESS_E_DATA where rank 0 has come to another. */
int tessi_ranks_meet_at(struct tess_context *ctx, struct tessi_ranks *r, int64_t piece) TESS_CHECKED;

/* ---- jobs of the carrier */
struct tessi_ranks_job {
    int (*run)(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job);
    atomic_int ready;             /* 1: the carrier may begin */
    int done;                     /* set by the carrier, under its lock */
    struct tessi_ranks_job *next; /* queue of the carrier */
};
/* Hands over a job, whose `run` is set; the memory is the caller's and must stay until it is done. [one thread] */
void tessi_ranks_job_start(struct tessi_ranks *r, struct tessi_ranks_job *job, int ready);
/* Declares the data that the job reads complete. [any thread] */
void tessi_ranks_job_ready(struct tessi_ranks *r, struct tessi_ranks_job *job);
/* Waits for the end of a job that was handed over. After an abort no job need be ready to end. */
int tessi_ranks_job_wait(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job) TESS_CHECKED;

/* ---- sums (ranks_sum.c) */
/* A sum over all microbatches, of `floats` floats. This rank gives the sums of the nodes that make up its share of the microbatches, as
 * tessi_ranks_tree_nodes has them; `result`, which may be part[0], gets the whole sum, times `scale` unless that is 1. Parts are
 * overwritten. Its `job` is handed over as any; sums that stand ready on all ranks, one behind the other, are carried together. */
struct tessi_ranks_sum {
    struct tessi_ranks_job job; /* first; `run` is tessi_ranks_sum_run */
    int64_t microbatches, floats;
    float *part[TESSI_TREE_NODES];
    float *result;
    float scale;
    int carried; /* 1: the sum went together with one before it, and is made; 0 when it is handed over */
};
int tessi_ranks_sum_run(struct tess_context *ctx, struct tessi_ranks *r, struct tessi_ranks_job *job) TESS_CHECKED;

/* Traffic of this rank so far: bytes sent, exchanges, of which each takes a latency or more, pieces of work that ranks have met for, and
 * seconds that callers have waited for jobs. */
struct tessi_ranks_traffic {
    int64_t bytes, exchanges, pieces;
    double seconds;
};
struct tessi_ranks_traffic tessi_ranks_traffic(struct tessi_ranks *r);

#endif
