/* See multi_scale_grid.h. Both interpolations are linear and separable: y = R x C^T with a matrix for the rows and one for the columns,
 * applied in f32 whatever the run's precision, since the codes of all finer levels depend on the result. SPDX-License-Identifier: MIT */
#include "plugins/quantizers/multi_scale/multi_scale_grid.h"

#include <math.h>
#include <string.h>

enum { GRID_AREA, GRID_BICUBIC };

struct grid {
    int64_t rule;
    int64_t from[2], to[2]; /* rows and columns */
    int64_t channels;
};

/* ---- matrices ---- */

/* Weights of a mean over cell o: all positions that the cell touches count alike. */
static void grid_fill_area(float *row, int64_t stride, int64_t o, int64_t from, int64_t to)
{
    int64_t first = o * from / to, end = ((o + 1) * from + to - 1) / to;
    for (int64_t i = first; i < end; i++)
        row[i * stride] = (float)(1.0 / (double)(end - first));
}

/* The cubic convolution kernel with a = -3/4, at a distance x of 0 .. 2. */
static double grid_cubic(double x)
{
    const double a = -0.75;
    return x <= 1.0 ? ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0 : ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
}

/* Weights of the four positions around output position o, centres aligned; the border position stands for those beyond it. */
static void grid_fill_bicubic(float *row, int64_t stride, int64_t o, int64_t from, int64_t to)
{
    double at = ((double)o + 0.5) * (double)from / (double)to - 0.5, below = floor(at);
    for (int64_t k = -1; k <= 2; k++) {
        int64_t i = (int64_t)below + k;
        i = i < 0 ? 0 : i < from ? i : from - 1;
        row[i * stride] += (float)grid_cubic(fabs(at - below - (double)k));
    }
}

/* The matrix of one axis, (to, from), or its transpose. */
static void grid_matrix(const struct grid *a, int axis, int transposed, float *m)
{
    const int64_t from = a->from[axis], to = a->to[axis];
    memset(m, 0, (size_t)(from * to) * sizeof *m);
    for (int64_t o = 0; o < to; o++)
        (a->rule == GRID_AREA ? grid_fill_area : grid_fill_bicubic)(m + (transposed ? o : o * from), transposed ? to : 1, o, from, to);
}

/* y (outer, to, inner) = m (to, from) x (outer, from, inner) */
static void grid_along(const float *m, int64_t to, int64_t from, int64_t outer, int64_t inner, const float *x, float *y)
{
    memset(y, 0, (size_t)(outer * to * inner) * sizeof *y);
    for (int64_t n = 0; n < outer * to; n++)
        for (int64_t i = 0; i < from; i++) {
            const float weight = m[n % to * from + i], *restrict source = x + (n / to * from + i) * inner;
            float *restrict target = y + n * inner;
            for (int64_t k = 0; weight != 0.0f && k < inner; k++)
                target[k] += weight * source[k];
        }
}

/* ---- the operation ---- */

/* Values between the pass along rows and that along columns, in either direction. */
static int64_t grid_between(const struct grid *a)
{
    int64_t there = a->to[0] * a->from[1], back = a->from[0] * a->to[1];
    return (there > back ? there : back) * a->channels;
}

static int64_t grid_matrices(const struct grid *a)
{
    return a->from[0] * a->to[0] + a->from[1] * a->to[1];
}

/* The map x on the other grid, or transposed, the gradient of the map of the gradient x. */
static void grid_apply(const struct tess_op_run *r, int transposed, int64_t n, const float *x, float *y)
{
    const struct grid *a = r->attr;
    const int64_t *from = transposed ? a->to : a->from, *to = transposed ? a->from : a->to;
    float *rows = r->scratch, *columns = rows + from[0] * to[0], *between = rows + grid_matrices(a);
    grid_matrix(a, 0, transposed, rows);
    grid_matrix(a, 1, transposed, columns);
    for (int64_t i = 0; i < n; i++) {
        grid_along(rows, to[0], from[0], 1, from[1] * a->channels, x + i * from[0] * from[1] * a->channels, between);
        grid_along(columns, to[1], from[1], to[0], a->channels, between, y + i * to[0] * to[1] * a->channels);
    }
}

static int grid_forward(const struct tess_op_run *r)
{
    grid_apply(r, 0, r->in[0].dim[0], r->in[0].data, r->out[0].data);
    return TESS_OK;
}

/* y = R x C^T: dx = R^T dy C */
static int grid_backward(const struct tess_op_run *r)
{
    const struct tess_tensor *dx = &r->din[0], *dy = &r->dout[0];
    if (dx->data && dy->data)
        grid_apply(r, 1, dx->dim[0], dy->data, dx->data);
    else if (dx->data)
        memset(dx->data, 0, tess_tensor_bytes(dx));
    return TESS_OK;
}

static struct tess_node *grid_record(struct tess_graph *g, struct tess_node *x, int64_t rule, int64_t rows, int64_t columns)
{
    static const struct tess_op op = {.size = sizeof op, .name = "regrid", .forward = grid_forward, .backward = grid_backward};
    struct tess_tensor shape = tess_shape(x);
    struct tess_node *out = NULL;
    if (!x || (shape.dim[1] == rows && shape.dim[2] == columns))
        return x;
    const struct grid a = {.rule = rule, .from = {shape.dim[1], shape.dim[2]}, .to = {rows, columns}, .channels = shape.dim[3]};
    const size_t scratch = (size_t)(grid_matrices(&a) + grid_between(&a)) * sizeof(float);
    shape.dim[1] = rows;
    shape.dim[2] = columns;
    tess_custom(g, &op, &a, sizeof a, 1, &x, 1, &shape, scratch, 16.0 * (double)tess_tensor_count(&shape), &out);
    return out;
}

struct tess_node *grid_area(struct tess_graph *g, struct tess_node *x, int64_t rows, int64_t columns)
{
    return grid_record(g, x, GRID_AREA, rows, columns);
}

struct tess_node *grid_bicubic(struct tess_graph *g, struct tess_node *x, int64_t rows, int64_t columns)
{
    return grid_record(g, x, GRID_BICUBIC, rows, columns);
}

/* ---- codes ---- */

/* The position of `from` in which the centre of position o of `to` lies, in integers: floor((o + 1/2) from / to). */
static int64_t grid_position(int64_t o, int64_t from, int64_t to)
{
    return (2 * o + 1) * from / (2 * to);
}

static int grid_codes_forward(const struct tess_op_run *r)
{
    const struct tess_tensor *x = &r->in[0], *y = &r->out[0];
    const int32_t *code = x->data;
    int32_t *out = y->data;
    for (int64_t n = 0; n < y->dim[0]; n++)
        for (int64_t i = 0; i < y->dim[1]; i++)
            for (int64_t j = 0; j < y->dim[2]; j++)
                *out++ =
                    code[(n * x->dim[1] + grid_position(i, x->dim[1], y->dim[1])) * x->dim[2] + grid_position(j, x->dim[2], y->dim[2])];
    return TESS_OK;
}

struct tess_node *grid_codes(struct tess_graph *g, struct tess_node *codes, int64_t rows, int64_t columns)
{
    static const struct tess_op op = {.size = sizeof op, .name = "regrid_codes", .forward = grid_codes_forward};
    struct tess_tensor shape = tess_shape(codes);
    struct tess_node *out = NULL;
    if (!codes || (shape.dim[1] == rows && shape.dim[2] == columns))
        return codes;
    shape.dim[1] = rows;
    shape.dim[2] = columns;
    tess_custom(g, &op, NULL, 0, 1, &codes, 1, &shape, 0, 0.0, &out);
    return out;
}
