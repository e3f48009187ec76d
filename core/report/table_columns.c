/* Columns of settings: the axes of sweeps, or what differs between runs, and short titles for them. SPDX-License-Identifier: MIT */
#include "core/report/table_private.h"

#include <stdio.h>
#include <string.h>

/* Text of a setting in a row: of an axis the variant's value, else as resolved.yaml has it; NULL: none. */
static const char *columns_text(const struct tessi_report_set *set, const struct tessi_report_row *row, const char *name, int axis)
{
    const struct tessi_report_run *run = row->run[0];
    const struct tessi_report_sweep *s = run->sweep >= 0 ? &set->sweep[run->sweep] : NULL;
    for (int64_t i = 0; axis && s && i < s->axes; i++)
        if (strcmp(s->axis[i].name, name) == 0)
            return run->value[i];
    return tessi_report_setting_text(tessi_report_row_run(row), name);
}

static int64_t columns_find(const struct tessi_report_table *t, const char *name)
{
    for (int64_t i = 0; i < t->columns; i++)
        if (strcmp(t->column[i].name, name) == 0)
            return i;
    return -1;
}

static int columns_differ(const struct tessi_report_making *m, const char *name, int axis)
{
    const char *first = columns_text(m->set, &m->t->row[0], name, axis);
    for (int64_t i = 1; i < m->t->rows; i++)
        if (!tessi_report_same(first, columns_text(m->set, &m->t->row[i], name, axis)))
            return 1;
    return 0;
}

static int columns_add(struct tess_context *ctx, struct tessi_report_making *m, const char *name)
{
    struct tessi_report_table *t = m->t;
    TESS_TRY(tessi_report_grow(ctx, m->set, &t->column, &m->column_capacity, t->columns + 1, sizeof *t->column));
    t->column[t->columns++] = (struct tessi_report_column){.name = name, .title = name};
    return TESS_OK;
}

/* ---- which settings ------------------------------------------------------------------------------------------------ */

/* 1 where the component `use` decides the setting: it differs, and rows of one component agree in the setting. */
static int columns_follow(const struct tessi_report_making *m, const char *use, const char *name)
{
    const struct tessi_report_table *t = m->t;
    if (!columns_differ(m, use, 0))
        return 0;
    for (int64_t i = 0; i < t->rows; i++)
        for (int64_t k = 0; k < i; k++)
            if (tessi_report_same(columns_text(m->set, &t->row[i], use, 0), columns_text(m->set, &t->row[k], use, 0)) &&
                !tessi_report_same(columns_text(m->set, &t->row[i], name, 0), columns_text(m->set, &t->row[k], name, 0)))
                return 0;
    return 1;
}

/* 1 where some rows lack the setting because of a component or a stage around it: "quantizer.decay" is a parameter of some values of
 * "quantizer.use" alone. The component is a column, its consequences are not. */
static int columns_is_consequence(const struct tessi_report_making *m, const char *name)
{
    char use[512];
    int missing = 0;
    for (int64_t i = 0; i < m->t->rows; i++)
        missing |= columns_text(m->set, &m->t->row[i], name, 0) == NULL;
    for (size_t length = strlen(name); missing && length > 0; length--)
        if (name[length - 1] == '.' && snprintf(use, sizeof use, "%.*suse", (int)length, name) < (int)sizeof use &&
            strcmp(use, name) != 0 && columns_follow(m, use, name))
            return 1;
    return 0;
}

/* Settings of resolved pipelines that differ; the seed is what runs are repeated over. */
static int columns_of_settings(struct tess_context *ctx, struct tessi_report_making *m)
{
    struct tessi_report_table *t = m->t;
    for (int64_t i = 0; i < t->rows; i++) {
        const struct tessi_report_run *run = tessi_report_row_run(&t->row[i]);
        for (int64_t k = 0; k < run->settings; k++) {
            const char *name = run->setting[k].name;
            int known = columns_find(t, name) >= 0 || (t->seeds > 1 && strcmp(name, "seed") == 0) ||
                        (i > 0 && tessi_report_setting_text(tessi_report_row_run(&t->row[0]), name));
            if (!known && columns_differ(m, name, 0) && (m->o->all || !columns_is_consequence(m, name)))
                TESS_TRY(columns_add(ctx, m, name));
        }
    }
    return TESS_OK;
}

