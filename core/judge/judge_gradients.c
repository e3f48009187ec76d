/* The test of gradients, for every kind that records: backward against differences along drawn directions. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/graph/node.h"

#include <math.h>
#include <stdio.h>

/* Root mean square of a weight at the time when the direction was drawn: moved by h, each weight changes by a share h of its size. */
static double gradients_size(const struct judge_piece *p, int64_t i)
{
    const struct tess_tensor *shape = &p->weights->item[i].shape;
    const float *x = p->weights->role[TESS_ROLE_VALUE] + p->weights->item[i].offset;
    double sum = 0.0;
    int64_t n = tess_tensor_count(shape);
    for (int64_t k = 0; k < n; k++)
        sum += (double)x[k] * (double)x[k];
    return sqrt(sum / (double)(n ? n : 1)) + 1e-3;
}

/* A direction: the size of each weight, the gradient along it, and how large that is for any direction of these sizes. */
struct gradients_line {
    double *size, slope, usual;
    int64_t number;
};

static double gradients_square(const struct tess_tensor *gradient)
{
    double sum = 0.0;
    for (int64_t k = 0, n = tess_tensor_count(gradient); k < n; k++)
        sum += (double)((const float *)gradient->data)[k] * (double)((const float *)gradient->data)[k];
    return sum;
}

/* Moves all trained weights, drawn inputs among them, by h along the direction; sizes and slopes are computed where h is 0. */
static int gradients_move(struct judge_piece *p, struct gradients_line *line, double h)
{
    double square = 0.0, slope = 0.0;
    for (int64_t i = 0; i < tess_weights_count(p->weights); i++) {
        struct tess_tensor value, gradient;
        const char *name = tess_weights_name(p->weights, i);
        if (p->weights->item[i].init.flags & TESS_WEIGHT_BUFFER)
            continue;
        TESS_TRY(tess_weights_view(p->ctx, p->weights, i, TESS_ROLE_VALUE, &value));
        TESS_TRY(tess_graph_gradient(p->ctx, p->graph, name, &gradient));
        const struct tess_stream s = {.seed = p->j->seed, .purpose = tess_purpose(name), .step = (uint32_t)(100 + line->number)};
        if (h == 0.0) {
            line->size[i] = gradients_size(p, i);
            square += line->size[i] * line->size[i] * gradients_square(&gradient);
        }
        slope += line->size[i] * judge_add_normal(&s, h * line->size[i], &value, gradient.data);
    }
    if (h == 0.0) {
        line->slope = slope;
        line->usual = sqrt(square);
    }
    tess_weights_touch(p->weights);
    return TESS_OK;
}

/* Value of the objective after a run: added in double from the outputs, which are exact to f32. */
static int gradients_objective(struct judge_piece *p, double *value)
{
    struct tess_tensor t, shape;
    char name[80];
    *value = 0.0;
    int status = judge_piece_run(p, 0);
    if (status != TESS_OK)
        return judge_ok(p->j, p->ctx, p->work->name, status);
    for (int32_t k = 0; k < p->outputs; k++) {
        shape = p->out[k].value;
        if (shape.dtype != TESS_F32)
            continue;
        snprintf(name, sizeof name, "judge.direction.%s", p->out[k].name);
        int64_t n = tess_tensor_count(&shape);
        if (shape.rank && tess_weights_find(p->ctx, p->weights, name, TESS_ROLE_VALUE, &t) != TESS_OK)
            return judge_fail(p->j, "%s", tess_message(p->ctx));
        for (int64_t i = 0; i < n; i++)
            *value += (double)((const float *)shape.data)[i] * (shape.rank ? (double)((const float *)t.data)[i] / (double)n : 1.0);
    }
    return TESS_OK;
}

/* Checks the gradient along one direction against (f(x + h d) - f(x - h d)) / 2h. Where steps of several sizes disagree with it, it is
 * wrong; a kink is within the reach of some, and rounding in the small ones. */
static int gradients_direction(struct judge_piece *p, struct gradients_line *line)
{
    const double steps[5] = {1e-3, 3e-3, 1e-2, 3e-4, 1e-4};
    double plus, minus, last = 0.0, f;
    JUDGE_TRY(gradients_objective(p, &f));
    JUDGE_TRY(gradients_move(p, line, 0.0));
    for (int k = 0; k < 5; k++) {
        double h = steps[k];
        JUDGE_TRY(gradients_move(p, line, h));
        JUDGE_TRY(gradients_objective(p, &plus));
        JUDGE_TRY(gradients_move(p, line, -2.0 * h));
        JUDGE_TRY(gradients_objective(p, &minus));
        JUDGE_TRY(gradients_move(p, line, h));
        last = (plus - minus) / (2.0 * h);
        double rounding = 2e-7 * (fabs(plus) + fabs(minus) + 0.1) / h;
        if (fabs(last - line->slope) <= 0.03 * fmax(fmax(fabs(last), fabs(line->slope)), line->usual) + rounding)
            return TESS_OK;
    }
    return judge_fail(p->j, "%s: wanted the gradient along a drawn direction to be the slope %.6g, found %.6g", p->work->name, last,
                      line->slope);
}

static int gradients_piece(struct judge *j, struct tess_instance *i, const struct judge_workload *w)
{
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = w, .instance = i, .rows = 2, .microbatches = 1, .gradients = 1};
    void *size = NULL;
    int status = w->smooth ? judge_piece_begin(&p) : judge_unfit(j, "it is not smooth");
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "the test",
                          tess_alloc(j->ctx, (size_t)(tess_weights_count(p.weights) + 1) * sizeof(double), "sizes", &size));
    struct gradients_line line = {.size = size};
    for (; status == TESS_OK && line.number < 2 + (int64_t)j->level; line.number++)
        status = gradients_direction(&p, &line);
    tess_free(size);
    if (p.graph)
        judge_piece_close(&p);
    return status;
}

static int gradients_body(struct judge *j, struct tess_instance *i)
{
    return judge_each_workload(j, i, gradients_piece);
}

int judge_gradients(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, gradients_body);
}
