/* Two metrics that trade one for the other, as markers, one a row; a line joins rows whose samples differ in their temperature alone, or in
 * their steps. Reference values are grey markers. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_TIMES = 3 }; /* series that a row may be part of: its own and one for each way of sampling */

/* Markers of one chart: the rows, then the references that have both values. */
struct pairs_points {
    int64_t references;
    const struct tessi_report_reference *reference[TESSI_REPORT_PAGE_REFERENCES];
    struct tessi_svg_series *series;
    double *x, *y;
    int64_t n, values; /* series, and values in x and y */
};

static void pairs_add(struct pairs_points *k, const char *name, int32_t style, double x, double y)
{
    const int64_t at = k->values++;
    k->x[at] = x;
    k->y[at] = y;
    k->series[k->n++] = (struct tessi_svg_series){.name = name, .points = 1, .x = &k->x[at], .y = &k->y[at], .style = style};
}

static int pairs_open(struct tessi_report_page *p, struct pairs_points *k)
{
    /* A row is a marker, and may be on a line of each way of sampling. */
    const int64_t rows = p->table->rows;
    size_t most = (size_t)rows * PAIRS_TIMES + TESSI_REPORT_PAGE_REFERENCES;
    void *memory;
    k->references = tessi_report_page_references_list(p, k->reference);
    TESS_TRY(tess_alloc(p->ctx, most * (sizeof *k->series + 2 * sizeof(double)), "markers of a chart", &memory));
    k->series = memory;
    k->x = (double *)(k->series + most);
    k->y = k->x + most;
    return TESS_OK;
}

static int pairs_draw(struct tessi_report_page *p, const struct pairs_points *k, struct tessi_svg_axis x, struct tessi_svg_axis y,
                      const char *better)
{
    char id[24], title[260];
    (void)snprintf(title, sizeof title, "%.120s against %.120s", y.label, x.label);
    const struct tessi_svg_chart c = {.id = tessi_report_page_id(p, id),
                                      .title = title,
                                      .description = "A marker for each row of the table; lines join rows whose samples differ in their "
                                                     "temperature alone, or in their steps; reference values are grey.",
                                      .x = x,
                                      .y = y,
                                      .count = k->n,
                                      .series = k->series,
                                      .joined = 1,
                                      .marked = 1};
    fputs("<figure>", p->to);
    TESS_TRY(tessi_report_svg_chart(p->ctx, p->to, &c));
    fputs("<figcaption><b>", p->to);
    tessi_report_html_text(p->to, title);
    fprintf(p->to, "</b>%s</figcaption></figure>\n", better);
    return TESS_OK;
}

/* ---- pairs of metrics ---- */

static int64_t pairs_measure(const struct tessi_report_table *t, const char *name)
{
    for (int64_t i = 0; i < t->measures; i++)
        if (t->measure[i].shown && strcmp(t->measure[i].name, name) == 0)
            return i;
    return -1;
}

/* Adds the lines of a way of sampling. */
static void pairs_join(const struct tessi_report_page *p, struct pairs_points *k, const struct tessi_report_page_axis *axis,
                       struct tessi_report_page_line *line, int64_t x, int64_t y)
{
    const struct tessi_report_table *t = p->table;
    int64_t n = tessi_report_page_lines(p, axis, y, line);
    for (int64_t i = 0; i < n; i++) {
        int64_t first = k->values;
        for (int64_t j = 0; j < line[i].points; j++)
            if (t->row[line[i].row[j]].cell[x].mean.n) {
                k->x[k->values] = t->row[line[i].row[j]].cell[x].mean.mean;
                k->y[k->values++] = line[i].y[j];
            }
        if (k->values > first + 1)
            k->series[k->n++] = (struct tessi_svg_series){
                .name = axis->label, .points = k->values - first, .x = k->x + first, .y = k->y + first, .style = TESSI_SVG_CROWD};
    }
}

static void pairs_of_metrics(const struct tessi_report_page *p, struct pairs_points *k, struct tessi_report_page_line *line, int64_t x,
                             int64_t y)
{
    const struct tessi_report_table *t = p->table;
    k->n = k->values = 0;
    for (int64_t i = 0; tessi_report_page_sampling(i) && i + 1 < PAIRS_TIMES; i++)
        pairs_join(p, k, tessi_report_page_sampling(i), line, x, y);
    for (int64_t i = 0; i < t->rows; i++)
        if (t->row[i].cell[x].mean.n && t->row[i].cell[y].mean.n)
            pairs_add(k, t->row[i].name, p->style[i], t->row[i].cell[x].mean.mean, t->row[i].cell[y].mean.mean);
    for (int64_t i = 0; i < k->references; i++) {
        double at = tessi_report_page_reference_value(k->reference[i], &t->measure[x]);
        double value = tessi_report_page_reference_value(k->reference[i], &t->measure[y]);
        if (isfinite(at) && isfinite(value))
            pairs_add(k, k->reference[i]->name, TESSI_SVG_REFERENCE, at, value);
    }
}

static int pairs_trade(struct tessi_report_page *p, struct pairs_points *k, struct tessi_report_page_line *line, int64_t *charts)
{
    static const char *const pairs[][2] = {{"recall", "precision"}, {"coverage", "density"}};
    const struct tessi_report_measure *m = p->table->measure;
    int64_t drawn = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        int64_t x = pairs_measure(p->table, pairs[i][0]), y = pairs_measure(p->table, pairs[i][1]);
        if (x < 0 || y < 0)
            continue;
        if (!drawn++ && ++*charts == 1)
            tessi_report_page_section(p, "against", "Metrics against settings");
        fputs(drawn == 1 ? "<h3>Pairs of metrics</h3><div class=\"charts\">\n" : "", p->to);
        pairs_of_metrics(p, k, line, x, y);
        TESS_TRY(
            pairs_draw(p, k, (struct tessi_svg_axis){.label = m[x].title, .unit = m[x].unit},
                       (struct tessi_svg_axis){.label = m[y].title, .unit = m[y].unit},
                       "; better is up and to the right; a grey line joins rows whose samples differ in temperature alone, or in steps"));
    }
    if (drawn) {
        fputs("</div>\n", p->to);
        tessi_report_page_legend(p);
        tessi_report_page_references_legend(p);
    }
    return TESS_OK;
}

/* ---- all of them ---- */

int tessi_report_page_pairs(struct tessi_report_page *p, struct tessi_report_page_line *line, int64_t *charts)
{
    struct pairs_points k;
    TESS_TRY(pairs_open(p, &k));
    int status = pairs_trade(p, &k, line, charts);
    tess_free(k.series);
    return status;
}
