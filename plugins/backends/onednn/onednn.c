/* backend/1 `onednn`, as it is listed; onednn_kernels.c is what it does, and is loaded with oneDNN when it is to do it.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/backend/backend_table.h"

static const struct tess_backend_1 ops = {.size = sizeof ops, .preference = ONEDNN_PREFERENCE};

ONEDNN_PLUGIN(0, NULL, NULL, "onednn");
