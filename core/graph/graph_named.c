/* Named graph endpoints: inputs, outputs, totals, objectives. SPDX-License-Identifier: MIT */
#include "core/graph/arguments.h"

#include <stdio.h>
#include <string.h>

static int64_t add_named(struct tess_graph *g, struct tessi_named **list, int64_t *capacity, int32_t *count, const char *name,
                         struct tess_node *x)
{
    int fits = tessi_graph_reserve(g, list, capacity, (int64_t)*count + 1, sizeof **list);
    char *copy = fits ? tessi_graph_text(g, name) : NULL;
    if (!copy)
        return -1;
    (*list)[*count] = (struct tessi_named){.name = copy, .node = x};
    return (*count)++;
}

/* 1 for a name that none of the list has, and `full` is that name behind `scope`; else why is kept. */
static int is_new_name(struct tess_graph *g, const char *what, const char *scope, const char *name, const struct tessi_named *list,
                       int32_t n, char full[TESSI_WEIGHT_NAME])
{
    if (!g || !tessi_graph_check_name(g, what, name))
        return 0;
    int length = snprintf(full, TESSI_WEIGHT_NAME, "%s%s", scope, name);
    if (length < 0 || length >= TESSI_WEIGHT_NAME) {
        tess_graph_fail(g, TESS_E_VALUE, "%s %.80s: its name has %d characters with its scope; %d are possible", what, name, length,
                        TESSI_WEIGHT_NAME - 1);
        return 0;
    }
    for (int32_t i = 0; i < n; i++)
        if (strcmp(list[i].name, full) == 0) {
            tess_graph_fail(g, TESS_E_VALUE, "%s %s is declared twice", what, full);
            return 0;
        }
    return 1;
}

static int by_rows(struct tess_graph *g, const char *what, const char *name, const struct tess_tensor *t)
{
    if (t->rank >= 1 && t->dim[0] % g->microbatch == 0)
        return 1;
    char text[96];
    tess_graph_fail(g, TESS_E_SHAPE, "%s %s is %s: its first dimension must be a multiple of the %lld rows of a microbatch", what, name,
                    tess_tensor_text(t, text, sizeof text), (long long)g->microbatch);
    return 0;
}

struct tess_node *tess_input(struct tess_graph *g, const char *name, int32_t dtype, int32_t rank, const int64_t *dim)
{
    char full[TESSI_WEIGHT_NAME];
    struct tess_tensor shape;
    if (!g || !is_new_name(g, "input", "", name, g->input, g->inputs, full) ||
        !tessi_graph_check_shape(g, "input", name, dtype, rank, dim, &shape))
        return NULL;
    struct tess_node *x = by_rows(g, "input", name, &shape) ? tessi_graph_node_new(g, &shape) : NULL;
    if (!x)
        return NULL;
    x->kind = TESSI_INPUT;
    x->gradient_of = NULL;
    x->index = add_named(g, &g->input, &g->input_capacity, &g->inputs, name, x);
    return x->index < 0 ? NULL : x;
}

void tess_output(struct tess_graph *g, const char *name, struct tess_node *x)
{
    char full[TESSI_WEIGHT_NAME];
    if (g && is_new_name(g, "output", g->scope, name, g->output, g->outputs, full) && TESSI_NODES(g, name, x) &&
        by_rows(g, "output", full, &x->shape))
        add_named(g, &g->output, &g->output_capacity, &g->outputs, full, x);
}

void tess_total(struct tess_graph *g, const char *name, struct tess_node *x)
{
    char full[TESSI_WEIGHT_NAME], text[96];
    if (!g || !is_new_name(g, "total", g->scope, name, g->total, g->totals, full) || !TESSI_NODES(g, name, x))
        return;
    if (x->shape.dtype != TESS_F32)
        tess_graph_fail(g, TESS_E_SHAPE, "total %s must be f32, not %s", full, tess_tensor_text(&x->shape, text, sizeof text));
    else
        add_named(g, &g->total, &g->total_capacity, &g->totals, full, x);
}

void tess_column(struct tess_graph *g, const char *name, struct tess_node *scalar)
{
    char text[96];
    if (!g || !TESSI_NODES(g, "column", scalar))
        return;
    if (tess_tensor_count(&scalar->shape) != 1) {
        tess_graph_fail(g, TESS_E_SHAPE, "column %s is %s, not a scalar", name, tess_tensor_text(&scalar->shape, text, sizeof text));
        return;
    }
    tess_total(g, name, scalar);
    if (g->status == TESS_OK && tessi_graph_reserve(g, &g->column, &g->column_capacity, (int64_t)g->columns + 1, sizeof *g->column))
        g->column[g->columns++] = g->totals - 1;
}

int32_t tess_graph_column_at(const struct tess_graph *g, int32_t i)
{
    return g && i >= 0 && i < g->columns ? g->objectives + g->column[i] : -1;
}

void tess_objective(struct tess_graph *g, const char *name, const char *prefixes, struct tess_node *scalar)
{
    if (!tessi_graph_check_name(g, "an objective", name) || !TESSI_NODES(g, name, scalar))
        return;
    if (!prefixes) {
        tess_graph_fail(g, TESS_E_VALUE, "objective %s: the prefixes of the weights it trains are NULL; \"\" is all of them", name);
        return;
    }
    if (tess_tensor_count(&scalar->shape) != 1 || scalar->shape.dtype != TESS_F32) {
        char text[96];
        tess_graph_fail(g, TESS_E_SHAPE, "objective %s is %s, not a scalar", name, tess_tensor_text(&scalar->shape, text, sizeof text));
        return;
    }
    if (!tessi_graph_reserve(g, &g->objective, &g->objective_capacity, (int64_t)g->objectives + 1, sizeof *g->objective))
        return;
    g->objective[g->objectives++] = (struct tessi_objective){tessi_graph_text(g, name), tessi_graph_text(g, prefixes), scalar};
}

static const char *named_at(const struct tessi_named *list, int32_t n, int32_t i, struct tess_tensor *shape)
{
    if (i < 0 || i >= n)
        return NULL;
    if (shape)
        *shape = list[i].node->shape;
    return list[i].name;
}

const char *tess_graph_input_at(const struct tess_graph *g, int32_t i, struct tess_tensor *shape)
{
    return g ? named_at(g->input, g->inputs, i, shape) : NULL;
}

const char *tess_graph_output_at(const struct tess_graph *g, int32_t i, struct tess_tensor *shape)
{
    return g ? named_at(g->output, g->outputs, i, shape) : NULL;
}

const char *tess_graph_total_at(const struct tess_graph *g, int32_t i, struct tess_tensor *shape)
{
    if (!g)
        return NULL;
    if (i >= 0 && i < g->objectives) {
        if (shape)
            *shape = g->objective[i].node->shape;
        return g->objective[i].name;
    }
    return named_at(g->total, g->totals, i - g->objectives, shape);
}
