/* The test host: what it runs is what the program runs, what is right passes, and what is wrong is told with its place.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/paths.h"
#include "tests/support/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/kind/encoder.h>
#include <tessera/kind/quantizer.h>
#include <tessera/test.h>

#define DIMS(...) ((const int64_t[]){__VA_ARGS__})

static struct tess_test_host *host;
static struct tess_context *ctx;

static void ok(int status)
{
    ck_assert_msg(status == TESS_OK, "status %d: %s", status, tess_test_message(host));
}

static void fails(int status, int wanted, const char *words)
{
    ck_assert_msg(status == wanted, "status %d, not %d: %s", status, wanted, tess_test_message(host));
    ck_assert_msg(strstr(tess_test_message(host), words) != NULL, "wanted `%s` in: %s", words, tess_test_message(host));
}

static void open_host(void)
{
    unsetenv("TESSERA_PLUGIN_PATH");
    ok(tess_test_host_open(NULL, &host));
    ctx = tess_test_context(host);
}

static void close_host(void)
{
    ck_assert_int_eq(tess_test_host_close(host), 0);
}

/* ---- the host -------------------------------------------------------------------------------------------------------- */

START_TEST(leaks_are_told_in_bytes)
{
    void *lost = NULL;
    struct tess_test_host *inner;
    ok(tess_test_host_open(&(struct tess_test_options){.size = sizeof(struct tess_test_options), .threads = 2, .backend = "openblas"},
                           &inner));
    ok(tess_alloc(tess_test_context(inner), 100, "what is lost", &lost));
    ck_assert_int_eq(tess_test_host_close(inner), 100);
    tess_free(lost);
    ck_assert_int_eq(tess_test_host_close(NULL), 0);
    ck_assert_str_eq(tess_test_message(NULL), "");
}
END_TEST

START_TEST(a_host_that_cannot_be_opened_says_why)
{
    struct tess_test_host *inner;
    struct tess_test_options o = {.size = sizeof o, .backend = "abacus"};
    ck_assert_int_eq(tess_test_host_open(&o, &inner), TESS_E_PLUGIN);
    ck_assert_ptr_nonnull(strstr(tess_test_message(inner), "no backend is called `abacus`"));
    ck_assert_int_eq(tess_test_add_file(inner, "x.so"), TESS_E_PLUGIN);
    ck_assert_int_eq(tess_test_host_close(inner), 0);
    o.size = 4;
    ck_assert_int_eq(tess_test_host_open(&o, &inner), TESS_E_USAGE);
    ck_assert_int_eq(tess_test_add_file(inner, "x.so"), TESS_E_INTERNAL);
    ck_assert_int_eq(tess_test_host_close(inner), 0);
}
END_TEST

struct compiled_in {
    int64_t n;
};
static const struct tess_param params[] = {
    {.name = "n", .help = "n", .type = TESS_I64, .offset = offsetof(struct compiled_in, n), .lo = 0, .hi = 9, .def = 3}, {.name = NULL}};
static int record_nothing(void *self, struct tess_context *c, struct tess_graph *g, struct tess_node *image, int64_t width,
                          struct tess_node **latent)
{
    (void)self, (void)g, (void)image, (void)width, (void)latent;
    return (c->fail)(c, TESS_E_FAILED, "nothing is recorded");
}
static const struct tess_encoder_1 ops = {.size = sizeof ops, .record = record_nothing};
static const struct tess_component components[] = {
    TESS_COMPONENT("compiled-in", "encoder/1", "x", sizeof(struct compiled_in), params, NULL, NULL, &ops), TESS_COMPONENT_END};
static const struct tess_plugin plugin = TESS_PLUGIN_INIT("compiled-in", "1", "MIT", NULL, components);

START_TEST(plugins_come_from_files_and_from_the_test_itself)
{
    struct tess_instance *i;
    ok(tess_test_add_plugin(host, &plugin));
    ok(tess_instance_open(ctx, "encoder/1", "{use: compiled-in, n: 5}", "test", &i));
    ck_assert_int_eq(((struct compiled_in *)tess_instance_self(i))->n, 5);
    tess_instance_close(i);
    fails(tess_test_add_plugin(host, &plugin), TESS_E_PLUGIN, "wanted names of its own, found the id compiled-in");
    ok(tess_test_add_file(host, TEST_BUILD "/tests/fixtures/.libs/good.so"));
    ok(tess_test_add_file(host, TEST_BUILD "/tests/fixtures/.libs/good.so"));
    fails(tess_test_add_file(host, TEST_BUILD "/tests/fixtures/.libs/major.so"), TESS_E_PLUGIN, "wanted plugin ABI");
    fails(tess_test_add_file(host, "/nowhere.so"), TESS_E_PLUGIN, "/nowhere.so");
    ok(tess_instance_open(ctx, "encoder/1", "{use: conv}", "test", &i));
    tess_instance_close(i);
}
END_TEST

