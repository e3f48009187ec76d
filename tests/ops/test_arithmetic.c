/* Operations on elements and axes beside the layers: division, extrema, comparison, choice, step functions, integers, one-hot, constants,
 * permuted axes, products along any axis. Values against plain loops, gradients against central differences, the same bits on any number of
 * threads. SPDX-License-Identifier: MIT */
#include "tests/support/gradients.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tess_node *w(struct tess_graph *g, const char *name, int32_t rank, const int64_t *dim)
{
    return normal_weight(g, name, rank, dim, 0.0, 1.0);
}

/* Values so far apart that a difference of the weights does not change which is larger. */
static struct tess_node *apart(struct tess_graph *g, int32_t rank, const int64_t *dim)
{
    return tess_weight(g, "apart", rank, dim, TESS_INIT(.kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_BUFFER, .spread = 50.0));
}

static struct tess_node *positive(struct tess_graph *g, struct tess_node *a)
{
    return tess_affine(g, tess_square(g, a), 1.0f, 0.7f);
}

static struct tess_node *reals(struct tess_graph *g, int32_t rank, const int64_t *dim, const float *values)
{
    float copy[64];
    struct tess_tensor t = tess_tensor_over(copy, TESS_F32, rank, dim);
    memcpy(copy, values, tess_tensor_bytes(&t));
    return tess_constant_array(g, &t);
}

static struct tess_node *integers(struct tess_graph *g, int32_t rank, const int64_t *dim, const int32_t *values)
{
    int32_t copy[64];
    struct tess_tensor t = tess_tensor_over(copy, TESS_I32, rank, dim);
    memcpy(copy, values, tess_tensor_bytes(&t));
    return tess_constant_array(g, &t);
}
#define REALS(...) reals(g, 1, DIMS((int64_t)(sizeof((const float[]){__VA_ARGS__}) / 4)), (const float[]){__VA_ARGS__})
#define INTEGERS(...) integers(g, 1, DIMS((int64_t)(sizeof((const int32_t[]){__VA_ARGS__}) / 4)), (const int32_t[]){__VA_ARGS__})

/* ---- gradients ---- */

#define RECORD(name, ...)                                                                                                                  \
    static struct tess_node *name(struct tess_graph *g)                                                                                    \
    {                                                                                                                                      \
        return __VA_ARGS__;                                                                                                                \
    }

RECORD(div_same, tess_div(g, w(g, "a", 2, DIMS(3, 7)), positive(g, w(g, "b", 2, DIMS(3, 7)))))
RECORD(div_row, tess_div(g, w(g, "a", 3, DIMS(2, 3, 4)), positive(g, w(g, "b", 1, DIMS(4)))))
RECORD(div_middle, tess_div(g, w(g, "a", 3, DIMS(2, 3, 4)), positive(g, w(g, "b", 3, DIMS(2, 1, 1)))))
RECORD(maximum_same, tess_maximum(g, tess_add(g, w(g, "a", 2, DIMS(5, 7)), apart(g, 2, DIMS(5, 7))), w(g, "b", 2, DIMS(5, 7))))
RECORD(maximum_row, tess_maximum(g, tess_add(g, w(g, "a", 3, DIMS(3, 5, 4)), apart(g, 3, DIMS(3, 5, 4))), w(g, "b", 3, DIMS(3, 1, 4))))
RECORD(minimum_same, tess_minimum(g, tess_add(g, w(g, "a", 2, DIMS(5, 7)), apart(g, 2, DIMS(5, 7))), w(g, "b", 2, DIMS(5, 7))))
RECORD(minimum_scalar, tess_minimum(g, tess_add(g, w(g, "a", 2, DIMS(5, 7)), apart(g, 2, DIMS(5, 7))), w(g, "b", 1, DIMS(1))))
RECORD(atanh_, tess_atanh(g, tess_affine(g, tess_tanh(g, w(g, "a", 2, DIMS(5, 9))), 0.9f, 0.0f)))
RECORD(clamp_, tess_clamp(g, tess_affine(g, w(g, "a", 2, DIMS(5, 9)), 40.0f, 0.0f), -30.0f, 35.0f))
RECORD(permute_, tess_square(g, tess_permute(g, w(g, "a", 4, DIMS(2, 3, 4, 5)), (const int32_t[]){2, 0, 3, 1})))
RECORD(transpose_, tess_square(g, tess_transpose(g, w(g, "a", 3, DIMS(2, 37, 41)), 1, 2)))
RECORD(along_tokens, tess_linear_along(g, w(g, "x", 3, DIMS(2, 5, 4)), 1, w(g, "w", 2, DIMS(7, 5)), w(g, "b", 1, DIMS(7))))
RECORD(along_rows, tess_linear_along(g, w(g, "x", 4, DIMS(2, 3, 4, 5)), 1, w(g, "w", 2, DIMS(6, 3)), NULL))
RECORD(along_last, tess_linear_along(g, w(g, "x", 3, DIMS(2, 5, 4)), 2, w(g, "w", 2, DIMS(3, 4)), w(g, "b", 1, DIMS(3))))
RECORD(times_array, tess_mul(g, w(g, "a", 2, DIMS(3, 4)), REALS(0.5f, -2.0f, 3.0f, 1.0f)))

