/* Cross-entropy over the last dimension, weighted by position: y = w (lse(x) - x[target]), dx = w dy (softmax(x) - onehot).
 * Rows of weight 0 (positions that were not masked) are skipped both ways. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/kernels/kernels.h"
#include "core/graph/node.h"

#include <string.h>

static int loss_forward(const struct tess_op_run *r)
{
    const struct tess_tensor *x = &r->in[0];
    int64_t k = x->dim[x->rank - 1], rows = tess_tensor_count(x) / k;
    const int32_t *target = r->in[1].data;
    const float *weight = r->in[2].data;
    float *y = r->out[0].data, *lse = r->out[1].data;
    for (int64_t i = 0; i < rows; i++) {
        const float *row = (const float *)x->data + i * k;
        if (target[i] < 0 || target[i] >= k)
            return r->context->fail(r->context, TESS_E_DATA, "cross-entropy: target %d at position %lld is outside 0 .. %lld",
                                    (int)target[i], (long long)i, (long long)(k - 1));
        y[i] = lse[i] = 0.0f;
        if (weight && weight[i] == 0.0f)
            continue;
        lse[i] = tessi_kernels()->log_sum_exp(k, row);
        y[i] = (weight ? weight[i] : 1.0f) * (lse[i] - row[target[i]]);
    }
    return TESS_OK;
}

static int loss_backward(const struct tess_op_run *r)
{
    const struct tess_tensor *x = &r->in[0];
    int64_t k = x->dim[x->rank - 1], rows = tess_tensor_count(x) / k;
    const int32_t *target = r->in[1].data;
    const float *weight = r->in[2].data, *dy = r->dout[0].data, *lse = r->out[1].data;
    for (int64_t i = 0; i < rows; i++) {
        float *dx = (float *)r->din[0].data + i * k, g = dy[i] * (weight ? weight[i] : 1.0f);
        if (g == 0.0f) {
            memset(dx, 0, (size_t)k * sizeof(float));
            continue;
        }
        tessi_kernels()->cross_entropy_back(k, (const float *)x->data + i * k, lse[i], g, dx);
        dx[target[i]] -= g;
    }
    return TESS_OK;
}

static const struct tessi_op op_cross_entropy = {.op = {.size = sizeof(struct tess_op),
                                                        .name = "cross_entropy",
                                                        .keep_in = 7,
                                                        .keep_out = 2,
                                                        .forward = loss_forward,
                                                        .backward = loss_backward}};

struct tess_node *tess_cross_entropy(struct tess_graph *g, struct tess_node *logits, struct tess_node *target, struct tess_node *weight)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "cross_entropy", logits, target))
        return NULL;
    struct tess_tensor y = target->shape;
    y.dtype = TESS_F32;
    int64_t k = logits->shape.rank ? logits->shape.dim[logits->shape.rank - 1] : 0;
    if (logits->shape.dtype != TESS_F32 || target->shape.dtype != TESS_I32 || k < 1 ||
        tess_tensor_count(&logits->shape) != k * tess_tensor_count(&y) || (weight && !tess_tensor_same_shape(&weight->shape, &y)))
        return tess_graph_fail(g, TESS_E_SHAPE, "cross_entropy of %s with targets %s: one i32 target (and one weight) a row is wanted",
                               tess_tensor_text(&logits->shape, left, sizeof left), tess_tensor_text(&target->shape, right, sizeof right));
    struct tess_tensor out[2] = {y, y};
    /* the weight steers, it is not trained */
    struct tess_node *in[3] = {logits, target, weight ? tess_stop_gradient(g, weight) : NULL};
    return tessi_graph_record(g, &op_cross_entropy, NULL, 0, 3, in, 2, out, 5.0 * (double)tess_tensor_count(&logits->shape));
}
