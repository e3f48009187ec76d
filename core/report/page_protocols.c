/* Section "Protocols": a box for each protocol under which metrics of the table were measured, with links from the table's heads.
 * SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <string.h>

/* "PORT DIGEST" lines with short digests. */
static void protocols_against(struct tessi_report_page *p, const char *against)
{
    for (const char *at = against; *at;) {
        size_t length = strcspn(at, "\n");
        char line[256];
        (void)snprintf(line, sizeof line, "%.*s", length < sizeof line ? (int)length : (int)sizeof line - 1, at);
        char *digest = strrchr(line, ' ');
        fputs(at == against ? "" : "<br>", p->to);
        if (digest) {
            *digest++ = '\0';
            tessi_report_html_text(p->to, line);
            fputc(' ', p->to);
            tessi_report_page_digest(p, digest);
        } else {
            tessi_report_html_text(p->to, line);
        }
        at += length + (at[length] == '\n');
    }
}

/* 1 where two metrics were measured in the same way by the same stage. */
static int protocols_equal(const struct tessi_report_measure *a, const struct tessi_report_measure *b)
{
    return strcmp(a->stage, b->stage) == 0 && strcmp(a->protocol, b->protocol) == 0 && strcmp(a->against, b->against) == 0;
}

static void protocols_metric(struct tessi_report_page *p, int64_t i)
{
    const struct tessi_report_measure *m = &p->table->measure[i];
    fprintf(p->to, "<li id=\"protocol-%lld\"><b>", (long long)i);
    tessi_report_html_text(p->to, m->title);
    fputs("</b>", p->to);
    if (*m->unit) {
        fputs(", ", p->to);
        tessi_report_html_text(p->to, m->unit);
    }
    fputs(m->better == TESS_METRIC_LOWER ? ", lower is better" : m->better == TESS_METRIC_HIGHER ? ", higher is better" : "", p->to);
    if (m->of > 1)
        fprintf(p->to, ", number %lld of %lld ways", (long long)m->number, (long long)m->of);
    fputs("</li>\n", p->to);
}

/* The protocol's lines: components with their versions, parameters, counts and conventions. */
static void protocols_lines(struct tessi_report_page *p, const char *protocol)
{
    fputs("<dt>Measured by</dt><dd class=\"lines\">", p->to);
    tessi_report_html_lines(p->to, protocol);
    fputs("</dd>\n", p->to);
}

static void protocols_box(struct tessi_report_page *p, int64_t first)
{
    const struct tessi_report_measure *m = &p->table->measure[first];
    fputs("<div class=\"card\"><h3>", p->to);
    tessi_report_html_text(p->to, m->stage);
    fputs(" <span class=\"note\">", p->to);
    tessi_report_html_text(p->to, m->use);
    fputs("</span></h3><ul>\n", p->to);
    for (int64_t i = first; i < p->table->measures; i++)
        if (p->table->measure[i].shown && protocols_equal(m, &p->table->measure[i]))
            protocols_metric(p, i);
    fputs("</ul><dl>\n", p->to);
    if (*m->protocol)
        protocols_lines(p, m->protocol);
    else
        fputs("<dt>Measured</dt><dd>on the stage's own result</dd>\n", p->to);
    if (*m->against) {
        fputs("<dt>On</dt><dd>", p->to);
        protocols_against(p, m->against);
        fputs("</dd>\n", p->to);
    }
    fputs("</dl></div>\n", p->to);
}

/* 1 where an earlier box has the metric. */
static int protocols_before(const struct tessi_report_page *p, int64_t i)
{
    for (int64_t k = 0; k < i; k++)
        if (p->table->measure[k].shown && protocols_equal(&p->table->measure[k], &p->table->measure[i]))
            return 1;
    return 0;
}

static void protocols_notes(struct tessi_report_page *p)
{
    if (!p->table->notes)
        return;
    fputs("<h3>Notes</h3><ul>\n", p->to);
    for (int64_t i = 0; i < p->table->notes; i++) {
        fputs("<li>", p->to);
        tessi_report_html_text(p->to, p->table->note[i]);
        fputs("</li>\n", p->to);
    }
    fputs("</ul>\n", p->to);
}

int tessi_report_page_protocols(struct tessi_report_page *p)
{
    int64_t shown = 0;
    for (int64_t i = 0; i < p->table->measures; i++)
        shown += p->table->measure[i].shown;
    if (!shown && !p->table->notes)
        return TESS_OK;
    tessi_report_page_section(p, "protocols", "How it was measured");
    fputs("<div class=\"boxes\">\n", p->to);
    for (int64_t i = 0; i < p->table->measures; i++)
        if (p->table->measure[i].shown && !protocols_before(p, i))
            protocols_box(p, i);
    fputs("</div>\n", p->to);
    protocols_notes(p);
    fputs("</section>\n", p->to);
    return TESS_OK;
}
