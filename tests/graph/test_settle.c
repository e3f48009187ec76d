/* Weights that are settled for inference, on every backend and in every precision: results stay the same bits, what only products read is
 * given back, and whoever wants it afterwards is told so.
 *
 * SPDX-License-Identifier: MIT */
#include "core/graph/weight_store.h"
#include "tests/support/graphs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 4, IN = 64, OUT = 96 };

/* Two graphs over one store: two products, the first of them again, and a weight that is read as it is. */
struct two {
    struct fixture b;
    struct tess_graph *other;
    float x[ROWS * IN], y[ROWS * IN], z[ROWS * OUT];
};

static struct tess_node *hidden(struct tess_graph *g)
{
    struct tess_node *x = tess_input(g, "x", TESS_F32, 2, DIMS(ROWS, IN));
    return tess_linear(g, x, normal_weight(g, "first", 2, DIMS(OUT, IN), 0.0, 0.3), NULL);
}

static void open_two(struct two *t, int threads, int training)
{
    fixture_open(&t->b, threads, ROWS, 1, training);
    struct tess_graph_options o = {.size = sizeof o, .microbatch = ROWS, .microbatches = 1, .seed = 3};
    struct tess_node *y =
        tess_linear(t->b.graph, hidden(t->b.graph), normal_weight(t->b.graph, "second", 2, DIMS(IN, OUT), 0.0, 0.3), NULL);
    tess_output(t->b.graph, "y", y);
    if (training)
        tess_objective(t->b.graph, "loss", "", tess_mean_all(t->b.graph, y));
    fixture_ok(&t->b, tess_graph_seal(&t->b.context.context, t->b.graph));
    fixture_ok(&t->b, tess_graph_new(&t->b.context.context, t->b.weights, &o, &t->other));
    struct tess_node *z = tess_mul(t->other, hidden(t->other), normal_weight(t->other, "scale", 1, DIMS(OUT), 1.0, 0.1));
    tess_output(t->other, "z", z);
    fixture_ok(&t->b, tess_graph_seal(&t->b.context.context, t->other));
    tess_random_normal(&(struct tess_stream){.seed = 1}, 0, ROWS * IN, t->x);
}

static void close_two(struct two *t)
{
    tess_graph_free(t->other);
    fixture_close(&t->b);
}

static void run(struct two *t)
{
    struct tess_tensor in = tess_tensor_over(t->x, TESS_F32, 2, DIMS(ROWS, IN)), out = tess_tensor_over(t->y, TESS_F32, 2, DIMS(ROWS, IN));
    struct tess_batch b = {.size = sizeof b, .samples = ROWS, .inputs = 1, .in = &in, .outputs = 1, .out = &out};
    fixture_ok(&t->b, tess_graph_run(&t->b.context.context, t->b.graph, &b));
    out = tess_tensor_over(t->z, TESS_F32, 2, DIMS(ROWS, OUT));
    fixture_ok(&t->b, tess_graph_run(&t->b.context.context, t->other, &b));
}

static int is_bf16(void)
{
    return strcmp(fixture_precision, "bf16") == 0;
}

START_TEST(results_stay)
{
    struct two t, u;
    open_two(&t, 1 + _i, 0);
    open_two(&u, 1, 0);
    run(&u);
    fixture_ok(&t.b, tess_weights_settle(&t.b.context.context, t.b.weights));
    for (int i = 0; i < 2; i++) {
        run(&t);
        ck_assert_mem_eq(t.y, u.y, sizeof t.y);
        ck_assert_mem_eq(t.z, u.z, sizeof t.z);
        tess_weights_touch(t.b.weights); /* whoever says that values changed cannot have changed those that are gone */
    }
    close_two(&t);
    close_two(&u);
}
END_TEST

/* Values that were rounded for products are gone, once for both graphs; the others are there. */
START_TEST(values_are_given_back)
{
    static const char *const name[] = {"first", "second", "scale"};
    struct two t;
    struct tess_tensor view;
    open_two(&t, 2, 0);
    struct tess_context *ctx = &t.b.context.context;
    int64_t values = 4 * (2 * IN * OUT + OUT), rounded = 2 * (2 * IN * OUT);
    ck_assert_int_eq(tess_weights_bytes(t.b.weights), is_bf16() ? values + rounded : values);
    int64_t settled = tess_weights_settled_bytes(t.b.weights);
    ck_assert(is_bf16() ? settled > 4 * IN * OUT && settled <= 8 * IN * OUT : settled == 0);
    fixture_ok(&t.b, tess_weights_settle(ctx, t.b.weights));
    for (int i = 0; i < 3; i++) {
        int gone = is_bf16() && i < 2, status = tess_weights_find(ctx, t.b.weights, name[i], TESS_ROLE_VALUE, &view);
        ck_assert_int_eq(status, gone ? TESS_E_VALUE : TESS_OK);
        ck_assert(!gone || strstr(tess_message(ctx), "values were given back"));
        tessi_base_context_clear(ctx);
    }
    close_two(&t);
}
END_TEST

START_TEST(later_graphs_are_refused)
{
    struct two t;
    struct tess_graph *late;
    open_two(&t, 1, 0);
    struct tess_context *ctx = &t.b.context.context;
    struct tess_graph_options o = {.size = sizeof o, .microbatch = ROWS, .microbatches = 1, .seed = 3};
    fixture_ok(&t.b, tess_weights_settle(ctx, t.b.weights));
    fixture_ok(&t.b, tess_graph_new(ctx, t.b.weights, &o, &late));
    tess_output(late, "y", hidden(late));
    ck_assert_int_eq(tess_graph_seal(ctx, late), is_bf16() ? TESS_E_VALUE : TESS_OK);
    ck_assert(!is_bf16() || strstr(tess_message(ctx), "seal it before tess_weights_settle"));
    tessi_base_context_clear(ctx);
    tess_graph_free(late);
    close_two(&t);
}
END_TEST

START_TEST(training_keeps_its_values)
{
    struct two t;
    struct tess_tensor view;
    open_two(&t, 1, 1);
    struct tess_context *ctx = &t.b.context.context;
    ck_assert_int_eq(tess_weights_settled_bytes(t.b.weights), 0);
    fixture_ok(&t.b, tess_weights_settle(ctx, t.b.weights));
    fixture_ok(&t.b, tess_weights_find(ctx, t.b.weights, "first", TESS_ROLE_VALUE, &view));
    ck_assert_int_eq(tess_weights_settle(ctx, NULL), TESS_E_VALUE);
    tessi_base_context_clear(ctx);
    close_two(&t);
}
END_TEST

static void fill(TCase *t, int first)
{
    (void)first;
    tcase_add_loop_test(t, results_stay, 0, 3);
    tcase_add_test(t, values_are_given_back);
    tcase_add_test(t, later_graphs_are_refused);
    tcase_add_test(t, training_keeps_its_values);
}

int main(void)
{
    return fixture_everywhere("settled", fill);
}
