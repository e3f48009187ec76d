/* The codebook of a tokenizer as an archive has it beside its codes. SPDX-License-Identifier: MIT */
#ifndef KIT_ARCHIVE_CODEBOOK_H
#define KIT_ARCHIVE_CODEBOOK_H

#include <tessera/model.h>
#include <tessera/weights.h>

/* 1 where an archive includes the codebook: one code stands for one vector, and there are at most 2^20. */
int archive_has_codebook(const struct tess_tokenizer *t);
/* Looks all codes up, by the quantizer's own recording, over weights that were read: f32 (K, D), freed by tess_free(out->data). */
int archive_codebook(struct tess_context *ctx, const struct tess_tokenizer *t, struct tess_weights *weights, uint64_t seed,
                     struct tess_tensor *out) TESS_CHECKED;

#endif
