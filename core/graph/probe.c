/* Probes and coefficients: losses whose weight depends on the gradients of other losses (docs/models.md, "The adversarial term").
 *
 * A step of a graph with probes has two halves. In the first each slice runs forward and finds the probes' gradients; their sums over the
 * slices go to the function that sets the coefficients. In the second the objectives' gradients are found with those. A worker
 * whose memory still holds a slice's activations goes on from there; another slice's are computed again, to the same bits.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph/node.h"

#include <string.h>

static void *probe_grown(struct tess_graph *g, void *list, int32_t n, size_t size)
{
    struct tessi_context context;
    void *memory;
    tessi_base_context_init(&context, NULL);
    if (tess_alloc(&context.context, (size_t)(n + 1) * size, "a graph", &memory) != TESS_OK) {
        tess_graph_fail(g, TESS_E_MEMORY, "no memory for a graph");
        return NULL;
    }
    if (n)
        memcpy(memory, list, (size_t)n * size);
    tess_free(list);
    return memory;
}

void tess_probe(struct tess_graph *g, struct tess_node *scalar, const char *weight)
{
    if (!scalar)
        return;
    if (tess_tensor_count(&scalar->shape) != 1 || scalar->shape.dtype != TESS_F32) {
        tess_graph_fail(g, TESS_E_SHAPE, "a probe of %s: a scalar is wanted", weight);
        return;
    }
    for (int64_t i = 0; i < g->weights->count; i++) {
        if (strcmp(g->weights->item[i].name, weight) != 0 || g->weights->item[i].init.flags & TESS_WEIGHT_BUFFER)
            continue;
        if (g->probes == TESSI_PROBES_MAX) {
            tess_graph_fail(g, TESS_E_VALUE, "a graph has at most %d probes", TESSI_PROBES_MAX);
            return;
        }
        struct tessi_probe *list = probe_grown(g, g->probe, g->probes, sizeof *list);
        if (list) {
            g->probe = list;
            g->probe[g->probes++] = (struct tessi_probe){.node = scalar, .weight = i};
        }
        return;
    }
    tess_graph_fail(g, TESS_E_VALUE, "a probe of %s: there is no trained weight of that name", weight);
}

struct tess_node *tess_coefficient(struct tess_graph *g)
{
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, 0, NULL);
    if (g->status != TESS_OK)
        return NULL;
    float *list = probe_grown(g, g->coefficient, g->coefficients, sizeof *list);
    struct tess_node *x = list ? tessi_graph_node_new(g, &shape) : NULL;
    if (list)
        g->coefficient = list;
    if (!x)
        return NULL;
    x->kind = TESSI_COEFFICIENT;
    x->gradient_of = NULL;
    x->index = g->coefficients;
    g->coefficient[g->coefficients++] = 0.0f;
    return x;
}

void tess_weigh(struct tess_graph *g,
                int (*weigh)(void *user, struct tess_context *ctx, const struct tess_tensor *probe, float *coefficient), void *user)
{
    g->weigh = weigh;
    g->weigh_user = user;
}

int tessi_graph_weigh(struct tess_context *ctx, struct tess_graph *g, float *sums, int64_t slices)
{
    struct tess_tensor probe[TESSI_PROBES_MAX];
    for (int32_t i = 0; i < g->probes; i++) {
        probe[i] = g->weights->item[g->probe[i].weight].shape;
        probe[i].data = sums + g->probe[i].offset;
        float *x = probe[i].data;
        for (int64_t k = 0; k < tess_tensor_count(&probe[i]); k++)
            x[k] /= (float)slices;
    }
    return g->weigh ? g->weigh(g->weigh_user, ctx, probe, g->coefficient) : TESS_OK;
}
