/* The description of a backend, stated alike by its plugin and by the file with its functions. SPDX-License-Identifier: MIT */
#ifndef KIT_BACKEND_BACKEND_TABLE_H
#define KIT_BACKEND_BACKEND_TABLE_H

#include <tessera/kind/backend.h>
#include <tessera/plugin.h>

#define OPENBLAS_PREFERENCE 10
#define OPENBLAS_PLUGIN(self, open, close, module, settings)                                                                               \
    TESS_PLUGIN("tessera-openblas", "0.1.0", "MIT", TESS_NEEDS_NONE,                                                                       \
                TESS_COMPONENT_WITH("openblas", "backend/1", "f32 products and convolutions on OpenBLAS, one thread a kernel", self, NULL, \
                                    open, close, &ops, NULL, module, settings, "OpenBLAS, github.com/OpenMathLib/OpenBLAS",                \
                                    "backend: openblas"))

#define ONEDNN_PREFERENCE 20
#define ONEDNN_PLUGIN(self, open, close, module)                                                                                           \
    TESS_PLUGIN("tessera-onednn", "0.1.0", "MIT", TESS_NEEDS_NONE,                                                                         \
                TESS_COMPONENT_WITH("onednn", "backend/1", "convolutions and products on oneDNN, in f32 and bf16, one thread a kernel",    \
                                    self, NULL, open, close, &ops, NULL, module, NULL, "oneDNN, github.com/uxlfoundation/oneDNN",          \
                                    "backend: onednn"))

#endif
