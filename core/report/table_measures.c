/* Columns of metrics: one for each stage, name, unit and protocol. SPDX-License-Identifier: MIT */
#include "core/report/table_private.h"

#include <tessera/kind/metric.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Digests of the data that a measure was measured on in one run, with the run's row and seed. */
struct measures_against {
    int64_t row;
    const char *seed, *against;
};

struct measures_known {
    int64_t count, capacity;
    struct measures_against *item;
};

/* ---- the same measure ---------------------------------------------------------------------------------------------- */

/* 1 where data may change from one run to the other: not at all, or with the seed, in the same way in all rows. */
static int measures_against_fits(const struct measures_known *known, const struct measures_against *a)
{
    int equal = 0, repeated = 0;
    for (int64_t i = 0; i < known->count; i++) {
        const struct measures_against *b = &known->item[i];
        int same = strcmp(a->against, b->against) == 0;
        if (!same && strcmp(a->seed, b->seed) == 0)
            return 0;
        equal |= same;
        repeated |= a->row == b->row;
    }
    return equal || repeated;
}

/* 1 where both units are "of N", the total that a count is of, which may be a setting of the rows. */
static int measures_are_totals(const char *a, const char *b)
{
    return strncmp(a, "of ", 3) == 0 && strncmp(b, "of ", 3) == 0 && !a[3 + strspn(a + 3, "0123456789N")] &&
           !b[3 + strspn(b + 3, "0123456789")];
}

static int measures_is(const struct tessi_report_measure *m, const struct tessi_report_metric *metric)
{
    return strcmp(m->stage, metric->stage) == 0 && strcmp(m->name, metric->name) == 0 &&
           (strcmp(m->unit, metric->unit) == 0 || measures_are_totals(m->unit, metric->unit)) &&
           (m->better == metric->better || !m->better || !metric->better) && strcmp(m->protocol, metric->protocol) == 0;
}

struct measures_making {
    struct tessi_report_making *m;
    struct measures_known *known; /* by the table's measures */
    int64_t known_capacity;
    int32_t **of; /* index of the measure of each metric, by row and run */
};

static int measures_find(struct tess_context *ctx, struct measures_making *k, const struct tessi_report_run *run,
                         const struct tessi_report_metric *metric, int64_t row, int32_t *out)
{
    struct tessi_report_making *m = k->m;
    struct tessi_report_table *t = m->t;
    const struct measures_against a = {row, run->seed, metric->against};
    int64_t i = 0;
    while (i < t->measures && !(measures_is(&t->measure[i], metric) && measures_against_fits(&k->known[i], &a)))
        i++;
    if (i == t->measures) {
        const struct tessi_report_stage *s = tessi_report_stage_named(run, metric->stage);
        TESS_TRY(tessi_report_grow(ctx, m->set, &t->measure, &m->measure_capacity, i + 1, sizeof *t->measure));
        TESS_TRY(tessi_report_grow(ctx, m->set, &k->known, &k->known_capacity, i + 1, sizeof *k->known));
        t->measure[t->measures++] = (struct tessi_report_measure){.stage = metric->stage,
                                                                  .use = s ? s->use : "",
                                                                  .name = metric->name,
                                                                  .unit = metric->unit,
                                                                  .better = metric->better,
                                                                  .title = metric->name,
                                                                  .protocol = metric->protocol,
                                                                  .against = metric->against,
                                                                  .of = 1,
                                                                  .number = 1};
        k->known[i] = (struct measures_known){0};
    }
    struct measures_known *known = &k->known[i];
    if (strcmp(t->measure[i].unit, metric->unit) != 0)
        t->measure[i].unit = "of N";
    if (!t->measure[i].better) /* a result of an earlier version does not tell it */
        t->measure[i].better = metric->better;
    *out = (int32_t)i;
    TESS_TRY(tessi_report_grow(ctx, m->set, &known->item, &known->capacity, known->count + 1, sizeof *known->item));
    known->item[known->count++] = a;
    return TESS_OK;
}

/* ---- cells --------------------------------------------------------------------------------------------------------- */

