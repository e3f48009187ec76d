/* Rows chosen by an input: y[n, p] = x[n, index[n, p]]. A row asked for twice is given twice, and its gradient is the sum of both; one that
 * nobody asked for has gradient 0.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/kernels/kernels.h"
#include "core/graph/node.h"

#include <string.h>

/* Offset in x of the row that the i-th index selects. */
static int64_t gather_row_of(const struct tess_op_run *r, int64_t i)
{
    return (i / r->in[1].dim[1] * r->in[0].dim[1] + ((const int32_t *)r->in[1].data)[i]) * r->in[0].dim[2];
}

static int gather_in_range(const struct tess_op_run *r)
{
    const int32_t *index = r->in[1].data;
    int64_t each = r->in[1].dim[1], rows = r->in[0].dim[1];
    for (int64_t i = 0; i < tess_tensor_count(&r->in[1]); i++)
        if (index[i] < 0 || index[i] >= rows)
            return r->context->fail(r->context, TESS_E_DATA, "gather: index %d at (%lld, %lld) is outside 0 .. %lld", (int)index[i],
                                 (long long)(i / each), (long long)(i % each), (long long)(rows - 1));
    return TESS_OK;
}

static int gather_forward(const struct tess_op_run *r)
{
    size_t size = tess_dtype_size(r->in[0].dtype), row = (size_t)r->in[0].dim[2] * size;
    TESS_TRY(gather_in_range(r));
    for (int64_t i = 0; i < tess_tensor_count(&r->in[1]); i++)
        memcpy((char *)r->out[0].data + (size_t)i * row, (const char *)r->in[0].data + (size_t)gather_row_of(r, i) * size, row);
    return TESS_OK;
}

static int gather_backward(const struct tess_op_run *r)
{
    size_t size = tess_dtype_size(r->din[0].dtype), row = (size_t)r->in[0].dim[2] * size;
    char *dx = r->din[0].data;
    memset(dx, 0, tess_tensor_bytes(&r->din[0]));
    for (int64_t i = 0; i < tess_tensor_count(&r->in[1]); i++)
        tessi_kernels_stored_kernels(r->din[0].dtype)
            ->accumulate(r->in[0].dim[2], (const char *)r->dout[0].data + (size_t)i * row, dx + (size_t)gather_row_of(r, i) * size);
    return TESS_OK;
}

static const struct tessi_op op_gather = {
    .op = {.size = sizeof(struct tess_op), .name = "gather", .keep_in = 2, .forward = gather_forward, .backward = gather_backward},
    .bf16_in = 1,
    .bf16_out = 1,
    .alike = 1 | 1u << TESSI_ALIKE_OUT};

struct tess_node *tess_gather(struct tess_graph *g, struct tess_node *x, struct tess_node *index)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "gather", x, index))
        return NULL;
    struct tess_tensor y = x->shape;
    const struct tess_tensor *at = &index->shape;
    if (y.rank != 3 || y.dtype != TESS_F32 || at->rank != 2 || at->dtype != TESS_I32 || at->dim[0] != y.dim[0])
        return tess_graph_fail(g, TESS_E_SHAPE, "gather from %s by %s: f32 (N, L, C) and i32 (N, P) are wanted",
                               tess_tensor_text(&y, left, sizeof left), tess_tensor_text(at, right, sizeof right));
    y.dim[1] = at->dim[1];
    struct tess_node *in[2] = {x, index};
    return tessi_graph_record(g, &op_gather, NULL, 0, 2, in, 1, &y, 0.0);
}
