/* SPDX-License-Identifier: MIT */
#include "kit/infer/stage_codec.h"

#include "kit/infer/stage_images.h"

int stage_codec_open(struct tess_context *ctx, struct stage_codec *k, const struct tess_attrs *f, const char *where,
                     struct tess_weights *weights, uint64_t seed, int64_t batch, int directions)
{
    k->weights = weights;
    k->error = directions & CODEC_ERROR;
    k->likelihood = directions & CODEC_LIKELIHOOD;
    k->tokenizer.size = sizeof k->tokenizer;
    TESS_TRY(tess_tokenizer_open(ctx, f, where, &k->tokenizer));
    if (!weights) {
        TESS_TRY(tess_weights_new(ctx, seed, &k->own));
        k->weights = k->own;
    }
    k->encode.weights = k->decode.weights = k->weights;
    if (directions & CODEC_ENCODE) {
        TESS_TRY(stage_graph_open(ctx, &k->encode, seed, batch));
        TESS_TRY(k->error ? tess_tokenizer_record_encode_error(ctx, &k->tokenizer, k->encode.graph)
                          : tess_tokenizer_record_encode(ctx, &k->tokenizer, k->encode.graph));
    }
    if (directions & CODEC_DECODE) {
        TESS_TRY(stage_graph_open(ctx, &k->decode, seed, batch));
        TESS_TRY(k->likelihood ? tess_tokenizer_record_likelihood(ctx, &k->tokenizer, k->decode.graph)
                               : tess_tokenizer_record_decode(ctx, &k->tokenizer, k->decode.graph));
    }
    if (k->encode.graph)
        TESS_TRY(tess_graph_seal(ctx, k->encode.graph));
    return k->decode.graph ? tess_graph_seal(ctx, k->decode.graph) : TESS_OK;
}

void stage_codec_close(struct stage_codec *k)
{
    stage_graph_close(&k->encode, 0);
    stage_graph_close(&k->decode, 0);
    tess_weights_free(k->own);
    k->own = NULL;
    tess_tokenizer_close(&k->tokenizer);
}

int stage_codec_encode(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *images,
                       struct tess_tensor *codes, struct tess_tensor *error)
{
    struct tess_tensor out[2] = {*codes};
    if (k->error)
        out[1] = *error;
    return stage_graph_run(ctx, &k->encode, 0, 0, n, 1, images, k->error ? 2 : 1, out);
}

int stage_codec_decode(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *codes,
                       struct tess_tensor *real, struct tess_tensor *images)
{
    const struct tess_tokenizer *t = &k->tokenizer;
    struct tess_tensor y = {.data = NULL};
    if (!real) {
        TESS_TRY(stage_tensor(ctx, &y, TESS_F32, 4, (const int64_t[]){n, t->height, t->width, t->channels}));
        real = &y;
    }
    int status = stage_graph_run(ctx, &k->decode, 0, 0, n, 1, codes, 1, real);
    if (status == TESS_OK)
        status = stage_to_bytes(ctx, n * t->height * t->width * t->channels, real->data, images->data);
    tess_free(y.data);
    return status;
}

int stage_codec_likelihood(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *codes,
                           struct tess_tensor *real, struct tess_tensor *log_sigma)
{
    struct tess_tensor out[2] = {*real, *log_sigma};
    return stage_graph_run(ctx, &k->decode, 0, 0, n, 1, codes, 2, out);
}

int stage_check_images(struct tess_context *ctx, const struct tess_tokenizer *t, const struct tess_attrs *images)
{
    int64_t h, w, ch;
    TESS_TRY(tess_attrs_i64(ctx, images, "height", &h));
    TESS_TRY(tess_attrs_i64(ctx, images, "width", &w));
    TESS_TRY(tess_attrs_i64(ctx, images, "channels", &ch));
    if (h == t->height && w == t->width && ch == t->channels)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_SHAPE,
                     "images of %lld x %lld x %lld do not fit a model trained on %lld x %lld x %lld; import them with the same size, "
                     "crop and pad",
                     (long long)h, (long long)w, (long long)ch, (long long)t->height, (long long)t->width, (long long)t->channels);
}
