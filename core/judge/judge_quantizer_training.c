/* Kind quantizer/1 in training: the loss, its gradient, steps with `react`, a restart. SPDX-License-Identifier: MIT */
#include "core/judge/judge_quantizer.h"
#include "core/graph/node.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the loss and its gradient ------------------------------------------------------------------------------------- */

static int training_loss_body(struct judge *j, struct tess_instance *i)
{
    const float scale[4] = {1.0f, 0.0f, 100.0f, 1e4f};
    struct judge_piece p = {.j = j, .ctx = j->ctx, .work = &judge_quantizer_workloads[0], .instance = i, .rows = 4, .microbatches = 1};
    int status = judge_piece_begin(&p);
    for (int k = 0; status == TESS_OK && k < 4; k++) {
        float *z = p.in[0].value.data;
        for (int64_t n = tess_tensor_count(&p.in[0].value), at = 0; at < n; at++)
            z[at] = scale[k] * (float)(1 + at % 7) * (at % 2 ? 0.3f : -0.3f);
        status = judge_quantizer_run(&p);
        float loss = status == TESS_OK ? *(const float *)judge_output(&p, "loss")->data : 0.0f;
        if (status == TESS_OK && !isfinite(loss))
            status = judge_fail(j, "wanted a finite loss of latents of size %g, found %g", (double)scale[k], (double)loss);
    }
    judge_piece_close(&p);
    return status;
}

int judge_quantizer_loss_finite(struct judge *j)
{
    return judge_over(j, 1 + 2 * (int64_t)j->level, training_loss_body);
}

/* Records the quantizer with an objective of the quantised latents alone, without its loss. */
static int training_record_quantised(struct judge_piece *p)
{
    const struct judge_workload *own = &judge_quantizer_workloads[0];
    TESS_TRY(own->record(p));
    if (p->fault == JUDGE_FINE && tess_graph_status(p->graph) == TESS_OK)
        p->outputs = 1; /* only the first output, `quantised` */
    return TESS_OK;
}

static const struct judge_workload training_quantised = {.name = "record", .training = 1, .sizes = 1, .record = training_record_quantised};

static int training_gradient_body(struct judge *j, struct tess_instance *i)
{
    struct tess_tensor gradient;
    double sum = 0.0;
    struct judge_piece p = {
        .j = j, .ctx = j->ctx, .work = &training_quantised, .instance = i, .rows = 4, .microbatches = 1, .gradients = 1};
    int status = judge_piece_begin(&p);
    if (status == TESS_OK)
        status = judge_quantizer_run(&p);
    if (status == TESS_OK)
        status =
            judge_ok(j, j->ctx, "the gradient of the latents", tess_graph_gradient(j->ctx, p.graph, "quantizer.judge.latent", &gradient));
    for (int64_t n = status == TESS_OK ? tess_tensor_count(&gradient) : 0, k = 0; k < n; k++)
        sum += fabs((double)((const float *)gradient.data)[k]);
    if (status == TESS_OK && !isfinite(sum))
        status = judge_fail(j, "wanted a finite gradient of the latents, found %g among its values", sum);
    if (status == TESS_OK && sum == 0.0)
        status = judge_fail(j, "wanted what was quantised to pass a gradient on to the latents, found none: see tess_straight_through");
    judge_piece_close(&p);
    return status;
}

int judge_quantizer_gradient_flows(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, training_gradient_body);
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

enum { TRAINING_TENSORS = 64, TRAINING_CLUSTERS = 8, TRAINING_STEPS = 5 };

struct training {
    struct judge_piece p;
    struct tess_tensor total[TRAINING_TENSORS], out[TRAINING_TENSORS]; /* all totals and outputs, as `react` may look for its own */
    int32_t totals, outputs;
};

