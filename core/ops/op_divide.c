/* y = a / b with b broadcast against a: da = dy / b, db = - sum of dy y / b over what was repeated. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/graph/broadcast.h"
#include "core/graph/node.h"

#include <string.h>

struct divide {
    struct tessi_broadcast broadcast;
};

struct rows { /* operands of a broadcast row; b moves by `step` along a row of n */
    const float *x, *y, *b;
    float *to;
    int64_t n, step;
};

static void quotient_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    const float *x = w->x + i, *b = w->b + j;
    float *to = w->to + i;
    for (int64_t k = 0; k < w->n; k++)
        to[k] = x[k] / b[k * w->step];
}

static void divisor_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    for (int64_t k = 0; k < w->n; k++)
        w->to[j + k * w->step] -= w->x[i + k] * w->y[i + k] / w->b[j + k * w->step];
}

static struct rows divide_rows(const struct tess_op_run *r, const void *x, void *to)
{
    const struct divide *a = r->attr;
    int32_t last = a->broadcast.rank - 1;
    return (struct rows){
        .x = x, .y = r->out[0].data, .b = r->in[1].data, .to = to, .n = a->broadcast.n[last], .step = a->broadcast.step[last]};
}

static int divide_forward(const struct tess_op_run *r)
{
    struct rows w = divide_rows(r, r->in[0].data, r->out[0].data);
    tessi_graph_broadcast_rows(&((const struct divide *)r->attr)->broadcast, quotient_row, &w);
    return TESS_OK;
}

static int divide_backward(const struct tess_op_run *r)
{
    const struct divide *a = r->attr;
    struct rows w = divide_rows(r, r->dout[0].data, r->din[0].data);
    if (w.to)
        tessi_graph_broadcast_rows(&a->broadcast, quotient_row, &w);
    if ((w.to = r->din[1].data)) {
        memset(w.to, 0, tess_tensor_bytes(&r->din[1]));
        tessi_graph_broadcast_rows(&a->broadcast, divisor_row, &w);
    }
    return TESS_OK;
}

static const struct tessi_op op_divide = {.op = {.size = sizeof(struct tess_op),
                                                 .name = "div",
                                                 .keep_in = 2,
                                                 .keep_out = 1,
                                                 .forward = divide_forward,
                                                 .backward = divide_backward}};

struct tess_node *tess_div(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    char left[96], right[96];
    struct divide attr;
    if (!TESSI_NODES(g, "div", a, b))
        return NULL;
    if (a->shape.dtype == TESS_I32 && b->shape.dtype == TESS_I32)
        return tess_graph_fail(g, TESS_E_SHAPE, "div is of f32; integers have tess_floor_div and tess_mod");
    if (a->shape.dtype != TESS_F32 || b->shape.dtype != TESS_F32 || !tessi_graph_broadcast_over(&a->shape, &b->shape, &attr.broadcast))
        return tess_graph_fail(g, TESS_E_SHAPE,
                               "div of %s and %s: two of f32 are wanted, the second's dimensions the first's last ones or 1",
                               tess_tensor_text(&a->shape, left, sizeof left), tess_tensor_text(&b->shape, right, sizeof right));
    struct tess_node *in[2] = {a, b};
    return tessi_graph_record(g, &op_divide, &attr, sizeof attr, 2, in, 1, &a->shape, (double)tess_tensor_count(&a->shape));
}
