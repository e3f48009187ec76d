/* Gradient probes and adaptive weights: losses whose weight depends on the gradients of other losses (docs/models.md, "The adversarial
 * term").
 *
 * A step of a graph with gradient probes has two halves. In the first each microbatch runs forward and finds the gradient probes'
 * gradients; their sums over the microbatches go to the function that sets the adaptive weights. In the second the objectives' gradients
 * are found with those. A worker whose memory still holds a microbatch's activations continues there; another microbatch's are computed
 * again, to the same bits.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"

#include <string.h>

void tess_gradient_probe(struct tess_graph *g, struct tess_node *scalar, const char *weight)
{
    if (!tessi_graph_check_name(g, "the weight of a gradient probe", weight) || !TESSI_NODES(g, "a gradient probe", scalar))
        return;
    if (tess_tensor_count(&scalar->shape) != 1 || scalar->shape.dtype != TESS_F32) {
        tess_graph_fail(g, TESS_E_SHAPE, "a gradient probe of %s: a scalar is wanted", weight);
        return;
    }
    for (int64_t i = 0; i < g->weights->count; i++) {
        if (strcmp(g->weights->item[i].name, weight) != 0 || g->weights->item[i].init.flags & TESS_WEIGHT_BUFFER)
            continue;
        if (g->gradient_probes == TESSI_GRADIENT_PROBES_MAX) {
            tess_graph_fail(g, TESS_E_VALUE, "a graph has at most %d gradient probes", TESSI_GRADIENT_PROBES_MAX);
            return;
        }
        if (tessi_graph_reserve(g, &g->gradient_probe, &g->gradient_probe_capacity, g->gradient_probes + 1, sizeof *g->gradient_probe))
            g->gradient_probe[g->gradient_probes++] = (struct tessi_gradient_probe){.node = scalar, .weight = i};
        return;
    }
    tess_graph_fail(g, TESS_E_VALUE, "a gradient probe of %s: there is no trained weight of that name", weight);
}

struct tess_node *tess_adaptive_weight(struct tess_graph *g)
{
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, 0, NULL);
    if (!g || g->status != TESS_OK)
        return NULL;
    int64_t wanted = (int64_t)g->adaptive_weights + 1;
    int fits = tessi_graph_reserve(g, &g->adaptive_weight, &g->adaptive_weight_capacity, wanted, sizeof *g->adaptive_weight);
    struct tess_node *x = fits ? tessi_graph_node_new(g, &shape) : NULL;
    if (!x)
        return NULL;
    x->kind = TESSI_COEFFICIENT;
    x->gradient_of = NULL;
    x->index = g->adaptive_weights;
    g->adaptive_weight[g->adaptive_weights++] = 0.0f;
    return x;
}

void tess_set_adaptive_weights(struct tess_graph *g,
                               int (*adapt)(void *user, struct tess_context *ctx, const struct tess_tensor *gradient_probe,
                                            float *adaptive_weight),
                               void *user)
{
    if (!g)
        return;
    g->adapt = adapt;
    g->adapt_user = user;
}

int tessi_graph_adapt_weights(struct tess_context *ctx, struct tess_graph *g, float *sums, int64_t microbatches)
{
    struct tess_tensor gradient_probe[TESSI_GRADIENT_PROBES_MAX];
    for (int32_t i = 0; i < g->gradient_probes; i++) {
        gradient_probe[i] = g->weights->item[g->gradient_probe[i].weight].shape;
        gradient_probe[i].data = sums + g->gradient_probe[i].offset;
        float *x = gradient_probe[i].data;
        for (int64_t k = 0; k < tess_tensor_count(&gradient_probe[i]); k++)
            x[k] /= (float)microbatches;
    }
    int status = g->adapt(g->adapt_user, ctx, gradient_probe, g->adaptive_weight);
    if (status != TESS_OK && !*tess_message(ctx))
        return ctx->fail(ctx, status < 0 ? status : TESS_E_PLUGIN,
                         "the function of tess_set_adaptive_weights returned %d without a message", status);
    return status == TESS_OK || status < 0 ? status : TESS_E_PLUGIN;
}
