/* backend/1 on oneDNN, versions 2 and 3 of its C interface: convolutions by its primitives on channels-last images, products in f32 by its
 * sgemm, in bf16 by its matmul.
 *
 * Primitives are made once for each planned kernel. Weights are packed into the layout the primitive asks for, once per optimiser step; the
 * gradient of the weights comes out in such a layout and is put back into (Co, Kh, Kw, Ci), unless it is computed here
 * (weight_gradient.h). Every primitive runs on the calling thread alone, in scratch memory it is given, so its bits do not depend on
 * threads.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/backend/addresses.h"
#include "kit/backend/backend_table.h"
#include "plugins/backends/onednn/onednn_versions.h"
#include "plugins/backends/onednn/weight_gradient.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Allowance for a primitive's code and tables: more than has been measured. */
#define PRIMITIVE_BYTES ((size_t)24 << 20)

struct onednn {
    dnnl_engine_t engine;
    int tiles; /* the processor has them, and neither system nor library was told not to use them */
    char numeric_class[96];
};

enum { OPERANDS = 5, SPARES = 8 };

/* Objects that a primitive is run with, of one run at a time: making them takes a fifth of the time of a product of small matrices. */
struct binding {
    dnnl_stream_t stream;
    dnnl_memory_t memory[OPERANDS]; /* in the order of the operands; NULL: not made yet */
    const void *data[OPERANDS];     /* memory that they stand for */
};

struct kernel {
    struct tess_kernel_desc d;
    struct weight_gradient *gradient; /* NULL: a primitive or sgemm computes this kernel */
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive, reorder; /* reorder: weights into the primitive's layout, or their gradient out of it */
    layout x, w, y, bias;                /* layouts of the caller's tensors; w is (Co, Kh, Kw, Ci) */
    int made;                            /* number of x, w, y, bias that exist */
    int repack;                          /* the primitive wants w in another layout */
    size_t packed, own;                  /* bytes of w in that layout; bytes of the primitive's scratch */
    _Atomic(struct binding *) spare[SPARES]; /* those that no run has; more runs than that at once make and free their own */
};

static int onednn_kernels_check(struct tess_context *ctx, dnnl_status_t status, const char *what)
{
    return status == dnnl_success ? TESS_OK : ctx->fail(ctx, TESS_E_FAILED, "oneDNN: %s failed with status %d", what, (int)status);
}

/* Limits this thread's parallel regions to one thread: microbatches are the parallelism. Needed for planning as well, where the sums' order
 * is chosen by the number of threads there will be. */
static void onednn_kernels_alone(void)
{
    omp_set_num_threads(1);
}

static layout_at onednn_kernels_asked(const struct kernel *k, dnnl_query_t what)
{
    return dnnl_primitive_desc_query_md(k->desc, what, 0);
}

/* ---- planning ------------------------------------------------------------- */

static struct conv shape_of(const struct tess_kernel_desc *d)
{
    struct conv p = {.x = {d->images, d->ci, d->h, d->w},
                     .w = {d->co, d->ci, d->kh, d->kw},
                     .y = {d->images, d->co, d->ho, d->wo},
                     .stride = {d->stride, d->stride},
                     .before = {d->top, d->left}};
    /* Pixels past the image that the last output reads; negative where the image has pixels no output reads. */
    p.after[0] = (d->ho - 1) * d->stride + d->kh - d->h - d->top;
    p.after[1] = (d->wo - 1) * d->stride + d->kw - d->w - d->left;
    return p;
}

/* Describes the layouts of the caller's tensors. */
static dnnl_status_t onednn_kernels_lay_out(struct kernel *k, int rank, const dnnl_dims_t x, const dnnl_dims_t w, const dnnl_dims_t y,
                             const dnnl_dims_t bias, const dnnl_format_tag_t tag[4])
{
    const struct tess_kernel_desc *d = &k->d;
    int data = d->what == TESS_CONV_DATA, weight = d->what == TESS_CONV_WEIGHT;
    const int32_t dtype[3] = {data ? d->dtype_c : d->dtype_a, weight ? d->dtype_c : d->dtype_b,
                              data     ? d->dtype_a
                              : weight ? d->dtype_b
                                       : d->dtype_c};
    dnnl_status_t status = make_layout(&k->x, rank, x, dtype[0], tag[0]);
    if (status == dnnl_success && (k->made++, 1))
        status = make_layout(&k->w, rank, w, dtype[1], tag[1]);
    if (status == dnnl_success && (k->made++, 1))
        status = make_layout(&k->y, rank, y, dtype[2], tag[2]);
    if (status == dnnl_success && (k->made++, 1))
        status = make_layout(&k->bias, rank == 4 ? 1 : rank, bias, TESS_F32, tag[3]);
    if (status == dnnl_success)
        k->made++;
    return status;
}

