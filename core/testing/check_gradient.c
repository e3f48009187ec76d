/* The backward pass of a piece of a graph against differences of its forward pass.
 *
 * f32 inputs are recorded as weights, so that they have gradients. The objective is the sum of all outputs times fixed random numbers: no
 * structure of the gradient goes unseen. For the differences that sum is made here, in double, of the outputs as they are; what rounding
 * each of them to f32 may add is known from their sizes, and allowed for.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph/weight_store.h"
#include "core/testing/testing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TRIES = 5 };
#define OUTPUT_ROUNDING (8.0 / 16777216.0) /* a few units in the last place of f32 */

struct gradient_check {
    struct tess_context *ctx;
    const struct tess_test_graph *t;
    struct tess_gradient_options o;
    struct tess_gradient_report report;
    struct tessi_testing_graph g;
    struct tess_batch batch;
    struct tess_tensor *in, *total, *made, *mix; /* integer inputs; all totals; by output: where it is among them, and its factors */
    void *memory;
    double largest; /* derivative of the tensor at hand */
    int depends;    /* some element has a derivative other than 0, by either way */
};

/* Gradient check of one element: value, backward derivative, central difference, estimated rounding error of the difference, error. */
struct slope {
    double value, backward, difference, rounding, error;
    int kink; /* the error may come from a kink near by */
};

static double or_default(double value, double otherwise)
{
    return value > 0.0 ? value : otherwise;
}

static int take_options(struct gradient_check *k, const struct tess_gradient_options *o)
{
    if (o && !TESS_HAS(o, max_elements))
        return k->ctx->fail(k->ctx, TESS_E_USAGE, "tess_check_gradient: wanted options whose `size` is theirs, found %u",
                            (unsigned)o->size);
    if (k->t->weights || k->t->microbatches > 1)
        return k->ctx->fail(k->ctx, TESS_E_USAGE, "tess_check_gradient: wanted one microbatch and no weights from before");
    k->o = o ? *o : (struct tess_gradient_options){.size = sizeof k->o};
    k->o.tolerance = or_default(k->o.tolerance, 2e-3);
    k->o.step = or_default(k->o.step, 1e-2);
    k->o.perturb = k->o.perturb < 0.0 ? 0.0 : or_default(k->o.perturb, 0.1);
    k->o.max_elements = k->o.max_elements > 0 ? k->o.max_elements : 64;
    return TESS_OK;
}

/* ---- recording ----------------------------------------------------------------------------------------------------- */

static void record_inputs(struct gradient_check *k)
{
    char name[32];
    for (int32_t i = 0; i < k->t->inputs; i++) {
        const struct tess_tensor *in = &k->t->in[i];
        snprintf(name, sizeof name, "in%d", (int)i);
        if (in->dtype == TESS_F32)
            k->g.in[i] = tess_weight(k->g.graph, name, in->rank, in->dim, TESS_INIT(.kind = TESS_INIT_CONSTANT));
        else
            k->g.in[i] = tess_input(k->g.graph, name, in->dtype, in->rank, in->dim);
        if (in->dtype != TESS_F32)
            k->in[k->batch.inputs++] = *in;
    }
}

static struct tess_node *times_factors(struct tess_graph *g, struct tess_node *out, int32_t i)
{
    char name[32];
    struct tess_tensor shape = tess_shape(out);
    snprintf(name, sizeof name, "factors%d", (int)i);
    struct tess_init init = {.size = sizeof(struct tess_init), .kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_BUFFER, .spread = 1.0};
    struct tess_node *factors = tess_weight(g, name, shape.rank, shape.dim, &init);
    return tess_affine(g, tess_mean_all(g, tess_mul(g, out, factors)), (float)tess_tensor_count(&shape), 0.0f);
}

/* Adds zero times every input: without it an objective that depends on none could not be sealed, and the message would be another. */
static struct tess_node *add_nothing(struct gradient_check *k, struct tess_node *sum)
{
    struct tess_graph *g = k->g.graph;
    for (int32_t i = 0; i < k->t->inputs; i++)
        if (k->t->in[i].dtype == TESS_F32)
            sum = tess_add(g, sum, tess_affine(g, tess_mean_all(g, k->g.in[i]), 0.0f, 0.0f));
    return sum;
}

