/* Group and layer normalisation. Statistics are kept as a second output: mean and 1 / deviation of each group or row.
 *
 * Group: u = (x - mean) rstd gamma + beta, y = u or swish(u). With m values a group and sums over it,
 *   dx = rstd (gamma du - sum(gamma du) / m - xhat sum(gamma du xhat) / m). SPDX-License-Identifier: MIT */
#include "core/tensor/kernels.h"
#include "core/tensor/node.h"
#include "core/tensor/window.h"

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
    float *room[3]; /* windows of `step` pixels, for what is stored as bf16 */
    int64_t step;
};

/* Pixels of a window: all of them where nothing is to be converted. */
enum { CONVERTED = 8192 };
static int64_t step_of(int narrow, int64_t pixels, int64_t c)
{
    int64_t step = c < CONVERTED / 8 ? CONVERTED / c : 8;
    return narrow && step < pixels ? step : pixels;
}

static struct channels channels_of(const struct tess_op_run *r, int narrow, int64_t pixels, int64_t c)
{
    double *d = r->scratch;
    float *f = (float *)(d + 2 * c);
    struct channels s = {.first = d, .second = d + c, .centre = f, .scale = f + c, .shift = f + 2 * c, .third = f + 3 * c};
    s.step = step_of(narrow, pixels, c);
    for (int i = 0; i < 3 && narrow; i++)
        s.room[i] = f + 4 * c + i * s.step * c;
    return s;
}

static size_t channel_bytes(int narrow, int64_t pixels, int64_t c)
{
    size_t rooms = narrow ? 3 * (size_t)(step_of(narrow, pixels, c) * c) * sizeof(float) : 0;
    return (size_t)c * (2 * sizeof(double) + 4 * sizeof(float)) + rooms;
}

static int is_narrow(const struct tess_tensor *t)
{
    return t->dtype == TESS_BF16;
}

/* ---- passes over the pixels of one sample, which begins at value `at` ---- */

static void sums(const struct tess_op_run *r, const struct channels *s, int64_t at, int64_t pixels, int64_t c)
{
    for (int64_t p = 0; p < pixels; p += s->step) {
        int64_t n = pixels - p < s->step ? pixels - p : s->step;
        tessi_kernels()->channel_sums(n, c, tessi_window_in(&r->in[0], at + p * c, n * c, s->room[0]), s->first);
    }
}

static void squares(const struct tess_op_run *r, const struct channels *s, int64_t at, int64_t pixels, int64_t c)
{
    for (int64_t p = 0; p < pixels; p += s->step) {
        int64_t n = pixels - p < s->step ? pixels - p : s->step;
        tessi_kernels()->channel_squares(n, c, tessi_window_in(&r->in[0], at + p * c, n * c, s->room[0]), s->centre, s->second);
    }
}

static void scale_shift(const struct tess_op_run *r, const struct channels *s, int64_t at, int64_t pixels, int64_t c)
{
    const struct group *a = r->attr;
    for (int64_t p = 0; p < pixels; p += s->step) {
        int64_t n = pixels - p < s->step ? pixels - p : s->step, first = at + p * c;
        tessi_kernels()->scale_shift(n, c, tessi_window_in(&r->in[0], first, n * c, s->room[0]), s->scale, s->shift, a->swish,
                                     tessi_window_out(&r->out[0], first, s->room[1]));
        tessi_window_done(&r->out[0], first, n * c, s->room[1]);
    }
}

/* `to` is dx, or spare memory of one sample where that is not wanted. */
static void back_sums(const struct tess_op_run *r, const struct channels *s, int64_t at, int64_t pixels, int64_t c,
                      const struct tess_tensor *to, int64_t to_at)
{
    const struct group *a = r->attr;
    for (int64_t p = 0; p < pixels; p += s->step) {
        int64_t n = pixels - p < s->step ? pixels - p : s->step, first = at + p * c;
        tessi_kernels()->norm_back_sums(n, c, tessi_window_in(&r->in[0], first, n * c, s->room[0]), s->scale, s->shift, s->centre, a->swish,
                                        tessi_window_in(&r->dout[0], first, n * c, s->room[1]),
                                        tessi_window_out(to, to_at + p * c, s->room[2]), s->first, s->second);
        tessi_window_done(to, to_at + p * c, n * c, s->room[2]);
    }
}

static void back_apply(const struct tess_op_run *r, const struct channels *s, int64_t at, int64_t pixels, int64_t c)
{
    const struct tess_tensor *dx = &r->din[0];
    for (int64_t p = 0; p < pixels; p += s->step) {
        int64_t n = pixels - p < s->step ? pixels - p : s->step, first = at + p * c;
        float *du = tessi_window_out(dx, first, s->room[2]);
        (void)tessi_window_in(dx, first, n * c, s->room[2]);
        tessi_kernels()->norm_back_apply(n, c, tessi_window_in(&r->in[0], first, n * c, s->room[0]), s->scale, s->shift, s->third, du);
        tessi_window_done(dx, first, n * c, s->room[2]);
    }
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
    const struct group *a = r->attr;
    const struct tess_tensor *x = &r->in[0];
    int64_t n = x->dim[0], c = x->dim[x->rank - 1], pixels = tess_tensor_count(x) / (n * c), width = c / a->groups;
    struct channels s = channels_of(r, is_narrow(x) || is_narrow(&r->out[0]), pixels, c);
    for (int64_t i = 0; i < n; i++) {
        float *stats = (float *)r->out[1].data + i * a->groups * 2;
        memset(s.first, 0, 2 * (size_t)c * sizeof(double));
        sums(r, &s, i * pixels * c, pixels, c);
        for (int64_t j = 0; j < c; j += width) {
            double sum = 0.0;
            for (int64_t q = j; q < j + width; q++)
                sum += s.first[q];
            for (int64_t q = j; q < j + width; q++)
                s.centre[q] = (float)(sum / (double)(pixels * width));
        }
        squares(r, &s, i * pixels * c, pixels, c);
        for (int64_t j = 0; j < c; j += width) {
            double sum = 0.0;
            for (int64_t q = j; q < j + width; q++)
                sum += s.second[q];
            stats[2 * (j / width)] = s.centre[j];
            stats[2 * (j / width) + 1] = (float)(1.0 / sqrt(sum / (double)(pixels * width) + (double)a->eps));
        }
        spread(r, c, stats, &s);
        scale_shift(r, &s, i * pixels * c, pixels, c);
    }
    return TESS_OK;
}

