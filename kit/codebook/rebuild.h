/* A codebook out of a pool of latent vectors (docs/models.md, "ReFiT"): what makes a pool unfit, and k-means as published. Linked into
 * the quantizers that can be rebuilt and into the stage `refit`, which runs k-means itself, in parts between checkpoints.
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_REBUILD_H
#define PLUGINS_REBUILD_H

#include <tessera/tensor.h>

/* As scikit-learn's KMeans has it, which the published code calls with its defaults. */
#define REBUILD_ITERATIONS 300
#define REBUILD_TOLERANCE 1e-4

/* TESS_E_DATA when vectors (P, D) f32 hold fewer different ones than there are to be codes. */
int rebuild_check_pool(struct tess_context *ctx, const struct tess_tensor *vectors, int64_t codebook_size) TESS_CHECKED;
/* TESS_E_FAILED when two codes of a codebook (K, D) f32 are alike: one of them could never be assigned. */
int rebuild_check_codebook(struct tess_context *ctx, const struct tess_tensor *codebook) TESS_CHECKED;
/* pool (P, D) f32 -> book (K, D) f32, of `codes` and `width`; AFK-MC2, then Lloyd's iterations. Both checks included. */
int rebuild_codebook(struct tess_context *ctx, const struct tess_tensor *pool, uint64_t seed, int64_t codebook_size, int64_t width,
                 struct tess_tensor *codebook) TESS_CHECKED;

#endif
