/* Mistakes of whoever records and runs a graph: each gives a status and one sentence that names scope and operation, none a crash, a wrong
 * result or silence. SPDX-License-Identifier: MIT */
#include "core/graph/node.h"
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HUGE_SIZE ((int64_t)1 << 40)

static const struct tess_conv same_conv = {.size = sizeof(struct tess_conv), .stride = 1, .top = 1, .left = 1, .bottom = 1, .right = 1};

static struct tess_node *x(struct tess_graph *g)
{
    return normal_weight(g, "x", 4, DIMS(2, 4, 4, 3), 0.0, 1.0);
}

static struct tess_node *row(struct tess_graph *g)
{
    return normal_weight(g, "row", 2, DIMS(2, 3), 0.0, 1.0);
}

/* ---- recording ---- */

static void no_name_input(struct tess_graph *g)
{
    (void)tess_input(g, NULL, TESS_F32, 1, DIMS(2));
}

static void empty_name_output(struct tess_graph *g)
{
    tess_output(g, "", row(g));
}

static void no_name_total(struct tess_graph *g)
{
    tess_total(g, NULL, row(g));
}

static void total_of_controls(struct tess_graph *g)
{
    tess_total(g, "a\033[31m", row(g));
}

static void column_of_bytes(struct tess_graph *g)
{
    tess_column(g, "a\xff", tess_mean_all(g, row(g)));
}

static void output_of_lines(struct tess_graph *g)
{
    tess_output(g, "a\nb", row(g));
}

static void scope_of_controls(struct tess_graph *g)
{
    tess_scope(g, "a\033[31m");
}

static void no_name_objective(struct tess_graph *g)
{
    tess_objective(g, NULL, "", tess_mean_all(g, row(g)));
}

static void no_prefixes(struct tess_graph *g)
{
    tess_objective(g, "loss", NULL, tess_mean_all(g, row(g)));
}

static void no_name_weight(struct tess_graph *g)
{
    (void)normal_weight(g, NULL, 1, DIMS(2), 0, 1);
}

static void no_name_probe(struct tess_graph *g)
{
    tess_gradient_probe(g, tess_mean_all(g, row(g)), NULL);
}

static void no_purpose(struct tess_graph *g)
{
    (void)tess_dropout(g, row(g), 0.5f, NULL);
}

static void no_scope_name(struct tess_graph *g)
{
    const char *none = NULL;
    tess_scope(g, none);
}

static void slashed_weight(struct tess_graph *g)
{
    (void)normal_weight(g, "a/b", 1, DIMS(2), 0, 1);
}

static void gap_in_weight(struct tess_graph *g)
{
    tess_scope(g, "encoder.");
    (void)normal_weight(g, "a", 1, DIMS(2), 0, 1);
}

static void long_weight(struct tess_graph *g)
{
    char name[700];
    memset(name, 'w', sizeof name);
    name[sizeof name - 1] = 0;
    (void)normal_weight(g, name, 1, DIMS(2), 0, 1);
}

static void weight_as_folder(struct tess_graph *g)
{
    (void)normal_weight(g, "a.b", 1, DIMS(2), 0, 1);
    (void)normal_weight(g, "a", 1, DIMS(2), 0, 1);
}

static void two_shapes(struct tess_graph *g)
{
    tess_scope(g, "encoder");
    (void)normal_weight(g, "a", 1, DIMS(2), 0, 1);
    (void)normal_weight(g, "a", 1, DIMS(3), 0, 1);
}

static void infinite_weight(struct tess_graph *g)
{
    (void)normal_weight(g, "a", 1, DIMS(2), 0, INFINITY);
}

static void same_output_twice(struct tess_graph *g)
{
    tess_output(g, "y", row(g));
    tess_output(g, "y", row(g));
}

static void missing_node(struct tess_graph *g)
{
    tess_scope(g, "encoder");
    tess_scope(g, "block%d", 1);
    (void)tess_swish(g, NULL);
}

static void missing_output(struct tess_graph *g)
{
    tess_output(g, "latent", NULL);
}

static void wanted_channels(struct tess_graph *g)
{
    tess_scope(g, "encoder.block1");
    (void)tess_conv2d(g, x(g), normal_weight(g, "w", 4, DIMS(8, 3, 3, 64), 0, 1), NULL, &same_conv);
    tess_scope_end(g);
}

static void no_convolution(struct tess_graph *g)
{
    (void)tess_conv2d(g, x(g), normal_weight(g, "w", 4, DIMS(8, 3, 3, 3), 0, 1), NULL, NULL);
}

static void huge_constant(struct tess_graph *g)
{
    (void)tess_constant(g, 0.0f, 3, DIMS(HUGE_SIZE, HUGE_SIZE, HUGE_SIZE));
}

static void huge_weight(struct tess_graph *g)
{
    (void)normal_weight(g, "w", 2, DIMS(HUGE_SIZE, 64), 0, 1);
}

