/* Kind transport/1: joining, where no launcher has started this process and where one has, messages, and aborts. Started by a launcher
 * (`mpirun -n 3 tessera check transport/mpi --in-process`), messages go between all ranks; alone, the calls are made by the only one.
 * SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"

#include <string.h>
#include <time.h>

enum { TRANSPORT_BYTES = 70000, TRANSPORT_MESSAGES = 3, TRANSPORT_GUARD = 0xa5, TRANSPORT_LOOKS = 300 };
#define TRANSPORT_LOOK_NANOSECONDS 100000000

/* Messages of one exchange. */
struct transport_list {
    struct tess_message *message;
    uint8_t *bytes;
    int64_t n;
};

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

/* Message of `bytes` to `peer` or from it, behind the n that are in the list; its content, where it is sent, is both ranks' alone. A byte
 * behind it must stay as it is. */
static void transport_add(const struct transport_case *c, struct transport_list *l, int peer, int receives, int64_t bytes)
{
    uint8_t *data = l->bytes + l->n * (TRANSPORT_BYTES + 1);
    l->message[l->n++] =
        (struct tess_message){.size = sizeof *l->message, .peer = peer, .receives = receives, .data = data, .bytes = bytes};
    for (int64_t i = 0; i < bytes && !receives; i++)
        data[i] = transport_byte(c->place.rank, peer, i + (bytes > 1));
    data[bytes] = TRANSPORT_GUARD;
}

static int transport_check(const struct transport_case *c, const struct tess_message *m)
{
    const uint8_t *data = m->data;
    int from = m->receives ? m->peer : c->place.rank, to = m->receives ? c->place.rank : m->peer;
    for (int64_t i = 0; i < m->bytes; i++)
        if (data[i] != transport_byte(from, to, i + (m->bytes > 1)))
            return m->receives ? judge_fail(c->j, "exchange: byte %lld of a message of %lld from rank %d is not what that rank sent",
                                            (long long)i, (long long)m->bytes, (int)m->peer)
                               : judge_fail(c->j, "exchange: byte %lld of a message of %lld to rank %d was changed as it was sent",
                                            (long long)i, (long long)m->bytes, (int)m->peer);
    return data[m->bytes] == TRANSPORT_GUARD ? TESS_OK
                                             : judge_fail(c->j, "exchange: a message of %lld bytes from rank %d was written beyond its end",
                                                          (long long)m->bytes, (int)m->peer);
}

/* Exchanges the list, and checks every byte of it. */
static int transport_exchange(struct transport_case *c, struct transport_list *l)
{
    struct judge *j = c->j;
    JUDGE_TRY(judge_ok(j, j->ctx, "exchange", c->ops->exchange(c->self, j->ctx, l->message, l->n)));
    for (int64_t k = 0; k < l->n; k++)
        JUDGE_TRY(transport_check(c, &l->message[k]));
    l->n = 0;
    return TESS_OK;
}

/* Three messages to each other rank, of one byte, of none and of many, and three from each. */
static int transport_at_once(struct transport_case *c, struct transport_list *l)
{
    static const int64_t bytes[] = {1, 0, TRANSPORT_BYTES};
    for (int k = 0; k < c->place.ranks; k++)
        for (int part = 0; part < 2 * TRANSPORT_MESSAGES && k != c->place.rank; part++)
            transport_add(c, l, k, part >= TRANSPORT_MESSAGES, bytes[part % TRANSPORT_MESSAGES]);
    return transport_exchange(c, l);
}

/* All that goes to lower ranks is sent at once, the largest first, and asked for there one by one. */
static int transport_one_by_one(struct transport_case *c, struct transport_list *l)
{
    static const int64_t bytes[TRANSPORT_MESSAGES] = {TRANSPORT_BYTES, 3, 1};
    for (int part = 0; part < TRANSPORT_MESSAGES; part++) {
        for (int k = 0; k < c->place.ranks; k++) {
            for (int i = 0; i < TRANSPORT_MESSAGES && part == 0 && k < c->place.rank; i++)
                transport_add(c, l, k, 0, bytes[i]);
            if (k > c->place.rank)
                transport_add(c, l, k, 1, bytes[part]);
        }
        JUDGE_TRY(transport_exchange(c, l));
    }
    return TESS_OK;
}

static int transport_with_list(struct transport_case *c, int (*body)(struct transport_case *c, struct transport_list *l))
{
    struct judge *j = c->j;
    struct transport_list l = {.n = 0};
    size_t messages = (size_t)c->place.ranks * 2 * TRANSPORT_MESSAGES;
    void *memory;
    JUDGE_TRY(judge_ok(j, j->ctx, "the test",
                       tess_alloc(j->ctx, messages * (sizeof(struct tess_message) + TRANSPORT_BYTES + 1), "messages", &memory)));
    l.message = memory; /* the list, then the bytes of all */
    l.bytes = (uint8_t *)(l.message + messages);
    int status = body(c, &l);
    tess_free(memory);
    return status;
}

