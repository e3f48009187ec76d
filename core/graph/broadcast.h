/* Walking a dense tensor together with one that is broadcast against it or reduced from it. SPDX-License-Identifier: MIT */
#ifndef TESSI_BROADCAST_H
#define TESSI_BROADCAST_H

#include <tessera/tensor.h>

/* The dense tensor seen as loops of n[0] .. n[rank - 1]; the other's element moves by step[i] along loop i: 0 where it is repeated or
 * summed. Adjacent loops are merged, so the innermost is as long as can be and its step is 0 or 1. */
struct tessi_broadcast {
    int32_t rank;
    int64_t n[TESS_MAX_RANK], step[TESS_MAX_RANK];
};

/* `small` aligned to the last dimensions of `dense`, each of its dimensions equal or 1; 0 when it does not fit. */
int tessi_graph_broadcast_over(const struct tess_tensor *dense, const struct tess_tensor *small, struct tessi_broadcast *w);
/* row(user, dense offset, small offset) for each innermost run of n[rank - 1] elements. */
void tessi_graph_broadcast_rows(const struct tessi_broadcast *w, void (*row)(void *user, int64_t dense, int64_t small), void *user);

#endif
