/* Transports that each break one promise: this process is rank 0 of 2, and the bytes of rank 1 are those that the judge sends there.
 * SPDX-License-Identifier: MIT */
#include "tests/judge/broken/broken.h"

#include <tessera/kind/transport.h>

#include <stdio.h>

enum {
    HONEST = 0,
    NO_RANK = 1,
    NO_HOST = 2,
    OTHER_BYTES = 3,
    KEEPS_BROADCAST = 4,
    DEAD = 5,
    GOES_ON = 6,
    OTHER_REASON = 7,
    POSITIVE = 8,
    NOT_STARTED = 9,
    STOPS = 10,
    BEYOND = 11,
    CHANGES = 12,
    FORGETS = 13,
    LIVES_ON = 14,
    CUTS_BROADCAST = 15,
    OTHER_STATUS = 16
};

static int32_t aborted;
static char reason[100];
static int exchanges;

static int join(void *self, struct tess_context *ctx, struct tess_ranks_place *out)
{
    int64_t how = broken_how(self);
    if (how == POSITIVE)
        return 7;
    if (how == NOT_STARTED)
        return ctx->fail(ctx, TESS_E_VALUE, "no launcher has started this process");
    if (how == STOPS)
        return ctx->fail(ctx, TESS_E_FAILED, "rank 1 (there): has not come");
    out->rank = how == NO_RANK ? 2 : 0;
    out->ranks = 2;
    snprintf(out->host, sizeof out->host, "%s", how == NO_HOST ? "" : "here");
    return TESS_OK;
}

/* Byte i of the judge's messages. */
static uint8_t sent(int from, int to, int64_t i)
{
    return (uint8_t)(from * 7 + to * 31 + i * 13 + (i >> 8));
}

static int exchange(void *self, struct tess_context *ctx, const struct tess_message *message, int64_t n)
{
    (void)ctx;
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = 0; message[k].receives && i < message[k].bytes; i++)
            ((uint8_t *)message[k].data)[i] = sent(message[k].peer, 0, i + (message[k].bytes > 1));
    for (int64_t k = 0; k < n; k++) {
        if (broken_how(self) == BEYOND && message[k].receives)
            ((uint8_t *)message[k].data)[message[k].bytes] ^= 1;
        if (broken_how(self) == CHANGES && !message[k].receives && message[k].bytes)
            ((uint8_t *)message[k].data)[0] ^= 1;
        if (broken_how(self) == FORGETS && exchanges++ && message[k].bytes == 3)
            ((uint8_t *)message[k].data)[0] ^= 1;
    }
    if (broken_how(self) == OTHER_BYTES && n > 0)
        ((uint8_t *)message[n - 1].data)[message[n - 1].bytes - 1] ^= 1;
    return TESS_OK;
}

static int broadcast(void *self, struct tess_context *ctx, int32_t root, void *data, int64_t bytes)
{
    (void)ctx;
    if (root == 1 && broken_how(self) != KEEPS_BROADCAST)
        memset(data, 18, (size_t)(broken_how(self) == CUTS_BROADCAST && bytes > 4096 ? 4096 : bytes));
    return TESS_OK;
}

static int barrier(void *self, struct tess_context *ctx, double seconds)
{
    (void)seconds;
    if (!aborted || broken_how(self) == GOES_ON)
        return TESS_OK;
    return ctx->fail(ctx, aborted, "rank 0 (here): %s", broken_how(self) == OTHER_REASON ? "it is over" : reason);
}

static int alive(void *self, struct tess_context *ctx)
{
    if (broken_how(self) == DEAD)
        return ctx->fail(ctx, TESS_E_FAILED, "rank 1 (there): not heard of");
    if (!aborted || broken_how(self) == LIVES_ON)
        return TESS_OK;
    return ctx->fail(ctx, broken_how(self) == OTHER_STATUS ? TESS_E_FAILED : aborted, "rank 0 (here): %s", reason);
}

static void end(void *self, int32_t status, const char *why)
{
    (void)self;
    aborted = status;
    snprintf(reason, sizeof reason, "%s", why);
}

static void leave(void *self, int32_t status)
{
    (void)self;
    (void)status;
}

static const struct tess_transport_1 ops = {.size = sizeof ops,
                                            .join = join,
                                            .exchange = exchange,
                                            .broadcast = broadcast,
                                            .barrier = barrier,
                                            .alive = alive,
                                            .abort = end,
                                            .leave = leave};

#define ALL(X)                                                                                                                             \
    X(0, "honest")                                                                                                                         \
    X(1, "no-rank")                                                                                                                        \
    X(2, "no-host")                                                                                                                        \
    X(3, "other-bytes")                                                                                                                    \
    X(4, "keeps-broadcast")                                                                                                                \
    X(5, "dead")                                                                                                                           \
    X(6, "goes-on")                                                                                                                        \
    X(7, "other-reason")                                                                                                                   \
    X(8, "positive")                                                                                                                       \
    X(9, "not-started")                                                                                                                    \
    X(10, "stops") X(11, "beyond") X(12, "changes") X(13, "forgets") X(14, "lives-on") X(15, "cuts-broadcast") X(16, "other-status")
#define TABLE(n, name) BROKEN_PARAMS(n)
ALL(TABLE)
#define ROW(n, name_) BROKEN_ROW(name_, "transport/1", n, &ops),
static const struct tess_component components[] = {ALL(ROW){.name = NULL}};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("broken-transports", "1", "MIT", NULL, components);
