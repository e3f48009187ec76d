/* Every operation's gradient against central differences. The objective is the mean of the result times fixed random numbers, so
 * that no structure of the gradient goes unseen; the differences are taken of sums made here in double.
 * SPDX-License-Identifier: MIT */
#include "tests/support/gradients.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include "kit/train/diffaug.h"
#include "kit/train/likelihood.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tess_node *w(struct tess_graph *g, const char *name, int32_t rank, const int64_t *dim)
{
    return normal_weight(g, name, rank, dim, 0.0, 1.0);
}

/* ---- one recorder an operation ---- */

static struct tess_node *add_same(struct tess_graph *g)
{
    return tess_add(g, w(g, "a", 3, DIMS(2, 3, 5)), w(g, "b", 3, DIMS(2, 3, 5)));
}

static struct tess_node *add_last(struct tess_graph *g)
{
    return tess_add(g, w(g, "a", 3, DIMS(2, 3, 5)), w(g, "b", 1, DIMS(5)));
}

static struct tess_node *sub_middle(struct tess_graph *g)
{
    return tess_sub(g, w(g, "a", 4, DIMS(2, 3, 4, 5)), w(g, "b", 4, DIMS(2, 1, 1, 5)));
}

static struct tess_node *sub_scalar(struct tess_graph *g)
{
    return tess_sub(g, w(g, "a", 2, DIMS(3, 7)), w(g, "b", 2, DIMS(3, 1)));
}

static struct tess_node *mul_same(struct tess_graph *g)
{
    return tess_mul(g, w(g, "a", 2, DIMS(3, 7)), w(g, "b", 2, DIMS(3, 7)));
}

static struct tess_node *mul_row(struct tess_graph *g)
{
    return tess_mul(g, w(g, "a", 3, DIMS(2, 3, 4)), w(g, "b", 3, DIMS(2, 1, 4)));
}

static struct tess_node *mul_scalar(struct tess_graph *g)
{
    return tess_mul(g, w(g, "a", 3, DIMS(2, 3, 4)), w(g, "b", 1, DIMS(1)));
}

static struct tess_node *mul_itself(struct tess_graph *g)
{
    struct tess_node *a = w(g, "a", 2, DIMS(3, 4));
    return tess_mul(g, a, tess_add(g, a, a));
}

static struct tess_node *affine(struct tess_graph *g)
{
    return tess_affine(g, w(g, "a", 1, DIMS(9)), -1.5f, 0.25f);
}

#define UNARY(name, call)                                   \
    static struct tess_node *name(struct tess_graph *g)    \
    {                                                       \
        struct tess_node *a = w(g, "a", 2, DIMS(5, 9));     \
        return call;                                        \
    }

static struct tess_node *positive(struct tess_graph *g, struct tess_node *a)
{
    return tess_affine(g, tess_square(g, a), 1.0f, 0.5f);
}

UNARY(swish, tess_swish(g, a))
UNARY(gelu, tess_gelu(g, a))
UNARY(mish, tess_mish(g, a))
UNARY(tanh_, tess_tanh(g, a))
UNARY(sigmoid, tess_sigmoid(g, a))
UNARY(leaky, tess_leaky_relu(g, tess_affine(g, a, 4.0f, 0.0f), 0.2f))
UNARY(abs_, tess_abs(g, tess_affine(g, a, 4.0f, 0.0f)))
UNARY(square, tess_square(g, a))
UNARY(exp_, tess_exp(g, a))
UNARY(log_, tess_log(g, positive(g, a)))
UNARY(sqrt_, tess_sqrt(g, positive(g, a)))
UNARY(reshape, tess_square(g, tess_reshape(g, a, 3, DIMS(3, 5, 3))))
UNARY(sum_last, tess_sum(g, tess_square(g, a), 2))
UNARY(mean_first, tess_mean(g, tess_square(g, a), 1))
UNARY(mean_all, tess_mean_all(g, tess_square(g, a)))
UNARY(softmax, tess_softmax(g, a))
UNARY(slice, tess_slice(g, tess_square(g, a), 1, 2, 4))
UNARY(slice_first, tess_slice(g, tess_square(g, a), 0, 1, 3))

