/* Recording: nodes, weights, constants and operations, each checked as it comes. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct tess_tensor tess_shape(const struct tess_node *x)
{
    return x ? x->shape : tess_tensor_over(NULL, TESS_F32, 0, NULL);
}

struct tess_tensor tessi_graph_shape(int32_t dtype, int32_t rank, const int64_t *dim)
{
    return tess_tensor_over(NULL, dtype, rank, dim);
}

struct tess_node *tessi_graph_node_new(struct tess_graph *g, const struct tess_tensor *shape)
{
    if (g->status != TESS_OK)
        return NULL;
    if (g->sealed)
        return tess_graph_fail(g, TESS_E_VALUE, "an operation is recorded after the graph was sealed");
    assert(tessi_graph_tensor_fits(shape));
    int fits = tessi_graph_reserve(g, &g->node, &g->node_capacity, g->nodes + 1, sizeof *g->node);
    struct tess_node *x = fits ? tessi_graph_alloc(g, sizeof *x) : NULL;
    if (!x)
        return NULL;
    x->graph = g;
    x->number = g->nodes;
    x->shape = *shape;
    x->shape.data = NULL;
    x->kind = TESSI_VALUE;
    x->value_of = x->gradient_of = x;
    x->buffer = TESSI_NO_BUFFER;
    g->node[g->nodes++] = x;
    return x;
}

struct tess_node *tessi_graph_node_alias(struct tess_graph *g, const struct tess_tensor *shape, struct tess_node *value,
                                         struct tess_node *gradient)
{
    if (value->graph != g || (gradient && gradient->graph != g))
        return tess_graph_fail(g, TESS_E_VALUE, "a node of another graph");
    struct tess_node *x = tessi_graph_node_new(g, shape);
    if (x) {
        x->kind = value->kind;
        x->index = value->index;
        x->constant = value->constant;
        x->value_of = value->value_of;
        x->gradient_of = gradient ? gradient->gradient_of : NULL;
    }
    return x;
}

/* "SCOPE.NAME" of a weight; 0 where it cannot be a name, and why is kept: a part between dots becomes a folder in a file. */
static int weight_name(struct tess_graph *g, const char *name, char *full, size_t capacity)
{
    if (!tessi_graph_check_name(g, "a weight", name))
        return 0;
    int n = snprintf(full, capacity, "%s%s", g->scope, name);
    int bad = n < 0 || (size_t)n >= capacity || full[0] == '.' || full[n - 1] == '.' || strstr(full, "..") || strchr(full, '/');
    for (int i = 0; i < n && !bad; i++)
        bad = (unsigned char)full[i] < 0x20 || full[i] == 0x7f;
    if (bad)
        tess_graph_fail(g, TESS_E_VALUE,
                        "the weight %.80s: a name is at most %d characters with its scope, parts between dots, none of them empty, without "
                        "slashes and control characters",
                        name, (int)capacity - 1);
    return !bad;
}

struct tess_node *tess_weight(struct tess_graph *g, const char *name, int32_t rank, const int64_t *dim, const struct tess_init *init)
{
    char full[TESSI_WEIGHT_NAME];
    struct tessi_context context;
    struct tess_tensor shape;
    int64_t index = 0;
    if (!weight_name(g, name, full, sizeof full) || !tessi_graph_check_shape(g, "weight", full, TESS_F32, rank, dim, &shape))
        return NULL;
    tessi_base_context_init(&context, &g->runtime->host);
    int status = tessi_graph_weights_declare(&context.context, g->weights, full, rank, dim, init, &index);
    if (status != TESS_OK)
        return tess_graph_fail(g, status, "%s", tessi_base_context_message(&context.context));
    for (int64_t i = 0; i < g->nodes; i++) /* a weight is one node however often it is asked for: its gradient adds up there */
        if (g->node[i]->kind == TESSI_WEIGHT && g->node[i]->index == index && g->node[i]->value_of == g->node[i])
            return g->node[i];
    struct tess_node *x = tessi_graph_node_new(g, &shape);
    if (x) {
        x->kind = TESSI_WEIGHT;
        x->index = index;
        if (g->weights->item[index].init.flags & TESS_WEIGHT_BUFFER) /* as its first declaration says */
            x->gradient_of = NULL;
    }
    return x;
}

