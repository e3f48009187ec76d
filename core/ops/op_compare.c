/* The larger and the smaller of two tensors, values between bounds, comparisons as 0 and 1, and a choice by them.
 * SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/graph/broadcast.h"
#include "core/ops/integer.h"

#include <string.h>

struct compare {
    int32_t which; /* TESS_LESS ..., or 1: the larger, -1: the smaller */
    struct tessi_broadcast broadcast;
};

struct rows { /* operands of a broadcast row; b moves by `step` along a row of n */
    int32_t which;
    const void *a, *b;
    float *y;
    const float *dy;
    int64_t n, step;
};

static struct rows compare_rows(const struct tess_op_run *r)
{
    const struct compare *a = r->attr;
    int32_t last = a->broadcast.rank - 1;
    return (struct rows){.which = a->which,
                         .a = r->in[0].data,
                         .b = r->in[1].data,
                         .y = r->out[0].data,
                         .n = a->broadcast.n[last],
                         .step = a->broadcast.step[last]};
}

/* ---- maximum, minimum: y = a where it is the larger (smaller) or NaN, else b. Of equals each has half of the gradient. ---- */

static void extremum_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    const float *a = (const float *)w->a + i, *b = (const float *)w->b + j;
    float *y = w->y + i;
    for (int64_t k = 0; k < w->n; k++) {
        float u = a[k], v = b[k * w->step];
        y[k] = (w->which > 0 ? u > v : u < v) || u != u ? u : v;
    }
}

static int extremum_forward(const struct tess_op_run *r)
{
    struct rows w = compare_rows(r);
    tessi_graph_broadcast_rows(&((const struct compare *)r->attr)->broadcast, extremum_row, &w);
    return TESS_OK;
}

/* Share of the gradient that goes to a. */
static inline float extremum_share(int32_t which, float a, float b)
{
    if (a == b)
        return 0.5f;
    return (which > 0 ? a > b : a < b) ? 1.0f : 0.0f;
}

static void extremum_first_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    const float *a = (const float *)w->a + i, *b = (const float *)w->b + j;
    for (int64_t k = 0; k < w->n; k++)
        w->y[i + k] = w->dy[i + k] * extremum_share(w->which, a[k], b[k * w->step]);
}

static void extremum_second_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    const float *a = (const float *)w->a + i, *b = (const float *)w->b + j;
    for (int64_t k = 0; k < w->n; k++)
        w->y[j + k * w->step] += w->dy[i + k] * (1.0f - extremum_share(w->which, a[k], b[k * w->step]));
}

static int extremum_backward(const struct tess_op_run *r)
{
    const struct compare *a = r->attr;
    struct rows w = compare_rows(r);
    w.dy = r->dout[0].data;
    if ((w.y = r->din[0].data))
        tessi_graph_broadcast_rows(&a->broadcast, extremum_first_row, &w);
    if ((w.y = r->din[1].data)) {
        memset(w.y, 0, tess_tensor_bytes(&r->din[1]));
        tessi_graph_broadcast_rows(&a->broadcast, extremum_second_row, &w);
    }
    return TESS_OK;
}

static const struct tessi_op op_maximum = {
    .op = {.size = sizeof(struct tess_op), .name = "maximum", .keep_in = 3, .forward = extremum_forward, .backward = extremum_backward}};
static const struct tessi_op op_minimum = {
    .op = {.size = sizeof(struct tess_op), .name = "minimum", .keep_in = 3, .forward = extremum_forward, .backward = extremum_backward}};

