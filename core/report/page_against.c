/* Metrics against the settings that are numbers, and against the way that samples were drawn; reference values in grey.
 * SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AGAINST_CHARTS = 12, AGAINST_SAMPLING = 6 };

struct against_memory {
    struct tessi_report_page_line *line;
    struct tessi_svg_series *series;
    double (*reference)[4]; /* x and y of a reference's two points */
};

/* Number of different values of a column. */
static int64_t against_values(const struct tessi_report_table *t, int64_t column)
{
    int64_t n = 0;
    for (int64_t i = 0; i < t->rows; i++) {
        const char *text = t->row[i].setting[column];
        int new = text != NULL;
        for (int64_t k = 0; k < i && new; k++)
            new = !t->row[k].setting[column] || strcmp(text, t->row[k].setting[column]) != 0;
        n += new;
    }
    return n;
}

/* ---- one chart ---- */

/* 1 where a line has two points. */
static int against_long(int64_t n, const struct tessi_report_page_line *line)
{
    int there = 0;
    for (int64_t i = 0; i < n; i++)
        there |= line[i].points > 1;
    return there;
}

/* 1 where lines of two points or more are all level: the metric is not of the samples. */
static int against_level(int64_t n, const struct tessi_report_page_line *line)
{
    int there = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 1; k < line[i].points; k++) {
            if (line[i].y[k] != line[i].y[0])
                return 0;
            there = 1;
        }
    return there;
}

static int32_t against_style(int64_t i, int64_t n)
{
    return n > TESSI_SVG_STYLES && i >= TESSI_SVG_STYLES ? TESSI_SVG_CROWD : (int32_t)i;
}

/* Adds the references that have the metric: a point where one says what it is for on this axis, else a line over all of the axis. */
static int64_t against_references(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure, int64_t n,
                                  struct against_memory *m)
{
    const struct tessi_report_reference *list[TESSI_REPORT_PAGE_REFERENCES];
    int64_t references = tessi_report_page_references_list(p, list), count = n;
    double lo = INFINITY, hi = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        lo = fmin(lo, m->line[i].x[0]);
        hi = fmax(hi, m->line[i].x[m->line[i].points - 1]);
    }
    for (int64_t i = 0; i < references; i++) {
        double value = tessi_report_page_reference_value(list[i], &p->table->measure[measure]), *x = m->reference[i];
        double at = tessi_report_page_axis_reference(p, axis, list[i]);
        x[0] = isfinite(at) ? at : lo;
        x[1] = hi;
        x[2] = x[3] = value;
        if (isfinite(value))
            m->series[count++] = (struct tessi_svg_series){
                .name = list[i]->name, .points = isfinite(at) ? 1 : 2, .x = x, .y = x + 2, .style = TESSI_SVG_REFERENCE};
    }
    return count;
}

static int against_chart(struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure, int64_t n,
                         struct against_memory *memory)
{
    const struct tessi_report_page_line *line = memory->line;
    const struct tessi_report_measure *m = &p->table->measure[measure];
    char id[24], title[260];
    for (int64_t i = 0; i < n; i++)
        memory->series[i] = (struct tessi_svg_series){.name = line[i].name,
                                                      .points = line[i].points,
                                                      .x = line[i].x,
                                                      .y = line[i].y,
                                                      .low = line[i].low,
                                                      .high = line[i].high,
                                                      .style = against_style(i, n)};
    const int64_t count = against_references(p, axis, measure, n, memory);
    (void)snprintf(title, sizeof title, "%.120s against %.120s", m->title, axis->label);
    const struct tessi_svg_chart c = {.id = tessi_report_page_id(p, id),
                                      .title = title,
                                      .description = "Means over seeds with 95 % intervals, as the table has them.",
                                      .x = {.label = axis->label, .unit = axis->unit, .kind = axis->kind},
                                      .y = {.label = m->title, .unit = m->unit},
                                      .count = count,
                                      .series = memory->series,
                                      .joined = 1,
                                      .marked = 1};
    fputs("<figure>", p->to);
    TESS_TRY(tessi_report_svg_chart(p->ctx, p->to, &c));
    fputs("<figcaption><b>", p->to);
    tessi_report_html_text(p->to, m->title);
    fputs("</b> against ", p->to);
    tessi_report_html_text(p->to, axis->column >= 0 ? p->table->column[axis->column].name : axis->label);
    fprintf(p->to, "%s</figcaption></figure>\n",
            m->better == TESS_METRIC_LOWER    ? "; lower is better"
            : m->better == TESS_METRIC_HIGHER ? "; higher is better"
                                              : "");
    return TESS_OK;
}

