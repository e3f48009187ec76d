/* SPDX-License-Identifier: MIT */
#include "plugins/stages/perceptual.h"

static int look(struct tess_call *c, const struct perceptual_params *p, struct tess_graph *g, struct tess_node *image,
                struct tess_features *out)
{
    const struct tess_features_1 *ops = tess_instance_ops(p->features, "features/1");
    *out = (struct tess_features){.size = sizeof *out};
    tess_scope(g, PERCEPTUAL);
    TESS_TRY(ops->record(tess_instance_self(p->features), c, g, image, out));
    tess_scope_end(g);
    return TESS_OK;
}

int perceptual_record(struct tess_call *c, const struct perceptual_params *p, struct tess_graph *g, struct tess_node *x,
                      struct tess_node *y, struct tess_node **error)
{
    struct tess_features real, made;
    struct tess_node *sum = NULL;
    if (!p->features)
        return TESS_OK;
    TESS_TRY(look(c, p, g, x, &real));
    TESS_TRY(look(c, p, g, y, &made));
    for (int32_t i = 0; i < real.count && i < made.count; i++) {
        struct tess_node *distance = tess_direction_distance(g, real.feature[i].map, made.feature[i].map, real.feature[i].weight);
        sum = sum ? tess_add(g, sum, distance) : distance;
    }
    *error = tess_add(g, *error, tess_affine(g, tess_mean_all(g, sum), (float)p->weight, 0.0f));
    return TESS_OK;
}