/* ---- graphs ---------------------------------------------------------------------------------------------------------- */

/* y = tanh(W x + b), its mean square, and codes of it; with a total of its own, as quantizers have. */
static int layer(void *user, struct tess_context *c, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    struct tess_init init = {.size = sizeof(struct tess_init), .kind = TESS_INIT_NORMAL, .spread = 0.5};
    struct tess_node *y =
        tess_tanh(g, tess_linear(g, in[0], tess_weight(g, "w", 2, DIMS(3, 4), &init), tess_weight(g, "b", 1, DIMS(3), &init)));
    (void)user;
    (void)c;
    tess_total(g, "own", tess_mean_all(g, y));
    tess_output(g, "own too", y);
    out[0] = y;
    out[1] = tess_mean_all(g, tess_square(g, y));
    out[2] = tess_nearest(g, y, tess_weight(g, "codebook", 2, DIMS(5, 3), &init));
    return TESS_OK;
}

START_TEST(a_batch_of_microbatches_is_the_batch)
{
    struct tess_tensor x, whole[3], parts[3];
    ok(tess_test_normal(ctx, 1, 2, DIMS(6, 4), &x));
    struct tess_test_graph t = {.size = sizeof t, .inputs = 1, .outputs = 3, .in = &x, .seed = 4, .record = layer};
    ok(tess_test_run(ctx, &t, whole));
    t.microbatches = 3;
    ok(tess_test_run(ctx, &t, parts));
    ck_assert_int_eq(whole[0].dim[0], 6);
    ok(tess_check_near(ctx, "y", &parts[0], &whole[0], 1e-6, 1e-6));
    ok(tess_check_near(ctx, "loss", &parts[1], &whole[1], 0, 1e-6));
    ok(tess_check_same(ctx, "codes", &parts[2], &whole[2]));
    ok(tess_check_codes(ctx, "codes", &whole[2], 0, 5));
    ok(tess_check_finite(ctx, "y", &whole[0]));
    for (int i = 0; i < 3; i++) {
        tess_free(whole[i].data);
        tess_free(parts[i].data);
    }
    tess_free(x.data);
}
END_TEST

static int forgets_an_output(void *user, struct tess_context *c, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    (void)c;
    (void)g;
    out[0] = in[0];
    return *(int *)user;
}

START_TEST(what_is_not_recorded_is_told)
{
    float values[6] = {0};
    int status = TESS_OK;
    struct tess_tensor x = tess_tensor_over(values, TESS_F32, 2, DIMS(3, 2)), out[2];
    struct tess_test_graph t = {.size = sizeof t, .inputs = 1, .outputs = 2, .in = &x, .record = forgets_an_output, .user = &status};
    fails(tess_test_run(ctx, &t, out), TESS_E_FAILED, "output 1: wanted a node");
    ck_assert_ptr_null(out[0].data);
    status = TESS_E_VALUE;
    fails(tess_test_run(ctx, &t, out), TESS_E_VALUE, "failed with status -2 and no message");
    status = 7;
    fails(tess_test_run(ctx, &t, out), TESS_E_FAILED, "returned 7");
    t.microbatches = 2;
    fails(tess_test_run(ctx, &t, out), TESS_E_SHAPE, "a multiple of 2 microbatches");
    t = (struct tess_test_graph){.size = sizeof t, .outputs = 0, .record = layer};
    fails(tess_test_run(ctx, &t, out), TESS_E_USAGE, "at least one output");
}
END_TEST

START_TEST(a_failing_allocation_is_one_of_memory)
{
    struct tess_tensor x, out[3];
    int met = 0;
    ok(tess_test_normal(ctx, 1, 2, DIMS(6, 4), &x));
    struct tess_test_graph t = {.size = sizeof t, .inputs = 1, .outputs = 3, .in = &x, .record = layer};
    for (int n = 1;; n++) {
        tess_test_fail_allocation(n);
        int status = tess_test_run(ctx, &t, out);
        tess_test_fail_allocation(0);
        if (status == TESS_OK)
            break;
        met++;
        fails(status, TESS_E_MEMORY, "no memory for");
    }
    for (int i = 0; i < 3; i++)
        tess_free(out[i].data);
    tess_free(x.data);
    ck_assert_int_gt(met, 10);
}
END_TEST

