/* NaN and infinity checks that name the first offending weight. SPDX-License-Identifier: MIT */
#ifndef TESSI_FINITE_H
#define TESSI_FINITE_H

#include "core/graph/weight_store.h"

/* 1 when all n values are finite, else 0. */
int tessi_graph_all_finite(int64_t n, const float *x);
/* Name of the first weight, at or behind offset `from`, that has a value that is not finite; NULL: none has. `block` is laid out as the
 * store from its beginning to offset `to`. */
const char *tessi_graph_first_not_finite(const struct tess_weights *w, const float *block, int64_t from, int64_t to);

#endif
