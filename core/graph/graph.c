/* Recording a graph: life, scopes, nodes, weights, operations, sealing; graph_named.c has what is known by name.
 * SPDX-License-Identifier: MIT */
#include "core/graph/cache.h"
#include "core/graph/node.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void *tessi_graph_alloc(struct tess_graph *g, size_t bytes)
{
    struct tessi_context context;
    void *memory = NULL;
    tessi_base_context_init(&context, g->runtime ? &g->runtime->host : NULL);
    if (tess_alloc(&context.context, bytes, "a graph", &memory) != TESS_OK)
        tess_graph_fail(g, TESS_E_MEMORY, "%s", tessi_base_context_message(&context.context));
    return memory;
}

char *tessi_graph_text(struct tess_graph *g, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = tessi_graph_alloc(g, n);
    if (copy)
        memcpy(copy, text, n);
    return copy;
}

int tessi_graph_reserve(struct tess_graph *g, void *list, int64_t *capacity, int64_t wanted, size_t size)
{
    struct tessi_context context;
    tessi_base_context_init(&context, g->runtime ? &g->runtime->host : NULL);
    if (tess_reserve(&context.context, list, capacity, wanted, size, "a graph") == TESS_OK)
        return 1;
    tess_graph_fail(g, TESS_E_MEMORY, "%s", tessi_base_context_message(&context.context));
    return 0;
}

int tess_graph_new(struct tess_context *ctx, struct tess_weights *w, const struct tess_graph_options *o, struct tess_graph **out)
{
    void *memory;
    *out = NULL;
    if (o->microbatch < 1 || o->microbatches < 1)
        return ctx->fail(ctx, TESS_E_SHAPE, "a graph needs at least one row and one microbatch, not %lld and %lld",
                         (long long)o->microbatch, (long long)o->microbatches);
    struct tessi_runtime *r;
    TESS_TRY(tessi_base_runtime_need(ctx, &r));
    TESS_TRY(tessi_host_runtime_compute(ctx, r));
    TESS_TRY(tess_alloc(ctx, sizeof(struct tess_graph), "a graph", &memory));
    struct tess_graph *g = memory;
    g->runtime = r;
    g->weights = w;
    g->training = o->training;
    g->recompute = TESS_HAS(o, recompute) && o->recompute;
    g->microbatch = o->microbatch;
    g->microbatches = o->microbatches;
    g->seed = o->seed;
    g->training_steps = TESS_HAS(o, training_steps) ? o->training_steps : 0;
    *out = g;
    return TESS_OK;
}

static void free_named(struct tessi_named *list, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        tess_free(list[i].name);
    tess_free(list);
}

void tess_graph_free(struct tess_graph *g)
{
    if (!g)
        return;
    for (int64_t i = 0; i < g->steps; i++) {
        struct tessi_step *s = g->step[i];
        if (s->extra && s->extra->drop)
            s->extra->drop(g, s);
        tess_free(s->attr);
        tess_free(s->state);
        tess_free(s);
    }
    for (int64_t i = 0; i < g->nodes; i++) {
        tess_free(g->node[i]->gradient);
        tess_free(g->node[i]->needed);
        tess_free(g->node[i]->array);
        tess_free(g->node[i]);
    }
    for (int32_t i = 0; i < g->objectives; i++) {
        tess_free(g->objective[i].name);
        tess_free(g->objective[i].prefixes);
    }
    for (int i = 0; i < g->slots; i++) {
        tess_free(g->slot[i].arena);
        tess_free(g->slot[i].pad);
    }
    free_named(g->input, g->inputs);
    free_named(g->output, g->outputs);
    free_named(g->total, g->totals);
    tessi_graph_gradient_sum_free(g->gradients);
    tessi_graph_sums_free(g->sums);
    tess_free(g->gradient_probe);
    tess_free(g->adaptive_weight);
    tess_free(g->objective);
    tess_free(g->slot);
    tess_free(g->total_offset);
    tess_free(g->pack);
    tess_free(g->packed);
    tess_free(g->back);
    tess_free(g->buffer);
    tess_free(g->step);
    tess_free(g->node);
    tess_free(g);
}

struct tess_node *tess_graph_fail(struct tess_graph *g, int code, const char *format, ...)
{
    if (g->status == TESS_OK) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(g->message, sizeof g->message, format, arguments);
        va_end(arguments);
        g->status = code;
    }
    return NULL;
}

int64_t tess_graph_microbatch(const struct tess_graph *g)
{
    return g->microbatch;
}

int tess_graph_training(const struct tess_graph *g)
{
    return g->training;
}

int tess_graph_status(const struct tess_graph *g)
{
    return g->status;
}

void tess_scope(struct tess_graph *g, const char *format, ...)
{
    size_t at = strlen(g->scope);
    va_list arguments;
    if (g->scope_depth >= 32) {
        tess_graph_fail(g, TESS_E_INTERNAL, "scopes are nested too deeply at %s", g->scope);
        return;
    }
    g->scope_mark[g->scope_depth++] = at;
    va_start(arguments, format);
    int n = vsnprintf(g->scope + at, sizeof g->scope - at, format, arguments);
    va_end(arguments);
    if (n < 0 || at + (size_t)n + 2 > sizeof g->scope) {
        tess_graph_fail(g, TESS_E_INTERNAL, "the scope %s is too long", g->scope);
        g->scope[at] = 0;
    } else if (n > 0) {
        g->scope[at + (size_t)n] = '.';
        g->scope[at + (size_t)n + 1] = 0;
    }
}

