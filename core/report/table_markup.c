/* Tables for papers and for pages: LaTeX (booktabs) and Markdown (GitHub's), and the lines over a table. SPDX-License-Identifier: MIT */
#include "core/base/text.h"
#include "core/report/table_private.h"

#include <tessera/kind/metric.h>

#include <stdio.h>
#include <string.h>

/* ---- over the table ------------------------------------------------------------------------------------------------ */

void tessi_report_title_text(const struct tessi_report_table *t, const char *times, char *text, size_t capacity)
{
    int64_t runs = 0;
    *text = '\0';
    if (*t->title)
        tessi_base_add(text, capacity, "%s: ", t->title);
    for (int64_t i = 0; i < t->rows; i++)
        runs += t->row[i].runs;
    if (t->named)
        tessi_base_add(text, capacity, "%lld %s", (long long)runs, runs == 1 ? "run" : "runs");
    else
        tessi_base_add(text, capacity, "%lld %s", (long long)t->rows, t->rows == 1 ? "variant" : "variants");
    if (t->named && *t->seed_texts)
        tessi_base_add(text, capacity, ", seed%s %s", strchr(t->seed_texts, ',') ? "s" : "", t->seed_texts);
    else if (t->seeds > 1)
        tessi_base_add(text, capacity, " %s %lld seeds (%s)", times, (long long)t->seeds, t->seed_texts);
    else if (*t->seed_texts)
        tessi_base_add(text, capacity, ", seed %s", t->seed_texts);
}

int tessi_report_has_marks(const struct tessi_report_table *t)
{
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t i = 0; i < t->measures; i++)
            if (t->measure[i].shown && t->row[r].cell[i].best)
                return 1;
    return 0;
}

void tessi_report_constants_text(const struct tessi_report_table *t, char *text, size_t capacity)
{
    int64_t i = 0;
    *text = '\0';
    if (t->rows < 2 || (!t->constants && !t->same))
        return;
    tessi_base_add(text, capacity, "the same in all rows:");
    for (; i < t->constants; i++) {
        const struct tessi_report_setting *c = &t->constant[i];
        if (strlen(text) + strlen(c->name) + strlen(c->text) + 60 > capacity)
            break;
        tessi_base_add(text, capacity, "%s %s %s", i ? "," : "", c->name, c->text);
    }
    if (t->same + t->constants - i > 0)
        tessi_base_add(text, capacity, "%s %lld %ssettings", i ? ";" : "", (long long)(t->same + t->constants - i), i ? "other " : "");
}

/* Prints the alignment of every column, in words of the format for left and right. */
static void markup_sides(const struct tessi_report_table *t, const char *left, const char *right, FILE *to)
{
    fputs(t->named ? left : "", to);
    for (int64_t k = 0; k < t->columns; k++)
        fputs(t->column[k].numeric ? right : left, to);
    fputs(t->remarked ? left : "", to);
    fputs(t->seeds > 1 ? right : "", to);
    for (int64_t i = 0; i < t->measures; i++)
        fputs(t->measure[i].shown ? right : "", to);
}

/* ---- LaTeX --------------------------------------------------------------------------------------------------------- */

static void latex_text(const char *text, FILE *to)
{
    char shown[4096];
    (void)tess_shown_text(text, shown, sizeof shown);
    for (const char *at = shown; *at; at++) {
        if (strchr("&%$#_{}", *at))
            fprintf(to, "\\%c", *at);
        else if (*at == '\\')
            fputs("\\textbackslash{}", to);
        else if (*at == '~')
            fputs("\\textasciitilde{}", to);
        else if (*at == '^')
            fputs("\\textasciicircum{}", to);
        else if (*at == '<' || *at == '>' || *at == '|')
            fprintf(to, "$%c$", *at);
        else
            fputc(*at, to);
    }
}

