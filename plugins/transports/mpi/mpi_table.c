/* Listing of transport/1 `mpi`. Its functions are in mpi_transport.c, which is loaded with MPI when ranks are joined.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/transports/mpi/mpi_table.h"

static const struct tess_transport_1 ops = {.size = sizeof ops};

MPI_PLUGIN(NULL, NULL, "mpi");