static struct tess_node *dropout(struct tess_graph *g)
{
    return tess_dropout(g, w(g, "a", 3, DIMS(2, 30, 20)), 0.3f, "test");
}

static struct tess_node *concat(struct tess_graph *g)
{
    return tess_concat(g, w(g, "a", 3, DIMS(2, 3, 4)), w(g, "b", 3, DIMS(2, 5, 4)), 1);
}

static struct tess_node *mean_middle(struct tess_graph *g)
{
    return tess_mean(g, w(g, "a", 4, DIMS(2, 3, 4, 5)), 6);
}

static struct tess_node *upsample(struct tess_graph *g)
{
    return tess_upsample(g, w(g, "a", 4, DIMS(2, 3, 2, 5)), 2);
}

static struct tess_node *linear(struct tess_graph *g)
{
    return tess_linear(g, w(g, "x", 3, DIMS(2, 5, 7)), w(g, "w", 2, DIMS(6, 7)), w(g, "b", 1, DIMS(6)));
}

static struct tess_node *linear_shared(struct tess_graph *g)
{
    struct tess_node *m = w(g, "w", 2, DIMS(7, 7));
    return tess_linear(g, tess_linear(g, w(g, "x", 2, DIMS(4, 7)), m, NULL), m, NULL);
}

static struct tess_node *product(struct tess_graph *g, int ta, int tb)
{
    return tess_matmul(g, ta ? w(g, "a", 3, DIMS(2, 4, 3)) : w(g, "a", 3, DIMS(2, 3, 4)),
                       tb ? w(g, "b", 3, DIMS(2, 5, 4)) : w(g, "b", 3, DIMS(2, 4, 5)), ta, tb);
}

static struct tess_node *matmul_nn(struct tess_graph *g)
{
    return product(g, 0, 0);
}

static struct tess_node *matmul_nt(struct tess_graph *g)
{
    return product(g, 0, 1);
}

static struct tess_node *matmul_tn(struct tess_graph *g)
{
    return product(g, 1, 0);
}

static struct tess_node *matmul_tt(struct tess_graph *g)
{
    return product(g, 1, 1);
}

static struct tess_node *convolution(struct tess_graph *g, int64_t h, int64_t ci, int64_t co, int64_t k, struct tess_conv conv)
{
    return tess_conv2d(g, w(g, "x", 4, DIMS(2, h, h - 1, ci)), w(g, "w", 4, DIMS(co, k, k, ci)), w(g, "b", 1, DIMS(co)), &conv);
}

static struct tess_node *conv_3(struct tess_graph *g)
{
    return convolution(g, 6, 3, 4, 3, (struct tess_conv){sizeof(struct tess_conv), 1, 1, 1, 1, 1});
}

static struct tess_node *conv_1(struct tess_graph *g)
{
    return convolution(g, 5, 3, 4, 1, (struct tess_conv){.size = sizeof(struct tess_conv), .stride = 1});
}

static struct tess_node *conv_down(struct tess_graph *g)
{
    return convolution(g, 7, 3, 4, 3, (struct tess_conv){sizeof(struct tess_conv), 2, 0, 0, 1, 1});
}

static struct tess_node *conv_4_2(struct tess_graph *g)
{
    return convolution(g, 7, 2, 3, 4, (struct tess_conv){sizeof(struct tess_conv), 2, 1, 1, 1, 1});
}

static struct tess_node *conv_4_1(struct tess_graph *g)
{
    return convolution(g, 6, 2, 3, 4, (struct tess_conv){sizeof(struct tess_conv), 1, 1, 1, 1, 1});
}