static struct tess_node *chosen(struct tess_graph *g)
{
    struct tess_node *condition = tess_compare(g, apart(g, 2, DIMS(4, 6)), TESS_LESS, REALS(0.0f));
    return tess_where(g, condition, w(g, "a", 2, DIMS(4, 6)), tess_square(g, w(g, "b", 2, DIMS(4, 6))));
}

static const struct {
    const char *name;
    gradient_recorder *record;
    double bound;
} gradients[] = {
    {"div", div_same, 4e-3},
    {"div, rows", div_row, 4e-3},
    {"div, middle dimensions", div_middle, 4e-3},
    {"maximum", maximum_same, 3e-3},
    {"maximum, rows", maximum_row, 3e-3},
    {"minimum", minimum_same, 3e-3},
    {"minimum, scalar", minimum_scalar, 3e-3},
    {"atanh", atanh_, 3e-3},
    {"clamp", clamp_, 3e-3},
    {"permute", permute_, 2e-3},
    {"transpose", transpose_, 2e-3},
    {"linear along tokens", along_tokens, 2e-3},
    {"linear along rows", along_rows, 2e-3},
    {"linear along the last axis", along_last, 2e-3},
    {"times a constant array", times_array, 2e-3},
    {"where", chosen, 2e-3},
};

START_TEST(gradient_is_the_slope)
{
    gradient_check(gradients[_i].name, gradients[_i].record, gradients[_i].bound);
}
END_TEST

/* ---- values and gradients at a point ---- */

enum { POINT = 8 };

/* y and the gradient of its sum at x, 8 values. */
static void at_point(struct tess_node *(*record)(struct tess_graph *g, struct tess_node *x), const float *x, float *y, float *dx)
{
    struct fixture b;
    struct tess_tensor view, total[2] = {tess_tensor_over(NULL, TESS_F32, 0, NULL), tess_tensor_over(y, TESS_F32, 1, DIMS(POINT))};
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .totals = 2, .total = total};
    fixture_open(&b, 1, 1, 1, 1);
    struct tess_node *out = record(b.graph, w(b.graph, "x", 1, DIMS(POINT)));
    tess_objective(b.graph, "loss", "", tess_reshape(b.graph, tess_sum(b.graph, out, 1), 0, NULL));
    tess_total(b.graph, "y", out);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    fixture_ok(&b, tess_weights_seal(&b.context.context, b.weights));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "x", TESS_ROLE_VALUE, &view));
    memcpy(view.data, x, tess_tensor_bytes(&view));
    fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
    fixture_ok(&b, tess_graph_gradient(&b.context.context, b.graph, "x", &view));
    memcpy(dx, view.data, tess_tensor_bytes(&view));
    fixture_close(&b);
}

static struct tess_node *clamp_one(struct tess_graph *g, struct tess_node *x)
{
    return tess_clamp(g, x, -1.0f, 1.0f);
}

static struct tess_node *clamp_through(struct tess_graph *g, struct tess_node *x)
{
    return tess_straight_through(g, tess_clamp(g, x, -1.0f, 1.0f), x);
}

static struct tess_node *maximum_one(struct tess_graph *g, struct tess_node *x)
{
    return tess_maximum(g, x, REALS(1.0f));
}

static struct tess_node *minimum_one(struct tess_graph *g, struct tess_node *x)
{
    return tess_minimum(g, x, REALS(1.0f));
}

static struct tess_node *guarded_inverse(struct tess_graph *g, struct tess_node *x)
{
    struct tess_node *inverse = tess_div(g, tess_constant(g, 1.0f, 1, DIMS(POINT)), x);
    return tess_where(g, tess_compare(g, x, TESS_NOT_EQUAL, REALS(0.0f)), inverse, x);
}

