/* q softmax(k)^T v for each head, the softmax over the positions: no L x M matrix exists, a head's d x d context does its work.
 *     P = softmax over rows of k^T (d, M),  E = P v (d, d),  y = q E (L, d)      (docs/models.md, "U-Net", (17.6))
 *     dq = dy E^T,  dE = q^T dy,  dv = P^T dE,  dP = dE v^T,  dk^T = P (dP - rowsum(P dP))
 * E is kept; P is made again. A head's rows lie apart in memory, stored as f32 or bf16; they are brought together as f32, k transposed, so
 * that the softmax goes along rows. The products are small beside the layers around them and stay f32.
 * SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/ops/backend_gemm.h"
#include "core/base/memory.h"
#include "core/kernels/kernels.h"
#include "core/graph/bf16_view.h"

#include <string.h>

struct linear {
    int32_t heads;
    int64_t l, m, c, d;
};

struct state {
    struct tessi_backend_gemm context, apply;    /* E = P v; y = q E */
    struct tessi_backend_gemm dq, de, dv, dp;
    size_t square, queries, keys;         /* bytes of a (d, d), an (L, d) and an (M, d) matrix */
};

static size_t linear_attention_floats(int64_t values)
{
    return tessi_base_aligned((size_t)values * sizeof(float));
}

static int linear_attention_plan(struct tess_context *ctx, struct tess_graph *g, int64_t m, int64_t n, int64_t k, int ta, int tb,
                                 struct tessi_backend_gemm *out, size_t *scratch)
{
    struct tess_kernel_desc d = tessi_ops_gemm(m, n, k, ta, ta ? m : k, tb, tb ? k : n, n);
    return tessi_ops_backend_gemm_plan(ctx, g, &d, TESS_F32, NULL, out, scratch);
}

static int linear_attention_prepare(struct tess_context *ctx, struct tess_graph *g, struct tessi_step *s)
{
    const struct linear *a = s->attr;
    size_t kernels = 0;
    if (!s->state)
        TESS_TRY(tess_alloc(ctx, sizeof(struct state), "an operation", &s->state));
    struct state *k = s->state;
    k->square = linear_attention_floats(a->d * a->d);
    k->queries = linear_attention_floats(a->l * a->d);
    k->keys = linear_attention_floats(a->m * a->d);
    TESS_TRY(linear_attention_plan(ctx, g, a->d, a->d, a->m, 0, 0, &k->context, &kernels));
    TESS_TRY(linear_attention_plan(ctx, g, a->l, a->d, a->d, 0, 0, &k->apply, &kernels));
    s->scratch_forward = 2 * k->queries + 2 * k->keys + kernels;
    if (!g->objectives)
        return TESS_OK;
    TESS_TRY(linear_attention_plan(ctx, g, a->l, a->d, a->d, 0, 1, &k->dq, &kernels));
    TESS_TRY(linear_attention_plan(ctx, g, a->d, a->d, a->l, 1, 0, &k->de, &kernels));
    TESS_TRY(linear_attention_plan(ctx, g, a->m, a->d, a->d, 1, 0, &k->dv, &kernels));
    TESS_TRY(linear_attention_plan(ctx, g, a->d, a->m, a->d, 0, 1, &k->dp, &kernels));
    s->scratch_backward = k->square + 3 * k->queries + 4 * k->keys + kernels;
    return TESS_OK;
}

static void linear_attention_drop(struct tess_graph *g, struct tessi_step *s)
{
    struct state *k = s->state;
    (void)g;
    if (!k)
        return;
    struct tessi_backend_gemm *const all[] = {&k->context, &k->apply, &k->dq, &k->de, &k->dv, &k->dp};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tessi_ops_backend_gemm_drop(all[i]);
}

/* ---- a head's rows ---- */

/* Offset, in values, of head h of sample n in a tensor of `length` rows. */
static int64_t linear_attention_head_at(const struct linear *a, int64_t n, int32_t h, int64_t length)
{
    return n * length * a->c + h * a->d;
}