/* A value in math mode, with e5 as a power of ten. */
static void latex_value(const struct tessi_report_cell *c, FILE *to)
{
    char text[120];
    tessi_report_mean_text(&c->mean, "\\pm", text, sizeof text);
    const char *front = c->best ? "\\mathbf{" : c->within ? "\\underline{" : "";
    char *exponent = strpbrk(text, "e");
    int power = 0;
    if (c->mean.n == 0) {
        fputs("--", to);
        return;
    }
    if (exponent && sscanf(exponent + 1, "%d", &power) == 1) {
        *exponent = '\0';
        fprintf(to, "$%s%s \\cdot 10^{%d}%s$", front, text, power, *front ? "}" : "");
    } else {
        fprintf(to, "$%s%s%s$", front, text, *front ? "}" : "");
    }
}

static void latex_head(const struct tessi_report_table *t, FILE *to)
{
    int64_t n = 0;
    fputs("\\begin{tabular}{", to);
    markup_sides(t, "l", "r", to);
    fputs("}\n\\toprule\n", to);
    if (t->named)
        fputs(n++ ? " & run" : "run", to);
    for (int64_t k = 0; k < t->columns; k++) {
        fputs(n++ ? " & " : "", to);
        latex_text(t->column[k].title, to);
    }
    if (t->remarked)
        fputs(n++ ? " & state" : "state", to);
    if (t->seeds > 1)
        fputs(n++ ? " & $n$" : "$n$", to);
    for (int64_t i = 0; i < t->measures; i++) {
        const struct tessi_report_measure *m = &t->measure[i];
        if (!m->shown)
            continue;
        fputs(n++ ? " & " : "", to);
        latex_text(m->title, to);
        if (*m->unit) {
            fputs(" (", to);
            latex_text(m->unit, to);
            fputc(')', to);
        }
        fputs(m->better == TESS_METRIC_HIGHER ? " $\\uparrow$" : m->better == TESS_METRIC_LOWER ? " $\\downarrow$" : "", to);
    }
    fputs(" \\\\\n\\midrule\n", to);
}

static void latex_row(const struct tessi_report_table *t, const struct tessi_report_row *row, FILE *to)
{
    int64_t n = 0;
    if (t->named) {
        n++;
        latex_text(row->name, to);
    }
    for (int64_t k = 0; k < t->columns; k++) {
        fputs(n++ ? " & " : "", to);
        latex_text(row->setting[k] ? row->setting[k] : "--", to);
    }
    if (t->remarked)
        fprintf(to, "%s%s", n++ ? " & " : "", row->state);
    if (t->seeds > 1)
        fprintf(to, "%s%lld", n++ ? " & " : "", (long long)row->done);
    for (int64_t i = 0; i < t->measures; i++) {
        if (!t->measure[i].shown)
            continue;
        fputs(n++ ? " & " : "", to);
        latex_value(&row->cell[i], to);
    }
    fputs(" \\\\\n", to);
}

/* Text as comments, which no line may leave. */
static void latex_comment(const char *front, const char *text, FILE *to)
{
    char shown[4096];
    (void)tess_shown_text(text, shown, sizeof shown);
    fprintf(to, "%% %s%s\n", front, shown);
}

void tessi_report_print_latex(const struct tessi_report_table *t, FILE *to)
{
    char text[1200];
    tessi_report_title_text(t, "x", text, sizeof text);
    latex_comment("", text, to);
    tessi_report_constants_text(t, text, sizeof text);
    if (*text)
        latex_comment("", text, to);
    fprintf(to, "%% \\usepackage{booktabs}%s\n", tessi_report_has_marks(t) ? "; bold: best, underlined: within noise of it" : "");
    latex_head(t, to);
    for (int64_t r = 0; r < t->rows; r++)
        latex_row(t, &t->row[r], to);
    fputs("\\bottomrule\n\\end{tabular}\n", to);
    for (int64_t r = 0; r < t->rows; r++)
        if (*t->row[r].remark) {
            (void)snprintf(text, sizeof text, "%.600s: ", t->row[r].name);
            latex_comment(text, t->row[r].remark, to);
        }
    for (int64_t i = 0; i < t->notes; i++)
        latex_comment("note: ", t->note[i], to);
}