static void huge_one_hot(struct tess_graph *g)
{
    (void)tess_one_hot(g, tess_input(g, "codes", TESS_I32, 1, DIMS(2)), HUGE_SIZE);
}

static void huge_upsample(struct tess_graph *g)
{
    (void)tess_upsample(g, x(g), 1 << 30);
}

static void huge_slice(struct tess_graph *g)
{
    (void)tess_slice(g, row(g), 1, INT64_MAX, INT64_MAX);
}

static void huge_statistics(struct tess_graph *g)
{
    struct tess_node *counts, *sums;
    tess_code_statistics(g, tess_input(g, "codes", TESS_I32, 1, DIMS(2)), row(g), HUGE_SIZE, &counts, &sums);
}

static void negative_size(struct tess_graph *g)
{
    (void)tess_input(g, "x", TESS_F32, 2, DIMS(2, -3));
}

static void six_dimensions(struct tess_graph *g)
{
    (void)tess_input(g, "x", TESS_F32, 6, DIMS(2, 1, 1, 1, 1, 1));
}

static void no_dimensions(struct tess_graph *g)
{
    (void)tess_reshape(g, row(g), 2, NULL);
}

static void unknown_dtype(struct tess_graph *g)
{
    (void)tess_input(g, "x", 99, 1, DIMS(2));
}

static void no_groups(struct tess_graph *g)
{
    struct tess_node *one = normal_weight(g, "one", 1, DIMS(3), 1, 0);
    (void)tess_group_norm(g, x(g), one, one, 0, 1e-6f);
}

static void dropped_all(struct tess_graph *g)
{
    (void)tess_dropout(g, row(g), NAN, "noise");
}

static void open_scope(struct tess_graph *g)
{
    tess_scope(g, "encoder");
    tess_scope(g, "block%d", 1);
    tess_scope_end(g);
    (void)row(g);
}

static void scope_too_many_ends(struct tess_graph *g)
{
    tess_scope(g, "encoder");
    tess_scope_end(g);
    tess_scope_end(g);
}

static void nested_scopes(struct tess_graph *g)
{
    for (int i = 0; i < 40; i++)
        tess_scope(g, "s");
}

static void unweighed(struct tess_graph *g)
{
    tess_objective(g, "loss", "", tess_mul(g, tess_mean_all(g, row(g)), tess_adaptive_weight(g)));
}

static void positive_failure(struct tess_graph *g)
{
    tess_scope(g, "net");
    (void)tess_graph_fail(g, 7, "the sizes %d and %d contradict each other", 3, 4);
}

static void vector_objective(struct tess_graph *g)
{
    tess_objective(g, "loss", "", row(g));
}

static void vector_column(struct tess_graph *g)
{
    tess_column(g, "usage", row(g));
}

static void whole_total(struct tess_graph *g)
{
    tess_total(g, "uses", tess_input(g, "codes", TESS_I32, 1, DIMS(2)));
}

static void input_of_three_rows(struct tess_graph *g)
{
    (void)tess_input(g, "x", TESS_F32, 2, DIMS(3, 2));
}

static void scalar_output(struct tess_graph *g)
{
    tess_output(g, "y", tess_mean_all(g, row(g)));
}

static void long_output(struct tess_graph *g)
{
    char name[601];
    memset(name, 'y', sizeof name);
    name[sizeof name - 1] = 0;
    tess_scope(g, "encoder");
    tess_output(g, name, row(g));
}

static void long_scope(struct tess_graph *g)
{
    char name[1000];
    memset(name, 's', sizeof name);
    name[sizeof name - 1] = 0;
    tess_scope(g, "%s", name);
}

static void vector_probe(struct tess_graph *g)
{
    tess_gradient_probe(g, row(g), "row");
}

static void probe_of_none(struct tess_graph *g)
{
    tess_gradient_probe(g, tess_mean_all(g, row(g)), "column");
}

static void nine_probes(struct tess_graph *g)
{
    struct tess_node *mean = tess_mean_all(g, row(g));
    for (int i = 0; i < 9; i++)
        tess_gradient_probe(g, mean, "row");
}

static void probe_of_another(struct tess_graph *g)
{
    struct tess_node *mean = tess_mean_all(g, row(g));
    (void)normal_weight(g, "apart", 1, DIMS(2), 0, 1);
    tess_gradient_probe(g, mean, "apart");
    tess_objective(g, "loss", "", tess_mul(g, mean, tess_adaptive_weight(g)));
}

static void objective_of_another(struct tess_graph *g)
{
    (void)normal_weight(g, "critic.a", 1, DIMS(2), 0, 1);
    tess_objective(g, "loss", "critic", tess_mean_all(g, row(g)));
}

static void mean_of_codes(struct tess_graph *g)
{
    (void)tess_batch_mean(g, tess_input(g, "codes", TESS_I32, 1, DIMS(2)));
}

static void nine_means(struct tess_graph *g)
{
    for (int i = 0; i < 9; i++)
        (void)tess_batch_mean(g, row(g));
}