static struct tess_node *record_pair(struct tess_graph *g, const struct tessi_op *op, int32_t which, struct tess_node *a,
                                     struct tess_node *b)
{
    char left[96], right[96];
    struct compare attr = {.which = which};
    if (!TESSI_NODES(g, op->op.name, a, b))
        return NULL;
    int reals = a->shape.dtype == TESS_F32 && b->shape.dtype == TESS_F32;
    if ((!reals && !tessi_ops_integers(a, b)) || !tessi_graph_broadcast_over(&a->shape, &b->shape, &attr.broadcast))
        return tess_graph_fail(
            g, TESS_E_SHAPE, "%s of %s and %s: two of f32 or two of i32 are wanted, the second's dimensions the first's last ones or 1",
            op->op.name, tess_tensor_text(&a->shape, left, sizeof left), tess_tensor_text(&b->shape, right, sizeof right));
    struct tess_tensor y = a->shape;
    struct tess_node *in[2] = {a, b};
    y.dtype = TESS_F32;
    return tessi_graph_record(g, op, &attr, sizeof attr, 2, in, 1, &y, (double)tess_tensor_count(&y));
}

struct tess_node *tess_maximum(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    return tessi_ops_integers(a, b) ? tessi_ops_integer_record(g, TESSI_INTEGER_MAXIMUM, a, b) : record_pair(g, &op_maximum, 1, a, b);
}

struct tess_node *tess_minimum(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    return tessi_ops_integers(a, b) ? tessi_ops_integer_record(g, TESSI_INTEGER_MINIMUM, a, b) : record_pair(g, &op_minimum, -1, a, b);
}

/* ---- comparisons ---- */

#define RELATE(type)                                                                                                                       \
    static void relate_##type(const struct rows *w, int64_t i, int64_t j)                                                                  \
    {                                                                                                                                      \
        const type *a = (const type *)w->a + i, *b = (const type *)w->b + j;                                                               \
        for (int64_t k = 0; k < w->n; k++) {                                                                                               \
            type u = a[k], v = b[k * w->step];                                                                                             \
            const int holds[] = {u<v, u <= v, u == v, u != v, u >= v, u> v};                                                               \
            w->y[i + k] = (float)holds[w->which];                                                                                          \
        }                                                                                                                                  \
    }
RELATE(float)
RELATE(int32_t)

static void relate_floats(void *user, int64_t i, int64_t j)
{
    relate_float(user, i, j);
}

static void relate_integers(void *user, int64_t i, int64_t j)
{
    relate_int32_t(user, i, j);
}

static int compare_forward(const struct tess_op_run *r)
{
    struct rows w = compare_rows(r);
    tessi_graph_broadcast_rows(&((const struct compare *)r->attr)->broadcast, r->in[0].dtype == TESS_F32 ? relate_floats : relate_integers,
                               &w);
    return TESS_OK;
}

static const struct tessi_op op_compare = {.op = {.size = sizeof(struct tess_op), .name = "compare", .forward = compare_forward}};

struct tess_node *tess_compare(struct tess_graph *g, struct tess_node *a, int32_t relation, struct tess_node *b)
{
    if (a && b && (relation < TESS_LESS || relation > TESS_GREATER))
        return tess_graph_fail(g, TESS_E_VALUE, "compare: there is no relation %d; TESS_LESS is %d, TESS_GREATER %d", (int)relation,
                               (int)TESS_LESS, (int)TESS_GREATER);
    return record_pair(g, &op_compare, relation, a, b);
}

/* ---- a choice: y = a where the condition is not 0, else b ---- */

static void where_row(void *user, int64_t i, int64_t j)
{
    const struct rows *w = user;
    const uint32_t *a = (const uint32_t *)w->a + i;
    const float *condition = (const float *)w->b + j;
    for (int64_t k = 0; k < w->n; k++)
        if ((condition[k * w->step] != 0.0f) == (w->which != 0))
            memcpy(w->y + i + k, a + k, sizeof *a);
}

/* to = from where the condition holds (or where it does not); the rest stays. Values of four bytes, whatever they are. */
static void where_copy(const struct tess_op_run *r, const void *from, void *to, int holds)
{
    const struct compare *a = r->attr;
    int32_t last = a->broadcast.rank - 1;
    struct rows w = {.which = holds, .a = from, .b = r->in[0].data, .y = to, .n = a->broadcast.n[last], .step = a->broadcast.step[last]};
    tessi_graph_broadcast_rows(&a->broadcast, where_row, &w);
}