/* Describes a backward convolution beside the forward one it belongs to, whose three tensors are of the operands' dtype. */
static dnnl_status_t describe_forward(const struct conv *p, int32_t dtype, dnnl_engine_t engine, dnnl_primitive_attr_t attr,
                                      dnnl_primitive_desc_t *out)
{
    layout x, w, y;
    dnnl_status_t status = make_layout(&x, 4, p->x, dtype, dnnl_nhwc);
    if (status != dnnl_success)
        return status;
    status = make_layout(&y, 4, p->y, dtype, dnnl_nhwc);
    if (status == dnnl_success) {
        status = make_layout(&w, 4, p->w, dtype, dnnl_format_tag_any);
        if (status == dnnl_success) {
            status = describe(out, engine, TESS_CONV, p, AT(x), AT(w), NULL, AT(y), NULL, attr);
            free_layout(&w);
        }
        free_layout(&y);
    }
    free_layout(&x);
    return status;
}

static dnnl_status_t describe_conv(struct kernel *k, dnnl_engine_t engine, dnnl_primitive_attr_t attr)
{
    static const dnnl_format_tag_t tags[4] = {dnnl_nhwc, dnnl_ohwi, dnnl_nhwc, dnnl_a};
    const struct conv p = shape_of(&k->d);
    const dnnl_dims_t bias = {k->d.co};
    layout any;
    dnnl_primitive_desc_t hint = NULL;
    dnnl_status_t status = onednn_kernels_lay_out(k, 4, p.x, p.w, p.y, bias, tags);
    if (status == dnnl_success)
        status = make_layout(&any, 4, p.w, k->d.what == TESS_CONV_WEIGHT ? k->d.dtype_c : k->d.dtype_b, dnnl_format_tag_any);
    if (status != dnnl_success)
        return status;
    if (k->d.what != TESS_CONV)
        status = describe_forward(&p, k->d.dtype_a, engine, attr, &hint);
    if (status == dnnl_success)
        status = describe(&k->desc, engine, k->d.what, &p, AT(k->x), AT(any), k->d.bias ? AT(k->bias) : NULL, AT(k->y), hint, attr);
    if (hint)
        (void)dnnl_primitive_desc_destroy(hint);
    free_layout(&any);
    return status;
}

/* op(a) op(b), both dense, as they are stored: where the processor multiplies tiles, the primitive lays b out as it goes along faster than
 * it reads a layout of its own choice. */
static dnnl_status_t describe_product(struct kernel *k, dnnl_engine_t engine, dnnl_primitive_attr_t attr)
{
    const struct tess_kernel_desc *d = &k->d;
    const dnnl_format_tag_t one[2] = {dnnl_ab, dnnl_ba}, many[2] = {dnnl_abc, dnnl_acb}, *tag = d->outer == 1 ? one : many;
    const dnnl_format_tag_t tags[4] = {tag[d->transpose_a != 0], tag[d->transpose_b != 0], tag[0], tag[0]};
    const dnnl_dims_t x = {d->outer, d->m, d->k}, w = {d->outer, d->k, d->n}, y = {d->outer, d->m, d->n}, bias = {1, 1, d->n};
    int skip = d->outer == 1; /* a single product has no dimension for the batch */
    dnnl_status_t status = onednn_kernels_lay_out(k, 3 - skip, x + skip, w + skip, y + skip, bias + skip, tags);
    if (status != dnnl_success)
        return status;
    return describe_matmul(&k->desc, engine, AT(k->x), AT(k->w), d->bias ? AT(k->bias) : NULL, AT(k->y), attr);
}

static dnnl_status_t make_reorder(struct kernel *k, dnnl_engine_t engine, layout_at from, layout_at to)
{
    dnnl_primitive_desc_t desc;
    dnnl_status_t status = dnnl_reorder_primitive_desc_create(&desc, from, engine, to, engine, NULL);
    if (status != dnnl_success)
        return status;
    status = dnnl_primitive_create(&k->reorder, desc);
    (void)dnnl_primitive_desc_destroy(desc);
    return status;
}

