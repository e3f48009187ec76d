/* Transformation of one image from a source to the size of a data set: scaled, cropped, padded, its channels changed.
 * SPDX-License-Identifier: MIT */
#ifndef KIT_IMAGE_FIT_H
#define KIT_IMAGE_FIT_H

#include <tessera/kind/source.h>

enum { FIT_SHORTER, FIT_STRETCH, FIT_NONE };

struct image_fit {
    int64_t size, crop, pad, fill, channels;
    int32_t fit, resize; /* resize: a rule of geometry.h */
};

/* Height and width after each step. */
struct image_sizes {
    int64_t scaled[2], cropped[2], padded[2];
};
struct image_sizes image_fit_sizes(const struct image_fit *f, int64_t height, int64_t width);
/* Sizes on the way to an image of to[0] x to[1]: where `size` is 0 it is scaled until both are covered, where `crop` is 0 cropped to them;
 * with FIT_NONE it is not scaled. */
struct image_sizes image_fit_sizes_to(const struct image_fit *f, int64_t height, int64_t width, const int64_t to[2]);

/* Reads image i of a source. A bad one is TESS_OK with image->reason where bad images are to be left out, else TESS_E_ITEM, whose message
 * ends with `advice`: the setting that leaves them out. Where the source has `classes` of labels (0: none are wanted), an image without
 * one, or with one that is no class, is bad, too. [any thread] */
int image_read(struct tess_context *ctx, const struct tess_source_1 *source, void *self, int64_t i, int64_t classes, int32_t skip_bad,
               const char *advice, struct tess_image *image) TESS_CHECKED;

/* 1 where the source decodes pictures, each of a size of its own; 0 where it has their values, which are read faster than they are sent. */
int image_source_decodes(const struct tess_source_1 *source, void *self);

/* Buffers of one thread: an image as it was read, and as it is between two steps. Starts zeroed. */
struct image_fit_worker {
    struct tess_image image;
    uint8_t *a, *b;
    size_t buffer_a, buffer_b;
};
void image_fit_worker_free(struct image_fit_worker *h);
/* Makes buffers a and b of at least so many bytes; what they had is lost. */
int image_fit_reserve(struct tess_context *ctx, struct image_fit_worker *worker_state, size_t a, size_t b) TESS_CHECKED;

/* Transforms worker_state->image, by way of the sizes `z`, to height x width x channels at `to`; TESS_E_SHAPE, with a message that says
 * what to set, where it does not fit. */
int image_fit_apply(struct tess_context *ctx, const struct image_fit *f, const struct image_sizes *z, struct image_fit_worker *worker_state,
                    int64_t height, int64_t width, int64_t channels, uint8_t *to) TESS_CHECKED;

#endif
