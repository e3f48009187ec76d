/* Element-wise functions of one tensor, dropout, conversion, and the aliases that only steer gradients.
 * SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/kernels/kernels.h"
#include "core/graph/node.h"
#include "core/graph/bf16_view.h"

#include <string.h>

struct unary {
    int32_t which;
    float p;
};

static int unary_looks_up(const struct unary *a, const struct tess_tensor *x)
{
    return x->dtype == TESS_BF16 && tessi_kernels_is_tabulated(a->which);
}

static int unary_forward(const struct tess_op_run *r)
{
    const struct unary *a = r->attr;
    float x[TESSI_BF16_VIEW], y[TESSI_BF16_VIEW];
    int64_t count = tess_tensor_count(&r->in[0]);
    if (unary_looks_up(a, &r->in[0]) && r->out[0].dtype == TESS_BF16) {
        tessi_kernels_tabulated(a->which, count, r->in[0].data, r->out[0].data);
        return TESS_OK;
    }
    if (tessi_graph_bf16_view_alike(&r->in[0], &r->out[0])) {
        tessi_kernels_stored_kernels(r->in[0].dtype)->unary[a->which](count, a->p, r->in[0].data, r->out[0].data);
        return TESS_OK;
    }
    for (int64_t i = 0; i < count; i += TESSI_BF16_VIEW) {
        int64_t n = count - i < TESSI_BF16_VIEW ? count - i : TESSI_BF16_VIEW;
        tessi_kernels()->as_f32.unary[a->which](n, a->p, tessi_graph_bf16_view_in(&r->in[0], i, n, x),
                                                tessi_graph_bf16_view_out(&r->out[0], i, y));
        tessi_graph_bf16_view_done(&r->out[0], i, n, y);
    }
    return TESS_OK;
}

static int unary_backward(const struct tess_op_run *r)
{
    const struct unary *a = r->attr;
    float x[TESSI_BF16_VIEW], dy[TESSI_BF16_VIEW], dx[TESSI_BF16_VIEW];
    int64_t count = tess_tensor_count(&r->in[0]);
    if (unary_looks_up(a, &r->in[0]) && r->dout[0].dtype == TESS_BF16 && r->din[0].dtype == TESS_BF16) {
        tessi_kernels_tabulated_back(a->which, count, r->in[0].data, r->dout[0].data, r->din[0].data);
        return TESS_OK;
    }
    if (tessi_graph_bf16_view_alike(&r->in[0], &r->dout[0]) && tessi_graph_bf16_view_alike(&r->in[0], &r->din[0])) {
        tessi_kernels_stored_kernels(r->in[0].dtype)->unary_back[a->which](count, a->p, r->in[0].data, r->dout[0].data, r->din[0].data);
        return TESS_OK;
    }
    for (int64_t i = 0; i < count; i += TESSI_BF16_VIEW) {
        int64_t n = count - i < TESSI_BF16_VIEW ? count - i : TESSI_BF16_VIEW;
        tessi_kernels()->as_f32.unary_back[a->which](n, a->p, tessi_graph_bf16_view_in(&r->in[0], i, n, x),
                                                     tessi_graph_bf16_view_in(&r->dout[0], i, n, dy),
                                                     tessi_graph_bf16_view_out(&r->din[0], i, dx));
        tessi_graph_bf16_view_done(&r->din[0], i, n, dx);
    }
    return TESS_OK;
}

/* Activations stand between layers and may be kept as bf16 or made again, always where that is a look-up; the others make losses, which
 * stay in f32. */
#define UNARY(text)                                                                                                                        \
    {                                                                                                                                      \
        .op = {.size = sizeof(struct tess_op), .name = text, .keep_in = 1, .forward = unary_forward, .backward = unary_backward }          \
    }
#define ACTIVATION(text, how)                                                                                                              \
    {                                                                                                                                      \
        .op = {.size = sizeof(struct tess_op), .name = text, .keep_in = 1, .forward = unary_forward, .backward = unary_backward},          \
        .cheap = how, .bf16_in = 1, .bf16_out = 1                                                                                          \
    }