static void flags_of_none(struct tess_graph *g)
{
    const struct tess_init init = {.size = sizeof init, .flags = 1u << 20};
    (void)tess_weight(g, "w", 1, DIMS(2), &init);
}

static void init_of_none(struct tess_graph *g)
{
    const struct tess_init init = {.size = sizeof init, .kind = 77};
    (void)tess_weight(g, "w", 1, DIMS(2), &init);
}

static void init_without_size(struct tess_graph *g)
{
    const struct tess_init init = {.size = 4};
    (void)tess_weight(g, "w", 1, DIMS(2), &init);
}

static void no_init(struct tess_graph *g)
{
    (void)tess_weight(g, "w", 1, DIMS(2), NULL);
}

/* ---- operations of one's own ---- */

static int custom_ok(const struct tess_op_run *r)
{
    memset(r->out[0].data, 0, tess_tensor_bytes(&r->out[0]));
    return TESS_OK;
}

static int custom_positive(const struct tess_op_run *r)
{
    (void)r;
    return 3;
}

static int custom_silent(const struct tess_op_run *r)
{
    (void)r;
    return TESS_E_DATA;
}

static int custom_forgetful(const struct tess_op_run *r)
{
    (void)(r->context->fail)(r->context, TESS_E_DATA, "row %d is odd", 1); /* Check has a macro of that name */
    return TESS_OK;
}

static struct tess_node *record_custom(struct tess_graph *g, const struct tess_op *op, const struct tess_tensor *shape)
{
    struct tess_node *in = row(g), *y = in;
    struct tess_tensor same = tess_shape(in);
    tess_custom(g, op, NULL, 0, 1, &in, 1, shape ? shape : &same, 0, 1.0, &y);
    return y;
}

static void op_null(struct tess_graph *g)
{
    ck_assert_ptr_null(record_custom(g, NULL, NULL));
}

static void op_without_size(struct tess_graph *g)
{
    static const struct tess_op op = {.size = 3, .name = "cube", .forward = custom_ok};
    ck_assert_ptr_null(record_custom(g, &op, NULL));
}

static void op_without_name(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .forward = custom_ok};
    ck_assert_ptr_null(record_custom(g, &op, NULL));
}

static void op_of_controls(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .name = "cu\033[31mbe", .forward = custom_ok};
    ck_assert_ptr_null(record_custom(g, &op, NULL));
}

/* One array for inputs and results: the operation has its input. */
static void op_in_place(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .name = "cube", .forward = custom_ok};
    struct tess_node *x = row(g), *input = x;
    struct tess_tensor shape = tess_shape(x);
    tess_custom(g, &op, NULL, 0, 1, &x, 1, &shape, 0, 0.0, &x);
    ck_assert_ptr_nonnull(x);
    ck_assert_ptr_ne(x, input);
    ck_assert_ptr_eq(x->maker->in[0], input);
    (void)tess_graph_fail(g, TESS_E_VALUE, "the operation has its input");
}

static void op_without_forward(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .name = "cube"};
    ck_assert_ptr_null(record_custom(g, &op, NULL));
}

static void op_keeps_more(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .name = "cube", .keep_in = 4, .forward = custom_ok};
    ck_assert_ptr_null(record_custom(g, &op, NULL));
}

static void op_of_bf16(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .name = "cube", .forward = custom_ok};
    struct tess_tensor bf16 = tess_tensor_over(NULL, TESS_BF16, 1, DIMS(2));
    ck_assert_ptr_null(record_custom(g, &op, &bf16));
}

static void op_of_six(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .name = "cube", .forward = custom_ok};
    struct tess_tensor shape = {.dtype = TESS_F32, .rank = 6};
    ck_assert_ptr_null(record_custom(g, &op, &shape));
}

static void op_of_nothing(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .name = "cube", .forward = custom_ok};
    struct tess_node *y = NULL;
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, 1, DIMS(2));
    tess_custom(g, &op, NULL, 0, 2, NULL, 1, &shape, 0, 1.0, &y);
}

static void op_of_nine(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .name = "cube", .forward = custom_ok};
    struct tess_node *in[9] = {NULL}, *y = NULL;
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, 1, DIMS(2));
    tess_custom(g, &op, NULL, 0, 9, in, 1, &shape, 0, 1.0, &y);
}

static void op_without_settings(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .name = "cube", .forward = custom_ok};
    struct tess_node *y = NULL;
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, 1, DIMS(2));
    tess_custom(g, &op, NULL, 16, 0, NULL, 1, &shape, 0, 1.0, &y);
}

static void op_without_place(struct tess_graph *g)
{
    static const struct tess_op op = {.size = sizeof op, .name = "cube", .forward = custom_ok};
    struct tess_tensor shape = tess_tensor_over(NULL, TESS_F32, 1, DIMS(2));
    tess_custom(g, &op, NULL, 0, 0, NULL, 1, &shape, 0, 1.0, NULL);
}

