/* Squared distance of the directions of vectors: for each pair, sum over c of w_c (a_c / (|a| + e) - b_c / (|b| + e))^2, and the mean over
 * the pairs of a sample: the mean over pixels in (19.2). One pass a pair, and nothing of the vectors' size is kept beside them.
 * SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"
#include "core/kernels/kernels.h"
#include "core/graph/node.h"
#include "core/graph/bf16_view.h"

#include <math.h>
#include <string.h>

static const double LEAST = 1e-10; /* the e of the formula above */

/* A pair of vectors, and the difference d of their directions. */
struct pair {
    int64_t n;
    const float *a, *b, *weight; /* weight NULL: ones */
    double length_a, length_b;
    float buffer_a[TESSI_BF16_VIEW], buffer_b[TESSI_BF16_VIEW], d[TESSI_BF16_VIEW], wd[TESSI_BF16_VIEW];
};

static void read_pair(const struct tess_op_run *r, int64_t i, struct pair *p)
{
    const struct tessi_kernels *k = tessi_kernels();
    p->n = r->in[0].dim[r->in[0].rank - 1];
    p->weight = r->in[2].data;
    p->a = tessi_graph_bf16_view_in(&r->in[0], i * p->n, p->n, p->buffer_a);
    p->b = tessi_graph_bf16_view_in(&r->in[1], i * p->n, p->n, p->buffer_b);
    p->length_a = sqrt(k->dot(p->n, p->a, p->a));
    p->length_b = sqrt(k->dot(p->n, p->b, p->b));
    k->affine(p->n, (float)(1.0 / (p->length_a + LEAST)), 0.0f, p->a, p->d);
    k->affine(p->n, (float)(-1.0 / (p->length_b + LEAST)), 0.0f, p->b, p->wd);
    k->accumulate(p->n, p->wd, p->d);
    if (p->weight)
        k->mul(p->n, p->weight, p->d, p->wd);
    else
        memcpy(p->wd, p->d, (size_t)p->n * sizeof *p->wd);
}

static int64_t pairs_of(const struct tess_op_run *r)
{
    return tess_tensor_count(&r->in[0]) / r->in[0].dim[r->in[0].rank - 1] / r->in[0].dim[0];
}

static int direction_forward(const struct tess_op_run *r)
{
    int64_t pairs = pairs_of(r);
    struct pair p;
    for (int64_t n = 0; n < r->in[0].dim[0]; n++) {
        double sum = 0.0;
        for (int64_t i = 0; i < pairs; i++) {
            read_pair(r, n * pairs + i, &p);
            sum += tessi_kernels()->dot(p.n, p.d, p.wd);
        }
        ((float *)r->out[0].data)[n] = (float)(sum / (double)pairs);
    }
    return TESS_OK;
}

/* y = x / m, m = |x| + e:  dx = g / m - x (x . g) / (m^2 |x|) with g = scale wd. A vector of zeros has no direction, and no gradient. */
static void direction_give(const struct tess_tensor *dx, int64_t i, const struct pair *p, const float *x, double length, double scale)
{
    const struct tessi_kernels *k = tessi_kernels();
    float buffer[TESSI_BF16_VIEW], along[TESSI_BF16_VIEW];
    if (!dx->data)
        return;
    float *to = tessi_graph_bf16_view_out(dx, i * p->n, buffer);
    double m = length + LEAST;
    if (length > 0.0) {
        k->affine(p->n, (float)(scale / m), 0.0f, p->wd, to);
        k->affine(p->n, (float)(-scale * k->dot(p->n, x, p->wd) / (m * m * length)), 0.0f, x, along);
        k->accumulate(p->n, along, to);
    } else {
        memset(to, 0, (size_t)p->n * sizeof *to);
    }
    tessi_graph_bf16_view_done(dx, i * p->n, p->n, buffer);
}

static int direction_backward(const struct tess_op_run *r)
{
    int64_t pairs = pairs_of(r);
    struct pair p;
    for (int64_t i = 0; i < r->in[0].dim[0] * pairs; i++) {
        double scale = 2.0 * (double)((const float *)r->dout[0].data)[i / pairs] / (double)pairs;
        read_pair(r, i, &p);
        direction_give(&r->din[0], i, &p, p.a, p.length_a, scale);
        direction_give(&r->din[1], i, &p, p.b, p.length_b, -scale);
    }
    return TESS_OK;
}

static const struct tessi_op op_direction = {.op = {.size = sizeof(struct tess_op),
                                                    .name = "direction_distance",
                                                    .keep_in = 7,
                                                    .forward = direction_forward,
                                                    .backward = direction_backward},
                                             .bf16_in = 3};

struct tess_node *tess_direction_distance(struct tess_graph *g, struct tess_node *a, struct tess_node *b, struct tess_node *weight)
{
    char left[96], right[96], last[96] = "none";
    if (!TESSI_NODES(g, "direction_distance", a, b))
        return NULL;
    const struct tess_tensor *x = &a->shape, *w = weight ? &weight->shape : NULL;
    int64_t width = x->rank > 1 ? x->dim[x->rank - 1] : 0;
    if (width < 1 || width > TESSI_BF16_VIEW || x->dtype != TESS_F32 || !tess_tensor_same_shape(x, &b->shape) ||
        (w && (w->rank != 1 || w->dim[0] != width || w->dtype != TESS_F32)))
        return tess_graph_fail(g, TESS_E_SHAPE,
                               "direction_distance wants two f32 (N, ..., C) and a weight (C) or none, C at most %d, not %s, %s and %s",
                               TESSI_BF16_VIEW, tess_tensor_text(x, left, sizeof left), tess_tensor_text(&b->shape, right, sizeof right),
                               w ? tess_tensor_text(w, last, sizeof last) : last);
    struct tess_tensor y = tessi_graph_shape(TESS_F32, 1, x->dim);
    /* the weight steers, it is not trained */
    struct tess_node *in[3] = {a, b, weight ? tess_stop_gradient(g, weight) : NULL};
    return tessi_graph_record(g, &op_direction, NULL, 0, 3, in, 1, &y, 8.0 * (double)tess_tensor_count(x));
}