static int record_objective(struct gradient_check *k)
{
    struct tess_graph *g = k->g.graph;
    struct tess_node *sum = NULL;
    char name[32];
    for (int32_t i = 0; i < k->t->outputs; i++) {
        if (tess_shape(k->g.out[i]).dtype != TESS_F32)
            continue;
        struct tess_node *one = times_factors(g, k->g.out[i], i);
        sum = sum ? tess_add(g, sum, one) : one;
        snprintf(name, sizeof name, "test.out%d", (int)i);
        tess_total(g, name, k->g.out[i]);
    }
    if (!sum && tess_graph_status(g) == TESS_OK)
        return k->ctx->fail(k->ctx, TESS_E_USAGE, "tess_check_gradient: wanted an output of f32, found none");
    tess_objective(g, "test.objective", "", add_nothing(k, sum));
    return TESS_OK;
}

/* Memory for the totals that are read, and views of their factors. */
static int find_totals(struct gradient_check *k)
{
    struct tess_tensor shape;
    for (int32_t i = 0; i < k->batch.totals; i++) {
        int output;
        const char *name = tess_graph_total_at(k->g.graph, i, &shape);
        if (sscanf(name, "test.out%d", &output) != 1 || output < 0 || output >= k->t->outputs)
            continue;
        TESS_TRY(tess_alloc(k->ctx, tess_tensor_bytes(&shape), "an output of a test", &shape.data));
        k->total[i] = k->made[output] = shape;
        char factors[32];
        snprintf(factors, sizeof factors, "factors%d", output);
        TESS_TRY(tess_weights_find(k->ctx, k->g.weights, factors, TESS_ROLE_VALUE, &k->mix[output]));
    }
    return TESS_OK;
}

static int fill_weights(struct gradient_check *k)
{
    struct tess_tensor view;
    for (int32_t i = 0; i < k->t->inputs; i++) {
        char name[32];
        snprintf(name, sizeof name, "in%d", (int)i);
        if (k->t->in[i].dtype != TESS_F32)
            continue;
        TESS_TRY(tess_weights_find(k->ctx, k->g.weights, name, TESS_ROLE_VALUE, &view));
        memcpy(view.data, k->t->in[i].data, tess_tensor_bytes(&view));
    }
    for (int64_t i = 0; i < tess_weights_count(k->g.weights); i++) {
        const char *name = tess_weights_name(k->g.weights, i);
        struct tess_stream s = {.seed = k->t->seed, .purpose = tess_purpose(name)};
        if (strncmp(name, "test.", 5) != 0 || (k->g.weights->item[i].init.flags & TESS_WEIGHT_BUFFER))
            continue;
        TESS_TRY(tess_weights_view(k->ctx, k->g.weights, i, TESS_ROLE_VALUE, &view));
        for (int64_t j = 0; j < tess_tensor_count(&view); j++) {
            float draw;
            tess_random_normal(&s, (uint64_t)j, 1, &draw);
            ((float *)view.data)[j] += (float)k->o.perturb * draw;
        }
    }
    tess_weights_touch(k->g.weights);
    return TESS_OK;
}

static int prepare(struct gradient_check *k)
{
    struct tess_tensor shape;
    int32_t n = k->t->inputs + 2 * k->t->outputs;
    TESS_TRY(tess_alloc(k->ctx, (size_t)n * sizeof *k->in, "tensors of a test", &k->memory));
    k->in = k->memory;
    k->made = k->in + k->t->inputs;
    k->mix = k->made + k->t->outputs;
    record_inputs(k);
    TESS_TRY(tessi_testing_graph_record(k->ctx, k->t, &k->g));
    TESS_TRY(record_objective(k));
    TESS_TRY(tess_graph_seal(k->ctx, k->g.graph));
    TESS_TRY(tess_weights_seal(k->ctx, k->g.weights));
    while (tess_graph_total_at(k->g.graph, k->batch.totals, &shape))
        k->batch.totals++;
    void *memory = NULL;
    TESS_TRY(tess_alloc(k->ctx, (size_t)k->batch.totals * sizeof *k->total, "totals of a test", &memory));
    k->total = memory;
    TESS_TRY(find_totals(k));
    k->batch.size = sizeof k->batch;
    k->batch.samples = k->g.rows;
    k->batch.step = k->t->step;
    k->batch.in = k->in;
    k->batch.total = k->total;
    return fill_weights(k);
}

/* ---- differences ------------------------------------------------------------------------------------------------------ */

