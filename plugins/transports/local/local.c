/* transport/1 `local`: ranks on one machine, over Unix sockets that their launcher has made, one between any two of them (`tessera run
 * --ranks`). For tests, for machines without MPI, and for processors that several processes use better than one.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plugins/transports/local/local_private.h"

#include <tessera/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_MILLISECONDS 200
#define SOCKET_BYTES (1 << 20)
#define LEAVE_SECONDS 10.0 /* time in which all others leave as well */

static int local_join(void *self, struct tess_context *ctx, struct tess_ranks_place *out)
{
    struct local *k = self;
    const char *at = k->sockets;
    for (k->ranks = 0; *at; k->ranks++) {
        char *end;
        long fd = strtol(at, &end, 10);
        if (end == at || (*end && *end != ' ') || fd < -1 || fd > 1 << 20 || k->ranks == LOCAL_RANKS_MAX)
            return ctx->fail(ctx, TESS_E_VALUE, "sockets: wanted the descriptors of at most %d ranks with blanks between, found `%.100s`",
                             LOCAL_RANKS_MAX, k->sockets);
        struct local_peer *p = &k->peer[k->ranks];
        *p = (struct local_peer){.fd = (int)fd, .heard = local_seconds()};
        if (fd >= 0)
            (void)setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &(int){SOCKET_BYTES}, sizeof(int));
        at = *end ? end + 1 : end;
    }
    if (k->rank >= k->ranks || k->peer[k->rank].fd >= 0)
        return ctx->fail(ctx, TESS_E_VALUE, "this process was not started as a rank; `tessera run P.yaml --ranks N` starts N of them");
    if (gethostname(k->host, sizeof k->host) != 0)
        snprintf(k->host, sizeof k->host, "this machine");
    k->host[sizeof k->host - 1] = '\0';
    out->rank = (int32_t)k->rank;
    out->ranks = k->ranks;
    memcpy(out->host, k->host, sizeof out->host);
    return TESS_OK;
}

static int local_exchange(void *self, struct tess_context *ctx, const struct tess_message *message, int64_t n)
{
    struct local *k = self;
    k->list = message;
    k->messages = n;
    for (int32_t i = 0; i < k->ranks; i++)
        k->peer[i].next_out = k->peer[i].next_in = 0;
    int status = local_pump(k, ctx);
    while (status == TESS_OK && local_busy(k)) {
        local_wait(k, WAIT_MILLISECONDS);
        status = local_pump(k, ctx);
    }
    k->messages = 0;
    for (int32_t i = 0; i < k->ranks; i++)
        k->peer[i].next_out = k->peer[i].next_in = 0;
    return status;
}

static int local_broadcast(void *self, struct tess_context *ctx, int32_t root, void *data, int64_t bytes)
{
    struct local *k = self;
    struct tess_message m[LOCAL_RANKS_MAX] = {{.size = sizeof *m, .peer = root, .receives = 1, .data = data, .bytes = bytes}};
    int64_t n = k->rank != root;
    for (int32_t i = 0; i < k->ranks && k->rank == root; i++)
        if (i != root)
            m[n++] = (struct tess_message){.size = sizeof *m, .peer = i, .data = data, .bytes = bytes};
    return local_exchange(k, ctx, m, n);
}

/* All to rank 0, then rank 0 to all. */
static int local_barrier(void *self, struct tess_context *ctx, double seconds)
{
    struct local *k = self;
    struct tess_message m[LOCAL_RANKS_MAX] = {{.size = sizeof *m}};
    double end = local_seconds() + seconds;
    char word[LOCAL_RANKS_MAX] = {0};
    int64_t n = k->rank != 0;
    for (int32_t i = 1; i < k->ranks && k->rank == 0; i++)
        m[n++] = (struct tess_message){.size = sizeof *m, .peer = i, .receives = 1, .data = &word[i], .bytes = 1};
    word[k->rank] = 1;
    if (k->rank != 0)
        m[0] = (struct tess_message){.size = sizeof *m, .peer = 0, .data = &word[k->rank], .bytes = 1};
    k->list = m;
    k->messages = n;
    int status = TESS_OK;
    while ((status = local_pump(k, ctx)) == TESS_OK && local_busy(k)) {
        for (int32_t i = 0; seconds > 0.0 && local_seconds() > end && i < k->ranks; i++)
            if (k->rank == 0 && !word[i])
                return ctx->fail(ctx, TESS_E_FAILED, "rank %d (%s): it did not come to the barrier within %g s", (int)i, k->host, seconds);
        local_wait(k, WAIT_MILLISECONDS);
    }
    k->messages = 0;
    for (int32_t i = 0; i < k->ranks; i++)
        k->peer[i].next_out = k->peer[i].next_in = 0;
    return status == TESS_OK ? local_broadcast(k, ctx, 0, word, 1) : status;
}

static int local_alive(void *self, struct tess_context *ctx)
{
    return local_pump(self, ctx);
}

static void local_abort(void *self, int32_t status, const char *reason)
{
    struct local *k = self;
    snprintf(k->reason, sizeof k->reason, "%s", reason);
    k->abort_status = status;
    atomic_store(&k->aborting, 1);
}

static void local_leave(void *self, int32_t status)
{
    struct local *k = self;
    if (status == TESS_OK)
        local_tell_all(k, LOCAL_LEAVE, local_seconds());
    local_drain(k, status == TESS_OK ? LEAVE_SECONDS : 1.0);
    for (int32_t i = 0; i < k->ranks; i++)
        if (k->peer[i].fd >= 0)
            (void)close(k->peer[i].fd);
}

static const struct tess_transport_1 ops = {.size = sizeof ops,
                                            .join = local_join,
                                            .exchange = local_exchange,
                                            .broadcast = local_broadcast,
                                            .barrier = local_barrier,
                                            .alive = local_alive,
                                            .abort = local_abort,
                                            .leave = local_leave};

static const struct tess_param params[] = {{.name = "rank",
                                            .help = "number of this process",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct local, rank),
                                            .lo = 0,
                                            .hi = LOCAL_RANKS_MAX - 1},
                                           {.name = "sockets",
                                            .help = "descriptors of the sockets to the ranks, in their order, -1 for this one: \"-1 5 6\"",
                                            .type = TESS_STR,
                                            .offset = offsetof(struct local, sockets),
                                            .text = ""},
                                           {.name = "silence",
                                            .help = "seconds without a sign of life after which a rank is given up",
                                            .type = TESS_F64,
                                            .offset = offsetof(struct local, silence),
                                            .lo = 2,
                                            .hi = 3600,
                                            .def = 40},
                                           {.name = NULL}};

TESS_PLUGIN("tessera-transport-local", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED(NULL, "transport: {use: local, rank: 0, sockets: \"-1 5\"}", "local", "transport/1",
                                      "ranks on one machine, over Unix sockets", sizeof(struct local), params, NULL, NULL, &ops));
