/* Group normalisation. Statistics are kept as a second output: mean and 1 / deviation of each group.
 *
 * docs/models.md, "Blocks", (1.1): u = (x - mean) rstd gamma + beta, y = u or swish(u). With m values a group and sums over it,
 *   dx = rstd (gamma du - sum(gamma du) / m - xhat sum(gamma du xhat) / m). SPDX-License-Identifier: MIT */
#include "core/base/memory.h"
#include "core/graph/arguments.h"
#include "core/ops/norms.h"
#include "core/kernels/kernels.h"
#include "core/graph/node.h"
#include "core/graph/bf16_view.h"

#include <math.h>
#include <string.h>

struct group {
    int32_t groups, swish;
    float eps;
};

/* Scratch: per channel, doubles then floats. Short rows of channels are taken several pixels at a time, as if they were one pixel of
 * `repeat` times the channels, so that a loop is worth its start; what is per channel is repeated for that. */
struct channels {
    double *first, *second;
    float *centre, *scale, *shift, *third;
    int64_t count, repeat;                     /* channels; pixels taken as one */
    const struct tessi_kernels_stored_kernels *kernels; /* for how all tensors are stored; f32 where they are stored differently */
    size_t size;                                        /* bytes of a value as those loops see it */
    float *buffer[3];                            /* windows of `step` pixels for tensors that are stored differently, else NULL */
    int64_t step;
};

enum { LONG_ROW = 512, CONVERTED = 4096 };

static int64_t group_norm_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t group_norm_repeats(int64_t c)
{
    return c < LONG_ROW ? LONG_ROW / c : 1;
}

/* Pixels of a window where values are converted: whole repeats. */
static int64_t converted_pixels(int64_t c)
{
    int64_t repeat = group_norm_repeats(c), times = CONVERTED / (repeat * c);
    return (times > 1 ? times : 1) * repeat;
}

static size_t channel_bytes(int converts, int64_t c)
{
    size_t row = (size_t)(group_norm_repeats(c) * c), rooms = converts ? 3 * (size_t)(converted_pixels(c) * c) * sizeof(float) : 0;
    return row * (2 * sizeof(double) + 4 * sizeof(float)) + rooms;
}

/* `alike`: all tensors are stored as this dtype; 0: they differ. */
static struct channels channels_of(const struct tess_op_run *r, int32_t alike, int64_t pixels, int64_t c)
{
    int64_t repeat = group_norm_repeats(c), row = repeat * c;
    double *d = r->scratch;
    float *f = (float *)(d + 2 * row);
    struct channels s = {.first = d, .second = d + row, .centre = f, .scale = f + row, .shift = f + 2 * row, .third = f + 3 * row};
    s.count = c;
    s.repeat = repeat;
    s.kernels = tessi_kernels_stored_kernels(alike ? alike : TESS_F32);
    s.size = tess_dtype_size(alike ? alike : TESS_F32);
    s.step = alike ? pixels : converted_pixels(c);
    for (int i = 0; i < 3 && !alike; i++)
        s.buffer[i] = f + 4 * row + i * s.step * c;
    return s;
}

static void group_norm_start_sums(const struct channels *s)
{
    memset(s->first, 0, 2 * (size_t)(s->repeat * s->count) * sizeof(double));
}

/* The sums of the repeats, added up in the first. */
static void group_norm_fold(const struct channels *s, double *sums)
{
    for (const double *again = sums + s->count; again < sums + s->repeat * s->count; again += s->count)
        for (int64_t j = 0; j < s->count; j++)
            sums[j] += again[j];
}

static void repeat_values(const struct channels *s, float *values)
{
    for (int64_t i = 1; i < s->repeat; i++)
        memcpy(values + i * s->count, values, (size_t)s->count * sizeof *values);
}

/* ---- passes over the pixels of one sample, which begins at value `at` ---- */

static const void *group_norm_see(const struct channels *s, const struct tess_tensor *t, int64_t first, int64_t n, int capacity)
{
    return s->buffer[capacity] ? (const void *)tessi_graph_bf16_view_in(t, first, n, s->buffer[capacity])
                               : (const char *)t->data + (size_t)first * s->size;
}

