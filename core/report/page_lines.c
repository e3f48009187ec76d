/* Lines of charts: rows of the table that differ in one number alone, a setting or the way that samples were drawn, by its rising values.
 * SPDX-License-Identifier: MIT */
#include "core/report/page_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- samples ---- */

/* Ways to draw samples that are numbers, by the attributes of their artefacts. */
static const struct tessi_report_page_axis lines_sampling[] = {
    {-1, "steps", "steps of sampling", "calls of the denoiser at most", TESSI_SVG_EITHER},
    {-1, "temperature", "temperature of sampling", NULL, TESSI_SVG_LINEAR}};

const struct tessi_report_page_axis *tessi_report_page_sampling(int64_t i)
{
    return i < (int64_t)(sizeof lines_sampling / sizeof *lines_sampling) ? &lines_sampling[i] : NULL;
}

/* The stage of samples that a run's stage reads; NULL: none. */
static const struct tessi_report_stage *lines_samples(const struct tessi_report_run *run, const char *stage)
{
    const struct tessi_report_stage *s = tessi_report_stage_named(run, stage);
    for (int64_t i = 0; s && i < s->inputs; i++) {
        const struct tessi_report_stage *from = s->input[i].from ? tessi_report_stage_named(run, s->input[i].from) : NULL;
        if (from && strcmp(from->kind, "samples") == 0)
            return from;
    }
    return NULL;
}

/* An attribute as a number above 0; NAN: there is none. */
static double lines_attribute(const struct tessi_report_stage *s, const char *name)
{
    for (int64_t i = 0; s && i < s->attributes; i++)
        if (strcmp(s->attribute[i].name, name) == 0 && strtod(s->attribute[i].text, NULL) > 0)
            return strtod(s->attribute[i].text, NULL);
    return (double)NAN;
}

static int lines_same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* 1 where both are of the same models, in whatever way they were drawn. */
static int lines_same_models(const struct tessi_report_stage *a, const struct tessi_report_stage *b)
{
    int same = a->inputs == b->inputs;
    for (int64_t i = 0; i < a->inputs && same; i++)
        same = strcmp(a->input[i].port, b->input[i].port) == 0 && strcmp(a->input[i].digest, b->input[i].digest) == 0;
    return same;
}

/* ---- values and neighbours ---- */

double tessi_report_page_axis_value(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t row,
                                    int64_t measure)
{
    const struct tessi_report_row *r = &p->table->row[row];
    if (axis->column >= 0)
        return r->setting[axis->column] ? strtod(r->setting[axis->column], NULL) : (double)NAN;
    return r->runs ? lines_attribute(lines_samples(r->run[0], p->table->measure[measure].stage), axis->attribute) : (double)NAN;
}

double tessi_report_page_axis_reference(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis,
                                        const struct tessi_report_reference *r)
{
    for (int64_t i = 0; i < r->settings; i++) {
        const char *name = r->setting[i].name, *dot = strrchr(name, '.');
        if (strcmp(axis->column >= 0 || !dot ? name : dot + 1, axis->column >= 0 ? p->table->column[axis->column].name : axis->attribute) ==
            0)
            return strtod(r->setting[i].text, NULL);
    }
    return (double)NAN;
}

