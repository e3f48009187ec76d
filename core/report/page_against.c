/* Metrics against the settings that are numbers; reference values in grey. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AGAINST_CHARTS = 12 };

/* Rows whose other settings are equal: a line of a chart, by rising values. */
struct against_line {
    const char *name;
    int64_t points;
    double *x, *y, *low, *high; /* table->rows each */
    int64_t first;              /* first row */
};

struct against_memory {
    struct against_line *line;
    struct tessi_svg_series *series;
    char (*name)[200];
    double (*reference)[4]; /* x and y of a reference's two points */
};

static int against_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* 1 where two rows differ in column `axis` alone, or not at all. */
static int against_joins(const struct tessi_report_table *t, const struct tessi_report_row *a, const struct tessi_report_row *b,
                         int64_t axis)
{
    for (int64_t i = 0; i < t->columns; i++)
        if (i != axis && !against_equal(a->setting[i], b->setting[i]))
            return 0;
    return 1;
}

/* Number of different values of a column. */
static int64_t against_values(const struct tessi_report_table *t, int64_t column)
{
    int64_t n = 0;
    for (int64_t i = 0; i < t->rows; i++) {
        int new = t->row[i].setting[column] != NULL;
        for (int64_t k = 0; k < i && new; k++)
            new = !against_equal(t->row[i].setting[column], t->row[k].setting[column]);
        n += new;
    }
    return n;
}

static void against_insert(struct against_line *line, double x, const struct tessi_report_cell *c)
{
    int64_t at = line->points++;
    for (; at > 0 && line->x[at - 1] > x; at--) {
        line->x[at] = line->x[at - 1];
        line->y[at] = line->y[at - 1];
        line->low[at] = line->low[at - 1];
        line->high[at] = line->high[at - 1];
    }
    double half = c->mean.half >= 0 ? c->mean.half : -1.0;
    line->x[at] = x;
    line->y[at] = c->mean.mean;
    line->low[at] = c->mean.mean - half;
    line->high[at] = c->mean.mean + half;
}

/* The other settings of a line: "quantizer=ema". */
static void against_name(const struct tessi_report_table *t, const struct tessi_report_row *row, int64_t axis, char *text, size_t capacity)
{
    size_t used = 0;
    text[0] = '\0';
    for (int64_t i = 0; i < t->columns && used < capacity; i++)
        if (i != axis && row->setting[i])
            used += (size_t)snprintf(text + used, capacity - used, "%s%s=%s", used ? ", " : "", t->column[i].title, row->setting[i]);
}

static int64_t against_lines(const struct tessi_report_table *t, int64_t axis, int64_t measure, struct against_line *line)
{
    int64_t n = 0;
    for (int64_t i = 0; i < t->rows; i++) {
        const struct tessi_report_row *row = &t->row[i];
        if (!row->setting[axis] || !row->cell[measure].mean.n)
            continue;
        int64_t k = 0;
        while (k < n && !against_joins(t, &t->row[line[k].first], row, axis))
            k++;
        if (k == n) {
            line[n].points = 0;
            line[n++].first = i;
        }
        against_insert(&line[k], strtod(row->setting[axis], NULL), &row->cell[measure]);
    }
    return n;
}

/* ---- one chart ---- */

/* 1 where a line has two points. */
static int against_long(int64_t n, const struct against_line *line)
{
    int there = 0;
    for (int64_t i = 0; i < n; i++)
        there |= line[i].points > 1;
    return there;
}

static int32_t against_style(int64_t i, int64_t n)
{
    return n > TESSI_SVG_STYLES && i >= TESSI_SVG_STYLES ? TESSI_SVG_CROWD : (int32_t)i;
}

/* Adds the references that have the metric: a point where one says what setting it is for, else a line over all values of the axis. */
static int64_t against_references(const struct tessi_report_page *p, int64_t axis, int64_t measure, int64_t n, struct against_memory *m)
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
        const char *at = NULL;
        for (int64_t k = 0; k < list[i]->settings; k++)
            if (strcmp(list[i]->setting[k].name, p->table->column[axis].name) == 0)
                at = list[i]->setting[k].text;
        x[0] = at ? strtod(at, NULL) : lo;
        x[1] = hi;
        x[2] = x[3] = value;
        if (isfinite(value))
            m->series[count++] =
                (struct tessi_svg_series){.name = list[i]->name, .points = at ? 1 : 2, .x = x, .y = x + 2, .style = TESSI_SVG_REFERENCE};
    }
    return count;
}