static void *group_norm_put(const struct channels *s, const struct tess_tensor *t, int64_t first, int capacity)
{
    return s->buffer[capacity] ? (void *)tessi_graph_bf16_view_out(t, first, s->buffer[capacity])
                               : (char *)t->data + (size_t)first * s->size;
}

static void group_norm_done(const struct channels *s, const struct tess_tensor *t, int64_t first, int64_t n, int capacity)
{
    if (s->buffer[capacity])
        tessi_graph_bf16_view_done(t, first, n, s->buffer[capacity]);
}

/* A window as whole repeats and the pixels left over. */
struct part {
    int64_t pixels, channels;
    size_t at; /* bytes */
};

static void group_norm_split(const struct channels *s, int64_t pixels, struct part part[2])
{
    int64_t whole = pixels / s->repeat;
    part[0] = (struct part){whole, s->repeat * s->count, 0};
    part[1] = (struct part){pixels - whole * s->repeat, s->count, (size_t)(whole * s->repeat * s->count) * s->size};
}

static void group_norm_sums(const struct tess_op_run *r, const struct channels *s, int64_t at, int64_t pixels)
{
    struct part part[2];
    for (int64_t p = 0; p < pixels; p += s->step) {
        int64_t n = group_norm_least(pixels - p, s->step);
        const char *x = group_norm_see(s, &r->in[0], at + p * s->count, n * s->count, 0);
        group_norm_split(s, n, part);
        for (int i = 0; i < 2; i++)
            s->kernels->channel_sums(part[i].pixels, part[i].channels, x + part[i].at, s->first);
    }
    group_norm_fold(s, s->first);
}

static void group_norm_squares(const struct tess_op_run *r, const struct channels *s, int64_t at, int64_t pixels)
{
    struct part part[2];
    repeat_values(s, s->centre);
    for (int64_t p = 0; p < pixels; p += s->step) {
        int64_t n = group_norm_least(pixels - p, s->step);
        const char *x = group_norm_see(s, &r->in[0], at + p * s->count, n * s->count, 0);
        group_norm_split(s, n, part);
        for (int i = 0; i < 2; i++)
            s->kernels->channel_squares(part[i].pixels, part[i].channels, x + part[i].at, s->centre, s->second);
    }
    group_norm_fold(s, s->second);
}

static void scale_shift(const struct tess_op_run *r, const struct channels *s, int64_t at, int64_t pixels)
{
    const struct group *a = r->attr;
    struct part part[2];
    for (int64_t p = 0; p < pixels; p += s->step) {
        int64_t n = group_norm_least(pixels - p, s->step), first = at + p * s->count;
        const char *x = group_norm_see(s, &r->in[0], first, n * s->count, 0);
        char *y = group_norm_put(s, &r->out[0], first, 1);
        group_norm_split(s, n, part);
        for (int i = 0; i < 2; i++)
            s->kernels->scale_shift(part[i].pixels, part[i].channels, x + part[i].at, s->scale, s->shift, a->swish, y + part[i].at);
        group_norm_done(s, &r->out[0], first, n * s->count, 1);
    }
}

/* `to` is dx, or spare memory of one sample where that is not wanted. */
static void back_sums(const struct tess_op_run *r, const struct channels *s, int64_t at, int64_t pixels, const struct tess_tensor *to,
                      int64_t to_at)
{
    const struct group *a = r->attr;
    struct part part[2];
    for (int64_t p = 0; p < pixels; p += s->step) {
        int64_t n = group_norm_least(pixels - p, s->step), first = at + p * s->count;
        const char *x = group_norm_see(s, &r->in[0], first, n * s->count, 0), *dy = group_norm_see(s, &r->dout[0], first, n * s->count, 1);
        char *du = group_norm_put(s, to, to_at + p * s->count, 2);
        group_norm_split(s, n, part);
        for (int i = 0; i < 2; i++)
            s->kernels->norm_back_sums(part[i].pixels, part[i].channels, x + part[i].at, s->scale, s->shift, s->centre, a->swish,
                                       dy + part[i].at, du + part[i].at, s->first, s->second);
        group_norm_done(s, to, to_at + p * s->count, n * s->count, 2);
    }
    group_norm_fold(s, s->first);
    group_norm_fold(s, s->second);
}