static int where_forward(const struct tess_op_run *r)
{
    where_copy(r, r->in[1].data, r->out[0].data, 1);
    where_copy(r, r->in[2].data, r->out[0].data, 0);
    return TESS_OK;
}

static int where_backward(const struct tess_op_run *r)
{
    for (int k = 1; k <= 2; k++)
        if (r->din[k].data) {
            memset(r->din[k].data, 0, tess_tensor_bytes(&r->din[k]));
            where_copy(r, r->dout[0].data, r->din[k].data, k == 1);
        }
    return TESS_OK;
}

static const struct tessi_op op_where = {
    .op = {.size = sizeof(struct tess_op), .name = "where", .keep_in = 1, .forward = where_forward, .backward = where_backward}};

struct tess_node *tess_where(struct tess_graph *g, struct tess_node *condition, struct tess_node *a, struct tess_node *b)
{
    char first[96], second[96], third[96];
    struct compare attr = {.which = 0};
    if (!TESSI_NODES(g, "where", condition, a, b))
        return NULL;
    int fits = condition->shape.dtype == TESS_F32 && (a->shape.dtype == TESS_F32 || a->shape.dtype == TESS_I32);
    if (!fits || !tess_tensor_same_shape(&a->shape, &b->shape) ||
        !tessi_graph_broadcast_over(&a->shape, &condition->shape, &attr.broadcast))
        return tess_graph_fail(
            g, TESS_E_SHAPE,
            "where of %s, %s and %s: an f32 condition of the others' last dimensions or 1 is wanted, and two of f32 or i32, "
            "alike",
            tess_tensor_text(&condition->shape, first, sizeof first), tess_tensor_text(&a->shape, second, sizeof second),
            tess_tensor_text(&b->shape, third, sizeof third));
    struct tess_node *in[3] = {condition, a, b};
    return tessi_graph_record(g, &op_where, &attr, sizeof attr, 3, in, 1, &a->shape, 0.0);
}

/* ---- clamp: y = x in [lo, hi], and the bound outside; the gradient passes inside, the bounds with it ---- */

struct clamp {
    float lo, hi;
};

static int clamp_forward(const struct tess_op_run *r)
{
    const struct clamp *a = r->attr;
    const float *x = r->in[0].data;
    float *y = r->out[0].data;
    for (int64_t i = 0; i < tess_tensor_count(&r->in[0]); i++)
        y[i] = x[i] < a->lo ? a->lo : x[i] > a->hi ? a->hi : x[i];
    return TESS_OK;
}

static int clamp_backward(const struct tess_op_run *r)
{
    const struct clamp *a = r->attr;
    const float *x = r->in[0].data, *dy = r->dout[0].data;
    float *dx = r->din[0].data;
    for (int64_t i = 0; i < tess_tensor_count(&r->in[0]); i++)
        dx[i] = x[i] >= a->lo && x[i] <= a->hi ? dy[i] : 0.0f;
    return TESS_OK;
}

static const struct tessi_op op_clamp = {
    .op = {.size = sizeof(struct tess_op), .name = "clamp", .keep_in = 1, .forward = clamp_forward, .backward = clamp_backward}};

struct tess_node *tess_clamp(struct tess_graph *g, struct tess_node *x, float lo, float hi)
{
    char text[96];
    struct clamp a = {lo, hi};
    if (!TESSI_NODES(g, "clamp", x))
        return NULL;
    if (x->shape.dtype != TESS_F32)
        return tess_graph_fail(g, TESS_E_SHAPE, "clamp wants f32, not %s", tess_tensor_text(&x->shape, text, sizeof text));
    if (!(lo <= hi))
        return tess_graph_fail(g, TESS_E_VALUE, "clamp between %g and %g: the lower bound comes first", (double)lo, (double)hi);
    return tessi_graph_record(g, &op_clamp, &a, sizeof a, 1, &x, 1, &x->shape, (double)tess_tensor_count(&x->shape));
}
