/* Layered drawing of a DAG (Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures"): layers by
 * longest path, bends where an edge passes through a layer, order within a layer by the mean place of neighbours, then places as near to
 * that mean as their neighbours in the layer allow. SPDX-License-Identifier: MIT */
#include "core/report/svg_layers.h"

#include <string.h>

enum { LAYERS_GAP = 14, LAYERS_BEND = 10, LAYERS_SWEEPS = 12 };

/* ---- layers ---- */

/* Numbers the nodes so that edges go upwards, but for those that close a circle: a node none of whose sources is left comes next; where
 * there is none, the first that is left. */
static void layers_number(int64_t nodes, int64_t edges, const struct tessi_svg_edge *edge, int64_t *number)
{
    for (int64_t i = 0; i < nodes; i++)
        number[i] = -1;
    for (int64_t next = 0; next < nodes; next++) {
        int64_t chosen = -1, left = -1;
        for (int64_t i = nodes - 1; i >= 0; i--) {
            int waits = number[i] >= 0;
            left = number[i] < 0 ? i : left;
            for (int64_t k = 0; k < edges && !waits; k++)
                waits = edge[k].to == i && number[edge[k].from] < 0;
            chosen = waits ? chosen : i;
        }
        number[chosen >= 0 ? chosen : left] = next;
    }
}

static void layers_assign(struct tessi_svg_layers *l, int64_t nodes, int64_t edges, const struct tessi_svg_edge *edge,
                          const int64_t *number)
{
    for (int64_t round = 0, changed = 1; changed && round < nodes; round++) {
        changed = 0;
        for (int64_t k = 0; k < edges; k++) {
            int64_t below = l->place[edge[k].from].layer + 1;
            if (number[edge[k].from] < number[edge[k].to] && l->place[edge[k].to].layer < below) {
                l->place[edge[k].to].layer = below;
                changed = 1;
            }
        }
    }
    for (int64_t i = 0; i < nodes; i++)
        l->layers = l->place[i].layer + 1 > l->layers ? l->place[i].layer + 1 : l->layers;
}

/* Adds an edge's bends and joints. */
static int layers_edge(struct tess_context *ctx, struct tessi_svg_layers *l, int64_t *capacity, int64_t *joint_capacity, int64_t number,
                       const struct tessi_svg_edge *edge)
{
    int64_t at = edge->from;
    for (int64_t layer = l->place[edge->from].layer + 1; layer <= l->place[edge->to].layer; layer++) {
        int64_t next = edge->to;
        if (layer < l->place[edge->to].layer) {
            TESS_TRY(tess_reserve(ctx, &l->place, capacity, l->places + 1, sizeof *l->place, "the bends of a drawing"));
            l->place[l->places] = (struct tessi_svg_place){.layer = layer, .node = -1, .width = LAYERS_BEND};
            next = l->places++;
        }
        TESS_TRY(tess_reserve(ctx, &l->joint, joint_capacity, l->joints + 1, sizeof *l->joint, "the edges of a drawing"));
        l->joint[l->joints++] = (struct tessi_svg_joint){at, next, number};
        at = next;
    }
    return TESS_OK;
}

/* ---- order ---- */

static int layers_rows(struct tess_context *ctx, struct tessi_svg_layers *l)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, (size_t)(l->places + l->layers + 1) * sizeof(int64_t), "the layers of a drawing", &memory));
    l->row = memory;
    l->first = l->row + l->places;
    for (int64_t layer = 0, n = 0; layer < l->layers; layer++) {
        for (int64_t i = 0; i < l->places; i++)
            if (l->place[i].layer == layer)
                l->row[n++] = i;
        l->first[layer + 1] = n;
    }
    return TESS_OK;
}

/* Sets each place's wish: the mean x of its neighbours above (up), below (down), or both. A place without any stays. */
static void layers_wish(struct tessi_svg_layers *l, int64_t layer, int up, int down)
{
    for (int64_t i = l->first[layer]; i < l->first[layer + 1]; i++) {
        struct tessi_svg_place *p = &l->place[l->row[i]];
        double sum = 0.0;
        int64_t n = 0;
        for (int64_t k = 0; k < l->joints; k++) {
            int64_t other = l->joint[k].to == l->row[i] && up       ? l->joint[k].from
                            : l->joint[k].from == l->row[i] && down ? l->joint[k].to
                                                                    : -1;
            if (other >= 0) {
                sum += l->place[other].x;
                n++;
            }
        }
        p->wish = n ? sum / (double)n : p->x;
    }
}

