/* Places of the nodes of a DAG in a layered drawing. SPDX-License-Identifier: MIT */
#ifndef TESSI_REPORT_SVG_LAYERS_H
#define TESSI_REPORT_SVG_LAYERS_H

#include "core/report/svg.h"

/* A node, or a bend: the place where a long edge passes through a layer. */
struct tessi_svg_place {
    int64_t layer, node; /* node -1: a bend */
    double x, width;     /* centre and width in pixels */
    double wish;         /* scratch of the layout */
};
/* A piece of an edge between two layers that follow one another. */
struct tessi_svg_joint {
    int64_t from, to; /* places */
    int64_t edge;
};
struct tessi_svg_layers {
    int64_t layers, places, joints;
    struct tessi_svg_place *place; /* the nodes first, by their number; then bends */
    struct tessi_svg_joint *joint; /* an edge's joints follow one another, from its start to its end */
    int64_t *row, *first;          /* places by layer, each from left to right; first[i] .. first[i + 1] are those of layer i */
    double width;
};

/* Lays out; free in any case. */
int tessi_report_svg_layers(struct tess_context *ctx, int64_t nodes, int64_t edges, const struct tessi_svg_edge *edge, double node_width,
                            struct tessi_svg_layers *out) TESS_CHECKED;
void tessi_report_svg_layers_free(struct tessi_svg_layers *l);

#endif
