/* SPDX-License-Identifier: MIT */
#include "tests/support/gradients.h"

#include "tests/support/graphs.h"

#include "core/graph/weight_store.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 2 };

static double value(struct fixture *b, const struct tess_tensor *total, const float *factor)
{
    struct tess_tensor out[8];
    struct tess_batch batch = {.size = sizeof batch, .samples = ROWS, .total = out, .step = 3};
    double sum = 0.0;
    const char *name;
    while (batch.totals < 8 && (name = tess_graph_total_at(b->graph, batch.totals, &out[batch.totals]))) {
        if (strcmp(name, "y") == 0)
            out[batch.totals] = *total;
        batch.totals++;
    }
    fixture_ok(b, tess_graph_run(&b->context.context, b->graph, &batch));
    for (int64_t i = 0; i < tess_tensor_count(total); i++)
        sum += (double)((float *)total->data)[i] * (double)factor[i];
    return sum / (double)tess_tensor_count(total);
}

static void check_weight(struct fixture *b, const char *operation, const char *name, const struct tess_tensor *total, const float *factor,
                         double bound)
{
    struct tess_tensor gradient, view;
    struct tess_batch batch = {.size = sizeof batch, .samples = ROWS, .step = 3};
    fixture_ok(b, tess_graph_step(&b->context.context, b->graph, &batch));
    fixture_ok(b, tess_graph_gradient(&b->context.context, b->graph, name, &gradient));
    fixture_ok(b, tess_weights_find(&b->context.context, b->weights, name, TESS_ROLE_VALUE, &view));
    int64_t n = tess_tensor_count(&gradient), step = n > 40 ? n / 40 : 1;
    float *kept = malloc((size_t)n * sizeof *kept), *at = view.data;
    double largest = 0.0, worst = 0.0;
    memcpy(kept, gradient.data, (size_t)n * sizeof *kept);
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs((double)kept[i]));
    ck_assert_msg(largest > 0.0, "%s: the gradient of %s is zero", operation, name);
    for (int64_t i = 0; i < n; i += step) {
        const float h = 0.01f, was = at[i];
        at[i] = was + h;
        tess_weights_touch(b->weights);
        double up = value(b, total, factor);
        at[i] = was - h;
        tess_weights_touch(b->weights);
        double down = value(b, total, factor);
        at[i] = was;
        tess_weights_touch(b->weights);
        double error = fabs((up - down) / (2.0 * (double)h) - (double)kept[i]) / largest;
        worst = fmax(worst, error);
    }
    free(kept);
    ck_assert_msg(worst < bound, "%s: the gradient of %s is off by %.2g of its largest value", operation, name, worst);
}

void gradient_check(const char *operation, gradient_recorder *record, double bound)
{
    struct fixture b;
    fixture_open(&b, 1, ROWS, 1, 1);
    struct tess_node *y = record(b.graph);
    struct tess_tensor shape = tess_shape(y), total, factor;
    struct tess_node *r = tess_weight(b.graph, "factor", shape.rank, shape.dim,
                                      TESS_INIT(.kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_BUFFER, .spread = 1.0));
    tess_objective(b.graph, "loss", "", tess_mean_all(b.graph, tess_mul(b.graph, y, r)));
    tess_total(b.graph, "y", y);
    int status = tess_graph_seal(&b.context.context, b.graph);
    ck_assert_msg(status == TESS_OK, "%s: %s", operation, tessi_base_context_message(&b.context.context));
    fixture_ok(&b, tess_weights_seal(&b.context.context, b.weights));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "factor", TESS_ROLE_VALUE, &factor));
    total = shape;
    total.data = malloc(tess_tensor_bytes(&total));
    for (int64_t i = 0; i < tess_weights_count(b.weights); i++)
        if (!(b.weights->item[i].init.flags & TESS_WEIGHT_BUFFER))
            check_weight(&b, operation, tess_weights_name(b.weights, i), &total, factor.data, bound);
    free(total.data);
    fixture_close(&b);
}