/* Sorts a layer by wish; equal ones keep their order. */
static void layers_sort(struct tessi_svg_layers *l, int64_t layer)
{
    for (int64_t i = l->first[layer] + 1; i < l->first[layer + 1]; i++) {
        int64_t moved = l->row[i], k = i;
        for (; k > l->first[layer] && l->place[l->row[k - 1]].wish > l->place[moved].wish; k--)
            l->row[k] = l->row[k - 1];
        l->row[k] = moved;
    }
}

/* ---- places ---- */

static double layers_apart(const struct tessi_svg_layers *l, int64_t i)
{
    return (l->place[l->row[i]].width + l->place[l->row[i - 1]].width) / 2 + LAYERS_GAP;
}

/* Puts a layer's places near their wishes: the mean of pushing to the right and of pushing to the left, both of which keep the distances.
 */
static void layers_put(struct tessi_svg_layers *l, int64_t layer)
{
    int64_t first = l->first[layer], end = l->first[layer + 1];
    for (int64_t i = first; i < end; i++) {
        struct tessi_svg_place *p = &l->place[l->row[i]];
        double least = i > first ? l->place[l->row[i - 1]].x + layers_apart(l, i) : p->wish;
        p->x = p->wish > least ? p->wish : least;
    }
    for (int64_t i = end - 1; i >= first; i--) {
        struct tessi_svg_place *p = &l->place[l->row[i]];
        double most = i + 1 < end ? l->place[l->row[i + 1]].wish - layers_apart(l, i + 1) : p->wish;
        p->wish = p->wish < most ? p->wish : most;
    }
    for (int64_t i = first; i < end; i++)
        l->place[l->row[i]].x = (l->place[l->row[i]].x + l->place[l->row[i]].wish) / 2;
}

static void layers_arrange(struct tessi_svg_layers *l)
{
    for (int64_t layer = 0; layer < l->layers; layer++)
        layers_put(l, layer);
    for (int sweep = 0; sweep < LAYERS_SWEEPS; sweep++) {
        int down = sweep % 2 == 0, sorts = sweep < LAYERS_SWEEPS - 4; /* the last sweeps only move */
        for (int64_t i = 0; i < l->layers; i++) {
            int64_t layer = down ? i : l->layers - 1 - i;
            layers_wish(l, layer, down || !sorts, !down || !sorts);
            if (sorts)
                layers_sort(l, layer);
            layers_put(l, layer);
        }
    }
}

/* Moves the drawing to begin at half a gap. */
static void layers_shift(struct tessi_svg_layers *l)
{
    double left = 0.0, right = 0.0;
    for (int64_t i = 0; i < l->places; i++) {
        double from = l->place[i].x - l->place[i].width / 2, to = l->place[i].x + l->place[i].width / 2;
        left = i == 0 || from < left ? from : left;
        right = i == 0 || to > right ? to : right;
    }
    for (int64_t i = 0; i < l->places; i++)
        l->place[i].x += LAYERS_GAP / 2.0 - left;
    l->width = right - left + LAYERS_GAP;
}

int tessi_report_svg_layers(struct tess_context *ctx, int64_t nodes, int64_t edges, const struct tessi_svg_edge *edge, double node_width,
                            struct tessi_svg_layers *out)
{
    struct tessi_svg_layers *l = out;
    int64_t capacity = 0, joint_capacity = 0;
    void *number;
    *l = (struct tessi_svg_layers){.places = nodes};
    TESS_TRY(tess_reserve(ctx, &l->place, &capacity, nodes, sizeof *l->place, "a drawing"));
    for (int64_t i = 0; i < nodes; i++)
        l->place[i] = (struct tessi_svg_place){.node = i, .width = node_width};
    TESS_TRY(tess_alloc(ctx, (size_t)nodes * sizeof(int64_t), "a drawing", &number));
    layers_number(nodes, edges, edge, number);
    layers_assign(l, nodes, edges, edge, number);
    int status = TESS_OK;
    for (int64_t k = 0; k < edges && status == TESS_OK; k++)
        if (((int64_t *)number)[edge[k].from] < ((int64_t *)number)[edge[k].to])
            status = layers_edge(ctx, l, &capacity, &joint_capacity, k, &edge[k]);
    tess_free(number);
    if (status == TESS_OK)
        status = layers_rows(ctx, l);
    if (status == TESS_OK)
        layers_arrange(l);
    layers_shift(l);
    return status;
}

void tessi_report_svg_layers_free(struct tessi_svg_layers *l)
{
    tess_free(l->place);
    tess_free(l->joint);
    tess_free(l->row);
}
