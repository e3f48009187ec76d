/* Softmax over the last dimension, and softmax(q k^T / sqrt d) v for each head (docs/models.md, "Blocks", (1.3)).
 *
 * A head is taken in tiles of rows of q, so that no more of the L x M matrix exists than a tile, which stays in the second-level cache;
 * where the matrices are small, a tile is those of several heads. What is kept is the row's ln sum exp, from which the backward pass makes
 * the probabilities again: P = exp(S - lse), dV = P^T dO, dP = dO V^T, dS = P (dP - rowsum(P dP)), dQ = dS K, dK = dS^T Q, dV and dK being
 * summed over the tiles in f32. A head's rows lie apart in memory; they are brought together first, as the products want them.
 * SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/ops/backend_gemm.h"
#include "core/base/memory.h"
#include "core/kernels/kernels.h"

#include <math.h>
#include <string.h>

static int softmax_forward(const struct tess_op_run *r)
{
    const struct tess_tensor *x = &r->in[0];
    int64_t n = x->dim[x->rank - 1], rows = tess_tensor_count(x) / n;
    float *y = r->out[0].data;
    memcpy(y, x->data, tess_tensor_bytes(x));
    for (int64_t i = 0; i < rows; i++)
        (void)tessi_kernels()->as_f32.softmax(n, 1.0f, y + i * n, y + i * n);
    return TESS_OK;
}

static int softmax_backward(const struct tess_op_run *r)
{
    const struct tess_tensor *y = &r->out[0];
    int64_t n = y->dim[y->rank - 1], rows = tess_tensor_count(y) / n;
    for (int64_t i = 0; i < rows; i++)
        tessi_kernels()->as_f32.softmax_back(n, 1.0f, (const float *)y->data + i * n, (const float *)r->dout[0].data + i * n,
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
    return tessi_graph_record(g, &op_softmax, NULL, 0, 1, &x, 1, &x->shape, 5.0 * (double)tess_tensor_count(&x->shape));
}

/* ---- attention ---- */

enum { TILE = 65536 }; /* values of S at a time */

struct attention {
    int32_t heads, causal;
    int64_t l, m, c, d;
    float scale;
};

struct products { /* for tiles of so many rows of each head */
    int64_t rows;
    struct tessi_backend_gemm scores, apply, collect; /* (rows, M) = x y^T; (rows, d) = S x; (M, d) = S^T x */
};

struct state {
    struct products whole, rest;
    int32_t operands, together; /* heads taken at once */
    size_t matrix, head, tile;  /* bytes of their (rows, M) matrices, of (M, d) and of (rows, d) ones; f32 */
};

static size_t attention_floats(int64_t values)
{
    return tessi_base_aligned((size_t)values * sizeof(float));
}

static struct tess_kernel_desc one_each(const struct state *k, struct tess_kernel_desc d)
{
    d.dtype_a = d.dtype_b = k->operands;
    d.outer = k->together;
    d.stride_a[0] = d.m * d.k;
    d.stride_b[0] = d.k * d.n;
    d.stride_c[0] = d.m * d.n;
    return d;
}

static int plan_products(struct tess_context *ctx, struct tess_graph *g, const struct attention *a, struct state *k, int64_t rows,
                         struct products *p, size_t *own)
{
    struct tess_kernel_desc d = one_each(k, tessi_ops_gemm(rows, a->m, a->d, 0, a->d, 1, a->d, a->m));
    p->rows = rows;
    if (rows == 0)
        return TESS_OK;
    TESS_TRY(tessi_ops_backend_gemm_plan(ctx, g, &d, k->operands, NULL, &p->scores, own));
    d = one_each(k, tessi_ops_gemm(rows, a->d, a->m, 0, a->m, 0, a->d, a->d));
    d.dtype_c = k->operands;
    TESS_TRY(tessi_ops_backend_gemm_plan(ctx, g, &d, k->operands, NULL, &p->apply, own));
    if (!g->objectives)
        return TESS_OK;
    d = one_each(k, tessi_ops_gemm(a->m, a->d, rows, 1, a->m, 0, a->d, a->d));
    return tessi_ops_backend_gemm_plan(ctx, g, &d, k->operands, NULL, &p->collect, own);
}

