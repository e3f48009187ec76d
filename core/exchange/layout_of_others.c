/* Conversion of a weight's layout between a checkpoint's convention and ours. SPDX-License-Identifier: MIT */
#include "core/exchange/exchange_private.h"
#include "core/plug/plug_private.h"

#include <string.h>

/* Copies the dimensions other than 1, in order; gives their number. */
static int32_t layout_of_others_squeeze(int32_t rank, const int64_t *dim, int64_t *out)
{
    int32_t n = 0;
    for (int32_t i = 0; i < rank; i++)
        if (dim[i] != 1)
            out[n++] = dim[i];
    return n;
}

int tessi_exchange_layout_fits(int32_t layout, int32_t rank, const int64_t *dim, const struct tess_tensor *ours)
{
    const int64_t *o = ours->dim;
    int64_t there[TESS_ENTRY_RANK], here[TESS_MAX_RANK];
    if (layout == TESS_LAYOUT_KERNEL)
        return rank == 4 && ours->rank == 4 && dim[0] == o[0] && dim[1] == o[3] && dim[2] == o[1] && dim[3] == o[2];
    int32_t n = layout_of_others_squeeze(rank, dim, there);
    return n == layout_of_others_squeeze(ours->rank, o, here) && memcmp(there, here, (size_t)n * sizeof *here) == 0;
}

/* Transposes columns x rows into rows x columns, written in order: one output channel fits a cache, so reading it in steps costs little. */
static void turn(int64_t rows, int64_t columns, const float *from, float *to)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            *to++ = from[c * rows + r];
}

void tessi_exchange_layout_move(int32_t layout, const struct tess_tensor *ours, int back, const float *from, float *to)
{
    if (layout != TESS_LAYOUT_KERNEL) {
        memcpy(to, from, tess_tensor_bytes(ours));
        return;
    }
    int64_t area = ours->dim[1] * ours->dim[2], width = ours->dim[3];
    for (int64_t o = 0; o < ours->dim[0]; o++, from += area * width, to += area * width)
        turn(back ? width : area, back ? area : width, from, to);
}

const char *tessi_exchange_entry_text(const struct tess_entry *e, char *text, size_t capacity)
{
    *text = '\0';
    tessi_base_add(text, capacity, "%s (", e->dtype);
    for (int32_t i = 0; i < e->rank; i++)
        tessi_base_add(text, capacity, "%s%lld", i ? ", " : "", (long long)e->dim[i]);
    tessi_base_add(text, capacity, ")");
    return text;
}
