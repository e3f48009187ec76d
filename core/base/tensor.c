/* Tensors as plain descriptions of memory: sizes, counts and their text. SPDX-License-Identifier: MIT */
#include <tessera/tensor.h>

#include <stdio.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [TESS_F32] = {"f32", 4}, [TESS_BF16] = {"bf16", 2}, [TESS_U8] = {"u8", 1}, [TESS_U16] = {"u16", 2}, [TESS_I32] = {"i32", 4},
};

static int tensor_known(int32_t dtype)
{
    return dtype >= TESS_F32 && dtype <= TESS_I32;
}

size_t tess_dtype_size(int32_t dtype)
{
    return tensor_known(dtype) ? dtypes[dtype].size : 0;
}

const char *tess_dtype_name(int32_t dtype)
{
    return tensor_known(dtype) ? dtypes[dtype].name : "?";
}

struct tess_tensor tess_tensor_over(void *data, int32_t dtype, int32_t rank, const int64_t *dim)
{
    int is_one = rank >= 0 && rank <= TESS_MAX_RANK && (rank == 0 || dim);
    struct tess_tensor t = {.dtype = is_one ? dtype : 0, .rank = is_one ? rank : 0, .data = is_one ? data : NULL};
    for (int32_t i = 0; i < TESS_MAX_RANK; i++)
        t.dim[i] = i < t.rank ? dim[i] : 1;
    return t;
}

int64_t tess_tensor_count(const struct tess_tensor *t)
{
    int64_t n = 1;
    if (!t || t->rank < 0 || t->rank > TESS_MAX_RANK)
        return 0;
    for (int32_t i = 0; i < t->rank; i++)
        if (t->dim[i] < 0 || __builtin_mul_overflow(n, t->dim[i], &n))
            return INT64_MAX;
    return n;
}

size_t tess_tensor_bytes(const struct tess_tensor *t)
{
    size_t bytes;
    int too_many = __builtin_mul_overflow((size_t)tess_tensor_count(t), t ? tess_dtype_size(t->dtype) : 0, &bytes);
    return too_many ? SIZE_MAX : bytes;
}

int tess_tensor_same_shape(const struct tess_tensor *a, const struct tess_tensor *b)
{
    if (!a || !b || a->dtype != b->dtype || a->rank != b->rank)
        return 0;
    for (int32_t i = 0; i < a->rank && i < TESS_MAX_RANK; i++)
        if (a->dim[i] != b->dim[i])
            return 0;
    return 1;
}

const char *tess_tensor_text(const struct tess_tensor *t, char *text, size_t capacity)
{
    char whole[160];
    if (!t || !text) {
        if (text && capacity)
            (void)snprintf(text, capacity, "nothing");
        return text ? text : "";
    }
    size_t at = (size_t)snprintf(whole, sizeof whole, "%s (", tess_dtype_name(t->dtype));
    for (int32_t i = 0; i < t->rank && i < TESS_MAX_RANK; i++)
        at += (size_t)snprintf(whole + at, sizeof whole - at, "%s%lld", i ? ", " : "", (long long)t->dim[i]);
    (void)snprintf(whole + at, sizeof whole - at, ")");
    if (capacity)
        (void)snprintf(text, capacity, "%s", whole);
    return text;
}
