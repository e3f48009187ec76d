/* The parts of a table in their order, and what is said around it. See table.h. SPDX-License-Identifier: MIT */
#include "core/report/table_private.h"

#include <string.h>

int tessi_report_add_constant(struct tess_context *ctx, struct tessi_report_making *m, const char *name, const char *text)
{
    struct tessi_report_table *t = m->t;
    TESS_TRY(tessi_report_grow(ctx, m->set, &t->constant, &m->constant_capacity, t->constants + 1, sizeof *t->constant));
    TESS_TRY(tessi_report_text(ctx, m->set, name, &t->constant[t->constants].name));
    return tessi_report_text(ctx, m->set, text, &t->constant[t->constants++].text);
}

int tessi_report_add_note(struct tess_context *ctx, struct tessi_report_making *m, const char *text)
{
    struct tessi_report_table *t = m->t;
    TESS_TRY(tessi_report_grow(ctx, m->set, &t->note, &m->note_capacity, t->notes + 1, sizeof *t->note));
    t->note[t->notes++] = text;
    return TESS_OK;
}

/* Says in what numbered metrics differ, in one note for all metrics of a stage that differ in the same. */
static int table_note_protocols(struct tess_context *ctx, struct tessi_report_making *m)
{
    const struct tessi_report_table *t = m->t;
    for (int64_t i = 0; i < t->measures; i++) {
        const char *difference, *text;
        if (t->measure[i].of < 2 || !t->measure[i].shown)
            continue;
        TESS_TRY(tessi_report_protocol_difference(ctx, m->set, t, i, &difference));
        TESS_TRY(tessi_report_format(ctx, m->set, &text, "%s: measured with %s", t->measure[i].title, difference));
        TESS_TRY(tessi_report_add_note(ctx, m, text));
    }
    return TESS_OK;
}

static int table_notes(struct tess_context *ctx, struct tessi_report_making *m)
{
    TESS_TRY(table_note_protocols(ctx, m));
    for (int64_t i = 0; i < m->set->sweeps; i++)
        for (int64_t k = 0; k < m->set->sweep[i].duplicates; k++) {
            const char *text;
            TESS_TRY(tessi_report_format(ctx, m->set, &text, "not run, for it has another's results: %s", m->set->sweep[i].duplicate[k]));
            TESS_TRY(tessi_report_add_note(ctx, m, text));
        }
    for (int64_t i = 0; i < m->set->notes; i++)
        TESS_TRY(tessi_report_add_note(ctx, m, m->set->note[i]));
    return TESS_OK;
}

int tessi_report_table_make(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_table_options *o,
                            struct tessi_report_table *out)
{
    struct tessi_report_making m = {.set = set, .o = o, .t = out};
    *out = (struct tessi_report_table){.title = "", .seed_texts = ""};
    if (!set->runs)
        return ctx->fail(ctx, TESS_E_USAGE, "there is no run in it: every variant of the sweep was left out");
    TESS_TRY(tessi_report_rows(ctx, &m));
    TESS_TRY(tessi_report_remarks(ctx, &m));
    TESS_TRY(tessi_report_columns(ctx, &m));
    TESS_TRY(tessi_report_measures(ctx, &m));
    TESS_TRY(tessi_report_select(ctx, &m));
    TESS_TRY(tessi_report_sort(ctx, &m));
    TESS_TRY(tessi_report_marks(ctx, &m));
    return table_notes(ctx, &m);
}

int tessi_report_table_print(struct tess_context *ctx, const struct tessi_report_table *t, int format,
                             const struct tessi_report_text_style *style, FILE *to)
{
    if (format == TESSI_REPORT_AS_TEXT)
        return tessi_report_print_text(ctx, t, style, to);
    if (format == TESSI_REPORT_AS_CSV)
        tessi_report_print_csv(t, to);
    else if (format == TESSI_REPORT_AS_JSON)
        tessi_report_print_json(t, to);
    else if (format == TESSI_REPORT_AS_LATEX)
        tessi_report_print_latex(t, to);
    else
        tessi_report_print_markdown(t, to);
    return TESS_OK;
}
