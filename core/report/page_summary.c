/* The first screen: what was asked, what came out, whether to trust it. SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <string.h>

enum { SUMMARY_METRICS = 5, SUMMARY_NOTES = 6, SUMMARY_CONSTANTS = 8 };

static void summary_term(struct tessi_report_page *p, const char *term)
{
    fputs("<dt>", p->to);
    tessi_report_html_text(p->to, term);
    fputs("</dt><dd>", p->to);
}

/* ---- what was asked ---- */

static void summary_axis(struct tessi_report_page *p, const struct tessi_report_sweep *s, int64_t i)
{
    summary_term(p, s->axis[i].name);
    for (int64_t k = 0; k < s->axis[i].values; k++) {
        fputs(k ? ", " : "", p->to);
        tessi_report_html_text(p->to, s->axis[i].value[k]);
    }
    fputs(i == s->seed_axis ? " <span class=\"note\">(repeats each variant)</span></dd>\n" : "</dd>\n", p->to);
}

static void summary_constants(struct tessi_report_page *p)
{
    const struct tessi_report_table *t = p->table;
    if (!t->constants && !t->same)
        return;
    summary_term(p, "The same in all");
    for (int64_t i = 0; i < t->constants && i < SUMMARY_CONSTANTS; i++) {
        fputs(i ? ", " : "", p->to);
        tessi_report_html_text(p->to, t->constant[i].name);
        fputc(' ', p->to);
        tessi_report_html_text(p->to, t->constant[i].text);
    }
    int64_t rest = t->same + (t->constants > SUMMARY_CONSTANTS ? t->constants - SUMMARY_CONSTANTS : 0);
    if (rest)
        fprintf(p->to, "%s%lld other%s</dd>\n", t->constants ? ", and " : "", (long long)rest, rest == 1 ? "" : "s");
    else
        fputs("</dd>\n", p->to);
}

static void summary_texts(struct tessi_report_page *p, const char *term, int64_t n, const char *const *text)
{
    if (!n)
        return;
    summary_term(p, term);
    for (int64_t i = 0; i < n; i++) {
        fputs(i ? ", " : "", p->to);
        tessi_report_html_text(p->to, text[i]);
    }
    fputs("</dd>\n", p->to);
}

static void summary_asked(struct tessi_report_page *p)
{
    const struct tessi_report_set *set = p->set;
    const char *pipeline = set->sweeps ? set->sweep[0].pipeline : set->runs ? set->run[0].pipeline : "";
    fputs("<div class=\"card\"><h2>What was asked</h2><dl>\n", p->to);
    if (*pipeline) {
        summary_term(p, "Pipeline");
        const char *slash = strrchr(pipeline, '/');
        fputs("<code>", p->to);
        tessi_report_html_text(p->to, slash ? slash + 1 : pipeline);
        fputs("</code></dd>\n", p->to);
    }
    for (int64_t i = 0; i < set->sweeps; i++) {
        const struct tessi_report_sweep *s = &set->sweep[i];
        for (int64_t k = 0; k < s->axes; k++)
            summary_axis(p, s, k);
        summary_texts(p, "In all variants", s->overrides, s->override);
        summary_texts(p, "Left out", s->excluded, s->exclude);
        summary_texts(p, "Duplicates", s->duplicates, s->duplicate);
    }
    for (int64_t i = 0; i < p->table->rows; i++)
        if (p->table->row[i].baseline && p->table->rows > 1)
            summary_texts(p, "Baseline", 1, &p->table->row[i].name);
    if (set->sweeps == 0 && set->runs == 1)
        summary_texts(p, "Command line", set->run[0].overrides, set->run[0].override);
    summary_constants(p);
    fputs("</dl></div>\n", p->to);
}

/* ---- what came out ---- */

static void summary_value(struct tessi_report_page *p, const struct tessi_report_measure *m, const struct tessi_report_cell *c)
{
    char text[64];
    tessi_report_mean_text(&c->mean, "\xC2\xB1", text, sizeof text);
    fprintf(p->to, "<b>%s</b>%s", text, *m->unit ? " " : "");
    tessi_report_html_text(p->to, m->unit);
}

/* The best of a metric, and how many are within noise of it. */
static void summary_best(struct tessi_report_page *p, int64_t i)
{
    const struct tessi_report_table *t = p->table;
    const struct tessi_report_row *best = NULL;
    int64_t within = 0;
    for (int64_t k = 0; k < t->rows; k++) {
        best = t->row[k].cell[i].best && !best ? &t->row[k] : best;
        within += t->row[k].cell[i].within && !t->row[k].cell[i].best;
    }
    if (!best && t->rows == 1 && t->row[0].cell[i].mean.n)
        best = &t->row[0];
    if (!best)
        return;
    summary_term(p, t->measure[i].title);
    summary_value(p, &t->measure[i], &best->cell[i]);
    if (t->rows > 1) {
        fprintf(p->to, ": <a href=\"#%s\">", best->anchor);
        tessi_report_html_text(p->to, best->name);
        fputs("</a>", p->to);
    }
    if (within)
        fprintf(p->to, " <span class=\"note\">and %lld within noise of it</span>", (long long)within);
    fputs("</dd>\n", p->to);
}

