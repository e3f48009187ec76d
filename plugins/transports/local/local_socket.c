/* The streams of transport/1 `local`: one Unix socket between any two ranks, read and written without waiting. A frame of data that nobody
 * has asked for yet stays in the socket, its header read; then the peer waits, and so do later frames of it.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plugins/transports/local/local_private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define ALIVE_SECONDS 1.0   /* time between two signs of life */
#define LOOK_SECONDS 1.0    /* longest time between two looks that counts as silence */
#define PARTING_SECONDS 2.0 /* time in which an abort is told to peers */

double local_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Next message of the list, from `at` on, to the peer or from it. */
static int64_t next_message(const struct local *k, int32_t peer, int32_t receives, int64_t at)
{
    while (at < k->messages && (k->list[at].peer != peer || k->list[at].receives != receives))
        at++;
    return at;
}

int local_busy(const struct local *k)
{
    for (int32_t i = 0; i < k->ranks; i++) {
        const struct local_peer *p = &k->peer[i];
        if (i == k->rank)
            continue;
        if (p->out_data || next_message(k, i, 0, p->next_out) < k->messages || next_message(k, i, 1, p->next_in) < k->messages)
            return 1;
    }
    return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static void local_begin(struct local_peer *p, int32_t kind, int32_t status, const void *data, int64_t bytes)
{
    p->out = (struct local_header){.kind = kind, .status = status, .bytes = bytes};
    p->out_data = data;
    p->out_done = 0;
}

/* Sends what the socket takes of the frame at hand; 1 when it is through. */
static int local_send(struct local_peer *p)
{
    const int64_t head = (int64_t)sizeof p->out;
    while (p->out_done < head + p->out.bytes) {
        struct iovec part[2] = {{(char *)&p->out + p->out_done, (size_t)(head - p->out_done)},
                                {(char *)(uintptr_t)p->out_data, (size_t)p->out.bytes}};
        struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};
        if (p->out_done >= head) {
            part[0] = (struct iovec){(char *)(uintptr_t)p->out_data + (p->out_done - head), (size_t)(head + p->out.bytes - p->out_done)};
            message.msg_iovlen = 1;
        }
        ssize_t sent = sendmsg(p->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return 0; /* full, or gone, which reading tells */
        p->out_done += sent;
    }
    p->out_data = NULL;
    return 1;
}

static void local_write(struct local *k, int32_t i)
{
    struct local_peer *p = &k->peer[i];
    for (;;) {
        if (p->out_data && !local_send(p))
            return;
        p->next_out = next_message(k, i, 0, p->next_out);
        if (p->next_out == k->messages)
            return;
        const struct tess_message *m = &k->list[p->next_out++];
        local_begin(p, LOCAL_DATA, 0, m->data, m->bytes);
        p->told = local_seconds();
    }
}

void local_tell_all(struct local *k, int32_t kind, double now)
{
    for (int32_t i = 0; i < k->ranks; i++) {
        struct local_peer *p = &k->peer[i];
        if (p->fd < 0 || p->gone || p->out_data)
            continue;
        p->told = now;
        local_begin(p, kind, 0, "", 0);
        (void)local_send(p);
    }
}

void local_tell_abort(struct local *k, int32_t status, const char *text)
{
    char told[LOCAL_RANKS_MAX] = {0};
    int left = 1;
    for (double end = local_seconds() + PARTING_SECONDS; left && local_seconds() < end; left ? local_wait(k, 20) : (void)0) {
        left = 0;
        for (int32_t i = 0; i < k->ranks; i++) {
            struct local_peer *p = &k->peer[i];
            if (p->fd < 0 || p->gone || told[i] == 2)
                continue;
            if ((!p->out_data || local_send(p)) && !told[i]) {
                local_begin(p, LOCAL_ABORT, status, text, (int64_t)strlen(text));
                told[i] = 1;
                (void)local_send(p);
            }
            told[i] = told[i] && !p->out_data ? 2 : told[i];
            left |= told[i] != 2;
        }
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Place for the content of the frame that comes in, and the bytes it must have; NULL where nobody has asked for it yet. */
static char *local_place(struct local *k, int32_t i)
{
    struct local_peer *p = &k->peer[i];
    if (p->in.kind != LOCAL_DATA)
        return p->text;
    p->next_in = next_message(k, i, 1, p->next_in);
    return p->next_in < k->messages ? k->list[p->next_in].data : NULL;
}

/* Reads at most `bytes`: 1 when all are there, 0 when not yet, -1 when the peer is gone. */
static int local_take(struct local_peer *p, char *to, int64_t from, int64_t bytes)
{
    while (p->in_done - from < bytes) {
        ssize_t n = recv(p->fd, to + (p->in_done - from), (size_t)(bytes - (p->in_done - from)), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return 0;
        if (n <= 0)
            return -1;
        p->in_done += n;
        p->heard = local_seconds();
    }
    return 1;
}

static int local_frame(struct local *k, struct tess_context *ctx, int32_t i)
{
    struct local_peer *p = &k->peer[i];
    if (p->in.kind == LOCAL_LEAVE)
        p->left = 1;
    if (p->in.kind == LOCAL_ABORT) { /* passed on: whoever sees this process end knows why before */
        p->text[p->in.bytes < LOCAL_TEXT ? p->in.bytes : LOCAL_TEXT - 1] = '\0';
        local_tell_abort(k, p->in.status, p->text);
        return ctx->fail(ctx, p->in.status < 0 ? p->in.status : TESS_E_FAILED, "%s", p->text);
    }
    p->next_in += p->in.kind == LOCAL_DATA;
    p->in_done = 0;
    return TESS_OK;
}

static int local_read(struct local *k, struct tess_context *ctx, int32_t i)
{
    const int64_t head = (int64_t)sizeof(struct local_header);
    struct local_peer *p = &k->peer[i];
    for (;;) {
        int there = p->in_done < head ? local_take(p, (char *)&p->in, 0, head) : 1;
        char *to = there == 1 ? local_place(k, i) : NULL;
        if (to) {
            int64_t wanted = p->in.kind == LOCAL_DATA ? k->list[p->next_in].bytes : p->in.bytes;
            if (p->in.bytes != wanted || (p->in.kind != LOCAL_DATA && wanted > LOCAL_TEXT))
                return ctx->fail(ctx, TESS_E_INTERNAL, "rank %d (%s): wanted a message of %lld bytes, found one of %lld", (int)i, k->host,
                                 (long long)wanted, (long long)p->in.bytes);
            there = local_take(p, to, head, wanted);
        }
        if (there < 0) {
            p->gone = 1;
            return TESS_OK;
        }
        if (there == 0 || !to)
            return TESS_OK;
        TESS_TRY(local_frame(k, ctx, i));
    }
}

/* ---- both ---------------------------------------------------------------------------------------------------------- */

/* A peer that is dead or silent, found after all there was to read has been read; others are told, who may not have noticed. */
static int local_check(struct local *k, struct tess_context *ctx, int32_t i, double now)
{
    const struct local_peer *p = &k->peer[i];
    char text[LOCAL_TEXT];
    int waits = p->out_data || next_message(k, i, 0, p->next_out) < k->messages || next_message(k, i, 1, p->next_in) < k->messages;
    int unread = p->in_done >= (int64_t)sizeof p->in;
    if (p->gone && (!p->left || waits))
        snprintf(text, sizeof text, "rank %d (%s): its process has ended", (int)i, k->host);
    else if (!p->gone && !p->left && !unread && now - p->heard > k->silence)
        snprintf(text, sizeof text, "rank %d (%s): nothing was heard of it for %.0f s; it hangs, or its machine does", (int)i, k->host,
                 now - p->heard);
    else
        return TESS_OK;
    local_tell_abort(k, TESS_E_FAILED, text);
    return ctx->fail(ctx, TESS_E_FAILED, "%s", text);
}

/* Time in which this process did not look, as it was stopped or its machine slept, is nobody's silence. */
static void local_look(struct local *k, double now)
{
    double away = k->looked > 0.0 ? now - k->looked - LOOK_SECONDS : 0.0;
    for (int32_t i = 0; away > 0.0 && i < k->ranks; i++)
        k->peer[i].heard += away;
    k->looked = now;
}

int local_pump(struct local *k, struct tess_context *ctx)
{
    local_look(k, local_seconds());
    if (atomic_load(&k->aborting)) {
        char text[LOCAL_TEXT + 100];
        snprintf(text, sizeof text, "rank %d (%s): %s", (int)k->rank, k->host, k->reason);
        local_tell_abort(k, k->abort_status, text);
        return ctx->fail(ctx, k->abort_status < 0 ? k->abort_status : TESS_E_FAILED, "%s", k->reason);
    }
    for (int32_t i = 0; i < k->ranks; i++)
        if (k->peer[i].fd >= 0 && !k->peer[i].gone) {
            local_write(k, i);
            TESS_TRY(local_read(k, ctx, i));
        }
    double now = local_seconds();
    for (int32_t i = 0; i < k->ranks; i++) {
        struct local_peer *p = &k->peer[i];
        if (i == k->rank)
            continue;
        TESS_TRY(local_check(k, ctx, i, now));
        if (!p->gone && !p->out_data && now - p->told >= ALIVE_SECONDS) {
            p->told = now;
            local_begin(p, LOCAL_ALIVE, 0, "", 0);
            (void)local_send(p);
        }
    }
    return TESS_OK;
}

void local_wait(const struct local *k, int milliseconds)
{
    struct pollfd list[LOCAL_RANKS_MAX];
    nfds_t n = 0;
    for (int32_t i = 0; i < k->ranks; i++) {
        const struct local_peer *p = &k->peer[i];
        int unread = p->in_done >= (int64_t)sizeof p->in && p->in.kind == LOCAL_DATA && next_message(k, i, 1, p->next_in) == k->messages;
        short events = (short)((p->out_data ? POLLOUT : 0) | (unread ? 0 : POLLIN));
        if (p->fd >= 0 && !p->gone && events)
            list[n++] = (struct pollfd){.fd = p->fd, .events = events};
    }
    (void)poll(list, n, milliseconds);
}

void local_drain(struct local *k, double seconds)
{
    char nothing[4096];
    for (int32_t i = 0; i < k->ranks; i++)
        if (k->peer[i].fd >= 0)
            (void)shutdown(k->peer[i].fd, SHUT_WR);
    double end = local_seconds() + seconds;
    for (int32_t i = 0; i < k->ranks; i++) {
        struct pollfd one = {.fd = k->peer[i].fd, .events = POLLIN};
        for (ssize_t n = 1; one.fd >= 0 && n > 0 && local_seconds() < end;)
            n = poll(&one, 1, 100) > 0 ? recv(one.fd, nothing, sizeof nothing, MSG_DONTWAIT) : 1;
    }
}
