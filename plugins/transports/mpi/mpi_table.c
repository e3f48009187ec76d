/* Listing of transport/1 `mpi`. Its functions are in mpi_transport.c, which is loaded with MPI when ranks are joined.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/transports/mpi/mpi_table.h"

static const struct tess_transport_1 ops = {.size = sizeof ops};

/* UCX, which MPICH and some builds of Open MPI are on, takes SIGHUP and signals of errors for itself as it is loaded; a hangup is a request
 * to stop here. */
static const char *const settings[] = {"UCX_DEBUG_SIGNO=0", "UCX_HANDLE_ERRORS=none", NULL};

MPI_PLUGIN(NULL, NULL, "mpi", settings);
