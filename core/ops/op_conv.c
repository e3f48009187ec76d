/* Convolution of channels-last images, and its transpose: a transposed convolution is the gradient of a convolution in its image, and the
 * convolution the transposed one's. So both run the same three kernels, the one's forward being the other's gradient.
 * SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/ops/backend_gemm.h"
#include "core/kernels/kernels.h"
#include "core/graph/bf16_view.h"

#include <string.h>

struct state {
    struct tessi_backend_gemm forward, data, weight;
};

/* Backend kernel between `image` (N, H, W, Ci) and `result`, the output of a convolution of it with the weight (Co, Kh, Kw, Ci). */
static struct tess_kernel_desc conv_sizes(const struct tess_conv *conv, int32_t what, const struct tess_tensor *image,
                                          const struct tess_tensor *w, const struct tess_tensor *result)
{
    return (struct tess_kernel_desc){.size = sizeof(struct tess_kernel_desc),
                                     .what = what,
                                     .dtype_b = TESS_F32,
                                     .dtype_c = TESS_F32,
                                     .images = image->dim[0],
                                     .h = image->dim[1],
                                     .w = image->dim[2],
                                     .ci = image->dim[3],
                                     .kh = w->dim[1],
                                     .kw = w->dim[2],
                                     .ho = result->dim[1],
                                     .wo = result->dim[2],
                                     .co = result->dim[3],
                                     .stride = conv->stride,
                                     .top = conv->top,
                                     .left = conv->left,
                                     .alpha = 1.0f};
}

/* Storage dtype of an input's value, and of its gradient. */
static int32_t stored_in(const struct tessi_step *s, int32_t i)
{
    return s->in[i]->value_of->stored;
}

static int32_t stored_din(const struct tessi_step *s, int32_t i)
{
    return s->in[i]->gradient_of ? s->in[i]->gradient_of->stored : TESS_F32;
}

static int conv_alloc_state(struct tess_context *ctx, struct tessi_step *s)
{
    return s->state ? TESS_OK : tess_alloc(ctx, sizeof(struct state), "an operation", &s->state);
}

/* Kernels of a convolution (forward TESS_CONV) or a transposed one (TESS_CONV_DATA): the other's forward is the gradient in the input. */
static int plan_kernels(struct tess_context *ctx, struct tess_graph *g, struct tessi_step *s, int32_t forward)
{
    int plain = forward == TESS_CONV;
    const struct tess_tensor *w = &s->in[1]->shape;
    const struct tess_tensor *image = plain ? &s->in[0]->shape : &s->out[0]->shape, *result = plain ? &s->out[0]->shape : &s->in[0]->shape;
    int32_t x = stored_in(s, 0), y = s->out[0]->stored;
    TESS_TRY(conv_alloc_state(ctx, s));
    struct state *k = s->state;
    struct tess_kernel_desc d = conv_sizes(s->attr, forward, image, w, result);
    d.bias = plain && s->in[2]; /* TESS_CONV_DATA takes no bias */
    d.dtype_a = x;
    d.dtype_c = y;
    TESS_TRY(tessi_ops_backend_gemm_plan(ctx, g, &d, tessi_ops_operands(g), s->in[1], &k->forward, &s->scratch_forward));
    s->reads_pack = k->forward.pack >= 0 ? 1u << 1 : 0;
    if (!g->objectives)
        return TESS_OK;
    d = conv_sizes(s->attr, plain ? TESS_CONV_DATA : TESS_CONV, image, w, result);
    d.dtype_a = y;
    d.dtype_c = stored_din(s, 0);
    if (s->in[0]->gradient_of)
        TESS_TRY(tessi_ops_backend_gemm_plan(ctx, g, &d, tessi_ops_operands(g), s->in[1], &k->data, &s->scratch_backward));
    d = conv_sizes(s->attr, TESS_CONV_WEIGHT, image, w, result);
    d.dtype_a = plain ? x : y;
    d.dtype_b = plain ? y : x;
    return tessi_ops_backend_gemm_plan(ctx, g, &d, tessi_ops_operands(g), NULL, &k->weight, &s->scratch_backward);
}

static int conv_prepare(struct tess_context *ctx, struct tess_graph *g, struct tessi_step *s)
{
    return plan_kernels(ctx, g, s, TESS_CONV);
}

static void conv_drop(struct tess_graph *g, struct tessi_step *s)
{
    struct state *k = s->state;
    (void)g;
    if (!k)
        return;
    tessi_ops_backend_gemm_drop(&k->forward);
    tessi_ops_backend_gemm_drop(&k->data);
    tessi_ops_backend_gemm_drop(&k->weight);
}

