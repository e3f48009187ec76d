/* Kind transport/1: joining, where no launcher has started this process and where one has, messages, and aborts. Started by a launcher
 * (`mpirun -n 3 tessera check transport/mpi --in-process`), messages go between all ranks; alone, the calls are made by the only one.
 * SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"

#include <string.h>

enum { TRANSPORT_BYTES = 70000 };

struct transport_case {
    struct judge *j;
    const struct tess_transport_1 *ops;
    void *self;
    struct tess_ranks_place place;
};

/* Joins; JUDGE_UNFIT where this process is no rank, which is said with a message. */
static int transport_join(struct judge *j, struct tess_instance *i, struct transport_case *c)
{
    *c = (struct transport_case){
        .j = j, .ops = tess_instance_ops(i, "transport/1"), .self = tess_instance_self(i), .place.size = sizeof c->place};
    int status = c->ops->join(c->self, j->ctx, &c->place);
    JUDGE_TRY(judge_status(j, j->ctx, "join", status));
    if (status == TESS_E_VALUE) {
        tess_forget(j->ctx);
        return JUDGE_UNFIT;
    }
    JUDGE_TRY(judge_ok(j, j->ctx, "join", status));
    const struct tess_ranks_place *p = &c->place;
    if (p->ranks < 1 || p->ranks > TESS_RANKS_MAX || p->rank < 0 || p->rank >= p->ranks)
        return judge_fail(j, "join: wanted a rank in 0 .. ranks - 1 of at most %d, found %d of %d", TESS_RANKS_MAX, (int)p->rank,
                          (int)p->ranks);
    return memchr(p->host, '\0', sizeof p->host) && *p->host ? TESS_OK : judge_fail(j, "join: wanted the name of the machine, found none");
}

/* Runs `body` joined; a process that is no rank passes, as it is refused with a message. */
static int transport_joined(struct judge *j, struct tess_instance *i, int (*body)(struct transport_case *c), int end)
{
    struct transport_case c;
    int status = transport_join(j, i, &c);
    if (status == JUDGE_UNFIT)
        return judge_skip(j, "this process was not started as a rank, and join says so");
    JUDGE_TRY(status);
    status = body(&c);
    c.ops->leave(c.self, status == TESS_OK ? end : TESS_E_FAILED);
    return status;
}

static uint8_t transport_byte(int from, int to, int64_t i)
{
    return (uint8_t)(from * 7 + to * 31 + i * 13 + (i >> 8));
}

/* Two messages to each other rank, of one byte and of many, and two from each. */
static int transport_exchange(struct transport_case *c)
{
    struct judge *j = c->j;
    int ranks = c->place.ranks, me = c->place.rank, n = 0;
    size_t messages = (size_t)ranks * 4;
    void *memory;
    JUDGE_TRY(judge_ok(j, j->ctx, "the test",
                       tess_alloc(j->ctx, messages * (sizeof(struct tess_message) + TRANSPORT_BYTES), "messages", &memory)));
    struct tess_message *m = memory; /* the list, then the bytes of all */
    uint8_t *bytes = (uint8_t *)(m + messages);
    for (int k = 0; k < ranks; k++)
        for (int part = 0; part < 4 && k != me; part++, n++) {
            uint8_t *data = bytes + (size_t)n * TRANSPORT_BYTES;
            m[n] = (struct tess_message){
                .size = sizeof *m, .peer = k, .receives = part >= 2, .data = data, .bytes = part % 2 ? TRANSPORT_BYTES : 1};
            for (int64_t i = 0; i < m[n].bytes && part < 2; i++)
                data[i] = transport_byte(me, k, i + part);
        }
    int status = judge_ok(j, j->ctx, "exchange", c->ops->exchange(c->self, j->ctx, m, n));
    for (int k = 0; k < n && status == TESS_OK; k++)
        for (int64_t i = 0; m[k].receives && i < m[k].bytes && status == TESS_OK; i++)
            if (((uint8_t *)m[k].data)[i] != transport_byte(m[k].peer, me, i + (m[k].bytes > 1)))
                status = judge_fail(j, "exchange: byte %lld of a message of %lld from rank %d is not what that rank sent", (long long)i,
                                    (long long)m[k].bytes, (int)m[k].peer);
    tess_free(memory);
    return status;
}

static int transport_messages_of(struct transport_case *c)
{
    struct judge *j = c->j;
    uint8_t word[3] = {0};
    JUDGE_TRY(transport_exchange(c));
    JUDGE_TRY(judge_ok(j, j->ctx, "exchange of nothing", c->ops->exchange(c->self, j->ctx, NULL, 0)));
    for (int32_t root = 0; root < c->place.ranks; root++) {
        memset(word, root == c->place.rank ? 17 + root : 0, sizeof word);
        JUDGE_TRY(judge_ok(j, j->ctx, "broadcast", c->ops->broadcast(c->self, j->ctx, root, word, sizeof word)));
        if (word[0] != 17 + root || word[2] != 17 + root)
            return judge_fail(j, "broadcast: wanted %d from rank %d, found %d", 17 + (int)root, (int)root, word[0]);
    }
    JUDGE_TRY(judge_ok(j, j->ctx, "alive", c->ops->alive(c->self, j->ctx)));
    return judge_ok(j, j->ctx, "barrier", c->ops->barrier(c->self, j->ctx, 30.0));
}

static int transport_messages_body(struct judge *j, struct tess_instance *i)
{
    return transport_joined(j, i, transport_messages_of, TESS_OK);
}

static int transport_messages(struct judge *j)
{
    return judge_over(j, 1, transport_messages_body);
}

static int transport_abort_of(struct transport_case *c)
{
    struct judge *j = c->j;
    if (c->place.rank == 0)
        c->ops->abort(c->self, TESS_E_DATA, "a reason of the test");
    int status = c->ops->barrier(c->self, j->ctx, 30.0);
    JUDGE_TRY(judge_status(j, j->ctx, "barrier after an abort", status));
    if (status != TESS_E_DATA)
        return judge_fail(j, "barrier after an abort: wanted its status %d, found %d", TESS_E_DATA, status);
    if (!strstr(tess_message(j->ctx), "a reason of the test"))
        return judge_fail(j, "barrier after an abort: wanted its reason, found: %s", tess_message(j->ctx));
    tess_forget(j->ctx);
    return TESS_OK;
}

static int transport_abort_body(struct judge *j, struct tess_instance *i)
{
    return transport_joined(j, i, transport_abort_of, TESS_E_DATA);
}

static int transport_abort(struct judge *j)
{
    return judge_over(j, 1, transport_abort_body);
}

static int transport_alone_body(struct judge *j, struct tess_instance *i)
{
    struct transport_case c;
    int status = transport_join(j, i, &c);
    if (status == TESS_OK)
        c.ops->leave(c.self, TESS_OK);
    return status == JUDGE_UNFIT ? TESS_OK : status;
}

static int transport_alone(struct judge *j)
{
    return judge_over(j, 1, transport_alone_body);
}

static const struct judge_test tests[] = {
    {"join", 1, "a process is a rank of some, or is refused with TESS_E_VALUE where no launcher started it", transport_alone},
    {"messages", 1, "messages, broadcasts and barriers bring every rank the bytes that were sent", transport_messages},
    {"abort", 1, "an abort fails the call in progress on all ranks, with its status and reason", transport_abort},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_transport = {"transport/1", tests, NULL};
