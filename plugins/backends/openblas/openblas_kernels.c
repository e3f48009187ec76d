/* backend/1 on OpenBLAS: single-threaded sgemm, and convolutions as products with patches. Operands in bf16 are made f32 first, and a
 * result in bf16 is rounded from f32.
 *
 * A convolution is y = col(x) W, with col(x) one row of Kh Kw Ci values an output pixel and W (Kh Kw Ci, Co), packed so once per optimiser
 * step. Rows are made a block at a time, so that a block's patches stay in the second-level cache; a block never spans two images, so
 * an image's result does not depend on its neighbours. The gradient of the data is, for stride 1, the convolution of dy with the
 * weights turned round and transposed, (Kh Kw Co, Ci); else the patches' gradients dy W, added back where they came from. The
 * gradient of the weights is dy^T col(x), summed over the blocks in order.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/backend/addresses.h"
#include "kit/backend/backend_table.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

/* Size of a block of patches: what fits beside the library's own copy of it, but enough pixels for a product to be worth the call. */
enum { BLOCK_BYTES = 192 * 1024, BLOCK_PIXELS = 112 };
/* Memory that the library takes for a product; number of products at once that memory is reserved for. */
#define PRODUCT_BYTES ((size_t)128 << 20)
#define RESERVED_MAX 64

struct openblas {
    char numeric_class[160];
};

/* Geometry of a convolution as products: out (image h x w x c) by patches of in. */
struct patches {
    int64_t images, h, w, c; /* image that patches are taken from */
    int64_t kh, kw, ho, wo;  /* kernel, and grid of positions */
    int64_t stride, top, left;
    int64_t width, block; /* kh kw c; rows of the grid at a time */
    int direct;           /* 1 x 1, stride 1: the image is its own patches */
};

struct kernel {
    struct tess_kernel_desc d;
    struct patches p;
    size_t own;                     /* bytes of scratch before the widened operands */
    int64_t wide_a, wide_b, wide_c; /* values of an operand, or the result, that is stored as bf16; 0: it is f32 */
};

static int64_t openblas_kernels_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static struct patches patches_of(int64_t images, int64_t h, int64_t w, int64_t c, int64_t kh, int64_t kw, int64_t ho, int64_t wo,
                                 int64_t stride, int64_t top, int64_t left)
{
    struct patches p = {images, h, w, c, kh, kw, ho, wo, stride, top, left, kh * kw * c, 1, 0};
    int64_t fit = BLOCK_BYTES / (p.width * wo * (int64_t)sizeof(float)), worth = (BLOCK_PIXELS + wo - 1) / wo;
    p.block = openblas_kernels_least(fit > worth ? fit : worth, ho);
    p.direct = kh == 1 && kw == 1 && stride == 1 && top == 0 && left == 0 && ho == h && wo == w;
    if (p.direct)
        p.block = ho;
    return p;
}

/* Gathers rows y0 .. y0 + rows - 1 of the grid of one image: for each pixel its patch, zero outside of the image. */
static void openblas_kernels_gather(const struct patches *p, const float *x, int64_t y0, int64_t rows, float *col)
{
    int64_t run = p->kw * p->c;
    for (int64_t y = y0; y < y0 + rows; y++)
        for (int64_t ox = 0; ox < p->wo; ox++, col += p->width) {
            int64_t ix = ox * p->stride - p->left, skip = ix < 0 ? -ix : 0, end = openblas_kernels_least(p->kw, p->w - ix);
            for (int64_t u = 0; u < p->kh; u++) {
                int64_t iy = y * p->stride - p->top + u;
                float *to = col + u * run;
                if (iy < 0 || iy >= p->h || end <= skip) {
                    memset(to, 0, (size_t)run * sizeof(float));
                    continue;
                }
                const float *from = x + (iy * p->w + ix) * p->c;
                if (skip == 0 && end == p->kw) {
                    memcpy(to, from, (size_t)run * sizeof(float));
                    continue;
                }
                memset(to, 0, (size_t)run * sizeof(float));
                memcpy(to + skip * p->c, from + skip * p->c, (size_t)((end - skip) * p->c) * sizeof(float));
            }
        }
}