START_TEST(values_and_gradients)
{
    static const struct {
        struct tess_node *(*record)(struct tess_graph *g, struct tess_node *x);
        float x[POINT], y[POINT], dx[POINT];
    } cases[] = {
        {tess_round, {-2.5f, -1.5f, -0.4f, 0.0f, 0.5f, 1.5f, 2.51f, 1e9f}, {-2, -2, 0, 0, 0, 2, 3, 1e9f}, {1, 1, 1, 1, 1, 1, 1, 1}},
        {tess_floor, {-2.5f, -1.0f, -0.4f, 0.0f, 0.5f, 1.0f, 2.99f, 1e9f}, {-3, -1, -1, 0, 0, 1, 2, 1e9f}, {1, 1, 1, 1, 1, 1, 1, 1}},
        {tess_sign, {-2.5f, -1e-30f, 0.0f, 1e-30f, 0.5f, 1, 2, 3}, {-1, -1, 0, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1}},
        {clamp_one, {-2, -1, -0.5f, 0, 0.5f, 1, 1.5f, 9}, {-1, -1, -0.5f, 0, 0.5f, 1, 1, 1}, {0, 1, 1, 1, 1, 1, 0, 0}},
        {clamp_through, {-2, -1, -0.5f, 0, 0.5f, 1, 1.5f, 9}, {-1, -1, -0.5f, 0, 0.5f, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1}},
        {maximum_one, {-2, -1, 0, 1, 2, 3, 0.5f, 1.5f}, {1, 1, 1, 1, 2, 3, 1, 1.5f}, {0, 0, 0, 0.5f, 1, 1, 0, 1}},
        {minimum_one, {-2, -1, 0, 1, 2, 3, 0.5f, 1.5f}, {-2, -1, 0, 1, 1, 1, 0.5f, 1}, {1, 1, 1, 0.5f, 0, 0, 1, 0}},
        {guarded_inverse,
         {-2, -1, 0, 1, 2, 4, 0, 0.5f},
         {-0.5f, -1, 0, 1, 0.5f, 0.25f, 0, 2},
         {-0.25f, -1, 1, -1, -0.25f, -0.0625f, 1, -4}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float y[POINT], dx[POINT];
        at_point(cases[i].record, cases[i].x, y, dx);
        for (int k = 0; k < POINT; k++) {
            ck_assert_msg(y[k] == cases[i].y[k], "case %zu, value %d: %g, not %g", i, k, (double)y[k], (double)cases[i].y[k]);
            if (cases[i].record == guarded_inverse && cases[i].x[k] == 0.0f)
                continue; /* 0 of the choice times an infinite slope is NaN in what was not chosen, as everywhere */
            ck_assert_msg(dx[k] == cases[i].dx[k], "case %zu, slope %d: %g, not %g", i, k, (double)dx[k], (double)cases[i].dx[k]);
        }
    }
}
END_TEST

/* ---- values of a graph of constants ---- */

/* The output of a graph, `y` having its shape and room; the status of the run. */
static int run_constants(struct fixture *b, gradient_recorder *record, struct tess_tensor *y)
{
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .outputs = 1, .out = y};
    fixture_open(b, 1, 1, 1, 0);
    struct tess_node *x = record(b->graph);
    tess_output(b->graph, "y", x);
    fixture_ok(b, tess_graph_seal(&b->context.context, b->graph));
    struct tess_tensor shape = tess_shape(x);
    void *data = y->data;
    ck_assert_uint_le(tess_tensor_bytes(&shape), 64 * 4);
    *y = shape;
    y->data = data;
    return tess_graph_run(&b->context.context, b->graph, &batch);
}

static void expect(gradient_recorder *record, int32_t dtype, int64_t n, const void *want)
{
    struct fixture b;
    float room[64];
    struct tess_tensor y = {.data = room};
    fixture_ok(&b, run_constants(&b, record, &y));
    ck_assert_int_eq(y.dtype, dtype);
    ck_assert_int_eq(tess_tensor_count(&y), n);
    for (int64_t i = 0; i < n; i++) {
        double got = dtype == TESS_F32 ? (double)room[i] : (double)((int32_t *)y.data)[i];
        double wanted = dtype == TESS_F32 ? (double)((const float *)want)[i] : (double)((const int32_t *)want)[i];
        ck_assert_msg(got == wanted || (isnan(got) && isnan(wanted)), "value %d is %g, not %g", (int)i, got, wanted);
    }
    fixture_close(&b);
}
#define EXPECT_INTEGERS(record, ...) expect(record, TESS_I32, sizeof((const int32_t[]){__VA_ARGS__}) / 4, (const int32_t[]){__VA_ARGS__})
#define EXPECT_REALS(record, ...) expect(record, TESS_F32, sizeof((const float[]){__VA_ARGS__}) / 4, (const float[]){__VA_ARGS__})