/* Broadcasts of every rank, of a few bytes and of many. */
static int transport_broadcasts(struct transport_case *c, struct transport_list *l)
{
    static const int64_t bytes[] = {3, TRANSPORT_BYTES};
    struct judge *j = c->j;
    for (int32_t root = 0; root < c->place.ranks; root++)
        for (size_t k = 0; k < sizeof bytes / sizeof *bytes; k++) {
            memset(l->bytes, root == c->place.rank ? 17 + root : 0, (size_t)bytes[k]);
            JUDGE_TRY(judge_ok(j, j->ctx, "broadcast", c->ops->broadcast(c->self, j->ctx, root, l->bytes, bytes[k])));
            for (int64_t i = 0; i < bytes[k]; i++)
                if (l->bytes[i] != (uint8_t)(17 + root))
                    return judge_fail(j, "broadcast: wanted %d from rank %d, found %d", 17 + (int)root, (int)root, l->bytes[i]);
        }
    return TESS_OK;
}

static int transport_messages_of(struct transport_case *c)
{
    struct judge *j = c->j;
    JUDGE_TRY(transport_with_list(c, transport_at_once));
    JUDGE_TRY(judge_ok(j, j->ctx, "exchange of nothing", c->ops->exchange(c->self, j->ctx, NULL, 0)));
    JUDGE_TRY(transport_with_list(c, transport_broadcasts));
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

static int transport_waiting_of(struct transport_case *c)
{
    JUDGE_TRY(transport_with_list(c, transport_one_by_one));
    return judge_ok(c->j, c->j->ctx, "barrier", c->ops->barrier(c->self, c->j->ctx, 30.0));
}

static int transport_waiting_body(struct judge *j, struct tess_instance *i)
{
    return transport_joined(j, i, transport_waiting_of, TESS_OK);
}

static int transport_waiting(struct judge *j)
{
    return judge_over(j, 1, transport_waiting_body);
}

/* Checks how a call ended that an abort was to end. */
static int transport_aborted(struct transport_case *c, const char *call, int status)
{
    struct judge *j = c->j;
    JUDGE_TRY(judge_status(j, j->ctx, call, status));
    if (status != TESS_E_DATA)
        return judge_fail(j, "%s: wanted its status %d, found %d", call, TESS_E_DATA, status);
    if (!strstr(tess_message(j->ctx), "a reason of the test"))
        return judge_fail(j, "%s: wanted its reason, found: %s", call, tess_message(j->ctx));
    tess_forget(j->ctx);
    return TESS_OK;
}

static int transport_abort_of(struct transport_case *c)
{
    struct judge *j = c->j;
    if (c->place.rank == 0)
        c->ops->abort(c->self, TESS_E_DATA, "a reason of the test");
    return transport_aborted(c, "barrier after an abort", c->ops->barrier(c->self, j->ctx, 30.0));
}

static int transport_abort_body(struct judge *j, struct tess_instance *i)
{
    return transport_joined(j, i, transport_abort_of, TESS_E_DATA);
}

static int transport_abort(struct judge *j)
{
    return judge_over(j, 1, transport_abort_body);
}

/* An abort where nothing is carried: `alive` ends the run, at once on the rank that made it, and on the others once they have heard. */
static int transport_idle_of(struct transport_case *c)
{
    struct judge *j = c->j;
    if (c->place.rank == 0)
        c->ops->abort(c->self, TESS_E_DATA, "a reason of the test");
    int status = c->ops->alive(c->self, j->ctx);
    for (int look = 0; status == TESS_OK && c->place.rank != 0 && look < TRANSPORT_LOOKS; look++) {
        nanosleep(&(struct timespec){.tv_nsec = TRANSPORT_LOOK_NANOSECONDS}, NULL);
        status = c->ops->alive(c->self, j->ctx);
    }
    return transport_aborted(c, "alive after an abort", status);
}

static int transport_idle_body(struct judge *j, struct tess_instance *i)
{
    return transport_joined(j, i, transport_idle_of, TESS_E_DATA);
}

static int transport_idle(struct judge *j)
{
    return judge_over(j, 1, transport_idle_body);
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
    {"waiting", 1, "messages wait until they are asked for, in the order in which they were sent", transport_waiting},
    {"abort", 1, "an abort fails the call in progress on all ranks, with its status and reason", transport_abort},
    {"idle abort", 1, "an abort fails `alive` on all ranks where nothing is carried", transport_idle},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_transport = {"transport/1", tests, NULL};
