/* Softmax over the last dimension, and softmax(q k^T / sqrt d) v for each head.
 *
 * The L x M matrix of one head lives in scratch only; what is kept is the row's ln sum exp, from which the backward pass makes the
 * probabilities again: P = exp(S - lse), dV = P^T dO, dP = dO V^T, dS = P (dP - rowsum(P dP)), dQ = dS K, dK = dS^T Q.
 * SPDX-License-Identifier: MIT */
#include "core/tensor/dense.h"
#include "core/tensor/kernels.h"

#include <math.h>
#include <string.h>

static int softmax_forward(const struct tess_op_run *r)
{
    const struct tess_tensor *x = &r->in[0];
    int64_t n = x->dim[x->rank - 1], rows = tess_tensor_count(x) / n;
    float *y = r->out[0].data;
    memcpy(y, x->data, tess_tensor_bytes(x));
    for (int64_t i = 0; i < rows; i++)
        (void)tessi_kernels()->softmax(n, 1.0f, y + i * n);
    return TESS_OK;
}

static int softmax_backward(const struct tess_op_run *r)
{
    const struct tess_tensor *y = &r->out[0];
    int64_t n = y->dim[y->rank - 1], rows = tess_tensor_count(y) / n;
    for (int64_t i = 0; i < rows; i++)
        tessi_kernels()->softmax_back(n, 1.0f, (const float *)y->data + i * n, (const float *)r->dout[0].data + i * n,
                                      (float *)r->din[0].data + i * n);
    return TESS_OK;
}

static const struct tessi_op op_softmax = {
    .op = {.size = sizeof(struct tess_op), .name = "softmax", .keep_out = 1, .forward = softmax_forward, .backward = softmax_backward}};

struct tess_node *tess_softmax(struct tess_graph *g, struct tess_node *x)
{
    char text[96];
    if (!x)
        return NULL;
    if (x->shape.dtype != TESS_F32 || x->shape.rank < 1)
        return tess_graph_fail(g, TESS_E_SHAPE, "softmax of %s", tess_tensor_text(&x->shape, text, sizeof text));
    return tessi_record(g, &op_softmax, NULL, 0, 1, &x, 1, &x->shape, 5.0 * (double)tess_tensor_count(&x->shape));
}

/* ---- attention ---- */

struct attention {
    int32_t heads, causal;
    int64_t l, m, c, d;
    float scale;
};

struct state {
    struct tessi_dense scores, apply, collect; /* (L, M) = x y^T; (L, d) = S x; (M, d) = S^T x */
    size_t first, second;                      /* bytes of an L x M matrix before the kernels' own scratch */
};

static int prepare(struct tess_call *c, struct tess_graph *g, struct tessi_step *s)
{
    const struct attention *a = s->attr;
    size_t matrix = ((size_t)(a->l * a->m) * sizeof(float) + 63) / 64 * 64, own = 0;
    if (!s->state)
        TESS_TRY(tess_alloc(c, sizeof(struct state), "an operation", &s->state));
    struct state *k = s->state;
    k->first = matrix;
    k->second = 2 * matrix;
    struct tess_dense d = tessi_gemm(a->l, a->m, a->d, 0, a->c, 1, a->c, a->m);
    TESS_TRY(tessi_dense_plan(c, g, &d, NULL, &k->scores, &own));
    d = tessi_gemm(a->l, a->d, a->m, 0, a->m, 0, a->c, a->c);
    TESS_TRY(tessi_dense_plan(c, g, &d, NULL, &k->apply, &own));
    if (g->objectives) {
        d = tessi_gemm(a->m, a->d, a->l, 1, a->m, 0, a->c, a->c);
        TESS_TRY(tessi_dense_plan(c, g, &d, NULL, &k->collect, &own));
    }
    s->scratch_forward = k->first + own;
    s->scratch_backward = k->second + own;
    return TESS_OK;
}

static void drop(struct tess_graph *g, struct tessi_step *s)
{
    struct state *k = s->state;
    (void)g;
    if (!k)
        return;
    tessi_dense_drop(&k->scores);
    tessi_dense_drop(&k->apply);
    tessi_dense_drop(&k->collect);
}

/* Columns a causal row may see; the rest of the row is zero. */
static int64_t visible(const struct attention *a, int64_t i)
{
    return a->causal ? i + 1 : a->m;
}