/* Scatters patches back, the transpose of gather: their values are added to the pixels they were taken from. */
static void openblas_kernels_scatter(const struct patches *p, const float *col, int64_t y0, int64_t rows, float *x)
{
    int64_t run = p->kw * p->c;
    for (int64_t y = y0; y < y0 + rows; y++)
        for (int64_t ox = 0; ox < p->wo; ox++, col += p->width) {
            int64_t ix = ox * p->stride - p->left, skip = ix < 0 ? -ix : 0, end = openblas_kernels_least(p->kw, p->w - ix);
            for (int64_t u = 0; u < p->kh; u++) {
                int64_t iy = y * p->stride - p->top + u;
                if (iy < 0 || iy >= p->h)
                    continue;
                float *to = x + (iy * p->w + ix) * p->c;
                for (int64_t i = skip * p->c; i < end * p->c; i++)
                    to[i] += col[u * run + i];
            }
        }
}

static void openblas_kernels_sgemm(int ta, int tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                                   const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha, a,
                (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

static void start_from_bias(int64_t rows, int64_t n, int64_t ldc, const float *bias, float beta, float *c)
{
    for (int64_t i = 0; i < rows; i++, c += ldc)
        if (beta == 0.0f)
            memcpy(c, bias, (size_t)n * sizeof(float));
        else
            for (int64_t j = 0; j < n; j++)
                c[j] = beta * c[j] + bias[j];
}

static void openblas_kernels_run_gemm(const struct tess_kernel_desc *d, const float *first_a, const float *first_b, const float *bias,
                                      float *first_c)
{
    for (int64_t i = 0; i < d->outer; i++)
        for (int64_t j = 0; j < d->inner; j++) {
            const float *a = first_a + i * d->stride_a[0] + j * d->stride_a[1];
            const float *b = first_b + i * d->stride_b[0] + j * d->stride_b[1];
            float *c = first_c + i * d->stride_c[0] + j * d->stride_c[1];
            if (d->bias)
                start_from_bias(d->m, d->n, d->ldc, bias, d->beta, c);
            openblas_kernels_sgemm(d->transpose_a, d->transpose_b, d->m, d->n, d->k, d->alpha, a, d->lda, b, d->ldb,
                                   d->bias ? 1.0f : d->beta, c, d->ldc);
        }
}

/* out (grid, n) = patches of x times w (width, n) */
static void run_conv(const struct patches *p, int64_t n, const float *x, const float *w, const float *bias, float *out, float *col)
{
    for (int64_t i = 0; i < p->images; i++, x += p->h * p->w * p->c)
        for (int64_t y = 0; y < p->ho; y += p->block) {
            int64_t rows = openblas_kernels_least(p->block, p->ho - y), pixels = rows * p->wo;
            if (!p->direct)
                openblas_kernels_gather(p, x, y, rows, col);
            if (bias)
                start_from_bias(pixels, n, n, bias, 0.0f, out);
            openblas_kernels_sgemm(0, 0, pixels, n, p->width, 1.0f, p->direct ? x : col, p->width, w, n, bias ? 1.0f : 0.0f, out, n);
            out += pixels * n;
        }
}

static void run_conv_data_scattered(const struct patches *p, int64_t co, const float *dy, const float *w, float *dx, float *col)
{
    memset(dx, 0, (size_t)(p->images * p->h * p->w * p->c) * sizeof(float));
    for (int64_t i = 0; i < p->images; i++, dx += p->h * p->w * p->c)
        for (int64_t y = 0; y < p->ho; y += p->block) {
            int64_t rows = openblas_kernels_least(p->block, p->ho - y), pixels = rows * p->wo;
            openblas_kernels_sgemm(0, 0, pixels, p->width, co, 1.0f, dy, co, w, p->width, 0.0f, col, p->width);
            openblas_kernels_scatter(p, col, y, rows, dx);
            dy += pixels * co;
        }
}

static void run_conv_weight(const struct patches *p, int64_t co, const float *x, const float *dy, float *dw, float *col)
{
    float beta = 0.0f;
    for (int64_t i = 0; i < p->images; i++, x += p->h * p->w * p->c)
        for (int64_t y = 0; y < p->ho; y += p->block) {
            int64_t rows = openblas_kernels_least(p->block, p->ho - y), pixels = rows * p->wo;
            if (!p->direct)
                openblas_kernels_gather(p, x, y, rows, col);
            openblas_kernels_sgemm(1, 0, co, p->width, pixels, 1.0f, dy, co, p->direct ? x : col, p->width, beta, dw, p->width);
            dy += pixels * co;
            beta = 1.0f;
        }
}

/* Gradient of the data at stride 1, as a convolution of dy of the same kind. */
static int openblas_kernels_turned(const struct tess_kernel_desc *d)
{
    return d->stride == 1 && d->top < d->kh && d->left < d->kw;
}

/* Widens n values from `first` on to f32. The upper half of an f32 is a bf16. */
static void openblas_kernels_widen(int32_t dtype, const void *x, int64_t first, int64_t n, float *to)
{
    if (dtype == TESS_F32) {
        memcpy(to, (const float *)x + first, (size_t)n * sizeof(float));
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)((const uint16_t *)x)[first + i] << 16;
        memcpy(to + i, &bits, sizeof bits);
    }
}

/* Rounds to nearest, ties to even. */
static void openblas_kernels_round_bf16(const float *x, int64_t n, uint16_t *to)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16, quiet = bits >> 16 | 0x40u;
        to[i] = (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
    }
}

