/* SPDX-License-Identifier: MIT */
#include "core/graph/bf16_view.h"

#include "core/kernels/kernels.h"

#include <string.h>

const float *tessi_graph_bf16_view_in(const struct tess_tensor *t, int64_t first, int64_t n, float *buffer)
{
    if (t->dtype == TESS_F32)
        return (const float *)t->data + first;
    tessi_kernels()->from_bf16(n, (const uint16_t *)t->data + first, buffer);
    return buffer;
}

float *tessi_graph_bf16_view_out(const struct tess_tensor *t, int64_t first, float *buffer)
{
    return t->dtype == TESS_F32 ? (float *)t->data + first : buffer;
}

void tessi_graph_bf16_view_done(const struct tess_tensor *t, int64_t first, int64_t n, const float *buffer)
{
    if (t->dtype == TESS_BF16)
        tessi_kernels()->to_bf16(n, buffer, (uint16_t *)t->data + first);
}

void tessi_graph_bf16_view_copy(const struct tess_tensor *x, const struct tess_tensor *to)
{
    int64_t n = tess_tensor_count(x);
    if (x->dtype == to->dtype)
        memcpy(to->data, x->data, tess_tensor_bytes(x));
    else if (x->dtype == TESS_BF16)
        tessi_kernels()->from_bf16(n, x->data, to->data);
    else
        tessi_kernels()->to_bf16(n, x->data, to->data);
}

int tessi_graph_bf16_view_alike(const struct tess_tensor *a, const struct tess_tensor *b)
{
    return a->dtype == b->dtype;
}

void tessi_graph_bf16_view_accumulate(const struct tess_tensor *x, void *sum)
{
    tessi_kernels_stored_kernels(x->dtype)->accumulate(tess_tensor_count(x), x->data, sum);
}

void tessi_graph_bf16_view_column_sums(const struct tess_tensor *x, float *sums)
{
    int64_t n = x->dim[x->rank - 1];
    tessi_kernels_stored_kernels(x->dtype)->column_sums(tess_tensor_count(x) / n, n, x->data, sums);
}
