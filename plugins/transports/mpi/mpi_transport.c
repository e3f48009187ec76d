/* transport/1 `mpi`: messages between the ranks that mpirun or srun has started.
 *
 * MPI is initialised, called and finalised by one thread, the host's carrier, so the least level of threads but one is enough. Calls do not
 * block within MPI: requests are tested, and between two tests the thread yields and then sleeps, as a rank often has one core for its
 * carrier and its work. Signs of life and aborts are messages of their own on a second communicator; MPI alone would wait for ever for a
 * rank that hangs. Sums are never MPI's (MPI_Allreduce): their order is the library's own. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "kit/ranks/launcher.h"
#include "plugins/transports/mpi/mpi_table.h"

#include <mpi.h>

#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* MPICH declares that statuses are written, and MPI_STATUSES_IGNORE is no memory. */
#pragma GCC diagnostic ignored "-Wstringop-overflow"

#define ALIVE_SECONDS 2.0   /* time between two signs of life */
#define LOOK_SECONDS 1.0    /* longest time between two looks that counts as silence */
#define PARTING_SECONDS 3.0 /* time in which an abort is told to peers */
#define PIECE (1 << 30)     /* largest message: MPI counts bytes by int */
#ifdef OPEN_MPI
#define LAUNCHER "mpirun.openmpi"
#else
#define LAUNCHER "mpirun.mpich"
#endif

enum { TAG_ALIVE = 1, TAG_ABORT = 2, TEXT = 1024 };

struct parting { /* message of an abort */
    int32_t status;
    char text[TEXT];
};

struct mpi_peer {
    double heard;
    MPI_Request alive, abort;
};

struct mpi {
    MPI_Comm data, talk;
    int rank, ranks;
    char host[64], (*hosts)[64]; /* names of the machines of all ranks */
    double told, looked;         /* times of the last sign of life, and of the last look; 0: none yet */
    struct mpi_peer *peer;
    MPI_Request alive, abort; /* receives from any rank */
    char beat;
    struct parting in, out;
    MPI_Request *request;
    int64_t request_capacity;
    atomic_int aborting; /* 1: `reason` and `status` are complete */
    int32_t status;
    char reason[TEXT - 100];
};

static double mpi_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- joining ------------------------------------------------------------------------------------------------------- */

static int mpi_failed(struct tess_context *ctx, const char *call, int code)
{
    char text[MPI_MAX_ERROR_STRING + 1] = "";
    int length = 0;
    (void)MPI_Error_string(code, text, &length);
    return ctx->fail(ctx, TESS_E_FAILED, "%s failed: %s", call, text);
}

#define MPI_TRY(call)                                                                                                                      \
    do {                                                                                                                                   \
        int code_ = (call);                                                                                                                \
        if (code_ != MPI_SUCCESS)                                                                                                          \
            return mpi_failed(ctx, #call, code_);                                                                                          \
    } while (0)

/* A process that MPI finds alone: each of several would run the whole pipeline. The launcher of another MPI than this one leaves such. */
static int mpi_alone(struct tess_context *ctx)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0, launched = launcher_ranks();
    if (launched == 1)
        return TESS_OK;
    (void)MPI_Get_library_version(version, &length);
    version[strcspn(version, ",\n")] = '\0';
    for (char *tab = version; (tab = strchr(tab, '\t')) != NULL;)
        *tab = ' ';
    (void)MPI_Finalize();
    if (launched > 1)
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "a launcher started %d processes, and this MPI (%s) finds each of them alone: the launcher is that of another MPI; "
            "start them with this one's, on Debian `" LAUNCHER " -n %d`",
            launched, version, launched);
    return ctx->fail(ctx, TESS_E_VALUE, "no launcher started this process as a rank; `" LAUNCHER " -n N` before the command does (%s)",
                     version);
}

