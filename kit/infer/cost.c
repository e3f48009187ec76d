/* See cost.h. SPDX-License-Identifier: MIT */
#include "kit/infer/cost.h"

/* Upper bound of the bytes of a dataset's chunks that the store keeps between two reads. */
enum { CHUNKS = 64 << 20 };

int64_t cost_of_images(const struct tess_attrs *f, int64_t n)
{
    return n * tess_attrs_i64_or(f, "height", 0) * tess_attrs_i64_or(f, "width", 0) * tess_attrs_i64_or(f, "channels", 0);
}

int64_t cost_of_tokenizer_images(const struct tess_tokenizer *t, int64_t n)
{
    return n * t->height * t->width * t->channels;
}

int64_t cost_of_chunks(int64_t bytes)
{
    return bytes < CHUNKS ? bytes : CHUNKS;
}

int64_t cost_of_reading(const struct tess_attrs *images)
{
    int64_t all = cost_of_images(images, tess_attrs_i64_or(images, "count", 0));
    return all <= STAGE_IMAGES_MAX ? all : cost_of_chunks(all);
}

int64_t cost_of_picture(int64_t rows, int64_t images, int64_t one, int64_t width)
{
    int64_t zoom = width < 64 ? 2 : 1, n = images < PICTURE_IMAGES ? images : PICTURE_IMAGES;
    return rows * n * one * (2 + zoom * zoom); /* the lists, their concatenation, the sheet */
}

int64_t cost_of_codes(int64_t n, int64_t codebook_size)
{
    int bits = 1;
    while (bits < 31 && INT64_C(1) << bits < codebook_size)
        bits++;
    return n * bits / 8;
}

int cost_of_codec(struct tess_context *ctx, const struct stage_codec *k, double encoded, double decoded, struct tess_cost *cost)
{
    int64_t before = cost->total_bytes;
    if (k->own)
        cost->total_bytes += tess_weights_bytes(k->own);
    if (k->encode.graph)
        TESS_TRY(stage_graph_cost(ctx, &k->encode, encoded, cost));
    if (k->decode.graph)
        TESS_TRY(stage_graph_cost(ctx, &k->decode, decoded, cost));
    if (k->own)
        stage_graph_cost_settled(k->own, before, cost);
    if (k->decode.graph)
        cost->total_bytes += cost_of_tokenizer_images(&k->tokenizer, k->decode.batch) * (int64_t)sizeof(float);
    return TESS_OK;
}