static int openblas_kernels_pack(void *self, const struct tess_kernel *kernel, const void *b, void *packed)
{
    const struct tess_kernel_desc *d = &((const struct kernel *)kernel->handle)->d; /* b: (Co, Kh, Kw, Ci) */
    float *to = packed;
    int64_t taps = d->kh * d->kw;
    (void)self;
    if (d->what == TESS_CONV)
        for (int64_t t = 0; t < taps * d->ci; t++)
            for (int64_t o = 0; o < d->co; o++)
                openblas_kernels_widen(d->dtype_b, b, o * taps * d->ci + t, 1, to++);
    else
        for (int64_t t = taps - 1; t >= 0; t--)
            for (int64_t o = 0; o < d->co; o++, to += d->ci)
                openblas_kernels_widen(d->dtype_b, b, (o * taps + t) * d->ci, d->ci, to);
    return TESS_OK;
}

static int openblas_kernels_is_real(int32_t dtype)
{
    return dtype == TESS_F32 || dtype == TESS_BF16;
}

/* Operands in bf16 are made f32 beside the kernel's own scratch: this library has no products of bf16, so that a run in that precision
 * gives here what it gives where there are some, later. Weights that are packed are made f32 there. */
static int plan_widening(struct tess_context *ctx, struct kernel *k, struct tess_kernel *out)
{
    const struct tess_kernel_desc *d = &k->d;
    int64_t x = d->images * d->h * d->w * d->ci, y = d->images * d->ho * d->wo * d->co, w = d->co * d->kh * d->kw * d->ci;
    k->own = (out->scratch_bytes + 63) / 64 * 64;
    if (d->dtype_a == TESS_F32 && d->dtype_b == TESS_F32 && d->dtype_c == TESS_F32)
        return TESS_OK;
    int dense = d->lda == (d->transpose_a ? d->m : d->k) && d->ldb == (d->transpose_b ? d->k : d->n) && d->ldc == d->n && d->inner == 1 &&
                (d->outer == 1 || (d->stride_a[0] == d->m * d->k && d->stride_b[0] == d->k * d->n && d->stride_c[0] == d->m * d->n)) &&
                (d->dtype_c == TESS_F32 || d->beta == 0.0f);
    if (d->what == TESS_GEMM && !dense)
        return ctx->fail(ctx, TESS_E_VALUE, "the openblas backend wants what is stored as bf16 to be dense; set precision: f32");
    if (d->dtype_a == TESS_BF16)
        k->wide_a = d->what == TESS_GEMM ? d->outer * d->m * d->k : d->what == TESS_CONV_DATA ? y : x;
    if (d->dtype_b == TESS_BF16 && !out->packed_bytes)
        k->wide_b = d->what == TESS_GEMM ? d->outer * d->k * d->n : d->what == TESS_CONV_WEIGHT ? y : w;
    if (d->dtype_c == TESS_BF16)
        k->wide_c = d->what == TESS_GEMM ? d->outer * d->m * d->n : d->what == TESS_CONV ? y : x;
    out->scratch_bytes = k->own + (size_t)(k->wide_a + k->wide_b + k->wide_c) * sizeof(float);
    return TESS_OK;
}