static int attention_prepare(struct tess_context *ctx, struct tess_graph *g, struct tessi_step *s)
{
    const struct attention *a = s->attr;
    size_t own = 0;
    if (!s->state)
        TESS_TRY(tess_alloc(ctx, sizeof(struct state), "an operation", &s->state));
    struct state *k = s->state;
    int64_t rows = TILE / a->m > 16 ? TILE / a->m : 16;
    rows = rows < a->l ? rows : a->l;
    k->operands = s->out[0]->stored; /* dtype of the output and of the inputs */
    k->together = 1;
    for (int32_t n = 2; n <= a->heads && rows == a->l; n++)
        if (a->heads % n == 0 && n * rows * a->m <= TILE)
            k->together = n;
    k->matrix = attention_floats(k->together * rows * a->m);
    k->head = attention_floats(k->together * a->m * a->d);
    k->tile = attention_floats(k->together * rows * a->d);
    TESS_TRY(plan_products(ctx, g, a, k, rows, &k->whole, &own));
    TESS_TRY(plan_products(ctx, g, a, k, a->l % rows, &k->rest, &own));
    s->scratch_forward = 2 * (k->matrix + k->head + k->tile) + own;
    s->scratch_backward = 4 * k->matrix + 5 * k->head + 3 * k->tile + own;
    return TESS_OK;
}

static void attention_drop(struct tess_graph *g, struct tessi_step *s)
{
    struct state *k = s->state;
    (void)g;
    for (struct products *p = k ? &k->whole : NULL; p; p = p == &k->whole ? &k->rest : NULL) {
        tessi_ops_backend_gemm_drop(&p->scores);
        tessi_ops_backend_gemm_drop(&p->apply);
        tessi_ops_backend_gemm_drop(&p->collect);
    }
}

/* Columns a causal row may see. */
static int64_t attention_visible(const struct attention *a, int64_t i)
{
    return a->causal ? i + 1 : a->m;
}

/* Offset, in values, of head h of sample n in a tensor of `length` rows. */
static int64_t attention_head_at(const struct attention *a, int64_t n, int32_t h, int64_t length)
{
    return n * length * a->c + h * a->d;
}

/* Copies a head's row, which is short: a call of the library's function costs more than what it copies. */
static inline void copy_row(char *restrict to, const char *restrict from, size_t bytes)
{
    enum { PIECE = 32 };
    for (; bytes >= PIECE; bytes -= PIECE, to += PIECE, from += PIECE)
        memcpy(to, from, PIECE);
    if (bytes)
        memcpy(to, from, bytes);
}

/* Collects rows of the heads taken at once from a tensor, `rows` of each; the first head's begin at value `at`. */
static void collect_rows(const struct attention *a, const struct state *k, const struct tess_tensor *t, int64_t at, int64_t rows, void *to)
{
    size_t size = tess_dtype_size(t->dtype), row = (size_t)a->d * size;
    for (int32_t h = 0; h < k->together; h++, at += a->d) {
        const char *from = (const char *)t->data + (size_t)at * size;
        for (int64_t i = 0; i < rows; i++, to = (char *)to + row)
            copy_row(to, from + (size_t)(i * a->c) * size, row);
    }
}

static void spread_rows(const struct attention *a, const struct state *k, const void *from, int64_t at, int64_t rows,
                        const struct tess_tensor *t)
{
    size_t size = tess_dtype_size(t->dtype), row = (size_t)a->d * size;
    for (int32_t h = 0; h < k->together; h++, at += a->d) {
        char *to = (char *)t->data + (size_t)at * size;
        for (int64_t i = 0; i < rows; i++, from = (const char *)from + row)
            copy_row(to + (size_t)(i * a->c) * size, from, row);
    }
}

/* Spreads rows from f32 sums, rounded to the tensor's dtype in `rounded`, which has room for as many f32 values. */
static void spread_sums(const struct attention *a, const struct state *k, const float *from, int64_t at, int64_t rows,
                        const struct tess_tensor *t, float *rounded)
{
    if (t->dtype == TESS_BF16)
        tessi_kernels()->to_bf16(k->together * rows * a->d, from, (uint16_t *)(void *)rounded);
    spread_rows(a, k, t->dtype == TESS_BF16 ? rounded : from, at, rows, t);
}

/* Memory of the heads taken at once, laid out in the scratch of a run from *at on. */
static void *attention_take(char **at, size_t bytes)
{
    void *here = *at;
    *at += bytes;
    return here;
}

/* Row i of a (rows, M) matrix that the products take. */
static void *attention_row_of(const struct attention *a, const struct state *k, void *matrix, int64_t i)
{
    return (char *)matrix + (size_t)(i * a->m) * tess_dtype_size(k->operands);
}

/* Causal mask: sets the columns of a row from `seen` on, which it may not see, to zero. */
static void attention_hide(const struct attention *a, const struct state *k, int64_t seen, void *row)
{
    size_t size = tess_dtype_size(k->operands);
    memset((char *)row + (size_t)seen * size, 0, (size_t)(a->m - seen) * size);
}

