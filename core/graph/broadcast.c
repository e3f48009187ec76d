/* Broadcasting and reduction as loops over rows. SPDX-License-Identifier: MIT */
#include "core/graph/broadcast.h"

#include <assert.h>

int tessi_graph_broadcast_over(const struct tess_tensor *dense, const struct tess_tensor *small, struct tessi_broadcast *w)
{
    int64_t stride = 1, n[TESS_MAX_RANK], step[TESS_MAX_RANK];
    int32_t shift = dense->rank - small->rank;
    if (shift < 0)
        return 0;
    for (int32_t i = dense->rank - 1; i >= 0; i--) {
        int64_t have = i >= shift ? small->dim[i - shift] : 1;
        if (have != 1 && have != dense->dim[i])
            return 0;
        n[i] = dense->dim[i];
        step[i] = have == 1 ? 0 : stride;
        stride *= have;
    }
    *w = (struct tessi_broadcast){.rank = 0};
    for (int32_t i = 0; i < dense->rank; i++) {
        if (n[i] == 1)
            continue;
        int32_t last = w->rank - 1;
        if (last >= 0 && w->step[last] == step[i] * n[i]) {
            w->n[last] *= n[i];
            w->step[last] = step[i];
        } else {
            w->n[w->rank] = n[i];
            w->step[w->rank++] = step[i];
        }
    }
    if (w->rank == 0) {
        w->rank = 1;
        w->n[0] = 1;
        w->step[0] = 0;
    }
    assert(w->step[w->rank - 1] == 0 || w->step[w->rank - 1] == 1); /* the innermost loop moves by one value or repeats it */
    return 1;
}

void tessi_graph_broadcast_rows(const struct tessi_broadcast *w, void (*row)(void *user, int64_t dense, int64_t small), void *user)
{
    int64_t index[TESS_MAX_RANK] = {0}, inner = w->n[w->rank - 1], dense = 0, small = 0;
    for (;;) {
        row(user, dense, small);
        dense += inner;
        int32_t i = w->rank - 2;
        for (; i >= 0; i--) {
            small += w->step[i];
            if (++index[i] < w->n[i])
                break;
            small -= w->step[i] * w->n[i];
            index[i] = 0;
        }
        if (i < 0)
            return;
    }
}
