/* Rows: which runs repeat one another, and what is to be said of each. SPDX-License-Identifier: MIT */
#include "core/report/table_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tessi_report_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

int tessi_report_number(const char *text, double *out)
{
    char *end;
    if (!text || !*text || !strchr("+-.0123456789", *text))
        return 0;
    *out = strtod(text, &end);
    return *end == '\0';
}

const struct tessi_report_run *tessi_report_row_run(const struct tessi_report_row *row)
{
    for (int64_t i = 0; i < row->runs; i++)
        if (row->run[i]->settings)
            return row->run[i];
    return row->run[0];
}

/* ---- repetitions --------------------------------------------------------------------------------------------------- */

/* 1 where two variants of a sweep differ by its seed axis alone, or not at all. */
static int rows_same_variant(const struct tessi_report_set *set, const struct tessi_report_run *a, const struct tessi_report_run *b)
{
    int64_t seed = set->sweep[a->sweep].seed_axis;
    for (int64_t i = 0; i < a->values; i++)
        if (i != seed && strcmp(a->value[i], b->value[i]) != 0)
            return 0;
    return 1;
}

/* 1 where two runs by themselves have the same settings but for the seed. */
static int rows_same_settings(const struct tessi_report_run *a, const struct tessi_report_run *b)
{
    if (!a->settings || a->settings != b->settings)
        return 0;
    for (int64_t i = 0; i < a->settings; i++)
        if (strcmp(a->setting[i].name, b->setting[i].name) != 0 ||
            (strcmp(a->setting[i].name, "seed") != 0 && strcmp(a->setting[i].text, b->setting[i].text) != 0))
            return 0;
    return strcmp(a->seed, b->seed) != 0;
}

