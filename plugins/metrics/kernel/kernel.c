/* metric/1 `kernel`: the row of the plugin's table; its functions are in libraries/kernel.so. SPDX-License-Identifier: MIT */
#include "plugins/metrics/kernel/kernel_table.h"

static const struct tess_metric_1 known = {.size = sizeof known, .wants = TESS_METRIC_FEATURES, .protocol = KERNEL_PROTOCOL};
static const char *const settings[] = {"OPENBLAS_NUM_THREADS=1", NULL};

KERNEL_PLUGIN(&known, "kernel", settings);
