/* Functions of one variable that are constant almost everywhere: round, floor, sign. Their value is the function's, their gradient passes
 * straight through. And the way from reals to integers. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/graph/node.h"

#include <math.h>
#include <string.h>

static int round_forward(const struct tess_op_run *r)
{
    const float *x = r->in[0].data;
    float *y = r->out[0].data;
    for (int64_t i = 0; i < tess_tensor_count(&r->in[0]); i++)
        y[i] = rintf(x[i]); /* the rounding mode is never changed: to the nearest, ties to even */
    return TESS_OK;
}

static int floor_forward(const struct tess_op_run *r)
{
    const float *x = r->in[0].data;
    float *y = r->out[0].data;
    for (int64_t i = 0; i < tess_tensor_count(&r->in[0]); i++)
        y[i] = floorf(x[i]);
    return TESS_OK;
}

static int sign_forward(const struct tess_op_run *r)
{
    const float *x = r->in[0].data;
    float *y = r->out[0].data;
    for (int64_t i = 0; i < tess_tensor_count(&r->in[0]); i++)
        y[i] = x[i] > 0.0f ? 1.0f : x[i] < 0.0f ? -1.0f : x[i]; /* 0 and NaN stay what they are */
    return TESS_OK;
}

static const struct tessi_op op_round = {.op = {.size = sizeof(struct tess_op), .name = "round", .forward = round_forward}};
static const struct tessi_op op_floor = {.op = {.size = sizeof(struct tess_op), .name = "floor", .forward = floor_forward}};
static const struct tessi_op op_sign = {.op = {.size = sizeof(struct tess_op), .name = "sign", .forward = sign_forward}};

static struct tess_node *record_step_function(struct tess_graph *g, const struct tessi_op *op, struct tess_node *x)
{
    char text[96];
    if (!TESSI_NODES(g, op->op.name, x))
        return NULL;
    if (x->shape.dtype != TESS_F32)
        return tess_graph_fail(g, TESS_E_SHAPE, "%s wants f32, not %s", op->op.name, tess_tensor_text(&x->shape, text, sizeof text));
    struct tess_node *y = tessi_graph_record(g, op, NULL, 0, 1, &x, 1, &x->shape, (double)tess_tensor_count(&x->shape));
    return tess_straight_through(g, y, x);
}

struct tess_node *tess_round(struct tess_graph *g, struct tess_node *x)
{
    return record_step_function(g, &op_round, x);
}

struct tess_node *tess_floor(struct tess_graph *g, struct tess_node *x)
{
    return record_step_function(g, &op_floor, x);
}

struct tess_node *tess_sign(struct tess_graph *g, struct tess_node *x)
{
    return record_step_function(g, &op_sign, x);
}

/* ---- to integers ---- */

static int to_i32_forward(const struct tess_op_run *r)
{
    int64_t n = tess_tensor_count(&r->in[0]);
    int32_t *y = r->out[0].data;
    if (r->in[0].dtype == TESS_U8)
        for (int64_t i = 0; i < n; i++)
            y[i] = ((const uint8_t *)r->in[0].data)[i];
    else if (r->in[0].dtype == TESS_U16)
        for (int64_t i = 0; i < n; i++)
            y[i] = ((const uint16_t *)r->in[0].data)[i];
    else
        for (int64_t i = 0; i < n; i++) {
            float x = rintf(((const float *)r->in[0].data)[i]);
            if (!(x >= -2147483648.0f && x < 2147483648.0f))
                return r->context->fail(r->context, TESS_E_DATA, "to_i32: value %lld is %g, outside the integers of 32 bits", (long long)i,
                                        (double)x);
            y[i] = (int32_t)x;
        }
    return TESS_OK;
}

static const struct tessi_op op_to_i32 = {.op = {.size = sizeof(struct tess_op), .name = "to_i32", .forward = to_i32_forward}};

struct tess_node *tess_to_i32(struct tess_graph *g, struct tess_node *x)
{
    char text[96];
    if (!TESSI_NODES(g, "to_i32", x))
        return NULL;
    struct tess_tensor y = x->shape;
    if (y.dtype != TESS_F32 && y.dtype != TESS_U8 && y.dtype != TESS_U16)
        return tess_graph_fail(g, TESS_E_SHAPE, "to_i32 wants f32, u8 or u16, not %s", tess_tensor_text(&y, text, sizeof text));
    y.dtype = TESS_I32;
    return tessi_graph_record(g, &op_to_i32, NULL, 0, 1, &x, 1, &y, 0.0);
}
