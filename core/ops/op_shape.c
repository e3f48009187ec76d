/* Shapes: reshape (an alias), concatenation, a part of an axis, nearest upsampling. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/kernels/kernels.h"
#include "core/graph/node.h"
#include "core/graph/bf16_view.h"

#include <string.h>

struct tess_node *tess_reshape(struct tess_graph *g, struct tess_node *x, int32_t rank, const int64_t *dim)
{
    char from[96], to[96];
    if (!TESSI_NODES(g, "reshape", x))
        return NULL;
    struct tess_tensor shape;
    if (!tessi_graph_check_shape(g, "reshape", "", x->shape.dtype, rank, dim, &shape))
        return NULL;
    if (tess_tensor_count(&shape) != tess_tensor_count(&x->shape))
        return tess_graph_fail(g, TESS_E_SHAPE, "reshape: %s cannot be seen as %s", tess_tensor_text(&x->shape, from, sizeof from),
                               tess_tensor_text(&shape, to, sizeof to));
    return tessi_graph_node_alias(g, &shape, x, x->gradient_of ? x : NULL);
}

/* ---- blocks: a tensor as `outer` rows of `inner` values, a piece [at, at + inner_part) of each row ---- */

struct blocks {
    int64_t outer, whole, first, part; /* in elements of the row */
    int64_t second;                    /* concat: the rest of the row, b's part */
};

/* n values of each row, from `from_at` of the one to `to_at` of the other; both are stored alike. */
static void copy_blocks(int64_t outer, const struct tess_tensor *from, int64_t from_at, int64_t from_row, const struct tess_tensor *to,
                        int64_t to_at, int64_t to_row, int64_t n)
{
    size_t size = tess_dtype_size(from->dtype);
    const char *x = (const char *)from->data + (size_t)from_at * size;
    char *y = (char *)to->data + (size_t)to_at * size;
    for (int64_t i = 0; i < outer; i++, x += (size_t)from_row * size, y += (size_t)to_row * size)
        memcpy(y, x, (size_t)n * size);
}

static int concat_forward(const struct tess_op_run *r)
{
    const struct blocks *a = r->attr;
    copy_blocks(a->outer, &r->in[0], 0, a->part, &r->out[0], 0, a->whole, a->part);
    copy_blocks(a->outer, &r->in[1], 0, a->second, &r->out[0], a->part, a->whole, a->second);
    return TESS_OK;
}

static int concat_backward(const struct tess_op_run *r)
{
    const struct blocks *a = r->attr;
    if (r->din[0].data)
        copy_blocks(a->outer, &r->dout[0], 0, a->whole, &r->din[0], 0, a->part, a->part);
    if (r->din[1].data)
        copy_blocks(a->outer, &r->dout[0], a->part, a->whole, &r->din[1], 0, a->second, a->second);
    return TESS_OK;
}

static const struct tessi_op op_concat = {
    .op = {.size = sizeof(struct tess_op), .name = "concat", .forward = concat_forward, .backward = concat_backward},
    .bf16_in = 3,
    .bf16_out = 1,
    .alike = 3 | 1u << TESSI_ALIKE_OUT};

static int64_t shape_product(const struct tess_tensor *t, int32_t from, int32_t to)
{
    int64_t n = 1;
    for (int32_t i = from; i < to; i++)
        n *= t->dim[i];
    return n;
}

struct tess_node *tess_concat(struct tess_graph *g, struct tess_node *a, struct tess_node *b, int32_t axis)
{
    char left[96], right[96];
    if (!TESSI_NODES(g, "concat", a, b))
        return NULL;
    struct tess_tensor y = a->shape, other = b->shape;
    int fits = axis >= 0 && axis < y.rank && other.rank == y.rank && (y.dtype == TESS_F32 || y.dtype == TESS_I32);
    if (fits) {
        other.dim[axis] = y.dim[axis];
        fits = tess_tensor_same_shape(&y, &other);
    }
    if (!fits)
        return tess_graph_fail(g, TESS_E_SHAPE,
                               "concat of %s and %s along axis %d: two of f32 or two of i32 are wanted, alike in the other axes",
                               tess_tensor_text(&a->shape, left, sizeof left), tess_tensor_text(&b->shape, right, sizeof right), (int)axis);
    y.dim[axis] += b->shape.dim[axis];
    struct blocks attr = {.outer = shape_product(&y, 0, axis),
                          .whole = shape_product(&y, axis, y.rank),
                          .part = shape_product(&a->shape, axis, y.rank),
                          .second = shape_product(&b->shape, axis, y.rank)};
    struct tess_node *in[2] = {a, b};
    return tessi_graph_record(g, &op_concat, &attr, sizeof attr, 2, in, 1, &y, 0.0);
}

static int slice_forward(const struct tess_op_run *r)
{
    const struct blocks *a = r->attr;
    copy_blocks(a->outer, &r->in[0], a->first, a->whole, &r->out[0], 0, a->part, a->part);
    return TESS_OK;
}