static int rows_repeat(const struct tessi_report_set *set, const struct tessi_report_row *row, const struct tessi_report_run *run)
{
    const struct tessi_report_run *first = row->run[0];
    if (first->sweep != run->sweep)
        return 0;
    if (run->sweep >= 0)
        return rows_same_variant(set, first, run);
    for (int64_t i = 0; i < row->runs; i++)
        if (!rows_same_settings(row->run[i], run)) /* a second run with one seed is another row */
            return 0;
    return 1;
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

/* "quantizer=ema,K=64", of the axes that have several values; the sweep's name in front where there are several sweeps. */
static int rows_variant_name(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_run *run, const char **out)
{
    const struct tessi_report_sweep *s = &set->sweep[run->sweep];
    *out = "";
    for (int64_t i = 0; i < s->axes; i++)
        if (i != s->seed_axis && s->axis[i].values > 1)
            TESS_TRY(tessi_report_format(ctx, set, out, "%s%s%s=%s", *out, **out ? "," : "", s->axis[i].name, run->value[i]));
    if (!**out)
        *out = s->name;
    else if (set->sweeps > 1)
        TESS_TRY(tessi_report_format(ctx, set, out, "%s: %s", s->name, *out));
    return TESS_OK;
}

/* Gives rows of one name the folder's. */
static void rows_tell_apart(struct tessi_report_table *t)
{
    for (int64_t i = 0; i < t->rows; i++)
        for (int64_t k = i + 1; k < t->rows; k++)
            if (t->row[i].run[0]->sweep < 0 && t->row[k].run[0]->sweep < 0 && strcmp(t->row[i].run[0]->name, t->row[k].run[0]->name) == 0) {
                t->row[i].name = t->row[i].run[0]->folder;
                t->row[k].name = t->row[k].run[0]->folder;
            }
}

static int rows_anchor(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_row *row, int64_t number)
{
    char text[64];
    size_t n = 0;
    for (const char *at = row->name; *at && n + 1 < sizeof text; at++)
        text[n++] = (char)(isalnum((unsigned char)*at) && (unsigned char)*at < 0x80 ? *at : '-');
    text[n] = '\0';
    return tessi_report_format(ctx, set, &row->anchor, "row-%lld-%s", (long long)number + 1, text);
}

static int rows_name(struct tess_context *ctx, struct tessi_report_making *m)
{
    struct tessi_report_table *t = m->t;
    for (int64_t i = 0; i < t->rows; i++) {
        struct tessi_report_row *row = &t->row[i];
        row->name = row->run[0]->name;
        if (row->run[0]->sweep >= 0)
            TESS_TRY(rows_variant_name(ctx, m->set, row->run[0], &row->name));
    }
    rows_tell_apart(t);
    for (int64_t i = 0; i < t->rows; i++)
        TESS_TRY(rows_anchor(ctx, m->set, &t->row[i], i));
    return TESS_OK;
}

/* ---- seeds --------------------------------------------------------------------------------------------------------- */

static int rows_seeds(struct tess_context *ctx, struct tessi_report_making *m)
{
    struct tessi_report_table *t = m->t;
    const char *text = "";
    for (int64_t i = 0; i < t->rows; i++) {
        t->seeds = t->row[i].runs > t->seeds ? t->row[i].runs : t->seeds;
        for (int64_t k = 0; k < t->row[i].runs; k++) {
            char listed[80], all[4096];
            const char *seed = t->row[i].run[k]->seed;
            (void)snprintf(listed, sizeof listed, " %.60s,", seed);
            (void)snprintf(all, sizeof all, " %s,", text);
            if (*seed && !strstr(all, listed))
                TESS_TRY(tessi_report_format(ctx, m->set, &text, "%s%s%s", text, *text ? ", " : "", seed));
        }
    }
    t->seed_texts = text;
    return TESS_OK;
}

/* ---- remarks ------------------------------------------------------------------------------------------------------- */

struct rows_count {
    int64_t failed, stopped, absent, unfinished, diverged, warned;
};

static int rows_warned(const struct tessi_report_run *run)
{
    for (int64_t i = 0; i < run->stages; i++)
        if (*run->stage[i].warning)
            return 1;
    return 0;
}

static struct rows_count rows_count(const struct tessi_report_row *row)
{
    struct rows_count n = {0};
    for (int64_t i = 0; i < row->runs; i++) {
        const struct tessi_report_run *run = row->run[i];
        n.failed += run->outcome == TESSI_REPORT_BROKEN;
        n.stopped += run->outcome == TESSI_REPORT_HALTED;
        n.absent += run->outcome == TESSI_REPORT_NOT_RUN && !*run->started && !run->settings;
        n.unfinished += run->outcome == TESSI_REPORT_NOT_RUN && (*run->started || run->settings);
        n.diverged += run->diverged;
        n.warned += rows_warned(run);
    }
    return n;
}

/* The gravest of what befell a row's runs, and how many. */
static int rows_state(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_row *row)
{
    const struct rows_count n = rows_count(row);
    const struct {
        int64_t count;
        const char *word;
    } states[] = {{n.failed, "failed"},         {n.diverged, "diverged"}, {n.stopped, "stopped"},
                  {n.unfinished, "unfinished"}, {n.absent, "not run"},    {n.warned, "warning"}};
    row->state = "";
    row->sound = !n.failed && !n.diverged;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (!states[i].count)
            continue;
        row->state = states[i].word;
        if (states[i].count == row->runs || states[i].word == states[5].word)
            return TESS_OK;
        return tessi_report_format(ctx, set, &row->state, "%lld of %lld %s", (long long)states[i].count, (long long)row->runs,
                                   states[i].word);
    }
    return TESS_OK;
}

/* Adds a reason to a remark, with the seeds it is of where it is not of all. */
static int rows_add_reason(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_row *row, const char *seeds,
                           const char *stage, const char *text)
{
    return tessi_report_format(ctx, set, &row->remark, "%s%s%s%s%s%s%s%s", row->remark, *row->remark ? "; " : "", *seeds ? "seed " : "",
                               seeds, *seeds ? ": " : "", stage, *stage ? ": " : "", text);
}

/* The warning of a stage that this run has and no run before it in the row; NULL: none. */
static int rows_is_new(const struct tessi_report_row *row, int64_t run, const char *stage, const char *warning)
{
    for (int64_t i = 0; i < run; i++)
        for (int64_t k = 0; k < row->run[i]->stages; k++)
            if (strcmp(row->run[i]->stage[k].name, stage) == 0 && strcmp(row->run[i]->stage[k].warning, warning) == 0)
                return 0;
    return 1;
}

