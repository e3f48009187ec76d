/* Charts of lines and of points (svg.h). SPDX-License-Identifier: MIT */
#include "core/report/svg_private.h"

#include <math.h>
#include <string.h>

enum { CHART_WIDTH = 360, CHART_HEIGHT = 230, CHART_LEFT = 46, CHART_RIGHT = 352, CHART_TOP = 24, CHART_BOTTOM = 190 };

struct chart_range {
    double lo, hi; /* range of all finite values */
    int positive;  /* 1: all of them are above 0 */
};

struct chart {
    FILE *to;
    const struct tessi_svg_chart *c;
    struct tessi_svg_scale x, y;
    double *px, *py; /* pixels of the line at work */
};

/* ---- what is drawn ---- */

static void chart_widen(struct chart_range *r, double value)
{
    if (!isfinite(value))
        return;
    r->lo = fmin(r->lo, value);
    r->hi = fmax(r->hi, value);
    r->positive &= value > 0;
}

static void chart_hold(const struct tessi_svg_axis *a, struct chart_range *r)
{
    if (a->lo < a->hi) {
        chart_widen(r, a->lo);
        chart_widen(r, a->hi);
    }
}

static void chart_ranges(const struct tessi_svg_chart *c, struct chart_range *x, struct chart_range *y)
{
    *x = *y = (struct chart_range){INFINITY, -INFINITY, 1};
    for (int64_t i = 0; i < c->count; i++) {
        const struct tessi_svg_series *s = &c->series[i];
        for (int64_t k = 0; k < s->points; k++) {
            chart_widen(x, s->x[k]);
            chart_widen(y, s->y[k]);
            if (s->low && s->low[k] <= s->high[k]) {
                chart_widen(y, s->low[k]);
                chart_widen(y, s->high[k]);
            }
        }
    }
    if (c->level_name)
        chart_widen(y, c->level);
    chart_hold(&c->x, x);
    chart_hold(&c->y, y);
}

/* Points get air around them; lines begin at the axis. */
static struct tessi_svg_scale chart_scale(const struct chart_range *r, int32_t kind, double from, double to, int32_t wanted, double air)
{
    int logarithmic = kind != TESSI_SVG_LINEAR && r->positive && (kind == TESSI_SVG_LOG || r->hi > 20.0 * r->lo);
    double lo = r->lo, hi = r->hi;
    if (logarithmic && hi > lo) {
        double part = pow(hi / lo, air);
        lo /= part;
        hi *= part;
    } else if (hi > lo) {
        double part = air * (hi - lo);
        lo = lo >= 0 && lo - part < 0 ? 0 : lo - part;
        hi += part;
    }
    return tessi_report_svg_scale(lo, hi, logarithmic ? TESSI_SVG_LOG : TESSI_SVG_LINEAR, from, to, wanted);
}

/* ---- axes ---- */

static void chart_label(FILE *to, const struct tessi_svg_axis *a, int logarithmic)
{
    tessi_report_html_text(to, a->label);
    if (a->unit && *a->unit) {
        fputs(", ", to);
        tessi_report_html_text(to, a->unit);
    }
    if (logarithmic)
        fputs(" (log)", to);
}

static void chart_axes(const struct chart *k)
{
    char text[32];
    fprintf(k->to, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/><g class=\"tick\">", CHART_LEFT, CHART_TOP, CHART_BOTTOM, CHART_RIGHT);
    for (int32_t i = 0; i < k->y.ticks; i++) {
        double at = tessi_report_svg_at(&k->y, k->y.tick[i]);
        fprintf(k->to, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>", CHART_LEFT, at,
                CHART_RIGHT, CHART_LEFT - 5, at + 4, tessi_report_svg_number(k->y.tick[i], text, sizeof text));
    }
    for (int32_t i = 0; i < k->x.ticks; i++) {
        double at = tessi_report_svg_at(&k->x, k->x.tick[i]);
        fprintf(k->to, "<path class=\"axis\" d=\"M%.1f %dv4\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%s</text>", at, CHART_BOTTOM,
                at, CHART_BOTTOM + 16, at > CHART_RIGHT - 10 ? "end" : "middle", tessi_report_svg_number(k->x.tick[i], text, sizeof text));
    }
    fprintf(k->to, "</g><text class=\"name\" x=\"2\" y=\"12\">");
    chart_label(k->to, &k->c->y, k->y.logarithmic);
    fprintf(k->to, "</text><text class=\"name\" x=\"%d\" y=\"%d\" text-anchor=\"end\">", CHART_RIGHT, CHART_HEIGHT - 6);
    chart_label(k->to, &k->c->x, k->x.logarithmic);
    fputs("</text>\n", k->to);
}

