/* Ranks of a run: those that a launcher has started, or that `--ranks` starts here. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_RANKS_H
#define TESSI_CLI_RANKS_H

#include "cli/plan.h"

#include <sys/types.h>

struct tessi_ranks;
struct tessi_runtime;

enum { CLI_RANKS_MAX = 64 };

/* Processes that --ranks has started, on the process that did. */
struct cli_ranks {
    int count; /* ranks with this one; 0: none were started here */
    pid_t pid[CLI_RANKS_MAX];
    char config[1200]; /* text of w->transport */
};

/* Finds whether this process is a rank, of MPI or of --ranks, and sets w->transport. With --ranks the other ranks are forked: this returns
 * in each of them, which have no terminal, and no output. Before there are threads. */
int cli_ranks_start(struct tess_context *ctx, struct cli_globals *g, struct cli_options *w, struct cli_ranks *ranks) TESS_CHECKED;
/* Joins the ranks over w->transport; does nothing where that is NULL. */
int cli_ranks_join(struct tess_context *ctx, struct tessi_runtime *r, const struct cli_options *w) TESS_CHECKED;
/* Has the run end where the work of this rank stands still for `patience` seconds; 0: never. Once the ranks are joined; NULL is fine. */
void cli_ranks_watch(struct tessi_ranks *ranks, int64_t patience);
/* Waits for the processes that were started, kills those that do not end, and adds to a message the reason why one ended early. */
void cli_ranks_ended(struct tess_context *ctx, struct cli_ranks *ranks);

#endif
