/* SPDX-License-Identifier: MIT */
#include "kit/train/perceptual.h"

#include <math.h>

int perceptual_choose(struct tess_context *ctx, struct perceptual_network *n, struct tess_instance *given, const char *parameter,
                      const struct tess_attrs *attrs, const struct tess_artefact *from)
{
    const char *network;
    n->instance = given;
    if (!attrs)
        return TESS_OK;
    if (given)
        return ctx->fail(ctx, TESS_E_VALUE,
                         "the perceptual distance has two networks: leave out the parameter `%s`, or the input `features`", parameter);
    TESS_TRY(tess_attrs_text(ctx, attrs, "network", &network));
    TESS_TRY(tess_instance_open(ctx, "features/1", network, "features: network", &n->trained));
    n->instance = n->trained;
    n->from = from;
    return TESS_OK;
}

void perceptual_close(struct perceptual_network *n)
{
    tess_instance_close(n->trained);
    *n = (struct perceptual_network){.instance = NULL};
}

int perceptual_check(struct tess_context *ctx, const struct perceptual_network *n, struct tess_weights *w)
{
    return n->instance && !n->trained ? tess_features_load(ctx, n->instance, PERCEPTUAL, w) : TESS_OK;
}

int perceptual_read(struct tess_context *ctx, const struct perceptual_network *n, struct tess_weights *w)
{
    TESS_TRY(tess_weights_seal(ctx, w));
    return n->trained ? tess_features_read(ctx, PERCEPTUAL, w, n->from) : perceptual_check(ctx, n, w);
}

static int perceptual_look(struct tess_context *ctx, struct tess_instance *features, struct tess_graph *g, struct tess_node *image,
                struct tess_features *out)
{
    const struct tess_features_1 *ops = tess_instance_ops(features, "features/1");
    *out = (struct tess_features){.size = sizeof *out};
    tess_scope(g, PERCEPTUAL);
    TESS_TRY(tess_instance_returned(ctx, features, "features", "record", ops->record(tess_instance_self(features), ctx, g, image, out)));
    tess_scope_end(g);
    return TESS_OK;
}

int perceptual_distance(struct tess_context *ctx, struct tess_instance *features, struct tess_graph *g, struct tess_node *x,
                        struct tess_node *y, struct tess_node **distance)
{
    struct tess_features real, made;
    *distance = NULL;
    TESS_TRY(perceptual_look(ctx, features, g, x, &real));
    TESS_TRY(perceptual_look(ctx, features, g, y, &made));
    for (int32_t i = 0; i < real.count && i < made.count; i++) {
        struct tess_node *one = tess_direction_distance(g, real.map[i], made.map[i], real.weight[i]);
        *distance = *distance ? tess_add(g, *distance, one) : one;
    }
    return TESS_OK;
}

int perceptual_record(struct tess_context *ctx, const struct perceptual_params *p, struct tess_graph *g, struct tess_node *x,
                      struct tess_node *y, struct tess_node **error)
{
    struct tess_node *distance;
    if (!p->features)
        return TESS_OK;
    TESS_TRY(perceptual_distance(ctx, p->features, g, x, y, &distance));
    *error = tess_add(g, *error, tess_affine(g, tess_mean_all(g, distance), (float)p->weight, 0.0f));
    return TESS_OK;
}

/* ---- the vector ---- */

/* (24.2) of one feature: map (rows, h, w, C), weight (C) or none -> (rows, h w C). */
static int vector_forward(const struct tess_op_run *r)
{
    const struct tess_tensor *map = &r->in[0];
    const float *f = map->data, *weight = r->inputs > 1 ? r->in[1].data : NULL;
    int64_t channels = map->dim[3], pixels = map->dim[1] * map->dim[2];
    float *to = r->out[0].data, *root = r->scratch;
    for (int64_t k = 0; k < channels; k++) {
        if (weight && weight[k] < 0.0f)
            return r->context->fail(r->context, TESS_E_DATA,
                                 "the features' channel %lld has the weight %g, and no distance comes of that; give the weights of LPIPS, "
                                 "which are not negative",
                                 (long long)k, (double)weight[k]);
        root[k] = (float)sqrt((weight ? (double)weight[k] : 1.0) / (double)pixels);
    }
    for (int64_t i = 0; i < map->dim[0] * pixels; i++, f += channels, to += channels) {
        double square = 0.0;
        for (int64_t k = 0; k < channels; k++)
            square += (double)f[k] * (double)f[k];
        float scale = (float)(1.0 / (sqrt(square) + 1e-10));
        for (int64_t k = 0; k < channels; k++)
            to[k] = f[k] * scale * root[k];
    }
    return TESS_OK;
}

static struct tess_node *vector_of(struct tess_graph *g, struct tess_node *feature, struct tess_node *weight)
{
    static const struct tess_op op = {.size = sizeof op, .name = "perceptual_vector", .forward = vector_forward};
    struct tess_tensor map = tess_shape(feature);
    int64_t size = tess_tensor_count(&map) / map.dim[0];
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, 2, (const int64_t[]){map.dim[0], size});
    struct tess_node *const in[2] = {feature, weight};
    struct tess_node *vector;
    tess_custom(g, &op, NULL, 0, weight ? 2 : 1, in, 1, &shape, (size_t)map.dim[3] * sizeof(float), 4.0 * (double)tess_tensor_count(&map),
                &vector);
    return vector;
}

int perceptual_vector(struct tess_context *ctx, struct tess_instance *features, struct tess_graph *g, struct tess_node *image,
                      struct tess_node **vector)
{
    struct tess_features all;
    struct tess_node *joined = NULL;
    *vector = NULL;
    TESS_TRY(perceptual_look(ctx, features, g, image, &all));
    if (tess_graph_status(g) != TESS_OK)
        return TESS_OK; /* sealing says why */
    for (int32_t i = all.count - 1; i >= 0; i--) { /* the largest, which are the lowest, are copied least */
        struct tess_node *one = vector_of(g, all.map[i], all.weight[i]);
        joined = joined ? tess_concat(g, one, joined, 1) : one;
    }
    *vector = joined;
    return TESS_OK;
}

int perceptual_pooled(struct tess_context *ctx, struct tess_instance *features, struct tess_graph *g, struct tess_node *image,
                      struct tess_node **vector)
{
    struct tess_features all;
    *vector = NULL;
    TESS_TRY(perceptual_look(ctx, features, g, image, &all));
    if (tess_graph_status(g) != TESS_OK)
        return TESS_OK; /* sealing says why */
    struct tess_node *last = all.map[all.count - 1];
    struct tess_tensor map = tess_shape(last);
    *vector = tess_reshape(g, tess_mean(g, last, 1u << 1 | 1u << 2), 2, (const int64_t[]){map.dim[0], map.dim[3]});
    return TESS_OK;
}
