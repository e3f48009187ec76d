/* Transformation of one image from a source to the size of a data set: scaled, cropped, padded, its channels changed.
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_IMPORT_IMAGE_H
#define PLUGINS_STAGES_IMPORT_IMAGE_H

#include <tessera/kind/source.h>

enum { FIT_SHORTER, FIT_STRETCH };

struct import_fit {
    int64_t size, crop, pad, fill, channels;
    int32_t fit, resize; /* resize: a rule of geometry.h */
};

/* Height and width after each step. */
struct import_sizes {
    int64_t scaled[2], cropped[2], padded[2];
};
struct import_sizes import_sizes_of(const struct import_fit *f, int64_t height, int64_t width);

/* Buffers of one thread: an image as it was read, and as it is between two steps. Starts zeroed. */
struct import_worker {
    struct tess_image image;
    uint8_t *a, *b;
    size_t buffer_a, buffer_b;
};
void import_worker_free(struct import_worker *h);

/* Transforms worker_state->image to height x width x channels at `to`; TESS_E_SHAPE, with a message that says what to set, where it does
 * not fit. */
int import_transform(struct tess_context *ctx, const struct import_fit *f, struct import_worker *worker_state, int64_t height,
                     int64_t width, int64_t channels, uint8_t *to) TESS_CHECKED;

#endif