static int lines_same_setting(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* 1 where two rows differ on the axis alone, or not at all. */
static int lines_joins(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure, int64_t a, int64_t b)
{
    const struct tessi_report_table *t = p->table;
    int same = 1;
    if (axis->column >= 0) {
        for (int64_t i = 0; i < t->columns && same; i++)
            same = i == axis->column || lines_same_setting(t->row[a].setting[i], t->row[b].setting[i]);
        return same;
    }
    const struct tessi_report_stage *x = lines_samples(t->row[a].run[0], t->measure[measure].stage);
    const struct tessi_report_stage *y = lines_samples(t->row[b].run[0], t->measure[measure].stage);
    for (int64_t i = 0; tessi_report_page_sampling(i) && same; i++) {
        const char *name = tessi_report_page_sampling(i)->attribute;
        same = strcmp(name, axis->attribute) == 0 || lines_same_number(lines_attribute(x, name), lines_attribute(y, name));
    }
    return same && lines_same_models(x, y);
}

int tessi_report_page_axis_varies(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure)
{
    double first = (double)NAN;
    int varies = 0;
    for (int64_t i = 0; i < p->table->rows; i++) {
        double value = tessi_report_page_axis_value(p, axis, i, measure);
        if (!isfinite(value) || !p->table->row[i].cell[measure].mean.n)
            continue;
        varies |= isfinite(first) && value != first;
        first = value;
    }
    return varies;
}

int tessi_report_page_axis_repeats(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure)
{
    int repeats = 0;
    for (int64_t c = 0; c < p->table->columns && !repeats; c++) {
        const struct tessi_report_page_axis column = {.column = c};
        repeats = p->table->column[c].numeric;
        for (int64_t i = 0; i < p->table->rows && repeats; i++)
            repeats =
                lines_same_number(tessi_report_page_axis_value(p, axis, i, measure), tessi_report_page_axis_value(p, &column, i, measure));
    }
    return repeats;
}

/* ---- lines ---- */

static void lines_insert(struct tessi_report_page_line *line, double x, int64_t row, const struct tessi_report_cell *c)
{
    int64_t at = line->points++;
    for (; at > 0 && line->x[at - 1] > x; at--) {
        line->x[at] = line->x[at - 1];
        line->y[at] = line->y[at - 1];
        line->low[at] = line->low[at - 1];
        line->high[at] = line->high[at - 1];
        line->row[at] = line->row[at - 1];
    }
    double half = c->mean.half >= 0 ? c->mean.half : -1.0;
    line->x[at] = x;
    line->y[at] = c->mean.mean;
    line->low[at] = c->mean.mean - half;
    line->high[at] = c->mean.mean + half;
    line->row[at] = row;
}

/* 1 where all rows of a line have one text in a column, other than NULL. */
static int lines_shares(const struct tessi_report_table *t, const struct tessi_report_page_line *line, int64_t column)
{
    int same = t->row[line->row[0]].setting[column] != NULL;
    for (int64_t i = 1; i < line->points && same; i++)
        same = lines_same_setting(t->row[line->row[0]].setting[column], t->row[line->row[i]].setting[column]);
    return same;
}

/* The settings that the rows of a line share: "quantizer=ema"; of samples the other attributes as well. */
static void lines_name(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure,
                       struct tessi_report_page_line *line)
{
    const struct tessi_report_table *t = p->table;
    size_t used = 0, capacity = sizeof line->name;
    line->name[0] = '\0';
    for (int64_t i = 0; i < t->columns && used < capacity; i++)
        if (i != axis->column && lines_shares(t, line, i))
            used += (size_t)snprintf(line->name + used, capacity - used, "%s%s=%s", used ? ", " : "", t->column[i].title,
                                     t->row[line->row[0]].setting[i]);
    for (int64_t i = 0; axis->column < 0 && tessi_report_page_sampling(i) && used < capacity; i++) {
        const struct tessi_report_page_axis *other = tessi_report_page_sampling(i);
        double value = tessi_report_page_axis_value(p, other, line->row[0], measure);
        if (other != axis && isfinite(value))
            used += (size_t)snprintf(line->name + used, capacity - used, "%s%s=%.6g", used ? ", " : "", other->attribute, value);
    }
}

int64_t tessi_report_page_lines(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure,
                                struct tessi_report_page_line *line)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->table->rows; i++) {
        const struct tessi_report_row *row = &p->table->row[i];
        double value = tessi_report_page_axis_value(p, axis, i, measure);
        if (!isfinite(value) || !row->cell[measure].mean.n)
            continue;
        int64_t k = 0;
        while (k < n && !lines_joins(p, axis, measure, line[k].row[0], i))
            k++;
        if (k == n)
            line[n++].points = 0;
        lines_insert(&line[k], value, i, &row->cell[measure]);
    }
    for (int64_t i = 0; i < n; i++)
        lines_name(p, axis, measure, &line[i]);
    return n;
}

int tessi_report_page_lines_alloc(struct tessi_report_page *p, struct tessi_report_page_line **out)
{
    size_t rows = (size_t)p->table->rows;
    void *memory;
    TESS_TRY(tess_alloc(p->ctx, rows * (sizeof **out + rows * (4 * sizeof(double) + sizeof(int64_t))) + 1, "lines of charts", &memory));
    struct tessi_report_page_line *line = *out = memory;
    double *values = (double *)(line + rows);
    int64_t *number = (int64_t *)(values + 4 * rows * rows);
    for (size_t i = 0; i < rows; i++) {
        line[i].x = values + 4 * i * rows;
        line[i].y = line[i].x + rows;
        line[i].low = line[i].y + rows;
        line[i].high = line[i].low + rows;
        line[i].row = number + i * rows;
    }
    return TESS_OK;
}
