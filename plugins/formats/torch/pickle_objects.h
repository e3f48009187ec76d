/* Objects of a pickle: names and calls that stand for storages and tensors, and the dictionary of tensors in the end.
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_PICKLE_OBJECTS_H
#define PLUGINS_FORMATS_PICKLE_OBJECTS_H

#include "plugins/formats/torch/pickle_machine.h"

int pickle_global(struct machine *m) TESS_CHECKED;
int pickle_storage(struct machine *m) TESS_CHECKED;
int pickle_reduce(struct machine *m) TESS_CHECKED;
int pickle_build(struct machine *m) TESS_CHECKED;
int pickle_collect(const struct machine *m, uint32_t root, struct pickle *out) TESS_CHECKED;

#endif