static void chart_level(const struct chart *k)
{
    double at = k->c->level_name ? tessi_report_svg_at(&k->y, k->c->level) : NAN;
    if (!isfinite(at))
        return;
    fprintf(k->to, "<path class=\"level\" d=\"M%d %.1fH%d\"/><text class=\"level\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", CHART_LEFT,
            at, CHART_RIGHT, CHART_RIGHT - 2, at < CHART_TOP + 14 ? at + 13 : at - 4);
    tessi_report_html_text(k->to, k->c->level_name);
    fputs("</text>", k->to);
}

/* ---- series ---- */

/* Shapes by style, each in a square of 7 pixels around the point. */
static void chart_marker(FILE *to, int32_t style, double x, double y)
{
    static const char *const shapes[TESSI_SVG_STYLES] = {"m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
                                                         "m-3-3h6v6h-6z",
                                                         "m0-4l4 7h-8z",
                                                         "m0-4l4 4-4 4-4-4z",
                                                         "m0 4l4-7h-8z",
                                                         "m-4 0h8m-4-4v8",
                                                         "m-3-3l6 6m0-6l-6 6",
                                                         "m-3-2.5h6v5h-6z"};
    fputs("<path class=\"mark\" d=\"M", to);
    tessi_report_svg_pixel(to, x);
    fputc(' ', to);
    tessi_report_svg_pixel(to, y);
    fprintf(to, "%s\"/>",
            style == TESSI_SVG_REFERENCE ? "m-4-4l8 8m0-8l-8 8"
            : style < 0                  ? "m-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0z"
                                         : shapes[style % TESSI_SVG_STYLES]);
}

/* Writes n points as a path of whole tenths of a pixel, relative to one another. */
static void chart_path(FILE *to, int64_t n, const double *x, const double *y)
{
    long lastx = 0, lasty = 0;
    for (int64_t i = 0; i < n; i++) {
        long nowx = lround(10.0 * x[i]), nowy = lround(10.0 * y[i]), dx = nowx - lastx, dy = nowy - lasty;
        if (i == 0)
            fprintf(to, "M%ld %ld", nowx, nowy);
        else
            fprintf(to, "%s%s%ld%s%ld", i == 1 ? "l" : "", i > 1 && dx >= 0 ? " " : "", dx, dy >= 0 ? " " : "", dy);
        lastx = nowx;
        lasty = nowy;
    }
}

static int chart_there(const struct chart *k, const struct tessi_svg_series *s, int64_t i)
{
    return isfinite(s->x[i]) && isfinite(s->y[i]) && (!k->x.logarithmic || s->x[i] > 0) && (!k->y.logarithmic || s->y[i] > 0);
}

static void chart_line(const struct chart *k, const struct tessi_svg_series *s)
{
    fputs("<path class=\"line\" transform=\"scale(.1)\" d=\"", k->to);
    for (int64_t i = 0, n; i < s->points; i++) {
        for (n = 0; i < s->points && chart_there(k, s, i); i++, n++) {
            k->px[n] = tessi_report_svg_at(&k->x, s->x[i]);
            k->py[n] = tessi_report_svg_at(&k->y, s->y[i]);
        }
        if (n)
            chart_path(k->to, tessi_report_svg_thin(n, k->px, k->py, s->style < 0 ? 0.8 : 0.3), k->px, k->py);
    }
    fputs("\"/>", k->to);
}

static void chart_points(const struct chart *k, const struct tessi_svg_series *s)
{
    for (int64_t i = 0; i < s->points; i++) {
        if (!chart_there(k, s, i))
            continue;
        double x = tessi_report_svg_at(&k->x, s->x[i]);
        if (s->low && s->low[i] <= s->high[i] && isfinite(tessi_report_svg_at(&k->y, s->low[i])))
            fprintf(k->to, "<path class=\"error\" d=\"M%.1f %.1fV%.1f\"/>", x, tessi_report_svg_at(&k->y, s->low[i]),
                    tessi_report_svg_at(&k->y, s->high[i]));
        chart_marker(k->to, s->style, x, tessi_report_svg_at(&k->y, s->y[i]));
    }
}

