/* Means over the whole batch in the middle of a graph that is recorded for one microbatch (docs/models.md, "Microbatches and the sum over
 * them", (7.1)).
 *
 * A step of a graph with such means has two halves. In the first each microbatch runs forward with its own values in the means' place,
 * which are totals as well; in the second it runs forward again, now with the means of all, and backward. What is computed of a mean is the
 * same in every microbatch, so its gradient, handed to each microbatch's values as it is and averaged over the microbatches like every
 * other, is the mean's. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/graph/batch_mean.h"

#include <stdio.h>
#include <string.h>

/* State of a batch_mean operation (host_state): the mean over the batch, which the operation outputs in the second half. */
struct tessi_batch_mean {
    int there;
    float value[];
};

static int batch_mean_forward(const struct tess_op_run *r)
{
    const struct tessi_batch_mean *k = r->host_state;
    memcpy(r->out[0].data, k->there ? (const void *)k->value : r->in[0].data, tess_tensor_bytes(&r->out[0]));
    return TESS_OK;
}

static int batch_mean_backward(const struct tess_op_run *r)
{
    if (r->din[0].data)
        memcpy(r->din[0].data, r->dout[0].data, tess_tensor_bytes(&r->din[0]));
    return TESS_OK;
}

struct tess_node *tess_batch_mean(struct tess_graph *g, struct tess_node *x)
{
    static const struct tess_op op = {
        .size = sizeof op, .name = "batch_mean", .forward = batch_mean_forward, .backward = batch_mean_backward};
    struct tess_tensor shape = tess_shape(x);
    struct tess_node *out = NULL;
    char name[96];
    if (!g || !TESSI_NODES(g, "batch mean", x))
        return NULL;
    if (shape.dtype != TESS_F32)
        return tess_graph_fail(g, TESS_E_SHAPE, "a batch's mean of %s: f32 is wanted", tess_tensor_text(&shape, name, sizeof name));
    if (g->batch_means == TESSI_BATCH_MEANS_MAX)
        return tess_graph_fail(g, TESS_E_VALUE, "a graph has at most %d means over its batch", TESSI_BATCH_MEANS_MAX);
    snprintf(name, sizeof name, "batch mean %d", (int)g->batch_means);
    tess_total(g, name, x);
    if (g->status != TESS_OK)
        return NULL;
    tess_custom(g, &op, NULL, 0, 1, &x, 1, &shape, 0, 0.0, &out);
    struct tessi_batch_mean *k = out ? tessi_graph_alloc(g, sizeof *k + tess_tensor_bytes(&shape)) : NULL;
    if (!k)
        return NULL;
    out->maker->state = k; /* freed with the step */
    g->batch_mean[g->batch_means++] = (struct tessi_batch_mean_at){.total = g->totals - 1, .state = k};
    return out;
}

void tessi_graph_batch_means_forget(struct tess_graph *g)
{
    for (int32_t i = 0; i < g->batch_means; i++)
        g->batch_mean[i].state->there = 0;
}

void tessi_graph_batch_means_take(struct tess_graph *g, const float *sums, int64_t microbatches)
{
    for (int32_t i = 0; i < g->batch_means; i++) {
        struct tessi_batch_mean *k = g->batch_mean[i].state;
        int32_t total = g->objectives + g->batch_mean[i].total;
        int64_t n = tess_tensor_count(&g->total[g->batch_mean[i].total].node->shape);
        for (int64_t j = 0; j < n; j++)
            k->value[j] = sums[g->total_offset[total] + j] / (float)microbatches;
        k->there = 1;
    }
}
