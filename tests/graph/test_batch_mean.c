/* Means over the whole batch inside a graph that is recorded for a microbatch: losses and gradients are those of the batch in one piece,
 * whatever it is cut into and whoever computes. SPDX-License-Identifier: MIT */
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 24, D = 5, CODES = 6 };

struct entropy {
    struct fixture b;
    float loss, mean[CODES];
    float gradient[CODES * D];
};

static int adapt(void *user, struct tess_context *ctx, const struct tess_tensor *probe, float *weight)
{
    double length = 0.0;
    (void)user;
    (void)ctx;
    for (int64_t i = 0; i < tess_tensor_count(probe); i++)
        length += pow((double)((const float *)probe->data)[i], 2.0);
    *weight = (float)sqrt(length);
    return TESS_OK;
}

/* E[H(p)] - H(E[p]), p = softmax(x W^T): what lookup-free quantisation adds to its loss. With `probed` a third term, weighed by the
 * gradient of the first. */
static void record(struct entropy *e, int64_t rows, int probed)
{
    struct tess_graph *g = e->b.graph;
    struct tess_node *x = tess_input(g, "x", TESS_F32, 2, DIMS(rows, D)), *w = normal_weight(g, "w", 2, DIMS(CODES, D), 0, 1);
    struct tess_node *p = tess_softmax(g, tess_linear(g, x, w, NULL));
    struct tess_node *each = tess_mean_all(g, tess_mul(g, p, tess_log(g, tess_affine(g, p, 1.0f, 1e-9f))));
    struct tess_node *mean = tess_batch_mean(g, tess_mean(g, p, 1));
    struct tess_node *all = tess_sum(g, tess_mul(g, mean, tess_log(g, tess_affine(g, mean, 1.0f, 1e-9f))), 3);
    struct tess_node *loss = tess_add(g, tess_affine(g, each, -(float)CODES, 0.0f), tess_reshape(g, all, 0, NULL));
    if (probed) {
        struct tess_node *square = tess_mean_all(g, tess_square(g, tess_linear(g, x, w, NULL)));
        tess_gradient_probe(g, square, "w");
        tess_set_adaptive_weights(g, adapt, NULL);
        loss = tess_add(g, loss, tess_mul(g, tess_adaptive_weight(g), square));
    }
    tess_objective(g, "loss", "", loss);
    tess_total(g, "mean", mean);
    fixture_ok(&e->b, tess_graph_seal(&e->b.context.context, g));
}

static void run(struct entropy *e, int threads, int64_t microbatches, int probed)
{
    float x[BATCH * D];
    struct tess_stream s = {.seed = 4};
    struct tess_tensor gradient, in = tess_tensor_over(x, TESS_F32, 2, DIMS(BATCH, D));
    tess_random_normal(&s, 0, BATCH * D, x);
    fixture_open(&e->b, threads, BATCH / microbatches, microbatches, 1);
    record(e, BATCH / microbatches, probed);
    struct tess_tensor total[3] = {
        tess_tensor_over(&e->loss, TESS_F32, 0, NULL), {.data = NULL}, tess_tensor_over(e->mean, TESS_F32, 2, DIMS(1, CODES))};
    struct tess_batch batch = {.size = sizeof batch, .samples = BATCH, .inputs = 1, .in = &in, .totals = 3, .total = total};
    fixture_ok(&e->b, tess_graph_step(&e->b.context.context, e->b.graph, &batch));
    fixture_ok(&e->b, tess_graph_gradient(&e->b.context.context, e->b.graph, "w", &gradient));
    memcpy(e->gradient, gradient.data, sizeof e->gradient);
    for (int k = 0; k < CODES; k++)
        e->mean[k] /= (float)microbatches; /* each has the batch's */
    fixture_close(&e->b);
}

START_TEST(a_batch_in_parts_is_the_batch)
{
    struct entropy whole, parts;
    run(&whole, 1, 1, _i);
    for (int64_t n = 2; n <= 8; n *= 2) {
        run(&parts, 2, n, _i);
        ck_assert_float_eq_tol(parts.loss, whole.loss, 2e-6f);
        for (int k = 0; k < CODES; k++)
            ck_assert_float_eq_tol(parts.mean[k], whole.mean[k], 1e-6f);
        for (int k = 0; k < CODES * D; k++)
            ck_assert_msg(fabsf(parts.gradient[k] - whole.gradient[k]) < 2e-6f, "%d parts, %d: %g, %g was wanted", (int)n, k,
                          (double)parts.gradient[k], (double)whole.gradient[k]);
    }
}
END_TEST

START_TEST(threads_change_no_bit)
{
    struct entropy one, four;
    run(&one, 1, 8, _i);
    run(&four, 4, 8, _i);
    ck_assert_mem_eq(&one.loss, &four.loss, sizeof one.loss);
    ck_assert_mem_eq(one.gradient, four.gradient, sizeof one.gradient);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("batch mean");
    TCase *t = tcase_create("batch mean");
    tcase_add_loop_test(t, a_batch_in_parts_is_the_batch, 0, 2);
    tcase_add_loop_test(t, threads_change_no_bit, 0, 2);
    suite_add_tcase(s, t);
    return suite_run(s);
}
