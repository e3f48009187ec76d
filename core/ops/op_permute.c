/* Axes in another order: y[i_0, ..] = x with its axis axes[k] running as y's axis k. A copy, done in square tiles, so that neither the
 * reads nor the writes leave a cache line after one value. The gradient is permuted back. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/graph/node.h"

#include <string.h>

enum { TILE = 32 };

/* Loops over the result in row-major order, and how far each moves in the source. Axes of size 1 are left out and neighbours that stay
 * neighbours are one loop, so the source's fastest axis is a loop of step 1. */
struct permutation {
    int32_t rank;
    int64_t n[TESS_MAX_RANK], step[TESS_MAX_RANK];
};

struct permute {
    struct permutation forward, backward;
};

static struct permutation permutation_of(const struct tess_tensor *x, const int32_t *axes)
{
    struct permutation p = {.rank = 0};
    int64_t stride[TESS_MAX_RANK] = {0}, at = 1;
    for (int32_t i = x->rank - 1; i >= 0; i--) {
        stride[i] = at;
        at *= x->dim[i];
    }
    for (int32_t i = 0; i < x->rank; i++) {
        int64_t n = x->dim[axes[i]], step = stride[axes[i]];
        int32_t last = p.rank - 1;
        if (n == 1)
            continue;
        if (last >= 0 && p.step[last] == step * n) {
            p.n[last] *= n;
            p.step[last] = step;
        } else {
            p.n[p.rank] = n;
            p.step[p.rank++] = step;
        }
    }
    return p;
}

/* y (rows, columns) with rows `y_row` apart = the transpose of x (columns, rows) with rows `x_row` apart, for one size of an element. */
static inline void transpose_of_size(size_t size, int64_t rows, int64_t columns, const char *x, int64_t x_row, char *y, int64_t y_row)
{
    for (int64_t i0 = 0; i0 < rows; i0 += TILE)
        for (int64_t j0 = 0; j0 < columns; j0 += TILE) {
            int64_t i1 = i0 + TILE < rows ? i0 + TILE : rows, j1 = j0 + TILE < columns ? j0 + TILE : columns;
            for (int64_t i = i0; i < i1; i++)
                for (int64_t j = j0; j < j1; j++)
                    memcpy(y + (size_t)(i * y_row + j) * size, x + (size_t)(j * x_row + i) * size, size);
        }
}

static void transpose_any(size_t size, int64_t rows, int64_t columns, const char *x, int64_t x_row, char *y, int64_t y_row)
{
    if (size == 4)
        transpose_of_size(4, rows, columns, x, x_row, y, y_row);
    else if (size == 2)
        transpose_of_size(2, rows, columns, x, x_row, y, y_row);
    else
        transpose_of_size(1, rows, columns, x, x_row, y, y_row);
}

/* The two loops that are done at once, the result's fastest and the source's fastest, with those around them. */
static void permute_copy(const struct permutation *p, size_t size, const char *x, char *y)
{
    int64_t index[TESS_MAX_RANK] = {0}, out[TESS_MAX_RANK], from = 0, to = 0, at = 1;
    int32_t last = p->rank - 1, fast = last;
    for (int32_t i = last; i >= 0; i--) {
        out[i] = at;
        at *= p->n[i];
        if (p->step[i] == 1)
            fast = i;
    }
    for (;;) {
        if (fast == last)
            memcpy(y + (size_t)to * size, x + (size_t)from * size, (size_t)p->n[last] * size);
        else
            transpose_any(size, p->n[fast], p->n[last], x + (size_t)from * size, p->step[last], y + (size_t)to * size, out[fast]);
        int32_t i = last - 1;
        for (; i >= 0; i--) {
            if (i == fast)
                continue;
            from += p->step[i];
            to += out[i];
            if (++index[i] < p->n[i])
                break;
            from -= p->step[i] * p->n[i];
            to -= out[i] * p->n[i];
            index[i] = 0;
        }
        if (i < 0)
            return;
    }
}

static void permute_tensor(const struct permutation *p, const struct tess_tensor *x, const struct tess_tensor *y)
{
    size_t size = tess_dtype_size(x->dtype);
    if (p->rank == 0)
        memcpy(y->data, x->data, size);
    else
        permute_copy(p, size, x->data, y->data);
}

static int permute_forward(const struct tess_op_run *r)
{
    permute_tensor(&((const struct permute *)r->attr)->forward, &r->in[0], &r->out[0]);
    return TESS_OK;
}

static int permute_backward(const struct tess_op_run *r)
{
    permute_tensor(&((const struct permute *)r->attr)->backward, &r->dout[0], &r->din[0]);
    return TESS_OK;
}

static const struct tessi_op op_permute = {
    .op = {.size = sizeof(struct tess_op), .name = "permute", .forward = permute_forward, .backward = permute_backward},
    .bf16_in = 1,
    .bf16_out = 1,
    .alike = 1 | 1u << TESSI_ALIKE_OUT};

struct tess_node *tess_permute(struct tess_graph *g, struct tess_node *x, const int32_t *axes)
{
    char text[96];
    int32_t back[TESS_MAX_RANK];
    uint32_t seen = 0;
    if (!TESSI_NODES(g, "permute", x))
        return NULL;
    struct tess_tensor y = x->shape;
    for (int32_t i = 0; i < y.rank; i++) {
        if (!axes || axes[i] < 0 || axes[i] >= y.rank || seen >> axes[i] & 1)
            return tess_graph_fail(g, TESS_E_SHAPE, "permute of %s: each of the axes 0 .. %d is wanted once, in the new order",
                                   tess_tensor_text(&x->shape, text, sizeof text), (int)(y.rank - 1));
        seen |= 1u << axes[i];
        y.dim[i] = x->shape.dim[axes[i]];
        back[axes[i]] = i;
    }
    struct permute a = {permutation_of(&x->shape, axes), permutation_of(&y, back)};
    return tessi_graph_record(g, &op_permute, &a, sizeof a, 1, &x, 1, &y, 0.0);
}

struct tess_node *tess_transpose(struct tess_graph *g, struct tess_node *x, int32_t a, int32_t b)
{
    int32_t axes[TESS_MAX_RANK];
    char text[96];
    if (!TESSI_NODES(g, "transpose", x))
        return NULL;
    if (a < 0 || b < 0 || a >= x->shape.rank || b >= x->shape.rank)
        return tess_graph_fail(g, TESS_E_SHAPE, "transpose of axes %d and %d: %s has the axes 0 .. %d", (int)a, (int)b,
                               tess_tensor_text(&x->shape, text, sizeof text), (int)(x->shape.rank - 1));
    for (int32_t i = 0; i < x->shape.rank; i++)
        axes[i] = i == a ? b : i == b ? a : i;
    return tess_permute(g, x, axes);
}
