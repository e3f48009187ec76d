/* Numbers as they lie in files of tensors: little-endian, of many widths. Linked into each format's plugin.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_FORMAT_NUMBERS_H
#define KIT_FORMAT_NUMBERS_H

#include <tessera/exchange.h>

enum number_type {
    NUMBER_F32,
    NUMBER_F64,
    NUMBER_F16,
    NUMBER_BF16,
    NUMBER_I64,
    NUMBER_I32,
    NUMBER_I16,
    NUMBER_I8,
    NUMBER_U64,
    NUMBER_U32,
    NUMBER_U16,
    NUMBER_U8,
    NUMBER_BOOL,
    NUMBER_C32,
    NUMBER_C64,
    NUMBER_C128,
    NUMBER_F8,    /* complex; eight bits of any split */
    NUMBER_OTHER, /* numbers of a width that is not known */
    NUMBER_TYPES
};

const char *number_name(int type); /* "f32" */
int64_t number_bytes(int type);
int number_is_real(int type);
/* 1 when numbers lie in files as they do in memory, so that they can be read to where they are wanted. */
int number_is_native(int type);
/* n numbers at `from`, one after the other, as f32. A real type. */
void number_to_f32(int type, const uint8_t *from, int64_t n, float *to);
/* Bytes of a tensor of this type and shape into *out; 0 when a dimension is negative or the product leaves int64_t. */
int number_capacity(int type, int32_t rank, const int64_t *dim, int64_t *out);
/* "no real numbers" and the name: TESS_E_DATA. */
int number_refuse(struct tess_context *ctx, const char *path, const struct tess_entry *e);

uint64_t number_u64(const uint8_t *from); /* little-endian */
uint32_t number_u32(const uint8_t *from);

/* 1 when a name can be told to a person and fits: 1 to TESS_ENTRY_NAME - 1 bytes without control characters. */
int number_name_fits(const char *text, size_t length);
/* The index of an entry whose name another has as well, or -1. */
int number_twice(struct tess_context *ctx, const struct tess_entry *e, int64_t n, int64_t *out) TESS_CHECKED;

#endif