static int heads_forward(const struct tess_op_run *r, int64_t n, int32_t h)
{
    const struct attention *a = r->attr;
    const struct state *k = r->host_state;
    char *at_scratch = r->scratch;
    float *scores = attention_take(&at_scratch, k->matrix), *lse = (float *)r->out[1].data + (n * a->heads + h) * a->l;
    void *weights = attention_take(&at_scratch, k->matrix), *key = attention_take(&at_scratch, k->head),
         *value = attention_take(&at_scratch, k->head);
    void *q = attention_take(&at_scratch, k->tile), *o = attention_take(&at_scratch, k->tile);
    size_t used = (size_t)(at_scratch - (char *)r->scratch);
    collect_rows(a, k, &r->in[1], attention_head_at(a, n, h, a->m), a->m, key);
    collect_rows(a, k, &r->in[2], attention_head_at(a, n, h, a->m), a->m, value);
    for (int64_t first = 0; first < a->l; first += k->whole.rows) {
        const struct products *p = a->l - first < k->whole.rows ? &k->rest : &k->whole;
        int64_t at = attention_head_at(a, n, h, a->l) + first * a->c;
        collect_rows(a, k, &r->in[0], at, p->rows, q);
        TESS_TRY(tessi_ops_backend_gemm_run(r, &p->scores, used, q, key, NULL, scores));
        for (int64_t i = 0; i < k->together * p->rows; i++) {
            int64_t seen = attention_visible(a, first + i % p->rows);
            void *row = attention_row_of(a, k, weights, i);
            lse[first + i] = tessi_kernels_stored_kernels(k->operands)->softmax(seen, a->scale, scores + i * a->m, row);
            attention_hide(a, k, seen, row);
        }
        TESS_TRY(tessi_ops_backend_gemm_run(r, &p->apply, used, weights, value, NULL, o));
        spread_rows(a, k, o, at, p->rows, &r->out[0]);
    }
    return TESS_OK;
}

static int attention_forward(const struct tess_op_run *r)
{
    const struct attention *a = r->attr;
    const struct state *k = r->host_state;
    for (int64_t n = 0; n < r->in[0].dim[0]; n++)
        for (int32_t h = 0; h < a->heads; h += k->together)
            TESS_TRY(heads_forward(r, n, h));
    return TESS_OK;
}

struct head_back { /* scratch of the backward pass of the heads taken at once */
    float *p, *dp;
    void *weights, *ds, *key, *value, *q, *dy, *o; /* weights, ds: P and dS as the products take them */
    float *dk, *dv, *part;
    size_t used;
};

static struct head_back attention_lay_out(const struct tess_op_run *r)
{
    const struct state *k = r->host_state;
    char *s = r->scratch;
    struct head_back b = {.p = attention_take(&s, k->matrix)};
    b.dp = attention_take(&s, k->matrix);
    b.weights = attention_take(&s, k->matrix);
    b.ds = attention_take(&s, k->matrix);
    b.key = attention_take(&s, k->head);
    b.value = attention_take(&s, k->head);
    b.dk = attention_take(&s, k->head);
    b.dv = attention_take(&s, k->head);
    b.part = attention_take(&s, k->head);
    b.q = attention_take(&s, k->tile);
    b.dy = attention_take(&s, k->tile);
    b.o = attention_take(&s, k->tile);
    b.used = (size_t)(s - (char *)r->scratch);
    return b;
}

/* sum (+)= S^T x */
static int attention_collect(const struct tess_op_run *r, const struct products *p, const struct head_back *b, const void *s, const void *x,
                   int first_tile, float *sum)
{
    const struct attention *a = r->attr;
    const struct state *k = r->host_state;
    if (first_tile)
        return tessi_ops_backend_gemm_run(r, &p->collect, b->used, s, x, NULL, sum);
    TESS_TRY(tessi_ops_backend_gemm_run(r, &p->collect, b->used, s, x, NULL, b->part));
    tessi_kernels()->accumulate(k->together * a->m * a->d, b->part, sum);
    return TESS_OK;
}