struct tess_node *tess_constant(struct tess_graph *g, float value, int32_t rank, const int64_t *dim)
{
    struct tess_tensor shape;
    if (!tessi_graph_check_shape(g, "constant", "", TESS_F32, rank, dim, &shape))
        return NULL;
    struct tess_node *x = tessi_graph_node_new(g, &shape);
    if (x) {
        x->kind = TESSI_CONSTANT;
        x->gradient_of = NULL;
        x->constant = value;
    }
    return x;
}

struct tess_node *tess_constant_array(struct tess_graph *g, const struct tess_tensor *values)
{
    char text[96];
    if (!values || !values->data || !tessi_graph_tensor_fits(values))
        return tess_graph_fail(g, TESS_E_SHAPE, "constant_array of %s: values of f32, i32, u16 or u8 are wanted",
                               values && values->data ? tess_tensor_text(values, text, sizeof text) : "nothing");
    struct tess_node *x = tessi_graph_node_new(g, values);
    if (!x)
        return NULL;
    x->kind = TESSI_ARRAY;
    x->gradient_of = NULL;
    x->array = tessi_graph_alloc(g, tess_tensor_bytes(values));
    if (!x->array)
        return NULL;
    memcpy(x->array, values->data, tess_tensor_bytes(values));
    return x;
}

/* 1 when inputs and results may be those of an operation; else why is kept. A result of the library's operations is one that fits. */
static int operands_fit(struct tess_graph *g, const char *name, int32_t n_inputs, struct tess_node *const *inputs, int32_t n_outputs,
                        const struct tess_tensor *outputs)
{
    char text[160];
    for (int32_t i = 0; i < n_inputs; i++)
        if (inputs[i] && inputs[i]->graph != g) {
            tess_graph_fail(g, TESS_E_VALUE, "%s: input %d is a node of another graph", name, (int)i);
            return 0;
        }
    for (int32_t i = 0; i < n_outputs; i++)
        if (!tessi_graph_tensor_fits(&outputs[i])) {
            tess_graph_fail(
                g, TESS_E_SHAPE,
                "%s: its result %d would be %s: f32, i32, u16 or u8, dimensions of at least 1 and at most %lld values are possible", name,
                (int)i, tess_tensor_text(&outputs[i], text, sizeof text), (long long)TESSI_VALUES_MAX);
            return 0;
        }
    return 1;
}