static void against_legend(struct tessi_report_page *p, int64_t n, const struct tessi_report_page_line *line)
{
    if (n < 2)
        return;
    fputs("<ul class=\"legend\" aria-label=\"Lines and markers\">", p->to);
    for (int64_t i = 0; i < n && i < TESSI_SVG_STYLES; i++) {
        fputs("<li>", p->to);
        tessi_report_svg_swatch(p->to, against_style(i, n));
        tessi_report_html_text(p->to, line[i].name);
        fputs("</li>", p->to);
    }
    if (n > TESSI_SVG_STYLES) {
        fputs("<li>", p->to);
        tessi_report_svg_swatch(p->to, TESSI_SVG_CROWD);
        fprintf(p->to, "%lld others; pointing at a line names it</li>", (long long)(n - TESSI_SVG_STYLES));
    }
    fputs("</ul>\n", p->to);
}

/* ---- all charts of an axis ---- */

static int against_alloc(struct tessi_report_page *p, struct against_memory *m)
{
    size_t series = (size_t)p->table->rows + TESSI_REPORT_PAGE_REFERENCES;
    void *memory;
    TESS_TRY(tess_alloc(p->ctx, series * sizeof *m->series + TESSI_REPORT_PAGE_REFERENCES * sizeof *m->reference, "charts", &memory));
    m->series = memory;
    m->reference = (double(*)[4])(m->series + series);
    return tessi_report_page_lines_alloc(p, &m->line);
}

/* 1 for a metric that an axis has charts of. */
static int against_wanted(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure)
{
    const struct tessi_report_measure *m = &p->table->measure[measure];
    if (!m->shown || m->constant)
        return 0;
    return axis->column >= 0 ||
           (m->better && tessi_report_page_axis_varies(p, axis, measure) && !tessi_report_page_axis_repeats(p, axis, measure));
}

/* Begins the charts of an axis: the section with the first of all; a heading for the way of sampling. */
static void against_begin(struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int first)
{
    if (first)
        tessi_report_page_section(p, "against", "Metrics against settings");
    if (axis->column < 0)
        fprintf(p->to, "<h3>Samples against the %s</h3>", axis->label);
    fputs("<div class=\"charts\">\n", p->to);
}

static int against_axis(struct tessi_report_page *p, const struct tessi_report_page_axis *axis, struct against_memory *m, int64_t *charts)
{
    const struct tessi_report_table *t = p->table;
    const int64_t most = axis->column >= 0 ? AGAINST_CHARTS : AGAINST_SAMPLING;
    int64_t n = 0, before = *charts, left = 0;
    for (int64_t i = 0; i < t->measures; i++) {
        if (!against_wanted(p, axis, i))
            continue;
        if (*charts == before + most) {
            left++;
            continue;
        }
        n = tessi_report_page_lines(p, axis, i, m->line);
        if (axis->column >= 0 ? !against_long(n, m->line) : against_level(n, m->line))
            continue;
        if (++*charts == before + 1)
            against_begin(p, axis, *charts == 1);
        TESS_TRY(against_chart(p, axis, i, n, m));
    }
    if (*charts > before) {
        fputs("</div>\n", p->to);
        against_legend(p, n, m->line);
        tessi_report_page_references_legend(p);
    }
    if (left)
        fprintf(p->to, "<p class=\"cap\">Showing %lld of %lld metrics; `--metrics` chooses.</p>\n", (long long)most,
                (long long)(left + most));
    return TESS_OK;
}

static int against_all(struct tessi_report_page *p, struct against_memory *m, int64_t *charts)
{
    for (int64_t i = 0; i < p->table->columns; i++) {
        const struct tessi_report_page_axis axis = {.column = i, .label = p->table->column[i].title, .kind = TESSI_SVG_EITHER};
        if (p->table->column[i].numeric && against_values(p->table, i) > 1)
            TESS_TRY(against_axis(p, &axis, m, charts));
    }
    for (int64_t i = 0; tessi_report_page_sampling(i); i++)
        TESS_TRY(against_axis(p, tessi_report_page_sampling(i), m, charts));
    return tessi_report_page_pairs(p, m->line, charts);
}

int tessi_report_page_against(struct tessi_report_page *p)
{
    struct against_memory m = {0};
    int64_t charts = 0;
    if (p->table->rows < 2 || p->table->rows > TESSI_REPORT_PAGE_ROWS)
        return TESS_OK;
    int status = against_alloc(p, &m);
    if (status == TESS_OK)
        status = against_all(p, &m, &charts);
    fputs(charts ? "</section>\n" : "", p->to);
    tess_free(m.line);
    tess_free(m.series);
    return status;
}