static size_t onednn_kernels_aligned(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static int plan_primitive(struct onednn *o, struct tess_context *ctx, struct kernel *k, struct tess_kernel *out)
{
    dnnl_primitive_attr_t attr;
    const char *what = k->d.what == TESS_GEMM ? "a matrix product" : "a convolution";
    if (!addresses_are_there(PRIMITIVE_BYTES)) /* oneDNN would write its code to address 0 */
        return ctx->fail(ctx, TESS_E_MEMORY,
                         "oneDNN wants up to %zu MiB of addresses to make %s, and they cannot be allocated; raise the limit (`ulimit -v`)",
                         PRIMITIVE_BYTES >> 20, what);
    TESS_TRY(onednn_kernels_check(ctx, dnnl_primitive_attr_create(&attr), what));
    dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = k->d.what == TESS_GEMM ? describe_product(k, o->engine, attr) : describe_conv(k, o->engine, attr);
    (void)dnnl_primitive_attr_destroy(attr);
    if (status == dnnl_unimplemented && k->d.dtype_a == TESS_BF16)
        return ctx->fail(ctx, TESS_E_VALUE, "oneDNN cannot compute %s in bf16 on this processor; set precision: f32 or auto", what);
    TESS_TRY(onednn_kernels_check(ctx, status, what));
    TESS_TRY(onednn_kernels_check(ctx, dnnl_primitive_create(&k->primitive, k->desc), what));
    layout_at w = onednn_kernels_asked(k, k->d.what == TESS_CONV_WEIGHT ? dnnl_query_diff_weights_md : dnnl_query_weights_md);
    k->repack = !dnnl_memory_desc_equal(w, AT(k->w));
    k->packed = dnnl_memory_desc_get_size(w);
    k->own = onednn_kernels_aligned(dnnl_memory_desc_get_size(onednn_kernels_asked(k, dnnl_query_scratchpad_md)));
    out->scratch_bytes = k->own;
    if (!k->repack)
        return TESS_OK;
    if (k->d.what == TESS_CONV_WEIGHT) {
        out->scratch_bytes += k->packed;
        return onednn_kernels_check(ctx, make_reorder(k, o->engine, w, AT(k->w)), "a reorder");
    }
    out->packed_bytes = k->packed;
    return onednn_kernels_check(ctx, make_reorder(k, o->engine, AT(k->w), w), "a reorder");
}

static int plan_gradient(struct tess_context *ctx, struct kernel *k, struct tess_kernel *out)
{
    TESS_TRY(weight_gradient_new(ctx, &k->d, &k->gradient));
    out->scratch_bytes = weight_gradient_rooms(k->gradient).all;
    return TESS_OK;
}

static int run_gradient(const struct kernel *k, const struct tess_kernel_run *r)
{
#ifdef TESSI_X86_64
    weight_gradient_by_tiles(k->gradient, r->a, r->b, r->c, r->scratch);
    return TESS_OK;
#else
    (void)k;
    return r->context->fail(r->context, TESS_E_INTERNAL, "a weight gradient by tiles on a processor without");
#endif
}

static void binding_free(struct binding *b)
{
    for (int i = 0; b && i < OPERANDS; i++)
        if (b->memory[i])
            (void)dnnl_memory_destroy(b->memory[i]);
    if (b && b->stream)
        (void)dnnl_stream_destroy(b->stream);
    tess_free(b);
}

static void onednn_kernels_drop(void *self, struct tess_kernel *kernel)
{
    struct kernel *k = kernel->handle;
    (void)self;
    if (!k)
        return;
    for (int i = 0; i < SPARES; i++)
        binding_free(atomic_load(&k->spare[i]));
    weight_gradient_free(k->gradient);
    if (k->reorder)
        (void)dnnl_primitive_destroy(k->reorder);
    if (k->primitive)
        (void)dnnl_primitive_destroy(k->primitive);
    if (k->desc)
        (void)dnnl_primitive_desc_destroy(k->desc);
    layout *const made[] = {&k->x, &k->w, &k->y, &k->bias};
    for (int i = 0; i < k->made; i++)
        free_layout(made[i]);
    tess_free(k);
    kernel->handle = NULL;
}

/* Products in f32 of any strides; the primitive for them gains nothing. */
static int is_sgemm(const struct tess_kernel_desc *d)
{
    return d->what == TESS_GEMM && d->dtype_a == TESS_F32;
}

static int onednn_kernels_plan(void *self, struct tess_context *ctx, const struct tess_kernel_desc *d, struct tess_kernel *out)
{
    void *memory;
    onednn_kernels_alone();
    int round_bf16 = d->dtype_a == TESS_BF16 && d->dtype_b == TESS_BF16, wide = d->dtype_a == TESS_F32 && d->dtype_b == TESS_F32;
    if ((!round_bf16 && !wide) || (d->dtype_c != TESS_F32 && (wide || d->dtype_c != TESS_BF16)))
        return ctx->fail(
            ctx, TESS_E_VALUE,
            "the onednn backend multiplies f32 by f32 into f32, or bf16 by bf16 into either, not %s x %s -> %s; set precision: f32",
            tess_dtype_name(d->dtype_a), tess_dtype_name(d->dtype_b), tess_dtype_name(d->dtype_c));
    int dense = d->lda == (d->transpose_a ? d->m : d->k) && d->ldb == (d->transpose_b ? d->k : d->n) && d->ldc == d->n &&
                d->inner == 1 && d->alpha == 1.0f && d->beta == 0.0f &&
                (d->outer == 1 || (d->stride_a[0] == d->m * d->k && d->stride_b[0] == d->k * d->n && d->stride_c[0] == d->m * d->n));
    if (d->what == TESS_GEMM && d->dtype_a == TESS_BF16 && !dense)
        return ctx->fail(ctx, TESS_E_VALUE, "the onednn backend wants operands in bf16 to be dense; set precision: f32");
    TESS_TRY(tess_alloc(ctx, sizeof(struct kernel), "a kernel", &memory));
    struct kernel *k = memory;
    k->d = *d;
    out->handle = k;
    const struct onednn *o = self;
    int status = is_sgemm(d)                               ? TESS_OK
                 : o->tiles && weight_gradient_fits(&k->d) ? plan_gradient(ctx, k, out)
                                                           : plan_primitive(self, ctx, k, out);
    if (status != TESS_OK)
        onednn_kernels_drop(self, out);
    return status;
}

/* ---- running ------------------------------------------------------------- */

struct operand {
    int argument;
    layout_at layout;
    const void *data;
};

/* Runs a primitive on this thread, with objects made for this run alone. */
static dnnl_status_t onednn_kernels_execute(dnnl_engine_t engine, dnnl_primitive_t primitive, int n, const struct operand *operand)
{
    dnnl_exec_arg_t argument[6];
    dnnl_stream_t stream = NULL;
    int made = 0;
    onednn_kernels_alone();
    dnnl_status_t status = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    for (; made < n && status == dnnl_success; made++) {
        argument[made].arg = operand[made].argument;
        status = dnnl_memory_create(&argument[made].memory, operand[made].layout, engine, (void *)(uintptr_t)operand[made].data);
        if (status != dnnl_success)
            break;
    }
    if (status == dnnl_success)
        status = dnnl_primitive_execute(primitive, stream, n, argument);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    while (made > 0)
        (void)dnnl_memory_destroy(argument[--made].memory);
    if (stream)
        (void)dnnl_stream_destroy(stream);
    return status;
}

static struct binding *binding_take(struct tess_context *ctx, struct kernel *k, dnnl_engine_t engine)
{
    void *memory = NULL;
    struct binding *b = NULL;
    for (int i = 0; i < SPARES && !b; i++)
        b = atomic_exchange(&k->spare[i], NULL);
    if (b || tess_alloc(ctx, sizeof *b, "a product", &memory) != TESS_OK)
        return b;
    b = memory;
    if (dnnl_stream_create(&b->stream, engine, dnnl_stream_default_flags) == dnnl_success)
        return b;
    tess_free(b);
    return NULL;
}

static void binding_put(struct kernel *k, struct binding *b)
{
    for (int i = 0; i < SPARES; i++) {
        struct binding *none = NULL;
        if (atomic_compare_exchange_strong(&k->spare[i], &none, b))
            return;
    }
    binding_free(b);
}

/* Has operand i stand for this data. An object of weights in a layout of the library's is made anew: given other memory, the library would
 * write what pads that layout, which other threads may be reading. */
static dnnl_status_t binding_set(struct binding *b, int i, dnnl_engine_t engine, const struct operand *o, int padded)
{
    void *data = (void *)(uintptr_t)o->data;
    dnnl_status_t status = dnnl_success;
    if (b->memory[i] && b->data[i] == o->data)
        return status;
    if (b->memory[i] && padded) {
        (void)dnnl_memory_destroy(b->memory[i]);
        b->memory[i] = NULL;
    }
    b->data[i] = NULL;
    status = b->memory[i] ? dnnl_memory_set_data_handle(b->memory[i], data) : dnnl_memory_create(&b->memory[i], o->layout, engine, data);
    if (status == dnnl_success)
        b->data[i] = o->data;
    return status;
}

/* Runs the kernel's primitive on this thread. */
static dnnl_status_t onednn_kernels_run_bound(struct tess_context *ctx, dnnl_engine_t engine, struct kernel *k, int n,
                                              const struct operand *operand)
{
    dnnl_exec_arg_t argument[OPERANDS];
    int laid_out = !k->repack ? -1 : k->d.what == TESS_CONV_WEIGHT ? 2 : 1; /* operand in a layout of the library's */
    struct binding *b = binding_take(ctx, k, engine);
    dnnl_status_t status = b ? dnnl_success : dnnl_out_of_memory;
    onednn_kernels_alone();
    for (int i = 0; i < n && status == dnnl_success; i++) {
        status = binding_set(b, i, engine, &operand[i], i == laid_out);
        argument[i] = (dnnl_exec_arg_t){operand[i].argument, b->memory[i]};
    }
    if (status == dnnl_success)
        status = dnnl_primitive_execute(k->primitive, b->stream, n, argument);
    if (status == dnnl_success)
        status = dnnl_stream_wait(b->stream);
    if (status == dnnl_success)
        binding_put(k, b);
    else
        binding_free(b);
    return status;
}

static int onednn_kernels_pack(void *self, const struct tess_kernel *kernel, const void *b, void *packed)
{
    const struct onednn *o = self;
    const struct kernel *k = kernel->handle;
    const struct operand operand[] = {{DNNL_ARG_FROM, AT(k->w), b}, {DNNL_ARG_TO, onednn_kernels_asked(k, dnnl_query_weights_md), packed}};
    return onednn_kernels_execute(o->engine, k->reorder, 2, operand) == dnnl_success ? TESS_OK : TESS_E_FAILED;
}

static int run_primitive(const struct onednn *o, struct kernel *k, const struct tess_kernel_run *r)
{
    layout_at spare = onednn_kernels_asked(k, dnnl_query_scratchpad_md);
    if (k->d.what == TESS_CONV || k->d.what == TESS_GEMM) {
        const struct operand operand[] = {{DNNL_ARG_SRC, AT(k->x), r->a},
                                          {DNNL_ARG_WEIGHTS, onednn_kernels_asked(k, dnnl_query_weights_md), r->b},
                                          {DNNL_ARG_DST, AT(k->y), r->c},
                                          {DNNL_ARG_SCRATCHPAD, spare, r->scratch},
                                          {DNNL_ARG_BIAS, AT(k->bias), r->bias}};
        return onednn_kernels_check(r->context, onednn_kernels_run_bound(r->context, o->engine, k, k->d.bias ? 5 : 4, operand),
                                    "a product");
    }
    if (k->d.what == TESS_CONV_DATA) {
        const struct operand operand[] = {{DNNL_ARG_DIFF_DST, AT(k->y), r->a},
                                          {DNNL_ARG_WEIGHTS, onednn_kernels_asked(k, dnnl_query_weights_md), r->b},
                                          {DNNL_ARG_DIFF_SRC, AT(k->x), r->c},
                                          {DNNL_ARG_SCRATCHPAD, spare, r->scratch}};
        return onednn_kernels_check(r->context, onednn_kernels_run_bound(r->context, o->engine, k, 4, operand), "a convolution's gradient");
    }
    layout_at dw = onednn_kernels_asked(k, dnnl_query_diff_weights_md);
    void *made = k->repack ? (char *)r->scratch + k->own : r->c;
    const struct operand operand[] = {{DNNL_ARG_SRC, AT(k->x), r->a},
                                      {DNNL_ARG_DIFF_DST, AT(k->y), r->b},
                                      {DNNL_ARG_DIFF_WEIGHTS, dw, made},
                                      {DNNL_ARG_SCRATCHPAD, spare, r->scratch}};
    TESS_TRY(onednn_kernels_check(r->context, onednn_kernels_run_bound(r->context, o->engine, k, 4, operand),
                                  "a convolution's weight gradient"));
    if (!k->repack)
        return TESS_OK;
    const struct operand back[] = {{DNNL_ARG_FROM, dw, made}, {DNNL_ARG_TO, AT(k->w), r->c}};
    return onednn_kernels_check(r->context, onednn_kernels_execute(o->engine, k->reorder, 2, back), "a reorder");
}

/* Adds four at a time: said here, as the bias may be anywhere for all a compiler knows of it, and it then adds one by one. */
static void add_bias(int64_t n, const float *restrict bias, float *restrict y)
{
    typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 4; k++)
            ((four *)(void *)(y + i))[k] += ((const four *)(const void *)(bias + i))[k];
    for (; i < n; i++)
        y[i] += bias[i];
}

