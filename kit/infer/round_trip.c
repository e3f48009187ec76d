/* See round_trip.h. SPDX-License-Identifier: MIT */
#include "kit/infer/round_trip.h"

int round_trip_open(struct tess_context *ctx, struct round_trip *t, const struct stage_codec *codec, int64_t batch)
{
    const struct tess_tokenizer *k = &codec->tokenizer;
    const int64_t size[4] = {batch, k->height, k->width, k->channels};
    t->codec = codec;
    TESS_TRY(stage_tensor(ctx, &t->images, TESS_U8, 4, size));
    TESS_TRY(stage_tensor(ctx, &t->bytes, TESS_U8, 4, size));
    TESS_TRY(stage_tensor(ctx, &t->real, TESS_F32, 4, size));
    if (codec->likelihood)
        TESS_TRY(stage_tensor(ctx, &t->log_sigma, TESS_F32, 4, size));
    const struct code_maps maps = code_maps_of_tokenizer(k);
    TESS_TRY(code_maps_tensor(ctx, &maps, batch, &t->codes));
    return stage_tensor(ctx, &t->error, TESS_F32, 1, &batch);
}

void round_trip_close(struct round_trip *t)
{
    struct tess_tensor *const all[] = {&t->images, &t->bytes, &t->real, &t->codes, &t->error, &t->log_sigma};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        tess_free(all[i]->data);
        all[i]->data = NULL;
    }
}

static int bring_back(struct tess_context *ctx, struct round_trip *t, int64_t n)
{
    if (!t->codec->likelihood)
        return stage_codec_decode(ctx, t->codec, n, &t->codes, &t->real, &t->bytes);
    t->log_sigma.dim[0] = n;
    TESS_TRY(stage_codec_likelihood(ctx, t->codec, n, &t->codes, &t->real, &t->log_sigma));
    return stage_to_bytes(ctx, tess_tensor_count(&t->real), t->real.data, t->bytes.data);
}

int round_trip_make(struct tess_context *ctx, struct round_trip *t, const struct stage_images *images, int64_t first, int64_t n,
                    double *square)
{
    uint8_t *byte = t->images.data;
    const float *real = t->real.data;
    t->images.dim[0] = t->bytes.dim[0] = t->real.dim[0] = t->codes.dim[0] = t->error.dim[0] = n;
    for (int64_t i = 0; i < n; i++)
        TESS_TRY(stage_images_get(ctx, images, first + i, byte + (size_t)i * images->row));
    TESS_TRY(stage_codec_encode(ctx, t->codec, n, &t->images, &t->codes, &t->error));
    TESS_TRY(bring_back(ctx, t, n));
    for (int64_t i = 0; i < tess_tensor_count(&t->images); i++) {
        double d = (double)real[i] - (double)byte[i] / 255.0;
        *square += d * d;
    }
    return TESS_OK;
}
