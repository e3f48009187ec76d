/* Rows that metrics are judged on, and their way through states. SPDX-License-Identifier: MIT */
#ifndef JUDGE_METRIC_H
#define JUDGE_METRIC_H

#include "core/judge/judge_private.h"

enum { METRIC_SIDE = 12, METRIC_FEATURES = 6, METRIC_VALUES = 64 };
enum { METRIC_RESAMPLES = 2 };
enum { METRIC_CLASSES = 5, METRIC_TOKENS = 12, METRIC_DEPTH = 2 };

/* State of a test: rows of all kinds, and the values of a finish. */
struct metric_case {
    struct judge *j;
    struct tess_context *ctx;
    const struct tess_metric_1 *ops;
    void *self;
    struct tess_metric_shape shape;
    uint8_t *image;
    float *made, *features[TESS_METRIC_SETS], *scores[2], *made_scores, *distance;
    int32_t *labels, *codes[2];
    int32_t values;
    char name[METRIC_VALUES][64];
    double value[METRIC_VALUES];
    int32_t resampled; /* values of resamples */
};

/* Draws `rows` rows of each set, and asks the metric whether it can judge them: JUDGE_UNFIT where not. Close in any case. */
int judge_metric_open(struct judge *j, struct tess_instance *i, int64_t rows, struct metric_case *c);
void judge_metric_close(struct metric_case *c);
/* Sets of rows that the metric is given. */
int judge_metric_sets(const struct metric_case *c);
/* Adds rows first .. first + count - 1 of a set to a state; of features, where the shape has resamples, as rows that stay. */
int judge_metric_accumulate(struct metric_case *c, void *state, int32_t set, int64_t first, int64_t count);
/* 1 where all rows of two cases are the same. */
int judge_metric_same(const struct metric_case *a, const struct metric_case *b);

/* ---- judge_metric_states.c ---- */

/* Order in which the blocks of a set are merged. */
enum metric_order {
    METRIC_TREE,  /* a tree, ((0 1) 2), as the host merges */
    METRIC_LEFT,  /* from the left: one state, merged with each next */
    METRIC_RIGHT, /* from the right: (0 (1 2)) */
    METRIC_ONE,   /* no merge: one state accumulates all blocks */
    METRIC_PACKED /* METRIC_TREE with states packed and unpacked */
};

/* 1 where the metric offers intervals by resamples. */
int judge_metric_has_intervals(const struct metric_case *c);
/* Measures in an order of merging: from the rows to the values, and those of resamples where the shape has some. */
int judge_metric_measure(struct metric_case *c, enum metric_order order);
/* Measures, with failures as failures of the test. */
int judge_metric_values(struct metric_case *c, enum metric_order order);

#endif
