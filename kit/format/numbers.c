/* Numbers of files; see numbers.h. SPDX-License-Identifier: MIT */
#include "kit/format/numbers.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int32_t bytes, is_real;
} types[NUMBER_TYPES] = {
    [NUMBER_F32] = {"f32", 4, 1}, [NUMBER_F64] = {"f64", 8, 1}, [NUMBER_F16] = {"f16", 2, 1}, [NUMBER_BF16] = {"bf16", 2, 1},
    [NUMBER_I64] = {"i64", 8, 0}, [NUMBER_I32] = {"i32", 4, 0}, [NUMBER_I16] = {"i16", 2, 0}, [NUMBER_I8] = {"i8", 1, 0},
    [NUMBER_U64] = {"u64", 8, 0}, [NUMBER_U32] = {"u32", 4, 0}, [NUMBER_U16] = {"u16", 2, 0}, [NUMBER_U8] = {"u8", 1, 0},
    [NUMBER_BOOL] = {"bool", 1, 0}, [NUMBER_C32] = {"c32", 4, 0}, [NUMBER_C64] = {"c64", 8, 0}, [NUMBER_C128] = {"c128", 16, 0},
    [NUMBER_F8] = {"f8", 1, 0}, [NUMBER_OTHER] = {"other numbers", 1, 0}};

const char *number_name(int type)
{
    return types[type].name;
}

int64_t number_bytes(int type)
{
    return types[type].bytes;
}

int number_is_real(int type)
{
    return types[type].is_real;
}

uint32_t number_u32(const uint8_t *from)
{
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

uint64_t number_u64(const uint8_t *from)
{
    return (uint64_t)number_u32(from) | (uint64_t)number_u32(from + 4) << 32;
}

static float of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

typedef uint16_t halves4 __attribute__((vector_size(8)));
typedef uint32_t bits4 __attribute__((vector_size(16)));
typedef float floats4 __attribute__((vector_size(16)));

/* IEEE 754 binary16: 5 bits of exponent, 10 of fraction. Every one of them is an f32: the exponent's bias is 112 more there, of infinities
 * and NaN twice that; a number without an exponent, fraction * 2^-24, is what 2^-14 * (1 + fraction * 2^-10) has above 2^-14. */
static bits4 of_halves(halves4 half)
{
    const bits4 all = __builtin_convertvector(half, bits4), number = (all & 0x7fff) << 13;
    const bits4 is_small = (bits4)(number < 1u << 23), is_huge = (bits4)(number >= 31u << 23);
    const floats4 small = (floats4)(number + (113u << 23)) - 0x1p-14f;
    const bits4 other = number + (112u << 23) + (is_huge & 112u << 23);
    return (all & 0x8000) << 16 | (is_small & (bits4)small) | (~is_small & other);
}

static halves4 halves_at(const uint8_t *from)
{
    halves4 half;
    memcpy(&half, from, sizeof half);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    half = half << 8 | half >> 8;
#endif
    return half;
}

static void halves_to_f32(const uint8_t *from, int64_t n, float *to)
{
    uint8_t last[sizeof(halves4)] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        const bits4 bits = of_halves(halves_at(from + 2 * i));
        memcpy(to + i, &bits, sizeof bits);
    }
    if (i < n) {
        memcpy(last, from + 2 * i, (size_t)(n - i) * 2);
        const bits4 bits = of_halves(halves_at(last));
        memcpy(to + i, &bits, (size_t)(n - i) * 4);
    }
}

static float of_double(const uint8_t *from)
{
    uint64_t bits = number_u64(from);
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}

int number_is_native(int type)
{
    return type == NUMBER_F32 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
}

void number_to_f32(int type, const uint8_t *from, int64_t n, float *to)
{
    if (number_is_native(type)) {
        memcpy(to, from, (size_t)n * sizeof *to);
        return;
    }
    switch (type) {
    case NUMBER_F32:
        for (int64_t i = 0; i < n; i++)
            to[i] = of_bits(number_u32(from + 4 * i));
        break;
    case NUMBER_F64:
        for (int64_t i = 0; i < n; i++)
            to[i] = of_double(from + 8 * i);
        break;
    case NUMBER_F16:
        halves_to_f32(from, n, to);
        break;
    default: /* NUMBER_BF16: the upper half of an f32 */
        for (int64_t i = 0; i < n; i++)
            to[i] = of_bits((uint32_t)from[2 * i] << 16 | (uint32_t)from[2 * i + 1] << 24);
    }
}

int number_capacity(int type, int32_t rank, const int64_t *dim, int64_t *out)
{
    int64_t bytes = types[type].bytes;
    int empty = 0;
    for (int32_t i = 0; i < rank; i++) {
        if (dim[i] < 0)
            return 0;
        empty |= dim[i] == 0;
    }
    for (int32_t i = 0; i < rank && !empty; i++)
        if (__builtin_mul_overflow(bytes, dim[i], &bytes))
            return 0;
    *out = empty ? 0 : bytes;
    return 1;
}

int number_refuse(struct tess_context *ctx, const char *path, const struct tess_entry *e)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is of %s, and weights are real numbers: f32, f16, bf16 or f64", path, e->name, e->dtype);
}

int number_name_fits(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return 0;
    return length > 0 && length < TESS_ENTRY_NAME;
}

static int numbers_by_name(const void *a, const void *b)
{
    return strcmp((*(const struct tess_entry *const *)a)->name, (*(const struct tess_entry *const *)b)->name);
}

int number_twice(struct tess_context *ctx, const struct tess_entry *e, int64_t n, int64_t *out)
{
    void *memory;
    *out = -1;
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof(void *), "names", &memory));
    const struct tess_entry **order = memory;
    for (int64_t i = 0; i < n; i++)
        order[i] = &e[i];
    qsort(order, (size_t)n, sizeof *order, numbers_by_name);
    for (int64_t i = 1; i < n; i++)
        if (strcmp(order[i - 1]->name, order[i]->name) == 0)
            *out = order[i] - e;
    tess_free(memory);
    return TESS_OK;
}
