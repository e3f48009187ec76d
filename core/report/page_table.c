/* The table: a row for each variant, sorted by a click where there is a script, read as it is where there is none. SPDX-License-Identifier:
 * MIT
 */
#include "core/report/page_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Range of a measure's values and intervals, for the dots of all its cells. */
struct table_range {
    double lo, hi;
};

static struct table_range table_range_of(const struct tessi_report_table *t, int64_t i)
{
    struct table_range r = {INFINITY, -INFINITY};
    for (int64_t k = 0; k < t->rows; k++) {
        const struct tessi_report_cell *c = &t->row[k].cell[i];
        for (int64_t n = 0; n < c->mean.n; n++) {
            r.lo = fmin(r.lo, c->value[n]);
            r.hi = fmax(r.hi, c->value[n]);
        }
        if (c->mean.n > 1 && c->mean.half >= 0) {
            r.lo = fmin(r.lo, c->mean.mean - c->mean.half);
            r.hi = fmax(r.hi, c->mean.mean + c->mean.half);
        }
    }
    return r;
}

/* ---- the head ---- */

static void table_head_cell(struct tessi_report_page *p, const char *class, const char *title)
{
    fprintf(p->to, "<th scope=\"col\"%s%s%s><button type=\"button\">", *class ? " class=\"" : "", class, *class ? "\"" : "");
    tessi_report_html_text(p->to, title);
    fputs("</button>", p->to);
}

static void table_measure_head(struct tessi_report_page *p, int64_t i)
{
    const struct tessi_report_measure *m = &p->table->measure[i];
    table_head_cell(p, "n", m->title);
    fputs("<span class=\"unit\">", p->to);
    tessi_report_html_text(p->to, m->unit);
    if (m->better)
        fprintf(p->to, "%s%s better", *m->unit ? ", " : "",
                m->better == TESS_METRIC_LOWER ? "\xE2\x86\x93 lower is" : "\xE2\x86\x91 higher is");
    fprintf(p->to, "</span><span class=\"stage\"><a href=\"#protocol-%lld\" aria-label=\"protocol of ", (long long)i);
    tessi_report_html_text(p->to, m->title);
    fputs("\">protocol</a></span></th>\n", p->to);
}

static int table_by_name(const struct tessi_report_table *t)
{
    return t->named || t->columns == 0;
}

static void table_head(struct tessi_report_page *p)
{
    const struct tessi_report_table *t = p->table;
    fputs("<thead><tr>\n", p->to);
    if (table_by_name(t)) {
        table_head_cell(p, "", t->named ? "Run" : "Variant");
        fputs("</th>\n", p->to);
    }
    for (int64_t i = 0; i < t->columns; i++) {
        table_head_cell(p, t->column[i].numeric ? "n" : "", t->column[i].title);
        fputs("</th>\n", p->to);
    }
    if (t->seeds > 1) {
        table_head_cell(p, "n", "Runs");
        fputs("</th>\n", p->to);
    }
    for (int64_t i = 0; i < t->measures; i++)
        if (t->measure[i].shown)
            table_measure_head(p, i);
    if (t->remarked) {
        table_head_cell(p, "", "State");
        fputs("</th>\n", p->to);
    }
    fputs("</tr></thead>\n", p->to);
}

/* ---- the rows ---- */

static void table_number(FILE *to, double value)
{
    fprintf(to, " data-v=\"%.10g\"", value);
}

/* The difference to the baseline in grey; none for the baseline itself. */
static void table_difference(struct tessi_report_page *p, const struct tessi_report_cell *c)
{
    const struct tessi_report_mean d = {.n = c->mean.n, .mean = c->difference, .error = -1, .half = c->half};
    char text[64];
    int apart = c->difference < 0 || c->difference > 0;
    if (c->compared == TESSI_REPORT_UNKNOWN && !apart)
        return;
    tessi_report_mean_text(&d, "\xC2\xB1", text, sizeof text);
    fprintf(p->to, "<span class=\"by\">%s%s%s</span>", c->difference > 0 ? "+" : "", apart ? text : "equal",
            apart && c->compared == TESSI_REPORT_WITHIN ? ", noise" : "");
}

