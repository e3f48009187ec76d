/* Values that may be stored as bf16, seen as f32 a window at a time: operations work on f32 alone, in pieces that stay in the first-level
 * cache, and an f32 tensor is used where it lies. SPDX-License-Identifier: MIT */
#ifndef TESSI_BF16_VIEW_H
#define TESSI_BF16_VIEW_H

#include <tessera/tensor.h>

enum { TESSI_BF16_VIEW = 2048 }; /* values of a window; callers provide a buffer of this many */

/* Reads n values of t (f32 or bf16) from `first` on: a pointer to them where they lie, or, widened, to `buffer`. */
const float *tessi_graph_bf16_view_in(const struct tess_tensor *t, int64_t first, int64_t n, float *buffer);
/* Destination of values from `first` on: the tensor's memory where it is f32, else `buffer`, which tessi_graph_bf16_view_done then rounds
 * into the tensor. */
float *tessi_graph_bf16_view_out(const struct tess_tensor *t, int64_t first, float *buffer);
void tessi_graph_bf16_view_done(const struct tess_tensor *t, int64_t first, int64_t n, const float *buffer);
/* 1 when both have the same stored dtype, so that one loop over that type serves. */
int tessi_graph_bf16_view_alike(const struct tess_tensor *a, const struct tess_tensor *b);
/* to = x, of the same size, each stored as it is. */
void tessi_graph_bf16_view_copy(const struct tess_tensor *x, const struct tess_tensor *to);
/* sum += x, both stored alike. */
void tessi_graph_bf16_view_accumulate(const struct tess_tensor *x, void *sum);
/* sums[c] += x over all but the last dimension. */
void tessi_graph_bf16_view_column_sums(const struct tess_tensor *x, float *sums);

#endif