static int slice_backward(const struct tess_op_run *r)
{
    const struct blocks *a = r->attr;
    memset(r->din[0].data, 0, tess_tensor_bytes(&r->din[0]));
    copy_blocks(a->outer, &r->dout[0], 0, a->part, &r->din[0], a->first, a->whole, a->part);
    return TESS_OK;
}

static const struct tessi_op op_slice = {
    .op = {.size = sizeof(struct tess_op), .name = "slice", .forward = slice_forward, .backward = slice_backward},
    .bf16_in = 1,
    .bf16_out = 1,
    .alike = 1 | 1u << TESSI_ALIKE_OUT};

struct tess_node *tess_slice(struct tess_graph *g, struct tess_node *x, int32_t axis, int64_t first, int64_t count)
{
    char text[96];
    if (!TESSI_NODES(g, "slice", x))
        return NULL;
    struct tess_tensor y = x->shape;
    if (axis < 0 || axis >= y.rank || first < 0 || count < 1 || first > y.dim[axis] || count > y.dim[axis] - first ||
        (y.dtype != TESS_F32 && y.dtype != TESS_I32))
        return tess_graph_fail(g, TESS_E_SHAPE, "narrow: %s has no %lld and %lld more along axis %d, or is neither f32 nor i32",
                               tess_tensor_text(&y, text, sizeof text), (long long)first, (long long)count, (int)axis);
    int64_t inner = shape_product(&y, axis + 1, y.rank);
    struct blocks attr = {.outer = shape_product(&y, 0, axis), .whole = y.dim[axis] * inner, .first = first * inner, .part = count * inner};
    y.dim[axis] = count;
    return tessi_graph_record(g, &op_slice, &attr, sizeof attr, 1, &x, 1, &y, 0.0);
}

/* ---- upsampling ---- */

static int upsample_forward(const struct tess_op_run *r)
{
    int32_t f = *(const int32_t *)r->attr;
    int64_t n = r->in[0].dim[0] * r->in[0].dim[1], w = r->in[0].dim[2];
    size_t pixel = (size_t)r->in[0].dim[3] * tess_dtype_size(r->in[0].dtype), row = (size_t)(w * f) * pixel;
    const char *x = r->in[0].data;
    char *y = r->out[0].data;
    for (int64_t i = 0; i < n; i++, y += row * (size_t)f) {
        for (int64_t j = 0; j < w * f; j++)
            memcpy(y + (size_t)j * pixel, x + (size_t)(i * w + j / f) * pixel, pixel);
        for (int32_t k = 1; k < f; k++)
            memcpy(y + (size_t)k * row, y, row);
    }
    return TESS_OK;
}

/* dx of the values first .. first + n - 1 of one pixel: the sum over the f x f pixels made of it. */
static void gather_pixel(const struct tess_op_run *r, int32_t f, int64_t i, int64_t j, int64_t first, int64_t n)
{
    float sum[TESSI_BF16_VIEW], buffer[TESSI_BF16_VIEW];
    int64_t w = r->in[0].dim[2], c = r->in[0].dim[3];
    float *to = tessi_graph_bf16_view_out(&r->din[0], (i * w + j) * c + first, sum);
    memset(to, 0, (size_t)n * sizeof *to);
    for (int32_t k = 0; k < f; k++)
        for (int32_t l = 0; l < f; l++)
            tessi_kernels()->accumulate(n, tessi_graph_bf16_view_in(&r->dout[0], (((i * f + k) * w + j) * f + l) * c + first, n, buffer),
                                        to);
    tessi_graph_bf16_view_done(&r->din[0], (i * w + j) * c + first, n, sum);
}

static int upsample_backward(const struct tess_op_run *r)
{
    int32_t f = *(const int32_t *)r->attr;
    int64_t n = r->in[0].dim[0] * r->in[0].dim[1], w = r->in[0].dim[2], c = r->in[0].dim[3];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < w; j++)
            for (int64_t k = 0; k < c; k += TESSI_BF16_VIEW)
                gather_pixel(r, f, i, j, k, c - k < TESSI_BF16_VIEW ? c - k : TESSI_BF16_VIEW);
    return TESS_OK;
}

static const struct tessi_op op_upsample = {
    .op = {.size = sizeof(struct tess_op), .name = "upsample", .forward = upsample_forward, .backward = upsample_backward},
    .cheap = TESSI_CHEAP,
    .bf16_in = 1,
    .bf16_out = 1,
    .alike = 1 | 1u << TESSI_ALIKE_OUT};

struct tess_node *tess_upsample(struct tess_graph *g, struct tess_node *x, int32_t factor)
{
    char text[96];
    if (!TESSI_NODES(g, "upsample", x))
        return NULL;
    struct tess_tensor y = x->shape;
    if (y.rank != 4 || y.dtype != TESS_F32 || factor < 1 || factor > 4096)
        return tess_graph_fail(g, TESS_E_SHAPE, "upsample by %d of %s: f32 (N, H, W, C) and a factor of 1 .. 4096 are wanted", (int)factor,
                               tess_tensor_text(&y, text, sizeof text));
    y.dim[1] *= factor;
    y.dim[2] *= factor;
    return tessi_graph_record(g, &op_upsample, &factor, sizeof factor, 1, &x, 1, &y, 0.0);
}
