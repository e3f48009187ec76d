/* Reconstruction: images through a tokenizer and back, to measure the loss. Linked into the stages that measure it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_ROUND_TRIP_H
#define KIT_INFER_ROUND_TRIP_H

#include "kit/infer/common.h"

struct round_trip {
    const struct stage_codec *codec;         /* opened for encoding and decoding */
    struct tess_tensor images, codes, bytes; /* the last batch: images, their codes, and the reconstructions as bytes to be shown */
    struct tess_tensor real;                 /* the reconstructions, not clamped to 0 .. 1 */
    struct tess_tensor log_sigma;            /* log deviations of the reconstructions, where the codec gives them (CODEC_LIKELIHOOD) */
    struct tess_tensor error;                /* error of each image, where the codec gives it (CODEC_ERROR) */
};

/* Allocates buffers for batches of `batch` images. Start from zeroed memory; close in any case. */
int round_trip_open(struct tess_context *ctx, struct round_trip *t, const struct stage_codec *codec, int64_t batch) TESS_CHECKED;
void round_trip_close(struct round_trip *t);
/* Reconstructs images first .. first + n - 1; adds the squared differences of their pixels in 0 .. 1 to *square. Every tensor's dim[0] is n
 * then. */
int round_trip_make(struct tess_context *ctx, struct round_trip *t, const struct stage_images *images, int64_t first, int64_t n,
                    double *square) TESS_CHECKED;

#endif
