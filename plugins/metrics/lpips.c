/* metric/1 `lpips`: perceptual distance of reconstructions from their originals, the mean over images of what a network's features tell of
 * each pair (docs/metrics.md; docs/models.md, (19.3); Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
 * Metric", 2018). The caller has the network, and gives the distance of each pair.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/metric/row_values.h"

#include <tessera/plugin.h>

#include <math.h>

static int lpips_accumulate(void *self, struct tess_context *ctx, void *state, const struct tess_metric_rows *rows)
{
    const float *distance = rows->distance->data;
    (void)self;
    for (int64_t i = 0; i < rows->count; i++) {
        double one = (double)distance[i];
        if (!isfinite(one))
            return ctx->fail(ctx, TESS_E_FAILED,
                             "the perceptual distance of image %lld from its reconstruction is not finite; look at the reconstruction, and "
                             "at the network's weights",
                             (long long)(rows->first + i));
        TESS_TRY(row_values_add(ctx, state, &one, 1));
    }
    return TESS_OK;
}

static int lpips_finish(void *self, struct tess_context *ctx, void *state, const struct tess_metric_sink *sink)
{
    const struct row_values *v = state;
    (void)self;
    return row_values_put(ctx, sink, "perceptual distance", v->value, v->rows, "", TESS_METRIC_LOWER);
}

static int lpips_resample(void *self, struct tess_context *ctx, void *state, const struct tess_metric_resamples *r)
{
    const struct row_values *v = state;
    (void)self;
    return row_values_resample(ctx, r, TESS_METRIC_IMAGES, "perceptual distance", v->value, NULL);
}

static const struct tess_metric_1 ops = {.size = sizeof ops,
                                         .wants = TESS_METRIC_DISTANCES,
                                         .protocol = "mean over images; reconstructions clamped to 0 .. 1; no resize",
                                         .bytes = row_values_bytes,
                                         .open = row_values_open,
                                         .close = row_values_close,
                                         .accumulate = lpips_accumulate,
                                         .merge = row_values_merge,
                                         .finish = lpips_finish,
                                         .pack = row_values_pack,
                                         .unpack = row_values_unpack,
                                         .resample = lpips_resample};

TESS_PLUGIN("tessera-lpips", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED("Zhang et al., \"The Unreasonable Effectiveness of Deep Features as a Perceptual Metric\", 2018",
                                      "metrics: [lpips]", "lpips", "metric/1", "perceptual distance of reconstructions", 0, NULL, NULL,
                                      NULL, &ops));
