/* Table of many runs: a row for each variant, repeated over seeds; columns are the settings that differ and the metrics.
 *
 * Rows. Variants of a sweep that differ by its seed axis alone are one row; runs by themselves that differ by the pipeline's `seed` alone
 * are one, too. A variant that failed, was stopped or was not run is a row with the reason.
 * Metrics. A column has values of one stage, name, unit and protocol (collect.h); where the same name comes with several protocols, each is
 * a column of its own, numbered, and a note says in what they differ. The data that was measured on may change with the seed, as a network
 * of features does that is trained anew for each, if it does so in the same way in every row.
 * Best. By the metric's direction, among rows in which nothing failed or diverged. A row is within noise of the best where Welch's 95 %
 * interval of the difference has 0 in it (statistics.h).
 *
 * All of a table lies in the memory of its set. [one thread] SPDX-License-Identifier: MIT */
#ifndef TESSI_TABLE_H
#define TESSI_TABLE_H

#include "core/report/collect.h"
#include "core/report/statistics.h"

#include <stdio.h>

struct tessi_report_table_options {
    const char *metrics; /* "PSNR,bound": metrics to show, in this order, by name or a part of it; NULL: those with a direction that vary */
    const char *sort;    /* a metric (best first) or a setting (rising) to sort rows by; NULL: as they are given */
    const char
        *baseline; /* row that others are compared with, "quantizer=nearest,K=64"; NULL: the sweep's, else the first that has values */
    int all;       /* 1: all metrics, and all settings that differ */
};

/* A setting that differs. */
struct tessi_report_column {
    const char *name;  /* "tokenizer.quantizer.use"; an axis: its name */
    const char *title; /* short, unique within the table: "quantizer" */
    int numeric;       /* 1: every row's is a number */
};

/* A metric, measured in one way. */
struct tessi_report_measure {
    const char *stage, *use, *name, *unit;
    int32_t better;       /* as tessi_report_metric has it */
    const char *title;    /* unique within the table: the name; "STAGE: NAME"; "NAME [2]" */
    const char *protocol; /* as tessi_report_metric has it */
    const char *against;  /* digests of the data that the first value was measured on */
    int64_t of, number;   /* number `number` of `of` with this name and stage, from 1; of = 1: there is no other */
    int shown;            /* 1: selected by the options */
    int constant;         /* 1: the same value in each row, of two or more */
};

struct tessi_report_cell {
    struct tessi_report_mean mean; /* n = 0: no value */
    const double *value;           /* n values, in the order of the row's runs */
    const char **seed;             /* n texts: the seeds they are of */
    int best, within;              /* 1: the best value (ties are all best); within noise of the best */
    int compared;            /* with the baseline: TESSI_REPORT_WITHIN, TESSI_REPORT_APART; TESSI_REPORT_UNKNOWN also for the baseline */
    double difference, half; /* this mean - the baseline's, and half of its 95 % interval (< 0: not known) */
};

struct tessi_report_row {
    const char *name;   /* "quantizer=ema,K=64"; a run by itself: its name */
    const char *anchor; /* letters, digits and `-`, unique: for links to the row */
    int64_t runs;
    struct tessi_report_run **run;  /* runs, which are the set's */
    int64_t done;                   /* runs that finished */
    const char **setting;           /* text, by the table's columns; NULL: it has none of that name */
    struct tessi_report_cell *cell; /* by the table's measures */
    const char *state;  /* "": all is well; "failed", "1 of 3 failed", "diverged", "stopped", "not run", "unfinished", "warning" */
    const char *remark; /* the reasons and warnings; "" */
    int sound;          /* 1: nothing failed or diverged, so it may be the best */
    int baseline;       /* 1: others are compared with this row */
};

struct tessi_report_table {
    const char *title; /* name of the sweep, or of the only run; "" for several */
    int named;         /* 1: rows are told apart by their names: runs by themselves, or several sweeps */
    int remarked;      /* 1: a row has a state */
    int64_t columns;
    struct tessi_report_column *column;
    int64_t measures;
    struct tessi_report_measure *measure;
    int64_t rows;
    struct tessi_report_row *row;
    int64_t seeds;          /* most runs that a row has */
    const char *seed_texts; /* "1, 2, 3": all seeds there are */
    int64_t constants; /* settings and metrics that are the same in all rows: overrides of the sweep, axes of one value, metrics that do not
                          vary */
    struct tessi_report_setting *constant;
    int64_t same;  /* number of settings, beyond those, that are the same in all rows */
    int64_t notes; /* remarks: how numbered metrics differ; duplicates of the sweep; the set's own notes */
    const char **note;
};

/* TESS_E_USAGE for a metric, a setting or a row that the options name and the table has not, with the nearest or those there are. `set` is
 * freed by the caller, whatever is returned. */
int tessi_report_table_make(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_table_options *o,
                            struct tessi_report_table *out) TESS_CHECKED;

enum {
    TESSI_REPORT_AS_TEXT = 0,
    TESSI_REPORT_AS_CSV = 1,
    TESSI_REPORT_AS_JSON = 2,
    TESSI_REPORT_AS_LATEX = 3,
    TESSI_REPORT_AS_MARKDOWN = 4
};

/* Options for a table printed as text on a terminal. */
struct tessi_report_text_style {
    int64_t columns; /* width of the terminal; wider tables are printed in parts. 0: no limit */
    int utf8;        /* 1: arrows and +- signs; 0: ASCII */
    int bold;        /* 1: escape sequences for the best; the marks stay */
    int differences; /* 1: with each value the difference to the baseline */
};

/* Prints the table. Every text is escaped for its format: quotes in CSV, control characters in a terminal, specials of LaTeX and Markdown.
 */
int tessi_report_table_print(struct tess_context *ctx, const struct tessi_report_table *t, int format,
                             const struct tessi_report_text_style *style, FILE *to) TESS_CHECKED;

/* "20.63", and where the interval is known "20.63 +- 0.12": the interval with two digits, the mean as far; `sign` stands between them. */
void tessi_report_mean_text(const struct tessi_report_mean *m, const char *sign, char *text, size_t capacity);
/* Differences between the protocols of measures of one name: for measure i "limit 100, images 1f2e3d4c"; "" where nothing does. */
int tessi_report_protocol_difference(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_table *t, int64_t i,
                                     const char **out) TESS_CHECKED;

#endif
