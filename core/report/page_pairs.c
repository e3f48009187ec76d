/* Metrics as markers, one a row: two that trade one for the other, and samples' metrics over the calls of the denoiser that the samples
 * took. Reference values are grey markers. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_CALLS = 6 };

/* Markers of one chart: the rows, then the references that have both values. */
struct pairs_points {
    int64_t references;
    const struct tessi_report_reference *reference[TESSI_REPORT_PAGE_REFERENCES];
    struct tessi_svg_series *series;
    double *x, *y;
    int64_t n;
};

static void pairs_add(struct pairs_points *k, const char *name, int32_t style, double x, double y)
{
    k->x[k->n] = x;
    k->y[k->n] = y;
    k->series[k->n] = (struct tessi_svg_series){.name = name, .points = 1, .x = &k->x[k->n], .y = &k->y[k->n], .style = style};
    k->n++;
}

static int pairs_open(struct tessi_report_page *p, struct pairs_points *k)
{
    size_t most = (size_t)p->table->rows + TESSI_REPORT_PAGE_REFERENCES;
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
                                      .description = "A marker for each row of the table; reference values are grey.",
                                      .x = x,
                                      .y = y,
                                      .count = k->n,
                                      .series = k->series};
    fputs("<figure>", p->to);
    TESS_TRY(tessi_report_svg_chart(p->ctx, p->to, &c));
    fputs("<figcaption><b>", p->to);
    tessi_report_html_text(p->to, title);
    fprintf(p->to, "</b>%s</figcaption></figure>\n", better);
    return TESS_OK;
}

/* Begins a list of charts: the section with the first of all, and a heading. */
static void pairs_begin(struct tessi_report_page *p, int64_t *charts, const char *heading)
{
    if (++*charts == 1)
        tessi_report_page_section(p, "against", "Metrics against settings");
    fprintf(p->to, "<h3>%s</h3><div class=\"charts\">\n", heading);
}

static void pairs_end(struct tessi_report_page *p, int64_t drawn)
{
    if (!drawn)
        return;
    fputs("</div>\n", p->to);
    tessi_report_page_legend(p);
    tessi_report_page_references_legend(p);
}

/* ---- pairs of metrics ---- */

static int64_t pairs_measure(const struct tessi_report_table *t, const char *name)
{
    for (int64_t i = 0; i < t->measures; i++)
        if (t->measure[i].shown && strcmp(t->measure[i].name, name) == 0)
            return i;
    return -1;
}

static void pairs_of_metrics(const struct tessi_report_page *p, struct pairs_points *k, int64_t x, int64_t y)
{
    const struct tessi_report_table *t = p->table;
    k->n = 0;
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

static int pairs_trade(struct tessi_report_page *p, struct pairs_points *k, int64_t *charts)
{
    static const char *const pairs[][2] = {{"recall", "precision"}, {"coverage", "density"}};
    const struct tessi_report_measure *m = p->table->measure;
    int64_t drawn = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        int64_t x = pairs_measure(p->table, pairs[i][0]), y = pairs_measure(p->table, pairs[i][1]);
        if (x < 0 || y < 0)
            continue;
        if (!drawn++)
            pairs_begin(p, charts, "Pairs of metrics");
        pairs_of_metrics(p, k, x, y);
        TESS_TRY(pairs_draw(p, k, (struct tessi_svg_axis){.label = m[x].title, .unit = m[x].unit},
                            (struct tessi_svg_axis){.label = m[y].title, .unit = m[y].unit}, "; better is up and to the right"));
    }
    pairs_end(p, drawn);
    return TESS_OK;
}

/* ---- calls of the denoiser ---- */

/* The stage of samples that a run's stage reads; NULL: none. */
static const struct tessi_report_stage *pairs_samples(const struct tessi_report_run *run, const char *stage)
{
    const struct tessi_report_stage *s = tessi_report_stage_named(run, stage);
    for (int64_t i = 0; s && i < s->inputs; i++) {
        const struct tessi_report_stage *from = s->input[i].from ? tessi_report_stage_named(run, s->input[i].from) : NULL;
        if (from && strcmp(from->kind, "samples") == 0)
            return from;
    }
    return NULL;
}

/* Steps of the samples that the metric's stage reads in a row, which are the calls of the denoiser at most; NAN: it reads none. */
static double pairs_calls_of(const struct tessi_report_row *row, const struct tessi_report_measure *m)
{
    const struct tessi_report_stage *s = row->runs ? pairs_samples(row->run[0], m->stage) : NULL;
    for (int64_t i = 0; s && i < s->attributes; i++)
        if (strcmp(s->attribute[i].name, "steps") == 0 && strtod(s->attribute[i].text, NULL) > 0)
            return strtod(s->attribute[i].text, NULL);
    return (double)NAN;
}

/* The steps that a reference is for; NAN: it does not say. */
static double pairs_calls_of_reference(const struct tessi_report_reference *r)
{
    for (int64_t i = 0; i < r->settings; i++) {
        const char *dot = strrchr(r->setting[i].name, '.');
        if (strcmp(dot ? dot + 1 : r->setting[i].name, "steps") == 0)
            return strtod(r->setting[i].text, NULL);
    }
    return (double)NAN;
}

/* Markers of a metric over calls; 1 where rows differ in these. */
static int pairs_over_calls(const struct tessi_report_page *p, struct pairs_points *k, int64_t measure)
{
    const struct tessi_report_table *t = p->table;
    int differ = 0;
    k->n = 0;
    for (int64_t i = 0; i < t->rows; i++) {
        double calls = pairs_calls_of(&t->row[i], &t->measure[measure]);
        if (!isfinite(calls) || !t->row[i].cell[measure].mean.n)
            continue;
        differ |= k->n && calls != k->x[0];
        pairs_add(k, t->row[i].name, p->style[i], calls, t->row[i].cell[measure].mean.mean);
    }
    for (int64_t i = 0; differ && i < k->references; i++) {
        double calls = pairs_calls_of_reference(k->reference[i]);
        double value = tessi_report_page_reference_value(k->reference[i], &t->measure[measure]);
        if (isfinite(calls) && isfinite(value))
            pairs_add(k, k->reference[i]->name, TESSI_SVG_REFERENCE, calls, value);
    }
    return differ;
}

static int pairs_calls(struct tessi_report_page *p, struct pairs_points *k, int64_t *charts)
{
    const struct tessi_report_measure *m = p->table->measure;
    int64_t drawn = 0;
    for (int64_t i = 0; i < p->table->measures && drawn < PAIRS_CALLS; i++) {
        if (!m[i].shown || m[i].constant || !m[i].better || !pairs_over_calls(p, k, i))
            continue;
        if (!drawn++)
            pairs_begin(p, charts, "Samples against calls of the denoiser");
        TESS_TRY(pairs_draw(p, k, (struct tessi_svg_axis){.label = "steps of sampling", .unit = "calls at most", .kind = TESSI_SVG_EITHER},
                            (struct tessi_svg_axis){.label = m[i].title, .unit = m[i].unit},
                            m[i].better == TESS_METRIC_LOWER ? "; lower is better" : "; higher is better"));
    }
    pairs_end(p, drawn);
    return TESS_OK;
}

int tessi_report_page_pairs(struct tessi_report_page *p, int64_t *charts)
{
    struct pairs_points k;
    TESS_TRY(pairs_open(p, &k));
    int status = pairs_calls(p, &k, charts);
    if (status == TESS_OK)
        status = pairs_trade(p, &k, charts);
    tess_free(k.series);
    return status;
}
