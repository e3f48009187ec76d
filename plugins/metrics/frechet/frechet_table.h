/* Table of metric/1 `frechet`, shared by its listing and its library. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_METRICS_FRECHET_FRECHET_TABLE_H
#define PLUGINS_METRICS_FRECHET_FRECHET_TABLE_H

#include <tessera/kind/metric.h>
#include <tessera/plugin.h>

#define FRECHET_PROTOCOL "covariance over n - 1; trace of the root by singular values"

/* The plugin's own file has the row with `module`, the library's file the functions (<tessera/plugin.h>). OpenBLAS is a pool of threads
 * unless it is told otherwise when it is loaded. */
#define FRECHET_PLUGIN(table, module, settings)                                                                                            \
    TESS_PLUGIN(                                                                                                                           \
        "tessera-frechet", "0.3.0", "MIT", TESS_NEEDS_NONE,                                                                                \
        TESS_COMPONENT_WITH("frechet", "metric/1", "Fréchet distance of two sets of features, as of normal distributions", 0, NULL, NULL,  \
                            NULL, table, NULL, module, settings,                                                                           \
                            "Dowson and Landau, \"The Fréchet Distance between Multivariate Normal Distributions\", 1982; Heusel et al., " \
                            "\"GANs Trained by a Two Time-Scale Update Rule\", 2017",                                                      \
                            "metrics: [frechet]"))

#endif
