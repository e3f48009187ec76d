/* A graph as text: its nodes with scope, operation, shape, storage and bytes, and the memory plan, each buffer with its place and the steps
 * it lives in; or as a drawing for Graphviz. SPDX-License-Identifier: MIT */
#include "core/graph/node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const node_kinds[] = {
    [TESSI_VALUE] = "value",       [TESSI_INPUT] = "input",          [TESSI_WEIGHT] = "weight",
    [TESSI_CONSTANT] = "constant", [TESSI_ARRAY] = "constant array", [TESSI_COEFFICIENT] = "adaptive weight"};

/* "conv2d", "weight", "input", "alias of %3": what made the node. */
static void print_origin(const struct tess_node *x, char *text, size_t capacity)
{
    if (x->value_of != x)
        (void)snprintf(text, capacity, "alias of %%%" PRId64, x->value_of->number);
    else if (x->maker)
        (void)snprintf(text, capacity, "%s", x->maker->op->name);
    else
        (void)snprintf(text, capacity, "%s", node_kinds[x->kind]);
}

/* Name column: the scope of an operation, the name of a weight or an input, empty for an alias. */
static const char *print_place(const struct tess_graph *g, const struct tess_node *x)
{
    if (x->maker || x->value_of != x)
        return x->maker ? x->maker->scope : "";
    return x->kind == TESSI_WEIGHT ? g->weights->item[x->index].name : x->kind == TESSI_INPUT ? g->input[x->index].name : "";
}

/* Inputs column "(%1, %4, -)" of an operation; "-" is an input left out. */
static void print_operands(const struct tess_node *x, char *text, size_t capacity)
{
    size_t at = 0;
    text[0] = 0;
    for (int32_t i = 0; x->maker && x->value_of == x && i < x->maker->inputs; i++) {
        const struct tess_node *in = x->maker->in[i];
        char one[32] = "-";
        if (in)
            (void)snprintf(one, sizeof one, "%%%" PRId64, in->number);
        int n = snprintf(text + at, capacity - at, "%s%s", i ? ", " : "(", one);
        at += n > 0 && (size_t)n < capacity - at ? (size_t)n : 0;
    }
    if (at)
        (void)snprintf(text + at, capacity - at, ")");
}

static int64_t print_bytes(const struct tess_node *x)
{
    struct tess_tensor t = tessi_graph_stored(x, x->value_of);
    return x->value_of == x ? (int64_t)tess_tensor_bytes(&t) : 0;
}

/* Prints the endpoints that x is: "output latent". */
static void print_endpoints(FILE *to, const struct tess_graph *g, const struct tess_node *x)
{
    for (int32_t i = 0; i < g->outputs; i++)
        if (g->output[i].node == x)
            fprintf(to, "  output %s", g->output[i].name);
    for (int32_t i = 0; i < g->totals; i++)
        if (g->total[i].node == x)
            fprintf(to, "  total %s", g->total[i].name);
    for (int32_t i = 0; i < g->objectives; i++)
        if (g->objective[i].node == x)
            fprintf(to, "  objective %s", g->objective[i].name);
}

static void print_node(FILE *to, const struct tess_graph *g, const struct tess_node *x)
{
    char origin[96], operands[160], shape[160];
    print_origin(x, origin, sizeof origin);
    print_operands(x, operands, sizeof operands);
    fprintf(to, "%%%-5" PRId64 " %-36s %-18s %-20s %-24s %-4s %12" PRId64, x->number, print_place(g, x), origin, operands,
            tess_tensor_text(&x->shape, shape, sizeof shape), g->sealed ? tess_dtype_name(x->value_of->stored) : "", print_bytes(x));
    if (g->sealed && x->value_of == x && x->buffer >= 0)
        fprintf(to, "  buffer %" PRId64, x->buffer);
    print_endpoints(to, g, x);
    fputc('\n', to);
}

/* ---- the memory plan ---- */

static void label(char (*labels)[96], int64_t buffer, const char *what, const char *name, int64_t number)
{
    if (buffer >= 0)
        (void)snprintf(labels[buffer], sizeof labels[0], "%s %%%" PRId64 " %s", what, number, name);
}

static const char *target_name(const struct tess_graph *g, int32_t o)
{
    return o < g->objectives ? g->objective[o].name : "a gradient probe";
}

/* A buffer is some node's value or gradient, or belongs to a step. */
static void label_buffers(const struct tess_graph *g, char (*labels)[96])
{
    for (int64_t i = 0; i < g->nodes; i++) {
        const struct tess_node *x = g->node[i];
        label(labels, x->buffer, "value of", x->maker ? x->maker->op->name : "", x->number);
        for (int32_t o = 0; o < g->objectives + g->gradient_probes; o++)
            label(labels, x->gradient[o], "gradient of", target_name(g, o), x->number);
    }
    for (int64_t i = 0; i < g->steps; i++)
        label(labels, g->step[i]->scratch_buffer, "scratch, forward, of", g->step[i]->op->name, g->step[i]->out[0]->number);
    for (int64_t k = 0; k < g->backs; k++) {
        const struct tessi_backward *b = &g->back[k];
        const struct tessi_step *s = b->step >= 0 ? g->step[b->step] : NULL;
        for (int32_t i = 0; s && i < s->inputs; i++)
            label(labels, b->temporary[i], "added to the gradient of", "", s->in[i] ? s->in[i]->number : -1);
        if (s)
            label(labels, b->scratch_buffer, "scratch, backward, of", s->op->name, s->out[0]->number);
        if (s)
            label(labels, b->again ? b->again_out : TESSI_NO_BUFFER, "made again:", s->op->name, s->out[0]->number);
    }
}