static int columns_of_axes(struct tess_context *ctx, struct tessi_report_making *m)
{
    for (int64_t i = 0; i < m->set->sweeps; i++) {
        const struct tessi_report_sweep *s = &m->set->sweep[i];
        for (int64_t k = 0; k < s->axes; k++) {
            if (k == s->seed_axis || columns_find(m->t, s->axis[k].name) >= 0)
                continue;
            if (columns_differ(m, s->axis[k].name, 1))
                TESS_TRY(columns_add(ctx, m, s->axis[k].name));
            else if (m->t->rows > 1 || s->axis[k].values == 1)
                TESS_TRY(tessi_report_add_constant(ctx, m, s->axis[k].name, s->axis[k].value[0]));
        }
    }
    return TESS_OK;
}

/* ---- titles -------------------------------------------------------------------------------------------------------- */

/* The last `parts` parts of a name between dots, without an ending ".use". */
static int columns_title(struct tess_context *ctx, struct tessi_report_set *set, const char *name, int parts, const char **out)
{
    size_t length = strlen(name), from;
    if (length > 4 && strcmp(name + length - 4, ".use") == 0)
        length -= 4;
    for (from = length; from > 0; from--)
        if (name[from - 1] == '.' && --parts == 0)
            break;
    return tessi_report_format(ctx, set, out, "%.*s", (int)(length - from), name + from);
}

static int columns_titles(struct tess_context *ctx, struct tessi_report_making *m)
{
    struct tessi_report_table *t = m->t;
    int clash = 1;
    for (int64_t i = 0; i < t->columns; i++)
        TESS_TRY(columns_title(ctx, m->set, t->column[i].name, 1, &t->column[i].title));
    for (int parts = 2; clash && parts < 10; parts++) {
        clash = 0;
        for (int64_t i = 0; i < t->columns; i++) {
            int own = 0;
            for (int64_t k = 0; k < t->columns; k++)
                own |= k != i && strcmp(t->column[i].title, t->column[k].title) == 0;
            clash |= own;
            if (own)
                for (int64_t k = t->columns - 1; k >= i; k--)
                    if (k == i || strcmp(t->column[k].title, t->column[i].title) == 0)
                        TESS_TRY(columns_title(ctx, m->set, t->column[k].name, parts, &t->column[k].title));
        }
    }
    return TESS_OK;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static int columns_fill(struct tess_context *ctx, struct tessi_report_making *m)
{
    struct tessi_report_table *t = m->t;
    double number;
    void *memory;
    for (int64_t i = 0; i < t->rows; i++) {
        TESS_TRY(tessi_report_alloc(ctx, m->set, (size_t)(t->columns + 1) * sizeof *t->row->setting, &memory));
        t->row[i].setting = memory;
        for (int64_t k = 0; k < t->columns; k++)
            t->row[i].setting[k] = columns_text(m->set, &t->row[i], t->column[k].name, 1);
    }
    for (int64_t k = 0; k < t->columns; k++) {
        t->column[k].numeric = 1;
        for (int64_t i = 0; i < t->rows; i++)
            t->column[k].numeric &= !t->row[i].setting[k] || tessi_report_number(t->row[i].setting[k], &number);
    }
    return TESS_OK;
}

/* Counts the settings that are the same in all rows that have any. */
static void columns_count_same(struct tessi_report_making *m)
{
    const struct tessi_report_run *first = tessi_report_row_run(&m->t->row[0]);
    for (int64_t k = 0; k < first->settings; k++)
        m->t->same += columns_find(m->t, first->setting[k].name) < 0 && !columns_differ(m, first->setting[k].name, 0);
}

int tessi_report_columns(struct tess_context *ctx, struct tessi_report_making *m)
{
    const struct tessi_report_set *set = m->set;
    for (int64_t i = 0; m->swept && set->sweeps == 1 && i < set->sweep[0].overrides; i++) {
        char name[300];
        const char *text = set->sweep[0].override[i], *equals = strchr(text, '=');
        (void)snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - text) : 0, text);
        TESS_TRY(tessi_report_add_constant(ctx, m, name, equals ? equals + 1 : text));
    }
    if (m->swept)
        TESS_TRY(columns_of_axes(ctx, m));
    if (!m->swept || m->o->all)
        TESS_TRY(columns_of_settings(ctx, m));
    TESS_TRY(columns_titles(ctx, m));
    columns_count_same(m);
    return columns_fill(ctx, m);
}