static int attention_forward(const struct tess_op_run *r)
{
    const struct attention *a = r->attr;
    const struct state *k = r->host_state;
    float *s = r->scratch;
    for (int64_t n = 0; n < r->in[0].dim[0]; n++)
        for (int32_t h = 0; h < a->heads; h++) {
            int64_t at_q = n * a->l * a->c + h * a->d, at_k = n * a->m * a->c + h * a->d;
            float *lse = (float *)r->out[1].data + (n * a->heads + h) * a->l;
            TESS_TRY(tessi_dense_run(r, &k->scores, k->first, (const float *)r->in[0].data + at_q, (const float *)r->in[1].data + at_k,
                                     NULL, s));
            for (int64_t i = 0; i < a->l; i++) {
                int64_t seen = visible(a, i);
                lse[i] = tessi_kernels()->softmax(seen, a->scale, s + i * a->m);
                memset(s + i * a->m + seen, 0, (size_t)(a->m - seen) * sizeof(float));
            }
            TESS_TRY(tessi_dense_run(r, &k->apply, k->first, s, (const float *)r->in[2].data + at_k, NULL, (float *)r->out[0].data + at_q));
        }
    return TESS_OK;
}

static int head_backward(const struct tess_op_run *r, int64_t n, int32_t h)
{
    const struct attention *a = r->attr;
    const struct state *k = r->host_state;
    const struct tessi_kernels *kernels = tessi_kernels();
    int64_t at_q = n * a->l * a->c + h * a->d, at_k = n * a->m * a->c + h * a->d;
    const float *q = (const float *)r->in[0].data + at_q, *key = (const float *)r->in[1].data + at_k;
    const float *v = (const float *)r->in[2].data + at_k, *dy = (const float *)r->dout[0].data + at_q;
    const float *lse = (const float *)r->out[1].data + (n * a->heads + h) * a->l;
    float *p = r->scratch, *ds = (float *)((char *)r->scratch + k->first);
    TESS_TRY(tessi_dense_run(r, &k->scores, k->second, q, key, NULL, p));
    for (int64_t i = 0; i < a->l; i++) {
        int64_t seen = visible(a, i);
        kernels->softmax_again(seen, a->scale, lse[i], p + i * a->m);
        memset(p + i * a->m + seen, 0, (size_t)(a->m - seen) * sizeof(float));
    }
    if (r->din[2].data)
        TESS_TRY(tessi_dense_run(r, &k->collect, k->second, p, dy, NULL, (float *)r->din[2].data + at_k));
    if (!r->din[0].data && !r->din[1].data)
        return TESS_OK;
    TESS_TRY(tessi_dense_run(r, &k->scores, k->second, dy, v, NULL, ds));
    for (int64_t i = 0; i < a->l; i++)
        kernels->softmax_back(a->m, a->scale, p + i * a->m, ds + i * a->m, ds + i * a->m);
    if (r->din[0].data)
        TESS_TRY(tessi_dense_run(r, &k->apply, k->second, ds, key, NULL, (float *)r->din[0].data + at_q));
    if (r->din[1].data)
        TESS_TRY(tessi_dense_run(r, &k->collect, k->second, ds, q, NULL, (float *)r->din[1].data + at_k));
    return TESS_OK;
}

static int attention_backward(const struct tess_op_run *r)
{
    const struct attention *a = r->attr;
    for (int64_t n = 0; n < r->in[0].dim[0]; n++)
        for (int32_t h = 0; h < a->heads; h++)
            TESS_TRY(head_backward(r, n, h));
    return TESS_OK;
}

static const struct tessi_op op_attention = {.op = {.size = sizeof(struct tess_op),
                                                    .name = "attention",
                                                    .keep_in = 7,
                                                    .keep_out = 2,
                                                    .forward = attention_forward,
                                                    .backward = attention_backward},
                                             .prepare = prepare,
                                             .drop = drop};

struct tess_node *tess_attention(struct tess_graph *g, struct tess_node *q, struct tess_node *k, struct tess_node *v, int32_t heads,
                                 int causal)
{
    char left[96], right[96];
    if (!q || !k || !v)
        return NULL;
    const struct tess_tensor *sq = &q->shape, *sk = &k->shape;
    if (sq->rank != 3 || sq->dtype != TESS_F32 || sk->rank != 3 || !tess_tensor_same_shape(sk, &v->shape) || sq->dim[0] != sk->dim[0] ||
        sq->dim[2] != sk->dim[2] || heads < 1 || sq->dim[2] % heads || (causal && sq->dim[1] != sk->dim[1]))
        return tess_graph_fail(g, TESS_E_SHAPE, "attention of %s over %s with %d heads: heads must divide the width",
                               tess_tensor_text(sq, left, sizeof left), tess_tensor_text(sk, right, sizeof right), (int)heads);
    struct attention a = {
        .heads = heads, .causal = causal != 0, .l = sq->dim[1], .m = sk->dim[1], .c = sq->dim[2], .d = sq->dim[2] / heads};
    a.scale = (float)(1.0 / sqrt((double)a.d));
    struct tess_tensor out[2] = {*sq, tessi_shape(TESS_F32, 3, (int64_t[]){sq->dim[0], heads, a.l})};
    struct tess_node *in[3] = {q, k, v};
    return tessi_record(g, &op_attention, &a, sizeof a, 3, in, 2, out, 4.0 * (double)(sq->dim[0] * a.l * a.m * a.c));
}
