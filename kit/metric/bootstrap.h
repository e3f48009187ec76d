/* Intervals by bootstrap: rows drawn anew with replacement, and the spread of the results over the resamples (docs/metrics.md,
 * "Intervals"). SPDX-License-Identifier: MIT */
#ifndef KIT_METRIC_BOOTSTRAP_H
#define KIT_METRIC_BOOTSTRAP_H

#include <tessera/base.h>
#include <tessera/kind/metric.h>

struct bootstrap {
    int64_t resamples; /* 0: none */
    uint64_t seed;
};

/* Draws the resamples of sets of `rows` rows: fills r->count, r->rows and r->times, in memory that bootstrap_close gives back. A draw
 * depends on the seed, the resample, the set and the number of its rows alone, so two metrics of the same rows see the same resamples.
 * On the workers of r->parallel. */
int bootstrap_draw(struct tess_context *ctx, const struct bootstrap *b, const int64_t rows[TESS_METRIC_SETS],
                   struct tess_metric_resamples *r) TESS_CHECKED;
void bootstrap_close(struct tess_metric_resamples *r);
/* Memory of the draws in bytes, for a plan. */
int64_t bootstrap_bytes(const struct bootstrap *b, const int64_t rows[TESS_METRIC_SETS]);

/* Sets standard_error (deviation over the resamples, over n - 1), low and high (percentiles 2.5 and 97.5, between two values in
 * proportion) of a result from its values on n resamples, which are sorted in place. A NaN among them: there is nothing to say, and the
 * result stays as it is. */
void bootstrap_interval(double *value, int64_t n, struct tess_metric_value *v);

#endif