static int tile_backward(const struct tess_op_run *r, const struct products *p, const struct head_back *b, int64_t n, int32_t h,
                         int64_t first)
{
    const struct attention *a = r->attr;
    const struct state *k = r->host_state;
    const struct tessi_kernels_stored_kernels *kernels = tessi_kernels_stored_kernels(k->operands);
    const float *lse = (const float *)r->out[1].data + (n * a->heads + h) * a->l + first;
    int64_t at = attention_head_at(a, n, h, a->l) + first * a->c;
    collect_rows(a, k, &r->in[0], at, p->rows, b->q);
    collect_rows(a, k, &r->dout[0], at, p->rows, b->dy);
    TESS_TRY(tessi_ops_backend_gemm_run(r, &p->scores, b->used, b->q, b->key, NULL, b->p));
    for (int64_t i = 0; i < k->together * p->rows; i++) {
        int64_t seen = attention_visible(a, first + i % p->rows);
        kernels->softmax_again(seen, a->scale, lse[i], b->p + i * a->m, attention_row_of(a, k, b->weights, i));
        attention_hide(a, k, seen, attention_row_of(a, k, b->weights, i));
    }
    if (r->din[2].data)
        TESS_TRY(attention_collect(r, p, b, b->weights, b->dy, first == 0, b->dv));
    if (!r->din[0].data && !r->din[1].data)
        return TESS_OK;
    TESS_TRY(tessi_ops_backend_gemm_run(r, &p->scores, b->used, b->dy, b->value, NULL, b->dp));
    for (int64_t i = 0; i < k->together * p->rows; i++) {
        int64_t seen = attention_visible(a, first + i % p->rows);
        kernels->softmax_back(seen, a->scale, b->p + i * a->m, b->dp + i * a->m, attention_row_of(a, k, b->ds, i));
        attention_hide(a, k, seen, attention_row_of(a, k, b->ds, i));
    }
    if (r->din[0].data) {
        TESS_TRY(tessi_ops_backend_gemm_run(r, &p->apply, b->used, b->ds, b->key, NULL, b->o));
        spread_rows(a, k, b->o, at, p->rows, &r->din[0]);
    }
    return r->din[1].data ? attention_collect(r, p, b, b->ds, b->q, first == 0, b->dk) : TESS_OK;
}

static int heads_backward(const struct tess_op_run *r, int64_t n, int32_t h)
{
    const struct attention *a = r->attr;
    const struct state *k = r->host_state;
    struct head_back b = attention_lay_out(r);
    int64_t at = attention_head_at(a, n, h, a->m);
    collect_rows(a, k, &r->in[1], at, a->m, b.key);
    collect_rows(a, k, &r->in[2], at, a->m, b.value);
    for (int64_t first = 0; first < a->l; first += k->whole.rows)
        TESS_TRY(tile_backward(r, a->l - first < k->whole.rows ? &k->rest : &k->whole, &b, n, h, first));
    if (r->din[1].data)
        spread_sums(a, k, b.dk, at, a->m, &r->din[1], b.part);
    if (r->din[2].data)
        spread_sums(a, k, b.dv, at, a->m, &r->din[2], b.part);
    return TESS_OK;
}

static int attention_backward(const struct tess_op_run *r)
{
    const struct attention *a = r->attr;
    const struct state *k = r->host_state;
    for (int64_t n = 0; n < r->in[0].dim[0]; n++)
        for (int32_t h = 0; h < a->heads; h += k->together)
            TESS_TRY(heads_backward(r, n, h));
    return TESS_OK;
}

static const struct tessi_op op_attention = {.op = {.size = sizeof(struct tess_op),
                                                    .name = "attention",
                                                    .keep_in = 7,
                                                    .keep_out = 2,
                                                    .forward = attention_forward,
                                                    .backward = attention_backward},
                                             .prepare = attention_prepare,
                                             .drop = attention_drop,
                                             .bf16_in = 7,
                                             .bf16_out = 1,
                                             .alike = 7 | 1u << TESSI_ALIKE_OUT};

struct tess_node *tess_attention(struct tess_graph *g, struct tess_node *q, struct tess_node *k, struct tess_node *v, int32_t heads,
                                 int causal)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "attention", q, k, v))
        return NULL;
    const struct tess_tensor *sq = &q->shape, *sk = &k->shape;
    if (sq->rank != 3 || sq->dtype != TESS_F32 || sk->rank != 3 || sk->dtype != TESS_F32 || !tess_tensor_same_shape(sk, &v->shape) ||
        sq->dim[0] != sk->dim[0] || sq->dim[2] != sk->dim[2] || heads < 1 || sq->dim[2] % heads || (causal && sq->dim[1] != sk->dim[1]))
        return tess_graph_fail(g, TESS_E_SHAPE, "attention of %s over %s with %d heads: heads must divide the width",
                               tess_tensor_text(sq, left, sizeof left), tess_tensor_text(sk, right, sizeof right), (int)heads);
    struct attention a = {
        .heads = heads, .causal = causal != 0, .l = sq->dim[1], .m = sk->dim[1], .c = sq->dim[2], .d = sq->dim[2] / heads};
    a.scale = (float)(1.0 / sqrt((double)a.d));
    struct tess_tensor out[2] = {*sq, tessi_graph_shape(TESS_F32, 3, (int64_t[]){sq->dim[0], heads, a.l})};
    struct tess_node *in[3] = {q, k, v};
    return tessi_graph_record(g, &op_attention, &a, sizeof a, 3, in, 2, out, 4.0 * (double)(sq->dim[0] * a.l * a.m * a.c));
}
