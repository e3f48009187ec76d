/* The kinds that this program knows, and the functions that each must have. SPDX-License-Identifier: MIT */
#ifndef TESSI_KINDS_H
#define TESSI_KINDS_H

#include <tessera/kind/stage.h>

#include <stddef.h>
#include <stdint.h>

#define TESSI_KIND_FUNCTIONS 16
#define TESSI_PORT_BYTES (offsetof(struct tess_port, help) + sizeof(const char *)) /* smallest row of a table of ports */

/* A member of a kind's table of functions. */
struct tessi_kind_function {
    const char *name; /* name of the member, "record"; NULL ends the list */
    size_t offset;
    const char *optional; /* purpose of an optional function; NULL: the function is required */
};

struct tessi_kind {
    const char *id; /* "encoder/1" */
    size_t bytes;   /* smallest size of the table, that of ABI 1.0 */
    struct tessi_kind_function function[TESSI_KIND_FUNCTIONS];
};

/* i-th kind; NULL past the end. */
const struct tessi_kind *tessi_plug_kind_at(int64_t i);
/* The kind of that id; NULL: this program does not know it. */
const struct tessi_kind *tessi_plug_kind_find(const char *id);
/* The known kind of the same word with another number, "quantizer/1" for "quantizer/2"; NULL: there is none. */
const char *tessi_plug_kind_other(const char *id);
/* The word of the known kind that `id` probably means, "quantizer" for "quantiser/1"; NULL: none is near. */
const char *tessi_plug_kind_nearest(const char *id, char *text, size_t capacity);
/* 1 where a table of this kind, as long as its `size` says, has the function. */
int tessi_plug_kind_has(const struct tessi_kind_function *f, const void *ops);
/* Bytes from one row of a stage's table of ports to the next; the i-th port, NULL past the last. */
uint32_t tessi_plug_port_stride(const struct tess_stage_1 *ops);
const struct tess_port *tessi_plug_port_at(const struct tess_stage_1 *ops, int64_t i);

#endif
