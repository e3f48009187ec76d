/* Table of metric/1 `kernel`, shared by its listing and its library. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_METRICS_KERNEL_KERNEL_TABLE_H
#define PLUGINS_METRICS_KERNEL_KERNEL_TABLE_H

#include <tessera/kind/metric.h>
#include <tessera/plugin.h>

struct kernel {
    int64_t subsets, subset, seed;
    double gamma;
    int64_t degree;
    double offset;
};

static const struct tess_param params[] = {
    TESS_PARAM_I64(struct kernel, subsets, 0, 1e5, 0, "subsets whose mean is the result; 0: one estimate over all vectors"),
    TESS_PARAM_I64(struct kernel, subset, 2, 1e6, 1000, "vectors of a subset, of each set"),
    TESS_PARAM_I64(struct kernel, seed, 0, 1e9, 2020, "of the subsets' draws"),
    TESS_PARAM_I64(struct kernel, degree, 1, 8, 3, "power of the kernel"),
    TESS_PARAM_F64(struct kernel, gamma, 0, 1e6, 0, "factor of the inner product; 0: one over the number of features"),
    TESS_PARAM_F64(struct kernel, offset, 0, 1e6, 1, "added to the inner product before it is raised to the power"),
    TESS_PARAM_END,
};

#define KERNEL_PROTOCOL                                                                                                                    \
    "estimate without bias, products in double; deviation over subsets, with n; intervals over all vectors, a vector never with itself"

/* The plugin's own file has the row with `module`, the library's file the functions (<tessera/plugin.h>). OpenBLAS is a pool of threads
 * unless it is told otherwise when it is loaded. */
#define KERNEL_PLUGIN(table, module, settings)                                                                                             \
    TESS_PLUGIN("tessera-kernel", "0.2.0", "MIT", TESS_NEEDS_NONE,                                                                         \
                TESS_COMPONENT_WITH("kernel", "metric/1", "maximum mean discrepancy of two sets of features, polynomial kernel",           \
                                    sizeof(struct kernel), params, NULL, NULL, table, NULL, module, settings,                              \
                                    "Bińkowski et al., \"Demystifying MMD GANs\", 2018",                                                   \
                                    "metrics: [{use: kernel, subsets: 100, subset: 1000}]"))

#endif