static void summary_outcome(struct tessi_report_page *p)
{
    int64_t told = 0;
    fprintf(p->to, "<div class=\"card\"><h2>What came out%s</h2><dl>\n", p->table->rows > 1 ? ", best of each" : "");
    for (int measured = 1; measured >= 0; measured--) /* first what stages measured, then what results tell of themselves */
        for (int64_t i = 0; i < p->table->measures && told < SUMMARY_METRICS; i++) {
            const struct tessi_report_measure *m = &p->table->measure[i];
            if (m->shown && (m->better || p->table->rows == 1) && (*m->protocol != '\0') == measured) {
                summary_best(p, i);
                told++;
            }
        }
    fputs(told ? "</dl></div>\n" : "</dl><p>No metrics yet.</p></div>\n", p->to);
}

/* ---- whether to trust it ---- */

static int64_t summary_count(const struct tessi_report_page *p, int32_t outcome)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->set->runs; i++)
        n += p->set->run[i].outcome == outcome;
    return n;
}

static void summary_item(struct tessi_report_page *p, const char *class, int64_t n, const char *text)
{
    if (n)
        fprintf(p->to, "<li><span class=\"%s\">%lld %s</span></li>\n", class, (long long)n, text);
}

static void summary_runs(struct tessi_report_page *p)
{
    int64_t done = summary_count(p, TESSI_REPORT_FINISHED), diverged = 0;
    for (int64_t i = 0; i < p->set->runs; i++)
        diverged += p->set->run[i].diverged;
    fprintf(p->to, "<li><span class=\"%s\">%lld of %lld run%s finished</span></li>\n", done == p->set->runs ? "good" : "warn",
            (long long)done, (long long)p->set->runs, p->set->runs == 1 ? "" : "s");
    summary_item(p, "bad", summary_count(p, TESSI_REPORT_BROKEN), "failed");
    summary_item(p, "warn", summary_count(p, TESSI_REPORT_HALTED), "stopped before the end");
    summary_item(p, "warn", summary_count(p, TESSI_REPORT_NOT_RUN), "not run, or not at their end");
    summary_item(p, "bad", diverged, "diverged");
}

static void summary_seeds(struct tessi_report_page *p)
{
    if (p->table->seeds > 1) {
        fprintf(p->to, "<li><span class=\"good\">%lld seeds a row</span> (", (long long)p->table->seeds);
        tessi_report_html_text(p->to, p->table->seed_texts);
        fputs("): means with 95 % intervals (Student's t)</li>\n", p->to);
    } else if (p->table->rows > 1) {
        fputs("<li><span class=\"warn\">One seed a row</span>: a difference may be noise unless a metric tells its own error</li>\n",
              p->to);
    }
}

static void summary_protocol(struct tessi_report_page *p)
{
    int64_t several = 0;
    for (int64_t i = 0; i < p->table->measures; i++)
        several += p->table->measure[i].shown && p->table->measure[i].of > 1 && p->table->measure[i].number == 1;
    if (several)
        fprintf(p->to, "<li><span class=\"warn\">%lld metric%s measured in several ways</span>, each a column of its own</li>\n",
                (long long)several, several == 1 ? "" : "s");
    else if (p->table->rows > 1)
        fputs(
            "<li><span class=\"good\">Every metric is measured in one way</span> in all rows: <a href=\"#protocols\">protocols</a></li>\n",
            p->to);
}

static void summary_trust(struct tessi_report_page *p)
{
    fputs("<div class=\"card\"><h2>Whether to trust it</h2><ul>\n", p->to);
    summary_runs(p);
    summary_seeds(p);
    summary_protocol(p);
    for (int64_t i = 0; i < p->table->notes && i < SUMMARY_NOTES; i++) {
        fputs("<li>", p->to);
        tessi_report_html_text(p->to, p->table->note[i]);
        fputs("</li>\n", p->to);
    }
    if (p->table->notes > SUMMARY_NOTES)
        fprintf(p->to, "<li>%lld more notes below the table</li>\n", (long long)(p->table->notes - SUMMARY_NOTES));
    fputs("</ul></div>\n", p->to);
}

int tessi_report_page_summary(struct tessi_report_page *p)
{
    fputs("<section class=\"first\" id=\"summary\" aria-label=\"Summary\"><div class=\"cards\">\n", p->to);
    summary_asked(p);
    summary_outcome(p);
    summary_trust(p);
    fputs("</div></section>\n", p->to);
    return TESS_OK;
}