static struct tess_node *conv_grey(struct tess_graph *g)
{
    return convolution(g, 6, 1, 4, 3, (struct tess_conv){sizeof(struct tess_conv), 1, 1, 1, 1, 1});
}

static struct tess_node *conv_to_grey(struct tess_graph *g)
{
    return convolution(g, 6, 5, 1, 3, (struct tess_conv){sizeof(struct tess_conv), 1, 1, 1, 1, 1});
}

static struct tess_node *conv_lopsided(struct tess_graph *g)
{
    return convolution(g, 8, 2, 3, 3, (struct tess_conv){sizeof(struct tess_conv), 3, 2, 0, 1, 2});
}

static struct tess_node *transposed(struct tess_graph *g, int64_t h, int64_t ci, int64_t co, int64_t k, struct tess_conv conv)
{
    return tess_conv2d_transpose(g, w(g, "x", 4, DIMS(2, h, h - 1, ci)), w(g, "w", 4, DIMS(ci, k, k, co)), w(g, "b", 1, DIMS(co)), &conv);
}

static struct tess_node *transposed_4_2(struct tess_graph *g)
{
    return transposed(g, 4, 3, 2, 4, (struct tess_conv){sizeof(struct tess_conv), 2, 1, 1, 1, 1});
}

static struct tess_node *transposed_3_1(struct tess_graph *g)
{
    return transposed(g, 5, 2, 3, 3, (struct tess_conv){sizeof(struct tess_conv), 1, 1, 1, 1, 1});
}

static struct tess_node *transposed_gaps(struct tess_graph *g) /* stride wider than the kernel: some output pixels receive nothing */
{
    return transposed(g, 3, 2, 3, 2, (struct tess_conv){sizeof(struct tess_conv), 3, 0, 0, 0, 0});
}

static struct tess_node *transposed_lopsided(struct tess_graph *g)
{
    return transposed(g, 4, 3, 1, 3, (struct tess_conv){sizeof(struct tess_conv), 2, 2, 0, 1, 0});
}

static struct tess_node *group_norm(struct tess_graph *g)
{
    return tess_group_norm(g, w(g, "x", 4, DIMS(2, 3, 4, 6)), w(g, "gamma", 1, DIMS(6)), w(g, "beta", 1, DIMS(6)), 3, 1e-6f);
}

static struct tess_node *group_norm_swish(struct tess_graph *g)
{
    return tess_group_norm_swish(g, w(g, "x", 4, DIMS(2, 3, 4, 6)), w(g, "gamma", 1, DIMS(6)), w(g, "beta", 1, DIMS(6)), 6, 1e-6f);
}

static struct tess_node *layer_norm(struct tess_graph *g)
{
    return tess_layer_norm(g, w(g, "x", 3, DIMS(2, 3, 11)), w(g, "gamma", 1, DIMS(11)), w(g, "beta", 1, DIMS(11)), 1e-5f);
}

static struct tess_node *attention_of(struct tess_graph *g, int64_t m, int causal)
{
    return tess_attention(g, w(g, "q", 3, DIMS(2, 5, 6)), w(g, "k", 3, DIMS(2, m, 6)), w(g, "v", 3, DIMS(2, m, 6)), 2, causal);
}

static struct tess_node *attention(struct tess_graph *g)
{
    return attention_of(g, 7, 0);
}

static struct tess_node *attention_causal(struct tess_graph *g)
{
    return attention_of(g, 5, 1);
}

static struct tess_node *linear_attention_of(struct tess_graph *g, int64_t l, int64_t m, int32_t heads)
{
    return tess_linear_attention(g, w(g, "q", 3, DIMS(2, l, 6)), w(g, "k", 3, DIMS(2, m, 6)), w(g, "v", 3, DIMS(2, m, 6)), heads);
}

static struct tess_node *linear_attention(struct tess_graph *g)
{
    return linear_attention_of(g, 5, 7, 2);
}

static struct tess_node *linear_attention_narrow(struct tess_graph *g) /* heads of one channel */
{
    return linear_attention_of(g, 4, 3, 6);
}