RECORD(i_add, tess_add(g, INTEGERS(1, -2, 2147483640, 4), INTEGERS(7)))
RECORD(i_sub, tess_sub(g, INTEGERS(1, -2, 3, 4), INTEGERS(7, 1, 3, -4)))
RECORD(i_mul, tess_mul(g, INTEGERS(1, -2, 65536, 4), INTEGERS(7, 1, 32767, -4)))
RECORD(i_div, tess_floor_div(g, INTEGERS(7, -7, 7, -7, 6, -6), INTEGERS(2, 2, -2, -2, 3, 3)))
RECORD(i_mod, tess_mod(g, INTEGERS(7, -7, 7, -7, 6, -6), INTEGERS(2, 2, -2, -2, 3, 3)))
RECORD(i_max, tess_maximum(g, INTEGERS(7, -7, 3), INTEGERS(2)))
RECORD(i_min, tess_minimum(g, INTEGERS(7, -7, 2), INTEGERS(2)))
RECORD(i_sum, tess_sum(g, integers(g, 2, DIMS(2, 3), (const int32_t[]){1, 2, 3, 4, 5, 6}), 2))
RECORD(i_part, tess_slice(g, tess_concat(g, INTEGERS(1, 2, 3), INTEGERS(4, 5), 0), 0, 2, 2))
RECORD(i_chosen, tess_where(g, REALS(1.0f, 0.0f, -3.0f), INTEGERS(1, 2, 3), INTEGERS(10, 20, 30)))
RECORD(i_from_reals, tess_to_i32(g, REALS(-2.5f, -1.5f, 0.4f, 2147483520.0f, -2147483648.0f)))
RECORD(i_largest, tess_argmax(g, reals(g, 2, DIMS(3, 3), (const float[]){1, 5, 5, -1, -2, -3, 0, NAN, 7})))
RECORD(one_hot_, tess_one_hot(g, INTEGERS(2, 0, 1), 3))
RECORD(less, tess_compare(g, REALS(1, 2, 3, NAN), TESS_LESS, REALS(2)))
RECORD(less_equal, tess_compare(g, REALS(1, 2, 3, NAN), TESS_LESS_EQUAL, REALS(2)))
RECORD(equal, tess_compare(g, REALS(1, 2, 3, NAN), TESS_EQUAL, REALS(2)))
RECORD(not_equal, tess_compare(g, REALS(1, 2, 3, NAN), TESS_NOT_EQUAL, REALS(2)))
RECORD(greater_equal, tess_compare(g, REALS(1, 2, 3, NAN), TESS_GREATER_EQUAL, REALS(2)))
RECORD(greater, tess_compare(g, INTEGERS(1, 2, 16777217, -5), TESS_GREATER, INTEGERS(2, 2, 16777216, -6)))
RECORD(ratios, tess_div(g, REALS(1, -1, 0, 6), REALS(0, 0, 0, 4)))
RECORD(not_numbers, tess_maximum(g, REALS(NAN, 1, NAN), REALS(0, NAN, NAN)))
RECORD(made_again, tess_add(g, tess_mul(g, tess_floor_div(g, INTEGERS(0, 5, 17, 23), INTEGERS(6)), INTEGERS(6)),
                            tess_mod(g, INTEGERS(0, 5, 17, 23), INTEGERS(6))))

static struct tess_node *small_integers(struct tess_graph *g)
{
    uint8_t small[3] = {0, 7, 255};
    uint16_t medium[3] = {0, 300, 65535};
    struct tess_tensor a = tess_tensor_over(small, TESS_U8, 1, DIMS(3)), b = tess_tensor_over(medium, TESS_U16, 1, DIMS(3));
    return tess_add(g, tess_to_i32(g, tess_constant_array(g, &a)), tess_to_i32(g, tess_constant_array(g, &b)));
}