static int onednn_kernels_run_gemm(const struct tess_kernel_desc *d, const struct tess_kernel_run *r)
{
    onednn_kernels_alone();
    for (int64_t i = 0; i < d->outer; i++)
        for (int64_t j = 0; j < d->inner; j++) {
            const float *a = (const float *)r->a + i * d->stride_a[0] + j * d->stride_a[1];
            const float *b = (const float *)r->b + i * d->stride_b[0] + j * d->stride_b[1];
            float *y = (float *)r->c + i * d->stride_c[0] + j * d->stride_c[1];
            TESS_TRY(onednn_kernels_check(r->context,
                           dnnl_sgemm(d->transpose_a ? 'T' : 'N', d->transpose_b ? 'T' : 'N', d->m, d->n, d->k, d->alpha, a, d->lda, b,
                                      d->ldb, d->beta, y, d->ldc),
                           "a matrix product"));
            for (int64_t row = 0; d->bias && row < d->m; row++)
                add_bias(d->n, r->bias, y + row * d->ldc);
        }
    return TESS_OK;
}

static int onednn_kernels_run(void *self, const struct tess_kernel *kernel, const struct tess_kernel_run *r)
{
    struct kernel *k = kernel->handle;
    if (k->gradient)
        return run_gradient(k, r);
    return is_sgemm(&k->d) ? onednn_kernels_run_gemm(&k->d, r) : run_primitive(self, k, r);
}

