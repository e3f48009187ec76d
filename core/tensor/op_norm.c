/* Group and layer normalisation. Statistics are kept as a second output: mean and 1 / deviation of each group or row.
 *
 * Group: u = (x - mean) rstd gamma + beta, y = u or swish(u). With m values a group and sums over it,
 *   dx = rstd (gamma du - sum(gamma du) / m - xhat sum(gamma du xhat) / m). SPDX-License-Identifier: MIT */
#include "core/tensor/kernels.h"
#include "core/tensor/node.h"

#include <math.h>
#include <string.h>

struct group {
    int32_t groups, swish;
    float eps;
};

/* Scratch: per channel, doubles then floats. */
struct channels {
    double *first, *second;
    float *centre, *scale, *shift, *third;
};

static struct channels channels_of(const struct tess_op_run *r, int64_t c)
{
    double *d = r->scratch;
    float *f = (float *)(d + 2 * c);
    return (struct channels){d, d + c, f, f + c, f + 2 * c, f + 3 * c};
}

static size_t channel_bytes(int64_t c)
{
    return (size_t)c * (2 * sizeof(double) + 4 * sizeof(float));
}

/* centre, scale = rstd gamma, shift = beta - centre scale, per channel, from the kept statistics. */
static void spread(const struct tess_op_run *r, int64_t c, const float *stats, const struct channels *s)
{
    const struct group *a = r->attr;
    const float *gamma = r->in[1].data, *beta = r->in[2].data;
    int64_t width = c / a->groups;
    for (int64_t i = 0; i < c; i++) {
        const float *p = stats + 2 * (i / width);
        s->centre[i] = p[0];
        s->scale[i] = p[1] * gamma[i];
        s->shift[i] = beta[i] - p[0] * s->scale[i];
    }
}

static int group_forward(const struct tess_op_run *r)
{
    const struct tessi_kernels *k = tessi_kernels();
    const struct group *a = r->attr;
    const struct tess_tensor *x = &r->in[0];
    int64_t n = x->dim[0], c = x->dim[x->rank - 1], pixels = tess_tensor_count(x) / (n * c), width = c / a->groups;
    struct channels s = channels_of(r, c);
    for (int64_t i = 0; i < n; i++) {
        const float *xi = (const float *)x->data + i * pixels * c;
        float *stats = (float *)r->out[1].data + i * a->groups * 2;
        memset(s.first, 0, 2 * (size_t)c * sizeof(double));
        k->channel_sums(pixels, c, xi, s.first);
        for (int64_t j = 0; j < c; j += width) {
            double sum = 0.0;
            for (int64_t q = j; q < j + width; q++)
                sum += s.first[q];
            for (int64_t q = j; q < j + width; q++)
                s.centre[q] = (float)(sum / (double)(pixels * width));
        }
        k->channel_squares(pixels, c, xi, s.centre, s.second);
        for (int64_t j = 0; j < c; j += width) {
            double sum = 0.0;
            for (int64_t q = j; q < j + width; q++)
                sum += s.second[q];
            stats[2 * (j / width)] = s.centre[j];
            stats[2 * (j / width) + 1] = (float)(1.0 / sqrt(sum / (double)(pixels * width) + (double)a->eps));
        }
        spread(r, c, stats, &s);
        k->scale_shift(pixels, c, xi, s.scale, s.shift, a->swish, (float *)r->out[0].data + i * pixels * c);
    }
    return TESS_OK;
}