/* Draws latents of eight clusters far apart, in pairs on both sides of the origin. */
static void training_latents(struct training *t, int64_t step)
{
    struct tess_tensor *in = &t->p.in[0].value;
    int64_t d = in->dim[3], n = tess_tensor_count(in) / d;
    for (int64_t row = 0; row < n; row++) {
        int64_t cluster = row % TRAINING_CLUSTERS;
        const struct tess_stream centre = {.seed = t->p.j->seed, .purpose = tess_purpose("centre"), .step = (uint32_t)(cluster / 2)};
        const struct tess_stream noise = {
            .seed = t->p.j->seed, .purpose = tess_purpose("noise"), .step = (uint32_t)step, .sample = (uint32_t)row};
        float *z = (float *)in->data + row * d;
        for (int64_t k = 0; k < d; k++) {
            float c, e;
            tess_random_normal(&centre, (uint64_t)k, 1, &c);
            tess_random_normal(&noise, (uint64_t)k, 1, &e);
            z[k] = (cluster % 2 ? -1.0f : 1.0f) * (c < 0.0f ? c - 2.0f : c + 2.0f) + 0.1f * e;
        }
    }
}

static int training_tensor(struct training *t, struct tess_tensor *x)
{
    void *memory;
    int status = judge_ok(t->p.j, t->p.ctx, "the test", tess_alloc(t->p.ctx, tess_tensor_bytes(x) + 1, "a result", &memory));
    x->data = status == TESS_OK ? memory : NULL;
    return status;
}

static int training_open(struct judge *j, struct tess_context *ctx, struct tess_instance *i, struct training *t)
{
    *t = (struct training){.p = {.j = j, .ctx = ctx, .work = &judge_quantizer_workloads[0], .instance = i, .rows = 4, .microbatches = 8}};
    JUDGE_TRY(judge_piece_begin(&t->p));
    for (; t->totals < TRAINING_TENSORS && tess_graph_total_at(t->p.graph, t->totals, &t->total[t->totals]); t->totals++)
        JUDGE_TRY(training_tensor(t, &t->total[t->totals]));
    for (; t->outputs < TRAINING_TENSORS && tess_graph_output_at(t->p.graph, t->outputs, &t->out[t->outputs]); t->outputs++) {
        t->out[t->outputs].dim[0] *= t->p.microbatches;
        JUDGE_TRY(training_tensor(t, &t->out[t->outputs]));
    }
    return TESS_OK;
}

static void training_close(struct training *t)
{
    for (int32_t k = 0; k < TRAINING_TENSORS; k++) {
        tess_free(k < t->totals ? t->total[k].data : NULL);
        tess_free(k < t->outputs ? t->out[k].data : NULL);
    }
    if (t->p.graph)
        judge_piece_close(&t->p);
}

/* The output of that name. */
static struct tess_tensor *training_output(struct training *t, const char *wanted)
{
    const char *name;
    for (int32_t k = 0; k < t->outputs && (name = tess_graph_output_at(t->p.graph, k, NULL)); k++)
        if (strcmp(name, wanted) == 0)
            return &t->out[k];
    return NULL;
}

static int training_react(struct training *t, const struct tess_batch *b, int64_t step)
{
    const struct tess_quantizer_1 *ops = t->p.ops;
    struct tess_tensor latents = t->p.in[0].value, codes = *training_output(t, "codes");
    int64_t d = latents.dim[3], rows = tess_tensor_count(&latents) / d, depth = judge_quantizer_depth(ops, t->p.self);
    latents = tess_tensor_over(latents.data, TESS_F32, 2, (const int64_t[]){rows, d});
    codes = tess_tensor_over(codes.data, TESS_I32, depth > 1 ? 2 : 1, (const int64_t[]){rows, depth});
    const struct tess_react r = {.size = sizeof r,
                                 .step = (uint32_t)step,
                                 .seed = t->p.j->options->seed,
                                 .weights = t->p.weights,
                                 .scope = "quantizer",
                                 .latents = &latents,
                                 .codes = &codes,
                                 .graph = t->p.graph,
                                 .batch = b,
                                 .steps = 100};
    return ops->react ? judge_ok(t->p.j, t->p.ctx, "react", ops->react(t->p.self, t->p.ctx, &r)) : TESS_OK;
}

