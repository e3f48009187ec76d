/* Codec: a tokenizer with graphs of its own, from images to codes and back. SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_STAGE_CODEC_H
#define KIT_INFER_STAGE_CODEC_H

#include "kit/infer/stage_graph.h"

#include <tessera/model.h>

/* Directions and further outputs that a codec is opened for, as bits. */
enum {
    CODEC_ENCODE = 1,
    CODEC_DECODE = 2,
    CODEC_ERROR = 4,     /* encoding gives the error as well */
    CODEC_LIKELIHOOD = 8 /* decoding gives log sigma as well */
};
struct stage_codec {
    struct tess_tokenizer tokenizer;
    struct tess_weights *weights, *own; /* own: freed by stage_codec_close */
    struct stage_graph encode, decode;
    int error, likelihood; /* encoding gives the error; decoding gives log sigma */
};
/* Opens a codec from the attributes of a model, over `weights`, or over a store of its own when NULL. Start from zeroed memory; close in
 * any case. */
int stage_codec_open(struct tess_context *ctx, struct stage_codec *k, const struct tess_attrs *f, const char *where,
                     struct tess_weights *weights, uint64_t seed, int64_t batch, int directions) TESS_CHECKED;
void stage_codec_close(struct stage_codec *k);
/* Encodes and decodes n images: u8 (n, H, W, C) -> codes i32 (n, h, w) and, where the codec gives it, error f32 (n), else left alone; and
 * back to bytes and, where `real` is not NULL, to unclamped f32. */
int stage_codec_encode(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *images,
                       struct tess_tensor *codes, struct tess_tensor *error) TESS_CHECKED;
int stage_codec_decode(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *codes,
                       struct tess_tensor *real, struct tess_tensor *images) TESS_CHECKED;
/* Decodes with a codec opened for CODEC_LIKELIHOOD: unclamped images and the logarithms of their deviations, f32 (n, H, W, C). */
int stage_codec_likelihood(struct tess_context *ctx, const struct stage_codec *k, int64_t n, const struct tess_tensor *codes,
                           struct tess_tensor *real, struct tess_tensor *log_sigma) TESS_CHECKED;
/* Checks that images of these attributes have the size that the tokenizer was trained on; TESS_E_SHAPE otherwise. */
int stage_check_images(struct tess_context *ctx, const struct tess_tokenizer *t, const struct tess_attrs *images) TESS_CHECKED;

#endif
