/* metric/1 `frechet`: the row of the plugin's table; its functions are in libraries/frechet.so. SPDX-License-Identifier: MIT */
#include "plugins/metrics/frechet/frechet_table.h"

static const struct tess_metric_1 known = {.size = sizeof known, .wants = TESS_METRIC_FEATURES, .protocol = FRECHET_PROTOCOL};
static const char *const settings[] = {"OPENBLAS_NUM_THREADS=1", NULL};

FRECHET_PLUGIN(&known, "frechet", settings);