static const char *onednn_kernels_numeric_class(void *self)
{
    return ((struct onednn *)self)->numeric_class;
}

static int onednn_kernels_has(unsigned isa)
{
    return ((unsigned)dnnl_get_effective_cpu_isa() & isa) == isa;
}

static int onednn_kernels_multiplies(void *self, int32_t dtype)
{
    (void)self;
    if (dtype != TESS_BF16)
        return dtype == TESS_F32;
    return onednn_kernels_has(dnnl_cpu_isa_avx512_core_amx) ? 2 : onednn_kernels_has(dnnl_cpu_isa_avx512_core_bf16);
}

static int open_onednn(void *self, struct tess_context *ctx)
{
    struct onednn *o = self;
    const dnnl_version_t *v = dnnl_version();
    o->tiles = onednn_kernels_has(dnnl_cpu_isa_avx512_core_amx) && weight_gradient_has_tiles();
    snprintf(o->numeric_class, sizeof o->numeric_class, "onednn %d.%d.%d isa %#x%s", v->major, v->minor, v->patch,
             (unsigned)dnnl_get_effective_cpu_isa(), o->tiles ? ", weight gradients 1" : "");
    dnnl_status_t status = dnnl_engine_create(&o->engine, dnnl_cpu, 0);
    if (status != dnnl_success)
        return ctx->fail(
            ctx, TESS_E_PLUGIN,
            "this build of oneDNN cannot use the processor (status %d): it may want a run-time system that is not installed; take "
            "--backend openblas, or another oneDNN",
            (int)status);
    return TESS_OK;
}

static void close_onednn(void *self)
{
    struct onednn *o = self;
    if (o->engine)
        (void)dnnl_engine_destroy(o->engine);
}

static const struct tess_backend_1 ops = {.size = sizeof ops,
                                          .numeric_class = onednn_kernels_numeric_class,
                                          .plan = onednn_kernels_plan,
                                          .pack = onednn_kernels_pack,
                                          .run = onednn_kernels_run,
                                          .drop = onednn_kernels_drop,
                                          .multiplies = onednn_kernels_multiplies,
                                          .preference = ONEDNN_PREFERENCE};

ONEDNN_PLUGIN(sizeof(struct onednn), open_onednn, close_onednn, NULL);
