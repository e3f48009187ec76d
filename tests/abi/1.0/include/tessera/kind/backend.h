/* Kind "backend/1": dense kernels on plain buffers. Nothing else calls a BLAS or a deep-learning library.
 *
 * A kernel is planned once for fixed sizes and run many times, by several threads at once, each single-threaded and each with
 * its own scratch. A backend that likes its weights in another layout asks for packed bytes; the graph packs once per
 * optimiser step, for all workers. A backend must not change its result with the thread that runs it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_BACKEND_H
#define TESSERA_BACKEND_H

#include <tessera/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Operation of a kernel. Channels-last images, weights (Co, Kh, Kw, Ci); all matrices row-major. */
enum {
    TESS_GEMM = 1,        /* c = alpha op(a) op(b) + beta c (+ bias to each row); batch of them */
    TESS_CONV = 2,        /* y = x * w + bias.      a = x, b = w, c = y                           */
    TESS_CONV_DATA = 3,   /* dx from dy.            a = dy, b = w, c = dx                         */
    TESS_CONV_WEIGHT = 4  /* dw = sum over images.  a = x, b = dy, c = dw, (Co, Kh, Kw, Ci)       */
};

struct tess_kernel_desc {
    uint32_t size;
    int32_t what;
    int32_t dtype_a, dtype_b, dtype_c; /* TESS_F32 or TESS_BF16; accumulation is f32 */
    int32_t bias;                      /* f32 bias given: of n (GEMM) or Co (CONV) elements */
    int32_t weight_b;                  /* b is a weight: may be packed */
    /* GEMM: c (m, n); op(a) (m, k); op(b) (k, n). lda, ldb, ldc: elements between stored rows. Strides: between matrices of
     * the batch, in elements; two levels: batch = outer x inner (images x heads). */
    int32_t transpose_a, transpose_b;
    int64_t m, n, k, lda, ldb, ldc;
    int64_t outer, inner;
    int64_t stride_a[2], stride_b[2], stride_c[2];
    float alpha, beta;
    /* CONV*: x (images, h, w, ci), y (images, ho, wo, co). */
    int64_t images, h, w, ci, kh, kw, ho, wo, co;
    int32_t stride, top, left;
};

struct tess_kernel { /* filled by plan */
    uint32_t size;   /* sizeof(struct tess_kernel) as the host was compiled; it sets that, and the rest is zeroed */
    uint32_t reserved;
    void *handle;
    size_t scratch_bytes; /* scratch memory of each running thread, 64-byte aligned */
    size_t packed_bytes;  /* 0: b is read as it is */
};

struct tess_kernel_run {
    uint32_t size;
    const void *a, *b; /* b: as stored, or as packed when packed_bytes > 0 */
    const float *bias;
    void *c;
    void *scratch;
    struct tess_context *context;
};

struct tess_backend_1 {
    uint32_t size;
    /* Library, version and kernel family that decide the bits: "openblas 0.3.21 Zen". Part of every cache key. */
    const char *(*numeric_class)(void *self);
    /* Fails with TESS_E_VALUE for what it cannot do. [one thread] */
    int (*plan)(void *self, struct tess_context *ctx, const struct tess_kernel_desc *d, struct tess_kernel *out);
    int (*pack)(void *self, const struct tess_kernel *k, const void *b, void *packed); /* NULL when never needed */
    int (*run)(void *self, const struct tess_kernel *k, const struct tess_kernel_run *r); /* [any thread, many at once] */
    void (*drop)(void *self, struct tess_kernel *k);
    /* 0: products of matrices of that dtype are no faster than those of f32; 1: this processor has instructions for them, 2: it
     * multiplies whole tiles. NULL: 0 for every dtype */
    int (*multiplies)(void *self, int32_t dtype);
    int32_t preference; /* rank among the backends: the highest is taken when no backend is asked for */
    int32_t reserved;
    /* Reserves memory for `threads` runs at once, before the first: for a library that cannot report a failure during a product.
     * TESS_E_MEMORY says what to do. NULL: memory is allocated as it is needed. [one thread] */
    int (*reserve)(void *self, struct tess_context *ctx, int32_t threads);
};

#ifdef __cplusplus
}
#endif
#endif
