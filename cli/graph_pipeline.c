/* A pipeline as a drawing: stages, outside files, what reads what, with the state of each stage and why it will run.
 * SPDX-License-Identifier: MIT */
#include "cli/graph.h"
#include "core/base/files.h"
#include "core/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    char *text;             /* second line: "cached", "run: steps: 60 -> 240", "file" */
    const char *name, *use; /* use NULL: a file */
    int state;              /* TESSI_CACHED ...; of a file -1 */
};

struct edge {
    int64_t from, to;
    const char *port;
};

struct drawing {
    struct tess_context *ctx;
    const char *title;
    struct node *node;
    struct edge *edge;
    int64_t nodes, node_capacity, edges, edge_capacity;
};

/* ---- the DAG ------------------------------------------------------------------------------------------------------- */

/* The node of that name; -1: none yet. */
static int64_t drawing_find(const struct drawing *d, const char *name)
{
    for (int64_t i = 0; i < d->nodes; i++)
        if (strcmp(d->node[i].name, name) == 0)
            return i;
    return -1;
}

static int drawing_add(struct drawing *d, const char *name, const char *use, int state, const char *reason)
{
    TESS_TRY(tess_reserve(d->ctx, &d->node, &d->node_capacity, d->nodes + 1, sizeof *d->node, "a drawing"));
    struct node *n = &d->node[d->nodes++];
    *n = (struct node){.name = name, .use = use, .state = state};
    const char *word = !use ? "file" : state == TESSI_CACHED ? "cached" : "run";
    return tessi_base_format(d->ctx, &n->text, "%s%s%s", word, reason && *reason ? ": " : "", reason ? reason : "");
}

static int drawing_make(struct drawing *d, const struct tessi_pipeline *p)
{
    struct tessi_stage_view v;
    const char *port, *from;
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &v);
        TESS_TRY(drawing_add(d, v.name, v.use, v.state, v.reason));
        int64_t here = d->nodes - 1;
        for (int64_t k = 0; tessi_flow_pipeline_input(p, i, k, &port, &from); k++) {
            int64_t source = drawing_find(d, from);
            if (source < 0) {
                TESS_TRY(drawing_add(d, from, NULL, -1, NULL));
                source = d->nodes - 1;
            }
            TESS_TRY(tess_reserve(d->ctx, &d->edge, &d->edge_capacity, d->edges + 1, sizeof *d->edge, "a drawing"));
            d->edge[d->edges++] = (struct edge){source, here, port};
        }
    }
    return TESS_OK;
}

static void drawing_free(struct drawing *d)
{
    for (int64_t i = 0; i < d->nodes; i++)
        tess_free(d->node[i].text);
    tess_free(d->node);
    tess_free(d->edge);
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

static int drawing_text(const struct drawing *d, FILE *to)
{
    int width = 0;
    for (int64_t i = 0; i < d->nodes; i++) {
        int length = d->node[i].use ? (int)(strlen(d->node[i].name) + strlen(d->node[i].use)) + 3 : 0;
        width = length > width ? length : width;
    }
    for (int64_t i = 0; i < d->nodes; i++) {
        const struct node *n = &d->node[i];
        if (!n->use)
            continue;
        int pad = width - (int)(strlen(n->name) + strlen(n->use)) - 3;
        fprintf(to, "%s (%s)%*s  %s\n", n->name, n->use, pad, "", cli_shown(n->text));
        for (int64_t k = 0; k < d->edges; k++)
            if (d->edge[k].to == i)
                fprintf(to, "    %s <- %s\n", d->edge[k].port, cli_shown(d->node[d->edge[k].from].name));
    }
    return TESS_OK;
}

/* ---- dot and Mermaid ----------------------------------------------------------------------------------------------- */

/* A text in quotes, for Graphviz: quotes and backslashes escaped, control characters left out. */
static void drawing_dot_text(const char *text, FILE *to)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', to);
        if ((unsigned char)*text >= 0x20 && *text != 0x7f)
            putc(*text, to);
    }
}

static int drawing_dot(const struct drawing *d, FILE *to)
{
    fputs("digraph \"", to);
    drawing_dot_text(d->title, to);
    fputs("\" {\n  node [shape=box, fontname=\"sans-serif\"];\n", to);
    for (int64_t i = 0; i < d->nodes; i++) {
        const struct node *n = &d->node[i];
        fprintf(to, "  n%lld [label=\"", (long long)i);
        drawing_dot_text(n->name, to);
        if (n->use) {
            fputs("\\n", to);
            drawing_dot_text(n->use, to);
        }
        fputs("\\n", to);
        drawing_dot_text(n->text, to);
        fprintf(to, "\"%s];\n", !n->use ? ", shape=note" : n->state == TESSI_CACHED ? ", style=dashed" : ", style=bold");
    }
    for (int64_t k = 0; k < d->edges; k++) {
        fprintf(to, "  n%lld -> n%lld [label=\"", (long long)d->edge[k].from, (long long)d->edge[k].to);
        drawing_dot_text(d->edge[k].port, to);
        fputs("\"];\n", to);
    }
    fputs("}\n", to);
    return TESS_OK;
}

/* A text in quotes, for Mermaid, which knows the entities of HTML by `#` in the place of `&`. */
static void drawing_mermaid_text(const char *text, FILE *to)
{
    for (; *text; text++) {
        if (strchr("\"#<>&`\\", *text))
            fprintf(to, "#%d;", *text);
        else if ((unsigned char)*text >= 0x20 && *text != 0x7f)
            putc(*text, to);
    }
}

static int drawing_mermaid(const struct drawing *d, FILE *to)
{
    fputs("flowchart TD\n", to);
    for (int64_t i = 0; i < d->nodes; i++) {
        const struct node *n = &d->node[i];
        fprintf(to, "  n%lld%s", (long long)i, n->use ? "[\"" : "([\"");
        drawing_mermaid_text(n->name, to);
        if (n->use) {
            fputs("<br/>", to);
            drawing_mermaid_text(n->use, to);
        }
        fputs("<br/>", to);
        drawing_mermaid_text(n->text, to);
        fprintf(to, "%s:::%s\n", n->use ? "\"]" : "\"])", !n->use ? "file" : n->state == TESSI_CACHED ? "cached" : "run");
    }
    for (int64_t k = 0; k < d->edges; k++) {
        fprintf(to, "  n%lld -->|\"", (long long)d->edge[k].from);
        drawing_mermaid_text(d->edge[k].port, to);
        fprintf(to, "\"| n%lld\n", (long long)d->edge[k].to);
    }
    fputs("  classDef cached stroke-dasharray:5 3\n  classDef run stroke-width:3px\n  classDef file stroke-dasharray:1 3\n", to);
    return TESS_OK;
}

int cli_graph_pipeline(struct tess_context *ctx, const struct tessi_pipeline *p, int format, FILE *to)
{
    static int (*const draw[])(const struct drawing *, FILE *) = {drawing_text, drawing_dot, drawing_mermaid};
    struct drawing d = {.ctx = ctx, .title = tessi_flow_pipeline_name(p)};
    int status = drawing_make(&d, p);
    if (status == TESS_OK)
        status = draw[format](&d, to);
    drawing_free(&d);
    return status;
}