static int training_step(struct training *t, int64_t step)
{
    training_latents(t, step);
    const struct tess_batch b = {.size = sizeof b,
                                 .inputs = 1,
                                 .outputs = t->outputs,
                                 .totals = t->totals,
                                 .samples = t->p.rows * t->p.microbatches,
                                 .step = (uint32_t)step,
                                 .in = &t->p.in[0].value,
                                 .out = t->out,
                                 .total = t->total};
    JUDGE_TRY(judge_ok(t->p.j, t->p.ctx, "record", tess_graph_run(t->p.ctx, t->p.graph, &b)));
    return training_react(t, &b, step);
}

static int training_steps(struct training *t, int64_t first, int64_t count)
{
    for (int64_t step = first; step < first + count; step++)
        JUDGE_TRY(training_step(t, step));
    return TESS_OK;
}

static int training_weights_finite(struct training *t)
{
    struct tess_tensor w;
    char text[120];
    for (int64_t k = 0; k < tess_weights_count(t->p.weights); k++) {
        JUDGE_TRY(judge_ok(t->p.j, t->p.ctx, "a weight", tess_weights_view(t->p.ctx, t->p.weights, k, TESS_ROLE_VALUE, &w)));
        if (judge_not_finite(&w, text, sizeof text))
            return judge_fail(t->p.j, "wanted finite weights after %d steps, found that of %s %s", TRAINING_STEPS,
                              tess_weights_name(t->p.weights, k), text);
    }
    return TESS_OK;
}

static int training_codes_fit(struct training *t)
{
    const struct tess_tensor *codes = training_output(t, "codes");
    int64_t depth = judge_quantizer_depth(t->p.ops, t->p.self);
    for (int64_t n = tess_tensor_count(codes), k = 0; k < n; k++) {
        int32_t code = ((const int32_t *)codes->data)[k];
        if (code < 0 || code >= judge_quantizer_level_size(t->p.ops, t->p.self, k % depth))
            return judge_fail(t->p.j, "wanted codes in range after %d steps, found %d", TRAINING_STEPS, (int)code);
    }
    return TESS_OK;
}

static int training_steps_body(struct judge *j, struct tess_instance *i)
{
    struct training t;
    int status = training_open(j, j->ctx, i, &t);
    if (status == TESS_OK)
        status = training_steps(&t, 0, TRAINING_STEPS + 1);
    if (status == TESS_OK)
        status = training_weights_finite(&t);
    if (status == TESS_OK)
        status = training_codes_fit(&t);
    training_close(&t);
    return status;
}

int judge_quantizer_steps(struct judge *j)
{
    return judge_over(j, 1 + 2 * (int64_t)j->level, training_steps_body);
}

static int training_usage_body(struct judge *j, struct tess_instance *i)
{
    struct training t;
    int status = training_open(j, j->ctx, i, &t);
    if (status == TESS_OK)
        status = training_steps(&t, 0, TRAINING_STEPS + 1);
    const struct tess_tensor *codes = status == TESS_OK ? training_output(&t, "codes") : NULL;
    int64_t depth = judge_quantizer_depth(tess_instance_ops(i, "quantizer/1"), tess_instance_self(i)), differ = 0;
    for (int64_t n = codes ? tess_tensor_count(codes) : 0, k = depth; k < n; k++)
        differ += ((const int32_t *)codes->data)[k] != ((const int32_t *)codes->data)[k % depth];
    if (status == TESS_OK && differ == 0)
        status = judge_fail(j, "wanted %d clusters far apart to get more than one code after %d steps, found one for all",
                            TRAINING_CLUSTERS, TRAINING_STEPS);
    training_close(&t);
    return status;
}

int judge_quantizer_usage(struct judge *j)
{
    return judge_over(j, 1, training_usage_body);
}

/* ---- the same steps ------------------------------------------------------------------------------------------------ */

