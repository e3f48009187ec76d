/* SPDX-License-Identifier: MIT */
#include "core/tensor/window.h"

#include "core/tensor/kernels.h"

#include <string.h>

const float *tessi_window_in(const struct tess_tensor *t, int64_t first, int64_t n, float *room)
{
    if (t->dtype == TESS_F32)
        return (const float *)t->data + first;
    tessi_kernels()->from_bf16(n, (const uint16_t *)t->data + first, room);
    return room;
}

float *tessi_window_out(const struct tess_tensor *t, int64_t first, float *room)
{
    return t->dtype == TESS_F32 ? (float *)t->data + first : room;
}

void tessi_window_done(const struct tess_tensor *t, int64_t first, int64_t n, const float *room)
{
    if (t->dtype == TESS_BF16)
        tessi_kernels()->to_bf16(n, room, (uint16_t *)t->data + first);
}

void tessi_window_copy(const struct tess_tensor *x, const struct tess_tensor *to)
{
    int64_t n = tess_tensor_count(x);
    if (x->dtype == to->dtype)
        memcpy(to->data, x->data, tess_tensor_bytes(x));
    else if (x->dtype == TESS_BF16)
        tessi_kernels()->from_bf16(n, x->data, to->data);
    else
        tessi_kernels()->to_bf16(n, x->data, to->data);
}

void tessi_window_accumulate(const struct tess_tensor *x, void *sum)
{
    struct tess_tensor to = *x;
    float a[TESSI_WINDOW], b[TESSI_WINDOW];
    int64_t count = tess_tensor_count(x);
    to.data = sum;
    for (int64_t i = 0; i < count; i += TESSI_WINDOW) {
        int64_t n = count - i < TESSI_WINDOW ? count - i : TESSI_WINDOW;
        const float *from = tessi_window_in(x, i, n, a);
        float *y = to.dtype == TESS_F32 ? (float *)sum + i : b;
        (void)tessi_window_in(&to, i, n, b);
        tessi_kernels()->accumulate(n, from, y);
        tessi_window_done(&to, i, n, b);
    }
}

void tessi_window_column_sums(const struct tess_tensor *x, float *sums)
{
    float room[TESSI_WINDOW];
    int64_t n = x->dim[x->rank - 1], rows = tess_tensor_count(x) / n;
    if (x->dtype == TESS_F32) {
        tessi_kernels()->column_sums(rows, n, x->data, sums);
        return;
    }
    for (int64_t c = 0; c < n; c += TESSI_WINDOW) { /* wide rows in parts, narrow ones several at a time */
        int64_t part = n - c < TESSI_WINDOW ? n - c : TESSI_WINDOW, at_once = part == n ? TESSI_WINDOW / n : 1;
        for (int64_t i = 0; i < rows; i += at_once) {
            int64_t m = rows - i < at_once ? rows - i : at_once;
            tessi_kernels()->column_sums(m, part, tessi_window_in(x, i * n + c, m * part, room), sums + c);
        }
    }
}