static struct tess_node *linear_attention_self(struct tess_graph *g) /* q, k and v are parts of one node */
{
    struct tess_node *all = w(g, "qkv", 3, DIMS(2, 5, 12));
    return tess_linear_attention(g, tess_slice(g, all, 2, 0, 4), tess_slice(g, all, 2, 4, 4), tess_slice(g, all, 2, 8, 4), 2);
}

/* Codes made inside the graph: the nearest of a fixed codebook. */
static struct tess_node *codes(struct tess_graph *g, int64_t n, int64_t k)
{
    struct tess_init fixed = {.size = sizeof(struct tess_init), .kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_BUFFER, .spread = 1.0};
    return tess_nearest(g, tess_weight(g, "points", 2, DIMS(n, 3), &fixed), tess_weight(g, "book", 2, DIMS(k, 3), &fixed));
}

static struct tess_node *embedding(struct tess_graph *g)
{
    return tess_embedding(g, codes(g, 9, 4), w(g, "table", 2, DIMS(4, 5)));
}

/* Twelve indices in five rows: some are there twice. */
static struct tess_node *gather(struct tess_graph *g)
{
    return tess_gather(g, w(g, "x", 3, DIMS(2, 5, 3)), tess_reshape(g, codes(g, 12, 5), 2, DIMS(2, 6)));
}

static struct tess_node *cross_entropy(struct tess_graph *g)
{
    return tess_cross_entropy(g, w(g, "x", 2, DIMS(9, 4)), codes(g, 9, 4), NULL);
}

static struct tess_node *cross_entropy_weighted(struct tess_graph *g)
{
    struct tess_init fixed = {.size = sizeof(struct tess_init), .kind = TESS_INIT_UNIFORM, .flags = TESS_WEIGHT_BUFFER, .spread = 1.0};
    struct tess_node *some = tess_leaky_relu(g, tess_weight(g, "weight", 1, DIMS(9), &fixed), 0.0f); /* about half of them 0 */
    return tess_cross_entropy(g, w(g, "x", 2, DIMS(9, 4)), codes(g, 9, 4), some);
}

/* A custom operation as a plugin brings it: y = a^3. */
static int cube_forward(const struct tess_op_run *r)
{
    const float *x = r->in[0].data;
    for (int64_t i = 0; i < tess_tensor_count(&r->in[0]); i++)
        ((float *)r->out[0].data)[i] = x[i] * x[i] * x[i];
    return TESS_OK;
}

static int cube_backward(const struct tess_op_run *r)
{
    const float *x = r->in[0].data, *dy = r->dout[0].data;
    for (int64_t i = 0; i < tess_tensor_count(&r->in[0]); i++)
        ((float *)r->din[0].data)[i] = 3.0f * x[i] * x[i] * dy[i];
    return TESS_OK;
}

static struct tess_node *custom(struct tess_graph *g)
{
    static const struct tess_op cube = {
        .size = sizeof cube, .name = "cube", .keep_in = 1, .forward = cube_forward, .backward = cube_backward};
    struct tess_node *a = w(g, "a", 2, DIMS(3, 4)), *y;
    struct tess_tensor shape = tess_shape(a);
    tess_custom(g, &cube, NULL, 0, 1, &a, 1, &shape, 0, 24.0, &y);
    return y;
}

/* Far enough apart that the difference does not change which is the largest. */
static struct tess_node *max_pool(struct tess_graph *g)
{
    struct tess_node *apart =
        tess_weight(g, "apart", 4, DIMS(2, 5, 7, 3), TESS_INIT(.kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_BUFFER, .spread = 100.0));
    return tess_affine(g, tess_max_pool(g, tess_add(g, w(g, "a", 4, DIMS(2, 5, 7, 3)), apart), 2), 0.01f, 0.0f);
}

