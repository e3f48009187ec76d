/* a + b, a - b, a b, floor(a / b), a mod b, the larger and the smaller of i32 tensors, and their sums. Computed in 64 bits: what does not
 * fit back into 32 is an error of the run, not another number. No gradient. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/ops/integer.h"

#include "core/graph/broadcast.h"

#include <string.h>

struct integer {
    int32_t which;
    struct tessi_broadcast broadcast;
};

static const char *const names[TESSI_INTEGERS] = {[TESSI_INTEGER_ADD] = "add",        [TESSI_INTEGER_SUB] = "sub",
                                                  [TESSI_INTEGER_MUL] = "mul",        [TESSI_INTEGER_FLOOR_DIV] = "floor_div",
                                                  [TESSI_INTEGER_MOD] = "mod",        [TESSI_INTEGER_MAXIMUM] = "maximum",
                                                  [TESSI_INTEGER_MINIMUM] = "minimum"};

struct rows { /* operands of a broadcast row */
    const struct integer *a;
    const int32_t *x, *b;
    int32_t *y;
    int64_t n, step;    /* length of a row; how far b moves along it */
    int64_t bad, bad_b; /* offsets in a and b of the first failure; bad < 0: none */
};

static int divides(int32_t which)
{
    return which == TESSI_INTEGER_FLOOR_DIV || which == TESSI_INTEGER_MOD;
}

/* Result in 64 bits; b is not 0 where the operation divides. */
static int64_t integer_value(int32_t which, int64_t a, int64_t b)
{
    switch (which) {
    case TESSI_INTEGER_ADD:
        return a + b;
    case TESSI_INTEGER_SUB:
        return a - b;
    case TESSI_INTEGER_MUL:
        return a * b;
    case TESSI_INTEGER_FLOOR_DIV:
        return a / b - (a % b != 0 && (a < 0) != (b < 0));
    case TESSI_INTEGER_MOD:
        return a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0);
    case TESSI_INTEGER_MAXIMUM:
        return a > b ? a : b;
    default:
        return a < b ? a : b;
    }
}

static void integer_row(void *user, int64_t i, int64_t j)
{
    struct rows *w = user;
    int32_t which = w->a->which;
    for (int64_t k = 0; k < w->n && w->bad < 0; k++) {
        int64_t b = w->b[j + k * w->step], y = divides(which) && b == 0 ? INT64_MAX : integer_value(which, w->x[i + k], b);
        if (y < INT32_MIN || y > INT32_MAX) {
            w->bad = i + k;
            w->bad_b = j + k * w->step;
        } else {
            w->y[i + k] = (int32_t)y;
        }
    }
}

static int integer_forward(const struct tess_op_run *r)
{
    const struct integer *a = r->attr;
    int32_t last = a->broadcast.rank - 1;
    struct rows w = {a, r->in[0].data, r->in[1].data, r->out[0].data, a->broadcast.n[last], a->broadcast.step[last], -1, 0};
    tessi_graph_broadcast_rows(&a->broadcast, integer_row, &w);
    if (w.bad < 0)
        return TESS_OK;
    int32_t x = w.x[w.bad], b = w.b[w.bad_b];
    if (divides(a->which) && b == 0)
        return r->context->fail(r->context, TESS_E_DATA, "%s: value %lld is %d, divided by 0", names[a->which], (long long)w.bad, (int)x);
    return r->context->fail(r->context, TESS_E_DATA, "%s: value %lld is %lld, of %d and %d: outside the integers of 32 bits",
                            names[a->which], (long long)w.bad, (long long)integer_value(a->which, x, b), (int)x, (int)b);
}

#define INTEGER(text)                                                                                                                      \
    {                                                                                                                                      \
        .op = {.size = sizeof(struct tess_op), .name = text, .forward = integer_forward }                                                  \
    }
static const struct tessi_op op_integer[TESSI_INTEGERS] = {INTEGER("add"), INTEGER("sub"),     INTEGER("mul"),    INTEGER("floor_div"),
                                                           INTEGER("mod"), INTEGER("maximum"), INTEGER("minimum")};

int tessi_ops_integers(const struct tess_node *a, const struct tess_node *b)
{
    return a && b && a->shape.dtype == TESS_I32 && b->shape.dtype == TESS_I32;
}

struct tess_node *tessi_ops_integer_record(struct tess_graph *g, int32_t which, struct tess_node *a, struct tess_node *b)
{
    char left[96], right[96];
    struct integer attr = {.which = which};
    if (!TESSI_NODES(g, names[which], a, b))
        return NULL;
    if (!tessi_ops_integers(a, b) || !tessi_graph_broadcast_over(&a->shape, &b->shape, &attr.broadcast))
        return tess_graph_fail(g, TESS_E_SHAPE,
                               "%s of %s and %s: two of i32 are wanted, the second's dimensions the first's last ones or 1", names[which],
                               tess_tensor_text(&a->shape, left, sizeof left), tess_tensor_text(&b->shape, right, sizeof right));
    struct tess_node *in[2] = {a, b};
    return tessi_graph_record(g, &op_integer[which], &attr, sizeof attr, 2, in, 1, &a->shape, (double)tess_tensor_count(&a->shape));
}

struct tess_node *tess_floor_div(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    return tessi_ops_integer_record(g, TESSI_INTEGER_FLOOR_DIV, a, b);
}

struct tess_node *tess_mod(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    return tessi_ops_integer_record(g, TESSI_INTEGER_MOD, a, b);
}

/* ---- sums ---- */

static void integer_sum_row(void *user, int64_t i, int64_t j)
{
    struct rows *w = user;
    for (int64_t k = 0; k < w->n && w->bad < 0; k++) {
        int64_t at = j + k * w->step, y = (int64_t)w->y[at] + w->x[i + k];
        if (y < INT32_MIN || y > INT32_MAX)
            w->bad = at;
        else
            w->y[at] = (int32_t)y;
    }
}

static int integer_sum_forward(const struct tess_op_run *r)
{
    const struct integer *a = r->attr;
    int32_t last = a->broadcast.rank - 1;
    struct rows w = {a, r->in[0].data, NULL, r->out[0].data, a->broadcast.n[last], a->broadcast.step[last], -1, 0};
    memset(r->out[0].data, 0, tess_tensor_bytes(&r->out[0]));
    tessi_graph_broadcast_rows(&a->broadcast, integer_sum_row, &w);
    if (w.bad < 0)
        return TESS_OK;
    return r->context->fail(r->context, TESS_E_DATA, "sum: value %lld passes the integers of 32 bits", (long long)w.bad);
}

static const struct tessi_op op_integer_sum = {.op = {.size = sizeof(struct tess_op), .name = "sum", .forward = integer_sum_forward}};

struct tess_node *tessi_ops_integer_sum(struct tess_graph *g, struct tess_node *x, const struct tess_tensor *y)
{
    struct integer attr = {.which = TESSI_INTEGER_ADD};
    (void)tessi_graph_broadcast_over(&x->shape, y, &attr.broadcast); /* fits: y is x with ones */
    return tessi_graph_record(g, &op_integer_sum, &attr, sizeof attr, 1, &x, 1, y, (double)tess_tensor_count(&x->shape));
}
