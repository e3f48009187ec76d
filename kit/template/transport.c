/* transport/1 `template-name`: ranks that meet in a folder which all of them see, on one machine or on several. A message is a file,
 * FROM-TO-NUMBER, written aside and renamed, so it is there whole or not at all; whoever has read it removes it. Slow beside a network, and
 * as simple as a transport gets.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <tessera/kind/transport.h>
#include <tessera/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RANKS_MAX = 64, PATH_LENGTH = 1024, REASON_LENGTH = 400 };

/* Signs of life: a count in a file of each rank. A rank whose count stands still too long is given up. */
struct peer {
    int64_t sent, received; /* messages so far */
    long life;              /* count last seen; -1: it has left */
    double heard;           /* when it changed, on this machine's clock */
};

struct template_name {
    const char *folder; /* parameters, filled by the host from the table below */
    int64_t rank, ranks;
    double silence;
    long life;
    double told;
    char host[64];
    struct peer peer[RANKS_MAX];
};

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void pause_shortly(void)
{
    const struct timespec t = {0, 1000000};
    (void)nanosleep(&t, NULL);
}

/* Writes a file aside and renames it; 0 when it is there, else errno. */
static int write_whole(const char *path, const void *data, size_t bytes)
{
    char aside[PATH_LENGTH + 32];
    snprintf(aside, sizeof aside, "%s.%ld.part", path, (long)getpid());
    FILE *f = fopen(aside, "wb");
    int whole = f && fwrite(data, 1, bytes, f) == bytes;
    if (f)
        whole = fclose(f) == 0 && whole;
    return whole && rename(aside, path) == 0 ? 0 : errno ? errno : EIO;
}

/* Text of a small file, or "" where there is none. */
static void read_text(const char *path, char *text, size_t capacity)
{
    FILE *f = fopen(path, "rb");
    text[f ? fread(text, 1, capacity - 1, f) : 0] = '\0';
    if (f)
        (void)fclose(f);
}

/* Counts on in the file of this rank. */
static int tell_life(struct template_name *k, struct tess_context *ctx, long life)
{
    char path[PATH_LENGTH], text[32];
    snprintf(path, sizeof path, "%s/life-%lld", k->folder, (long long)k->rank);
    int n = snprintf(text, sizeof text, "%ld", life);
    int error = write_whole(path, text, (size_t)n);
    k->told = seconds_now();
    return error == 0 ? TESS_OK : ctx->fail(ctx, TESS_E_IO, "%s: cannot be written: %s; it is where ranks meet", path, strerror(error));
}

/* Fails where a rank, this one or another, has ended the run. */
static int hear_abort(const struct template_name *k, struct tess_context *ctx)
{
    char path[PATH_LENGTH], text[REASON_LENGTH], *reason;
    snprintf(path, sizeof path, "%s/abort", k->folder);
    read_text(path, text, sizeof text);
    long status = strtol(text, &reason, 10);
    return text[0] ? ctx->fail(ctx, status < 0 ? (int)status : TESS_E_FAILED, "%s", reason + (*reason == ' ')) : TESS_OK;
}

static int hear_life(struct template_name *k, struct tess_context *ctx, int64_t i)
{
    char path[PATH_LENGTH], text[32];
    struct peer *p = &k->peer[i];
    snprintf(path, sizeof path, "%s/life-%lld", k->folder, (long long)i);
    read_text(path, text, sizeof text);
    if (text[0] && strtol(text, NULL, 10) != p->life) {
        p->life = strtol(text, NULL, 10);
        p->heard = k->told;
    }
    if (p->life >= 0 && k->told - p->heard > k->silence)
        return ctx->fail(ctx, TESS_E_FAILED, "rank %lld (%s): nothing was heard of it for %.0f s", (long long)i, k->host, k->silence);
    return TESS_OK;
}

/* The part that every wait repeats: says that this rank lives, and fails where another does not. */
static int template_name_alive(void *self, struct tess_context *ctx)
{
    struct template_name *k = (struct template_name *)self;
    TESS_TRY(hear_abort(k, ctx));
    if (seconds_now() - k->told < 0.2)
        return TESS_OK;
    TESS_TRY(tell_life(k, ctx, ++k->life));
    for (int64_t i = 0; i < k->ranks; i++)
        TESS_TRY(hear_life(k, ctx, i));
    return TESS_OK;
}

static void message_path(const struct template_name *k, int64_t from, int64_t to, int64_t number, char *path)
{
    snprintf(path, PATH_LENGTH, "%s/%lld-%lld-%lld", k->folder, (long long)from, (long long)to, (long long)number);
}

static int send_message(struct template_name *k, struct tess_context *ctx, const struct tess_message *m)
{
    char path[PATH_LENGTH];
    TESS_TRY(hear_abort(k, ctx));
    message_path(k, k->rank, m->peer, k->peer[m->peer].sent++, path);
    int error = write_whole(path, m->data, (size_t)m->bytes);
    return error == 0 ? TESS_OK : ctx->fail(ctx, TESS_E_IO, "%s: cannot be written: %s", path, strerror(error));
}

/* Waits for the next message of a peer; `end` is when to give up, 0 for as long as the peers live. */
static int receive_message(struct template_name *k, struct tess_context *ctx, const struct tess_message *m, double end)
{
    char path[PATH_LENGTH];
    FILE *f;
    message_path(k, m->peer, k->rank, k->peer[m->peer].received++, path);
    while (!(f = fopen(path, "rb"))) {
        TESS_TRY(template_name_alive(k, ctx));
        if (end > 0.0 && seconds_now() > end)
            return ctx->fail(ctx, TESS_E_FAILED, "rank %d (%s): it did not come in time", (int)m->peer, k->host);
        pause_shortly();
    }
    int whole = fread(m->data, 1, (size_t)m->bytes, f) == (size_t)m->bytes && fgetc(f) == EOF;
    (void)fclose(f);
    (void)remove(path);
    return whole ? TESS_OK
                 : ctx->fail(ctx, TESS_E_INTERNAL, "rank %d (%s): wanted a message of %lld bytes, found another", (int)m->peer, k->host,
                             (long long)m->bytes);
}

