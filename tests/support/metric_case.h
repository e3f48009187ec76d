/* A metric/1 at work in a test: rows in blocks, each state packed and unpacked on its way, results by name, and resamples.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_METRIC_CASE_H
#define TESTS_SUPPORT_METRIC_CASE_H

#include <tessera/kind/metric.h>
#include <tessera/plugin.h>
#include <tessera/test.h>

enum { METRIC_CASE_VALUES = 32 };

struct metric_values {
    int count;
    char name[METRIC_CASE_VALUES][64];
    double value[METRIC_CASE_VALUES], error[METRIC_CASE_VALUES];
    char list[4][64]; /* names of lists, and their first values */
    float item[4][8];
    int lists;
};

struct metric_case {
    struct tess_context *ctx;
    struct tess_instance *instance;
    const struct tess_metric_1 *ops;
    void *self, *state;
    struct tess_metric_shape shape;
};

/* Opens a metric and asks it whether it can judge rows of the shape. Failures fail the test. */
void metric_case_open(struct metric_case *m, struct tess_context *ctx, const char *config, const struct tess_metric_shape *shape);
void metric_case_close(struct metric_case *m);
/* Adds a block of rows through a state of its own. */
void metric_case_add(struct metric_case *m, const struct tess_metric_rows *rows);
/* Adds n vectors of d features as blocks of `block`. */
void metric_case_features(struct metric_case *m, int32_t set, const float *x, int64_t n, int64_t d, int64_t block);
void metric_case_finish(struct metric_case *m, struct metric_values *v);
/* The result `name`, of one resample that has the rows of each set times[set][i] times. */
double metric_case_resampled(struct metric_case *m, const uint16_t *const times[2], const char *name);
double metric_value_named(const struct metric_values *v, const char *name);
double metric_error_named(const struct metric_values *v, const char *name);
/* The first values of a list. */
const float *metric_list_named(const struct metric_values *v, const char *name);

#endif