/* Seeds of the row's runs with that warning of that stage; "" where all have it. */
static int rows_seeds_with(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_row *row, const char *stage,
                           const char *warning, const char **out)
{
    int64_t n = 0;
    *out = "";
    for (int64_t i = 0; i < row->runs; i++)
        for (int64_t k = 0; k < row->run[i]->stages; k++) {
            const struct tessi_report_stage *s = &row->run[i]->stage[k];
            if (strcmp(s->name, stage) != 0 || strcmp(s->warning, warning) != 0)
                continue;
            n++;
            TESS_TRY(tessi_report_format(ctx, set, out, "%s%s%s", *out, **out ? ", " : "", row->run[i]->seed));
        }
    if (n == row->runs)
        *out = "";
    return TESS_OK;
}

static int rows_warnings(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_row *row, int64_t run)
{
    for (int64_t k = 0; k < row->run[run]->stages; k++) {
        const struct tessi_report_stage *s = &row->run[run]->stage[k];
        const char *seeds;
        if (!*s->warning || !rows_is_new(row, run, s->name, s->warning))
            continue;
        TESS_TRY(rows_seeds_with(ctx, set, row, s->name, s->warning, &seeds));
        TESS_TRY(rows_add_reason(ctx, set, row, seeds, s->name, s->warning));
    }
    return TESS_OK;
}

static int rows_remark(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_row *row)
{
    row->remark = "";
    row->done = 0;
    for (int64_t i = 0; i < row->runs; i++) {
        const struct tessi_report_run *run = row->run[i];
        const char *seed = row->runs > 1 ? (*run->seed ? run->seed : run->name) : "";
        int broken = run->outcome == TESSI_REPORT_BROKEN;
        row->done += run->outcome == TESSI_REPORT_FINISHED;
        if (broken || run->outcome == TESSI_REPORT_HALTED)
            TESS_TRY(rows_add_reason(ctx, set, row, seed, run->failed_stage,
                                     *run->reason ? run->reason
                                     : broken     ? "failed without a message"
                                                  : "stopped"));
        TESS_TRY(rows_warnings(ctx, set, row, i));
    }
    return TESS_OK;
}

int tessi_report_remarks(struct tess_context *ctx, struct tessi_report_making *m)
{
    for (int64_t i = 0; i < m->t->rows; i++) {
        TESS_TRY(rows_state(ctx, m->set, &m->t->row[i]));
        TESS_TRY(rows_remark(ctx, m->set, &m->t->row[i]));
        m->t->remarked |= *m->t->row[i].state != '\0';
    }
    return TESS_OK;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static int rows_add(struct tess_context *ctx, struct tessi_report_making *m, struct tessi_report_run *run)
{
    struct tessi_report_table *t = m->t;
    void *memory;
    int64_t i = t->rows - 1;
    while (i >= 0 && !rows_repeat(m->set, &t->row[i], run))
        i--;
    if (i >= 0) {
        t->row[i].run[t->row[i].runs++] = run;
        return TESS_OK;
    }
    TESS_TRY(tessi_report_grow(ctx, m->set, &t->row, &m->row_capacity, t->rows + 1, sizeof *t->row));
    TESS_TRY(tessi_report_alloc(ctx, m->set, (size_t)m->set->runs * sizeof *t->row->run, &memory));
    t->row[t->rows] = (struct tessi_report_row){.runs = 1, .run = memory};
    t->row[t->rows++].run[0] = run;
    return TESS_OK;
}

int tessi_report_rows(struct tess_context *ctx, struct tessi_report_making *m)
{
    m->swept = 1;
    for (int64_t i = 0; i < m->set->runs; i++) {
        m->swept &= m->set->run[i].sweep >= 0;
        TESS_TRY(rows_add(ctx, m, &m->set->run[i]));
    }
    m->t->named = !m->swept || m->set->sweeps > 1;
    m->t->title = m->set->sweeps == 1 && m->swept ? m->set->sweep[0].name : m->set->runs == 1 ? m->set->run[0].name : "";
    TESS_TRY(rows_name(ctx, m));
    return rows_seeds(ctx, m);
}
