/* Bars along a time axis (svg.h). SPDX-License-Identifier: MIT */
#include "core/report/svg_private.h"

#include <math.h>

enum { BARS_WIDTH = 360, BARS_LEFT = 4, BARS_RIGHT = 352, BARS_ROW = 34, BARS_BAR = 12, BARS_TEXT = 13, BARS_FOOT = 34 };

static void bars_axis(FILE *to, const struct tessi_svg_bars *b, const struct tessi_svg_scale *s, double bottom)
{
    char text[32];
    fprintf(to, "<path class=\"axis\" d=\"M%d %.1fH%d\"/><g class=\"tick\">", BARS_LEFT, bottom, BARS_RIGHT);
    for (int32_t i = 0; i < s->ticks; i++) {
        double at = tessi_report_svg_at(s, s->tick[i]);
        const char *anchor = at < BARS_LEFT + 16 ? "start" : at > BARS_RIGHT - 16 ? "end" : "middle";
        fprintf(to, "<path class=\"grid\" d=\"M%.1f 0V%.1f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", at, bottom + 3, at,
                bottom + 15, anchor, tessi_report_svg_number(s->tick[i], text, sizeof text));
    }
    fprintf(to, "</g><text class=\"name\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", BARS_RIGHT, bottom + 29);
    tessi_report_html_text(to, b->label);
    fputs(", ", to);
    tessi_report_html_text(to, b->unit);
    fputs("</text>\n", to);
}

static void bars_row(FILE *to, const struct tessi_svg_bars *b, int64_t row)
{
    char name[96], note[128];
    double y = (double)row * BARS_ROW + BARS_TEXT;
    int64_t left = 56 - tessi_report_svg_cut(b->note ? b->note[row] : "", 34, note, sizeof note);
    (void)tessi_report_svg_cut(b->name[row], left, name, sizeof name);
    fprintf(to, "<text class=\"row\" x=\"%d\" y=\"%.1f\">", BARS_LEFT, y);
    tessi_report_html_text(to, name);
    fprintf(to, "</text><text class=\"note\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", BARS_RIGHT, y);
    tessi_report_html_text(to, note);
    fputs("</text>\n", to);
}

static void bars_piece(FILE *to, const struct tessi_svg_piece *p, const struct tessi_svg_scale *s)
{
    double from = tessi_report_svg_at(s, p->start), end = tessi_report_svg_at(s, p->end), width = fmax(end - from, 1.5);
    double y = (double)p->row * BARS_ROW + BARS_TEXT + 5, height = p->state == TESSI_SVG_PLANNED ? 3 : BARS_BAR;
    fprintf(to, "<g class=\"bar %s\"><title>", tessi_report_svg_state(p->state));
    tessi_report_html_text(to, p->text);
    fprintf(to, "</title><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\"/>", from,
            p->state == TESSI_SVG_PLANNED ? y + BARS_BAR + 1 : y, width, height);
    if (p->state == TESSI_SVG_FAILED) /* crossed out: colour is not the only mark */
        fprintf(to, "<path d=\"M%.1f %.1fl8 8m0-8l-8 8\"/>", from + width - 4, y + 2);
    else if (p->state == TESSI_SVG_WAITED) /* a line between two strokes, over a rectangle without a fill that a pointer finds */
        fprintf(to, "<path d=\"M%.1f %.1fv6m0-3h%.1fm0-3v6\"/>", from, y + 3, width);
    else if (p->state == TESSI_SVG_STOPPED)
        fprintf(to, "<path d=\"M%.1f %.1fv%d\"/>", from + width, y - 2, BARS_BAR + 4);
    fputs("</g>\n", to);
}

void tessi_report_svg_bars(FILE *to, const struct tessi_svg_bars *b)
{
    double hi = 0.0, lo = INFINITY, bottom = (double)b->rows * BARS_ROW;
    for (int64_t i = 0; i < b->pieces; i++) {
        lo = fmin(lo, b->piece[i].start);
        hi = fmax(hi, b->piece[i].end);
    }
    struct tessi_svg_scale s = tessi_report_svg_scale(fmin(lo, 0), hi, TESSI_SVG_LINEAR, BARS_LEFT, BARS_RIGHT, 6);
    tessi_report_svg_open(to, b->id, "bars", BARS_WIDTH, bottom + BARS_FOOT, b->title, b->description);
    bars_axis(to, b, &s, bottom);
    for (int64_t i = 0; i < b->rows; i++)
        bars_row(to, b, i);
    for (int64_t i = 0; i < b->pieces; i++)
        bars_piece(to, &b->piece[i], &s);
    fputs("</svg>", to);
}