static void back_apply(const struct tess_op_run *r, const struct channels *s, int64_t at, int64_t pixels)
{
    struct part part[2];
    repeat_values(s, s->scale);
    repeat_values(s, s->shift);
    repeat_values(s, s->third);
    for (int64_t p = 0; p < pixels; p += s->step) {
        int64_t n = group_norm_least(pixels - p, s->step), first = at + p * s->count;
        const char *x = group_norm_see(s, &r->in[0], first, n * s->count, 0);
        char *du = group_norm_put(s, &r->din[0], first, 2);
        (void)group_norm_see(s, &r->din[0], first, n * s->count, 2);
        group_norm_split(s, n, part);
        for (int i = 0; i < 2; i++)
            s->kernels->norm_back_apply(part[i].pixels, part[i].channels, x + part[i].at, s->scale, s->shift, s->third, du + part[i].at);
        group_norm_done(s, &r->din[0], first, n * s->count, 2);
    }
}

/* centre, scale = rstd gamma, shift = beta - centre scale, per channel, from the kept statistics. */
static void group_norm_spread(const struct tess_op_run *r, int64_t c, const float *stats, const struct channels *s)
{
    const struct group *a = r->attr;
    const float *gamma = r->in[1].data, *beta = r->in[2].data;
    int64_t width = c / a->groups;
    for (int64_t first = 0; first < c; first += width, stats += 2)
        for (int64_t i = first; i < first + width; i++) {
            s->centre[i] = stats[0];
            s->scale[i] = stats[1] * gamma[i];
            s->shift[i] = beta[i] - stats[0] * s->scale[i];
        }
    repeat_values(s, s->centre);
    repeat_values(s, s->scale);
    repeat_values(s, s->shift);
}

static int group_forward(const struct tess_op_run *r)
{
    const struct group *a = r->attr;
    const struct tess_tensor *x = &r->in[0];
    int64_t n = x->dim[0], c = x->dim[x->rank - 1], pixels = tess_tensor_count(x) / (n * c), width = c / a->groups;
    struct channels s = channels_of(r, tessi_graph_bf16_view_alike(x, &r->out[0]) ? x->dtype : 0, pixels, c);
    for (int64_t i = 0; i < n; i++) {
        float *stats = (float *)r->out[1].data + i * a->groups * 2;
        group_norm_start_sums(&s);
        group_norm_sums(r, &s, i * pixels * c, pixels);
        for (int64_t j = 0; j < c; j += width) {
            double sum = 0.0;
            for (int64_t q = j; q < j + width; q++)
                sum += s.first[q];
            for (int64_t q = j; q < j + width; q++)
                s.centre[q] = (float)(sum / (double)(pixels * width));
        }
        group_norm_squares(r, &s, i * pixels * c, pixels);
        for (int64_t j = 0; j < c; j += width) {
            double sum = 0.0;
            for (int64_t q = j; q < j + width; q++)
                sum += s.second[q];
            stats[2 * (j / width)] = s.centre[j];
            stats[2 * (j / width) + 1] = (float)(1.0 / sqrt(sum / (double)(pixels * width) + (double)a->eps));
        }
        group_norm_spread(r, c, stats, &s);
        scale_shift(r, &s, i * pixels * c, pixels);
    }
    return TESS_OK;
}

/* y of the kept statistics, which spares two of three passes. */
static int group_again(const struct tess_op_run *r)
{
    const struct group *a = r->attr;
    const struct tess_tensor *x = &r->in[0];
    int64_t n = x->dim[0], c = x->dim[x->rank - 1], pixels = tess_tensor_count(x) / (n * c);
    struct channels s = channels_of(r, tessi_graph_bf16_view_alike(x, &r->out[0]) ? x->dtype : 0, pixels, c);
    for (int64_t i = 0; i < n; i++) {
        group_norm_spread(r, c, (const float *)r->out[1].data + i * a->groups * 2, &s);
        scale_shift(r, &s, i * pixels * c, pixels);
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
    struct tess_tensor du = r->din[0];
    int64_t du_step = pixels * c;
    if (!du.data) { /* dx is not wanted, what it is made of is */
        du = *x;
        du.data = (char *)r->scratch + tessi_base_aligned(channel_bytes(1, c));
        du_step = 0;
    }
    int alike = tessi_graph_bf16_view_alike(x, &r->dout[0]) && tessi_graph_bf16_view_alike(x, &du);
    struct channels s = channels_of(r, alike ? x->dtype : 0, pixels, c);
    if (dgamma)
        memset(dgamma, 0, (size_t)c * sizeof(float));
    if (dbeta)
        memset(dbeta, 0, (size_t)c * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        const float *stats = (const float *)r->out[1].data + i * a->groups * 2;
        int64_t at = i * pixels * c;
        group_norm_spread(r, c, stats, &s);
        group_norm_start_sums(&s);
        back_sums(r, &s, at, pixels, &du, i * du_step);
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
            double slope = -rstd * rstd * sum_x / m; /* coefficient of x in dx */
            for (int64_t q = j; q < j + width; q++) {
                s.shift[q] = (float)slope;
                s.third[q] = (float)(-rstd * sum / m - slope * (double)s.centre[q]);
            }
        }
        if (r->din[0].data)
            back_apply(r, &s, at, pixels);
    }
    return TESS_OK;
}