static struct tessi_step *graph_record(struct tess_graph *g, const struct tess_op *op, const struct tessi_op *extra, const void *attr,
                                       size_t attr_size, int32_t n_inputs, struct tess_node *const *inputs, int32_t n_outputs,
                                       const struct tess_tensor *outputs, double flops)
{
    if (g->status != TESS_OK || !operands_fit(g, op->name, n_inputs, inputs, n_outputs, outputs))
        return NULL;
    assert(n_inputs >= 0 && n_inputs <= TESS_OP_MAX && n_outputs >= 1 && n_outputs <= TESS_OP_MAX);
    int fits = tessi_graph_reserve(g, &g->step, &g->step_capacity, g->steps + 1, sizeof *g->step);
    struct tessi_step *s = fits ? tessi_graph_alloc(g, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->op = op;
    s->extra = extra;
    s->flops = flops;
    s->scope = tessi_graph_scope(g);
    s->scratch_buffer = TESSI_NO_BUFFER;
    if (!s->scope || (attr_size && !(s->attr = tessi_graph_alloc(g, attr_size)))) {
        tess_free(s);
        return NULL;
    }
    if (attr_size)
        memcpy(s->attr, attr, attr_size);
    g->step[g->steps++] = s;
    s->inputs = n_inputs;
    for (int32_t i = 0; i < n_inputs; i++)
        s->in[i] = inputs[i];
    for (int32_t i = 0; i < n_outputs; i++) {
        s->out[i] = tessi_graph_node_new(g, &outputs[i]);
        if (!s->out[i])
            return NULL;
        s->out[i]->maker = s;
        if (!op->backward || outputs[i].dtype != TESS_F32)
            s->out[i]->gradient_of = NULL;
        s->outputs = i + 1;
    }
    return s;
}

struct tess_node *tessi_graph_record(struct tess_graph *g, const struct tessi_op *op, const void *attr, size_t attr_size, int32_t n_inputs,
                                     struct tess_node *const *inputs, int32_t n_outputs, const struct tess_tensor *outputs, double flops)
{
    struct tessi_step *s = graph_record(g, &op->op, op, attr, attr_size, n_inputs, inputs, n_outputs, outputs, flops);
    return s ? s->out[0] : NULL;
}

/* The table of an operation from outside; 0 where it is none, and why is kept. */
static int custom_op_fits(struct tess_graph *g, const struct tess_op *op)
{
    if (!op)
        tess_graph_fail(g, TESS_E_PLUGIN, "a custom operation is NULL");
    else if (!TESS_HAS(op, backward))
        tess_graph_fail(g, TESS_E_PLUGIN, "a custom operation: the size of its struct tess_op is %u; set it to sizeof(struct tess_op)",
                        (unsigned)op->size);
    else if (!op->name || !*op->name)
        tess_graph_fail(g, TESS_E_PLUGIN, "a custom operation has no name");
    else if (!tessi_graph_is_line(op->name))
        tess_graph_fail(g, TESS_E_PLUGIN, "a custom operation: wanted a line of UTF-8 as its name, found other text");
    else if (!op->forward)
        tess_graph_fail(g, TESS_E_PLUGIN, "the custom operation %s has no function `forward`", op->name);
    return g->status == TESS_OK;
}

/* Counts and pointers of a recording of `op`. */
static int custom_call_fits(struct tess_graph *g, const struct tess_op *op, const void *attr, size_t attr_size, int32_t n_inputs,
                            struct tess_node *const *inputs, int32_t n_outputs, const struct tess_tensor *outputs)
{
    if (n_inputs < 0 || n_inputs > TESS_OP_MAX || n_outputs < 1 || n_outputs > TESS_OP_MAX)
        tess_graph_fail(g, TESS_E_VALUE, "%s has %d inputs and %d results; up to %d, and of results at least one, are possible", op->name,
                        (int)n_inputs, (int)n_outputs, TESS_OP_MAX);
    else if ((n_inputs && !inputs) || !outputs || (attr_size && !attr))
        tess_graph_fail(g, TESS_E_VALUE, "%s: its %s NULL", op->name,
                        n_inputs && !inputs ? "inputs are"
                        : !outputs          ? "results' shapes are"
                                            : "settings are");
    else if (op->keep_in >> n_inputs || op->keep_out >> n_outputs)
        tess_graph_fail(g, TESS_E_PLUGIN, "%s wants to keep the inputs of bits %#x and the results of bits %#x, of %d and %d", op->name,
                        (unsigned)op->keep_in, (unsigned)op->keep_out, (int)n_inputs, (int)n_outputs);
    return g->status == TESS_OK;
}

enum { SCRATCH_BITS = 42 };

static struct tessi_step *custom_record(struct tess_graph *g, const struct tess_op *op, const void *attr, size_t attr_size,
                                        int32_t n_inputs, struct tess_node *const *inputs, int32_t n_outputs,
                                        const struct tess_tensor *outputs, size_t scratch_bytes, double flops)
{
    if (!g || g->status != TESS_OK || !custom_op_fits(g, op) ||
        !custom_call_fits(g, op, attr, attr_size, n_inputs, inputs, n_outputs, outputs))
        return NULL;
    if (scratch_bytes >> SCRATCH_BITS || attr_size >> SCRATCH_BITS || !(flops >= 0.0 && flops < 1e30)) {
        tess_graph_fail(g, TESS_E_VALUE, "%s: %zu bytes of scratch, %zu of settings and %g operations cannot be", op->name, scratch_bytes,
                        attr_size, flops);
        return NULL;
    }
    struct tessi_step *s = graph_record(g, op, NULL, attr, attr_size, n_inputs, inputs, n_outputs, outputs, flops);
    if (s)
        s->scratch_forward = s->scratch_backward = scratch_bytes;
    return s;
}

/* `nodes` may be `inputs`: it is written last. */
void tess_custom(struct tess_graph *g, const struct tess_op *op, const void *attr, size_t attr_size, int32_t n_inputs,
                 struct tess_node *const *inputs, int32_t n_outputs, const struct tess_tensor *outputs, size_t scratch_bytes, double flops,
                 struct tess_node **nodes)
{
    if (!nodes)
        tess_graph_fail(g, TESS_E_VALUE, "a custom operation: there is no place for its results");
    const struct tessi_step *s = custom_record(g, op, attr, attr_size, n_inputs, inputs, n_outputs, outputs, scratch_bytes, flops);
    for (int32_t i = 0; nodes && i < n_outputs && i < TESS_OP_MAX; i++)
        nodes[i] = s ? s->out[i] : NULL;
}
