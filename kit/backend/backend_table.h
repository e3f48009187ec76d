/* What the plugin of a backend and the file with its functions both state of it. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_BACKENDS_BACKEND_TABLE_H
#define PLUGINS_BACKENDS_BACKEND_TABLE_H

#include <tessera/kind/backend.h>
#include <tessera/plugin.h>

#define OPENBLAS_HEAD .id = "tessera-openblas", .version = "0.1.0", .license = "MIT"
#define OPENBLAS_PREFERENCE 10
#define OPENBLAS_ROW                                                                                           \
    .kind = "backend/1", .summary = "f32 products and convolutions on OpenBLAS, one thread a kernel", .caps = TESS_DETERMINISTIC

#define ONEDNN_HEAD .id = "tessera-onednn", .version = "0.1.0", .license = "MIT"
#define ONEDNN_PREFERENCE 20
#define ONEDNN_ROW                                                                                                          \
    .kind = "backend/1", .summary = "convolutions and products on oneDNN, in f32 and bf16, one thread a kernel", .caps = TESS_DETERMINISTIC

#endif