static const struct {
    void (*record)(struct tess_graph *g);
    int status;
    const char *words;
} recordings[] = {
    {no_name_input, TESS_E_VALUE, "input: a name is wanted, not NULL"},
    {empty_name_output, TESS_E_VALUE, "output: a name is wanted, not an empty text"},
    {no_name_total, TESS_E_VALUE, "total: a name is wanted"},
    {total_of_controls, TESS_E_VALUE, "total: a name is wanted, a line of UTF-8, found other text"},
    {column_of_bytes, TESS_E_VALUE, "total: a name is wanted, a line of UTF-8, found other text"},
    {output_of_lines, TESS_E_VALUE, "output: a name is wanted, a line of UTF-8, found other text"},
    {scope_of_controls, TESS_E_VALUE, "the name of a scope: a line of UTF-8 is wanted, found other text"},
    {op_of_controls, TESS_E_PLUGIN, "a custom operation: wanted a line of UTF-8 as its name, found other text"},
    {op_in_place, TESS_E_VALUE, "the operation has its input"},
    {no_name_objective, TESS_E_VALUE, "an objective: a name is wanted"},
    {no_prefixes, TESS_E_VALUE, "objective loss: the prefixes of the weights it trains are NULL"},
    {no_name_weight, TESS_E_VALUE, "a weight: a name is wanted, not NULL"},
    {no_name_probe, TESS_E_VALUE, "a name is wanted, not NULL"},
    {no_purpose, TESS_E_VALUE, "the purpose of dropout: a name is wanted"},
    {no_scope_name, TESS_E_VALUE, "a scope of name NULL"},
    {slashed_weight, TESS_E_VALUE, "the weight a/b: a name is at most"},
    {gap_in_weight, TESS_E_VALUE, "the weight a: a name is at most"},
    {long_weight, TESS_E_VALUE, "a name is at most 599 characters"},
    {weight_as_folder, TESS_E_VALUE, "weight a: there is a weight a.b"},
    {two_shapes, TESS_E_SHAPE, "encoder: weight encoder.a was declared as f32 (2) and is now f32 (3)"},
    {infinite_weight, TESS_E_VALUE, "weight a: its initial values are around 0, spread by inf"},
    {same_output_twice, TESS_E_VALUE, "output y is declared twice"},
    {missing_node, TESS_E_VALUE, "encoder.block1: swish: input 0 is NULL, not a node"},
    {missing_output, TESS_E_VALUE, "latent: input 0 is NULL"},
    {wanted_channels, TESS_E_SHAPE,
     "encoder.block1: conv2d of f32 (2, 4, 4, 3) with weight f32 (8, 3, 3, 64): wanted 64 channels, found 3"},
    {no_convolution, TESS_E_VALUE, "conv2d: a stride of 1 .. 4096"},
    {huge_constant, TESS_E_SHAPE, "at most 1099511627776 values are possible"},
    {huge_weight, TESS_E_SHAPE, "weight w would be f32 (1099511627776, 64)"},
    {huge_one_hot, TESS_E_SHAPE, "one_hot of i32 (2) in 1099511627776 values"},
    {huge_upsample, TESS_E_SHAPE, "upsample by 1073741824"},
    {huge_slice, TESS_E_SHAPE, "f32 (2, 3) has no"},
    {huge_statistics, TESS_E_SHAPE, "code_statistics: its result 1 would be f32 (1099511627776, 3)"},
    {negative_size, TESS_E_SHAPE, "input x would be f32 (2, -3)"},
    {six_dimensions, TESS_E_SHAPE, "input x: 6 dimensions are wanted; a tensor has 0 .. 5"},
    {no_dimensions, TESS_E_SHAPE, "2 dimensions are wanted, and their sizes are NULL"},
    {unknown_dtype, TESS_E_SHAPE, "input x would be ? (2)"},
    {no_groups, TESS_E_SHAPE, "group_norm of f32 (2, 4, 4, 3) in 0 groups"},
    {dropped_all, TESS_E_VALUE, "dropout of nan"},
    {open_scope, TESS_E_VALUE, "the scope encoder is not closed"},
    {scope_too_many_ends, TESS_E_VALUE, "one tess_scope_end too many"},
    {nested_scopes, TESS_E_VALUE, "scopes are nested more than 32 deep"},
    {unweighed, TESS_E_VALUE, "tess_set_adaptive_weights is missing"},
    {positive_failure, TESS_E_PLUGIN, "net: the sizes 3 and 4 contradict each other"},
    {vector_objective, TESS_E_SHAPE, "objective loss is f32 (2, 3), not a scalar"},
    {vector_column, TESS_E_SHAPE, "column usage is f32 (2, 3), not a scalar"},
    {whole_total, TESS_E_SHAPE, "total uses must be f32, not i32 (2)"},
    {input_of_three_rows, TESS_E_SHAPE, "input x is f32 (3, 2): its first dimension must be a multiple of the 2 rows of a microbatch"},
    {scalar_output, TESS_E_SHAPE, "output y is f32 (): its first dimension"},
    {long_output, TESS_E_VALUE, "its name has 608 characters with its scope; 599 are possible"},
    {long_scope, TESS_E_VALUE, "the name of a scope is too long: 999 characters"},
    {vector_probe, TESS_E_SHAPE, "a gradient probe of row: a scalar is wanted"},
    {probe_of_none, TESS_E_VALUE, "a gradient probe of column: there is no trained weight of that name"},
    {nine_probes, TESS_E_VALUE, "a graph has at most 8 gradient probes"},
    {probe_of_another, TESS_E_VALUE, "a gradient probe's loss does not depend on apart"},
    {objective_of_another, TESS_E_VALUE, "objective loss does not depend on any weight it is to train (critic)"},
    {mean_of_codes, TESS_E_SHAPE, "a batch's mean of i32 (2): f32 is wanted"},
    {nine_means, TESS_E_VALUE, "a graph has at most 8 means over its batch"},
    {flags_of_none, TESS_E_VALUE, "weight w: there are no flags 0x100000"},
    {init_of_none, TESS_E_VALUE, "weight w: there is no initial value of kind 77"},
    {init_without_size, TESS_E_VALUE, "weight w: its struct tess_init is too small"},
    {no_init, TESS_E_VALUE, "weight w: its struct tess_init is NULL"},
    {op_null, TESS_E_PLUGIN, "a custom operation is NULL"},
    {op_without_size, TESS_E_PLUGIN, "the size of its struct tess_op is 3"},
    {op_without_name, TESS_E_PLUGIN, "a custom operation has no name"},
    {op_without_forward, TESS_E_PLUGIN, "the custom operation cube has no function `forward`"},
    {op_keeps_more, TESS_E_PLUGIN, "cube wants to keep the inputs of bits 0x4"},
    {op_of_bf16, TESS_E_SHAPE, "cube: its result 0 would be bf16 (2)"},
    {op_of_six, TESS_E_SHAPE, "cube: its result 0 would be"},
    {op_of_nothing, TESS_E_VALUE, "cube: its inputs are NULL"},
    {op_of_nine, TESS_E_VALUE, "cube has 9 inputs and 1 results"},
    {op_without_settings, TESS_E_VALUE, "cube: its settings are NULL"},
    {op_without_place, TESS_E_VALUE, "there is no place for its results"},
};