/* Objective with element `at` set to x, and the error that rounding the outputs to f32 may cause in it. */
static int objective(struct gradient_check *k, float *at, double x, double *value, double *rounding)
{
    float was = *at;
    *at = (float)x;
    tess_weights_touch(k->g.weights);
    int status = tess_graph_run(k->ctx, k->g.graph, &k->batch);
    *at = was;
    tess_weights_touch(k->g.weights);
    *value = *rounding = 0.0;
    for (int32_t i = 0; i < k->t->outputs; i++) {
        const float *y = k->made[i].data, *factor = k->mix[i].data;
        for (int64_t j = 0; y && j < tess_tensor_count(&k->made[i]); j++) {
            double term = (double)y[j] * (double)factor[j];
            *value += term;
            *rounding += term * term;
        }
    }
    *rounding = OUTPUT_ROUNDING * sqrt(*rounding);
    return status;
}

/* Central difference at *at, by steps of h and h / 2, and whether its two sides differ as at a kink. */
static int measure(struct gradient_check *k, float *at, double h, struct slope *s)
{
    double f[5], rounding[5], x[5];
    const double where[5] = {-1.0, -0.5, 0.0, 0.5, 1.0};
    for (int i = 0; i < 5; i++) {
        x[i] = (double)(float)((double)*at + where[i] * h);
        TESS_TRY(objective(k, at, x[i], &f[i], &rounding[i]));
    }
    double wide = (f[4] - f[0]) / (x[4] - x[0]), narrow = (f[3] - f[1]) / (x[3] - x[1]);
    double sides = (f[4] - f[2]) / (x[4] - x[2]) - (f[2] - f[0]) / (x[2] - x[0]);
    double inner = (f[3] - f[2]) / (x[3] - x[2]) - (f[2] - f[1]) / (x[2] - x[1]);
    s->value = (double)*at;
    s->difference = (4.0 * narrow - wide) / 3.0;
    s->rounding = 4.0 * rounding[2] / h;
    double scale = fmax(fmax(fabs(s->backward), fabs(s->difference)), fmax(k->largest / 100.0, 1e-30));
    double off = fabs(s->backward - s->difference);
    s->error = fmax(0.0, off - s->rounding) / scale;
    int apart = fabs(wide - narrow) > k->o.tolerance * scale + s->rounding;
    int bent = fabs(inner) > 0.75 * fabs(sides) && fabs(inner) > k->o.tolerance * scale + s->rounding;
    s->kink = (apart || bent) && off <= 2.0 * fmax(fmax(fabs(sides), fabs(inner)), 4.0 * fabs(wide - narrow)) + s->rounding;
    return TESS_OK;
}

/* Backward derivative of element i of weight `name`, at the weights' present values. */
static int backward(struct gradient_check *k, const char *name, int64_t i, double *out)
{
    struct tess_tensor gradient;
    TESS_TRY(tess_graph_step(k->ctx, k->g.graph, &k->batch));
    TESS_TRY(tess_graph_gradient(k->ctx, k->g.graph, name, &gradient));
    *out = (double)((const float *)gradient.data)[i];
    return TESS_OK;
}

/* Checks one element; at a kink, other values near by in its place: s->kink stays 1 where all of them are at one. */
static int look_at(struct gradient_check *k, const char *name, float *at, int64_t i, struct slope *s)
{
    const float was = *at;
    double h = k->o.step * fmax(1.0, fabs((double)was));
    int status = measure(k, at, h, s);
    int moved = s->error > k->o.tolerance && s->kink;
    for (int try = 1; status == TESS_OK && try < TRIES && s->error > k->o.tolerance && s->kink; try++) {
        *at = was + (float)((try % 2 ? 3.0 : -3.0) * h * (1 + try / 2));
        h = try % 2 ? h : h / 2.0;
        tess_weights_touch(k->g.weights);
        status = backward(k, name, i, &s->backward);
        if (status == TESS_OK)
            status = measure(k, at, h, s);
    }
    *at = was;
    tess_weights_touch(k->g.weights);
    k->report.moved += moved;
    s->kink = s->error > k->o.tolerance && s->kink;
    return status;
}

static void keep_worst(struct gradient_check *k, const char *name, const struct tess_tensor *t, int64_t i, const struct slope *s)
{
    struct tess_gradient_report *r = &k->report;
    r->checked++;
    r->wrong += !(s->error <= k->o.tolerance);
    k->depends |= s->backward != 0.0 || s->difference != 0.0;
    if (r->checked > 1 && s->error <= r->error)
        return;
    snprintf(r->name, sizeof r->name, "%s", strncmp(name, "test.", 5) == 0 ? name + 5 : name);
    r->rank = t->rank;
    for (int32_t d = t->rank - 1; d >= 0; d--) {
        r->index[d] = i % t->dim[d];
        i /= t->dim[d];
    }
    r->value = s->value;
    r->backward = s->backward;
    r->difference = s->difference;
    r->error = s->error;
}

