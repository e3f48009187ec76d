/* The stack machine that pickle.c and pickle_objects.c work on. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_TORCH_PICKLE_MACHINE_H
#define PLUGINS_FORMATS_TORCH_PICKLE_MACHINE_H

#include "kit/format/numbers.h"
#include "plugins/formats/torch/pickle.h"

enum kind { MARK, NONE, BOOL, INT, REAL, TEXT, TUPLE, LIST, DICT, GLOBAL, STORAGE, TENSOR, OBJECT };

extern const char *const pickle_kind_name[]; /* names of kinds for messages, "a tuple" */

struct value {
    int32_t kind, which;  /* GLOBAL: row of the table, -1: none; STORAGE: type of its numbers; TENSOR: index; DICT: 1 where it may have a
                             state of its own; OBJECT: 1 where it is made and not a plain value */
    int64_t number;       /* INT, BOOL: its value; TEXT, GLOBAL: offset (of the module); STORAGE: count of numbers */
    uint32_t length;      /* TEXT, GLOBAL: bytes (of the module); TUPLE, LIST, DICT: cells, where keys and values alternate */
    uint32_t first, last; /* first and last cell; GLOBAL: offset and bytes of the name; STORAGE: index in the list of storages */
};

struct cell {
    uint32_t value, next;
};

struct storage {
    uint32_t key; /* value that is its key */
    int32_t type;
    int64_t numbers, base; /* base: number of the storage under the key at which this one begins */
};

struct machine {
    struct tess_context *ctx;
    const char *path;
    const uint8_t *bytes;
    size_t count, at;
    struct value *value;          /* number 0 is the mark */
    struct cell *cell;            /* number 0 ends a list */
    uint32_t *stack, *memo;       /* memo 0: empty */
    struct pickle_tensor *tensor; /* name and storage NULL, so `in` */
    uint32_t *in;                 /* [tensor]: index of its storage */
    struct storage *storage;
    int64_t values, cells, depth, memos, memoized, tensors, storages;
    int64_t value_capacity, cell_capacity, stack_capacity, memo_capacity, tensor_capacity, in_capacity, storage_capacity;
};

enum { PICKLE_SHOWN = 256 };

/* Fails with TESS_E_DATA, and the place in the file. */
int pickle_refuse(const struct machine *m, const char *format, ...) TESS_PRINTF(2, 3);
/* A text of the file, for a message: its first 60 bytes, on one line. */
const char *pickle_shown(const struct machine *m, int64_t offset, uint32_t length, char out[PICKLE_SHOWN]);
/* 1 when a value is this text. */
int pickle_is_text(const struct machine *m, const struct value *v, const char *known);
/* Puts a value on the stack; pickle_push_new makes it first. */
int pickle_push(struct machine *m, uint32_t value) TESS_CHECKED;
int pickle_push_new(struct machine *m, int32_t kind, int32_t which, int64_t number, uint32_t length) TESS_CHECKED;
int pickle_top(const struct machine *m, uint32_t *out) TESS_CHECKED; /* gives the uppermost value, which stays */
int pickle_pop(struct machine *m, uint32_t *out) TESS_CHECKED;
/* Stack position of the first value above the last mark. */
int pickle_above_mark(const struct machine *m, int64_t *first) TESS_CHECKED;
/* Moves the values of the stack from `first` on behind those of the tuple, list or dictionary `to`, and drops `marks` marks below them. */
int pickle_move(struct machine *m, uint32_t to, int64_t first, int64_t marks) TESS_CHECKED;
/* Puts a value behind those of a tuple, list or dictionary. */
int pickle_append(struct machine *m, uint32_t to, uint32_t value) TESS_CHECKED;

/* Reads the next `count` bytes. */
int pickle_take(struct machine *m, size_t count, const uint8_t **out) TESS_CHECKED;
/* Reads an integer of n bytes, little-endian, signed when `is_signed`. */
int pickle_take_number(struct machine *m, size_t n, int is_signed, int64_t *out) TESS_CHECKED;
/* Reads a line up to its line feed, which is taken and not part of it. */
int pickle_take_line(struct machine *m, const char **text, size_t *length) TESS_CHECKED;

void pickle_machine_free(struct machine *m);

#endif