START_TEST(recordings_are_refused)
{
    struct fixture b;
    fixture_open(&b, 1, 2, 1, 1);
    recordings[_i].record(b.graph);
    int status = tess_graph_seal(&b.context.context, b.graph);
    const char *message = tessi_base_context_message(&b.context.context);
    ck_assert_msg(status == recordings[_i].status && strstr(message, recordings[_i].words), "%d: %s", status, message);
    tessi_base_context_clear(&b.context.context);
    ck_assert_int_eq(tess_graph_seal(&b.context.context, b.graph), status); /* once more: the first failure stays */
    fixture_close(&b);
}
END_TEST

START_TEST(nodes_of_another_graph)
{
    struct fixture b, other;
    fixture_open(&b, 1, 2, 1, 0);
    fixture_open(&other, 1, 2, 1, 0);
    tess_scope(b.graph, "net");
    ck_assert_ptr_null(tess_add(b.graph, row(b.graph), row(other.graph)));
    tess_scope_end(b.graph);
    ck_assert_int_eq(tess_graph_seal(&b.context.context, b.graph), TESS_E_VALUE);
    ck_assert_str_eq(tessi_base_context_message(&b.context.context), "net: add: input 1 is a node of another graph");
    fixture_close(&b);
    fixture_open(&b, 1, 2, 1, 0);
    struct tess_node *w = normal_weight(b.graph, "w", 2, DIMS(5, 3), 0, 1);
    ck_assert_ptr_null(tess_linear(b.graph, row(b.graph), w, normal_weight(other.graph, "b", 1, DIMS(5), 0, 1))); /* an optional one */
    ck_assert_int_eq(tess_graph_status(b.graph), TESS_E_VALUE);
    fixture_close(&b);
    fixture_close(&other);
}
END_TEST