START_TEST(values)
{
    EXPECT_INTEGERS(i_add, 8, 5, 2147483647, 11);
    EXPECT_INTEGERS(i_sub, -6, -3, 0, 8);
    EXPECT_INTEGERS(i_mul, 7, -2, 2147418112, -16);
    EXPECT_INTEGERS(i_div, 3, -4, -4, 3, 2, -2);
    EXPECT_INTEGERS(i_mod, 1, 1, -1, -1, 0, 0);
    EXPECT_INTEGERS(i_max, 7, 2, 3);
    EXPECT_INTEGERS(i_min, 2, -7, 2);
    EXPECT_INTEGERS(i_sum, 6, 15);
    EXPECT_INTEGERS(i_part, 3, 4);
    EXPECT_INTEGERS(i_chosen, 1, 20, 3);
    EXPECT_INTEGERS(i_from_reals, -2, -2, 0, 2147483520, -2147483647 - 1);
    EXPECT_INTEGERS(i_largest, 1, 0, 1);
    EXPECT_INTEGERS(made_again, 0, 5, 17, 23);
    EXPECT_INTEGERS(small_integers, 0, 307, 65790);
    EXPECT_REALS(one_hot_, 0, 0, 1, 1, 0, 0, 0, 1, 0);
    EXPECT_REALS(less, 1, 0, 0, 0);
    EXPECT_REALS(less_equal, 1, 1, 0, 0);
    EXPECT_REALS(equal, 0, 1, 0, 0);
    EXPECT_REALS(not_equal, 1, 0, 1, 1);
    EXPECT_REALS(greater_equal, 0, 1, 1, 0);
    EXPECT_REALS(greater, 0, 0, 1, 1);
    EXPECT_REALS(ratios, INFINITY, -INFINITY, NAN, 1.5f);
    EXPECT_REALS(not_numbers, NAN, NAN, NAN);
}
END_TEST

/* ---- runs that fail ---- */

RECORD(too_large, tess_add(g, INTEGERS(1, 2147483647), INTEGERS(1)))
RECORD(too_small, tess_mul(g, INTEGERS(1, -65536), INTEGERS(1, 65536)))
RECORD(by_zero, tess_floor_div(g, INTEGERS(1, 2), INTEGERS(1, 0)))
RECORD(rest_by_zero, tess_mod(g, INTEGERS(1, 2), INTEGERS(0)))
RECORD(least_by_minus_one, tess_floor_div(g, INTEGERS(-2147483647 - 1), INTEGERS(-1)))
RECORD(sum_too_large, tess_sum(g, INTEGERS(2147483647, 1), 1))
RECORD(no_number, tess_to_i32(g, REALS(1, NAN)))
RECORD(real_too_large, tess_to_i32(g, REALS(1, 2147483648.0f)))
RECORD(code_outside, tess_one_hot(g, INTEGERS(0, 3), 3))