/* The values of a measure in a row's runs. `of` has the measure of each metric of each run. */
static int measures_cell(struct tess_context *ctx, struct tessi_report_making *m, struct tessi_report_row *row, int32_t *const *of,
                         int64_t measure)
{
    struct tessi_report_cell *cell = &row->cell[measure];
    double error = -1, *value;
    int64_t n = 0;
    void *memory;
    TESS_TRY(tessi_report_alloc(ctx, m->set, (size_t)(row->runs + 1) * sizeof *value, &memory));
    value = memory;
    TESS_TRY(tessi_report_alloc(ctx, m->set, (size_t)(row->runs + 1) * sizeof *cell->seed, &memory));
    cell->seed = memory;
    for (int64_t i = 0; i < row->runs; i++)
        for (int64_t k = 0; k < row->run[i]->metrics; k++) {
            if (of[i][k] != measure)
                continue;
            cell->seed[n] = row->run[i]->seed;
            error = tessi_report_metric_error(&row->run[i]->metric[k]);
            value[n++] = row->run[i]->metric[k].value;
            break;
        }
    cell->value = value;
    cell->mean = tessi_report_mean_of(value, n, error);
    return TESS_OK;
}

static int measures_row(struct tess_context *ctx, struct measures_making *k, int64_t r, int32_t ***out)
{
    struct tessi_report_row *row = &k->m->t->row[r];
    void *memory;
    TESS_TRY(tessi_report_alloc(ctx, k->m->set, (size_t)(row->runs + 1) * sizeof **out, &memory));
    *out = memory;
    for (int64_t i = 0; i < row->runs; i++) {
        const struct tessi_report_run *run = row->run[i];
        TESS_TRY(tessi_report_alloc(ctx, k->m->set, (size_t)(run->metrics + 1) * sizeof ***out, &memory));
        (*out)[i] = memory;
        for (int64_t n = 0; n < run->metrics; n++)
            TESS_TRY(measures_find(ctx, k, run, &run->metric[n], r, &(*out)[i][n]));
    }
    return TESS_OK;
}

/* 1 where every row has the same one value, and there are several rows. */
static int measures_constant(const struct tessi_report_table *t, int64_t i)
{
    for (int64_t r = 0; r < t->rows; r++) {
        const struct tessi_report_cell *c = &t->row[r].cell[i];
        for (int64_t k = 0; k < c->mean.n; k++)
            if (c->value[k] < t->row[0].cell[i].mean.mean || c->value[k] > t->row[0].cell[i].mean.mean)
                return 0;
        if (!c->mean.n)
            return 0;
    }
    return t->rows > 1;
}

/* Puts measures of one stage beside one another that differ in their protocol alone, and numbers them. */
static void measures_number(struct tessi_report_table *t)
{
    for (int64_t i = 0; i < t->measures; i++) {
        struct tessi_report_measure *a = &t->measure[i];
        a->of = a->number = 0;
        for (int64_t k = 0; k < t->measures; k++) {
            int same = strcmp(a->stage, t->measure[k].stage) == 0 && strcmp(a->name, t->measure[k].name) == 0;
            a->of += same;
            a->number += same && k <= i;
        }
    }
}

static int measures_titles(struct tess_context *ctx, struct tessi_report_making *m)
{
    struct tessi_report_table *t = m->t;
    for (int64_t i = 0; i < t->measures; i++) {
        struct tessi_report_measure *a = &t->measure[i];
        int elsewhere = 0;
        for (int64_t k = 0; k < t->measures; k++)
            elsewhere |= strcmp(a->name, t->measure[k].name) == 0 && strcmp(a->stage, t->measure[k].stage) != 0;
        a->title = a->name;
        if (elsewhere)
            TESS_TRY(tessi_report_format(ctx, m->set, &a->title, "%s: %s", a->stage, a->name));
        if (a->of > 1)
            TESS_TRY(tessi_report_format(ctx, m->set, &a->title, "%s [%lld]", a->title, (long long)a->number));
    }
    return TESS_OK;
}

int tessi_report_measures(struct tess_context *ctx, struct tessi_report_making *m)
{
    struct tessi_report_table *t = m->t;
    struct measures_making k = {.m = m};
    int32_t ***of;
    void *memory;
    TESS_TRY(tessi_report_alloc(ctx, m->set, (size_t)(t->rows + 1) * sizeof *of, &memory));
    of = memory;
    for (int64_t r = 0; r < t->rows; r++)
        TESS_TRY(measures_row(ctx, &k, r, &of[r]));
    for (int64_t r = 0; r < t->rows; r++) {
        TESS_TRY(tessi_report_alloc(ctx, m->set, (size_t)(t->measures + 1) * sizeof *t->row->cell, &memory));
        t->row[r].cell = memory;
        for (int64_t i = 0; i < t->measures; i++)
            TESS_TRY(measures_cell(ctx, m, &t->row[r], of[r], i));
    }
    measures_number(t);
    for (int64_t i = 0; i < t->measures; i++)
        t->measure[i].constant = measures_constant(t, i);
    return measures_titles(ctx, m);
}

/* ---- selection ----------------------------------------------------------------------------------------------------- */