static void table_cell(struct tessi_report_page *p, const struct tessi_report_cell *c, const struct table_range *r)
{
    char text[64];
    if (!c->mean.n) {
        fputs("<td class=\"n\" data-v=\"\"><span class=\"note\">\xE2\x80\x93</span></td>\n", p->to);
        return;
    }
    fprintf(p->to, "<td class=\"n%s\"", c->best ? " best" : c->within ? " near" : "");
    table_number(p->to, c->mean.mean);
    tessi_report_mean_text(&c->mean, "\xC2\xB1", text, sizeof text);
    fprintf(p->to, ">%s", text);
    if (c->mean.n > 1) {
        fputs("<span class=\"pm\" title=\"each seed's value, and the 95 % interval of the mean\">", p->to);
        double half = c->mean.half >= 0 ? c->mean.half : -1;
        tessi_report_svg_dots(p->to, c->mean.n, c->value, c->mean.mean - half, c->mean.mean + half, r->lo, r->hi);
        fputs("</span>", p->to);
    }
    if (c->best || c->within)
        fprintf(p->to, "<span class=\"mark\">%s</span>", c->best ? "best" : "within noise of the best");
    table_difference(p, c);
    fputs("</td>\n", p->to);
}

static void table_row_head(struct tessi_report_page *p, const struct tessi_report_row *row, const char *text, int32_t style)
{
    fputs("<th scope=\"row\">", p->to);
    if (style >= 0 && p->table->rows > 1) {
        tessi_report_svg_swatch(p->to, style);
        fputc(' ', p->to);
    }
    fprintf(p->to, "<a href=\"#%s\" title=\"link to this row\">", row->anchor);
    tessi_report_html_text(p->to, text ? text : "\xE2\x80\x93");
    fputs("</a>", p->to);
    if (row->baseline && p->table->rows > 1)
        fputs(" <span class=\"note\">baseline</span>", p->to);
    fputs("</th>\n", p->to);
}

static void table_settings(struct tessi_report_page *p, const struct tessi_report_row *row, int32_t style)
{
    const struct tessi_report_table *t = p->table;
    if (table_by_name(t))
        table_row_head(p, row, row->name, style);
    for (int64_t i = 0; i < t->columns; i++) {
        if (i == 0 && !table_by_name(t)) {
            table_row_head(p, row, row->setting[0], style);
            continue;
        }
        fprintf(p->to, "<td%s", t->column[i].numeric ? " class=\"n\"" : "");
        if (t->column[i].numeric && row->setting[i])
            table_number(p->to, strtod(row->setting[i], NULL));
        else if (!row->setting[i])
            fputs(" data-none", p->to);
        fputc('>', p->to);
        tessi_report_html_text(p->to, row->setting[i] ? row->setting[i] : "\xE2\x80\x93");
        fputs("</td>\n", p->to);
    }
}

static void table_row(struct tessi_report_page *p, int64_t at, const struct table_range *range)
{
    const struct tessi_report_table *t = p->table;
    const struct tessi_report_row *row = &t->row[at];
    fprintf(p->to, "<tr id=\"%s\">", row->anchor);
    table_settings(p, row, p->style[at]);
    if (t->seeds > 1)
        fprintf(p->to, "<td class=\"n\" data-v=\"%lld\">%lld of %lld</td>\n", (long long)row->done, (long long)row->done,
                (long long)row->runs);
    for (int64_t i = 0; i < t->measures; i++)
        if (t->measure[i].shown)
            table_cell(p, &row->cell[i], &range[i]);
    if (t->remarked) {
        fprintf(p->to, "<td class=\"%s\">", *row->state ? "why" : "");
        if (*row->state) {
            fputs("<b>", p->to);
            tessi_report_html_text(p->to, row->state);
            fputs("</b> ", p->to);
            tessi_report_html_text(p->to, row->remark);
        } else {
            fputs("finished", p->to);
        }
        fputs("</td>\n", p->to);
    }
    fputs("</tr>\n", p->to);
}

