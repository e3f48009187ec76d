/* The bound of priors by the time of their noise: where in time the bits are spent; beside it the bound over training.
 * SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <string.h>

#define BOUNDS_NORMAL 1.959963984540054 /* quantile of the normal distribution at 0.975: errors are of means over many sequences */

/* A line of the chart: the parts of a result. */
struct bounds_line {
    int64_t row, parts;
    const struct tessi_report_page_result *result;
};

static int64_t bounds_list(const struct tessi_report_page *p, struct bounds_line *line, int64_t most)
{
    int64_t n = 0;
    for (int64_t row = 0; row < p->table->rows && row < TESSI_REPORT_PAGE_CURVE_ROWS; row++)
        for (int64_t i = 0; i < p->table->row[row].runs; i++)
            for (int64_t k = 0; k < p->table->row[row].run[i]->stages && n < most; k++) {
                const char *stage = p->table->row[row].run[i]->stage[k].name;
                const struct tessi_report_page_result *r = tessi_report_page_result_of(p, p->table->row[row].run[i], stage);
                int there = !r || !r->bound_parts;
                for (int64_t j = 0; j < n && !there; j++)
                    there = line[j].result == r;
                if (!there)
                    line[n++] = (struct bounds_line){row, r->bound_parts, r};
            }
    return n;
}

/* Points at the middle of each part of the times, in per cent of them. */
static void bounds_points(const struct tessi_report_page_result *r, double *x, double *y, double *low, double *high)
{
    for (int64_t i = 0; i < r->bound_parts; i++) {
        double first = r->bound[i].first_time, end = i + 1 < r->bound_parts ? r->bound[i + 1].first_time : r->bound_times + 1;
        double error = r->bound[i].standard_error;
        x[i] = 100.0 * (first + end - 1) / 2 / r->bound_times;
        y[i] = r->bound[i].bits;
        low[i] = y[i] - (error >= 0 ? BOUNDS_NORMAL * error : -1);
        high[i] = y[i] + (error >= 0 ? BOUNDS_NORMAL * error : -1);
    }
}

static int bounds_chart(struct tessi_report_page *p, int64_t n, const struct bounds_line *line)
{
    int64_t all = 0, at = 0;
    void *memory;
    for (int64_t i = 0; i < n; i++)
        all += line[i].parts;
    TESS_TRY(tess_alloc(p->ctx, (size_t)n * sizeof(struct tessi_svg_series) + (size_t)all * 4 * sizeof(double), "a chart", &memory));
    struct tessi_svg_series *series = memory;
    double *values = (double *)(series + n);
    for (int64_t i = 0; i < n; at += 4 * line[i++].parts) {
        double *x = values + at, *y = x + line[i].parts, *low = y + line[i].parts, *high = low + line[i].parts;
        bounds_points(line[i].result, x, y, low, high);
        series[i] = (struct tessi_svg_series){p->table->row[line[i].row].name, line[i].parts, x, y, low, high, p->style[line[i].row]};
    }
    struct tessi_svg_chart c = {.title = "Bound by time of the noise",
                                .description = "A line for each result: the mean bound at the times of each part, with its 95 % interval.",
                                .x = {.label = "time of the noise", .unit = "% of all times", .lo = 0, .hi = 100},
                                .count = n,
                                .series = series};
    int status = tessi_report_page_bound_chart(p, &c,
                                               "<b>Bound by time</b>, mean over the draws of each tenth of the times, without the noise's "
                                               "constant; 95 % intervals of its standard error");
    tess_free(memory);
    return status;
}

int tessi_report_page_bound_chart(struct tessi_report_page *p, struct tessi_svg_chart *c, const char *caption)
{
    char id[24];
    c->id = tessi_report_page_id(p, id);
    c->y.label = "bound";
    c->y.unit = "bits/code";
    c->joined = c->marked = 1;
    fputs("<figure>", p->to);
    int status = tessi_report_svg_chart(p->ctx, p->to, c);
    fprintf(p->to, "<figcaption>%s</figcaption></figure>\n", caption);
    return status;
}

void tessi_report_page_bounds_begin(struct tessi_report_page *p)
{
    tessi_report_page_section(p, "bounds", "The prior's bound");
    fputs("<div class=\"charts\">\n", p->to);
}

int tessi_report_page_bounds(struct tessi_report_page *p)
{
    struct bounds_line line[TESSI_REPORT_PAGE_CURVE_ROWS];
    int64_t n = bounds_list(p, line, TESSI_REPORT_PAGE_CURVE_ROWS);
    int begun;
    TESS_TRY(tessi_report_page_bound_steps(p, &begun));
    if (n && !begun)
        tessi_report_page_bounds_begin(p);
    if (n)
        TESS_TRY(bounds_chart(p, n, line));
    if (n || begun) {
        fputs("</div>\n", p->to);
        tessi_report_page_legend(p);
        fputs("</section>\n", p->to);
    }
    return TESS_OK;
}