static int group_prepare(struct tess_context *context, struct tess_graph *g, struct tessi_step *s)
{
    const struct tess_tensor *x = &s->in[0]->shape;
    int64_t c = x->dim[x->rank - 1];
    int unwanted = 0; /* 1 when some objective does not need dx */
    (void)context;
    for (int64_t k = 0; k < g->backs; k++)
        unwanted |= g->back[k].step >= 0 && !g->back[k].again && g->step[g->back[k].step] == s && !g->back[k].wanted[0];
    s->scratch_forward = channel_bytes(1, c);
    s->scratch_backward = tessi_base_aligned(channel_bytes(1, c));
    if (unwanted)
        s->scratch_backward += tess_tensor_bytes(x) / (size_t)x->dim[0];
    return TESS_OK;
}

#define GROUP_NORM(text)                                                                                                                   \
    {                                                                                                                                      \
        .op = {.size = sizeof(struct tess_op),                                                                                             \
               .name = text,                                                                                                               \
               .keep_in = 7,                                                                                                               \
               .keep_out = 2,                                                                                                              \
               .forward = group_forward,                                                                                                   \
               .backward = group_backward},                                                                                                \
        .prepare = group_prepare, .again = group_again, .cheap = TESSI_CHEAP, .bf16_in = 1, .bf16_out = 1                                  \
    }
static const struct tessi_op op_group_norm = GROUP_NORM("group_norm"), op_group_norm_swish = GROUP_NORM("group_norm_swish");

int tessi_ops_affine_fits(const struct tess_node *x, const struct tess_node *gamma, const struct tess_node *beta)
{
    int64_t c = x->shape.rank ? x->shape.dim[x->shape.rank - 1] : 0;
    return x->shape.dtype == TESS_F32 && gamma->shape.dtype == TESS_F32 && beta->shape.dtype == TESS_F32 && c && gamma->shape.rank == 1 &&
           gamma->shape.dim[0] == c && beta->shape.rank == 1 && beta->shape.dim[0] == c;
}

static struct tess_node *record_group(struct tess_graph *g, struct tess_node *x, struct tess_node *gamma, struct tess_node *beta,
                                      int32_t groups, float eps, int32_t swish)
{
    char text[96];
    struct group a = {groups, swish, eps};
    if (!TESSI_NODES(g, swish ? "group_norm_swish" : "group_norm", x, gamma, beta))
        return NULL;
    if (!tessi_ops_affine_fits(x, gamma, beta) || x->shape.rank < 2 || groups < 1 || !(eps >= 0.0f) ||
        x->shape.dim[x->shape.rank - 1] % groups)
        return tess_graph_fail(
            g, TESS_E_SHAPE,
            "group_norm of %s in %d groups: groups that divide the channels, and a scale and an offset for each channel are wanted",
            tess_tensor_text(&x->shape, text, sizeof text), (int)groups);
    struct tess_tensor out[2] = {x->shape, tessi_graph_shape(TESS_F32, 3, (int64_t[]){x->shape.dim[0], groups, 2})};
    struct tess_node *in[3] = {x, gamma, beta};
    return tessi_graph_record(g, swish ? &op_group_norm_swish : &op_group_norm, &a, sizeof a, 3, in, 2, out,
                              8.0 * (double)tess_tensor_count(&x->shape));
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