static int print_plan(struct tess_context *ctx, FILE *to, const struct tess_graph *g)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(g->buffers + 1) * 96, "the text of a graph", &memory));
    char(*labels)[96] = memory;
    int64_t all = 0, in_gradients = 0;
    label_buffers(g, labels);
    fprintf(to, "\nmemory: forward steps 0 .. %" PRId64 ", results copied out at %" PRId64 ", backward steps %" PRId64 " .. %" PRId64 "\n",
            g->steps - 1, g->steps, g->steps + 1, g->steps + g->backs);
    fputs("buffer        offset         bytes  lives in steps   what\n", to);
    for (int64_t i = 0; i < g->buffers; i++) {
        const struct tessi_buffer *b = &g->buffer[i];
        fprintf(to, "%6" PRId64 "  %12" PRId64 "  %12" PRId64 "  %6" PRId64 " .. %-6" PRId64 " %s%s\n", i, b->offset, b->bytes, b->from,
                b->to, labels[i], b->overlay ? ", in the memory of gradients" : "");
        all += b->overlay ? 0 : b->bytes;
        in_gradients += b->overlay;
    }
    fprintf(to,
            "arena of a worker: %" PRId64 " bytes hold %" PRId64 " buffers of %" PRId64
            " bytes; inputs of a part-filled microbatch: %" PRId64 "\n",
            g->arena_bytes, g->buffers - in_gradients, all, g->pad_bytes);
    tess_free(memory);
    return TESS_OK;
}

static int print_text(struct tess_context *ctx, FILE *to, const struct tess_graph *g)
{
    struct tess_cost cost = {.size = sizeof cost};
    fprintf(to, "graph: microbatches of %" PRId64 ", up to %" PRId64 " of them, %s; %" PRId64 " nodes, %" PRId64 " operations\n",
            g->microbatch, g->microbatches, g->training ? "training" : "inference", g->nodes, g->steps);
    fprintf(to, "%-6s %-36s %-18s %-20s %-24s %-4s %12s\n", "node", "scope or name", "operation", "operands", "shape", "kept", "bytes");
    for (int64_t i = 0; i < g->nodes; i++)
        print_node(to, g, g->node[i]);
    if (!g->sealed) {
        fputs("not sealed: no memory is planned yet\n", to);
        return TESS_OK;
    }
    TESS_TRY(print_plan(ctx, to, g));
    TESS_TRY(tess_graph_cost(ctx, g, &cost));
    fprintf(to, "total with all workers, weights and gradients: %" PRId64 " bytes; %" PRId64 " trained values, %.4g operations a sample\n",
            cost.total_bytes, cost.parameters, cost.flops);
    return TESS_OK;
}

/* ---- Graphviz ---- */

/* The text inside a quoted name of Graphviz. */
static void print_quoted(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', to);
        fputc(*text, to);
    }
}

static void print_dot(FILE *to, const struct tess_graph *g)
{
    fputs("digraph graph_of_tessera {\n  rankdir=TB; node [shape=box, fontsize=10];\n", to);
    for (int64_t i = 0; i < g->nodes; i++) {
        const struct tess_node *x = g->node[i];
        char origin[96], shape[160];
        print_origin(x, origin, sizeof origin);
        fprintf(to, "  n%" PRId64 " [label=\"", x->number);
        if (*print_place(g, x)) {
            print_quoted(to, print_place(g, x));
            fputs("\\n", to);
        }
        print_quoted(to, origin);
        fprintf(to, "\\n%s\"%s];\n", tess_tensor_text(&x->shape, shape, sizeof shape), x->maker ? "" : ", style=filled, fillcolor=gray92");
        if (x->value_of != x)
            fprintf(to, "  n%" PRId64 " -> n%" PRId64 " [style=dashed];\n", x->value_of->number, x->number);
        for (int32_t k = 0; x->maker && x->value_of == x && k < x->maker->inputs; k++)
            if (x->maker->in[k])
                fprintf(to, "  n%" PRId64 " -> n%" PRId64 ";\n", x->maker->in[k]->number, x->number);
    }
    fputs("}\n", to);
}

int tess_graph_print(struct tess_context *ctx, const struct tess_graph *g, int32_t format, char **text)
{
    char *buffer = NULL;
    void *memory = NULL;
    size_t n = 0;
    if (!g || !text || (format != TESS_GRAPH_TEXT && format != TESS_GRAPH_DOT))
        return ctx->fail(ctx, TESS_E_VALUE, "the text of a graph: %s",
                         !g      ? "the graph is NULL"
                         : !text ? "there is no place for it (NULL)"
                                 : "the format is neither TESS_GRAPH_TEXT nor TESS_GRAPH_DOT");
    *text = NULL;
    FILE *to = open_memstream(&buffer, &n);
    if (!to)
        return ctx->fail(ctx, TESS_E_MEMORY, "no memory for the text of a graph");
    int status = TESS_OK;
    if (format == TESS_GRAPH_DOT)
        print_dot(to, g);
    else
        status = print_text(ctx, to, g);
    if (fclose(to) != 0 && status == TESS_OK)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for the text of a graph");
    if (status == TESS_OK)
        status = tess_alloc(ctx, n + 1, "the text of a graph", &memory);
    if (status == TESS_OK)
        *text = memcpy(memory, buffer, n + 1);
    free(buffer);
    return status;
}
