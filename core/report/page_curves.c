/* Curves of training: a chart for each series of each stage, a line for each result. Those of the use of codes stand in the section of
 * codebooks. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <string.h>

enum { CURVES_CHARTS = 24, CURVES_LISTED = 60 };

/* Lines of one chart. */
struct curves_chart {
    const char *stage, *name;
    int64_t series; /* number of the series within the curve */
    int64_t count, capacity;
    struct curves_line {
        int64_t row;
        const struct tessi_report_page_result *result;
    } * line;
};

static const char *curves_name(const struct tessi_report_page_result *r, int64_t series)
{
    const char *name = r->curve_name && r->curve_name[1 + series] ? r->curve_name[1 + series] : NULL;
    return name && *name ? name : r->series == 1 ? "loss" : series == 0 ? "first loss" : series == 1 ? "second loss" : "another loss";
}

/* 1 for a series of the use of codes, as the training of an autoencoder names them. */
static int curves_is_usage(const char *name)
{
    return strcmp(name, "codes used in a step") == 0 || strcmp(name, "perplexity in a step") == 0;
}

int tessi_report_page_has_usage(const struct tessi_report_page_result *r)
{
    int there = 0;
    for (int64_t i = 0; i < r->series; i++)
        there |= curves_is_usage(curves_name(r, i));
    return there;
}

static int curves_add(struct tessi_report_page *p, struct curves_chart *c, int64_t row, const struct tessi_report_page_result *r)
{
    for (int64_t i = 0; i < c->count; i++)
        if (c->line[i].result == r)
            return TESS_OK;
    TESS_TRY(tess_reserve(p->ctx, &c->line, &c->capacity, c->count + 1, sizeof *c->line, "curves of a page"));
    c->line[c->count++] = (struct curves_line){row, r};
    return TESS_OK;
}

static int curves_collect(struct tessi_report_page *p, struct curves_chart *c)
{
    for (int64_t row = 0; row < p->table->rows && row < TESSI_REPORT_PAGE_CURVE_ROWS; row++)
        for (int64_t i = 0; i < p->table->row[row].runs; i++) {
            const struct tessi_report_page_result *r = tessi_report_page_result_of(p, p->table->row[row].run[i], c->stage);
            if (r && c->series < r->series && strcmp(curves_name(r, c->series), c->name) == 0)
                TESS_TRY(curves_add(p, c, row, r));
        }
    return TESS_OK;
}

/* ---- drawing ---- */

static int curves_draw(struct tessi_report_page *p, const struct curves_chart *c, struct tessi_svg_series *series, double *values)
{
    char id[24], title[260];
    for (int64_t i = 0; i < c->count; i++) {
        const struct tessi_report_page_result *r = c->line[i].result;
        const float *point = r->curve.data;
        double *x = values, *y = values + r->points;
        for (int64_t k = 0; k < r->points; k++) {
            x[k] = (double)point[k * (1 + r->series)];
            y[k] = (double)point[k * (1 + r->series) + 1 + c->series];
        }
        series[i] = (struct tessi_svg_series){
            .name = p->table->row[c->line[i].row].name, .points = r->points, .x = x, .y = y, .style = p->style[c->line[i].row]};
        values += 2 * r->points;
    }
    (void)snprintf(title, sizeof title, "%.90s of %.90s over the steps of training", c->name, c->stage);
    const struct tessi_svg_chart chart = {.id = tessi_report_page_id(p, id),
                                          .title = title,
                                          .description =
                                              "A line for each result: the mean over the steps since the point before. The table "
                                              "below the charts has the last and the lowest values.",
                                          .x = {.label = "step"},
                                          .y = {.label = c->name, .kind = TESSI_SVG_EITHER},
                                          .count = c->count,
                                          .series = series,
                                          .joined = 1};
    fputs("<figure>", p->to);
    TESS_TRY(tessi_report_svg_chart(p->ctx, p->to, &chart));
    fputs("<figcaption><b>", p->to);
    tessi_report_html_text(p->to, c->stage);
    fputs("</b>: ", p->to);
    tessi_report_html_text(p->to, c->name);
    fputs("</figcaption></figure>\n", p->to);
    return TESS_OK;
}

static int curves_chart(struct tessi_report_page *p, const struct curves_chart *c)
{
    int64_t points = 0;
    void *memory;
    for (int64_t i = 0; i < c->count; i++)
        points += c->line[i].result->points;
    TESS_TRY(
        tess_alloc(p->ctx, (size_t)c->count * sizeof(struct tessi_svg_series) + (size_t)points * 2 * sizeof(double), "a chart", &memory));
    struct tessi_svg_series *series = memory;
    int status = curves_draw(p, c, series, (double *)(series + c->count));
    tess_free(memory);
    return status;
}

/* ---- last and lowest values ---- */