/* ---- gradients ------------------------------------------------------------------------------------------------------- */

START_TEST(a_right_gradient_passes)
{
    struct tess_tensor x;
    struct tess_gradient_report r;
    ok(tess_test_normal(ctx, 1, 2, DIMS(6, 4), &x));
    struct tess_test_graph t = {.size = sizeof t, .inputs = 1, .outputs = 3, .in = &x, .record = layer};
    ok(tess_check_gradient(ctx, &t, NULL, &r));
    ck_assert_int_eq(r.checked, 24 + 12 + 3 + 5 * 3); /* the codebook too, on which neither depends */
    ck_assert_int_eq(r.wrong, 0);
    struct tess_gradient_options o = {.size = sizeof o, .only_inputs = 1, .max_elements = 6};
    ok(tess_check_gradient(ctx, &t, &o, &r));
    ck_assert_int_eq(r.checked, 6);
    tess_free(x.data);
}
END_TEST

/* x^2, whose backward pass is x: half of what it should be, where x is above `user`. */
static int square_forward(const struct tess_op_run *r)
{
    const float *x = r->in[0].data;
    float *y = r->out[0].data;
    for (int64_t i = 0; i < tess_tensor_count(&r->in[0]); i++)
        y[i] = x[i] * x[i];
    return TESS_OK;
}

static int square_backward(const struct tess_op_run *r)
{
    const float *x = r->in[0].data, *dy = r->dout[0].data, *from = r->attr;
    float *dx = r->din[0].data;
    for (int64_t i = 0; i < tess_tensor_count(&r->in[0]); i++)
        dx[i] = x[i] > *from ? x[i] * dy[i] : 2.0f * x[i] * dy[i];
    return TESS_OK;
}

static int half_wrong(void *user, struct tess_context *c, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    static const struct tess_op op = {
        .size = sizeof op, .name = "square", .keep_in = 1, .forward = square_forward, .backward = square_backward};
    struct tess_tensor shape = tess_shape(in[0]);
    (void)c;
    tess_custom(g, &op, user, sizeof(float), 1, in, 1, &shape, 0, 0.0, out);
    return TESS_OK;
}

START_TEST(a_wrong_gradient_is_told_with_its_place)
{
    float values[6] = {-1, -2, 0.5f, 3, -0.25f, -3}, from = 2;
    struct tess_gradient_report r;
    struct tess_tensor x = tess_tensor_over(values, TESS_F32, 2, DIMS(3, 2));
    struct tess_test_graph t = {.size = sizeof t, .inputs = 1, .outputs = 1, .in = &x, .record = half_wrong, .user = &from};
    fails(tess_check_gradient(ctx, &t, NULL, &r), TESS_E_FAILED, "1 of 6 elements are off; the worst is in0[1, 1] at 3: the backward pass");
    ck_assert_int_eq(r.wrong, 1);
    ck_assert(r.index[0] == 1 && r.index[1] == 1 && fabs(r.error - 0.5) < 1e-3);
    from = 5;
    ok(tess_check_gradient(ctx, &t, NULL, NULL));
    from = -9;
    fails(tess_check_gradient(ctx, &t, NULL, &r), TESS_E_FAILED, "6 of 6");
}
END_TEST

static int rectified(void *user, struct tess_context *c, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    (void)user;
    (void)c;
    out[0] = tess_abs(g, tess_leaky_relu(g, in[0], 0.1f));
    return TESS_OK;
}

/* Values at a kink, 0, or so near that a difference step crosses it. */
START_TEST(elements_at_a_kink_are_moved)
{
    float values[8] = {0, 0.001f, -0.001f, 1, -1, 0.004f, -0.0049f, 0.0099f};
    struct tess_gradient_report r;
    struct tess_tensor x = tess_tensor_over(values, TESS_F32, 1, DIMS(8));
    struct tess_test_graph t = {.size = sizeof t, .inputs = 1, .outputs = 1, .in = &x, .record = rectified};
    ok(tess_check_gradient(ctx, &t, NULL, &r));
    ck_assert_int_eq(r.checked, 8);
    ck_assert_int_ge(r.moved, 4);
    ck_assert(values[1] == 0.001f); /* the caller's values are as they were */
}
END_TEST

