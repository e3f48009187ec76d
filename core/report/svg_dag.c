/* The drawing of a DAG (svg.h); svg_layers.c has the places. SPDX-License-Identifier: MIT */
#include "core/report/svg_layers.h"
#include "core/report/svg_private.h"

enum { DAG_WIDTH = 136, DAG_HEIGHT = 40, DAG_LAYER = 66, DAG_TOP = 4, DAG_LETTERS = 17 };

static double dag_y(const struct tessi_svg_place *p)
{
    return DAG_TOP + (double)p->layer * DAG_LAYER;
}

/* An edge from the lower side of a node through its bends to the upper side of another. */
static void dag_edge(FILE *to, const struct tessi_svg_layers *l, int64_t first, int64_t end, const struct tessi_svg_edge *edge)
{
    const struct tessi_svg_place *p = &l->place[l->joint[first].from];
    double x = p->x, y = dag_y(p) + DAG_HEIGHT;
    fputs("<path class=\"edge\" d=\"M", to);
    tessi_report_svg_pixel(to, x);
    fputc(' ', to);
    tessi_report_svg_pixel(to, y);
    for (int64_t i = first; i < end; i++) {
        const struct tessi_svg_place *q = &l->place[l->joint[i].to];
        double below = dag_y(q) - (q->node >= 0 ? 5 : 0), middle = (y + below) / 2;
        fprintf(to, "C%.1f %.1f %.1f %.1f %.1f %.1f", x, middle, q->x, middle, q->x, below);
        x = q->x;
        y = below;
        if (q->node < 0) { /* straight through the layer of a bend */
            fprintf(to, "V%.1f", y + DAG_HEIGHT);
            y += DAG_HEIGHT;
        }
    }
    fputs("\"><title>", to);
    tessi_report_html_text(to, edge->text);
    fprintf(to, "</title></path><path class=\"tip\" d=\"M%.1f %.1fl-3.5 -6h7z\"/>\n", x, y + 5);
}

static void dag_node(FILE *to, const struct tessi_svg_place *p, const struct tessi_svg_node *node)
{
    char name[96], text[96];
    double left = p->x - DAG_WIDTH / 2.0, top = dag_y(p);
    (void)tessi_report_svg_cut(node->name, DAG_LETTERS, name, sizeof name);
    (void)tessi_report_svg_cut(node->text, DAG_LETTERS + 5, text, sizeof text);
    if (node->target) {
        fputs("<a href=\"#", to);
        tessi_report_html_text(to, node->target);
        fputs("\">", to);
    }
    fprintf(to, "<g class=\"node %s\"><title>", tessi_report_svg_state(node->state));
    tessi_report_html_text(to, node->name);
    fputs(": ", to);
    tessi_report_html_text(to, node->text);
    fprintf(to, "</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"6\"/>", left, top, DAG_WIDTH, DAG_HEIGHT);
    fprintf(to, "<text class=\"row\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", p->x, top + 17);
    tessi_report_html_text(to, name);
    fprintf(to, "</text><text class=\"note\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", p->x, top + 32);
    tessi_report_html_text(to, text);
    fputs(node->target ? "</text></g></a>\n" : "</text></g>\n", to);
}

int tessi_report_svg_dag(struct tess_context *ctx, FILE *to, const char *id, const char *title, const char *description, int64_t nodes,
                         const struct tessi_svg_node *node, int64_t edges, const struct tessi_svg_edge *edge)
{
    struct tessi_svg_layers l;
    int status = tessi_report_svg_layers(ctx, nodes, edges, edge, DAG_WIDTH, &l);
    if (status == TESS_OK) {
        tessi_report_svg_open(to, id, "dag", l.width, (double)l.layers * DAG_LAYER - (DAG_LAYER - DAG_HEIGHT) + 2 * DAG_TOP, title,
                              description);
        for (int64_t i = 0, end; i < l.joints; i = end) {
            for (end = i + 1; end < l.joints && l.joint[end].edge == l.joint[i].edge;)
                end++;
            dag_edge(to, &l, i, end, &edge[l.joint[i].edge]);
        }
        for (int64_t i = 0; i < nodes; i++)
            dag_node(to, &l.place[i], &node[i]);
        fputs("</svg>", to);
    }
    tessi_report_svg_layers_free(&l);
    return status;
}
