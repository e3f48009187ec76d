/* Levels: a quantizer may give several codes a position of a map, one a level, each with a codebook size of its own (kind/quantizer.h).
 *
 * Arrays of codes are (N, h, w) with one level and (N, h, w, depth) beyond; flattened, as a prior reads them, token i is of position
 * i / depth, row-major, and of level i % depth. Artefacts say `depth`, where it is not 1, and `level_sizes`, "256,256,64", where levels
 * have different codebook sizes; `codebook_size` is that of the largest.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_LEVELS_H
#define TESSERA_LEVELS_H

#include <tessera/attributes.h>
#include <tessera/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TESS_DEPTH_MAX = 32 }; /* levels at most */

/* The shape of codes of n maps of height x width: rank 3, or 4 where depth is beyond 1. Gives the rank; dim[3] is depth. */
TESS_EXPORT int32_t tess_code_shape(int64_t n, int64_t height, int64_t width, int64_t depth, int64_t dim[4]);
/* The attributes of codes of these levels: sets `depth` and `level_sizes` where they say something. */
TESS_EXPORT TESS_CHECKED int tess_levels_set(struct tess_context *ctx, struct tess_attrs *attrs, int64_t codebook_size, int64_t depth,
                                             const int64_t *level_size);
/* Levels from the attributes of codes; level_size has TESS_DEPTH_MAX elements. TESS_E_DATA where the attributes make no sense. */
TESS_EXPORT TESS_CHECKED int tess_levels_get(struct tess_context *ctx, const struct tess_attrs *attrs, int64_t codebook_size,
                                             int64_t *depth, int64_t *level_size);

#ifdef __cplusplus
}
#endif
#endif