static void openblas_kernels_drop(void *self, struct tess_kernel *kernel)
{
    (void)self;
    tess_free(kernel->handle);
    kernel->handle = NULL;
}

static int plan_or_drop(void *self, struct tess_context *ctx, struct kernel *k, struct tess_kernel *out)
{
    int status = plan_widening(ctx, k, out);
    if (status != TESS_OK)
        openblas_kernels_drop(self, out);
    return status;
}

static int openblas_kernels_plan(void *self, struct tess_context *ctx, const struct tess_kernel_desc *d, struct tess_kernel *out)
{
    void *memory;
    (void)self;
    if (!openblas_kernels_is_real(d->dtype_a) || !openblas_kernels_is_real(d->dtype_b) || !openblas_kernels_is_real(d->dtype_c) ||
        (d->what == TESS_CONV_WEIGHT && d->dtype_c != TESS_F32))
        return ctx->fail(ctx, TESS_E_VALUE,
                         "the openblas backend multiplies f32 and bf16, and makes a weight's gradient f32, not %s x %s -> %s",
                         tess_dtype_name(d->dtype_a), tess_dtype_name(d->dtype_b), tess_dtype_name(d->dtype_c));
    TESS_TRY(tess_alloc(ctx, sizeof(struct kernel), "a kernel", &memory));
    struct kernel *k = memory;
    k->d = *d;
    out->handle = k;
    if (d->what == TESS_GEMM)
        return plan_or_drop(self, ctx, k, out);
    if (d->what == TESS_CONV_DATA && openblas_kernels_turned(d)) {
        k->p = patches_of(d->images, d->ho, d->wo, d->co, d->kh, d->kw, d->h, d->w, 1, d->kh - 1 - d->top, d->kw - 1 - d->left);
    } else {
        k->p = patches_of(d->images, d->h, d->w, d->ci, d->kh, d->kw, d->ho, d->wo, d->stride, d->top, d->left);
    }
    out->scratch_bytes = k->p.direct ? 0 : (size_t)(k->p.block * k->p.wo * k->p.width) * sizeof(float);
    if (d->what == TESS_CONV || (d->what == TESS_CONV_DATA && openblas_kernels_turned(d)))
        out->packed_bytes = (size_t)(d->ci * d->kh * d->kw * d->co) * sizeof(float);
    return plan_or_drop(self, ctx, k, out);
}

static void openblas_kernels_multiply(const struct kernel *k, const struct tess_kernel_run *r, const void *a, const void *b, float *result)
{
    const struct tess_kernel_desc *d = &k->d;
    if (d->what == TESS_GEMM)
        openblas_kernels_run_gemm(d, a, b, r->bias, result);
    else if (d->what == TESS_CONV)
        run_conv(&k->p, d->co, a, b, d->bias ? r->bias : NULL, result, r->scratch);
    else if (d->what == TESS_CONV_DATA && openblas_kernels_turned(d))
        run_conv(&k->p, d->ci, a, b, NULL, result, r->scratch);
    else if (d->what == TESS_CONV_DATA)
        run_conv_data_scattered(&k->p, d->co, a, b, result, r->scratch);
    else
        run_conv_weight(&k->p, d->co, a, b, result, r->scratch);
}

