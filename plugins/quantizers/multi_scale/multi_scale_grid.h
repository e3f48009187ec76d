/* Maps on coarser and finer grids, for the quantizer `multi-scale` (docs/models.md, "Multi-scale quantisation"). Each is (N, h, w, C), or
 * (N, h, w) of codes, and becomes (N, rows, columns, ...).
 *
 * SPDX-License-Identifier: MIT */
#ifndef PLUGINS_QUANTIZERS_MULTI_SCALE_MULTI_SCALE_GRID_H
#define PLUGINS_QUANTIZERS_MULTI_SCALE_MULTI_SCALE_GRID_H

#include <tessera/graph.h>

/* Means over the cells of a coarser grid, (32.1). */
struct tess_node *grid_area(struct tess_graph *g, struct tess_node *x, int64_t rows, int64_t columns);
/* Cubic interpolation on a finer grid, (32.2). */
struct tess_node *grid_bicubic(struct tess_graph *g, struct tess_node *x, int64_t rows, int64_t columns);
/* Codes (N, h, w) i32 at the positions nearest to those of the other grid, (32.7): on a finer grid each stands at every position of its
 * cell, and from there the coarser grid gets the same codes back. */
struct tess_node *grid_codes(struct tess_graph *g, struct tess_node *codes, int64_t rows, int64_t columns);

#endif