static const struct tessi_op op_unary[TESSI_UNARY_COUNT] = {
    [TESSI_SWISH] = ACTIVATION("swish", TESSI_CHEAPEST),
    [TESSI_GELU] = ACTIVATION("gelu", TESSI_CHEAPEST),
    [TESSI_MISH] = ACTIVATION("mish", TESSI_CHEAPEST),
    [TESSI_LEAKY] = ACTIVATION("leaky_relu", TESSI_CHEAP),
    [TESSI_TANH] = UNARY("tanh"),
    [TESSI_SIGMOID] = UNARY("sigmoid"),
    [TESSI_ABS] = UNARY("abs"),
    [TESSI_SQUARE] = UNARY("square"),
    [TESSI_EXP] = UNARY("exp"),
    [TESSI_LOG] = UNARY("log"),
    [TESSI_SQRT] = UNARY("sqrt"),
    [TESSI_ATANH] = UNARY("atanh"),
};

static struct tess_node *reals_only(struct tess_graph *g, const char *name, struct tess_node *x)
{
    char text[96];
    if (!TESSI_NODES(g, name, x))
        return NULL;
    if (x->shape.dtype != TESS_F32)
        return tess_graph_fail(g, TESS_E_SHAPE, "%s wants f32, not %s", name, tess_tensor_text(&x->shape, text, sizeof text));
    return x;
}

static struct tess_node *record_unary(struct tess_graph *g, struct tess_node *x, int32_t which, float p, double flops)
{
    if (!reals_only(g, op_unary[which].op.name, x))
        return NULL;
    struct unary a = {which, p};
    return tessi_graph_record(g, &op_unary[which], &a, sizeof a, 1, &x, 1, &x->shape, flops * (double)tess_tensor_count(&x->shape));
}

struct tess_node *tess_swish(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_SWISH, 0, 4);
}

struct tess_node *tess_gelu(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_GELU, 0, 6);
}

struct tess_node *tess_mish(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_MISH, 0, 6);
}

struct tess_node *tess_tanh(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_TANH, 0, 4);
}

struct tess_node *tess_sigmoid(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_SIGMOID, 0, 4);
}

struct tess_node *tess_leaky_relu(struct tess_graph *g, struct tess_node *x, float slope)
{
    return record_unary(g, x, TESSI_LEAKY, slope, 1);
}

struct tess_node *tess_abs(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_ABS, 0, 1);
}

struct tess_node *tess_square(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_SQUARE, 0, 1);
}

struct tess_node *tess_exp(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_EXP, 0, 3);
}

struct tess_node *tess_log(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_LOG, 0, 3);
}

struct tess_node *tess_sqrt(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_SQRT, 0, 1);
}

struct tess_node *tess_atanh(struct tess_graph *g, struct tess_node *x)
{
    return record_unary(g, x, TESSI_ATANH, 0, 6);
}

/* ---- scale x + offset ---- */

struct affine {
    float scale, offset;
};

static int affine_forward(const struct tess_op_run *r)
{
    const struct affine *a = r->attr;
    tessi_kernels()->affine(tess_tensor_count(&r->in[0]), a->scale, a->offset, r->in[0].data, r->out[0].data);
    return TESS_OK;
}

static int affine_backward(const struct tess_op_run *r)
{
    const struct affine *a = r->attr;
    tessi_kernels()->affine(tess_tensor_count(&r->in[0]), a->scale, 0.0f, r->dout[0].data, r->din[0].data);
    return TESS_OK;
}

static const struct tessi_op op_affine = {
    .op = {.size = sizeof(struct tess_op), .name = "affine", .forward = affine_forward, .backward = affine_backward}};

struct tess_node *tess_affine(struct tess_graph *g, struct tess_node *x, float scale, float offset)
{
    struct affine a = {scale, offset};
    if (!reals_only(g, "affine", x))
        return NULL;
    return tessi_graph_record(g, &op_affine, &a, sizeof a, 1, &x, 1, &x->shape, 2.0 * (double)tess_tensor_count(&x->shape));
}

/* ---- integers to reals ---- */

static int to_f32_forward(const struct tess_op_run *r)
{
    const struct affine *a = r->attr;
    int64_t n = tess_tensor_count(&r->in[0]);
    float *y = r->out[0].data;
    if (r->in[0].dtype == TESS_U8)
        tessi_kernels()->u8_to_f32(n, a->scale, a->offset, r->in[0].data, y);
    else if (r->in[0].dtype == TESS_U16)
        for (int64_t i = 0; i < n; i++)
            y[i] = a->scale * (float)((const uint16_t *)r->in[0].data)[i] + a->offset;
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = a->scale * (float)((const int32_t *)r->in[0].data)[i] + a->offset;
    return TESS_OK;
}

static const struct tessi_op op_to_f32 = {.op = {.size = sizeof(struct tess_op), .name = "to_f32", .forward = to_f32_forward}};