static struct tess_node *max_pool_3(struct tess_graph *g)
{
    struct tess_node *apart =
        tess_weight(g, "apart", 4, DIMS(2, 6, 3, 2), TESS_INIT(.kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_BUFFER, .spread = 100.0));
    return tess_affine(g, tess_max_pool(g, tess_add(g, w(g, "a", 4, DIMS(2, 6, 3, 2)), apart), 3), 0.01f, 0.0f);
}

static struct tess_node *direction(struct tess_graph *g)
{
    struct tess_node *weight = tess_weight(g, "weight", 1, DIMS(5),
                                           TESS_INIT(.kind = TESS_INIT_UNIFORM, .flags = TESS_WEIGHT_BUFFER, .centre = 1.0, .spread = 0.9));
    return tess_direction_distance(g, w(g, "a", 4, DIMS(2, 3, 2, 5)), w(g, "b", 4, DIMS(2, 3, 2, 5)), weight);
}

static struct tess_node *likelihood(struct tess_graph *g)
{
    return likelihood_record(g, w(g, "x", 2, DIMS(3, 7)), w(g, "mean", 2, DIMS(3, 7)), w(g, "log_sigma", 2, DIMS(3, 7)));
}

static struct tess_node *direction_plain(struct tess_graph *g)
{
    return tess_direction_distance(g, w(g, "a", 2, DIMS(3, 7)), w(g, "b", 2, DIMS(3, 7)), NULL);
}

static struct tess_node *diffaug_colour(struct tess_graph *g)
{
    return diffaug(g, w(g, "image", 4, DIMS(2, 9, 6, 3)), diffaug_draws(g, "test"));
}

static struct tess_node *diffaug_grey(struct tess_graph *g)
{
    return diffaug(g, w(g, "image", 4, DIMS(2, 4, 12, 1)), diffaug_draws(g, "test"));
}

/* A residual block: a node read twice, gradients added. */
static struct tess_node *residual(struct tess_graph *g)
{
    struct tess_node *x = w(g, "x", 2, DIMS(4, 6)), *m = w(g, "w", 2, DIMS(6, 6));
    for (int i = 0; i < 3; i++)
        x = tess_add(g, x, tess_swish(g, tess_linear(g, x, m, NULL)));
    return x;
}