START_TEST(what_has_no_value_fails_the_run)
{
    static const struct {
        gradient_recorder *record;
        const char *words;
    } cases[] = {
        {too_large, "add: value 1 is 2147483648, of 2147483647 and 1: outside the integers of 32 bits"},
        {too_small, "mul: value 1 is -4294967296, of -65536 and 65536"},
        {by_zero, "floor_div: value 1 is 2, divided by 0"},
        {rest_by_zero, "mod: value 0 is 1, divided by 0"},
        {least_by_minus_one, "floor_div: value 0 is 2147483648, of -2147483648 and -1"},
        {sum_too_large, "sum: value 0 passes the integers of 32 bits"},
        {no_number, "to_i32: value 1 is nan, outside the integers of 32 bits"},
        {real_too_large, "to_i32: value 1 is 2.14748e+09"},
        {code_outside, "one_hot: code 3 at position 1 is outside 0 .. 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture b;
        float room[64];
        struct tess_tensor y = {.data = room};
        ck_assert_int_eq(run_constants(&b, cases[i].record, &y), TESS_E_DATA);
        const char *message = tessi_base_context_message(&b.context.context);
        ck_assert_msg(strstr(message, cases[i].words) != NULL, "%s", message);
        fixture_close(&b);
    }
}
END_TEST

/* ---- shapes and types that do not fit ---- */

RECORD(r_mixed, tess_add(g, REALS(1, 2), INTEGERS(1, 2)))
RECORD(r_div_integers, tess_div(g, INTEGERS(1, 2), INTEGERS(1, 2)))
RECORD(r_div_shape, tess_div(g, REALS(1, 2, 3), REALS(1, 2)))
RECORD(r_mod_reals, tess_mod(g, REALS(1), REALS(1)))
RECORD(r_maximum, tess_maximum(g, REALS(1, 2, 3), REALS(1, 2)))
RECORD(r_compare, tess_compare(g, REALS(1), TESS_LESS, INTEGERS(1)))
RECORD(r_where, tess_where(g, INTEGERS(1), REALS(1), REALS(1)))
RECORD(r_where_shapes, tess_where(g, REALS(1), REALS(1), REALS(1, 2)))
RECORD(r_round, tess_round(g, INTEGERS(1)))
RECORD(r_to_i32, tess_to_i32(g, INTEGERS(1)))
RECORD(r_one_hot, tess_one_hot(g, REALS(1), 3))
RECORD(r_one_hot_none, tess_one_hot(g, INTEGERS(0), 0))
RECORD(r_argmax, tess_argmax(g, INTEGERS(0)))
RECORD(r_permute, tess_permute(g, w(g, "a", 3, DIMS(2, 3, 4)), (const int32_t[]){0, 2, 2}))
RECORD(r_permute_null, tess_permute(g, w(g, "a", 3, DIMS(2, 3, 4)), NULL))
RECORD(r_transpose, tess_transpose(g, w(g, "a", 3, DIMS(2, 3, 4)), 1, 3))
RECORD(r_along, tess_linear_along(g, w(g, "a", 3, DIMS(2, 3, 4)), 1, w(g, "w", 2, DIMS(5, 4)), NULL))
RECORD(r_mean, tess_mean(g, INTEGERS(0), 1))
RECORD(r_concat, tess_concat(g, INTEGERS(0), REALS(0), 0))
RECORD(r_array_null, tess_constant_array(g, NULL))
RECORD(v_clamp, tess_clamp(g, REALS(0), 1.0f, 0.0f))
RECORD(v_clamp_nan, tess_clamp(g, REALS(0), NAN, 0.0f))
RECORD(v_relation, tess_compare(g, REALS(0), 6, REALS(0)))

static struct tess_node *r_array_bf16(struct tess_graph *g)
{
    uint16_t x = 0;
    struct tess_tensor t = tess_tensor_over(&x, TESS_BF16, 1, DIMS(1));
    return tess_constant_array(g, &t);
}

START_TEST(what_does_not_fit_is_refused)
{
    static const struct {
        gradient_recorder *record;
        int status;
        const char *words;
    } cases[] = {
        {r_mixed, TESS_E_SHAPE, "add of f32 (2) and i32 (2): two of f32 or two of i32 are wanted"},
        {r_div_integers, TESS_E_SHAPE, "div is of f32; integers have tess_floor_div and tess_mod"},
        {r_div_shape, TESS_E_SHAPE, "div of f32 (3) and f32 (2)"},
        {r_mod_reals, TESS_E_SHAPE, "mod of f32 (1) and f32 (1): two of i32 are wanted"},
        {r_maximum, TESS_E_SHAPE, "maximum of f32 (3) and f32 (2)"},
        {r_compare, TESS_E_SHAPE, "compare of f32 (1) and i32 (1)"},
        {r_where, TESS_E_SHAPE, "where of i32 (1), f32 (1) and f32 (1)"},
        {r_where_shapes, TESS_E_SHAPE, "where of f32 (1), f32 (1) and f32 (2)"},
        {r_round, TESS_E_SHAPE, "round wants f32, not i32 (1)"},
        {r_to_i32, TESS_E_SHAPE, "to_i32 wants f32, u8 or u16, not i32 (1)"},
        {r_one_hot, TESS_E_SHAPE, "one_hot of f32 (1) in 3 values"},
        {r_one_hot_none, TESS_E_SHAPE, "one_hot of i32 (1) in 0 values"},
        {r_argmax, TESS_E_SHAPE, "argmax wants f32 (..., K), not i32 (1)"},
        {r_permute, TESS_E_SHAPE, "permute of f32 (2, 3, 4): each of the axes 0 .. 2 is wanted once"},
        {r_permute_null, TESS_E_SHAPE, "permute of f32 (2, 3, 4)"},
        {r_transpose, TESS_E_SHAPE, "transpose of axes 1 and 3: f32 (2, 3, 4) has the axes 0 .. 2"},
        {r_along, TESS_E_SHAPE, "linear_along axis 1 of f32 (2, 3, 4) with weight f32 (5, 4)"},
        {r_mean, TESS_E_SHAPE, "a mean over the axes of bits 0x1 of i32 (1): f32 and bits of its axes are wanted"},
        {r_concat, TESS_E_SHAPE, "concat of i32 (1) and f32 (1) along axis 0: two of f32 or two of i32"},
        {r_array_null, TESS_E_SHAPE, "constant_array of nothing"},
        {r_array_bf16, TESS_E_SHAPE, "constant_array of bf16 (1)"},
        {v_clamp, TESS_E_VALUE, "clamp between 1 and 0: the lower bound comes first"},
        {v_clamp_nan, TESS_E_VALUE, "clamp between nan and 0"},
        {v_relation, TESS_E_VALUE, "compare: there is no relation 6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture b;
        fixture_open(&b, 1, 1, 1, 0);
        ck_assert_ptr_null(cases[i].record(b.graph));
        ck_assert_int_eq(tess_graph_seal(&b.context.context, b.graph), cases[i].status);
        const char *message = tessi_base_context_message(&b.context.context);
        ck_assert_msg(strstr(message, cases[i].words) != NULL, "%zu: %s", i, message);
        fixture_close(&b);
    }
}
END_TEST

/* ---- permuted axes against the definition ---- */

static int64_t offset_of(const struct tess_tensor *t, const int64_t *index)
{
    int64_t at = 0;
    for (int32_t i = 0; i < t->rank; i++)
        at = at * t->dim[i] + index[i];
    return at;
}

static void permute_once(const int64_t *dim, const int32_t *axes, int32_t dtype)
{
    struct fixture b;
    struct tess_tensor x = tess_tensor_over(NULL, dtype, 4, dim), y;
    int64_t n = tess_tensor_count(&x), index[4];
    size_t size = tess_dtype_size(dtype);
    unsigned char *from = malloc((size_t)n * size), *to = malloc((size_t)n * size);
    for (size_t i = 0; i < (size_t)n * size; i++)
        from[i] = (unsigned char)((i * 2654435761u) >> 7);
    x.data = from;
    fixture_open(&b, 1, 1, 1, 0);
    struct tess_node *out = tess_permute(b.graph, tess_constant_array(b.graph, &x), axes);
    tess_output(b.graph, "y", out);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    y = tess_shape(out);
    y.data = to;
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .outputs = 1, .out = &y};
    fixture_ok(&b, tess_graph_run(&b.context.context, b.graph, &batch));
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, source[4];
        for (int k = 3; k >= 0; k--) {
            index[k] = rest % y.dim[k];
            rest /= y.dim[k];
            source[axes[k]] = index[k];
        }
        ck_assert_msg(memcmp(to + (size_t)i * size, from + (size_t)offset_of(&x, source) * size, size) == 0, "axes %d %d %d %d at %d",
                      (int)axes[0], (int)axes[1], (int)axes[2], (int)axes[3], (int)i);
    }
    fixture_close(&b);
    free(from);
    free(to);
}

