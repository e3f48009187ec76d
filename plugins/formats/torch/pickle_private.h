/* The stack machine of pickle.c and what is built on it in pickle_objects.c. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_PICKLE_PRIVATE_H
#define PLUGINS_FORMATS_PICKLE_PRIVATE_H

#include "kit/format/numbers.h"
#include "plugins/formats/torch/pickle.h"

enum kind { MARK, NONE, BOOL, INT, REAL, TEXT, TUPLE, LIST, DICT, GLOBAL, STORAGE, TENSOR };

extern const char *const pickle_kind_name[]; /* "a tuple" */

struct value {
    int32_t kind, which;   /* GLOBAL: row of the table; STORAGE: type of its numbers; TENSOR: index; DICT: 1 when it is ordered */
    int64_t number;        /* INT; TEXT: where it begins; STORAGE: how many numbers */
    uint32_t length;       /* TEXT: bytes; TUPLE, LIST, DICT: cells, where keys and values alternate */
    uint32_t first, last;  /* its cells; STORAGE: `first` is the text that is its key */
};

struct cell {
    uint32_t value, next;
};

struct machine {
    struct tess_context *ctx;
    const char *path;
    const uint8_t *bytes;
    size_t count, at;
    struct value *value; /* 0 is the mark */
    struct cell *cell;   /* 0 ends a list */
    uint32_t *stack, *memo; /* memo 0: nothing there */
    struct pickle_tensor *tensor; /* name NULL; storage: not yet a text, so `key` */
    uint32_t *key;
    int64_t values, cells, depth, memos, tensors;
    int64_t value_capacity, cell_capacity, stack_capacity, memo_capacity, tensor_capacity, key_capacity;
};

/* TESS_E_DATA with the place in the file. */
int pickle_refuse(const struct machine *m, const char *format, ...) TESS_PRINTF(2, 3);
/* Room for item `index` of an array; what is new is zeroed. */
int pickle_push(struct machine *m, uint32_t value) TESS_CHECKED;
int pickle_push_new(struct machine *m, int32_t kind, int32_t which, int64_t number, uint32_t length) TESS_CHECKED;
int pickle_top(const struct machine *m, uint32_t *out) TESS_CHECKED; /* the uppermost value, which stays */
int pickle_pop(struct machine *m, uint32_t *out) TESS_CHECKED;
/* Up to a line feed, which is taken and not part of it. */
int pickle_take_line(struct machine *m, const char **text, size_t *length) TESS_CHECKED;

/* ---- pickle_objects.c: names, calls, and the dictionary in the end ---- */

int pickle_global(struct machine *m) TESS_CHECKED;
int pickle_storage(struct machine *m) TESS_CHECKED;
int pickle_reduce(struct machine *m) TESS_CHECKED;
int pickle_build(struct machine *m) TESS_CHECKED;
int pickle_collect(const struct machine *m, uint32_t root, struct pickle *out) TESS_CHECKED;

#endif
