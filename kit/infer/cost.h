/* Memory estimates for a stage's plan: the sum of the buffers that exist at once while it works, by the same sizes that it allocates them
 * by. The process itself, which the host knows, is not counted. Linked into each stage's plugin.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_COST_H
#define KIT_INFER_COST_H

#include "kit/infer/common.h"

/* Bytes of `n` images of H x W x C, by an artefact's attributes or by a tokenizer. */
int64_t cost_of_images(const struct tess_attrs *f, int64_t n);
int64_t cost_of_tokenizer_images(const struct tess_tokenizer *t, int64_t n);
/* Bytes that stage_images_open holds for an artefact with these attributes: all images, or the chunks it reads them by. */
int64_t cost_of_reading(const struct tess_attrs *images);
/* Bytes held while a dataset of `bytes` is read a few rows at a time. */
int64_t cost_of_chunks(int64_t bytes);
/* Bytes of a picture of `rows` rows of at most PICTURE_IMAGES images of `one` bytes and `width` pixels, with the images in it. */
int64_t cost_of_picture(int64_t rows, int64_t images, int64_t one, int64_t width);
/* Bytes on the disk of `n` codes of a codebook of K rows, which are packed into ceil(log2 K) bits each. */
int64_t cost_of_codes(int64_t n, int64_t codebook_size);
/* Adds the cost of a codec's graphs, and of its weights where they are its own; includes the unclamped images that decoding needs. */
int cost_of_codec(struct tess_context *ctx, const struct stage_codec *k, double encoded, double decoded,
                  struct tess_cost *cost) TESS_CHECKED;

#endif