START_TEST(every_order_of_four_axes)
{
    static const int64_t shapes[][4] = {{2, 3, 4, 5}, {1, 33, 2, 35}, {4, 1, 1, 3}, {1, 1, 1, 1}};
    static const int32_t dtypes[] = {TESS_F32, TESS_U16, TESS_U8, TESS_I32};
    for (int32_t code = 0; code < 256; code++) {
        int32_t axes[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3};
        if ((1 << axes[0] | 1 << axes[1] | 1 << axes[2] | 1 << axes[3]) != 15)
            continue;
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            permute_once(shapes[s], axes, dtypes[(size_t)code % 4]);
    }
}
END_TEST

/* ---- any number of threads, either precision ---- */

enum { SLICES = 5, TOKENS = 6, WIDTH = 40 };

struct mixed {
    float y[SLICES * 2 * TOKENS * WIDTH], gradient[3][TOKENS * TOKENS], loss;
    int32_t codes[SLICES * 2 * TOKENS];
};

/* A mixer of tokens whose result is quantised, with all that is new on the way. */
static void mix(int threads, struct mixed *m)
{
    struct fixture b;
    static float x[SLICES * 2 * TOKENS * WIDTH];
    int64_t dim[3] = {2, TOKENS, WIDTH}, all[3] = {2 * SLICES, TOKENS, WIDTH};
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = sinf(0.37f * (float)i) * 1.5f;
    fixture_open(&b, threads, 2, SLICES, 1);
    struct tess_graph *g = b.graph;
    struct tess_node *h = tess_input(g, "x", TESS_F32, 3, dim);
    h = tess_swish(g, tess_linear_along(g, h, 1, w(g, "w0", 2, DIMS(TOKENS, TOKENS)), w(g, "b0", 1, DIMS(TOKENS))));
    h = tess_clamp(g, tess_linear_along(g, h, 1, w(g, "w1", 2, DIMS(TOKENS, TOKENS)), NULL), -4.0f, 4.0f);
    h = tess_div(g, h, positive(g, w(g, "b2", 1, DIMS(WIDTH))));
    struct tess_node *q = tess_round(g, tess_maximum(g, h, tess_constant(g, -1.0f, 1, DIMS(1))));
    struct tess_node *codes = tess_mod(g, tess_sum(g, tess_to_i32(g, q), 4), integers(g, 1, DIMS(1), (const int32_t[]){16}));
    codes = tess_reshape(g, codes, 2, dim);
    tess_output(g, "codes", codes);
    tess_output(g, "y", q);
    struct tess_node *hot = tess_linear(g, tess_one_hot(g, codes, 16), w(g, "table", 2, DIMS(WIDTH, 16)), NULL);
    struct tess_node *close = tess_where(g, tess_compare(g, q, TESS_LESS, h), tess_sub(g, q, hot), h);
    tess_objective(g, "loss", "", tess_mean_all(g, tess_square(g, close)));
    fixture_ok(&b, tess_graph_seal(&b.context.context, g));
    struct tess_tensor in = tess_tensor_over(x, TESS_F32, 3, all), gradient;
    struct tess_tensor out[2] = {tess_tensor_over(m->codes, TESS_I32, 2, all), tess_tensor_over(m->y, TESS_F32, 3, all)};
    struct tess_tensor total = tess_tensor_over(&m->loss, TESS_F32, 0, NULL);
    struct tess_batch batch = {
        .size = sizeof batch, .samples = 2 * SLICES, .inputs = 1, .in = &in, .outputs = 2, .out = out, .totals = 1, .total = &total};
    fixture_ok(&b, tess_graph_step(&b.context.context, g, &batch));
    static const char *const names[3] = {"w0", "w1", "b0"};
    for (int i = 0; i < 3; i++) {
        fixture_ok(&b, tess_graph_gradient(&b.context.context, g, names[i], &gradient));
        memcpy(m->gradient[i], gradient.data, tess_tensor_bytes(&gradient));
    }
    fixture_close(&b);
}

