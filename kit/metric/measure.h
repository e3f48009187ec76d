/* Runner of metric/1 components: a stage feeds rows in batches of any size, and each metric sees them in the blocks and the tree that
 * <tessera/kind/metric.h> promises, whatever the batch and however many the workers. SPDX-License-Identifier: MIT */
#ifndef KIT_METRIC_MEASURE_H
#define KIT_METRIC_MEASURE_H

#include <tessera/artefact.h>
#include <tessera/kind/metric.h>
#include <tessera/kind/stage.h>
#include <tessera/plugin.h>

enum { MEASURE_MAX = 16, MEASURE_LEVELS = 48 };

/* Partial states of one metric and one set, each the merge of a whole subtree of blocks; subtrees differ in height, the tallest first. */
struct measure_tree {
    void *state[MEASURE_LEVELS];
    int64_t blocks[MEASURE_LEVELS];
    int32_t count;
};

struct measure {
    int32_t metrics;
    struct tess_instance *instance[MEASURE_MAX];
    const struct tess_metric_1 *ops[MEASURE_MAX];
    struct tess_metric_shape shape;
    struct measure_tree tree[MEASURE_MAX][TESS_METRIC_SETS];
    int64_t fed[TESS_METRIC_SETS];
    /* rows waiting for their block to be full */
    struct tess_tensor image, made, features[TESS_METRIC_SETS];
    int64_t waiting[TESS_METRIC_SETS];
};

/* Starts measuring by those of the instances that take rows of the kind `wants` (TESS_METRIC_PAIRS, TESS_METRIC_FEATURES), after asking
 * each whether it can judge such rows. The instances stay the caller's. `m` is zeroed. */
int measure_open(struct tess_context *ctx, struct measure *m, struct tess_instance *const *instance, int64_t count, uint32_t wants,
                 const struct tess_metric_shape *shape) TESS_CHECKED;
void measure_close(struct measure *m);
/* 1 where one of the metrics uses the images that were trained on. */
int measure_uses_training(struct tess_instance *const *instance, int64_t count);
/* Memory of the measurement in bytes, for a plan. */
int64_t measure_bytes(const struct measure *m);
/* Feeds rows in order: images (n, H, W, C) u8 and their reconstructions (n, H, W, C) f32; or features (n, D) f32 of one set. */
int measure_pairs(struct tess_context *ctx, struct measure *m, const struct tess_tensor *image,
                  const struct tess_tensor *made) TESS_CHECKED;
int measure_features(struct tess_context *ctx, struct measure *m, int32_t set, const struct tess_tensor *features) TESS_CHECKED;
/* Finishes after all rows were fed: writes each metric's results into the artefact, computed on the workers of the run. */
int measure_finish(struct tess_context *ctx, struct measure *m, struct tess_stage_run *run, struct tess_artefact *a) TESS_CHECKED;

#endif
