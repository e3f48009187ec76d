/* The layers that the U-Net brings, by their definitions in double, on every backend and in both precisions: values in the middle of a
 * graph, where bf16 stores them as such. Their gradients are in test_operations.c. SPDX-License-Identifier: MIT */
#include "tests/support/parity.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 4096 };

static void draw(uint32_t which, int64_t n, float *x)
{
    struct tess_stream s = {.seed = 9, .purpose = tess_purpose("layers"), .sample = which};
    tess_random_normal(&s, 0, n, x);
}

/* Passes x on; what goes through it may be stored as bf16. */
static struct tess_node *inside(struct tess_graph *g, struct tess_node *x)
{
    return tess_leaky_relu(g, x, 1.0f);
}

/* Runs a graph of one output on its inputs. */
static void run(struct fixture *b, int inputs, const struct tess_tensor *in, struct tess_node *y, float *result)
{
    struct tess_tensor out = tess_shape(y);
    tess_output(b->graph, "y", inside(b->graph, y));
    fixture_ok(b, tess_graph_seal(&b->context.context, b->graph));
    out.data = result;
    struct tess_batch batch = {.size = sizeof batch, .samples = in[0].dim[0], .inputs = inputs, .in = in, .outputs = 1, .out = &out};
    fixture_ok(b, tess_graph_run(&b->context.context, b->graph, &batch));
}

static void compare(const char *what, const float *got, const double *want, int64_t n)
{
    float as_float[MAX];
    for (int64_t i = 0; i < n; i++)
        as_float[i] = (float)want[i];
    struct tess_tensor all = tess_tensor_over(as_float, TESS_F32, 1, &n);
    golden_near(what, got, &all, allowed.value, 0.0);
}

/* ---- transposed convolution ---- */

struct transposed {
    int64_t n, h, w, ci, co, kh, kw;
    struct tess_conv conv;
    int biased;
};
static const struct transposed transposed_cases[] = {
    {1, 3, 2, 3, 1, 3, 5, {sizeof(struct tess_conv), 2, 2, 1, 0, 3}, 1},
    {2, 4, 6, 5, 3, 4, 4, {sizeof(struct tess_conv), 2, 1, 1, 1, 1}, 1},
    {2, 4, 6, 5, 3, 4, 4, {sizeof(struct tess_conv), 2, 1, 1, 1, 1}, 0},
    {1, 1, 1, 16, 8, 4, 4, {sizeof(struct tess_conv), 2, 1, 1, 1, 1}, 1},
    {1, 5, 3, 4, 6, 3, 3, {sizeof(struct tess_conv), 1, 1, 1, 1, 1}, 1},
    {3, 3, 4, 2, 3, 2, 2, {sizeof(struct tess_conv), 3, 0, 0, 0, 0}, 1},
    {1, 2, 2, 33, 40, 4, 4, {sizeof(struct tess_conv), 2, 1, 1, 1, 1}, 1},
};

/* Each pixel of x is added to the pixels it reaches. */
static int64_t transpose_by_hand(const struct transposed *t, const float *x, const float *w, const float *b, double *y)
{
    int64_t s = t->conv.stride, ho = (t->h - 1) * s + t->kh - t->conv.top - t->conv.bottom;
    int64_t wo = (t->w - 1) * s + t->kw - t->conv.left - t->conv.right, count = t->n * ho * wo * t->co;
    ck_assert_int_le(count, MAX);
    for (int64_t i = 0; i < count; i++)
        y[i] = t->biased ? (double)b[i % t->co] : 0.0;
    for (int64_t n = 0; n < t->n; n++)
        for (int64_t i = 0; i < t->h * t->w; i++)
            for (int64_t k = 0; k < t->kh * t->kw; k++) {
                int64_t row = i / t->w * s + k / t->kw - t->conv.top, column = i % t->w * s + k % t->kw - t->conv.left;
                if (row < 0 || row >= ho || column < 0 || column >= wo)
                    continue;
                for (int64_t c = 0; c < t->ci; c++)
                    for (int64_t o = 0; o < t->co; o++)
                        y[((n * ho + row) * wo + column) * t->co + o] +=
                            (double)x[(n * t->h * t->w + i) * t->ci + c] * (double)w[(c * t->kh * t->kw + k) * t->co + o];
            }
    return count;
}

