/* Shared by the files of core/ranks. SPDX-License-Identifier: MIT */
#ifndef TESSI_RANKS_PRIVATE_H
#define TESSI_RANKS_PRIVATE_H

#include "core/ranks/ranks.h"

#include <pthread.h>

/* State of the watch over this rank's work (ranks_watch.h). */
struct tessi_ranks_watch {
    double patience; /* 0: nobody watches */
    void (*hangs)(void *user, const char *message);
    void *user;
    uint64_t pulses; /* pulses and processor seconds at the last look, and its time; 0: none yet */
    double used, looked;
    double still, idle; /* seconds without a pulse, and those of them without use of a processor */
};

struct tessi_ranks {
    const struct tess_transport_1 *ops;
    void *self;
    struct tess_ranks_place place;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, finished; /* work: for the carrier; finished: for those who wait */
    struct tessi_ranks_job *first, *last;
    int joined, closing, leave_status, started;
    atomic_int aborting;
    int failed;                           /* status of the first failure; TESS_OK: none */
    char message[TESSI_MESSAGE_CAPACITY]; /* its message */
    struct tessi_context context;         /* context of the carrier */
    struct tess_message *list;            /* messages of the job at work */
    int64_t list_capacity;
    float *scratch;
    int64_t scratch_capacity;
    int64_t *ready; /* [rank]: sums that stood ready there, behind the ones that were carried last */
    int64_t agreed; /* number of sums behind the next one that stand ready on all ranks */
    struct tessi_ranks_traffic traffic;
    struct tessi_ranks_word word; /* on rank 0 the stage at work; elsewhere the last word that was heard */
    int at_work, inside;          /* at_work: in a stage that may be shared; inside: the others were asked into it */
    struct tessi_ranks_watch watch;
    int unheard; /* 1: `word` is one that nobody has acted upon yet */
};

/* 1 where the work stands still for longer than it may; says so in `text`. Asked while there is nothing to carry; by the carrier. */
int tessi_ranks_hangs(struct tessi_ranks *r, char *text, size_t capacity);
/* Counts anew: the work was waiting for other ranks. By the carrier. */
void tessi_ranks_awake(struct tessi_ranks *r);
/* Number of jobs with the same `run` that stand ready behind `job`, one after the other, at most `most`. By the carrier. */
int64_t tessi_ranks_ready_behind(struct tessi_ranks *r, const struct tessi_ranks_job *job, int64_t most);
/* Exchanges the first n messages of r->list, and counts them. */
int tessi_ranks_exchange(struct tess_context *ctx, struct tessi_ranks *r, int64_t n) TESS_CHECKED;
/* Puts a message at the end of r->list, of which *n are used. */
int tessi_ranks_message(struct tess_context *ctx, struct tessi_ranks *r, int64_t *n, int peer, int receives, void *data,
                        int64_t bytes) TESS_CHECKED;

#endif