static int group_backward(const struct tess_op_run *r)
{
    const struct tessi_kernels *k = tessi_kernels();
    const struct group *a = r->attr;
    const struct tess_tensor *x = &r->in[0];
    int64_t n = x->dim[0], c = x->dim[x->rank - 1], pixels = tess_tensor_count(x) / (n * c), width = c / a->groups;
    const float *gamma = r->in[1].data;
    float *dgamma = r->din[1].data, *dbeta = r->din[2].data;
    struct channels s = channels_of(r, c);
    float *spare = (float *)((char *)r->scratch + (channel_bytes(c) + 63) / 64 * 64); /* du where dx is not wanted */
    if (dgamma)
        memset(dgamma, 0, (size_t)c * sizeof(float));
    if (dbeta)
        memset(dbeta, 0, (size_t)c * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        const float *xi = (const float *)x->data + i * pixels * c, *stats = (const float *)r->out[1].data + i * a->groups * 2;
        float *du = r->din[0].data ? (float *)r->din[0].data + i * pixels * c : spare;
        spread(r, c, stats, &s);
        memset(s.first, 0, 2 * (size_t)c * sizeof(double));
        k->norm_back_sums(pixels, c, xi, s.scale, s.shift, s.centre, a->swish, (const float *)r->dout[0].data + i * pixels * c, du, s.first,
                          s.second);
        for (int64_t j = 0; j < c; j += width) {
            double rstd = (double)stats[2 * (j / width) + 1], sum = 0.0, sum_x = 0.0, m = (double)(pixels * width);
            for (int64_t q = j; q < j + width; q++) {
                sum += (double)gamma[q] * s.first[q];
                sum_x += (double)gamma[q] * s.second[q] * rstd;
                if (dgamma)
                    dgamma[q] += (float)(s.second[q] * rstd);
                if (dbeta)
                    dbeta[q] += (float)s.first[q];
            }
            double slope = -rstd * rstd * sum_x / m; /* of x in dx */
            for (int64_t q = j; q < j + width; q++) {
                s.shift[q] = (float)slope;
                s.third[q] = (float)(-rstd * sum / m - slope * (double)s.centre[q]);
            }
        }
        if (r->din[0].data)
            k->norm_back_apply(pixels, c, xi, s.scale, s.shift, s.third, du);
    }
    return TESS_OK;
}

static int group_prepare(struct tess_call *call, struct tess_graph *g, struct tessi_step *s)
{
    const struct tess_tensor *x = &s->in[0]->shape;
    int64_t c = x->dim[x->rank - 1];
    (void)call;
    (void)g;
    s->scratch_forward = channel_bytes(c);
    s->scratch_backward = (channel_bytes(c) + 63) / 64 * 64;
    if (!s->in[0]->gradient_of)
        s->scratch_backward += tess_tensor_bytes(x) / (size_t)x->dim[0];
    return TESS_OK;
}

static const struct tessi_op op_group_norm = {.op = {.size = sizeof(struct tess_op),
                                                     .name = "group_norm",
                                                     .keep_in = 7,
                                                     .keep_out = 2,
                                                     .forward = group_forward,
                                                     .backward = group_backward},
                                              .prepare = group_prepare};

static int affine_fits(const struct tess_node *x, const struct tess_node *gamma, const struct tess_node *beta)
{
    int64_t c = x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 0;
    return x->shape.dtype == TESS_F32 && c && gamma->shape.rank == 1 && gamma->shape.dim[0] == c && beta->shape.rank == 1 &&
           beta->shape.dim[0] == c;
}

static struct tess_node *record_group(struct tess_graph *g, struct tess_node *x, struct tess_node *gamma, struct tess_node *beta,
                                      int32_t groups, float eps, int32_t swish)
{
    char text[96];
    struct group a = {groups, swish, eps};
    if (!x || !gamma || !beta)
        return NULL;
    if (!affine_fits(x, gamma, beta) || x->shape.rank < 2 || groups < 1 || x->shape.dim[x->shape.rank - 1] % groups)
        return tess_graph_fail(g, TESS_E_SHAPE, "group normalisation of %s in %d groups: groups must divide the channels",
                               tess_tensor_text(&x->shape, text, sizeof text), (int)groups);
    struct tess_tensor out[2] = {x->shape, tessi_shape(TESS_F32, 3, (int64_t[]){x->shape.dim[0], groups, 2})};
    struct tess_node *in[3] = {x, gamma, beta};
    return tessi_record(g, &op_group_norm, &a, sizeof a, 3, in, 2, out, 8.0 * (double)tess_tensor_count(&x->shape));
}

