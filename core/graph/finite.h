/* Numbers that are none, found where they begin. SPDX-License-Identifier: MIT */
#ifndef TESSI_FINITE_H
#define TESSI_FINITE_H

#include "core/graph/weight_store.h"

/* Whether all n values are finite. */
int tessi_graph_all_finite(int64_t n, const float *x);
/* Name of the first weight with a value in `block`, laid out as the store is from its beginning to offset `to`, that is not finite; of
 * those at or behind offset `from`. NULL: there is none. */
const char *tessi_graph_first_not_finite(const struct tess_weights *w, const float *block, int64_t from, int64_t to);

#endif
