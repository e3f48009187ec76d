/* Starting ranks, and noticing that this process is one. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/ranks.h"
#include "core/base/clock.h"
#include "core/base/inject.h"
#include "core/base/text.h"
#include "core/base/workers.h"
#include "core/host/runtime.h"
#include "core/ranks/ranks_watch.h"
#include "kit/ranks/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARTING_SECONDS 15.0   /* time in which ranks end once rank 0 has */
#define RANKS_NAME 100         /* bytes of a rank's name */
#define HANG_PARTING_SECONDS 3 /* time in which rank 0 hears of a rank that hangs */

/* ---- a launcher's ranks -------------------------------------------------------------------------------------------- */

/* 1 for a task of srun's, one of several, that was told of no other: each would run the whole. */
static int ranks_strayed(void)
{
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS");
    return tasks && atoi(tasks) > 1 && getenv("SLURM_PROCID");
}

/* A process of an allocation of several tasks that nobody started as a rank. */
static void ranks_tell_alone(const struct cli_globals *g)
{
    const char *tasks = getenv("SLURM_NTASKS"), *id = getenv("SLURM_JOB_ID");
    if (tasks && id && atoi(tasks) > 1 && g->level > TESSI_QUIET)
        fprintf(stderr,
                "note: job %s has %s tasks, and this process runs alone; `srun` or `mpirun` before the command starts all of them\n",
                cli_shown(id), cli_shown(tasks));
}

/* ---- ranks on this machine ----------------------------------------------------------------------------------------- */

struct mesh {
    int n;
    int fd[CLI_RANKS_MAX][CLI_RANKS_MAX]; /* fd[a][b]: end of rank a of the socket to rank b */
};

static int mesh_open(struct tess_context *ctx, struct mesh *m, int n)
{
    m->n = n;
    for (int a = 0; a < n; a++) {
        m->fd[a][a] = -1;
        for (int b = 0; b < a; b++) {
            int pair[2];
            if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
                return ctx->fail(ctx, TESS_E_IO, "%d ranks need %d sockets, and there are no more: %s; see `ulimit -n`", n, n * (n - 1),
                                 strerror(errno));
            m->fd[a][b] = pair[0];
            m->fd[b][a] = pair[1];
        }
    }
    return TESS_OK;
}

/* Closes the ends of all other ranks. */
static void mesh_keep(const struct mesh *m, int rank)
{
    for (int a = 0; a < m->n; a++)
        for (int b = 0; b < m->n; b++)
            if (a != b && a != rank)
                (void)close(m->fd[a][b]);
}

static void ranks_describe(const struct mesh *m, int rank, struct cli_options *w, struct cli_ranks *ranks)
{
    snprintf(ranks->config, sizeof ranks->config, "{use: local, rank: %d, sockets: \"", rank);
    for (int b = 0; b < m->n; b++)
        tessi_base_add(ranks->config, sizeof ranks->config, "%s%d", b ? " " : "", m->fd[rank][b]);
    tessi_base_add(ranks->config, sizeof ranks->config, "\"}");
    w->transport = ranks->config;
}

/* A rank that rank 0 has started: it ends with rank 0, and says nothing. */
static void ranks_become(const struct mesh *m, int rank, struct cli_options *w, struct cli_ranks *ranks)
{
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(nowhere, STDIN_FILENO);
    (void)dup2(nowhere, STDOUT_FILENO);
    char plan[40]; /* trouble in TESSERA_INJECT is planned for rank 0 */
    snprintf(plan, sizeof plan, "TESSERA_INJECT_%d", rank);
    (void)tessi_base_inject_plan(getenv(plan));
    ranks->count = 0;
    mesh_keep(m, rank);
    ranks_describe(m, rank, w, ranks);
}

static int ranks_fork(struct tess_context *ctx, struct cli_globals *g, struct cli_options *w, struct cli_ranks *ranks)
{
    static struct mesh m;
    int n = (int)w->ranks, threads = tessi_base_processors() / n;
    TESS_TRY(mesh_open(ctx, &m, n));
    if (g->threads == 0)
        g->threads = threads > 1 ? threads : 1;
    (void)fflush(NULL);
    ranks->count = 1;
    for (int rank = 1; rank < n; rank++) {
        pid_t pid = fork();
        if (pid == 0) {
            ranks_become(&m, rank, w, ranks);
            return TESS_OK;
        }
        if (pid < 0) {
            ctx->fail(ctx, TESS_E_MEMORY, "the system starts no process for rank %d of %d: %s; see `ulimit -u`", rank, n, strerror(errno));
            cli_ranks_ended(ctx, ranks);
            return TESS_E_MEMORY;
        }
        ranks->pid[ranks->count++] = pid;
        tessi_base_signals_child(pid, 1);
    }
    mesh_keep(&m, 0);
    ranks_describe(&m, 0, w, ranks);
    return TESS_OK;
}