/* Calls that have no graph to keep a failure in. */
START_TEST(no_graph_at_all)
{
    struct fixture b;
    struct tess_tensor t;
    struct tess_context *ctx = &b.context.context;
    struct tess_graph *none;
    fixture_open(&b, 1, 2, 1, 0);
    ck_assert_ptr_null(tess_swish(NULL, NULL));
    ck_assert_ptr_null(tess_input(NULL, "x", TESS_F32, 1, DIMS(2)));
    ck_assert_ptr_null(tess_weight(NULL, "x", 1, DIMS(2), TESS_INIT(0)));
    ck_assert_ptr_null(tess_adaptive_weight(NULL));
    ck_assert_ptr_null(tess_constant(NULL, 0.0f, 0, NULL));
    ck_assert_ptr_null(tess_graph_input_at(NULL, 0, &t));
    ck_assert_ptr_null(tess_graph_output_at(NULL, 0, &t));
    ck_assert_ptr_null(tess_graph_total_at(NULL, 0, &t));
    tess_output(NULL, "y", NULL);
    tess_total(NULL, "y", NULL);
    tess_objective(NULL, "y", "", NULL);
    tess_scope(NULL, "s");
    tess_scope_end(NULL);
    tess_graph_free(NULL);
    tess_weights_free(NULL);
    ck_assert_int_eq(tess_graph_status(NULL), TESS_E_VALUE);
    ck_assert(tess_graph_microbatch(NULL) == 0 && tess_weights_count(NULL) == 0 && tess_weights_index(NULL, "x") == -1);
    ck_assert(tess_weights_index(b.weights, NULL) == -1 && tess_weights_name(NULL, 0) == NULL);
    ck_assert_int_eq(tess_graph_seal(ctx, NULL), TESS_E_VALUE);
    tess_forget(ctx);
    ck_assert_int_eq(tess_graph_run(ctx, NULL, NULL), TESS_E_VALUE);
    tess_forget(ctx);
    ck_assert_int_eq(tess_graph_step(ctx, NULL, NULL), TESS_E_VALUE);
    tess_forget(ctx);
    ck_assert_int_eq(tess_graph_cost(ctx, NULL, NULL), TESS_E_VALUE);
    tess_forget(ctx);
    ck_assert_int_eq(tess_graph_gradient(ctx, b.graph, NULL, &t), TESS_E_VALUE);
    tess_forget(ctx);
    ck_assert_int_eq(tess_weights_view(ctx, NULL, 0, 0, &t), TESS_E_VALUE);
    tess_forget(ctx);
    ck_assert_int_eq(tess_weights_find(ctx, b.weights, NULL, 0, &t), TESS_E_DATA);
    tess_forget(ctx);
    ck_assert_int_eq(tess_weights_seal(ctx, NULL), TESS_E_VALUE);
    tess_forget(ctx);
    ck_assert_int_eq(tess_weights_write(ctx, b.weights, 0, NULL), TESS_E_VALUE);
    tess_forget(ctx);
    ck_assert_int_eq(tess_graph_new(ctx, b.weights, NULL, &none), TESS_E_VALUE);
    ck_assert_str_eq(tess_message(ctx), "a graph needs a store of weights and options, and the options are NULL");
    fixture_close(&b);
}
END_TEST

START_TEST(tensors_that_are_none)
{
    struct tess_tensor t = tess_tensor_over(NULL, TESS_F32, 9, DIMS(1)),
                       huge = {.dtype = TESS_F32, .rank = 2, .dim = {HUGE_SIZE, HUGE_SIZE}};
    char text[64];
    ck_assert_str_eq(tess_tensor_text(&t, text, sizeof text), "? ()");
    ck_assert(tess_tensor_count(NULL) == 0 && tess_tensor_bytes(NULL) == 0 && tess_tensor_same_shape(NULL, &t) == 0);
    ck_assert(tess_tensor_count(&huge) == INT64_MAX && tess_tensor_bytes(&huge) == SIZE_MAX);
    ck_assert_str_eq(tess_tensor_text(NULL, text, sizeof text), "nothing");
}
END_TEST

/* ---- sizes of graphs ---- */

START_TEST(graphs_of_impossible_sizes)
{
    static const int64_t sizes[][2] = {{0, 1}, {1, 0}, {-1, 1}, {HUGE_SIZE, 1}, {1, HUGE_SIZE}, {1 << 20, 1 << 20}};
    struct fixture b;
    fixture_open(&b, 1, 1, 1, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct tess_graph_options o = {.size = sizeof o, .microbatch = sizes[i][0], .microbatches = sizes[i][1]};
        struct tess_graph *g;
        ck_assert_int_eq(tess_graph_new(&b.context.context, b.weights, &o, &g), TESS_E_SHAPE);
        ck_assert_ptr_null(g);
        tess_forget(&b.context.context);
    }
    fixture_close(&b);
}
END_TEST

/* ---- running ---- */

struct running {
    struct fixture b;
    float x[4 * 3], y[4 * 2], total[2 * 2];
    struct tess_tensor in, out, totals;
    struct tess_batch batch;
};

static void running_open(struct running *m, const struct tess_op *op)
{
    memset(m, 0, sizeof *m);
    fixture_open(&m->b, 2, 2, 2, 0);
    struct tess_graph *g = m->b.graph;
    struct tess_node *in = tess_input(g, "x", TESS_F32, 2, DIMS(2, 3)), *y;
    y = tess_linear(g, in, normal_weight(g, "w", 2, DIMS(2, 3), 0, 1), NULL);
    if (op) {
        struct tess_tensor shape = tess_shape(y);
        struct tess_node *from = y;
        tess_scope(g, "head");
        tess_custom(g, op, NULL, 0, 1, &from, 1, &shape, 0, 1.0, &y);
        tess_scope_end(g);
    }
    tess_output(g, "y", y);
    tess_total(g, "sum", tess_sum(g, y, 1));
    fixture_ok(&m->b, tess_graph_seal(&m->b.context.context, g));
    m->in = tess_tensor_over(m->x, TESS_F32, 2, DIMS(4, 3));
    m->out = tess_tensor_over(m->y, TESS_F32, 2, DIMS(4, 2));
    m->totals = tess_tensor_over(m->total, TESS_F32, 2, DIMS(1, 2));
    m->batch = (struct tess_batch){.size = sizeof m->batch, .samples = 4, .inputs = 1, .outputs = 1, .totals = 1};
    m->batch.in = &m->in;
    m->batch.out = &m->out;
    m->batch.total = &m->totals;
}