static void chart_series(const struct chart *k, const struct tessi_svg_series *s)
{
    if (s->style < 0)
        fprintf(k->to, "<g class=\"%s\"><title>", s->style == TESSI_SVG_REFERENCE ? "reference" : "crowd");
    else
        fprintf(k->to, "<g class=\"s%d\"><title>", s->style % TESSI_SVG_STYLES);
    tessi_report_html_text(k->to, s->name);
    fputs("</title>", k->to);
    if (k->c->joined)
        chart_line(k, s);
    if (!k->c->joined || k->c->marked || s->points == 1)
        chart_points(k, s);
    fputs("</g>\n", k->to);
}

/* ---- the whole ---- */

int tessi_report_svg_chart(struct tess_context *ctx, FILE *to, const struct tessi_svg_chart *c)
{
    struct chart k = {.to = to, .c = c};
    struct chart_range x, y;
    int64_t most = 1;
    void *memory;
    for (int64_t i = 0; i < c->count; i++)
        most = c->series[i].points > most ? c->series[i].points : most;
    TESS_TRY(tess_alloc(ctx, (size_t)most * 2 * sizeof(double), "a chart's points", &memory));
    k.px = memory;
    k.py = k.px + most;
    chart_ranges(c, &x, &y);
    double air = c->joined && !c->marked ? 0.0 : 0.04;
    k.x = chart_scale(&x, c->x.kind, CHART_LEFT, CHART_RIGHT, 5, air);
    k.y = chart_scale(&y, c->y.kind, CHART_BOTTOM, CHART_TOP, 5, c->y.kind == TESSI_SVG_LOG ? 0.0 : 0.04);
    tessi_report_svg_open(to, c->id, "chart", CHART_WIDTH, CHART_HEIGHT, c->title, c->description);
    chart_axes(&k);
    for (int pass = 0; pass < 2; pass++) /* the crowd lies behind the others */
        for (int64_t i = 0; i < c->count; i++)
            if ((c->series[i].style == TESSI_SVG_CROWD) == !pass)
                chart_series(&k, &c->series[i]);
    chart_level(&k);
    fputs("</svg>", to);
    tess_free(memory);
    return TESS_OK;
}

void tessi_report_svg_swatch(FILE *to, int32_t style)
{
    if (style < 0)
        fprintf(to, "<svg class=\"swatch\" viewBox=\"0 0 34 12\" width=\"34\" height=\"12\" aria-hidden=\"true\"><g class=\"%s\">",
                style == TESSI_SVG_REFERENCE ? "reference" : "crowd");
    else
        fprintf(to, "<svg class=\"swatch\" viewBox=\"0 0 34 12\" width=\"34\" height=\"12\" aria-hidden=\"true\"><g class=\"s%d\">",
                style % TESSI_SVG_STYLES);
    fputs("<path class=\"line\" d=\"M0 6h34\"/>", to);
    chart_marker(to, style, 17, 6);
    fputs("</g></svg>", to);
}

void tessi_report_svg_dots(FILE *to, int64_t n, const double *value, double low, double high, double lo, double hi)
{
    struct tessi_svg_scale s = tessi_report_svg_scale(lo, hi, TESSI_SVG_LINEAR, 4, 68, 2);
    fputs("<svg class=\"dots\" viewBox=\"0 0 72 14\" width=\"72\" height=\"14\" aria-hidden=\"true\">", to);
    if (low <= high)
        fprintf(to, "<path class=\"error\" d=\"M%.1f 7H%.1f\"/>", fmax(0, tessi_report_svg_at(&s, low)),
                fmin(72, tessi_report_svg_at(&s, high)));
    for (int64_t i = 0; i < n; i++)
        if (isfinite(value[i]))
            fprintf(to, "<circle cx=\"%.1f\" cy=\"7\" r=\"2.5\"/>", tessi_report_svg_at(&s, value[i]));
    fputs("</svg>", to);
}