static const struct {
    const char *name;
    gradient_recorder *record;
    double bound; /* error over the gradient's largest value; f32 central differences give about 1e-3 where curvature is mild */
} operations[] = {
    {"add", add_same, 2e-3},
    {"add, last dimension", add_last, 2e-3},
    {"sub, middle dimensions", sub_middle, 2e-3},
    {"sub, one a row", sub_scalar, 2e-3},
    {"mul", mul_same, 2e-3},
    {"mul, rows", mul_row, 2e-3},
    {"mul, scalar", mul_scalar, 2e-3},
    {"mul of a node with itself", mul_itself, 2e-3},
    {"affine", affine, 2e-3},
    {"swish", swish, 2e-3},
    {"gelu", gelu, 2e-3},
    {"mish", mish, 2e-3},
    {"tanh", tanh_, 2e-3},
    {"sigmoid", sigmoid, 2e-3},
    {"leaky_relu", leaky, 2e-3},
    {"abs", abs_, 2e-3},
    {"square", square, 2e-3},
    {"exp", exp_, 2e-3},
    {"log", log_, 2e-3},
    {"sqrt", sqrt_, 2e-3},
    {"reshape", reshape, 2e-3},
    {"sum", sum_last, 2e-3},
    {"mean", mean_first, 2e-3},
    {"mean, middle", mean_middle, 2e-3},
    {"mean_all", mean_all, 2e-3},
    {"dropout", dropout, 2e-3},
    {"concat", concat, 2e-3},
    {"slice", slice, 2e-3},
    {"slice, first", slice_first, 2e-3},
    {"upsample", upsample, 2e-3},
    {"linear", linear, 2e-3},
    {"linear, shared weight", linear_shared, 2e-3},
    {"matmul", matmul_nn, 2e-3},
    {"matmul, b transposed", matmul_nt, 2e-3},
    {"matmul, a transposed", matmul_tn, 2e-3},
    {"matmul, both", matmul_tt, 2e-3},
    {"conv 3x3", conv_3, 2e-3},
    {"conv 1x1", conv_1, 2e-3},
    {"conv, stride 2, padded right and bottom", conv_down, 2e-3},
    {"conv 4x4, stride 2", conv_4_2, 2e-3},
    {"conv 4x4, stride 1", conv_4_1, 2e-3},
    {"conv from one channel", conv_grey, 2e-3},
    {"conv to one channel", conv_to_grey, 2e-3},
    {"conv, stride 3, odd padding", conv_lopsided, 2e-3},
    {"softmax", softmax, 2e-3},
    {"conv transposed 4x4, stride 2", transposed_4_2, 2e-3},
    {"conv transposed 3x3", transposed_3_1, 2e-3},
    {"conv transposed, gaps", transposed_gaps, 2e-3},
    {"conv transposed, odd padding", transposed_lopsided, 2e-3},
    {"group_norm", group_norm, 5e-3},
    {"group_norm_swish", group_norm_swish, 5e-3},
    {"layer_norm", layer_norm, 5e-3},
    {"attention", attention, 3e-3},
    {"attention, causal", attention_causal, 3e-3},
    {"linear attention", linear_attention, 3e-3},
    {"linear attention, one channel a head", linear_attention_narrow, 3e-3},
    {"linear attention, of one node", linear_attention_self, 3e-3},
    {"embedding", embedding, 2e-3},
    {"gather", gather, 2e-3},
    {"cross_entropy", cross_entropy, 2e-3},
    {"cross_entropy, weighted", cross_entropy_weighted, 2e-3},
    {"custom", custom, 3e-3},
    {"max_pool", max_pool, 2e-3},
    {"max_pool of 3, odd sizes", max_pool_3, 2e-3},
    {"direction_distance", direction, 2e-3},
    {"direction_distance, unweighted", direction_plain, 2e-3},
    {"the loss of train-likelihood", likelihood, 2e-3},
    {"diffaug, colour", diffaug_colour, 2e-3},
    {"diffaug, grey", diffaug_grey, 2e-3},
    {"residual", residual, 3e-3},
};

START_TEST(gradient_is_the_slope)
{
    gradient_check(operations[_i].name, operations[_i].record, operations[_i].bound);
}
END_TEST

/* ---- values, where a gradient does not tell ---- */

/* Value and gradient of an operation's sum at `x`. */
static void at_point(struct tess_node *(*record)(struct tess_graph *g, struct tess_node *x), const struct tess_tensor *x, float *y,
                     float *dx)
{
    struct fixture b;
    struct tess_tensor view;
    fixture_open(&b, 1, 1, 1, 1);
    struct tess_node *out = record(b.graph, w(b.graph, "x", x->rank, x->dim));
    struct tess_tensor shape = tess_shape(out), total[2] = {tess_tensor_over(NULL, TESS_F32, 0, NULL), shape};
    total[1].data = y;
    struct tess_node *sum = tess_sum(b.graph, out, (1u << shape.rank) - 1);
    tess_objective(b.graph, "loss", "", tess_reshape(b.graph, sum, 0, NULL));
    tess_total(b.graph, "y", out);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    fixture_ok(&b, tess_weights_seal(&b.context.context, b.weights));
    fixture_ok(&b, tess_weights_find(&b.context.context, b.weights, "x", TESS_ROLE_VALUE, &view));
    memcpy(view.data, x->data, tess_tensor_bytes(&view));
    struct tess_batch batch = {.size = sizeof batch, .samples = 1, .totals = 2, .total = total};
    fixture_ok(&b, tess_graph_step(&b.context.context, b.graph, &batch));
    fixture_ok(&b, tess_graph_gradient(&b.context.context, b.graph, "x", &view));
    memcpy(dx, view.data, tess_tensor_bytes(&view));
    fixture_close(&b);
}

