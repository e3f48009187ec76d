/* The description of transport/1 `mpi`, stated alike by its plugin and by the file with its functions. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_TRANSPORTS_MPI_MPI_TABLE_H
#define PLUGINS_TRANSPORTS_MPI_MPI_TABLE_H

#include <tessera/kind/transport.h>
#include <tessera/plugin.h>

struct mpi;
struct mpi_options {
    double silence;
    struct mpi *k; /* made by open */
};

static const struct tess_param params[] = {{.name = "silence",
                                            .help = "seconds without a sign of life after which a rank is given up",
                                            .type = TESS_F64,
                                            .offset = offsetof(struct mpi_options, silence),
                                            .lo = 2,
                                            .hi = 3600,
                                            .def = 40},
                                           {.name = NULL}};

#define MPI_PLUGIN(open, close, module, settings)                                                                                          \
    TESS_PLUGIN("tessera-transport-mpi", "0.1.0", "MIT", TESS_NEEDS_NONE,                                                                  \
                TESS_COMPONENT_WITH("mpi", "transport/1", "ranks that mpirun or srun has started, over MPI", sizeof(struct mpi_options),   \
                                    params, open, close, &ops, NULL, module, settings,                                                     \
                                    "Message Passing Interface Forum, MPI: A Message-Passing Interface Standard, Version 3.1, 2015",       \
                                    "transport: mpi"))

#endif
