/* Sums and means over axes. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/kernels/kernels.h"
#include "core/graph/node.h"
#include "core/graph/broadcast.h"
#include "core/ops/integer.h"

#include <string.h>

struct reduce {
    float scale;
    struct tessi_broadcast broadcast; /* input against result */
};

struct rows {
    const struct tessi_kernels *k;
    const float *from;
    float *to;
    int64_t n;
    int32_t moves; /* 1: the result moves along the row, else one value of it is repeated */
    float scale;
};

static void reduce_sum_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    if (w->moves)
        w->k->accumulate(w->n, w->from + i, w->to + j);
    else
        w->to[j] += (float)w->k->sum(w->n, w->from + i);
}

static int reduce_forward(const struct tess_op_run *r)
{
    const struct reduce *a = r->attr;
    int32_t last = a->broadcast.rank - 1;
    struct rows w = {tessi_kernels(), r->in[0].data, r->out[0].data, a->broadcast.n[last], a->broadcast.step[last] != 0, a->scale};
    int64_t n = tess_tensor_count(&r->out[0]);
    memset(r->out[0].data, 0, (size_t)n * sizeof(float));
    tessi_graph_broadcast_rows(&a->broadcast, reduce_sum_row, &w);
    if (a->scale != 1.0f)
        w.k->affine(n, a->scale, 0.0f, r->out[0].data, r->out[0].data);
    return TESS_OK;
}

static void spread_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    float *dx = w->to + i;
    if (w->moves)
        w->k->affine(w->n, w->scale, 0.0f, w->from + j, dx);
    else
        for (int64_t k = 0; k < w->n; k++)
            dx[k] = w->scale * w->from[j];
}

static int reduce_backward(const struct tess_op_run *r)
{
    const struct reduce *a = r->attr;
    int32_t last = a->broadcast.rank - 1;
    struct rows w = {tessi_kernels(), r->dout[0].data, r->din[0].data, a->broadcast.n[last], a->broadcast.step[last] != 0, a->scale};
    tessi_graph_broadcast_rows(&a->broadcast, spread_row, &w);
    return TESS_OK;
}

static const struct tessi_op op_reduce = {
    .op = {.size = sizeof(struct tess_op), .name = "reduce", .forward = reduce_forward, .backward = reduce_backward}};

static struct tess_node *record_reduce(struct tess_graph *g, struct tess_node *x, uint32_t axes, int mean)
{
    char text[96];
    if (!TESSI_NODES(g, mean ? "mean" : "sum", x))
        return NULL;
    struct tess_tensor y = x->shape;
    int integers = y.dtype == TESS_I32 && !mean;
    if ((y.dtype != TESS_F32 && !integers) || axes >> y.rank)
        return tess_graph_fail(g, TESS_E_SHAPE, "a %s over the axes of bits %#x of %s: f32%s and bits of its axes are wanted",
                               mean ? "mean" : "sum", axes, tess_tensor_text(&y, text, sizeof text), mean ? "" : " or i32");
    double n = 1.0;
    for (int32_t i = 0; i < y.rank; i++)
        if (axes >> i & 1) {
            n *= (double)y.dim[i];
            y.dim[i] = 1;
        }
    if (integers)
        return tessi_ops_integer_sum(g, x, &y);
    struct reduce a = {.scale = mean ? (float)(1.0 / n) : 1.0f};
    (void)tessi_graph_broadcast_over(&x->shape, &y, &a.broadcast); /* fits: y is x with ones */
    return tessi_graph_record(g, &op_reduce, &a, sizeof a, 1, &x, 1, &y, (double)tess_tensor_count(&x->shape));
}

struct tess_node *tess_sum(struct tess_graph *g, struct tess_node *x, uint32_t axes)
{
    return record_reduce(g, x, axes, 0);
}

struct tess_node *tess_mean(struct tess_graph *g, struct tess_node *x, uint32_t axes)
{
    return record_reduce(g, x, axes, 1);
}

struct tess_node *tess_mean_all(struct tess_graph *g, struct tess_node *x)
{
    if (!TESSI_NODES(g, "mean_all", x))
        return NULL;
    struct tess_node *mean = record_reduce(g, x, (1u << x->shape.rank) - 1, 1);
    return mean ? tess_reshape(g, mean, 0, NULL) : NULL;
}