static int mpi_open_talk(struct mpi *k, struct tess_context *ctx)
{
    void *memory;
    MPI_TRY(MPI_Comm_dup(MPI_COMM_WORLD, &k->data));
    MPI_TRY(MPI_Comm_dup(MPI_COMM_WORLD, &k->talk));
    MPI_TRY(MPI_Comm_set_errhandler(k->data, MPI_ERRORS_RETURN));
    MPI_TRY(MPI_Comm_set_errhandler(k->talk, MPI_ERRORS_RETURN));
    MPI_TRY(MPI_Comm_rank(k->data, &k->rank));
    MPI_TRY(MPI_Comm_size(k->data, &k->ranks));
    TESS_TRY(tess_alloc(ctx, (size_t)k->ranks * sizeof *k->peer, "ranks", &memory));
    k->peer = memory;
    TESS_TRY(tess_alloc(ctx, (size_t)k->ranks * sizeof *k->hosts, "ranks", &memory));
    k->hosts = memory;
    MPI_TRY(MPI_Allgather(k->host, sizeof k->host, MPI_BYTE, k->hosts, sizeof k->host, MPI_BYTE, k->data));
    for (int i = 0; i < k->ranks; i++)
        k->peer[i] = (struct mpi_peer){.heard = mpi_seconds(), .alive = MPI_REQUEST_NULL, .abort = MPI_REQUEST_NULL};
    MPI_TRY(MPI_Irecv(&k->beat, 1, MPI_BYTE, MPI_ANY_SOURCE, TAG_ALIVE, k->talk, &k->alive));
    MPI_TRY(MPI_Irecv(&k->in, sizeof k->in, MPI_BYTE, MPI_ANY_SOURCE, TAG_ABORT, k->talk, &k->abort));
    return TESS_OK;
}

static int mpi_join(void *self, struct tess_context *ctx, struct tess_ranks_place *out)
{
    struct mpi *k = ((struct mpi_options *)self)->k;
    int there = 0, level = 0;
    (void)MPI_Initialized(&there);
    if (there)
        return ctx->fail(ctx, TESS_E_INTERNAL, "MPI is at work in this process already");
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level) != MPI_SUCCESS)
        return ctx->fail(ctx, TESS_E_FAILED, "MPI cannot be initialised");
    if (level < MPI_THREAD_SERIALIZED)
        return ctx->fail(ctx, TESS_E_PLUGIN, "this MPI was built without threads; tessera needs one with MPI_THREAD_SERIALIZED");
    MPI_TRY(MPI_Comm_size(MPI_COMM_WORLD, &k->ranks));
    if (k->ranks == 1)
        TESS_TRY(mpi_alone(ctx));
    if (gethostname(k->host, sizeof k->host) != 0)
        snprintf(k->host, sizeof k->host, "a machine");
    k->host[sizeof k->host - 1] = '\0';
    TESS_TRY(mpi_open_talk(k, ctx));
    out->rank = k->rank;
    out->ranks = k->ranks;
    memcpy(out->host, k->host, sizeof out->host);
    return TESS_OK;
}

/* ---- signs of life and aborts -------------------------------------------------------------------------------------- */

/* Tells all peers that the run ends, and waits a little for the messages to go out. */
static void mpi_tell_abort(struct mpi *k, int32_t status, const char *text)
{
    int through = 0;
    k->out.status = status;
    snprintf(k->out.text, sizeof k->out.text, "%s", text);
    for (int i = 0; i < k->ranks; i++)
        if (i != k->rank)
            (void)MPI_Isend(&k->out, sizeof k->out, MPI_BYTE, i, TAG_ABORT, k->talk, &k->peer[i].abort);
    for (double end = mpi_seconds() + PARTING_SECONDS; !through && mpi_seconds() < end;) {
        through = 1;
        for (int i = 0; i < k->ranks; i++) {
            int sent = 1;
            if (k->peer[i].abort != MPI_REQUEST_NULL)
                (void)MPI_Test(&k->peer[i].abort, &sent, MPI_STATUS_IGNORE);
            through &= sent;
        }
    }
}