struct tess_node *tess_to_f32(struct tess_graph *g, struct tess_node *x, float scale, float offset)
{
    struct affine a = {scale, offset};
    char text[96];
    if (!TESSI_NODES(g, "to_f32", x))
        return NULL;
    if (x->shape.dtype != TESS_U8 && x->shape.dtype != TESS_U16 && x->shape.dtype != TESS_I32)
        return tess_graph_fail(g, TESS_E_SHAPE, "to_f32 wants integers, not %s", tess_tensor_text(&x->shape, text, sizeof text));
    struct tess_tensor y = x->shape;
    y.dtype = TESS_F32;
    return tessi_graph_record(g, &op_to_f32, &a, sizeof a, 1, &x, 1, &y, 0.0);
}

/* ---- dropout: the draws are made again in the backward pass, so nothing is kept ---- */

struct dropout {
    float p;
    uint32_t purpose;
};

static void unary_drop(const struct tess_op_run *r, const struct tess_tensor *from, const struct tess_tensor *to)
{
    enum { DRAWS = 256 };
    const struct dropout *a = r->attr;
    int64_t per = tess_tensor_count(&r->out[0]) / r->rows;
    float keep = 1.0f / (1.0f - a->p);
    struct tess_stream s = r->random;
    s.purpose = a->purpose;
    for (int64_t n = 0; n < r->rows; n++, s.sample++)
        for (int64_t i = 0; i < per; i += DRAWS) {
            float u[DRAWS], buffer_x[DRAWS], buffer_y[DRAWS];
            int64_t m = per - i < DRAWS ? per - i : DRAWS, at = n * per + i;
            const float *x = tessi_graph_bf16_view_in(from, at, m, buffer_x);
            float *y = tessi_graph_bf16_view_out(to, at, buffer_y);
            tess_random_uniform(&s, (uint64_t)i, m, u);
            for (int64_t k = 0; k < m; k++)
                y[k] = u[k] < a->p ? 0.0f : keep * x[k];
            tessi_graph_bf16_view_done(to, at, m, buffer_y);
        }
}

static int dropout_forward(const struct tess_op_run *r)
{
    unary_drop(r, &r->in[0], &r->out[0]);
    return TESS_OK;
}

static int dropout_backward(const struct tess_op_run *r)
{
    unary_drop(r, &r->dout[0], &r->din[0]);
    return TESS_OK;
}

static const struct tessi_op op_dropout = {
    .op = {.size = sizeof(struct tess_op), .name = "dropout", .forward = dropout_forward, .backward = dropout_backward},
    .bf16_in = 1,
    .bf16_out = 1};

struct tess_node *tess_dropout(struct tess_graph *g, struct tess_node *x, float p, const char *purpose)
{
    if (!reals_only(g, "dropout", x))
        return NULL;
    if (!(p >= 0.0f && p < 1.0f))
        return tess_graph_fail(g, TESS_E_VALUE, "dropout of %g: a probability of at least 0 and below 1 is wanted", (double)p);
    if (!tessi_graph_check_name(g, "the purpose of dropout", purpose))
        return NULL;
    if (p <= 0.0f || !g->training)
        return x;
    if (tess_tensor_count(&x->shape) % g->microbatch)
        return tess_graph_fail(g, TESS_E_SHAPE, "dropout wants whole samples");
    struct dropout a = {p, tess_purpose(purpose)};
    return tessi_graph_record(g, &op_dropout, &a, sizeof a, 1, &x, 1, &x->shape, (double)tess_tensor_count(&x->shape));
}

/* ---- aliases ---- */

struct tess_node *tess_stop_gradient(struct tess_graph *g, struct tess_node *x)
{
    return TESSI_NODES(g, "stop_gradient", x) ? tessi_graph_node_alias(g, &x->shape, x, NULL) : NULL;
}

struct tess_node *tess_straight_through(struct tess_graph *g, struct tess_node *value, struct tess_node *through)
{
    char a[96], b[96];
    if (!TESSI_NODES(g, "straight_through", value, through))
        return NULL;
    if (!tess_tensor_same_shape(&value->shape, &through->shape))
        return tess_graph_fail(g, TESS_E_SHAPE, "straight_through of %s and %s: shapes must agree",
                               tess_tensor_text(&value->shape, a, sizeof a), tess_tensor_text(&through->shape, b, sizeof b));
    return tessi_graph_node_alias(g, &value->shape, value, through);
}