static int against_chart(struct tessi_report_page *p, int64_t axis, int64_t measure, int64_t n, struct against_memory *memory)
{
    const struct against_line *line = memory->line;
    struct tessi_svg_series *series = memory->series;
    const struct tessi_report_measure *m = &p->table->measure[measure];
    char id[24], title[260];
    for (int64_t i = 0; i < n; i++)
        series[i] = (struct tessi_svg_series){.name = line[i].name,
                                              .points = line[i].points,
                                              .x = line[i].x,
                                              .y = line[i].y,
                                              .low = line[i].low,
                                              .high = line[i].high,
                                              .style = against_style(i, n)};
    const int64_t count = against_references(p, axis, measure, n, memory);
    (void)snprintf(title, sizeof title, "%.120s against %.120s", m->title, p->table->column[axis].title);
    const struct tessi_svg_chart c = {.id = tessi_report_page_id(p, id),
                                      .title = title,
                                      .description = "Means over seeds with 95 % intervals, as the table has them.",
                                      .x = {.label = p->table->column[axis].title, .kind = TESSI_SVG_EITHER},
                                      .y = {.label = m->title, .unit = m->unit},
                                      .count = count,
                                      .series = series,
                                      .joined = 1,
                                      .marked = 1};
    fputs("<figure>", p->to);
    TESS_TRY(tessi_report_svg_chart(p->ctx, p->to, &c));
    fputs("<figcaption><b>", p->to);
    tessi_report_html_text(p->to, m->title);
    fputs("</b> against ", p->to);
    tessi_report_html_text(p->to, p->table->column[axis].name);
    fprintf(p->to, "%s</figcaption></figure>\n",
            m->better == TESS_METRIC_LOWER    ? "; lower is better"
            : m->better == TESS_METRIC_HIGHER ? "; higher is better"
                                              : "");
    return TESS_OK;
}

static void against_legend(struct tessi_report_page *p, int64_t n, const struct against_line *line)
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
    size_t rows = (size_t)p->table->rows;
    void *memory;
    const size_t references = TESSI_REPORT_PAGE_REFERENCES;
    TESS_TRY(tess_alloc(p->ctx,
                        rows * (sizeof *m->line + sizeof *m->series + sizeof *m->name + rows * 4 * sizeof(double)) +
                            references * (sizeof *m->series + sizeof *m->reference),
                        "charts", &memory));
    m->line = memory;
    m->series = (struct tessi_svg_series *)(m->line + rows);
    m->reference = (double(*)[4])(m->series + rows + references);
    double *values = (double *)(m->reference + references);
    for (size_t i = 0; i < rows; i++) {
        m->line[i].x = values + 4 * i * rows;
        m->line[i].y = m->line[i].x + rows;
        m->line[i].low = m->line[i].y + rows;
        m->line[i].high = m->line[i].low + rows;
    }
    m->name = (char(*)[200])(values + 4 * rows * rows);
    return TESS_OK;
}

static int against_axis(struct tessi_report_page *p, int64_t axis, struct against_memory *m, int64_t *charts)
{
    const struct tessi_report_table *t = p->table;
    int64_t n = 0, before = *charts, left = 0;
    for (int64_t i = 0; i < t->measures; i++) {
        if (!t->measure[i].shown || t->measure[i].constant)
            continue;
        if (*charts == before + AGAINST_CHARTS) {
            left++;
            continue;
        }
        n = against_lines(t, axis, i, m->line);
        for (int64_t k = 0; k < n; k++) {
            against_name(t, &t->row[m->line[k].first], axis, m->name[k], sizeof m->name[k]);
            m->line[k].name = m->name[k];
        }
        if (!against_long(n, m->line))
            continue;
        if (++*charts == 1)
            tessi_report_page_section(p, "against", "Metrics against settings");
        fputs(*charts == before + 1 ? "<div class=\"charts\">\n" : "", p->to);
        TESS_TRY(against_chart(p, axis, i, n, m));
    }
    if (*charts > before) {
        fputs("</div>\n", p->to);
        against_legend(p, n, m->line);
        tessi_report_page_references_legend(p);
    }
    if (left)
        fprintf(p->to, "<p class=\"cap\">Showing %d of %lld metrics; `--metrics` chooses.</p>\n", AGAINST_CHARTS,
                (long long)(left + AGAINST_CHARTS));
    return TESS_OK;
}

int tessi_report_page_against(struct tessi_report_page *p)
{
    struct against_memory m;
    int64_t charts = 0;
    int status = TESS_OK;
    if (p->table->rows < 2 || p->table->rows > TESSI_REPORT_PAGE_ROWS)
        return TESS_OK;
    TESS_TRY(against_alloc(p, &m));
    for (int64_t i = 0; i < p->table->columns && status == TESS_OK; i++)
        if (p->table->column[i].numeric && against_values(p->table, i) > 1)
            status = against_axis(p, i, &m, &charts);
    if (status == TESS_OK)
        status = tessi_report_page_pairs(p, &charts);
    fputs(charts ? "</section>\n" : "", p->to);
    tess_free(m.line);
    return status;
}