static int mpi_hear(struct mpi *k, struct tess_context *ctx, double now)
{
    MPI_Status from;
    for (int there = 1; there;) {
        MPI_TRY(MPI_Test(&k->alive, &there, &from));
        if (!there)
            break;
        k->peer[from.MPI_SOURCE].heard = now;
        MPI_TRY(MPI_Irecv(&k->beat, 1, MPI_BYTE, MPI_ANY_SOURCE, TAG_ALIVE, k->talk, &k->alive));
    }
    int told = 0;
    MPI_TRY(MPI_Test(&k->abort, &told, &from));
    if (!told)
        return TESS_OK;
    k->in.text[TEXT - 1] = '\0';
    return ctx->fail(ctx, k->in.status < 0 ? k->in.status : TESS_E_FAILED, "%s", k->in.text);
}

static int mpi_tell(struct mpi *k, struct tess_context *ctx, double now)
{
    if (now - k->told < ALIVE_SECONDS)
        return TESS_OK;
    k->told = now;
    for (int i = 0; i < k->ranks; i++) {
        int through = 1;
        if (i == k->rank)
            continue;
        if (k->peer[i].alive != MPI_REQUEST_NULL)
            MPI_TRY(MPI_Test(&k->peer[i].alive, &through, MPI_STATUS_IGNORE));
        if (through)
            MPI_TRY(MPI_Isend(&k->beat, 1, MPI_BYTE, i, TAG_ALIVE, k->talk, &k->peer[i].alive));
    }
    return TESS_OK;
}

/* Time in which this process did not look, as it was stopped or its machine slept, is nobody's silence. */
static void mpi_look(struct mpi *k, double now)
{
    double away = k->looked > 0.0 ? now - k->looked - LOOK_SECONDS : 0.0;
    for (int i = 0; away > 0.0 && i < k->ranks; i++)
        k->peer[i].heard += away;
    k->looked = now;
}

/* Tells and hears; fails where the run is to end. */
static int mpi_pump(struct mpi *k, struct tess_context *ctx, double silence)
{
    char text[TEXT];
    if (atomic_load(&k->aborting)) {
        snprintf(text, sizeof text, "rank %d (%s): %s", k->rank, k->host, k->reason);
        mpi_tell_abort(k, k->status, text);
        return ctx->fail(ctx, k->status < 0 ? k->status : TESS_E_FAILED, "%s", k->reason);
    }
    double now = mpi_seconds();
    mpi_look(k, now);
    TESS_TRY(mpi_tell(k, ctx, now));
    TESS_TRY(mpi_hear(k, ctx, now));
    for (int i = 0; i < k->ranks; i++) {
        if (i == k->rank || now - k->peer[i].heard <= silence)
            continue;
        snprintf(text, sizeof text, "rank %d (%s): nothing was heard of it for %.0f s; it hangs, or its machine does", i, k->hosts[i],
                 now - k->peer[i].heard);
        mpi_tell_abort(k, TESS_E_FAILED, text);
        return ctx->fail(ctx, TESS_E_FAILED, "%s", text);
    }
    return TESS_OK;
}

/* Tests requests until all are complete. A rank whose messages come soon is not left to sleep. */
static int mpi_complete(struct mpi_options *o, struct tess_context *ctx, int n, MPI_Request *request, double end)
{
    int there = 0;
    for (int64_t turn = 0;; turn++) {
        if (turn % 64 == 63 || atomic_load(&o->k->aborting))
            TESS_TRY(mpi_pump(o->k, ctx, o->silence));
        MPI_TRY(MPI_Testall(n, request, &there, MPI_STATUSES_IGNORE));
        if (there)
            return TESS_OK;
        if (end > 0.0 && mpi_seconds() > end)
            return ctx->fail(ctx, TESS_E_FAILED, "rank %d (%s): others did not come to the barrier in time", o->k->rank, o->k->host);
        if (turn < 200)
            sched_yield();
        else
            nanosleep(&(struct timespec){.tv_nsec = turn < 2000 ? 20000 : 200000}, NULL);
    }
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

static int mpi_exchange(void *self, struct tess_context *ctx, const struct tess_message *message, int64_t n)
{
    struct mpi *k = ((struct mpi_options *)self)->k;
    int64_t used = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t at = 0; at < message[i].bytes || at == 0; at += PIECE) {
            int64_t left = message[i].bytes - at;
            int bytes = (int)(left < PIECE ? left : PIECE);
            char *data = (char *)message[i].data + at;
            TESS_TRY(tess_reserve(ctx, &k->request, &k->request_capacity, used + 1, sizeof *k->request, "messages"));
            MPI_TRY(message[i].receives ? MPI_Irecv(data, bytes, MPI_BYTE, message[i].peer, 0, k->data, &k->request[used])
                                        : MPI_Isend(data, bytes, MPI_BYTE, message[i].peer, 0, k->data, &k->request[used]));
            used++;
        }
    return mpi_complete(self, ctx, (int)used, k->request, 0.0);
}