struct tess_node *tess_group_norm(struct tess_graph *g, struct tess_node *x, struct tess_node *gamma, struct tess_node *beta,
                                  int32_t groups, float eps)
{
    return record_group(g, x, gamma, beta, groups, eps, 0);
}

struct tess_node *tess_group_norm_swish(struct tess_graph *g, struct tess_node *x, struct tess_node *gamma, struct tess_node *beta,
                                        int32_t groups, float eps)
{
    return record_group(g, x, gamma, beta, groups, eps, 1);
}

/* ---- layer normalisation ---- */

static int layer_forward(const struct tess_op_run *r)
{
    const struct tessi_kernels *k = tessi_kernels();
    const struct tess_tensor *x = &r->in[0];
    int64_t c = x->dim[x->rank - 1], rows = tess_tensor_count(x) / c;
    float *stats = r->out[1].data;
    for (int64_t i = 0; i < rows; i++)
        k->layer_norm(c, *(const float *)r->attr, (const float *)x->data + i * c, r->in[1].data, r->in[2].data,
                      (float *)r->out[0].data + i * c, stats + 2 * i, stats + 2 * i + 1);
    return TESS_OK;
}

static int layer_backward(const struct tess_op_run *r)
{
    const struct tessi_kernels *k = tessi_kernels();
    const struct tess_tensor *x = &r->in[0];
    int64_t c = x->dim[x->rank - 1], rows = tess_tensor_count(x) / c;
    const float *stats = r->out[1].data;
    float *dgamma = r->din[1].data ? r->din[1].data : r->scratch, *dbeta = r->din[2].data ? r->din[2].data : (float *)r->scratch + c;
    memset(dgamma, 0, (size_t)c * sizeof(float));
    memset(dbeta, 0, (size_t)c * sizeof(float));
    for (int64_t i = 0; i < rows; i++)
        k->layer_norm_back(c, (const float *)x->data + i * c, stats[2 * i], stats[2 * i + 1], r->in[1].data,
                           (const float *)r->dout[0].data + i * c, r->din[0].data ? (float *)r->din[0].data + i * c : NULL, dgamma, dbeta);
    return TESS_OK;
}

static int layer_prepare(struct tess_call *call, struct tess_graph *g, struct tessi_step *s)
{
    (void)call;
    (void)g;
    s->scratch_backward = 2 * tess_tensor_bytes(&s->in[1]->shape);
    return TESS_OK;
}

static const struct tessi_op op_layer_norm = {.op = {.size = sizeof(struct tess_op),
                                                     .name = "layer_norm",
                                                     .keep_in = 3,
                                                     .keep_out = 2,
                                                     .forward = layer_forward,
                                                     .backward = layer_backward},
                                              .prepare = layer_prepare};

struct tess_node *tess_layer_norm(struct tess_graph *g, struct tess_node *x, struct tess_node *gamma, struct tess_node *beta, float eps)
{
    char text[96];
    if (!x || !gamma || !beta)
        return NULL;
    if (!affine_fits(x, gamma, beta))
        return tess_graph_fail(g, TESS_E_SHAPE,
                               "layer normalisation of %s: scale and offset must have as many values as the last dimension",
                               tess_tensor_text(&x->shape, text, sizeof text));
    int64_t c = x->shape.dim[x->shape.rank - 1];
    struct tess_tensor out[2] = {x->shape, tessi_shape(TESS_F32, 2, (int64_t[]){tess_tensor_count(&x->shape) / c, 2})};
    struct tess_node *in[3] = {x, gamma, beta};
    return tessi_record(g, &op_layer_norm, &eps, sizeof eps, 3, in, 2, out, 8.0 * (double)tess_tensor_count(&x->shape));
}
