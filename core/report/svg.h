/* Charts, bars and drawings of a DAG as inline SVG, for pages without a network.
 *
 * Colours are classes of the page's style sheet (`s0` to `s7`, `crowd`, `axis`), so light and dark pages share one drawing; a series
 * differs in its dash and its marker as well, never in colour alone. Each drawing has a title and a description for those who cannot see
 * it. Texts are escaped here (html.h). Equal arguments give equal bytes: coordinates are rounded to a tenth of a pixel. [any thread]
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_REPORT_SVG_H
#define TESSI_REPORT_SVG_H

#include <tessera/base.h>

#include <stdio.h>

enum { TESSI_SVG_STYLES = 8, TESSI_SVG_CROWD = -1, TESSI_SVG_REFERENCE = -2 };
enum { TESSI_SVG_LINEAR = 0, TESSI_SVG_LOG = 1, TESSI_SVG_EITHER = 2 };

/* ---- scales ---- */

/* A map from values to pixels, with its ticks. */
struct tessi_svg_scale {
    double lo, hi;   /* values at the ends, lo < hi */
    double from, to; /* pixels of both ends; from > to for an axis that points up */
    int32_t logarithmic;
    int32_t ticks;
    double tick[16];
};

/* A scale that holds lo .. hi, widened to a range where both are equal, with round ticks: of 1, 2 and 5 times a power of ten, of a
 * logarithmic one powers of ten. `kind` TESSI_SVG_EITHER takes logarithms where all values are positive and span more than a factor of 20.
 * About `wanted` ticks, 8 at most on linear scales. */
struct tessi_svg_scale tessi_report_svg_scale(double lo, double hi, int32_t kind, double from, double to, int32_t wanted);
double tessi_report_svg_at(const struct tessi_svg_scale *s, double value);
/* A tick's or a value's text of at most four digits: "0.25", "20k", "1e-6". */
const char *tessi_report_svg_number(double value, char *text, size_t capacity);

/* ---- charts ---- */

struct tessi_svg_axis {
    const char *label, *unit; /* unit may be NULL */
    int32_t kind;             /* TESSI_SVG_LINEAR, _LOG, _EITHER */
    double lo, hi;            /* values that the axis holds in any case, where lo < hi */
};
/* Points of a series; what is not finite, or not positive on a logarithmic axis, is a gap. All borrowed. */
struct tessi_svg_series {
    const char *name;
    int64_t points;
    const double *x, *y;
    const double *low, *high; /* interval about y; NULL: none */
    int32_t style; /* 0 .. TESSI_SVG_STYLES - 1, any number beyond counts from 0 again; TESSI_SVG_CROWD: thin and grey; TESSI_SVG_REFERENCE:
                      a grey cross */
};
struct tessi_svg_chart {
    const char *id; /* unique in the page, letters, digits and - */
    const char *title, *description;
    struct tessi_svg_axis x, y;
    int64_t count;
    const struct tessi_svg_series *series;
    int32_t joined; /* 1: lines between points; 0: markers alone */
    int32_t marked; /* 1: a marker at each point of a line, too */
    double level;   /* a horizontal line at this value where level_name is not NULL */
    const char *level_name;
};
/* A chart of 360 x 230 pixels. Lines are thinned to what can be seen at that size (tessi_report_svg_thin). */
int tessi_report_svg_chart(struct tess_context *ctx, FILE *to, const struct tessi_svg_chart *c) TESS_CHECKED;
/* The sample of a series' line and marker for a legend, hidden from readers of the text. */
void tessi_report_svg_swatch(FILE *to, int32_t style);
/* Dots of values over a scale from lo to hi, with the interval low .. high as a line where low <= high: 72 x 14 pixels for a table's cell.
 */
void tessi_report_svg_dots(FILE *to, int64_t n, const double *value, double low, double high, double lo, double hi);

/* Keeps of n points (pixels) what is seen: in each pixel's column the first, lowest, highest and last, and of these none that lies within
 * `tolerance` pixels of the line between those kept (Douglas and Peucker). In place; gives the number kept, the first and the last among
 * them. */
int64_t tessi_report_svg_thin(int64_t n, double *x, double *y, double tolerance);

/* ---- bars ---- */

enum {
    TESSI_SVG_RAN = 0,
    TESSI_SVG_CACHED = 1,
    TESSI_SVG_FAILED = 2,
    TESSI_SVG_STOPPED = 3,
    TESSI_SVG_OPEN = 4, /* no end is known */
    TESSI_SVG_PLANNED = 5,
    TESSI_SVG_WAITED = 6
};

/* A piece of a bar, from `start` to `end` in the axis's unit. */
struct tessi_svg_piece {
    int64_t row; /* number of its bar */
    double start, end;
    int32_t state;    /* TESSI_SVG_RAN and others: fill and outline */
    const char *text; /* "attempt 2: stopped after 12 s": shown on hover, and as text where `shown` */
};
struct tessi_svg_bars {
    const char *id, *title, *description;
    const char *label, *unit; /* the axis */
    int64_t rows;
    const char *const *name; /* names of the bars, drawn above them */
    const char *const *note; /* texts at the right of the names; NULL: none */
    int64_t pieces;
    const struct tessi_svg_piece *piece;
};
void tessi_report_svg_bars(FILE *to, const struct tessi_svg_bars *b);

/* ---- DAG ---- */

struct tessi_svg_node {
    const char *name, *text; /* the second line: "cached", "3 of 27 distinct" */
    int32_t state;           /* TESSI_SVG_RAN and others: the outline */
    const char *target;      /* id that a click goes to; NULL: none */
};
struct tessi_svg_edge {
    int64_t from, to; /* node numbers, from < nodes */
    const char *text; /* shown on hover: the port */
};
/* A drawing in layers, each node below all it reads: layers by longest path, long edges through every layer between, order within a layer
 * by the mean place of neighbours (Sugiyama, Tagawa and Toda). Edges that close a circle are left out. */
int tessi_report_svg_dag(struct tess_context *ctx, FILE *to, const char *id, const char *title, const char *description, int64_t nodes,
                         const struct tessi_svg_node *node, int64_t edges, const struct tessi_svg_edge *edge) TESS_CHECKED;

#endif
