/* Differences between two runs: settings, stages, plugins, seeds, inputs, results, metrics, pictures. SPDX-License-Identifier: MIT */
#ifndef TESSI_DIFFERENCES_H
#define TESSI_DIFFERENCES_H

#include "core/report/collect.h"

enum {
    TESSI_DIFFERENT_SETTING = 0, /* name: "tokenizer.steps"; a stage that is in one run alone is a STAGE, and its settings are not listed */
    TESSI_DIFFERENT_SEED = 1,    /* name: "seed", "tokenizer.seed" */
    TESSI_DIFFERENT_STAGE = 2,   /* a stage in one run alone: its component */
    TESSI_DIFFERENT_PLUGIN = 3,  /* name: "encoder/1 conv", text: plugin and version; "tool", "numeric_mode" */
    TESSI_DIFFERENT_INPUT =
        4, /* content digests: name is the path of a file from outside, or the port that an artefact from outside is at */
    TESSI_DIFFERENT_RESULT = 5, /* content digests of a stage's artefacts */
    TESSI_DIFFERENT_METRIC = 6,
    TESSI_DIFFERENT_PICTURE = 7, /* by content; text: "28x28x1", the size */
    TESSI_DIFFERENT_OUTCOME = 8, /* name: "outcome"; warnings of a stage: "warning" */
    TESSI_DIFFERENT_KINDS = 9
};

struct tessi_report_difference {
    int kind;
    const char *stage; /* ""; of the whole run */
    const char *name;
    const char *unit;  /* unit of a metric; "" */
    const char *unit_b; /* unit of the second run's value where it is another, such as the total of a count, "of 16"; else NULL */
    const char *a, *b; /* texts; NULL: it has none. Of metrics NULL where it has none, else "" */
    double va, vb;     /* values of a metric that both have */
    double half;       /* half of the 95 % interval of vb - va by the metric's own standard errors; < 0: not known */
    int compared;      /* verdict on a metric: TESSI_REPORT_WITHIN noise, TESSI_REPORT_APART, TESSI_REPORT_UNKNOWN (statistics.h) */
    int elsewhere;     /* 1: a metric measured in another way or on other data, so its values are not comparable */
};

struct tessi_report_differences {
    int64_t count;
    struct tessi_report_difference *item;                             /* by kind, then in the order of the runs */
    int64_t same_settings, same_results, same_metrics, same_pictures; /* counts of equal items */
};

/* Compares two runs of a set, whose memory the differences lie in. Pictures of results that differ are read. A metric is listed where its
 * values differ, or one run lacks it. */
int tessi_report_compare_runs(struct tess_context *ctx, struct tessi_report_set *set, const struct tessi_report_run *a,
                              const struct tessi_report_run *b, struct tessi_report_differences *out) TESS_CHECKED;

#endif
