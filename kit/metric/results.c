/* See results.h. SPDX-License-Identifier: MIT */
#include "kit/metric/results.h"

int metric_put(struct tess_context *ctx, const struct tess_metric_sink *sink, const char *name, double value, const char *unit,
               int32_t better)
{
    const struct tess_metric_value v = TESS_METRIC_VALUE(name, value, unit, better);
    return sink->value(sink->to, ctx, &v);
}
