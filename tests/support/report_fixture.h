/* Made results of runs: a sweep's folder with variants that nobody ran, of stages, metrics and warnings that a test wants to see.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_REPORT_FIXTURE_H
#define TESTS_SUPPORT_REPORT_FIXTURE_H

#include "core/base/context.h"
#include "core/report/collect.h"

/* A metric of the stage `metrics`; better as in <tessera/kind/metric.h>; standard_error < 0: none. */
struct report_made_metric {
    const char *name, *unit;
    int32_t better;
    double value, standard_error;
};

/* A run: images -> tokenizer -> metrics, and images -> metrics. NULL and 0 take the defaults. */
struct report_made {
    const char *folder;    /* made, with its parents */
    const char *quantizer; /* component of the tokenizer's quantizer: "ema" */
    int64_t codebook_size; /* 64 */
    int64_t seed;          /* 1 */
    int64_t limit;         /* parameter of `metrics`: 0 */
    const char *images;    /* content of the images, in the place of a data set */
    const char *warning;   /* warning of the tokenizer */
    const char *files;     /* files that the images were read from, "DIGEST PATH", a line each */
    const char *plugin;    /* plugin of `metrics`: "stage/1 evaluate, tessera-evaluate 0.1.0" */
    int64_t metrics;
    const struct report_made_metric *metric;
    int picture; /* 1: `metrics` has the picture `reconstructions`; its shade is the seed */
};

/* A new folder to work in, and out of it again, with all that is in it gone; no memory is left allocated. */
void report_start(void);
void report_end(void);
/* Writes a file, with the folder that it is in. */
void report_write(const char *path, const char *text);
/* Writes the run's resolved.yaml and artefacts, and no log. */
void report_make(const struct report_made *made);
/* Writes runs/NAME/sweep.yaml for the axes `quantizer` (nearest, ema), `K` (64, 256) and `seed` (1 .. seeds), with all variants; the
 * folder of variant i, by the axes in that order, last one fastest. */
void report_make_sweep(const char *name, int seeds);
const char *report_variant(const char *name, int seeds, int i);
/* Collects, or fails the test. */
void report_collect(struct tess_context *ctx, struct tessi_report_set *set, int64_t n, const char *const *paths);

#endif
