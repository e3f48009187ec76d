/* Codebook built from a pool of latent vectors (docs/models.md, "ReFiT"): checks of the pool, and k-means as published. Linked into the
 * quantizers that can be rebuilt and into the stage `refit`, which runs k-means itself, in parts between checkpoints.
 *
 * SPDX-License-Identifier: MIT */
#ifndef KIT_CODEBOOK_REBUILD_H
#define KIT_CODEBOOK_REBUILD_H

#include <tessera/tensor.h>

/* Limits of k-means: scikit-learn's defaults, which the published code uses. */
#define REBUILD_ITERATIONS 300
#define REBUILD_TOLERANCE 1e-4

/* Checks a pool (P, D) f32: TESS_E_DATA when it holds fewer different vectors than there are to be codes. */
int rebuild_check_pool(struct tess_context *ctx, const struct tess_tensor *vectors, int64_t codebook_size) TESS_CHECKED;
/* Checks a codebook (K, D) f32: TESS_E_FAILED when two codes are equal, as one of them could never be assigned. */
int rebuild_check_codebook(struct tess_context *ctx, const struct tess_tensor *codebook) TESS_CHECKED;
/* Builds a codebook (K, D) f32, of `codebook_size` and `width`, from a pool (P, D) f32: AFK-MC2, then Lloyd's iterations. Both checks
 * included. */
int rebuild_codebook(struct tess_context *ctx, const struct tess_tensor *pool, uint64_t seed, int64_t codebook_size, int64_t width,
                 struct tess_tensor *codebook) TESS_CHECKED;

#endif
