/* A report: one self-contained HTML page on runs and sweeps, made of what their folders hold and nothing else. docs/report.md describes it
 * for its readers. SPDX-License-Identifier: MIT */
#ifndef TESSI_REPORT_PAGE_H
#define TESSI_REPORT_PAGE_H

#include "core/report/table.h"

#include <stdio.h>

struct tessi_report_page_options {
    const char *output;                    /* path of the page, which relative links start from; NULL: the current folder */
    int reproducible;                      /* 1: without the line of clock and machine, and without all that a clock measured */
    int64_t refresh;                       /* seconds after which a browser loads the page again, while a run is not at its end; 0: never */
    const char *made;                      /* that line: when, where, by which program; NULL: none */
    /* FLOP/s that this machine does at most on so many threads, in bf16 or f32; 0: not known. Its processor's name, which runs must have
     * been computed on for a share of that. NULL: no shares. */
    double (*peak)(int64_t threads, int bf16);
    const char *processor;
    const char *metrics, *sort, *baseline; /* as struct tessi_report_table_options has them */
};

/* Writes the page. The same set and options give the same bytes. The page is below 3 MB for a hundred variants: pictures are thumbnails
 * whose number falls as that of the variants grows, and where something is left out the page says so. TESS_E_MEMORY; what cannot be read is
 * said in the page. [one thread] */
int tessi_report_page(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_page_options *o,
                      FILE *to) TESS_CHECKED;

#endif
