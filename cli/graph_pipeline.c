/* A pipeline as a drawing: stages, outside files, what reads what, with the state of each stage and why it will run.
 * SPDX-License-Identifier: MIT */
#include "cli/graph.h"
#include "core/base/files.h"
#include "core/base/memory.h"
#include "core/report/svg.h"

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

/* ---- SVG ----------------------------------------------------------------------------------------------------------- */

/* The classes that the drawing has, where no page gives them colours. */
static const char drawing_style[] =
    "<style>svg{--ink:#1d1d1f;--soft:#6b6b70;--panel:#fff;--run:#0b62a4;background:var(--panel)}"
    "@media(prefers-color-scheme:dark){svg{--ink:#eee;--soft:#a2a2a8;--panel:#1c1c1e;--run:#6db3f2}}"
    "text{font:11px system-ui,sans-serif;fill:var(--soft)}.row{font-size:12px;font-weight:600;fill:var(--ink)}"
    ".node rect{fill:var(--panel);stroke:var(--run);stroke-width:2}.cached rect{stroke:var(--soft);stroke-dasharray:5 3}"
    ".waited rect{stroke:var(--soft);stroke-dasharray:1 "
    "3}.edge{fill:none;stroke:var(--soft);stroke-width:1.2}.tip{fill:var(--soft)}</style>";

/* The drawing as the page has it, with a name space and a style of its own. */
static int drawing_svg_nodes(const struct drawing *d, const struct tessi_svg_node *node, const struct tessi_svg_edge *edge, FILE *to)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *memory = open_memstream(&text, &bytes);
    if (!memory)
        return d->ctx->fail(d->ctx, TESS_E_MEMORY, "no memory for a drawing");
    int status = tessi_report_svg_dag(d->ctx, memory, "pipeline", d->title, "Stages of the pipeline, each below those it reads.", d->nodes,
                                      node, d->edges, edge);
    if (fclose(memory) != 0 && status == TESS_OK)
        status = d->ctx->fail(d->ctx, TESS_E_MEMORY, "no memory for a drawing");
    const char *rest = status == TESS_OK ? strchr(text, '>') : NULL;
    if (rest)
        fprintf(to, "<svg xmlns=\"http://www.w3.org/2000/svg\"%.*s>%s%s\n", (int)(rest - text - 4), text + 4, drawing_style, rest + 1);
    free(text);
    return status;
}

static int drawing_svg(const struct drawing *d, FILE *to)
{
    void *nodes = NULL, *edges = NULL;
    int status = tess_alloc(d->ctx, (size_t)(d->nodes + 1) * sizeof(struct tessi_svg_node), "a drawing", &nodes);
    if (status == TESS_OK)
        status = tess_alloc(d->ctx, (size_t)(d->edges + 1) * sizeof(struct tessi_svg_edge), "a drawing", &edges);
    struct tessi_svg_node *node = nodes;
    struct tessi_svg_edge *edge = edges;
    for (int64_t i = 0; i < d->nodes && status == TESS_OK; i++) {
        const struct node *n = &d->node[i];
        int32_t state = !n->use ? TESSI_SVG_WAITED : n->state == TESSI_CACHED ? TESSI_SVG_CACHED : TESSI_SVG_RAN;
        node[i] = (struct tessi_svg_node){.name = n->name, .text = n->text, .state = state};
    }
    for (int64_t k = 0; k < d->edges && status == TESS_OK; k++)
        edge[k] = (struct tessi_svg_edge){d->edge[k].from, d->edge[k].to, d->edge[k].port};
    if (status == TESS_OK)
        status = drawing_svg_nodes(d, node, edge, to);
    tess_free(nodes);
    tess_free(edges);
    return status;
}

int cli_graph_pipeline(struct tess_context *ctx, const struct tessi_pipeline *p, int format, FILE *to)
{
    static int (*const draw[])(const struct drawing *, FILE *) = {drawing_text, drawing_dot, drawing_mermaid, drawing_svg};
    struct drawing d = {.ctx = ctx, .title = tessi_flow_pipeline_name(p)};
    int status = drawing_make(&d, p);
    if (status == TESS_OK)
        status = draw[format](&d, to);
    drawing_free(&d);
    return status;
}