static void bias_gradient(const struct tess_op_run *r)
{
    if (!r->din[2].data)
        return;
    memset(r->din[2].data, 0, tess_tensor_bytes(&r->din[2]));
    tessi_graph_bf16_view_column_sums(&r->dout[0], r->din[2].data);
}

static int conv_forward(const struct tess_op_run *r)
{
    const struct state *k = r->host_state;
    return tessi_ops_backend_gemm_run(r, &k->forward, 0, r->in[0].data, r->in[1].data, r->in[2].data, r->out[0].data);
}

/* image and result: x and dy of a convolution, dy and x of a transposed one. */
static int conv_gradients(const struct tess_op_run *r, const void *image, const void *result)
{
    const struct state *k = r->host_state;
    if (r->din[0].data)
        TESS_TRY(tessi_ops_backend_gemm_run(r, &k->data, 0, r->dout[0].data, r->in[1].data, NULL, r->din[0].data));
    if (r->din[1].data)
        TESS_TRY(tessi_ops_backend_gemm_run(r, &k->weight, 0, image, result, NULL, r->din[1].data));
    bias_gradient(r);
    return TESS_OK;
}

static int conv_backward(const struct tess_op_run *r)
{
    return conv_gradients(r, r->in[0].data, r->dout[0].data);
}

static const struct tessi_op op_conv = {
    .op = {.size = sizeof(struct tess_op), .name = "conv2d", .keep_in = 3, .forward = conv_forward, .backward = conv_backward},
    .prepare = conv_prepare,
    .drop = conv_drop,
    .bf16_in = 1,
    .bf16_out = 1};

enum { STRIDE_MAX = 4096, PADDING_MAX = 65536 }; /* beyond them sizes of images would overflow */

static int padding_fits(const struct tess_conv *c)
{
    return c->top >= 0 && c->left >= 0 && c->bottom >= 0 && c->right >= 0 && c->top <= PADDING_MAX && c->left <= PADDING_MAX &&
           c->bottom <= PADDING_MAX && c->right <= PADDING_MAX;
}

/* 1 when weight (axis `in` has the image's channels, axis `out` those of the result), bias and settings go together; else why is kept. */
static int conv_fits(struct tess_graph *g, const char *name, const struct tess_node *x, const struct tess_node *w,
                     const struct tess_node *b, const struct tess_conv *conv, int32_t in, int32_t out)
{
    char left[96], right[96];
    const struct tess_tensor *s = &x->shape, *k = &w->shape;
    if (conv && !TESS_HAS(conv, bottom))
        tess_graph_fail(g, TESS_E_VALUE, "%s: the size of its struct tess_conv is %u; set it to sizeof(struct tess_conv)", name,
                        (unsigned)conv->size);
    else if (!conv || conv->stride < 1 || conv->stride > STRIDE_MAX || !padding_fits(conv))
        tess_graph_fail(g, TESS_E_VALUE, "%s: a stride of 1 .. %d and a padding of 0 .. %d pixels on each side are wanted", name,
                        STRIDE_MAX, PADDING_MAX);
    else if (s->rank != 4 || s->dtype != TESS_F32 || k->rank != 4 || k->dtype != TESS_F32)
        tess_graph_fail(g, TESS_E_SHAPE, "%s of %s with weight %s: f32 (N, H, W, Ci) and %s are wanted", name,
                        tess_tensor_text(s, left, sizeof left), tess_tensor_text(k, right, sizeof right),
                        in ? "(Co, Kh, Kw, Ci)" : "(Ci, Kh, Kw, Co)");
    else if (k->dim[in] != s->dim[3])
        tess_graph_fail(g, TESS_E_SHAPE, "%s of %s with weight %s: wanted %lld channels, found %lld", name,
                        tess_tensor_text(s, left, sizeof left), tess_tensor_text(k, right, sizeof right), (long long)k->dim[in],
                        (long long)s->dim[3]);
    else if (b && (b->shape.rank != 1 || b->shape.dim[0] != k->dim[out] || b->shape.dtype != TESS_F32))
        tess_graph_fail(g, TESS_E_SHAPE, "%s with weight %s: the bias is %s, not f32 (%lld)", name,
                        tess_tensor_text(k, right, sizeof right), tess_tensor_text(&b->shape, left, sizeof left), (long long)k->dim[out]);
    return g->status == TESS_OK;
}