/* ---- Markdown ------------------------------------------------------------------------------------------------------ */

/* Text in which nothing is markup: specials behind a backslash, < and & as entities. */
static void markdown_text(const char *text, FILE *to)
{
    char shown[4096];
    (void)tess_shown_text(text, shown, sizeof shown);
    for (const char *at = shown; *at; at++) {
        if (strchr("\\`*_{}[]|~#!$>", *at))
            fprintf(to, "\\%c", *at);
        else if (*at == '<' || *at == '&')
            fputs(*at == '<' ? "&lt;" : "&amp;", to);
        else
            fputc(*at, to);
    }
}

static void markdown_head(const struct tessi_report_table *t, FILE *to)
{
    fputs(t->named ? "| run " : "", to);
    for (int64_t k = 0; k < t->columns; k++) {
        fputs("| ", to);
        markdown_text(t->column[k].title, to);
        fputc(' ', to);
    }
    fputs(t->remarked ? "| state " : "", to);
    fputs(t->seeds > 1 ? "| n " : "", to);
    for (int64_t i = 0; i < t->measures; i++) {
        const struct tessi_report_measure *m = &t->measure[i];
        if (!m->shown)
            continue;
        fputs("| ", to);
        markdown_text(m->title, to);
        fputs(m->better == TESS_METRIC_HIGHER ? " \xe2\x86\x91" : m->better == TESS_METRIC_LOWER ? " \xe2\x86\x93" : "", to);
        if (*m->unit) {
            fputs(" (", to);
            markdown_text(m->unit, to);
            fputc(')', to);
        }
        fputc(' ', to);
    }
    fputs("|\n", to);
    markup_sides(t, "|:--", "|--:", to);
    fputs("|\n", to);
}

static void markdown_row(const struct tessi_report_table *t, const struct tessi_report_row *row, FILE *to)
{
    char text[120];
    for (int64_t k = t->named ? -1 : 0; k < t->columns; k++) {
        fputs("| ", to);
        markdown_text(k < 0 ? row->name : row->setting[k] ? row->setting[k] : "-", to);
        fputc(' ', to);
    }
    if (t->remarked)
        fprintf(to, "| %s ", *row->state ? row->state : "ok");
    if (t->seeds > 1)
        fprintf(to, "| %lld ", (long long)row->done);
    for (int64_t i = 0; i < t->measures; i++) {
        const struct tessi_report_cell *c = &row->cell[i];
        if (!t->measure[i].shown)
            continue;
        tessi_report_mean_text(&c->mean, "\xc2\xb1", text, sizeof text);
        fprintf(to, c->best ? "| **%s** " : c->within ? "| *%s* " : "| %s ", text);
    }
    fputs("|\n", to);
}

void tessi_report_print_markdown(const struct tessi_report_table *t, FILE *to)
{
    char text[1200];
    tessi_report_title_text(t, "\xc3\x97", text, sizeof text);
    markdown_text(text, to);
    tessi_report_constants_text(t, text, sizeof text);
    fputs(*text ? "; " : "", to);
    markdown_text(text, to);
    fputs(".\n\n", to);
    markdown_head(t, to);
    for (int64_t r = 0; r < t->rows; r++)
        markdown_row(t, &t->row[r], to);
    if (tessi_report_has_marks(t))
        fputs("\n**Bold**: best; *italic*: within noise of it.\n", to);
    for (int64_t r = 0; r < t->rows; r++)
        if (*t->row[r].remark) {
            fputs("\n- ", to);
            markdown_text(t->row[r].name, to);
            fputs(": ", to);
            markdown_text(t->row[r].remark, to);
        }
    for (int64_t i = 0; i < t->notes; i++) {
        fputs("\n- ", to);
        markdown_text(t->note[i], to);
    }
    fputs(t->notes || t->remarked ? "\n" : "", to);
}
