/* Planning and running the backend's kernels. SPDX-License-Identifier: MIT */
#include "core/ops/backend_gemm.h"

#include "core/base/memory.h"
#include "core/graph/pack.h"
#include "core/kernels/kernels.h"

#include <string.h>

struct tess_kernel_desc tessi_ops_gemm(int64_t m, int64_t n, int64_t k, int transpose_a, int64_t lda, int transpose_b, int64_t ldb,
                                       int64_t ldc)
{
    return (struct tess_kernel_desc){.size = sizeof(struct tess_kernel_desc),
                                     .what = TESS_GEMM,
                                     .dtype_a = TESS_F32,
                                     .dtype_b = TESS_F32,
                                     .dtype_c = TESS_F32,
                                     .transpose_a = transpose_a,
                                     .transpose_b = transpose_b,
                                     .m = m,
                                     .n = n,
                                     .k = k,
                                     .lda = lda,
                                     .ldb = ldb,
                                     .ldc = ldc,
                                     .outer = 1,
                                     .inner = 1,
                                     .alpha = 1.0f};
}

int32_t tessi_ops_operands(const struct tess_graph *g)
{
    return g->runtime->precision;
}

static size_t rounded_bytes(int64_t values)
{
    return tessi_base_aligned((size_t)values * sizeof(uint16_t));
}

static int append_pack(struct tess_context *ctx, struct tess_graph *g, const struct tessi_pack *p)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(g->packs + 1) * sizeof *g->pack, "a graph", &memory));
    if (g->packs)
        memcpy(memory, g->pack, (size_t)g->packs * sizeof *g->pack);
    tess_free(g->pack);
    g->pack = memory;
    g->pack[g->packs++] = *p;
    return TESS_OK;
}

static int add_pack(struct tess_context *ctx, struct tess_graph *g, struct tessi_backend_gemm *k, int64_t weight)
{
    struct tessi_pack p = {.weight = weight, .offset = g->packed_bytes, .is_bf16 = k->round_b > 0};
    size_t rounded = rounded_bytes(k->round_b);
    k->round_b = 0; /* once a step, not for each run */
    if (k->kernel.packed_bytes) {
        p.kernel = &k->kernel;
        g->packed_bytes += tessi_base_aligned(k->kernel.packed_bytes);
        g->pack_scratch = g->pack_scratch > rounded ? g->pack_scratch : rounded;
    } else {
        for (int64_t i = 0; i < g->packs; i++)
            if (tessi_graph_pack_is_rounded(&g->pack[i]) && g->pack[i].weight == weight) {
                k->pack = i;
                return TESS_OK;
            }
        g->weights->item[weight].rounds = 1;
    }
    k->pack = g->packs;
    return append_pack(ctx, g, &p);
}

int tessi_ops_backend_gemm_keep(struct tess_context *ctx, struct tess_graph *g, const struct tess_node *weight, size_t bytes,
                     int (*make)(const void *self, const float *weight, char *to), const void *self, size_t *offset)
{
    struct tessi_pack p = {.weight = weight->value_of->index, .offset = g->packed_bytes, .make = make, .self = self};
    TESS_TRY(append_pack(ctx, g, &p));
    g->packed_bytes += tessi_base_aligned(bytes);
    *offset = p.offset;
    return TESS_OK;
}

/* Numbers of values of operands a and b, which are dense where they are to be rounded. */
static void count_operands(const struct tess_kernel_desc *d, int64_t *a, int64_t *b)
{
    int64_t x = d->images * d->h * d->w * d->ci, y = d->images * d->ho * d->wo * d->co, w = d->co * d->kh * d->kw * d->ci;
    *a = d->what == TESS_GEMM ? d->m * d->k : d->what == TESS_CONV_DATA ? y : x;
    *b = d->what == TESS_GEMM ? d->k * d->n : d->what == TESS_CONV_WEIGHT ? y : w;
}

int tessi_ops_backend_gemm_plan(struct tess_context *ctx, struct tess_graph *g, const struct tess_kernel_desc *d, int32_t operands,
                                const struct tess_node *b, struct tessi_backend_gemm *out, size_t *scratch)
{
    int is_weight = b && b->value_of->kind == TESSI_WEIGHT;
    int64_t values_a, values_b;
    struct tess_kernel_desc wanted = *d;
    if (d->what == TESS_GEMM && (d->m > INT32_MAX || d->n > INT32_MAX || d->k > INT32_MAX))
        return ctx->fail(ctx, TESS_E_SHAPE, "a product of %lld x %lld by %lld x %lld: backends have sizes below 2^31", (long long)d->m,
                         (long long)d->k, (long long)d->k, (long long)d->n);
    wanted.weight_b = b != NULL;
    wanted.dtype_a = wanted.dtype_b = operands;
    out->kernel = (struct tess_kernel){.size = sizeof out->kernel};
    TESS_TRY(g->runtime->backend_ops->plan(g->runtime->backend_self, ctx, &wanted, &out->kernel));
    out->graph = g;
    out->pack = -1;
    count_operands(d, &values_a, &values_b);
    out->round_a = d->dtype_a == operands ? 0 : values_a;
    out->round_b = d->dtype_b == operands ? 0 : values_b;
    size_t need = tessi_base_aligned(out->kernel.scratch_bytes);
    if (is_weight && (out->kernel.packed_bytes || out->round_b))
        TESS_TRY(add_pack(ctx, g, out, b->value_of->index));
    else
        need += tessi_base_aligned(out->kernel.packed_bytes);
    need += rounded_bytes(out->round_a) + rounded_bytes(out->round_b);
    *scratch = *scratch > need ? *scratch : need;
    return TESS_OK;
}

void tessi_ops_backend_gemm_drop(struct tessi_backend_gemm *k)
{
    if (k->graph)
        k->graph->runtime->backend_ops->drop(k->graph->runtime->backend_self, &k->kernel);
    k->graph = NULL;
}

/* Operand as the kernel takes it: as it lies, or rounded to bf16 into the scratch at *at, which moves past it. */
static const void *backend_gemm_operand(const void *x, int64_t round_bf16, char **at)
{
    char *here = *at;
    if (!round_bf16)
        return x;
    tessi_kernels()->to_bf16(round_bf16, x, (uint16_t *)(void *)here);
    *at += rounded_bytes(round_bf16);
    return here;
}

int tessi_ops_backend_gemm_run(const struct tess_op_run *r, const struct tessi_backend_gemm *k, size_t offset, const void *a, const void *b,
                    const float *bias, void *result)
{
    const struct tessi_runtime *runtime = k->graph->runtime;
    char *scratch = r->scratch ? (char *)r->scratch + offset : NULL; /* NULL where nothing is needed, which has no offsets */
    char *at = scratch ? scratch + tessi_base_aligned(k->kernel.scratch_bytes) : NULL;
    if (k->pack >= 0) {
        b = tessi_graph_pack_at(k->graph, k->pack);
    } else if (k->kernel.packed_bytes) {
        char *packed = at;
        at += tessi_base_aligned(k->kernel.packed_bytes);
        TESS_TRY(runtime->backend_ops->pack(runtime->backend_self, &k->kernel, backend_gemm_operand(b, k->round_b, &at), packed));
        b = packed;
    } else {
        b = backend_gemm_operand(b, k->round_b, &at);
    }
    struct tess_kernel_run run = {.size = sizeof run,
                                  .a = backend_gemm_operand(a, k->round_a, &at),
                                  .b = b,
                                  .bias = bias,
                                  .c = result,
                                  .scratch = scratch,
                                  .context = r->context};
    return runtime->backend_ops->run(runtime->backend_self, &k->kernel, &run);
}
