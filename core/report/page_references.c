/* Reference values that pipelines name, as a paper's: listed beside what was reached here, and marked in grey on charts.
 * SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double tessi_report_page_reference_value(const struct tessi_report_reference *r, const struct tessi_report_measure *m)
{
    for (int64_t i = 0; i < r->metrics; i++)
        if (strcmp(r->metric[i].name, m->name) == 0 || strcmp(r->metric[i].name, m->title) == 0)
            return strtod(r->metric[i].text, NULL);
    return (double)NAN;
}

int64_t tessi_report_page_references_list(const struct tessi_report_page *p,
                                          const struct tessi_report_reference *list[TESSI_REPORT_PAGE_REFERENCES])
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->set->runs; i++)
        for (int64_t k = 0; k < p->set->run[i].references; k++) {
            const struct tessi_report_reference *r = &p->set->run[i].reference[k];
            int64_t there = 0;
            while (there < n && strcmp(list[there]->name, r->name) != 0)
                there++;
            if (there == n && n < TESSI_REPORT_PAGE_REFERENCES)
                list[n++] = r;
        }
    return n;
}

void tessi_report_page_references_legend(struct tessi_report_page *p)
{
    const struct tessi_report_reference *list[TESSI_REPORT_PAGE_REFERENCES];
    int64_t n = tessi_report_page_references_list(p, list);
    if (!n)
        return;
    fputs("<ul class=\"legend\" aria-label=\"Reference marks\"><li>", p->to);
    tessi_report_svg_swatch(p->to, TESSI_SVG_REFERENCE);
    for (int64_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", p->to);
        tessi_report_html_text(p->to, list[i]->name);
    }
    fputs(", where it has the metric: <a href=\"#references\">values</a></li></ul>\n", p->to);
}

/* ---- the list ---- */

/* Column of the table for a metric of a reference; NULL: none has it. */
static const struct tessi_report_measure *references_measure(const struct tessi_report_page *p, const char *name, int64_t *at)
{
    for (*at = 0; *at < p->table->measures; ++*at)
        if (strcmp(p->table->measure[*at].name, name) == 0 || strcmp(p->table->measure[*at].title, name) == 0)
            return &p->table->measure[*at];
    return NULL;
}

/* The best row's value, or that of the only one. */
static void references_here(struct tessi_report_page *p, const char *name)
{
    char text[64];
    int64_t at;
    const struct tessi_report_measure *m = references_measure(p, name, &at);
    const struct tessi_report_row *best = NULL;
    for (int64_t i = 0; m && i < p->table->rows && !best; i++)
        if (p->table->row[i].cell[at].mean.n && (p->table->row[i].cell[at].best || p->table->rows == 1))
            best = &p->table->row[i];
    if (!best) {
        fprintf(p->to, "<td class=\"n note\">%s</td><td></td>", m ? "no best" : "not measured");
        return;
    }
    tessi_report_mean_text(&best->cell[at].mean, "\xC2\xB1", text, sizeof text);
    fprintf(p->to, "<td class=\"n\">%s</td><td><a href=\"#%s\">", text, best->anchor);
    tessi_report_html_text(p->to, best->name);
    fputs("</a></td>", p->to);
}

static void references_row(struct tessi_report_page *p, const struct tessi_report_reference *r, int64_t i)
{
    fputs("<tr><th scope=\"row\">", p->to);
    tessi_report_html_text(p->to, r->name);
    for (int64_t k = 0; k < r->settings; k++) {
        fputs(k ? ", " : " <span class=\"note\">", p->to);
        tessi_report_html_text(p->to, r->setting[k].name);
        fputc(' ', p->to);
        tessi_report_html_text(p->to, r->setting[k].text);
    }
    fputs(r->settings ? "</span></th><td>" : "</th><td>", p->to);
    tessi_report_html_text(p->to, r->metric[i].name);
    fputs("</td><td class=\"n\">", p->to);
    tessi_report_html_text(p->to, r->metric[i].text);
    fputs("</td>", p->to);
    references_here(p, r->metric[i].name);
    fputs("</tr>\n", p->to);
}

int tessi_report_page_references(struct tessi_report_page *p)
{
    const struct tessi_report_reference *list[TESSI_REPORT_PAGE_REFERENCES];
    int64_t n = tessi_report_page_references_list(p, list);
    if (!n)
        return TESS_OK;
    tessi_report_page_section(p, "references", "Reference values");
    fputs("<p class=\"note\">As the pipeline names them, grey on the charts. They were measured by others in their way: data, features and "
          "sizes need not be those of this page.</p><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of reference "
          "values\">"
          "<table><thead><tr><th scope=\"col\">Reference</th><th scope=\"col\">Metric</th><th scope=\"col\" class=\"n\">Value</th><th "
          "scope=\"col\" class=\"n\">Best here</th><th scope=\"col\">Row</th></tr></thead><tbody>\n",
          p->to);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < list[i]->metrics; k++)
            references_row(p, list[i], k);
    fputs("</tbody></table></div></section>\n", p->to);
    return TESS_OK;
}
