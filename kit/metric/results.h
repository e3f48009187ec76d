/* Results of a metric, handed to the sink. SPDX-License-Identifier: MIT */
#ifndef KIT_METRIC_RESULTS_H
#define KIT_METRIC_RESULTS_H

#include <tessera/base.h>
#include <tessera/kind/metric.h>

/* Hands over a value without an error or interval; `better` is TESS_METRIC_LOWER, TESS_METRIC_HIGHER or 0. */
int metric_put(struct tess_context *ctx, const struct tess_metric_sink *sink, const char *name, double value, const char *unit,
               int32_t better) TESS_CHECKED;

#endif