static void running_refused(struct running *m, int status, const char *words)
{
    int found = tess_graph_run(&m->b.context.context, m->b.graph, &m->batch);
    const char *message = tessi_base_context_message(&m->b.context.context);
    ck_assert_msg(found == status && strstr(message, words), "%d: %s", found, message);
    tess_forget(&m->b.context.context);
}

START_TEST(batches_that_do_not_fit)
{
    static const struct {
        int which; /* 0 input, 1 output, 2 total */
        int32_t dtype, rank;
        int64_t dim[3];
        const char *words;
    } cases[] = {
        {0, TESS_I32, 2, {4, 3}, "input x of a graph: wanted f32 (4, 3), found i32 (4, 3)"},
        {0, TESS_F32, 2, {3, 3}, "input x of a graph: wanted f32 (4, 3), found f32 (3, 3)"},
        {0, TESS_F32, 2, {3, 4}, "input x of a graph: wanted f32 (4, 3), found f32 (3, 4)"},
        {0, TESS_F32, 1, {12}, "input x of a graph: wanted f32 (4, 3), found f32 (12)"},
        {1, TESS_F32, 2, {4, 3}, "output y of a graph: wanted f32 (4, 2), found f32 (4, 3)"},
        {1, TESS_F32, 2, {2, 4}, "output y of a graph: wanted f32 (4, 2), found f32 (2, 4)"},
        {1, TESS_F32, 3, {4, 2, 1}, "output y of a graph: wanted f32 (4, 2), found f32 (4, 2, 1)"},
        {1, TESS_I32, 2, {4, 2}, "output y of a graph: wanted f32 (4, 2), found i32 (4, 2)"},
        {2, TESS_F32, 2, {1, 1}, "total sum of a graph: wanted f32 (1, 2), found f32 (1, 1)"},
        {2, TESS_F32, 1, {2}, "total sum of a graph: wanted f32 (1, 2), found f32 (2)"},
        {2, TESS_I32, 2, {1, 2}, "total sum of a graph: wanted f32 (1, 2), found i32 (1, 2)"},
    };
    struct running m;
    running_open(&m, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tess_tensor *t = cases[i].which == 0 ? &m.in : cases[i].which == 1 ? &m.out : &m.totals, was = *t;
        *t = tess_tensor_over(was.data, cases[i].dtype, cases[i].rank, cases[i].dim);
        running_refused(&m, TESS_E_SHAPE, cases[i].words);
        *t = was;
    }
    fixture_ok(&m.b, tess_graph_run(&m.b.context.context, m.b.graph, &m.batch));
    fixture_close(&m.b);
}
END_TEST

START_TEST(batches_that_are_none)
{
    struct running m;
    running_open(&m, NULL);
    const struct tess_batch whole = m.batch;
    m.batch.size = 8;
    running_refused(&m, TESS_E_VALUE, "struct tess_batch: its size is 8");
    m.batch = whole;
    m.batch.in = NULL;
    running_refused(&m, TESS_E_VALUE, "a batch whose inputs are NULL");
    m.batch = whole;
    m.batch.total = NULL;
    running_refused(&m, TESS_E_VALUE, "a batch whose totals are NULL");
    m.batch = whole;
    m.batch.outputs = 2;
    running_refused(&m, TESS_E_SHAPE, "a batch of 1 inputs, 2 outputs and 1 totals for a graph that has 1, 1 and 1");
    m.batch = whole;
    m.batch.inputs = 0;
    running_refused(&m, TESS_E_SHAPE, "a batch of 0 inputs");
    m.batch = whole;
    m.batch.samples = HUGE_SIZE;
    running_refused(&m, TESS_E_SHAPE, "a batch of 1099511627776 samples does not fit");
    m.batch = whole;
    m.in.data = NULL;
    running_refused(&m, TESS_E_SHAPE, "input x of a graph: wanted f32 (2, 3), found no data");
    fixture_close(&m.b);
}
END_TEST

