/* The kinds that this program knows, and the functions that each must have. SPDX-License-Identifier: MIT */
#ifndef TESSI_KINDS_H
#define TESSI_KINDS_H

#include <stddef.h>
#include <stdint.h>

#define TESSI_KIND_FUNCTIONS 12

/* A member of a kind's table of functions. */
struct tessi_kind_function {
    const char *name; /* "record"; NULL ends the list */
    size_t offset;
    const char *optional; /* what it is for, where a component may be without it; NULL: it must have it */
};

struct tessi_kind {
    const char *id; /* "encoder/1" */
    size_t bytes;   /* least size of the table, that of ABI 1.0 */
    struct tessi_kind_function function[TESSI_KIND_FUNCTIONS];
};

/* i-th kind; NULL past the end. */
const struct tessi_kind *tessi_plug_kind_at(int64_t i);
/* NULL: this program does not know it. */
const struct tessi_kind *tessi_plug_kind_find(const char *id);
/* The known kind of the same word and another number, "quantizer/1" of "quantizer/2"; NULL: there is none. */
const char *tessi_plug_kind_other(const char *id);
/* The word of a known kind that `id` was probably to have, "quantizer" for "quantiser/1"; NULL: of none. */
const char *tessi_plug_kind_nearest(const char *id, char *text, size_t capacity);
/* 1 where a table of this kind, as long as its `size` says, has the function. */
int tessi_plug_kind_has(const struct tessi_kind_function *f, const void *ops);

#endif
