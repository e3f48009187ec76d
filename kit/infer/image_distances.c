/* See image_distances.h. SPDX-License-Identifier: MIT */
#include "kit/infer/image_distances.h"

int image_distances_open(struct tess_context *ctx, struct image_distances *d, const int64_t size[3], uint64_t seed, int64_t batch)
{
    const int64_t dim[4] = {STAGE_MICROBATCH, size[0], size[1], size[2]};
    struct tess_node *distance;
    d->made = tess_tensor_over(NULL, TESS_F32, 4, (const int64_t[]){batch, size[0], size[1], size[2]});
    TESS_TRY(stage_graph_open(ctx, &d->graph, seed, batch));
    struct tess_graph *g = d->graph.graph;
    struct tess_node *image = tess_input(g, "image", TESS_U8, 4, dim), *made = tess_input(g, "made", TESS_F32, 4, dim);
    TESS_TRY(perceptual_distance(ctx, d->network.instance, g, tess_to_f32(g, image, 1.0f / 255.0f, 0.0f), made, &distance));
    tess_output(g, "distance", distance);
    TESS_TRY(tess_graph_seal(ctx, g));
    return perceptual_check(ctx, &d->network, d->graph.weights);
}

int image_distances_read(struct tess_context *ctx, struct image_distances *d)
{
    int64_t batch = d->made.dim[0];
    TESS_TRY(stage_tensor(ctx, &d->made, TESS_F32, 4, d->made.dim));
    TESS_TRY(stage_tensor(ctx, &d->out, TESS_F32, 1, &batch));
    return perceptual_read(ctx, &d->network, d->graph.weights);
}

void image_distances_close(struct image_distances *d)
{
    stage_graph_close(&d->graph, 1);
    perceptual_close(&d->network);
    tess_free(d->made.data);
    tess_free(d->out.data);
    d->made.data = d->out.data = NULL;
}

int image_distances_make(struct tess_context *ctx, struct image_distances *d, const struct tess_tensor *images,
                         const struct tess_tensor *made)
{
    const float *from = made->data;
    float *to = d->made.data;
    int64_t n = images->dim[0], count = tess_tensor_count(made);
    for (int64_t i = 0; i < count; i++)
        to[i] = from[i] < 0.0f ? 0.0f : from[i] > 1.0f ? 1.0f : from[i];
    d->made.dim[0] = d->out.dim[0] = n;
    return stage_graph_run(ctx, &d->graph, 0, 0, n, 2, (const struct tess_tensor[]){*images, d->made}, 1, &d->out);
}
