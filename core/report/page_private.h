/* State and functions shared by the sections of a report page. SPDX-License-Identifier: MIT */
#ifndef TESSI_REPORT_PAGE_PRIVATE_H
#define TESSI_REPORT_PAGE_PRIVATE_H

#include "core/report/html.h"
#include "core/report/page.h"
#include "core/report/svg.h"
#include "core/report/table.h"

#include <tessera/artefact.h>

/* Lines of page.css and page.js, NULL at the end (made by `embed`). */
extern const char *const tessi_report_page_css[], *const tessi_report_page_js[];

/* Most rows of the table, of pictures and of curves, and tiles of a strip. */
enum {
    TESSI_REPORT_PAGE_ROWS = 200,
    TESSI_REPORT_PAGE_PICTURE_ROWS = 100,
    TESSI_REPORT_PAGE_CURVE_ROWS = 100,
    TESSI_REPORT_PAGE_TILES = 16,
    TESSI_REPORT_PAGE_REFERENCES = 16
};

/* A strip of pictures: tiles of equal size in a row. */
struct tessi_report_page_strip {
    char *picture, *row;      /* "reconstructions", "original"; row "" where lines are all alike */
    int64_t count;            /* tiles there are in the artefact */
    struct tess_tensor tiles; /* u8 (n, height, width, channels), at most 64 pixels a side */
};
/* A picture that is shown as a whole. */
struct tessi_report_page_sheet {
    char *picture;
    struct tess_tensor pixels; /* u8 (height, width, channels), at most 512 pixels wide */
};
/* A part of the times of a prior's noise: its first time, the mean bound there in bits a code, its standard error (< 0: not known). */
struct tessi_report_page_bound {
    double first_time, bits, standard_error;
};
/* Data of a result's artefact for the page, read once however many runs have the result. */
struct tessi_report_page_result {
    const struct tessi_report_stage *stage; /* the first that has it */
    const struct tessi_report_run *run;
    int64_t points, series;
    struct tess_tensor curve; /* f32 (points, 1 + series) */
    char **curve_name;        /* 1 + series */
    int64_t strips, strip_capacity;
    struct tessi_report_page_strip *strip;
    int64_t sheets, sheet_capacity;
    struct tessi_report_page_sheet *sheet;
    int64_t bound_parts;
    double bound_times; /* the last time */
    struct tessi_report_page_bound *bound;
    int64_t depth;          /* levels whose codes were counted; 0: the artefact has no counts of codes */
    int64_t *level_size;    /* number of codes K of each level */
    int64_t *use;           /* uses of each code, falling; the levels one after the other */
    int64_t counted, codes; /* codes of a level that were counted, and there are */
    int64_t atlas;          /* number of codes decoded alone; 0: the artefact has no atlas */
    int32_t *atlas_code, *atlas_uses;
    struct tess_tensor atlas_tile; /* u8 (atlas, height, width, channels) */
};

struct tessi_report_page {
    struct tess_context *ctx;
    FILE *to;
    const struct tessi_report_set *set;
    const struct tessi_report_page_options *o;
    const struct tessi_report_table *table;
    int32_t *style; /* line style of each row: 0 .. TESSI_SVG_STYLES - 1, or TESSI_SVG_CROWD */
    int64_t results, result_capacity;
    struct tessi_report_page_result *result;
    int64_t names; /* stages of all runs, each name once, in the order of the first run */
    const char **name;
    int64_t id;            /* number of the last drawing */
    int64_t picture_bytes; /* bytes of the pictures written so far */
};

/* ---- what there is (page_gather.c, page_gather_atlas.c, page_gather_pictures.c) ---- */

/* Reads the artefacts' curves, pictures and uses of codes. What cannot be read is left out. */
int tessi_report_page_gather(struct tessi_report_page *p) TESS_CHECKED;
int tessi_report_page_gather_pictures(struct tess_context *ctx, const struct tess_artefact *a,
                                      struct tessi_report_page_result *r) TESS_CHECKED;
int tessi_report_page_gather_atlas(struct tess_context *ctx, const struct tess_artefact *a,
                                   struct tessi_report_page_result *r) TESS_CHECKED;
void tessi_report_page_gather_free(struct tessi_report_page *p);
/* The result of a run's stage; NULL where there is none. */
struct tessi_report_page_result *tessi_report_page_result_of(const struct tessi_report_page *p, const struct tessi_report_run *run,
                                                             const char *stage);

/* ---- sections, each of which writes nothing where it has nothing to show ---- */

int tessi_report_page_summary(struct tessi_report_page *p) TESS_CHECKED;   /* page_summary.c */
int tessi_report_page_table(struct tessi_report_page *p) TESS_CHECKED;     /* page_table.c */
int tessi_report_page_protocols(struct tessi_report_page *p) TESS_CHECKED; /* page_protocols.c */
int tessi_report_page_pictures(struct tessi_report_page *p) TESS_CHECKED;  /* page_pictures.c */
int tessi_report_page_codes(struct tessi_report_page *p) TESS_CHECKED;     /* page_codes.c */
int tessi_report_page_curves(struct tessi_report_page *p) TESS_CHECKED;    /* page_curves.c */
int tessi_report_page_bounds(struct tessi_report_page *p) TESS_CHECKED;    /* page_bounds.c */
int tessi_report_page_against(struct tessi_report_page *p) TESS_CHECKED;   /* page_against.c */
int tessi_report_page_references(struct tessi_report_page *p) TESS_CHECKED; /* page_references.c */
int tessi_report_page_stages(struct tessi_report_page *p) TESS_CHECKED;    /* page_stages.c */
int tessi_report_page_times(struct tessi_report_page *p) TESS_CHECKED;     /* page_times.c */
int tessi_report_page_again(struct tessi_report_page *p) TESS_CHECKED;     /* page_again.c */

