/* y = W x + b over the last dimension, and products of (batches of) matrices. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/ops/backend_gemm.h"
#include "core/graph/bf16_view.h"

#include <string.h>

struct state {
    struct tessi_backend_gemm forward, da, db; /* the product and its two gradients */
};

static int matmul_alloc_state(struct tess_context *ctx, struct tessi_step *s, size_t bytes)
{
    return s->state ? TESS_OK : tess_alloc(ctx, bytes, "an operation", &s->state);
}

static void matmul_drop(struct tess_graph *g, struct tessi_step *s)
{
    struct state *k = s->state;
    (void)g;
    if (!k)
        return;
    tessi_ops_backend_gemm_drop(&k->forward);
    tessi_ops_backend_gemm_drop(&k->da);
    tessi_ops_backend_gemm_drop(&k->db);
}

/* ---- linear: x (rows, C), w (O, C), b (O) -> y (rows, O) ---- */

static int linear_prepare(struct tess_context *ctx, struct tess_graph *g, struct tessi_step *s)
{
    const struct tess_node *w = s->in[1], *dx = s->in[0]->gradient_of;
    int64_t o = w->shape.dim[0], ci = w->shape.dim[1], rows = tess_tensor_count(&s->in[0]->shape) / ci;
    TESS_TRY(matmul_alloc_state(ctx, s, sizeof(struct state)));
    struct state *k = s->state;
    struct tess_kernel_desc d = tessi_ops_gemm(rows, o, ci, 0, ci, 1, ci, o);
    d.bias = s->in[2] != NULL;
    d.dtype_a = s->in[0]->value_of->stored;
    d.dtype_c = s->out[0]->stored;
    TESS_TRY(tessi_ops_backend_gemm_plan(ctx, g, &d, tessi_ops_operands(g), w, &k->forward, &s->scratch_forward));
    s->reads_pack = k->forward.pack >= 0 ? 1u << 1 : 0;
    if (!g->objectives)
        return TESS_OK;
    d = tessi_ops_gemm(rows, ci, o, 0, o, 0, ci, ci); /* dx = dy W */
    d.dtype_a = s->out[0]->stored;
    d.dtype_c = dx ? dx->stored : TESS_F32;
    if (dx)
        TESS_TRY(tessi_ops_backend_gemm_plan(ctx, g, &d, tessi_ops_operands(g), w, &k->da, &s->scratch_backward));
    d = tessi_ops_gemm(o, ci, rows, 1, o, 0, ci, ci); /* dW = dy^T x */
    d.dtype_a = s->out[0]->stored;
    d.dtype_b = s->in[0]->value_of->stored;
    return tessi_ops_backend_gemm_plan(ctx, g, &d, tessi_ops_operands(g), NULL, &k->db, &s->scratch_backward);
}

static int linear_forward(const struct tess_op_run *r)
{
    const struct state *k = r->host_state;
    return tessi_ops_backend_gemm_run(r, &k->forward, 0, r->in[0].data, r->in[1].data, r->in[2].data, r->out[0].data);
}

static int linear_backward(const struct tess_op_run *r)
{
    const struct state *k = r->host_state;
    const void *dy = r->dout[0].data;
    if (r->din[0].data)
        TESS_TRY(tessi_ops_backend_gemm_run(r, &k->da, 0, dy, r->in[1].data, NULL, r->din[0].data));
    if (r->din[1].data)
        TESS_TRY(tessi_ops_backend_gemm_run(r, &k->db, 0, dy, r->in[0].data, NULL, r->din[1].data));
    if (r->din[2].data) {
        memset(r->din[2].data, 0, tess_tensor_bytes(&r->din[2]));
        tessi_graph_bf16_view_column_sums(&r->dout[0], r->din[2].data);
    }
    return TESS_OK;
}

static const struct tessi_op op_linear = {
    .op = {.size = sizeof(struct tess_op), .name = "linear", .keep_in = 3, .forward = linear_forward, .backward = linear_backward},
    .prepare = linear_prepare,
    .drop = matmul_drop,
    .bf16_in = 1,
    .bf16_out = 1};

struct tess_node *tess_linear(struct tess_graph *g, struct tess_node *x, struct tess_node *w, struct tess_node *b)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "linear", x, w))
        return NULL;
    struct tess_tensor y = x->shape;
    if (y.rank < 1 || w->shape.rank != 2 || y.dim[y.rank - 1] != w->shape.dim[1] || y.dtype != TESS_F32 || w->shape.dtype != TESS_F32 ||
        (b && (b->shape.dtype != TESS_F32 || b->shape.rank != 1 || b->shape.dim[0] != w->shape.dim[0])))
        return tess_graph_fail(g, TESS_E_SHAPE,
                               "linear of %s with weight %s: the last dimensions must agree, and the bias have one value a row",
                               tess_tensor_text(&y, left, sizeof left), tess_tensor_text(&w->shape, right, sizeof right));
    y.dim[y.rank - 1] = w->shape.dim[0];
    struct tess_node *in[3] = {x, w, b};
    return tessi_graph_record(g, &op_linear, NULL, 0, 3, in, 1, &y, 2.0 * (double)tess_tensor_count(&x->shape) * (double)w->shape.dim[0]);
}

