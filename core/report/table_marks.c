/* Marks and order: the baseline and differences to it, the best of each metric and what is within noise of it, sorting.
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/report/table_private.h"

#include <tessera/kind/metric.h>

#include <stdio.h>
#include <string.h>

/* ---- the baseline -------------------------------------------------------------------------------------------------- */

/* 1 where a row has the values of "quantizer=nearest,K=64", by the columns' names or titles. */
static int marks_row_is(const struct tessi_report_table *t, const struct tessi_report_row *row, const char *text)
{
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, ","), name = strcspn(at, "=,");
        int found = 0;
        for (int64_t k = 0; k < t->columns && name < length; k++)
            found |= ((strncmp(t->column[k].name, at, name) == 0 && !t->column[k].name[name]) ||
                      (strncmp(t->column[k].title, at, name) == 0 && !t->column[k].title[name])) &&
                     row->setting[k] && strncmp(row->setting[k], at + name + 1, length - name - 1) == 0 &&
                     !row->setting[k][length - name - 1];
        if (!found)
            return 0;
        at += length + (at[length] == ',');
    }
    return *text != '\0';
}

static int marks_no_row(struct tess_context *ctx, const struct tessi_report_table *t, const char *word)
{
    const char *names[200];
    int64_t n = 0;
    for (; n < t->rows && n < 200; n++)
        names[n] = t->row[n].name;
    const char *nearest = tessi_base_nearest_name(word, names, n);
    return ctx->fail(ctx, TESS_E_USAGE, "--baseline: there is no row `%s`; %s `%s`", word, nearest ? "did you mean" : "the first is",
                     nearest ? nearest : t->row[0].name);
}

static int marks_has_values(const struct tessi_report_table *t, const struct tessi_report_row *row)
{
    for (int64_t i = 0; i < t->measures; i++)
        if (row->cell[i].mean.n)
            return 1;
    return 0;
}

/* 1 where a row's variant has the values that the sweep names as its baseline. */
static int marks_is_told(const struct tessi_report_set *set, const struct tessi_report_row *row)
{
    const struct tessi_report_run *run = row->run[0];
    int told = 0;
    if (run->sweep < 0)
        return 0;
    const struct tessi_report_sweep *s = &set->sweep[run->sweep];
    for (int64_t i = 0; i < s->axes; i++) {
        if (s->baseline[i] < 0 || i == s->seed_axis)
            continue;
        told = 1;
        if (strcmp(run->value[i], s->axis[i].value[s->baseline[i]]) != 0)
            return 0;
    }
    return told;
}

static int marks_baseline(struct tess_context *ctx, struct tessi_report_making *m, int64_t *out)
{
    const struct tessi_report_table *t = m->t;
    const char *word = m->o->baseline;
    *out = -1;
    for (int64_t i = 0; i < t->rows && *out < 0; i++)
        if (word ? strcmp(t->row[i].name, word) == 0 || marks_row_is(t, &t->row[i], word) : marks_is_told(m->set, &t->row[i]))
            *out = i;
    if (*out < 0 && word)
        return marks_no_row(ctx, t, word);
    for (int64_t i = 0; i < t->rows && *out < 0; i++)
        if (t->row[i].sound && marks_has_values(t, &t->row[i]))
            *out = i;
    return TESS_OK;
}

static void marks_compare(struct tessi_report_table *t, int64_t baseline)
{
    for (int64_t r = 0; r < t->rows; r++) {
        t->row[r].baseline = r == baseline;
        for (int64_t i = 0; i < t->measures; i++) {
            struct tessi_report_cell *c = &t->row[r].cell[i];
            c->half = -1;
            if (baseline >= 0 && r != baseline && c->mean.n && t->row[baseline].cell[i].mean.n)
                c->compared = tessi_report_compare(&c->mean, &t->row[baseline].cell[i].mean, &c->difference, &c->half);
        }
    }
}

/* ---- the best ------------------------------------------------------------------------------------------------------ */

static int marks_counts(const struct tessi_report_row *row, int64_t i)
{
    return row->sound && row->cell[i].mean.n > 0;
}

static int marks_is_better(const struct tessi_report_measure *m, double a, double b)
{
    return m->better == TESS_METRIC_HIGHER ? a > b : a < b;
}

static void marks_best(struct tessi_report_table *t, int64_t i)
{
    const struct tessi_report_measure *m = &t->measure[i];
    int64_t best = -1, count = 0;
    for (int64_t r = 0; m->better && r < t->rows; r++) {
        if (!marks_counts(&t->row[r], i))
            continue;
        count++;
        if (best < 0 || marks_is_better(m, t->row[r].cell[i].mean.mean, t->row[best].cell[i].mean.mean))
            best = r;
    }
    for (int64_t r = 0; count > 1 && r < t->rows; r++) {
        struct tessi_report_cell *c = &t->row[r].cell[i];
        double difference, half;
        if (!marks_counts(&t->row[r], i))
            continue;
        c->best = !marks_is_better(m, t->row[best].cell[i].mean.mean, c->mean.mean);
        c->within = !c->best && tessi_report_compare(&c->mean, &t->row[best].cell[i].mean, &difference, &half) == TESSI_REPORT_WITHIN;
    }
}

int tessi_report_marks(struct tess_context *ctx, struct tessi_report_making *m)
{
    int64_t baseline;
    TESS_TRY(marks_baseline(ctx, m, &baseline));
    marks_compare(m->t, baseline);
    for (int64_t i = 0; i < m->t->measures; i++)
        marks_best(m->t, i);
    return TESS_OK;
}

/* ---- sorting ------------------------------------------------------------------------------------------------------- */

/* < 0 where a comes first. */
static int marks_order(const struct tessi_report_table *t, const struct tessi_report_row *a, const struct tessi_report_row *b,
                       int64_t column, int64_t measure)
{
    double x, y;
    if (measure >= 0) {
        const struct tessi_report_mean *p = &a->cell[measure].mean, *q = &b->cell[measure].mean;
        if (!p->n || !q->n)
            return (q->n > 0) - (p->n > 0);
        int sign = t->measure[measure].better == TESS_METRIC_HIGHER ? -1 : 1;
        return p->mean < q->mean ? -sign : p->mean > q->mean ? sign : 0;
    }
    const char *p = a->setting[column], *q = b->setting[column];
    if (!p || !q)
        return (q != NULL) - (p != NULL);
    if (tessi_report_number(p, &x) && tessi_report_number(q, &y))
        return x < y ? -1 : x > y;
    return strcmp(p, q);
}

int tessi_report_sort(struct tess_context *ctx, struct tessi_report_making *m)
{
    struct tessi_report_table *t = m->t;
    const char *word = m->o->sort;
    int64_t column = -1, measure = -1;
    if (!word)
        return TESS_OK;
    for (int64_t i = 0; i < t->columns && column < 0; i++)
        if (strcmp(t->column[i].name, word) == 0 || strcmp(t->column[i].title, word) == 0)
            column = i;
    if (column < 0)
        measure = tessi_report_measure_named(t, word, 0);
    if (column < 0 && measure < 0)
        return ctx->fail(ctx, TESS_E_USAGE, "--sort: there is no setting and no metric `%s`; wanted one of the table's columns", word);
    for (int64_t i = 1; i < t->rows; i++) { /* by insertion, which keeps the order of equals */
        const struct tessi_report_row row = t->row[i];
        int64_t k = i;
        for (; k > 0 && marks_order(t, &row, &t->row[k - 1], column, measure) < 0; k--)
            t->row[k] = t->row[k - 1];
        t->row[k] = row;
    }
    return TESS_OK;
}
