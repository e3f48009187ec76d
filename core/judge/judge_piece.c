/* A piece of a graph that a component records, with drawn inputs: recorded, sealed, run. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/graph/node.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_FLOPS 2e8 /* most floating-point operations of a run, times the level */
#define PIECE_BYTES ((int64_t)1 << 30)
#define PIECE_WEIGHTS 300000 /* most trained elements, times the level */
#define PIECE_SPREAD 0.1f    /* standard deviation of the number added to each weight */

static void TESS_PRINTF(3, 4) piece_fault(struct judge_piece *p, enum judge_fault fault, const char *format, ...)
{
    va_list list;
    if (p->fault != JUDGE_FINE)
        return;
    p->fault = fault;
    va_start(list, format);
    (void)vsnprintf(p->why, sizeof p->why, format, list);
    va_end(list);
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

/* Allocates the judge's own memory, outside the accounting: failures and leaks that are counted are the component's. */
static void *piece_alloc(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 64) / 64 * 64 + 64);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

static void piece_fill(const struct judge_piece *p, struct judge_port *port, enum judge_fill fill, int64_t limit)
{
    int64_t n = port->value.dim[0], per = n ? tess_tensor_count(&port->value) / n : 0;
    for (int64_t row = 0; row < n; row++) {
        const struct tess_stream s = {
            .seed = p->j->seed, .purpose = tess_purpose(port->name), .step = 1, .sample = (uint32_t)(p->first + row)};
        float *real = (float *)port->value.data + row * per;
        int32_t *whole = (int32_t *)port->value.data + row * per;
        if (fill == JUDGE_FILL_UNIT)
            tess_random_uniform(&s, 0, per, real);
        else if (fill == JUDGE_FILL_NORMAL)
            tess_random_normal(&s, 0, per, real);
        for (int64_t i = 0; i < per && fill == JUDGE_FILL_CODES; i++)
            whole[i] = (int32_t)tess_random_below(&s, (uint64_t)i, limit);
        for (int64_t i = 0; i < per && fill == JUDGE_FILL_TIMES; i++)
            real[i] = limit ? (float)(1 + tess_random_below(&s, (uint64_t)i, limit)) : (float)(1 + tess_random_below(&s, 0, 16)) / 16.0f;
    }
}

struct tess_node *judge_input(struct judge_piece *p, const char *name, int32_t dtype, int32_t rank, const int64_t *dim,
                              enum judge_fill fill, int64_t limit)
{
    int64_t all[TESS_MAX_RANK];
    char weight[64];
    struct judge_port *port = &p->in[p->inputs++];
    memcpy(all, dim, (size_t)rank * sizeof *dim);
    all[0] *= p->microbatches;
    port->name = name;
    port->fill = fill;
    port->value = tess_tensor_over(NULL, dtype, rank, all);
    port->value.data = piece_alloc(tess_tensor_bytes(&port->value));
    if (!port->value.data)
        return tess_graph_fail(p->graph, TESS_E_MEMORY, "no memory for an input of the test");
    piece_fill(p, port, fill, limit);
    snprintf(weight, sizeof weight, "judge.%s", name);
    if (p->gradients && dtype == TESS_F32 && fill != JUDGE_FILL_TIMES)
        port->node = tess_weight(p->graph, weight, rank, dim, TESS_INIT(.kind = TESS_INIT_CONSTANT));
    else
        port->node = tess_input(p->graph, name, dtype, rank, dim);
    return port->node;
}

static void piece_wanted(char *text, size_t capacity, int32_t dtype, int32_t rank, const int64_t *dim)
{
    size_t n = (size_t)snprintf(text, capacity, "%s (", tess_dtype_name(dtype));
    for (int32_t i = 0; i < rank && n < capacity; i++)
        n += (size_t)(dim[i] < 0 ? snprintf(text + n, capacity - n, "%sany", i ? ", " : "")
                                 : snprintf(text + n, capacity - n, "%s%lld", i ? ", " : "", (long long)dim[i]));
    if (n < capacity)
        snprintf(text + n, capacity - n, ")");
}

void judge_gives(struct judge_piece *p, const char *name, struct tess_node *node, int32_t dtype, int32_t rank, const int64_t *dim)
{
    char wanted[160], found[96];
    int fits = 1;
    if (tess_graph_status(p->graph) != TESS_OK || p->fault != JUDGE_FINE)
        return;
    piece_wanted(wanted, sizeof wanted, dtype, rank, dim);
    if (!node || node->graph != p->graph) {
        piece_fault(p, JUDGE_BAD_NODE, "%s, %s: wanted %s, found %s", p->work->name, name, wanted,
                    node ? "a node of another graph" : "none (NULL)");
        return;
    }
    struct tess_tensor shape = tess_shape(node);
    for (int32_t i = 0; i < rank && shape.rank == rank; i++)
        fits &= dim[i] < 0 ? shape.dim[i] > 0 : shape.dim[i] == dim[i];
    if (shape.dtype != dtype || shape.rank != rank || !fits) {
        piece_fault(p, JUDGE_BAD_NODE, "%s, %s: wanted %s, found %s", p->work->name, name, wanted,
                    tess_tensor_text(&shape, found, sizeof found));
        return;
    }
    struct judge_port *port = &p->out[p->outputs++];
    *port = (struct judge_port){.name = name, .node = node, .value = shape, .total = rank == 0 || shape.dim[0] != p->rows};
}

