/* Tensors: an array with a dtype and up to five dimensions, dense, row-major, last dimension contiguous.
 * Images and latents are N H W C. A tensor does not own its data: whoever made the memory frees it. The struct lies in arrays and in other
 * structs: it has no size and does not grow within a major.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_TENSOR_H
#define TESSERA_TENSOR_H

#include <tessera/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TESS_MAX_RANK 5

enum { TESS_F32 = 1, TESS_BF16 = 2, TESS_U8 = 3, TESS_U16 = 4, TESS_I32 = 5 };

struct tess_tensor {
    int32_t dtype; /* TESS_F32 ... */
    int32_t rank;  /* 0 is a scalar */
    int64_t dim[TESS_MAX_RANK];
    void *data;
};

/* A tensor over `data` (borrowed). Unused trailing dimensions are set to 1. A rank outside 0 .. TESS_MAX_RANK, or dimensions that are NULL,
 * give one of no dtype ("? ()"), which every function that takes tensors refuses. */
TESS_EXPORT struct tess_tensor tess_tensor_over(void *data, int32_t dtype, int32_t rank, const int64_t *dim);

/* Product of the dimensions; 1 for a scalar, 0 for NULL, INT64_MAX where it overflows or a dimension is negative. */
TESS_EXPORT int64_t tess_tensor_count(const struct tess_tensor *t);
/* Size of the values in bytes; SIZE_MAX where it overflows, which no allocation gives. */
TESS_EXPORT size_t tess_tensor_bytes(const struct tess_tensor *t);
/* 1 where both have the same dtype, rank and dimensions. */
TESS_EXPORT int tess_tensor_same_shape(const struct tess_tensor *a, const struct tess_tensor *b);
/* Dtype and shape as text, "f32 (64, 7, 7, 32)", cut to `capacity` bytes; returns text. */
TESS_EXPORT const char *tess_tensor_text(const struct tess_tensor *t, char *text, size_t capacity);

TESS_EXPORT size_t tess_dtype_size(int32_t dtype);      /* bytes; 0 for an unknown one */
TESS_EXPORT const char *tess_dtype_name(int32_t dtype); /* "f32"; "?" for an unknown one */

#ifdef __cplusplus
}
#endif
#endif