void tess_scope_end(struct tess_graph *g)
{
    if (g->scope_depth > 0)
        g->scope[g->scope_mark[--g->scope_depth]] = 0;
}

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
        return tess_graph_fail(g, TESS_E_INTERNAL, "an operation is recorded after the graph was sealed");
    for (int32_t i = 0; i < shape->rank; i++)
        if (shape->dim[i] < 1) {
            char text[96];
            return tess_graph_fail(g, TESS_E_SHAPE, "an operation would give %s", tess_tensor_text(shape, text, sizeof text));
        }
    int fits = tessi_graph_reserve(g, &g->node, &g->node_capacity, g->nodes + 1, sizeof *g->node);
    struct tess_node *x = fits ? tessi_graph_alloc(g, sizeof *x) : NULL;
    if (!x)
        return NULL;
    x->graph = g;
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

struct tess_node *tess_weight(struct tess_graph *g, const char *name, int32_t rank, const int64_t *dim, struct tess_init init)
{
    char full[600];
    struct tessi_context context;
    struct tess_tensor shape = tessi_graph_shape(TESS_F32, rank, dim);
    int64_t index = 0;
    if (g->status != TESS_OK)
        return NULL;
    snprintf(full, sizeof full, "%s%s", g->scope, name);
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
        if (init.flags & TESS_WEIGHT_BUFFER)
            x->gradient_of = NULL;
    }
    return x;
}

struct tess_node *tess_constant(struct tess_graph *g, float value, int32_t rank, const int64_t *dim)
{
    struct tess_tensor shape = tessi_graph_shape(TESS_F32, rank, dim);
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
    if (!values || !values->data || values->rank < 0 || values->rank > TESS_MAX_RANK || !tess_dtype_size(values->dtype) ||
        values->dtype == TESS_BF16)
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

static struct tessi_step *graph_record(struct tess_graph *g, const struct tess_op *op, const struct tessi_op *extra, const void *attr,
                                 size_t attr_size, int32_t n_inputs, struct tess_node *const *inputs, int32_t n_outputs,
                                 const struct tess_tensor *outputs, double flops)
{
    if (g->status != TESS_OK)
        return NULL;
    if (n_inputs > TESS_OP_MAX || n_outputs > TESS_OP_MAX || n_outputs < 1) {
        tess_graph_fail(g, TESS_E_INTERNAL, "operation %s has %d inputs and %d outputs; at most %d are possible", op->name, (int)n_inputs,
                        (int)n_outputs, TESS_OP_MAX);
        return NULL;
    }
    int fits = tessi_graph_reserve(g, &g->step, &g->step_capacity, g->steps + 1, sizeof *g->step);
    struct tessi_step *s = fits ? tessi_graph_alloc(g, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->op = op;
    s->extra = extra;
    s->flops = flops;
    s->scratch_buffer = TESSI_NO_BUFFER;
    if (attr_size && !(s->attr = tessi_graph_alloc(g, attr_size))) {
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

void tess_custom(struct tess_graph *g, const struct tess_op *op, const void *attr, size_t attr_size, int32_t n_inputs,
                 struct tess_node *const *inputs, int32_t n_outputs, const struct tess_tensor *outputs, size_t scratch_bytes, double flops,
                 struct tess_node **nodes)
{
    struct tessi_step *s = graph_record(g, op, NULL, attr, attr_size, n_inputs, inputs, n_outputs, outputs, flops);
    for (int32_t i = 0; i < n_outputs; i++)
        nodes[i] = s ? s->out[i] : NULL;
    if (s)
        s->scratch_forward = s->scratch_backward = scratch_bytes;
}

int tess_graph_seal(struct tess_context *ctx, struct tess_graph *g)
{
    if (g->status != TESS_OK)
        return ctx->fail(ctx, g->status, "%s", g->message);
    if (g->sealed)
        return TESS_OK;
    if (!g->weights->sealed)
        tessi_graph_weights_layout(g->weights);
    tessi_graph_assign_dtypes(g);
    TESS_TRY(tessi_graph_differentiate(ctx, g));
    for (int64_t i = 0; i < g->steps; i++)
        if (g->step[i]->extra && g->step[i]->extra->prepare)
            TESS_TRY(g->step[i]->extra->prepare(ctx, g, g->step[i]));
    TESS_TRY(tessi_graph_plan(ctx, g));
    g->sealed = 1;
    return TESS_OK;
}

int tess_graph_cost(struct tess_context *ctx, const struct tess_graph *g, struct tess_cost *out)
{
    if (!g->sealed)
        return ctx->fail(ctx, TESS_E_INTERNAL, "the cost of a graph is known when it is sealed");
    int64_t workers = tessi_base_workers_count(g->runtime->workers);
    workers = workers < g->microbatches ? workers : g->microbatches;
    double forward = 0.0, backward = 0.0;
    for (int64_t i = 0; i < g->steps; i++)
        forward += g->step[i]->flops;
    for (int64_t i = 0; i < g->backs; i++)
        if (g->back[i].step >= 0 && !g->back[i].again) /* -1: the objective's own gradient; what is made again is no work of the model's */
            backward += (double)(g->back[i].wanted[0] + g->back[i].wanted[1]) * g->step[g->back[i].step]->flops;
    *out = (struct tess_cost){.parameters = tess_weights_size(g->weights)};
    out->flops = (forward + backward) / (double)g->microbatch;
    out->arena_bytes = g->arena_bytes + g->pad_bytes;
    int64_t gradients = g->objectives ? tessi_graph_gradient_levels(g->microbatches) * g->weights->trained : 0;
    int64_t sums = workers + 1; /* totals in flight: one a worker, and what waits in the tree */
    for (int64_t n = 1; n < g->microbatches; n *= 2)
        sums++;
    out->total_bytes = workers * out->arena_bytes + (g->weights->all + gradients + sums * g->sum_floats) * 4 +
                       (int64_t)tessi_graph_pack_bytes(g) + tessi_graph_cache_bytes(g->cache);
    return TESS_OK;
}