static void linear_attention_collect(const struct linear *a, const struct tess_tensor *t, int64_t at, int64_t rows, float *to)
{
    for (int64_t i = 0; i < rows; i++, at += a->c, to += a->d) {
        const float *row = tessi_graph_bf16_view_in(t, at, a->d, to);
        if (row != to)
            memcpy(to, row, (size_t)a->d * sizeof *to);
    }
}

static void linear_attention_spread(const struct linear *a, float *from, int64_t at, int64_t rows, const struct tess_tensor *t)
{
    for (int64_t i = 0; i < rows; i++, at += a->c, from += a->d) {
        float *row = tessi_graph_bf16_view_out(t, at, from);
        if (row != from)
            memcpy(row, from, (size_t)a->d * sizeof *from);
        tessi_graph_bf16_view_done(t, at, a->d, from);
    }
}

/* x (rows, columns) -> y (columns, rows) */
static void linear_attention_turn(int64_t rows, int64_t columns, const float *x, float *y)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            y[j * rows + i] = x[i * columns + j];
}

/* P of a head; `spare` holds its keys on the way. */
static void linear_attention_weights(const struct linear *a, const struct tess_tensor *key, int64_t at, float *spare, float *p)
{
    linear_attention_collect(a, key, at, a->m, spare);
    linear_attention_turn(a->m, a->d, spare, p);
    for (int64_t j = 0; j < a->d; j++)
        (void)tessi_kernels()->as_f32.softmax(a->m, 1.0f, p + j * a->m, p + j * a->m);
}

/* Memory of one head, laid out in the scratch of a run from *at on. */
static float *linear_attention_take(char **at, size_t bytes)
{
    void *here = *at;
    *at += bytes;
    return here;
}

static float *context_of(const struct tess_op_run *r, int64_t n, int32_t h)
{
    const struct linear *a = r->attr;
    return (float *)r->out[1].data + (n * a->heads + h) * a->d * a->d;
}

/* ---- forward and backward of one head ---- */

static int head_forward(const struct tess_op_run *r, int64_t n, int32_t h)
{
    const struct linear *a = r->attr;
    const struct state *k = r->host_state;
    char *scratch = r->scratch;
    float *p = linear_attention_take(&scratch, k->keys), *v = linear_attention_take(&scratch, k->keys),
          *q = linear_attention_take(&scratch, k->queries), *y = linear_attention_take(&scratch, k->queries);
    size_t used = (size_t)(scratch - (char *)r->scratch);
    int64_t rows = linear_attention_head_at(a, n, h, a->l), keys = linear_attention_head_at(a, n, h, a->m);
    linear_attention_weights(a, &r->in[1], keys, v, p);
    linear_attention_collect(a, &r->in[2], keys, a->m, v);
    TESS_TRY(tessi_ops_backend_gemm_run(r, &k->context, used, p, v, NULL, context_of(r, n, h)));
    linear_attention_collect(a, &r->in[0], rows, a->l, q);
    TESS_TRY(tessi_ops_backend_gemm_run(r, &k->apply, used, q, context_of(r, n, h), NULL, y));
    linear_attention_spread(a, y, rows, a->l, &r->out[0]);
    return TESS_OK;
}

