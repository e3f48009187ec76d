/* The largest of each f x f block of pixels, channel by channel. Which pixel it was is found again going backward: cheaper than keeping it.
 * SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/graph/node.h"
#include "core/graph/bf16_view.h"

#include <string.h>

/* Block of input pixels behind one pixel of the result: channels first .. first + n - 1, upper left pixel at `corner`. */
struct block {
    const struct tess_tensor *x;
    int32_t factor;
    int64_t corner, first, n;
};

static int64_t pool_at(const struct block *b, int32_t k)
{
    int64_t pixel = b->corner + k / b->factor * b->x->dim[2] + k % b->factor;
    return pixel * b->x->dim[3] + b->first;
}

/* Maximum over the block's pixels, and the index of the pixel that has it, row by row: the first of equals. */
static void pool_largest(const struct block *b, float *value, int32_t *which)
{
    float buffer[TESSI_BF16_VIEW];
    memcpy(value, tessi_graph_bf16_view_in(b->x, pool_at(b, 0), b->n, buffer), (size_t)b->n * sizeof *value);
    memset(which, 0, (size_t)b->n * sizeof *which);
    for (int32_t k = 1; k < b->factor * b->factor; k++) {
        const float *x = tessi_graph_bf16_view_in(b->x, pool_at(b, k), b->n, buffer);
        for (int64_t i = 0; i < b->n; i++) {
            which[i] = x[i] > value[i] ? k : which[i];
            value[i] = x[i] > value[i] ? x[i] : value[i];
        }
    }
}

static void each_block(const struct tess_op_run *r, void (*work)(const struct tess_op_run *r, const struct block *b, int64_t out))
{
    struct block b = {.x = &r->in[0], .factor = *(const int32_t *)r->attr};
    const int64_t *in = r->in[0].dim, *y = r->out[0].dim, c = in[3];
    for (int64_t i = 0; i < y[0] * y[1] * y[2]; i++) {
        int64_t image = i / (y[1] * y[2]), row = i / y[2] % y[1] * b.factor, column = i % y[2] * b.factor;
        b.corner = (image * in[1] + row) * in[2] + column;
        for (b.first = 0; b.first < c; b.first += TESSI_BF16_VIEW) {
            b.n = c - b.first < TESSI_BF16_VIEW ? c - b.first : TESSI_BF16_VIEW;
            work(r, &b, i * c + b.first);
        }
    }
}

static void forward_block(const struct tess_op_run *r, const struct block *b, int64_t out)
{
    float buffer[TESSI_BF16_VIEW];
    int32_t which[TESSI_BF16_VIEW];
    pool_largest(b, tessi_graph_bf16_view_out(&r->out[0], out, buffer), which);
    tessi_graph_bf16_view_done(&r->out[0], out, b->n, buffer);
}

static void backward_block(const struct tess_op_run *r, const struct block *b, int64_t out)
{
    float value[TESSI_BF16_VIEW], given[TESSI_BF16_VIEW], buffer[TESSI_BF16_VIEW];
    int32_t which[TESSI_BF16_VIEW];
    const float *dy = tessi_graph_bf16_view_in(&r->dout[0], out, b->n, given);
    pool_largest(b, value, which);
    for (int32_t k = 0; k < b->factor * b->factor; k++) {
        float *dx = tessi_graph_bf16_view_out(&r->din[0], pool_at(b, k), buffer);
        for (int64_t i = 0; i < b->n; i++)
            dx[i] = which[i] == k ? dy[i] : 0.0f;
        tessi_graph_bf16_view_done(&r->din[0], pool_at(b, k), b->n, buffer);
    }
}

static int max_pool_forward(const struct tess_op_run *r)
{
    each_block(r, forward_block);
    return TESS_OK;
}

static int max_pool_backward(const struct tess_op_run *r)
{
    memset(r->din[0].data, 0, tess_tensor_bytes(&r->din[0])); /* rows and columns outside of whole blocks get no gradient */
    each_block(r, backward_block);
    return TESS_OK;
}

static const struct tessi_op op_max_pool = {
    .op = {.size = sizeof(struct tess_op), .name = "max_pool", .keep_in = 1, .forward = max_pool_forward, .backward = max_pool_backward},
    .bf16_in = 1,
    .bf16_out = 1};

struct tess_node *tess_max_pool(struct tess_graph *g, struct tess_node *x, int32_t factor)
{
    char text[96];
    if (!TESSI_NODES(g, "max_pool", x))
        return NULL;
    struct tess_tensor y = x->shape;
    if (y.rank != 4 || y.dtype != TESS_F32 || factor < 1 || y.dim[1] < factor || y.dim[2] < factor)
        return tess_graph_fail(g, TESS_E_SHAPE, "max_pool of blocks of %d x %d pixels wants f32 (N, H, W, C) of at least that, not %s",
                               (int)factor, (int)factor, tess_tensor_text(&y, text, sizeof text));
    y.dim[1] /= factor;
    y.dim[2] /= factor;
    return tessi_graph_record(g, &op_max_pool, &factor, sizeof factor, 1, &x, 1, &y, (double)tess_tensor_count(&x->shape));
}