int cli_ranks_start(struct tess_context *ctx, struct cli_globals *g, struct cli_options *w, struct cli_ranks *ranks)
{
    if (launcher_ranks() > 1) { /* this process is one of several */
        if (w->ranks > 1)
            return ctx->fail(ctx, TESS_E_USAGE, "--ranks %d under mpirun: the ranks are mpirun's; leave out one of the two", (int)w->ranks);
        w->transport = w->transport ? w->transport : "mpi";
        return TESS_OK;
    }
    if (w->ranks > 1 && w->transport)
        return ctx->fail(ctx, TESS_E_USAGE,
                         "--ranks starts ranks over a transport of its own; leave out --transport, or start them otherwise");
    if (ranks_strayed() && w->ranks <= 1 && !w->transport)
        return ctx->fail(ctx, TESS_E_USAGE,
                         "srun started %s of these, and none as a rank of MPI; `srun --mpi=pmix` does for Open MPI, `--mpi=pmi2` for MPICH "
                         "(`srun --mpi=list` says what this Slurm has)",
                         getenv("SLURM_STEP_NUM_TASKS"));
    ranks_tell_alone(g);
    return w->ranks > 1 ? ranks_fork(ctx, g, w, ranks) : TESS_OK;
}

/* Name of this process among a launcher's, before the ranks have met. */
static const char *ranks_name(char text[RANKS_NAME])
{
    char host[64] = "";
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "a machine");
    snprintf(text, RANKS_NAME, "rank %d (%s)", launcher_rank(), host);
    return text;
}

static void ranks_late(int status, const char *message)
{
    char name[RANKS_NAME];
    fprintf(stderr, "tessera: %s: %s\n", cli_shown(ranks_name(name)), message);
    _exit(tessi_base_exit_code(status));
}

int cli_ranks_join(struct tess_context *ctx, struct tessi_runtime *r, const struct cli_options *w)
{
    const struct tessi_ranks_joining joining = {.patience = (double)w->patience, .late = ranks_late};
    char name[RANKS_NAME];
    if (!w->transport)
        return TESS_OK;
    if (strcmp(w->transport, "mpi") == 0 && !tessi_plug_registry_find(r->registry, "transport/1", "mpi", NULL))
        return ctx->fail(
            ctx, TESS_E_USAGE,
            "%s: the ranks are to be joined by MPI, and the tessera here has none: install one (on Debian `libopenmpi-dev openmpi-bin`, "
            "or `libmpich-dev mpich`), and configure and build again; on one machine `--ranks N` needs none",
            ranks_name(name));
    return tessi_host_runtime_join(ctx, r, w->transport, &joining);
}

/* The end of a rank whose work hangs, by another thread than that. Rank 0 has the terminal; the others leave it time to hear why, as some
 * launchers end all ranks when one is gone. */
static void ranks_hang(void *user, const char *message)
{
    const struct tessi_ranks *ranks = user;
    if (tessi_ranks_rank(ranks) == 0)
        fprintf(stderr, "tessera: rank 0 (%s): %s; the last checkpoint is whole, the same command resumes\n", tessi_ranks_host(ranks),
                message);
    else
        (void)sleep(HANG_PARTING_SECONDS);
    _exit(tessi_base_exit_code(TESS_E_FAILED));
}

void cli_ranks_watch(struct tessi_ranks *ranks, int64_t patience)
{
    tessi_ranks_watch(ranks, (double)patience, ranks_hang, ranks);
}

/* Waits for one process until `end`, then kills it; *how is how it ended. */
static void ranks_wait(pid_t pid, double end, int *how)
{
    pid_t ended = 0;
    while ((ended = waitpid(pid, how, WNOHANG)) == 0 && tessi_base_seconds() < end)
        (void)usleep(5000);
    if (ended == 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, how, 0);
        *how = 0; /* it is we who killed it */
    }
    tessi_base_signals_child(pid, 0);
}

void cli_ranks_ended(struct tess_context *ctx, struct cli_ranks *ranks)
{
    double end = tessi_base_seconds() + PARTING_SECONDS;
    int told = 0;
    for (int rank = 1; rank < ranks->count; rank++) {
        int how = 0;
        ranks_wait(ranks->pid[rank], end, &how);
        if (WIFSIGNALED(how) && !told++)
            tess_append_message(ctx, " (rank %d was killed by signal %d, %s)", rank, WTERMSIG(how), strsignal(WTERMSIG(how)));
    }
    ranks->count = 0;
}