/* ---- copies ---- */

static int table_text(struct tessi_report_page *p, int format, char **text)
{
    const struct tessi_report_text_style style = {.utf8 = 1};
    size_t bytes;
    *text = NULL;
    FILE *to = open_memstream(text, &bytes);
    if (!to)
        return p->ctx->fail(p->ctx, TESS_E_MEMORY, "no memory for a table");
    int status = tessi_report_table_print(p->ctx, p->table, format, &style, to);
    if (fclose(to) != 0 && status == TESS_OK)
        status = p->ctx->fail(p->ctx, TESS_E_MEMORY, "no memory for a table");
    return status;
}

static int table_copy(struct tessi_report_page *p, const char *id, const char *name, int format)
{
    char *text;
    int status = table_text(p, format, &text);
    if (status == TESS_OK) {
        fprintf(p->to,
                "<details class=\"box\"><summary>The table as %s</summary><pre id=\"%s\" tabindex=\"0\" aria-label=\"the table as %s\">",
                name, id, name);
        tessi_report_html_lines(p->to, text);
        fputs("</pre></details>\n", p->to);
    }
    free(text);
    return status;
}

static int table_copies(struct tessi_report_page *p)
{
    char *text;
    fputs("<div class=\"tools js\"><button type=\"button\" data-copy=\"as-csv\">Copy as CSV</button> <button type=\"button\" "
          "data-copy=\"as-latex\">Copy as LaTeX</button> <span id=\"said\" class=\"note\" role=\"status\"></span></div>\n",
          p->to);
    TESS_TRY(table_copy(p, "as-csv", "CSV", TESSI_REPORT_AS_CSV));
    TESS_TRY(table_copy(p, "as-latex", "LaTeX", TESSI_REPORT_AS_LATEX));
    int status = table_text(p, TESSI_REPORT_AS_JSON, &text);
    if (status == TESS_OK) {
        fputs("<script type=\"application/json\" id=\"as-json\">", p->to);
        tessi_report_html_json(p->to, text);
        fputs("</script>\n", p->to);
    }
    free(text);
    return status;
}

static int table_body(struct tessi_report_page *p, int64_t rows)
{
    void *memory;
    TESS_TRY(tess_alloc(p->ctx, (size_t)(p->table->measures + 1) * sizeof(struct table_range), "a table's ranges", &memory));
    struct table_range *range = memory;
    for (int64_t i = 0; i < p->table->measures; i++)
        range[i] = table_range_of(p->table, i);
    fputs("<tbody>\n", p->to);
    for (int64_t i = 0; i < rows; i++)
        table_row(p, i, range);
    fputs("</tbody>\n", p->to);
    tess_free(memory);
    return TESS_OK;
}

int tessi_report_page_table(struct tessi_report_page *p)
{
    int64_t rows = p->table->rows < TESSI_REPORT_PAGE_ROWS ? p->table->rows : TESSI_REPORT_PAGE_ROWS;
    tessi_report_page_section(p, "table", p->table->rows == 1 ? "Metrics" : "Results");
    if (rows < p->table->rows)
        fprintf(p->to, "<p class=\"cap\">Showing %lld of %lld rows; all are in the copies below.</p>\n", (long long)rows,
                (long long)p->table->rows);
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of results\"><table class=\"sorts\">\n", p->to);
    table_head(p);
    TESS_TRY(table_body(p, rows));
    fputs("</table></div>\n", p->to);
    if (p->table->rows > 1)
        fputs("<p class=\"note\">Means over seeds \xC2\xB1 half of the 95 % interval; dots are single seeds. In grey the difference to the "
              "baseline with its own interval. Shaded: the best, and what is within noise of it.</p>\n",
              p->to);
    TESS_TRY(table_copies(p));
    fputs("</section>\n", p->to);
    return TESS_OK;
}