START_TEST(threads_do_not_change_a_bit)
{
    static struct mixed one, other;
    if (_i && !fixture_can_bf16(NULL, NULL))
        return;
    fixture_precision = _i ? "bf16" : "f32";
    mix(1, &one);
    for (int threads = 2; threads <= 5; threads++) {
        mix(threads, &other);
        ck_assert_msg(memcmp(&one, &other, sizeof one) == 0, "%d threads differ from one", threads);
    }
    fixture_precision = NULL;
    ck_assert(one.loss > 0.0f && isfinite(one.loss));
}
END_TEST

START_TEST(bf16_is_near)
{
    static struct mixed wide, rounded;
    if (!fixture_can_bf16(NULL, NULL))
        return;
    mix(1, &wide);
    fixture_precision = "bf16";
    mix(1, &rounded);
    fixture_precision = NULL;
    double largest = 0.0, worst = 0.0;
    for (int k = 0; k < TOKENS * TOKENS; k++) {
        largest = fmax(largest, fabs((double)wide.gradient[1][k]));
        worst = fmax(worst, fabs((double)wide.gradient[1][k] - (double)rounded.gradient[1][k]));
    }
    ck_assert(fabs((double)wide.loss / (double)rounded.loss - 1.0) < 0.05);
    ck_assert_msg(worst < 0.1 * largest, "the gradient is off by %g of %g", worst, largest);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arithmetic");
    TCase *t = tcase_create("elements and axes");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, gradient_is_the_slope, 0, (int)(sizeof gradients / sizeof *gradients));
    tcase_add_test(t, values_and_gradients);
    tcase_add_test(t, values);
    tcase_add_test(t, what_has_no_value_fails_the_run);
    tcase_add_test(t, what_does_not_fit_is_refused);
    tcase_add_test(t, every_order_of_four_axes);
    tcase_add_loop_test(t, threads_do_not_change_a_bit, 0, 2);
    tcase_add_test(t, bf16_is_near);
    suite_add_tcase(s, t);
    return suite_run(s);
}
