/* Objects of a pickle: names and calls that stand for storages and tensors, and the dictionary of tensors in the end.
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_TORCH_PICKLE_OBJECTS_H
#define PLUGINS_FORMATS_TORCH_PICKLE_OBJECTS_H

#include "plugins/formats/torch/pickle_machine.h"

/* ---- pickle_names.c ---- */

/* Calls of a name: what is done here in place of it. Names from 0 on are rows of the table; a class that is in no row is -1. */
enum { CALL_NOTHING, CALL_DICT, CALL_VALUE, CALL_TENSOR, CALL_TENSOR_V3, CALL_PARAMETER, CALL_SUBCLASS };

int pickle_global(struct machine *m) TESS_CHECKED;       /* names in two lines */
int pickle_stack_global(struct machine *m) TESS_CHECKED; /* names in two texts on the stack */
int pickle_call_of(const struct value *global);          /* one of the above; CALL_NOTHING for any other class */
/* Type of the numbers of a storage class, or of a dtype such as torch.uint16; -1 when the name is none. */
int pickle_storage_type(const struct value *global);
int pickle_dtype(const struct machine *m, const struct value *global);
/* "module.name", for messages */
const char *pickle_global_shown(const struct machine *m, const struct value *global, char out[2 * PICKLE_SHOWN]);

/* ---- pickle_objects.c ---- */

int pickle_storage(struct machine *m) TESS_CHECKED;
int pickle_reduce(struct machine *m) TESS_CHECKED;
int pickle_new_object(struct machine *m, int tuples) TESS_CHECKED; /* tuples: arguments, 2 with those that have a name */
int pickle_build(struct machine *m) TESS_CHECKED;

/* ---- pickle_dictionary.c ---- */

int pickle_collect(struct machine *m, uint32_t root, const char *key, struct pickle *out) TESS_CHECKED;

#endif