static int check_tensor(struct gradient_check *k, int64_t weight)
{
    const char *name = tess_weights_name(k->g.weights, weight);
    struct tess_tensor view, gradient;
    void *memory = NULL;
    TESS_TRY(tess_weights_view(k->ctx, k->g.weights, weight, TESS_ROLE_VALUE, &view));
    TESS_TRY(tess_graph_step(k->ctx, k->g.graph, &k->batch));
    TESS_TRY(tess_graph_gradient(k->ctx, k->g.graph, name, &gradient));
    TESS_TRY(tess_alloc(k->ctx, tess_tensor_bytes(&gradient), "a gradient of a test", &memory));
    const float *kept = memcpy(memory, gradient.data, tess_tensor_bytes(&gradient));
    int64_t n = tess_tensor_count(&view), stride = n > k->o.max_elements ? (n + k->o.max_elements - 1) / k->o.max_elements : 1;
    k->largest = 0.0;
    for (int64_t i = 0; i < n; i++)
        k->largest = fmax(k->largest, fabs((double)kept[i]));
    int status = TESS_OK;
    for (int64_t i = 0; status == TESS_OK && i < n; i += stride) {
        struct slope s = {.backward = (double)kept[i]};
        status = look_at(k, name, (float *)view.data + i, i, &s);
        if (status == TESS_OK && !s.kink)
            keep_worst(k, name, &view, i, &s);
    }
    tess_free(memory);
    return status;
}

static int judge(struct gradient_check *k)
{
    const struct tess_gradient_report *r = &k->report;
    char place[96] = "";
    if (!r->checked)
        return k->ctx->fail(k->ctx, TESS_E_FAILED,
                            "gradient: no element could be looked at%s; wanted f32 inputs or weights that the outputs depend on smoothly",
                            r->moved ? ", all were at kinks" : "");
    if (!k->depends)
        return k->ctx->fail(
            k->ctx, TESS_E_FAILED,
            "gradient: no output depends on any of %lld elements of inputs and weights, so nothing was checked; leave out what is"
            " constant, or piecewise so",
            (long long)r->checked);
    if (!r->wrong)
        return TESS_OK;
    for (int32_t d = 0; d < r->rank; d++)
        snprintf(place + strlen(place), sizeof place - strlen(place), "%s%lld", d ? ", " : "", (long long)r->index[d]);
    return k->ctx->fail(
        k->ctx, TESS_E_FAILED,
        "gradient: %lld of %lld elements are off; the worst is %s[%s] at %.6g: the backward pass gives %.6g, differences of the"
        " forward pass %.6g (off by %.2g of it, wanted at most %.2g)",
        (long long)r->wrong, (long long)r->checked, r->name, place, r->value, r->backward, r->difference, r->error, k->o.tolerance);
}

int tess_check_gradient(struct tess_context *ctx, const struct tess_test_graph *t, const struct tess_gradient_options *o,
                        struct tess_gradient_report *report)
{
    struct gradient_check k = {.ctx = ctx, .t = t, .report = {.size = sizeof k.report}};
    struct tess_test_graph training = *t;
    training.training = 1;
    k.t = &training;
    int status = tessi_testing_graph_start(ctx, k.t, &k.g);
    if (status == TESS_OK)
        status = take_options(&k, o);
    if (status == TESS_OK)
        status = prepare(&k);
    for (int64_t i = 0; status == TESS_OK && i < tess_weights_count(k.g.weights); i++)
        if (!(k.g.weights->item[i].init.flags & TESS_WEIGHT_BUFFER) &&
            (!k.o.only_inputs || strncmp(tess_weights_name(k.g.weights, i), "test.", 5) != 0))
            status = check_tensor(&k, i);
    if (status == TESS_OK)
        status = judge(&k);
    if (report)
        *report = k.report;
    for (int32_t i = 0; k.made && i < t->outputs; i++)
        tess_free(k.made[i].data);
    tess_free(k.total);
    tess_free(k.memory);
    tessi_testing_graph_end(&k.g);
    return status;
}
