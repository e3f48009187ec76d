/* Layer normalisation: (docs/models.md, (1.1)) with each row as a group of its own. Mean and 1 / deviation of each row are kept as a second
 * output. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/ops/norms.h"
#include "core/kernels/kernels.h"
#include "core/graph/node.h"
#include "core/graph/bf16_view.h"

#include <string.h>

static int layer_forward(const struct tess_op_run *r)
{
    const struct tess_tensor *x = &r->in[0];
    int64_t c = x->dim[x->rank - 1], rows = tess_tensor_count(x) / c;
    float *stats = r->out[1].data, *buffer = r->scratch, eps = *(const float *)r->attr;
    size_t row = (size_t)c * tess_dtype_size(x->dtype);
    int alike = tessi_graph_bf16_view_alike(x, &r->out[0]);
    for (int64_t i = 0; i < rows && alike; i++)
        tessi_kernels_stored_kernels(x->dtype)->layer_norm(c, eps, (const char *)x->data + (size_t)i * row, r->in[1].data, r->in[2].data,
                                                   (char *)r->out[0].data + (size_t)i * row, stats + 2 * i, stats + 2 * i + 1);
    for (int64_t i = 0; i < rows && !alike; i++) {
        tessi_kernels()->as_f32.layer_norm(c, eps, tessi_graph_bf16_view_in(x, i * c, c, buffer), r->in[1].data, r->in[2].data,
                                           tessi_graph_bf16_view_out(&r->out[0], i * c, buffer + c), stats + 2 * i, stats + 2 * i + 1);
        tessi_graph_bf16_view_done(&r->out[0], i * c, c, buffer + c);
    }
    return TESS_OK;
}

/* y of the kept mean and deviation, which spares two of three passes. */
static int layer_again(const struct tess_op_run *r)
{
    const struct tess_tensor *x = &r->in[0];
    int64_t c = x->dim[x->rank - 1], rows = tess_tensor_count(x) / c;
    const float *stats = r->out[1].data;
    size_t row = (size_t)c * tess_dtype_size(x->dtype);
    if (!tessi_graph_bf16_view_alike(x, &r->out[0]))
        return layer_forward(r);
    for (int64_t i = 0; i < rows; i++)
        tessi_kernels_stored_kernels(x->dtype)->layer_norm_again(c, stats[2 * i], stats[2 * i + 1], (const char *)x->data + (size_t)i * row,
                                                                 r->in[1].data, r->in[2].data, (char *)r->out[0].data + (size_t)i * row);
    return TESS_OK;
}

static int layer_backward(const struct tess_op_run *r)
{
    const struct tess_tensor *x = &r->in[0], *dx = &r->din[0];
    int64_t c = x->dim[x->rank - 1], rows = tess_tensor_count(x) / c;
    const float *stats = r->out[1].data;
    float *spare = r->scratch, *buffer = spare + 2 * c;
    float *dgamma = r->din[1].data ? r->din[1].data : spare, *dbeta = r->din[2].data ? r->din[2].data : spare + c;
    memset(dgamma, 0, (size_t)c * sizeof(float));
    memset(dbeta, 0, (size_t)c * sizeof(float));
    for (int64_t i = 0; i < rows; i++) {
        tessi_kernels()->as_f32.layer_norm_back(c, tessi_graph_bf16_view_in(x, i * c, c, buffer), stats[2 * i], stats[2 * i + 1],
                                                r->in[1].data, tessi_graph_bf16_view_in(&r->dout[0], i * c, c, buffer + c),
                                                dx->data ? tessi_graph_bf16_view_out(dx, i * c, buffer + 2 * c) : NULL, dgamma, dbeta);
        if (dx->data)
            tessi_graph_bf16_view_done(dx, i * c, c, buffer + 2 * c);
    }
    return TESS_OK;
}

static int layer_prepare(struct tess_context *context, struct tess_graph *g, struct tessi_step *s)
{
    size_t row = tess_tensor_bytes(&s->in[1]->shape);
    (void)context;
    (void)g;
    s->scratch_forward = 2 * row;
    s->scratch_backward = 5 * row;
    return TESS_OK;
}

static const struct tessi_op op_layer_norm = {.op = {.size = sizeof(struct tess_op),
                                                     .name = "layer_norm",
                                                     .keep_in = 3,
                                                     .keep_out = 2,
                                                     .forward = layer_forward,
                                                     .backward = layer_backward},
                                              .prepare = layer_prepare,
                                              .again = layer_again,
                                              .cheap = TESSI_CHEAPEST,
                                              .bf16_in = 1,
                                              .bf16_out = 1};

struct tess_node *tess_layer_norm(struct tess_graph *g, struct tess_node *x, struct tess_node *gamma, struct tess_node *beta, float eps)
{
    char text[96];
    if (!TESSI_NODES(g, "layer_norm", x, gamma, beta))
        return NULL;
    if (!tessi_ops_affine_fits(x, gamma, beta) || !(eps >= 0.0f))
        return tess_graph_fail(g, TESS_E_SHAPE, "layer_norm of %s: scale and offset must have as many values as the last dimension",
                               tess_tensor_text(&x->shape, text, sizeof text));
    int64_t c = x->shape.dim[x->shape.rank - 1];
    struct tess_tensor out[2] = {x->shape, tessi_graph_shape(TESS_F32, 2, (int64_t[]){tess_tensor_count(&x->shape) / c, 2})};
    struct tess_node *in[3] = {x, gamma, beta};
    return tessi_graph_record(g, &op_layer_norm, &eps, sizeof eps, 3, in, 2, out, 8.0 * (double)tess_tensor_count(&x->shape));
}
