/* a + b, a - b, a b with b broadcast against a; the gradient of b is summed over what was repeated. Sums of two tensors of the same shape,
 * which residual connections are, work on what is stored as bf16 as well. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/kernels/kernels.h"
#include "core/graph/node.h"
#include "core/graph/broadcast.h"
#include "core/graph/bf16_view.h"
#include "core/ops/integer.h"

#include <string.h>

enum { ADD, SUB, MUL };

struct binary {
    int32_t which;
    struct tessi_broadcast broadcast;
};

struct rows { /* operands of the broadcast loop */
    const struct binary *a;
    const struct tessi_kernels *k;
    const float *x, *b;
    float *y;
    int64_t n;
    int32_t dense_b; /* b moves along the row, else one value of it is repeated */
};

static struct rows rows_of(const struct binary *a, const void *x, const void *b, void *y)
{
    int32_t last = a->broadcast.rank - 1;
    return (struct rows){a, tessi_kernels(), x, b, y, a->broadcast.n[last], a->broadcast.step[last] != 0};
}

static void forward_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    const float *x = w->x + i, *b = w->b + j;
    float *y = w->y + i;
    switch (w->a->which) {
    case ADD:
        if (w->dense_b)
            w->k->add(w->n, x, b, y);
        else
            w->k->affine(w->n, 1.0f, *b, x, y);
        break;
    case SUB:
        if (w->dense_b)
            w->k->sub(w->n, x, b, y);
        else
            w->k->affine(w->n, 1.0f, -*b, x, y);
        break;
    default:
        if (w->dense_b)
            w->k->mul(w->n, x, b, y);
        else
            w->k->affine(w->n, *b, 0.0f, x, y);
    }
}

static int binary_forward(const struct tess_op_run *r)
{
    struct rows w = rows_of(r->attr, r->in[0].data, r->in[1].data, r->out[0].data);
    tessi_graph_broadcast_rows(&w.a->broadcast, forward_row, &w);
    return TESS_OK;
}

/* da = dy b */
static void times_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    if (w->dense_b)
        w->k->mul(w->n, w->x + i, w->b + j, w->y + i);
    else
        w->k->affine(w->n, w->b[j], 0.0f, w->x + i, w->y + i);
}

/* db += dy (or dy a), y being db and moving with b */
static void binary_sum_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    if (w->a->which == MUL) {
        if (w->dense_b)
            w->k->accumulate_product(w->n, w->x + i, w->b + i, w->y + j);
        else
            w->y[j] += (float)w->k->dot(w->n, w->x + i, w->b + i);
    } else {
        if (w->dense_b)
            w->k->accumulate(w->n, w->x + i, w->y + j);
        else
            w->y[j] += (float)w->k->sum(w->n, w->x + i);
    }
}

static int binary_backward(const struct tess_op_run *r)
{
    const struct binary *a = r->attr;
    const struct tess_tensor *dy = &r->dout[0];
    if (r->din[0].data) {
        if (a->which == MUL) {
            struct rows w = rows_of(a, dy->data, r->in[1].data, r->din[0].data);
            tessi_graph_broadcast_rows(&a->broadcast, times_row, &w);
        } else {
            memcpy(r->din[0].data, dy->data, tess_tensor_bytes(dy));
        }
    }
    if (r->din[1].data) {
        int64_t n = tess_tensor_count(&r->din[1]);
        memset(r->din[1].data, 0, (size_t)n * sizeof(float));
        struct rows w = rows_of(a, dy->data, r->in[0].data, r->din[1].data);
        tessi_graph_broadcast_rows(&a->broadcast, binary_sum_row, &w);
        if (a->which == SUB)
            w.k->affine(n, -1.0f, 0.0f, r->din[1].data, r->din[1].data);
    }
    return TESS_OK;
}

/* ---- same shapes ---- */

static int residual_forward(const struct tess_op_run *r)
{
    float a[TESSI_BF16_VIEW], b[TESSI_BF16_VIEW], y[TESSI_BF16_VIEW];
    int64_t count = tess_tensor_count(&r->out[0]);
    if (tessi_graph_bf16_view_alike(&r->in[0], &r->out[0]) && tessi_graph_bf16_view_alike(&r->in[1], &r->out[0])) {
        tessi_kernels_stored_kernels(r->out[0].dtype)->add(count, r->in[0].data, r->in[1].data, r->out[0].data);
        return TESS_OK;
    }
    for (int64_t i = 0; i < count; i += TESSI_BF16_VIEW) {
        int64_t n = count - i < TESSI_BF16_VIEW ? count - i : TESSI_BF16_VIEW;
        tessi_kernels()->add(n, tessi_graph_bf16_view_in(&r->in[0], i, n, a), tessi_graph_bf16_view_in(&r->in[1], i, n, b),
                             tessi_graph_bf16_view_out(&r->out[0], i, y));
        tessi_graph_bf16_view_done(&r->out[0], i, n, y);
    }
    return TESS_OK;
}

static int residual_backward(const struct tess_op_run *r)
{
    for (int k = 0; k < 2; k++)
        if (r->din[k].data)
            tessi_graph_bf16_view_copy(&r->dout[0], &r->din[k]);
    return TESS_OK;
}

static const struct tessi_op op_residual = {
    .op = {.size = sizeof(struct tess_op), .name = "add", .forward = residual_forward, .backward = residual_backward},
    .bf16_in = 3,
    .bf16_out = 1};
static const struct tessi_op op_sum = {
    .op = {.size = sizeof(struct tess_op), .name = "add", .forward = binary_forward, .backward = binary_backward}};
static const struct tessi_op op_product = {
    .op = {.size = sizeof(struct tess_op), .name = "mul", .keep_in = 3, .forward = binary_forward, .backward = binary_backward}};

static struct tess_node *record_binary(struct tess_graph *g, int32_t which, const char *name, struct tess_node *a, struct tess_node *b)
{
    char left[96], right[96];
    struct binary attr = {.which = which};
    if (!TESSI_NODES(g, name, a, b))
        return NULL;
    if (a->shape.dtype != TESS_F32 || b->shape.dtype != TESS_F32 || !tessi_graph_broadcast_over(&a->shape, &b->shape, &attr.broadcast))
        return tess_graph_fail(g, TESS_E_SHAPE,
                               "%s of %s and %s: two of f32 or two of i32 are wanted, the second's dimensions the first's last ones or 1",
                               name, tess_tensor_text(&a->shape, left, sizeof left), tess_tensor_text(&b->shape, right, sizeof right));
    struct tess_node *in[2] = {a, b};
    int residual = which == ADD && a->shape.rank > 0 && tess_tensor_same_shape(&a->shape, &b->shape);
    return tessi_graph_record(g, which == MUL ? &op_product : residual ? &op_residual : &op_sum, &attr, sizeof attr, 2, in, 1, &a->shape,
                        (double)tess_tensor_count(&a->shape));
}

struct tess_node *tess_add(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    return tessi_ops_integers(a, b) ? tessi_ops_integer_record(g, TESSI_INTEGER_ADD, a, b) : record_binary(g, ADD, "add", a, b);
}

struct tess_node *tess_sub(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    return tessi_ops_integers(a, b) ? tessi_ops_integer_record(g, TESSI_INTEGER_SUB, a, b) : record_binary(g, SUB, "sub", a, b);
}

struct tess_node *tess_mul(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    return tessi_ops_integers(a, b) ? tessi_ops_integer_record(g, TESSI_INTEGER_MUL, a, b) : record_binary(g, MUL, "mul", a, b);
}
