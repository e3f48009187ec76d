/* Listing of backend/1 `openblas`; its functions are in openblas_kernels.c. OpenBLAS starts a thread for each processor when it is loaded,
 * unless it is told otherwise there and then.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/backend/backend_table.h"

static const char *const settings[] = {"OPENBLAS_NUM_THREADS=1", NULL};

static const struct tess_backend_1 ops = {.size = sizeof ops, .preference = OPENBLAS_PREFERENCE};

OPENBLAS_PLUGIN(0, NULL, NULL, "openblas", settings);