/* Calls in the wrong order, or for what is not there. */
START_TEST(before_and_after_sealing)
{
    struct fixture b;
    struct tess_tensor t;
    struct tess_context *ctx = &b.context.context;
    struct tess_batch batch = {.size = sizeof batch, .samples = 2};
    struct tess_cost cost = {.size = 8};
    struct tess_graph_options small = {.size = 8};
    struct tess_graph *g;
    struct tess_weights *w;
#define REFUSED(status, words, call)                                                                                                       \
    do {                                                                                                                                   \
        int found = call;                                                                                                                  \
        ck_assert_msg(found == (status) && strstr(tess_message(ctx), words), "%d: %s", found, tess_message(ctx));                          \
        tess_forget(ctx);                                                                                                                  \
    } while (0)
    fixture_open(&b, 1, 2, 2, 0);
    tess_total(b.graph, "sum", tess_sum(b.graph, row(b.graph), 1));
    REFUSED(TESS_E_VALUE, "a graph is run before it was sealed", tess_graph_run(ctx, b.graph, &batch));
    fixture_ok(&b, tess_graph_seal(ctx, b.graph));
    (void)tess_swish(b.graph, NULL);
    ck_assert_int_ne(tess_graph_status(b.graph), TESS_OK); /* recorded too late */
    REFUSED(TESS_E_VALUE, "a step of a graph without objectives", tess_graph_step(ctx, b.graph, &batch));
    REFUSED(TESS_E_VALUE, "gradients are there after a step that did not fail", tess_graph_gradient(ctx, b.graph, "row", &t));
    REFUSED(TESS_E_DATA, "there is no trained weight named column", tess_graph_gradient(ctx, b.graph, "column", &t));
    REFUSED(TESS_E_VALUE, "struct tess_cost: its size is 8", tess_graph_cost(ctx, b.graph, &cost));
    REFUSED(TESS_E_VALUE, "there is no weight 7 in role 0", tess_weights_view(ctx, b.weights, 7, 0, &t));
    REFUSED(TESS_E_VALUE, "there is no weight 0 in role 99", tess_weights_view(ctx, b.weights, 0, 99, &t));
    REFUSED(TESS_E_VALUE, "there is no place for it (NULL)", tess_weights_view(ctx, b.weights, 0, 0, NULL));
    REFUSED(TESS_E_VALUE, "there is no place for it (NULL)", tess_weights_new(ctx, 1, NULL));
    REFUSED(TESS_E_VALUE, "there is no place for it (NULL)", tess_graph_new(ctx, b.weights, &small, NULL));
    REFUSED(TESS_E_VALUE, "its size is 8; set it to sizeof(struct tess_graph_options)", tess_graph_new(ctx, b.weights, &small, &g));
    struct tess_graph_options o = {.size = sizeof o, .microbatch = 2, .microbatches = 1};
    fixture_ok(&b, tess_graph_new(ctx, b.weights, &o, &g));
    ck_assert_int_eq(tess_graph_training(g), 0);
    fixture_ok(&b, tess_weights_seal(ctx, b.weights));
    (void)normal_weight(g, "late", 1, DIMS(2), 0, 1);
    REFUSED(TESS_E_VALUE, "weight late is declared after the store was sealed", tess_graph_seal(ctx, g));
    tess_graph_free(g);
    fixture_ok(&b, tess_weights_new(ctx, 1, &w));
    tess_weights_free(w);
    fixture_close(&b);
}
END_TEST

START_TEST(half_a_microbatch)
{
    struct running m;
    running_open(&m, NULL);
    m.batch.samples = 3;
    m.in.dim[0] = m.out.dim[0] = 3;
    running_refused(&m, TESS_E_SHAPE, "a step needs whole microbatches: 3 samples are not a multiple of 2");
    fixture_close(&m.b);
}
END_TEST

START_TEST(failures_of_operations_are_named)
{
    static const struct {
        struct tess_op op;
        int status;
        const char *message;
    } cases[] = {
        {{.size = sizeof(struct tess_op), .name = "cube", .forward = custom_positive},
         TESS_E_PLUGIN,
         "head: cube: forward returned 3 without a message"},
        {{.size = sizeof(struct tess_op), .name = "cube", .forward = custom_silent},
         TESS_E_DATA,
         "head: cube: forward returned -4 without a message"},
        {{.size = sizeof(struct tess_op), .name = "cube", .forward = custom_forgetful}, TESS_E_DATA, "head: cube: row 1 is odd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct running m;
        running_open(&m, &cases[i].op);
        ck_assert_int_eq(tess_graph_run(&m.b.context.context, m.b.graph, &m.batch), cases[i].status);
        ck_assert_str_eq(tessi_base_context_message(&m.b.context.context), cases[i].message);
        fixture_close(&m.b);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("misuse");
    TCase *t = tcase_create("misuse");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, recordings_are_refused, 0, (int)(sizeof recordings / sizeof *recordings));
    tcase_add_test(t, nodes_of_another_graph);
    tcase_add_test(t, no_graph_at_all);
    tcase_add_test(t, tensors_that_are_none);
    tcase_add_test(t, graphs_of_impossible_sizes);
    tcase_add_test(t, batches_that_do_not_fit);
    tcase_add_test(t, batches_that_are_none);
    tcase_add_test(t, before_and_after_sealing);
    tcase_add_test(t, half_a_microbatch);
    tcase_add_test(t, failures_of_operations_are_named);
    suite_add_tcase(s, t);
    return suite_run(s);
}