static int openblas_kernels_run(void *self, const struct tess_kernel *kernel, const struct tess_kernel_run *r)
{
    const struct kernel *k = kernel->handle;
    const void *a = r->a, *b = r->b;
    float *wide = r->scratch ? (float *)(void *)((char *)r->scratch + k->own) : NULL;
    (void)self;
    if (k->wide_a) {
        openblas_kernels_widen(TESS_BF16, a, 0, k->wide_a, wide);
        a = wide;
        wide += k->wide_a;
    }
    if (k->wide_b) {
        openblas_kernels_widen(TESS_BF16, b, 0, k->wide_b, wide);
        b = wide;
        wide += k->wide_b;
    }
    openblas_kernels_multiply(k, r, a, b, k->wide_c ? wide : r->c);
    if (k->wide_c)
        openblas_kernels_round_bf16(wide, k->wide_c, r->c);
    return TESS_OK;
}

/* Functions of every OpenBLAS, which its header does not declare; weak, so that a library without them loads. */
extern void *blas_memory_alloc(int position) __attribute__((weak));
extern void blas_memory_free(void *memory) __attribute__((weak));

/* Each product at work has memory of the library's own, 128 MiB of addresses, which is kept for the next one. The library asks for it again
 * and again until it is there: a process whose addresses are limited would hang. So all that will be needed is had here, after a look
 * whether it is there. */
static int openblas_kernels_reserve(void *self, struct tess_context *ctx, int32_t threads)
{
    void *memory[RESERVED_MAX];
    int32_t n = threads < RESERVED_MAX ? threads : RESERVED_MAX;
    size_t bytes = (size_t)n * PRODUCT_BYTES + PRODUCT_BYTES / 8;
    (void)self;
    if (!addresses_are_there(bytes))
        return ctx->fail(
            ctx, TESS_E_MEMORY,
            "OpenBLAS wants %zu MiB of addresses for its products (threads: %d), and they cannot be allocated; raise the limit "
            "(`ulimit -v`), or take fewer with --threads, or another backend",
            bytes >> 20, (int)threads);
    for (int32_t i = 0; i < n && blas_memory_alloc && blas_memory_free; i++)
        memory[i] = blas_memory_alloc(0);
    for (int32_t i = 0; i < n && blas_memory_alloc && blas_memory_free; i++)
        blas_memory_free(memory[i]);
    return TESS_OK;
}

static const char *openblas_kernels_numeric_class(void *self)
{
    return ((struct openblas *)self)->numeric_class;
}

static int open_openblas(void *self, struct tess_context *ctx)
{
    struct openblas *o = self;
    char version[32] = "?";
    (void)ctx;
    (void)sscanf(openblas_get_config(), "OpenBLAS %31s", version);
    snprintf(o->numeric_class, sizeof o->numeric_class, "openblas %s %s", version, openblas_get_corename());
    openblas_set_num_threads(1); /* microbatches are the parallelism; see include/tessera/graph.h */
    return TESS_OK;
}

static const struct tess_backend_1 ops = {.size = sizeof ops,
                                          .numeric_class = openblas_kernels_numeric_class,
                                          .plan = openblas_kernels_plan,
                                          .pack = openblas_kernels_pack,
                                          .run = openblas_kernels_run,
                                          .drop = openblas_kernels_drop,
                                          .preference = OPENBLAS_PREFERENCE,
                                          .reserve = openblas_kernels_reserve};

OPENBLAS_PLUGIN(sizeof(struct openblas), open_openblas, NULL, NULL, NULL);
