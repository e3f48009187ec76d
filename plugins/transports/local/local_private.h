/* Shared by the files of transport/1 `local`. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_TRANSPORTS_LOCAL_LOCAL_PRIVATE_H
#define PLUGINS_TRANSPORTS_LOCAL_LOCAL_PRIVATE_H

#include <tessera/kind/transport.h>

#include <stdatomic.h>

enum { LOCAL_RANKS_MAX = 64, LOCAL_TEXT = 1024 };

/* Frames of the stream between two ranks. A frame is a header and `bytes` of content. */
enum { LOCAL_DATA = 1, LOCAL_ALIVE = 2, LOCAL_ABORT = 3, LOCAL_LEAVE = 4 };
struct local_header {
    int32_t kind, status; /* status: of LOCAL_ABORT */
    int64_t bytes;
};

struct local_peer {
    int fd;                      /* -1: itself, or gone */
    int left, gone;              /* it has left in peace; its end of the socket is closed */
    double heard, told;          /* times of the last byte from it, and of the last frame to it */
    struct local_header in, out; /* headers on their way, of which in_done and out_done bytes have passed; then contents */
    int64_t in_done, out_done;   /* bytes of header and content */
    const char *out_data;        /* content being sent; NULL: nothing is being sent */
    char text[LOCAL_TEXT];       /* content of LOCAL_ABORT that comes in */
    int64_t next_out, next_in;   /* next message of the list for it, and from it; at the list's length where there is none */
};

struct local {
    int64_t rank; /* parameters */
    const char *sockets;
    double silence;
    double looked; /* time of the last look; 0: none yet */
    int32_t ranks;
    char host[64];
    struct local_peer peer[LOCAL_RANKS_MAX];
    const struct tess_message *list; /* messages of the exchange in progress */
    int64_t messages;
    atomic_int aborting; /* 1: `reason` is complete */
    int32_t abort_status;
    char reason[LOCAL_TEXT];
};

double local_seconds(void);
/* Reads and writes what the sockets take without waiting; fails where a peer it needs is gone, was silent too long, or has aborted. */
int local_pump(struct local *k, struct tess_context *ctx) TESS_CHECKED;
/* 1 while a message of the exchange is on its way. */
int local_busy(const struct local *k);
/* Waits until a socket can be read, or written where there is something to send; for at most that many milliseconds. */
void local_wait(const struct local *k, int milliseconds);
/* Tells all peers that the run ends, for at most two seconds. */
void local_tell_abort(struct local *k, int32_t status, const char *text);
/* Sends nothing more, and reads to their ends what peers have sent: a socket closed with bytes unread takes from its peer what was sent to
 * it last. */
void local_drain(struct local *k, double seconds);
/* A frame without content to every peer, where no other is being sent. */
void local_tell_all(struct local *k, int32_t kind, double now);

#endif