static int mpi_broadcast(void *self, struct tess_context *ctx, int32_t root, void *data, int64_t bytes)
{
    struct mpi *k = ((struct mpi_options *)self)->k;
    MPI_Request request;
    for (int64_t at = 0; at < bytes; at += PIECE) {
        int64_t left = bytes - at;
        MPI_TRY(MPI_Ibcast((char *)data + at, (int)(left < PIECE ? left : PIECE), MPI_BYTE, root, k->data, &request));
        TESS_TRY(mpi_complete(self, ctx, 1, &request, 0.0));
    }
    return TESS_OK;
}

static int mpi_barrier(void *self, struct tess_context *ctx, double seconds)
{
    struct mpi *k = ((struct mpi_options *)self)->k;
    MPI_Request request;
    MPI_TRY(MPI_Ibarrier(k->data, &request));
    return mpi_complete(self, ctx, 1, &request, seconds > 0.0 ? mpi_seconds() + seconds : 0.0);
}

static int mpi_alive(void *self, struct tess_context *ctx)
{
    return mpi_pump(((struct mpi_options *)self)->k, ctx, ((struct mpi_options *)self)->silence);
}

static void mpi_abort(void *self, int32_t status, const char *reason)
{
    struct mpi *k = ((struct mpi_options *)self)->k;
    snprintf(k->reason, sizeof k->reason, "%s", reason);
    k->status = status;
    atomic_store(&k->aborting, 1);
}

/* After a failure MPI is not finalised, as that waits for ranks that may be dead: the launcher ends those that are left when the first
 * process ends, with its status. So that rank 0, which alone tells the reason, is not ended before it has, the others leave time for that.
 */
static void mpi_leave(void *self, int32_t status)
{
    struct mpi *k = ((struct mpi_options *)self)->k;
    if (status != TESS_OK) {
        if (k->rank != 0)
            (void)sleep((unsigned)PARTING_SECONDS);
        return;
    }
    MPI_Request all;
    if (MPI_Ibarrier(k->data, &all) == MPI_SUCCESS) /* nobody's signs of life are left on their way */
        (void)MPI_Wait(&all, MPI_STATUS_IGNORE);
    (void)MPI_Cancel(&k->alive);
    (void)MPI_Wait(&k->alive, MPI_STATUS_IGNORE);
    (void)MPI_Cancel(&k->abort);
    (void)MPI_Wait(&k->abort, MPI_STATUS_IGNORE);
    (void)MPI_Finalize();
}

static int mpi_open(void *self, struct tess_context *ctx)
{
    struct mpi_options *o = self;
    void *memory;
    TESS_TRY(tess_alloc(ctx, sizeof *o->k, "MPI", &memory));
    o->k = memory;
    return TESS_OK;
}

static void mpi_close(void *self)
{
    struct mpi_options *o = self;
    if (!o->k)
        return;
    tess_free(o->k->peer);
    tess_free(o->k->hosts);
    tess_free(o->k->request);
    tess_free(o->k);
    o->k = NULL;
}

static const struct tess_transport_1 ops = {.size = sizeof ops,
                                            .join = mpi_join,
                                            .exchange = mpi_exchange,
                                            .broadcast = mpi_broadcast,
                                            .barrier = mpi_barrier,
                                            .alive = mpi_alive,
                                            .abort = mpi_abort,
                                            .leave = mpi_leave};

MPI_PLUGIN(mpi_open, mpi_close, NULL, NULL);
