/* Operations over codes that quantizers are made of: the nearest codebook row, and counts and sums of an assignment.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_CODES_H
#define TESSERA_CODES_H

#include <tessera/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nearest codebook row by squared distance; ties go to the lower index.
 * latent (..., D) f32, codebook (K, D) f32 -> codes (...) i32 in [0, K). Never holds more than a tile of the rows x K matrix; no gradient.
 * Fails the run with TESS_E_FAILED when a latent holds a NaN. */
TESS_EXPORT struct tess_node *tess_nearest(struct tess_graph *g, struct tess_node *latent, struct tess_node *codebook);
/* codes (...) i32, latent (..., D) -> counts (K) and sums (K, D) f32 of the vectors assigned to each code. No gradient. A code outside
 * [0, K) fails the run with TESS_E_DATA. */
TESS_EXPORT void tess_code_statistics(struct tess_graph *g, struct tess_node *codes, struct tess_node *latent, int64_t codebook_size,
                                      struct tess_node **counts, struct tess_node **sums);

#ifdef __cplusplus
}
#endif
#endif
