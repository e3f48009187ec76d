/* Kind "transport/1": the processes that run one pipeline together, and how bytes get from one to another. The processes are ranks,
 * 0 .. size - 1, started together by a launcher (mpirun, srun, `tessera run --ranks`); how sums over ranks are made is the host's affair,
 * so that their bits do not depend on the transport.
 *
 * All functions but `abort` are called by one thread of the host, the same for the whole life of the instance, one at a time. That thread
 * calls `alive` at least every second while it has nothing else to do, so a transport always has a chance to tell its peers that this
 * process lives, and to hear of them.
 *
 * A rank that is dead, or of which nothing was heard for a time that the transport sets (well below a minute), is a failure of the call at
 * hand, TESS_E_FAILED with a message that begins with "rank R (HOST)". So is an abort by another rank: the status is the one it gave, and
 * the message "rank R (HOST): REASON". After a failure only `abort` and `leave` are called.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_KIND_TRANSPORT_H
#define TESSERA_KIND_TRANSPORT_H

#include <tessera/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TESS_RANKS_MAX 4096

/* The place of this process among the ranks; filled by `join`. */
struct tess_ranks_place {
    uint32_t size; /* sizeof(struct tess_ranks_place), set by the caller */
    int32_t rank, ranks;
    char host[64]; /* name of the machine, for messages */
};

/* A buffer on its way to a peer, or the memory for one that comes. The k-th that a rank sends to another is received by the k-th receive
 * that the other posts for it; both have the same number of bytes. */
struct tess_message {
    uint32_t size; /* sizeof(struct tess_message), of each in a list */
    int32_t peer;
    int32_t receives; /* 1: `data` is filled; 0: it is sent */
    int32_t reserved;
    void *data;
    int64_t bytes;
};

struct tess_transport_1 {
    uint32_t size;
    uint32_t reserved;
    /* Meets the other ranks. TESS_E_VALUE where this process was not started by the transport's launcher, saying how it is started. */
    int (*join)(void *self, struct tess_context *ctx, struct tess_ranks_place *out);
    /* Sends and receives all buffers of a list, in any order, and returns when all are there and all sent ones may be written again. It
     * needs no other rank to be in the same call: messages wait until they are asked for. Peers are other ranks; bytes may be 0. Waits as
     * long as the peers live. */
    int (*exchange)(void *self, struct tess_context *ctx, const struct tess_message *message, int64_t n);
    /* The bytes of rank `root` to all others. Called by all ranks with the same root and bytes. */
    int (*broadcast)(void *self, struct tess_context *ctx, int32_t root, void *data, int64_t bytes);
    /* Returns when all ranks have called it. TESS_E_FAILED naming one that is missing after `seconds`; 0: no limit but their life. */
    int (*barrier)(void *self, struct tess_context *ctx, double seconds);
    /* Tells peers that this process lives, takes in what they say. Returns at once. */
    int (*alive)(void *self, struct tess_context *ctx);
    /* Ends the run on all ranks for `reason`, one line of text, with a status of base.h. The call that is in progress, or else the next
     * `alive`, sends it and fails. [any thread, at any time between join and leave] */
    void (*abort)(void *self, int32_t status, const char *reason);
    /* Leaves the ranks, after `join` has succeeded; `status` is TESS_OK where all went well, and then all ranks leave. Does not fail. */
    void (*leave)(void *self, int32_t status);
};

#ifdef __cplusplus
}
#endif
#endif
