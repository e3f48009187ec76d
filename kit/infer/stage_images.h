/* Images of an artefact: held in memory or read row by row, a part kept for pictures, and bytes made of real values.
 * SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_STAGE_IMAGES_H
#define KIT_INFER_STAGE_IMAGES_H

#include <tessera/artefact.h>
#include <tessera/kind/stage.h>

enum { PICTURE_IMAGES = 64, STAGE_IMAGES_MAX = 1 << 30 /* bytes of images held in memory */ };

/* Images (u8) of an artefact: in memory when they fit in a gibibyte, else read row by row. */
struct stage_images {
    const struct tess_artefact *from;
    struct tess_tensor all;   /* data NULL: not in memory */
    struct tess_tensor shape; /* shape of the dataset */
    size_t row;               /* bytes of an image */
    int64_t first;            /* row of the dataset that is image 0 here; set by the caller */
};
/* Opens the images of an artefact. `image`: height, width and channels that they must have; NULL: the caller checks `shape`. */
int stage_images_open(struct tess_context *ctx, struct stage_images *s, const struct tess_artefact *a, const int64_t image[3]) TESS_CHECKED;
/* Opens the images of samples; TESS_E_DATA where the samples are codes alone. `image` as for stage_images_open. */
int stage_samples_open(struct tess_context *ctx, struct stage_images *s, const struct tess_artefact *a,
                       const int64_t image[3]) TESS_CHECKED;
/* Height, width and channels of samples' images as their attributes say; where these say nothing, `unsaid`, and the file must show them. */
int stage_samples_size(struct tess_context *ctx, const struct tess_attrs *samples, const int64_t unsaid[3], int64_t size[3]) TESS_CHECKED;
void stage_images_close(struct stage_images *s);
int stage_images_get(struct tess_context *ctx, const struct stage_images *s, int64_t i, uint8_t *to) TESS_CHECKED; /* [any thread] */

/* Selects images to measure on: those kept for validation, or all where there are none; at most `limit`, where it is not 0. */
int stage_held_out(struct tess_context *ctx, const struct tess_attrs *images, int64_t limit, int64_t *first, int64_t *count) TESS_CHECKED;

/* Keeps the first of the images (u8) that it is called with, at most PICTURE_IMAGES, however they are cut into batches: a picture must not
 * depend on that. `kept` starts zeroed; its dim[0] is their number; the caller frees kept->data. */
int stage_keep_first(struct tess_context *ctx, struct tess_tensor *kept, const struct tess_tensor *images) TESS_CHECKED;
/* Converts reals to bytes: trunc(clamp(255 x + 1/2, 0, 255)), the published rounding. TESS_E_DATA where an x is NaN. */
int stage_to_bytes(struct tess_context *ctx, int64_t n, const float *x, uint8_t *to) TESS_CHECKED;

/* Allocates memory for a tensor; the caller frees t->data. */
int stage_tensor(struct tess_context *ctx, struct tess_tensor *t, int32_t dtype, int32_t rank, const int64_t *dim) TESS_CHECKED;

#endif
