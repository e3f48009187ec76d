/* Convolution of channels-last images. SPDX-License-Identifier: MIT */
#include "core/tensor/dense.h"
#include "core/tensor/window.h"

#include <string.h>

struct state {
    struct tessi_dense forward, data, weight;
};

static struct tess_dense describe(const struct tessi_step *s, int32_t what)
{
    const struct tess_conv *conv = s->attr;
    const struct tess_tensor *x = &s->in[0]->shape, *w = &s->in[1]->shape, *y = &s->out[0]->shape;
    int32_t stored_x = s->in[0]->value_of->stored, stored_y = s->out[0]->stored;
    int32_t stored_dx = s->in[0]->gradient_of ? s->in[0]->gradient_of->stored : TESS_F32;
    return (struct tess_dense){.size = sizeof(struct tess_dense),
                               .what = what,
                               .dtype_a = what == TESS_CONV_DATA ? stored_y : stored_x,
                               .dtype_b = what == TESS_CONV_WEIGHT ? stored_y : TESS_F32,
                               .dtype_c = what == TESS_CONV ? stored_y : what == TESS_CONV_DATA ? stored_dx : TESS_F32,
                               .bias = what == TESS_CONV && s->in[2],
                               .images = x->dim[0],
                               .h = x->dim[1],
                               .w = x->dim[2],
                               .ci = x->dim[3],
                               .kh = w->dim[1],
                               .kw = w->dim[2],
                               .ho = y->dim[1],
                               .wo = y->dim[2],
                               .co = y->dim[3],
                               .stride = conv->stride,
                               .top = conv->top,
                               .left = conv->left,
                               .alpha = 1.0f};
}

static int prepare(struct tess_call *c, struct tess_graph *g, struct tessi_step *s)
{
    if (!s->state)
        TESS_TRY(tess_alloc(c, sizeof(struct state), "an operation", &s->state));
    struct state *k = s->state;
    struct tess_dense d = describe(s, TESS_CONV);
    TESS_TRY(tessi_dense_plan(c, g, &d, tessi_operands(g), s->in[1], &k->forward, &s->scratch_forward));
    if (!g->objectives)
        return TESS_OK;
    d = describe(s, TESS_CONV_DATA);
    if (s->in[0]->gradient_of)
        TESS_TRY(tessi_dense_plan(c, g, &d, tessi_operands(g), s->in[1], &k->data, &s->scratch_backward));
    d = describe(s, TESS_CONV_WEIGHT);
    return tessi_dense_plan(c, g, &d, tessi_operands(g), NULL, &k->weight, &s->scratch_backward);
}

static void drop(struct tess_graph *g, struct tessi_step *s)
{
    struct state *k = s->state;
    (void)g;
    if (!k)
        return;
    tessi_dense_drop(&k->forward);
    tessi_dense_drop(&k->data);
    tessi_dense_drop(&k->weight);
}

static int forward(const struct tess_op_run *r)
{
    const struct state *k = r->host_state;
    return tessi_dense_run(r, &k->forward, 0, r->in[0].data, r->in[1].data, r->in[2].data, r->out[0].data);
}

static int backward(const struct tess_op_run *r)
{
    const struct state *k = r->host_state;
    const void *dy = r->dout[0].data;
    if (r->din[0].data)
        TESS_TRY(tessi_dense_run(r, &k->data, 0, dy, r->in[1].data, NULL, r->din[0].data));
    if (r->din[1].data)
        TESS_TRY(tessi_dense_run(r, &k->weight, 0, r->in[0].data, dy, NULL, r->din[1].data));
    if (r->din[2].data) {
        memset(r->din[2].data, 0, tess_tensor_bytes(&r->din[2]));
        tessi_window_column_sums(&r->dout[0], r->din[2].data);
    }
    return TESS_OK;
}

static const struct tessi_op op_conv = {
    .op = {.size = sizeof(struct tess_op), .name = "conv2d", .keep_in = 3, .forward = forward, .backward = backward},
    .prepare = prepare,
    .drop = drop,
    .narrow_in = 1,
    .narrow_out = 1};

struct tess_node *tess_conv2d(struct tess_graph *g, struct tess_node *x, struct tess_node *w, struct tess_node *b,
                              const struct tess_conv *conv)
{
    char left[96], right[96];
    if (!x || !w)
        return NULL;
    struct tess_tensor y = x->shape;
    const struct tess_tensor *k = &w->shape;
    if (y.rank != 4 || y.dtype != TESS_F32 || k->rank != 4 || k->dim[3] != y.dim[3] ||
        (b && (b->shape.rank != 1 || b->shape.dim[0] != k->dim[0])))
        return tess_graph_fail(g, TESS_E_SHAPE, "convolution of %s with weight %s: (N, H, W, Ci) and (Co, Kh, Kw, Ci) are wanted",
                               tess_tensor_text(&y, left, sizeof left), tess_tensor_text(k, right, sizeof right));
    int64_t h = y.dim[1] + conv->top + conv->bottom - k->dim[1], v = y.dim[2] + conv->left + conv->right - k->dim[2];
    if (conv->stride < 1 || h < 0 || v < 0)
        return tess_graph_fail(g, TESS_E_SHAPE, "convolution of %s with weight %s and stride %d: the image is smaller than the kernel",
                               tess_tensor_text(&y, left, sizeof left), tess_tensor_text(k, right, sizeof right), (int)conv->stride);
    y.dim[1] = h / conv->stride + 1;
    y.dim[2] = v / conv->stride + 1;
    y.dim[3] = k->dim[0];
    struct tess_node *in[3] = {x, w, b};
    return tessi_record(g, &op_conv, conv, sizeof *conv, 3, in, 1, &y,
                        2.0 * (double)tess_tensor_count(&y) * (double)(k->dim[1] * k->dim[2] * k->dim[3]));
}
