/* Declarations shared by the files that make and print tables. SPDX-License-Identifier: MIT */
#ifndef TESSI_TABLE_PRIVATE_H
#define TESSI_TABLE_PRIVATE_H

#include "core/report/collect_private.h"
#include "core/report/table.h"

/* A table in the making. */
struct tessi_report_making {
    struct tessi_report_set *set;
    const struct tessi_report_table_options *o;
    struct tessi_report_table *t;
    int swept; /* 1: all runs are variants of sweeps */
    int64_t column_capacity, measure_capacity, row_capacity, constant_capacity, note_capacity;
};

/* ---- rows (table_rows.c), columns (table_columns.c), measures (table_measures.c), marks (table_marks.c) ------------- */

int tessi_report_rows(struct tess_context *ctx, struct tessi_report_making *m) TESS_CHECKED;
int tessi_report_columns(struct tess_context *ctx, struct tessi_report_making *m) TESS_CHECKED;
int tessi_report_measures(struct tess_context *ctx, struct tessi_report_making *m) TESS_CHECKED;
int tessi_report_select(struct tess_context *ctx, struct tessi_report_making *m) TESS_CHECKED;
int tessi_report_marks(struct tess_context *ctx, struct tessi_report_making *m) TESS_CHECKED;
int tessi_report_sort(struct tess_context *ctx, struct tessi_report_making *m) TESS_CHECKED;
/* State and remark of each row. */
int tessi_report_remarks(struct tess_context *ctx, struct tessi_report_making *m) TESS_CHECKED;

/* Adds to the table's lists. */
int tessi_report_add_constant(struct tess_context *ctx, struct tessi_report_making *m, const char *name, const char *text) TESS_CHECKED;
int tessi_report_add_note(struct tess_context *ctx, struct tessi_report_making *m, const char *text) TESS_CHECKED;

/* The run of a row that has settings; its first run where none has. */
const struct tessi_report_run *tessi_report_row_run(const struct tessi_report_row *row);
/* 1 where both are the same text, or both are NULL. */
int tessi_report_same(const char *a, const char *b);
/* 1 where the whole text is a number; *out is its value. */
int tessi_report_number(const char *text, double *out);
/* Index of the measure that a word names: its title, its name, "STAGE.NAME", else the first that has the word in its title, whatever the
 * case; -1: none. `from`: the first to look at. */
int64_t tessi_report_measure_named(const struct tessi_report_table *t, const char *word, int64_t from);

/* ---- printing ------------------------------------------------------------------------------------------------------ */

int tessi_report_print_text(struct tess_context *ctx, const struct tessi_report_table *t, const struct tessi_report_text_style *style,
                            FILE *to) TESS_CHECKED;
void tessi_report_print_csv(const struct tessi_report_table *t, FILE *to);
void tessi_report_print_json(const struct tessi_report_table *t, FILE *to);
void tessi_report_print_latex(const struct tessi_report_table *t, FILE *to);
void tessi_report_print_markdown(const struct tessi_report_table *t, FILE *to);
/* "+0.31": the difference to the baseline, with the digits that its interval leaves. */
void tessi_report_difference_text(const struct tessi_report_cell *c, char *text, size_t capacity);
/* Title over the table: "ablation/x: 4 variants x 3 seeds (1, 2, 3)"; `times` stands between the numbers. */
void tessi_report_title_text(const struct tessi_report_table *t, const char *times, char *text, size_t capacity);
/* 1 where a shown metric has a best value. */
int tessi_report_has_marks(const struct tessi_report_table *t);
/* "the same in all rows: K 64, ...; 83 other settings", without an end of line, cut between settings; "" where nothing is the same. */
void tessi_report_constants_text(const struct tessi_report_table *t, char *text, size_t capacity);

#endif