static struct tess_node *pool_2(struct tess_graph *g, struct tess_node *x)
{
    return tess_max_pool(g, x, 2);
}

START_TEST(the_first_of_equals_is_the_largest)
{
    /* Two channels; a third row and column that fill no block. */
    float x[3 * 3 * 2] = {1, -5, 4, -2, 9, 9, /**/ 4, -2, 4, -7, 9, 9, /**/ 9, 9, 9, 9, 9, 9}, y[2], dx[18];
    const float want[18] = {0, 0, 1, 1};
    struct tess_tensor t = tess_tensor_over(x, TESS_F32, 4, DIMS(1, 3, 3, 2));
    at_point(pool_2, &t, y, dx);
    ck_assert(y[0] == 4.0f && y[1] == -2.0f);
    for (int i = 0; i < 18; i++)
        ck_assert_msg(dx[i] == want[i], "value %d: %g", i, (double)dx[i]);
}
END_TEST

/* x against itself turned round, so that its first vector meets zeros. */
static struct tess_node *turned_round(struct tess_graph *g, struct tess_node *x)
{
    struct tess_node *first = tess_slice(g, x, 1, 0, 1), *second = tess_slice(g, x, 1, 1, 1);
    return tess_direction_distance(g, x, tess_concat(g, second, first, 1), NULL);
}

START_TEST(zeros_have_no_direction)
{
    float x[6] = {3, 4, 0, 0, 0, 0}, y, dx[6];
    struct tess_tensor t = tess_tensor_over(x, TESS_F32, 3, DIMS(1, 2, 3));
    at_point(turned_round, &t, &y, dx);
    ck_assert(fabs((double)y - 1.0) < 1e-6); /* the square of a direction, whichever it is */
    for (int i = 0; i < 6; i++)
        ck_assert_msg(fabs((double)dx[i]) < 1e-6, "value %d: %g", i, (double)dx[i]); /* a longer vector has the same direction */
}
END_TEST

static void refused(struct tess_node *(*record)(struct tess_graph *g), const char *words)
{
    struct fixture b;
    fixture_open(&b, 1, 2, 1, 1);
    ck_assert_ptr_null(record(b.graph));
    ck_assert_int_eq(tess_graph_seal(&b.context.context, b.graph), TESS_E_SHAPE);
    ck_assert_msg(strstr(tessi_base_context_message(&b.context.context), words), "%s", tessi_base_context_message(&b.context.context));
    fixture_close(&b);
}

static struct tess_node *pool_too_large(struct tess_graph *g)
{
    return tess_max_pool(g, w(g, "a", 4, DIMS(2, 1, 4, 3)), 2);
}

static struct tess_node *directions_of_two_widths(struct tess_graph *g)
{
    return tess_direction_distance(g, w(g, "a", 2, DIMS(2, 4)), w(g, "b", 2, DIMS(2, 4)), w(g, "w", 1, DIMS(3)));
}

START_TEST(shapes_that_do_not_fit)
{
    refused(pool_too_large, "max_pool of blocks of 2 x 2 pixels wants f32 (N, H, W, C) of at least that, not f32 (2, 1, 4, 3)");
    refused(directions_of_two_widths,
            "wants two f32 (N, ..., C) and a weight (C) or none, C at most 2048, not f32 (2, 4), f32 (2, 4) and f32 (3)");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("operations");
    TCase *t = tcase_create("gradients");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, gradient_is_the_slope, 0, (int)(sizeof operations / sizeof *operations));
    tcase_add_test(t, the_first_of_equals_is_the_largest);
    tcase_add_test(t, zeros_have_no_direction);
    tcase_add_test(t, shapes_that_do_not_fit);
    suite_add_tcase(s, t);
    return suite_run(s);
}