/* All that is sent first: a message needs no reader yet. */
static int template_name_exchange(void *self, struct tess_context *ctx, const struct tess_message *message, int64_t n)
{
    struct template_name *k = (struct template_name *)self;
    for (int64_t i = 0; i < n; i++)
        if (!message[i].receives)
            TESS_TRY(send_message(k, ctx, &message[i]));
    for (int64_t i = 0; i < n; i++)
        if (message[i].receives)
            TESS_TRY(receive_message(k, ctx, &message[i], 0.0));
    return TESS_OK;
}

static int pass_on(struct template_name *k, struct tess_context *ctx, int32_t root, void *data, int64_t bytes, double end)
{
    struct tess_message m = {sizeof m, root, 1, 0, data, bytes};
    if (k->rank != root)
        return receive_message(k, ctx, &m, end);
    for (m.peer = 0; m.peer < k->ranks; m.peer++)
        if (m.peer != root)
            TESS_TRY(send_message(k, ctx, &m));
    return TESS_OK;
}

static int template_name_broadcast(void *self, struct tess_context *ctx, int32_t root, void *data, int64_t bytes)
{
    return pass_on((struct template_name *)self, ctx, root, data, bytes, 0.0);
}

/* A word of each rank to rank 0, then one of rank 0 to each. */
static int template_name_barrier(void *self, struct tess_context *ctx, double seconds)
{
    struct template_name *k = (struct template_name *)self;
    double end = seconds > 0.0 ? seconds_now() + seconds : 0.0;
    char word = 1;
    struct tess_message m = {sizeof m, 0, 1, 0, &word, 1};
    if (k->rank != 0)
        TESS_TRY(send_message(k, ctx, &m));
    for (m.peer = 1; k->rank == 0 && m.peer < k->ranks; m.peer++)
        TESS_TRY(receive_message(k, ctx, &m, end));
    return pass_on(k, ctx, 0, &word, 1, 0.0);
}

static int template_name_join(void *self, struct tess_context *ctx, struct tess_ranks_place *out)
{
    struct template_name *k = (struct template_name *)self;
    char path[PATH_LENGTH], text[32];
    if (k->rank >= k->ranks)
        return ctx->fail(ctx, TESS_E_VALUE, "rank: wanted 0 to ranks - 1 = %lld, found %lld; each process is started with its own",
                         (long long)k->ranks - 1, (long long)k->rank);
    snprintf(path, sizeof path, "%s/life-%lld", k->folder, (long long)k->rank);
    read_text(path, text, sizeof text);
    if (text[0])
        return ctx->fail(ctx, TESS_E_VALUE, "%s is there already: ranks of another run have met in this folder; give an empty one", path);
    if (gethostname(k->host, sizeof k->host - 1) != 0)
        snprintf(k->host, sizeof k->host, "this machine");
    for (int64_t i = 0; i < k->ranks; i++)
        k->peer[i].heard = seconds_now();
    out->rank = (int32_t)k->rank;
    out->ranks = (int32_t)k->ranks;
    memcpy(out->host, k->host, sizeof out->host);
    TESS_TRY(tell_life(k, ctx, k->life = 1));
    return template_name_barrier(k, ctx, k->silence);
}

/* The run's end: peers find the reason in a file. Called by any thread, so it touches nothing that others use. */
static void template_name_abort(void *self, int32_t status, const char *reason)
{
    const struct template_name *k = (const struct template_name *)self;
    char path[PATH_LENGTH], text[REASON_LENGTH];
    int n = snprintf(text, sizeof text, "%d rank %lld (%s): %s", (int)status, (long long)k->rank, k->host, reason);
    snprintf(path, sizeof path, "%s/abort", k->folder);
    (void)write_whole(path, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

/* The count -1 says that this rank needs nothing more. */
static void template_name_leave(void *self, int32_t status)
{
    struct template_name *k = (struct template_name *)self;
    char path[PATH_LENGTH], text[8];
    snprintf(path, sizeof path, "%s/life-%lld", k->folder, (long long)k->rank);
    snprintf(text, sizeof text, "%d", status == TESS_OK ? -1 : -2);
    (void)write_whole(path, text, 2);
}

static const struct tess_transport_1 ops = {sizeof(struct tess_transport_1),
                                            0,
                                            template_name_join,
                                            template_name_exchange,
                                            template_name_broadcast,
                                            template_name_barrier,
                                            template_name_alive,
                                            template_name_abort,
                                            template_name_leave};

static const struct tess_param params[] = {
    TESS_PARAM("folder", struct template_name, folder, TESS_STR, TESS_REQUIRED, 0, 0, 0, NULL, "empty folder that all ranks see"),
    TESS_PARAM_I64(struct template_name, rank, 0, RANKS_MAX - 1, 0, "number of this process"),
    TESS_PARAM_I64(struct template_name, ranks, 1, RANKS_MAX, 2, "number of processes"),
    TESS_PARAM_F64(struct template_name, silence, 1, 3600, 30, "seconds without a sign of life after which a rank is given up"),
    TESS_PARAM_END};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT("template-name", "transport/1", "ranks that meet in a folder", sizeof(struct template_name), params, NULL, NULL,
                           &ops));
