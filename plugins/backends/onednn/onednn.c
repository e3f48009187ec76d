/* Listing of backend/1 `onednn`. Its functions are in onednn_kernels.c, which is loaded with oneDNN when the backend is used.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/backend/backend_table.h"

static const struct tess_backend_1 ops = {.size = sizeof ops, .preference = ONEDNN_PREFERENCE};

ONEDNN_PLUGIN(0, NULL, NULL, "onednn");