static void curves_values(struct tessi_report_page *p, const struct curves_chart *c, int64_t i)
{
    const struct tessi_report_page_result *r = c->line[i].result;
    const float *point = r->curve.data;
    int64_t lowest = -1, last = r->points - 1, stride = 1 + r->series;
    for (int64_t k = 0; k < r->points; k++) {
        double y = (double)point[k * stride + 1 + c->series];
        if (isfinite(y) && (lowest < 0 || y < (double)point[lowest * stride + 1 + c->series]))
            lowest = k;
    }
    fputs("<tr><th scope=\"row\">", p->to);
    tessi_report_html_text(p->to, p->table->row[c->line[i].row].name);
    fprintf(p->to, " <span class=\"note\">seed ");
    tessi_report_html_text(p->to, r->run->seed);
    fputs("</span></th><td>", p->to);
    tessi_report_html_text(p->to, c->stage);
    fputs("</td><td>", p->to);
    tessi_report_html_text(p->to, c->name);
    fprintf(p->to, "</td><td class=\"n\">%.5g</td><td class=\"n\">%.0f</td>", (double)point[last * stride + 1 + c->series],
            (double)point[last * stride]);
    if (lowest >= 0)
        fprintf(p->to, "<td class=\"n\">%.5g</td><td class=\"n\">%.0f</td></tr>\n", (double)point[lowest * stride + 1 + c->series],
                (double)point[lowest * stride]);
    else
        fputs("<td class=\"n\" colspan=\"2\">no finite value</td></tr>\n", p->to);
}

static void curves_table(struct tessi_report_page *p, int64_t charts, const struct curves_chart *chart)
{
    int64_t all = 0, listed = 0;
    for (int64_t i = 0; i < charts; i++)
        all += chart[i].count;
    fputs("<details class=\"box\"><summary>Last and lowest values, with their steps</summary><div class=\"scroll\" tabindex=\"0\" "
          "role=\"region\" "
          "aria-label=\"Last and lowest values\"><table><thead><tr><th scope=\"col\">Row</th><th scope=\"col\">Stage</th><th "
          "scope=\"col\">Series"
          "</th><th scope=\"col\" class=\"n\">Last</th><th scope=\"col\" class=\"n\">at step</th><th scope=\"col\" "
          "class=\"n\">Lowest</th><th "
          "scope=\"col\" class=\"n\">at step</th></tr></thead><tbody>\n",
          p->to);
    for (int64_t i = 0; i < charts; i++)
        for (int64_t k = 0; k < chart[i].count && listed < CURVES_LISTED; k++, listed++)
            curves_values(p, &chart[i], k);
    fputs("</tbody></table></div>", p->to);
    if (listed < all)
        fprintf(p->to, "<p class=\"cap\">Showing %lld of %lld.</p>", (long long)listed, (long long)all);
    fputs("</details>\n", p->to);
}

/* ---- all charts ---- */

/* Adds the charts of a stage, of the use of codes or of all else: one for each series name at its place in the curve. */
static int64_t curves_of_stage(const struct tessi_report_page *p, const char *stage, int usage, struct curves_chart *chart, int64_t n)
{
    for (int64_t i = 0; i < p->results; i++)
        for (int64_t k = 0; strcmp(p->result[i].stage->name, stage) == 0 && k < p->result[i].series; k++) {
            const char *name = curves_name(&p->result[i], k);
            int64_t there = 0;
            if (curves_is_usage(name) != usage)
                continue;
            while (there < n &&
                   (strcmp(chart[there].stage, stage) != 0 || strcmp(chart[there].name, name) != 0 || chart[there].series != k))
                there++;
            if (there == n && n < CURVES_CHARTS)
                chart[n++] = (struct curves_chart){.stage = stage, .name = name, .series = k};
        }
    return n;
}

/* Writes the charts; *n is their number. */
static int curves_draw_all(struct tessi_report_page *p, int usage, struct curves_chart chart[CURVES_CHARTS], int64_t *n)
{
    int status = TESS_OK;
    *n = 0;
    for (int64_t i = 0; i < p->names; i++)
        *n = curves_of_stage(p, p->name[i], usage, chart, *n);
    if (*n)
        fputs("<div class=\"charts\">\n", p->to);
    for (int64_t i = 0; i < *n && status == TESS_OK; i++) {
        status = curves_collect(p, &chart[i]);
        if (status == TESS_OK && chart[i].count)
            status = curves_chart(p, &chart[i]);
    }
    if (*n)
        fputs("</div>\n", p->to);
    return status;
}

static void curves_close(struct curves_chart chart[CURVES_CHARTS], int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        tess_free(chart[i].line);
}

int tessi_report_page_usage(struct tessi_report_page *p)
{
    struct curves_chart chart[CURVES_CHARTS];
    int64_t n, there = 0;
    for (int64_t i = 0; i < p->results; i++)
        there += tessi_report_page_has_usage(&p->result[i]);
    if (!there)
        return TESS_OK;
    fputs("<h3>Use over training</h3><p class=\"note\">Different codes in the batch of a step, and their perplexity: the course tells of a "
          "codebook that fills or collapses. The values are below those over all images, as a batch has few codes.</p>\n",
          p->to);
    int status = curves_draw_all(p, 1, chart, &n);
    curves_close(chart, n);
    return status;
}

int tessi_report_page_curves(struct tessi_report_page *p)
{
    struct curves_chart chart[CURVES_CHARTS];
    int64_t n, there = 0;
    for (int64_t i = 0; i < p->results; i++)
        there += p->result[i].series;
    if (!there)
        return TESS_OK;
    tessi_report_page_section(p, "curves", "Training");
    if (p->table->rows > TESSI_REPORT_PAGE_CURVE_ROWS)
        fprintf(p->to, "<p class=\"cap\">Showing the first %d of %lld rows.</p>\n", TESSI_REPORT_PAGE_CURVE_ROWS,
                (long long)p->table->rows);
    int status = curves_draw_all(p, 0, chart, &n);
    if (status == TESS_OK) {
        tessi_report_page_legend(p);
        curves_table(p, n, chart);
        fputs("</section>\n", p->to);
    }
    curves_close(chart, n);
    return status;
}