/* ---- recording ----------------------------------------------------------------------------------------------------- */

static const char *piece_scope(const struct judge *j, char *text, size_t capacity)
{
    snprintf(text, capacity, "%.*s", tessi_plug_kind_length(j->component->kind), j->component->kind);
    return text;
}

static int piece_begin(struct judge_piece *p)
{
    struct tess_graph_options o = {.size = sizeof o,
                                   .training = p->work->training,
                                   .microbatch = p->rows,
                                   .microbatches = p->microbatches,
                                   .seed = p->j->options->seed + 7};
    p->ops = tess_instance_ops(p->instance, p->j->component->kind);
    p->self = tess_instance_self(p->instance);
    if (!p->weights)
        TESS_TRY(tess_weights_new(p->ctx, p->j->options->seed + 3, &p->weights));
    return tess_graph_new(p->ctx, p->weights, &o, &p->graph);
}

static void piece_end(struct judge_piece *p)
{
    tess_graph_free(p->graph);
    if (!p->borrowed)
        tess_weights_free(p->weights);
    for (int i = 0; i < JUDGE_PORTS; i++) {
        free(p->in[i].value.data);
        if (p->is_sealed)
            free(p->out[i].value.data);
    }
}

void judge_piece_close(struct judge_piece *p)
{
    piece_end(p);
    p->graph = NULL;
    p->weights = NULL;
    memset(p->in, 0, sizeof p->in);
    memset(p->out, 0, sizeof p->out);
}

/* Calls the workload's function once, at one size. */
static int piece_call(struct judge_piece *p)
{
    char scope[80];
    TESS_TRY(piece_begin(p));
    tess_scope(p->graph, "%s", piece_scope(p->j, scope, sizeof scope));
    int depth = p->graph->scope_depth;
    p->status = p->work->record(p);
    int opened = p->graph->scope_depth - depth;
    const char *message = tess_message(p->ctx);
    if (p->status > 0 || (p->status < 0 && *message == '\0') || p->status < TESS_E_ITEM)
        piece_fault(p, JUDGE_BAD_STATUS, "%s: returned %d%s", p->work->name, p->status,
                    p->status > 0             ? "; wanted 0, or a negative TESS_E_ code with a message"
                    : p->status < TESS_E_ITEM ? "; wanted one of the codes of tessera/base.h"
                                              : " without a message; wanted one through the context's `fail`");
    else if (p->status < 0)
        piece_fault(p, JUDGE_REFUSED, "%s: %s", p->work->name, message);
    else if (tess_graph_status(p->graph) != TESS_OK) {
        p->status = tess_graph_seal(p->ctx, p->graph);
        piece_fault(p, JUDGE_REFUSED, "%s: %s", p->work->name, tess_message(p->ctx));
    } else if (opened != 0)
        piece_fault(p, JUDGE_BAD_SCOPE, "%s: wanted a tess_scope_end for each tess_scope, found %d %s", p->work->name,
                    opened > 0 ? opened : -opened, opened > 0 ? "left open" : "too many");
    else
        tess_scope_end(p->graph);
    return p->status == TESS_E_MEMORY ? p->status : TESS_OK;
}

int judge_piece_record(struct judge_piece *p)
{
    const struct judge_piece fresh = *p;
    for (int size = p->size;; size++) {
        *p = fresh;
        p->size = size;
        p->borrowed = fresh.weights != NULL;
        TESS_TRY(piece_call(p));
        if (p->fault != JUDGE_REFUSED || size + 1 >= p->work->sizes)
            return TESS_OK;
        piece_end(p);
        tess_forget(p->ctx);
    }
}

/* ---- sealing ------------------------------------------------------------------------------------------------------- */