static int training_same(struct judge *j, struct training *a, struct training *b, const char *wanted)
{
    char text[160] = "their bits differ";
    struct tess_tensor x, y;
    for (int64_t k = 0; k < tess_weights_count(a->p.weights); k++) {
        const char *name = tess_weights_name(a->p.weights, k);
        JUDGE_TRY(judge_ok(j, a->p.ctx, name, tess_weights_find(a->p.ctx, a->p.weights, name, TESS_ROLE_VALUE, &x)));
        JUDGE_TRY(judge_ok(j, b->p.ctx, name, tess_weights_find(b->p.ctx, b->p.weights, name, TESS_ROLE_VALUE, &y)));
        if (memcmp(x.data, y.data, tess_tensor_bytes(&x)) == 0)
            continue;
        (void)judge_differs(&x, &y, 0, 0, text, sizeof text);
        return judge_fail(j, "%s: wanted the same weight %s, found that %s", name, wanted, text);
    }
    return TESS_OK;
}

static int training_repeat_body(struct judge *j, struct tess_instance *i)
{
    struct training a, b = {.p = {.j = NULL}};
    int status = training_open(j, j->ctx, i, &a);
    if (status == TESS_OK)
        status = training_open(j, j->ctx, i, &b);
    if (status == TESS_OK)
        status = training_steps(&a, 0, TRAINING_STEPS);
    if (status == TESS_OK)
        status = training_steps(&b, 0, TRAINING_STEPS);
    if (status == TESS_OK)
        status = training_same(j, &a, &b, "after the same steps");
    training_close(&b);
    training_close(&a);
    return status;
}

int judge_quantizer_steps_repeat(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, training_repeat_body);
}

static int training_threads_body(struct judge *j, struct tess_instance *i)
{
    struct judge_threads four;
    struct training a, b = {.p = {.j = NULL}};
    int status = judge_threads_open(j, 4, &four);
    if (status != TESS_OK)
        return status;
    status = training_open(j, j->ctx, i, &a);
    if (status == TESS_OK)
        status = training_open(j, four.ctx, i, &b);
    if (status == TESS_OK)
        status = training_steps(&a, 0, TRAINING_STEPS);
    if (status == TESS_OK)
        status = training_steps(&b, 0, TRAINING_STEPS);
    if (status == TESS_OK)
        status = training_same(j, &a, &b, "on 1 and on 4 threads");
    training_close(&b);
    training_close(&a);
    judge_threads_close(&four);
    return status;
}

int judge_quantizer_steps_threads(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, training_threads_body);
}

static int training_copy(struct judge *j, struct training *from, struct training *to)
{
    struct tess_tensor x, y;
    for (int64_t k = 0; k < tess_weights_count(from->p.weights); k++) {
        const char *name = tess_weights_name(from->p.weights, k);
        JUDGE_TRY(judge_ok(j, j->ctx, name, tess_weights_find(j->ctx, from->p.weights, name, TESS_ROLE_VALUE, &x)));
        JUDGE_TRY(judge_ok(j, j->ctx, name, tess_weights_find(j->ctx, to->p.weights, name, TESS_ROLE_VALUE, &y)));
        memcpy(y.data, x.data, tess_tensor_bytes(&x));
    }
    tess_weights_touch(to->p.weights);
    return TESS_OK;
}

/* Continues with a new instance and the weights alone, as a resumed training does: what an instance remembers by itself is lost. */
static int training_restored_body(struct judge *j, struct tess_instance *i)
{
    struct tess_instance *other;
    struct training a, b = {.p = {.j = NULL}};
    int status = judge_ok(j, j->ctx, "opening a second instance", judge_open(j, j->ctx, 1, &other));
    if (status != TESS_OK)
        return status;
    status = training_open(j, j->ctx, i, &a);
    if (status == TESS_OK)
        status = training_steps(&a, 0, TRAINING_STEPS);
    if (status == TESS_OK)
        status = training_open(j, j->ctx, other, &b);
    if (status == TESS_OK)
        status = training_copy(j, &a, &b);
    if (status == TESS_OK)
        status = training_steps(&a, TRAINING_STEPS, 2);
    if (status == TESS_OK)
        status = training_steps(&b, TRAINING_STEPS, 2);
    if (status == TESS_OK)
        status = training_same(j, &a, &b, "after a restart and without one");
    training_close(&b);
    training_close(&a);
    tess_instance_close(other);
    return status;
}

int judge_quantizer_restored(struct judge *j)
{
    return judge_over(j, 1 + (int64_t)j->level, training_restored_body);
}
