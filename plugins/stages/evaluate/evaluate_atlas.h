/* Atlas of a codebook: each code decoded alone, the most used first, for the picture `codebook` of `evaluate`.
 *
 * A map that has one code at every position is decoded, and the middle of that image is the code's tile: the pixels of one position, at
 * least 8 x 8 of them. Codes of several levels have no picture of their own, as each is a correction of another's.
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_STAGES_EVALUATE_EVALUATE_ATLAS_H
#define PLUGINS_STAGES_EVALUATE_EVALUATE_ATLAS_H

#include "kit/infer/common.h"

/* Number of codes that are decoded of such a tokenizer, `most` at most; 0: it has several levels, or too many codes to be counted. */
int64_t evaluate_atlas_codes(const struct tess_tokenizer *t, int64_t most);
/* Bytes held while `n` codes are decoded, `batch` at a time. */
int64_t evaluate_atlas_bytes(const struct tess_tokenizer *t, int64_t n, int64_t batch);
/* Writes the picture, and which codes it shows: the datasets atlas/code and atlas/uses, i32 (n), by falling use in `codes` (count, h, w),
 * then by number. Where more codes are used than it shows, the last quarter of it are the least used ones. */
int evaluate_atlas_put(struct tess_context *ctx, const struct stage_codec *k, const struct tess_tensor *codes, int64_t most, int64_t batch,
                       struct tess_artefact *a) TESS_CHECKED;

#endif