START_TEST(a_transposed_convolution_adds_each_pixel_where_it_reaches)
{
    const struct transposed *t = &transposed_cases[_i];
    static float x[MAX], w[8 * MAX], b[64], y[MAX];
    static double want[MAX];
    struct fixture fixture;
    int64_t weights = t->ci * t->kh * t->kw * t->co;
    draw(0, t->n * t->h * t->w * t->ci, x);
    draw(1, weights, w);
    draw(2, t->co, b);
    fixture_open(&fixture, 1, t->n, 1, 0);
    struct tess_graph *g = fixture.graph;
    struct tess_tensor in = tess_tensor_over(x, TESS_F32, 4, DIMS(t->n, t->h, t->w, t->ci)), view;
    struct tess_node *weight = normal_weight(g, "w", 4, DIMS(t->ci, t->kh, t->kw, t->co), 0.0, 1.0);
    struct tess_node *bias = t->biased ? normal_weight(g, "b", 1, &t->co, 0.0, 1.0) : NULL;
    struct tess_node *node = tess_conv2d_transpose(g, inside(g, tess_input(g, "x", TESS_F32, 4, in.dim)), weight, bias, &t->conv);
    fixture_ok(&fixture, tess_graph_status(g));
    fixture_ok(&fixture, tess_weights_seal(&fixture.context.context, fixture.weights));
    fixture_ok(&fixture, tess_weights_find(&fixture.context.context, fixture.weights, "w", TESS_ROLE_VALUE, &view));
    memcpy(view.data, w, (size_t)weights * sizeof *w);
    if (bias) {
        fixture_ok(&fixture, tess_weights_find(&fixture.context.context, fixture.weights, "b", TESS_ROLE_VALUE, &view));
        memcpy(view.data, b, (size_t)t->co * sizeof *b);
    }
    tess_weights_touch(fixture.weights);
    int64_t count = transpose_by_hand(t, x, w, b, want);
    struct tess_tensor shape = tess_shape(node);
    ck_assert_int_eq(tess_tensor_count(&shape), count);
    run(&fixture, 1, &in, node, y);
    compare("transposed convolution", y, want, count);
    fixture_close(&fixture);
}
END_TEST

/* ---- linear attention ---- */

static const struct {
    int64_t n, l, m, c;
    int32_t heads;
} attention_cases[] = {{2, 5, 7, 6, 2}, {1, 16, 16, 32, 1}, {3, 4, 4, 8, 8}, {2, 1, 1, 12, 3}, {1, 9, 1, 4, 2}};

START_TEST(linear_attention_weighs_values_by_a_softmax_over_places)
{
    int64_t n = attention_cases[_i].n, l = attention_cases[_i].l, m = attention_cases[_i].m, c = attention_cases[_i].c;
    int64_t d = c / attention_cases[_i].heads;
    static float q[MAX], k[MAX], v[MAX], y[MAX];
    static double want[MAX];
    struct fixture b;
    draw(3, n * l * c, q);
    draw(4, n * m * c, k);
    draw(5, n * m * c, v);
    for (int64_t i = 0; i < n * m * c; i++)
        k[i] = rintf(2.0f * k[i]) + (i % c == 1 ? 120.0f : 0.0f); /* integers, so that bf16 holds them; e^120 is none of f32 */
    memset(want, 0, sizeof want);
    for (int64_t s = 0; s < n; s++)
        for (int64_t j = 0; j < c; j++) {
            double max = -1e30, sum = 0.0;
            for (int64_t i = 0; i < m; i++)
                max = fmax(max, (double)k[(s * m + i) * c + j]);
            for (int64_t i = 0; i < m; i++)
                sum += exp((double)k[(s * m + i) * c + j] - max);
            for (int64_t e = j / d * d; e < j / d * d + d; e++) { /* channels of the same head */
                double context = 0.0;
                for (int64_t i = 0; i < m; i++)
                    context += exp((double)k[(s * m + i) * c + j] - max) / sum * (double)v[(s * m + i) * c + e];
                for (int64_t i = 0; i < l; i++)
                    want[(s * l + i) * c + e] += (double)q[(s * l + i) * c + j] * context;
            }
        }
    fixture_open(&b, 1, n, 1, 0);
    struct tess_graph *g = b.graph;
    struct tess_tensor in[3] = {tess_tensor_over(q, TESS_F32, 3, DIMS(n, l, c)), tess_tensor_over(k, TESS_F32, 3, DIMS(n, m, c)),
                                tess_tensor_over(v, TESS_F32, 3, DIMS(n, m, c))};
    struct tess_node *nq = inside(g, tess_input(g, "q", TESS_F32, 3, in[0].dim));
    struct tess_node *nk = inside(g, tess_input(g, "k", TESS_F32, 3, in[1].dim));
    struct tess_node *nv = inside(g, tess_input(g, "v", TESS_F32, 3, in[2].dim));
    run(&b, 3, in, tess_linear_attention(g, nq, nk, nv, attention_cases[_i].heads), y);
    compare("linear attention", y, want, n * l * c);
    fixture_close(&b);
}
END_TEST