/* 1 where `text` has `word` in it, whatever the case of ASCII letters. */
static int measures_has(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (; length && *text; text++)
        if (strncasecmp(text, word, length) == 0)
            return 1;
    return 0;
}

/* 1 where the word names the measure, exactly where `whole`. */
static int measures_matches(const struct tessi_report_measure *m, const char *word, int whole)
{
    size_t stage = strlen(m->stage);
    if (!whole)
        return measures_has(m->title, word);
    return strcasecmp(m->title, word) == 0 || strcasecmp(m->name, word) == 0 ||
           (strncmp(word, m->stage, stage) == 0 && (word[stage] == '.' || word[stage] == '/') &&
            strcasecmp(word + stage + 1, m->name) == 0);
}

int64_t tessi_report_measure_named(const struct tessi_report_table *t, const char *word, int64_t from)
{
    int whole = 0;
    for (int64_t i = 0; i < t->measures; i++)
        whole |= measures_matches(&t->measure[i], word, 1);
    for (int64_t i = from; i < t->measures; i++)
        if (measures_matches(&t->measure[i], word, whole))
            return i;
    return -1;
}

static int measures_unknown(struct tess_context *ctx, const struct tessi_report_table *t, const char *word)
{
    char list[800] = "";
    size_t used = 0;
    for (int64_t i = 0; i < t->measures && used < sizeof list - 1; i++) {
        int n = snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", t->measure[i].title);
        used += n > 0 ? (size_t)n : 0;
    }
    if (!t->measures)
        return ctx->fail(ctx, TESS_E_USAGE, "--metrics: there is no metric `%s`, nor any other: no stage that measures has finished", word);
    return ctx->fail(ctx, TESS_E_USAGE, "--metrics: there is no metric `%s`; there are %s", word, list);
}

/* Moves measure `i` to place `to`, with its cells; those between go one up. */
static void measures_move(struct tessi_report_table *t, int64_t i, int64_t to)
{
    const struct tessi_report_measure measure = t->measure[i];
    memmove(&t->measure[to + 1], &t->measure[to], (size_t)(i - to) * sizeof measure);
    t->measure[to] = measure;
    for (int64_t r = 0; r < t->rows; r++) {
        const struct tessi_report_cell cell = t->row[r].cell[i];
        memmove(&t->row[r].cell[to + 1], &t->row[r].cell[to], (size_t)(i - to) * sizeof cell);
        t->row[r].cell[to] = cell;
    }
}

/* Shows the metrics of a list "a,b", and puts them first in its order. */
static int measures_asked(struct tess_context *ctx, struct tessi_report_table *t, const char *list)
{
    int64_t shown = 0;
    for (const char *at = list; *at;) {
        char word[200];
        size_t length = strcspn(at, ",");
        (void)snprintf(word, sizeof word, "%.*s", (int)length, at);
        at += length + (at[length] == ',');
        if (!length)
            continue;
        if (tessi_report_measure_named(t, word, 0) < 0)
            return measures_unknown(ctx, t, word);
        int whole = 0;
        for (int64_t i = 0; i < t->measures; i++)
            whole |= measures_matches(&t->measure[i], word, 1);
        for (int64_t i = shown; i < t->measures; i++) {
            if (!measures_matches(&t->measure[i], word, whole))
                continue;
            t->measure[i].shown = 1;
            measures_move(t, i, shown++);
        }
    }
    return TESS_OK;
}

static int measures_tell_constant(struct tess_context *ctx, struct tessi_report_making *m)
{
    struct tessi_report_table *t = m->t;
    for (int64_t i = 0; i < t->measures; i++) {
        char text[80];
        const char *value;
        if (!t->measure[i].constant || t->measure[i].shown)
            continue;
        tessi_report_mean_text(&t->row[0].cell[i].mean, "", text, sizeof text);
        TESS_TRY(tessi_report_format(ctx, m->set, &value, "%s%s%s", text, *t->measure[i].unit ? " " : "", t->measure[i].unit));
        TESS_TRY(tessi_report_add_constant(ctx, m, t->measure[i].title, value));
    }
    return TESS_OK;
}

int tessi_report_select(struct tess_context *ctx, struct tessi_report_making *m)
{
    struct tessi_report_table *t = m->t;
    int64_t shown = 0;
    if (m->o->metrics)
        return measures_asked(ctx, t, m->o->metrics);
    for (int64_t i = 0; i < t->measures; i++)
        shown += t->measure[i].shown = m->o->all || (t->measure[i].better && !t->measure[i].constant);
    for (int64_t i = 0; !shown && i < t->measures; i++) /* none has a direction */
        t->measure[i].shown = !t->measure[i].constant;
    return measures_tell_constant(ctx, m);
}