/* Declares the objective to be differentiated: the sum of the outputs, each times a drawn buffer of its shape. */
static void piece_objective(struct judge_piece *p)
{
    struct tess_graph *g = p->graph;
    struct tess_node *sum = NULL;
    char name[80];
    for (int32_t i = 0; i < p->outputs; i++) {
        struct tess_tensor *s = &p->out[i].value;
        if (s->dtype != TESS_F32)
            continue;
        snprintf(name, sizeof name, "judge.direction.%s", p->out[i].name);
        struct tess_init init = {.size = sizeof init, .kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_BUFFER, .spread = 1.0};
        struct tess_node *x = s->rank ? tess_mul(g, p->out[i].node, tess_weight(g, name, s->rank, s->dim, &init)) : p->out[i].node;
        x = s->rank ? tess_mean_all(g, x) : x;
        sum = sum ? tess_add(g, sum, x) : x;
    }
    if (sum)
        tess_objective(g, "judge", "", sum);
}

static int piece_outputs(struct judge_piece *p)
{
    for (int32_t i = 0; i < p->outputs; i++) {
        struct judge_port *port = &p->out[i];
        if (port->total)
            tess_total(p->graph, port->name, port->node);
        else
            tess_output(p->graph, port->name, port->node);
        port->value.dim[0] *= port->total ? 1 : p->microbatches;
        port->value.data = NULL;
    }
    p->is_sealed = 1;
    for (int32_t i = 0; i < p->outputs; i++)
        if (!(p->out[i].value.data = piece_alloc(tess_tensor_bytes(&p->out[i].value))))
            return p->ctx->fail(p->ctx, TESS_E_MEMORY, "no memory for an output of the test");
    return TESS_OK;
}

double judge_add_normal(const struct tess_stream *s, double scale, const struct tess_tensor *t, const float *other)
{
    enum { BLOCK = 256 };
    float z[BLOCK], *x = t->data;
    double sum = 0.0;
    for (int64_t n = tess_tensor_count(t), first = 0; first < n; first += BLOCK) {
        int64_t count = n - first < BLOCK ? n - first : BLOCK;
        tess_random_normal(s, (uint64_t)first, count, z);
        for (int64_t k = 0; k < count; k++) {
            x[first + k] += (float)(scale * (double)z[k]);
            sum += other ? (double)z[k] * (double)other[first + k] : 0.0;
        }
    }
    return sum;
}

/* The input that a weight stands for, NULL for any other. */
static const struct judge_port *piece_port_of(const struct judge_piece *p, const char *weight)
{
    const char *name = strstr(weight, "judge.");
    for (int32_t k = 0; name && k < p->inputs; k++)
        if (strcmp(name + 6, p->in[k].name) == 0)
            return &p->in[k];
    return NULL;
}

/* Adds a normal number to each trained weight, and puts the drawn inputs into theirs. */
static int piece_weights(struct judge_piece *p)
{
    TESS_TRY(tess_weights_seal(p->ctx, p->weights));
    for (int64_t i = 0; i < tess_weights_count(p->weights); i++) {
        struct tess_tensor t;
        const char *name = tess_weights_name(p->weights, i);
        TESS_TRY(tess_weights_view(p->ctx, p->weights, i, TESS_ROLE_VALUE, &t));
        const struct tess_stream s = {.seed = p->j->options->seed, .purpose = tess_purpose(name)};
        const struct judge_port *port = piece_port_of(p, name);
        uint32_t flags = p->weights->item[i].init.flags;
        int moves = !(flags & TESS_WEIGHT_BUFFER) || (flags & TESS_WEIGHT_EXTERNAL) == TESS_WEIGHT_EXTERNAL;
        if (port)
            memcpy(t.data, port->value.data, tess_tensor_bytes(&t));
        if (!port && !p->borrowed && moves)
            judge_add_normal(&s, (double)PIECE_SPREAD, &t, NULL);
    }
    tess_weights_touch(p->weights);
    return TESS_OK;
}

int judge_piece_seal(struct judge_piece *p)
{
    struct tess_cost cost = {.size = sizeof cost};
    if (p->fault == JUDGE_REFUSED) {
        return judge_unfit(p->j, "%s", p->why);
    }
    if (p->fault != JUDGE_FINE)
        return judge_skip(p->j, "what it records is not as it should be: the tests `records`, `nodes` and `scopes` say how");
    if (p->gradients && tess_weights_size(p->weights) == 0)
        return judge_unfit(p->j, "it trains no weights");
    if (p->gradients)
        piece_objective(p);
    TESS_TRY(piece_outputs(p));
    TESS_TRY(tess_graph_seal(p->ctx, p->graph));
    TESS_TRY(tess_graph_cost(p->ctx, p->graph, &cost));
    if (cost.total_bytes > PIECE_BYTES || cost.parameters > (int64_t)PIECE_WEIGHTS * p->j->level ||
        cost.flops * (double)(p->rows * p->microbatches) > PIECE_FLOPS * (double)p->j->level)
        return JUDGE_UNFIT;
    return piece_weights(p);
}

int judge_piece_open(struct judge_piece *p)
{
    TESS_TRY(judge_piece_record(p));
    return judge_piece_seal(p);
}
