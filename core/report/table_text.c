/* A table for a terminal. Where it is wider than the terminal, the metrics are printed in parts, each beside the settings.
 * SPDX-License-Identifier: MIT */
#include "core/base/text.h"
#include "core/report/table_private.h"

#include <tessera/kind/metric.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTING_MAX 40 /* characters of a setting */
#define GAP 2

/* A column as it is printed. */
struct text_column {
    const char *head[2]; /* two lines */
    const char **text;   /* by row */
    const char *bold;    /* by row: 1 in bold; NULL: none is */
    int right;
    int width;
};

struct text_table {
    struct tess_context *ctx;
    struct tessi_report_set scratch; /* memory of the texts */
    const struct tessi_report_table *t;
    const struct tessi_report_text_style *style;
    int64_t columns, left; /* the first `left` columns are in each part */
    struct text_column *column;
};

/* Characters of a text of well-formed UTF-8. */
static int text_width(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Text as a terminal may be shown it, cut to `most` characters. */
static int text_shown(struct text_table *x, const char *text, int most, const char **out)
{
    void *memory;
    size_t bytes = tess_shown_text(text, (char[1]){0}, 1) + 1;
    TESS_TRY(tessi_report_alloc(x->ctx, &x->scratch, bytes + 4, &memory));
    char *to = memory, *cut = NULL;
    (void)tess_shown_text(text, to, bytes);
    *out = to;
    if (text_width(to) <= most)
        return TESS_OK;
    for (int n = 0; *to; to++)
        if (((unsigned char)*to & 0xc0) != 0x80 && n++ == most - 3)
            cut = to;
    if (cut)
        (void)snprintf(cut, 4, "...");
    return TESS_OK;
}

static int text_new_column(struct text_table *x, const char *head, const char *second, int right, struct text_column **out)
{
    void *memory;
    TESS_TRY(tessi_report_alloc(x->ctx, &x->scratch, (size_t)(x->t->rows + 1) * sizeof *(*out)->text, &memory));
    *out = &x->column[x->columns++];
    **out = (struct text_column){.head = {head, second}, .text = memory, .right = right};
    for (int64_t i = 0; i < x->t->rows; i++)
        (*out)->text[i] = "";
    return TESS_OK;
}

/* ---- columns ------------------------------------------------------------------------------------------------------- */

static int text_left(struct text_table *x)
{
    const struct tessi_report_table *t = x->t;
    struct text_column *c;
    if (t->named) {
        TESS_TRY(text_new_column(x, "run", "", 0, &c));
        for (int64_t i = 0; i < t->rows; i++)
            TESS_TRY(text_shown(x, t->row[i].name, 2 * SETTING_MAX, &c->text[i]));
    }
    for (int64_t k = 0; k < t->columns; k++) {
        const char *head;
        TESS_TRY(text_shown(x, t->column[k].title, SETTING_MAX, &head));
        TESS_TRY(text_new_column(x, head, "", t->column[k].numeric, &c));
        for (int64_t i = 0; i < t->rows; i++)
            TESS_TRY(text_shown(x, t->row[i].setting[k] ? t->row[i].setting[k] : "-", SETTING_MAX, &c->text[i]));
    }
    if (t->remarked) {
        TESS_TRY(text_new_column(x, "state", "", 0, &c));
        for (int64_t i = 0; i < t->rows; i++)
            c->text[i] = *t->row[i].state ? t->row[i].state : "ok";
    }
    if (t->seeds > 1) {
        TESS_TRY(text_new_column(x, "n", "", 1, &c));
        for (int64_t i = 0; i < t->rows; i++)
            TESS_TRY(tessi_report_format(x->ctx, &x->scratch, &c->text[i], "%lld", (long long)t->row[i].done));
    }
    return TESS_OK;
}

static int text_cell(struct text_table *x, const struct tessi_report_row *row, const struct tessi_report_cell *c, int marked,
                     const char **out)
{
    char text[120], difference[80], more[160] = "", count[40] = "";
    tessi_report_mean_text(&c->mean, x->style->utf8 ? "\xc2\xb1" : "+-", text, sizeof text);
    if (x->style->differences && c->mean.n && !row->baseline && (c->compared || c->difference < 0 || c->difference > 0)) {
        tessi_report_difference_text(c, difference, sizeof difference);
        (void)snprintf(more, sizeof more, " (%s%s)", difference, c->compared == TESSI_REPORT_WITHIN ? "~" : "");
    }
    if (c->mean.n && c->mean.n != row->done)
        (void)snprintf(count, sizeof count, " (n=%lld)", (long long)c->mean.n);
    return tessi_report_format(x->ctx, &x->scratch, out, "%s%s%s%s", text, more, count,
                               !marked     ? ""
                               : c->best   ? "*"
                               : c->within ? "~"
                                           : " ");
}

static int text_measure(struct text_table *x, int64_t i)
{
    const struct tessi_report_measure *m = &x->t->measure[i];
    struct text_column *c;
    const char *head, *second, *unit, *arrow = "";
    int marked = 0;
    void *memory;
    if (m->better)
        arrow = x->style->utf8 ? (m->better == TESS_METRIC_HIGHER ? "\xe2\x86\x91" : "\xe2\x86\x93")
                               : (m->better == TESS_METRIC_HIGHER ? "higher" : "lower");
    TESS_TRY(text_shown(x, m->title, SETTING_MAX, &head));
    TESS_TRY(text_shown(x, m->unit, SETTING_MAX, &unit));
    for (int64_t r = 0; r < x->t->rows; r++)
        marked |= x->t->row[r].cell[i].best || x->t->row[r].cell[i].within;
    TESS_TRY(tessi_report_format(x->ctx, &x->scratch, &second, "%s%s%s%s", unit, *unit && *arrow ? " " : "", arrow, marked ? " " : ""));
    TESS_TRY(tessi_report_format(x->ctx, &x->scratch, &head, "%s%s", head, marked ? " " : ""));
    TESS_TRY(text_new_column(x, head, second, 1, &c));
    TESS_TRY(tessi_report_alloc(x->ctx, &x->scratch, (size_t)x->t->rows + 1, &memory));
    char *bold = memory;
    for (int64_t r = 0; r < x->t->rows; r++) {
        bold[r] = (char)x->t->row[r].cell[i].best;
        TESS_TRY(text_cell(x, &x->t->row[r], &x->t->row[r].cell[i], marked, &c->text[r]));
    }
    c->bold = bold;
    return TESS_OK;
}

/* ---- printing ------------------------------------------------------------------------------------------------------ */

static void text_put(const struct text_column *c, const char *text, int bold, int last, FILE *to)
{
    int blanks = c->width - text_width(text);
    if (c->right)
        fprintf(to, "%*s", blanks, "");
    fprintf(to, "%s%s%s", bold ? "\033[1m" : "", text, bold ? "\033[0m" : "");
    if (!c->right && !last)
        fprintf(to, "%*s", blanks, "");
    if (!last)
        fprintf(to, "%*s", GAP, "");
}

/* Prints a line of the left columns and of the columns from `from` up to `end`; line -2 and -1 are the head's. */
static void text_line(const struct text_table *x, int64_t from, int64_t end, int64_t line, FILE *to)
{
    for (int64_t k = 0; k < end; k++) {
        const struct text_column *c = &x->column[k];
        if (k == x->left && from > k)
            k = from, c = &x->column[k];
        text_put(c, line < 0 ? c->head[line + 2] : c->text[line], x->style->bold && line >= 0 && c->bold && c->bold[line], k + 1 == end,
                 to);
    }
    fputc('\n', to);
}

static void text_part(const struct text_table *x, int64_t from, int64_t end, FILE *to)
{
    int second = 0;
    for (int64_t k = from; k < end; k++)
        second |= x->column[k].head[1][strspn(x->column[k].head[1], " ")] != '\0';
    text_line(x, from, end, -2, to);
    if (second)
        text_line(x, from, end, -1, to);
    for (int64_t r = 0; r < x->t->rows; r++)
        text_line(x, from, end, r, to);
}

static void text_widths(struct text_table *x)
{
    for (int64_t k = 0; k < x->columns; k++) {
        struct text_column *c = &x->column[k];
        for (int i = 0; i < 2; i++)
            c->width = text_width(c->head[i]) > c->width ? text_width(c->head[i]) : c->width;
        for (int64_t r = 0; r < x->t->rows; r++)
            c->width = text_width(c->text[r]) > c->width ? text_width(c->text[r]) : c->width;
    }
}

static void text_parts(struct text_table *x, FILE *to)
{
    int64_t left = 0, from = x->left;
    for (int64_t k = 0; k < x->left; k++)
        left += x->column[k].width + GAP;
    do {
        int64_t end = from, used = left;
        while (end < x->columns && (end == from || !x->style->columns || used + x->column[end].width <= x->style->columns))
            used += x->column[end++].width + GAP;
        if (from > x->left)
            fputc('\n', to);
        text_part(x, from, end, to);
        from = end;
    } while (from < x->columns);
}

/* ---- around it ----------------------------------------------------------------------------------------------------- */

/* Prints a text broken between words, `indent` blanks before all lines but the first. */
static void text_wrapped(const struct text_table *x, const char *text, int indent, FILE *to)
{
    int64_t most = x->style->columns, used = 0;
    for (const char *at = text; *at;) {
        char word[1024];
        size_t length = strcspn(at, " ");
        (void)snprintf(word, sizeof word, "%.*s", (int)length, at);
        if (used && most && used + 1 + text_width(word) > most) {
            fprintf(to, "\n%*s", indent, "");
            used = indent;
        } else if (at != text) {
            fputc(' ', to);
            used++;
        }
        fputs(word, to);
        used += text_width(word);
        at += length;
        at += *at == ' ';
    }
    fputc('\n', to);
}

static int text_said(struct text_table *x, const char *front, const char *text, FILE *to)
{
    const char *shown, *line;
    TESS_TRY(text_shown(x, text, 4000, &shown));
    TESS_TRY(tessi_report_format(x->ctx, &x->scratch, &line, "%s%s", front, shown));
    text_wrapped(x, line, 2, to);
    return TESS_OK;
}

static int text_head(struct text_table *x, FILE *to)
{
    char title[1000], constants[600];
    tessi_report_title_text(x->t, "x", title, sizeof title);
    TESS_TRY(text_said(x, "", title, to));
    tessi_report_constants_text(x->t, constants,
                                x->style->columns > 40 && x->style->columns < 290 ? (size_t)(2 * x->style->columns) : sizeof constants);
    if (*constants)
        TESS_TRY(text_said(x, "", constants, to));
    fputc('\n', to);
    return TESS_OK;
}

static int text_foot(struct text_table *x, FILE *to)
{
    const struct tessi_report_table *t = x->t;
    int best = tessi_report_has_marks(t), within = 0, half = 0;
    for (int64_t r = 0; r < t->rows; r++)
        for (int64_t i = 0; i < t->measures; i++) {
            within |= t->measure[i].shown && t->row[r].cell[i].within;
            half |= t->measure[i].shown && t->row[r].cell[i].mean.half > 0;
        }
    fputc('\n', to);
    if (best || half) {
        const char *line;
        TESS_TRY(tessi_report_format(x->ctx, &x->scratch, &line, "%s%s%s%s%s", best ? "* best" : "",
                                     within ? "; ~ within noise of it: Welch's 95 % interval of the difference has 0 in it" : "",
                                     best && half ? "; " : "", half ? (x->style->utf8 ? "\xc2\xb1" : "+-") : "",
                                     half && t->seeds > 1 ? " 95 % interval of the mean (Student's)"
                                     : half               ? " 95 % interval"
                                                          : ""));
        text_wrapped(x, line, 2, to);
    }
    for (int64_t r = 0; r < t->rows; r++) {
        const char *front;
        if (!*t->row[r].remark)
            continue;
        TESS_TRY(text_shown(x, t->row[r].name, 4000, &front));
        TESS_TRY(tessi_report_format(x->ctx, &x->scratch, &front, "%s: ", front));
        TESS_TRY(text_said(x, front, t->row[r].remark, to));
    }
    for (int64_t i = 0; i < t->notes; i++)
        TESS_TRY(text_said(x, "note: ", t->note[i], to));
    return TESS_OK;
}

static int text_all(struct text_table *x, FILE *to)
{
    void *memory;
    TESS_TRY(tessi_report_alloc(x->ctx, &x->scratch, (size_t)(x->t->columns + x->t->measures + 4) * sizeof *x->column, &memory));
    x->column = memory;
    TESS_TRY(text_left(x));
    x->left = x->columns;
    for (int64_t i = 0; i < x->t->measures; i++)
        if (x->t->measure[i].shown)
            TESS_TRY(text_measure(x, i));
    text_widths(x);
    TESS_TRY(text_head(x, to));
    text_parts(x, to);
    return text_foot(x, to);
}

int tessi_report_print_text(struct tess_context *ctx, const struct tessi_report_table *t, const struct tessi_report_text_style *style,
                            FILE *to)
{
    struct text_table x = {.ctx = ctx, .t = t, .style = style};
    int status = text_all(&x, to);
    tessi_report_free(&x.scratch);
    return status;
}