struct tess_node *tess_linear_along(struct tess_graph *g, struct tess_node *x, int32_t axis, struct tess_node *w, struct tess_node *b)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "linear_along", x, w))
        return NULL;
    int32_t last = x->shape.rank - 1;
    if (axis < 0 || axis > last || w->shape.rank != 2 || w->shape.dim[1] != x->shape.dim[axis])
        return tess_graph_fail(g, TESS_E_SHAPE, "linear_along axis %d of %s with weight %s: a weight (O, values along the axis) is wanted",
                               (int)axis, tess_tensor_text(&x->shape, left, sizeof left), tess_tensor_text(&w->shape, right, sizeof right));
    if (axis == last)
        return tess_linear(g, x, w, b);
    return tess_transpose(g, tess_linear(g, tess_transpose(g, x, axis, last), w, b), axis, last);
}

/* ---- matmul: op(a) (m, k), op(b) (k, n) -> (m, n), over the leading dimensions ---- */

struct matmul {
    int32_t ta, tb;
    int64_t batch, m, n, k;
};

static struct tess_kernel_desc matmul_batched(const struct matmul *p, int64_t m, int64_t n, int64_t k, int ta, int tb)
{
    struct tess_kernel_desc d = tessi_ops_gemm(m, n, k, ta, ta ? m : k, tb, tb ? k : n, n);
    d.outer = p->batch;
    d.stride_a[0] = m * k;
    d.stride_b[0] = k * n;
    d.stride_c[0] = m * n;
    return d;
}

static int matmul_prepare(struct tess_context *ctx, struct tess_graph *g, struct tessi_step *s)
{
    const struct matmul *p = s->attr;
    TESS_TRY(matmul_alloc_state(ctx, s, sizeof(struct state)));
    struct state *k = s->state;
    struct tess_kernel_desc d = matmul_batched(p, p->m, p->n, p->k, p->ta, p->tb);
    TESS_TRY(tessi_ops_backend_gemm_plan(ctx, g, &d, TESS_F32, NULL, &k->forward, &s->scratch_forward));
    if (!g->objectives)
        return TESS_OK;
    d = p->ta ? matmul_batched(p, p->k, p->m, p->n, p->tb, 1)   /* da^T = op(b) dy^T */
              : matmul_batched(p, p->m, p->k, p->n, 0, !p->tb); /* da = dy op(b)^T */
    TESS_TRY(tessi_ops_backend_gemm_plan(ctx, g, &d, TESS_F32, NULL, &k->da, &s->scratch_backward));
    d = p->tb ? matmul_batched(p, p->n, p->k, p->m, 1, p->ta)   /* db^T = dy^T op(a) */
              : matmul_batched(p, p->k, p->n, p->m, !p->ta, 0); /* db = op(a)^T dy */
    return tessi_ops_backend_gemm_plan(ctx, g, &d, TESS_F32, NULL, &k->db, &s->scratch_backward);
}

static int matmul_forward(const struct tess_op_run *r)
{
    const struct state *k = r->host_state;
    return tessi_ops_backend_gemm_run(r, &k->forward, 0, r->in[0].data, r->in[1].data, NULL, r->out[0].data);
}

static int matmul_backward(const struct tess_op_run *r)
{
    const struct state *k = r->host_state;
    const struct matmul *p = r->attr;
    const void *a = r->in[0].data, *b = r->in[1].data, *dy = r->dout[0].data;
    if (r->din[0].data)
        TESS_TRY(tessi_ops_backend_gemm_run(r, &k->da, 0, p->ta ? b : dy, p->ta ? dy : b, NULL, r->din[0].data));
    if (r->din[1].data)
        TESS_TRY(tessi_ops_backend_gemm_run(r, &k->db, 0, p->tb ? dy : a, p->tb ? a : dy, NULL, r->din[1].data));
    return TESS_OK;
}

static const struct tessi_op op_matmul = {
    .op = {.size = sizeof(struct tess_op), .name = "matmul", .keep_in = 3, .forward = matmul_forward, .backward = matmul_backward},
    .prepare = matmul_prepare,
    .drop = matmul_drop};

struct tess_node *tess_matmul(struct tess_graph *g, struct tess_node *a, struct tess_node *b, int transpose_a, int transpose_b)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "matmul", a, b))
        return NULL;
    struct tess_tensor y = a->shape;
    const struct tess_tensor *sa = &a->shape, *sb = &b->shape;
    int fits = sa->rank >= 2 && sa->rank == sb->rank && sa->dtype == TESS_F32 && sb->dtype == TESS_F32;
    struct matmul p = {.ta = transpose_a != 0, .tb = transpose_b != 0, .batch = 1};
    if (fits) {
        int32_t i = sa->rank - 2;
        p.m = sa->dim[p.ta ? i + 1 : i];
        p.k = sa->dim[p.ta ? i : i + 1];
        p.n = sb->dim[p.tb ? i : i + 1];
        fits = p.k == sb->dim[p.tb ? i + 1 : i];
        for (int32_t k = 0; k < i; k++) {
            fits = fits && sa->dim[k] == sb->dim[k];
            p.batch *= sa->dim[k];
        }
        y.dim[i] = p.m;
        y.dim[i + 1] = p.n;
    }
    if (!fits)
        return tess_graph_fail(g, TESS_E_SHAPE,
                               "matmul of %s%s and %s%s: f32 (..., m, k) and (..., k, n) are wanted, alike before the last two",
                               tess_tensor_text(sa, left, sizeof left), transpose_a ? " transposed" : "",
                               tess_tensor_text(sb, right, sizeof right), transpose_b ? " transposed" : "");
    struct tess_node *in[2] = {a, b};
    return tessi_graph_record(g, &op_matmul, &p, sizeof p, 2, in, 1, &y, 2.0 * (double)p.batch * (double)p.m * (double)p.n * (double)p.k);
}