static int group_backward(const struct tess_op_run *r)
{
    const struct group *a = r->attr;
    const struct tess_tensor *x = &r->in[0];
    int64_t n = x->dim[0], c = x->dim[x->rank - 1], pixels = tess_tensor_count(x) / (n * c), width = c / a->groups;
    const float *gamma = r->in[1].data;
    float *dgamma = r->din[1].data, *dbeta = r->din[2].data;
    int narrow = is_narrow(x) || is_narrow(&r->dout[0]) || (r->din[0].data && is_narrow(&r->din[0]));
    struct channels s = channels_of(r, narrow, pixels, c);
    struct tess_tensor spare = *x; /* for du where dx is not wanted */
    spare.dtype = TESS_F32;
    spare.data = (char *)r->scratch + (channel_bytes(narrow, pixels, c) + 63) / 64 * 64;
    if (dgamma)
        memset(dgamma, 0, (size_t)c * sizeof(float));
    if (dbeta)
        memset(dbeta, 0, (size_t)c * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        const float *stats = (const float *)r->out[1].data + i * a->groups * 2;
        int64_t at = i * pixels * c;
        spread(r, c, stats, &s);
        memset(s.first, 0, 2 * (size_t)c * sizeof(double));
        back_sums(r, &s, at, pixels, c, r->din[0].data ? &r->din[0] : &spare, r->din[0].data ? at : 0);
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
            back_apply(r, &s, at, pixels, c);
    }
    return TESS_OK;
}

static int group_prepare(struct tess_call *call, struct tess_graph *g, struct tessi_step *s)
{
    const struct tess_tensor *x = &s->in[0]->shape;
    int64_t c = x->dim[x->rank - 1], pixels = tess_tensor_count(x) / (x->dim[0] * c);
    int narrow = g->runtime->precision == TESS_BF16;
    (void)call;
    s->scratch_forward = channel_bytes(narrow, pixels, c);
    s->scratch_backward = (channel_bytes(narrow, pixels, c) + 63) / 64 * 64;
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
                                              .prepare = group_prepare,
                                              .narrow_in = 1,
                                              .narrow_out = 1};

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
    const struct tess_tensor *x = &r->in[0];
    int64_t c = x->dim[x->rank - 1], rows = tess_tensor_count(x) / c;
    float *stats = r->out[1].data, *room = r->scratch;
    for (int64_t i = 0; i < rows; i++) {
        tessi_kernels()->layer_norm(c, *(const float *)r->attr, tessi_window_in(x, i * c, c, room), r->in[1].data, r->in[2].data,
                                    tessi_window_out(&r->out[0], i * c, room + c), stats + 2 * i, stats + 2 * i + 1);
        tessi_window_done(&r->out[0], i * c, c, room + c);
    }
    return TESS_OK;
}

static int layer_backward(const struct tess_op_run *r)
{
    const struct tess_tensor *x = &r->in[0], *dx = &r->din[0];
    int64_t c = x->dim[x->rank - 1], rows = tess_tensor_count(x) / c;
    const float *stats = r->out[1].data;
    float *spare = r->scratch, *room = spare + 2 * c;
    float *dgamma = r->din[1].data ? r->din[1].data : spare, *dbeta = r->din[2].data ? r->din[2].data : spare + c;
    memset(dgamma, 0, (size_t)c * sizeof(float));
    memset(dbeta, 0, (size_t)c * sizeof(float));
    for (int64_t i = 0; i < rows; i++) {
        tessi_kernels()->layer_norm_back(c, tessi_window_in(x, i * c, c, room), stats[2 * i], stats[2 * i + 1], r->in[1].data,
                                         tessi_window_in(&r->dout[0], i * c, c, room + c),
                                         dx->data ? tessi_window_out(dx, i * c, room + 2 * c) : NULL, dgamma, dbeta);
        if (dx->data)
            tessi_window_done(dx, i * c, c, room + 2 * c);
    }
    return TESS_OK;
}

static int layer_prepare(struct tess_call *call, struct tess_graph *g, struct tessi_step *s)
{
    size_t row = tess_tensor_bytes(&s->in[1]->shape);
    (void)call;
    (void)g;
    s->scratch_forward = 2 * row;
    s->scratch_backward = 5 * row;
    return TESS_OK;
}

static const struct tessi_op op_layer_norm = {.op = {.size = sizeof(struct tess_op),
                                                     .name = "layer_norm",
                                                     .keep_in = 3,
                                                     .keep_out = 2,
                                                     .forward = layer_forward,
                                                     .backward = layer_backward},
                                              .prepare = layer_prepare,
                                              .narrow_in = 1,
                                              .narrow_out = 1};

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