struct tess_node *tess_conv2d(struct tess_graph *g, struct tess_node *x, struct tess_node *w, struct tess_node *b,
                              const struct tess_conv *conv)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "conv2d", x, w))
        return NULL;
    if (!conv_fits(g, "conv2d", x, w, b, conv, 3, 0))
        return NULL;
    struct tess_tensor y = x->shape;
    const struct tess_tensor *k = &w->shape;
    int64_t h = y.dim[1] + conv->top + conv->bottom - k->dim[1], v = y.dim[2] + conv->left + conv->right - k->dim[2];
    if (h < 0 || v < 0)
        return tess_graph_fail(g, TESS_E_SHAPE, "conv2d of %s with weight %s: the padded image is smaller than the kernel",
                               tess_tensor_text(&y, left, sizeof left), tess_tensor_text(k, right, sizeof right));
    y.dim[1] = h / conv->stride + 1;
    y.dim[2] = v / conv->stride + 1;
    y.dim[3] = k->dim[0];
    struct tess_node *in[3] = {x, w, b};
    return tessi_graph_record(g, &op_conv, conv, sizeof *conv, 3, in, 1, &y,
                        2.0 * (double)tess_tensor_count(&y) * (double)(k->dim[1] * k->dim[2] * k->dim[3]));
}

/* ---- transposed (17.12): x (N, H, W, Ci) is what a convolution with w (Ci, Kh, Kw, Co) would make of y (N, Ho, Wo, Co) ---- */

static int transpose_prepare(struct tess_context *ctx, struct tess_graph *g, struct tessi_step *s)
{
    return plan_kernels(ctx, g, s, TESS_CONV_DATA);
}

/* y += bias in every pixel. */
static void add_bias(const struct tess_tensor *y, const float *bias)
{
    float buffer[TESSI_BF16_VIEW];
    int64_t count = tess_tensor_count(y), width = y->dim[3];
    for (int64_t at = 0; at < count; at += width)
        for (int64_t i = 0; i < width; i += TESSI_BF16_VIEW) {
            int64_t n = width - i < TESSI_BF16_VIEW ? width - i : TESSI_BF16_VIEW;
            (void)tessi_graph_bf16_view_in(y, at + i, n, buffer);
            tessi_kernels()->accumulate(n, bias + i, tessi_graph_bf16_view_out(y, at + i, buffer));
            tessi_graph_bf16_view_done(y, at + i, n, buffer);
        }
}

static int transpose_forward(const struct tess_op_run *r)
{
    const struct state *k = r->host_state;
    TESS_TRY(tessi_ops_backend_gemm_run(r, &k->forward, 0, r->in[0].data, r->in[1].data, NULL, r->out[0].data));
    if (r->in[2].data)
        add_bias(&r->out[0], r->in[2].data);
    return TESS_OK;
}

static int transpose_backward(const struct tess_op_run *r)
{
    return conv_gradients(r, r->dout[0].data, r->in[0].data);
}

static const struct tessi_op op_transpose = {.op = {.size = sizeof(struct tess_op),
                                                    .name = "conv2d_transpose",
                                                    .keep_in = 3,
                                                    .forward = transpose_forward,
                                                    .backward = transpose_backward},
                                             .prepare = transpose_prepare,
                                             .drop = conv_drop,
                                             .bf16_in = 1,
                                             .bf16_out = 1};

struct tess_node *tess_conv2d_transpose(struct tess_graph *g, struct tess_node *x, struct tess_node *w, struct tess_node *b,
                                        const struct tess_conv *conv)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "conv2d_transpose", x, w))
        return NULL;
    if (!conv_fits(g, "conv2d_transpose", x, w, b, conv, 0, 3))
        return NULL;
    struct tess_tensor y = x->shape;
    const struct tess_tensor *k = &w->shape;
    int32_t s = conv->stride;
    y.dim[1] = (y.dim[1] - 1) * s + k->dim[1] - conv->top - conv->bottom;
    y.dim[2] = (y.dim[2] - 1) * s + k->dim[2] - conv->left - conv->right;
    y.dim[3] = k->dim[3];
    if (y.dim[1] < 1 || y.dim[2] < 1)
        return tess_graph_fail(g, TESS_E_SHAPE, "conv2d_transpose of %s with weight %s and stride %d: nothing is left of the image",
                               tess_tensor_text(&x->shape, left, sizeof left), tess_tensor_text(k, right, sizeof right), (int)s);
    struct tess_node *in[3] = {x, w, b};
    return tessi_graph_record(g, &op_transpose, conv, sizeof *conv, 3, in, 1, &y,
                        2.0 * (double)tess_tensor_count(&x->shape) * (double)(k->dim[1] * k->dim[2] * k->dim[3]));
}
