/* See image_vectors.h. SPDX-License-Identifier: MIT */
#include "kit/infer/image_vectors.h"

#include <string.h>

static int image_vectors_record(struct tess_context *ctx, struct image_vectors *v, const int64_t size[3])
{
    struct tess_graph *g = v->features.graph;
    struct tess_node *image = tess_input(g, "image", TESS_U8, 4, (const int64_t[]){STAGE_MICROBATCH, size[0], size[1], size[2]}), *vector;
    struct tess_node *real = tess_to_f32(g, image, 1.0f / 255.0f, 0.0f);
    TESS_TRY(v->pooled ? perceptual_pooled(ctx, v->network.instance, g, real, &vector)
                       : perceptual_vector(ctx, v->network.instance, g, real, &vector));
    struct tess_tensor shape = tess_shape(vector);
    v->width = shape.dim[1];
    tess_output(g, "vector", vector);
    return tess_graph_seal(ctx, g);
}

int image_vectors_open(struct tess_context *ctx, struct image_vectors *v, const int64_t size[3], uint64_t seed, int64_t batch)
{
    v->width = size[0] * size[1] * size[2];
    batch = stage_whole_microbatches(batch);
    v->bytes = tess_tensor_over(NULL, TESS_U8, 4, (const int64_t[]){batch, size[0], size[1], size[2]});
    if (!v->network.instance)
        return TESS_OK;
    TESS_TRY(stage_graph_open(ctx, &v->features, seed, batch));
    TESS_TRY(image_vectors_record(ctx, v, size));
    return perceptual_check(ctx, &v->network, v->features.weights);
}

int image_vectors_read(struct tess_context *ctx, struct image_vectors *v)
{
    TESS_TRY(stage_tensor(ctx, &v->bytes, TESS_U8, 4, v->bytes.dim));
    TESS_TRY(stage_tensor(ctx, &v->begun, TESS_F32, 2, (const int64_t[]){STAGE_MICROBATCH, v->width}));
    return v->network.instance ? perceptual_read(ctx, &v->network, v->features.weights) : TESS_OK;
}

void image_vectors_close(struct image_vectors *v)
{
    stage_graph_close(&v->features, 1);
    perceptual_close(&v->network);
    tess_free(v->bytes.data);
    tess_free(v->begun.data);
    v->bytes.data = v->begun.data = NULL;
}

int64_t image_list_at(const struct image_list *l, int64_t i)
{
    return l->first + i * l->of / l->count;
}

/* Converts images i .. i + n - 1 of a list to the places from `place` on of a batch, which has room for them; `to` gets the vectors of all
 * places from 0 on. */
static int image_vectors_batch(struct tess_context *ctx, const struct image_vectors *v, const struct image_list *l, int64_t i, int64_t n,
                               int64_t place, float *to)
{
    struct tess_tensor bytes = v->bytes, vectors = tess_tensor_over(to, TESS_F32, 2, (const int64_t[]){place + n, v->width});
    size_t row = l->images->row;
    bytes.dim[0] = place + n;
    for (int64_t j = 0; j < n; j++)
        TESS_TRY(stage_images_get(ctx, l->images, image_list_at(l, i + j), (uint8_t *)bytes.data + (size_t)(place + j) * row));
    if (v->network.instance)
        return stage_graph_run(ctx, &v->features, 0, 0, place + n, 1, &bytes, 1, &vectors);
    for (int64_t j = place * v->width; j < (place + n) * v->width; j++)
        to[j] = (float)((const uint8_t *)bytes.data)[j];
    return TESS_OK;
}

/* The place of an image is that of its number in the list, whatever the blocks that lists are cut into. */
int image_vectors_make(struct tess_context *ctx, const struct image_vectors *v, const struct image_list *l, int64_t i, int64_t n, float *to)
{
    int64_t place = i % STAGE_MICROBATCH, j = 0;
    if (place) {
        j = n < STAGE_MICROBATCH - place ? n : STAGE_MICROBATCH - place;
        TESS_TRY(image_vectors_batch(ctx, v, l, i, j, place, v->begun.data));
        memcpy(to, (const float *)v->begun.data + place * v->width, (size_t)(j * v->width) * sizeof *to);
    }
    for (int64_t some; j < n; j += some) {
        some = n - j < v->bytes.dim[0] ? n - j : v->bytes.dim[0];
        TESS_TRY(image_vectors_batch(ctx, v, l, i + j, some, 0, to + j * v->width));
    }
    return TESS_OK;
}
