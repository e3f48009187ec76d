/* The bound of priors over the steps of their training, with its error. A curve has a mean of each few steps, which scatter; here they are
 * gathered into a dozen parts. With several seeds a point is the mean over them with Student's 95 % interval; with one, the interval is
 * that of the mean of the part's values about their own straight line, as the bound falls within a part too. SPDX-License-Identifier: MIT
 */
#include "core/report/page_private.h"
#include "core/report/statistics.h"

#include <math.h>
#include <string.h>

enum { BOUND_PARTS = 12, BOUND_VALUES = 6, BOUND_SEEDS = 64 }; /* parts at most; values of a curve that each has at least */

/* A row's points. */
struct bound_line {
    int64_t row, parts;
    double x[BOUND_PARTS], y[BOUND_PARTS], low[BOUND_PARTS], high[BOUND_PARTS];
};

/* Number of the series "bound" of a result; -1: it has none. */
static int64_t bound_series(const struct tessi_report_page_result *r)
{
    for (int64_t i = 0; r && r->curve_name && i < r->series; i++)
        if (r->curve_name[1 + i] && strcmp(r->curve_name[1 + i], "bound") == 0)
            return i;
    return -1;
}

/* The series of a run's first stage that has one; NULL: none. */
static const struct tessi_report_page_result *bound_result(const struct tessi_report_page *p, const struct tessi_report_run *run,
                                                           int64_t *series)
{
    for (int64_t k = 0; k < run->stages; k++) {
        const struct tessi_report_page_result *r = tessi_report_page_result_of(p, run, run->stage[k].name);
        *series = bound_series(r);
        if (*series >= 0)
            return r;
    }
    return NULL;
}

/* Mean of the points first .. end - 1 of a curve, and the standard error of that about their straight line (< 0: not known). */
static double bound_part(const struct tessi_report_page_result *r, int64_t series, int64_t first, int64_t end, double *error)
{
    const float *point = r->curve.data;
    const int64_t stride = 1 + r->series, n = end - first;
    double x = 0, y = 0, xx = 0, xy = 0, yy = 0;
    for (int64_t i = first; i < end; i++) {
        x += (double)i / (double)n;
        y += (double)point[i * stride + 1 + series] / (double)n;
    }
    for (int64_t i = first; i < end; i++) {
        double dx = (double)i - x, dy = (double)point[i * stride + 1 + series] - y;
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    *error = n > 2 ? sqrt(fmax(yy - (xx > 0 ? xy * xy / xx : 0), 0) / (double)(n - 2) / (double)n) : -1;
    return y;
}

/* The steps in the middle of part i. */
static double bound_step(const struct tessi_report_page_result *r, int64_t first, int64_t end)
{
    const float *point = r->curve.data;
    const int64_t stride = 1 + r->series;
    return ((double)point[first * stride] + (double)point[(end - 1) * stride]) / 2;
}

/* Fills the points of a row from its runs whose curves have as many points as the first's. */
static void bound_points(const struct tessi_report_page *p, const struct tessi_report_row *row, struct bound_line *line)
{
    int64_t series, points = 0;
    for (int64_t part = 0; part < BOUND_PARTS; part++) {
        double value[BOUND_SEEDS], error = -1;
        int64_t n = 0;
        for (int64_t i = 0; i < row->runs && n < BOUND_SEEDS; i++) {
            const struct tessi_report_page_result *r = bound_result(p, row->run[i], &series);
            if (!r || (points && r->points != points))
                continue;
            points = r->points;
            line->parts = points / BOUND_VALUES < BOUND_PARTS ? points / BOUND_VALUES : BOUND_PARTS;
            if (part >= line->parts)
                return;
            int64_t first = part * points / line->parts, end = (part + 1) * points / line->parts;
            line->x[part] = bound_step(r, first, end);
            value[n++] = bound_part(r, series, first, end, &error);
        }
        if (!n)
            return;
        const struct tessi_report_mean mean = tessi_report_mean_of(value, n, error);
        const double half = mean.half >= 0 ? mean.half : -1.0;
        line->y[part] = mean.mean;
        line->low[part] = mean.mean - half;
        line->high[part] = mean.mean + half;
    }
}

static int64_t bound_lines(const struct tessi_report_page *p, struct bound_line *line)
{
    int64_t n = 0;
    for (int64_t row = 0; row < p->table->rows && row < TESSI_REPORT_PAGE_CURVE_ROWS; row++) {
        line[n] = (struct bound_line){.row = row};
        bound_points(p, &p->table->row[row], &line[n]);
        n += line[n].parts > 1;
    }
    return n;
}

static int bound_chart(struct tessi_report_page *p, int64_t n, const struct bound_line *line)
{
    struct tessi_svg_series series[TESSI_REPORT_PAGE_CURVE_ROWS];
    for (int64_t i = 0; i < n; i++)
        series[i] = (struct tessi_svg_series){
            p->table->row[line[i].row].name, line[i].parts, line[i].x, line[i].y, line[i].low, line[i].high, p->style[line[i].row]};
    struct tessi_svg_chart c = {
        .title = "Bound over the steps of training",
        .description = "A line for each row: the mean bound of the batches of each part of the training, with its 95 % interval.",
        .x = {.label = "step of training"},
        .y = {.kind = TESSI_SVG_EITHER},
        .count = n,
        .series = series};
    return tessi_report_page_bound_chart(p, &c,
                                         "<b>Bound over training</b>, of the batches trained on and without the noise's constant; 95 % "
                                         "intervals over seeds, or of the scatter of one training");
}

int tessi_report_page_bound_steps(struct tessi_report_page *p, int *there)
{
    void *memory;
    TESS_TRY(tess_alloc(p->ctx, TESSI_REPORT_PAGE_CURVE_ROWS * sizeof(struct bound_line), "a chart", &memory));
    int64_t n = bound_lines(p, memory);
    int status = TESS_OK;
    *there = n > 0;
    if (n) {
        tessi_report_page_bounds_begin(p);
        status = bound_chart(p, n, memory);
    }
    tess_free(memory);
    return status;
}