/* ---- shapes that do not fit ---- */

static void refused(struct fixture *b, const char *words)
{
    int status = tess_graph_seal(&b->context.context, b->graph);
    ck_assert(status == TESS_E_SHAPE || status == TESS_E_VALUE);
    ck_assert_msg(strstr(tessi_base_context_message(&b->context.context), words) != NULL, "%s",
                  tessi_base_context_message(&b->context.context));
    fixture_close(b);
}

START_TEST(shapes_that_do_not_fit_are_refused)
{
    const struct tess_conv twice = {sizeof twice, 2, 1, 1, 1, 1}, all = {sizeof all, 1, 2, 2, 2, 2}, still = {sizeof still, 0, 0, 0, 0, 0};
    struct fixture b;
#define X(...) tess_input(b.graph, "x", TESS_F32, 4, DIMS(__VA_ARGS__))
#define W(...) normal_weight(b.graph, "w", 4, DIMS(__VA_ARGS__), 0.0, 1.0)
    fixture_open(&b, 1, 1, 1, 0);
    ck_assert_ptr_null(tess_conv2d_transpose(b.graph, X(1, 4, 4, 3), W(5, 4, 4, 3), NULL, &twice));
    refused(&b, "wanted 5 channels, found 3");
    fixture_open(&b, 1, 1, 1, 0);
    ck_assert_ptr_null(tess_conv2d_transpose(b.graph, X(1, 4, 4, 3), W(3, 4, 4, 5), normal_weight(b.graph, "b", 1, DIMS(3), 0, 1), &twice));
    refused(&b, "the bias is f32 (3), not f32 (5)");
    fixture_open(&b, 1, 1, 1, 0);
    ck_assert_ptr_null(tess_conv2d_transpose(b.graph, X(1, 2, 2, 3), W(3, 3, 3, 5), NULL, &all));
    refused(&b, "nothing is left");
    fixture_open(&b, 1, 1, 1, 0);
    ck_assert_ptr_null(tess_conv2d_transpose(b.graph, X(1, 2, 2, 3), W(3, 3, 3, 5), NULL, &still));
    refused(&b, "a stride of 1 .. 4096");
#undef X
#undef W
    const struct {
        int64_t q[3], k[3], v[3];
        int32_t heads;
    } wrong[] = {{{1, 4, 6}, {1, 4, 6}, {1, 5, 6}, 2}, {{1, 4, 6}, {1, 5, 8}, {1, 5, 8}, 2}, {{1, 4, 6}, {1, 4, 6}, {1, 4, 6}, 4}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fixture_open(&b, 1, 1, 1, 0);
        ck_assert_ptr_null(tess_linear_attention(b.graph, tess_input(b.graph, "q", TESS_F32, 3, wrong[i].q),
                                                 tess_input(b.graph, "k", TESS_F32, 3, wrong[i].k),
                                                 tess_input(b.graph, "v", TESS_F32, 3, wrong[i].v), wrong[i].heads));
        refused(&b, "C divided by the heads");
    }
}
END_TEST

static void by_definition(TCase *t)
{
    tcase_add_loop_test(t, a_transposed_convolution_adds_each_pixel_where_it_reaches, 0,
                        (int)(sizeof transposed_cases / sizeof *transposed_cases));
    tcase_add_loop_test(t, linear_attention_weighs_values_by_a_softmax_over_places, 0,
                        (int)(sizeof attention_cases / sizeof *attention_cases));
}

int main(void)
{
    Suite *s = suite_create("layers");
    TCase *t = tcase_create("layers");
    tcase_add_test(t, shapes_that_do_not_fit_are_refused);
    suite_add_tcase(s, t);
    int failed = suite_failures(s);
    failed += parity_everywhere(by_definition);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
