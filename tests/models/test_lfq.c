/* quantizer/1 `lfq` against the published class in training (tests/checkpoints/make_published.py): codes, vectors, the loss and its
 * gradient, with the batch in one microbatch and in several. SPDX-License-Identifier: MIT */
#include "tests/support/golden.h"
#include "tests/support/suite.h"

#include <tessera/kind/quantizer.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The quantizer recorded for training over the input "latent" plus a weight that is 0, whose gradient is the latents' summed over rows. */
static struct tess_node *record(struct fixture *b, struct tess_instance *q, int64_t rows, int64_t bits)
{
    const struct tess_quantizer_1 *ops = tess_instance_ops(q, "quantizer/1");
    struct tess_quantized out = {.size = sizeof out};
    struct tess_node *looked = NULL, *latent = tess_input(b->graph, "latent", TESS_F32, 2, DIMS(rows, bits));
    latent = tess_add(b->graph, latent, tess_weight(b->graph, "shift", 1, &bits, TESS_INIT(.flags = 0)));
    fixture_ok(b, ops->record(tess_instance_self(q), &b->context.context, b->graph, latent, &out));
    fixture_ok(b, ops->record_lookup(tess_instance_self(q), &b->context.context, b->graph, out.codes, &looked));
    tess_output(b->graph, "quantised", out.quantised);
    tess_output(b->graph, "codes", out.codes);
    tess_output(b->graph, "looked up", looked);
    return out.loss;
}

static void check_gradient(struct fixture *b, const struct golden *g, int64_t rows, int64_t bits)
{
    struct tess_tensor grad = golden_read(g, "grad", TESS_F32), got;
    fixture_ok(b, tess_graph_gradient(&b->context.context, b->graph, "shift", &got));
    for (int64_t k = 0; k < bits; k++) {
        double sum = 0.0, most = 0.0;
        for (int64_t i = 0; i < rows; i++) {
            sum += (double)((float *)grad.data)[i * bits + k];
            most += fabs((double)((float *)grad.data)[i * bits + k]);
        }
        ck_assert_double_eq_tol((double)((float *)got.data)[k], sum, 1e-5 * most);
    }
    free(grad.data);
}

START_TEST(it_is_the_published_one)
{
    static const int64_t parts[] = {1, 4};
    struct golden *g = golden_open("lfq.h5");
    struct tess_tensor z = golden_read(g, "z", TESS_F32), codes = golden_read(g, "codes", TESS_I32);
    struct tess_tensor quantised = golden_read(g, "quantised", TESS_F32), out[3] = {quantised, codes, quantised};
    int64_t rows = z.dim[0], bits = z.dim[1], n = parts[_i];
    struct fixture b;
    struct tess_instance *q;
    float loss;
    char config[60];
    snprintf(config, sizeof config, "{use: lfq, bits: %d}", (int)bits);
    fixture_open(&b, 2, rows / n, n, 1);
    fixture_ok(&b, tess_instance_open(&b.context.context, "quantizer/1", config, "test", &q));
    tess_objective(b.graph, "loss", "", record(&b, q, rows / n, bits));
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    fixture_ok(&b, tess_weights_seal(&b.context.context, b.weights));
    for (int i = 0; i < 3; i++)
        out[i].data = calloc(1, tess_tensor_bytes(&out[i]));
    struct tess_tensor total = tess_tensor_over(&loss, TESS_F32, 0, NULL);
    struct tess_batch batch = {
        .size = sizeof batch, .samples = rows, .inputs = 1, .in = &z, .outputs = 3, .out = out, .totals = 1, .total = &total};
    fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
    ck_assert_int_eq(memcmp(out[1].data, codes.data, tess_tensor_bytes(&codes)), 0);
    for (int i = 0; i < 3; i += 2)
        for (int64_t k = 0; k < tess_tensor_count(&quantised); k++) /* there 1 and -1 but for the rounding of z + (q - z) */
            ck_assert_float_eq_tol(((float *)out[i].data)[k], ((float *)quantised.data)[k], 1e-6f);
    ck_assert_double_eq_tol((double)loss, golden_scalar(g, "loss"), 2e-6);
    check_gradient(&b, g, rows, bits);
    for (int i = 0; i < 3; i++)
        free(out[i].data);
    free(z.data);
    free(codes.data);
    free(quantised.data);
    tess_instance_close(q);
    fixture_close(&b);
    golden_close(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lfq");
    TCase *tests = tcase_create("lfq");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, it_is_the_published_one, 0, 2);
    return suite_run(suite);
}