static int codes_alone(void *user, struct tess_context *c, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    (void)user;
    (void)c;
    out[0] = tess_nearest(g, in[0], tess_weight(g, "codebook", 2, DIMS(5, 2), TESS_INIT(.kind = TESS_INIT_NORMAL, .spread = 1)));
    return TESS_OK;
}

static int constant(void *user, struct tess_context *c, struct tess_graph *g, struct tess_node *const *in, struct tess_node **out)
{
    (void)user;
    (void)c;
    out[0] = tess_stop_gradient(g, tess_round(g, in[0]));
    return TESS_OK;
}

START_TEST(a_gradient_needs_something_smooth)
{
    float values[4] = {0};
    struct tess_tensor x = tess_tensor_over(values, TESS_F32, 2, DIMS(2, 2));
    struct tess_test_graph t = {.size = sizeof t, .inputs = 1, .outputs = 1, .in = &x, .record = codes_alone};
    fails(tess_check_gradient(ctx, &t, NULL, NULL), TESS_E_USAGE, "wanted an output of f32");
    t.record = constant;
    fails(tess_check_gradient(ctx, &t, NULL, NULL), TESS_E_FAILED, "no output depends on any of 4 elements");
    t.microbatches = 2;
    fails(tess_check_gradient(ctx, &t, NULL, NULL), TESS_E_USAGE, "one microbatch");
}
END_TEST

/* ---- values ---------------------------------------------------------------------------------------------------------- */

START_TEST(values_that_differ_are_told_with_their_place)
{
    float a[6] = {0, 1, 2, 3, 4, 5}, b[6] = {0, 1, 2.5f, 3, 4, 7};
    int32_t codes[3] = {0, 4, 2};
    struct tess_tensor x = tess_tensor_over(a, TESS_F32, 2, DIMS(2, 3)), y = tess_tensor_over(b, TESS_F32, 2, DIMS(2, 3)),
                       z = tess_tensor_over(b, TESS_F32, 1, DIMS(6)), k = tess_tensor_over(codes, TESS_I32, 1, DIMS(3));
    ok(tess_check_near(ctx, "x", &x, &y, 2.0, 0.0));
    fails(tess_check_near(ctx, "x", &x, &y, 0.0, 0.1), TESS_E_FAILED,
          "x: 2 of 6 values are not near what was wanted; the worst is at [1, 2], wanted 7, found 5");
    fails(tess_check_same(ctx, "x", &x, &y), TESS_E_FAILED, "x: the bytes differ, first at [0, 2]: wanted 2.5, found 2");
    fails(tess_check_near(ctx, "x", &x, &z, 9.0, 0.0), TESS_E_FAILED, "x: wanted f32 (6), found f32 (2, 3)");
    a[1] = NAN;
    fails(tess_check_near(ctx, "x", &x, &y, 9.0, 0.0), TESS_E_FAILED, "1 of 6 values are not near what was wanted; the worst is at [0, 1]");
    fails(tess_check_finite(ctx, "x", &x), TESS_E_FAILED, "x: wanted finite values, found nan at [0, 1]");
    ok(tess_check_codes(ctx, "codes", &k, 0, 5));
    fails(tess_check_codes(ctx, "codes", &k, 0, 4), TESS_E_FAILED, "codes: wanted codes in [0, 4), found 4 at [1]");
    fails(tess_check_codes(ctx, "codes", &x, 0, 4), TESS_E_FAILED, "codes: wanted values of i32, found f32 (2, 3)");
    k.data = NULL;
    fails(tess_check_same(ctx, "codes", &k, &k), TESS_E_FAILED, "without data");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("testing");
    TCase *tests = tcase_create("test host");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, open_host, close_host);
    tcase_add_test(tests, leaks_are_told_in_bytes);
    tcase_add_test(tests, a_host_that_cannot_be_opened_says_why);
    tcase_add_test(tests, plugins_come_from_files_and_from_the_test_itself);
    tcase_add_test(tests, a_batch_of_microbatches_is_the_batch);
    tcase_add_test(tests, what_is_not_recorded_is_told);
    tcase_add_test(tests, a_failing_allocation_is_one_of_memory);
    tcase_add_test(tests, a_right_gradient_passes);
    tcase_add_test(tests, a_wrong_gradient_is_told_with_its_place);
    tcase_add_test(tests, elements_at_a_kink_are_moved);
    tcase_add_test(tests, a_gradient_needs_something_smooth);
    tcase_add_test(tests, values_that_differ_are_told_with_their_place);
    return suite_run(suite);
}