/* ---- parts of section "Codebooks", which write headings of their own ---- */

/* 1 where a result's curve has series of the use of codes. */
int tessi_report_page_has_usage(const struct tessi_report_page_result *r);
int tessi_report_page_usage(struct tessi_report_page *p) TESS_CHECKED; /* use over training (page_curves.c) */
int tessi_report_page_atlas(struct tessi_report_page *p) TESS_CHECKED; /* codes decoded alone (page_atlas.c) */

/* ---- parts of section "The prior's bound" ---- */

void tessi_report_page_bounds_begin(struct tessi_report_page *p); /* opens the section and its charts (page_bounds.c) */
/* A figure with one of the section's charts, whose y axis, id and marks are filled in here; `caption` is HTML (page_bounds.c). */
int tessi_report_page_bound_chart(struct tessi_report_page *p, struct tessi_svg_chart *c, const char *caption) TESS_CHECKED;
/* The bound over training; *there = 1 where it opened the section for it (page_bound_steps.c). */
int tessi_report_page_bound_steps(struct tessi_report_page *p, int *there) TESS_CHECKED;

/* ---- lines over numbers (page_lines.c) ---- */

/* A setting that is a number, or an attribute of the samples that a metric is of. */
struct tessi_report_page_axis {
    int64_t column;        /* column of the table; -1: an attribute */
    const char *attribute; /* "temperature" */
    const char *label, *unit;
    int32_t kind; /* TESSI_SVG_LINEAR, TESSI_SVG_EITHER */
};
/* Rows that differ on an axis alone, by its rising values, with a metric's means and intervals. */
struct tessi_report_page_line {
    char name[200]; /* settings that the rows have in common, "quantizer=ema" */
    int64_t points;
    double *x, *y, *low, *high;
    int64_t *row;
};
/* The i-th way of drawing samples that has an axis; NULL after the last. */
const struct tessi_report_page_axis *tessi_report_page_sampling(int64_t i);
/* A row's number on an axis, and a reference's; NAN: it has none. */
double tessi_report_page_axis_value(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t row,
                                    int64_t measure);
double tessi_report_page_axis_reference(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis,
                                        const struct tessi_report_reference *r);
/* 1 where rows that have the metric differ on the axis. */
int tessi_report_page_axis_varies(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure);
/* 1 where a column of the table has the same numbers in all rows as the axis. */
int tessi_report_page_axis_repeats(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure);
/* Memory for the lines of a table's rows, in one piece. */
int tessi_report_page_lines_alloc(struct tessi_report_page *p, struct tessi_report_page_line **out) TESS_CHECKED;
/* Fills the lines of a metric over an axis, of one point or more; returns their number. */
int64_t tessi_report_page_lines(const struct tessi_report_page *p, const struct tessi_report_page_axis *axis, int64_t measure,
                                struct tessi_report_page_line *line);

/* Charts of section "Metrics against settings" that have a marker a row, over the memory of `line`; *charts are drawn already
 * (page_pairs.c). */
int tessi_report_page_pairs(struct tessi_report_page *p, struct tessi_report_page_line *line, int64_t *charts) TESS_CHECKED;

/* ---- reference values (page_references.c) ---- */

/* Reference values of all runs, each name once; returns their number. */
int64_t tessi_report_page_references_list(const struct tessi_report_page *p,
                                          const struct tessi_report_reference *list[TESSI_REPORT_PAGE_REFERENCES]);
/* Their mark on charts, with their names. */
void tessi_report_page_references_legend(struct tessi_report_page *p);
/* A reference's value of a metric; NAN where it has none. */
double tessi_report_page_reference_value(const struct tessi_report_reference *r, const struct tessi_report_measure *m);

/* ---- times of stages (page_stage_times.c) ---- */

/* Floating-point operations of stages, and those that the machine could have done in the same time; 0: none tell. */
struct tessi_report_page_share {
    double flop, possible, most; /* most: FLOP/s of the machine at most */
    int64_t threads;
};
/* Adds a stage of a run, where its operations, its time and the machine's peak are known. */
void tessi_report_page_share_add(const struct tessi_report_page *p, const struct tessi_report_run *run, const struct tessi_report_stage *s,
                                 struct tessi_report_page_share *share);
/* The table of times, memory and shares of all stages. */
void tessi_report_page_stage_times(struct tessi_report_page *p);

/* ---- small things (page_parts.c) ---- */

void tessi_report_page_section(struct tessi_report_page *p, const char *id, const char *title); /* ends with </section> */
/* A fresh id for a drawing, "f12", in `text`. */
const char *tessi_report_page_id(struct tessi_report_page *p, char text[24]);
/* The styles of the rows that have one of their own, and of the others. */
void tessi_report_page_legend(struct tessi_report_page *p);
const char *tessi_report_page_seconds(double seconds, char *text, size_t capacity);
const char *tessi_report_page_bytes(double bytes, char *text, size_t capacity);
/* The first digits of a digest. */
void tessi_report_page_digest(struct tessi_report_page *p, const char *digest);
/* An <img> of a picture in place, with a palette of at most 256 colours. `id` may be NULL. */
int tessi_report_page_image(struct tessi_report_page *p, const struct tess_tensor *pixels, const char *id, const char *alt_first,
                            const char *alt_second) TESS_CHECKED;
/* A link to a file, relative to the page; only its name where it is not there. */
void tessi_report_page_link(struct tessi_report_page *p, const char *path, const char *text);

#endif