static int head_backward(const struct tess_op_run *r, int64_t n, int32_t h)
{
    const struct linear *a = r->attr;
    const struct state *k = r->host_state;
    char *scratch = r->scratch;
    float *p = linear_attention_take(&scratch, k->keys), *v = linear_attention_take(&scratch, k->keys),
          *dp = linear_attention_take(&scratch, k->keys), *spare = linear_attention_take(&scratch, k->keys);
    float *q = linear_attention_take(&scratch, k->queries), *dy = linear_attention_take(&scratch, k->queries),
          *dq = linear_attention_take(&scratch, k->queries);
    float *de = linear_attention_take(&scratch, k->square);
    size_t used = (size_t)(scratch - (char *)r->scratch);
    int64_t rows = linear_attention_head_at(a, n, h, a->l), keys = linear_attention_head_at(a, n, h, a->m);
    linear_attention_collect(a, &r->dout[0], rows, a->l, dy);
    if (r->din[0].data) {
        TESS_TRY(tessi_ops_backend_gemm_run(r, &k->dq, used, dy, context_of(r, n, h), NULL, dq));
        linear_attention_spread(a, dq, rows, a->l, &r->din[0]);
    }
    if (!r->din[1].data && !r->din[2].data)
        return TESS_OK;
    linear_attention_weights(a, &r->in[1], keys, spare, p);
    linear_attention_collect(a, &r->in[0], rows, a->l, q);
    TESS_TRY(tessi_ops_backend_gemm_run(r, &k->de, used, q, dy, NULL, de));
    if (r->din[2].data) {
        TESS_TRY(tessi_ops_backend_gemm_run(r, &k->dv, used, p, de, NULL, spare));
        linear_attention_spread(a, spare, keys, a->m, &r->din[2]);
    }
    if (!r->din[1].data)
        return TESS_OK;
    linear_attention_collect(a, &r->in[2], keys, a->m, v);
    TESS_TRY(tessi_ops_backend_gemm_run(r, &k->dp, used, de, v, NULL, dp));
    for (int64_t j = 0; j < a->d; j++)
        tessi_kernels()->as_f32.softmax_back(a->m, 1.0f, p + j * a->m, dp + j * a->m, dp + j * a->m);
    linear_attention_turn(a->d, a->m, dp, spare);
    linear_attention_spread(a, spare, keys, a->m, &r->din[1]);
    return TESS_OK;
}

static int each_head(const struct tess_op_run *r, int (*head)(const struct tess_op_run *r, int64_t n, int32_t h))
{
    const struct linear *a = r->attr;
    for (int64_t n = 0; n < r->in[0].dim[0]; n++)
        for (int32_t h = 0; h < a->heads; h++)
            TESS_TRY(head(r, n, h));
    return TESS_OK;
}

static int linear_attention_forward(const struct tess_op_run *r)
{
    return each_head(r, head_forward);
}

static int linear_attention_backward(const struct tess_op_run *r)
{
    return each_head(r, head_backward);
}

static const struct tessi_op op_linear_attention = {.op = {.size = sizeof(struct tess_op),
                                                           .name = "linear_attention",
                                                           .keep_in = 7,
                                                           .keep_out = 2,
                                                           .forward = linear_attention_forward,
                                                           .backward = linear_attention_backward},
                                                    .prepare = linear_attention_prepare,
                                                    .drop = linear_attention_drop,
                                                    .bf16_in = 7,
                                                    .bf16_out = 1};

struct tess_node *tess_linear_attention(struct tess_graph *g, struct tess_node *q, struct tess_node *k, struct tess_node *v, int32_t heads)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "linear_attention", q, k, v))
        return NULL;
    const struct tess_tensor *sq = &q->shape, *sk = &k->shape;
    if (sq->rank != 3 || sq->dtype != TESS_F32 || sk->rank != 3 || sk->dtype != TESS_F32 || !tess_tensor_same_shape(sk, &v->shape) ||
        sq->dim[0] != sk->dim[0] || sq->dim[2] != sk->dim[2] || heads < 1 || sq->dim[2] % heads)
        return tess_graph_fail(g, TESS_E_SHAPE,
                               "linear attention of %s over %s with %d heads: (N, L, C) and (N, M, C) are wanted, C divided by the heads",
                               tess_tensor_text(sq, left, sizeof left), tess_tensor_text(sk, right, sizeof right), (int)heads);
    struct linear a = {.heads = heads, .l = sq->dim[1], .m = sk->dim[1], .c = sq->dim[2], .d = sq->dim[2] / heads};
    struct tess_tensor out[2] = {*sq, tessi_graph_shape(TESS_F32, 4, (int64_t[]){sq->dim[0], heads, a.d, a.d})};
    struct tess_node *in[3] = {q, k, v};
    return tessi_graph_record(g, &op_linear_attention, &a, sizeof a, 3, in, 2, out,
                        2.0 * (double)(sq->dim[0] * a.c * a.d) * (double)(a.l + a.m));
}
